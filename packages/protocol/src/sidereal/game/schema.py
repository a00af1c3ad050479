"""What a game's declarations are in the words of the schema that both ends of a link compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from sidereal.game.bits import layout_of_all
from sidereal.game.builtin import BUILTIN
from sidereal.game.column import STEP, Field
from sidereal.game.component import EVERYONE, PILOT, ROLE_PREFIX, SHARD, Event
from sidereal.game.component import Component as Declared
from sidereal.game.declarations import Declarations
from sidereal.game.described import Described
from sidereal.game.kind import Kind
from sidereal.game.record import Record, as_columns
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.state.component import Component, Replication, To
from sidereal.protocol.state.component import Field as SchemaField
from sidereal.protocol.state.schema import BASE_COMPONENTS, OWNER, Begin, Schema
from sidereal.protocol.state.values import in_range, valid_values

R = TypeVar("R", bound=Record)

_schemas: Final = WeakKeyDictionary[Declarations, Schema]()
E = TypeVar("E", bound=Event)

_REPLICATED: Final = {EVERYONE: Replication.ATTRIBUTE, PILOT: Replication.PILOT}
"""By audience; that of a role is none of these."""


def schema_of(declared: Declarations) -> Schema:
    """Give a game's components their columns, and its kinds and controls their numbers.

    All who play a game in one process have one schema: what is prepared for it is so once.
    """
    if isinstance(declared, Described):
        return declared.schema
    if declared not in _schemas:
        _schemas[declared] = _make_schema(declared)
    return _schemas[declared]


def _make_schema(declared: Declarations) -> Schema:
    own = (component for component in declared.components if component not in BUILTIN)
    predicted = declared.predicted()
    defaults = {
        column_of(component, field): field.options.default
        for component in declared.components
        for field in component.fields.values()
    }
    return Schema(
        (*BASE_COMPONENTS, *(_described(component, component in predicted) for component in own)),
        [_begin(kind, defaults) for kind in declared.kinds],
        layout_of_all(declared.controls),
        [_happening(event) for event in declared.events],
    )


def _begin(kind: Kind, defaults: dict[str, Any]) -> Begin:
    values = {
        column_of(type(component), field): getattr(component, field.name)
        for component in kind.components
        for field in type(component).fields.values()
    }
    components = (OWNER.name, *map(name_of, kind.components))
    return Begin(kind.name, components, defaults | values, kind.saved)


def name_of(record: type[Record] | Record) -> str:
    """Name a component or an event as the schema does."""
    return record.record_name.replace(".", "_")


def column_of(record: type[Record], field: Field) -> str:
    """Name the column of a field."""
    if record in BUILTIN:
        return field.name
    return f"{record.record_name.replace('.', '_')}_{field.name}"


def first_values(components: Sequence[Declared]) -> dict[str, Any]:
    """Give what components begin with, by the names that the schema has for their fields."""
    return {
        column_of(type(component), field): np.asarray(getattr(component, field.name))
        .astype(field.dtype)
        .item()
        for component in components
        for field in type(component).fields.values()
    }


def gather(record: type[R], column: Callable[[str], NDArray[Any]]) -> R:
    """Make the struct of arrays of a component or an event.

    Args:
        record: which.
        column: gives a column by the name that the schema has for it.
    """
    fields = record.fields.values()
    return as_columns(record, {field.name: column(column_of(record, field)) for field in fields})


def happened(
    event: type[E],
    subject: NDArray[np.uint32],
    tick: NDArray[np.int64],
    column: Callable[[str], NDArray[Any]],
) -> E:
    """Make the struct of arrays of events that have happened.

    Args:
        event: of which sort.
        subject: uint32[n], whom they happened to.
        tick: int64[n], when.
        column: gives a field by the name that the schema has for it, [n].
    """
    made = gather(event, column)
    object.__setattr__(made, "subject", subject)
    object.__setattr__(made, "tick", tick)
    return made


def _described(component: type[Declared], predicted: bool) -> Component:
    audience = component.audience
    role = audience.name.removeprefix(ROLE_PREFIX) if audience.name.startswith(ROLE_PREFIX) else ""
    return Component(
        name_of(component),
        _fields(component),
        Replication.ROLE if role else _REPLICATED.get(audience, Replication.NONE),
        persisted=component.saved,
        predicted=predicted,
        interpolated=any(f.options.curve is not STEP for f in component.fields.values()),
        proposed=component.writer is SHARD,
        role=role,
    )


def _happening(event: type[Event]) -> Component:
    to = To(event.to.name)
    return Component(name_of(event), _fields(event), Replication.EVENT, to=to)


def _fields(record: type[Record]) -> tuple[SchemaField, ...]:
    fields = record.fields.values()
    return tuple(replace(f.schema_field(), name=column_of(record, f)) for f in fields)


def spread(record: Record, count: int) -> dict[str, NDArray[Any]]:
    """Give values for some entities, by the names that the schema has.

    Args:
        record: values, one or [count].
        count: entities.

    Returns:
        [count] each, in the types of memory; numbers that are out of their range are clipped to it.

    Raises:
        LocalProtocolError: so many they are not, or a value is NaN or no text of that size.
    """
    columns = {}
    for name, field in type(record).fields.items():
        values, declared = np.asarray(getattr(record, name)), field.schema_field()
        if values.ndim and len(values) != count:
            raise LocalProtocolError(f"{field}: {len(values)} values for {count} entities")
        wrong = field.outside(values) if field.storage.dtype == "S" else np.isnan(values)
        column = in_range(declared, values).astype(declared.memory_dtype)
        if wrong.any() or not valid_values(declared, np.atleast_1d(column)).all():
            raise LocalProtocolError(f"{field} can't be {values}: it takes {field.range_text()}")
        columns[column_of(type(record), field)] = np.broadcast_to(column, count)
    return columns
