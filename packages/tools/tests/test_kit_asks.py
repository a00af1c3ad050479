"""What a test sees of a game's code that goes wrong, of calls that are refused, and of borders."""

from __future__ import annotations

import numpy as np
import pytest

import sidereal.testing
from sidereal.game import (
    AUTHORITY,
    PLAYERS,
    SHARD,
    SYSTEMS,
    U4,
    Authority,
    Body,
    Component,
    Game,
    Label,
    Motion,
    Pilot,
    Player,
    Step,
    Transaction,
    field,
)
from sidereal.testing import GameFailedError, Outcome, World


class Hold(Component, writer=AUTHORITY, name="asks.hold"):
    ore: U4 = field(0, low=0, high=12)


class Seen(Component, name="asks.seen"):
    ore: U4


base = Game("boats")
BOAT = base.kind("boat", Motion(), Body(radius=4), Label(), Pilot(), Hold(), Seen())


@base.on_join
def arrive(world: Authority, player: Player) -> None:
    player.fly(world.berth(player) or world.spawn(BOAT, Label(name=player.name), at=(-40.0, 500.0)))


@base.action(rate_hz=9, asked_by=PLAYERS | SYSTEMS)
def load(tx: Transaction, ore: int) -> None:
    tx.require(ore != 7, "nobody likes seven")
    tx.add(tx.own, Hold.ore, ore)


def test_an_action_that_raises_ends_the_test_with_its_traceback() -> None:
    game = Game("broken", parts=[base])

    @game.action(rate_hz=9)
    def divide(tx: Transaction) -> None:
        tx.add(tx.own, Hold.ore, 1 // (tx.own - tx.own))

    @game.action(rate_hz=9)
    def overreach(tx: Transaction) -> None:
        tx.set(tx.own, Seen.ore, 1)

    world = World(game)
    ann = world.join("ann")
    with pytest.raises(
        GameFailedError, match=r"action broken\.divide raised at .*ZeroDiv"
    ) as failed:
        world.call(ann, divide)
    assert "tx.add(tx.own, Hold.ore, 1 // (tx.own - tx.own))" in failed.value.__notes__[0]
    with pytest.raises(GameFailedError, match="shards write Seen: say writer=AUTHORITY"):
        world.call(ann, overreach)
    # Nothing of them has happened, and the world goes on.
    assert world.call(ann, load, ore=1).outcome is Outcome.DONE
    assert world[Hold].ore[ann.entity] == 1


def test_a_hook_or_a_timer_that_raises_ends_the_test() -> None:
    joins = Game("joins", parts=[base])

    @joins.on_join
    def stumble(world: Authority, player: Player) -> None:
        raise KeyError(player.name)

    with pytest.raises(GameFailedError, match=r"on_join .*stumble raised .*KeyError: 'ann'"):
        World(joins).join("ann")

    timers = Game("timers", parts=[base])

    @timers.every(1.0)
    def tick(world: Authority) -> None:
        world.after(0.5, explode)

    def explode(world: Authority) -> None:
        raise ValueError("so soon")

    world = World(timers)
    with pytest.raises(GameFailedError, match=r"after .*explode raised .*so soon"):
        world.run(seconds=3)


def test_a_rule_that_raises_ends_the_test() -> None:
    game = Game("ruled", parts=[base])

    @game.rule(Seen)
    def judge(before: Seen, after: Seen, dt: np.ndarray) -> np.ndarray:
        raise ValueError("no judge")

    @game.system
    def count(step: Step) -> None:
        step[Seen].ore[step.rows(Seen)] += 1

    world = World(game)
    world.spawn(BOAT)
    with pytest.raises(GameFailedError, match=r"rule ruled\.judge raised .*no judge"):
        world.run(seconds=1)


def test_a_test_sees_which_calls_of_systems_were_refused_and_why() -> None:
    game = Game("greedy", parts=[base])

    @game.system(every_s=1.0)
    def scoop(step: Step) -> None:
        step.ask(load, at=step.rows(BOAT), ore=5)

    world = World(game)
    first, second = world.spawn(BOAT), world.spawn(BOAT, Motion(x=30.0))
    world.run(seconds=5)
    assert world[Hold].ore[first] == world[Hold].ore[second] == 10
    refused = world.refused(load)
    assert {(each.why, each.calls) for each in refused} == {
        ("asks.hold.ore would be 15: it is 0 to 12", 2)
    }
    assert {each.entity for each in refused} == {first}
    assert [each.tick for each in refused] == sorted(each.tick for each in refused)
    with pytest.raises(LookupError, match="greedy has no action arrive"):
        world.refused(arrive)


def test_what_ends_in_the_tick_in_which_it_asks_asks_in_vain_and_that_is_seen() -> None:
    game = Game("hasty", parts=[base])
    wreck_kind = game.kind("wreck", Motion(), Hold(), spawned_by=SHARD)

    @game.system
    def settle(step: Step) -> None:
        rows = step.rows(wreck_kind)
        step.ask(load, at=rows, ore=1)
        step.despawn(rows)

    world = World(game)
    wreck = world.spawn(wreck_kind)
    world.run(seconds=1)
    assert world.count(wreck_kind) == 0
    (refused,) = world.refused(load)
    assert (refused.entity, refused.calls) == (wreck, 1)
    assert refused.why == "it has gone, or another shard simulates it by now"


def test_systems_of_both_sides_of_a_border_see_what_actions_write() -> None:
    game = Game("watched", parts=[base])

    @game.system
    def watch(step: Step) -> None:
        boats = step.rows(Seen)
        near = step.pairs(boats, step.seen(Hold), within=200.0)
        step[Seen].ore[boats] = 0
        np.add.at(step[Seen].ore, near.a, step[Hold].ore[near.b])

    world = World(game, shards=2, link={"delay_s": 0.05, "loss": 0.1})
    ann = world.join("ann")
    beside = world.spawn(BOAT, Motion(x=40.0, y=500.0))
    world.run(seconds=2)
    assert (world.owner(ann.entity), world.owner(beside)) == (0, 1)
    world.call(ann, load, ore=9)
    world.run(seconds=2)
    assert world[Hold].ore[ann.entity] == 9
    # Who is near to somebody is never that one itself.
    assert (world[Seen].ore[ann.entity], world[Seen].ore[beside]) == (0, 9)


def test_shards_share_an_empty_world_at_known_borders() -> None:
    world = World(base, shards=3)
    at = (-900.0, -10.0, 10.0, 990.0, 1010.0, 2500.0)
    boats = [world.spawn(BOAT, Motion(x=x, y=500.0)) for x in at]
    world.run(ticks=5)
    assert [world.owner(boat) for boat in boats] == [0, 0, 1, 1, 2, 2]
    world.kill(1)
    world.run(seconds=3)
    assert {world.owner(boat) for boat in boats} == {0, 2}


def test_who_is_put_across_a_border_goes_on_there_at_once() -> None:
    world = World(base, shards=2, link={"delay_s": 0.05, "loss": 0.1})
    ann = world.join("ann")
    world.run(seconds=1)
    assert world.owner(ann.entity) == 0
    world.place(ann.entity, x=1500.0, y=-300.0)
    world.run(seconds=2)
    assert world.owner(ann.entity) == 1
    assert (world[Motion].x[ann.entity], world[Motion].y[ann.entity]) == (1500.0, -300.0)
    assert ann.view[Motion].x[ann.entity] == pytest.approx(1500.0, abs=0.1)
    with pytest.raises(LookupError, match="entity 999 is not there"):
        world.place(999, x=0.0, y=0.0)


def test_what_has_no_body_is_in_nobody_s_way() -> None:
    game = Game("marked", parts=[base])
    mark = game.kind("mark", Motion())
    world = World(game)
    ann = world.join("ann")
    world.spawn(mark, Motion(x=-40.0, y=500.0))
    ann.leave()
    world.run(seconds=1)
    again = world.join("ann")
    assert world[Motion].x[again.entity] == -40.0
    again.leave()
    world.spawn(BOAT, Motion(x=-40.0, y=500.0))
    world.run(seconds=1)
    third = world.join("ann")
    assert np.hypot(world[Motion].x[third.entity] + 40.0, world[Motion].y[third.entity] - 500.0) > 8


def test_the_names_of_a_test_come_from_one_place() -> None:
    names = {name for name in dir(sidereal.testing) if name[0].isupper()}
    assert names == {
        "BrokenWorldError",
        "GameFailedError",
        "Outcome",
        "Player",
        "ReceiptCame",
        "Refused",
        "World",
    }
