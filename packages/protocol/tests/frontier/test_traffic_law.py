"""Who has done wrong in Frontier: whoever shot first at somebody peaceful, and nobody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sidereal.game import Game, Kind, Motion, Step
from sidereal.games.frontier import SHIP
from sidereal.games.frontier.asteroids import rocks
from sidereal.games.frontier.fight.armour import RAMMED, SHOT, Hull, armour, hurt
from sidereal.games.frontier.fight.guns import guns
from sidereal.games.frontier.fight.missiles import missiles
from sidereal.games.frontier.fight.shots import shots
from sidereal.games.frontier.ore.books import books
from sidereal.games.frontier.ore.cargo import cargo
from sidereal.games.frontier.ships import flight
from sidereal.games.frontier.trade.docking import docking
from sidereal.games.frontier.trade.market import market
from sidereal.games.frontier.trade.stations import stations
from sidereal.games.frontier.traffic.doings import HUNT
from sidereal.games.frontier.traffic.kinds import MINER, PATROL, PIRATE, TRADER, Mind, traffic
from sidereal.games.frontier.traffic.law import Offence, law
from sidereal.games.frontier.traffic.minds import HELP_TICKS, minds
from sidereal.games.frontier.traffic.pilots import pilots
from sidereal.testing import World

MakeWorld = Callable[..., World]
A_WHILE = 60
"""Ticks; it is half a minute in the game itself."""

FRIENDS: dict[str, Kind] = {"ann": SHIP, "bob": SHIP, "cid": SHIP, "trader": TRADER}

lawful = Game("lawful", parts=[flight, traffic, stations, armour, law])
guarded = Game(
    "guarded",
    parts=[lawful, rocks, minds, pilots, books, shots, guns, missiles, cargo, market, docking],
    ghost_range=300,
)


class Brawl:
    """A game in which who hurts whom is what a test says; each on a side of a border."""

    def __init__(
        self, make: MakeWorld, kinds: dict[str, Kind], played: Game = lawful, shards: int = 2
    ) -> None:
        self.blows: list[tuple[int, int, int]] = []
        game = Game("brawl", parts=[played], ghost_range=played.ghost_range)
        game.system(self.deal)
        self.world = make(game, shards=shards)
        self.ids: dict[str, int] = {}
        for nth, (name, kind) in enumerate(kinds.items()):
            x = -80 if nth % 2 else 80
            self.ids[name] = self.world.spawn(kind, Motion(x=x, y=300 + 40 * nth))
        self.world.run(seconds=0.5)

    def deal(self, step: Step) -> None:
        """Deal the blows that are due to the ships of a shard."""
        for blow in list(self.blows):
            whom, by, how = blow
            rows = step.find([whom])
            if rows[0] in step.rows(Hull):
                self.blows.remove(blow)
                hurt(step, rows, 1, by, how)

    def hit(self, by: str, whom: str, *, how: int = SHOT, seconds: float = 0.5) -> None:
        """Let one hurt another, and time pass."""
        self.blows.append((self.ids[whom], self.ids[by], how))
        self.world.run(seconds=seconds)
        assert not self.blows

    def culprits(self) -> set[str]:
        """Name who has done wrong."""
        at = self.world[Offence].at
        return {name for name, entity in self.ids.items() if at[entity]}


def test_who_shoots_first_does_wrong_and_who_shoots_back_does_not(
    sidereal_world: MakeWorld,
) -> None:
    brawl = Brawl(sidereal_world, FRIENDS)
    brawl.hit("bob", "ann")
    assert brawl.culprits() == {"bob"}
    for _ in range(HELP_TICKS // 10 + 2):  # long after bob has stopped
        brawl.hit("ann", "bob")
    assert brawl.culprits() == {"bob"}
    brawl.hit("cid", "ann")  # a friend of bob's
    brawl.hit("ann", "bob")
    brawl.hit("ann", "cid")
    brawl.hit("trader", "cid")
    assert brawl.culprits() == {"bob", "cid"}


def test_who_has_been_peaceful_for_a_while_may_not_be_shot_any_more(
    sidereal_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidereal.games.frontier.traffic.law.FEUD", A_WHILE)
    brawl = Brawl(sidereal_world, {"ann": SHIP, "bob": SHIP}, shards=1)
    brawl.hit("bob", "ann")
    brawl.hit("ann", "bob")
    assert brawl.culprits() == {"bob"}
    brawl.world.run(ticks=A_WHILE)
    brawl.hit("ann", "bob")
    assert brawl.culprits() == {"ann", "bob"}


@pytest.mark.parametrize("victim", [PIRATE, TRADER, MINER])
def test_only_pirates_may_be_shot_first(sidereal_world: MakeWorld, victim: Kind) -> None:
    brawl = Brawl(sidereal_world, {"ann": SHIP, "victim": victim, "far": PATROL})
    brawl.hit("ann", "victim", how=RAMMED)
    assert brawl.culprits() == set()
    brawl.hit("ann", "victim")
    assert brawl.culprits() == (set() if victim is PIRATE else {"ann"})


def test_patrols_hunt_who_began_and_never_who_defends_itself(sidereal_world: MakeWorld) -> None:
    brawl = Brawl(sidereal_world, {"ann": SHIP, "bob": SHIP}, guarded)
    patrol = brawl.world.spawn(PATROL, Motion(x=-80, y=650))
    brawl.hit("bob", "ann")
    hunted = []
    for _ in range(HELP_TICKS // 10 + 2):
        brawl.hit("ann", "bob")
        mind = brawl.world[Mind]
        hunted.append(int(mind.goal[patrol]) if mind.doing[patrol] == HUNT else 0)
    assert brawl.ids["bob"] in hunted
    assert brawl.ids["ann"] not in hunted
