"""What ships sell and have mended in Frontier, exactly once, and in which words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sidereal.game import Game, Motion, Stage, Step, Transaction
from sidereal.games import frontier
from sidereal.games.frontier.fight.armour import Hull, armour
from sidereal.games.frontier.fight.missiles import Loaded, Magazine, Supplied, missiles
from sidereal.games.frontier.fight.shots import shots
from sidereal.games.frontier.ore.books import Books, books
from sidereal.games.frontier.ore.cargo import Hold, cargo
from sidereal.games.frontier.trade.docking import NO_HULL, NOT_DOCKED, WORDS, docking
from sidereal.games.frontier.trade.market import (
    GLUT_HALF_LIFE,
    PRICE_FULL,
    Market,
    Mended,
    Paid,
    Purse,
    glut,
    market,
    mend,
    price,
    sell,
    worth,
)
from sidereal.games.frontier.trade.stations import STATION, Docked, stations
from sidereal.games.frontier.traffic.kinds import TRADER, traffic
from sidereal.testing import Outcome, Player, World

Worlds = Callable[..., World]
LINK = {"delay_s": 0.1, "loss": 0.03}

game = Game(
    "trade",
    parts=[
        frontier.flight,
        traffic,
        armour,
        shots,
        missiles,
        cargo,
        books,
        stations,
        market,
        docking,
    ],
)


@game.action(rate_hz=20)
def load(tx: Transaction, ore: int) -> None:
    tx.add(tx.own, Hold.ore, ore)


@game.action(rate_hz=20)
def endow(tx: Transaction, credits: int) -> None:
    tx.add(tx.account, Purse.credits, credits)


@game.system
def strike(step: Step) -> None:
    """Hurt who fires."""
    rows = step.rows(frontier.SHIP)
    rows = rows[step[frontier.Stick].fire[rows] > 0]
    step[Hull].hp[rows] -= 40


@game.system(Stage.TICK)
def trade(step: Step) -> None:
    """Let traders sell all the time."""
    step[frontier.Stick].sell[step.rows(TRADER)] = 1


def dock(world: World, ann: Player) -> int:
    """Dock a ship at a new station, and give the station."""
    station = world.spawn(STATION, Motion(x=200, y=300))
    world.place(ann.entity, x=270, y=300)
    world.run(seconds=0.6)
    ann.press("dock")
    world.run(seconds=1)
    assert world[Docked].at[ann.entity] == station
    return station


def goods(world: World, ann: Player) -> tuple[int, int]:
    """Give ore in the hold, and credits."""
    return int(world[Hold].ore[ann.entity]), int(world.of_account(ann, Purse).credits)


def pressed(world: World, ann: Player, *names: str, seconds: float = 1.0) -> str:
    """Press something, and give the newest line that is told then."""
    ann.press(*names)
    world.run(seconds=seconds)
    return ann.told[-1]


def test_who_has_no_hull_sells_nothing_and_pays_for_nothing(sidereal_world: Worlds) -> None:
    world = sidereal_world(game)
    ann = world.join("ann")
    dock(world, ann)
    world.call(ann, load, ore=9)
    world.call(ann, endow, credits=50)
    for _ in range(3):
        ann.press("fire")
        world.run(seconds=0.3)
    assert world[Hull].hp[ann.entity] == 0
    for name in ("mend", "sell"):
        assert pressed(world, ann, name, seconds=0.5) == WORDS[NO_HULL]
    assert goods(world, ann) == (9, 50)


def test_ore_is_sold_once_for_less_and_less_and_stays_sold(sidereal_world: Worlds) -> None:
    world = sidereal_world(game, link=LINK)
    ann = world.join("ann")
    world.run(seconds=0.6)
    assert pressed(world, ann, "sell") == WORDS[NOT_DOCKED]
    station = dock(world, ann)
    words = "the hold is empty; the station pays 10.0 for a tonne now"
    assert pressed(world, ann, "sell") == words
    assert world.call(ann, load, ore=50).outcome is Outcome.DONE
    world.run(seconds=0.5)
    lines = len(ann.told)
    ann.press("sell")
    world.run(seconds=0.05)
    ann.press("sell")
    world.run(seconds=1)
    assert worth(50, 0) == 405
    assert ann.told[lines].startswith("sold 50 t of ore for 405 credits: you have 405; ")
    assert world.of_account(ann, Purse).credits == ann.of_account(Purse).credits == 405
    assert world[Hold].ore[ann.entity] == 0
    assert world[Market].glut[station] == pytest.approx(50, abs=0.1)
    world.call(ann, load, ore=50)
    world.run(seconds=0.5)
    pressed(world, ann, "sell")
    earned = int(world.of_account(ann, Purse).credits)
    assert 405 + worth(50, 50) <= earned < 405 + 405 * 0.75
    assert world.of_world(Books).sold == 100
    world.restart()
    world.run(seconds=4)
    assert world.of_account(ann, Purse).credits == earned
    assert world[Market].glut[world.ids(STATION)[0]] > 90
    assert world[Hold].ore[ann.entity] == 0
    assert world.refused(sell) == []


def test_a_price_falls_with_what_is_sold_and_recovers() -> None:
    sold = Market(glut=np.array([100.0, 100.0]), at=np.array([40, 40 + GLUT_HALF_LIFE]))
    assert glut(sold, 40 + GLUT_HALF_LIFE).tolist() == [50, 100]
    assert price(np.array([0.0, 100.0])).tolist() == [PRICE_FULL, PRICE_FULL / 2]
    assert worth(10, 0) + worth(10, 10) <= worth(20, 0) <= worth(10, 0) + worth(10, 10) + 1


def test_who_has_no_account_sells_without_a_purse(sidereal_world: Worlds) -> None:
    world = sidereal_world(game, shards=2)
    station = world.spawn(STATION, Motion(x=-30, y=300))
    world.spawn(TRADER, Motion(x=30, y=300), Hold(ore=20), Docked(at=station, x=30, y=300))
    world.run(seconds=1)
    assert world[Hold].ore[world.ids(TRADER)[0]] == 0
    assert world[Market].glut[station] == pytest.approx(20, abs=0.1)
    assert world.refused(sell) == []


def test_a_ship_is_mended_and_supplied_as_far_as_credits_reach_and_pays_once(
    sidereal_world: Worlds,
) -> None:
    world = sidereal_world(game, link=LINK)
    ann = world.join("ann")
    world.run(seconds=0.6)
    for _ in range(2):
        ann.press("fire")  # which costs 40 hp in this game
        world.run(seconds=0.6)
    assert (world[Hull].hp[ann.entity], world[Magazine].left[ann.entity]) == (20, 4)
    dock(world, ann)
    assert pressed(world, ann, "mend") == (
        "mending costs 1 credit for each hp, and 20 for a missile: you have 0"
    )
    world.call(ann, endow, credits=25)
    ann.press("mend")
    world.run(seconds=0.1)
    assert pressed(world, ann, "mend") == "they are still at work"
    told = "mended 25 of 80 hp, loaded 0 of 2 missiles: you have 0 credits left"
    assert ann.told[-2] == told
    assert world[Hull].hp[ann.entity] == 45
    world.call(ann, endow, credits=90)
    world.run(seconds=1.5)
    told = "mended 55 of 55 hp, loaded 1 of 2 missiles: you have 15 credits left"
    assert pressed(world, ann, "mend") == told
    world.run(seconds=0.3)
    assert (world[Hull].hp[ann.entity], world[Magazine].left[ann.entity]) == (100, 5)
    assert world[Paid].hull[ann.entity] == world[Mended].hull[ann.entity] == 80
    assert world[Supplied].missiles[ann.entity] == world[Loaded].missiles[ann.entity] == 1
    assert world.refused(mend) == []


def test_a_sale_whose_shard_dies_is_done_once_or_can_be_asked_for_again(
    sidereal_world: Worlds,
) -> None:
    world = sidereal_world(game, shards=2)
    ann = world.join("ann")
    dock(world, ann)
    world.call(ann, load, ore=50)
    world.run(seconds=0.3)
    ann.press("sell")
    world.run(seconds=0.05)
    world.kill(world.owner(ann.entity))
    world.run(seconds=2)
    assert goods(world, ann) in ((0, 405), (50, 0))
    pressed(world, ann, "sell")
    assert goods(world, ann) == (0, 405)
