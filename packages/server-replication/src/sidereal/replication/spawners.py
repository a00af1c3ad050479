"""What shards may have spawned beyond their sectors: it came from an entity of theirs.

Theory of operation. A shard spawns near what it owns, as of the tick in which it spawns. Nobody
says when that was: the message of then may be lost, and who adopts a spawner flies inputs of ticks
gone by. By now both may be elsewhere, and no row may have said so of the spawner; or it has ended.
So the two are no farther apart than both can have flown for as long as it may be that nothing is
heard of them. A shard that lies gains nothing by this: it could say that what it owns has flown
there.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sidereal.replication.limits import ProposalLimits
from sidereal.replication.world import World

PLACES_AT_ONCE: Final = 64
"""Places that are compared with all entities of a shard in one operation: its memory."""


class _Ended(NamedTuple):
    """What shards have ended; arrays of one length."""

    tick: np.ndarray
    shard: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def take(self, at: np.ndarray) -> _Ended:
        """Some of it."""
        return _Ended(*(column[at] for column in self))


class Spawners:
    """The entities of shards, and those that they have ended lately."""

    def __init__(self, world: World, limits: ProposalLimits) -> None:
        self._world = world
        self._reach = limits.spawn_reach + 2 * world.rules.speed_max * limits.unreported_s
        self._kept_ticks = round(limits.unreported_s * world.rules.tick_hz)
        self._ended = _Ended(*(np.zeros(0) for _ in _Ended._fields))

    def note_ends(self, rows: np.ndarray, tick: int) -> None:
        """Note entities that their shards end, int64[n]; forget those of long ago."""
        x, y, _ = self._world.locate(rows, tick)
        fresh = _Ended(np.full(len(rows), tick), self._world.columns["shard"][rows], x, y)
        kept = self._ended.take(self._ended.tick >= tick - self._kept_ticks)
        self._ended = _Ended(*(np.concatenate(both) for both in zip(kept, fresh, strict=True)))

    def may_have_spawned(self, shard: int, records: np.ndarray, tick: int) -> np.ndarray:
        """Tell what may have come from an entity of a shard, bool[n].

        Args:
            shard: its id.
            records: `Schema.full_record[n]`, with finite places.
            tick: the current one.
        """
        columns = self._world.columns
        own = np.flatnonzero(columns.alive & (columns["shard"] == shard))
        recent = self._ended.tick >= tick - self._kept_ticks
        ended = self._ended.take(recent & (self._ended.shard == shard))
        own_x, own_y, _ = self._world.locate(own, tick)
        x, y = np.concatenate([own_x, ended.x]), np.concatenate([own_y, ended.y])
        rests = np.zeros(len(ended.x))
        vx = np.concatenate([columns["vx"][own], rests])
        vy = np.concatenate([columns["vy"][own], rests])
        may = np.zeros(len(records), np.bool_)
        for first in range(0, len(records), PLACES_AT_ONCE):  # seldom any: those beyond a border
            there = slice(first, first + PLACES_AT_ONCE)
            some = records[there, None]
            ahead_s = (some["tick"].astype(np.int64) - tick) * self._world.rules.tick_s
            apart = np.hypot(x + vx * ahead_s - some["x"], y + vy * ahead_s - some["y"])
            may[there] = (apart <= self._reach).any(axis=1)
        return may
