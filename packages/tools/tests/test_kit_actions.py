"""A game with actions, as its author tests it: an economy of two actions and a word in between."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pytest

from sidereal.game import (
    AUTHORITY,
    PILOT,
    SYSTEMS,
    U4,
    Authority,
    Body,
    Component,
    Game,
    Label,
    Meta,
    Motion,
    Pilot,
    Player,
    Step,
    Transaction,
    field,
)
from sidereal.games import frontier
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.message.player import Outcome
from sidereal.testing.world import World

PRICE = 3


class Hold(Component, writer=AUTHORITY, audience=PILOT, name="market.hold"):
    ore: U4 = field(20, low=0, high=500)


class Purse(Component, writer=AUTHORITY, audience=PILOT, name="market.purse"):
    credits: U4


class Market(Component, writer=AUTHORITY, name="market.market"):
    sold: U4


market = Game("market")
STATION = market.kind("station", Motion(), Body(radius=20))
BARGE = market.kind("barge", Motion(), Body(radius=6), Label(), Pilot(), Hold())
market.account(Purse())
market.shared(Market())


@market.on_join
def arrive(world: Authority, player: Player) -> None:
    at = world.free_spot(radius=6, near=(0.0, 0.0))
    player.fly(world.berth(player) or world.spawn(BARGE, Label(name=player.name), at=at))


@market.action(rate_hz=2)
def sell(tx: Transaction, station: int, ore: Annotated[int, Meta(ge=1, le=500)]) -> None:
    tx.require(tx.near(tx.own, station, 80), "dock first")
    tx.add(tx.own, Hold.ore, -ore)
    tx.add(tx.account, Purse.credits, ore * PRICE)
    tx.add(tx.shared, Market.sold, ore)
    tx.tell(f"{tx.name} sold {ore}")


LINK = {"delay_s": 0.05, "loss": 0.1}


def test_a_sale_moves_ore_and_credits_once_or_not_at_all() -> None:
    world = World(market, link=LINK)
    station = world.spawn(STATION, Motion(x=40.0))
    ann = world.join("ann")
    receipt = world.call(ann, sell, station=station, ore=12)
    assert (receipt.outcome, receipt.text) == (Outcome.DONE, "")
    assert world[Hold].ore[ann.entity] == 8
    assert world.of_account(ann, Purse).credits == 36
    assert world.of_world(Market).sold == 12
    assert ann.of_account(Purse).credits == 36
    assert ann.of_world(Market).sold == 12
    assert ann.told == ["ann sold 12"]

    receipt = world.call(ann, sell, station=station, ore=9)
    assert receipt.outcome is Outcome.REFUSED
    assert receipt.text == "market.hold.ore would be -1: it is 0 to 500"
    assert world.of_account(ann, Purse).credits == 36


def test_who_is_far_away_is_refused_in_the_games_words() -> None:
    world = World(market)
    station = world.spawn(STATION, Motion(x=400.0))
    ann = world.join("ann")
    assert world.call(ann, sell, station=station, ore=1).text == "dock first"
    assert world.call(ann, sell, station=0, ore=1).text == "dock first"
    assert "at `ore`" in world.call(ann, sell, station=station, ore=501).text


def test_what_was_sold_stays_sold_when_the_seller_comes_back() -> None:
    world = World(market)
    station = world.spawn(STATION, Motion(x=40.0))
    ann = world.join("ann")
    world.call(ann, sell, station=station, ore=12)
    ann.leave()
    world.run(seconds=2)
    assert world.count(BARGE) == 0
    again = world.join("ann")
    assert world[Hold].ore[again.entity] == 8
    assert world.of_account(again, Purse).credits == 36


def test_a_sale_survives_the_end_of_the_server() -> None:
    world = World(market)
    station = world.spawn(STATION, Motion(x=40.0))
    ann = world.join("ann")
    world.call(ann, sell, station=station, ore=12)
    world.restart()
    world.run(seconds=5)
    assert world[Hold].ore[ann.entity] == 8
    assert world.of_account(ann, Purse).credits == 36


def test_what_was_asked_before_the_server_ended_is_done_once() -> None:
    """The server ends at every moment from the call on, before and after the commit."""
    for ticks in range(8):
        world = World(market, seed=ticks)
        station = world.spawn(STATION, Motion(x=40.0))
        world.run(seconds=1)
        ann = world.join("ann")
        key = ann.call(sell, station=station, ore=12)
        world.run(ticks=ticks)
        world.restart()
        world.run(seconds=8)
        receipt = ann.receipt(key)
        assert receipt is not None
        # Ids are given anew at a start: where the call did not come through, it names nobody now.
        sold = receipt.outcome is Outcome.DONE
        assert world.of_world(Market).sold == 12 * sold
        assert world[Hold].ore[ann.entity] == 20 - 12 * sold


def test_what_there_is_not_to_ask_for_is_said_at_once() -> None:
    world = World(market)
    ann = world.join("ann")
    with pytest.raises(LookupError, match="market has no action arrive"):
        world.call(ann, arrive)
    with pytest.raises(LocalProtocolError, match="station"):
        world.call(ann, sell, ore=1)


def test_the_talk_of_the_game_that_ships_is_heard_by_those_near() -> None:
    world = World(frontier.game, world="empty")
    ann, bob = world.join("ann"), world.join("bob")
    receipt = world.call(ann, frontier.say, text="hello [red]wörld")
    world.run(seconds=1)
    assert receipt.outcome is Outcome.DONE
    assert ann.told == bob.told == ["ann: hello [red]wörld"]
    for text in ("\x1b[2J", "two\nlines", "\u202egnp.exe"):
        refused = world.call(ann, frontier.say, text=text)
        assert refused.text == "a line is made of printable characters"
    assert "at `text`" in world.call(ann, frontier.say, text="x" * 241).text
    assert bob.told == ["ann: hello [red]wörld"]


def test_a_system_asks_for_what_only_an_action_may_do() -> None:
    mining = Game("mining", parts=[market])

    @mining.action(asked_by=SYSTEMS)
    def load(tx: Transaction, ore: Annotated[int, Meta(ge=1, le=9)]) -> None:
        tx.add(tx.own, Hold.ore, ore)
        tx.add(tx.account, Purse.credits, 1)
        tx.tell(f"{tx.name} loads {ore}")

    @mining.system(every_s=1.0)
    def scoop(step: Step) -> None:
        rows = step.rows(BARGE)
        step.ask(load, at=rows, ore=np.full(len(rows), 5))

    world = World(mining, link={"delay_s": 0.05, "loss": 0.05})
    ann = world.join("ann")
    world.run(seconds=5)
    loaded = int(world[Hold].ore[ann.entity]) - 20
    assert loaded >= 15
    assert world.of_account(ann, Purse).credits == loaded / 5
    assert set(ann.told) == {"ann loads 5"}


def test_what_is_bought_is_there_and_survives_the_end_of_the_server() -> None:
    yard = Game("yard", parts=[market])

    @yard.action(rate_hz=1)
    def build(tx: Transaction, x: float, y: float) -> None:
        tx.require(tx.get(tx.own, Hold.ore) >= 15, "a station takes 15 ore")
        tx.add(tx.own, Hold.ore, -15)
        tx.spawn(STATION, at=(x, y))

    world = World(yard)
    ann = world.join("ann")
    assert world.call(ann, build, x=300.0, y=0.0).outcome is Outcome.DONE
    assert world.call(ann, build, x=400.0, y=0.0).text == "a station takes 15 ore"
    (station,) = world.ids(STATION)
    assert world[Motion].x[station] == 300.0
    world.restart()
    world.run(seconds=5)
    (station,) = world.ids(STATION)
    assert world[Motion].x[station] == 300.0
    assert world[Hold].ore[ann.entity] == 5
