"""The game's events: each taken once from snapshots, and shown when the drawn tick passes it.

A section has all events of its cell and ticks. It may come again, or another one that spans some of
the same ticks. So the events of a cell and tick are taken when a section that has them is complete,
and never again. Those of a section in parts wait until all parts have come.

Private events come one by one, each until it is acked. Each has a number among those of its tick.
So those of a tick and number are taken once.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.client.limits import LIMITS, Limits
from sidereal.client.reading import Read
from sidereal.client.traces import Traces
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.private import Private
from sidereal.protocol.state.quantize import decode_rows
from sidereal.protocol.state.schema import EVENT_FIRST, Schema

Cell = tuple[int, int]
_Key = tuple[int, int, int]
"""A cell and a tick."""

AGE_MAX: Final = 255
"""Ticks since an event: they travel in a byte."""


class Sections(NamedTuple):
    """What became of the sections of snapshots, and the cells that they are about.

    Attributes:
        counts: bool[sections], whether each says something new.
        complete: bool[sections], whether all of it has come with it: it is in one piece, or the
            last part that was missing.
        x: int64[sections], the absolute cell; likewise `y`.
        stale: bool[snapshots], whether each was too old to be looked at when it came.
    """

    counts: NDArray[np.bool_]
    complete: NDArray[np.bool_]
    x: Ints
    y: Ints
    stale: NDArray[np.bool_]


def no_sections(count: int, snapshots: int) -> Sections:
    """Sections of some snapshots, of which nothing is known yet."""
    no, zeros = np.zeros(count, np.bool_), np.zeros(count, np.int64)
    return Sections(no, no.copy(), zeros, zeros.copy(), np.zeros(snapshots, np.bool_))


class Happened(NamedTuple):
    """Events of one sort.

    Attributes:
        number: of the sort.
        subject: uint32[n], ids of whom they happened to; it may be gone.
        tick: int64[n], when.
        values: its fields, [n] each.
        places: float64[2, n], where a subject was then that is known no more; NaN for any other.
    """

    number: int
    subject: NDArray[np.uint32]
    tick: Ints
    values: dict[str, NDArray[np.generic]]
    places: NDArray[np.float64]

    def take(self, at: NDArray[np.bool_]) -> Happened:
        """Some of them."""
        values = {name: column[at] for name, column in self.values.items()}
        places = self.places[:, at]
        return Happened(self.number, self.subject[at], self.tick[at], values, places)


def make_happened(
    number: int,
    subject: NDArray[np.uint32],
    tick: Ints,
    values: dict[str, NDArray[np.generic]],
) -> Happened:
    """Put events together of whose subjects it is not known where they were."""
    return Happened(number, subject, tick, values, np.full((2, len(tick)), np.nan))


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
        # By tick, the cells whose events were taken.
        self._had: dict[int, set[Cell]] = {}
        # Private events that were taken: their ticks and numbers.
        self._had_alone: set[tuple[int, int]] = set()
        self._parts: dict[_Key, dict[int, list[tuple[int, Rows, Ints]]]] = {}
        self._waiting: list[Happened] = []
        self._traces = Traces(limits.traces)
        self._count = self._newest = 0

    def take(self, read: Read, told: Sections) -> None:
        """Take what is new in snapshots.

        Args:
            read: snapshots.
            told: what became of their sections.
        """
        # Private events of stale snapshots come again.
        looked_at = compress(read.snapshots, ~told.stale)
        alone = [one.private for one in looked_at if one.private and one.private.events]
        if alone:
            self._take_alone(alone)
        whats = [what for what in read.all.rows if what >= EVENT_FIRST]
        if not whats and not self._parts and not alone:
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
        self._newest = max(self._newest, *(snapshot.tick for snapshot in read.snapshots))
        self._forget()

    def due(self, tick: float) -> list[Happened]:
        """Give up what has happened up to a tick."""
        waiting, self._waiting = self._waiting, []
        found = []
        for waits in waiting:
            due = waits.tick <= tick
            if due.any():
                found.append(self._placed(waits.take(due)))
            if not due.all():
                self._waiting.append(waits.take(~due))
        self._count -= sum(len(each.tick) for each in found)
        return found

    def let_go(self, columns: Columns, rows: Ints) -> None:
        """Remember where these entities are, which are known no more from now on."""
        self._traces.note(columns, rows)

    def _placed(self, happened: Happened) -> Happened:
        """Say where subjects were that are known no more."""
        tick_s = self._rules.tick_s
        places = self._traces.find(happened.subject, happened.tick, tick_s)
        return happened._replace(places=np.stack(places))

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
        fresh = [tick for tick in sorted(ticks) if cell not in self._had.get(tick, ())]
        for tick in fresh:
            self._had.setdefault(tick, set()).add(cell)
        if not fresh:
            return
        for what, rows, of in events:
            news = np.isin(of, fresh)
            if news.any():
                self._keep(what, rows[news], of[news])

    def _take_alone(self, sections: Iterable[Private]) -> None:
        """Take private events that have not come before."""
        for section in sections:
            for number, packed in section.events:
                rows = np.frombuffer(packed, self._schema.private_events[number])
                ticks = section.to_tick - rows["age"].astype(np.int64)
                fresh = np.zeros(len(rows), np.bool_)
                # A few a tick: 0.2 µs each.
                for at, key in enumerate(zip(ticks.tolist(), rows["nth"].tolist(), strict=True)):
                    fresh[at] = key not in self._had_alone
                    self._had_alone.add(key)
                if fresh.any():
                    self._keep(number, rows[fresh], ticks[fresh])

    def _keep(self, number: int, rows: Rows, ticks: Ints) -> None:
        values = decode_rows(self._schema, number, rows, self._rules)
        self._waiting.append(make_happened(number, rows["id"].copy(), ticks, values))
        self.taken += len(rows)
        self._count += len(rows)
        while self._count > self._limits.happened and len(self._waiting) > 1:
            lost = len(self._waiting.pop(0).tick)
            self.dropped, self._count = self.dropped + lost, self._count - lost

    def _forget(self) -> None:
        """Forget what can't come again: ticks that no section has any more."""
        streams = self._rules.streams
        oldest = self._newest - streams.reorder_ticks - 2 * streams.tombstone_ticks
        self._had = {tick: cells for tick, cells in self._had.items() if tick > oldest}
        self._parts = {key: parts for key, parts in self._parts.items() if key[2] > oldest}
        oldest = self._newest - streams.reorder_ticks - AGE_MAX
        self._had_alone = {key for key in self._had_alone if key[0] >= oldest}
