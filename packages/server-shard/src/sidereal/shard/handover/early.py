"""Entities that this shard is given with rows of ticks to which it has still to come.

Their former owner was ahead, and has simulated them up to there. To simulate those ticks again
would take other inputs for them than were flown, and lead elsewhere. So these entities wait until
the shard's tick is that of their rows, as if the message had come by then; so do their inputs.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.message.codec import INPUT_ROW
from sidereal.protocol.message.inputs import RoutedInput
from sidereal.protocol.state.arrays import are_among, join_rows, take_rows
from sidereal.protocol.state.schema import Schema

Rows = NDArray[np.void]


class Early:
    """What waits to be adopted by one shard.

    Attributes:
        controls_dropped: what pilots have sent meanwhile, and there was no room for.
    """

    def __init__(self, schema: Schema, inputs_max: int) -> None:
        self.controls_dropped = 0
        self._schema = schema
        self._records: Rows = np.zeros(0, schema.full_record)
        self._inputs: Rows = np.zeros(0, INPUT_ROW)
        self._controls: deque[RoutedInput] = deque(maxlen=inputs_max)

    def put_by(self, records: Rows, inputs: Rows, tick: int) -> tuple[Rows, Rows]:
        """Put by what comes too early, in the place of what was put by of the same entities.

        Args:
            records: `Schema.full_record[n]`.
            inputs: `INPUT_ROW[m]`, of their pilots.
            tick: the last one simulated.

        Returns:
            what is to be adopted now: records and inputs.
        """
        self._keep(~are_among(self._records["id"], records["id"]))
        early = records["tick"] > tick
        if not early.any():
            return records, inputs
        theirs = are_among(inputs["id"], records["id"][early])
        self._records = join_rows([self._records, take_rows(records, early)])
        self._inputs = np.concatenate([self._inputs, inputs[theirs]])
        return take_rows(records, ~early), inputs[~theirs]

    def take(self, tick: int) -> tuple[Rows, Rows]:
        """Give up what is to be adopted after a tick: records and inputs."""
        if len(self._records) == 0:
            return self._records, self._inputs
        due = self._records["tick"] <= tick
        records, self._records = (take_rows(self._records, some) for some in (due, ~due))
        theirs = are_among(self._inputs["id"], records["id"])
        inputs, self._inputs = self._inputs[theirs], self._inputs[~theirs]
        return records, inputs

    def take_controls(self) -> list[RoutedInput]:
        """Give up what pilots have sent meanwhile; those of who still waits may be put by again."""
        controls = list(self._controls)
        self._controls.clear()
        return controls

    def hold(self, message: RoutedInput) -> bool:
        """Put by what a pilot has sent; false if what it flies does not wait here."""
        waits = bool((self._records["id"] == message.net_id).any())
        if waits:
            self.controls_dropped += len(self._controls) == self._controls.maxlen
            self._controls.append(message)
        return waits

    def release(self, net_ids: NDArray[np.uint32], epochs: NDArray[np.uint32]) -> None:
        """Forget what is not ours from an epoch on."""
        gone = self._records["id"][:, None] == net_ids
        gone &= self._records["epoch"][:, None] < epochs
        self._keep(~gone.any(axis=1))

    def amend(self, records: Rows) -> None:
        """Take in what the authority has decided of components that it writes.

        Args:
            records: `Schema.full_record[n]`; those of another epoch are void.
        """
        theirs = set(self._schema.numbers.values()) - {*self._schema.proposed, *self._schema.kept}
        bits = np.uint64(sum(1 << number for number in theirs))
        for at, record in enumerate(self._records):  # seldom any
            same = (records["id"] == record["id"]) & (records["epoch"] == record["epoch"])
            for news in records[same]:
                self._records["differs"][at] &= ~bits
                self._records["differs"][at] |= news["differs"] & bits
                for number in theirs:
                    for field in self._schema.component(number).fields:
                        self._records[field.name][at] = news[field.name]

    def _keep(self, which: NDArray[np.bool_]) -> None:
        if which.all():
            return
        self._records = take_rows(self._records, which)
        self._inputs = self._inputs[are_among(self._inputs["id"], self._records["id"])]
