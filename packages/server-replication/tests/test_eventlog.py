"""Events are kept with their cell and tick for as long as somebody may need them."""

from __future__ import annotations

import numpy as np

from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.schema import BASE_COMPONENTS, Schema
from sidereal.replication.edge.eventlog import EventLog

EVENTS = (
    Component("burst", (Field("size", "u1"),), Replication.EVENT),
    Component("bang", (), Replication.EVENT),
)
SCHEMA = Schema(BASE_COMPONENTS, events=EVENTS)
BURST, BANG = SCHEMA.event_numbers.values()


def note(log: EventLog, number: int, ids: list[int], groups: list[int]) -> None:
    rows = np.zeros(len(ids), SCHEMA.rows[number])
    rows["id"] = ids
    log.note(number, rows, np.array(groups, np.int32))


def kept(log: EventLog, number: int) -> list[tuple[int, int, int]]:
    happened = log.kept[number]
    ids, age = happened.row["id"].tolist(), happened.row["age"].tolist()
    return list(zip(ids, happened.tick.tolist(), age, strict=True))


def test_events_get_the_tick_that_is_published_next_and_grow_old() -> None:
    log = EventLog(SCHEMA)
    note(log, BURST, [1, 2], [4, 7])
    note(log, BANG, [1], [4])
    assert sorted(log.publish(10).tolist()) == [4, 4, 7]
    note(log, BURST, [3], [5])
    assert log.publish(13).tolist() == [5]
    assert kept(log, BURST) == [(1, 10, 3), (2, 10, 3), (3, 13, 0)]
    assert kept(log, BANG) == [(1, 10, 3)]
    assert log.publish(400).tolist() == []
    assert {age for _, _, age in kept(log, BURST)} == {255}


def test_what_happens_nowhere_is_not_kept() -> None:
    log = EventLog(SCHEMA)
    note(log, BURST, [1, 2], [-1, 3])
    log.publish(1)
    assert kept(log, BURST) == [(2, 1, 0)]


def test_of_too_many_in_one_cell_and_tick_the_first_count() -> None:
    log = EventLog(SCHEMA, per_cell=2)
    note(log, BURST, [1, 2, 3, 4], [5, 5, 6, 5])
    note(log, BANG, [7, 8], [6, 6])
    log.publish(1)
    assert [net_id for net_id, _, _ in kept(log, BURST)] == [1, 2, 3]
    assert [net_id for net_id, _, _ in kept(log, BANG)] == [7]
    assert log.crowded == 2
    note(log, BURST, [9], [5])
    log.publish(2)
    assert [net_id for net_id, _, _ in kept(log, BURST)] == [1, 2, 3, 9]


def test_of_too_many_at_all_the_oldest_ticks_are_let_go() -> None:
    log = EventLog(SCHEMA, kept_max=3)
    for tick in range(1, 5):
        note(log, BURST if tick % 2 else BANG, [10 * tick, 10 * tick + 1], [0, 0])
        log.publish(tick)
    assert [tick for _, tick, _ in kept(log, BURST) + kept(log, BANG)] == [3, 3, 4, 4]
    assert log.crowded_out == 4


def test_old_events_and_those_of_forgotten_cells_go() -> None:
    log = EventLog(SCHEMA)
    for tick in (1, 2, 3):
        note(log, BURST, [tick], [tick])
        log.publish(tick)
    log.prune(2)
    assert [net_id for net_id, _, _ in kept(log, BURST)] == [2, 3]
    note(log, BURST, [4, 5], [3, 4])
    log.forget(np.array([3], np.int32))
    log.publish(4)
    assert [net_id for net_id, _, _ in kept(log, BURST)] == [2, 5]


def test_while_nothing_is_published_no_more_is_noted_than_is_kept() -> None:
    """As in a world that stands still, in which players go on asking for things."""
    log = EventLog(SCHEMA, kept_max=5)
    for net_id in range(4):
        note(log, BURST, [net_id, net_id + 10], [net_id, -1])
    note(log, BANG, [7, 8, 9], [1, 2, 3])
    assert log.crowded == 2
    log.forget(np.array([0], np.int32))
    note(log, BANG, [10], [4])
    note(log, BANG, [11], [4])
    assert log.crowded == 3
    log.publish(1)
    assert [net_id for net_id, _, _ in kept(log, BURST)] == [1, 2, 3]
    assert [net_id for net_id, _, _ in kept(log, BANG)] == [7, 10]
    note(log, BANG, [12], [4])
    assert log.crowded == 3
