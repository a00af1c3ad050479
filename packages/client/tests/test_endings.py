"""What was foreseen ends at what it touches on the picture, unless the authority has it there."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from sidereal.client.endings import DOUBT_TICKS, Bodies, Endings
from sidereal.client.spawns import PREDICTED_BIT, Ahead
from sidereal.game import SHARD, Body, Game, Motion, Pilot
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of

game = Game("pebbles")
CRAFT = game.kind("craft", Motion(), Body(), Pilot())
ROCK = game.kind("rock", Motion(), Body())
game.kind("cloud", Motion(), Body())
game.kind(
    "pebble",
    Motion(),
    Body(),
    spawned_by=SHARD,
    touches=(CRAFT, ROCK),
    sensor=True,
    ends_at_touch=True,
)
game.kind("flare", Motion(), Body(), spawned_by=SHARD, sensor=True)
GAME = declare(game)
SCHEMA = schema_of(GAME)
NUMBER: Final = {kind.name: at for at, kind in enumerate(GAME.kinds, 1)}
OWN, OTHER = 7, PREDICTED_BIT | 3


class Picture:
    """What is drawn: the own craft at the origin, one thing at x = 50, and a pebble."""

    def __init__(self, what: str = "rock", pebble: str = "pebble") -> None:
        self.endings = Endings(GAME)
        self.what, self.pebble = what, pebble
        self.version = 1

    def shows(
        self,
        x: float,
        tick: float,
        net_id: int = OTHER,
        *,
        y: float = 0.0,
        lead: float = 4.0,
        group: int = OWN,
    ) -> bool:
        """Draw the pebble at a place; tells whether it is to be seen."""
        records = np.zeros(int(net_id == OTHER), SCHEMA.full_record)
        records["id"], records["x"], records["tick"] = OTHER, 10.0, 100
        ahead = Ahead.nothing(SCHEMA, tick)._replace(
            records=records,
            version=np.full(len(records), self.version),
            born={} if net_id == OTHER else {net_id: 100},
        )
        drawn = Bodies(
            np.array([OWN, 20, net_id], np.uint32),
            np.array([NUMBER["craft"], NUMBER[self.what], NUMBER[self.pebble]], np.uint8),
            np.array([6.0, 10.0, 1.0], np.float32),
            np.array([0, 0, group], np.uint32),
            np.array([0.0, 50.0, x]),
            np.array([0.0, 0.0, y]),
            np.array([tick, tick, tick + lead]),
        )
        return not self.endings.ended(drawn, ahead, tick)[2]


def test_it_is_not_drawn_from_its_first_touch_on_however_far_it_flies_between_pictures() -> None:
    picture = Picture()
    assert picture.shows(38.9, 101.0)
    assert not picture.shows(39.1, 101.1)
    assert not picture.shows(90.0, 102.0)
    fast = Picture()
    assert fast.shows(30.0, 100.0)
    assert not fast.shows(90.0, 101.0)
    first = Picture()
    assert not first.shows(90.0, 100.0)  # spawned at x = 10, and never drawn before


@pytest.mark.parametrize(
    ("what", "pebble", "y", "group"),
    [
        ("rock", "pebble", 12.0, OWN),  # beside it
        ("cloud", "pebble", 0.0, OWN),  # which it does not touch
        ("rock", "flare", 0.0, OWN),  # whose kind does not end
        ("rock", "pebble", 0.0, 20),  # of the rock's group
    ],
)
def test_what_touches_nothing_or_does_not_end_by_it_flies_on(
    what: str, pebble: str, y: float, group: int
) -> None:
    picture = Picture(what, pebble)
    assert picture.shows(30.0, 100.0, y=y, group=group)
    assert picture.shows(90.0, 101.0, y=y, group=group)


def test_its_own_ship_is_of_its_group() -> None:
    assert Picture().shows(5.0, 100.0)
    assert not Picture().shows(5.0, 100.0, group=0)


def test_what_has_come_and_is_still_there_after_its_touch_has_struck_nothing() -> None:
    picture = Picture()
    assert picture.shows(30.0, 100.0)
    assert not picture.shows(45.0, 101.0)  # at its own tick 105
    picture.endings.rename({OTHER: 40})
    assert not picture.shows(50.0, 102.0, 40)
    assert not picture.shows(90.0, 105.0 + DOUBT_TICKS - 0.1, 40, lead=0.0)
    assert picture.shows(95.0, 105.0 + DOUBT_TICKS, 40, lead=0.0)


def test_what_is_flown_again_on_another_way_is_judged_anew() -> None:
    picture = Picture()
    assert not picture.shows(90.0, 101.0)
    picture.version = 2
    assert picture.shows(30.0, 101.0)
