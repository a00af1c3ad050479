"""Asteroids stay in the belt; those that are fast leave its edge slower."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.game import Game
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.games.frontier import flight, rocks
from sidereal.games.frontier.asteroids import (
    BELT_HIGH,
    BELT_LOW,
    TURN_MARGIN,
    TURN_SPEED_MAX,
    belt,
)
from sidereal.protocol.message.shard import Adopt
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.shard.simulation import Simulation

RULES = Rules()
SHIP_NUMBER = declare(Game("rocky", parts=[flight, rocks])).kind_number("ship")
LOW, HIGH = BELT_LOW + TURN_MARGIN, BELT_HIGH - TURN_MARGIN
MIDDLE = (LOW + HIGH) / 2


def simulate(
    columns: dict[str, float | list[float]],
    rules: Rules = RULES,
    edges: tuple[float, float] | None = None,
) -> Simulation:
    """Bodies of one shard, as given, on their first tick."""
    count = max(np.size(values) for values in columns.values())
    records = np.zeros(count, BASE_SCHEMA.full_record)
    records["id"], records["epoch"], records["tick"] = 1 + np.arange(count), 1, 100
    game = declare(Game("rocky", parts=[flight, rocks, belt(*(edges or (BELT_LOW, BELT_HIGH)))]))
    records["kind"] = game.kind_number("asteroid")
    records["radius"], records["mass"] = 5.0, 10.0
    records["x"] = records["y"] = MIDDLE
    for name, values in columns.items():
        records[name] = values
    simulation = Simulation(game, schema_of(game), rules, np.random.default_rng(1))
    simulation.apply(Adopt(100, records.tobytes(), b""), 100)
    return simulation


def run(simulation: Simulation, ticks: int) -> np.ndarray:
    """Velocities of the first body, tick by tick."""
    columns = simulation.bodies.columns
    row, told = simulation.bodies.rows()[0], []
    for tick in range(101, 101 + ticks):
        simulation.step(tick)
        told.append((columns["vx"][row], columns["vy"][row]))
    return np.array(told)


@pytest.mark.parametrize(
    ("axis", "edge", "speed"), [("x", HIGH, 40.0), ("x", LOW, -40.0), ("y", HIGH, 3.0)]
)
def test_an_asteroid_at_the_edge_is_turned_back_once_before_it_is_outside(
    axis: str, edge: float, speed: float
) -> None:
    other = "y" if axis == "x" else "x"
    begin = edge - 2.5 * speed * RULES.tick_s
    simulation = simulate({axis: begin, "v" + axis: speed, "v" + other: 1.0, "spin": 0.5})
    velocities = run(simulation, 100)
    own, across = (0, 1) if axis == "x" else (1, 0)
    slowed = min(1.0, TURN_SPEED_MAX / np.hypot(speed, 1.0))
    assert velocities[:, own].tolist() == pytest.approx([speed] * 2 + [-slowed * speed] * 98)
    assert velocities[:, across].tolist() == pytest.approx([1.0] * 2 + [slowed] * 98)
    columns = simulation.bodies.columns
    row = simulation.bodies.rows()[0]
    assert columns["spin"][row] == 0.5
    assert LOW <= columns[axis][row] < HIGH


def test_an_asteroid_far_outside_comes_back_and_one_on_its_way_is_left_alone() -> None:
    simulation = simulate(
        {"x": [HIGH + 900.0, HIGH + 800.0], "y": [0.0, 500.0], "vx": [20.0, -20.0]}
    )
    assert (run(simulation, 50)[:, 0] == -TURN_SPEED_MAX).all()
    assert simulation.bodies.columns["vx"][simulation.bodies.rows()].tolist() == [
        -TURN_SPEED_MAX,
        -20.0,
    ]


def test_what_is_no_asteroid_may_leave() -> None:
    simulation = simulate({"x": HIGH - 1.0, "vx": 40.0, "kind": SHIP_NUMBER})
    assert (run(simulation, 20)[:, 0] == 40.0).all()


def test_hundreds_that_bounce_about_stay_for_minutes_of_the_world() -> None:
    rules = Rules(tick_hz=5, substeps=1, sector_size=200.0, cell_size=50.0)
    rng = np.random.default_rng(3)
    place, speed = rng.uniform(-195.0, 195.0, (2, 200)), rng.normal(0.0, 20.0, (2, 200))
    x, y = place.tolist()
    vx, vy = speed.tolist()
    simulation = simulate({"x": x, "y": y, "vx": vx, "vy": vy}, rules, (-200.0, 200.0))
    rows = simulation.bodies.rows()
    for tick in range(101, 1101):
        simulation.step(tick)
        far = max(np.abs(simulation.bodies.columns[axis][rows]).max() for axis in "xy")
        # Some are pushed further by others, and stay there.
        assert far < 200.0
