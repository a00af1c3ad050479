"""Write-behind: newest wins, one batch out at a time, nothing lost on failure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.replication.keeping.persist import Batch, WriteBehind

Saved = dict[bytes, tuple[float, int]]


def uuids(*names: int) -> np.ndarray:
    # The last byte is 0: names must not be cut there as NumPy's text is.
    return np.frombuffer(b"".join(bytes([n]).rjust(15, b"u") + b"\0" for n in names), "V16")


def records(*xs: float) -> np.ndarray:
    rows = np.zeros(len(xs), BASE_SCHEMA.full_record)
    rows["x"] = xs
    return rows


def mark(behind: WriteBehind, names: list[int], x: float, tick: int) -> None:
    behind.mark(records(*[x] * len(names)), uuids(*names), 0, True, tick)


def contents(batch: Batch | None) -> Saved:
    if batch is None:
        return {}
    pairs = zip(batch.rows["x"].tolist(), batch.saved_tick.tolist(), strict=True)
    return dict(zip([bytes(u) for u in batch.uuid.tolist()], pairs, strict=True))


def names_of(batch: Batch | None) -> list[int]:
    return sorted(key[14] for key in contents(batch))


def test_newest_mark_of_a_row_wins() -> None:
    behind = WriteBehind()
    mark(behind, [1, 2], 10.0, tick=5)
    mark(behind, [2, 3], 20.0, tick=6)
    batch = behind.take_batch(100)
    assert batch is not None
    assert {key[14]: value for key, value in contents(batch).items()} == {
        1: (10.0, 5),
        2: (20.0, 6),
        3: (20.0, 6),
    }
    assert batch.tick == 6
    assert batch.rows.dtype == BASE_SCHEMA.full_record


def test_account_and_activity_travel_with_the_row() -> None:
    behind = WriteBehind()
    behind.mark(records(1.0, 2.0), uuids(1, 2), [7, 8], [True, False], 1)
    batch = behind.take_batch(100)
    assert batch is not None
    assert batch.account.tolist() == [7, 8]
    assert batch.active.tolist() == [True, False]


def test_only_one_batch_is_out() -> None:
    behind = WriteBehind()
    mark(behind, [1], 0.0, tick=1)
    batch = behind.take_batch(100)
    mark(behind, [2], 0.0, tick=2)
    assert batch is not None
    assert behind.take_batch(100) is None
    behind.committed(batch)
    assert names_of(behind.take_batch(100)) == [2]


def test_rows_that_waited_longest_go_first() -> None:
    behind = WriteBehind()
    mark(behind, [3], 0.0, tick=1)
    mark(behind, [1], 0.0, tick=2)
    mark(behind, [2], 0.0, tick=3)
    mark(behind, [3], 0.0, tick=4)  # still unsaved since tick 1
    batch = behind.take_batch(2)
    assert names_of(batch) == [1, 3]
    assert batch is not None
    behind.committed(batch)
    assert names_of(behind.take_batch(2)) == [2]


def test_failed_batch_waits_again_but_never_over_newer_rows() -> None:
    behind = WriteBehind()
    mark(behind, [1, 2], 10.0, tick=5)
    batch = behind.take_batch(100)
    mark(behind, [2], 20.0, tick=5)
    assert batch is not None
    behind.failed(batch)
    again = contents(behind.take_batch(100))
    assert {key[14]: value for key, value in again.items()} == {1: (10.0, 5), 2: (20.0, 5)}


def test_lag_counts_from_the_oldest_unsaved_change() -> None:
    behind = WriteBehind()
    assert behind.lag_ticks(100) == 0
    mark(behind, [1], 0.0, tick=90)
    mark(behind, [1], 0.0, tick=95)
    assert behind.lag_ticks(100) == 10
    batch = behind.take_batch(100)
    assert batch is not None
    assert behind.lag_ticks(100) == 10
    mark(behind, [1], 0.0, tick=98)
    behind.failed(batch)
    assert behind.lag_ticks(100) == 10
    batch = behind.take_batch(100)
    assert batch is not None
    behind.committed(batch)
    assert behind.lag_ticks(100) == 0
    assert behind.depth == 0


def test_rows_over_the_limit_are_dropped_and_counted() -> None:
    behind = WriteBehind(limit=3)
    mark(behind, [1, 2], 0.0, tick=1)
    mark(behind, [3, 4, 5], 0.0, tick=2)
    assert behind.dropped == 2
    assert behind.depth == 3
    mark(behind, [1], 7.0, tick=3)
    assert behind.dropped == 2


def test_another_batch_than_the_one_taken_is_refused() -> None:
    behind = WriteBehind()
    mark(behind, [1], 0.0, tick=1)
    batch = behind.take_batch(100)
    assert batch is not None
    behind.committed(batch)
    with pytest.raises(LocalProtocolError):
        behind.committed(batch)


STEPS = st.lists(
    st.one_of(
        st.sets(st.integers(0, 8), min_size=1).map(lambda names: ("mark", sorted(names))),
        st.integers(1, 5).map(lambda rows: ("take", rows)),
        st.sampled_from([("committed", 0), ("failed", 0), ("failed but saved", 0)]),
    ),
    max_size=60,
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(STEPS)
def test_what_is_saved_in_the_end_is_what_was_marked_last(steps: list[tuple[str, object]]) -> None:
    behind, truth, saved = WriteBehind(), {}, {}
    out: Batch | None = None
    tick = 0
    for step, what in [*steps, ("committed", 0), ("take", 100), ("committed", 0)]:
        if step == "mark":
            tick += 1
            assert isinstance(what, list)
            mark(behind, what, float(tick), tick)
            truth.update({bytes(u): (float(tick), tick) for u in uuids(*what).tolist()})
        elif step == "take":
            assert isinstance(what, int)
            taken = behind.take_batch(what)
            assert (taken is None) == (out is not None or behind.depth == 0)
            out = taken or out
        elif out is not None:
            if step != "failed":
                saved.update(contents(out))
            (behind.committed if step == "committed" else behind.failed)(out)
            out = None
    assert saved == truth
    assert behind.depth == 0
