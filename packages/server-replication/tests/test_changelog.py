"""What changed in a cell since a tick, against a search through everything."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import BASE_SCHEMA as SCHEMA
from sidereal.protocol.state.schema import LABEL, MOTION, PILOT
from sidereal.protocol.state.stream import GONE, MOVED, PRESENCE
from sidereal.replication.edge.changelog import GROUPS_MAX, ROWS_MAX, ChangeLog, State

RULES = Rules()
NUMBERS = len(SCHEMA.components) + 1
MOVES, NAMED, FLOWN = (SCHEMA.numbers[c.name] for c in (MOTION, LABEL, PILOT))
SHOWN = (PRESENCE, *SCHEMA.shown)

Said = set[tuple[int, int]]
"""`what` and id of entries."""


class Entity(NamedTuple):
    group: int
    entered: int
    changed: dict[int, int]
    """Tick by number; what it does not have is missing."""


def state_of(entities: list[Entity]) -> State:
    count = len(entities)
    ids = np.arange(1, count + 1, dtype=np.uint32)
    changed = np.full((NUMBERS, count), -1, np.int64)
    for row, entity in enumerate(entities):
        for number, tick in entity.changed.items():
            changed[number, row] = tick
    rows = {number: np.zeros(count, dtype) for number, dtype in SCHEMA.rows.items()}
    for array in rows.values():
        array["id"] = ids
    return State(
        ids,
        np.array([entity.group for entity in entities], np.int32),
        np.array([entity.entered for entity in entities], np.int64),
        changed,
        changed.max(axis=1, initial=-1),
        rows,
    )


def entity(group: int, entered: int = 0, **ticks: int) -> Entity:
    """One with a presence and a place, of which these changed later than it came."""
    names = {"moved": MOVES, "named": NAMED, "flown": FLOWN, "present": PRESENCE}
    later = {names[name]: tick for name, tick in ticks.items()}
    return Entity(group, entered, {PRESENCE: entered, MOVES: entered} | later)


def note_left(changes: ChangeLog, tick: int, net_id: int, group: int, moved: bool = False) -> None:
    one = np.array([net_id], np.uint32), np.array([group], np.int32), np.array([moved])
    changes.note_left(tick, *one)


def said(changes: ChangeLog, group: int, since: int) -> Said:
    entries = ordered(changes, group, since)
    assert len(set(entries)) == len(entries), "an entry for each sort and row, once"
    return set(entries)


def ordered(changes: ChangeLog, group: int, since: int) -> list[tuple[int, int]]:
    groups, span = np.array([group]), changes.span(np.array([since]))
    log = changes.log(groups, span)
    first, end = log.find(groups, span)
    what, row = log.what[first[0] : end[0]], log.row[first[0] : end[0]]
    return list(zip(what.tolist(), changes.ids_of(what, row).tolist(), strict=True))


ticks = st.integers(0, 20)
entities = st.builds(
    Entity,
    st.integers(0, 5),
    ticks,
    st.fixed_dictionaries(
        {PRESENCE: ticks, MOVES: ticks}, optional=dict.fromkeys((2, 3, 4, 5), ticks)
    ),
)


@settings(derandomize=True, deadline=None, max_examples=120)
@given(
    population=st.lists(entities, max_size=20),
    tombstones=st.lists(
        st.tuples(st.integers(0, 5), st.integers(1, 20), st.booleans()), max_size=15
    ),
    since=st.integers(-1, 19),
)
def test_changes_are_what_a_search_through_everything_finds(
    population: list[Entity], tombstones: list[tuple[int, int, bool]], since: int
) -> None:
    changes = ChangeLog(SCHEMA, RULES)
    for net_id, (group, tick, moved) in enumerate(tombstones, 1000):
        note_left(changes, tick, net_id, group, moved)
    changes.publish(20, state_of(population))
    changes.reserve(8)
    for group in range(8):
        expected: Said = set()
        newest = -1
        for net_id, one in enumerate(population, 1):
            shown = {n: t for n, t in one.changed.items() if n in SHOWN and one.group == group}
            newest = max([newest, *shown.values(), one.entered if shown else -1])
            expected |= {
                (n, net_id) for n, t in shown.items() if since < 0 or max(t, one.entered) > since
            }
        for net_id, (where, tick, moved) in enumerate(tombstones, 1000):
            newest = max(newest, tick if where == group else -1)
            if where == group and tick > since >= 0:
                expected.add((MOVED if moved else GONE, net_id))
        assert said(changes, group, since) == expected
        assert changes.newest.of(np.array([group]))[0] == newest


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    history=st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.sampled_from((MOVES, NAMED, GONE))), max_size=3),
        max_size=12,
    )
)
def test_the_newest_change_is_known_but_for_how_one_entity_moves(
    history: list[list[tuple[int, int]]],
) -> None:
    """Four are there, two in each of two cells."""
    changes = ChangeLog(SCHEMA, RULES)
    later: list[dict[str, int]] = [{} for _ in range(4)]
    all_changes = [(0, row % 2, -1) for row in range(4)]
    changes.publish(0, state_of([entity(row % 2) for row in range(4)]))
    for tick, happens in enumerate(history, 1):
        for row, what in happens:
            group = row % 2
            if what == GONE:
                note_left(changes, tick, 99, group)
            else:
                later[row]["moved" if what == MOVES else "named"] = tick
            all_changes.append((tick, group, row if what == MOVES else -1))
        changes.publish(tick, state_of([entity(row % 2, **later[row]) for row in range(4)]))
        for row in range(4):
            group = row % 2
            others = max(t for t, where, who in all_changes if where == group and who != row)
            assert changes.newest.but_for(np.array([group]), np.array([row]))[0] == others


def test_the_newest_change_comes_first_and_rows_of_one_sort_stand_together() -> None:
    changes = ChangeLog(SCHEMA, RULES)
    note_left(changes, 8, 99, 0)
    population = [entity(0, moved=9), entity(0, named=8), entity(0, moved=8), entity(0, moved=9)]
    changes.publish(9, state_of(population))
    newest_first = [(MOVES, 1), (MOVES, 4), (MOVES, 3), (NAMED, 2), (GONE, 99)]
    assert ordered(changes, 0, 7) == newest_first
    assert ordered(changes, 0, 8) == newest_first[:2]


def test_several_asks_of_one_cell_are_answered_by_one_log() -> None:
    changes = ChangeLog(SCHEMA, RULES)
    changes.publish(9, state_of([entity(0, moved=9), entity(0, moved=7), entity(1, moved=9)]))
    group, since = np.array([0, 0, 0, 1]), np.array([8, 6, -1, -1])
    log = changes.log(group, changes.span(since))
    first, end = log.find(group, changes.span(since))
    rows = [log.row[a:b].tolist() for a, b in zip(first, end, strict=True)]
    assert rows == [[0], [0, 1], [0, 1, 0, 1], [2, 2]]


def test_what_nobody_asks_for_is_not_in_the_log() -> None:
    changes = ChangeLog(SCHEMA, RULES)
    changes.publish(9, state_of([entity(0, moved=9), entity(0, moved=6), entity(1, moved=9)]))
    log = changes.log(np.array([0]), np.array([2]))
    assert log.row.tolist() == [0]
    assert len(changes.log(np.zeros(0, np.int64), np.zeros(0, np.int64)).key) == 0


def test_what_not_everyone_may_see_is_never_in_the_log() -> None:
    changes = ChangeLog(SCHEMA, RULES)
    changes.publish(9, state_of([entity(0, entered=3, flown=9)]))
    assert said(changes, 0, -1) == {(PRESENCE, 1), (MOVES, 1)}
    assert said(changes, 0, 5) == set()
    assert changes.newest.of(np.array([0]))[0] == 3


def test_coming_into_a_cell_counts_as_a_change_of_everything() -> None:
    changes = ChangeLog(SCHEMA, RULES)
    changes.publish(9, state_of([Entity(0, 9, {PRESENCE: 9, MOVES: 9, NAMED: 2})]))
    assert said(changes, 0, 8) == {(PRESENCE, 1), (MOVES, 1), (NAMED, 1)}


def test_tombstones_are_kept_as_long_as_they_can_be_asked_for() -> None:
    changes = ChangeLog(SCHEMA, RULES)
    nobody = state_of([])
    note_left(changes, 10, 7, 0)
    changes.publish(10, nobody)
    for tick in range(11, 10 + RULES.streams.section_age_max):
        changes.publish(tick, nobody)
        assert said(changes, 0, 9) == {(GONE, 7)}
    forgotten = 10 + RULES.streams.section_age_max
    for tick in range(forgotten, forgotten + 39):
        changes.publish(tick, nobody)
    assert len(changes.tombstones.tick) == 0
    assert changes.newest.of(np.array([0]))[0] == 10, "that something left is known for ever"


def test_who_has_left_after_publishing_counts_for_the_next_tick() -> None:
    changes = ChangeLog(SCHEMA, RULES)
    changes.publish(5, state_of([entity(0, entered=5)]))
    note_left(changes, 5, 1, 0, moved=True)
    changes.publish(6, state_of([]))
    assert said(changes, 0, 5) == {(MOVED, 1)}
    assert changes.tombstones.tick.tolist() == [6]


def test_ticks_only_advance_and_nothing_changes_ahead_of_them() -> None:
    changes = ChangeLog(SCHEMA, RULES)
    with pytest.raises(LocalProtocolError):
        said(changes, 0, -1)
    changes.publish(5, state_of([]))
    for tick, changed in ((5, 1), (4, 1), (6, 7), (1 << 32, 1)):
        with pytest.raises(LocalProtocolError):
            changes.publish(tick, state_of([entity(0, moved=changed)]))


def test_a_world_has_room_in_the_keys_of_the_log() -> None:
    changes = ChangeLog(SCHEMA, RULES)
    with pytest.raises(LocalProtocolError, match="cells"):
        changes.reserve(GROUPS_MAX + 1)
    many = np.zeros(ROWS_MAX + 1, np.int32)
    with pytest.raises(LocalProtocolError, match="rows"):
        changes.publish(1, state_of([])._replace(group=many, latest=np.zeros(NUMBERS, np.int64)))


def test_reserving_keeps_what_is_known() -> None:
    changes = ChangeLog(SCHEMA, RULES)
    note_left(changes, 3, 9, 1)
    changes.publish(3, state_of([entity(1, moved=3), entity(0, moved=2), entity(1, named=2)]))
    before = [said(changes, group, 1) for group in (0, 1)]
    changes.reserve(50)
    assert [said(changes, group, 1) for group in (0, 1)] == before
    assert said(changes, 49, -1) == set()


def test_a_forgotten_group_has_no_tombstones() -> None:
    changes = ChangeLog(SCHEMA, RULES)
    note_left(changes, 3, 9, 1)
    note_left(changes, 3, 8, 0)
    changes.publish(3, state_of([]))
    changes.forget(np.array([1], np.int32))
    changes.publish(4, state_of([]))
    assert said(changes, 1, 2) == set()
    assert said(changes, 0, 2) == {(GONE, 8)}
    assert changes.newest.of(np.array([1]))[0] == -1


def test_the_newest_word_of_how_somebody_left_counts() -> None:
    changes = ChangeLog(SCHEMA, RULES)
    note_left(changes, 2, 9, 1, moved=True)
    note_left(changes, 4, 9, 1)
    note_left(changes, 4, 8, 0)
    changes.publish(4, state_of([]))
    ids, what = changes.left(1, np.array([8, 9, 10], np.uint32))
    assert (ids.tolist(), what.tolist()) == ([9], [GONE])
