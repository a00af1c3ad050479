"""Who changes hands: those clearly out of their owner's space, and the orphans."""

from __future__ import annotations

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import sector_of
from sidereal.protocol.space.sectors import pack_sector
from sidereal.replication.ownership.handover import (
    HANDOVER_MARGIN,
    Handovers,
    choose_affordable,
    decide_handovers,
)
from sidereal.replication.ownership.leases import LeaseTable

RULES = Rules()
LOADS = {(0, 0): 10.0, (1, 0): 10.0}


def decide(x: list[float], owner: list[int]) -> dict[int, int]:
    table = LeaseTable()
    table.join(1, LOADS)
    table.join(2, LOADS)
    assert (table.holder_of((0, 0)), table.holder_of((1, 0))) == (1, 2)
    xs, ys = np.array(x), np.full(len(x), 500.0)
    holder = table.holders_of(pack_sector(*sector_of(xs, ys, RULES)))
    rows = np.arange(len(x)) + 100
    result = decide_handovers(rows, xs, ys, holder, np.array(owner, np.uint16), table, RULES)
    return dict(zip(result.rows.tolist(), result.after.tolist(), strict=True))


def test_an_entity_at_home_stays() -> None:
    assert decide([500.0, 1500.0], [1, 2]) == {}


def test_an_entity_goes_over_only_beyond_the_margin() -> None:
    assert decide([1000.0 + HANDOVER_MARGIN - 0.5], [1]) == {}
    assert decide([1000.0 + HANDOVER_MARGIN + 0.5], [1]) == {100: 2}


def test_the_margin_holds_in_both_directions() -> None:
    assert decide([1000.0 - HANDOVER_MARGIN + 0.5], [2]) == {}
    assert decide([1000.0 - HANDOVER_MARGIN - 0.5], [2]) == {100: 1}


def test_an_orphan_is_taken_at_once() -> None:
    assert decide([999.0, 1001.0], [SHARD_NONE, SHARD_NONE]) == {100: 1, 101: 2}


def test_an_entity_of_a_lost_shard_is_taken_at_once() -> None:
    assert decide([1001.0], [9]) == {100: 2}


def test_nobody_is_handed_to_space_without_a_shard() -> None:
    assert decide([2500.0], [2]) == {}


def choose(
    before: list[int],
    after: list[int],
    pilots: set[int],
    room: list[int],
    room_of_pilots: list[int],
    units: list[int] | None = None,
    touch_s: list[float] | None = None,
) -> list[int]:
    """Which of those that are to change hands do so now, by their place in the lists."""
    count = len(before)
    changes = Handovers(np.arange(count), np.array(before, np.uint16), np.array(after, np.uint16))
    piloted = np.isin(np.arange(count), sorted(pilots))
    sizes = np.ones(len(changes.rows), np.int64)
    together = (
        np.arange(count) if units is None else np.array(units),
        np.full(count, np.inf) if touch_s is None else np.array(touch_s),
    )
    chosen = choose_affordable(
        changes, sizes, piloted, np.array(room), np.array(room_of_pilots), together
    )
    return np.flatnonzero(chosen).tolist()


MUCH = [9, 9, 9]


def test_each_shard_is_given_as_many_as_it_has_room_for() -> None:
    assert choose([2, 1, 2, 2, 2], [1, 2, 1, 1, 1], set(), [0, 2, 1], MUCH) == [0, 1, 2]
    assert choose([2, 1], [1, 2], set(), [0, 0, 1], MUCH) == [1]
    assert choose([], [], set(), [0, 0, 0], MUCH) == []


def test_pilots_go_first_and_what_nobody_simulates_before_what_somebody_does() -> None:
    before = [SHARD_NONE, 2, SHARD_NONE, 2]
    orders = [choose(before, [1] * 4, {2}, [0, room, 0], MUCH) for room in range(5)]
    assert orders == [[], [2], [0, 2], [0, 1, 2], [0, 1, 2, 3]]
    orders = [choose(before, [1] * 4, {1, 2, 3}, [0, room, 0], MUCH) for room in range(5)]
    assert orders == [[], [2], [1, 2], [1, 2, 3], [0, 1, 2, 3]]


def test_nobody_simulates_what_its_owner_is_to_get_anew() -> None:
    before = [2, 1, 2, 1]
    orders = [choose(before, [1] * 4, {2, 3}, [0, room, 0], MUCH) for room in range(5)]
    assert orders == [[], [3], [2, 3], [1, 2, 3], [0, 1, 2, 3]]
    assert choose(before, [1] * 4, {0, 1, 2, 3}, MUCH, [0, 1, 0]) == [0, 1, 3]


def test_an_unproven_shard_gets_few_pilots_of_others_and_all_that_nobody_simulates() -> None:
    before = [2, 2, SHARD_NONE, SHARD_NONE, 2]
    assert choose(before, [1] * 5, {0, 1, 2, 3}, MUCH, [0, 1, 0]) == [0, 2, 3, 4]
    assert choose(before, [1] * 5, {0, 1, 2, 3}, MUCH, [0, 0, 0]) == [2, 3, 4]


def test_islands_go_as_wholes_those_that_touch_soonest_first() -> None:
    units, touch_s = [0, 1, 0, 3, 1], [0.2, 0.1, 0.2, np.inf, 0.1]
    orders = [
        choose([2] * 5, [1] * 5, {3}, [0, room, 0], MUCH, units, touch_s) for room in range(6)
    ]
    assert orders[0] == []
    assert orders[1] == orders[2] == [1, 4]
    assert orders[3] == orders[4] == [0, 1, 2, 4]
    assert orders[5] == [0, 1, 2, 3, 4]


def test_an_island_with_a_pilot_for_whom_there_is_no_room_waits_as_a_whole() -> None:
    units, touch_s = [0, 0, 2], [0.1, 0.1, np.inf]
    assert choose([2] * 3, [1] * 3, {1}, MUCH, [0, 0, 0], units, touch_s) == [2]
