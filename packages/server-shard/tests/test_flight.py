"""The flight model, alone and against the shard's physics."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.game import Motion
from sidereal.game.bits import pack
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.models import FreeFlight
from sidereal.game.record import as_columns
from sidereal.game.schema import schema_of
from sidereal.games.frontier import Stick
from sidereal.games.frontier import ships as frontier_ships
from sidereal.games.frontier.ships import SPEED_REST, SPIN_REST
from sidereal.protocol.message.inputs import Input, RoutedInput
from sidereal.protocol.message.shard import Adopt
from sidereal.protocol.rules import Rules
from sidereal.shard.simulation import Simulation

THRUST = pack(Stick(thrust=1))
LEFT = pack(Stick(turn=1))
BRAKE = pack(Stick(brake=1))
PORT = pack(Stick(strafe=1))
RULES = Rules()
GAME = load(DEFAULT_GAME)
FLIGHT = FreeFlight(GAME, RULES)
SCHEMA = schema_of(GAME)
HELD = [
    pack(Stick(thrust=thrust, turn=turn, strafe=strafe, brake=brake))
    for thrust, turn, strafe, brake in itertools.product((-1, 0, 1), (-1, 0, 1), (-1, 0, 1), (0, 1))
]
FIELDS = tuple(Motion.fields)


class Ships(dict[str, np.ndarray]):
    """Motion of n ships, all at rest at the origin."""

    def __init__(self, ships: int = 1, **values: float) -> None:
        super().__init__({name: np.zeros(ships) for name in FIELDS})
        for name, value in values.items():
            self[name][:] = value

    def hold(self, held: np.ndarray, tick: int = 0) -> None:
        """Fly for a tick, each by a record of its own."""
        ids = np.arange(1, len(held) + 1, dtype=np.uint32)
        FLIGHT.fly({Motion: as_columns(Motion, self), **FLIGHT.hold(held)}, ids, tick)

    def fly(self, record: int, ticks: int = 1) -> Ships:
        for _ in range(ticks):
            self.hold(np.full(len(self["x"]), record, dtype=np.uint64))
        return self


def test_ship_that_nobody_steers_keeps_its_velocity_exactly() -> None:
    ships = Ships(vx=12.345678901, vy=-0.1, heading=1.0)
    ships.fly(0, ticks=1000)
    assert ships["vx"][0] == 12.345678901
    assert ships["vy"][0] == -0.1
    assert ships["x"][0] == pytest.approx(12.345678901 * 1000 * RULES.tick_s)


def test_thrust_accelerates_along_the_heading() -> None:
    ships = Ships(heading=math.pi / 2).fly(THRUST)
    assert ships["vx"][0] == pytest.approx(0.0, abs=1e-9)
    assert ships["vy"][0] == pytest.approx(frontier_ships.THRUST * RULES.tick_s)


def test_strafing_accelerates_to_port_and_less_than_the_main_engine() -> None:
    ships = Ships(heading=math.pi / 2).fly(PORT)
    assert ships["vx"][0] == pytest.approx(-frontier_ships.STRAFE * RULES.tick_s)
    assert ships["vy"][0] == pytest.approx(0.0, abs=1e-9)
    assert frontier_ships.STRAFE < frontier_ships.THRUST
    starboard = Ships(heading=math.pi / 2).fly(pack(Stick(strafe=-1)))
    assert starboard["vx"][0] == -ships["vx"][0]


def test_all_engines_together_end_at_the_same_speed_limit() -> None:
    ships = Ships(heading=0.3).fly(THRUST | PORT, ticks=200)
    assert np.hypot(ships["vx"], ships["vy"])[0] == pytest.approx(frontier_ships.SPEED_MAX)


def test_velocity_changes_before_position() -> None:
    dt = RULES.tick_s / RULES.substeps
    ships = Ships().fly(THRUST)
    assert ships["x"][0] == pytest.approx(frontier_ships.THRUST * dt * dt * (1 + 2 + 3))


def test_thrust_ends_at_the_ships_speed_limit() -> None:
    ships = Ships(heading=0.3).fly(THRUST, ticks=200)
    assert np.hypot(ships["vx"], ships["vy"])[0] == pytest.approx(frontier_ships.SPEED_MAX)


def test_ship_beyond_the_limit_is_not_slowed_by_thrusting() -> None:
    ships = Ships(vx=200.0).fly(THRUST, ticks=20)
    assert ships["vx"][0] == pytest.approx(200.0)


def test_brake_stops_dead() -> None:
    ships = Ships(vx=100.0, vy=30.0).fly(BRAKE, ticks=200)
    assert ships["vx"][0] == 0.0
    assert ships["vy"][0] == 0.0


def test_brake_is_not_undone_below_rest_while_thrusting() -> None:
    ships = Ships().fly(BRAKE | THRUST, ticks=20)
    assert ships["vx"][0] > SPEED_REST


def test_left_turns_counter_clockwise_up_to_the_spin_limit() -> None:
    ships = Ships().fly(LEFT, ticks=1)
    assert ships["spin"][0] == pytest.approx(frontier_ships.TURN * RULES.tick_s)
    ships.fly(LEFT, ticks=40)
    assert ships["spin"][0] == frontier_ships.SPIN_MAX
    assert -math.pi <= ships["heading"][0] < math.pi


def test_spin_dies_away_to_exactly_nothing_without_turning() -> None:
    ships = Ships(spin=3.0).fly(0, ticks=60)
    assert ships["spin"][0] == 0.0
    assert SPIN_REST > 0


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    records=st.lists(st.sampled_from(HELD), min_size=1, max_size=12),
)
def test_ships_fly_alike_alone_and_in_a_crowd(seed: int, records: list[int]) -> None:
    rng = np.random.default_rng(seed)
    crowd = Ships(len(records))
    for name in FIELDS:
        crowd[name][:] = rng.uniform(-3.0, 3.0, len(records))
    alone = [Ships() for _ in records]
    for row, one in enumerate(alone):
        for name in FIELDS:
            one[name][:] = crowd[name][row]
    held = np.array(records, dtype=np.uint64)
    for _ in range(5):
        crowd.hold(held)
    for row, one in enumerate(alone):
        one.fly(records[row], ticks=5)
        for name in FIELDS:
            assert one[name][0] == pytest.approx(crowd[name][row], rel=1e-12, abs=1e-12)


@settings(derandomize=True, deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32 - 1))
def test_physics_moves_a_free_ship_as_the_flight_model_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, ticks = 5, 40
    records = np.repeat(SCHEMA.first[[GAME.kind_number("ship")]], count)
    records["id"], records["epoch"], records["tick"] = 1 + np.arange(count), 1, 100
    records["radius"], records["mass"] = 8.0, 10.0
    for name, high in zip(FIELDS, (10.0, 10.0, 80.0, 80.0, math.pi, 3.0), strict=True):
        records[name] = rng.uniform(-high, high, count)
    records["x"] += np.arange(count) * 1e5
    records["control_epoch"] = 1
    twins = Ships(count)
    for name in FIELDS:
        twins[name][:] = records[name]
    simulation = Simulation(GAME, SCHEMA, RULES, rng)
    simulation.apply(Adopt(100, records.tobytes(), b""), 100)
    columns, rows = simulation.bodies.columns, simulation.bodies.rows()
    for seq in range(1, ticks + 1):
        held = rng.choice(HELD, count).astype(np.uint64)
        for net_id, record in zip(records["id"].tolist(), held.tolist(), strict=True):
            simulation.take_input(RoutedInput(net_id, Input(1, seq, (record,))))
        simulation.step(100 + seq)
        twins.hold(held, 100 + seq)
        for name in FIELDS:
            np.testing.assert_allclose(columns[name][rows], twins[name], rtol=0, atol=1e-9)
