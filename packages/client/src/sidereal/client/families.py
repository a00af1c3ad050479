"""Followers in the picture: they are drawn where their parents are drawn, or not at all."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import Ints
from sidereal.protocol.state.families import DEPTH_MAX, are_followers


class Shown(NamedTuple):
    """Who is drawn; arrays of one length.

    Attributes:
        at: int64[n], which of the entities, ascending.
        leads: int64[n], the one where each is drawn: itself, but for followers.
    """

    at: Ints
    leads: Ints


def find_shown(ids: NDArray[np.uint32], masks: NDArray[np.uint64], parents: NDArray[Any]) -> Shown:
    """Find who is drawn, and where: not those whose parents are not here.

    Args:
        ids: uint32[n], of all that is known.
        masks: uint64[n], their components.
        parents: uint32[n], ids of their parents.
    """
    leads = np.arange(len(ids))
    follows = np.flatnonzero(are_followers(masks))
    if not len(follows):
        return Shown(leads, leads)
    order = np.argsort(ids, kind="stable")
    at = order[np.minimum(np.searchsorted(ids, parents[follows], sorter=order), len(ids) - 1)]
    here = ids[at] == parents[follows]
    leads[follows] = np.where(here, at, -1)
    shown = leads >= 0
    for _ in range(DEPTH_MAX):
        shown[follows] &= shown[leads[follows]]
        leads[follows] = leads[leads[follows]]
    rows = np.flatnonzero(shown)
    return Shown(rows, leads[rows])
