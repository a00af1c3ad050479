"""What only one client may know: the private section of its snapshots.

    section | head | run… | rows, those of one run after the other

It is the first section of a datagram, and stands in the place PRIVATE, where no cell is. It says
all that has changed over `(from_tick, to_tick]` for this client alone; `to_tick` is the header's
tick. With REPLACE it says all that there is. Every row is of one entity, the one that the client
flies, so rows have no id, and there is one in each run:

* PRESENCE: another entity is flown, or it has other components: its id, the control epoch, and the
  mask of the components that come here. The id is 0 for a client that flies nothing;
* the number of a component: its fields. Motion is on a finer grid than in cells, and has the low
  16 bits of its tick; all other fields are as in memory;
* INPUTS: the tick of the state, and the low 16 bits of the newest input that it has in it. If
  there is no motion beside it, the motion that was sent before goes on along its straight line up
  to this tick.

Behind these are **private events**, from EVENT_FIRST on: what has happened, of which this client is
told and few others may be. Their rows do have an id, that of the subject, and there may be several
in a run. They are no part of what the section says over its ticks: each is sent until it is acked,
and its tick and its number among those of that tick (`nth`) tell whether it has come before.

The **flight** in the head counts the entities that the client has flown, modulo 256. So rows are
not taken for those of another entity when the section that named it was lost.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import WireError
from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.quantize import outside_rows
from sidereal.protocol.state.reckoning import Motion
from sidereal.protocol.state.schema import MOTION, Schema
from sidereal.protocol.state.stream import PRESENCE, RUN, RUN_ROWS_MAX
from sidereal.protocol.state.values import valid_values

PRIVATE: Final = 255
"""The place of a private section: a window has fewer."""

INPUTS: Final = 64
"""A row of a private section: which inputs the state has in it."""

PRIVATE_HEAD: Final = np.dtype([("flight", "u1"), ("early", "i1")])
"""Behind the section. `early` is how many inputs had come beyond the newest one in the state, when
the section was written; below 0 as many were taken for granted before they came."""

PLACE_STEPS: Final = 1 << 24
"""Steps of a cell, along each axis, in which own motion says where it is."""
TURN_STEPS: Final = 1 << 32
"""Likewise of a whole turn."""
VELOCITY_STEP: Final = 2.0**-23
"""Units/s."""
TURN_STEP: Final = math.tau / TURN_STEPS
SPIN_STEP: Final = 2.0**-26
"""Rad/s."""

INPUTS_ROW: Final = np.dtype([("tick", "<u2"), ("input", "<u2")])

_HEAD: Final = struct.Struct("<Bb")
_RUN: Final = struct.Struct("<BB")
_INPUTS: Final = struct.Struct("<HH")
_MOTION: Final = struct.Struct("<HiiiiIi")
_BOUNDS: Final = tuple(field.bounds for field in MOTION.fields)


class Flown(NamedTuple):
    """Which entity a client flies: id 0 for none."""

    net_id: int
    control_epoch: int
    mask: int


class OwnMotion(NamedTuple):
    """Motion of the entity that a client flies, at a tick."""

    tick: int
    x: float
    y: float
    vx: float
    vy: float
    heading: float
    spin: float


class InputApplied(NamedTuple):
    """The newest input in a state: its tick, and the input's low 16 bits."""

    tick: int
    input: int


class Private(NamedTuple):
    """A private section, read and checked.

    Attributes:
        replace: whether it says all that there is.
        from_tick: after which tick it says what has changed.
        to_tick: up to which.
        flight: of whom its rows are.
        early: see `PRIVATE_HEAD`.
        flown: None if it is the same as before; likewise the others.
        components: rows of other components than motion, by number, `Schema.own_rows`.
        events: of each sort of private events their number, and their rows, packed.
    """

    replace: bool
    from_tick: int
    to_tick: int
    flight: int
    early: int
    flown: Flown | None
    motion: OwnMotion | None
    inputs: InputApplied | None
    components: dict[int, np.void]
    events: tuple[tuple[int, bytes], ...] = ()


@lru_cache(maxsize=16)
def own_row_types(schema: Schema) -> dict[int, np.dtype[Any]]:
    """Types of the rows about what a client flies, by `what`, in their order."""
    return {**schema.own_rows, INPUTS: INPUTS_ROW}


def encode_own_motion(
    schema: Schema, motion: Motion, tick: Ints, centre_x: Ints, centre_y: Ints, rules: Rules
) -> Rows:
    """Pack the motion of what clients fly.

    Args:
        schema: for the row.
        motion: float64[n] each.
        tick: int64[n], at which it is so.
        centre_x: int64[n], absolute cell in the middle of each client's window.
        centre_y: likewise.
        rules: for the size of cells.

    Returns:
        `Schema.own_rows` of motion, [n].
    """
    rows: Rows = np.empty(len(tick), schema.own_rows[schema.numbers[MOTION.name]])
    steps = PLACE_STEPS / rules.cell_size
    rows["tick"] = tick % (1 << 16)
    rows["x"] = _signed((motion.x - centre_x * rules.cell_size) * steps)
    rows["y"] = _signed((motion.y - centre_y * rules.cell_size) * steps)
    rows["vx"] = _signed(motion.vx / VELOCITY_STEP)
    rows["vy"] = _signed(motion.vy / VELOCITY_STEP)
    rows["heading"] = np.mod(np.rint(motion.heading / TURN_STEP), TURN_STEPS)
    rows["spin"] = _signed(motion.spin / SPIN_STEP)
    return rows


def on_own_grid(motion: Motion) -> Motion:
    """Give a motion with the velocities that its receiver will have; places are as exact."""
    return motion._replace(
        vx=np.rint(motion.vx / VELOCITY_STEP) * VELOCITY_STEP,
        vy=np.rint(motion.vy / VELOCITY_STEP) * VELOCITY_STEP,
        spin=np.rint(motion.spin / SPIN_STEP) * SPIN_STEP,
    )


def _signed(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    limits = np.iinfo(np.int32)
    clipped: NDArray[np.float64] = np.clip(np.rint(steps), limits.min, limits.max)
    return clipped


def read_private_untrusted(
    schema: Schema,
    rules: Rules,
    message: bytes,
    at: int,
    runs: int,
    span: tuple[bool, int, int],
    centre: tuple[int, int],
) -> tuple[Private, int]:
    """Read what follows the section header of a private section.

    Args:
        schema: of the rows.
        rules: for the size of cells.
        message: the datagram.
        at: where the head of the section begins.
        runs: how many there are.
        span: whether it replaces, from which tick, and up to which.
        centre: absolute cell in the middle of the window.

    Returns:
        The section, and where it ends.

    Raises:
        WireError: a run that there can't be, or a value out of its range.
        struct.error: it is cut short.
    """
    flight, early = _HEAD.unpack_from(message, at)
    run, at = at + _HEAD.size, at + _HEAD.size + RUN.itemsize * runs
    types = own_row_types(schema)
    moves, to_tick = schema.numbers[MOTION.name], span[2]
    flown, motion, inputs = None, None, None
    components: dict[int, np.void] = {}
    events: list[tuple[int, bytes]] = []
    before = -1
    for place in range(run, at, RUN.itemsize):
        what, count = _RUN.unpack_from(message, place)
        happened = schema.private_events.get(what)
        dtype = types.get(what) if happened is None else happened
        most = 1 if happened is None else RUN_ROWS_MAX
        if dtype is None or not 0 < count <= most or what <= before:
            raise WireError(f"private section with {count} rows of sort {what}")
        before, end = what, at + count * dtype.itemsize
        row = message[at:end]
        if len(row) != end - at:
            raise WireError("private section is cut short in its rows")
        if what == PRESENCE:
            flown = _read_flown(schema, row)
        elif what == moves:
            motion = _read_motion(row, to_tick, centre, rules)
        elif what == INPUTS:
            low, newest = _INPUTS.unpack(row)
            inputs = InputApplied(_restored(low, to_tick), newest)
        elif happened is not None:
            _check_events(schema, rules, what, np.frombuffer(row, happened), to_tick)
            events.append((what, row))
        else:
            components[what] = _read_component(schema, what, row, dtype)
        at = end
    return Private(*span, flight, early, flown, motion, inputs, components, tuple(events)), at


def _read_flown(schema: Schema, row: bytes) -> Flown:
    net_id, control_epoch, mask = np.frombuffer(row, schema.own_rows[PRESENCE])[0].item()
    if mask & ~schema.mask_own or bool(net_id) != bool(mask & schema.mask_places):
        raise WireError(f"entity {net_id} is flown, with the components {mask:b}")
    return Flown(net_id, control_epoch, mask)


def _read_motion(row: bytes, to_tick: int, centre: tuple[int, int], rules: Rules) -> OwnMotion:
    low, x, y, vx, vy, heading, spin = _MOTION.unpack(row)
    step, size = rules.cell_size / PLACE_STEPS, rules.cell_size
    values = (
        centre[0] * size + x * step,
        centre[1] * size + y * step,
        vx * VELOCITY_STEP,
        vy * VELOCITY_STEP,
        (heading - TURN_STEPS if heading >= TURN_STEPS // 2 else heading) * TURN_STEP,
        spin * SPIN_STEP,
    )
    for value, (least, greatest) in zip(values, _BOUNDS, strict=True):
        if not least <= value <= greatest:
            raise WireError(f"own motion with {value}, not {least} to {greatest}")
    return OwnMotion(_restored(low, to_tick), *values)


def _read_component(schema: Schema, what: int, row: bytes, dtype: np.dtype[Any]) -> np.void:
    rows = np.frombuffer(row, dtype)
    for name in dtype.names or ():
        if not valid_values(schema.fields[name], rows[name]).all():
            raise WireError(f"own {name} out of range")
    value: np.void = rows[0]
    return value


def _check_events(schema: Schema, rules: Rules, what: int, rows: Rows, to_tick: int) -> None:
    wrong = (rows["id"] == NET_ID_NONE) | (rows["age"] > to_tick)
    wrong |= outside_rows(schema, what, rows, rules)
    if wrong.any():
        raise WireError(f"{int(wrong.sum())} private events of sort {what} that can't be")


def _restored(low: int, near: int) -> int:
    """Give the tick with these low bits that lies nearest to a known one."""
    return near + (low - near + (1 << 15)) % (1 << 16) - (1 << 15)
