"""Guns: what is held shoots, what is hit is hurt once, and no border is in the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sidereal.game import Body, Game, Motion, Stage, Step
from sidereal.games import frontier
from sidereal.games.frontier.asteroids import ASTEROID, rocks
from sidereal.games.frontier.fight.armour import HULL_MAX, SHIELD_MAX, Hull, Shield, armour
from sidereal.games.frontier.fight.guns import BULLET, DAMAGE, LIFE, RELOAD, guns
from sidereal.games.frontier.fight.guns import RADIUS as BULLET_RADIUS
from sidereal.games.frontier.fight.shots import Hit, shots
from sidereal.games.frontier.ships import SHIP, Stick, flight
from sidereal.games.frontier.trade.stations import STATION, Docked, stations
from sidereal.games.frontier.traffic.kinds import PIRATE, TRADER, traffic
from sidereal.testing.player import Player
from sidereal.testing.world import World

game = Game("gunfight", parts=[flight, rocks, traffic, stations, armour, shots, guns])
gunners = Game("gunners", parts=[game])
FAR = {"delay_s": 0.1}
BAD: Any = {"delay_s": 0.05, "loss": 0.05}


@gunners.system(Stage.STEER)
def hold_the_trigger(step: Step) -> None:
    """Let pirates shoot all the time."""
    step[Stick].shoot[step.rows(PIRATE)] = 1


def lost(world: World, ship: int) -> float:
    """What a ship has lost of its armour, hp."""
    shield, hull = world[Shield].hp[ship], world[Hull].hp[ship]
    return float(SHIELD_MAX + HULL_MAX - shield - hull)


def shoot_at(world: World, player: Player, x: float, y: float, *, ticks: int) -> None:
    """Let a player hold the trigger and point at a place."""
    here = world[Motion]
    aim = np.arctan2(y - here.y[player.entity], x - here.x[player.entity])
    player.hold(aimed=1, aim=float(aim))
    world.run(ticks=ticks)
    player.hold(aimed=0)


def test_own_shots_are_seen_at_once_and_come_as_fast_as_the_gun_reloads() -> None:
    world = World(game, link=FAR)
    ann = world.join("ann")
    ann.hold(shoot=1)
    world.run(seconds=0.1)
    assert ann.view.count(BULLET) >= 1  # no answer can be back yet
    world.run(seconds=0.8)
    ann.hold(shoot=0)
    assert abs(world.count(BULLET) - 16 / RELOAD) <= 2
    world.run(ticks=LIFE + 12)
    assert world.count(BULLET) == ann.view.count(BULLET) == 0


def test_own_shots_are_drawn_no_farther_than_to_the_rock_that_is_drawn_there() -> None:
    world = World(game, link=FAR)
    ann = world.join("ann")
    world.place(ann.entity, x=0, y=0)
    rock = world.spawn(ASTEROID, Motion(x=60), Body(radius=12, mass=1e6))
    world.run(seconds=1)
    ann.hold(aimed=1, aim=0.0)
    seen = []
    for tick in range(40):
        world.run(ticks=1)
        view, bullets = ann.view, ann.view.ids(BULLET)
        edge = view[Motion].x[rock] - 12 - BULLET_RADIUS
        assert (view[Motion].x[bullets] < edge).all(), tick
        seen.append(len(bullets))
    assert seen[0] == 1  # in the frame of the press
    assert max(seen) >= 2
    assert len(world.events(Hit).x) >= 5


def test_bullets_fly_where_the_pilot_points_or_else_ahead() -> None:
    world = World(game)
    ann = world.join("ann")
    heading = float(world[Motion].heading[ann.entity])
    for controls, course in (({}, heading), ({"aimed": 1, "aim": 2.0}, 2.0)):
        ann.hold(shoot=1, **controls)
        world.run(seconds=0.3)
        ann.hold(shoot=0, aimed=0)
        motion, bullets = world[Motion], world.ids(BULLET)
        flown = np.arctan2(motion.vy[bullets], motion.vx[bullets])
        off = np.angle(np.exp(1j * (flown - course)))
        assert len(bullets)
        assert np.abs(off).max() < 0.01
        world.run(ticks=LIFE + 10)


@pytest.mark.parametrize(
    ("place", "link"), [((60.0, 500.0), None), ((6.0, 500.0), BAD), ((4.0, 1003.0), BAD)]
)
def test_every_bullet_that_hits_hurts_once_also_over_borders(
    place: tuple[float, float], link: Any
) -> None:
    world = World(game, shards=2, link=link)
    ann = world.join("ann")
    x, y = place
    world.place(ann.entity, x=-60, y=y)
    target = world.spawn(TRADER, Motion(x=x, y=y))
    world.run(seconds=0.3)
    shoot_at(world, ann, x, y, ticks=26)
    world.run(ticks=LIFE)
    hits = world.events(Hit)
    assert len(hits.x) >= 5
    assert world.count(BULLET) == 0
    assert lost(world, target) == DAMAGE * len(hits.x)
    assert lost(world, ann.entity) == 0
    if link is None:
        assert len(ann.events(Hit).x) == len(hits.x)


def test_who_is_docked_shoots_nothing_and_takes_no_harm_and_rocks_stop_bullets() -> None:
    world = World(game)
    station = world.spawn(STATION, Motion(x=500, y=500))
    ann, bob = world.join("ann"), world.join("bob")
    world.place(ann.entity, x=0, y=0)
    world.place(bob.entity, x=0, y=-900)
    safe = world.spawn(SHIP, Motion(x=80), Docked(at=station))
    behind = world.spawn(SHIP, Motion(y=140))
    world.spawn(ASTEROID, Motion(y=80))
    world.run(seconds=0.2)
    shoot_at(world, ann, 80, 0, ticks=12)
    world.run(seconds=0.6)
    assert len(world.events(Hit).x) >= 2
    assert lost(world, safe) == 0
    shoot_at(world, ann, 0, 80, ticks=12)
    world.run(seconds=0.7)
    assert lost(world, behind) == 0
    assert world.count(BULLET) == 0


def test_what_computers_hold_shoots_too() -> None:
    world = World(gunners, shards=2)
    world.spawn(PIRATE, Motion(x=-50))
    target = world.spawn(SHIP, Motion(x=40))
    world.run(seconds=1.5)
    assert lost(world, target) >= 3 * DAMAGE
    assert lost(world, target) == DAMAGE * len(world.events(Hit).x)


@pytest.mark.parametrize("shards", [1, 2])
def test_two_bullets_that_hit_a_ship_in_one_tick_hurt_it_twice(shards: int) -> None:
    world = World(gunners, shards=shards)
    world.spawn(PIRATE, Motion(x=-70, y=500))
    world.spawn(PIRATE, Motion(x=70, y=500, heading=np.pi))
    target = world.spawn(SHIP, Motion(y=500))
    world.run(seconds=1)
    hits = world.events(Hit)
    _, count = np.unique(hits.tick, return_counts=True)
    assert len(count) >= 3
    assert (count == 2).all()
    assert lost(world, target) == DAMAGE * len(hits.tick)


def test_the_dead_and_the_docked_do_not_shoot() -> None:
    world = World(gunners)
    station = world.spawn(STATION, Motion(x=500, y=500))
    world.spawn(PIRATE, Motion(x=-50), Docked(at=station))
    world.spawn(PIRATE, Motion(x=-50, y=50), Hull(hp=0))
    world.run(seconds=0.5)
    assert world.count(BULLET) == 0


def test_a_game_of_ones_own_has_fights_by_these_parts() -> None:
    own = Game(
        "own",
        parts=[
            *(frontier.flight, frontier.stations, frontier.armour, frontier.shots),
            *(frontier.guns, frontier.missiles),
        ],
    )
    world = World(own)
    ann = world.join("ann")
    heading = float(world[Motion].heading[ann.entity])
    world.place(ann.entity, x=0, y=0)
    target = world.spawn(SHIP, Motion(x=80 * np.cos(heading), y=80 * np.sin(heading)))
    world.run(seconds=0.2)
    ann.press("fire")
    ann.hold(shoot=1)
    world.run(ticks=10)
    ann.hold(shoot=0)
    world.run(seconds=0.7)
    assert lost(world, target) >= 2 * DAMAGE
