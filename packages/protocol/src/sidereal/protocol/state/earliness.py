"""How early an input came: how long before its tick, as one signed byte of 16ths of a tick.

Above 0 it came in time, below 0 after its tick, and 0 says that nothing has come. So 1 is less
than a 16th of a tick, and −1 is late by at most that.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

STEPS: Final = 16
"""Of a tick."""
LATEST, EARLIEST = -128, 127


def encode_early(ticks: NDArray[np.float64]) -> NDArray[np.int8]:
    """Write how early inputs came.

    Args:
        ticks: float64[n], below 0 for late ones, infinity where none has come.
    """
    steps = np.floor(ticks * STEPS)
    coded = np.clip(steps + (steps >= 0), LATEST, EARLIEST)
    return np.where(np.isinf(ticks), 0, coded).astype(np.int8)


def decode_early(early: int) -> float | None:
    """Read how early an input came at least, in ticks; None if none has come."""
    if not early:
        return None
    return (early - (early > 0)) / STEPS
