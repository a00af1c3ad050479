"""PostgreSQL's binary COPY, written and read without a database."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from drifters import GAME, SCHEMA

from sidereal.game import U4, Component, Game, Motion
from sidereal.game.declarations import declare
from sidereal.protocol.errors import StoreError
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.references import saved_alone, saved_record
from sidereal.replication.keeping.rowcopy import RowCopy
from sidereal.replication.world import UUID

COPY = RowCopy(GAME)
SIGNATURE = b"PGCOPY\n\xff\r\n\0"


def batch() -> Batch:
    rows = np.zeros(2, saved_record(SCHEMA))
    rows["epoch"], rows["tick"], rows["kind"] = [7, 8], [100, 200], 1
    rows["x"], rows["vy"], rows["mass"], rows["name"] = [1.5, -2.5], [3.0, 4.0], 12.0, [b"ada", b""]
    uuid = np.frombuffer(bytes(range(32)), UUID)
    return Batch(
        rows,
        uuid,
        np.array([5, 0]),
        np.array([True, False]),
        np.array([False, True]),
        np.array([101, 201]),
        np.array([90, 91]),
    )


def tuples_of(stream: bytes | bytearray) -> list[list[bytes]]:
    """Take a stream apart as the manual describes it."""
    assert stream.startswith(SIGNATURE + struct.pack(">ii", 0, 0))
    at = 19
    found: list[list[bytes]] = []
    while (fields := struct.unpack_from(">h", stream, at)[0]) != -1:
        at += 2
        found.append([])
        for _ in range(fields):
            size = struct.unpack_from(">i", stream, at)[0]
            found[-1].append(bytes(stream[at + 4 : at + 4 + size]))
            at += 4 + size
    assert at + 2 == len(stream)
    return found


def test_rows_are_written_as_the_manual_of_the_database_has_it() -> None:
    first, second = (
        dict(zip((column.name for column in COPY.columns), values, strict=True))
        for values in tuples_of(COPY.encode(batch()))
    )
    assert first["uuid"] == bytes(range(16))
    assert first["tick"] == struct.pack(">q", 100)
    assert first["saved_tick"] == struct.pack(">q", 101)
    assert (first["active"], first["removed"]) == (b"\1", b"\0")
    assert first["x"] == struct.pack(">d", 1.5)
    assert first["name"].rstrip(b"\0") == b"ada"
    assert first["kind"].rstrip(b"\0") == b"drifter"
    assert second["account"] == struct.pack(">q", 0)
    assert second["epoch"] == struct.pack(">q", 8)
    assert second["vy"] == struct.pack(">d", 4.0)


@pytest.mark.parametrize("extension", [b"", b"\1\2\3"])
def test_what_was_written_is_read_and_extensions_of_the_header_are_passed_over(
    extension: bytes,
) -> None:
    stream = bytes(COPY.encode(batch()))
    stream = stream[:15] + struct.pack(">i", len(extension)) + extension + stream[19:]
    tuples = COPY.decode(stream)
    records = COPY.saved_records(tuples)
    expected = batch().rows
    for name in ("epoch", "tick", "kind", "x", "vy", "mass", "name"):
        assert records[name].tolist() == expected[name].tolist(), name
    assert tuples["account"].tolist() == [5, 0]
    assert tuples["saved_tick"].tolist() == [101, 201]


def test_rows_of_another_layout_are_refused() -> None:
    stream = bytes(COPY.encode(batch()))
    for bad in (stream[:-1], b"X" + stream[1:], stream[:-2] + b"\0" + stream[-2:], b""):
        with pytest.raises(StoreError, match="another layout"):
            COPY.decode(bad)
    at = 19 + 2
    missing = stream[:at] + struct.pack(">i", -1) + stream[at + 4 :]
    with pytest.raises(StoreError, match="without uuid"):
        COPY.decode(missing)


def test_nothing_to_save_is_an_empty_stream() -> None:
    empty = batch().select(np.zeros(0, np.int64))
    assert tuples_of(COPY.encode(empty)) == []
    assert len(COPY.decode(bytes(COPY.encode(empty)))) == 0


class Shield(Component):
    left: U4


class Rank(Component):
    number: U4


class Fuse(Component, saved=False):
    left: U4


def test_what_was_given_or_taken_is_kept_and_what_is_as_the_kind_has_it_is_zero() -> None:
    game = Game("gifts")
    game.kind("plain", Motion())
    game.kind("armed", Motion(), Shield(), Fuse())
    game.declare(Rank)
    copy = RowCopy(declare(game))
    schema = copy.schema
    shield, rank, fuse = (
        np.uint64(1 << schema.numbers[f"test_rowcopy_{name}"])
        for name in ("shield", "rank", "fuse")
    )
    rows = saved_alone(schema, schema.first[[1, 1, 2, 2]])
    rows["differs"] = [0, shield | rank, shield, rank | fuse]
    count = len(rows)
    saved = Batch(
        rows,
        np.zeros(count, UUID),
        np.zeros(count, np.int64),
        *np.ones((2, count), np.bool_),
        *np.zeros((2, count), np.int64),
    )
    tuples = copy.decode(bytes(copy.encode(saved)))
    assert tuples["test_rowcopy_shield given"].tolist() == [0, 1, -1, 0]
    assert tuples["test_rowcopy_rank given"].tolist() == [0, 1, 0, 1]
    names = [column.name for column in copy.columns if column.name.endswith(" given")]
    assert names == ["label given", "test_rowcopy_shield given", "test_rowcopy_rank given"]
    found = copy.saved_records(tuples)
    assert found["differs"].tolist() == [0, shield | rank, shield, rank]
