"""Leases: contiguous, balanced, fenced by epochs that never repeat."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.space.sectors import pack_sector
from sidereal.replication.limits import LIMITS
from sidereal.replication.ownership.leases import LeaseTable, count_by_sector

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
