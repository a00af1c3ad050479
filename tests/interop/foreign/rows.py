"""The rows that snapshots are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

from .octets import Malformed, Octets, nearest, read_text, require

VELOCITY_MAX: Final = 32_000
SPIN_MAX: Final = 31_744
TURN: Final = 1 << 16
PRESENCE: Final = 0
MOVING: Final = 66
EVENTS_FROM: Final = 128
Values: TypeAlias = dict[str, float | str]
MASK_LAYOUTS: Final = ((8, "B"), (16, "H"), (32, "I"), (64, "Q"))


class Presence(NamedTuple):
    """An entity is in the cell, is of this kind and has exactly the components of the mask."""

    id: int
    kind: int
    mask: int


class Reference(NamedTuple):
    """Where an entity was at a tick, in world units, and how it moved, per second."""

    id: int
    tick: int
    x: float
    y: float
    vx: float
    vy: float
    heading: float
    spin: float


class Body(NamedTuple):
    """How large and heavy an entity is, and which group it belongs to."""

    id: int
    radius: float
    mass: float
    group: int


class Label(NamedTuple):
    """What an entity is called."""

    id: int
    name: str


class Owner(NamedTuple):
    """The shard that simulates an entity."""

    id: int
    shard: int


class Predicted(NamedTuple):
    """Whose input has spawned an entity."""

    id: int
    spawner: int
    control_epoch: int
    input: int
    which: int


class Parent(NamedTuple):
    """Whose child an entity is."""

    id: int
    parent: int


class Gone(NamedTuple):
    """An entity is no more."""

    id: int


class Moved(NamedTuple):
    """An entity is not in the cell any more."""

    id: int


class Event(NamedTuple):
    """Something that has happened to an entity; its values are codes."""

    id: int
    sort: int
    tick: int
    values: tuple[float | str, ...]


class Described(NamedTuple):
    """A component of the game: its number, and its fields by their names."""

    id: int
    number: int
    values: Values


Component: TypeAlias = Reference | Body | Label | Owner | Predicted | Parent | Described
Row: TypeAlias = Presence | Component | Gone | Moved | Event


class EventSort(NamedTuple):
    """How an event travels: its fields, what these may be, and whether it is private."""

    layout: str
    proposed: str
    ranges: tuple[tuple[float, ...], ...]
    is_private: bool = False


class World(NamedTuple):
    """What may come in snapshots beside what may come in those of every world, by its number.

    Attributes:
        components: of the game, that clients are sent: what reads their fields.
        flown: components that come in private sections, likewise.
        events: of the game.
    """

    components: Mapping[int, Callable[[Octets], Values]]
    flown: Mapping[int, Callable[[Octets], Values]]
    events: Mapping[int, EventSort]

    @property
    def sent(self) -> tuple[int, ...]:
        """Numbers of all components that clients are sent in sections of cells."""
        return *COMPONENTS, *self.components


class Place(NamedTuple):
    """What one has to know to read the rows of a section: all ticks are the snapshot's.

    The cell is the absolute one; its size is in world units.
    """

    tick: int
    cell: tuple[int, int]
    cell_size: float


def read_id(octets: Octets) -> int:
    """Read the id of an entity."""
    number = octets.number("I")
    require(number > 0, "id 0")
    return number


def turned(code: int, turn: int) -> float:
    """Make an angle of steps of a turn, from 0: −π to π."""
    angle = code * math.tau / turn
    return angle - math.tau if angle > math.pi else angle


def mask_layout(numbers: tuple[int, ...]) -> str:
    """Say how a mask travels that has bits for some numbers of components."""
    return next(letter for bits, letter in MASK_LAYOUTS if max(numbers) < bits)


def read_values(octets: Octets, sort: EventSort) -> tuple[float | str, ...]:
    """Read the fields of an event."""
    return tuple(
        _judged(value, *limits)
        for value, limits in zip(octets.unpack(sort.layout), sort.ranges, strict=True)
    )


def _judged(value: float | bytes, low: float, high: float) -> float | str:
    if isinstance(value, bytes):
        return read_text(value)
    require(low <= value <= high, "a value of an event out of range")
    return value


def read_row(sort: int, octets: Octets, place: Place, world: World) -> Row:
    """Read a row that is no event."""
    if sort == PRESENCE:
        return _read_presence(octets, world.sent)
    if sort in world.components:
        return Described(read_id(octets), sort, world.components[sort](octets))
    if sort not in READERS:
        raise Malformed("a sort that there is not, or that is not sent")
    return READERS[sort](octets, place)


def number_of(row: Component) -> int:
    """Give the number of a component."""
    return row.number if isinstance(row, Described) else NUMBERS[type(row)]


def _read_presence(octets: Octets, sent: tuple[int, ...]) -> Presence:
    number = read_id(octets)
    kind, mask = octets.number("B"), octets.number(mask_layout(sent))
    require(kind > 0, "kind 0")
    require(mask & ~sum(1 << n for n in sent) == 0, "a mask of what is not sent")
    require(bool(mask & 2), "a mask without the motion")
    return Presence(number, kind, mask)


def _read_reference(octets: Octets, place: Place) -> Reference:
    number, low = read_id(octets), octets.number("H")
    return _read_motion(octets, place, number, nearest(low, 16, place.tick))


def _read_moving(octets: Octets, place: Place) -> Reference:
    return _read_motion(octets, place, read_id(octets), place.tick)


def _read_motion(octets: Octets, place: Place, number: int, tick: int) -> Reference:
    x, y, vx, vy, heading, spin = octets.unpack("HHhhHh")
    require(max(abs(vx), abs(vy)) <= VELOCITY_MAX, "a velocity out of range")
    require(abs(spin) <= SPIN_MAX, "a spin out of range")
    (cell_x, cell_y), size = place.cell, place.cell_size
    return Reference(
        number,
        tick,
        (cell_x + x / TURN) * size,
        (cell_y + y / TURN) * size,
        vx / 128,
        vy / 128,
        turned(heading, TURN),
        spin / 1024,
    )


def _read_body(octets: Octets, _: Place) -> Body:
    number = read_id(octets)
    radius, mass, group = octets.unpack("ffI")
    require(1 / 16 <= radius <= 512, "a radius out of range")
    require(1 / 1024 <= mass <= 1 << 30, "a mass out of range")
    return Body(number, radius, mass, group)


def _read_label(octets: Octets, _: Place) -> Label:
    return Label(read_id(octets), read_text(octets.take(24)))


def _read_owner(octets: Octets, _: Place) -> Owner:
    return Owner(read_id(octets), octets.number("H"))


def _read_predicted(octets: Octets, _: Place) -> Predicted:
    number = read_id(octets)
    return Predicted(number, *octets.unpack("IBHB"))


def _read_parent(octets: Octets, _: Place) -> Parent:
    return Parent(read_id(octets), octets.number("I"))


def _read_gone(octets: Octets, _: Place) -> Gone:
    return Gone(read_id(octets))


def _read_moved(octets: Octets, _: Place) -> Moved:
    return Moved(read_id(octets))


READERS: Final[Mapping[int, Callable[[Octets, Place], Row]]] = {
    1: _read_reference,
    2: _read_body,
    3: _read_label,
    4: _read_owner,
    6: _read_predicted,
    7: _read_parent,
    64: _read_gone,
    65: _read_moved,
    MOVING: _read_moving,
}
"""Of the rows of every world, by the numbers of their sorts."""

COMPONENTS: Final[Mapping[int, type[Component]]] = {
    1: Reference,
    2: Body,
    3: Label,
    4: Owner,
    6: Predicted,
    7: Parent,
}
NUMBERS: Final = {kind: number for number, kind in COMPONENTS.items()}
BASE: Final = World({}, {}, {})
"""A world without a game."""
SORTS: Final = (Presence, *COMPONENTS.values(), Gone, Moved)
"""All rows but those of events."""
