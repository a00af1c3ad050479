"""What pilots have held lately, which goes along when what they fly changes hands.

The newest record of an entity says which input is the last in it. Later inputs are on their way to
the former owner, or were lost with it. The new owner gets them with the record and flies them, so
that an entity that changes hands misses none.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sidereal.protocol.limits import INPUTS_UNANSWERED_MAX
from sidereal.protocol.message.codec import INPUT_ROW
from sidereal.protocol.message.inputs import Input

INPUTS_KEPT_MAX: Final = INPUTS_UNANSWERED_MAX
"""Inputs kept of each pilot, as many as a client waits for: the newest."""


class InputLog:
    """The newest inputs of every pilot, by what it flies."""

    def __init__(self) -> None:
        self._flown: dict[int, tuple[int, dict[int, int]]] = {}

    def note(self, net_id: int, message: Input) -> None:
        """Keep what a pilot has sent; inputs of an older control epoch are forgotten."""
        epoch, held = self._flown.get(net_id, (-1, {}))
        if epoch != message.control_epoch:
            held = {}
            self._flown[net_id] = message.control_epoch, held
        newest = next(reversed(held), -1)
        # Every message repeats the inputs that are not answered: only one or two of them are new.
        for seq in range(max(message.first_seq, newest + 1), message.newest_seq + 1):
            held[seq] = message.records[seq - message.first_seq]
        while len(held) > INPUTS_KEPT_MAX:
            del held[next(iter(held))]

    def forget(self, net_id: int) -> None:
        """Forget an entity that left the world."""
        self._flown.pop(net_id, None)

    def newest(self, records: np.ndarray) -> np.ndarray:
        """Look up the newest inputs that the pilots of records have sent.

        Args:
            records: with `id` and `control_epoch`, [n].

        Returns:
            int64[n], -1 where nobody has sent any.
        """
        newest = np.full(len(records), -1, np.int64)
        at = self._find(records)
        newest[at] = [
            next(reversed(self._flown[net_id][1])) for net_id in records["id"][at].tolist()
        ]
        return newest

    def held(self, records: np.ndarray) -> np.ndarray:
        """Look up the newest records of controls that the pilots of records have sent.

        Args:
            records: with `id` and `control_epoch`, [n].

        Returns:
            uint64[n], 0 where nobody has sent any.
        """
        held = np.zeros(len(records), np.uint64)
        at = self._find(records)
        flown = (self._flown[net_id][1] for net_id in records["id"][at].tolist())
        held[at] = [inputs[next(reversed(inputs))] for inputs in flown]
        return held

    def since(self, records: np.ndarray) -> np.ndarray:
        """Collect the inputs that go with records.

        Args:
            records: `Schema.full_record[n]`.

        Returns:
            `INPUT_ROW[m]`, of each entity in order, from the newest input in its record on, or from
            the newest that has come, if that is before it.
        """
        flown = records[self._find(records)]
        rows = [
            (net_id, seq, record)
            for net_id, newest in zip(
                flown["id"].tolist(), flown["input_seq"].tolist(), strict=True
            )
            for seq, record in self._flown[net_id][1].items()
            if seq >= min(newest, next(reversed(self._flown[net_id][1])))
        ]
        return np.array(rows, INPUT_ROW)

    def _find(self, records: np.ndarray) -> np.ndarray:
        """Find the records whose pilots have sent something: their indices, int64[m]."""
        flown = np.fromiter(self._flown, np.int64, len(self._flown))
        at = np.flatnonzero(np.isin(records["id"], flown))
        epochs = [self._flown[net_id][0] for net_id in records["id"][at].tolist()]
        known: np.ndarray = at[records["control_epoch"][at] == np.array(epochs, np.int64)]
        return known
