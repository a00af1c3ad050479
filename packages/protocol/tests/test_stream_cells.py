from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import BASE_SCHEMA as SCHEMA
from sidereal.protocol.state.stream import (
    MOVED,
    CellStream,
    places_around,
)

RULES = Rules()


def publish(
    stream: CellStream, tick: int, group: list[int], changed: list[int], described: list[int]
) -> None:
    count = len(group)
    wire = np.zeros(count, SCHEMA.wire_record)
    attributes = np.zeros(count, SCHEMA.attribute_record)
    ids = np.arange(1, count + 1, dtype=np.uint32)
    wire["id"] = attributes["id"] = ids
    stream.publish(
        tick,
        ids,
        np.array(group, np.int32),
        np.array(changed, np.int64),
        np.array(described, np.int64),
        wire,
        attributes,
    )


def note_left(stream: CellStream, tick: int, net_id: int, group: int, moved: bool = False) -> None:
    one = np.array([net_id], np.uint32), np.array([group], np.int32), np.array([moved])
    stream.note_left(tick, *one)


def told(stream: CellStream, group: int, since: int) -> tuple[set[int], set[int], list[int]]:
    changes = stream.changes_since(np.array([group]), np.array([since]))
    first, n, first_a, n_a, first_g, n_g = (int(column[0]) for column in changes)
    return (
        set(stream.references["id"][first : first + n].tolist()),
        set(stream.attributes["id"][first_a : first_a + n_a].tolist()),
        sorted(stream.tombstones["id"][first_g : first_g + n_g].tolist()),
    )


row = st.tuples(st.integers(0, 5), st.integers(0, 20), st.integers(0, 20))


@settings(derandomize=True, deadline=None, max_examples=80)
@given(
    rows=st.lists(row, max_size=30),
    tombstones=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 20)), max_size=15),
    since=st.integers(-1, 20),
)
def test_changes_are_what_a_search_through_everything_finds(
    rows: list[tuple[int, int, int]], tombstones: list[tuple[int, int]], since: int
) -> None:
    stream = CellStream(SCHEMA, RULES)
    for net_id, (group, tick) in enumerate(tombstones, 1000):
        note_left(stream, tick, net_id, group)
    publish(stream, 20, [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])
    stream.reserve(8)
    for group in range(-1, 8):
        mine = [(i, r) for i, r in enumerate(rows, 1) if r[0] == group]
        left = [i for i, (g, t) in enumerate(tombstones, 1000) if g == group and t > since >= 0]
        expected = {i for i, r in mine if r[1] > since}, {i for i, r in mine if r[2] > since}
        assert told(stream, group, since) == (*expected, left)
        ticks = [t for _, r in mine for t in r[1:]] + [t for g, t in tombstones if g == group]
        assert stream.newest_of(np.array([group]))[0] == max(ticks, default=-1)


def test_tombstones_are_kept_as_long_as_they_can_be_asked_for() -> None:
    stream = CellStream(SCHEMA, RULES)
    note_left(stream, 10, 7, 0)
    publish(stream, 10, [], [], [])
    for tick in range(11, 10 + RULES.streams.section_age_max + 1):
        publish(stream, tick, [], [], [])
        assert told(stream, 0, 9)[2] == [7]
    forgotten = 10 + RULES.streams.section_age_max + 1
    for tick in range(forgotten, forgotten + 39):
        publish(stream, tick, [], [], [])
    assert told(stream, 0, 9)[2] == []
    assert stream.newest_of(np.array([0]))[0] == 10, "that something left is known for ever"


def test_who_has_left_after_publishing_counts_for_the_next_tick() -> None:
    stream = CellStream(SCHEMA, RULES)
    publish(stream, 5, [0], [5], [5])
    note_left(stream, 5, 1, 0, moved=True)
    publish(stream, 6, [], [], [])
    assert told(stream, 0, 5)[2] == [1]
    assert stream.tombstones["tick"].tolist() == [6]
    assert stream.tombstones["flags"].tolist() == [MOVED]


def test_ticks_only_advance_and_nothing_changes_ahead_of_them() -> None:
    stream = CellStream(SCHEMA, RULES)
    publish(stream, 5, [], [], [])
    for tick, changed in ((5, 1), (4, 1), (6, 7), (1 << 32, 1)):
        with pytest.raises(LocalProtocolError):
            publish(stream, tick, [0], [changed], [1])
    with pytest.raises(LocalProtocolError):
        publish(stream, 6, [0], [-1], [1])


def test_widening_keeps_what_is_known() -> None:
    stream = CellStream(SCHEMA, RULES)
    note_left(stream, 3, 9, 1)
    publish(stream, 3, [1, 0, 1], [3, 2, 1], [1, 1, 1])
    before = [told(stream, group, 1) for group in (0, 1)]
    stream.reserve(50)
    assert [told(stream, group, 1) for group in (0, 1)] == before
    assert told(stream, 49, -1) == (set(), set(), [])
    assert stream.members(1).net_id.tolist() == [1, 3]


def test_a_forgotten_group_has_no_tombstones() -> None:
    stream = CellStream(SCHEMA, RULES)
    note_left(stream, 3, 9, 1)
    note_left(stream, 3, 8, 0)
    publish(stream, 3, [], [], [])
    stream.forget(np.array([1], np.int32))
    publish(stream, 4, [], [], [])
    assert told(stream, 1, 2)[2] == []
    assert told(stream, 0, 2)[2] == [8]
    assert stream.tombstones["id"].tolist() == [8]
    assert stream.newest_of(np.array([1]))[0] == -1


def test_members_and_their_tombstones_are_found_by_id() -> None:
    stream = CellStream(SCHEMA, RULES)
    note_left(stream, 2, 9, 1, moved=True)
    note_left(stream, 4, 9, 1)
    publish(stream, 4, [1, 0, 1, 1], [1, 2, 4, 3], [4, 3, 2, 1])
    members = stream.members(1)
    assert members.net_id.tolist() == [1, 3, 4]
    assert stream.references["id"][members.reference].tolist() == [1, 3, 4]
    assert stream.attributes["id"][members.attribute].tolist() == [1, 3, 4]
    tombstones = stream.tombstones_of(1, np.array([9, 10], np.uint32))
    assert tombstones[["id", "tick", "flags"]].tolist() == [(9, 4, 0)]


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.integers(1, 7))
def test_a_window_has_every_cell_once_and_each_in_its_own_column(
    x: int, y: int, radius: int
) -> None:
    rules = Rules(view_radius_cells=radius)
    side = rules.window_side
    cell_x, cell_y = places_around(x, y, rules)
    assert (np.abs(cell_x - x) <= radius).all()
    assert (np.abs(cell_y - y) <= radius).all()
    assert len(set(zip(cell_x.tolist(), cell_y.tolist(), strict=True))) == side**2
    assert (cell_y % side * side + cell_x % side == np.arange(side**2)).all()


def test_equal_changes_keep_their_order() -> None:
    stream = CellStream(SCHEMA, RULES)
    count = 400
    publish(stream, 9, [at % 3 for at in range(count)], [5] * count, [5] * count)
    for group in range(3):
        changes = stream.changes_since(np.array([group]), np.array([-1]))
        first, rows = int(changes.reference[0]), int(changes.references[0])
        ids = stream.references["id"][first : first + rows].tolist()
        assert ids == list(range(group + 1, count + 1, 3))
