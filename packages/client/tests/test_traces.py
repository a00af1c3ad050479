"""Where those were that are known no more."""

from __future__ import annotations

import numpy as np

from sidereal.client.traces import Traces
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.schema import BASE_SCHEMA


def let_go(traces: Traces, columns: Columns, *ids: int, x: float = 0.0, tick: int = 10) -> None:
    rows = columns.allocate(np.array(ids))
    columns["x"][rows], columns["vx"][rows], columns.tick[rows] = x, 2.0, tick
    columns["y"][rows], columns["vy"][rows] = -x, 0.0
    traces.note(columns, rows)
    columns.free(rows)


def find(traces: Traces, *ids: int, tick: int = 20) -> list[float]:
    ticks = np.full(len(ids), tick)
    x, y = traces.find(np.array(ids, np.uint32), ticks, 0.05)
    assert (np.isnan(x) == np.isnan(y)).all()
    found: list[float] = np.nan_to_num(x, nan=-1.0).tolist()
    return found


def test_the_last_that_is_known_of_each_is_continued_to_the_tick() -> None:
    traces, columns = Traces(4), Columns(BASE_SCHEMA)
    let_go(traces, columns, 7, 8, x=5.0)
    let_go(traces, columns, 7, x=9.0, tick=20)
    assert find(traces, 8, 7, 3) == [6.0, 9.0, -1.0]
    assert find(traces, 8, tick=0) == [4.0]
    assert find(traces) == []


def test_of_too_many_the_oldest_are_forgotten() -> None:
    traces, columns = Traces(4), Columns(BASE_SCHEMA)
    let_go(traces, columns, 1, 2, 3, x=1.0)
    let_go(traces, columns, 4, 5, x=2.0)
    assert find(traces, 1, 2, 3, 4, 5, tick=10) == [-1.0, 1.0, 1.0, 2.0, 2.0]
    let_go(traces, columns, *range(10, 20), x=3.0)
    assert find(traces, 15, 16, 19, tick=10) == [-1.0, 3.0, 3.0]
