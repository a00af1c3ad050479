"""What game logic costs a shard: `uv run python benchmarks/shards.py`.

Cases: `shard_systems_ms`: what 20 systems add to a tick of 10,000 entities of four kinds with 24
components; each system reads a component and writes another one of the 2,500 to 5,000 entities that
have both. `contacts_1000_ms`: what it adds to a tick that 1,000 pairs of bodies touch in each of
its physics steps and a system asks for them, of two kinds. Both are differences: the same world is
run with and without, in turns. `changes_10000_ms`: what it costs to find
what has changed of these 10,000 entities, motion included, when 1 % of the rows of 20 components
have; `changes_drift_ms` when all of them have, by less than a step of their quantum.
`islands_10000_tenth_ms`: what it costs the authority to find and decide the islands of 10,000
moving bodies of four shards, a tenth of them near borders. Medians over ticks of processor time;
all of it is on one core.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import cast

import numpy as np
from results import parse_flags, publish, result, table

from sidereal.game import F4, Body, Component, Game, Kind, Motion, Stage, Step, field
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, schema_of
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.message.shard import Adopt, ShardHello
from sidereal.protocol.rules import Rules
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.ownership.candidates import touching_of
from sidereal.replication.ownership.grouping import Grouping
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.world import UUID
from sidereal.replication.world import World as AuthorityWorld
from sidereal.shard.changes import Changes
from sidereal.shard.population import Population
from sidereal.shard.simulation import Simulation

RULES = Rules()
TICK = 100
ENTITIES, COMPONENTS, SYSTEMS, KINDS = 10_000, 24, 20, 4
PAIRS = 1000
APART = 60.0
"""World units between entities that do not touch."""
RADIUS = 5.0


def make_stepping(number: int) -> type[Component]:
    """A component with one column that has a quantum."""

    class Stepping(Component, name=f"bench.stepping_{number}"):
        value: F4 = field(0, low=0, high=1000, quantum=0.5)

    return Stepping


def make_component(number: int) -> type[Component]:
    """A component with one column."""
    namespace = {"__module__": __name__, "__annotations__": {"value": F4}}
    return type(f"Trait{number}", (Component,), namespace)


TRAITS = [make_component(number) for number in range(COMPONENTS)]


def kind_has(kind: int, trait: int) -> bool:
    """Every trait is of one or two kinds."""
    return trait % KINDS == kind or (trait % 2 == 0 and (trait + 1) % KINDS == kind)


def make_systems(*, with_systems: bool) -> Game:
    game = Game("traits")
    for kind in range(KINDS):
        traits = [TRAITS[at]() for at in range(COMPONENTS) if kind_has(kind, at)]
        game.kind(f"kind_{kind}", Motion(), Body(radius=RADIUS), *traits)
    for number in range(SYSTEMS if with_systems else 0):
        read, written = TRAITS[number], TRAITS[(number + KINDS) % COMPONENTS]
        game.system(tuple(Stage)[number % len(Stage)])(add_one(number, read, written))
    return game


def add_one(number: int, read: type[Component], written: type[Component]) -> Callable[[Step], None]:
    def system(step: Step) -> None:
        rows = step.rows(read, written)
        step[written].value[rows] += 1.0 + 0.0 * step[read].value[rows]  # type: ignore[attr-defined]

    system.__name__ = f"system_{number}"
    return system


def make_contacts(*, with_contacts: bool, seen: list[int]) -> Game:
    game = Game("touching")
    left = game.kind("left", Motion(), Body(radius=RADIUS))
    right = game.kind("right", Motion(), Body(radius=RADIUS))
    press(game, left, right)
    if with_contacts:

        @game.system(Stage.CONTACT)
        def look(step: Step) -> None:
            seen.append(len(step.contacts(left, right)))

    return game


def press(game: Game, left: Kind, right: Kind) -> None:
    """Let pairs press against each other in every physics step."""

    @game.system(Stage.SUBSTEP)
    def push(step: Step) -> None:
        step[Motion].vx[step.rows(left)] = 3.0
        step[Motion].vx[step.rows(right)] = -3.0


class World:
    """A shard with its entities, and how long its ticks take."""

    def __init__(self, game: Game, kinds: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        declared = declare(game)
        schema = schema_of(declared)
        self.simulation = Simulation(declared, schema, RULES, np.random.default_rng(1))
        rows = np.zeros(len(kinds), schema.full_record)
        rows["id"], rows["epoch"], rows["tick"] = 1 + np.arange(len(kinds)), 1, TICK
        rows["kind"], rows["x"], rows["y"] = kinds, x, y
        rows["radius"], rows["mass"] = RADIUS, 1.0
        for start in range(0, len(rows), 1000):
            part = rows[start : start + 1000]
            self.simulation.apply(Adopt(TICK, part.tobytes(), b""), TICK)
        self.tick = TICK
        self.spent_s: list[float] = []

    def step(self) -> None:
        self.tick += 1
        began = time.process_time()
        self.simulation.step(self.tick)
        self.spent_s.append(time.process_time() - began)

    def median_ms(self) -> float:
        return 1000 * float(np.median(self.spent_s[10:]))


def spread(count: int) -> tuple[np.ndarray, np.ndarray]:
    side = int(np.ceil(np.sqrt(count)))
    at = np.arange(count)
    return APART * (at % side), APART * (at // side)


def measure_systems(ticks: int) -> tuple[float, float]:
    """What systems add, and the tick without them, ms."""
    kinds = 1 + np.arange(ENTITIES) % KINDS
    worlds = [
        World(make_systems(with_systems=on), kinds, *spread(ENTITIES)) for on in (False, True)
    ]
    for _ in range(ticks):
        for world in worlds:
            world.step()
    check_systems(worlds[1], ticks)
    bare_ms, whole_ms = (world.median_ms() for world in worlds)
    return whole_ms - bare_ms, bare_ms


def check_systems(world: World, ticks: int) -> None:
    """Every column has what its system has added to it, where both traits are, and no more."""
    columns = world.simulation.population.columns
    runs = {stage: ticks * (RULES.substeps if stage is Stage.SUBSTEP else 1) for stage in Stage}
    for number in range(SYSTEMS):
        read, written = number, (number + KINDS) % COMPONENTS
        kinds = [kind for kind in range(KINDS) if kind_has(kind, read) and kind_has(kind, written)]
        values = columns[column_of(TRAITS[written], TRAITS[written].fields["value"])]
        rows = columns.rows()
        both = np.isin(columns["kind"][rows] - 1, kinds)
        expected = np.where(both, runs[tuple(Stage)[number % len(Stage)]], 0)
        assert both.any()
        assert np.array_equal(values[rows], expected), number


def measure_changes(ticks: int, share: float, by: float) -> float:
    """What it costs to find changes of so large a share of the rows of 20 components, ms."""
    parts = [make_stepping(number) for number in range(SYSTEMS)]
    game = Game("stepping")
    for kind in range(KINDS):
        game.kind(f"kind_{kind}", Motion(), Body(), *(part() for part in parts[kind::KINDS]))
    schema = schema_of(declare(game))
    population = Population(schema)
    flown = np.zeros(256, np.bool_)
    changes = Changes(population, schema, RULES, frozenset(), flown)
    records = schema.first[1 + np.arange(ENTITIES) % KINDS]
    records["id"] = 1 + np.arange(ENTITIES)
    rows = population.load(records, own=True)
    spent_s, rng = [], np.random.default_rng(1)
    for tick in range(TICK, TICK + ticks):
        wanted = 0
        for number, part in enumerate(parts):
            mine = rows[number % KINDS :: KINDS]
            some = mine[rng.random(len(mine)) < share]
            population.columns[column_of(part, part.fields["value"])][some] += np.float32(by)
            wanted += len(some) if by >= 0.5 else 0
        began = time.process_time()
        found = changes.collect(tick, np.empty(0, np.int64))
        spent_s.append(time.process_time() - began)
        assert sum(map(len, found.values())) >= wanted
    return 1000 * float(np.median(spent_s[10:]))


def measure_contacts(ticks: int) -> tuple[float, float]:
    """What contacts add, and the tick without them, ms."""
    x, y = spread(PAIRS)
    kinds = np.repeat([1, 2], PAIRS)
    places = np.concatenate([x, x + 2 * RADIUS - 0.05]), np.concatenate([y, y])
    seen: list[int] = []
    worlds = [
        World(make_contacts(with_contacts=on, seen=seen), kinds, *places) for on in (False, True)
    ]
    for _ in range(ticks):
        for world in worlds:
            world.step()
    assert set(seen) == {PAIRS}, set(seen)
    bare_ms, whole_ms = (world.median_ms() for world in worlds)
    return whole_ms - bare_ms, bare_ms


def measure_islands(ticks: int) -> float:
    """What a tick's islands cost the authority, ms."""
    game = Game("drifting")
    game.kind("rock", Motion(), Body())
    game.kind("ship", Motion(), Body(radius=6), accel_max=60.0)
    declared = declare(game)
    schema, rng = schema_of(declared), np.random.default_rng(1)
    world, leases = AuthorityWorld(schema, RULES, 1 << 14), LeaseTable()
    shards = ShardLink(cast(ServerEndpoint, _NoLinks()), schema, RULES, 0.0)
    for number in range(1, 5):
        hello = ShardHello(bytes(16), f"shard-{number}", bytes(16), 1, 1, bytes(16))
        shards.shards.add(number, hello, 0.0).newest_tick = TICK + ticks
        leases.join(number, {})
    side = range(-QUADRANT, QUADRANT)
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
    spent_s, decided = [], 0
    for tick in range(TICK, TICK + ticks):
        present = world.present(TICK + tick % 40)
        holder = leases.holders_of(present.sector)
        began = time.process_time()
        grouped = grouping.group(present, holder, owner[present.rows])
        spent_s.append(time.process_time() - began)
        owner[grouped.changes.rows] = grouped.changes.after
        grouping.count_contacts(owner)
        decided += grouping.islands
    assert decided > 0
    assert grouping.cross_shard_contacts == 0
    return 1000 * float(np.median(spent_s[10:]))


class _NoLinks:
    """In the place of the shard endpoint."""

    def connection_statistics(self, peer: int) -> None:
        """Nothing is known of any link."""


QUADRANT = 5
"""Sectors along each axis that a shard has, from the middle of the world on."""
NEAR = 165.0
"""World units from a border within which something may touch what is beyond it."""


def _places(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Strew a tenth near the borders, which are the axes, and the rest elsewhere."""
    edge, near = QUADRANT * RULES.sector_size, ENTITIES // 10
    across = rng.uniform(NEAR, edge, (2, ENTITIES)) * rng.choice([-1.0, 1.0], (2, ENTITIES))
    at, axis = np.arange(near), rng.integers(0, 2, near)
    across[axis, at] = rng.uniform(-NEAR, NEAR, near)
    across[1 - axis, at] = rng.uniform(-edge, edge, near)
    return across[0], across[1]


def main() -> None:
    flags = parse_flags(__doc__)
    ticks = 60 if flags.quick else 300
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    systems_ms, tick_ms = measure_systems(ticks)
    contacts_ms, pairs_ms = measure_contacts(ticks)
    changes_ms = measure_changes(ticks, share=0.01, by=1.0)
    drift_ms = measure_changes(ticks, share=1.0, by=0.001)
    islands_ms = measure_islands(ticks)
    out = table(flags)
    print(f"{ENTITIES:,} entities, {COMPONENTS} components, no system: {tick_ms:.2f} ms", file=out)
    print(f"{SYSTEMS} systems add {systems_ms:.2f} ms", file=out)
    print(f"{PAIRS:,} pairs that touch, unasked: {pairs_ms:.2f} ms", file=out)
    print(f"as columns they add {contacts_ms:.2f} ms", file=out)
    print(f"changes of 1 %: {changes_ms:.2f} ms, of all by little: {drift_ms:.2f} ms", file=out)
    print(f"islands, a tenth near borders: {islands_ms:.2f} ms", file=out)
    results = {
        "shard_systems_ms": result(systems_ms, "ms"),
        "contacts_1000_ms": result(contacts_ms, "ms"),
        "changes_10000_ms": result(changes_ms, "ms"),
        "changes_drift_ms": result(drift_ms, "ms"),
        "islands_10000_tenth_ms": result(islands_ms, "ms"),
    }
    publish(flags, results)


if __name__ == "__main__":
    main()
