"""Records of controls waiting for their tick: one jitter queue per body that is flown, all columns.

A pilot numbers its records by one per client tick and sends every one several times. A queue
takes each number once, in order, one per tick: never again what it has passed, whatever comes late
or twice. The control epoch tells pilots of the same body apart; a newer one starts the queue over,
an older one is dropped.

The client has predicted one tick per entry, so entries and ticks must not slip against each other:
every slip is a jump of one tick's flight on the pilot's screen. A queue that ran dry therefore
takes the last record for the entry that is missing, for `Limits.guesses` ticks, and lets go then.
When such an entry turns up after all the path has grown longer: the next time the queue is dry it
waits a tick, once, and so gains one entry of reserve. One that has had a reserve for a whole
`Limits.trim_ticks` gives an entry of it back.

Presses count once: what is taken for a missing entry has none. Those of an entry that turned up too
late, or was jumped over, are carried into the next one, so that no tap is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.limits import INPUT_SEQ_MAX
from sidereal.protocol.message.inputs import Input
from sidereal.protocol.state.controls import ControlsLayout, Records
from sidereal.shard.limits import LIMITS, Limits

COLUMNS: Final = (
    "_epoch",
    "_passed",
    "_newest",
    "_held",
    "_guesses",
    "_turned_up",
    "_began",
    "_carried",
    "_reserve",
    "_ring",
    "_ring_seq",
)

Ints = NDArray[np.int64]
Taken = tuple[Records, NDArray[np.uint32], NDArray[np.uint32]]


class ControlQueues:
    """Queues by row of the shard's columns.

    Attributes:
        accepted: entries taken in.
        stale: entries of an older control epoch or already passed.
        guessed: entries that had not come when they were due.
        skipped: entries jumped over because too many waited or came too far ahead.
    """

    def __init__(self, capacity: int, layout: ControlsLayout, limits: Limits = LIMITS) -> None:
        self._layout, self._states = layout, np.uint64(layout.states)
        self._limits = limits
        self._epoch = np.zeros(capacity, dtype=np.int64)
        self._passed = np.zeros(capacity, dtype=np.int64)
        self._newest = np.zeros(capacity, dtype=np.int64)
        self._held = np.zeros(capacity, dtype=np.uint64)
        self._guesses = np.full(capacity, self._limits.guesses, dtype=np.int64)
        self._turned_up = np.zeros(capacity, dtype=np.bool_)
        self._began = np.zeros(capacity, dtype=np.int64)
        self._carried = np.zeros(capacity, dtype=np.uint64)
        self._reserve = np.zeros(capacity, dtype=np.int64)
        self._takes = 0
        self._ring = np.zeros((capacity, self._limits.controls_queue), dtype=np.uint64)
        self._ring_seq = np.full((capacity, self._limits.controls_queue), -1, dtype=np.int64)
        self.accepted = 0
        self.stale = 0
        self.guessed = 0
        self.skipped = 0

    @property
    def capacity(self) -> int:
        """Rows there is room for."""
        return len(self._epoch)

    def reserve(self, capacity: int) -> None:
        """Grow with the shard's columns."""
        more = capacity - self.capacity
        if more <= 0:
            return
        fresh = ControlQueues(more, self._layout, self._limits)
        for name in COLUMNS:
            setattr(self, name, np.concatenate([getattr(self, name), getattr(fresh, name)]))

    def reset(
        self, rows: Ints, control_epoch: NDArray[np.uint32], input_seq: NDArray[np.uint32]
    ) -> None:
        """Start the queues of bodies over, as their newly adopted records say.

        Args:
            rows: int64[n]
            control_epoch: uint32[n], whose controls count.
            input_seq: uint32[n], the newest entry that is in the body's state already.
        """
        self._restart(rows, control_epoch.astype(np.int64), input_seq.astype(np.int64))

    def resume(self, row: int, entries: Sequence[tuple[int, int]]) -> None:
        """Go on with what a body's pilot has held, after `reset`.

        Args:
            row: of the body.
            entries: numbers and records, ascending: the newest entry that is in the
                body's state, if it is known, and those after it.
        """
        for seq, record in entries:
            if seq == self._passed[row]:
                self._held[row], self._guesses[row] = record, 0
            elif seq > self._passed[row]:
                self._queue(row, np.array([seq], np.int64), np.array([record], np.uint64))

    def receive(self, row: int, message: Input) -> None:
        """Queue what came for one body.

        Args:
            row: of the body.
            message: of its pilot, with at most `Limits.controls_queue` records.
        """
        control_epoch, first_seq = message.control_epoch, message.first_seq
        records = np.array(message.records, np.uint64)
        seq = np.arange(first_seq, first_seq + len(records), dtype=np.int64)
        if control_epoch < self._epoch[row]:
            self.stale += len(seq)
            return
        if control_epoch > self._epoch[row]:
            one = np.array([row], dtype=np.int64)
            self._restart(one, np.int64(control_epoch), np.int64(max(0, first_seq - 1)))
        if self._passed[row] - self._guesses[row] < seq[-1] <= self._passed[row]:
            self._turned_up[row] = True
        self._carry_late(row, seq, records)
        fresh = seq > self._passed[row]
        fresh &= self._ring_seq[row, seq % self._limits.controls_queue] != seq
        self.stale += int(len(seq) - fresh.sum())
        seq, records = seq[fresh], records[fresh]
        if len(seq) == 0:
            return
        self._queue(row, seq, records)

    def take(self, rows: Ints) -> Taken:
        """Take the entry that is due for each body that is flown, once per tick.

        Args:
            rows: int64[n], all bodies that are flown.

        Returns:
            records uint64[n], and what the bodies' state says from now on: control_epoch
            uint32[n] and input_seq uint32[n].
        """
        waiting = self._newest[rows] - self._passed[rows]
        skip = self._find_unused_reserve(rows, waiting) | (waiting > self._limits.controls_reserve)
        return self._take(rows, skip)

    def replay(self, rows: Ints) -> Taken:
        """Take the entry that was due for some bodies in a tick gone by, as `take` does."""
        return self._take(rows, np.zeros(len(rows), dtype=np.bool_))

    def _take(self, rows: Ints, skip: NDArray[np.bool_]) -> Taken:
        some = self._newest[rows] > self._passed[rows]
        guessing = ~some & ~self._turned_up[rows] & (self._guesses[rows] < self._limits.guesses)
        self._turned_up[rows] &= some
        passed = np.minimum(self._passed[rows] + (some | guessing) + skip, INPUT_SEQ_MAX)
        self._passed[rows] = passed
        place = passed % self._limits.controls_queue
        # An entry all of whose copies were lost: the one before it is the best guess, too.
        came = some & (self._ring_seq[rows, place] == passed)
        held = np.where(came, self._ring[rows, place], self._held[rows] & self._states)
        guesses = np.where(some, 0, np.minimum(self._guesses[rows] + 1, self._limits.guesses + 1))
        held[guesses > self._limits.guesses] = 0
        if skip.any():
            self._carry_skipped(rows[skip], passed[skip] - 1)
        held = self._layout.add_presses(held, self._carried[rows])
        self._carried[rows] = 0
        self._held[rows] = held
        self._guesses[rows] = guesses
        self.skipped += int(skip.sum())
        self.guessed += int(guessing.sum())
        return held, self._epoch[rows].astype(np.uint32), passed.astype(np.uint32)

    def _carry_late(self, row: int, seq: Ints, records: Records) -> None:
        """Carry the presses of entries that something else was taken for: each once."""
        # Of those the ring knows whether they have come.
        since = max(int(self._newest[row]) - self._limits.controls_queue, int(self._began[row]))
        place = seq % self._limits.controls_queue
        late = (seq > since) & (seq <= self._passed[row]) & (self._ring_seq[row, place] != seq)
        for at in np.flatnonzero(late).tolist():
            self._ring_seq[row, place[at]] = seq[at]
            one = self._carried[row : row + 1]
            one[:] = self._layout.add_presses(one, records[at : at + 1])

    def _carry_skipped(self, rows: Ints, seq: Ints) -> None:
        """Carry the presses of entries that are jumped over, if they have come."""
        place = seq % self._limits.controls_queue
        came = self._ring_seq[rows, place] == seq
        rows, place = rows[came], place[came]
        carried = self._layout.add_presses(self._carried[rows], self._ring[rows, place])
        self._carried[rows] = carried

    def _queue(self, row: int, seq: NDArray[np.int64], records: Records) -> None:
        newest = max(int(self._newest[row]), int(seq[-1]))
        behind = newest - self._limits.controls_queue
        if behind > self._passed[row]:
            self.skipped += behind - int(self._passed[row])
            self._passed[row] = behind
        due = seq > behind
        self._ring[row, seq[due] % self._limits.controls_queue] = records[due]
        self._ring_seq[row, seq[due] % self._limits.controls_queue] = seq[due]
        self._newest[row] = newest
        self.accepted += int(due.sum())

    def _find_unused_reserve(self, rows: Ints, waiting: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which bodies have had more than the entry that is due all the while, bool[n]."""
        self._reserve[rows] = np.minimum(self._reserve[rows], waiting - 1)
        self._takes += 1
        if self._takes % self._limits.trim_ticks:
            return np.zeros(len(rows), dtype=np.bool_)
        unused = self._reserve[rows] > 0
        self._reserve[rows] = self._limits.controls_queue
        return unused

    def _restart(
        self,
        rows: Ints,
        control_epoch: NDArray[np.int64] | np.int64,
        passed: NDArray[np.int64] | np.int64,
    ) -> None:
        self._epoch[rows] = control_epoch
        self._passed[rows] = passed
        self._newest[rows] = passed
        self._held[rows] = 0
        self._guesses[rows] = self._limits.guesses
        self._turned_up[rows] = False
        self._began[rows] = passed
        self._carried[rows] = 0
        self._reserve[rows] = 0
        self._ring_seq[rows] = -1
