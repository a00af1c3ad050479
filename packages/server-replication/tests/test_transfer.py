"""A cell on its way in parts, while those in it come and go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sidereal.protocol.rules import Rules
from sidereal.protocol.state.component import Component, Replication
from sidereal.protocol.state.heads import encode_head
from sidereal.protocol.state.schema import BASE_COMPONENTS, LABEL, MOTION, Schema
from sidereal.protocol.state.snapshot import read_snapshot_untrusted
from sidereal.protocol.state.stream import (
    CONTINUED,
    GONE,
    MOVED,
    PARTIAL,
    PRESENCE,
    REPLACE,
    row_types,
)
from sidereal.replication.edge.changelog import ChangeLog, State
from sidereal.replication.edge.eventlog import EventLog
from sidereal.replication.edge.transfer import Scope, Transfer

SCHEMA = Schema(BASE_COMPONENTS, events=[Component("bang", (), Replication.EVENT)])
(BANG,) = SCHEMA.event_numbers.values()
ROOM = 1000
CROWD = 100
NOW = 1_000
"""Tick of the snapshots that written parts are read in."""
NUMBERS = len(SCHEMA.components) + 1
MOVES, NAMED = SCHEMA.numbers[MOTION.name], SCHEMA.numbers[LABEL.name]


class Part(NamedTuple):
    flags: int
    age: int
    to_age: int
    ids: dict[int, list[int]]
    """By the sort of row."""
    ages: list[int]
    """Of events."""

    def of(self, what: int) -> list[int]:
        return self.ids.get(what, [])


def read(written: bytes) -> Part:
    assert len(written) <= ROOM
    snapshot = read_snapshot_untrusted(SCHEMA, Rules(), encode_head(NOW, 0, 0) + written)
    [(_, flags, from_tick, to_tick, _, _)] = snapshot.sections
    ids: dict[int, list[int]] = {}
    ages: list[int] = []
    for what, _, _, begin, end in snapshot.spans:
        rows = np.frombuffer(snapshot.message[begin:end], row_types(SCHEMA.rows)[what])
        ids.setdefault(what, []).extend(rows["id"].tolist())
        ages += rows["age"].tolist() if what == BANG else []
    return Part(flags, to_tick - from_tick, NOW - to_tick, ids, ages)


class Cell:
    """One cell with a crowd, known to the client up to tick 1."""

    def __init__(self) -> None:
        self.changes = ChangeLog(SCHEMA, Rules())
        self.ids = set(range(1, CROWD + 1))
        self.moved: dict[int, int] = {}
        self.named: dict[int, int] = {}
        self.nameless: set[int] = set()
        self.tick = 0
        self.publish()

    def publish(self) -> None:
        self.tick += 1
        here = np.array(sorted(self.ids), np.int64)
        net_id, group = np.zeros(CROWD + 1, np.uint32), np.full(CROWD + 1, -1, np.int32)
        net_id[here], group[here] = here, 0
        changed = np.full((NUMBERS, CROWD + 1), -1, np.int64)
        changed[:, here] = 1
        changed[MOVES, here] = [self.moved.get(i, 1) for i in here.tolist()]
        changed[NAMED, here] = [self.named.get(i, 1) for i in here.tolist()]
        changed[NAMED, list(self.nameless)] = -1
        rows = {n: np.zeros(CROWD + 1, SCHEMA.rows[n]) for n in (PRESENCE, *SCHEMA.shown)}
        for array in rows.values():
            array["id"] = net_id
        entered = np.where(group < 0, -1, 1)
        latest = changed.max(axis=1)
        self.changes.publish(self.tick, State(net_id, group, entered, changed, latest, rows))

    def leave(self, net_id: int, moved: bool = False) -> None:
        self.ids.discard(net_id)
        one = np.array([net_id], np.uint32), np.zeros(1, np.int32), np.array([moved])
        self.changes.note_left(self.tick + 1, *one)

    def bang(self, ids: list[int]) -> None:
        """Let something happen at the next tick."""
        rows = np.zeros(len(ids), SCHEMA.rows[BANG])
        rows["id"] = ids
        self.changes.events.note(BANG, rows, np.zeros(len(ids), np.int32))

    def transfer(self, since: int) -> Transfer:
        group, span = np.array([0]), self.changes.span(np.array([since]))
        log = self.changes.log(group, span)
        first, end = log.find(group, span)
        what, row = log.what[first[0] : end[0]], log.row[first[0] : end[0]]
        scope = Scope(what, row, self.changes.ids_of(what, row))
        return Transfer(0, 4, 0, since, self.changes, scope, ROOM)

    def write(self, transfer: Transfer) -> list[Part]:
        parts = []
        for part in transfer.due():
            parts.append(read(transfer.write(part, self.changes)))
            transfer.note_sent(part, self.tick)
        return parts


def told(parts: list[Part], what: int) -> list[int]:
    return [net_id for part in parts for net_id in part.of(what)]


def test_each_of_a_crowd_is_in_one_part_with_what_is_new_of_it() -> None:
    cell = Cell()
    cell.moved = dict.fromkeys(range(1, 71), 2)
    cell.named = dict.fromkeys(range(31, CROWD + 1), 2)
    cell.publish()
    parts = cell.write(cell.transfer(since=1))
    assert len(parts) > 1
    assert told(parts, MOVES) == list(range(1, 71))
    assert told(parts, NAMED) == list(range(31, CROWD + 1))
    assert all({MOVES, NAMED} >= part.ids.keys() for part in parts)
    both = [set(part.of(MOVES)) | set(part.of(NAMED)) for part in parts]
    assert sum(map(len, both)) == CROWD
    assert {part.flags for part in parts} == {PARTIAL | CONTINUED}
    assert {(part.age, part.to_age) for part in parts} == {(1, 0)}


def test_a_cell_of_which_nothing_is_known_is_sent_whole() -> None:
    parts = (cell := Cell()).write(cell.transfer(since=-1))
    assert {part.flags for part in parts} == {PARTIAL | CONTINUED | REPLACE}
    assert {part.age for part in parts} == {0}
    for what in (PRESENCE, *SCHEMA.shown):
        assert told(parts, what) == sorted(cell.ids)


def test_who_leaves_meanwhile_is_told_as_left_whatever_was_to_be_told_of_it() -> None:
    for moved, named in ((2, 1), (1, 2), (2, 2)):
        cell = Cell()
        cell.moved = dict.fromkeys(cell.ids, moved)
        cell.named = dict.fromkeys(cell.ids, named)
        cell.publish()
        transfer = cell.transfer(since=1)
        cell.leave(5)
        cell.leave(6)
        cell.leave(7, moved=True)
        cell.publish()
        cell.ids.add(6)
        cell.publish()
        parts = cell.write(transfer)
        assert sorted({*told(parts, MOVES), *told(parts, NAMED)}) == sorted(cell.ids)
        assert (told(parts, GONE), told(parts, MOVED)) == ([5], [7])
        assert {part.to_age for part in parts} == {2}


def test_a_component_that_is_taken_meanwhile_is_not_told() -> None:
    cell = Cell()
    transfer = cell.transfer(since=-1)
    cell.nameless = {8}
    cell.publish()
    parts = cell.write(transfer)
    assert told(parts, MOVES) == sorted(cell.ids)
    assert told(parts, NAMED) == sorted(cell.ids - {8})


def test_who_had_left_before_is_told_in_parts_too() -> None:
    cell = Cell()
    for net_id in range(1, CROWD):
        cell.leave(net_id)
    cell.publish()
    parts = cell.write(cell.transfer(since=1))
    assert told(parts, GONE) == list(range(1, CROWD))


def test_who_had_left_before_and_is_back_is_not_told_as_left() -> None:
    cell = Cell()
    for net_id in range(1, CROWD):
        cell.leave(net_id, moved=True)
    cell.publish()
    transfer = cell.transfer(since=1)
    cell.ids |= {5, 6}
    cell.publish()
    parts = cell.write(transfer)
    assert told(parts, MOVED) == sorted({*range(1, CROWD)} - {5, 6})


def test_a_part_is_sent_once_and_again_when_it_is_lost_until_it_is_acked() -> None:
    cell = Cell()
    transfer = cell.transfer(since=-1)
    count = len(transfer.due())
    transfer.note_sent(1, cell.tick)
    assert transfer.due() == [0, *range(2, count)]
    assert not transfer.was_sent
    for part in transfer.due():
        cell.publish()
        transfer.note_sent(part, cell.tick)
    assert transfer.was_sent
    assert transfer.due() == []
    for part in (2, 1):
        transfer.lost(part)
    assert transfer.due() == [1, 2], "the longest unsent first"
    for part in range(count):
        assert not transfer.done
        transfer.acked(part)
    transfer.lost(0)
    assert transfer.done
    assert transfer.due() == []


def test_what_has_happened_is_told_in_parts_until_it_is_too_old() -> None:
    cell = Cell()
    cell.changes = ChangeLog(SCHEMA, Rules(), events=EventLog(SCHEMA, per_cell=1000))
    cell.publish()
    began, subjects = cell.tick, [1 + number % 5 for number in range(500)]
    cell.bang(subjects)
    cell.publish()
    transfer = cell.transfer(since=began)
    count = len(transfer.due())
    cell.bang([1])
    while cell.tick <= began + 256:
        parts = cell.write(transfer)
        assert sorted(told(parts, BANG)) == sorted(subjects)
        assert {age for part in parts for age in part.ages} == {cell.tick - began - 1}
        for part in range(count):
            transfer.lost(part)
        for _ in range(15):
            cell.publish()
    assert told(cell.write(transfer), BANG) == []
