"""A game whose code is not here: declarations made of what a server has described.

They have what bytes follow from: components, kinds, controls, events. There are no models, so
nothing can be predicted, and no actions. What a description does not say is generic: each kind has
a symbol, each event is a word that is shown, and controls are bound to keys by their sorts.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from numpy.typing import NDArray

from sidereal.game.bits import layout_of_all
from sidereal.game.builtin import BUILTIN, Label, Pilot
from sidereal.game.column import ANGLE, STEP, Binding, Options, Storage, angle_options, bound
from sidereal.game.component import (
    ALL,
    AUTHORITY,
    EVERYONE,
    PILOT,
    PRESSES_MAX,
    SECTOR,
    SHARD,
    SHARDS,
    VIEWERS,
    Component,
    Controls,
    Event,
    role,
)
from sidereal.game.declarations import Declarations
from sidereal.game.kind import SPEED_MAX, Kind
from sidereal.game.look import Effect, Look
from sidereal.game.part import BOUNCE_UNLESS_SAID, GHOST_RANGE_UNLESS_SAID
from sidereal.game.record import Record
from sidereal.protocol.errors import WireError
from sidereal.protocol.state.component import Component as Said
from sidereal.protocol.state.component import Field as SaidField
from sidereal.protocol.state.component import Replication, To
from sidereal.protocol.state.controls import ControlsField
from sidereal.protocol.state.described import schema_of_untrusted
from sidereal.protocol.state.description import SaidKind
from sidereal.protocol.state.schema import BASE_COMPONENTS, BASE_SCHEMA, Schema

SYMBOLS: Final = ("circle", "square", "diamond", "star", "cross", "ring")
"""Of kinds that nobody flies, one after another."""
EVENT_SIZE: Final = 20.0
"""World units by which the word of an event rises."""
EVENT_S: Final = 1.0

_COLUMN: Final = re.compile(r"[a-z][a-z0-9_]*")
_KEYS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "axis": (("W", "S"), ("A", "D"), ("UP", "DOWN"), ("LEFT", "RIGHT"), ("R", "F"), ("T", "G")),
    "hold": tuple((key,) for key in ("X", "SHIFT", "CTRL", "C", "V", "B")),
    "press": tuple((key,) for key in ("SPACE", "E", "Z", "ENTER", *"YUIOPJKL")),
}
"""Of controls, by their sorts, in the order in which they are described."""
_AUDIENCES: Final = {
    Replication.ATTRIBUTE: EVERYONE,
    Replication.PILOT: PILOT,
    Replication.NONE: SHARDS,
}

_TO: Final = {To(audience.name): audience for audience in (VIEWERS, SECTOR, PILOT, ALL)}
"""Whom events are for."""

Columns = Mapping[str, tuple[str, Options]]
"""Of a record: NumPy's name of the type in memory, and what else is said, by name."""
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, eq=False)
class Described(Declarations):
    """A world as its server describes it.

    Attributes:
        schema: of the world; it does not follow from the rest.
    """

    schema: Schema


def declare_untrusted(body: bytes) -> Described:
    """Make the declarations of a world of its description.

    Raises:
        WireError: no game can have declared that.
    """
    return _declare(schema_of_untrusted(body))


def _declare(schema: Schema) -> Described:
    further = schema.components[len(BASE_COMPONENTS) :]
    known: dict[str, type[Component]] = {record.record_name: record for record in BUILTIN}
    known |= {said.name: _component(said) for said in further}
    kinds = tuple(_kind(said, schema, known) for said in schema.description.kinds)
    # What actions write, an account may have, or the world.
    placeless = tuple(known[said.name]() for said in further if not said.proposed)
    events = tuple(
        _record(Event, said.name, _columns(said), to=_TO[said.to]) for said in schema.events
    )
    return Described(
        name="described",
        ghost_range=GHOST_RANGE_UNLESS_SAID,
        components=tuple(known.values()),
        kinds=kinds,
        controls=_controls(schema),
        events=events,
        actions=(),
        models=(),
        systems=(),
        rules=(),
        looks=tuple(_looks(kinds)),
        effects=tuple(Effect(event, "text", "#fff", EVENT_SIZE, EVENT_S) for event in events),
        gauges=(),
        compasses=(),
        accounts=placeless,
        shares=placeless,
        hooks={},
        timers=(),
        bots={},
        worlds={},
        modules=(),
        schema=schema,
    )


# -- kinds -----------------------------------------------------------------------------------------


def _kind(said: SaidKind, schema: Schema, known: Mapping[str, type[Component]]) -> Kind:
    names = [schema.component(number).name for number in said.components]
    return Kind(
        name=said.name,
        components=tuple(known[name]() for name in names if name in known),
        spawned_by=AUTHORITY,
        per_s_max=None,
        touches=None,
        sensor=False,
        bounce=BOUNCE_UNLESS_SAID,
        speed_max=SPEED_MAX,
        accel_max=0.0,
        saved=True,
    )


def _looks(kinds: Sequence[Kind]) -> Iterator[Look]:
    """Give a symbol to each kind: an arrow to what somebody flies, others to the rest in turn."""
    others = [kind for kind in kinds if not kind.has(Pilot)]
    for kind in kinds:
        symbol = "arrow" if kind.has(Pilot) else SYMBOLS[others.index(kind) % len(SYMBOLS)]
        label = Label.fields["name"] if kind.has(Label) else None
        yield Look(kind, symbol, None, None, label)


# -- components and events -------------------------------------------------------------------------


def _component(said: Said) -> type[Component]:
    return _record(
        Component,
        said.name,
        _columns(said),
        audience=role(said.role) if said.role else _AUDIENCES[said.replicated],
        writer=SHARD if said.proposed else AUTHORITY,
        saved=said.persisted,
    )


def _columns(said: Said) -> dict[str, tuple[str, Options]]:
    """Give the columns of a record; in a schema their names begin with that of the record."""
    columns = {}
    for field in said.fields:
        column = field.name.removeprefix(f"{said.name}_")
        if column == field.name:
            raise WireError(f"a field {field.name} of {said.name}")
        columns[column] = _column(field)
    return columns


def _column(field: SaidField) -> tuple[str, Options]:
    dtype = field.memory_dtype
    if dtype.kind == "S":
        return "S", Options(b"", unit=field.unit, size=dtype.itemsize)
    low, high = field.bounds
    options = Options(
        default=min(max(0, low), high),  # no description says it
        low=low,
        high=high,
        quantum=field.quantum,
        unit=field.unit,
        curve=ANGLE if field.wrap else STEP,
    )
    return dtype.str[1:], options


def _record(base: type[R], name: str, columns: Columns, **keywords: Any) -> type[R]:
    """Make a record as a class statement does.

    Args:
        base: of which sort.
        name: of it.
        columns: in order.
        keywords: of the class statement.

    Raises:
        WireError: no class statement can make that.
    """
    for column in columns:
        if not _COLUMN.fullmatch(column) or hasattr(base, column):
            raise WireError(f"{name} has a column {column!r}")
    body: dict[str, Any] = {column: options for column, (_, options) in columns.items()}
    body["__module__"] = __name__
    body["__annotations__"] = {
        column: Annotated[NDArray[Any], Storage(dtype)] for column, (dtype, _) in columns.items()
    }
    made: Any = types.new_class(
        name, (base,), {"name": name, **keywords}, lambda space: space.update(body)
    )
    if made.problems:
        raise WireError(made.problems[0])
    declared: type[R] = made
    return declared


# -- controls --------------------------------------------------------------------------------------


def _controls(schema: Schema) -> tuple[type[Controls], ...]:
    """Declare the controls, and bind them to keys, of each sort as far as there are some."""
    if not schema.controls.fields:
        return ()
    keys = {sort: iter(of_sort) for sort, of_sort in _KEYS.items()}
    columns: dict[str, tuple[str, Options]] = {}
    for field in schema.controls.fields:
        if field.sort == "angle":
            points = all(known.sort != "angle" for known in schema.controls.fields[: len(columns)])
            bits = (field.codes - 1).bit_length()
            options = bound(angle_options(bits), Binding("angle", pointer=points))
            columns[field.name] = "f4", options
            continue
        columns[field.name] = _held(field, next(keys[field.sort], ()))
    controls = (_record(Controls, "described_controls", columns),)
    if layout_of_all(controls).fields != schema.controls.fields:
        raise WireError("controls that can't be declared")
    return controls


def _held(field: ControlsField, keys: tuple[str, ...]) -> tuple[str, Options]:
    binding = Binding(field.sort, keys)
    if field.sort == "axis":
        steps = (field.codes - 1) // 2
        return "i4", bound(Options(0, -steps, steps), binding)
    return "u1", bound(Options(0, 0, PRESSES_MAX if field.sort == "press" else 1), binding)


NO_GAME: Final = _declare(BASE_SCHEMA)
"""Of a client without a game: what every world has. No server has a world of nothing else."""
