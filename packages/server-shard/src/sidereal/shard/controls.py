"""Players' buttons waiting for their tick: one jitter queue per ship, all of them columns.

A pilot numbers its buttons by one per client tick and sends every entry several times. A queue
takes each number once, in order, one per tick: never again what it has passed, whatever comes late
or twice. The control epoch tells pilots of the same ship apart; a newer one starts the queue over,
an older one is dropped.

A queue that ran dry holds the last buttons for `REPEAT_TICKS_MAX` ticks and lets go then. One in
which more than `WAITING_MAX` entries wait takes two per tick, so that latency gained in a burst is
given back.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.limits import CONTROLS_QUEUE_MAX

REPEAT_TICKS_MAX: Final = 5
"""Ticks a ship goes on with its last buttons when nothing new comes."""
WAITING_MAX: Final = 3
"""Entries that may wait before one is skipped each tick."""

Slots = NDArray[np.int64]


class ControlQueues:
    """Queues by slot of the shard's columns.

    Attributes:
        accepted: entries taken in.
        stale: entries of an older control epoch or already passed.
        skipped: entries jumped over because too many waited or came too far ahead.
    """

    def __init__(self, capacity: int) -> None:
        self._epoch = np.zeros(capacity, dtype=np.int64)
        self._passed = np.zeros(capacity, dtype=np.int64)
        self._newest = np.zeros(capacity, dtype=np.int64)
        self._held = np.zeros(capacity, dtype=np.uint16)
        self._dry_ticks = np.full(capacity, REPEAT_TICKS_MAX, dtype=np.int64)
        self._ring = np.zeros((capacity, CONTROLS_QUEUE_MAX), dtype=np.uint16)
        self._ring_seq = np.full((capacity, CONTROLS_QUEUE_MAX), -1, dtype=np.int64)
        self.accepted = 0
        self.stale = 0
        self.skipped = 0

    @property
    def capacity(self) -> int:
        """Slots there is room for."""
        return len(self._epoch)

    def reserve(self, capacity: int) -> None:
        """Grow with the shard's columns."""
        more = capacity - self.capacity
        if more <= 0:
            return
        fresh = ControlQueues(more)
        for name in ("_epoch", "_passed", "_newest", "_held", "_dry_ticks", "_ring", "_ring_seq"):
            setattr(self, name, np.concatenate([getattr(self, name), getattr(fresh, name)]))

    def reset(
        self, slots: Slots, control_epoch: NDArray[np.uint32], input_seq: NDArray[np.uint32]
    ) -> None:
        """Start the queues of ships over, as their newly adopted rows say.

        Args:
            slots: int64[n]
            control_epoch: uint32[n], whose controls count.
            input_seq: uint32[n], the newest entry that is in the ship's state already.
        """
        self._restart(slots, control_epoch.astype(np.int64), input_seq.astype(np.int64))

    def receive(self, slot: int, control_epoch: int, first_seq: int, body: bytes) -> None:
        """Queue what came for one ship.

        Args:
            slot: of the ship.
            control_epoch: of the pilot that sent it.
            first_seq: number of the first entry.
            body: uint16[n] little-endian, n at most `CONTROLS_QUEUE_MAX`, checked by the caller.
        """
        buttons = np.frombuffer(body, dtype="<u2")
        seq = np.arange(first_seq, first_seq + len(buttons), dtype=np.int64)
        if control_epoch < self._epoch[slot]:
            self.stale += len(seq)
            return
        if control_epoch > self._epoch[slot]:
            one = np.array([slot], dtype=np.int64)
            self._restart(one, np.int64(control_epoch), np.int64(max(0, first_seq - 1)))
        fresh = seq > self._passed[slot]
        fresh &= self._ring_seq[slot, seq % CONTROLS_QUEUE_MAX] != seq
        self.stale += int(len(seq) - fresh.sum())
        seq, buttons = seq[fresh], buttons[fresh]
        if len(seq) == 0:
            return
        newest = max(int(self._newest[slot]), int(seq[-1]))
        behind = newest - CONTROLS_QUEUE_MAX
        if behind > self._passed[slot]:
            self.skipped += behind - int(self._passed[slot])
            self._passed[slot] = behind
        due = seq > behind
        self._ring[slot, seq[due] % CONTROLS_QUEUE_MAX] = buttons[due]
        self._ring_seq[slot, seq[due] % CONTROLS_QUEUE_MAX] = seq[due]
        self._newest[slot] = newest
        self.accepted += int(due.sum())

    def take(
        self, slots: Slots
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint32], NDArray[np.uint32]]:
        """Take the entry that is due for each ship, once per tick.

        Args:
            slots: int64[n] of all ships.

        Returns:
            buttons uint16[n], and what the ships' state says from now on: control_epoch
            uint32[n] and input_seq uint32[n].
        """
        waiting = self._newest[slots] - self._passed[slots]
        some = waiting > 0
        late = waiting > WAITING_MAX
        self.skipped += int(late.sum())
        passed = self._passed[slots] + some + late
        self._passed[slots] = passed
        place = passed % CONTROLS_QUEUE_MAX
        # An entry all of whose copies were lost: the one before it is the best guess.
        came = some & (self._ring_seq[slots, place] == passed)
        held = np.where(came, self._ring[slots, place], self._held[slots])
        dry = np.where(some, 0, np.minimum(self._dry_ticks[slots] + 1, REPEAT_TICKS_MAX + 1))
        held[dry > REPEAT_TICKS_MAX] = 0
        self._held[slots] = held
        self._dry_ticks[slots] = dry
        return held, self._epoch[slots].astype(np.uint32), passed.astype(np.uint32)

    def _restart(
        self,
        slots: Slots,
        control_epoch: NDArray[np.int64] | np.int64,
        passed: NDArray[np.int64] | np.int64,
    ) -> None:
        self._epoch[slots] = control_epoch
        self._passed[slots] = passed
        self._newest[slots] = passed
        self._held[slots] = 0
        self._dry_ticks[slots] = REPEAT_TICKS_MAX
        self._ring_seq[slots] = -1
