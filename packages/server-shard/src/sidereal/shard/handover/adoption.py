"""Taking over what others have simulated: bodies go on from the rows that they are given with.

Who has a pilot is flown from its row on by what that has held since. All else moves on in a
straight line. So does whose pilot has held nothing, if models leave it as it is: an owner proposes
a row whenever its line or a component is another one, so an old row has held up to the tick in
which it was handed over. Nobody else is there meanwhile: that is looked into afterwards
(`repairs`), and for that the ring learns which way each has come.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.limits import INPUT_SEQ_MAX, INPUTS_UNANSWERED_MAX
from sidereal.protocol.state.arrays import are_among
from sidereal.shard.bodies import Bodies
from sidereal.shard.controls import ControlQueues
from sidereal.shard.limits import Limits
from sidereal.shard.population import Ints
from sidereal.shard.stages import Stages

REPLAY_TICKS_MAX: Final = INPUTS_UNANSWERED_MAX
"""Ticks that a body is flown when it is adopted; before that it is taken to have flown straight."""

Entries = deque[tuple[int, int]]
"""Numbers and records of what a pilot has held, ascending."""


class Adoption:
    """Brings adopted bodies to the shard's tick."""

    def __init__(
        self, bodies: Bodies, controls: ControlQueues, stages: Stages, limits: Limits
    ) -> None:
        self._bodies = bodies
        self._controls = controls
        self._stages = stages
        self._ring = bodies.ring
        self._limits = limits

    def begins(self, records: NDArray[np.void], tick: int) -> Ints:
        """Tell from which tick on bodies are replayed: int64[n]; `tick` for those that are not.

        Args:
            records: `Schema.full_record[n]`.
            tick: the shard's.
        """
        begin = np.maximum(records["tick"].astype(np.int64), tick - REPLAY_TICKS_MAX)
        return np.where(self._stages.flown[records["kind"]], begin, tick)

    def replay(self, rows: Ints, inputs: NDArray[np.void], told: int, tick: int) -> None:
        """Bring newly adopted bodies to the shard's tick, by what their pilots have held since.

        Args:
            rows: int64[n], of the bodies, at the ticks that `begins` gave.
            inputs: `INPUT_ROW[m]`, in order.
            told: when they were handed over, the authority's tick.
            tick: the shard's.

        Mutates:
            the motion, `control_epoch` and `input_seq` of the bodies, their queues, and the ring.
        """
        columns = self._bodies.columns
        flown = self._stages.flown[columns["kind"][rows]]
        self._bodies.trace(rows[~flown], tick)
        rows = rows[flown]
        self._skip_idle(rows[~are_among(columns.net_id[rows], inputs["id"])], min(told, tick))
        begin = columns.tick[rows]
        waiting: dict[int, Entries] = {}
        for row, (_, seq, record) in zip(
            columns.rows_of(inputs["id"]).tolist(), inputs.tolist(), strict=True
        ):
            waiting.setdefault(row, deque()).append((seq, record))
        due_from = {row: self._due_from(row, entries, tick) for row, entries in waiting.items()}
        # A few ticks of a few bodies; after a shard's death, seconds of all that it simulated.
        for now in range(int(begin.min(initial=tick)), tick):
            flying = rows[begin <= now]
            self._ring.note(now, columns, flying)
            for row in flying.tolist():
                if row in waiting and due_from[row] <= now:
                    newest = int(columns["input_seq"][row]) + self._limits.replay_ahead
                    self._resume(row, waiting[row], newest)
            held, control_epoch, input_seq = self._controls.replay(flying)
            columns["control_epoch"][flying] = control_epoch
            columns["input_seq"][flying] = input_seq
            self._ring.note_held(now + 1, held, flying)
            self._stages.fly(flying, now + 1, held)
        self._ring.note(tick, columns, rows)
        for row in rows.tolist():
            if row in waiting:
                self._resume(row, waiting[row], INPUT_SEQ_MAX)

    def _skip_idle(self, rows: Ints, told: int) -> None:
        """Move bodies that nobody holds anything for on to a tick, if that is a straight line."""
        old = rows[self._bodies.columns.tick[rows] < told - 1]
        if not len(old):
            return
        steady = old[self._stages.are_steady(old, told)]
        self._bodies.trace(steady, told)
        self._bodies.move_on(steady, told)

    def _due_from(self, row: int, entries: Entries, tick: int) -> int:
        """Tell when the first of a body's entries is due: it is flown in the tick after that.

        As long as none is in its state, nobody knows which tick that was for. Entries are made once
        per tick, and the newest has just come: it has the shard's next tick, as if it had come
        here. An earlier one would make all that follow too late.
        """
        if self._bodies.columns["input_seq"][row] > 0:
            return 0
        return tick - (entries[-1][0] - entries[0][0])

    def _resume(self, row: int, entries: Entries, newest: int) -> None:
        """Move entries up to a number into the queue of their body."""
        due = []
        while entries and entries[0][0] <= newest:
            due.append(entries.popleft())
        self._controls.resume(row, due)
