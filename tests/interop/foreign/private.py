"""The private section of a snapshot: what only one client may know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .octets import Octets, require
from .rows import Event, EventSort, Place, Values, World, mask_layout, read_values, turned

WHOLE: Final = 1
HAS_AGE: Final = 2
HAS_FLOWN: Final = 4
HAS_MOTION: Final = 8
HAS_INPUTS: Final = 16
HAS_RUNS: Final = 32
HAS_LAG: Final = 64
HAS_FLIGHT: Final = 128
FIRST_FLIGHT: Final = 1
SCALE: Final = 1 << 24
VELOCITY_SCALE: Final = 1 << 23
SPIN_SCALE: Final = 1 << 26
VELOCITY_MAX: Final = 250 * VELOCITY_SCALE
SPIN_MAX: Final = 31 * SPIN_SCALE
TURN: Final = 1 << 32
MOTION: Final = 1


class Flown(NamedTuple):
    """What the client flies, id 0 for nothing, and which components come here."""

    id: int
    control_epoch: int
    mask: int


class Motion(NamedTuple):
    """Where the entity was at a tick, in world units, and how it moved, per second."""

    tick: int
    x: float
    y: float
    vx: float
    vy: float
    heading: float
    spin: float


class Inputs(NamedTuple):
    """The newest input that a state has in it, its low 16 bits, and how early inputs come."""

    tick: int
    newest: int
    early: int


class Told(NamedTuple):
    """A private event, and its number among those of its tick."""

    event: Event
    number: int


@dataclass(frozen=True)
class Private:
    """A private section; none for rows that it does not have."""

    is_whole: bool
    since: int
    to: int
    flight: int
    flown: Flown | None
    motion: Motion | None
    inputs: Inputs | None
    components: Mapping[int, Values] = field(default_factory=dict)
    told: tuple[Told, ...] = ()


def read_private(octets: Octets, place: Place, world: World) -> Private:
    """Read the private section of a snapshot; the place is the middle of the window."""
    form = octets.number("B")
    flight = octets.number("B") if form & HAS_FLIGHT else FIRST_FLIGHT
    require(not form & WHOLE or not form & HAS_AGE, "a whole private section with an age")
    age = octets.number("B") if form & HAS_AGE else 1 - (form & WHOLE)
    lag = octets.number("b") if form & HAS_LAG else 0
    tick = place.tick - lag
    require(tick >= 0, "a state of before tick 0")
    runs = _read_runs(octets, world) if form & HAS_RUNS else []
    return Private(
        is_whole=bool(form & WHOLE),
        since=place.tick - age,
        to=place.tick,
        flight=flight,
        flown=_read_flown(octets, (MOTION, *world.flown)) if form & HAS_FLOWN else None,
        motion=_read_motion(octets, place, tick) if form & HAS_MOTION else None,
        inputs=_read_inputs(octets, tick) if form & HAS_INPUTS else None,
        components={n: world.flown[n](octets) for n, _ in runs if n in world.flown},
        told=tuple(
            _read_told(octets, place.tick, number, world.events[number])
            for number, count in runs
            if number in world.events
            for _ in range(count)
        ),
    )


def _read_runs(octets: Octets, world: World) -> list[tuple[int, int]]:
    runs = []
    last = 0
    for _ in range(octets.number("B")):
        sort, rows = octets.unpack("BB")
        require(sort > last, "sorts that do not ascend")
        is_event = sort in world.events and world.events[sort].is_private
        require(is_event or sort in world.flown, "a sort that does not come here")
        require(rows == 1 or (is_event and rows > 0), "another number of rows")
        runs.append((sort, rows))
        last = sort
    return runs


def _read_flown(octets: Octets, numbers: tuple[int, ...]) -> Flown:
    flown = Flown(*octets.unpack("II" + mask_layout(numbers)))
    require(flown.mask & ~sum(1 << n for n in numbers) == 0, "a mask of what does not come here")
    require(bool(flown.mask >> MOTION & 1) == bool(flown.id), "a mask that does not fit the id")
    return flown


def _read_motion(octets: Octets, place: Place, tick: int) -> Motion:
    x, y, vx, vy, heading, spin = octets.unpack("iiiiIi")
    require(max(abs(vx), abs(vy)) <= VELOCITY_MAX, "a velocity out of range")
    require(abs(spin) <= SPIN_MAX, "a spin out of range")
    (cell_x, cell_y), size = place.cell, place.cell_size
    return Motion(
        tick,
        (cell_x + x / SCALE) * size,
        (cell_y + y / SCALE) * size,
        vx / VELOCITY_SCALE,
        vy / VELOCITY_SCALE,
        turned(heading, TURN),
        spin / SPIN_SCALE,
    )


def _read_inputs(octets: Octets, tick: int) -> Inputs:
    early, newest = octets.unpack("bH")
    return Inputs(tick, newest, early)


def _read_told(octets: Octets, tick: int, sort: int, event: EventSort) -> Told:
    subject, age, number = octets.unpack("IBB")
    require(subject > 0, "an event of nobody")
    require(age <= tick, "an event of before tick 0")
    return Told(Event(subject, sort, tick - age, read_values(octets, event)), number)
