"""Who docks in Frontier is held and safe until it leaves; who can't is told why."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sidereal.game import Game, Motion, Step
from sidereal.games import frontier
from sidereal.games.frontier.fight.armour import Hull, Shield, armour
from sidereal.games.frontier.trade.docking import OUT_OF_REACH, TOO_FAST, WORDS, dock, docking
from sidereal.games.frontier.trade.stations import STATION, Docked, stations
from sidereal.games.frontier.traffic.kinds import TRADER, traffic
from sidereal.testing import Player, World

Worlds = Callable[..., World]

game = Game("docks", parts=[frontier.flight, traffic, armour, stations, docking])
LINK = {"delay_s": 0.1, "loss": 0.03}


def at_a_station(make: Worlds, **how: object) -> tuple[World, Player, int]:
    """Make a world with a ship beside a station, 70 units from its middle."""
    world = make(game, shards=2, **how)
    ann = world.join("ann")
    station = world.spawn(STATION, Motion(x=-60, y=300))
    world.place(ann.entity, x=10, y=300)
    world.run(seconds=0.5)
    return world, ann, station


def place_of(world: World, entity: int) -> tuple[float, float]:
    return float(world[Motion].x[entity]), float(world[Motion].y[entity])


def test_two_quick_presses_dock_once_and_a_docked_ship_is_held_for_its_pilot_too(
    sidereal_world: Worlds,
) -> None:
    world, ann, station = at_a_station(sidereal_world, link=LINK)
    ann.press("dock")
    world.run(seconds=0.15)
    ann.press("dock")  # before the answer to the first one is there
    world.run(seconds=1)
    assert world[Docked].at[ann.entity] == station
    assert len(ann.told) == 1
    place = place_of(world, ann.entity)
    ann.hold(thrust=1, turn=1)
    for _ in range(5):
        world.run(seconds=0.1)
        seen = ann.view[Motion]
        assert (seen.x[ann.entity], seen.y[ann.entity]) == pytest.approx(place, abs=0.1)
    assert place_of(world, ann.entity) == pytest.approx(place, abs=0.1)
    ann.press("dock")
    world.run(seconds=1.5)
    assert world[Docked].at[ann.entity] == 0
    assert np.hypot(*np.subtract(place_of(world, ann.entity), place)) > 10


def test_who_is_too_far_or_too_fast_does_not_dock_and_is_told_once_a_second(
    sidereal_world: Worlds,
) -> None:
    world, ann, _ = at_a_station(sidereal_world)
    world.place(ann.entity, x=60, y=300)
    world.run(seconds=0.3)
    for _ in range(5):
        ann.press("dock")
        world.run(seconds=0.1)
    world.run(seconds=0.5)
    assert ann.told == [WORDS[OUT_OF_REACH]]
    world.place(ann.entity, x=-60, y=360)
    world.run(seconds=0.5)
    ann.hold(thrust=1)
    world.run(seconds=0.5)
    ann.press("dock")
    world.run(seconds=0.5)
    assert ann.told == [WORDS[OUT_OF_REACH], WORDS[TOO_FAST]]
    assert world[Docked].at[ann.entity] == 0
    assert world.refused(dock) == []


def test_who_has_no_hull_left_does_not_dock(sidereal_world: Worlds) -> None:
    wrecks = Game("wrecks", parts=[game])

    @wrecks.system
    def break_up(step: Step) -> None:
        step[Hull].hp[step.rows(frontier.SHIP)] = 0

    world = sidereal_world(wrecks)
    ann = world.join("ann")
    world.spawn(STATION, Motion(x=-60, y=300))
    world.place(ann.entity, x=10, y=300)
    world.run(seconds=0.3)
    ann.press("dock")
    world.run(seconds=0.5)
    assert world[Docked].at[ann.entity] == 0


def test_a_docked_ship_that_is_rammed_stays_and_is_not_hurt(sidereal_world: Worlds) -> None:
    world, ann, station = at_a_station(sidereal_world)
    ann.press("dock")
    world.run(seconds=0.5)
    place = place_of(world, ann.entity)
    rammer = world.spawn(TRADER, Motion(x=110, y=302, vx=-110))
    world.run(seconds=1.5)
    assert world[Motion].vx[rammer] > 0
    assert world[Shield].hp[rammer] < 50
    assert (world[Hull].hp[ann.entity], world[Shield].hp[ann.entity]) == (100, 50)
    assert place_of(world, ann.entity) == pytest.approx(place, abs=0.1)
    assert world[Docked].at[ann.entity] == station


def test_who_comes_back_and_who_lives_through_a_restart_is_still_docked(
    sidereal_world: Worlds,
) -> None:
    world, ann, station = at_a_station(sidereal_world)
    ann.press("dock")
    world.run(seconds=0.5)
    place = place_of(world, ann.entity)
    ann.leave()
    world.run(seconds=0.5)
    world.spawn(TRADER, Motion(x=place[0] + 4, y=place[1]), Docked(at=station, x=10, y=300))
    ann = world.join("ann")
    world.run(seconds=1.5)
    assert world[Docked].at[ann.entity] == station
    assert place_of(world, ann.entity) == pytest.approx(place, abs=0.1)
    world.restart()
    world.run(seconds=5)
    assert world[Docked].at[ann.entity] == world.ids(STATION)[0]
    assert place_of(world, ann.entity) == pytest.approx(place, abs=0.1)
    ann.press("dock")
    world.run(seconds=0.5)
    assert world[Docked].at[ann.entity] == 0
