"""The datagrams that tell a client of the world around it: what is in them, and where.

    form · tick · centre of the window | deferred | unchanged, one bit per place | private section
    section…
    section: place · form | age | runs | extent, with PARTIAL | run… | rows, those of one run after
             the other

What stands behind a bar is there only if a form says so; `heads` writes it. A form has a bit for
everything that is not as it mostly is: cells are put off, a section goes back more than a tick, or
has other runs than one of a single row.

A **section** says all that has changed in one cell over `(from_tick, to_tick]`. With REPLACE it
says all that there is: who is not named in it is not there. A section that is too long for one
datagram comes in parts, and counts when all of them have arrived. The parts of a CONTINUED section
are sent over several ticks, so its `to_tick` is before the header's.

A **run** is some rows of one sort. `what` says which:

* PRESENCE: an entity has come into the cell, or has other components: its kind and its mask;
* the number of a component: its fields;
* NOW: motion again, of which the tick is the header's, and left out;
* GONE: an entity is no more, and nobody comes under its id for long;
* MOVED: an entity is no longer in this cell;
* the number of an event, from EVENT_FIRST on: what has happened to an entity that was in this
  cell, with how many ticks ago that was, and its fields.

All rows but those of events say how things are at the header's tick, whatever a receiver had
before. An entity that comes into a cell is named there with its presence and all its components.

A section has all events of its cell and its ticks, and one of a whole cell has none. So the events
of a cell and a tick always come together. A receiver that takes them when it has a section
complete, and no second time, has each event once.

A cell of the window that has no section in any datagram of a tick, and no news, is **unchanged**:
the receiver has it complete up to the header's tick. Every datagram says which cells are: all those
of which it has no section, unless it has the bits.
Motion of the entity that the receiver flies does not count: its private section says that.

The **place** of a cell is its position in the window: with `side` cells along an edge, it is
`(cell_y mod side) * side + (cell_x mod side)` of the absolute cell. Wherever a window is, it has
one cell in every place, and a cell keeps its place while the window moves.

`snapshot` reads it. A private section is in one datagram of a snapshot at most: `private` says what
is in it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sidereal.protocol.rules import Rules
from sidereal.protocol.space.cells import square_by_place
from sidereal.protocol.state.arrays import Ints

SNAPSHOT_VERSION: Final = 4
"""It is in the low four bits of the first byte; above it are flags."""
DEFERRED: Final = 16
"""Flag of a datagram: so many cells have news for which there was no room this tick."""
UNCHANGED: Final = 32
"""Flag of a datagram: its unchanged bits are there."""
OWN: Final = 64
"""Flag of a datagram: it has a private section."""

CENTRE_SIZE_MAX: Final = 12
"""Bytes of the centre of a window: absolute cells have 36 bits at most, with their sign."""
_TICK_SIZE_MAX: Final = 5

REPLACE: Final = 1
"""Flag of a section: forget everything in this cell that the section does not name."""
PARTIAL: Final = 2
"""Flag of a section: it is one part of several; its extent says which."""
CONTINUED: Final = 4
"""Flag of a partial section: its parts come over several ticks."""
AGED: Final = 8
"""Flag of a section: its age is there, `to_tick - from_tick`. Without it that is 1, and 0 with
REPLACE. Without an extent `to_tick` is the header's tick."""

RUNS_SHIFT: Final = 4
"""Above its flags, the form of a section has the number of its runs, or one of the next three."""
RUN_OF_NOW: Final = 13
"""There is one run, of a single row of NOW: its head is left out."""
RUNS_APART: Final = 14
"""The number of runs is in a byte of its own."""
RUN_OF_ONE: Final = 15
"""There is one run, of a single row: the number of its rows is left out."""
SECTION_SIZE_MAX: Final = 4
"""Bytes of place, form, age and number of runs."""

EXTENT: Final = np.dtype([("part", "<u2"), ("parts", "<u2"), ("to_age", "<u2")])
"""`to_age` is how far `to_tick` lies behind the header's tick."""

RUN: Final = np.dtype([("what", "u1"), ("rows", "u1")])
RUN_ROWS_MAX: Final = 255

PRESENCE: Final = 0
MOVES: Final = 1
"""Motion: the number of a component that every world has."""
GONE: Final = 64
MOVED: Final = 65
NOW: Final = 66

TOMBSTONE: Final = np.dtype([("id", "<u4")])
"""A row of GONE or MOVED."""


def unchanged_size(rules: Rules) -> int:
    """Bytes of the unchanged bits of a window."""
    return (rules.window_side**2 + 7) // 8


def head_size_max(rules: Rules) -> int:
    """Bytes that stand before the sections of a datagram, at most."""
    return 1 + _TICK_SIZE_MAX + CENTRE_SIZE_MAX + 1 + unchanged_size(rules)


def places_around(centre_x: int, centre_y: int, rules: Rules) -> tuple[Ints, Ints]:
    """Give the absolute cells of a window by place.

    Args:
        centre_x: absolute cell of the centre.
        centre_y: likewise.
        rules: for the radius.

    Returns:
        int64[window] and int64[window].
    """
    return square_by_place(centre_x, centre_y, rules.view_radius_cells)


def row_types(rows: dict[int, np.dtype[Any]]) -> dict[int, np.dtype[Any]]:
    """Types of all rows that a snapshot may have, by `what`, given those of `Schema.rows`."""
    return {**rows, GONE: TOMBSTONE, MOVED: TOMBSTONE, NOW: without_tick(rows[MOVES])}


def without_tick(motion: np.dtype[Any]) -> np.dtype[Any]:
    """Type of a row of motion as of the header's tick."""
    return np.dtype([(name, motion[name]) for name in motion.names or () if name != "tick"])
