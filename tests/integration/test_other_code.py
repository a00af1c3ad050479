"""Shards with other code take over from those before, and back, as `up --reload` lets them."""

from __future__ import annotations

import pytest

from sidereal.protocol.message.codec import encode_message
from sidereal.protocol.message.shard import Drain, ShardChannel
from sidereal.replication.http.status import Board, describe_world
from sidereal.replication.links.shards import Shards
from sidereal.replication.links.states import ShardState

from .test_failures import HOME, LONG, NEW, OLD, WHAT, WHY, Poisoned
from .troupe import ScriptedShard, Troupe, rocks

ROCKS, SECTORS = 60, 4


def rest(troupe: Troupe, shard: ScriptedShard, code: bytes) -> ScriptedShard:
    """Let a shard drain, and come again as a spare."""
    shard.endpoint.send(ShardChannel.LEASE, encode_message(Drain()))
    troupe.run(4)
    shard.say_farewell()
    troupe.run(2)
    return troupe.shard(shard.name, code=code, spare=True)


def serving(troupe: Troupe) -> set[str]:
    shards = troupe.core.shards.shards
    return {shard.name for shard in shards if shard.state is ShardState.SERVING}


@pytest.fixture
def troupe() -> Troupe:
    return Troupe(rocks(ROCKS, SECTORS))


def test_the_new_ones_take_over_one_by_one_though_old_ones_wait_beside_them(
    troupe: Troupe,
) -> None:
    old = [troupe.shard(f"shard-{number}", ticks=8, code=OLD) for number in (1, 2)]
    had = [set(shard.sectors) for shard in old]
    new = [troupe.shard(f"shard-{number}", code=NEW, spare=True) for number in (3, 4)]
    waiting = [rest(troupe, shard, OLD) for shard in old]
    assert serving(troupe) == {"shard-3", "shard-4"}
    assert [shard.sectors for shard in new] == had
    assert [shard.bodies for shard in waiting] == [{}, {}]
    assert troupe.owners() == {shard.number: len(shard.bodies) for shard in new}


def test_the_old_ones_take_over_again_when_the_new_ones_are_told_to_end(troupe: Troupe) -> None:
    old = [troupe.shard(f"shard-{number}", ticks=8, code=OLD) for number in (1, 2)]
    had = [set(shard.sectors) for shard in old]
    new = [troupe.shard(f"shard-{number}", code=NEW, spare=True) for number in (3, 4)]
    waiting = [rest(troupe, shard, OLD) for shard in old]
    for shard in new:
        shard.endpoint.send(ShardChannel.LEASE, encode_message(Drain()))
    troupe.run(8)
    assert serving(troupe) == {"shard-1", "shard-2"}
    assert [shard.sectors for shard in waiting] == had


def test_an_old_one_that_rests_when_all_new_ones_have_failed_has_its_place_again(
    troupe: Troupe,
) -> None:
    old = [troupe.shard(f"shard-{number}", ticks=8, code=OLD) for number in (1, 2)]
    had = [set(shard.sectors) for shard in old]
    new = [troupe.shard(f"shard-{number}", code=NEW, spare=True) for number in (3, 4)]
    old[0].endpoint.send(ShardChannel.LEASE, encode_message(Drain()))
    troupe.run(2)
    for shard in new:
        assert shard.sectors == had[0]
        shard.say_farewell(WHAT, WHY)
        troupe.run(2)
    assert old[1].sectors == had[0] | had[1]
    old[0].say_farewell()
    troupe.run(2)
    again = troupe.shard("shard-1", code=OLD, spare=True, ticks=8)
    assert serving(troupe) == {"shard-1", "shard-2"}
    assert [again.sectors, old[1].sectors] == had
    # Who was in its place waits, should it come back.
    waits = troupe.shard("shard-4", code=NEW)
    assert waits.sectors == set()


def test_the_status_tells_which_code_each_runs_and_whose_is_the_newest(troupe: Troupe) -> None:
    for name, code in (("shard-1", OLD), ("shard-2", NEW), ("shard-3", OLD)):
        troupe.shard(name, code=code)
    shards = describe_world(troupe.core, Board())["shards"]
    assert [shard["code"] for shard in shards] == [code.hex()[:8] for code in (OLD, NEW, OLD)]
    assert [shard["newest_code"] for shard in shards] == [False, True, False]


def test_code_that_nobody_runs_any_more_is_new_when_it_comes_again(troupe: Troupe) -> None:
    shards: Shards = troupe.core.shards.shards
    first = troupe.shard("shard-1", code=OLD)
    troupe.shard("shard-2", code=NEW)
    assert shards.newest_code == NEW
    troupe.shard("shard-3", code=OLD)
    assert shards.newest_code == NEW
    for shard in (first, troupe.peers[-1]):
        assert isinstance(shard, ScriptedShard)
        shard.say_farewell()
    troupe.run(2)
    troupe.shard("shard-1", code=OLD)
    assert shards.newest_code == OLD


def test_sectors_that_are_withheld_are_tried_again_by_spares_with_other_code() -> None:
    world = Poisoned(2)
    world.run(LONG)
    assert HOME in world.kept
    troupe, old = world.troupe, list(world.shards.values())
    new = [troupe.shard(f"shard-{number}", code=NEW, spare=True) for number in (3, 4)]
    rest(troupe, old[0], OLD)
    assert HOME in world.kept
    rest(troupe, old[1], OLD)
    assert not world.kept
    assert world.poison in {*new[0].bodies, *new[1].bodies}


def test_a_spare_with_other_code_that_is_called_because_nobody_is_left_tries_them_again() -> None:
    world = Poisoned(1)
    world.run(LONG)
    assert HOME in world.kept
    world.shards["shard-1"].say_farewell()
    world.troupe.run(2)
    spare = world.troupe.shard("shard-2", code=NEW, spare=True)
    world.troupe.run(8)
    assert not world.kept
    assert world.poison in spare.bodies
