"""Records of controls waiting for their tick: one jitter queue per body that is flown, all columns.

A pilot numbers its records by one per client tick and sends every one several times. A queue
takes each number once, in order, one per tick: never again what it has passed, whatever comes late
or twice. The control epoch tells pilots of the same body apart; a newer one starts the queue over,
an older one is dropped.

The client has predicted one tick per entry, so entries and ticks must not slip against each other:
every slip is a jump of one tick's flight on the pilot's screen. A queue that ran dry therefore
takes the newest record that has come for the entry that is missing, for up to `Limits.guesses`
entries, and lets go then. When they come after all, nothing slips: the next one has its tick still.
Entries that were due while the queue had let go are jumped over, if they come later. So after a
stall of the link every entry has its tick again.

That entries come in time is up to the client: it is told how early they do, and makes them sooner
or later (`earliness`). Only when more wait than `Limits.controls_reserve` one is jumped over.

Presses count once: what is taken for a missing entry has none. Those of an entry that turned up too
late, or was jumped over, are carried into the next one, so that no tap is lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.limits import INPUT_SEQ_MAX
from sidereal.protocol.message.inputs import Input
from sidereal.protocol.state.controls import ControlsLayout, Records
from sidereal.protocol.state.earliness import encode_early
from sidereal.shard.limits import LIMITS, Limits

COLUMNS: Final = (
    "_epoch",
    "_passed",
    "_newest",
    "_held",
    "_began",
    "_carried",
    "_missed",
    "_early",
    "_ring",
    "_ring_seq",
)

Ints = NDArray[np.int64]
Taken = tuple[Records, NDArray[np.uint32], NDArray[np.uint32]]
UNKNOWN: Final = -math.inf
"""How early something came that has waited for the shard."""


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
        self._newest = np.full(capacity, -limits.guesses, dtype=np.int64)
        self._held = np.zeros(capacity, dtype=np.uint64)
        self._began = np.zeros(capacity, dtype=np.int64)
        self._carried = np.zeros(capacity, dtype=np.uint64)
        self._missed = np.zeros(capacity, dtype=np.int64)
        self._early = np.full(capacity, np.inf)
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
                body's state, or the newest that has come before it, and those after it.
        """
        if entries:
            self._begin(row, entries[0][0])
        for seq, record in entries:
            if self._passed[row] - self._limits.guesses < seq <= self._passed[row]:
                self._held[row], self._newest[row] = record, seq
            elif seq > self._passed[row]:
                self._queue(row, np.array([seq], np.int64), np.array([record], np.uint64))

    def receive(self, row: int, message: Input, early: float = UNKNOWN) -> None:
        """Queue what came for one body.

        Args:
            row: of the body.
            message: of its pilot, with at most `Limits.controls_queue` records.
            early: how long before the next tick it came, in ticks; below 0 if the shard is late
                itself, and it is not known when it came.
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
        self._begin(row, first_seq)
        came = self._ring_seq[row, seq % self._limits.controls_queue] == seq
        passed = seq <= self._passed[row]
        self.stale += int((came | passed).sum())
        late = self._take_late(row, seq[passed], records[passed])
        fresh = seq[~came & ~passed]
        self._note_early(row, late, fresh, early)
        if len(fresh):
            self._queue(row, fresh, records[~came & ~passed])

    def take(self, rows: Ints) -> Taken:
        """Take the entry that is due for each body that is flown, once per tick.

        Args:
            rows: int64[n], all bodies that are flown.

        Returns:
            records uint64[n], and what the bodies' state says from now on: control_epoch
            uint32[n] and input_seq uint32[n].
        """
        waiting = self._newest[rows] - self._passed[rows]
        skip = np.maximum(np.minimum(self._missed[rows], waiting - 1), 0)
        self._missed[rows[waiting > 0]] = 0
        return self._take(rows, skip + (waiting - skip > self._limits.controls_reserve))

    def take_early(self, rows: Ints) -> NDArray[np.int8]:
        """Tell how early the latest entry came of those since this was asked last, `earliness`."""
        early = encode_early(self._early[rows])
        self._early[rows] = np.inf
        return early

    def miss(self, rows: Ints, ticks: int) -> None:
        """Let ticks pass in which nothing is taken: what was due in them is jumped over."""
        self._missed[rows] += ticks

    def replay(self, rows: Ints) -> Taken:
        """Take the entry that was due for some bodies in a tick gone by, as `take` does."""
        return self._take(rows, np.zeros(len(rows), dtype=np.int64))

    def _take(self, rows: Ints, skip: Ints) -> Taken:
        newest, before = self._newest[rows], self._passed[rows]
        some = newest > before
        guessing = ~some & (before - newest < self._limits.guesses)
        if skip.any():
            self._carry_skipped(rows[skip > 0], before[skip > 0], skip[skip > 0])
        passed = np.minimum(before + (some | guessing) + skip, INPUT_SEQ_MAX)
        self._passed[rows] = passed
        place = passed % self._limits.controls_queue
        # An entry all of whose copies were lost: the one before it is the best guess, too.
        came = some & (self._ring_seq[rows, place] == passed)
        held = np.where(came, self._ring[rows, place], self._held[rows] & self._states)
        gone = ~some & ~guessing
        held[gone] = 0
        self._missed[rows[gone]] += 1
        held = self._layout.add_presses(held, self._carried[rows])
        self._carried[rows] = 0
        self._held[rows] = held
        self.skipped += int(skip.sum())
        self.guessed += int(guessing.sum())
        return held, self._epoch[rows].astype(np.uint32), passed.astype(np.uint32)

    def _begin(self, row: int, first_seq: int) -> None:
        """Begin with the first entry that has come for a body, if none is in its state yet.

        That of a pilot's first body is 1. In the next one the numbers go on.
        """
        if self._newest[row] < 0 == self._passed[row]:
            self._passed[row] = self._began[row] = max(0, first_seq - 1)

    def _take_late(self, row: int, seq: Ints, records: Records) -> Ints:
        """Take in entries that something else was taken for; gives those that had not come yet.

        Their presses are carried, each once, and the newest is what the next ones are taken for.
        """
        # Of those the ring knows whether they have come.
        since = max(int(self._newest[row]) - self._limits.controls_queue, int(self._began[row]))
        place = seq % self._limits.controls_queue
        late = (seq > since) & (self._ring_seq[row, place] != seq)
        for at in np.flatnonzero(late).tolist():
            self._ring_seq[row, place[at]] = seq[at]
            one = self._carried[row : row + 1]
            one[:] = self._layout.add_presses(one, records[at : at + 1])
        if late.any() and seq[-1] > self._newest[row]:
            self._newest[row], self._held[row] = seq[-1], records[-1]
        those: Ints = seq[late]
        return those

    def _note_early(self, row: int, late: Ints, fresh: Ints, early: float) -> None:
        """Note how early what came is for its tick: the first of it, which is the latest."""
        if len(late):
            first, early = int(late[0]), max(early, 0.0)
        elif len(fresh) and early >= 0.0:
            first = int(fresh[0])
        else:
            return
        ticks = first - int(self._passed[row]) - 1 + min(early, 1.0)
        self._early[row] = min(self._early[row], ticks)

    def _carry_skipped(self, rows: Ints, passed: Ints, skip: Ints) -> None:
        """Carry the presses of the entries that are jumped over, of those that have come."""
        for nth in range(1, int(skip.max()) + 1):  # after a stall of a link, a few of few bodies
            seq = passed + nth
            place = seq % self._limits.controls_queue
            came = (nth <= skip) & (self._ring_seq[rows, place] == seq)
            some, place = rows[came], place[came]
            self._carried[some] = self._layout.add_presses(
                self._carried[some], self._ring[some, place]
            )

    def _queue(self, row: int, seq: NDArray[np.int64], records: Records) -> None:
        newest = max(int(self._newest[row]), int(seq[-1]))
        behind = newest - self._limits.controls_queue
        if behind > self._passed[row]:
            pushed = behind - int(self._passed[row])
            self.skipped += pushed
            self._passed[row] = behind
            self._missed[row] = max(0, int(self._missed[row]) - pushed)
        due = seq > behind
        self._ring[row, seq[due] % self._limits.controls_queue] = records[due]
        self._ring_seq[row, seq[due] % self._limits.controls_queue] = seq[due]
        self._newest[row] = newest
        self.accepted += int(due.sum())

    def _restart(
        self,
        rows: Ints,
        control_epoch: NDArray[np.int64] | np.int64,
        passed: NDArray[np.int64] | np.int64,
    ) -> None:
        self._epoch[rows] = control_epoch
        self._passed[rows] = passed
        self._newest[rows] = passed - self._limits.guesses
        self._held[rows] = 0
        self._began[rows] = passed
        self._carried[rows] = 0
        self._missed[rows] = 0
        self._early[rows] = np.inf
        self._ring_seq[rows] = -1
