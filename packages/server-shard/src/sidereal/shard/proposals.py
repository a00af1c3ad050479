"""What has been proposed and is not acked yet.

A row of a component is sent in every tick from its change on until the replication server has acked
a message that had that change or a later one: what is lost heals by itself. So is every event
(`events`). What a message had is remembered until its ack comes or it is too old.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.proposals import encode_proposals
from sidereal.protocol.state.schema import EVENT_FIRST, Schema
from sidereal.shard.changes import Changes
from sidereal.shard.events import Events
from sidereal.shard.population import Ints


class Run(NamedTuple):
    """Rows of one component that are to be sent.

    Attributes:
        number: of the component.
        rows: int64[n], of the population.
        ticks: int64[n], when each has changed.
    """

    number: int
    rows: Ints
    ticks: Ints

    def cut(self, first: int, end: int) -> Run:
        """Give some of the rows."""
        return Run(self.number, self.rows[first:end], self.ticks[first:end])


class _Sent(NamedTuple):
    """What a message had, and when it was sent; of events their numbers."""

    tick: int
    runs: tuple[Run, ...]
    events: NDArray[np.uint32]


class Proposals:
    """The sending end of a shard's proposals."""

    def __init__(self, schema: Schema, capacity: int, reorder_ticks: int, events: Events) -> None:
        """Begin with a server that knows everything.

        Args:
            schema: for the components that are proposed.
            capacity: rows of the population.
            reorder_ticks: see `StreamLimits`.
            events: what systems have emitted.
        """
        self._reorder_ticks = reorder_ticks
        self._events = events
        self._changed: dict[int, Ints] = {
            number: np.full(capacity, -1, np.int64) for number in schema.proposed
        }
        self._waits: dict[int, NDArray[np.bool_]] = {
            number: np.zeros(capacity, np.bool_) for number in schema.proposed
        }
        self._messages: dict[int, _Sent] = {}
        self._next_tag = 0

    def reserve(self, capacity: int) -> None:
        """Make room for rows."""
        for number, changed in self._changed.items():
            more = capacity - len(changed)
            if more > 0:
                waits = self._waits[number]
                self._changed[number] = np.concatenate([changed, np.full(more, -1, np.int64)])
                self._waits[number] = np.concatenate([waits, np.zeros(more, np.bool_)])

    def note(self, number: int, rows: Ints, tick: int) -> None:
        """Note rows of a component that have changed, each once."""
        self._changed[number][rows] = tick
        self._waits[number][rows] = True

    def forget(self, rows: Ints) -> None:
        """Note that these rows are free."""
        for waits in self._waits.values():
            waits[rows] = False

    def write(self, tick: int, changes: Changes) -> list[tuple[bytes, int | None]]:
        """Write messages with all that the server has not acked as it is.

        Args:
            tick: the shard's, not below that of the call before.
            changes: which has the rows.

        Returns:
            Messages, at least one, and the tags by which to ack them; one that says nothing has
            none.
        """
        self._expire(tick)
        pending = {run.number: run for run in self._pending()}
        rows = [(run.number, changes.records(*run)) for run in pending.values()]
        rows += self._events.take_due(tick).items()
        messages: list[tuple[bytes, int | None]] = []
        for message, parts in encode_proposals(tick, rows):
            tag = None
            if parts:
                tag, self._next_tag = self._next_tag, self._next_tag + 1
                state = [part for part in parts if part.what < EVENT_FIRST]
                runs = tuple(pending[part.what].cut(part.first, part.end) for part in state)
                self._messages[tag] = _Sent(tick, runs, self._events.in_parts(parts))
            messages.append((message, tag))
        return messages

    def acked(self, tags: Iterable[int]) -> None:
        """Note that the server has these messages; unknown and repeated ones are ignored."""
        for tag in tags:
            sent = self._messages.pop(tag, None)
            if sent is None:
                continue
            self._events.acked(sent.events)
            for number, rows, ticks in sent.runs:
                # What has changed since then waits on, as does whoever has the row by now: the
                # change of a new body is newer than whatever was sent of the one before.
                same = rows[self._changed[number][rows] <= ticks]
                self._waits[number][same] = False

    def _pending(self) -> Iterator[Run]:
        for number, waits in self._waits.items():
            rows = np.flatnonzero(waits)
            if len(rows):
                yield Run(number, rows, self._changed[number][rows])

    def _expire(self, tick: int) -> None:
        # Messages are kept in the order of time.
        while self._messages:
            oldest = next(iter(self._messages))
            if self._messages[oldest].tick >= tick - self._reorder_ticks:
                break
            del self._messages[oldest]
