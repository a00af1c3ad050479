"""The belt's edge turns rocks back in one tick, which nobody can foresee by how they accelerate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest

from sidereal.game import Body, Game, Motion
from sidereal.games.frontier.asteroids import (
    ASTEROID,
    BELT_HIGH,
    BELT_LOW,
    TURN_MARGIN,
    belt,
    rocks,
)
from sidereal.testing import World

SHARDS: Final = (1, 4)
BORDERS: Final = (0.0, 1000.0, 2000.0)
"""Between shards, along y."""
GAPS: Final = (15.0, 16.0, 17.0, 18.0, 20.0, 24.0)
"""World units by which one rock is behind the other: it hits that one up to five ticks after."""
SPEED: Final = 60.0
RUN: Final = 40.0
"""World units in which shards take what is theirs, before the first one is turned back."""
OFF: Final = 9.0
"""World units by which each is off the border, on a side of its own."""

game = Game("edge", parts=[rocks, belt()], ghost_range=200)


class Pairs:
    """Rocks that fly at the edge, one behind the other, each on a side of a border."""

    def __init__(self, make: Callable[..., World], **how: Any) -> None:
        self.world = make(game, **how)
        self.rocks = []
        for nth, gap in enumerate(GAPS):
            course, y = (1, -1)[nth % 2], BORDERS[nth // 2]
            turn = BELT_HIGH - TURN_MARGIN if course > 0 else BELT_LOW + TURN_MARGIN
            for x, side in ((turn - RUN * course, -OFF), (turn - (RUN + gap) * course, OFF)):
                motion = Motion(x=x, y=y + side, vx=SPEED * course)
                self.rocks.append(self.world.spawn(ASTEROID, motion, Body(radius=11, mass=5)))

    def run(self, ticks: int) -> np.ndarray:
        """Let time pass, and give how fast all are: float64[rocks, 2], units/s."""
        self.world.run(ticks=ticks)
        motion = self.world[Motion]
        return np.array([motion.vx[self.rocks], motion.vy[self.rocks]]).T


@pytest.mark.parametrize("link", [None, {"delay_s": 0.05, "loss": 0.05}])
def test_a_rock_that_is_turned_back_hits_who_comes_behind_as_on_one_shard(
    sidereal_world: Callable[..., World], link: dict[str, float] | None
) -> None:
    one, many = Pairs(sidereal_world), Pairs(sidereal_world, shards=SHARDS, link=link)
    for pairs in (one, many):
        assert (np.abs(pairs.run(ticks=9)) == [SPEED, 0]).all()
    owners = [many.world.owner(rock) for rock in many.rocks]
    assert all(a != b for a, b in zip(owners[::2], owners[1::2], strict=True))
    then, there = one.run(ticks=30), many.run(ticks=30)
    assert (np.abs(then[:, 1]) > 3).all()  # all have met
    assert there == pytest.approx(then, abs=0.01)
