"""The game's events: each taken once from snapshots, and shown when the drawn tick passes it.

A section has all events of its cell and ticks. It may come again, or another one that spans some of
the same ticks. So the events of a cell and tick are taken when a section that has them is complete,
and never again. Those of a section in parts wait until all parts have come.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.client.limits import LIMITS, Limits
from sidereal.client.reading import Read
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.quantize import decode_rows
from sidereal.protocol.state.schema import EVENT_FIRST, Schema

Cell = tuple[int, int]
_Key = tuple[int, int, int]
"""A cell and a tick."""


class Sections(NamedTuple):
    """What became of the sections of snapshots, and the cells that they are about.

    Attributes:
        counts: bool[sections], whether each says something new.
        complete: bool[sections], whether all of it has come with it: it is in one piece, or the
            last part that was missing.
        x: int64[sections], the absolute cell; likewise `y`.
    """

    counts: NDArray[np.bool_]
    complete: NDArray[np.bool_]
    x: Ints
    y: Ints


def no_sections(count: int) -> Sections:
    """Sections of which nothing is known yet."""
    no = np.zeros(count, np.bool_)
    return Sections(no, no.copy(), np.zeros(count, np.int64), np.zeros(count, np.int64))


class Happened(NamedTuple):
    """Events of one sort.

    Attributes:
        number: of the sort.
        subject: uint32[n], ids of whom they happened to; it may be gone.
        tick: int64[n], when.
        values: its fields, [n] each.
    """

    number: int
    subject: NDArray[np.uint32]
    tick: Ints
    values: dict[str, NDArray[np.generic]]

    def take(self, at: NDArray[np.bool_]) -> Happened:
        """Some of them."""
        values = {name: column[at] for name, column in self.values.items()}
        return Happened(self.number, self.subject[at], self.tick[at], values)


class Happenings:
    """The events of one session.

    Attributes:
        taken: from snapshots, so far.
        dropped: of these, those that nobody has asked for in time.
    """

    def __init__(self, schema: Schema, rules: Rules, limits: Limits = LIMITS) -> None:
        self.taken = self.dropped = 0
        self._schema = schema
        self._rules = rules
        self._limits = limits
        self._had: set[_Key] = set()
        self._parts: dict[_Key, dict[int, list[tuple[int, Rows, Ints]]]] = {}
        self._waiting: list[Happened] = []
        self._count = self._newest = 0

    def take(self, read: Read, told: Sections) -> None:
        """Take what is new in snapshots.

        Args:
            read: snapshots.
            told: what became of their sections.
        """
        whats = [what for what in read.all.rows if what >= EVENT_FIRST]
        if not whats and not self._parts:
            return
        every = read.all
        of_section: dict[int, list[tuple[int, Rows, Ints]]] = {}
        for what in whats:
            rows, section = every.rows[what], every.section[what]
            ticks = every.tick[section] - rows["age"]
            # Sections in which something has happened are few: 5 µs each.
            for at in np.unique(section[told.counts[section]]).tolist():
                mine = section == at
                of_section.setdefault(at, []).append((what, rows[mine], ticks[mine]))
        in_parts = np.flatnonzero(told.counts & (every.parts > 1)).tolist()
        for at in sorted({*of_section, *in_parts}):
            self._take_section(read, told, at, of_section.get(at, []))
        self._newest = max(self._newest, int(every.tick.max(initial=0)))
        self._forget()

    def due(self, tick: float) -> list[Happened]:
        """Give up what has happened up to a tick."""
        waiting, self._waiting = self._waiting, []
        found = []
        for happened in waiting:
            due = happened.tick <= tick
            if due.any():
                found.append(happened.take(due))
            if not due.all():
                self._waiting.append(happened.take(~due))
        self._count -= sum(len(happened.tick) for happened in found)
        return found

    def _take_section(
        self, read: Read, told: Sections, at: int, events: list[tuple[int, Rows, Ints]]
    ) -> None:
        cell = int(told.x[at]), int(told.y[at])
        if read.all.parts[at] > 1:
            key = *cell, int(read.all.to_tick[at])
            if events:
                self._parts.setdefault(key, {})[int(read.all.part[at])] = events
            if not told.complete[at]:
                return
            parts = self._parts.pop(key, {})
            events = [each for part in sorted(parts) for each in parts[part]]
        ticks = {tick for _, _, of in events for tick in of.tolist()}
        fresh = [tick for tick in sorted(ticks) if (*cell, tick) not in self._had]
        self._had.update((*cell, tick) for tick in fresh)
        for what, rows, of in events:
            news = np.isin(of, fresh)
            if news.any():
                self._keep(what, rows[news], of[news])

    def _keep(self, number: int, rows: Rows, ticks: Ints) -> None:
        values = decode_rows(self._schema, number, rows, self._rules)
        self._waiting.append(Happened(number, rows["id"].copy(), ticks, values))
        self.taken += len(rows)
        self._count += len(rows)
        while self._count > self._limits.happened and len(self._waiting) > 1:
            lost = len(self._waiting.pop(0).tick)
            self.dropped, self._count = self.dropped + lost, self._count - lost

    def _forget(self) -> None:
        """Forget what can't come again: ticks that no section has any more."""
        streams = self._rules.streams
        oldest = self._newest - streams.reorder_ticks - 2 * streams.tombstone_ticks
        self._had = {key for key in self._had if key[2] > oldest}
        self._parts = {key: parts for key, parts in self._parts.items() if key[2] > oldest}
