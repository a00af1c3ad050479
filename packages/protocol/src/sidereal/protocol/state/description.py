"""A world's declarations, as the ends of a link tell each other.

A description is one MessagePack array, and the hash of a schema is the digest of it. So two ends
whose hashes are equal have declared the same, and whoever has a description can check it against
the hash. An end that is refused because of its hash is sent the server's description, and says in
words what differs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import DESCRIPTION_SIZE_MAX
from sidereal.protocol.state.component import NAME_PATTERN, Component, Field
from sidereal.protocol.state.controls import ControlsField

FORMAT: Final = "sidereal schema 7"
"""Changes when records are laid out differently from the same declaration."""

WORD_SIZE_MAX: Final = 32
"""Characters of a unit, or of a type's name."""

DIFFERENCES_MAX: Final = 4
"""Differences that are named; of the others it is said how many there are."""


class _Said(msgspec.Struct, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    pass


class _Named(_Said, frozen=True):
    name: str


class SaidField(_Named, frozen=True):
    """A field.

    Attributes:
        name: of the column.
        dtype: in memory, as NumPy writes it, as in `<f4`.
        unit: for people.
        low: least valid value, infinite for text; likewise `high`.
        quantum: width of a step on the wire, 0 if it travels as it is in memory.
        wrap: whether `high` is the same as `low`.
        cell_axis: `x` or `y` if it is a position in a cell, else empty.
    """

    dtype: str
    unit: str
    low: float
    high: float
    quantum: float
    wrap: bool
    cell_axis: str


class SaidComponent(_Named, frozen=True):
    """A component; its attributes are those of `Component`, with the role beside `replicated`."""

    replicated: str
    persisted: bool
    predicted: bool
    interpolated: bool
    proposed: bool
    fields: tuple[SaidField, ...]


class SaidEvent(_Named, frozen=True):
    """An event: its name, whom it is for as in `To`, and its fields."""

    to: str
    fields: tuple[SaidField, ...]


class SaidKind(_Named, frozen=True):
    """A kind: its name, and the components that its entities begin with, by number."""

    components: tuple[int, ...]


class SaidControl(_Named, frozen=True):
    """A field of the controls; its attributes are those of `ControlsField`."""

    codes: int
    sort: str


class Description(_Said, frozen=True):
    """All that the bytes of a world follow from.

    Attributes:
        format: `FORMAT`.
        components: a component's number is its place, from 1.
        kinds: likewise.
        controls: the fields of a record of them, in order.
        events: in the order of their numbers.
    """

    format: str
    components: tuple[SaidComponent, ...]
    kinds: tuple[SaidKind, ...]
    controls: tuple[SaidControl, ...]
    events: tuple[SaidEvent, ...]

    def encode(self) -> bytes:
        """Give the bytes that travel."""
        return _encoder.encode(self)

    def digest(self) -> bytes:
        """Give the 16 bytes that ends compare."""
        return hashlib.blake2b(self.encode(), digest_size=16, person=b"sidereal-schema").digest()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Description)


def describe(
    components: Iterable[Component],
    kinds: Iterable[tuple[str, Sequence[int]]],
    controls: Iterable[ControlsField] = (),
    events: Iterable[Component] = (),
) -> Description:
    """Describe a world.

    Args:
        components: in the order of their numbers.
        kinds: likewise; the name of each, and the numbers of its components.
        controls: the fields of a record of them, in order.
        events: in the order of their numbers.
    """
    return Description(
        FORMAT,
        tuple(_say_component(component) for component in components),
        tuple(SaidKind(name, tuple(sorted(numbers))) for name, numbers in kinds),
        tuple(SaidControl(*field) for field in controls),
        tuple(SaidEvent(event.name, event.to.value, _say_fields(event)) for event in events),
    )


def read_untrusted(body: bytes) -> Description:
    """Decode a description.

    Raises:
        WireError: it is none of this format.
    """
    if len(body) > DESCRIPTION_SIZE_MAX:
        raise WireError(f"a description of {len(body)} bytes")
    try:
        description = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"no description: {error}") from None
    if description.format != FORMAT:
        raise WireError(f"a description of the format {description.format!r}")
    _check(description)
    return description


def _check(description: Description) -> None:
    """Make sure that people may be shown a description.

    Raises:
        WireError: they may not.
    """
    count = len(description.components)
    having: tuple[SaidComponent | SaidEvent, ...] = (*description.components, *description.events)
    fields = [field for said in having for field in said.fields]
    named: tuple[_Named, ...] = (*having, *fields, *description.kinds, *description.controls)
    for said in named:
        if not NAME_PATTERN.fullmatch(said.name):
            raise WireError(f"a name like {said.name!r}")
    words = [text for field in fields for text in (field.unit, field.dtype)]
    words += [component.replicated for component in description.components]
    words += [control.sort for control in description.controls]
    words += [event.to for event in description.events]
    for text in words:
        if len(text) > WORD_SIZE_MAX or not text.isprintable():
            raise WireError(f"a word like {text!r}")
    if any(not 0 < number <= count for kind in description.kinds for number in kind.components):
        raise WireError(f"a kind with other components than the {count} there are")


def _say_component(component: Component) -> SaidComponent:
    return SaidComponent(
        component.name,
        f"{component.replicated.value} {component.role}".rstrip(),
        component.persisted,
        component.predicted,
        component.interpolated,
        component.proposed,
        _say_fields(component),
    )


def _say_fields(component: Component) -> tuple[SaidField, ...]:
    return tuple(_say_field(field) for field in component.fields)


def _say_field(field: Field) -> SaidField:
    low, high = field.bounds
    return SaidField(
        field.name,
        field.memory_dtype.str,
        field.unit,
        float(low),
        float(high),
        float(field.quantum or 0.0),
        field.wrap,
        field.cell_axis,
    )


# -- in words -------------------------------------------------------------------------------------


def explain_untrusted(mine: Description, body: bytes, text: str) -> str:
    """Say why a server has refused this end.

    Args:
        mine: what is declared here.
        body: description that the server sent, if it refuses because of that; else empty.
        text: what it said besides.
    """
    try:
        theirs = read_untrusted(body) if body else mine
    except WireError:
        return text
    if theirs == mine:
        return text
    difference = say_difference(mine, theirs)
    return (
        f"the game here is not the server's: {difference}: start both from the same version of it"
    )


def say_difference(mine: Description, theirs: Description) -> str:
    """Say what a server has declared otherwise than this end, in one line for people."""
    found = list(differences(mine, theirs))
    if len(found) > DIFFERENCES_MAX:
        more = len(found) - DIFFERENCES_MAX
        found = [*found[:DIFFERENCES_MAX], f"and {more} more"]
    return "; ".join(found)


def differences(mine: Description, theirs: Description) -> Iterator[str]:
    """Name what a server has declared otherwise than this end, one by one."""
    here, there = _by_name(mine.components), _by_name(theirs.components)
    yield from _missing("component", here, there)
    for name in here:
        if name in there:
            yield from _component_differences(here[name], there[name])
    kinds_here, kinds_there = _by_name(mine.kinds), _by_name(theirs.kinds)
    yield from _missing("kind", kinds_here, kinds_there)
    for name in kinds_here:
        if name in kinds_there:
            yield from _kind_differences(name, mine, theirs)
    controls_here, controls_there = _by_name(mine.controls), _by_name(theirs.controls)
    yield from _missing("control", controls_here, controls_there)
    for name, control in controls_here.items():
        other = controls_there.get(name, control)
        if other != control:
            yield f"control {name} is {_control(control)} here, {_control(other)} there"
    events_here, events_there = _by_name(mine.events), _by_name(theirs.events)
    yield from _missing("event", events_here, events_there)
    for name in events_here:
        if name in events_there:
            yield from _event_differences(events_here[name], events_there[name])
    for what, ours, others in (
        ("components", mine.components, theirs.components),
        ("kinds", mine.kinds, theirs.kinds),
        ("controls", mine.controls, theirs.controls),
        ("events", mine.events, theirs.events),
    ):
        names, other_names = [one.name for one in ours], [one.name for one in others]
        if names != other_names and sorted(names) == sorted(other_names):
            yield (
                f"{what} are declared in the order {', '.join(names)} here, "
                f"{', '.join(other_names)} there"
            )


def _by_name(said: Iterable[Any]) -> dict[str, Any]:
    return {one.name: one for one in said}


def _missing(what: str, here: dict[str, Any], there: dict[str, Any]) -> Iterator[str]:
    for name in here:
        if name not in there:
            yield f"the server knows no {what} {name}"
    article = "an" if what == "event" else "a"
    for name in there:
        if name not in here:
            yield f"the server has {article} {what} {name}, which is not known here"


def _component_differences(here: SaidComponent, there: SaidComponent) -> Iterator[str]:
    for said in ("replicated", "persisted", "predicted", "interpolated", "proposed"):
        mine, theirs = getattr(here, said), getattr(there, said)
        if mine != theirs:
            yield f"{here.name} is {_say(said, mine)} here, {_say(said, theirs)} there"
    yield from _fields_differences(here, there)


def _event_differences(here: SaidEvent, there: SaidEvent) -> Iterator[str]:
    if here.to != there.to:
        yield f"{here.name} is for {here.to} here, for {there.to} there"
    yield from _fields_differences(here, there)


def _fields_differences(
    here: SaidComponent | SaidEvent, there: SaidComponent | SaidEvent
) -> Iterator[str]:
    fields_here, fields_there = _by_name(here.fields), _by_name(there.fields)
    for name in fields_here:
        if name not in fields_there:
            yield f"the server's {here.name} has no field {name}"
    for name in fields_there:
        if name not in fields_here:
            yield f"the server's {here.name} has a field {name}, which is not known here"
    for name, field in fields_here.items():
        if name in fields_there:
            yield from _field_differences(field, fields_there[name])
    if sorted(fields_here) == sorted(fields_there) and list(fields_here) != list(fields_there):
        yield f"{here.name} has its fields in another order there"


def _field_differences(here: SaidField, there: SaidField) -> Iterator[str]:
    if (here.low, here.high) != (there.low, there.high):
        yield f"{here.name} is {_range(here)} here, {_range(there)} there"
    if here.quantum != there.quantum:
        yield f"{here.name} goes in {_steps(here)} here, in {_steps(there)} there"
    for said, what in (("dtype", "of type"), ("unit", "in")):
        mine, theirs = getattr(here, said), getattr(there, said)
        if mine != theirs:
            yield f"{here.name} is {what} {mine or 'no unit'} here, {theirs or 'no unit'} there"
    if (here.wrap, here.cell_axis) != (there.wrap, there.cell_axis):
        yield f"{here.name} means something else there"


def _kind_differences(name: str, mine: Description, theirs: Description) -> Iterator[str]:
    here, there = (
        {said.components[number - 1].name for number in _by_name(said.kinds)[name].components}
        for said in (mine, theirs)
    )
    for component in sorted(here - there):
        yield f"the server's {name} has no {component}"
    for component in sorted(there - here):
        yield f"the server's {name} has {component}, which it has not here"


def _say(what: str, value: str | bool) -> str:
    if what == "replicated":
        return f"sent as {value}"
    return f"{'' if value else 'not '}{what}"


def _control(control: SaidControl) -> str:
    return f"of sort {control.sort} with {control.codes} values"


def _range(field: SaidField) -> str:
    if not math.isfinite(field.low):
        return "text"
    return f"{field.low:g} to {field.high:g}"


def _steps(field: SaidField) -> str:
    return f"steps of {field.quantum:g}" if field.quantum else "no steps"
