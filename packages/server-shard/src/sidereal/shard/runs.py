"""Rows of one sort that a shard proposes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import are_among
from sidereal.shard.population import Ints


class Run(NamedTuple):
    """Rows of one sort that are to be sent.

    Attributes:
        number: of the component; WHOLE or GONE.
        rows: int64[n], of the population; of GONE the ids.
        ticks: int64[n], when each has changed.
    """

    number: int
    rows: Ints
    ticks: Ints

    def cut(self, first: int, end: int) -> Run:
        """Give some of the rows."""
        return Run(self.number, self.rows[first:end], self.ticks[first:end])

    def take(self, at: Ints | NDArray[np.bool_]) -> Run:
        """Give those at some places."""
        return Run(self.number, self.rows[at], self.ticks[at])

    def of(self, rows: Ints, *, invert: bool = False) -> Run:
        """Give those of some rows, or of all others."""
        chosen = are_among(self.rows, rows)
        return self.take(~chosen if invert else chosen)
