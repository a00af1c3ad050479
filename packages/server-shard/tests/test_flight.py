"""The flight model, alone and against the shard's physics."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.flight import (
    SPEED_REST,
    SPIN_REST,
    advance,
    fly_tick,
    steer,
    step_ships,
    substep_s,
)
from sidereal.protocol.message.player import BUTTONS_ALL, Button
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.reckoning import Motion
from sidereal.protocol.state.schema import BASE_SCHEMA, Kind
from sidereal.shard.game.ships import fly
from sidereal.shard.ghosts import Ghosts
from sidereal.shard.plugin import Step
from sidereal.shard.space import Space

RULES = Rules()
DT = substep_s(RULES)
FIELDS = Motion._fields


class Ships(dict[str, np.ndarray]):
    """Motion of n ships, all at rest at the origin."""

    def __init__(self, ships: int = 1, **values: float) -> None:
        super().__init__({name: np.zeros(ships) for name in FIELDS})
        for name, value in values.items():
            self[name][:] = value

    @property
    def motion(self) -> Motion:
        return Motion(*(self[name] for name in FIELDS))

    def fly(self, buttons: int, ticks: int = 1) -> Ships:
        held = np.full(len(self["x"]), buttons, dtype=np.uint16)
        for _ in range(ticks):
            fly_tick(*self.motion, held, RULES)
        return self


def test_ship_without_buttons_keeps_its_velocity_exactly() -> None:
    ships = Ships(vx=12.345678901, vy=-0.1, heading=1.0)
    ships.fly(0, ticks=1000)
    assert ships["vx"][0] == 12.345678901
    assert ships["vy"][0] == -0.1
    assert ships["x"][0] == pytest.approx(12.345678901 * 1000 * RULES.tick_s)


def test_thrust_accelerates_along_the_heading() -> None:
    ships = Ships(heading=math.pi / 2).fly(Button.THRUST)
    assert ships["vx"][0] == pytest.approx(0.0, abs=1e-9)
    assert ships["vy"][0] == pytest.approx(RULES.ship_thrust * RULES.tick_s)


def test_velocity_changes_before_position() -> None:
    ships = Ships()
    step_ships(*ships.motion, np.array([1], np.uint16), DT, RULES)
    assert ships["x"][0] == RULES.ship_thrust * DT * DT


def test_thrust_ends_at_the_ships_speed_limit() -> None:
    ships = Ships(heading=0.3).fly(Button.THRUST, ticks=200)
    assert np.hypot(ships["vx"], ships["vy"])[0] == pytest.approx(RULES.ship_speed_max)


def test_ship_beyond_the_limit_is_not_slowed_by_thrusting() -> None:
    ships = Ships(vx=200.0).fly(Button.THRUST, ticks=20)
    assert ships["vx"][0] == pytest.approx(200.0)


def test_brake_stops_dead() -> None:
    ships = Ships(vx=100.0, vy=30.0).fly(Button.BRAKE, ticks=200)
    assert ships["vx"][0] == 0.0
    assert ships["vy"][0] == 0.0


def test_brake_is_not_undone_below_rest_while_thrusting() -> None:
    ships = Ships().fly(Button.BRAKE | Button.THRUST, ticks=20)
    assert ships["vx"][0] > SPEED_REST


def test_left_turns_counter_clockwise_up_to_the_spin_limit() -> None:
    ships = Ships().fly(Button.LEFT, ticks=1)
    assert ships["spin"][0] == pytest.approx(RULES.ship_turn * RULES.tick_s)
    ships.fly(Button.LEFT, ticks=40)
    assert ships["spin"][0] == RULES.ship_spin_max
    assert -math.pi <= ships["heading"][0] < math.pi


def test_spin_dies_away_to_exactly_nothing_without_turning() -> None:
    ships = Ships(spin=3.0).fly(0, ticks=60)
    assert ships["spin"][0] == 0.0
    assert SPIN_REST > 0


def test_both_turn_buttons_are_none() -> None:
    both = Ships(spin=1.0).fly(Button.LEFT | Button.RIGHT)
    none = Ships(spin=1.0).fly(0)
    assert both["spin"][0] == none["spin"][0]


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    buttons=st.lists(st.integers(0, BUTTONS_ALL), min_size=1, max_size=12),
)
def test_ships_fly_alike_alone_and_in_a_crowd(seed: int, buttons: list[int]) -> None:
    rng = np.random.default_rng(seed)
    crowd = Ships(len(buttons))
    for name in FIELDS:
        crowd[name][:] = rng.uniform(-3.0, 3.0, len(buttons))
    alone = [Ships() for _ in buttons]
    for row, one in enumerate(alone):
        for name in FIELDS:
            one[name][:] = crowd[name][row]
    held = np.array(buttons, dtype=np.uint16)
    for _ in range(5):
        fly_tick(*crowd.motion, held, RULES)
    for row, one in enumerate(alone):
        one.fly(buttons[row], ticks=5)
        for name in FIELDS:
            assert one[name][0] == pytest.approx(crowd[name][row], rel=1e-12, abs=1e-12)


@settings(derandomize=True, deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32 - 1))
def test_physics_moves_a_free_ship_as_the_flight_model_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, ticks = 5, 40
    bodies = Columns(BASE_SCHEMA, 8)
    slots = bodies.allocate(np.arange(1, count + 1))
    bodies["kind"][slots] = Kind.SHIP
    for name, high in zip(FIELDS, (10.0, 10.0, 80.0, 80.0, math.pi, 3.0), strict=True):
        bodies[name][slots] = rng.uniform(-high, high, count)
    bodies["x"][slots] += np.arange(count) * 1e5
    twins = Ships(count)
    for name in FIELDS:
        twins[name][:] = bodies[name][slots]
    space, ghosts = Space(), Ghosts(BASE_SCHEMA, RULES)
    space.add(slots, bodies, np.full(count, 8.0), np.full(count, 10.0))

    for tick in range(ticks):
        held = rng.integers(0, BUTTONS_ALL + 1, count).astype(np.uint16)
        buttons = np.zeros(bodies.capacity, np.uint16)
        buttons[slots] = held
        for _ in range(RULES.substeps):
            fly(bodies, Step(tick, DT, RULES, buttons, rng, ghosts))
            space.step(bodies, DT)
        fly_tick(*twins.motion, held, RULES)
        for name in FIELDS:
            np.testing.assert_allclose(bodies[name][slots], twins[name], rtol=0, atol=1e-9)


def test_one_substep_is_steering_and_then_advancing() -> None:
    whole, parts = Ships(vx=3.0, spin=0.5), Ships(vx=3.0, spin=0.5)
    held = np.array([Button.THRUST | Button.LEFT], np.uint16)
    step_ships(*whole.motion, held, DT, RULES)
    steer(parts["vx"], parts["vy"], parts["heading"], parts["spin"], held, DT, RULES)
    advance(*parts.motion, DT)
    assert all(np.array_equal(whole[name], parts[name]) for name in FIELDS)
