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
        rows: int64[n].
        before: uint16[n], the owner until now, `SHARD_NONE` where there was none.
        after: uint16[n], never `SHARD_NONE`; the same where the owner is to get it anew.
    """

    rows: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @property
    def simulated(self) -> np.ndarray:
        """Who is simulated by another shard until it changes hands, bool[n]."""
        simulated: np.ndarray = (self.before != SHARD_NONE) & (self.before != self.after)
        return simulated

    def select(self, chosen: np.ndarray) -> Handovers:
        """Keep some of them, bool[n]."""
        return Handovers(self.rows[chosen], self.before[chosen], self.after[chosen])


def decide_handovers(
    rows: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    holder: np.ndarray,
    owner: np.ndarray,
    leases: LeaseTable,
    rules: Rules,
) -> Handovers:
    """Decide who changes hands.

    Args:
        rows: int64[n], the living.
        x: float64[n], world units.
        y: float64[n], world units.
        holder: uint16[n], who leases the sector each is in.
        owner: uint16[n].
        leases: who holds which sector.
        rules: for the size of a sector.
    """
    away = np.flatnonzero((holder != owner) & (holder != SHARD_NONE))
    if len(away):
        near = np.isin(owner[away], np.array(leases.shards, np.uint16))
        alive = away[near]
        near[near] = _within_margin(x[alive], y[alive], owner[alive], leases, rules)
        away = away[~near]
    return Handovers(rows[away], owner[away], holder[away])


def choose_affordable(
    changes: Handovers, piloted: np.ndarray, room: np.ndarray, room_of_pilots: np.ndarray
) -> np.ndarray:
    """Choose who changes hands now: at most as many as the new owners have room for, bool[n].

    What pilots fly comes first, and of these and of all else what nobody simulates meanwhile.

    Args:
        changes: who is to change hands.
        piloted: bool[n], whether somebody flies it.
        room: int64[k], by the id of a shard, how many entities it may be given.
        room_of_pilots: int64[k], how many that pilots fly and somebody else simulates now.
    """
    chosen = np.zeros(len(changes.rows), np.bool_)
    from_others = piloted & changes.simulated
    eligible = np.ones(len(changes.rows), np.bool_)
    eligible[from_others] = _first_of_each(changes.after[from_others], room_of_pilots)
    order = 2 * ~piloted + changes.simulated
    at = np.flatnonzero(eligible)
    at = at[np.argsort(order[at].astype(np.uint8), kind="stable")]
    chosen[at[_first_of_each(changes.after[at], room)]] = True
    return chosen


def _first_of_each(shard: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Tell which are among the first so many of their shard, bool[n], in the order given."""
    order = np.argsort(shard, kind="stable")
    in_order = shard[order]
    rank = np.arange(len(shard)) - np.searchsorted(in_order, in_order)
    first = np.empty(len(shard), np.bool_)
    first[order] = rank < room[in_order]
    return first


def _within_margin(
    x: np.ndarray, y: np.ndarray, owner: np.ndarray, leases: LeaseTable, rules: Rules
) -> np.ndarray:
    """Tell which positions have a sector of their owner within the margin, bool[n]."""
    steps = np.array([-HANDOVER_MARGIN, 0.0, HANDOVER_MARGIN])
    off_x, off_y = np.repeat(steps, len(steps)), np.tile(steps, len(steps))
    sector_x, sector_y = sector_of(x + off_x[:, None], y + off_y[:, None], rules)
    near: np.ndarray = leases.holders_of(pack_sector(sector_x, sector_y)) == owner
    return np.asarray(near.any(axis=0), np.bool_)
