"""Who has a body where, when an island was cut."""

from __future__ import annotations

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.replication.ownership.shadows import Shadows, Split, find_shadows

APART = 12.0


def chain(count: int, more: list[tuple[int, int]] | None = None) -> Split:
    """Bodies in a line, each with its own root, of which neighbours touch."""
    at = np.arange(count)
    ends = np.array([*zip(at[:-1].tolist(), at[1:].tolist(), strict=True), *(more or [])]).T
    return Split(10 + at, 10 + at, at, ends, np.full(ends.shape[1], APART))


def find(split: Split, owner: list[int], depth: float, most: int = 100) -> Shadows:
    owners = np.zeros(100, np.uint16)
    owners[split.roots] = owner
    return find_shadows(split, owners, depth, most)


def by_shard(found: Shadows) -> dict[int, list[int]]:
    return {
        int(shard): found.seen.rows[found.seen.shard == shard].tolist()
        for shard in np.unique(found.seen.shard)
    }


def test_each_shard_has_what_lies_so_far_beyond_the_cut_along_pairs() -> None:
    found = find(chain(8), [1, 1, 1, 2, 2, 2, 2, 2], 2 * APART)
    assert by_shard(found) == {1: [13, 14, 15], 2: [10, 11, 12]}
    assert by_shard(find(chain(4), [1, 1, 2, 2], 0.5 * APART)) == {1: [12], 2: [11]}


def test_the_way_to_a_shadow_leads_through_others_of_any_owner() -> None:
    found = find(chain(4), [1, 2, 3, 3], 2 * APART)
    assert by_shard(found) == {1: [11, 12, 13], 2: [10, 12, 13], 3: [10, 11]}


def test_the_shorter_way_counts() -> None:
    found = find(chain(6, more=[(0, 5)]), [1, 2, 2, 2, 2, 2], APART)
    assert by_shard(found)[1] == [11, 12, 14, 15]


def test_of_too_many_the_nearest_count() -> None:
    found = find(chain(8), [1, 1, 1, 1, 2, 2, 2, 2], 1000.0, most=2)
    assert by_shard(found) == {1: [14, 15], 2: [12, 13]}
    assert found.left_out == 4


def test_what_nobody_simulates_is_no_shadow_and_has_none() -> None:
    assert not len(find(chain(3), [1, SHARD_NONE, SHARD_NONE], 100.0).seen.rows)
    found = find(chain(4), [SHARD_NONE, 1, 2, SHARD_NONE], 100.0)
    assert by_shard(found) == {1: [12], 2: [11]}


def test_a_family_is_a_shadow_as_a_whole() -> None:
    split = chain(2)._replace(rows=np.array([10, 11, 40, 41]), node=np.array([0, 1, 1, 0]))
    assert by_shard(find(split, [1, 2], APART)) == {1: [11, 40], 2: [10, 41]}


def test_what_one_shard_owns_has_no_shadows() -> None:
    assert not len(find(chain(5), [2] * 5, 100.0).seen.rows)
