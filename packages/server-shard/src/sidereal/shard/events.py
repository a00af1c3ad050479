"""What systems emit, kept until the replication server has acked it.

Every event of a session has a number, so that the server takes each once, however often it comes.
It carries the epoch that its subject had: if that has another owner by the time it comes, it did
not happen. It is sent at once, and again after some ticks without an ack. Those of who has just
come, or has ended, go by what is said of these (`proposals`). How many events there are is bounded,
in a tick and of those that wait.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.game.component import Event
from sidereal.game.declarations import Declarations
from sidereal.game.schema import name_of, spread
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.state.arrays import Rows, are_among
from sidereal.shard.limits import LIMITS, Limits
from sidereal.shard.population import Ints, Population

_NUMBERS: Final = 1 << 32
"""After so many events their numbers begin anew."""
_NEVER: Final = -(1 << 32)


class _Waiting(NamedTuple):
    """Events of one sort, in the order of their numbers.

    Attributes:
        rows: `Schema.proposed_rows`[n].
        sent: int64[n], tick at which each was sent last.
    """

    rows: Rows
    sent: Ints

    def take(self, keep: NDArray[np.bool_]) -> _Waiting:
        """Some of them."""
        return _Waiting(self.rows[keep], self.sent[keep])


class Events:
    """The events of one session.

    Attributes:
        emitted: so far.
        dropped: of these, those that were too many.
    """

    def __init__(
        self, declared: Declarations, population: Population, limits: Limits = LIMITS
    ) -> None:
        self.emitted = self.dropped = 0
        self._population = population
        self._limits = limits
        schema = population.columns.schema
        self._numbers = {event: schema.event_numbers[name_of(event)] for event in declared.events}
        self._types = schema.proposed_rows
        self._waiting: dict[int, _Waiting] = {}
        self._next = 0
        self._tick = -1
        self._in_tick = 0

    def emit(self, event: Event, rows: Ints, tick: int) -> int:
        """Take events.

        Args:
            event: values, one or [n].
            rows: int64[n], of the population.
            tick: the shard's.

        Returns:
            how many rows are of nobody, or of entities of others: of these nothing is said.

        Raises:
            LocalProtocolError: the game does not declare it, or the values can't be sent.
        """
        number = self._numbers.get(type(event))
        if number is None:
            name = type(event).__name__
            raise LocalProtocolError(f"{name} is not declared: say part.declare({name})")
        columns = self._population.columns
        values = spread(event, len(rows))
        own = (rows >= 0) & self._population.own[rows] & columns.alive[rows]
        records = np.zeros(len(rows), self._types[number])
        records["id"], records["epoch"] = columns.net_id[rows], columns.epoch[rows]
        for name, column in values.items():
            records[name] = column
        self._keep(number, records[own], tick)
        return int((~own).sum())

    def take_due(
        self, tick: int, held_back: NDArray[np.uint32], at_once: NDArray[np.uint32]
    ) -> dict[int, Rows]:
        """Give what is to be sent in a tick.

        Args:
            tick: the shard's.
            held_back: ids of the subjects of which nothing is sent.
            at_once: likewise, of which all is sent that waits.

        Returns:
            `Schema.proposed_rows`[n] by number.
        """
        found = {}
        for number, waiting in self._waiting.items():
            ids = waiting.rows["id"]
            due = waiting.sent <= tick - self._limits.events_resend_ticks
            due = (due & ~are_among(ids, held_back)) | are_among(ids, at_once)
            if due.any():
                waiting.sent[due] = tick
                found[number] = waiting.rows[due]
        return found

    def wait_for(self, ids: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Tell of which subjects events wait, bool[n]."""
        waiting = [each.rows["id"] for each in self._waiting.values()]
        return are_among(ids, np.concatenate([np.zeros(0, np.uint32), *waiting]))

    def ids_of(self, rows: Ints) -> NDArray[np.uint32]:
        """Give the ids of entities of the population."""
        ids: NDArray[np.uint32] = self._population.columns.net_id[rows]
        return ids

    def drop(self, nth: NDArray[np.uint32]) -> None:
        """Give these up: no message holds them."""
        self.dropped += len(nth)
        self.acked(nth)

    def acked(self, nth: NDArray[np.uint32]) -> None:
        """Note that the server has these."""
        if len(nth):
            for number, waiting in self._waiting.items():
                self._waiting[number] = waiting.take(~are_among(waiting.rows["nth"], nth))

    def _keep(self, number: int, records: Rows, tick: int) -> None:
        if tick != self._tick:
            self._tick, self._in_tick = tick, 0
        room = max(0, self._limits.events_per_tick - self._in_tick)
        self.emitted += len(records)
        self.dropped += max(0, len(records) - room)
        records = records[:room]
        self._in_tick += len(records)
        records["nth"] = (self._next + np.arange(len(records))) % _NUMBERS
        self._next = (self._next + len(records)) % _NUMBERS
        fresh = _Waiting(records, np.full(len(records), _NEVER, np.int64))
        if number in self._waiting:
            joined = zip(self._waiting[number], fresh, strict=True)
            fresh = _Waiting(*(np.concatenate(columns) for columns in joined))
        self._waiting[number] = fresh
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Drop what has waited longest, when too much waits."""
        nth = np.concatenate([waiting.rows["nth"] for waiting in self._waiting.values()])
        over = len(nth) - self._limits.events_waiting
        if over <= 0:
            return
        self.dropped += over
        # Numbers begin anew after the last: they count from the next one backwards.
        self.acked(nth[np.argsort(_age(nth, self._next))[::-1][:over]])


def _age(nth: NDArray[np.uint32], following: int) -> Ints:
    """Count how many were emitted since each, int64[n]."""
    ages: Ints = (following - nth.astype(np.int64)) % _NUMBERS
    return ages
