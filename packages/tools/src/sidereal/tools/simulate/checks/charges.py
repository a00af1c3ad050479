"""What shards change of entities beside their motion: charges, and what only its pilot may know.

Their law is simple, so everything can be judged exactly:

* nothing but the law changes a charge, tick by tick;
* a new owner goes on with what the authority had when it handed the entity over;
* what the authority has a shard has had, and never what was before that;
* in the end the authority has what the owner has: at once to a step, after a second exactly; and
  neighbours see what the authority has, also the heat, which only the pilot of each may know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.game.schema import name_of
from sidereal.protocol.state.columns import Columns
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks.borders import put_off_ticks
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.flights import COLUMNS, Flight
from sidereal.tools.simulate.game import Charge, Heat
from sidereal.tools.simulate.passing import SPARK
from sidereal.tools.simulate.shards import ShardProcess

GAIN: Final = np.float32(0.3)
FULL: Final = np.float32(50.0)
HOTTEST: Final = 100.0
STEP: Final = 0.5
"""Of a charge on the wire."""
ACTIVE_TICKS: Final = 16
TURNS: Final = 4

SETTLED_TICKS: Final = 4
"""What has changed so lately may still be on its way."""

Values = tuple[float, ...]


def turn_of(net_id: np.ndarray, tick: int) -> np.ndarray:
    """Tell whose turn it is in a tick: 0 is to be charged, 2 to be heated; int64[n]."""
    turn: np.ndarray = (tick // ACTIVE_TICKS + net_id) % TURNS
    return turn


def charged(stored: np.ndarray, net_id: np.ndarray, tick: int) -> np.ndarray:
    """Work out what a tick makes of what entities have, float64[n, 3]."""
    after = stored.copy()
    turn = turn_of(net_id, tick)
    active, warm = turn == 0, turn == 2
    level = stored[active, 0].astype(np.float32) + GAIN
    over = level > FULL
    level[over] = 0.0
    after[active, 0] = level
    after[active, 1] += over
    after[warm, 2] = (stored[warm, 2] + 1.0) % HOTTEST
    return after


class Charges:
    """Looks at charges everywhere."""

    def __init__(self) -> None:
        self._incarnation = self._seen = 0
        self._forget()

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Judge what shards have done in their ticks, and what the authority has of it."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._forget()
        fresh, self._seen = cluster.flights[self._seen :], len(cluster.flights)
        for flight in fresh:
            if flight.since >= cluster.authority.started_at:
                yield from self._judge_flight(cluster, flight)
        yield from self._judge_world(cluster, core)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare what everybody has."""
        for shard in cluster.shards:
            if shard.honest and shard.core is not None and shard.core.population is not None:
                yield from self._judge_bodies(cluster, core, shard)
                yield from self._judge_ghosts(cluster, core, shard)

    def _forget(self) -> None:
        self._last: dict[str, Flight] = {}
        self._given: dict[tuple[int, int], Values] = {}
        # What was flown of an entity under an epoch, each with its last tick: by what it charged.
        self._charges: dict[tuple[int, int], dict[Values, int]] = {}
        self._heats: dict[tuple[int, int], set[float]] = {}
        self._world: dict[int, tuple[int, Values]] = {}
        self._newest: dict[tuple[int, int], int] = {}

    def _judge_flight(self, cluster: Cluster, flight: Flight) -> Iterator[str]:
        wanted = charged(flight.stored_before, flight.net_id, flight.tick)
        wrong = (flight.stored_after != wanted).any(axis=1)
        if wrong.any():
            yield f"{flight.net_id[wrong].tolist()} were charged as nothing charges them"
        cluster.exercised["charges judged"] += int((turn_of(flight.net_id, flight.tick) == 0).sum())
        before, self._last[flight.core] = self._last.get(flight.core), flight
        had = {} if before is None else _by_body(before, before.stored_after)
        for key, stored in _by_body(flight, flight.stored_before).items():
            if key in had:
                if had[key] != stored:
                    yield f"{key[0]} was charged between two ticks"
            else:
                cluster.exercised["charges handed over"] += 1
                if self._given.get(key) != stored:
                    yield f"{key[0]} has {stored}, and was given with {self._given.get(key)}"
                self._charges.setdefault(key, {})[stored[:2]] = flight.tick - 1
                self._heats.setdefault(key, set()).add(stored[2])
        for key, stored in _by_body(flight, flight.stored_after).items():
            self._charges[key][stored[:2]] = flight.tick
            self._heats[key].add(stored[2])

    def _judge_world(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        columns = core.world.columns
        rows = columns.rows()
        rows = rows[columns["kind"][rows] < SPARK]
        held = zip(
            columns.net_id[rows].tolist(),
            columns.epoch[rows].tolist(),
            _values(columns, rows),
            strict=True,
        )
        for net_id, epoch, stored in held:
            epoch_before, before = self._world.get(net_id, (epoch, stored))
            self._world[net_id] = epoch, stored
            if before[:2] != stored[:2]:
                cluster.exercised["charges committed"] += 1
                yield from self._judge_charge(net_id, range(epoch_before, epoch + 1), stored)
            if before[2] != stored[2]:
                epochs = range(epoch_before, epoch + 1)
                if not any(stored[2] in self._heats.get((net_id, e), ()) for e in epochs):
                    yield f"{net_id} has a heat of {stored[2]} that no shard has had"
            self._given.setdefault((net_id, epoch), stored)

    def _judge_charge(self, net_id: int, epochs: range, stored: Values) -> Iterator[str]:
        """What was committed was flown by its owner, after what was committed before."""
        for epoch in epochs:
            flown = self._charges.get((net_id, epoch), {}).get(stored[:2])
            if flown is not None:
                if flown <= self._newest.get((net_id, epoch), -1):
                    yield f"{net_id} went back to {stored[:2]}, as it was at tick {flown}"
                self._newest[net_id, epoch] = flown
                return
        yield f"{net_id} has a charge of {stored[:2]} that its owner has not had"

    def _judge_bodies(
        self, cluster: Cluster, core: Replicator, shard: ShardProcess
    ) -> Iterator[str]:
        assert shard.core is not None
        assert shard.core.bodies is not None
        bodies, tick = shard.core.bodies, shard.core.tick
        held = bodies.rows()
        net_id, epoch = bodies.columns.net_id[held], bodies.columns.epoch[held]
        rows = core.world.columns.rows_of(net_id)
        current = (rows >= 0) & (core.world.columns.epoch[rows] == epoch)
        held, net_id, rows = held[current], net_id[current], rows[current]
        theirs, ours = _array(bodies.columns, held), _array(core.world.columns, rows)
        off = np.abs(theirs - ours)
        settled = ~_was_active(net_id, tick, SETTLED_TICKS)
        wrong = settled & ((off[:, 0] >= STEP) | (off[:, 1:] > 0).any(axis=1))
        long_ago = ~_was_active(net_id, tick, SETTLED_TICKS + core.rules.tick_hz)
        wrong |= long_ago & (off > 0).any(axis=1)
        cluster.exercised["charges compared"] += int(settled.sum())
        cluster.exercised["charges compared exactly"] += int(long_ago.sum())
        if wrong.any():
            yield (
                f"{shard.name} has {net_id[wrong].tolist()} charged with {theirs[wrong].tolist()}, "
                f"the authority with {ours[wrong].tolist()}"
            )

    def _judge_ghosts(
        self, cluster: Cluster, core: Replicator, shard: ShardProcess
    ) -> Iterator[str]:
        assert shard.core is not None
        assert shard.core.ghosts is not None
        ghosts, world = shard.core.ghosts, core.world
        seen = ghosts.rows()
        rows = world.columns.rows_of(ghosts.columns.net_id[seen])
        numbers = [core.schema.numbers[name_of(component)] for component in (Charge, Heat)]
        settled = rows >= 0
        since = core.tick - SETTLED_TICKS - put_off_ticks(core, len(rows))
        for number in numbers:
            settled &= world.changed[number, rows] < since
        settled &= world.handover_tick[rows] < since
        seen, rows = seen[settled], rows[settled]
        cluster.exercised["charges of ghosts judged"] += len(rows)
        wrong = (_array(ghosts.columns, seen) != _array(world.columns, rows)).any(axis=1)
        if wrong.any():
            ids = world.columns.net_id[rows[wrong]].tolist()
            yield f"{shard.name} sees {ids} charged otherwise"


def _was_active(net_id: np.ndarray, tick: int, ticks: int) -> np.ndarray:
    """Tell who was charged or heated in one of the last ticks, bool[n]."""
    ids = net_id.astype(np.int64)
    turns = np.array([turn_of(ids, tick - ago) for ago in range(ticks)])
    return np.asarray((turns % 2 == 0).any(axis=0))


def _array(columns: Columns, rows: np.ndarray) -> np.ndarray:
    return np.column_stack([columns[name][rows] for name in COLUMNS]).astype(np.float64)


def _values(columns: Columns, rows: np.ndarray) -> list[Values]:
    return [tuple(row) for row in _array(columns, rows).tolist()]


def _by_body(flight: Flight, stored: np.ndarray) -> dict[tuple[int, int], Values]:
    keys = zip(flight.net_id.tolist(), flight.epoch.tolist(), strict=True)
    return dict(zip(keys, map(tuple, stored.tolist()), strict=True))
