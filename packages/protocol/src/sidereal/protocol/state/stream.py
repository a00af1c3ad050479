"""The datagrams that tell a client of the world around it: what is in them, and where.

    header | unchanged, one bit per place | private section | section…
    section: section | extent, with PARTIAL | run… | rows, those of one run after the other

A **section** says all that has changed in one cell over `(from_tick, to_tick]`. With REPLACE it
says all that there is: who is not named in it is not there. A section that is too long for one
datagram comes in parts, and counts when all of them have arrived. The parts of a CONTINUED section
are sent over several ticks, so its `to_tick` is before the header's.

A **run** is some rows of one sort. `what` says which:

* PRESENCE: an entity has come into the cell, or has other components: its kind and its mask;
* the number of a component: its fields;
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
the receiver has it complete up to the header's tick. Every datagram says which cells are.

The **place** of a cell is its position in the window: with `side` cells along an edge, it is
`(cell_y mod side) * side + (cell_x mod side)` of the absolute cell. Wherever a window is, it has
one cell in every place, and a cell keeps its place while the window moves.

`snapshot` reads it. The private section is the first one, in one datagram of a snapshot at most:
`private` says what is in it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sidereal.protocol.rules import Rules
from sidereal.protocol.space.cells import square_by_place
from sidereal.protocol.state.arrays import Ints

SNAPSHOT_VERSION: Final = 2

HEADER: Final = np.dtype(
    [
        ("version", "u1"),
        ("flags", "u1"),
        ("sections", "<u2"),
        ("tick", "<u4"),
        ("sector_x", "<i4"),
        ("sector_y", "<i4"),
        ("cell", "u1"),
        ("deferred", "u1"),
    ]
)
"""`deferred` counts cells that have news for which there was no room this tick."""

SECTION: Final = np.dtype([("place", "u1"), ("flags", "u1"), ("age", "u1"), ("runs", "u1")])
"""`age` is `to_tick - from_tick`; without an extent `to_tick` is the header's tick."""

REPLACE: Final = 1
"""Flag of a section: forget everything in this cell that the section does not name."""
PARTIAL: Final = 2
"""Flag of a section: it is one part of several; its extent says which."""
CONTINUED: Final = 4
"""Flag of a partial section: its parts come over several ticks."""

EXTENT: Final = np.dtype([("part", "<u2"), ("parts", "<u2"), ("to_age", "<u2")])
"""`to_age` is how far `to_tick` lies behind the header's tick."""

RUN: Final = np.dtype([("what", "u1"), ("rows", "u1")])
RUN_ROWS_MAX: Final = 255

PRESENCE: Final = 0
GONE: Final = 64
MOVED: Final = 65

TOMBSTONE: Final = np.dtype([("id", "<u4")])
"""A row of GONE or MOVED."""


def unchanged_size(rules: Rules) -> int:
    """Bytes of the unchanged bits of a window."""
    return (rules.window_side**2 + 7) // 8


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
    return {**rows, GONE: TOMBSTONE, MOVED: TOMBSTONE}
