"""Names for the arrays of this package, and the range of ticks in them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.void]
"""Structured: one packed row each."""
Ints = NDArray[np.int64]

TICK_MAX: Final = 0xFFFF_FFFF
