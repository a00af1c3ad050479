"""What shards spawn and end: sparks, judged by what each says of itself.

A spark says when and where it came into the world, and when it ends; it touches nothing. So:

* the world has no spark that no shard has spawned, and none again that it had no more;
* each drifts on its straight line, from the place and the tick at which it was spawned;
* what it says of its age only grows, and is none that it has not had; the last of it comes. Whoever
  gets it at a tick to which the one before had been ahead says again what it was from there on;
* a shard ends it in time;
* its id is given to another only when nobody knows it any more;
* in the end the world and the shards have the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from sidereal.client.statistics import SessionState
from sidereal.game.schema import column_of
from sidereal.protocol.state.columns import Columns
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.passing import GLOWS_TICKS, SPARK, Origin, Spark
from sidereal.tools.simulate.shards import ShardProcess

OFF_MAX: Final = 0.01
"""World units that a spark may be off its line."""

SETTLED_TICKS: Final = 4
"""Who was spawned or handed over so lately, or is about to end, may be on one side only."""

BORN, FIRST_X, FIRST_Y = (column_of(Origin, Origin.fields[name]) for name in ("born", "x", "y"))
UNTIL, GLOW = (column_of(Spark, Spark.fields[name]) for name in ("until", "glow"))

Key = tuple[int, int]
"""The id of a spark, and the tick in which it was spawned."""


class Lives:
    """Looks at sparks everywhere."""

    def __init__(self) -> None:
        self._seen = self._incarnation = 0
        self._forget()

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look at the sparks of the world, and of every shard."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._forget()
        fresh, self._seen = cluster.flights[self._seen :], len(cluster.flights)
        for flight in fresh:
            self._spawned |= {(net_id, flight.tick) for net_id in flight.sparks.tolist()}
        yield from self._judge_world(cluster, core)
        for shard in cluster.shards:
            if shard.honest and shard.core is not None and shard.core.bodies is not None:
                late = _sparks_of(shard, before=shard.core.tick + 1)
                if late:
                    yield f"{shard.name} simulates {sorted(late)}, which have ended"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare what the world and its shards have."""
        columns = core.world.columns
        for shard in cluster.shards:
            if not shard.honest or shard.core is None or shard.core.bodies is None:
                continue
            held, theirs, tick = shard.core.bodies.columns, _sparks_of(shard), shard.core.tick
            changing = _rows_of(columns, columns.rows())
            changing = changing[core.world.handover_tick[changing] > core.tick - SETTLED_TICKS]
            moving = _keys_of(columns, changing)
            rows = _rows_of(columns, np.flatnonzero(columns["shard"] == shard.core.shard))
            ours = _keys_of(columns, rows)
            ending = _keys_of(columns, rows[columns[UNTIL][rows] <= tick + SETTLED_TICKS])
            lately = {key for key in theirs if key[1] > tick - SETTLED_TICKS}
            if missing := theirs - ours - lately - moving:
                yield f"{shard.name} simulates {sorted(missing)}, of which the world knows nothing"
            if extra := ours - theirs - ending - moving:
                yield f"the world has {sorted(extra)}, which {shard.name} does not simulate"
            had = (
                _glows_of(columns, rows).items()
                - _glows_of(held, _rows_of(held, shard.core.bodies.rows())).items()
            )
            dim = {key for key, _ in had if key[1] < tick - GLOWS_TICKS - SETTLED_TICKS}
            cluster.exercised["last glows judged"] += len(rows)
            if dim := dim & theirs - moving:
                yield f"the world has another last glow of {sorted(dim)} than {shard.name}"

    def _forget(self) -> None:
        self._spawned: set[Key] = set()
        self._there: dict[int, int] = {}
        # By spark its epoch and what it said of its age then.
        self._glows: dict[Key, tuple[int, int]] = {}
        self._gone: set[Key] = set()
        self._gone_ids: set[int] = set()

    def _judge_world(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        columns = core.world.columns
        rows = _rows_of(columns, columns.rows())
        yield from self._judge_lines(cluster, core, rows)
        there = dict(_keys_of(columns, rows))
        for net_id, born in there.items() - self._there.items():
            if (net_id, born) not in self._spawned:
                yield f"{net_id} came, and no shard has spawned it at tick {born}"
            if (net_id, born) in self._gone:
                yield f"{net_id} of tick {born} is back, and had ended"
            if net_id in self._gone_ids:
                cluster.exercised["ids given again judged"] += 1
                yield from self._judge_id(cluster, core, net_id, born)
        self._gone |= self._there.items() - there.items()
        self._gone_ids |= {net_id for net_id, _ in self._there.items() - there.items()}
        self._there = there
        yield from self._judge_glows(core, rows)

    def _judge_glows(self, core: Replicator, rows: np.ndarray) -> Iterator[str]:
        columns = core.world.columns
        glows, epochs = columns[GLOW][rows].tolist(), columns.epoch[rows].tolist()
        given = core.world.handover_tick[rows].tolist()
        for key, glow, epoch, since in zip(
            _list_of(columns, rows), glows, epochs, given, strict=True
        ):
            before_epoch, before = self._glows.get(key, (epoch, 0))
            again = epoch > before_epoch and key[1] + glow >= since
            if glow > GLOWS_TICKS or (glow < before and not again):
                yield f"{key[0]} glows as at {glow} ticks, after {before}"
            if glow != before:
                self._glows[key] = epoch, glow

    def _judge_lines(self, cluster: Cluster, core: Replicator, rows: np.ndarray) -> Iterator[str]:
        columns = core.world.columns
        cluster.exercised["sparks judged"] += len(rows)
        x, y, _ = core.world.locate(rows, core.tick)
        age_s = (core.tick - columns[BORN][rows].astype(np.int64)) * core.rules.tick_s
        off = np.hypot(
            columns[FIRST_X][rows] + columns["vx"][rows] * age_s - x,
            columns[FIRST_Y][rows] + columns["vy"][rows] * age_s - y,
        )
        if (off > OFF_MAX).any():
            yield f"{columns.net_id[rows[off > OFF_MAX]].tolist()} are off by {off.max():.2f}"

    def _judge_id(
        self, cluster: Cluster, core: Replicator, net_id: int, born: int
    ) -> Iterator[str]:
        """Nobody has known the one before when an id comes again, but whose session has ended.

        A shard that was cut off may not have heard of that end: what it says counts no more, and
        it comes back with nothing.
        """
        connected = {shard.name for shard in core.shards.shards}
        for client in cluster.clients:
            joined = client.core is not None and client.core.state is SessionState.JOINED
            replica: Any = client.core.replica if joined and client.core is not None else None
            if replica is not None and replica.columns.rows_of([net_id])[0] >= 0:
                yield f"{client.name} still knows the {net_id} before that of tick {born}"
        for shard in cluster.shards:
            if not shard.honest or shard.core is None or shard.name not in connected:
                continue
            if shard.core.population is not None:
                held = shard.core.population.columns
                row = int(held.rows_of([net_id])[0])
                if row >= 0 and held[BORN][row] != born:
                    yield f"{shard.name} still knows the {net_id} before that of tick {born}"


def _rows_of(columns: Columns, rows: np.ndarray) -> np.ndarray:
    sparks: np.ndarray = rows[columns.alive[rows] & (columns["kind"][rows] == SPARK)]
    return sparks


def _list_of(columns: Columns, rows: np.ndarray) -> list[Key]:
    return list(zip(columns.net_id[rows].tolist(), columns[BORN][rows].tolist(), strict=True))


def _keys_of(columns: Columns, rows: np.ndarray) -> set[Key]:
    return set(_list_of(columns, rows))


def _glows_of(columns: Columns, rows: np.ndarray) -> dict[Key, int]:
    return dict(zip(_list_of(columns, rows), columns[GLOW][rows].tolist(), strict=True))


def _sparks_of(shard: ShardProcess, before: int = 1 << 32) -> set[Key]:
    """Give the sparks that a shard simulates, those that end before a tick."""
    assert shard.core is not None
    assert shard.core.bodies is not None
    columns = shard.core.bodies.columns
    rows = _rows_of(columns, shard.core.bodies.rows())
    return _keys_of(columns, rows[columns[UNTIL][rows] < before])
