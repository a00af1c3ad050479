"""Islands of the world, and who is to own them: a stage of the tick.

Theory of operation. The bodies of candidates (`candidates`) are moved ahead for a horizon, which
gives islands (`islands`), and each of them gets one owner (`owners`). A member of an island with
two owners or with guests may touch what is not a candidate. Then the cells around it are looked at,
and islands are found anew, until they are whole; but for `island_rounds` at most.

The horizon is a few ticks longer than a decision needs to reach every shard. What touches sooner
than that is repaired by its new owner.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.state.families import NOBODY
from sidereal.replication.limits import LIMITS, OwnershipLimits
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import NUMBERS_MAX
from sidereal.replication.ownership.borders import NOBODY_SEEN, Borders
from sidereal.replication.ownership.candidates import Candidates, Drained, Outlook, Touching
from sidereal.replication.ownership.handover import Handovers, are_clear
from sidereal.replication.ownership.held import Held
from sidereal.replication.ownership.islands import Bodies, Pairs, find_pairs, label
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.ownership.owners import Cut, Nodes, cut_large, decide_owners
from sidereal.replication.ownership.shadows import Split, find_shadows
from sidereal.replication.world import ACCOUNT_NONE, Present, World

MORE_TICKS: Final = 2
"""The horizon is so much longer than a decision needs."""

LEAD_S: Final = 0.01
"""How far shards simulate ahead, beside the round trip."""

ROUNDS_NEAR: Final = 1
"""So often it is looked for whom members of islands may touch; then for all that is around."""

LINKS_EVERY_TICKS: Final = 8
"""How often round trips are looked at."""


class Grouped(NamedTuple):
    """What islands are to do.

    Attributes:
        bound: int64[m], rows of roots that do not follow the leases now.
        changes: roots that change hands with their islands; of these,
        island: int64[n], which one; and
        touch_s: float64[n], in how many seconds two owners touch in it.
        due: bool by row, whose turn it is to go of what a shard has that is to leave, before all
            others that are alone; in
        due_s: seconds.
        later: bool by row, who of these waits, whatever room there is.
    """

    bound: np.ndarray
    changes: Handovers
    island: np.ndarray
    touch_s: np.ndarray
    due: np.ndarray
    due_s: float
    later: np.ndarray

    def override(self, changes: Handovers) -> Handovers:
        """Let what islands do take the place of what would follow from the leases."""
        return changes.select(~np.isin(changes.rows, self.bound)).and_(self.changes)

    def goes_together(self, rows: np.ndarray) -> np.ndarray:
        """Tell who changes hands with its island, or because it is its turn: int64[n]; bool[n]."""
        return np.asarray(self.due[rows] | np.isin(rows, self.changes.rows))

    def units_of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tell what goes together.

        Args:
            rows: int64[n], who changes hands.

        Returns:
            int64[n], the first of these that each goes together with, and float64[n], in how many
            seconds it has to; infinity where nothing touches.
        """
        first = np.arange(len(rows))
        touch_s = np.where(self.due[rows], self.due_s, np.inf)
        order = np.argsort(self.changes.rows)
        if len(order):
            at = np.searchsorted(self.changes.rows, rows, sorter=order)
            at = order[np.minimum(at, len(order) - 1)]
            moves = np.flatnonzero(self.changes.rows[at] == rows)
            touch_s[moves] = np.minimum(touch_s[moves], self.touch_s[at[moves]])
            _, begins, island = np.unique(
                self.island[at[moves]], return_index=True, return_inverse=True
            )
            first[moves] = moves[begins[island]]
        return first, touch_s


class _Found(NamedTuple):
    """Candidates, and the islands that they make.

    Attributes:
        rows: int64[k], of their roots.
        at: int64[k], where these are among what is present.
        where: int64[m], where their bodies are.
        bodies: m of them.
        pairs: of bodies.
        kick: float64[m], how far hits can kick each, world units.
        left_out: how many more were not compared.
        ends: int64[2, e], the nodes of each pair.
        island: int64[k], of each node.
    """

    rows: np.ndarray
    at: np.ndarray
    where: np.ndarray
    bodies: Bodies
    pairs: Pairs
    kick: np.ndarray
    left_out: int
    ends: np.ndarray
    island: np.ndarray


class Grouping:
    """The islands of one world.

    Attributes:
        horizon_s: how far is looked ahead.
        islands: of two or more that are held now.
        islands_split: those that were cut, once for each tick.
        pairs_cut: pairs through which they were cut, likewise.
        pairs_left_out: pairs on one heap that were not looked at, for there are too many, likewise.
        cross_shard_contacts: pairs of two owners whose circles overlapped, likewise.
        cut: int64[2, e], rows of the roots of the pairs that were cut through in this tick.
        shadows: what shards need bodies of because of that.
        shadows_left_out: those that were too many for their shards, once for each tick.
    """

    def __init__(
        self,
        world: World,
        leases: LeaseTable,
        shards: ShardLink,
        touching: Touching,
        limits: OwnershipLimits = LIMITS.ownership,
    ) -> None:
        self.horizon_s = limits.horizon_s_min
        self.islands = 0
        self.islands_split = 0
        self.pairs_cut = 0
        self.pairs_left_out = 0
        self.cross_shard_contacts = 0
        self.cut = np.empty((2, 0), np.int64)
        self.shadows = NOBODY_SEEN
        self.shadows_left_out = 0
        self._split: Split | None = None
        self._world = world
        self._leases = leases
        self._shards = shards
        self._touching = touching
        self._limits = limits
        self._borders = Borders(world.sectors, leases)
        self._held = Held()
        self._overlapping = np.empty((2, 0), np.int64)

    def group(
        self,
        present: Present,
        holder: np.ndarray,
        owner: np.ndarray,
        home: np.ndarray,
        room: np.ndarray,
    ) -> Grouped:
        """Find the islands, and decide who is to own them.

        Args:
            present: everything that is.
            holder: uint16[n], who leases the sector that each is in.
            owner: uint16[n], who owns each.
            home: uint16[n], the holders, but of those that rest their owner.
            room: int64[s], by the id of a shard, how many entities it may be given.
        """
        drained = self._drained(present, holder, owner, room)
        candidates = self._candidates(present, holder, drained)
        found, matters = self._find(candidates)
        owns = candidates.owner[found.at]
        cut = cut_large(
            found.island, owns, found.ends, found.pairs.depth, self._limits.island_members
        )
        self._count(found, cut, candidates)
        # All others are at home, alone or with their like.
        chosen = np.flatnonzero(matters)
        rows, at, island = found.rows[chosen], found.at[chosen], cut.island[chosen]
        owns, before = owns[chosen].astype(np.int64), owner[at]
        net_id = self._world.columns.net_id[rows]
        rested = self._held.since(rows, net_id, present.tick) >= self._limits.home_ticks
        size = np.bincount(cut.island, minlength=len(found.rows))[island]
        whole = size == np.bincount(found.island)[found.island[chosen]]
        leaves = (size > 1) & rested & candidates.guests[at] & whole
        leaves[leaves] = self._are_clear(candidates, at[leaves])
        mass = np.bincount(found.bodies.node, found.bodies.mass, len(found.rows))[chosen]
        says = self._have_say(rows, owns, island)
        goes_to = home[at].astype(np.int64)
        # With whose turn it is all goes that its island has of that shard.
        along = drained.kept[at] & np.isin(island, island[candidates.due[at]])
        owns[along] = goes_to[along] = SHARD_NONE
        decided = decide_owners(Nodes(owns, goes_to, mass, leaves, says), island)
        self._held.note(rows[decided.held], net_id[decided.held], present.tick)
        self.islands = decided.islands
        moves = decided.together & (decided.owner != before) & (decided.owner != SHARD_NONE)
        due, later = np.zeros((2, self._world.columns.capacity), np.bool_)
        due[present.rows[drained.due]] = True
        later[present.rows[drained.all]] = True
        later[rows[moves]] = False
        return Grouped(
            rows[decided.together | (~rested & (owns != SHARD_NONE))],
            Handovers(rows[moves], before[moves], decided.owner[moves].astype(np.uint16)),
            island[moves],
            _touch_s(found, candidates, cut.island)[chosen[moves]],
            due,
            self.horizon_s,
            later & ~due,
        )

    def count_contacts(self, owner: np.ndarray) -> None:
        """Count what overlaps though two shards simulate it: uint16 by row, the owners decided."""
        one, other = owner[self._overlapping]
        across = (one != other) & (one != SHARD_NONE) & (other != SHARD_NONE)
        self.cross_shard_contacts += int(across.sum())

    def cast_shadows(self, owner: np.ndarray) -> None:
        """Find what shards need bodies of beyond cuts: uint16 by row, the owners decided."""
        self.shadows = NOBODY_SEEN
        if self._split is not None:
            depth, most = self._limits.shadow_depth, self._limits.shadows
            found = find_shadows(self._split, owner, depth, most)
            self.shadows = found.seen
            self.shadows_left_out += found.left_out

    def _drained(
        self, present: Present, holder: np.ndarray, owner: np.ndarray, room: np.ndarray
    ) -> Drained:
        """Find what shards have that are to leave, and of that whose turn it is.

        That goes cell by cell: so little of what still waits is near what does not. What pilots fly
        has its own turns, for a shard that has not answered yet takes few of them.
        """
        families = self._world.families
        if families.up.max() != NOBODY:
            # A child goes where its root goes.
            whose = np.searchsorted(present.rows, families.root[present.rows])
            holder, owner = holder[whose], owner[whose]
        stays, retires = np.zeros((2, NUMBERS_MAX + 1), np.bool_)
        stays[list(self._leases.shards)] = True
        retires[list(self._leases.retiring)] = True
        kept = retires.take(owner) & (owner == holder)
        living = np.where(stays.take(owner) | kept, owner, np.uint16(SHARD_NONE))
        drained = (owner != living) & (holder != SHARD_NONE)
        at = np.flatnonzero(drained & ~retires.take(holder))
        at = at[families.up[present.rows[at]] == NOBODY]
        flown = self._world.account[present.rows[at]] != ACCOUNT_NONE
        due = [at[:0]]
        for shard in np.unique(holder[at]).tolist():
            theirs = holder[at] == shard
            for queue in (at[theirs & flown], at[theirs & ~flown]):
                count = np.bincount(present.group[queue])
                before = np.cumsum(count) - count
                first = queue[before[present.group[queue]] < room[shard]]
                order = np.argsort(present.group[first], kind="stable")
                due.append(first[order[: room[shard]]])
        return Drained(living, kept, drained, np.concatenate(due))

    def _candidates(self, present: Present, holder: np.ndarray, drained: Drained) -> Candidates:
        self._note_links(present.tick)
        age_s = np.zeros(NUMBERS_MAX + 1)
        for shard in self._shards.shards:
            behind_s = (present.tick - shard.newest_tick) * self._world.rules.tick_s
            age_s[shard.shard] = min(max(behind_s, 0.0), self.horizon_s)
        outlook = Outlook(self.horizon_s, age_s, self._touching)
        return Candidates(self._world, self._borders, outlook, present, holder, drained)

    def _note_links(self, tick: int) -> None:
        """Look ahead a little farther than a decision needs to reach all shards."""
        if tick % LINKS_EVERY_TICKS:
            return
        limits, tick_s = self._limits, self._world.rules.tick_s
        delay_s = 0.0
        for shard in self._shards.shards:
            link = self._shards.endpoint.connection_statistics(shard.peer)
            if link is not None:
                delay_s = max(delay_s, link.rtt_s + 2.0 * link.jitter_s + LEAD_S)
        wanted_s = (math.floor(delay_s / tick_s) + MORE_TICKS) * tick_s
        self.horizon_s = min(max(wanted_s, limits.horizon_s_min), limits.horizon_s_max)

    def _find(self, candidates: Candidates) -> tuple[_Found, np.ndarray]:
        """Find the islands of candidates, until those that count are whole.

        Returns:
            the islands, and bool[k], whose count.
        """
        found = self._make_islands(candidates)
        matters = _matter(found, candidates)
        for done in range(self._limits.island_rounds):
            several = np.bincount(found.island, minlength=len(found.rows))[found.island] > 1
            members = (matters & several)[found.bodies.node]
            where, kick = found.where[members], found.kick[members]
            if not candidates.look_around(where, kick, wholly=done >= ROUNDS_NEAR):
                break
            found = self._make_islands(candidates)
            matters = _matter(found, candidates)
        return found, matters

    def _make_islands(self, candidates: Candidates) -> _Found:
        where, at, node = candidates.find()
        bodies = candidates.bodies_of(where, node)
        pairs, kick, left_out = find_pairs(bodies, self.horizon_s)
        ends = np.stack([node[pairs.a], node[pairs.b]])
        island = label(len(at), *ends)
        rows = candidates.present.rows[at]
        return _Found(rows, at, where, bodies, pairs, kick, left_out, ends, island)

    def _have_say(self, rows: np.ndarray, owns: np.ndarray, island: np.ndarray) -> np.ndarray:
        """Tell whose owners have a say: bool[k].

        Args:
            rows: int64[k], of roots.
            owns: int64[k], the owner of each.
            island: int64[k], of each.
        """
        unproven = np.zeros(NUMBERS_MAX + 1, np.bool_)
        unproven[[shard.shard for shard in self._shards.shards if not shard.has_answered]] = True
        flown = (self._world.account[rows] != ACCOUNT_NONE) & (owns != SHARD_NONE)
        # Who is to leave gets nothing of others.
        stays = ~np.isin(owns, self._leases.retiring)
        of_others = np.bincount(island, flown & stays & ~unproven[owns])
        return np.asarray(stays & (~unproven[owns] | (of_others[island] == 0)))

    def _are_clear(self, candidates: Candidates, at: np.ndarray) -> np.ndarray:
        """Tell which guests are well outside of their owners' sectors, bool[k]."""
        if not len(at):
            return np.empty(0, np.bool_)
        x, y = candidates.present.x[at], candidates.present.y[at]
        return are_clear(x, y, candidates.owner[at], self._leases, self._world.rules)

    def _count(self, found: _Found, cut: Cut, candidates: Candidates) -> None:
        self.islands_split += cut.islands
        self._split = _split_of(found, cut, candidates) if cut.islands else None
        self.cut = found.rows[found.ends[:, cut.cut]]
        self.pairs_cut += self.cut.shape[1]
        self.pairs_left_out += found.left_out
        self._overlapping = found.rows[found.ends[:, found.pairs.overlaps]]


def _split_of(found: _Found, cut: Cut, candidates: Candidates) -> Split:
    """Take the islands that were cut from among all."""
    large = np.zeros(len(found.rows), np.bool_)
    large[found.island[found.ends[0, cut.cut]]] = True
    inside = large[found.island]
    place = np.cumsum(inside) - 1
    bodies, pairs = found.bodies, found.pairs
    mine, within = inside[bodies.node], inside[found.ends[0]]
    a, b = pairs.a[within], pairs.b[within]
    return Split(
        found.rows[inside],
        candidates.present.rows[found.where[mine]],
        place[bodies.node[mine]],
        place[found.ends[:, within]],
        np.hypot(bodies.x[a] - bodies.x[b], bodies.y[a] - bodies.y[b]),
    )


def _matter(found: _Found, candidates: Candidates) -> np.ndarray:
    """Tell whose islands have two owners or guests: bool[k].

    Whom nobody owns goes to who leases its sector, unless its island has another owner. What a
    shard has that is to leave counts where somebody else is in its island, or whose turn it is.
    """
    a, b = found.ends
    owner, holder = candidates.owner[found.at], candidates.holder[found.at]
    goes_to = np.where(owner == SHARD_NONE, holder, owner)
    counts = np.zeros(len(found.rows), np.bool_)
    counts[found.island[a[goes_to[a] != goes_to[b]]]] = True
    counts[found.island[goes_to != holder]] = True
    drained, due = candidates.drained[found.at], candidates.due[found.at]
    counts[found.island[a[(drained[a] != drained[b]) | due[a] | due[b]]]] = True
    return np.asarray(counts[found.island])


def _touch_s(found: _Found, candidates: Candidates, island: np.ndarray) -> np.ndarray:
    """Tell in how many seconds two owners touch in each one's island: float64[k]."""
    a, b = found.ends
    owner = candidates.owner[found.at]
    across = np.flatnonzero(owner[a] != owner[b])
    touch_s = np.full(len(island), np.inf)
    np.minimum.at(touch_s, island[a[across]], found.pairs.touch_s[across])
    return np.asarray(touch_s[island])
