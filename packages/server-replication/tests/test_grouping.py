"""Islands of a world: nobody of two owners may touch, wherever the borders are."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from drifters import GAME, RADIUS, SCHEMA, drifter
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.message.shard import ShardHello
from sidereal.protocol.rules import Rules
from sidereal.replication.limits import LIMITS, OwnershipLimits
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import NUMBERS_MAX
from sidereal.replication.notes import Notes
from sidereal.replication.ownership import discs
from sidereal.replication.ownership.candidates import touching_of
from sidereal.replication.ownership.draining import Draining
from sidereal.replication.ownership.grouping import Grouped, Grouping
from sidereal.replication.ownership.handover import are_clear, decide_handovers
from sidereal.replication.ownership.islands import SKIN, Bodies, find_pairs, label, slack_of
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.ownership.owners import Nodes, decide_owners
from sidereal.replication.ownership.spares import Spares
from sidereal.replication.world import ACCOUNT_NONE, UUID, Present, World

RULES = Rules()
SIZE = RULES.sector_size
HOME_TICKS = 5
LIMITS_HERE = dataclasses.replace(LIMITS.ownership, home_ticks=HOME_TICKS)


class Link:
    """What is known of a link."""

    def __init__(self, rtt_s: float, jitter_s: float) -> None:
        self.rtt_s, self.jitter_s = rtt_s, jitter_s


class Silent:
    """In the place of the shard endpoint."""

    link: Link | None = None

    def connection_statistics(self, peer: int) -> Link | None:
        return self.link


class Rig:
    """A world with shards, and what islands make of it."""

    def __init__(
        self, holders: dict[tuple[int, int], int], limits: OwnershipLimits = LIMITS_HERE
    ) -> None:
        self.world, self.leases, self.tick = World(SCHEMA, RULES, 16), LeaseTable(), 100
        self.endpoint = Silent()
        self.link = ShardLink(cast(ServerEndpoint, self.endpoint), SCHEMA, RULES, 0.0)
        for number in sorted(set(holders.values())):
            hello = ShardHello(
                bytes(16), f"shard-{number}", bytes(16), 1, 1, bytes(16), spare=False
            )
            self.link.shards.add(number, hello, 0.0).newest_tick = 1 << 20
            self.leases.join(number, {})
        self.leases.assign(holders)
        self.grouping = Grouping(
            self.world, self.leases, self.link, touching_of(GAME.kinds), limits
        )

    def enter(
        self,
        x: float,
        y: float,
        owner: int,
        vx: float = 0.0,
        vy: float = 0.0,
        radius: float = RADIUS,
        account: int = ACCOUNT_NONE,
    ) -> int:
        record = drifter(x=x, y=y, tick=self.tick)
        record["vx"], record["vy"], record["radius"] = vx, vy, radius
        rows = self.world.enter(record, np.zeros(1, UUID), np.array([account]), self.tick)
        self.world.columns["shard"][rows] = owner
        return int(rows[0])

    def group(self, rests: Sequence[int] = (), room: int = 200) -> Grouped:
        self.tick += 1
        present = self.world.present(self.tick)
        owner = self.world.columns["shard"]
        holder = self.leases.holders_of(present.sector)
        owns = owner[present.rows]
        home = np.where(np.isin(present.rows, rests), owns, holder)
        rooms = np.full(NUMBERS_MAX + 1, room)
        grouped = self.grouping.group(present, holder, owns, home, rooms)
        owner[grouped.changes.rows] = grouped.changes.after
        self.grouping.count_contacts(owner)
        self.grouping.cast_shadows(owner)
        return grouped

    def owner(self, *rows: int) -> list[int]:
        owners: list[int] = self.world.columns["shard"][list(rows)].tolist()
        return owners

    def foreign_pairs(self) -> list[tuple[int, int]]:
        """Entities of two living owners that may touch, one by one."""
        columns, horizon_s = self.world.columns, self.grouping.horizon_s
        x, y, _ = self.world.locate(rows := columns.rows(), self.tick)
        living = [at for at, row in enumerate(rows) if columns["shard"][row] in self.leases.shards]
        found = []
        for one in living:
            for other in living:
                a, b = rows[one], rows[other]
                if a >= b or columns["shard"][a] == columns["shard"][b]:
                    continue
                reach = float(columns["radius"][a]) + float(columns["radius"][b]) + SKIN
                off = x[other] - x[one], y[other] - y[one]
                by = columns["vx"][b] - columns["vx"][a], columns["vy"][b] - columns["vy"][a]
                speed = max(by[0] ** 2 + by[1] ** 2, 1e-12)
                at_s = min(max(-(off[0] * by[0] + off[1] * by[1]) / speed, 0.0), horizon_s)
                if math.hypot(off[0] + by[0] * at_s, off[1] + by[1] * at_s) < reach - 1e-6:
                    found.append((int(a), int(b)))
        return found


TWO = {(0, 0): 1, (1, 0): 2}


def test_two_that_will_touch_over_a_border_get_one_owner_before_they_do() -> None:
    rig = Rig(TWO)
    one = rig.enter(SIZE - 16.5, 500.0, 1, vx=100.0)
    other, third = rig.enter(SIZE + 20.0, 500.0, 2), rig.enter(SIZE + 20.0, 512.2, 2)
    far = rig.enter(SIZE + 300.0, 500.0, 2)
    grouped = rig.group()
    assert rig.owner(one, other, third, far) == [2, 2, 2, 2]
    assert grouped.changes.rows.tolist() == [one]
    assert 0.17 < grouped.touch_s[0] < 0.2
    assert rig.grouping.islands == 1


def test_who_answered_no_pilot_yet_gets_none_of_those_of_others_with_an_island() -> None:
    for account, owner in ((ACCOUNT_NONE, 2), (7, 1)):
        rig = Rig(TWO)
        rig.link.shards.get(1).has_answered = True  # type: ignore[union-attr]
        flown = [rig.enter(SIZE - 6.5, y, 1, account=account) for y in (100.0, 113.0)]
        others = [rig.enter(SIZE + 3.5, y, 2) for y in (93.5, 106.5, 119.5)]
        rig.group()
        assert rig.owner(*flown, *others) == [owner] * 5


def test_two_that_will_pass_each_other_stay_where_they_are() -> None:
    rig = Rig(TWO)
    one, other = rig.enter(SIZE - 16.0, 500.0, 1, vx=100.0), rig.enter(SIZE + 20.0, 513.0, 2)
    assert not len(rig.group().changes.rows)
    assert rig.owner(one, other) == [1, 2]


def test_a_guest_deep_in_the_space_of_another_shard_meets_what_is_there() -> None:
    rig = Rig(TWO)
    guest, other = rig.enter(SIZE + 500.0, 500.0, 1, vx=50.0), rig.enter(SIZE + 520.0, 500.0, 2)
    rig.group()
    assert len(set(rig.owner(guest, other))) == 1


def test_whom_a_hit_kicks_far_meets_what_is_there() -> None:
    rig = Rig({(x, y): 1 for x in (-1, 0, 1) for y in (-1, 0, 1)} | {(5, 5): 2})
    guests = [rig.enter(500.0, 500.0 + 12.0 * at, 2) for at in (0, 1, 2)]
    heavy = rig.enter(500.0 - 13.0, 500.0, 1, vx=240.0)
    beyond = rig.enter(500.0 + 75.0, 500.0, 1)
    rig.world.columns["mass"][heavy] *= 1000.0
    rig.group()
    assert rig.owner(*guests, heavy, beyond) == [2] * 5


@pytest.mark.parametrize("gap", [4.0, 10.0, 18.0])
def test_whom_a_hit_may_kick_into_a_guest_is_given_to_one_shard_with_it(gap: float) -> None:
    rig = Rig({(x, y): 1 for x in (-1, 0, 1) for y in (-1, 0, 1)} | {(5, 5): 2})
    far, near = (12.0 + gap) * math.sqrt(0.5), 12.0 * math.sqrt(0.5)
    guest = rig.enter(500.0 + far, 500.0 + far, 2)
    kicked = rig.enter(500.0, 500.0, 1)
    # It passes the guest by; two ticks later it has hit who is beside that.
    rig.enter(500.0 - near, 500.0 - near - 240.0 * 0.15, 1, vy=240.0)
    rig.group()
    assert len(set(rig.owner(guest, kicked))) == 1


def test_who_rests_where_its_sector_has_gone_to_another_shard_meets_what_is_there() -> None:
    rig = Rig(TWO)
    guest, other = rig.enter(SIZE + 500.0, 500.0, 1), rig.enter(SIZE + 700.0, 500.0, 2)
    rig.group(rests=[guest])
    assert rig.owner(guest, other) == [1, 2]
    rig.world.columns["x"][other] = SIZE + 520.0
    rig.world.columns["vx"][other] = -50.0
    rig.group(rests=[guest])
    assert len(set(rig.owner(guest, other))) == 1


def test_an_island_that_rests_goes_home_when_it_has_rested() -> None:
    rig = Rig(TWO)
    island = [rig.enter(SIZE + 500.0 + 12.0 * at, 500.0, 1) for at in range(2)]
    for _ in range(HOME_TICKS + 1):
        rig.group(rests=island)
    assert rig.owner(*island) == [1, 1]
    rig.group()
    assert rig.owner(*island) == [2, 2]


def test_a_pile_that_reaches_far_beyond_the_border_goes_as_a_whole() -> None:
    rig = Rig(TWO)
    pile = [rig.enter(SIZE + 5.0 + 12.0 * at, 500.0, 2) for at in range(60)]
    more = [rig.enter(SIZE - 7.0 - 12.0 * at, 500.0, 1) for at in range(61)]
    rig.group()
    assert set(rig.owner(*pile, *more)) == {1}


def test_beyond_a_cut_each_shard_has_shadows_and_nobody_changes_hands() -> None:
    limits = dataclasses.replace(LIMITS_HERE, island_members=6, shadow_depth=24.0, shadows=3)
    rig = Rig(TWO, limits)
    left = [rig.enter(SIZE - 6.0 - 12.0 * at, 500.0, 1) for at in range(6)]
    right = [rig.enter(SIZE + 6.0 + 12.0 * at, 500.0, 2) for at in range(6)]
    alone = rig.enter(SIZE + 6.0, 800.0, 2)
    for times in range(1, 4):
        assert not len(rig.group().changes.rows)
        assert (rig.grouping.islands_split, rig.grouping.cross_shard_contacts) == (times, 0)
        seen = rig.grouping.shadows
        assert seen.shard.tolist() == [1, 1, 1, 2, 2, 2]
        assert seen.rows.tolist() == [*sorted(right[:3]), *sorted(left[:3])]
        assert alone not in seen.rows
    assert rig.grouping.shadows_left_out == 0
    rig.world.columns["x"][right] += 100.0
    rig.group()
    assert not len(rig.grouping.shadows.rows)
    assert rig.grouping.islands_split == 3


@pytest.mark.parametrize("first", [1, 2])
def test_no_part_of_what_was_cut_goes_home(first: int) -> None:
    rig = Rig(TWO, dataclasses.replace(LIMITS_HERE, island_members=6))
    pile = [
        rig.enter(SIZE + 300.0 + 12.0 * at, 500.0, owner)
        for at, owner in enumerate([first] * 6 + [3 - first] * 6)
    ]
    for times in range(HOME_TICKS + 2):
        assert not len(rig.group().changes.rows)
        assert rig.grouping.islands_split == times + 1
    assert rig.owner(*pile) == [first] * 6 + [3 - first] * 6


@pytest.mark.parametrize("account", [ACCOUNT_NONE, 7])
def test_what_a_shard_that_leaves_has_goes_with_what_it_touches(account: int) -> None:
    rig = Rig(TWO)
    piles = [
        [rig.enter(SIZE + x + 12.0 * at, 500.0, 2, account=account) for at in range(3)]
        for x in (100.0, 400.0, 700.0)
    ]
    passer = rig.enter(SIZE + 815.0, 800.0, 1, vx=-50.0)
    met = rig.enter(SIZE + 800.0, 800.0, 2)
    rig.leases.leave(2, {})
    for gone in range(1, 4):
        rig.group(room=1)
        # Whom somebody is about to touch at once; of all else one, with what it touches.
        assert rig.owner(passer, met) == [1, 1]
        owners = [set(rig.owner(*pile)) for pile in piles]
        assert sorted(owners, key=min) == [{1}] * gone + [{2}] * (3 - gone)


def test_whose_turn_it_is_takes_along_what_its_shard_still_keeps() -> None:
    rig = Rig(TWO | {(2, 0): 2})
    pile = [rig.enter(2 * SIZE - 18.0 + 12.0 * at, 500.0, 2) for at in range(4)]
    alone = [rig.enter(x * SIZE + 500.0, 500.0, 2) for x in (1, 2)]
    rig.leases.retire(2, {})
    assert rig.owner(*pile, *alone) == [2] * 6
    rig.leases.assign({(1, 0): 1})
    rig.group()
    assert rig.owner(*pile) == [1] * 4
    assert rig.grouping.cross_shard_contacts == 0
    # Who is alone follows the lease, or stays where it is.
    assert rig.group().due[alone].tolist() == [True, False]


def test_what_a_shard_that_leaves_keeps_is_at_a_border_like_all_else() -> None:
    rig = Rig(TWO)
    passer = rig.enter(SIZE - 20.0, 500.0, 1, vx=50.0)
    met = rig.enter(SIZE + 5.0, 500.0, 2)
    rig.leases.retire(2, {})
    rig.group()
    assert len(set(rig.owner(passer, met))) == 1


def test_children_have_no_turn_but_that_of_their_root() -> None:
    rig = Rig(TWO | {(2, 0): 2})
    families = rig.world.families
    # Those of the first root are in sectors of both shards.
    roots = [rig.enter(2 * SIZE + x, 500.0, 2) for x in (30.0, -500.0, -300.0)]
    for root in roots:
        for at in range(1, 5):
            child = rig.enter(rig.world.columns["x"][root] - 20.0 * at, 500.0, 2)
            families.up[child] = families.root[child] = root
    rig.leases.retire(2, {})
    rig.leases.assign({(1, 0): 1})
    assert np.flatnonzero(rig.group(room=3).due).tolist() == roots[1:]


def test_children_of_what_a_shard_keeps_keep_no_sector_waiting() -> None:
    rig = Rig(TWO | {(2, 0): 2})
    root = rig.enter(2 * SIZE + 30.0, 500.0, 2)
    for at in range(1, 5):
        child = rig.enter(2 * SIZE - 20.0 * at, 500.0, 2)
        rig.world.families.up[child] = rig.world.families.root[child] = root
    rig.leases.retire(2, {(2, 0): 1.0})
    rig.leases.assign({(1, 0): 1})
    notes = cast(Notes, None)
    draining = Draining(rig.world, rig.leases, rig.link, cast(Spares, None), notes)
    present = rig.world.present(rig.tick)
    holder = rig.leases.holders_of(present.sector)
    given = draining.give_up(present, holder, np.full(NUMBERS_MAX + 1, 3))
    assert [change.sector for change in given] == [(2, 0)]


def test_nobody_goes_to_a_shard_that_is_to_leave() -> None:
    rig = Rig(TWO)
    passer = rig.enter(SIZE - 14.0, 500.0, 1, vx=60.0)
    met = [rig.enter(SIZE + 4.0 + 12.0 * at, 500.0, 2) for at in range(3)]
    rig.leases.retire(2, {})
    for _ in range(3):
        rig.group()
        assert rig.owner(passer, *met) == [1] * 4


def test_what_is_flown_and_what_is_not_leave_side_by_side() -> None:
    rig = Rig(TWO)
    flown, alone = (
        [rig.enter(SIZE + 100.0 * at, y, 2, account=account) for at in range(1, 4)]
        for account, y in ((7, 300.0), (ACCOUNT_NONE, 700.0))
    )
    rig.leases.leave(2, {})
    due = rig.group(room=2).due
    assert [due[rows].tolist() for rows in (flown, alone)] == [[True, True, False]] * 2


@pytest.mark.parametrize("radius", [RADIUS, 40.0])
def test_nothing_joins_an_island_that_is_where_nobody_may_simulate_anything(radius: float) -> None:
    rig = Rig({(0, 0): 1})
    rig.leases.withhold([(1, 0)])
    withheld = rig.enter(SIZE + radius + 6.5, 500.0, SHARD_NONE, radius=radius)
    ship = rig.enter(SIZE - 8.0, 500.0, 1, vx=50.0)
    rig.group()
    assert rig.owner(withheld, ship) == [SHARD_NONE, 1]


def test_an_island_goes_home_when_nothing_has_held_it_for_a_while() -> None:
    rig = Rig(TWO)
    one, other = rig.enter(SIZE - 10.0, 500.0, 1), rig.enter(SIZE + 2.0, 500.0, 1)
    heavy = rig.enter(SIZE - 22.0, 500.0, 1)
    rig.group()
    assert rig.owner(one, other, heavy) == [1, 1, 1]
    columns = rig.world.columns
    columns["x"][[one, other, heavy]] = [SIZE + 10.0, SIZE + 22.0, SIZE + 34.0]
    for _ in range(HOME_TICKS - 1):
        assert not len(rig.group().changes.rows)
    rig.group()
    assert rig.owner(one, other, heavy) == [2, 2, 2]


def test_who_is_alone_is_bound_only_while_it_was_held_lately() -> None:
    rig = Rig(TWO)
    one = rig.enter(SIZE + 30.0, 500.0, 1)
    assert one not in rig.group().bound
    other = rig.enter(SIZE + 42.0, 500.0, 2)
    rig.group()
    rig.world.columns["x"][other] += 300.0
    assert one in rig.group().bound
    for _ in range(HOME_TICKS):
        bound = rig.group().bound
    assert one not in bound


def test_a_giant_inside_is_looked_at_if_it_reaches_over_the_border() -> None:
    rig = Rig(TWO)
    giant = rig.enter(SIZE - 480.0, 500.0, 1, radius=490.0)
    one = rig.enter(SIZE + 16.0, 500.0, 2)
    rig.group()
    assert len(set(rig.owner(giant, one))) == 1


def test_the_horizon_follows_from_the_slowest_link() -> None:
    rig = Rig(TWO)
    tick_s = RULES.tick_s
    for rtt_s, jitter_s, wanted_s in [(0.0, 0.0, 0.2), (0.12, 0.02, 5 * tick_s), (3.0, 1.0, 0.5)]:
        rig.endpoint.link = Link(rtt_s, jitter_s)
        for _ in range(8):
            rig.group()
        assert rig.grouping.horizon_s == wanted_s


def test_what_overlaps_under_two_owners_is_counted() -> None:
    rig = Rig(TWO)
    one, _ = rig.enter(SIZE - 5.0, 500.0, 1), rig.enter(SIZE + 5.0, 500.0, 2)
    rig.group()
    assert rig.grouping.cross_shard_contacts == 0
    rig.tick += 1
    present = rig.world.present(rig.tick)
    owner = rig.world.columns["shard"]
    owner[one] = 3 - owner[one]
    holder = rig.leases.holders_of(present.sector)
    room = np.zeros(NUMBERS_MAX + 1, np.int64)
    rig.grouping.group(present, holder, owner[present.rows], holder, room)
    rig.grouping.count_contacts(owner)
    assert rig.grouping.cross_shard_contacts == 1


def strewn(seed: int, shards: int, dense: bool, speed_max: float) -> Rig:
    """Make a world in which most is near borders, some of it with owners from elsewhere."""
    rng = np.random.default_rng(seed)
    sectors = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    rig = Rig({sector: int(rng.integers(1, shards + 1)) for sector in sectors})
    for _ in range(120):
        x, y = rng.uniform(-SIZE, 2 * SIZE, 2)
        if rng.random() < 0.8:
            x = round(x / SIZE) * SIZE + rng.normal(0.0, 60.0 if dense else 200.0)
            x = min(max(x, -SIZE), 2 * SIZE - 1.0)
        y = rng.uniform(0.0, 300.0) if dense else y
        speed = rng.uniform(0.0, speed_max) * rng.integers(0, 2)
        course = rng.uniform(0.0, 7.0)
        owner = rig.leases.holder_of((int(x // SIZE), int(y // SIZE)))
        if rng.random() < 0.2:
            owner = int(rng.integers(SHARD_NONE, shards + 1))
        radius = float(rng.choice([2.0, 6.0, 25.0, 200.0], p=[0.3, 0.5, 0.19, 0.01]))
        rig.enter(x, y, owner, speed * math.cos(course), speed * math.sin(course), radius)
    return rig


@settings(derandomize=True, deadline=None, max_examples=80)
@given(seed=st.integers(0, 2**32 - 1), shards=st.integers(1, 4), dense=st.booleans())
def test_after_the_decision_no_two_owners_may_touch(seed: int, shards: int, dense: bool) -> None:
    rig = strewn(seed, shards, dense, RULES.speed_max)
    before = rig.world.columns["shard"].copy()
    rig.group()
    assert rig.foreign_pairs() == []
    rows = rig.world.columns.rows()
    orphans = rows[before[rows] == SHARD_NONE]
    assert set(rig.owner(*orphans.tolist())) <= {SHARD_NONE, *rig.leases.shards}


def decide_by_all(rig: Rig, present: Present, before: np.ndarray) -> dict[int, int]:
    """Decide who is to own everybody, by the islands of all that there is: by row."""
    columns, rows = rig.world.columns, present.rows
    holder = rig.leases.holders_of(present.sector)
    touching, kind = touching_of(GAME.kinds), columns["kind"][rows]
    living = np.where(np.isin(before, rig.leases.shards), before, np.uint16(SHARD_NONE))
    bodies = Bodies(
        node=np.arange(len(rows)),
        x=present.x,
        y=present.y,
        vx=columns["vx"][rows],
        vy=columns["vy"][rows],
        radius=columns["radius"][rows].astype(np.float64),
        mass=columns["mass"][rows].astype(np.float64),
        slack=slack_of(touching.accel[kind], np.zeros(len(rows)), rig.grouping.horizon_s),
        # Where nobody may simulate anything nothing touches.
        category=np.where(living | holder, touching.category[kind], np.uint32(0)),
        mask=touching.mask[kind],
        group=columns.net_id[rows].astype(np.int64),
    )
    pairs, _, _ = find_pairs(bodies, rig.grouping.horizon_s)
    clear = are_clear(present.x, present.y, living, rig.leases, RULES)
    leaves = clear & (living != holder) & (living != SHARD_NONE)
    owner, home = living.astype(np.int64), holder.astype(np.int64)
    island = label(len(rows), pairs.a, pairs.b)
    says = np.ones(len(owner), np.bool_)
    decided = decide_owners(Nodes(owner, home, bodies.mass, leaves, says), island)
    alone = decide_handovers(rows, present.x, present.y, holder, before, rig.leases, RULES)
    moved = decided.together & (decided.owner != SHARD_NONE)
    goals = dict(zip(rows.tolist(), before.tolist(), strict=True))
    goals |= dict(zip(alone.rows.tolist(), alone.after.tolist(), strict=True))
    return goals | dict(zip(rows[moved].tolist(), decided.owner[moved].tolist(), strict=True))


@settings(derandomize=True, deadline=None, max_examples=80)
@given(seed=st.integers(0, 2**32 - 1), shards=st.integers(2, 4), dense=st.booleans())
def test_what_is_decided_is_what_comes_of_looking_at_everybody(
    seed: int, shards: int, dense: bool
) -> None:
    # Nobody is kicked farther than candidates are looked for.
    rig = strewn(seed, shards, dense, speed_max=60.0)
    present = rig.world.present(rig.tick + 1)
    before = rig.world.columns["shard"][present.rows].copy()
    wanted = decide_by_all(rig, present, before)
    holder = rig.leases.holders_of(present.sector)
    alone = decide_handovers(present.rows, present.x, present.y, holder, before, rig.leases, RULES)
    changes = rig.group().override(alone)
    decided = dict(zip(present.rows.tolist(), before.tolist(), strict=True))
    decided |= dict(zip(changes.rows.tolist(), changes.after.tolist(), strict=True))
    assert decided == wanted


def test_pairs_of_a_heap_that_are_too_many_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(TWO)
    heap = [rig.enter(SIZE - 3.5 + at, 500.0, 1 + at // 4) for at in range(8)]
    rig.group()
    assert rig.grouping.pairs_left_out == 0
    monkeypatch.setattr(discs, "COMPARISONS_MAX", 20)
    rig.group()
    assert 0 < rig.grouping.pairs_left_out < 28
    assert len(set(rig.owner(*heap))) == 1


def test_what_nobody_owns_joins_what_it_may_touch_beyond_the_border() -> None:
    rig = Rig(TWO)
    owned = rig.enter(SIZE - 6.0, 500.0, 1)
    orphans = [rig.enter(SIZE + 6.0 + 12.0 * at, 500.0, SHARD_NONE) for at in range(3)]
    rig.group()
    assert rig.owner(owned, *orphans) == [1, 1, 1, 1]


def test_what_nobody_owns_and_touches_nobody_elses_follows_the_leases() -> None:
    rig = Rig(TWO)
    orphans = [rig.enter(SIZE + 6.0 + 12.0 * at, 500.0, SHARD_NONE) for at in range(3)]
    grouped = rig.group()
    assert not len(grouped.changes.rows)
    assert not set(orphans) & set(grouped.bound.tolist())
