from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.component import Component, Field
from sidereal.protocol.state.idtable import IdTable
from sidereal.protocol.state.schema import BASE_COMPONENTS, BASE_SCHEMA, Begin, Schema

ID_MAX = 2**32 - 1
# Ids that share pages, stand at the edges of pages, and lie at both ends of the range.
some_ids = st.sampled_from([1, 2, 3, 4095, 4096, 4097, 8191, 8192, 2**31, ID_MAX - 4096, ID_MAX])


def records_of(*ids: int) -> np.ndarray:
    records = np.zeros(len(ids), dtype=BASE_SCHEMA.full_record)
    records["id"] = ids
    records["epoch"] = np.arange(len(ids)) + 3
    records["tick"] = 2**32 - 1 - np.arange(len(ids))
    records["x"] = np.arange(len(ids)) * 1.5
    records["name"] = [b"n%d" % i for i in ids]
    records["input_seq"] = ID_MAX
    return records


def test_records_come_back_as_they_were_loaded() -> None:
    columns = Columns(BASE_SCHEMA, 2)
    records = records_of(7, ID_MAX, 3)
    rows = columns.load(records)
    assert columns.store(rows, BASE_SCHEMA.full_record).tobytes() == records.tobytes()
    assert columns.rows_of([3, 5, 7, ID_MAX]).tolist() == [rows[2], -1, rows[0], rows[1]]


def test_loading_known_entities_overwrites_them() -> None:
    columns = Columns(BASE_SCHEMA)
    columns.load(records_of(1, 2))
    changed = records_of(2, 9)
    changed["x"] = [77.0, 88.0]
    rows = columns.load(changed)
    assert columns.count == len(columns) == 3
    assert columns["x"][rows].tolist() == [77.0, 88.0]


def test_loading_an_exact_record_leaves_attributes_alone() -> None:
    columns = Columns(BASE_SCHEMA)
    rows = columns.load(records_of(4))
    exact = columns.store(rows, BASE_SCHEMA.exact_record)
    exact["x"] = -5.0
    columns.load(exact)
    assert columns["x"][rows].tolist() == [-5.0]
    assert columns["name"][rows].tolist() == [b"n4"]


def test_plugin_fields_have_columns() -> None:
    schema = Schema((*BASE_COMPONENTS, Component("cargo", (Field("ore", "u2"),))))
    columns = Columns(schema)
    rows = columns.allocate([5])
    columns["ore"][rows] = 12
    assert columns.store(rows, schema.full_record)["ore"].tolist() == [12]
    assert set(columns) == set(schema.fields)


def test_freed_rows_are_clean_when_given_again() -> None:
    columns = Columns(BASE_SCHEMA, 2)
    rows = columns.load(records_of(1, 2))
    columns.free(rows[:1])
    assert columns.rows().tolist() == [1]
    assert columns.rows_of([1]).tolist() == [-1]
    assert columns.allocate([8]).tolist() == [0]
    assert columns["x"][0] == columns.epoch[0] == columns.tick[0] == 0
    assert columns["name"][0] == b""


def test_growing_doubles_and_keeps_what_was_there() -> None:
    columns = Columns(BASE_SCHEMA, 1)
    columns.load(records_of(1))
    columns.load(records_of(1, *range(2, 12)))
    assert columns.capacity == 16
    assert columns.net_id[columns.rows()].tolist() == list(range(1, 12))


@pytest.mark.parametrize("ids", [[0], [5, 5], [1, 9]])
def test_ids_that_cannot_be_entered_are_refused(ids: list[int]) -> None:
    columns = Columns(BASE_SCHEMA)
    columns.allocate([1])
    with pytest.raises(LocalProtocolError):
        columns.allocate(ids)
    assert columns.count == 1


@pytest.mark.parametrize("rows", [[1], [0, 0]])
def test_only_living_rows_can_be_freed(rows: list[int]) -> None:
    columns = Columns(BASE_SCHEMA, 4)
    columns.allocate([1])
    with pytest.raises(LocalProtocolError):
        columns.free(rows)
    assert columns.count == 1


def test_capacity_must_be_positive() -> None:
    with pytest.raises(LocalProtocolError):
        Columns(BASE_SCHEMA, 0)


def test_nothing_allocated_freed_or_loaded_is_fine() -> None:
    columns = Columns(BASE_SCHEMA)
    assert len(columns.allocate([])) == len(columns.load(records_of())) == 0
    columns.free([])
    assert columns.rows().tolist() == []


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.booleans(), st.sets(some_ids, max_size=6)), max_size=12))
def test_rows_follow_ids_through_any_history(history: list[tuple[bool, set[int]]]) -> None:
    columns = Columns(BASE_SCHEMA, 1)
    known: set[int] = set()
    for arrives, ids in history:
        chosen = sorted(ids - known) if arrives else sorted(ids & known)
        if arrives:
            rows = columns.allocate(chosen)
            columns["x"][rows] = chosen
            known |= ids
        else:
            columns.free(columns.rows_of(chosen))
            known -= ids
        living = columns.rows()
        assert set(columns.net_id[living].tolist()) == known
        assert columns["x"][living].tolist() == columns.net_id[living].tolist()
        ordered = sorted(known)
        assert columns.net_id[columns.rows_of(ordered)].tolist() == ordered
        assert columns.count == len(known)


def test_memory_follows_the_living_not_the_ids_ever_given() -> None:
    table = IdTable()
    for first in range(1, 2**32 - 4096, 2**24):
        ids = np.arange(first, first + 4, dtype=np.int64)
        table.add(ids, np.arange(4))
        assert table.rows_of(ids).tolist() == [0, 1, 2, 3]
        table.remove(ids)
        assert table.rows_of(ids).tolist() == [-1, -1, -1, -1]
    assert table.page_count <= 4


def test_an_entity_has_the_components_of_its_kind_until_it_leaves() -> None:
    cargo = Component("cargo", (Field("ore", "u2"),))
    rock = Begin("rock", ("motion", "owner"), {})
    ship = Begin("ship", ("motion", "owner", "body", "cargo"), {})
    schema = Schema((*BASE_COMPONENTS, cargo), [rock, ship])
    columns = Columns(schema, 1)
    records = np.zeros(4, schema.full_record)
    records["id"], records["kind"] = (1, 2, 3, 4), (1, 2, 9, 2)
    rows = columns.load(records)
    assert columns.has(rows, schema.numbers["motion"]).tolist() == [True, True, False, True]
    assert columns.has(rows, schema.numbers["cargo"]).tolist() == [False, True, False, True]
    exact = columns.store(rows, schema.exact_record)
    columns.update(rows, exact)
    assert columns.has(rows, schema.numbers["cargo"]).tolist() == [False, True, False, True]
    columns.free(rows[1:])
    assert columns.mask[rows].astype(bool).tolist() == [True, False, False, False]


def test_without_kinds_every_entity_has_everything() -> None:
    columns = Columns(BASE_SCHEMA, 4)
    records = np.zeros(1, BASE_SCHEMA.full_record)
    records["id"], records["kind"] = 7, 200
    rows = columns.load(records)
    assert all(columns.has(rows, number).all() for number in BASE_SCHEMA.numbers.values())
