"""What bots hold."""

from __future__ import annotations

from collections import deque

import msgspec
import numpy as np
import pytest

from sidereal.client.prediction import ShipState
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.models import FreeFlight
from sidereal.protocol.errors import ConfigError
from sidereal.protocol.message.player import BUTTONS_ALL, Button
from sidereal.protocol.rules import Rules
from sidereal.tools.bots.behaviour import BEHAVIOURS, Wander, make_behaviour

RULES = Rules()
GAME = load(DEFAULT_GAME)
FLIGHT = FreeFlight(GAME, RULES)


def decisions(seed: int, count: int) -> list[tuple[int, float]]:
    wander = Wander(np.random.default_rng(seed))
    return [wander.decide(None, None) for _ in range(count)]


def test_the_same_seed_wanders_alike() -> None:
    assert decisions(7, 100) == decisions(7, 100)
    assert decisions(7, 100) != decisions(8, 100)


def test_a_wanderer_uses_every_control_it_should_and_never_fires() -> None:
    seen = Button(0)
    for buttons, hold_s in decisions(1, 500):
        assert 0 <= buttons <= BUTTONS_ALL
        assert 0.1 < hold_s < 5.0
        seen |= Button(buttons)
    assert seen == Button.THRUST | Button.LEFT | Button.RIGHT | Button.BRAKE


def test_a_wanderer_gets_somewhere() -> None:
    thrust_s = sum(hold_s for buttons, hold_s in decisions(3, 400) if buttons & Button.THRUST)
    whole_s = sum(hold_s for _, hold_s in decisions(3, 400))
    assert 0.2 < thrust_s / whole_s < 0.7


def fly_about(start: ShipState, count: int, seconds: float, lag_ticks: int = 0) -> np.ndarray:
    """Positions of wanderers that know where they were a while ago, float64[ticks, 2, count]."""
    wanderers = [Wander(np.random.default_rng(seed)) for seed in range(count)]
    x, y, vx, vy, heading, spin = (np.full(count, value) for value in start)
    held, decide_at = np.zeros(count, np.uint16), np.zeros(count)
    path = np.zeros((round(seconds * RULES.tick_hz), 2, count))
    known: deque[list[np.ndarray]] = deque(maxlen=lag_ticks + 1)
    for tick, place in enumerate(path):
        known.append([column.copy() for column in (x, y, vx, vy, heading, spin)])
        for bot in np.flatnonzero(decide_at <= tick * RULES.tick_s).tolist():
            ship = ShipState(*(float(column[bot]) for column in known[0]))
            held[bot], hold_s = wanderers[bot].decide(ship, RULES)
            decide_at[bot] += hold_s
        FLIGHT.fly((x, y, vx, vy, heading, spin), held, 0)
        place[:] = x, y
    return path


def test_wanderers_stay_in_the_belt() -> None:
    low, high = RULES.belt_bounds
    start = ShipState(high - 450.0, low + 450.0, 0.0, 0.0, 0.0, 0.0)
    path = fly_about(start, 16, 200.0)
    assert path.min() >= low
    assert path.max() < high
    assert (np.ptp(path, axis=0) > RULES.sector_size / 2).any(axis=0).all()


def test_wanderers_over_a_slow_link_stay_near_the_belt() -> None:
    low, high = RULES.belt_bounds
    start = ShipState(high - 450.0, low + 450.0, 0.0, 0.0, 0.0, 0.0)
    path = fly_about(start, 8, 120.0, lag_ticks=16)
    assert path.min() >= low - RULES.sector_size / 2
    assert path.max() < high + RULES.sector_size / 2


def test_wanderers_far_outside_come_home() -> None:
    low, high = RULES.belt_bounds
    start = ShipState(high + 3000.0, low - 2000.0, RULES.ship_speed_max, -50.0, 1.0, 0.0)
    path = fly_about(start, 4, 120.0)
    assert low <= path[-400:].min() <= path[-400:].max() < high


def test_without_a_belt_nobody_turns_home() -> None:
    rules = msgspec.structs.replace(RULES, belt_sectors=0)
    ship = ShipState(1e6, 0.0, 100.0, 0.0, 0.0, 0.0)
    with_place, without = (Wander(np.random.default_rng(1)) for _ in range(2))
    for _ in range(20):
        assert with_place.decide(ship, rules) == without.decide(None, None)


def test_an_idle_bot_holds_nothing() -> None:
    assert make_behaviour("idle", np.random.default_rng(0)).decide(None, None)[0] == 0


def test_an_unknown_behaviour_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="wander"):
        make_behaviour("dance", np.random.default_rng(0))
    assert {"wander", "idle"} <= set(BEHAVIOURS)
