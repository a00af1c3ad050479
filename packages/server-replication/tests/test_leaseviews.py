"""Clients are shown the leases around them: what has changed, until they have acked it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.message.codec import HOLDER_ROW
from sidereal.protocol.message.player import Leases
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import SECTOR_MAX
from sidereal.replication.edge.leaseviews import LeaseViews, Shown
from sidereal.replication.limits import LIMITS
from sidereal.replication.ownership.leases import LeaseTable

RULES = Rules()
CELLS = RULES.cells_per_side
RADIUS = 2
SIDE = 2 * RADIUS + 1
Sector = tuple[int, int]


class Rig:
    """Views of one table, and what every client makes of the messages that get to it."""

    def __init__(self) -> None:
        self.table = LeaseTable()
        self.table.join(1, {(0, 0): 1.0})
        self.views = LeaseViews(RULES, 4, RADIUS)
        self.tick = 0
        self.middle: dict[int, Sector] = {}
        self.newest: dict[int, int] = {}
        self.known: dict[int, dict[Sector, int]] = {}

    def put(self, client: int, x: int, y: int) -> None:
        self.middle[client] = x, y
        self.views.move(client, self.tick, x * CELLS, y * CELLS)

    def step(self, *full: int) -> list[Shown]:
        """Show clients what is due; the links of some are full."""
        self.tick += 1
        self.views.follow(self.table, self.tick)
        can_hear = np.ones(4, np.bool_)
        can_hear[list(full)] = False
        return self.views.collect(self.tick, self.table, can_hear)

    def deliver(self, shown: Shown, ack: bool = True) -> None:
        """What a client does: as its channel, it drops what comes after a newer one, but acks."""
        client, message, tag = shown
        if message.tick > self.newest.get(client, -1):
            self.newest[client] = message.tick
            known = self.known.setdefault(client, {})
            known.update(rows_of(message))
            self.known[client] = {
                (x, y): shard
                for (x, y), shard in known.items()
                if max(abs(x - message.sector_x), abs(y - message.sector_y)) <= RADIUS
            }
        if ack:
            self.views.acked(client, [tag])

    def settle(self) -> None:
        for _ in range(LIMITS.edge.leases_every_ticks):
            for shown in self.step():
                self.deliver(shown)

    def truth(self, client: int) -> dict[Sector, int]:
        x, y = self.middle[client]
        square = [(x + dx - RADIUS, y + dy - RADIUS) for dx in range(SIDE) for dy in range(SIDE)]
        return {sector: self.table.holder_of(sector) for sector in square}


def rows_of(message: Leases) -> dict[Sector, int]:
    rows = np.frombuffer(message.rows, HOLDER_ROW).tolist()
    return {(message.sector_x + dx, message.sector_y + dy): shard for dx, dy, shard in rows}


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.put(0, 0, 0)
    rig.settle()
    return rig


def test_who_has_acked_everything_is_sent_nothing(rig: Rig) -> None:
    assert rig.known[0] == rig.truth(0)
    assert [shown for _ in range(100) for shown in rig.step()] == []


def test_a_change_is_sent_alone(rig: Rig) -> None:
    rig.table.grow({(1, 1): 1.0}, {})
    (shown,) = rig.step()
    assert rows_of(shown.message) == {(1, 1): 1}
    rig.deliver(shown)
    assert [shown for _ in range(100) for shown in rig.step()] == []


def test_a_change_outside_the_square_is_not_sent(rig: Rig) -> None:
    rig.table.grow({(RADIUS + 1, 0): 1.0}, {})
    assert [shown for _ in range(20) for shown in rig.step()] == []


def test_what_is_not_acked_is_sent_again_but_not_with_every_tick(rig: Rig) -> None:
    rig.table.grow({(1, 1): 1.0}, {})
    sent = [rig.tick for _ in range(20) if rig.step()]
    assert len(sent) == 20 // LIMITS.edge.leases_every_ticks
    assert {b - a for a, b in pairwise(sent)} == {LIMITS.edge.leases_every_ticks}


def test_a_client_whose_link_is_full_is_told_when_there_is_room_and_nothing_waits(rig: Rig) -> None:
    rig.table.grow({(1, 1): 1.0}, {})
    assert [shown for _ in range(20) for shown in rig.step(0)] == []
    rig.table.vacate([(1, 1)])
    (shown,) = rig.step()
    assert rows_of(shown.message) == {(1, 1): SHARD_NONE}


def test_what_changes_before_the_ack_comes_is_sent_with_the_rest(rig: Rig) -> None:
    rig.table.grow({(1, 1): 1.0}, {})
    (first,) = rig.step()
    rig.table.vacate([(1, 1)])
    rig.table.grow({(1, 0): 1.0}, {})
    (second,) = (shown for _ in range(LIMITS.edge.leases_every_ticks) for shown in rig.step())
    assert rows_of(second.message) == {(1, 1): SHARD_NONE, (1, 0): 1}
    rig.deliver(first)
    (third,) = (shown for _ in range(LIMITS.edge.leases_every_ticks) for shown in rig.step())
    assert rows_of(third.message) == {(1, 1): SHARD_NONE, (1, 0): 1}
    rig.deliver(third)
    assert rig.known[0] == rig.truth(0)


def test_sectors_that_come_into_the_square_are_sent_whoever_holds_them(rig: Rig) -> None:
    rig.put(0, 1, 0)
    (shown,) = rig.step()
    assert rows_of(shown.message) == {(3, y): SHARD_NONE for y in range(-RADIUS, RADIUS + 1)}


def test_a_client_in_the_row_of_one_that_left_begins_anew(rig: Rig) -> None:
    rig.views.leave(0)
    assert rig.step() == []
    rig.put(0, 0, 0)
    (shown,) = rig.step()
    assert len(rows_of(shown.message)) == SIDE * SIDE


def test_at_the_worlds_edge_there_are_no_sectors_beyond(rig: Rig) -> None:
    rig.put(1, SECTOR_MAX, 0)
    (shown,) = rig.step()
    assert len(rows_of(shown.message)) == SIDE * (RADIUS + 1)
    assert max(x for x, _ in rows_of(shown.message)) == SECTOR_MAX


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["grow", "vacate", "move", "leave", "wait"]),
        st.integers(-3, 3),
        st.integers(-3, 3),
        st.lists(st.sampled_from(["lost", "late", "ack lost", "good"]), min_size=4, max_size=4),
    ),
    max_size=40,
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(STEPS)
def test_whatever_is_lost_or_late_everybody_knows_the_truth_in_the_end(
    steps: list[tuple[str, int, int, list[str]]],
) -> None:
    rig = Rig()
    for client in (0, 1):
        rig.put(client, client, 0)
    late: list[Shown] = []
    for what, x, y, fates in steps:
        if what == "grow":
            rig.table.grow({(x, y): 1.0}, {})
        elif what == "vacate":
            rig.table.vacate([(x, y)])
        elif what == "move":
            rig.put(x & 1, x, y)
        elif what == "leave":
            rig.views.leave(x & 1)
            late = [shown for shown in late if shown.client != x & 1]
            rig.known.pop(x & 1, None)
            rig.put(x & 1, y, x)
        for _ in range(1 + abs(x)):
            for shown, fate in zip(rig.step(), fates, strict=False):
                if fate == "late":
                    late.append(shown)
                elif fate != "lost":
                    rig.deliver(shown, ack=fate == "good")
                for before in late[:-1] if fate == "good" else ():
                    rig.deliver(before)
    for shown in late:
        rig.deliver(shown)
    rig.settle()
    for client in (0, 1):
        assert rig.known[client] == rig.truth(client)
