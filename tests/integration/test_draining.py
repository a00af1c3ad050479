"""A shard that is to leave gives away what it has first, and nobody misses anything."""

from __future__ import annotations

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.message.codec import encode_message
from sidereal.protocol.message.shard import Drain, ShardChannel
from sidereal.replication.limits import LIMITS
from sidereal.replication.links.states import ShardState

from .troupe import RULES, ScriptedShard, Troupe, rocks

PER_TICK = int(LIMITS.ownership.adopt_records_per_s * RULES.tick_s)
MANY = 12_000


def drain(shard: ScriptedShard) -> None:
    shard.endpoint.send(ShardChannel.LEASE, encode_message(Drain()))


def states(troupe: Troupe) -> dict[str, ShardState]:
    return {shard.name: shard.state for shard in troupe.core.shards.shards}


def test_sectors_go_as_fast_as_what_is_inside_is_taken() -> None:
    troupe = Troupe(rocks(MANY, sectors=4))
    stays = troupe.shard("shard-1", ticks=MANY // PER_TICK + 8)
    leaves = troupe.shard("shard-2", ticks=MANY // PER_TICK + 8)
    theirs, had = len(leaves.bodies), set(leaves.sectors)
    assert theirs > 4 * PER_TICK
    assert len(had) == 2
    drain(leaves)
    troupe.run(2)
    assert troupe.core.mesh.leases.shards == (stays.number,)
    assert states(troupe) == {"shard-1": ShardState.SERVING, "shard-2": ShardState.DRAINING}
    waited = []
    for _ in range(theirs // PER_TICK + 4):
        before, waits = set(leaves.sectors), troupe.core.mesh.waiting
        owners = troupe.owners()
        assert owners.get(SHARD_NONE, 0) == 0
        assert not stays.bodies.keys() & leaves.bodies.keys()
        assert leaves.heard["Dismiss"] == 0 or not leaves.bodies
        troupe.run(1)
        waited += [waits] * len(before - leaves.sectors)
    # One goes at once, and the other one when nearly nothing waits in that.
    assert len(waited) == 1
    assert waited[0] < PER_TICK
    assert troupe.owners() == {stays.number: MANY}
    assert leaves.sectors == set()
    assert max(rows for _, rows in stays.given) <= PER_TICK
    assert (leaves.heard["Dismiss"], leaves.bodies, leaves.closed) == (1, {}, None)


def test_what_it_says_of_an_entity_counts_until_that_has_changed_hands() -> None:
    troupe = Troupe(rocks(MANY, sectors=4))
    troupe.shard("shard-1", ticks=MANY // PER_TICK + 8)
    leaves = troupe.shard("shard-2", ticks=MANY // PER_TICK + 8)
    drain(leaves)
    troupe.run(3)
    last = max(leaves.bodies)
    row = leaves.bodies[last].copy()
    row["vx"] = 7.0
    leaves.propose([row], troupe.core.tick + 1)
    troupe.run(1)
    assert troupe.owner_of(last) == leaves.number
    at = troupe.core.world.columns.rows_of(np.array([last]))
    assert troupe.core.world.columns["vx"][at] == 7.0


def test_the_last_shard_need_not_wait() -> None:
    troupe = Troupe(rocks(40, sectors=2))
    shard = troupe.shard("shard-1", ticks=8)
    drain(shard)
    troupe.run(3)
    assert shard.heard["Dismiss"] == 1
    assert len(shard.bodies) == 40


def test_shards_that_all_are_to_leave_need_not_wait_for_each_other() -> None:
    troupe = Troupe(rocks(40, sectors=4))
    shards = [troupe.shard(f"shard-{number}", ticks=8) for number in (1, 2, 3)]
    for shard in shards:
        drain(shard)
    troupe.run(3)
    assert [shard.heard["Dismiss"] for shard in shards] == [1, 1, 1]


def test_nothing_is_leased_to_who_is_to_leave() -> None:
    troupe = Troupe(rocks(40, sectors=4))
    stays = troupe.shard("shard-1", ticks=8)
    leaves = troupe.shard("shard-2", ticks=8)
    drain(leaves)
    troupe.run(4)
    troupe.put(next(iter(stays.bodies)), 20_500.0)
    troupe.run(4)
    assert set(troupe.core.mesh.leases.rows()["shard"].tolist()) == {stays.number}


def test_one_that_comes_back_gets_back_what_it_had() -> None:
    troupe = Troupe(rocks(40, sectors=4))
    stays = troupe.shard("shard-1", ticks=8)
    leaves = troupe.shard("shard-2", ticks=8)
    before = set(stays.sectors), set(leaves.sectors)
    drain(leaves)
    troupe.run(6)
    leaves.say_farewell()
    troupe.run(4)
    again = troupe.shard("shard-2", ticks=8)
    assert (stays.sectors, again.sectors) == before


def in_the_middle(troupe: Troupe) -> tuple[ScriptedShard, ScriptedShard]:
    """Let a shard have given up a part of its sectors."""
    stays = troupe.shard("shard-1", ticks=MANY // PER_TICK + 8)
    leaves = troupe.shard("shard-2", ticks=MANY // PER_TICK + 8)
    drain(leaves)
    troupe.run(3)
    assert len(leaves.sectors) == 1
    return stays, leaves


def test_the_rest_goes_at_once_when_it_dies_meanwhile() -> None:
    troupe = Troupe(rocks(MANY, sectors=4))
    stays, leaves = in_the_middle(troupe)
    leaves.say_farewell()
    troupe.run(2)
    assert len(stays.sectors) == 4
    again = troupe.shard("shard-2", ticks=MANY // PER_TICK + 8)
    assert [len(shard.sectors) for shard in (stays, again)] == [2, 2]


def test_one_that_comes_back_meanwhile_gets_back_what_it_had() -> None:
    troupe = Troupe(rocks(MANY, sectors=4))
    stays, leaves = in_the_middle(troupe)
    again = troupe.shard("shard-2", ticks=MANY // PER_TICK + 8)
    assert again.number == leaves.number
    assert [len(shard.sectors) for shard in (stays, again)] == [2, 2]
    assert troupe.core.mesh.leases.retiring == ()
    # Some that touch each other on the border stay where they are.
    assert troupe.owners()[again.number] > 0.99 * MANY / 2


def test_others_take_what_is_left_when_who_took_it_dies_meanwhile() -> None:
    troupe = Troupe(rocks(MANY, sectors=4))
    stays, leaves = in_the_middle(troupe)
    third = troupe.shard("shard-3", ticks=4)
    stays.say_farewell()
    troupe.run(MANY // PER_TICK + 8)
    assert troupe.owners() == {third.number: MANY}
    assert (len(third.sectors), leaves.sectors, leaves.heard["Dismiss"]) == (4, set(), 1)


def test_what_nobody_simulates_comes_before_what_a_shard_has_that_is_to_leave() -> None:
    troupe = Troupe(rocks(MANY, sectors=6))
    _, leaves, dies = (troupe.shard(f"shard-{n}", ticks=MANY // PER_TICK + 8) for n in (1, 2, 3))
    drain(leaves)
    troupe.run(3)
    dies.say_farewell()
    troupe.run(2)
    left = len(leaves.bodies)
    orphans = troupe.owners()[SHARD_NONE]
    assert min(left, orphans) > 4 * PER_TICK
    troupe.run(orphans // PER_TICK)
    assert troupe.owners()[SHARD_NONE] < PER_TICK
    assert len(leaves.bodies) > left - PER_TICK
    troupe.run(left // PER_TICK + 4)
    assert SHARD_NONE not in troupe.owners()
    assert leaves.heard["Dismiss"] == 1


def test_a_spare_gets_all_of_it_and_others_nothing() -> None:
    troupe = Troupe(rocks(MANY, sectors=4))
    stays = troupe.shard("shard-1", ticks=MANY // PER_TICK + 8)
    leaves = troupe.shard("shard-2", ticks=MANY // PER_TICK + 8)
    spare = troupe.shard("shard-3", spare=True, ticks=8)
    before = set(stays.sectors), set(leaves.sectors)
    drain(leaves)
    for _ in range(MANY // 2 // PER_TICK + 6):
        troupe.run(1)
        assert (stays.sectors, spare.sectors | leaves.sectors) == before
    assert (stays.sectors, spare.sectors) == before
    assert leaves.heard["Dismiss"] == 1
