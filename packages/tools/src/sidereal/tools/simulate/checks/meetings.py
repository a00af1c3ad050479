"""Who may touch whom within the horizon, found by looking at every two: the rules a second time.

It goes by what the authority has committed, and by its horizon. Everybody goes on in a straight
line, give or take what engines can do. A **sure** meeting is one that must have been seen. A
**possible** one also allows for what hits do to others before, and for owners that are silent.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sidereal.game.declarations import Declarations
from sidereal.game.touching import touching
from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.state.families import are_children
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster

ROWS_OFF: Final = 0.5
"""World units that two rows together may be off what shards simulate."""

NEARLY: Final = 0.01
"""World units within which both answers are right."""

HIT_SHARE: Final = 1.5
"""Of the speed of a hit, by the other's share of the mass: what a hit adds at most."""


class Meetings(NamedTuple):
    """All that touch others, and who may touch whom; children touch nothing.

    Attributes:
        rows: int64[n], in the world.
        sure: bool[n, n], who must be seen to meet; likewise `possible`.
    """

    rows: np.ndarray
    sure: np.ndarray
    possible: np.ndarray

    def reaches(self, at: int, others: np.ndarray) -> bool:
        """Tell whether one may be kept from going by some of the others, whoever is between.

        Args:
            at: its place.
            others: bool[n]
        """
        reached = np.zeros(len(self.rows), np.bool_)
        edge = reached.copy()
        edge[at] = True
        while edge.any():
            reached |= edge
            edge = self.possible[edge].any(axis=0) & ~reached
        return bool((reached & others).any())


def find_meetings(cluster: Cluster, core: Replicator) -> Meetings:
    """Find out who may touch whom, as of the tick that has just been committed."""
    columns, tick_s = core.world.columns, core.rules.tick_s
    meets, rows = _kinds_that_meet(cluster.game), columns.rows()
    touches = np.asarray(meets.any(axis=0))
    rows = rows[touches[columns["kind"][rows]] & ~are_children(columns.mask[rows])]
    kind, group = columns["kind"][rows], columns["group"][rows].astype(np.int64)
    group = np.where(group == 0, columns.net_id[rows], group)
    horizon_s = core.mesh.grouping.horizon_s
    vx, vy = columns["vx"][rows], columns["vy"][rows]
    since_s = (core.tick - columns.tick[rows]) * tick_s
    x, y = columns["x"][rows] + vx * since_s, columns["y"][rows] + vy * since_s
    accel = np.array([0.0, *(each.accel_max for each in cluster.game.kinds)])[kind]
    stray = 0.5 * accel * horizon_s**2
    radius, mass = (columns[name][rows].astype(np.float64) for name in ("radius", "mass"))
    off_x, off_y = x - x[:, None], y - y[:, None]
    by_x, by_y = vx - vx[:, None], vy - vy[:, None]
    speed = by_x**2 + by_y**2
    with np.errstate(divide="ignore", invalid="ignore"):
        nearest_s = -(off_x * by_x + off_y * by_y) / speed
    nearest_s = np.clip(np.where(speed > 0.0, nearest_s, 0.0), 0.0, horizon_s)
    apart = np.hypot(off_x + by_x * nearest_s, off_y + by_y * nearest_s)
    reach = radius[:, None] + radius + stray[:, None] + stray + ROWS_OFF
    others = meets[kind[:, None], kind] & (group[:, None] != group)
    np.fill_diagonal(others, False)
    sure = others & (apart < reach - NEARLY)
    # Nobody is taken to be silent for longer than the horizon.
    reach += 3.0 * (stray[:, None] + stray)
    met = others & (apart < reach + NEARLY)
    hit = HIT_SHARE * np.sqrt(speed) * horizon_s * mass[:, None] / (mass[:, None] + mass)
    kick = np.where(met, hit, 0.0).max(axis=0, initial=0.0)
    possible = others & (apart < reach + kick[:, None] + kick + NEARLY)
    return Meetings(rows, sure, possible)


def _kinds_that_meet(game: Declarations) -> np.ndarray:
    """Tell which kinds run into which by their numbers, bool[kinds + 1, kinds + 1]."""
    return np.pad(np.asarray(touching(game.kinds)), ((1, 0), (1, 0)))


def living_owners(core: Replicator, rows: np.ndarray) -> np.ndarray:
    """Give the owners of entities, int64[n], `SHARD_NONE` for those who are not there."""
    return living(core, rows, core.world.columns["shard"][rows].astype(np.int64))


def living(core: Replicator, rows: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Keep the owners of entities that are there, int64[n].

    Who is to leave is there where it still holds the sector.
    """
    world, leases = core.world, core.mesh.leases
    sector = world.present(core.tick).sector[np.searchsorted(world.columns.rows(), rows)]
    stays = np.isin(owner, leases.retiring) & (owner == leases.holders_of(sector))
    return np.where(np.isin(owner, leases.shards) | stays, owner, SHARD_NONE)
