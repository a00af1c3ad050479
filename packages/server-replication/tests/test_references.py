"""What leads to entities is kept by their names, and leads to the same ones under other ids."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.game import AUTHORITY, U4, Body, Component, Entity, Game, Motion
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.protocol.rules import Rules
from sidereal.replication.keeping.persist import WriteBehind
from sidereal.replication.keeping.references import (
    NOBODY,
    enter_saved,
    ids_of,
    saved_record,
    to_saved,
    uuid_of,
    write_saved,
)
from sidereal.replication.world import UUID, World


class Tie(Component):
    count: U4
    first: Entity
    second: Entity


class Home(Component, writer=AUTHORITY):
    at: Entity


game = Game("tied")
game.kind("stone", Motion(), Body(), Tie())
game.kind("plain", Motion())
game.declare(Home)
SCHEMA = schema_of(declare(game))
FIRST, SECOND, COUNT = (f"test_references_tie_{name}" for name in ("first", "second", "count"))
TIES = SCHEMA.numbers["test_references_tie"]


def uuids(count: int) -> np.ndarray:
    # Some end in 0, where text of NumPy would be cut.
    names = [bytes([n + 1]).rjust(15, b"\0") + bytes([n % 2]) for n in range(count)]
    return np.frombuffer(b"".join(names), UUID)


def make_world(count: int, skipped: int = 0) -> tuple[World, np.ndarray]:
    """Stones, after so many ids that nobody has."""
    world = World(SCHEMA, Rules(), capacity=2)
    world.ids.take(skipped, 0)
    records = np.repeat(SCHEMA.first[[1]], count)
    rows = world.enter(records, uuids(count), np.zeros(count, np.int64), 1)
    return world, rows


def tie(world: World, rows: np.ndarray, first: list[int], second: list[int]) -> None:
    """Let stones lead to stones, by their places; -1 is nobody."""
    ids = np.append(world.columns.net_id[rows], 0)
    world.columns[FIRST][rows], world.columns[SECOND][rows] = ids[first], ids[second]


def saved(world: World, rows: np.ndarray) -> np.ndarray:
    return to_saved(world, world.columns.store(rows, SCHEMA.full_record))


def test_what_was_saved_leads_to_the_same_ones_under_other_ids() -> None:
    world, rows = make_world(4)
    tie(world, rows, [1, 2, 3, 0], [-1, 1, -1, 3])
    world.columns[COUNT][rows] = [5, 6, 7, 8]
    records = saved(world, rows)
    assert records.dtype == saved_record(SCHEMA)
    again = World(SCHEMA, Rules(), capacity=2)
    again.ids.take(100, 0)
    order = [2, 0, 3, 1]
    found = enter_saved(again, records[order], uuids(4)[order], np.zeros(4, np.int64), 7)
    by_place = found[np.argsort(order)]
    ids = np.append(again.columns.net_id[by_place], 0)
    assert again.columns[FIRST][by_place].tolist() == ids[[1, 2, 3, 0]].tolist()
    assert again.columns[SECOND][by_place].tolist() == ids[[-1, 1, -1, 3]].tolist()
    assert again.columns[COUNT][by_place].tolist() == [5, 6, 7, 8]
    # Clients are sent what the columns have.
    assert again.rows[TIES][FIRST][by_place].tolist() == ids[[1, 2, 3, 0]].tolist()


def test_what_leads_to_who_is_gone_leads_to_nobody() -> None:
    world, rows = make_world(3)
    tie(world, rows, [1, 2, 0], [2, -1, -1])
    gone = rows[[1]]
    world.remove(gone, 2)
    left = rows[[0, 2]]
    records = saved(world, left)
    assert records[FIRST].tobytes() == NOBODY + uuids(3)[0].tobytes()
    again = World(SCHEMA, Rules())
    found = enter_saved(again, records[:1], uuids(3)[:1], np.zeros(1, np.int64), 7)
    assert again.columns[FIRST][found].tolist() == [0]
    assert again.columns[SECOND][found].tolist() == [0]  # the other one did not come back


def test_who_does_not_have_the_component_leads_to_nobody() -> None:
    world = World(SCHEMA, Rules())
    rows = world.enter(SCHEMA.first[[2]].copy(), uuids(1), np.zeros(1, np.int64), 1)
    records = saved(world, rows)
    again = World(SCHEMA, Rules())
    found = enter_saved(again, records, uuids(1), np.zeros(1, np.int64), 7)
    assert again.changed[TIES, found].tolist() == [-1]


@pytest.mark.parametrize("place", range(4))
def test_one_is_found_by_its_name_and_named_by_its_id(place: int) -> None:
    world, rows = make_world(4, skipped=50)
    net_id = int(world.columns.net_id[rows[place]])
    assert uuid_of(world, net_id) == uuids(4)[place].tobytes()
    assert ids_of(world, uuids(4)[[place]]).tolist() == [net_id]
    world.remove(rows[[place]], 2)
    assert uuid_of(world, net_id) == NOBODY
    assert ids_of(world, uuids(4)[[place]]).tolist() == [0]
    assert ids_of(world, np.zeros(2, UUID)).tolist() == [0, 0]


def test_values_of_the_database_are_written_into_what_waits_to_be_saved() -> None:
    world, rows = make_world(2)
    record = saved(world, rows[:1])
    write_saved(record, {FIRST: uuids(2)[1].tobytes(), COUNT: 9})
    assert (record[FIRST][0].tobytes(), record[COUNT][0]) == (uuids(2)[1].tobytes(), 9)


def test_a_batch_and_what_has_left_have_names_of_those_that_are_there_then() -> None:
    world, rows = make_world(3)
    behind = WriteBehind(world)
    tie(world, rows, [1, 2, -1], [-1, -1, -1])
    batch = behind.take_batch(10, 2)
    assert batch is not None
    assert batch.rows[FIRST].tobytes() == uuids(3)[[1, 2]].tobytes() + NOBODY
    behind.committed(batch)
    record = world.columns.store(rows[:1], SCHEMA.full_record)
    behind.depart(record, int(rows[0]), 3, removed=False)
    world.remove(rows[:2], 3)
    batch = behind.take_batch(10, 4)
    assert batch is not None
    assert batch.rows[FIRST].tobytes() == uuids(3)[1].tobytes()
