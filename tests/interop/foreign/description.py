"""What a server says of a world to those who do not know it."""

from __future__ import annotations

import hashlib
import math
import re
import sys
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from .fields import boolean, integer, is_integer, unpacked
from .octets import Malformed, require

FORMAT: Final = "sidereal schema 7"
PERSON: Final = b"sidereal-schema"
HASH_SIZE: Final = 16
COMPONENTS_MAX: Final = 63
EVENTS_FROM: Final = 128
EVENTS_MAX: Final = 128
NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}")
WORD_SIZE_MAX: Final = 32
KINDS_MAX: Final = 255
CONTROL_BITS_MAX: Final = 64
TYPE: Final = re.compile(r"<f4|<f8|\|i1|<i2|<i4|<i8|\|u1|<u2|<u4|\|S[1-9][0-9]*")
SIGNED: Final = (("|", 1), ("<", 2), ("<", 4), ("<", 8))
UNSIGNED: Final = (("|", 1), ("<", 2), ("<", 4))
FLOAT_MAX: Final = float.fromhex("0x1.fffffep+127")
LIMITS: Final = {
    "<f4": (-FLOAT_MAX, FLOAT_MAX),
    "<f8": (-sys.float_info.max, sys.float_info.max),
    **{f"{at}i{n}": (-(2.0 ** (8 * n - 1)), float(2 ** (8 * n - 1) - 1)) for at, n in SIGNED},
    **{f"{at}u{n}": (0.0, float(2 ** (8 * n) - 1)) for at, n in UNSIGNED},
}
"""Of the types, the least value and the greatest."""
CODES_MAX: Final = 1 << 32
WRAP_ERROR: Final = 1e-6
NEAR: Final = "attribute"
PILOT: Final = "pilot"
SENT: Final = (NEAR, PILOT, "none")
"""Beside to the clients of some role."""
ROLE: Final = "role "
BASE: Final = ("motion", "body", "label", "owner", "pilot", "predicted", "parent")
SORTS: Final = ("axis", "hold", "angle", "press")
AUDIENCES: Final = ("viewers", "sector", "pilot", "all")


class Field(NamedTuple):
    """A field of a component or an event."""

    name: str
    type: str
    unit: str
    low: float
    high: float
    quantum: float
    is_wrapped: bool
    axis: str


class Component(NamedTuple):
    """A component."""

    name: str
    sent: str
    is_persisted: bool
    is_predicted: bool
    is_interpolated: bool
    is_proposed: bool
    fields: tuple[Field, ...]


class Kind(NamedTuple):
    """A kind of entities, and the numbers of the components that they begin with."""

    name: str
    components: tuple[int, ...]


class Control(NamedTuple):
    """A field of a record of controls."""

    name: str
    codes: int
    sort: str


class EventKind(NamedTuple):
    """An event, and whom it is for."""

    name: str
    audience: str
    fields: tuple[Field, ...]


class Description(NamedTuple):
    """A world: components are numbered from 1, kinds too, events from 128."""

    components: tuple[Component, ...]
    kinds: tuple[Kind, ...]
    controls: tuple[Control, ...]
    events: tuple[EventKind, ...]


def schema_hash(description: bytes) -> bytes:
    """Hash a description, as both ends compare it."""
    return hashlib.blake2b(description, digest_size=HASH_SIZE, person=PERSON).digest()


def read_description(body: bytes) -> Description:
    """Read a description.

    Raises:
        Malformed: no game can declare this.
    """
    form, *parts = _array(unpacked(body), 5)
    require(form == FORMAT, "a description of another format")
    components, kinds, controls, events = (_array(part) for part in parts)
    require(len(BASE) <= len(components) <= COMPONENTS_MAX, "too few or many components")
    require(len(kinds) <= KINDS_MAX and len(events) <= EVENTS_MAX, "too many kinds or events")
    world = Description(
        tuple(_read_component(each) for each in components),
        tuple(_read_kind(each, len(components)) for each in kinds),
        tuple(_read_control(each) for each in controls),
        tuple(_read_event(each) for each in events),
    )
    _judge_names(world)
    _judge_further(world.components[len(BASE) :])
    bits = sum((control.codes - 1).bit_length() for control in world.controls)
    require(bits <= CONTROL_BITS_MAX, "too many bits of controls")
    return world


def _judge_names(world: Description) -> None:
    base = tuple(each.name for each in world.components[: len(BASE)])
    require(base == BASE, "other components of all worlds")
    rows = (*world.components, *world.events)
    fields = [field for each in rows for field in each.fields]
    for named in (rows, world.kinds, world.controls, fields):
        names = [each.name for each in named]
        require(len(set(names)) == len(names), "a name twice")


def _judge_further(components: Sequence[Component]) -> None:
    for each in components:
        require(bool(each.fields), "a component without fields")
        is_to_role = each.sent.startswith(ROLE) and len(each.sent) > len(ROLE)
        require(each.sent in SENT or is_to_role, "sent to nobody that there is")
        require(not any(field.axis for field in each.fields), "another axis")


def _array(value: Any, length: int | None = None) -> list[Any]:
    require(isinstance(value, list), "no array")
    require(length is None or len(value) == length, "an array of another length")
    return list(value)


def _name(value: Any) -> str:
    require(isinstance(value, str) and NAME.fullmatch(value) is not None, "no name")
    return str(value)


def _word(value: Any) -> str:
    require(isinstance(value, str) and value.isprintable(), "no word")
    require(len(value) <= WORD_SIZE_MAX, "a word that is too long")
    return str(value)


def _float(value: Any) -> float:
    require((isinstance(value, float) or is_integer(value)) and value == value, "no number")
    return float(value)


def _read_field(value: Any) -> Field:
    name, kind, unit, low, high, quantum, wrap, axis = _array(value, len(Field._fields))
    require(isinstance(kind, str) and TYPE.fullmatch(kind) is not None, "a strange type")
    require(axis in ("", "x", "y"), "a strange axis")
    bounds = _float(low), _float(high), _float(quantum)
    field = Field(_name(name), kind, _word(unit), *bounds, boolean(wrap), axis)
    if kind[1] == "S":
        fits = bounds == (-math.inf, math.inf, 0) and not (field.is_wrapped or axis)
        require(fits, "a text with a range, a quantum, a wrap or an axis")
    else:
        _judge_range(field)
    return field


def _judge_range(field: Field) -> None:
    low, high, quantum = field.low, field.high, field.quantum
    least, greatest = LIMITS[field.type]
    require(least <= low < high <= greatest, "a range that the type does not have")
    require(0 <= quantum < math.inf, "a strange quantum")
    is_whole = all(value == round(value) for value in (low, high, quantum))
    require(field.type[1] == "f" or is_whole, "an integer with a part of one")
    if not quantum:
        require(not field.is_wrapped and not field.axis, "a wrap or an axis without a quantum")
        return
    steps = (high - low) / quantum
    require(bool(field.axis) or steps < CODES_MAX, "more than 32 bits of codes")
    if field.is_wrapped:
        is_whole = round(steps) > 1 and abs(steps - round(steps)) < WRAP_ERROR
        require(is_whole, "a part of a step in a turn")


def _read_fields(value: Any) -> tuple[Field, ...]:
    return tuple(_read_field(each) for each in _array(value))


def _read_component(value: Any) -> Component:
    name, sent, *flags, fields = _array(value, len(Component._fields))
    return Component(_name(name), _word(sent), *map(boolean, flags), fields=_read_fields(fields))


def _read_kind(value: Any, components: int) -> Kind:
    name, numbers = _array(value, 2)
    begins = tuple(integer(1, components)(each) for each in _array(numbers))
    require(list(begins) == sorted(set(begins)), "components that do not ascend")
    require(BASE.index("motion") + 1 in begins, "a kind without a motion")
    require(BASE.index("owner") + 1 in begins, "a kind without an owner")
    return Kind(_name(name), begins)


def _read_control(value: Any) -> Control:
    name, codes, sort = _array(value, 3)
    if sort not in SORTS:
        raise Malformed("controls of a strange sort")
    return Control(_name(name), integer(2, None)(codes), sort)


def _read_event(value: Any) -> EventKind:
    name, audience, fields = _array(value, 3)
    require(audience in AUDIENCES, "an event for nobody")
    return EventKind(_name(name), audience, _read_fields(fields))
