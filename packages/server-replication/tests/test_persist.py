"""Write-behind: a bit per row, one batch out at a time, nothing lost and nothing dropped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.replication.keeping.persist import Batch, WriteBehind
from sidereal.replication.keeping.references import saved_record
from sidereal.replication.world import UUID, World

SHIPS = {1: 7, 2: 8}
"""Entities that are ships, and whose; the others are nobody's."""

Saved = dict[int, tuple[float, bool]]
"""What is kept of every entity: where it is, and whether it was removed."""


class Rig:
    """A world whose entities are called by numbers, and what of it is not saved."""

    def __init__(self) -> None:
        self.world = World(BASE_SCHEMA, Rules())
        self.behind = WriteBehind(self.world)
        self.tick = 0
        self.out: Batch | None = None

    def uuid(self, name: int) -> np.ndarray:
        # The last byte is 0: names must not be cut there as NumPy's text is.
        return np.frombuffer(bytes([name]).rjust(15, b"u") + b"\0", UUID)

    def row(self, name: int) -> int | None:
        rows = self.world.columns.rows()
        found = rows[self.world.uuid[rows] == self.uuid(name)]
        return int(found[0]) if len(found) else None

    def enter(self, *names: int, x: float = 0.0) -> None:
        self.tick += 1
        for name in names:
            record = np.zeros(1, BASE_SCHEMA.full_record)
            record["x"] = x
            account = np.array([SHIPS.get(name, 0)])
            self.world.enter(record, self.uuid(name), account, self.tick)

    def move(self, *names: int, x: float) -> None:
        self.tick += 1
        for name in names:
            row = self.row(name)
            assert row is not None
            record = self.world.columns.store(np.array([row]), BASE_SCHEMA.exact_record)
            record["x"] = x
            self.world.commit(np.array([row]), record, self.tick)

    def leave(self, name: int, *, removed: bool) -> None:
        self.tick += 1
        row = self.row(name)
        assert row is not None
        record = self.world.columns.store(np.array([row]), BASE_SCHEMA.full_record)
        self.behind.depart(record, row, self.tick, removed=removed)
        self.world.remove(np.array([row]), self.tick)

    def take(self, rows_max: int = 100) -> Batch | None:
        self.out = self.behind.take_batch(rows_max, self.tick) or self.out
        return self.out


def contents(batch: Batch | None) -> Saved:
    if batch is None:
        return {}
    x, removed = batch.rows["x"].tolist(), batch.removed.tolist()
    names = [uuid.tobytes()[14] for uuid in batch.uuid]
    return dict(zip(names, zip(x, removed, strict=True), strict=True))


def test_a_batch_takes_rows_as_they_are_by_then() -> None:
    rig = Rig()
    rig.enter(3, 4)
    rig.move(3, x=10.0)
    rig.move(3, x=20.0)
    batch = rig.take()
    assert batch is not None
    assert contents(batch) == {3: (20.0, False), 4: (0.0, False)}
    assert batch.saved_tick.tolist() == [3, 3]
    assert batch.rows.dtype == saved_record(BASE_SCHEMA)


def test_what_was_saved_is_not_taken_again_until_it_changes() -> None:
    rig = Rig()
    rig.enter(3, 4)
    batch = rig.take()
    assert batch is not None
    rig.behind.committed(batch)
    assert rig.behind.take_batch(100, rig.tick) is None
    rig.move(4, x=1.0)
    assert contents(rig.take()) == {4: (1.0, False)}


def test_ships_of_anonymous_players_are_never_taken() -> None:
    rig = Rig()
    record = np.zeros(1, BASE_SCHEMA.full_record)
    rows = rig.world.enter(record, rig.uuid(9), np.array([-1]), 1)
    rig.world.commit(rows, rig.world.columns.store(rows, BASE_SCHEMA.exact_record), 2)
    assert rig.take() is None
    assert rig.behind.depth == 0


def test_any_number_of_rows_waits_and_none_is_dropped() -> None:
    rig = Rig()
    count = (1 << 16) + 5
    records = np.zeros(count, BASE_SCHEMA.full_record)
    uuid = np.arange(count, dtype=np.int64)
    keys = np.zeros(count, UUID)
    keys.view(np.int64).reshape(count, 2)[:, 0] = uuid
    rig.world.enter(records, keys, np.zeros(count, np.int64), 1)
    assert rig.behind.depth == count
    taken = 0
    while (batch := rig.behind.take_batch(1 << 14, 1)) is not None:
        taken += len(batch)
        rig.behind.committed(batch)
    assert taken == count
    assert rig.behind.oldest_tick() is None


def test_only_one_batch_is_out() -> None:
    rig = Rig()
    rig.enter(3)
    batch = rig.take()
    rig.enter(4)
    assert batch is not None
    assert rig.behind.take_batch(100, rig.tick) is None
    rig.behind.committed(batch)
    assert contents(rig.take()) == {4: (0.0, False)}


def test_rows_that_waited_longest_go_first() -> None:
    rig = Rig()
    rig.enter(5, 3, 4)
    rig.take()
    assert rig.out is not None
    rig.behind.committed(rig.out)
    for name in (4, 5, 3):
        rig.move(name, x=1.0)
    rig.move(4, x=2.0)  # still unsaved since the first of these ticks
    batch = rig.take(2)
    assert sorted(contents(batch)) == [4, 5]
    assert batch is not None
    rig.behind.committed(batch)
    assert sorted(contents(rig.take(2))) == [3]


def test_a_failed_batch_waits_again_and_comes_as_it_is_by_then() -> None:
    rig = Rig()
    rig.enter(3, 4)
    batch = rig.take()
    rig.move(4, x=20.0)
    assert batch is not None
    rig.behind.failed(batch)
    assert contents(rig.take()) == {3: (0.0, False), 4: (20.0, False)}


def test_age_counts_from_the_oldest_unsaved_change() -> None:
    rig = Rig()
    assert rig.behind.oldest_tick() is None
    rig.enter(3)
    rig.move(3, x=1.0)
    assert rig.behind.oldest_tick() == 1
    batch = rig.take()
    assert batch is not None
    assert rig.behind.oldest_tick() == 1
    rig.move(3, x=2.0)
    rig.leave(3, removed=True)
    rig.behind.failed(batch)
    assert rig.behind.oldest_tick() == 1
    batch = rig.take()
    assert batch is not None
    rig.behind.committed(batch)
    assert rig.behind.oldest_tick() is None
    assert rig.behind.depth == 0


def test_another_batch_than_the_one_taken_is_refused() -> None:
    rig = Rig()
    rig.enter(3)
    batch = rig.take()
    assert batch is not None
    rig.behind.committed(batch)
    with pytest.raises(LocalProtocolError):
        rig.behind.committed(batch)


def test_a_removal_is_saved_like_a_row() -> None:
    rig = Rig()
    rig.enter(3)
    batch = rig.take()
    assert batch is not None
    rig.behind.committed(batch)
    rig.leave(3, removed=True)
    assert contents(rig.take()) == {3: (0.0, True)}


def test_a_removal_that_fails_is_tried_again() -> None:
    rig = Rig()
    rig.enter(3)
    batch = rig.take()
    rig.leave(3, removed=True)  # while its row may be on its way
    assert batch is not None
    rig.behind.failed(batch)
    batch = rig.take()
    assert batch is not None
    rig.behind.failed(batch)
    assert contents(rig.take()) == {3: (0.0, True)}


def test_what_comes_and_goes_between_two_batches_leaves_nothing() -> None:
    rig = Rig()
    rig.enter(3)
    rig.leave(3, removed=True)
    assert rig.take() is None
    assert rig.behind.depth == 0


def test_a_ship_that_left_waits_and_is_given_back_to_its_pilot() -> None:
    rig = Rig()
    rig.enter(1)
    rig.move(1, x=5.0)
    rig.leave(1, removed=False)
    waiting = rig.behind.departed_of(SHIPS[1])
    assert waiting is not None
    assert waiting.record["x"].tolist() == [5.0]
    batch = rig.take()
    assert batch is not None
    assert (batch.active.tolist(), batch.account.tolist()) == ([False], [SHIPS[1]])
    assert rig.behind.departed_of(SHIPS[1]) is waiting  # it may not have been saved
    rig.behind.committed(batch)
    assert rig.behind.departed_of(SHIPS[1]) is None


def test_a_ship_that_comes_back_while_its_last_state_is_written_is_saved_as_it_flies() -> None:
    rig = Rig()
    rig.enter(1)
    rig.leave(1, removed=False)
    batch = rig.take()
    waiting = rig.behind.departed_of(SHIPS[1])
    assert batch is not None
    assert waiting is not None
    rig.behind.come_back(waiting.uuid)
    rig.enter(1, x=9.0)
    rig.behind.failed(batch)
    assert rig.behind.departed_of(SHIPS[1]) is None
    batch = rig.take()
    assert batch is not None
    assert contents(batch) == {1: (9.0, False)}
    assert batch.active.tolist() == [True]


def test_the_ship_of_an_account_is_its_last_one_be_it_gone_for_good() -> None:
    rig = Rig()
    rig.enter(1)
    assert rig.take() is not None
    rig.leave(1, removed=True)
    gone = rig.behind.departed_of(SHIPS[1])
    assert gone is not None
    assert gone.removed
    other = np.array([SHIPS[1]])
    rig.world.enter(np.zeros(1, BASE_SCHEMA.full_record), rig.uuid(3), other, rig.tick)
    rig.leave(3, removed=False)
    last = rig.behind.departed_of(SHIPS[1])
    assert last is not None
    assert last.uuid == rig.uuid(3)


def test_a_batch_in_which_a_uuid_comes_twice_is_a_bug() -> None:
    rig = Rig()
    rig.enter(1)
    rig.leave(1, removed=False)
    rig.enter(1)  # although the one that left was not taken back
    with pytest.raises(AssertionError, match="twice"):
        rig.take()


def test_a_refused_row_is_not_given_to_the_database_again() -> None:
    rig = Rig()
    rig.enter(3, 4)
    batch = rig.take()
    assert batch is not None
    wrong = batch.uuid == rig.uuid(3)
    rig.behind.settle(batch, ~wrong, wrong)
    rig.move(3, 4, x=1.0)
    assert contents(rig.take()) == {4: (1.0, False)}
    assert rig.behind.refused == 1
    assert rig.behind.depth == 1  # the batch that is out


def test_rows_that_were_neither_saved_nor_refused_wait_again() -> None:
    rig = Rig()
    rig.enter(3, 4, 5)
    batch = rig.take()
    assert batch is not None
    rig.behind.settle(batch, batch.uuid == rig.uuid(3), batch.uuid == rig.uuid(4))
    assert contents(rig.take()) == {5: (0.0, False)}


NAMES = st.integers(1, 8)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["enter", "move", "leave", "remove"]), NAMES),
        st.tuples(st.just("take"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["committed", "failed", "failed but saved"]), st.just(0)),
    ),
    max_size=60,
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(STEPS)
def test_what_is_saved_in_the_end_is_the_world(steps: list[tuple[str, int]]) -> None:
    rig = Rig()
    saved: Saved = {}
    left: dict[int, float] = {}
    gone: set[int] = set()
    rest = [("committed", 0), ("take", 100), ("committed", 0)]
    for step, what in [*steps, *rest]:
        if step in ("enter", "move", "leave", "remove"):
            change(rig, step, what, left, gone)
        elif step == "take":
            rig.take(what)
        elif rig.out is not None:
            if step != "failed":
                saved.update(contents(rig.out))
            (rig.behind.committed if step == "committed" else rig.behind.failed)(rig.out)
            rig.out = None
    assert rig.behind.depth == 0
    assert {name: x for name, (x, removed) in saved.items() if not removed} == {
        **left,
        **{name: x for name in range(1, 9) if (x := place(rig, name)) is not None},
    }


def change(rig: Rig, step: str, name: int, left: dict[int, float], gone: set[int]) -> None:
    there, x = rig.row(name) is not None, float(rig.tick)
    if step == "enter" and not there and name not in gone:
        waiting = rig.behind.departed_of(SHIPS.get(name, -1))
        if waiting is not None:
            rig.behind.come_back(waiting.uuid)
        rig.enter(name, x=x)
        rig.world.stored[rig.row(name)] = True  # it may be from an earlier life
        left.pop(name, None)
    elif step == "move" and there:
        rig.move(name, x=x)
    elif step == "leave" and there and name in SHIPS:
        left[name] = place(rig, name) or 0.0
        rig.leave(name, removed=False)
    elif step == "remove" and there:
        gone.add(name)
        rig.leave(name, removed=True)


def place(rig: Rig, name: int) -> float | None:
    row = rig.row(name)
    return None if row is None else float(rig.world.columns["x"][row])
