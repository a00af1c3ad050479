"""How ships end: once, with all that they carried adrift, and everybody hears of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from sidereal.game import Body, Game, Label, Motion, Stage, Step
from sidereal.games.frontier.asteroids import ASTEROID, rocks
from sidereal.games.frontier.fight.armour import Hull, Shield, Struck, armour, hurt
from sidereal.games.frontier.fight.guns import BULLET, DAMAGE, guns
from sidereal.games.frontier.fight.missiles import missiles
from sidereal.games.frontier.fight.shots import Hit, shots
from sidereal.games.frontier.fight.wrecks import (
    LIFE,
    RESPAWN_S,
    WRECK,
    Exploded,
    Wreck,
    perish,
    wrecks,
)
from sidereal.games.frontier.ore.books import books
from sidereal.games.frontier.ore.cargo import HOLD_MAX, LUMP, Hold, Lump, cargo
from sidereal.games.frontier.ships import SHIP, Stick, flight
from sidereal.games.frontier.trade.stations import stations
from sidereal.games.frontier.traffic.kinds import PIRATE, TRADER, traffic
from sidereal.testing.world import World

game = Game(
    "ends",
    parts=[
        *(flight, rocks, traffic, stations, armour, shots, guns),
        *(missiles, books, cargo, wrecks),
    ],
)
duel = Game("duel", parts=[game])
BAD: Any = {"delay_s": 0.05, "loss": 0.05}


@duel.system(Stage.STEER)
def shoot_always(step: Step) -> None:
    """Let pirates hold the trigger all the time."""
    step[Stick].shoot[step.rows(PIRATE)] = 1


def adrift(world: World) -> int:
    """Tonnes of ore in lumps."""
    return int(world[Lump].ore[world.ids(LUMP)].sum())


def test_who_is_shot_down_ends_once_and_its_ore_drifts_and_all_are_told() -> None:
    world = World(duel, shards=2, link=BAD)
    ann = world.join("ann")
    world.place(ann.entity, x=-1500, y=500)  # far from it
    victim = world.spawn(TRADER, Motion(x=60, y=500), Hull(hp=8), Shield(hp=0), Hold(ore=47))
    world.spawn(PIRATE, Motion(x=-60, y=500), Hull(hp=100))
    older = world.spawn(WRECK, Motion(x=-60, y=900), Wreck(until=world.tick + 20))
    world.run(ticks=19)
    assert older in world.ids(WRECK)
    world.run(seconds=1)
    exploded = world.events(Exploded)
    assert exploded.subject.tolist() == [victim]
    assert victim not in world.ids()
    assert adrift(world) == 47
    (wreck,) = world.ids(WRECK)  # and the older one has faded
    assert LIFE - 10 < world[Wreck].until[wreck] - exploded.tick[0] <= LIFE
    assert ann.told == []  # no player has to do with it


def test_a_player_who_is_shot_down_loses_the_ore_and_flies_again_and_all_hear_who_did_it() -> None:
    world = World(duel)
    ann, bob = world.join("ann"), world.join("bob")
    world.place(bob.entity, x=-1500, y=500)
    world.place(ann.entity, x=60, y=500)
    first = ann.entity
    jack = Label(name="Red Jack")
    pirate = world.spawn(PIRATE, Motion(x=-60, y=500), jack)
    for turn in (-1, 1):  # and two friends
        side = Motion(x=60, y=500 - 120 * turn, heading=turn * np.pi / 2)
        world.spawn(PIRATE, side, jack)
    world.run(seconds=3.5)
    assert first not in world.ids()
    assert world.events(Exploded).subject.tolist() == [first]
    assert len(world.events(Hit).x) >= 150 / DAMAGE
    assert bob.told == ["ann was shot down by Red Jack"]
    assert pirate in world.ids()
    world.run(seconds=RESPAWN_S)
    assert ann.entity not in (0, first)
    assert world[Hull].hp[ann.entity] == 100
    assert world.count(SHIP) == 2


def test_whatever_the_names_are_who_is_shot_down_ends() -> None:
    world = World(duel)
    bad = "e" + "\u0301" * 11  # an account of before such names were refused
    ann, bob = world.join(bad), world.join("bob")
    world.place(ann.entity, x=60, y=500)
    world.place(bob.entity, x=-1500, y=500)
    first = ann.entity
    for turn in (-1, 1):
        side = Motion(x=60, y=500 - 60 * turn, heading=turn * np.pi / 2)
        world.spawn(PIRATE, side, Label(name=bad))
    world.run(seconds=4)
    assert first not in world.ids()
    shown = "e" + "\u0301" * 8
    assert bob.told == [f"{shown} was shot down by {shown}"]


def test_whoever_is_hurt_by_a_thing_without_a_name_ends() -> None:
    mines = Game("mines", parts=[game])
    turret = mines.kind("turret", Motion(), Body(radius=6), Hull(), Shield(), Struck())
    blamed: dict[int, int] = {}

    @mines.system
    def burn(step: Step) -> None:
        """Hurt ships and turrets, and blame rocks."""
        for row in step.rows(Hull):
            if by := blamed.get(int(step.id[row])):
                hurt(step, np.array([row]), 60.0, by)

    world = World(mines, shards=2)
    ann = world.join("ann")
    world.place(ann.entity, x=400, y=500)
    other = world.spawn(SHIP, Motion(x=500, y=500), Label(name="bob"))
    third = world.spawn(turret, Motion(x=600, y=500))  # without a hold, too
    near, far = (world.spawn(ASTEROID, Motion(x=x, y=600), Body(radius=9)) for x in (400, -2500))
    world.run(seconds=0.5)
    assert world.owner(far) != world.owner(near) == world.owner(other)
    ends = {ann.entity: near, other: far, third: near}
    blamed |= ends
    world.run(seconds=2.5)
    assert not set(ends) & set(world.ids().tolist())
    assert ann.told == ["ann was shot down"]
    assert {refused.entity for refused in world.refused(perish)} <= {other}


def test_the_dead_do_not_shoot_and_a_call_for_whose_hull_holds_is_refused() -> None:
    world = World(duel)
    world.spawn(PIRATE, Motion(x=-60, y=500), Hull(hp=0), Hold(ore=HOLD_MAX))
    world.run(seconds=1)
    assert world.count(PIRATE) == world.count(BULLET) == 0
    assert adrift(world) == HOLD_MAX
    assert world.refused(perish) == []


def test_who_runs_into_a_rock_or_another_is_told_of_so() -> None:
    world = World(game, shards=2)
    ann, bob = world.join("ann"), world.join("bob")
    world.place(ann.entity, x=400, y=500)
    world.place(bob.entity, x=-400, y=500)
    world.spawn(ASTEROID, Motion(x=340, y=500, vx=200), Body(radius=20, mass=70))
    world.spawn(TRADER, Motion(x=-340, y=500, vx=-240), Label(name="Tern 4"))
    world.run(seconds=2)
    assert sorted(bob.told) == sorted(ann.told)
    assert "ann hit a rock" in bob.told
    assert any(line.startswith("bob ran into ") for line in ann.told)
