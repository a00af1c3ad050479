"""What a shard says that can't be is not believed, and what only actions write it can't say.

The shards are real ones. Their game has a system that lies about entities, once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sidereal.game import (
    AUTHORITY,
    SHARD,
    Body,
    Component,
    Game,
    Kind,
    Motion,
    Parent,
    Step,
)
from sidereal.game.builtin import Predicted
from sidereal.game.declarations import declare
from sidereal.games import frontier
from sidereal.games.frontier import ASTEROID, SHIP
from sidereal.games.frontier.fight.armour import Hull, Shield, Struck
from sidereal.games.frontier.fight.guns import BULLET, DAMAGE, Gun
from sidereal.games.frontier.fight.missiles import Loaded, Magazine, Seeker, Supplied
from sidereal.games.frontier.fight.shots import Shot
from sidereal.games.frontier.fight.wrecks import Wreck
from sidereal.games.frontier.ore.books import Books
from sidereal.games.frontier.ore.breaking import Worn
from sidereal.games.frontier.ore.cargo import Hold, Lump
from sidereal.games.frontier.trade.docking import MASS_HELD, Heard, dock
from sidereal.games.frontier.trade.market import Market, Mended, Paid, Purse
from sidereal.games.frontier.trade.races import (
    LAP_MIN,
    LEG_MIN,
    Best,
    Count,
    Fastest,
    Lap,
    Laps,
    finish,
    races,
)
from sidereal.games.frontier.trade.stations import STATION, Anchor, Docked
from sidereal.games.frontier.traffic.kinds import MASS, Mind
from sidereal.games.frontier.traffic.law import Offence
from sidereal.testing import World

Worlds = Callable[..., World]
Lie = Callable[[Step, np.ndarray], None]

MAY_LIE: Final[dict[type[Component], str]] = {
    Motion: "the engine bounds speed and displacement",
    Parent: "the engine lets nobody have another one",
    Predicted: "it is about a client's picture",
    Struck: "whoever simulates a ship knows alone what has hurt it",
    Gun: "a shard may spawn bullets: the engine bounds how many",
    Magazine: "likewise missiles",
    Seeker: "a missile flies as its shard wants",
    Offence: "patrols hunt, or do not: they fly as their shard wants",
    Mind: "so do the ships of the game",
    Worn: "whoever simulates a rock knows alone what strikes it; the books say what comes of it",
    Heard: "a pilot is told something once more",
    Wreck: "a wreck does nothing",
}
"""Components of which a shard may say what it likes, and why nobody has anything of it."""


class Liars:
    """A game whose shards lie about entities, once, when they are told to.

    Attributes:
        lies: that are to be told, by entity.
    """

    def __init__(self, played: Game = frontier.game) -> None:
        self.lies: dict[int, Lie] = {}
        self.game = Game("liars", parts=[played])
        self.game.system(self.tell)

    def tell(self, step: Step) -> None:
        """Tell the lies."""
        rows = step.rows(Body)
        for row in rows[np.isin(step.id[rows], list(self.lies))]:
            self.lies.pop(int(step.id[row]))(step, np.array([row]))


def writing(component: type[Component], **values: float) -> Lie:
    """Say some values of a component."""

    def lie(step: Step, rows: np.ndarray) -> None:
        for name, value in values.items():
            getattr(step[component], name)[rows] = value

    return lie


def truth(world: World, component: type[Component], entity: int) -> dict[str, Any]:
    """What the authority has of a component of an entity."""
    return {name: getattr(world[component], name)[entity] for name in component.fields}


ROCK: Final = Body(radius=20, mass=67)
SECOND: Final = Lap(next=2, since=3)


CASES: Final[list[tuple[Kind, tuple[Component, ...], type[Component], dict[str, float]]]] = [
    (ASTEROID, (ROCK,), Body, {"mass": 1}),
    (ASTEROID, (ROCK,), Body, {"radius": 19}),
    (ASTEROID, (ROCK,), Body, {"group": 1}),
    (ASTEROID, (ROCK,), Body, {"mass": MASS_HELD, "group": 1}),
    (STATION, (), Body, {"mass": MASS}),
    (STATION, (), Anchor, {"x": 350}),
    (STATION, (), Anchor, {"y": 50}),
    (SHIP, (), Body, {"mass": MASS_HELD}),
    (SHIP, (), Body, {"mass": 500}),
    (SHIP, (Shield(hp=10), Struck(when=10_000)), Shield, {"hp": 30}),
    (SHIP, (Mended(hull=50),), Mended, {"hull": 0}),
    (SHIP, (Loaded(missiles=5),), Loaded, {"missiles": 4}),
    (SHIP, (), Lap, {"next": 1}),
    (SHIP, (SECOND,), Lap, {"next": 4}),
    (SHIP, (SECOND,), Lap, {"next": 1}),
    (SHIP, (SECOND,), Lap, {"since": 2}),
    (SHIP, (SECOND,), Lap, {"since": 0, "next": 0}),
    (SHIP, (SECOND,), Lap, {"since": 20, "next": 4}),
]
"""Of what kind an entity is, how it begins, and what is said of one of its components."""


def test_what_can_not_be_is_not_believed(sidereal_world: Worlds) -> None:
    liars = Liars()
    world = sidereal_world(liars.game)
    ids = [
        world.spawn(kind, Motion(x=300, y=200 * nth - 1400), *begins)
        for nth, (kind, begins, _, _) in enumerate(CASES)
    ]
    world.run(seconds=1)
    before = [truth(world, case[2], entity) for entity, case in zip(ids, CASES, strict=True)]
    for entity, was, (_, _, component, says) in zip(ids, before, CASES, strict=True):
        assert any(was[name] != value for name, value in says.items())
        liars.lies[entity] = writing(component, **says)
    world.run(seconds=1)
    assert not liars.lies
    for entity, was, case in zip(ids, before, CASES, strict=True):
        assert truth(world, case[2], entity) == was, case[3]
        assert world.owner(entity) == 0


def test_a_ship_is_not_flown_for_more_or_fewer_ticks_than_there_were(
    sidereal_world: Worlds,
) -> None:
    liars = Liars(Game("laps", parts=[frontier.flight, races]))
    world = sidereal_world(liars.game)
    lies = {world.spawn(SHIP, Motion(y=y), SECOND, Count(ticks=500)): y for y in (100, 900)}
    ships = list(lies)
    world.run(seconds=1)
    before, tick = world[Count].ticks[ships].astype(np.int64), world.tick
    liars.lies |= {ship: writing(Count, ticks=ticks) for ship, ticks in lies.items()}
    world.run(seconds=1)
    assert not liars.lies
    flown = world[Count].ticks[ships].astype(np.int64) - before
    assert np.abs(flown - (world.tick - tick)).max() <= 2


def test_a_dead_ship_stays_dead(sidereal_world: Worlds) -> None:
    liars = Liars()
    world = sidereal_world(liars.game)
    ship = world.spawn(SHIP)
    world.run(seconds=0.5)
    liars.lies[ship] = writing(Hull, hp=0)
    world.run(ticks=2)
    assert world[Hull].hp[ship] == 0
    liars.lies[ship] = writing(Hull, hp=100)
    world.run(seconds=1)
    assert world.count(SHIP) == 0


def test_a_shot_hurts_no_more_than_its_kind(sidereal_world: Worlds) -> None:
    def shooting(damage: float) -> Lie:
        def lie(step: Step, rows: np.ndarray) -> None:
            shot = Shot(by=step.id[rows], until=step.tick + 100, damage=damage)
            step.spawn(BULLET, Motion(x=step[Motion].x[rows], y=100), shot)

        return lie

    liars = Liars()
    world = sidereal_world(liars.game)
    for damage, x in ((DAMAGE, 300), (DAMAGE + 1, 600)):
        liars.lies[world.spawn(SHIP, Motion(x=x))] = shooting(damage)
    world.run(seconds=1)
    assert not liars.lies
    assert world[Motion].x[world.ids(BULLET)].tolist() == [300]


def test_no_lap_is_taken_down_that_nobody_can_fly(sidereal_world: Worlds) -> None:
    def flying(ticks: int, ahead: int = 0) -> Lie:
        def lie(step: Step, rows: np.ndarray) -> None:
            ended = step.tick + ahead
            step.ask(finish, at=rows, started=ended - ticks, ended=ended, counted=ticks)

        return lie

    liars = Liars(Game("laps", parts=[frontier.flight, races]))
    world = sidereal_world(liars.game)
    can, short, early = (world.spawn(SHIP, Motion(y=y)) for y in (0, 300, 600))
    world.run(ticks=LAP_MIN)
    liars.lies |= {can: flying(LAP_MIN), short: flying(LAP_MIN - 1), early: flying(LAP_MIN, 100)}
    world.run(seconds=1)
    assert {refused.entity: refused.why for refused in world.refused(finish)} == {
        short: "no lap takes so long",
        early: "it has not ended yet",
    }
    assert world[Laps].best[[can, short, early]].tolist() == [LAP_MIN, 0, 0]
    assert LEG_MIN > 20


def test_no_ship_docks_where_it_is_not(sidereal_world: Worlds) -> None:
    def docking_at(x: float, y: float) -> Lie:
        def lie(step: Step, rows: np.ndarray) -> None:
            step.ask(dock, at=rows, station=station, x=x, y=y)

        return lie

    liars = Liars()
    world = sidereal_world(liars.game)
    station = world.spawn(STATION, Motion(x=200, y=300))
    can, far, round_it = (world.spawn(SHIP, Motion(x=x, y=300)) for x in (270, 130, 120))
    world.run(seconds=0.5)
    liars.lies |= {
        can: docking_at(271, 301),
        far: docking_at(1e6, 0),
        round_it: docking_at(280, 300),
    }
    world.run(seconds=0.5)
    assert not liars.lies
    assert world[Docked].at[[can, far, round_it]].tolist() == [station, 0, 0]
    assert {refused.entity: refused.why for refused in world.refused(dock)} == {
        far: "no place at the station",
        round_it: "the ship is somewhere else",
    }


def test_what_is_worth_something_only_actions_write() -> None:
    game = declare(frontier.game)
    worth: set[object] = {type(component) for component in (*game.accounts, *game.shares)}
    assert {Purse, Best, Books, Fastest} <= worth
    written = {each for each in game.components if each.writer is AUTHORITY}
    assert {Hold, Lump, Laps, Market, Docked, Paid, Supplied, *worth} <= written


def test_all_that_shards_write_has_a_rule_or_a_reason_to_have_none() -> None:
    game = declare(frontier.game)
    written = {each for each in game.components if each.writer is SHARD}
    ruled = {rule.component for rule in game.rules}
    assert not ruled & set(MAY_LIE)
    assert ruled | set(MAY_LIE) == written
