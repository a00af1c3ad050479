"""Which input has spawned an entity: by this key clients, shards and the server know it again.

A key is of four numbers, the fields of `PREDICTED`: the entity that a pilot flies, the low 8 bits
of its control epoch, the low 16 bits of the number of the input, and how many that input had
spawned before.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.schema import PREDICTED

KEY_FIELDS: Final = tuple(field.name for field in PREDICTED.fields)

NTH_MAX: Final = 255
"""What an input spawns beyond so many has no key."""


def write_keys(records: NDArray[np.void], by: Any, control_epoch: Any, seq: Any, nth: Any) -> None:
    """Write keys into records.

    Args:
        records: [n], with the fields of `PREDICTED`.
        by: ids of who is flown, one or [n]; likewise the others.
        control_epoch: of its pilot.
        seq: number of the input.
        nth: how many the input had spawned before, at most `NTH_MAX`.
    """
    values = by, control_epoch % (1 << 8), seq % (1 << 16), nth
    for name, value in zip(KEY_FIELDS, values, strict=True):
        records[name] = value


def pack_keys(fields: Any) -> Ints:
    """Give each key as one number, int64[n].

    Args:
        fields: arrays of unsigned integers by name, [n] each: records, or a mapping.
    """
    by, control_epoch, low, nth = (fields[name].astype(np.int64) for name in KEY_FIELDS)
    keys: Ints = by << 32 | control_epoch << 24 | low << 8 | nth
    return keys
