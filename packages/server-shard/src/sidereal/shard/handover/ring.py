"""Where bodies have been in the last ticks, and what their pilots have held: columns by row.

The page of a tick has the motion that everybody ended the tick with, the controls that were held in
it, the velocity with which physics first moved everybody in it, after models and systems, and who
touched whom in it. It is written over when as many ticks have gone by as there are pages. What is
known of a row begins with whoever has it now (`since`): with the tick of the row that it was
adopted with, or with the tick that spawned it, be it one that was flown again.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.controls import Records
from sidereal.protocol.state.reckoning import Motion, extrapolate
from sidereal.shard.population import Floats, Ints

FIELDS = Motion._fields
VELOCITY = ("vx", "vy", "spin")
_X, _Y = FIELDS.index("x"), FIELDS.index("y")

SAME: Final = 1e-9
"""World units, radians or their like per second, by which a state that is the same may be off."""


class Ring:
    """The last ticks of the bodies of one shard.

    Attributes:
        ticks: how many can be looked back.
        since: int64[capacity], the first tick of which something is known of who has the row.
    """

    def __init__(self, capacity: int, ticks: int) -> None:
        self.ticks = ticks
        self.since: Ints = np.zeros(capacity, np.int64)
        # A span of so many ticks has one more beginning or end.
        self._motion: Floats = np.zeros((ticks + 1, len(FIELDS), capacity))
        self._held: Records = np.zeros((ticks + 1, capacity), np.uint64)
        # NaN where it is not known.
        self._left: Floats = np.full((ticks + 1, len(VELOCITY), capacity), np.nan)
        self._pairs: list[Ints] = [np.empty((2, 0), np.int64)] * (ticks + 1)

    def reserve(self, capacity: int) -> None:
        """Make room for rows."""
        more = capacity - len(self.since)
        if more <= 0:
            return
        fresh = Ring(more, self.ticks)
        self.since = np.concatenate([self.since, fresh.since])
        self._motion = np.concatenate([self._motion, fresh._motion], axis=2)
        self._held = np.concatenate([self._held, fresh._held], axis=1)
        self._left = np.concatenate([self._left, fresh._left], axis=2)

    def begin(self, rows: Ints, ticks: Ints | int) -> None:
        """Forget who has had some rows: of who has them now something is known from a tick on."""
        self.since[rows] = ticks
        self._held[:, rows] = 0
        self._left[:, :, rows] = np.nan

    def note(self, tick: int, columns: Columns, rows: Ints | slice = slice(None)) -> None:
        """Take down where bodies are after a tick."""
        page = self._motion[tick % len(self._motion)]
        for at, name in enumerate(FIELDS):  # 10 µs each of 10,000 rows
            page[at, rows] = columns[name][rows]

    def note_held(self, tick: int, records: Records, rows: Ints | slice = slice(None)) -> None:
        """Take down what pilots hold in a tick, uint64[n]."""
        self._held[tick % len(self._held), rows] = records

    def note_leaving(self, tick: int, columns: Columns) -> None:
        """Take down how fast everybody is when physics begins to move it in a tick."""
        page = self._left[tick % len(self._left)]
        for at, name in enumerate(VELOCITY):
            page[at] = columns[name]

    def note_pairs(self, tick: int, pairs: Ints) -> None:
        """Take down who touched whom in a tick, int64[2, n]."""
        self._pairs[tick % len(self._pairs)] = pairs

    def replace_pairs(self, tick: int, pairs: Ints, moved: NDArray[np.bool_]) -> None:
        """Take down who touched whom in a tick that was simulated again.

        Args:
            tick: it.
            pairs: int64[2, n].
            moved: bool[capacity], to whom that says something new.
        """
        before = self._pairs[tick % len(self._pairs)]
        kept, fresh = before[:, ~moved[before].any(axis=0)], pairs[:, moved[pairs].any(axis=0)]
        self.note_pairs(tick, np.concatenate([kept, fresh], axis=1))

    def touched(self, tick: int, rows: Ints) -> Ints:
        """Tell whom some bodies touched in a tick: int64[n] rows, ascending."""
        a, b = self._pairs[tick % len(self._pairs)]
        found = np.concatenate([b[np.isin(a, rows)], a[np.isin(b, rows)]])
        return np.unique(found[self.since[found] < tick])

    def strangers(self, tick: int, pairs: Ints) -> Ints:
        """Tell who of some pairs did not touch each other in a tick: int64[n] rows, ascending.

        Args:
            tick: it.
            pairs: int64[2, n].
        """
        # Rows are below 2^31.
        one, known = (
            np.min(some, axis=0) << 32 | np.max(some, axis=0)
            for some in (pairs, self._pairs[tick % len(self._pairs)])
        )
        return np.unique(pairs[:, ~np.isin(one, known)])

    def replace(self, tick: int, columns: Columns, rows: Ints) -> NDArray[np.bool_]:
        """Take down where bodies are after a tick that was simulated again.

        Returns:
            bool[n], whether each is elsewhere, or moves in another way, than it did before.
        """
        changed = self.differs(tick, columns, rows)
        self.note(tick, columns, rows)
        return changed

    def differs(self, tick: int, columns: Columns, rows: Ints) -> NDArray[np.bool_]:
        """Tell whether bodies are elsewhere than after a tick, or move in another way: bool[n]."""
        states = np.stack([columns[name][rows] for name in FIELDS])
        off = np.abs(states - np.stack([*self.motion(tick, rows)])).max(axis=0, initial=0.0)
        changed: NDArray[np.bool_] = off > SAME
        return changed

    def forget_leaving(self, tick: int, rows: Ints) -> None:
        """Note that bodies have come into a tick in another way: it says nothing of them now."""
        self._left[tick % len(self._left), :, rows] = np.nan

    def leave(self, tick: int, rows: Ints, columns: Columns) -> None:
        """Let bodies be as fast as they were when physics began to move them in a tick.

        Mutates:
            velocities in the columns, of those of whom that is known.
        """
        left = self._left[tick % len(self._left)][:, rows]
        known = ~np.isnan(left[0])
        for name, values in zip(VELOCITY, left, strict=True):
            columns[name][rows[known]] = values[known]

    def note_lines(self, rows: Ints, motion: Motion, as_of: Ints, tick: int, tick_s: float) -> None:
        """Take down that bodies have moved evenly, in all ticks since something is known of them.

        Args:
            rows: int64[n]
            motion: of them, [n].
            as_of: int64[n], after which tick each moved like that.
            tick: the newest.
            tick_s: length of a tick in seconds.
        """
        since = self.since[rows]
        for at in range(max(tick - self.ticks, int(since.min(initial=tick))), tick + 1):
            x, y, heading = extrapolate(*motion, as_of, at, tick_s)
            moved = motion._replace(x=x, y=y, heading=heading)
            page, known = self._motion[at % len(self._motion)], since <= at
            for column, values in enumerate(moved):
                page[column, rows[known]] = values[known]

    def first(self, rows: Ints, tick: int) -> Ints:
        """Tell from which tick on something is known of bodies, at the shard's: int64[n]."""
        return np.maximum(self.since[rows], tick - self.ticks)

    def held(self, tick: int, rows: Ints) -> Records:
        """Give what pilots held in a tick, uint64[n]."""
        held: Records = self._held[tick % len(self._held), rows]
        return held

    def motion(self, ticks: Ints | int, rows: Ints) -> Motion:
        """Give where bodies were, and how they moved, after one tick or one each."""
        pages = np.asarray(ticks) % len(self._motion)
        return Motion(*(self._motion[pages, at, rows] for at in range(len(FIELDS))))

    def places(self, ticks: Ints | int, rows: Ints) -> tuple[Floats, Floats]:
        """Give where bodies were after one tick or one each: x and y."""
        pages = np.asarray(ticks) % len(self._motion)
        return self._motion[pages, _X, rows], self._motion[pages, _Y, rows]

    def put_back(self, tick: int, rows: Ints, columns: Columns) -> None:
        """Put bodies where they were after a tick.

        Mutates:
            motion in the columns.
        """
        for name, values in zip(FIELDS, self.motion(tick, rows), strict=True):
            columns[name][rows] = values
