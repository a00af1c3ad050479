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
        rows: saved records, [n]; ids are 0, and what is not kept is as entities of
            their kind begin.
        uuid: void16[n].
        account: int64[n].
        active: bool[n].
    """

    tick: int
    rows: NDArray[np.void]
    uuid: NDArray[np.void]
    account: NDArray[np.int64]
    active: NDArray[np.bool_]


class Berth(NamedTuple):
    """What an account left, as it was then, and its children after it.

    Attributes:
        record: saved records, [n].
        uuid: void16[n].
    """

    record: NDArray[np.void]
    uuid: NDArray[np.void]


def berth_of(recovered: Recovered) -> Berth | None:
    """Make a berth of what an account flew and its children; None if it flew nothing."""
    order = np.argsort(-recovered.account, kind="stable")
    if not len(order) or recovered.account[order[0]] < 0:
        return None
    return Berth(recovered.rows[order], recovered.uuid[order])


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """What the store has done so far.

    Attributes:
        kind: embedded or external.
        available: whether it can be reached, and its last write succeeded.
        reason: if not, why.
        saved_rows: rows it has taken.
        quarantined_rows: rows that were set aside, at the start or since.
        failures: operations that failed.
        reconnects: how often its connections were opened again.
    """

    kind: str
    available: bool
    reason: str
    saved_rows: int
    quarantined_rows: int
    failures: int
    reconnects: int
