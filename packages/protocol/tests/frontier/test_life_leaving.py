"""Who leaves in a fight leaves the ship behind for a while; who is back by then flies on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sidereal.game import (
    AUTHORITY,
    F4,
    SYSTEMS,
    U4,
    Authority,
    Component,
    Game,
    Motion,
    Player,
    Step,
    Transaction,
    field,
)
from sidereal.games import frontier
from sidereal.games.frontier.homes import LINGER_S, home
from sidereal.testing import World

LINK = {"delay_s": 0.05, "loss": 0.05}

STAY_S = 3.0


class Frame(Component):
    hp: F4 = field(100, low=0, high=100)


class Found(Component, writer=AUTHORITY):
    ore: U4


game = Game("escape", parts=[frontier.flight], ghost_range=200)
game.extend(frontier.SHIP, Frame(), Found())


@game.on_leave
def abandon(_world: Authority, player: Player) -> None:
    player.linger(STAY_S)


@game.system
def burn(step: Step) -> None:
    """Let hulls lose 100 a second east of x = 800."""
    ships = step.rows(frontier.SHIP)
    step[Frame].hp[ships] -= 100 * step.dt * (step[Motion].x[ships] > 800)


@game.system
def perish(step: Step) -> None:
    ships = step.rows(frontier.SHIP)
    step.despawn(ships[step[Frame].hp[ships] <= 0])


@game.system(every_s=1.0)
def load(step: Step) -> None:
    step.ask(dig, at=step.rows(frontier.SHIP))


@game.action(asked_by=SYSTEMS)
def dig(tx: Transaction) -> None:
    tx.add(tx.own, Found.ore, 1)


def speed(world: World, entity: int) -> float:
    return float(np.hypot(world[Motion].vx[entity], world[Motion].vy[entity]))


def test_a_ship_of_frontier_stays_for_ten_seconds(sidereal_world: Callable[..., World]) -> None:
    world = sidereal_world(Game("left", parts=[frontier.flight, home]))
    ann = world.join("ann")
    ship = ann.entity
    ann.leave()
    world.run(seconds=LINGER_S - 0.5)
    assert world.ids(frontier.SHIP).tolist() == [ship]
    world.run(seconds=1)
    assert world.count(frontier.SHIP) == 0


def test_a_ship_flies_on_without_its_pilot_over_a_border_and_is_parked_then(
    sidereal_world: Callable[..., World],
) -> None:
    world = sidereal_world(game, shards=2, link=LINK, seed=5)
    ann, bob = world.join("ann"), world.join("bob")
    assert np.cos(world[Motion].heading[ann.entity]) > 0.5
    world.place(ann.entity, x=-25, y=500)
    world.place(bob.entity, x=-100, y=400)
    ship = ann.entity
    ann.hold(thrust=1)
    world.run(seconds=0.5)
    ann.leave()
    world.run(seconds=1)
    drift, owner = speed(world, ship), world.owner(ship)
    assert drift > 20
    world.run(seconds=STAY_S - 1.5)
    assert speed(world, ship) == drift  # the stick is let go
    assert world.owner(ship) != owner
    assert bob.view.count("ship") == 2
    world.run(seconds=1.5)
    assert bob.view.count("ship") == world.count(frontier.SHIP) == 1
    ann = world.join("ann")
    assert world[Found].ore[ann.entity] >= STAY_S


def test_who_comes_back_in_time_flies_the_same_ship_at_once(
    sidereal_world: Callable[..., World],
) -> None:
    world = sidereal_world(game, shards=2, link=LINK)
    ann = world.join("ann")
    ship = ann.entity
    ann.hold(thrust=1)
    world.run(seconds=1)
    for _ in range(2):
        ann.leave()
        world.run(seconds=1)
        before = speed(world, ship)
        ann = world.join("ann")
        assert ann.entity == ship
        assert speed(world, ship) == before > 20
        ann.hold(brake=1)
        world.run(seconds=0.5)
        braked = speed(world, ship)
        assert braked < 0.8 * before
        ann.hold(thrust=1, brake=0)
        world.run(seconds=0.5)
        assert speed(world, ship) > braked + 8
    world.run(seconds=STAY_S)
    assert world.count(frontier.SHIP) == 1


def test_a_second_login_flies_on_as_the_first_has_flown(
    sidereal_world: Callable[..., World],
) -> None:
    world = sidereal_world(game, link=LINK)
    first = world.join("ann")
    ship = first.entity
    first.hold(thrust=1)
    world.run(seconds=1)
    before = speed(world, ship)
    second = world.join("ann")
    assert second.entity == ship
    assert speed(world, ship) >= before
    second.hold(brake=1)
    world.run(seconds=2)
    assert speed(world, ship) < 0.3 * before
    world.run(seconds=STAY_S)
    assert world.count(frontier.SHIP) == 1


def test_a_ship_that_lingers_can_be_lost_and_who_comes_back_has_a_new_one(
    sidereal_world: Callable[..., World],
) -> None:
    world = sidereal_world(game, link=LINK)
    ann = world.join("ann")
    wreck = ann.entity
    world.place(wreck, x=900, y=500)
    world.run(seconds=0.5)
    ann.leave()
    world.run(seconds=0.2)
    assert 0 < world[Frame].hp[wreck] < 90
    world.run(seconds=1)
    assert world.count(frontier.SHIP) == 0
    ann = world.join("ann")
    assert ann.entity not in (0, wreck)
    assert (world[Frame].hp[ann.entity], world.count(frontier.SHIP)) == (100, 1)


def test_a_server_that_starts_again_has_parked_what_lingered(
    sidereal_world: Callable[..., World],
) -> None:
    world = sidereal_world(game)
    ann = world.join("ann")
    world.run(seconds=2)
    had = int(world[Found].ore[ann.entity])
    ann.leave()
    world.run(seconds=1)
    assert world.count(frontier.SHIP) == 1
    world.restart()
    assert world.count(frontier.SHIP) == 0
    ann = world.join("ann")
    assert world[Found].ore[ann.entity] >= had > 0
