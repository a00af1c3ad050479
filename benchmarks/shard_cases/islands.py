"""What deciding who may touch whom costs the authority."""

from __future__ import annotations

import time
from typing import Final, cast

import numpy as np

from sidereal.game import Body, Game, Motion
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.message.shard import ShardHello
from sidereal.protocol.rules import Rules
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import NUMBERS_MAX
from sidereal.replication.ownership.candidates import touching_of
from sidereal.replication.ownership.grouping import Grouping
from sidereal.replication.ownership.handover import decide_handovers
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.world import UUID, World

RULES: Final = Rules()
TICK: Final = 100
ENTITIES: Final = 10_000
QUADRANT: Final = 5
"""Sectors along each axis that a shard has, from the middle of the world on."""
DRIFT_TICKS: Final = 50
"""Ticks for which bodies drift until all are where they began."""
NEAR: Final = 165.0
"""World units from a border within which something may touch what is beyond it."""


class _NoLinks:
    """In the place of the shard endpoint."""

    def connection_statistics(self, peer: int) -> None:
        """Nothing is known of any link."""


def measure_islands(ticks: int) -> float:
    """What a tick's islands cost the authority, ms."""
    game = Game("drifting")
    game.kind("rock", Motion(), Body())
    game.kind("ship", Motion(), Body(radius=6), accel_max=60.0)
    declared = declare(game)
    schema, rng = schema_of(declared), np.random.default_rng(1)
    world, leases = World(schema, RULES, 1 << 14), LeaseTable()
    shards = ShardLink(cast(ServerEndpoint, _NoLinks()), schema, RULES, 0.0)
    for number in range(1, 5):
        hello = ShardHello(bytes(16), f"shard-{number}", bytes(16), 1, 1, bytes(16), spare=False)
        shards.shards.add(number, hello, 0.0).newest_tick = TICK + ticks
        leases.join(number, {})
    # Bodies drift out of these, into sectors that are leased when they come.
    side = range(-QUADRANT - 1, QUADRANT + 1)
    leases.assign({(x, y): 1 + (x >= 0) + 2 * (y >= 0) for x in side for y in side})
    records = schema.first[1 + (rng.random(ENTITIES) < 0.2)]
    records["x"], records["y"] = _places(rng)
    speed, course = rng.uniform(0.0, 20.0, ENTITIES), rng.uniform(0.0, 2 * np.pi, ENTITIES)
    speed = np.where(records["kind"] == 2, 5.0 * speed, speed)
    records["vx"], records["vy"] = speed * np.cos(course), speed * np.sin(course)
    records["radius"][records["kind"] == 1] = rng.uniform(3.0, 20.0, (records["kind"] == 1).sum())
    records["tick"] = TICK
    nobody = np.zeros(ENTITIES, np.int64)
    rows = world.enter(records, np.zeros(ENTITIES, UUID), nobody, TICK)
    owner = world.columns["shard"]
    owner[rows] = leases.holders_of(world.present(TICK).sector)
    grouping = Grouping(world, leases, shards, touching_of(declared.kinds))
    room = np.zeros(NUMBERS_MAX + 1, np.int64)  # nobody leaves
    spent_s, decided = [], 0
    for tick in range(TICK, TICK + ticks):
        present = world.present(TICK + tick % DRIFT_TICKS)
        holder = leases.holders_of(present.sector)
        if tick % DRIFT_TICKS == 0:
            # Back where all of them began, and at home: nothing bounces here.
            owner[present.rows] = holder
        began = time.process_time()
        grouped = grouping.group(present, holder, owner[present.rows], holder, room)
        spent_s.append(time.process_time() - began)
        crossed = decide_handovers(
            present.rows, present.x, present.y, holder, owner[present.rows], leases, RULES
        )
        changes = grouped.override(crossed)
        owner[changes.rows] = changes.after
        grouping.count_contacts(owner)
        decided += grouping.islands
    assert decided > 0
    assert grouping.cross_shard_contacts == 0
    return 1000 * float(np.median(spent_s[10:]))


def _places(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Strew a tenth near the borders, which are the axes, and the rest elsewhere."""
    edge, near = QUADRANT * RULES.sector_size, ENTITIES // 10
    across = rng.uniform(NEAR, edge, (2, ENTITIES)) * rng.choice([-1.0, 1.0], (2, ENTITIES))
    at, axis = np.arange(near), rng.integers(0, 2, near)
    across[axis, at] = rng.uniform(-NEAR, NEAR, near)
    across[1 - axis, at] = rng.uniform(-edge, edge, near)
    return across[0], across[1]
