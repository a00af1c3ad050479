"""Events that single clients are told of: who they are, when each copy leaves, and again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flying import flown_by

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.component import Component, Field, Replication, To
from sidereal.protocol.state.private import read_private_untrusted
from sidereal.protocol.state.schema import BASE_COMPONENTS, Schema
from sidereal.replication.edge.in_flight import TAG_BITS
from sidereal.replication.edge.private import SIZE_MAX, PrivateLog
from sidereal.replication.edge.privateevents import Addressed, Hearers, PrivateEvents
from sidereal.replication.edge.windows import Windows
from sidereal.replication.limits import EdgeLimits

RULES = Rules()
SCHEMA = Schema(
    BASE_COMPONENTS,
    events=(
        Component("hint", (Field("size", "u1"),), Replication.EVENT, to=To.PILOT),
        Component("roll", (Field("text", "S100"),), Replication.EVENT, to=To.SECTOR),
        Component("gong", (), Replication.EVENT, to=To.ALL),
    ),
)
HINT, ROLL, GONG = SCHEMA.event_numbers.values()
HERE, THERE = 11, 12
"""Sectors."""
MUCH = 10_000
NOBODY = np.zeros(0, np.int64)

Told = list[tuple[int, int, int, int]]
"""Of each event its sort, subject, tick and number."""


class Rig:
    """Three clients: 0 and 1 fly by the accounts 5 and -6, 2 watches; 1 is in another sector."""

    def __init__(self, **limits: Any) -> None:
        self.events = PrivateEvents(SCHEMA, EdgeLimits(**({"events_size": 500} | limits)))
        self.log = PrivateLog(SCHEMA, RULES, 3, self.events)
        self.windows = Windows(RULES, 3)
        self.hearers = Hearers(
            np.arange(3), np.array([HERE, THERE, HERE]), np.ones(3, np.bool_), np.array([5, -6, 0])
        )
        for client in range(3):
            self.log.join(client)
            self.windows.move(client, 0, 1, 1)
        self.tick = 300

    def happen(self, what: int, *ids: int, sector: int = HERE, account: int = 0) -> None:
        rows = np.zeros(len(ids), SCHEMA.private_events[what])
        rows["id"] = ids
        where, whose = np.full(len(ids), sector), np.full(len(ids), account)
        self.events.note(Addressed(what, rows, where, whose))

    def step(self, allowance: int = MUCH) -> list[Told]:
        """Publish a tick, and give what each client is told."""
        self.tick += 1
        self.log.publish(self.tick, flown_by(schema=SCHEMA), self.hearers)
        sections = self.log.collect(np.arange(3), self.windows, np.full(3, allowance))
        assert sections.size.max() <= self.log.size_max
        self.log.note_sent(np.where(sections.size > 0, np.arange(3), -1))
        return [self.read(section) if section else [] for section in sections.data]

    def read(self, section: bytes) -> Told:
        private, end = read_private_untrusted(SCHEMA, RULES, section, 0, self.tick, (1, 1))
        assert end == len(section)
        found = []
        for what, packed in private.events:
            rows = np.frombuffer(packed, SCHEMA.private_events[what])
            ticks = self.tick - rows["age"].astype(int)
            found += [(what, *row) for row in zip(rows["id"], ticks, rows["nth"], strict=True)]
        return found

    def ack(self, client: int, tick: int | None = None) -> None:
        self.log.settle(self._tag(client, tick), NOBODY)

    def lose(self, client: int, tick: int | None = None) -> None:
        self.log.settle(NOBODY, self._tag(client, tick))

    def _tag(self, client: int, tick: int | None) -> np.ndarray:
        return np.array([((tick or self.tick) << TAG_BITS) | client])


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_each_is_told_what_is_for_it_in_the_tick_in_which_it_happened(rig: Rig) -> None:
    rig.happen(GONG, 7)
    rig.happen(ROLL, 8, 9)
    rig.happen(HINT, 7, account=5)
    rig.happen(HINT, 6, account=-6)
    rig.happen(HINT, 4)
    now = 301
    assert rig.step() == [
        [(HINT, 7, now, 3), (ROLL, 8, now, 1), (ROLL, 9, now, 2), (GONG, 7, now, 0)],
        [(HINT, 6, now, 1), (GONG, 7, now, 0)],
        [(ROLL, 8, now, 1), (ROLL, 9, now, 2), (GONG, 7, now, 0)],
    ]
    assert rig.step() == [[], [], []]


def test_who_is_nowhere_yet_is_told_only_what_is_for_all(rig: Rig) -> None:
    rig.hearers = rig.hearers._replace(somewhere=np.array([False, True, True]))
    rig.happen(ROLL, 8)
    rig.happen(GONG, 9)
    assert rig.step()[0] == [(GONG, 9, 301, 0)]


def test_what_is_lost_is_told_again_until_it_is_acked_and_says_when_it_was(rig: Rig) -> None:
    rig.happen(GONG, 7)
    rig.step()
    for _ in range(3):
        rig.lose(0)
        assert rig.step() == [[(GONG, 7, 301, 0)], [], []]
    rig.ack(0)
    rig.lose(1, 301)
    assert rig.step() == [[], [(GONG, 7, 301, 0)], []]
    assert rig.events.count == 2


def test_what_has_not_left_is_told_with_the_next_section(rig: Rig) -> None:
    rig.happen(GONG, 7)
    rig.tick += 1
    rig.log.publish(rig.tick, flown_by(schema=SCHEMA), rig.hearers)
    rig.log.collect(np.arange(3), rig.windows, np.full(3, MUCH))
    rig.log.note_sent(np.array([-1, 1, -1]))
    assert rig.step() == [[(GONG, 7, 301, 0)], [], [(GONG, 7, 301, 0)]]


def test_as_much_is_told_at_a_time_as_fits_the_oldest_first() -> None:
    rig = Rig()
    rig.happen(ROLL, *range(1, 9))
    first = rig.step()[0]
    assert [subject for _, subject, _, _ in first] == [1, 2, 3, 4, 5]
    rig.happen(GONG, 20)
    second = rig.step()[0]
    assert [subject for _, subject, _, _ in second] == [6, 7, 8, 20]
    assert {tick for what, _, tick, _ in second if what == ROLL} == {301}


def test_a_thin_link_is_told_one_after_another(rig: Rig) -> None:
    rig.happen(GONG, 1)
    rig.happen(GONG, 2)
    assert rig.step(allowance=60) == [[], [], []]
    assert rig.step(allowance=105)[0] == [(GONG, 1, 301, 0)]
    assert rig.step(allowance=105)[0] == [(GONG, 2, 301, 1)]


def test_of_a_tick_the_first_count_and_nobody_else_is_told_less(rig: Rig) -> None:
    rig = Rig(events_per_tick=3)
    rig.happen(HINT, 1, 2, account=5)
    rig.happen(GONG, *range(10, 14))
    mine, other, third = rig.step()
    assert [subject for _, subject, _, _ in mine] == [1, 2, 10]
    assert [subject for _, subject, _, _ in other] == [10, 11, 12]
    assert [subject for _, subject, _, _ in third] == [10, 11, 12]
    assert rig.events.crowded == 3 + 2


def test_of_too_many_that_wait_the_oldest_are_given_up(rig: Rig) -> None:
    rig = Rig(events_waiting=2)
    for subject in range(1, 5):
        rig.happen(HINT, subject, account=5)
        assert rig.step(allowance=0) == [[], [], []]
    assert [subject for _, subject, _, _ in rig.step()[0]] == [3, 4]
    assert rig.events.crowded_out == 2


def test_what_is_too_old_to_say_when_it_was_is_given_up(rig: Rig) -> None:
    rig.happen(GONG, 1)
    for _ in range(256):
        rig.step(allowance=0)
    assert (rig.events.count, rig.events.outdated) == (3, 0)
    assert rig.step() == [[], [], []]
    assert (rig.events.count, rig.events.outdated) == (0, 3)


def test_a_client_that_joins_is_told_nothing_of_what_was_for_the_one_before(rig: Rig) -> None:
    rig.happen(GONG, 1)
    rig.step()
    rig.log.join(0)
    rig.lose(0)
    assert rig.step() == [[], [], []]


def test_a_game_whose_events_do_not_fit_is_refused() -> None:
    wide = Component("cry", (Field("text", f"S{SIZE_MAX}"),), Replication.EVENT, to=To.ALL)
    with pytest.raises(ConfigError, match="with one event"):
        PrivateLog(Schema(BASE_COMPONENTS, events=[wide]), RULES, 1)
