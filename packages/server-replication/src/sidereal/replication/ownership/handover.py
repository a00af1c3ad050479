"""Which entities change their owner this tick.

The rule: an entity belongs to the shard that leases the sector it is in. It is handed over only
when it has left its owner's sectors by `HANDOVER_MARGIN`, so that nothing flaps along a border; an
entity whose owner is gone is handed over at once.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import sector_of
from sidereal.protocol.space.sectors import pack_sector
from sidereal.replication.ownership.leases import LeaseTable

HANDOVER_MARGIN: Final = 8.0
"""World units an entity goes beyond its owner's border before it is handed over."""


class Handovers(NamedTuple):
    """Entities that change their owner; all arrays have one length.

    Attributes:
        slots: int64[n].
        before: uint16[n], the owner until now, `SHARD_NONE` where there was none.
        after: uint16[n], never `SHARD_NONE`.
    """

    slots: np.ndarray
    before: np.ndarray
    after: np.ndarray


def decide_handovers(
    slots: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    holder: np.ndarray,
    owner: np.ndarray,
    leases: LeaseTable,
    rules: Rules,
) -> Handovers:
    """Decide who changes hands.

    Args:
        slots: int64[n], the living.
        x: float64[n], world units.
        y: float64[n], world units.
        holder: uint16[n], who leases the sector each is in.
        owner: uint16[n].
        leases: who holds which sector.
        rules: for the size of a sector.
    """
    away = np.flatnonzero((holder != owner) & (holder != SHARD_NONE))
    if len(away):
        alive = np.isin(owner[away], np.array(leases.shards, np.uint16))
        near = _within_margin(x[away], y[away], owner[away], leases, rules)
        away = away[~(alive & near)]
    return Handovers(slots[away], owner[away], holder[away])


def _within_margin(
    x: np.ndarray, y: np.ndarray, owner: np.ndarray, leases: LeaseTable, rules: Rules
) -> np.ndarray:
    """Tell which positions have a sector of their owner within the margin, bool[n]."""
    steps = np.array([-HANDOVER_MARGIN, 0.0, HANDOVER_MARGIN])
    off_x, off_y = np.repeat(steps, len(steps)), np.tile(steps, len(steps))
    sector_x, sector_y = sector_of(x + off_x[:, None], y + off_y[:, None], rules)
    near: np.ndarray = leases.holders_of(pack_sector(sector_x, sector_y)) == owner
    return np.asarray(near.any(axis=0), np.bool_)
