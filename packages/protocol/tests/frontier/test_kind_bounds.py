"""No kind of Frontier accelerates more than it says: what may touch is found by that."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from sidereal.game import Body, Component, Game, Motion, Pilot, Stage, Step
from sidereal.game.declarations import declare
from sidereal.game.kind import SPEED_MAX as SPEED_OF_ALL
from sidereal.games import frontier
from sidereal.games.frontier import SHIP, Stick
from sidereal.games.frontier.fight.missiles import MISSILE
from sidereal.games.frontier.fight.shots import Shot
from sidereal.games.frontier.fight.wrecks import Wreck
from sidereal.games.frontier.ore.cargo import Lump
from sidereal.games.frontier.ships import SPEED_MAX, STRAFE, THRUST
from sidereal.games.frontier.trade.stations import STATION, Docked
from sidereal.testing import World

SPEEDS: Final = (0.0, 20.0, SPEED_MAX, SPEED_OF_ALL * 0.98)
FAR: Final = 320.0
"""World units from one to the next."""
LONG: Final = 100_000
"""A tick by which everything has ended."""
TICKS: Final = 30
BACK: Final = math.pi - math.atan2(STRAFE, THRUST)
"""Heading with which all engines push against the way, rad."""


class Driving:
    """The whole game with everybody's controls full, and what each kind makes of it.

    Attributes:
        most: units/s² by the number of a kind, of who touched nobody.
    """

    def __init__(self) -> None:
        self.game = Game("driving", parts=[frontier.game])
        self.declared = declare(self.game)
        self.most = np.zeros(len(self.declared.kinds) + 1)
        self._before: dict[int, tuple[float, float]] = {}
        self._touched = np.empty(0, np.uint32)
        self._held = 0
        self.game.system(Stage.STEER)(self.hold)
        self.game.system(Stage.CONTACT)(self.note)
        self.game.system(self.measure)

    def hold(self, step: Step) -> None:
        """Hold all engines and the brake, later something else; take down how fast all are."""
        rows, stick, rng = step.rows(Pilot), step[Stick], step.rng
        stick.thrust[rows] = stick.strafe[rows] = stick.brake[rows] = 1
        self._held += 1
        if self._held > TICKS // 2:
            for name in ("thrust", "turn", "strafe"):
                getattr(stick, name)[rows] = rng.integers(-1, 2, len(rows))
            stick.brake[rows] = rng.integers(0, 2, len(rows))
        all_of, motion = step.rows(Motion), step[Motion]
        speeds = zip(motion.vx[all_of], motion.vy[all_of], strict=True)
        self._before = dict(zip(step.id[all_of].tolist(), speeds, strict=True))

    def note(self, step: Step) -> None:
        """Take down who was pushed."""
        met = step.contacts(Body, Body)
        self._touched = step.id[np.concatenate([met.a, met.b])]

    def measure(self, step: Step) -> None:
        """Compare how fast all are by now."""
        motion = step[Motion]
        for number, kind in enumerate(self.declared.kinds, 1):
            rows = step.rows(kind)
            for row in rows[~np.isin(step.id[rows], self._touched)]:
                vx, vy = self._before.get(int(step.id[row]), (np.nan, np.nan))
                made = np.hypot(motion.vx[row] - vx, motion.vy[row] - vy) / step.dt
                self.most[number] = np.fmax(self.most[number], made)


def test_no_kind_accelerates_more_than_it_says(sidereal_world: Callable[..., World]) -> None:
    driving = Driving()
    world = sidereal_world(driving.game)
    last: dict[type[Component], Component] = {
        Shot: Shot(until=LONG),
        Wreck: Wreck(until=LONG),
        Lump: Lump(until=LONG),
    }
    station = world.spawn(STATION, Motion(x=-1500, y=-1500))
    # A station never moves, but where it is pushed.
    moving = [kind for kind in driving.declared.kinds if kind.name != STATION.name]
    cases = [(kind, speed) for kind in moving for speed in SPEEDS]
    for nth, (kind, speed) in enumerate([*cases, (SHIP, 20.0)]):
        x, y = FAR * (nth % 8) - 1200, FAR * (nth // 8) - 1200
        begins = [each for component, each in last.items() if kind.has(component)]
        if nth == len(cases):
            begins = [Docked(at=station, x=x + 15, y=y)]
        world.spawn(kind, Motion(x=x, y=y, vx=speed, heading=BACK), *begins)
        if kind.name == MISSILE.name:
            world.spawn(SHIP, Motion(x=x + 140, y=y + 140))
    world.run(ticks=TICKS)
    for number, kind in enumerate(driving.declared.kinds, 1):
        assert driving.most[number] <= kind.accel_max + 1e-6, kind.name
        # Nor does it say much more.
        assert driving.most[number] >= 0.9 * kind.accel_max, kind.name
