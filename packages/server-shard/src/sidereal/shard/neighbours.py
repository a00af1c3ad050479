"""The one door to SciPy: who is near whom, by a k-d tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Who is near whom, by `a` and then by `b`, ascending.

    Attributes:
        a: int64[n], rows of those that were asked for.
        b: int64[n], rows of who is near each; never the same one.
        distance: float64[n], world units, centre to centre.
    """

    a: Rows
    b: Rows
    distance: Floats

    def __len__(self) -> int:
        return len(self.a)

    def where(self, keep: NDArray[np.bool_]) -> Pairs:
        """Keep some of the pairs."""
        return Pairs(self.a[keep], self.b[keep], self.distance[keep])

    def nearest(self) -> Pairs:
        """Keep for each a only the nearest b; of equally near ones the lowest row."""
        order = np.lexsort((self.b, self.distance, self.a))
        a = self.a[order]
        first = order[np.append(True, a[1:] != a[:-1])] if len(a) else order
        return Pairs(self.a[first], self.b[first], self.distance[first])


def find_pairs(x: Floats, y: Floats, a: Rows, b: Rows, within: ArrayLike) -> Pairs:
    """Find who is near whom.

    Args:
        x: float64[capacity], world units, by row; likewise `y`.
        a: rows, int64[n].
        b: rows, int64[m].
        within: world units, inclusive; one, or one for each row of the columns, of which those of
            `b` count.
    """
    reach: NDArray[Any] = np.asarray(within, dtype=np.float64)
    if len(a) == 0 or len(b) == 0:
        nobody = np.empty(0, dtype=np.int64)
        return Pairs(nobody, nobody, np.empty(0))
    own = KDTree(np.column_stack([x[a], y[a]]))
    others = KDTree(np.column_stack([x[b], y[b]]))
    radius = reach[b] if reach.ndim else np.full(len(b), reach)
    found = own.sparse_distance_matrix(others, float(radius.max()), output_type="ndarray")
    near = found["v"] <= radius[found["j"]]
    rows_a, rows_b, distance = a[found["i"][near]], b[found["j"][near]], found["v"][near]
    other = rows_a != rows_b
    rows_a, rows_b, distance = rows_a[other], rows_b[other], distance[other]
    order = np.lexsort((rows_b, rows_a))
    return Pairs(rows_a[order], rows_b[order], distance[order])
