"""Laps in Frontier: gates in their order, times in ticks, and who is the fastest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sidereal.game import Game, Motion, WorldBuilder
from sidereal.games import frontier
from sidereal.games.frontier.trade.races import (
    AGAIN_AFTER,
    GATE,
    GATES,
    LEG_MIN,
    TICK_S,
    Best,
    Fastest,
    Gate,
    Lap,
    Laps,
    finish,
    place_gates,
    races,
    takes_its_time,
)
from sidereal.testing import Player, World

Worlds = Callable[..., World]

SOON = 12
"""Ticks after which everybody knows of a gate that was passed."""

game = Game("racing", parts=[frontier.flight, races])


@game.world("course")
def lay_out(make: WorldBuilder) -> None:
    place_gates(make)


def go_to(world: World, ann: Player, number: int, *, ticks: int = LEG_MIN) -> None:
    """Put a ship into a gate, and let as much time pass as it takes to fly there."""
    world.place(ann.entity, x=GATES[number][0] + 20, y=GATES[number][1])
    world.run(ticks=ticks)


def go_round(world: World, ann: Player) -> int:
    """Let a ship whose clock has just started fly a lap, and give its ticks."""
    since = int(world[Lap].since[ann.entity])
    for number in range(1, len(GATES)):
        go_to(world, ann, number)
    go_to(world, ann, 0, ticks=SOON)
    return int(world[Lap].since[ann.entity]) - since


def test_gates_count_in_their_order(sidereal_world: Worlds) -> None:
    world = sidereal_world(game, world="course")
    ann = world.join("ann")
    for number, due in ((1, 0), (0, 1), (2, 1)):
        go_to(world, ann, number, ticks=SOON)
        assert world[Lap].next[ann.entity] == due, number
    world.run(ticks=LEG_MIN)
    for number, due in ((1, 2), (0, 2), (3, 2)):
        go_to(world, ann, number, ticks=SOON)
        assert world[Lap].next[ann.entity] == due, number
    assert ann.told == []


def test_a_lap_is_told_with_its_times_and_the_best_ones_stay(sidereal_world: Worlds) -> None:
    world = sidereal_world(game, world="course", shards=2)
    ann, bob = world.join("ann"), world.join("bob")
    go_to(world, ann, 0, ticks=LEG_MIN + 20)
    slow = go_round(world, ann)
    assert world[Laps].best[ann.entity] == world.of_account(ann, Best).ticks == slow
    record = world.of_world(Fastest)
    assert (int(record.ticks), bytes(record.name)) == (slow, b"ann")
    assert bob.told == [f"ann has the lap record: {slow * 0.05:.2f} s"]
    time = f"{slow * 0.05:.2f} s"
    assert ann.told[-1].startswith(f"lap {time}, best {time}, record {time} by ann; ")
    world.run(ticks=LEG_MIN - SOON)
    fast = go_round(world, ann)
    assert world.of_account(ann, Best).ticks == fast < slow
    assert len(bob.told) == 2
    world.restart()
    world.run(seconds=1)
    assert bytes(world.of_world(Fastest).name) == b"ann"
    assert world.refused(finish) == []


def test_no_tick_of_a_lap_over_a_border_is_lost(sidereal_world: Worlds) -> None:
    world = sidereal_world(game, shards=2, link={"delay_s": 0.05, "loss": 0.03})
    for x, number in ((-300, 0), (-195, 1), (-90, 2), (500, 3), (605, 0)):
        world.spawn(GATE, Motion(x=x, y=300), Gate(number=number))
    ship = world.spawn(frontier.SHIP, Motion(x=-390, y=300, vx=100))
    world.run(seconds=6)
    assert world[Lap].next[ship] == 3
    assert world.owner(ship) == 1
    world.run(seconds=5)
    assert abs(world[Laps].best[ship] - 181) <= 1  # 905 units at 100 units/s
    assert world[Laps].lost[ship] == 0
    assert world[Lap].next[ship] == 1


def test_there_is_always_time_for_one_gate_and_for_more_by_the_ticks_between() -> None:
    def is_believed(passed: int, ticks: int) -> bool:
        was, now = np.array([1]), np.array([1 + passed])
        since = np.array([65])
        lap = Lap(next=was, since=since), Lap(next=now, since=since)
        return bool(takes_its_time(*lap, np.array([ticks * TICK_S]))[0])

    assert is_believed(1, 1)  # what the server has was said again a tick ago
    assert not is_believed(2, LEG_MIN // 2)
    assert is_believed(2, LEG_MIN)
    assert not is_believed(3, LEG_MIN)


def test_the_course_lies_on_borders() -> None:
    assert all((x % 1000 == 0) != (y % 1000 == 0) for x, y in GATES)
    assert AGAIN_AFTER < 100
