"""What of the world is looked at for islands: what may touch something of another owner.

Two entities of different owners can touch only near a border between two holders, or where one of
them is a **guest**: outside of its owner's sectors. So whoever is near such a border is a
candidate, and so is a guest, with what is in the cells around it. Large bodies are few, and reach
farther: what is in the cells around them is looked at too, if they are near a border themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from sidereal.game.kind import Kind
from sidereal.game.touching import KIND_NUMBERS, filters_of
from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.space.sectors import unpack_sector
from sidereal.protocol.state.schema import BASE_SCHEMA, BODY
from sidereal.replication.ownership.borders import Borders
from sidereal.replication.ownership.islands import Bodies, slack_of
from sidereal.replication.world import Present, World

RADIUS_USUAL: Final = 30.0
"""World units; larger bodies are few."""

_BODY: Final = np.uint64(1 << BASE_SCHEMA.numbers[BODY.name])


class Touching(NamedTuple):
    """What the kinds of a game can do, by their numbers.

    Attributes:
        category: uint32[256], bits of the way in which it touches.
        mask: uint32[256], the categories of all that it touches.
        accel: float64[256], units/s² by its own power.
    """

    category: np.ndarray
    mask: np.ndarray
    accel: np.ndarray


def touching_of(kinds: Sequence[Kind]) -> Touching:
    """Tell what the kinds of a game can do."""
    filters, accel = filters_of(kinds), np.zeros(KIND_NUMBERS)
    accel[1 : len(kinds) + 1] = [kind.accel_max for kind in kinds]
    return Touching(filters.category, filters.mask, accel)


class Outlook(NamedTuple):
    """How far is looked ahead.

    Attributes:
        horizon_s: seconds.
        age_s: float64 by the id of a shard, for how long nothing has been heard of it.
        touching: what kinds can do.
    """

    horizon_s: float
    age_s: np.ndarray
    touching: Touching

    def reach(self, speed_max: float) -> float:
        """How far apart two usual bodies may be that touch within the horizon, world units."""
        accel, age_s = self.touching.accel.max(keepdims=True), self.age_s.max(keepdims=True)
        slack = float(slack_of(accel, age_s, self.horizon_s)[0])
        return 2.0 * (speed_max * self.horizon_s + slack + RADIUS_USUAL)


class Candidates:
    """The candidates of one tick.

    Attributes:
        present: everything that is.
        owner: int64[n], who owns each; `SHARD_NONE` where no living shard does.
        holder: int64[n], who leases the sector that each is in.
        guests: bool[n], who is outside of its owner's sectors.
    """

    def __init__(
        self,
        world: World,
        borders: Borders,
        outlook: Outlook,
        present: Present,
        owner: np.ndarray,
        holder: np.ndarray,
    ) -> None:
        self.present = present
        self.owner = owner
        self.holder = holder
        self.guests = (owner != holder) & (owner != SHARD_NONE)
        self._world = world
        self._borders = borders
        self._outlook = outlook
        self._reach = min(outlook.reach(world.rules.speed_max), world.rules.sector_size)
        near = borders.are_near(present.group, present.x, present.y, self._reach)
        # Where nobody may simulate anything nothing touches.
        self._there = (near & ((owner | holder) != SHARD_NONE)) | self.guests
        self._looked = np.zeros(world.sectors.group_count, np.bool_)
        self._look_around_large()
        self.look_around(np.flatnonzero(self.guests))

    def find(self) -> np.ndarray:
        """Give the candidates that have bodies, with their families: int64[m], ascending."""
        world, rows = self._world, self.present.rows
        at = np.flatnonzero(self._there)
        whole = world.families.whole(np.unique(world.families.root[rows[at]]))
        if len(whole) and not self._is_single(at, whole):
            at = np.searchsorted(rows, whole)
        bodies: np.ndarray = at[world.columns.mask[rows[at]] & _BODY != 0]
        return bodies

    def bodies_of(self, at: np.ndarray, node: np.ndarray) -> Bodies:
        """Gather the bodies of some.

        Args:
            at: int64[m], where they are among what is present.
            node: int64[m], of each.
        """
        columns, touching, rows = self._world.columns, self._outlook.touching, self.present.rows[at]
        kind, group = columns["kind"][rows], columns["group"][rows].astype(np.int64)
        return Bodies(
            node,
            self.present.x[at],
            self.present.y[at],
            columns["vx"][rows],
            columns["vy"][rows],
            columns["radius"][rows].astype(np.float64),
            columns["mass"][rows].astype(np.float64),
            slack_of(
                touching.accel[kind], self._outlook.age_s[self.owner[at]], self._outlook.horizon_s
            ),
            touching.category[kind],
            touching.mask[kind],
            np.where(group == 0, columns.net_id[rows].astype(np.int64), group),
        )

    def look_around(self, at: np.ndarray) -> bool:
        """Look at the cells around some who may touch what is not looked at.

        Args:
            at: int64[k], where they are among what is present.

        Returns:
            whether there is somebody new.
        """
        if not len(at):
            return False
        columns, rows = self._world.columns, self.present.rows[at]
        speed = np.hypot(columns["vx"][rows], columns["vy"][rows])
        accel = self._outlook.touching.accel[columns["kind"][rows]]
        age_s, horizon_s = self._outlook.age_s[self.owner[at]], self._outlook.horizon_s
        reach = columns["radius"][rows] + speed * horizon_s + slack_of(accel, age_s, horizon_s)
        # Whoever is so near to a border has about it none but candidates.
        present = self.present
        safe = self._borders.are_near(
            present.group[at], present.x[at], present.y[at], 0.5 * self._reach - reach
        )
        return self._look(at[~safe], self._reach)

    def _look_around_large(self) -> None:
        columns, present = self._world.columns, self.present
        radius = columns["radius"][present.rows]
        at = np.flatnonzero(radius > RADIUS_USUAL)
        if len(at):
            reach = self._reach + radius[at]
            near = self._borders.are_near(present.group[at], present.x[at], present.y[at], reach)
            at = at[near | self.guests[at]]
            self._there[at] = True
            self._look(at, self._reach + 2.0 * float(radius.max()))

    def _look(self, at: np.ndarray, reach: float) -> bool:
        """Look at all cells within a reach of the cells of some."""
        sectors, present = self._world.sectors, self.present
        group, first = np.unique(present.group[at], return_index=True)
        if not len(group):
            return False
        sector_x, sector_y = unpack_sector(present.sector[at[first]])
        ring = math.ceil(reach / self._world.rules.cell_size)
        cell = group % sectors.cells_per_sector
        around = sectors.window_groups(sector_x, sector_y, cell, ring).ravel()
        around = around[around >= 0]
        if self._looked[around].all():
            return False
        self._looked[around] = True
        more = self._looked.take(present.group) & ~self._there
        more &= (self.owner | self.holder) != SHARD_NONE
        self._there |= more
        return bool(more.any())

    def _is_single(self, at: np.ndarray, whole: np.ndarray) -> bool:
        """Tell whether all families are of one."""
        return len(at) == len(whole) and bool((self.present.rows[at] == whole).all())
