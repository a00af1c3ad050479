"""Which sector goes to which shard, and who stays behind."""

from __future__ import annotations

import numpy as np
import pytest
from shard_cases.crowds import CROWDS, EVEN, UNEVEN, replay

from sidereal.protocol.space.sectors import pack_sector
from sidereal.replication.limits import LIMITS, OwnershipLimits
from sidereal.replication.ownership.balance import Held, Move, Rests, choose_move, row_costs

LIMIT = LIMITS.ownership
MS = 1e-3


def held(rows: list[list[int]], holders: list[list[int]], rests: tuple[int, ...] = ()) -> Held:
    """Sectors of a square, a list for each x, with what is in them and who holds them."""
    counts, shards = np.array(rows), np.array(holders, np.uint16)
    x, y = np.indices(counts.shape).reshape(2, -1)
    keys = pack_sector(x, y)
    return Held(keys, shards.reshape(-1), counts.reshape(-1), np.isin(np.arange(len(keys)), rests))


def choose(
    sectors: Held, *costs_ms: float, limits: OwnershipLimits = LIMIT
) -> tuple[int, int] | None:
    """Choose by what a row costs each shard in turn."""
    shards = np.arange(1, len(costs_ms) + 1, dtype=np.uint16)
    return choose_move(sectors, shards, MS * np.array(costs_ms), limits)


ROW = [[40, 30, 20, 10, 10, 10]]
SPLIT = [[1, 1, 1, 2, 2, 2]]


def test_the_border_sector_that_helps_most_goes_to_the_shard_beside_it() -> None:
    # 90 against 30: with 20 of them over there it is 70 against 50.
    assert choose(held(ROW, SPLIT), 1.0, 1.0) == Move(2, 2)


def test_a_sector_that_is_not_beside_another_shard_stays() -> None:
    assert choose(held([[40, 30, 0, 10]], [[1, 1, 1, 2]]), 1.0, 1.0) is None


def test_what_a_row_costs_counts_not_how_many_there_are() -> None:
    assert choose(held([[10, 10, 6, 14]], [[1, 1, 2, 2]]), 1.0, 2.0) == Move(2, 1)


def test_little_more_than_the_mean_is_borne() -> None:
    assert choose(held([[57, 0, 43]], [[1, 1, 2]]), 1.0, 1.0) is None
    assert choose(held([[50, 8, 42]], [[1, 1, 2]]), 1.0, 1.0) == Move(1, 2)


def test_what_hardly_helps_is_left() -> None:
    # 70 against 50; with the one beside over there it is 72 against 48.
    assert choose(held([[48, 22, 50]], [[1, 1, 2]]), 1.0, 1.0) is None


def test_shards_that_have_next_to_nothing_to_do_are_left_alone() -> None:
    sectors = held([[9, 1, 1, 1]], [[1, 1, 2, 2]])
    assert choose(sectors, 0.05, 0.05) is None
    assert choose(sectors, 0.5, 0.5) == Move(1, 2)


def test_a_sector_that_rests_stays() -> None:
    assert choose(held(ROW, SPLIT, rests=(2,)), 1.0, 1.0) is None


def test_a_shard_without_a_sector_is_beside_all() -> None:
    assert choose(held([[40, 30, 20]], [[1, 1, 1]]), 1.0, 1.0) == Move(0, 2)


def test_where_nobody_is_beside_the_one_with_least_to_do_is() -> None:
    sectors = Held(
        pack_sector(np.array([0, 1, 5, 9]), np.zeros(4, np.int64)),
        np.array([1, 1, 2, 3], np.uint16),
        np.array([40, 30, 20, 10]),
        np.zeros(4, np.bool_),
    )
    assert choose(sectors, 1.0, 1.0, 1.0) == Move(1, 3)


def test_who_tells_nothing_costs_what_the_others_do() -> None:
    step_s, rows = np.array([4 * MS, 0.0, 2 * MS]), np.array([400, 90, 0])
    assert row_costs(step_s, rows) == pytest.approx([1e-5, 1e-5, 1e-5])
    assert row_costs(np.zeros(2), np.array([400, 90])).tolist() == [0.0, 0.0]


def test_an_entity_that_has_just_moved_stays_until_it_has_rested() -> None:
    rests, rows, ids = Rests(), np.array([3, 7]), np.array([30, 70], np.uint32)
    rests.go(rows, ids, tick=100)
    assert not rests.stays(rows, ids, 101).any()
    rests.note(rows[:1], ids[:1], until=300)
    # Its sector moves on: who has gone with it before stays behind, the other one goes.
    rests.go(rows, ids, tick=200)
    assert rests.stays(rows, ids, 201).tolist() == [True, False]
    assert rests.stays(rows, ids, 299).tolist() == [True, False]
    assert rests.stays(rows, ids, 300).tolist() == [False, False]


def test_who_changes_hands_for_another_reason_does_not_rest() -> None:
    rests, rows, ids = Rests(), np.array([3]), np.array([30], np.uint32)
    assert len(rests.note(rows, ids, until=300)) == 0
    rests.go(rows, ids, tick=100)
    assert not rests.stays(rows, ids, 101).any()


def test_a_newcomer_in_the_row_of_one_that_rests_is_free() -> None:
    rests, rows, ids = Rests(), np.array([3]), np.array([30], np.uint32)
    rests.go(rows, ids, tick=100)
    rests.note(rows, ids, until=300)
    rests.go(rows, ids, tick=200)
    assert not rests.stays(rows, ids + np.uint32(1), 201).any()
    rests.go(rows, ids + np.uint32(1), tick=210)
    assert not rests.stays(rows, ids + np.uint32(1), 211).any()


@pytest.mark.parametrize(
    ("points", "crowds", "most"), [(EVEN, None, 1.1), (UNEVEN, CROWDS, 1.2)], ids=["even", "uneven"]
)
def test_crowds_that_gather_and_scatter_are_shared_out(
    points: np.ndarray, crowds: np.ndarray | None, most: float
) -> None:
    found = replay(points, crowds, seconds=60.0)
    assert found.max_over_mean <= most
    assert found.moved_per_s <= LIMIT.balance_entities_per_s
    assert found.again_s >= LIMIT.balance_rest_s
