"""Ships come back to where they were, or as near to it as there is room."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import BASE_SCHEMA, Kind
from sidereal.replication.fleet import Fleet
from sidereal.replication.genesis import SHIP_RADIUS, make_ship
from sidereal.replication.keeping.persist import WriteBehind
from sidereal.replication.keeping.stored import Berth
from sidereal.replication.limits import LIMITS
from sidereal.replication.spots import CLEARANCE, RING_STEP, nearest_free_spot
from sidereal.replication.world import UUID, World

APART = SHIP_RADIUS + CLEARANCE


class Port:
    """A world with rocks, and a fleet."""

    def __init__(self, *rocks: tuple[float, float, float]) -> None:
        rng = np.random.default_rng(1)
        self.world = World(BASE_SCHEMA, Rules())
        self.saving = WriteBehind(self.world)
        self.fleet = Fleet(self.world, self.saving, rng.bytes, rng)
        self.saved: dict[int, Berth] = {}
        records = np.zeros(len(rocks), BASE_SCHEMA.full_record)
        records["x"], records["y"], records["radius"] = np.array(rocks).reshape(-1, 3).T
        records["kind"], records["mass"], records["tick"] = Kind.ASTEROID, 10.0, 1
        self.rocks = self.world.enter(records, np.zeros(len(rocks), UUID), np.zeros(len(rocks)), 1)

    def launch(self, account: int, tick: int = 5) -> tuple[float, float]:
        row = self.fleet.launch(account, "Ada", tick, self.saved.get(account))
        columns = self.world.columns
        assert columns.tick[row] == tick
        return float(columns["x"][row]), float(columns["y"][row])

    def shelter(self, account: int, x: float, y: float) -> None:
        self.saved[account] = Berth(make_ship(BASE_SCHEMA, "Ada", x, y, 0.0, 1), np.zeros(1, UUID))


def test_a_ship_comes_back_to_where_it_was() -> None:
    port = Port((0.0, 0.0, 30.0))
    port.shelter(7, 30.0 + APART + 0.1, 0.0)
    assert port.launch(7) == (30.0 + APART + 0.1, 0.0)


@pytest.mark.parametrize("off", [0.0, 10.0, 35.0])
def test_a_ship_comes_back_beside_a_rock_that_has_drifted_there(off: float) -> None:
    port = Port((500.0, 0.0, 30.0))
    port.world.columns["vx"][port.rocks] = -500.0 / (199 * Rules().tick_s)
    port.shelter(7, off, 0.0)
    x, y = port.launch(7, tick=200)
    assert math.hypot(x, y) >= 30.0 + APART - 1e-6
    assert math.hypot(x - off, y) <= 30.0 + APART - off + 2 * RING_STEP


def test_two_ships_of_one_place_come_back_side_by_side() -> None:
    port = Port()
    for account in (7, 8, 9):
        port.shelter(account, 100.0, 100.0)
    spots = [port.launch(account) for account in (7, 8, 9)]
    apart = [math.dist(a, b) for a in spots for b in spots if a != b]
    assert spots[0] == (100.0, 100.0)
    assert min(apart) >= SHIP_RADIUS + APART - 1e-6
    assert max(apart) < 4 * APART


def test_a_ship_comes_back_at_rest_however_its_pilot_left() -> None:
    port = Port()
    port.shelter(7, 100.0, 100.0)
    # As a crash leaves it: saved in flight.
    record = port.saved[7].record
    record["vx"], record["vy"], record["spin"] = 30.0, -4.0, 1.0
    port.launch(7)
    rows, columns = port.world.columns.rows(), port.world.columns
    motion = [float(columns[name][rows[0]]) for name in ("vx", "vy", "spin")]
    assert motion == [0.0, 0.0, 0.0]
    columns["vx"][rows] = 30.0
    port.fleet.dock(int(rows[0]), 9)
    departed = port.saving.ship_of(7)
    assert departed is not None
    assert departed.record["vx"].tolist() == [0.0]


def test_what_a_pilot_that_has_gone_wanted_of_the_database_is_not_asked() -> None:
    port = Port()
    for _ in range(1000):
        port.fleet.fetch(7, 5)
        port.fleet.fetch(8, 5)
        port.fleet.give_up(7)
    assert [request.account for request in port.fleet.take_requests()] == [8]


def test_ships_that_come_together_are_given_up_so_many_at_a_time_in_their_order() -> None:
    port = Port()
    for account in range(1, 8):
        port.fleet.fetch(account, 5)
    for request in port.fleet.take_requests():
        port.fleet.deliver(request, None)
    taken = [[account for account, _ in port.fleet.take_arrived(3)] for _ in range(4)]
    assert taken == [[1, 2, 3], [4, 5, 6], [7], []]


def test_a_ship_that_is_gone_for_good_never_comes_back_though_the_database_has_it_still() -> None:
    port = Port()
    port.shelter(7, 100.0, 100.0)
    port.launch(7)
    rows = port.world.columns.rows()
    record = port.world.columns.store(rows, BASE_SCHEMA.full_record)
    port.saving.depart(record, int(rows[0]), 6, removed=True)
    port.world.remove(rows, 6)
    port.fleet.fetch(7, 7)
    assert not port.fleet.has_requests
    assert port.fleet.take_arrived(9) == [(7, None)]
    row = port.fleet.launch(7, "Ada", 7, None)
    assert port.world.uuid[row] != np.zeros(1, UUID)
    batch = port.saving.take_batch(10, 7)
    assert batch is not None
    assert batch.removed.tolist() == [True, False]


def test_a_ship_that_was_asked_for_in_vain_does_not_come() -> None:
    port = Port()
    port.fleet.fetch(7, 1)
    (asked,) = port.fleet.take_requests()
    assert port.fleet.wants(asked)
    port.fleet.give_up(7)
    assert not port.fleet.wants(asked)
    assert port.fleet.take_late(1000) == []
    port.fleet.deliver(asked, None)
    assert port.fleet.take_arrived(9) == []
    port.fleet.fetch(7, 2)
    (again,) = port.fleet.take_requests()
    port.fleet.deliver(asked, None)
    assert port.fleet.wants(again)
    port.fleet.deliver(again, None)
    port.fleet.give_up(7)
    assert port.fleet.take_arrived(9) == []


def test_a_pilot_is_told_once_that_its_ship_is_late() -> None:
    port, late = Port(), LIMITS.keeping.ship_late_ticks
    port.fleet.fetch(7, 100)
    port.fleet.fetch(8, 101)
    assert port.fleet.take_late(100 + late - 1) == []
    assert port.fleet.take_late(100 + late) == [7]
    assert port.fleet.take_late(100 + late + 1) == [8]
    assert port.fleet.take_late(1000) == []


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(0, 300))
def test_the_spot_is_free_and_none_is_much_nearer(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    others = rng.normal(0.0, 60.0, count), rng.normal(0.0, 60.0, count), rng.uniform(1, 20, count)
    x, y = nearest_free_spot(0.0, 0.0, SHIP_RADIUS, others)

    def is_free(x: float, y: float, slack: float = 0.0) -> bool:
        gap = np.hypot(others[0] - x, others[1] - y) - others[2] - APART
        return bool((gap >= slack).all())

    assert is_free(x, y, -1e-6)
    # A spot with a step of room all around would have been found on a ring within it.
    away = np.hypot(x, y) - 2 * RING_STEP
    for _ in range(200 if away > 0 else 0):
        distance, angle = away * math.sqrt(rng.random()), rng.uniform(0.0, math.tau)
        spot = distance * math.cos(angle), distance * math.sin(angle)
        assert not is_free(*spot, 2 * RING_STEP)
