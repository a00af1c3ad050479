"""What bots of the game that ships hold, and where it takes them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from sidereal.game import Body, BotView, Motion
from sidereal.game.bits import pack
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.models import FreeFlight
from sidereal.game.record import as_columns
from sidereal.games.frontier.asteroids import ASTEROID, BELT_HIGH, BELT_LOW
from sidereal.games.frontier.behaviours.flying import (
    CROWD_AT,
    SHUTTLE_X,
    SHUTTLE_Y,
    STAR_CYCLE_S,
    STAR_GATHER_S,
    STAR_POINTS,
    STAR_RADIUS,
    STAR_SCATTER,
)
from sidereal.games.frontier.ships import RADIUS, SPEED_MAX, Stick
from sidereal.protocol.rules import Rules

RULES = Rules()
GAME = load(DEFAULT_GAME)
REST = (500.0, 500.0, 0.0, 0.0, 0.0, 0.0)
EDGE = (BELT_HIGH - 450.0, BELT_LOW + 450.0, 0.0, 0.0, 0.0, 0.0)


class Rocks:
    """Rocks at rest: whom a bot sees besides its ship."""

    def __init__(self, x: np.ndarray, y: np.ndarray, radius: float) -> None:
        rest = np.zeros(len(x))
        columns = dict(zip(Motion.fields, (x, y, rest, rest, rest, rest), strict=True))
        size = {"radius": np.full(len(x), radius), "mass": rest, "group": rest}
        self._columns: dict[Any, Any] = {
            Motion: as_columns(Motion, columns),
            Body: as_columns(Body, size),
        }
        self.x, self.y, self.radius = x, y, radius

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, component: Any) -> Any:
        return self._columns[component]

    def rows(self, *queries: Any) -> np.ndarray:
        """All of them, if it is rocks that are asked for."""
        return np.arange(len(self) if queries == (ASTEROID,) else 0)

    def struck(self, path: np.ndarray) -> np.ndarray:
        """Tell who has touched one on its way, bool[count]."""
        x, y = path[:, 0, :, None] - self.x, path[:, 1, :, None] - self.y
        return np.asarray((np.hypot(x, y) < self.radius + RADIUS).any(axis=(0, 2)))


class Bot:
    """A bot that is told where its ship is."""

    def __init__(self, seed: int, behaviour: str = "wander", others: Any = ()) -> None:
        self._others = others
        self.rng = np.random.default_rng(seed)
        self.memory: dict[str, Any] = {}
        self._behave = GAME.bots[behaviour]

    def decide(self, state: Sequence[float] = REST, tick: int = 0) -> tuple[Stick, float]:
        columns = dict(zip(Motion.fields, np.array(state).reshape(6, 1), strict=True))
        own: Any = {Motion: as_columns(Motion, columns)}
        decision: Any = self._behave(
            BotView(own, self._others, tick, RULES.tick_s, self.rng, self.memory)
        )
        stick, hold_s = decision
        return stick, hold_s


def decisions(seed: int, count: int) -> list[tuple[int, float]]:
    bot = Bot(seed)
    return [(pack(stick), hold_s) for stick, hold_s in (bot.decide() for _ in range(count))]


def test_the_same_seed_wanders_alike() -> None:
    assert decisions(7, 100) == decisions(7, 100)
    assert decisions(7, 100) != decisions(8, 100)


def test_a_wanderer_uses_every_control_it_should_and_never_fires() -> None:
    used = set()
    bot = Bot(1)
    for _ in range(500):
        stick, hold_s = bot.decide()
        assert 0.1 < hold_s < 5.0
        used |= {(name, int(getattr(stick, name))) for name in Stick.fields}
    assert {(name, value) for name, value in used if value} == {
        ("thrust", 1),
        ("turn", -1),
        ("turn", 1),
        ("brake", 1),
    }


def test_a_wanderer_gets_somewhere() -> None:
    thrust = pack(Stick(thrust=1))
    thrust_s = sum(hold_s for buttons, hold_s in decisions(3, 400) if buttons & thrust)
    whole_s = sum(hold_s for _, hold_s in decisions(3, 400))
    assert 0.2 < thrust_s / whole_s < 0.7


def fly_about(
    start: Sequence[float],
    count: int,
    seconds: float,
    lag_ticks: int = 0,
    behaviour: str = "wander",
    others: Any = (),
) -> np.ndarray:
    """Positions of bots that know where they were a while ago, float64[ticks, 2, count]."""
    bots, flight = [Bot(seed, behaviour, others) for seed in range(count)], FreeFlight(GAME, RULES)
    motion = [np.full(count, value) for value in start]
    ids = np.arange(1, count + 1, dtype=np.uint32)
    held, decide_at = np.zeros(count, np.uint64), np.zeros(count)
    path = np.zeros((round(seconds * RULES.tick_hz), 2, count))
    known: deque[list[np.ndarray]] = deque(maxlen=lag_ticks + 1)
    for tick, place in enumerate(path):
        known.append([column.copy() for column in motion])
        for bot in np.flatnonzero(decide_at <= tick * RULES.tick_s).tolist():
            stick, hold_s = bots[bot].decide([column[bot] for column in known[0]], tick)
            held[bot] = pack(stick)
            decide_at[bot] += hold_s
        moving = as_columns(Motion, dict(zip(Motion.fields, motion, strict=True)))
        flight.fly({Motion: moving, **flight.hold(held)}, ids, tick)
        place[:] = motion[:2]
    return path


def test_wanderers_stay_in_the_belt() -> None:
    path = fly_about(EDGE, 10, 150.0)
    assert path.min() >= BELT_LOW
    assert path.max() < BELT_HIGH
    assert (np.ptp(path, axis=0) > RULES.sector_size / 2).any(axis=0).all()


def test_wanderers_over_a_slow_link_stay_near_the_belt() -> None:
    path = fly_about(EDGE, 6, 90.0, lag_ticks=16)
    assert path.min() >= BELT_LOW - RULES.sector_size / 2
    assert path.max() < BELT_HIGH + RULES.sector_size / 2


def test_wanderers_far_outside_come_home() -> None:
    far = (BELT_HIGH + 3000.0, BELT_LOW - 2000.0, SPEED_MAX, -50.0, 1.0, 0.0)
    path = fly_about(far, 4, 120.0)
    assert BELT_LOW <= path[-400:].min() <= path[-400:].max() < BELT_HIGH


@pytest.mark.parametrize("behaviour", ["crowd", "wander", "shuttle"])
def test_bots_fly_around_rocks(behaviour: str) -> None:
    lines = np.arange(-720.0, 721.0, 160.0)
    x, y = (at.ravel() for at in np.meshgrid(lines, lines))
    rocks, start = Rocks(x, y, radius=15.0), (400.0, -320.0, 0.0, 0.0, 1.0, 0.0)
    blind = fly_about(start, 24, 20.0, 3, behaviour)
    path = fly_about(start, 24, 20.0, 3, behaviour, rocks)
    assert rocks.struck(blind).sum() >= 15
    assert rocks.struck(path).sum() <= 2
    assert (np.ptp(path, axis=0).max(axis=0) > 150).all()


@pytest.mark.parametrize("lag_ticks", [0, 8])
def test_a_crowd_comes_together_and_stays(lag_ticks: int) -> None:
    far = (1500.0, -1200.0, SPEED_MAX, 0.0, 1.0, 0.0)
    path = fly_about(far, 4, 80.0, lag_ticks, "crowd")
    off = np.hypot(path[:, 0] - CROWD_AT[0], path[:, 1] - CROWD_AT[1])
    assert off[-600:].max() < 80.0


def test_bots_of_a_star_gather_at_its_points_and_scatter_all_at_the_same_time() -> None:
    path = fly_about((0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 16, 160.0, 2, "star")
    angle = np.arange(STAR_POINTS) * math.tau / STAR_POINTS
    points = STAR_RADIUS * np.exp(1j * angle)
    places = path[:, 0] + 1j * path[:, 1]
    away = np.abs(places[:, :, None] - points)
    cycle, gathered = round(STAR_CYCLE_S * RULES.tick_hz), round(STAR_GATHER_S * RULES.tick_hz)
    at_points, at_cycles_end = [], []
    for start in range(2 * cycle, len(path), cycle):
        at_points.append(away[start + gathered].min(axis=1))
        at_cycles_end.append(away[start + cycle - 1].min(axis=1))
    assert np.median(at_points) < STAR_SCATTER / 8
    assert np.quantile(at_points, 0.75) < STAR_SCATTER / 3
    assert np.median(at_cycles_end) > STAR_SCATTER / 2
    visited = away[2 * cycle + gathered :: cycle].argmin(axis=2)
    assert len(np.unique(visited)) == STAR_POINTS
    assert (np.diff(visited, axis=0) != 0).mean() > 0.4


def test_a_shuttle_crosses_the_border_again_and_again() -> None:
    path = fly_about((150.0, 100.0, 0.0, 0.0, 0.0, 0.0), 8, 120.0, 2, "shuttle")
    crossed = (np.diff(np.sign(path[:, 0]), axis=0) != 0).sum(axis=0)
    assert crossed.min() >= 6
    assert np.abs(path[:, 0]).max() < 2 * SHUTTLE_X
    assert np.abs(path[:, 1]).max() < 1.5 * SHUTTLE_Y


def test_an_idle_bot_holds_nothing() -> None:
    view: Any = None
    stick, hold_s = GAME.bots["idle"](view)  # type: ignore[misc]
    assert pack(stick) == 0
    assert hold_s == pytest.approx(3600.0)
