"""What of the world is looked at for islands: what may touch something of another owner.

Two entities of different owners can touch only near a border between two holders, or where one of
them is a **guest**: outside of its owner's sectors. So whoever is so near to such a border that it
may touch what is beyond is a candidate; and so is a guest, with all that may touch it. Large bodies
are few, and reach farther: what is in the cells around them is looked at too, if they are near a
border themselves.

What a shard still has that is to leave (`draining`), in sectors that it has given up, goes to who
leases them, a few at a time. Meanwhile it is nobody's here. Those whose turn it is are candidates,
with all that may touch them; and so is whatever somebody simulates among the others.
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
from sidereal.protocol.state.families import NOBODY
from sidereal.protocol.state.schema import BASE_SCHEMA, BODY
from sidereal.replication.ownership.borders import Borders
from sidereal.replication.ownership.discs import meet_any
from sidereal.replication.ownership.islands import Bodies, slack_of
from sidereal.replication.world import Present, World

RADIUS_USUAL: Final = 30.0
"""World units; larger bodies are few."""

SECOND_HIT: Final = 20.0
"""World units by which somebody may be farther from a border, or from a guest, and a candidate
because it may be hit and kicked over there: at 20 ticks/s nobody flies so far in one."""

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
        slack = slack_of(self.touching.accel.max(), self.age_s.max(), self.horizon_s)
        return 2.0 * (speed_max * self.horizon_s + float(slack) + RADIUS_USUAL)


class Drained(NamedTuple):
    """What shards still have that are to leave.

    Attributes:
        owner: uint16[n], who owns what is present; `SHARD_NONE` where nobody does, and where one
            has given up the sector.
        kept: bool[n], what is in sectors that they still hold; and
        all: bool[n], in those that they have given up;
        due: int64[k], of these whose turn it is to change hands, and where they are.
    """

    owner: np.ndarray
    kept: np.ndarray
    all: np.ndarray
    due: np.ndarray


class Candidates:
    """The candidates of one tick.

    Attributes:
        present: everything that is.
        owner: uint16[n], who owns each; `SHARD_NONE` where no living shard does, or one that is to
            leave and has given up the sector.
        holder: uint16[n], who leases the sector that each is in.
        guests: bool[n], who is outside of its owner's sectors.
        drained: bool[n], whom a shard still has that is to leave; and
        due: bool[n], whose turn it is of these.
    """

    def __init__(
        self,
        world: World,
        borders: Borders,
        outlook: Outlook,
        present: Present,
        holder: np.ndarray,
        drained: Drained,
    ) -> None:
        self.present = present
        owner = self.owner = drained.owner
        self.holder = holder
        self.guests = (owner != holder) & (owner != SHARD_NONE)
        self.drained, self.due = drained.all, np.zeros(len(owner), np.bool_)
        self.due[drained.due] = True
        self._world = world
        self._borders = borders
        self._outlook = outlook
        self._families = bool(world.families.up.max() != NOBODY)
        self._reach = min(outlook.reach(world.rules.speed_max), world.rules.sector_size)
        self._there = self.guests.copy()
        # Whose cells were looked around.
        self._around = np.zeros(world.sectors.group_count, np.bool_)
        # How far each can come or touch, 0 where that is not known yet; and if it is kicked so far,
        # of whom there are none but candidates about it, and none but those near borders.
        self._reaches = np.zeros(len(owner))
        self._known, self._inside = np.full((2, len(owner)), -np.inf)
        goes = self._look_at_drained(drained)
        self._near = self._look_at_borders()
        self._look_around_large()
        goes = np.union1d(np.flatnonzero(self.guests), goes)
        self.look_around(goes, np.zeros(len(goes)), wholly=False)

    def find(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give the candidates that have bodies, with their families.

        Returns:
            int64[m], where they are among what is present, ascending; int64[k], where their roots
            are, likewise; int64[m], which of these that of each is.
        """
        world, rows = self._world, self.present.rows
        at = np.flatnonzero(self._there)
        if self._families:
            at = np.searchsorted(
                rows, world.families.whole(np.unique(world.families.root[rows[at]]))
            )
        at = at[world.columns.mask[rows[at]] & _BODY != 0]
        if not self._families:
            return at, at, np.arange(len(at))
        roots, which = np.unique(world.families.root[rows[at]], return_inverse=True)
        return at, np.searchsorted(rows, roots), which

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

    def look_around(self, at: np.ndarray, kick: np.ndarray, *, wholly: bool) -> bool:
        """Look for those whom some may touch, and who are not looked at.

        Args:
            at: int64[k], where they are among what is present.
            kick: float64[k], how far hits can kick each, world units.
            wholly: whether all counts that is in the cells around them.

        Returns:
            whether there is somebody new.
        """
        fresh = (self._known[at] < kick) & ~self._around[self.present.group[at]]
        at, kick = at[fresh], np.maximum(kick[fresh], SECOND_HIT)
        if not len(at):
            return False
        self._known[at] = kick
        near = not wholly and (kick <= self._inside[at]).all()
        beside = (
            self._near[~self._there[self._near]] if near else self._find_beside(at, self._reach)
        )
        if wholly:
            self._around[self.present.group[at]] = True
        else:
            beside = beside[self._may_touch(beside, at, kick)]
        self._there[beside] = True
        return len(beside) > 0

    def _may_touch(self, some: np.ndarray, others: np.ndarray, kick: np.ndarray) -> np.ndarray:
        """Tell who of some may touch one of others.

        Args:
            some: int64[k], where they are among what is present; likewise `others`.
            others: int64[l].
            kick: float64[l], how far these can be kicked, world units.

        Returns:
            bool[k].
        """
        at = np.concatenate([some, others])
        reaches = np.concatenate([self._reaches_of(some), self._reaches_of(others) + kick])
        return meet_any(self.present.x[at], self.present.y[at], reaches, len(some))

    def _look_at_borders(self) -> np.ndarray:
        """Find who may touch what is beyond a border.

        Returns:
            int64[k], who is near one.
        """
        columns, rows = self._world.columns, self.present.rows
        at, away = self._borders.find_near(self.present, self._reach)
        # Where nobody may simulate anything nothing touches.
        counts = (self.owner[at] | self.holder[at]) != SHARD_NONE
        counts &= columns.mask[rows[at]] & _BODY != 0
        counted = np.flatnonzero(counts)
        at, away = at[counted], away[counted]
        reaches = self._measure(at)
        most = float(reaches[columns["radius"][rows[at]] <= RADIUS_USUAL].max(initial=0.0))
        most += SECOND_HIT
        self._there[at[away <= reaches + most]] = True
        # Where nobody holds the sector, its border is none for what is beyond.
        held = self.holder[at] != SHARD_NONE
        self._known[at] = np.where(held, most - away - reaches, -np.inf)
        self._inside[at] = np.where(held, 0.5 * self._reach - away - reaches, -np.inf)
        return np.asarray(at)

    def _look_at_drained(self, drained: Drained) -> np.ndarray:
        """Find who may touch what a shard has that is to leave.

        Returns:
            int64[k], those whose turn it is to change hands, and what others simulate among all.
        """
        at = np.flatnonzero(drained.all)
        if not len(at):
            return at
        beside = self._find_beside(at, self._reach)
        # Between this and what the shard keeps is a border.
        beside = beside[(self.owner[beside] != SHARD_NONE) & ~drained.kept[beside]]
        at = self._find_beside(beside, self._reach)
        at = at[drained.all[at]]
        if len(at):
            beside = beside[self._may_touch(beside, at, np.full(len(at), SECOND_HIT))]
        goes = np.union1d(drained.due, beside)
        self._there[goes] = True
        return np.asarray(goes)

    def _reaches_of(self, at: np.ndarray) -> np.ndarray:
        """Tell how far some can come or touch within the horizon, world units: float64[k]."""
        unknown = self._reaches[at] == 0.0
        if unknown.any():
            self._measure(at[unknown])
        return np.asarray(self._reaches[at])

    def _measure(self, at: np.ndarray) -> np.ndarray:
        """Find out how far some can come or touch: float64[k]."""
        columns, rows = self._world.columns, self.present.rows[at]
        speed = np.hypot(columns["vx"][rows], columns["vy"][rows])
        accel = self._outlook.touching.accel[columns["kind"][rows]]
        age_s, horizon_s = self._outlook.age_s[self.owner[at]], self._outlook.horizon_s
        slack = slack_of(accel, age_s, horizon_s)
        reaches = columns["radius"][rows] + speed * horizon_s + slack
        self._reaches[at] = reaches
        return np.asarray(reaches)

    def _look_around_large(self) -> None:
        present, radius = self.present, self._world.columns["radius"]
        rows = np.flatnonzero(radius > RADIUS_USUAL)
        if len(rows):
            at, most = np.searchsorted(present.rows, rows), float(radius.max())
            away = self._borders.distances(present.group[at], present.x[at], present.y[at])
            at = at[(away <= self._reach + radius[rows]) | self.guests[at]]
            # Where nobody may simulate anything nothing touches.
            at = at[(self.owner[at] | self.holder[at]) != SHARD_NONE]
            self._there[at] = True
            self._there[self._find_beside(at, self._reach + 2.0 * most)] = True

    def _find_beside(self, at: np.ndarray, reach: float) -> np.ndarray:
        """Find who is in cells within a reach of those of some, and not looked at: int64[l]."""
        sectors, present = self._world.sectors, self.present
        one = np.full(sectors.group_count, -1)
        one[present.group[at]] = at
        group = np.flatnonzero(one >= 0)
        sector_x, sector_y = unpack_sector(present.sector[one[group]])
        ring = math.ceil(reach / self._world.rules.cell_size)
        cell = group % sectors.cells_per_sector
        around = sectors.window_groups(sector_x, sector_y, cell, ring)
        beside = np.zeros(sectors.group_count, np.bool_)
        beside[around[around >= 0]] = True
        found = np.flatnonzero(beside.take(present.group) & ~self._there)
        found = found[(self.owner[found] | self.holder[found]) != SHARD_NONE]
        return np.asarray(found)
