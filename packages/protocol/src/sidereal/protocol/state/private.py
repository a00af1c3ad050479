"""What only one client may know: the private section of its snapshots.

    form | flight | age | lag of the state | runs · run… | rows, those of one sort after the other

It stands ahead of all sections of a datagram that has the flag OWN. It says all that has changed
over `(from_tick, to_tick]` for this client alone; `to_tick` is the header's tick, and `from_tick`
the one before, unless the age is there. With REPLACE it says all that there is. Every row is of one
entity, the one that the client flies, so rows have no id, and there is one of each sort. The form
says which of the first three are there; all others have runs:

* PRESENCE: another entity is flown, or it has other components: its id, the control epoch, and the
  mask of the components that come here. The id is 0 for a client that flies nothing;
* motion, on a finer grid than in cells, as of the tick of the state: the header's, less its lag;
* INPUTS: which is the newest input that the state has in it, and how early inputs come. If there is
  no motion beside it, the motion that was sent before goes on along its straight line up to the
  tick of the state;
* the number of a component: its fields, as in memory.

Behind these are **private events**, from EVENT_FIRST on: what has happened, of which this client is
told and few others may be. Their rows do have an id, that of the subject, and there may be several
in a run. They are no part of what the section says over its ticks: each is sent until it is acked,
and its tick and its number among those of that tick (`nth`) tell whether it has come before.

The **flight** counts the entities that the client has flown, modulo 256; left out it is 1. So rows
are not taken for those of another entity when the section that named it was lost.
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

REPLACE: Final = 1
"""Flag of the form: it says all that there is."""
AGED: Final = 2
"""Flag: the age is there."""
FLOWN: Final = 4
MOVES: Final = 8
ANSWERS: Final = 16
"""Flags of the three sorts of rows that have no runs; the last two are as of the state's tick."""
RUNS: Final = 32
"""Flag: the number of runs is there, and they."""
LAGS: Final = 64
"""Flag: the lag of the state is there; without it that is 0."""
FLIGHT: Final = 128
"""Flag: the flight is there; without it that is `FLIGHT_FIRST`."""
FLIGHT_FIRST: Final = 1

INPUTS: Final = 64
"""A row of a private section: which inputs the state has in it."""

LAG_MOST: Final = 127
"""Ticks by which a state may be older than its snapshot; it may also be so much newer."""

PLACE_STEPS: Final = 1 << 24
"""Steps of a cell, along each axis, in which own motion says where it is."""
TURN_STEPS: Final = 1 << 32
"""Likewise of a whole turn."""
VELOCITY_STEP: Final = 2.0**-23
"""Units/s."""
TURN_STEP: Final = math.tau / TURN_STEPS
SPIN_STEP: Final = 2.0**-26
"""Rad/s."""

INPUTS_ROW: Final = np.dtype([("early", "i1"), ("input", "<u2")])
"""`early` is how early the latest input came of those since the tick before, see `earliness`."""

_LAG: Final = struct.Struct("<b")
_INPUTS: Final = struct.Struct("<bH")
_MOTION: Final = struct.Struct("<iiiiIi")
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
    """The newest input in a state: its tick, the input's low 16 bits, and `early` of INPUTS_ROW."""

    tick: int
    input: int
    early: int


class Private(NamedTuple):
    """A private section, read and checked.

    Attributes:
        replace: whether it says all that there is.
        from_tick: after which tick it says what has changed.
        to_tick: up to which.
        flight: of whom its rows are.
        flown: None if it is the same as before; likewise the others.
        components: rows of other components than motion, by number, `Schema.own_rows`.
        events: of each sort of private events their number, and their rows, packed.
    """

    replace: bool
    from_tick: int
    to_tick: int
    flight: int
    flown: Flown | None
    motion: OwnMotion | None
    inputs: InputApplied | None
    components: dict[int, np.void]
    events: tuple[tuple[int, bytes], ...] = ()


@lru_cache(maxsize=16)
def own_row_types(schema: Schema) -> dict[int, np.dtype[Any]]:
    """Types of the rows about what a client flies, by `what`, in their order."""
    first = PRESENCE, schema.numbers[MOTION.name]
    rest = {what: dtype for what, dtype in schema.own_rows.items() if what not in first}
    return {**{what: schema.own_rows[what] for what in first}, INPUTS: INPUTS_ROW, **rest}


def encode_own_motion(
    schema: Schema, motion: Motion, centre_x: Ints, centre_y: Ints, rules: Rules
) -> Rows:
    """Pack the motion of what clients fly.

    Args:
        schema: for the row.
        motion: float64[n] each.
        centre_x: int64[n], absolute cell in the middle of each client's window.
        centre_y: likewise.
        rules: for the size of cells.

    Returns:
        `Schema.own_rows` of motion, [n].
    """
    rows: Rows = np.empty(len(motion.x), schema.own_rows[schema.numbers[MOTION.name]])
    steps = PLACE_STEPS / rules.cell_size
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
    schema: Schema, rules: Rules, message: bytes, at: int, tick: int, centre: tuple[int, int]
) -> tuple[Private, int]:
    """Read a private section.

    Args:
        schema: of the rows.
        rules: for the size of cells.
        message: the datagram.
        at: where the section begins.
        tick: of the datagram.
        centre: absolute cell in the middle of the window.

    Returns:
        The section, and where it ends.

    Raises:
        WireError: a run that there can't be, or a value out of its range.
        struct.error: it is cut short; likewise IndexError.
    """
    form, flight = message[at], FLIGHT_FIRST
    at += 1
    if form & FLIGHT:
        flight = message[at]
        at += 1
    if form & (REPLACE | AGED) == REPLACE | AGED:
        raise WireError(f"private section of form {form}")
    age = 0 if form & REPLACE else 1
    if form & AGED:
        age = message[at]
        at += 1
    state_tick = tick
    if form & LAGS:
        state_tick -= _LAG.unpack_from(message, at)[0]
        at += _LAG.size
    runs = b""
    if form & RUNS:
        runs = message[at + 1 : at + 1 + RUN.itemsize * message[at]]
        at += 1 + RUN.itemsize * message[at]
    if at > len(message) or state_tick < 0:
        raise WireError(f"private section is cut short, or of tick {state_tick}")
    flown, motion, inputs = None, None, None
    if form & FLOWN:
        dtype = schema.own_rows[PRESENCE]
        flown = _read_flown(schema, message[at : at + dtype.itemsize], dtype)
        at += dtype.itemsize
    if form & MOVES:
        motion = _read_motion(message, at, state_tick, centre, rules)
        at += _MOTION.size
    if form & ANSWERS:
        early, newest = _INPUTS.unpack_from(message, at)
        inputs = InputApplied(state_tick, newest, early)
        at += _INPUTS.size
    components, events, at = _read_runs(schema, rules, message, at, runs, tick)
    span = bool(form & REPLACE), tick - age, tick
    return Private(*span, flight, flown, motion, inputs, components, events), at


def _read_runs(
    schema: Schema, rules: Rules, message: bytes, at: int, runs: bytes, tick: int
) -> tuple[dict[int, np.void], tuple[tuple[int, bytes], ...], int]:
    """Read components and events; returns where they end, too."""
    components: dict[int, np.void] = {}
    events: list[tuple[int, bytes]] = []
    before = schema.numbers[MOTION.name]
    for what, count in zip(runs[::2], runs[1::2], strict=True):
        happened = schema.private_events.get(what)
        dtype = schema.own_rows.get(what) if happened is None else happened
        most = 1 if happened is None else RUN_ROWS_MAX
        if dtype is None or not 0 < count <= most or what <= before:
            raise WireError(f"private section with {count} rows of sort {what}")
        before, end = what, at + count * dtype.itemsize
        row = message[at:end]
        if len(row) != end - at:
            raise WireError("private section is cut short in its rows")
        if happened is not None:
            _check_events(schema, rules, what, np.frombuffer(row, happened), tick)
            events.append((what, row))
        else:
            components[what] = _read_component(schema, what, row, dtype)
        at = end
    return components, tuple(events), at


def _read_flown(schema: Schema, row: bytes, dtype: np.dtype[Any]) -> Flown:
    if len(row) != dtype.itemsize:
        raise WireError("private section is cut short in its rows")
    net_id, control_epoch, mask = np.frombuffer(row, dtype)[0].item()
    if mask & ~schema.mask_own or bool(net_id) != bool(mask & schema.mask_places):
        raise WireError(f"entity {net_id} is flown, with the components {mask:b}")
    return Flown(net_id, control_epoch, mask)


def _read_motion(
    message: bytes, at: int, tick: int, centre: tuple[int, int], rules: Rules
) -> OwnMotion:
    x, y, vx, vy, heading, spin = _MOTION.unpack_from(message, at)
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
    return OwnMotion(tick, *values)


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
