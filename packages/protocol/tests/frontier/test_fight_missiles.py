"""Missiles: they home, burst once, and come out of a magazine that is paid for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sidereal.game import Game, Motion, Stage, Step, Transaction
from sidereal.games.frontier.asteroids import rocks
from sidereal.games.frontier.fight.armour import HULL_MAX, SHIELD_MAX, Hull, Shield, armour
from sidereal.games.frontier.fight.missiles import (
    DAMAGE,
    LIFE,
    MAGAZINE,
    MISSILE,
    RELOAD,
    SIGHT,
    Magazine,
    Supplied,
    missiles,
)
from sidereal.games.frontier.fight.shots import Hit, shots
from sidereal.games.frontier.ships import SHIP, Stick, flight
from sidereal.games.frontier.trade.stations import STATION, Docked, stations
from sidereal.games.frontier.traffic.kinds import PIRATE, TRADER, traffic
from sidereal.testing.world import World

parts = [flight, rocks, traffic, stations, armour, shots, missiles]
game = Game("range", parts=parts, ghost_range=SIGHT)
raid = Game("raid", parts=[game], ghost_range=SIGHT)
BAD: Any = {"delay_s": 0.05, "loss": 0.05}


@game.action(rate_hz=10)
def buy(tx: Transaction, count: int) -> None:
    """Sell missiles for nothing."""
    tx.add(tx.own, Supplied.missiles, count)


@raid.system(Stage.STEER)
def fire_always(step: Step) -> None:
    """Let pirates press all the time."""
    step[Stick].fire[step.rows(PIRATE)] = 1


def lost(world: World, ship: int) -> float:
    """What a ship has lost of its armour, hp."""
    return float(SHIELD_MAX + HULL_MAX - world[Shield].hp[ship] - world[Hull].hp[ship])


@pytest.mark.parametrize("y", [500.0, 1000.0])
def test_a_missile_homes_over_a_border_and_hurts_once_whom_it_strikes(y: float) -> None:
    world = World(game, shards=2, link=BAD)
    ann = world.join("ann")
    heading = float(world[Motion].heading[ann.entity])
    ahead = heading + 0.5  # not quite
    world.place(ann.entity, x=-90 * np.cos(ahead), y=y - 90 * np.sin(ahead))
    target = world.spawn(TRADER, Motion(x=90 * np.cos(ahead), y=y + 90 * np.sin(ahead)))
    world.run(seconds=0.5)
    assert world.owner(ann.entity) != world.owner(target)
    ann.press("fire")
    world.run(seconds=2.3)
    assert lost(world, target) == DAMAGE
    assert lost(world, ann.entity) == 0
    assert world.count(MISSILE) == 0
    assert len(world.events(Hit).x) == len(ann.events(Hit).x) == 1


def test_the_pilot_sees_the_missile_at_once_and_the_magazine_runs_empty_and_is_filled() -> None:
    world = World(game, link={"delay_s": 0.1})
    ann = world.join("ann")
    ann.press("fire")
    world.run(seconds=0.1)
    assert ann.view.count(MISSILE) == 1  # no answer can be back yet
    assert ann.view[Magazine].left[ann.entity] == MAGAZINE - 1
    for _ in range(MAGAZINE + 1):
        world.run(ticks=RELOAD)
        ann.press("fire")
    world.run(seconds=0.3)
    assert world[Magazine].left[ann.entity] == 0
    world.run(ticks=LIFE)
    assert world.count(MISSILE) == ann.view.count(MISSILE) == 0
    world.call(ann, buy, count=2)
    world.run(seconds=0.5)
    assert world[Magazine].left[ann.entity] == 2
    ann.press("fire")
    world.call(ann, buy, count=MAGAZINE)
    world.run(seconds=0.5)
    assert world[Magazine].left[ann.entity] == MAGAZINE


def test_missiles_spare_who_is_docked_and_who_is_docked_or_dead_fires_none() -> None:
    world = World(raid)
    station = world.spawn(STATION, Motion(x=900, y=900))
    pirate = world.spawn(PIRATE, Motion())
    near = world.spawn(SHIP, Motion(x=120, y=-40), Docked(at=station, x=120, y=-40))
    far = world.spawn(SHIP, Motion(x=200, y=40))
    docked = world.spawn(PIRATE, Motion(y=500), Docked(at=station, y=500))
    dead = world.spawn(PIRATE, Motion(y=-500), Hull(hp=0))
    world.run(seconds=2.5)
    assert lost(world, near) == 0
    assert lost(world, far) >= DAMAGE
    assert lost(world, far) == DAMAGE * len(world.events(Hit).x)
    assert world[Magazine].left[pirate] < MAGAZINE
    assert world[Magazine].left[docked] == world[Magazine].left[dead] == MAGAZINE
