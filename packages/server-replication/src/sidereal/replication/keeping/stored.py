"""What the store gives: accounts, the saved world, and numbers of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Account(NamedTuple):
    """A registered player."""

    account_id: int
    name: str
    password_hash: str


class Recovered(NamedTuple):
    """The saved world; the arrays have one length.

    Attributes:
        tick: of the world; no row was saved later.
        rows: `Schema.full_record`[n]; fields that are not persisted are 0.
        uuid: void16[n].
        account: int64[n].
        active: bool[n].
    """

    tick: int
    rows: NDArray[np.void]
    uuid: NDArray[np.void]
    account: NDArray[np.int64]
    active: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """What the store has done so far."""

    kind: str
    available: bool
    reason: str
    saved_rows: int
    failures: int
    reconnects: int
