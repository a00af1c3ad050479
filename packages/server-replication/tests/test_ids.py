"""Network ids: in blocks, each used once, and none given again before nobody knows it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import StreamLimits
from sidereal.replication.ids import IdBlocks
from sidereal.replication.limits import WorldLimits

STREAMS = StreamLimits(reorder_ticks=4, tombstone_ticks=10, record_age_ticks=20)
REST = 30
SHARD, OTHER = 1, 2


def blocks(size: int = 8, rest: int = REST) -> IdBlocks:
    limits = WorldLimits(ids_per_block=size, ids_rest_ticks=rest, prune_every_ticks=5)
    return IdBlocks(limits, STREAMS)


def ids(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def retire(them: IdBlocks, tick: int) -> None:
    """Let a shard give no more of the block that it has: it begins with two others."""
    for _ in range(2):
        them.grant(SHARD, tick)


def test_the_authority_counts_up_from_one_and_leaves_out_what_shards_have() -> None:
    them = blocks()
    assert them.take(3, 0).tolist() == [1, 2, 3]
    assert them.grant(SHARD, 0) == range(8, 16)
    assert them.take(7, 0).tolist() == [4, 5, 6, 7, 16, 17, 18]
    assert them.grant(OTHER, 0) == range(24, 32)


def test_a_shard_that_comes_first_does_not_get_the_id_of_nobody() -> None:
    assert blocks().grant(SHARD, 0) == range(1, 8)


def test_an_id_is_known_as_granted_to_one_and_as_used_once() -> None:
    them = blocks()
    first = them.grant(SHARD, 0).start
    them.use(ids(first), 1, enters=True)
    asked = ids(first, first + 1, 4000)
    granted, used = them.look_up(asked, SHARD)
    assert (granted.tolist(), used.tolist()) == ([True, True, False], [True, False, False])
    granted, used = them.look_up(asked, OTHER)
    assert (granted.tolist(), used.tolist()) == ([False] * 3, [True, False, False])
    them.leave(ids(first), 2)
    assert them.look_up(ids(first), SHARD)[1].tolist() == [True]


def test_a_block_is_granted_again_when_its_ids_have_been_gone_for_long_enough() -> None:
    them = blocks()
    first = them.grant(SHARD, 0).start
    them.use(ids(first, first + 1), 1, enters=True)
    them.leave(ids(first), 2)
    retire(them, 3)
    them.reclaim(500)
    assert them.grant(OTHER, 500).start != first, "one of them is there"
    them.leave(ids(first + 1), 600)
    them.reclaim(600 + REST)
    assert them.blocks == 4
    them.reclaim(601 + REST)
    assert them.grant(OTHER, 601 + REST).start == first


def test_a_shard_that_is_granted_more_gives_no_more_of_what_it_had_before() -> None:
    them = blocks()
    first, second = (them.grant(SHARD, tick).start for tick in (0, 10))
    them.reclaim(100)
    assert them.blocks == 2
    third = them.grant(SHARD, 100).start
    them.reclaim(101 + REST)
    assert them.blocks == 2
    assert them.grant(OTHER, 200).start == first
    assert len({first, second, third}) == 3


def test_blocks_of_a_session_that_is_no_more_come_back_too() -> None:
    them = blocks()
    first = them.grant(SHARD, 0).start
    them.grant(OTHER, 0)
    them.keep_holders({OTHER}, 5)
    them.reclaim(6 + REST)
    assert them.grant(7, 6 + REST).start == first


def test_a_shard_that_is_granted_ids_again_and_again_has_its_old_ones_given_again() -> None:
    them = blocks()
    for tick in range(0, 20 * REST, REST // 3):
        them.reclaim(tick)
        them.grant(SHARD, tick)
    assert them.blocks < 9


def test_nothing_is_given_again_while_a_receiver_may_know_it_whatever_the_limit_says() -> None:
    them = blocks(rest=1)
    first = them.grant(SHARD, 0).start
    retire(them, 0)
    known = STREAMS.tombstone_ticks + STREAMS.reorder_ticks + 5
    them.reclaim(known)
    assert them.blocks == 3
    them.reclaim(known + 1)
    assert them.grant(SHARD, known + 1).start == first


def test_ids_that_were_used_for_nobody_do_not_keep_their_block() -> None:
    them = blocks()
    first = them.grant(SHARD, 0).start
    them.use(ids(first), 7, enters=False)
    assert them.look_up(ids(first), SHARD)[1].tolist() == [True]
    retire(them, 8)
    them.reclaim(9 + REST)
    assert them.blocks == 2


def test_the_last_block_is_left_for_the_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidereal.replication.ids.NET_ID_MAX", 31)
    them = blocks(size=8)
    them.take(1, 0)
    for holder in (SHARD, OTHER):
        assert not them.exhausted
        them.grant(holder, 0)
    assert them.exhausted
    assert them.take(8, 0).tolist() == [2, 3, 4, 5, 6, 7, 24, 25]
    with pytest.raises(LocalProtocolError, match="all in use"):
        them.grant(OTHER, 0)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 1 << 32))
def test_no_id_has_two_owners_at_a_time_or_comes_back_too_early(seed: int) -> None:
    rng, them = np.random.default_rng(seed), blocks(size=4)
    stock: dict[int, list[int]] = {SHARD: [], OTHER: []}
    living: dict[int, int] = {}
    gone_at: dict[int, int] = {}
    for tick in range(200):
        them.reclaim(tick)
        for holder in (SHARD, OTHER):
            if len(stock[holder]) <= 2 and rng.random() < 0.5:
                stock[holder] = [*stock[holder][-2:], *them.grant(holder, tick)]
                stock[holder] = stock[holder][-4:]
            if stock[holder] and rng.random() < 0.6:
                net_id = stock[holder].pop(0)
                granted, used = them.look_up(ids(net_id), holder)
                assert (granted[0], used[0]) == (True, False)
                assert net_id not in living
                assert tick - gone_at.get(net_id, -1000) > REST
                them.use(ids(net_id), tick, enters=True)
                living[net_id] = holder
        if rng.random() < 0.2:
            net_id = int(them.take(1, tick)[0])
            assert net_id not in living
            assert tick - gone_at.get(net_id, -1000) > REST
            living[net_id] = 0
        for net_id in [net_id for net_id in living if rng.random() < 0.1]:
            them.leave(ids(net_id), tick)
            del living[net_id]
            gone_at[net_id] = tick
    assert them.blocks < 120
