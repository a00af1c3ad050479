"""A cell on its way in parts, while those in it come and go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import BASE_SCHEMA as SCHEMA
from sidereal.protocol.state.stream import (
    CONTINUED,
    EXTENT,
    PARTIAL,
    REPLACE,
    SECTION,
    TOMBSTONE,
    CellStream,
)
from sidereal.replication.edge.transfer import Scope, Transfer

ROOM = 1000
CROWD = 100


class Part(NamedTuple):
    flags: int
    age: int
    to_age: int
    references: list[int]
    attributes: list[int]
    gone: list[int]


def read(written: bytes) -> Part:
    assert len(written) <= ROOM
    section = np.frombuffer(written, SECTION, 1)[0]
    at = SECTION.itemsize
    extent = np.frombuffer(written, EXTENT, 1, at)[0]
    at += EXTENT.itemsize
    ids = []
    for dtype, count in (
        (SCHEMA.wire_record, section["references"]),
        (SCHEMA.attribute_record, section["attributes"]),
        (TOMBSTONE, section["gone"]),
    ):
        ids.append(np.frombuffer(written, dtype, count, at)["id"].tolist())
        at += dtype.itemsize * int(count)
    assert at == len(written)
    return Part(int(section["flags"]), int(section["age"]), int(extent["to_age"]), *ids)


class Cell:
    """One cell with a crowd, known to the client up to tick 1."""

    def __init__(self) -> None:
        self.stream = CellStream(SCHEMA, Rules())
        self.ids = set(range(1, CROWD + 1))
        self.moved: dict[int, int] = {}
        self.described: dict[int, int] = {}
        self.tick = 0
        self.publish()

    def publish(self) -> None:
        self.tick += 1
        ids = np.array(sorted(self.ids), np.uint32)
        wire = np.zeros(len(ids), SCHEMA.wire_record)
        attributes = np.zeros(len(ids), SCHEMA.attribute_record)
        wire["id"] = attributes["id"] = ids
        changed, described = (
            np.array([ticks.get(i, 1) for i in ids.tolist()], np.int64)
            for ticks in (self.moved, self.described)
        )
        group = np.zeros(len(ids), np.int32)
        self.stream.publish(self.tick, ids, group, changed, described, wire, attributes)

    def leave(self, net_id: int) -> None:
        self.ids.discard(net_id)
        one = np.array([net_id], np.uint32), np.zeros(1, np.int32), np.zeros(1, np.bool_)
        self.stream.note_left(self.tick + 1, *one)

    def transfer(self, since: int) -> Transfer:
        spans = [
            int(array[0]) for array in self.stream.changes_since(np.array([0]), np.array([since]))
        ]
        pairs = zip(spans[::2], spans[1::2], strict=True)
        scope = Scope(*(slice(first, first + count) for first, count in pairs))
        return Transfer(0, 4, 0, since, self.stream, scope, ROOM)

    def write(self, transfer: Transfer) -> list[Part]:
        parts = transfer.due(self.tick)
        return [read(transfer.write(part, self.stream)) for part in parts]


def test_each_of_a_crowd_is_in_one_part_with_what_is_new_of_it() -> None:
    cell = Cell()
    cell.moved = dict.fromkeys(range(1, 71), 2)
    cell.described = dict.fromkeys(range(31, CROWD + 1), 2)
    cell.publish()
    parts = cell.write(cell.transfer(since=1))
    assert len(parts) > 1
    assert sorted(i for part in parts for i in part.references) == list(range(1, 71))
    assert sorted(i for part in parts for i in part.attributes) == list(range(31, CROWD + 1))
    assert not any(part.gone for part in parts)
    assert {part.flags for part in parts} == {PARTIAL | CONTINUED}
    assert {(part.age, part.to_age) for part in parts} == {(1, 0)}


def test_a_cell_of_which_nothing_is_known_is_sent_whole() -> None:
    parts = (cell := Cell()).write(cell.transfer(since=-1))
    assert {part.flags for part in parts} == {PARTIAL | CONTINUED | REPLACE}
    assert {part.age for part in parts} == {0}
    assert sorted(i for part in parts for i in part.references) == sorted(cell.ids)


def test_who_leaves_meanwhile_is_told_as_left_whatever_was_to_be_told_of_it() -> None:
    for moved, described in ((2, 1), (1, 2), (2, 2)):
        cell = Cell()
        cell.moved = dict.fromkeys(cell.ids, moved)
        cell.described = dict.fromkeys(cell.ids, described)
        cell.publish()
        transfer = cell.transfer(since=1)
        cell.leave(5)
        cell.leave(6)
        cell.publish()
        cell.ids.add(6)
        cell.publish()
        parts = cell.write(transfer)
        told = sorted({i for part in parts for i in (*part.references, *part.attributes)})
        assert told == sorted(cell.ids)
        assert [i for part in parts for i in part.gone] == [5]
        assert {part.to_age for part in parts} == {2}


def test_who_had_left_before_is_told_in_parts_too() -> None:
    cell = Cell()
    for net_id in range(1, CROWD):
        cell.leave(net_id)
    cell.publish()
    parts = cell.write(cell.transfer(since=1))
    assert [i for part in parts for i in part.gone] == list(range(1, CROWD))


def test_a_part_is_sent_again_after_a_while_until_it_is_acked() -> None:
    cell = Cell()
    transfer = cell.transfer(since=-1)
    count = len(transfer.due(cell.tick))
    transfer.write(1, cell.stream)
    assert transfer.due(cell.tick) == [0, *range(2, count)]
    sent_at = cell.tick
    while transfer.due(cell.tick)[-1] != 1:
        cell.publish()
    assert cell.tick > sent_at + 1
    for part in range(count):
        assert not transfer.done
        transfer.acked(part)
    assert transfer.done
    assert transfer.due(cell.tick) == []
