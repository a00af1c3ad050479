"""A spare holds nothing until another shard is gone: then it alone takes over from that one."""

from __future__ import annotations

import pytest

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.limits import SHARD_SLOTS_MAX
from sidereal.protocol.message.codec import encode_message
from sidereal.protocol.message.shard import Drain, ShardChannel
from sidereal.replication.links.states import ShardState

from .troupe import ScriptedShard, Troupe, rocks

ROCKS = 80
SECTORS = 6


def state_of(troupe: Troupe, shard: ScriptedShard) -> ShardState | None:
    found = troupe.core.shards.shards.named(shard.name)
    return None if found is None else found.state


def die(troupe: Troupe, shard: ScriptedShard) -> None:
    """End as a process does whose supervisor has seen it end."""
    shard.silent = True
    troupe.core.note_death(shard.name, 4711, troupe.now)


def drain(troupe: Troupe, shard: ScriptedShard) -> None:
    shard.endpoint.send(ShardChannel.LEASE, encode_message(Drain()))


def fall_silent(troupe: Troupe, shard: ScriptedShard) -> None:
    shard.silent = True


def say_farewell(troupe: Troupe, shard: ScriptedShard) -> None:
    shard.say_farewell()


@pytest.fixture
def troupe() -> Troupe:
    return Troupe(rocks(ROCKS, sectors=SECTORS))


def fleet(troupe: Troupe) -> tuple[ScriptedShard, ScriptedShard, ScriptedShard]:
    """Two shards that serve, and a spare."""
    one, two = troupe.shard("shard-1", ticks=8), troupe.shard("shard-2", ticks=8)
    return one, two, troupe.shard("shard-3", spare=True, ticks=8)


def test_a_spare_holds_nothing_while_the_others_are_there(troupe: Troupe) -> None:
    one, two, spare = fleet(troupe)
    before = set(one.sectors), set(two.sectors)
    troupe.run(60)
    assert state_of(troupe, spare) is ShardState.SPARE
    assert (spare.sectors, spare.bodies) == (set(), {})
    assert (one.sectors, two.sectors) == before
    # It is ready to spawn, too, and hears every tick.
    assert spare.heard["GrantIds"] == 1
    assert spare.beats[-1].tick == troupe.core.tick


@pytest.mark.parametrize("end", [die, drain, fall_silent, say_farewell])
def test_it_takes_over_all_that_another_one_had_in_one_step(troupe: Troupe, end: object) -> None:
    one, two, spare = fleet(troupe)
    third = troupe.shard("shard-4", ticks=12)
    others = set(one.sectors), set(third.sectors)
    had = set(two.sectors)
    assert had
    assert callable(end)
    end(troupe, two)
    troupe.run(30)
    assert spare.sectors == had
    assert (one.sectors, third.sectors) == others
    assert spare.heard["Grant"] == 1
    assert state_of(troupe, spare) is ShardState.SERVING
    assert SHARD_NONE not in troupe.owners()


def test_a_told_death_is_made_good_in_the_next_tick(troupe: Troupe) -> None:
    _, two, spare = fleet(troupe)
    had = set(two.bodies)
    die(troupe, two)
    troupe.run(1)
    assert spare.bodies.keys() == had


def test_whom_it_took_over_from_comes_back_as_a_spare(troupe: Troupe) -> None:
    one, two, spare = fleet(troupe)
    die(troupe, two)
    troupe.run(4)
    before = set(one.sectors), set(spare.sectors)
    again = troupe.shard("shard-2", ticks=20)
    assert state_of(troupe, again) is ShardState.SPARE
    assert again.sectors == set()
    assert (one.sectors, spare.sectors) == before
    die(troupe, one)
    troupe.run(4)
    assert again.sectors == before[0]


def test_one_that_took_over_gets_that_back_when_nobody_was_left_to_take_over(
    troupe: Troupe,
) -> None:
    one, two, spare = fleet(troupe)
    die(troupe, two)
    troupe.run(4)
    had = set(spare.sectors)
    die(troupe, spare)
    troupe.run(4)
    assert one.sectors >= had
    again = troupe.shard("shard-3", spare=True, ticks=8)
    assert again.sectors == had
    assert state_of(troupe, again) is ShardState.SERVING


def test_two_that_die_with_one_spare_leave_as_many_serving_as_before(troupe: Troupe) -> None:
    one, two, spare = fleet(troupe)
    die(troupe, one)
    troupe.run(2)
    die(troupe, two)
    troupe.run(4)
    back = [troupe.shard(name, ticks=8) for name in ("shard-1", "shard-2")]
    states = [state_of(troupe, shard) for shard in (*back, spare)]
    # The one that comes first finds the place of the other one vacant.
    assert states == [ShardState.SERVING, ShardState.SPARE, ShardState.SERVING]
    assert SHARD_NONE not in troupe.owners()


def test_a_spare_takes_over_from_a_shard_that_has_died_before_it_came(troupe: Troupe) -> None:
    one, two = troupe.shard("shard-1", ticks=8), troupe.shard("shard-2", ticks=8)
    had = set(one.sectors), set(two.sectors)
    die(troupe, two)
    troupe.run(4)
    spare = troupe.shard("shard-3", spare=True, ticks=8)
    assert (one.sectors, spare.sectors) == had
    assert state_of(troupe, troupe.shard("shard-2", ticks=8)) is ShardState.SPARE


def test_a_spare_waits_although_a_shard_has_drained(troupe: Troupe) -> None:
    _, two = troupe.shard("shard-1", ticks=8), troupe.shard("shard-2", ticks=8)
    drain(troupe, two)
    troupe.run(4)
    say_farewell(troupe, two)
    troupe.run(4)
    spare = troupe.shard("shard-3", spare=True, ticks=8)
    assert state_of(troupe, spare) is ShardState.SPARE
    assert troupe.shard("shard-2", ticks=8).sectors


def test_who_gets_the_number_of_one_that_is_forgotten_does_not_wait_in_its_stead() -> None:
    troupe = Troupe(rocks(8, sectors=2))
    _, gone, _ = (troupe.shard(n, ticks=6, spare=n == "pod-c") for n in ("pod-a", "pod-b", "pod-c"))
    say_farewell(troupe, gone)
    troupe.run(3)
    numbers = troupe.core.shards.shards._numbers
    numbers |= {f"pod-{number}": number for number in range(4, SHARD_SLOTS_MAX + 1)}
    stranger = troupe.shard("pod-z", ticks=6)
    found = troupe.core.shards.shards.named("pod-z")
    assert found is not None
    assert found.shard == 2
    assert state_of(troupe, stranger) is ShardState.SERVING


def test_a_spare_alone_serves_and_the_next_one_waits_in_its_stead(troupe: Troupe) -> None:
    early = troupe.shard("shard-3", spare=True, ticks=8)
    assert state_of(troupe, early) is ShardState.SERVING
    assert set(troupe.owners()) == {early.number}
    one, two = troupe.shard("shard-1", ticks=8), troupe.shard("shard-2", ticks=8)
    assert state_of(troupe, one) is ShardState.SPARE
    assert state_of(troupe, two) is ShardState.SERVING
    assert two.sectors


def test_spares_that_come_when_all_others_have_died_take_over_from_them(troupe: Troupe) -> None:
    one, two = troupe.shard("shard-1", ticks=8), troupe.shard("shard-2", ticks=8)
    die(troupe, one)
    troupe.run(2)
    die(troupe, two)
    troupe.run(2)
    spare = troupe.shard("shard-3", spare=True, ticks=8)
    assert set(troupe.owners()) == {spare.number}
    back = [troupe.shard(name, ticks=8) for name in ("shard-1", "shard-2")]
    assert [state_of(troupe, shard) for shard in back] == [ShardState.SERVING, ShardState.SPARE]


def test_the_spare_that_was_heard_of_last_is_called(troupe: Troupe) -> None:
    one = troupe.shard("shard-1", ticks=8)
    lost, heard = (troupe.shard(name, spare=True, ticks=8) for name in ("shard-2", "shard-3"))
    lost.silent = True
    troupe.run(3)
    die(troupe, one)
    troupe.run(2)
    assert (heard.sectors > set(), lost.sectors) == (True, set())


def test_a_spare_that_is_to_leave_may_at_once_and_is_not_called(troupe: Troupe) -> None:
    one, two, spare = fleet(troupe)
    drain(troupe, spare)
    troupe.run(2)
    assert spare.heard["Dismiss"] == 1
    die(troupe, two)
    troupe.run(4)
    assert (spare.sectors, set(troupe.owners())) == (set(), {one.number})


def test_a_newer_session_of_one_that_serves_goes_on_although_it_says_it_is_a_spare(
    troupe: Troupe,
) -> None:
    one, _, spare = fleet(troupe)
    had = set(one.sectors)
    newer = troupe.shard("shard-1", spare=True, ticks=8)
    assert newer.sectors == had
    assert state_of(troupe, spare) is ShardState.SPARE
