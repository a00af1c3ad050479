"""Leases: contiguous, balanced, fenced by epochs that never repeat."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.space.sectors import pack_sector
from sidereal.replication.limits import LIMITS
from sidereal.replication.ownership.dividing import count_by_sector
from sidereal.replication.ownership.leases import LeaseTable

SQUARE = {(x, y): 80.0 for x in range(-2, 3) for y in range(-2, 3)}


def holders(table: LeaseTable) -> dict[tuple[int, int], int]:
    return {sector: table.holder_of(sector) for sector in SQUARE}


def is_contiguous(sectors: frozenset[tuple[int, int]]) -> bool:
    waiting, seen = [min(sectors)], {min(sectors)}
    while waiting:
        x, y = waiting.pop()
        near = {(x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)} & sectors - seen
        seen |= near
        waiting += sorted(near)
    return seen == set(sectors)


def test_the_first_shard_takes_everything() -> None:
    table = LeaseTable()
    table.join(1, SQUARE)
    assert set(holders(table).values()) == {1}


def test_a_second_shard_takes_a_contiguous_half() -> None:
    table = LeaseTable()
    table.join(1, SQUARE)
    changes = table.join(2, SQUARE)
    assert {change.after for change in changes} == {2}
    assert abs(len(table.sectors_of(1)) - len(table.sectors_of(2))) <= 5
    assert is_contiguous(table.sectors_of(1))
    assert is_contiguous(table.sectors_of(2))


def test_sectors_of_a_lost_shard_go_to_the_living() -> None:
    table = LeaseTable()
    for shard in (1, 2, 3):
        table.join(shard, SQUARE)
    lost = table.sectors_of(2)
    changes = table.leave(2, SQUARE)
    assert {change.sector for change in changes} == set(lost)
    assert set(holders(table).values()) == {1, 3}


def test_one_that_retires_gives_up_what_others_have_room_for_and_gets_nothing() -> None:
    table = LeaseTable()
    for shard in (1, 2, 3):
        table.join(shard, SQUARE)
    had = table.sectors_of(2)
    table.retire(2, SQUARE)
    assert (table.shards, table.retiring, table.sectors_of(2)) == ((1, 3), (2,), had)
    given = set()
    while table.sectors_of(2):
        left = table.sectors_of(2)
        room = np.array([0, 100, 100, 100])
        changes = table.give_up(2, dict.fromkeys(left, 80.0), room)
        # Another one while there is room for any of it, for each of the two.
        assert 1 <= len(changes) <= 4
        given |= {(change.sector, change.before) for change in changes}
        assert table.sectors_of(2) == left - {change.sector for change in changes}
    assert given == {(sector, 2) for sector in had}
    assert table.give_up(2, {}, np.zeros(4, np.int64)) == []
    for shard in (1, 3):
        assert is_contiguous(table.sectors_of(shard))
    assert table.grow({(9, 9): 1.0}, {})[0].after != 2
    assert table.leave(2, {}) == []
    assert {change.sector for change in table.join(2, SQUARE)} == set(had)


def test_what_one_that_retires_still_has_goes_like_what_it_gave_up_when_it_leaves() -> None:
    tables = LeaseTable(), LeaseTable()
    for table in tables:
        for shard in (1, 2, 3):
            table.join(shard, SQUARE)
    at_once, slowly = tables
    at_once.leave(2, SQUARE)
    slowly.retire(2, SQUARE)
    some = slowly.give_up(2, dict.fromkeys(slowly.sectors_of(2), 80.0), np.array([0, 1, 0, 1]))
    rest = slowly.leave(2, SQUARE)
    assert some
    assert rest
    assert holders(slowly) == holders(at_once)


@pytest.mark.parametrize("dies", [True, False])
def test_who_takes_over_from_an_heir_is_the_heir(dies: bool) -> None:
    table = LeaseTable()
    for shard in (1, 2):
        table.join(shard, SQUARE)
    had, others = table.sectors_of(2), table.sectors_of(1)
    table.retire(2, SQUARE, heir=3)
    loads = dict.fromkeys(had, 80.0)
    assert len(table.give_up(2, loads, np.array([0, 1, 0, 1, 1]))) == 1
    if dies:
        table.replace(3, 4)
    else:
        table.retire(3, SQUARE, heir=4)
        table.give_up(3, dict.fromkeys(table.sectors_of(3), 80.0), np.full(5, 1000))
    table.give_up(2, loads, np.full(5, 10_000))
    assert (table.sectors_of(1), table.sectors_of(4)) == (others, had)


def test_who_joins_while_another_one_retires_gets_a_part_of_what_that_has() -> None:
    table = LeaseTable()
    for shard in (1, 2):
        table.join(shard, SQUARE)
    table.retire(2, SQUARE)
    half = {change.sector for change in table.join(3, SQUARE)}
    table.give_up(2, dict.fromkeys(table.sectors_of(2), 80), np.full(4, 10_000))
    assert table.sectors_of(3) > half
    assert abs(len(table.sectors_of(1)) - len(table.sectors_of(3))) <= 1


def test_one_that_left_and_then_turns_out_to_be_bad_gets_nothing_back() -> None:
    table = LeaseTable()
    for shard in (1, 2, 3):
        table.join(shard, SQUARE)
    had = table.sectors_of(2)
    table.leave(2, SQUARE)
    table.leave(2, SQUARE, returns=False)
    table.join(2, SQUARE)
    assert table.sectors_of(2) != had


def test_who_is_replaced_loses_all_to_one_and_gets_nothing_back() -> None:
    table = LeaseTable()
    for shard in (1, 2):
        table.join(shard, SQUARE)
    had, others = table.sectors_of(2), table.sectors_of(1)
    changes = table.replace(2, 3)
    assert {(change.sector, change.before, change.after) for change in changes} == {
        (sector, 2, 3) for sector in had
    }
    assert (table.sectors_of(3), table.sectors_of(1), table.shards) == (had, others, (1, 3))
    assert table.left == ()


def test_one_that_left_with_nothing_is_known_to_have_left() -> None:
    table = LeaseTable()
    table.join(1, {(0, 0): 1.0})
    table.join(2, {(0, 0): 1.0})
    assert table.sectors_of(2) == frozenset()
    table.leave(2, {})
    table.leave(1, {})
    assert list(table.left) == [2, 1]
    table.join(2, {})
    assert list(table.left) == [1]


def test_without_shards_nobody_holds_anything() -> None:
    table = LeaseTable()
    table.join(1, SQUARE)
    table.leave(1, SQUARE)
    assert set(holders(table).values()) == {SHARD_NONE}
    assert len(table.rows()) == 0


def test_space_that_is_entered_goes_to_the_shard_beside_it() -> None:
    table = LeaseTable()
    table.join(1, SQUARE)
    table.join(2, SQUARE)
    edge = max(table.sectors_of(2))
    beyond = (edge[0] + 1, edge[1])
    assert [change.after for change in table.grow({beyond: 1.0}, {})] == [2]


def test_sectors_may_be_leased_to_shards_that_are_named() -> None:
    table = LeaseTable()
    table.join(1, SQUARE)
    table.join(2, SQUARE)
    first, *_, last = sorted(SQUARE)
    changes = table.assign({last: 1, first: 2})
    assert [(c.sector, c.after) for c in changes] == [(first, 2), (last, 1)]
    assert (table.holder_of(first), table.holder_of(last)) == (2, 1)


def test_growing_does_not_move_what_is_held() -> None:
    table = LeaseTable()
    table.join(1, SQUARE)
    assert table.grow(SQUARE, {}) == []


def test_columns_of_sectors_are_looked_up_at_once() -> None:
    table = LeaseTable()
    table.join(1, {(0, 0): 1.0, (-3, 7): 1.0})
    keys = pack_sector(np.array([-3, 5, 0]), np.array([7, 5, 0]))
    assert table.holders_of(keys).tolist() == [1, SHARD_NONE, 1]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(["join", "leave", "grow"]), st.integers(1, 5)), max_size=30)
)
def test_every_sector_has_one_holder_and_every_change_a_new_epoch(
    steps: list[tuple[str, int]],
) -> None:
    table, epochs = LeaseTable(), []
    follower: dict[int, int] = {}
    seen_to = 0
    loads = dict(SQUARE)
    for step, number in steps:
        if step == "join" and number not in table.shards:
            changes = table.join(number, loads)
        elif step == "leave":
            changes = table.leave(number, loads)
        else:
            loads[3 + number, number] = 1.0
            changes = table.grow(loads, {})
        epochs += [change.epoch for change in changes]
        held = [sector for shard in table.shards for sector in table.sectors_of(shard)]
        assert len(held) == len(set(held))
        assert set(held) == (set(loads) if table.shards and step != "leave" else set(held))
        assert all(table.holder_of(sector) in table.shards for sector in held)
        rows = table.rows()
        keys = pack_sector(rows["sector_x"], rows["sector_y"])
        assert (np.diff(keys) > 0).all()
        by_key = dict(zip(keys.tolist(), rows["shard"].tolist(), strict=True))
        assert by_key == {int(pack_sector(x, y)): table.holder_of((x, y)) for x, y in held}
        changed = table.changed_since(seen_to)
        assert changed is not None
        seen_to = table.epoch
        follower |= zip(changed.tolist(), table.holders_of(changed).tolist(), strict=True)
        assert {key: shard for key, shard in follower.items() if shard} == by_key
    assert epochs == sorted(set(epochs))


def test_who_asks_for_changes_too_old_to_be_known_is_told_to_look_at_all() -> None:
    table = LeaseTable()
    table.join(1, {(0, 0): 1.0})
    old = table.epoch
    for _ in range(LIMITS.ownership.lease_changes // 2):
        table.grow({(1, 0): 1.0}, {})
        table.vacate([(1, 0)])
    changed = table.changed_since(old)
    assert changed is not None
    assert changed.tolist() == [pack_sector(1, 0)]
    table.grow({(0, 2): 1.0}, {})
    assert table.changed_since(old) is None
    assert table.rows()[["sector_x", "sector_y"]].tolist() == [(0, 0), (0, 2)]


def test_load_is_counted_by_sector() -> None:
    keys = pack_sector(np.array([1, 1, -1]), np.array([2, 2, 0]))
    assert count_by_sector(keys) == {(1, 2): 2.0, (-1, 0): 1.0}


def strip(*weights: float, across: bool = False) -> dict[tuple[int, int], float]:
    """Sectors of these weights in a line along x, or along y."""
    return {(0, at) if across else (at, 0): weight for at, weight in enumerate(weights)}


@pytest.mark.parametrize("across", [False, True])
def test_a_second_shard_takes_half_of_the_load_cut_across_the_longer_side(across: bool) -> None:
    heavy_end = {(0, 0): 20.0, (0, 1): 20.0}
    loads = {(x, y): heavy_end.get((x, y), 1.0) for x in range(6) for y in range(2)}
    if across:
        loads = {(y, x): load for (x, y), load in loads.items()}
    table = LeaseTable()
    table.join(1, loads)
    table.join(2, loads)
    heavy = {(0, 0), (1, 0)} if across else {(0, 0), (0, 1)}
    assert table.sectors_of(1) == heavy
    assert table.sectors_of(2) == loads.keys() - heavy


def test_of_a_square_the_right_half_is_given_away() -> None:
    loads = {(x, y): 1.0 for x in range(2) for y in range(2)}
    table = LeaseTable()
    table.join(1, loads)
    table.join(2, loads)
    assert table.sectors_of(2) == {(1, 0), (1, 1)}


def test_a_third_shard_takes_from_the_most_loaded_and_of_equals_from_the_first() -> None:
    for weights, donor in (((1, 1, 9, 9), 2), ((9, 9, 1, 1), 1), ((1, 1, 1, 1), 1)):
        table = LeaseTable()
        even = strip(1, 1, 1, 1)
        table.join(1, even)
        table.join(2, even)
        changes = table.join(3, strip(*weights))
        assert [change.before for change in changes] == [donor]


def test_a_shard_with_one_sector_keeps_it() -> None:
    table = LeaseTable()
    table.join(1, strip(5))
    assert table.join(2, strip(5)) == []


def test_an_empty_sector_counts_as_well() -> None:
    """A hundred sectors with nothing in them would be one shard's otherwise."""
    table = LeaseTable()
    table.join(1, strip(*[0.0] * 8))
    table.join(2, strip(*[0.0] * 8))
    assert len(table.sectors_of(1)) == len(table.sectors_of(2)) == 4


def test_a_sector_weighs_as_much_as_one_more_entity_in_it() -> None:
    table = LeaseTable()
    table.join(1, strip(4, 0, 0, 0, 0))
    table.join(2, strip(4, 0, 0, 0, 0))
    assert table.sectors_of(1) == {(0, 0)}


def two_with_a_gap() -> LeaseTable:
    """Shard 1 holds (0, 0), shard 2 (2, 0), nobody what is between."""
    table = LeaseTable()
    loads = {(0, 0): 1.0, (2, 0): 1.0}
    table.join(1, loads)
    table.join(2, loads)
    assert (table.holder_of((0, 0)), table.holder_of((2, 0))) == (1, 2)
    return table


def test_what_lies_between_two_shards_goes_to_the_one_with_less_to_do() -> None:
    cases: list[tuple[dict[int, float], int]] = [
        ({1: 10.0, 2: 9.0}, 2),
        ({1: 9.0, 2: 10.0}, 1),
        ({}, 1),
        ({1: 0.0}, 1),
        ({2: 0.5}, 1),
    ]
    for entities, taker in cases:
        changes = two_with_a_gap().grow({(1, 0): 1.0}, entities)
        assert [change.after for change in changes] == [taker]


@pytest.mark.parametrize("dx", [-1, 0, 1])
@pytest.mark.parametrize("dy", [-1, 0, 1])
def test_all_eight_sectors_around_one_are_beside_it(dx: int, dy: int) -> None:
    table = LeaseTable()
    loads = {(0, 0): 1.0, (10, 10): 1.0}
    table.join(1, loads)
    table.join(2, loads)
    changes = table.grow({(10 + dx, 10 + dy): 1.0}, {2: 100.0})
    assert [change.after for change in changes] == ([2] if dx or dy else [])


def test_what_was_just_taken_counts_when_the_next_sector_is_given() -> None:
    changes = two_with_a_gap().grow({(1, 0): 5.0, (1, 1): 1.0}, {2: 3.0})
    assert [(change.sector, change.after) for change in changes] == [((1, 0), 1), ((1, 1), 2)]


def test_a_region_grows_from_its_edge_and_an_island_goes_to_the_least_loaded() -> None:
    table = two_with_a_gap()
    line = {(at, 0): 0.0 for at in range(3, 8)}
    changes = table.grow({(50, 50): 0.0, (51, 50): 0.0} | line, {1: 0.0, 2: 1.0})
    assert {change.after for change in changes if change.sector in line} == {2}
    assert [c.after for c in changes if c.sector not in line] == [1, 1]


def three_in_a_row() -> LeaseTable:
    """Shard 1 holds (0, 0), shard 3 (1, 0), shard 2 the two behind."""
    table = LeaseTable()
    even = strip(1, 1, 1, 1)
    for shard in (1, 2, 3):
        table.join(shard, even)
    assert [table.holder_of(sector) for sector in sorted(even)] == [1, 3, 2, 2]
    return table


def test_the_sectors_of_who_leaves_go_to_the_less_loaded_neighbour() -> None:
    for weights, taker in (((5, 1, 1, 1), 2), ((1, 1, 5, 1), 1), ((1, 1, 1, 1), 1)):
        changes = three_in_a_row().leave(3, strip(*weights))
        assert [(c.sector, c.before, c.after) for c in changes] == [((1, 0), 3, taker)]


def test_who_comes_back_gets_what_it_had_unless_it_was_thrown_out() -> None:
    loads = strip(1, 1, 1, 9)
    for returns, got in ((True, [((1, 0), 1)]), (False, [((3, 0), 2)])):
        table = three_in_a_row()
        table.leave(3, loads, returns=returns)
        assert [(c.sector, c.before) for c in table.join(3, loads)] == got


def test_what_one_has_got_back_is_no_longer_what_another_one_had() -> None:
    table = three_in_a_row()
    loads = strip(1, 1, 1, 1)
    table.leave(3, loads)
    assert table.sectors_of(1) == {(0, 0), (1, 0)}
    table.leave(1, loads)
    table.join(3, loads)
    table.leave(3, loads)
    table.join(1, loads)
    assert table.sectors_of(1) == {(0, 0)}
    table.join(3, loads)
    assert table.sectors_of(3) == {(1, 0)}


def test_a_newer_session_is_granted_anew_what_its_shard_holds() -> None:
    table = three_in_a_row()
    newest = table.epoch
    changes = table.renew(2)
    assert [(c.sector, c.before, c.after) for c in changes] == [
        ((2, 0), SHARD_NONE, 2),
        ((3, 0), SHARD_NONE, 2),
    ]
    assert [c.epoch for c in changes] == [newest + 1, newest + 2]


def test_a_withheld_sector_is_taken_away_and_given_to_nobody() -> None:
    table = LeaseTable()
    table.join(1, SQUARE)
    table.join(2, SQUARE)
    taken = [(0, 0), (1, 1)]
    changes = table.withhold(taken)
    assert [(change.sector, change.after) for change in changes] == [(s, SHARD_NONE) for s in taken]
    table.leave(1, SQUARE)
    table.grow(SQUARE, {})
    table.join(1, SQUARE)
    table.join(3, SQUARE)
    assert {sector for sector, shard in holders(table).items() if shard == SHARD_NONE} == set(taken)
    table.withhold([(1, 1)])
    table.grow(SQUARE, {})
    assert {s for s, shard in holders(table).items() if shard == SHARD_NONE} == {(1, 1)}


def test_a_shard_that_comes_back_does_not_get_what_was_withheld_meanwhile() -> None:
    table = LeaseTable()
    table.join(1, SQUARE)
    table.join(2, SQUARE)
    first, *others = sorted(table.sectors_of(1))
    table.leave(1, SQUARE)
    table.withhold([first])
    table.join(1, SQUARE)
    assert table.sectors_of(1) == set(others)
    assert table.holder_of(first) == SHARD_NONE


def test_the_only_shard_does_not_get_back_what_is_withheld() -> None:
    table = LeaseTable()
    table.join(1, SQUARE)
    table.withhold([(0, 0)])
    table.leave(1, SQUARE)
    table.join(1, SQUARE)
    assert table.holder_of((0, 0)) == SHARD_NONE
    assert len(table.sectors_of(1)) == len(SQUARE) - 1
