"""Heads of snapshots and of their sections, written; `stream` says what they mean.

Numbers whose size varies have seven bits in each byte, the low ones first, and the high bit in all
bytes but the last. Those that may be negative are doubled, or doubled and inverted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sidereal.protocol.state.stream import (
    AGED,
    DEFERRED,
    EXTENT,
    NOW,
    OWN,
    PARTIAL,
    REPLACE,
    RUN_OF_NOW,
    RUN_OF_ONE,
    RUNS_APART,
    RUNS_SHIFT,
    SNAPSHOT_VERSION,
    UNCHANGED,
)


def encode_number(number: int) -> bytes:
    """Write a number, 0 or more, in as many bytes as it needs."""
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def encode_centre(cell_x: int, cell_y: int) -> bytes:
    """Write the absolute cell in the middle of a window."""
    return b"".join(encode_number(2 * n if n >= 0 else ~(2 * n)) for n in (cell_x, cell_y))


def encode_lead(flags: int, tick: int) -> bytes:
    """Write what a datagram begins with, ahead of the centre."""
    return bytes((SNAPSHOT_VERSION | flags,)) + encode_number(tick)


def encode_head(
    tick: int,
    cell_x: int,
    cell_y: int,
    *,
    deferred: int = 0,
    unchanged: bytes | None = None,
    own: bool = False,
) -> bytes:
    """Write what a datagram begins with, ahead of its sections.

    Args:
        tick: of the snapshot.
        cell_x: absolute cell in the middle of the window.
        cell_y: likewise.
        deferred: how many cells are put off, up to 255.
        unchanged: bits by place, `unchanged_size` bytes; None: every place is that has no section.
        own: whether a private section follows.
    """
    flags = DEFERRED * bool(deferred) | UNCHANGED * (unchanged is not None) | OWN * own
    head = encode_lead(flags, tick) + encode_centre(cell_x, cell_y)
    return head + bytes((deferred,) if deferred else ()) + (unchanged or b"")


def encode_section(
    place: int,
    flags: int,
    age: int,
    runs: Sequence[tuple[int, int]],
    extent: tuple[int, int, int] = (0, 1, 0),
) -> bytes:
    """Write what a section begins with, ahead of its rows.

    Args:
        place: of the cell.
        flags: REPLACE, PARTIAL, CONTINUED.
        age: `to_tick - from_tick`.
        runs: of each the sort, and the number of rows.
        extent: as of `EXTENT`; with PARTIAL.
    """
    flags |= 0 if age == (0 if flags & REPLACE else 1) else AGED
    is_one, is_now = len(runs) == 1 and runs[0][1] == 1, list(runs) == [(NOW, 1)]
    number = RUN_OF_ONE if is_one else len(runs) if len(runs) < RUN_OF_NOW else RUNS_APART
    number = RUN_OF_NOW if is_now else number
    octets = [place, flags | number << RUNS_SHIFT]
    octets += [age] if flags & AGED else []
    octets += [len(runs)] if number == RUNS_APART else []
    heads = [what for what, _ in runs] if is_one else [n for run in runs for n in run]
    where = np.array(extent, EXTENT).tobytes() if flags & PARTIAL else b""
    return bytes(octets) + where + (b"" if is_now else bytes(heads))
