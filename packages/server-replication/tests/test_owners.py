"""Who is to own an island: most members, one owner, home as a whole."""

from __future__ import annotations

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.replication.ownership.held import Held
from sidereal.replication.ownership.owners import Decision, Nodes, cut_large, decide_owners


def decide(
    island: list[int],
    owner: list[int],
    holder: list[int],
    mass: list[float] | None = None,
    may_leave: list[bool] | None = None,
    says: list[bool] | None = None,
) -> Decision:
    count = len(island)
    nodes = Nodes(
        np.array(owner),
        np.array(holder),
        np.array(mass or [1.0] * count),
        np.array(may_leave or [True] * count),
        np.array(says or [True] * count),
    )
    return decide_owners(nodes, np.array(island))


def test_an_island_of_two_owners_goes_whole_to_the_one_with_most_members() -> None:
    decided = decide([0, 0, 0, 3], [1, 2, 2, 1], [1, 2, 2, 2])
    assert decided.owner.tolist() == [2, 2, 2, 1]
    assert decided.held.tolist() == [True, True, True, False]
    assert decided.together.tolist() == [True, True, True, False]
    assert decided.islands == 1


def test_mass_breaks_ties_and_no_more() -> None:
    assert decide([0, 0], [1, 2], [1, 2], [1.0, 9.0]).owner.tolist() == [2, 2]
    assert decide([0, 0], [1, 2], [1, 2], [9.0, 1.0]).owner.tolist() == [1, 1]
    assert decide([0, 0, 0], [1, 2, 2], [1, 2, 2], [99.0, 1.0, 1.0]).owner.tolist() == [2] * 3


def test_who_has_no_owner_has_no_say_and_joins() -> None:
    decided = decide([0] * 4, [SHARD_NONE, SHARD_NONE, SHARD_NONE, 2], [1, 1, 1, 2])
    assert decided.owner.tolist() == [2] * 4


def test_who_has_no_say_gets_an_island_only_if_nobody_else_has() -> None:
    owner, says = [1, 2, 2, 2], [True, False, False, False]
    assert decide([0] * 4, owner, owner, says=says).owner.tolist() == [1] * 4
    says = [False] * 4
    assert decide([0] * 4, owner, owner, says=says).owner.tolist() == [2] * 4


def test_an_island_of_one_owner_across_a_border_stays_and_is_held() -> None:
    decided = decide([0, 0, 0], [1, 1, 1], [2, 2, 1])
    assert decided.owner.tolist() == [1, 1, 1]
    assert decided.held.all()


def test_an_island_at_home_is_not_held() -> None:
    decided = decide([0, 0], [1, 1], [1, 1])
    assert decided.owner.tolist() == [1, 1]
    assert not decided.held.any()


def test_an_island_goes_home_whole_or_not_at_all() -> None:
    home = decide([0, 0], [1, 1], [2, 2])
    assert home.owner.tolist() == [2, 2]
    assert not home.held.any()
    stays = decide([0, 0], [1, 1], [2, 2], may_leave=[True, False])
    assert stays.owner.tolist() == [1, 1]


def test_nobody_is_given_to_nobody() -> None:
    decided = decide([0, 0], [1, 1], [SHARD_NONE, SHARD_NONE])
    assert decided.owner.tolist() == [1, 1]


def test_what_nobody_owns_goes_together_to_whom_most_of_it_is_leased() -> None:
    decided = decide([0, 0, 0], [SHARD_NONE] * 3, [1, 2, 2])
    assert decided.owner.tolist() == [2, 2, 2]


def cut(owner: list[int], pairs: list[tuple[int, int]], depth: list[float], most: int) -> list[int]:
    made = cut_large(
        np.zeros(len(owner), np.int64), np.array(owner), np.array(pairs).T, np.array(depth), most
    )
    assert made.cut.tolist() == [made.island[a] != made.island[b] for a, b in pairs]
    assert made.islands == (len(owner) > most and len({each for each in owner if each}) > 1)
    island: list[int] = made.island.tolist()
    return island


CHAIN = [(0, 1), (1, 2), (2, 3)]


def test_a_large_island_is_cut_between_owners_first_and_where_it_is_shallow() -> None:
    assert cut([1, 1, 2, 2], CHAIN, [1.0, 9.0, 1.0], 3) == [0, 0, 2, 2]
    assert cut([1, 2, 1, 2], CHAIN, [1.0, 9.0, 2.0], 3) == [0, 1, 1, 1]
    assert cut([1, 2, 1, 2], CHAIN, [1.0, 9.0, 2.0], 4) == [0, 0, 0, 0]


def test_a_large_island_of_one_owner_is_left_whole() -> None:
    assert cut([1, 1, SHARD_NONE, 1], CHAIN, [1.0] * 3, 2) == [0, 0, 0, 0]


def test_who_was_held_is_known_by_row_and_id() -> None:
    held = Held()
    rows, ids = np.array([5, 2]), np.array([50, 20], np.uint32)
    held.note(rows, ids, 100)
    assert held.since(rows, ids, 107).tolist() == [7, 7]
    assert held.since(np.array([2, 3, 900]), np.array([21, 30, 7], np.uint32), 107).min() > 1 << 30
    held.note(rows[:1], ids[:1], 108)
    assert held.since(rows, ids, 110).tolist() == [2, 10]
