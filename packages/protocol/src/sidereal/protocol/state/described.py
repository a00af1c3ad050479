"""The schema of a world by its description: how an end reads a world whose game it has not.

A description comes from a server, which may say anything. A schema is made only of what a game can
declare. The schema has the same hash as the description, or there is none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from sidereal.protocol.errors import ConfigError, WireError
from sidereal.protocol.state.component import Component, Field, Replication, To
from sidereal.protocol.state.controls import RECORD_BITS_MAX, ControlsField, ControlsLayout
from sidereal.protocol.state.description import (
    Description,
    SaidComponent,
    SaidEvent,
    SaidField,
    read_untrusted,
)
from sidereal.protocol.state.schema import (
    BASE_COMPONENTS,
    BASE_SCHEMA,
    KIND_NUMBERS,
    MOTION,
    OWNER,
    Begin,
    Schema,
)

CONTROL_SORTS: Final = ("axis", "hold", "angle", "press")
PROBLEM_SIZE_MAX: Final = 200
"""Characters of what is wrong with a description, for people."""

_TYPE: Final = re.compile(r"<f[48]|[|]i1|<i[248]|[|]u1|<u[24]|[|]S[1-9][0-9]{0,3}")
"""Of a game's field, as NumPy writes it."""
_SENT: Final = {
    replicated.value: replicated
    for replicated in (
        Replication.ATTRIBUTE,
        Replication.PILOT,
        Replication.ROLE,
        Replication.NONE,
    )
}
"""How a game's components are sent."""
_TO: Final = {to.value: to for to in To}
"""Whom events are for."""


def schema_of_untrusted(body: bytes) -> Schema:
    """Make the schema of the world that a server has described.

    Raises:
        WireError: no game can have declared that.
    """
    description = read_untrusted(body)
    if (problem := next(_problems(description), None)) is not None:
        raise WireError(problem)
    further = description.components[len(BASE_COMPONENTS) :]
    names = [said.name for said in description.components]
    try:
        schema = Schema(
            (*BASE_COMPONENTS, *map(_component, further)),
            [
                Begin(kind.name, tuple(names[number - 1] for number in kind.components), {})
                for kind in description.kinds
            ],
            ControlsLayout([ControlsField(c.name, c.codes, c.sort) for c in description.controls]),
            [
                Component(
                    said.name, tuple(map(_field, said.fields)), Replication.EVENT, to=_TO[said.to]
                )
                for said in description.events
            ],
        )
    except ConfigError as error:
        raise WireError(str(error)[:PROBLEM_SIZE_MAX]) from None
    if schema.hash != description.digest():
        raise WireError("a description of what can't be declared")
    return schema


def _problems(description: Description) -> Iterator[str]:
    """Say what no game can have declared, beside what a schema checks."""
    count = len(BASE_COMPONENTS)
    if description.components[:count] != BASE_SCHEMA.description.components:
        yield "other components of the engine than here: it is of another version"
    for component in description.components[count:]:
        sent, _, role = component.replicated.partition(" ")
        if sent not in _SENT or bool(role) is not (_SENT[sent] is Replication.ROLE):
            yield f"a component sent as {component.replicated!r}"
    for event in description.events:
        if event.to not in _TO:
            yield f"an event for {event.to!r}"
    every: list[SaidComponent | SaidEvent] = [*description.components[count:], *description.events]
    for said in every:
        for field in said.fields:
            if not _TYPE.fullmatch(field.dtype):
                yield f"a field of type {field.dtype!r}"
            if field.cell_axis:
                yield f"a place {field.name} beside that of the engine"
    yield from _kind_problems(description)
    yield from _control_problems(description)


def _kind_problems(description: Description) -> Iterator[str]:
    if len(description.kinds) >= KIND_NUMBERS:
        yield f"{len(description.kinds)} kinds"
    yield from _twice([kind.name for kind in description.kinds])
    needed = [BASE_SCHEMA.numbers[component.name] for component in (MOTION, OWNER)]
    for kind in description.kinds:
        if list(kind.components) != sorted(set(kind.components)):
            yield f"a kind {kind.name} whose components have no order"
        if not set(needed) <= set(kind.components):
            yield f"a kind {kind.name} without a place or an owner"


def _control_problems(description: Description) -> Iterator[str]:
    controls = description.controls
    yield from _twice([control.name for control in controls])
    for control in controls:
        if control.sort not in CONTROL_SORTS or control.codes < 2:
            yield f"a control {control.name} of sort {control.sort!r} with {control.codes} values"
    bits = sum((max(control.codes, 1) - 1).bit_length() for control in controls)
    if bits > RECORD_BITS_MAX:
        yield f"a record of controls of {bits} bits"


def _twice(names: list[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{count} times the name {name}"


def _component(said: SaidComponent) -> Component:
    sent, _, role = said.replicated.partition(" ")
    return Component(
        said.name,
        tuple(map(_field, said.fields)),
        _SENT[sent],
        persisted=said.persisted,
        predicted=said.predicted,
        interpolated=said.interpolated,
        proposed=said.proposed,
        role=role,
    )


def _field(said: SaidField) -> Field:
    """Make a field; what is said of one without steps may be no more than what its type holds."""
    least, greatest = (float(bound) for bound in Field(said.name, said.dtype).bounds)
    return Field(
        said.name,
        said.dtype,
        said.unit,
        None if said.low == least and not said.quantum else said.low,
        None if said.high == greatest and not said.quantum else said.high,
        said.quantum or None,
        said.wrap,
    )
