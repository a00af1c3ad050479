"""What has happened is taken once from snapshots, in whatever order and how often they come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sidereal.client.limits import Limits
from sidereal.client.replica import Replica
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.component import Component, Field, Replication, To
from sidereal.protocol.state.heads import encode_head, encode_section
from sidereal.protocol.state.private import FLIGHT, RUNS
from sidereal.protocol.state.schema import BASE_COMPONENTS, Schema
from sidereal.protocol.state.stream import (
    CONTINUED,
    GONE,
    PARTIAL,
    PRESENCE,
    REPLACE,
    TOMBSTONE,
    unchanged_size,
)

EVENTS = (
    Component("burst", (Field("size", "f4", "", 0, 10, 0.5),), Replication.EVENT),
    Component("bang", (), Replication.EVENT),
    Component("hint", (Field("strength", "u1", "", 0, 9),), Replication.EVENT, to=To.PILOT),
    Component("gong", (), Replication.EVENT, to=To.ALL),
)
SCHEMA = Schema(BASE_COMPONENTS, events=EVENTS)
BURST, BANG, HINT, GONG = SCHEMA.event_numbers.values()
RULES = Rules(view_radius_cells=1)
WINDOW = 9
CELL, OTHER = 0, 1
"""Places in a window around cell (1, 1)."""

Event = tuple[int, int]
"""Tick and subject."""


def section(
    place: int,
    since: int | None,
    to: int,
    *events: Event,
    now: int,
    part: int = 0,
    parts: int = 1,
    number: int = BURST,
    continued: bool = False,
    size: int = 3,
) -> bytes:
    """Write a section of a snapshot of tick `now`; of the whole cell without `since`."""
    split = parts > 1
    flags = (REPLACE * (since is None)) | (PARTIAL * split) | (CONTINUED * continued)
    rows = np.zeros(len(events), SCHEMA.rows[number])
    for row, (tick, subject) in zip(rows, events, strict=True):
        row["id"], row["age"] = subject, now - tick
        if number == BURST:
            row["size"] = size
    runs = [(number, len(rows))] if events else []
    age = 0 if since is None else to - since
    return encode_section(place, flags, age, runs, (part, parts, now - to)) + rows.tobytes()


def rows_of(place: int, since: int, to: int, *runs: tuple[int, np.ndarray], now: int) -> bytes:
    """Write a section with rows of any sorts."""
    head = encode_section(place, 0, to - since, [(what, len(rows)) for what, rows in runs])
    return head + b"".join(rows.tobytes() for _, rows in runs)


def came(net_id: int, now: int) -> tuple[tuple[int, np.ndarray], ...]:
    """An entity comes into a cell, and flies a quarter of a cell per second."""
    presence = np.zeros(1, SCHEMA.rows[PRESENCE])
    presence["id"], presence["kind"], presence["mask"] = net_id, 1, 1 << 1
    motion = np.zeros(1, SCHEMA.rows[1])
    motion["id"], motion["tick"], motion["x"] = net_id, now, 1 << 14
    motion["vx"] = round(RULES.cell_size / 4 * 128)
    return (PRESENCE, presence), (1, motion)


def snapshot(tick: int, *sections: bytes, own: bytes = b"") -> bytes:
    nothing = bytes(unchanged_size(RULES))
    head = encode_head(tick, 1, 1, unchanged=nothing, own=bool(own))
    return b"".join((head, own, *sections))


Copy = tuple[int, int, int]
"""Of a private event its tick, its number, and its subject."""


def alone(*events: Copy, now: int, number: int = GONG, strength: int = 3) -> bytes:
    """Write a private section of a snapshot of tick `now`."""
    rows = np.zeros(len(events), SCHEMA.private_events[number])
    for row, (tick, nth, subject) in zip(rows, events, strict=True):
        row["id"], row["age"], row["nth"] = subject, now - tick, nth
        if number == HINT:
            row["strength"] = strength
    return bytes((RUNS | FLIGHT, 0, 1, number, len(rows))) + rows.tobytes()


class Taker:
    """A replica that knows every cell up to tick 10."""

    def __init__(self, **limits: Any) -> None:
        self.replica = Replica(SCHEMA, RULES, limits=Limits(**limits))
        self.apply(snapshot(10, *(section(at, None, 10, now=10) for at in range(WINDOW))))

    def apply(self, *messages: bytes) -> int:
        return len(self.replica.apply_untrusted(messages, 0.0))

    def take(self, tick: float = float("inf")) -> list[Event]:
        due = self.replica.happenings.due(tick)
        return sorted(
            event
            for each in due
            for event in zip(each.tick.tolist(), each.subject.tolist(), strict=True)
        )


def test_an_event_is_taken_with_its_subject_its_tick_and_its_values() -> None:
    taker = Taker()
    bang = section(CELL, 10, 13, (12, 9), now=13, number=BANG)
    burst = section(OTHER, 10, 13, (11, 7), (13, 7), now=13)
    assert taker.apply(snapshot(13, burst, bang)) == 1
    first, second = taker.replica.happenings.due(13.0)
    assert (first.number, first.subject.tolist(), first.tick.tolist()) == (BURST, [7, 7], [11, 13])
    assert first.values["size"].tolist() == [1.5, 1.5]
    assert (second.number, second.subject.tolist(), second.values) == (BANG, [9], {})
    assert taker.replica.happenings.taken == 3


def test_an_event_is_due_when_the_drawn_tick_has_passed_it() -> None:
    taker = Taker()
    taker.apply(snapshot(13, section(CELL, 10, 13, (11, 1), (12, 2), (13, 3), now=13)))
    assert taker.take(10.9) == []
    assert taker.take(12.0) == [(11, 1), (12, 2)]
    assert taker.take(12.5) == []
    assert taker.take(13.0) == [(13, 3)]


def test_events_that_come_again_are_not_taken_again() -> None:
    taker = Taker()
    first = snapshot(11, section(CELL, 10, 11, (11, 1), now=11))
    assert taker.apply(first, first) == 2
    taker.apply(first)
    taker.apply(snapshot(12, section(CELL, 10, 12, (11, 1), (12, 1), now=12)))
    taker.apply(snapshot(13, section(CELL, 10, 13, (11, 1), (12, 1), (13, 2), now=13)))
    assert taker.take() == [(11, 1), (12, 1), (13, 2)]


def test_events_that_are_alike_are_as_many_as_came_together() -> None:
    taker = Taker()
    twice = snapshot(11, section(CELL, 10, 11, (11, 1), (11, 1), now=11))
    elsewhere = snapshot(11, section(OTHER, 10, 11, (11, 1), now=11))
    taker.apply(twice)
    taker.apply(twice, elsewhere)
    assert taker.take() == [(11, 1)] * 3


def test_what_comes_across_a_gap_is_taken_and_what_fills_the_gap_brings_only_the_rest() -> None:
    taker = Taker()
    taker.apply(snapshot(13, section(CELL, 12, 13, (13, 3), now=13)))
    assert taker.take() == [(13, 3)]
    assert taker.replica.have[CELL] == 10
    taker.apply(snapshot(14, section(CELL, 10, 14, (11, 1), (13, 3), (14, 4), now=14)))
    assert taker.take() == [(11, 1), (14, 4)]


def test_what_is_overtaken_by_all_that_it_says_is_ignored() -> None:
    taker = Taker()
    older = snapshot(11, section(CELL, 10, 11, (11, 1), now=11))
    taker.apply(snapshot(12, section(CELL, 10, 12, (11, 1), now=12)))
    taker.apply(older)
    assert taker.take() == [(11, 1)]


def test_events_of_a_section_in_parts_wait_until_all_of_them_have_come() -> None:
    taker = Taker()
    first, second, third = (
        snapshot(12, section(CELL, 10, 12, *events, now=12, part=part, parts=3))
        for part, events in enumerate([((11, 1), (12, 1)), ((11, 2),), ()])
    )
    taker.apply(second)
    taker.apply(first)
    taker.apply(second)
    assert taker.take() == []
    taker.apply(third)
    assert taker.take() == [(11, 1), (11, 2), (12, 1)]
    taker.apply(second, first)
    assert taker.take() == []


def test_events_of_parts_that_come_over_several_ticks_are_taken_with_the_last() -> None:
    taker = Taker()
    for now, part in ((13, 1), (14, 1), (15, 0)):
        assert taker.take() == []
        events = (11, 1 + part), (12, 1 + part)
        told = section(CELL, 10, 12, *events, now=now, part=part, parts=2, continued=True)
        taker.apply(snapshot(now, told))
    assert taker.take() == [(11, 1), (11, 2), (12, 1), (12, 2)]


def test_parts_that_never_become_whole_show_nothing_and_what_replaces_them_does() -> None:
    taker = Taker()
    taker.apply(snapshot(12, section(CELL, 10, 12, (11, 1), now=12, part=0, parts=2)))
    taker.apply(snapshot(13, section(CELL, 10, 13, (11, 1), (12, 2), now=13)))
    assert taker.take() == [(11, 1), (12, 2)]


@pytest.mark.parametrize(
    "wrong",
    [
        section(CELL, 10, 13, (10, 1), now=13),
        section(CELL, None, 13, (13, 1), now=13),
        section(CELL, 10, 13, (12, 0), now=13),
        section(CELL, 10, 13, (12, 1), now=13, size=21),
        section(CELL, 10, 12, (13, 1), now=13, part=0, parts=2),
    ],
    ids=["before its section", "in a whole cell", "of nobody", "out of range", "after its section"],
)
def test_an_event_that_cannot_be_voids_its_datagram(wrong: bytes) -> None:
    taker = Taker()
    in_cell = wrong.startswith(bytes([CELL]))
    assert taker.apply(snapshot(13, wrong) if in_cell else snapshot(13, own=wrong)) == 0
    assert taker.take() == []


def test_of_what_nobody_asks_for_the_oldest_is_lost_and_counted() -> None:
    taker = Taker(happened=2)
    for tick in range(11, 15):
        taker.apply(snapshot(tick, section(CELL, tick - 1, tick, (tick, 1), now=tick)))
    assert taker.take() == [(13, 1), (14, 1)]
    assert taker.replica.happenings.dropped == 2


def test_a_private_event_is_taken_with_its_subject_its_tick_and_its_values() -> None:
    taker = Taker()
    assert taker.apply(snapshot(13, own=alone((11, 0, 7), (13, 1, 8), now=13, number=HINT))) == 1
    assert taker.replica.happenings.due(10.9) == []
    (first,) = taker.replica.happenings.due(11.0)
    assert (first.number, first.subject.tolist(), first.tick.tolist()) == (HINT, [7], [11])
    assert first.values["strength"].tolist() == [3]
    assert taker.take() == [(13, 8)]


def test_private_events_that_come_again_are_not_taken_again() -> None:
    taker = Taker()
    first = snapshot(11, own=alone((11, 0, 1), (11, 1, 1), now=11))
    taker.apply(first, first)
    taker.apply(snapshot(13, own=alone((11, 1, 1), (11, 2, 1), (12, 0, 2), now=13)), first)
    assert taker.take() == [(11, 1), (11, 1), (11, 1), (12, 2)]


def test_private_events_are_taken_whatever_was_lost_before() -> None:
    taker = Taker()
    taker.apply(snapshot(40, own=alone((30, 0, 1), now=40)))
    taker.apply(snapshot(20, own=alone((12, 0, 2), now=20)))
    assert taker.take() == [(12, 2), (30, 1)]


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("happens", [False, True])
def test_private_events_of_a_stale_snapshot_are_left_for_the_next_time(
    happens: bool, at_once: bool
) -> None:
    taker = Taker()
    late = 200 + RULES.streams.reorder_ticks
    newest = snapshot(late, own=alone((late, 0, 1), now=late) if happens else b"")
    stale = snapshot(199, own=alone((199, 0, 2), now=199))
    for messages in [(newest, stale)] if at_once else [(newest,), (stale,)]:
        assert taker.apply(*messages) == len(messages)
    assert taker.take() == [(late, 1)] * happens
    taker.apply(snapshot(late + 1, own=alone((199, 0, 2), now=late + 1)))
    assert taker.take() == [(199, 2)]


def test_private_events_that_came_in_time_count_though_what_came_with_them_is_newer() -> None:
    taker = Taker()
    late = 200 + RULES.streams.reorder_ticks
    in_time = snapshot(199, own=alone((199, 0, 2), now=199))
    taker.apply(in_time, snapshot(late, own=alone((late, 0, 1), now=late)))
    assert taker.take() == [(199, 2), (late, 1)]


def test_what_can_come_again_is_remembered_and_no_more() -> None:
    taker = Taker()
    streams = RULES.streams
    for tick in range(11, 500):
        taker.apply(snapshot(tick, own=alone((tick, 0, 1), now=tick)))
        oldest = max(11, tick - streams.reorder_ticks)
        taker.apply(snapshot(oldest, own=alone((max(11, oldest - 255), 0, 1), now=oldest)))
    assert len(taker.take()) == 500 - 11
    assert len(taker.replica.happenings._had_alone) <= streams.reorder_ticks + 256


@pytest.mark.parametrize(
    "wrong",
    [
        alone((12, 0, 0), now=13),
        alone((12, 0, 1), now=13, number=HINT, strength=10),
        alone(now=13),
        alone((12, 0, 1), now=13)[:-1],
        section(CELL, 10, 13, (12, 1), (12, 2), now=13).replace(
            bytes([BURST, 2]), bytes([GONG, 2])
        ),
        alone((12, 0, 1), now=13).replace(bytes([GONG, 1]), bytes([BANG, 1])),
    ],
    ids=["of nobody", "out of range", "no rows", "cut short", "in a cell", "of all viewers"],
)
def test_a_private_event_that_cannot_be_voids_its_datagram(wrong: bytes) -> None:
    taker = Taker()
    in_cell = wrong.startswith(bytes([CELL]))
    assert taker.apply(snapshot(13, wrong) if in_cell else snapshot(13, own=wrong)) == 0
    assert taker.take() == []


def test_a_private_event_of_before_the_beginning_voids_its_datagram() -> None:
    replica = Replica(SCHEMA, RULES)
    early = alone((2, 0, 1), now=10).replace(bytes([8, 0]), bytes([11, 0]), 1)
    assert replica.apply_untrusted([snapshot(10, own=early)], 0.0) == []


def test_it_is_said_where_a_subject_was_that_has_ended_before_its_event_is_shown() -> None:
    """Its end comes with the event, or even before it."""
    taker = Taker()
    end = np.array([(7,)], TOMBSTONE)
    taker.apply(snapshot(11, rows_of(CELL, 10, 11, *came(7, 11), now=11)))
    taker.apply(snapshot(15, rows_of(CELL, 14, 15, (GONE, end), now=15)))
    bang = np.array([(7, 3)], SCHEMA.rows[BANG])
    taker.apply(snapshot(16, rows_of(CELL, 11, 16, (GONE, end), (BANG, bang), now=16)))
    taker.apply(snapshot(17, own=alone((15, 0, 9), now=17)))
    first, other = taker.replica.happenings.due(16.0)
    assert (first.number, first.tick.tolist(), other.number) == (BANG, [13], GONG)
    flown = (0.25 + 0.25 * 2 * RULES.tick_s) * RULES.cell_size
    assert first.places[:, 0] == pytest.approx([flown, 0.0], abs=0.1)
    assert np.isnan(other.places).all()
