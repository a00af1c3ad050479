"""What accounts left comes back to where it was, or as near to it as there is room."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drifters import RADIUS, SCHEMA, drifter, saved_drifter

from sidereal.game import Label
from sidereal.game.schema import name_of
from sidereal.protocol.rules import Rules
from sidereal.replication.keeping.persist import WriteBehind
from sidereal.replication.keeping.stored import Berth
from sidereal.replication.limits import LIMITS
from sidereal.replication.play.berths import Berths
from sidereal.replication.play.spots import CLEARANCE, RING_STEP
from sidereal.replication.world import UUID, World

APART = RADIUS + CLEARANCE


class Port:
    """A world with rocks, and berths."""

    def __init__(self, *rocks: tuple[float, float, float]) -> None:
        self.world = World(SCHEMA, Rules())
        self.saving = WriteBehind(self.world)
        self.berths = Berths(self.world, self.saving)
        self.saved: dict[int, Berth] = {}
        records = np.repeat(drifter(tick=1), len(rocks))
        records["x"], records["y"], records["radius"] = np.array(rocks).reshape(-1, 3).T
        self.rocks = self.world.enter(records, np.zeros(len(rocks), UUID), np.zeros(len(rocks)), 1)

    def enter(self, account: int, tick: int = 5) -> tuple[float, float]:
        row = self.berths.enter(account, tick, self.saved[account])
        columns = self.world.columns
        assert columns.tick[row] == tick
        return float(columns["x"][row]), float(columns["y"][row])

    def shelter(self, account: int, x: float, y: float) -> None:
        self.saved[account] = Berth(saved_drifter("Ada", x, y, tick=1), np.zeros(1, UUID))


def test_it_comes_back_to_where_it_was() -> None:
    port = Port((0.0, 0.0, 30.0))
    port.shelter(7, 30.0 + APART + 0.1, 0.0)
    assert port.enter(7) == (30.0 + APART + 0.1, 0.0)


@pytest.mark.parametrize("off", [0.0, 10.0, 35.0])
def test_it_comes_back_beside_a_rock_that_has_drifted_there(off: float) -> None:
    port = Port((500.0, 0.0, 30.0))
    port.world.columns["vx"][port.rocks] = -500.0 / (199 * Rules().tick_s)
    port.shelter(7, off, 0.0)
    x, y = port.enter(7, tick=200)
    assert math.hypot(x, y) >= 30.0 + APART - 1e-6
    assert math.hypot(x - off, y) <= 30.0 + APART - off + 2 * RING_STEP


def test_two_of_one_place_come_back_side_by_side() -> None:
    port = Port()
    for account in (7, 8, 9):
        port.shelter(account, 100.0, 100.0)
    spots = [port.enter(account) for account in (7, 8, 9)]
    apart = [math.dist(a, b) for a in spots for b in spots if a != b]
    assert spots[0] == (100.0, 100.0)
    assert min(apart) >= RADIUS + APART - 1e-6
    assert max(apart) < 4 * APART


def test_it_comes_back_at_rest_however_its_pilot_left() -> None:
    port = Port()
    port.shelter(7, 100.0, 100.0)
    # As a crash leaves it: saved in flight.
    record = port.saved[7].record
    record["vx"], record["vy"], record["spin"] = 30.0, -4.0, 1.0
    port.enter(7)
    rows, columns = port.world.columns.rows(), port.world.columns
    motion = [float(columns[name][rows[0]]) for name in ("vx", "vy", "spin")]
    assert motion == [0.0, 0.0, 0.0]
    columns["vx"][rows] = 30.0
    port.berths.leave(int(rows[0]), 9)
    departed = port.saving.departed_of(7)
    assert departed is not None
    assert departed.record["vx"].tolist() == [0.0]


def test_what_a_player_that_has_gone_wanted_of_the_database_is_not_asked() -> None:
    port = Port()
    for _ in range(1000):
        port.berths.fetch(7, 5)
        port.berths.fetch(8, 5)
        port.berths.give_up(7)
    assert [request.account for request in port.berths.take_requests()] == [8]


def test_answers_that_come_together_are_given_up_so_many_at_a_time_in_their_order() -> None:
    port = Port()
    for account in range(1, 8):
        port.berths.fetch(account, 5)
    for request in port.berths.take_requests():
        port.berths.deliver(request, None)
    taken = [[account for account, _ in port.berths.take_arrived(3)] for _ in range(4)]
    assert taken == [[1, 2, 3], [4, 5, 6], [7], []]


def test_what_is_gone_for_good_never_comes_back_though_the_database_has_it_still() -> None:
    port = Port()
    port.shelter(7, 100.0, 100.0)
    port.enter(7)
    rows = port.world.columns.rows()
    record = port.world.columns.store(rows, SCHEMA.full_record)
    port.saving.depart(record, int(rows[0]), 6, removed=True)
    port.world.remove(rows, 6)
    port.berths.fetch(7, 7)
    assert not port.berths.has_requests
    assert port.berths.take_arrived(9) == [(7, None)]
    batch = port.saving.take_batch(10, 7)
    assert batch is not None
    assert batch.removed.tolist() == [True]


def test_what_was_asked_for_in_vain_does_not_come() -> None:
    port = Port()
    port.berths.fetch(7, 1)
    (asked,) = port.berths.take_requests()
    assert port.berths.wants(asked)
    port.berths.give_up(7)
    assert not port.berths.wants(asked)
    assert port.berths.take_late(1000) == []
    port.berths.deliver(asked, None)
    assert port.berths.take_arrived(9) == []
    port.berths.fetch(7, 2)
    (again,) = port.berths.take_requests()
    port.berths.deliver(asked, None)
    assert port.berths.wants(again)
    port.berths.deliver(again, None)
    port.berths.give_up(7)
    assert port.berths.take_arrived(9) == []


def test_a_player_is_told_once_that_its_berth_is_late() -> None:
    port, late = Port(), LIMITS.keeping.berth_late_ticks
    port.berths.fetch(7, 100)
    port.berths.fetch(8, 101)
    assert port.berths.take_late(100 + late - 1) == []
    assert port.berths.take_late(100 + late) == [7]
    assert port.berths.take_late(100 + late + 1) == [8]
    assert port.berths.take_late(1000) == []


@pytest.mark.parametrize("later", [1, 10 * LIMITS.keeping.amended_ticks])
def test_what_is_committed_of_what_waits_for_its_player_is_so_however_long_it_waits(
    later: int,
) -> None:
    port = Port()
    port.shelter(7, 100.0, 100.0)
    port.shelter(8, 200.0, 200.0)
    port.saved[7] = port.saved[7]._replace(uuid=np.frombuffer(b"one for them all", UUID))
    for account, berth in port.saved.items():
        port.berths.offer(account, berth)
    label = port.world.schema.numbers[name_of(Label)]
    port.berths.amend(b"one for them all", label, {"name": b"Bob"}, 10)
    for tick in range(10, 10 + later, LIMITS.keeping.amended_ticks):
        port.berths.amend(bytes(16), label, {"name": b"Eve"}, tick)
    left = port.berths.offered(7)
    assert left is not None
    port.saved[7] = left
    port.enter(7, tick=10 + later)
    (row,) = port.world.columns.rows()
    assert port.world.columns["name"][row] == b"Bob"


def test_what_waits_for_its_player_waits_until_that_leaves() -> None:
    port = Port()
    port.shelter(7, 100.0, 100.0)
    port.berths.offer(7, port.saved[7])
    assert port.berths.offered(7) is port.saved[7]
    assert port.berths.offered(8) is None
    port.berths.give_up(7)
    assert port.berths.offered(7) is None
