"""Windows follow the sectors that come and go, wherever they are looked at from."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.rules import Rules
from sidereal.protocol.space.sectors import CHANGES_KEPT, SectorTable, pack_sector
from sidereal.replication.edge.windows import UNKNOWN, Windows

RULES = Rules()
CELLS = RULES.cells_per_side
CLIENTS = 3


def groups_of(windows: Windows, table: SectorTable, client: int) -> list[int]:
    """What a window's cells are called, found one by one."""
    size = RULES.cell_size
    x, y = windows.cell_x[client] * size + 1.0, windows.cell_y[client] * size + 1.0
    return [int(group) for group in table.group_of(x, y, create=False)]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "enter", "leave", "move", "go", "wait"]),
        st.integers(-3, 3),
        st.integers(-3, 3),
        st.booleans(),
    ),
    max_size=60,
)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(STEPS)
def test_every_window_has_the_groups_of_its_cells(steps: list[tuple[str, int, int, bool]]) -> None:
    table, windows = SectorTable(RULES), Windows(RULES, CLIENTS)
    for tick, (what, x, y, resolved) in enumerate(steps):
        key = pack_sector(x, y)
        if what == "enter":
            table.rows_of(key, create=True)
        elif what == "leave" and table.rows_of(key) >= 0:
            table.release(key)
        elif what == "move":
            windows.move(x % CLIENTS, tick, 3 * x, 3 * y)
        elif what == "go":
            windows.remove(x % CLIENTS)
        if resolved:
            windows.resolve(table, tick)
            for client in windows.rows().tolist():
                assert windows.group[client].tolist() == groups_of(windows, table, client)


def test_a_sector_that_comes_begins_anew_only_where_it_is_seen() -> None:
    table, windows = SectorTable(RULES), Windows(RULES, CLIENTS)
    windows.move(0, 1, 0, 0)
    windows.move(1, 1, 40, 0)
    windows.resolve(table, 1)
    everything = np.arange(RULES.window_side**2)
    for client in (0, 1):
        windows.advance(np.full(len(everything), client), everything, 1)
    table.rows_of(pack_sector(0, 0), create=True)
    windows.resolve(table, 2)
    inside = (windows.cell_x >= 0) & (windows.cell_x < CELLS)
    inside &= (windows.cell_y >= 0) & (windows.cell_y < CELLS)
    assert (windows.acked[0][inside[0]] == UNKNOWN).all()
    assert (windows.acked[0][~inside[0]] == 1).all()
    assert (windows.acked[1] == 1).all()


def test_after_more_changes_than_are_remembered_all_is_looked_at() -> None:
    table, windows = SectorTable(RULES), Windows(RULES, CLIENTS)
    windows.move(0, 1, 0, 0)
    windows.resolve(table, 1)
    table.rows_of(pack_sector(0, 0), create=True)
    for x in range(CHANGES_KEPT):
        table.rows_of(pack_sector(100 + x, 0), create=True)
    windows.resolve(table, 2)
    assert windows.group[0].tolist() == groups_of(windows, table, 0)
