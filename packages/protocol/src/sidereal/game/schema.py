"""What a game's declarations are in the words of the schema that both ends of a link compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeVar

from numpy.typing import NDArray

from sidereal.game.bits import layout_of_all
from sidereal.game.builtin import BUILTIN
from sidereal.game.column import STEP, Field
from sidereal.game.component import EVERYONE, PILOT, ROLE_PREFIX, SHARD
from sidereal.game.component import Component as Declared
from sidereal.game.declarations import Declarations
from sidereal.game.kind import Kind
from sidereal.game.record import Record, as_columns
from sidereal.protocol.state.component import Component, Replication
from sidereal.protocol.state.schema import BASE_COMPONENTS, OWNER, Begin, Schema

R = TypeVar("R", bound=Record)

_REPLICATED: Final = {EVERYONE: Replication.ATTRIBUTE, PILOT: Replication.PILOT}
"""By audience; that of a role is none of these."""


def schema_of(declared: Declarations) -> Schema:
    """Give a game's components their columns, and its kinds and controls their numbers."""
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
    )


def _begin(kind: Kind, defaults: dict[str, Any]) -> Begin:
    values = {
        column_of(type(component), field): getattr(component, field.name)
        for component in kind.components
        for field in type(component).fields.values()
    }
    return Begin(kind.name, (OWNER.name, *map(name_of, kind.components)), defaults | values)


def name_of(component: type[Declared] | Declared) -> str:
    """Name a component as the schema does."""
    return component.record_name.replace(".", "_")


def column_of(record: type[Record], field: Field) -> str:
    """Name the column of a field."""
    if record in BUILTIN:
        return field.name
    return f"{record.record_name.replace('.', '_')}_{field.name}"


def gather(record: type[R], column: Callable[[str], NDArray[Any]]) -> R:
    """Make a component's struct of arrays.

    Args:
        record: the component.
        column: gives a column by the name that the schema has for it.
    """
    fields = record.fields.values()
    return as_columns(record, {field.name: column(column_of(record, field)) for field in fields})


def _described(component: type[Declared], predicted: bool) -> Component:
    fields, audience = component.fields.values(), component.audience
    role = audience.name.removeprefix(ROLE_PREFIX) if audience.name.startswith(ROLE_PREFIX) else ""
    return Component(
        name_of(component),
        tuple(replace(f.schema_field(), name=column_of(component, f)) for f in fields),
        Replication.ROLE if role else _REPLICATED.get(audience, Replication.NONE),
        persisted=component.saved,
        predicted=predicted,
        interpolated=any(f.options.curve is not STEP for f in fields),
        proposed=component.writer is SHARD,
        role=role,
    )
