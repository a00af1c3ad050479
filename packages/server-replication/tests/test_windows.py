"""Windows follow the sectors that come and go, and what became of what was sent of their cells."""

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
        windows.note_unchanged(np.full(len(everything), client), everything, 1)
    table.rows_of(pack_sector(0, 0), create=True)
    windows.resolve(table, 2)
    inside = (windows.cell_x >= 0) & (windows.cell_x < CELLS)
    inside &= (windows.cell_y >= 0) & (windows.cell_y < CELLS)
    assert (windows.sent[0][inside[0]] == UNKNOWN).all()
    assert (windows.sent[0][~inside[0]] == 1).all()
    assert (windows.sent[1] == 1).all()


def test_after_more_changes_than_are_remembered_all_is_looked_at() -> None:
    table, windows = SectorTable(RULES), Windows(RULES, CLIENTS)
    windows.move(0, 1, 0, 0)
    windows.resolve(table, 1)
    table.rows_of(pack_sector(0, 0), create=True)
    for x in range(CHANGES_KEPT):
        table.rows_of(pack_sector(100 + x, 0), create=True)
    windows.resolve(table, 2)
    assert windows.group[0].tolist() == groups_of(windows, table, 0)


FATES = st.lists(
    st.tuples(st.booleans(), st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=4)),
    max_size=40,
)
"""By tick: whether something changes, and of what is in flight, which arrives and which is lost."""


@settings(derandomize=True, deadline=None, max_examples=300)
@given(FATES)
def test_who_has_a_cell_has_come_to_know_all_that_happened_in_it(
    ticks: list[tuple[bool, list[tuple[int, bool]]]],
) -> None:
    windows, one = Windows(RULES, CLIENTS), np.array([0])
    windows.move(0, 1, 0, 0)
    happened: set[int] = set()
    known: set[int] = set()
    flying: list[tuple[int, int]] = []

    def settle(since: int, sent_at: int, arrives: bool) -> None:
        if arrives:
            known.update(at for at in happened if since < at <= sent_at)
            windows.note_arrived(one, one, sent_at)
        else:
            windows.note_lost(one, one, np.array([since]), sent_at)

    def has(newest: int) -> bool:
        return bool(windows.has(one, np.full((1, RULES.window_side**2), newest))[0, 0])

    def tell(tick: int, newest: int) -> None:
        since = int(windows.sent[0, 0])
        if newest > since or since == UNKNOWN:
            windows.note_sent(one, one, np.array([since]), np.ones(1, np.int64), tick)
            flying.append((since, tick))

    newest = 0
    for tick, (changes, fates) in enumerate(ticks, 1):
        if changes:
            happened.add(tick)
            newest = tick
        tell(tick, newest)
        for at, arrives in fates:
            if at < len(flying):
                settle(*flying.pop(at), arrives)
        assert not has(newest) or known >= happened
    for tick in range(len(ticks) + 1, len(ticks) + 4):
        tell(tick, newest)
        while flying:
            settle(*flying.pop(), arrives=True)
    assert has(newest)
    assert known == happened
