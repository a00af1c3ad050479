"""What a game's declarations are in the words of the schema that both ends of a link compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from numpy.typing import NDArray

from sidereal.game.builtin import BUILTIN
from sidereal.game.column import STEP, Field
from sidereal.game.component import EVERYONE
from sidereal.game.component import Component as Declared
from sidereal.game.declarations import Declarations
from sidereal.game.record import Record, as_columns
from sidereal.protocol.state.component import Component, Replication
from sidereal.protocol.state.schema import BASE_COMPONENTS, Schema

R = TypeVar("R", bound=Record)


def schema_of(declared: Declarations) -> Schema:
    """Give a game's components their columns: the engine's, then its own."""
    own = (component for component in declared.components if component not in BUILTIN)
    return Schema((*BASE_COMPONENTS, *(_described(component) for component in own)))


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


def _described(component: type[Declared]) -> Component:
    fields = component.fields.values()
    return Component(
        component.record_name.replace(".", "_"),
        tuple(replace(f.schema_field(), name=column_of(component, f)) for f in fields),
        Replication.ATTRIBUTE if component.audience is EVERYONE else Replication.NONE,
        persisted=component.saved,
        interpolated=any(f.options.curve is not STEP for f in fields),
    )
