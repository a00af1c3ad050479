"""What a client computes ahead: columns [input, n] of all that models write.

Row 0 is the state that the authority has confirmed. Every further row is the state after one more
input, flown from the row before by the same models that the shard runs. When the authority's word
about some input comes, the row of that input becomes row 0. If the two differ, the authority's
takes its place, and all rows behind it are flown anew, for all entities at once: fifty cost little
more than one.

They are compared on the quantum of each field: two values differ if they are more than a step
apart. A value without a quantum is compared as closely as its type allows after some rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.game.builtin import Motion
from sidereal.game.column import Indices
from sidereal.game.component import Component
from sidereal.game.declarations import Declarations
from sidereal.game.kind import Kind
from sidereal.game.models import FreeFlight, Spawner
from sidereal.game.record import Record, as_columns
from sidereal.game.schema import column_of
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import wrap
from sidereal.protocol.state.schema import Schema

SLACK: Final = {"f4": 1e-5, "f8": 1e-9}
"""Of floats without a quantum: how far apart two may be, as a share of the larger one."""

Values = Mapping[str, NDArray[Any]]
"""Columns [n] by the names of the schema."""


class Spawned(NamedTuple):
    """What a model has spawned in one tick.

    Attributes:
        kind: what they are.
        rows: int64[n], by which of the entities.
        components: values, one or [n].
    """

    kind: Kind
    rows: Indices
    components: Sequence[Component]


class Rollback:
    """Entities ahead of the authority.

    Attributes:
        ids: uint32[n], of the entities.
        count: inputs that were flown.
    """

    def __init__(
        self, game: Declarations, schema: Schema, rules: Rules, ids: NDArray[np.uint32], inputs: int
    ) -> None:
        """Make room.

        Args:
            game: for its models.
            schema: of the columns.
            rules: of the world.
            ids: uint32[n], of the entities.
            inputs: that may be flown ahead.
        """
        self.ids = ids
        self.count = 0
        self._game, self._schema, self._rules = game, schema, rules
        self._inputs = inputs
        self._flight: FreeFlight | None = None
        self._ahead: dict[str, NDArray[Any]] = {}
        self._still: dict[str, NDArray[Any]] = {}
        self._rows: list[dict[type[Record], Record]] = []

    def begin(self, values: Values) -> None:
        """Start from what the authority says.

        Args:
            values: of the components of which all columns are there, [n]; no model runs that uses
                others.
        """
        if self._flight is None or {*self._ahead, *self._still} != {*values}:
            self._lay_out(values)
        for name, columns in self._ahead.items():
            columns[0] = values[name]
        self.update(values)
        self.count = 0

    def update(self, values: Values) -> None:
        """Take over what no model changes."""
        for name, column in self._still.items():
            column[:] = values[name]

    def fly(self, records: Sequence[int], tick: int) -> list[list[Spawned]]:
        """Fly the next inputs.

        Args:
            records: of the controls that entities with a pilot have in them, one after the other.
            tick: that the first of them is for.

        Returns:
            What each of them has spawned, in order.
        """
        flight = self._flight
        assert flight is not None
        shape = len(records), len(self.ids)
        held = np.array(records, np.uint64).reshape(-1, 1)
        stick = flight.hold(np.broadcast_to(held, shape))
        spawned: list[list[Spawned]] = [[] for _ in records]
        for at in range(len(records)):
            self.count += 1
            for columns in self._ahead.values():
                columns[self.count] = columns[self.count - 1]
            now = self._rows[self.count]
            for controls, every in stick.items():
                arrays = {name: getattr(every, name)[at] for name in controls.fields}
                now[controls] = as_columns(controls, arrays)
            flight.fly(now, self.ids, tick + at, _collect_in(spawned[at]))
        return spawned

    def foresee(self, record: int, tick: int) -> list[Spawned]:
        """Fly one more input, which does not count as flown: `foreseen` is the state after it.

        Args:
            record: of the controls in it.
            tick: that it is for.

        Returns:
            What it has spawned, in order.
        """
        (spawned,) = self.fly([record], tick)
        self.count -= 1
        return spawned

    def foreseen(self) -> dict[str, NDArray[Any]]:
        """Give the state after what was foreseen, until something else is done; see `state`."""
        return self.state(self.count + 1)

    def rewind(self) -> None:
        """Go back to the confirmed state: all inputs are to be flown again."""
        self.count = 0

    def confirm(self, inputs: int) -> None:
        """Let go of the oldest inputs: the state after them is the one to compare."""
        for columns in self._ahead.values():
            columns[: self.count - inputs + 1] = columns[inputs : self.count + 1].copy()
        self.count -= inputs

    def differs(self, values: Values) -> bool:
        """Tell whether what was predicted is another state than the authority's."""
        if {*self._ahead, *self._still} != {*values}:
            return True
        return any(
            self._apart(name, columns[0], values[name]) for name, columns in self._ahead.items()
        )

    def state(self, inputs: int) -> dict[str, NDArray[Any]]:
        """Give the columns of what models write after so many inputs, [n]; views."""
        return {name: columns[inputs] for name, columns in self._ahead.items()}

    def _apart(self, name: str, mine: NDArray[Any], theirs: NDArray[Any]) -> bool:
        field = self._schema.fields[name]
        if field.memory_dtype.kind != "f":
            return bool((mine != theirs).any())
        off = mine.astype(np.float64) - theirs
        if field.wrap:
            low, high = field.bounds
            off = wrap(off, (low - high) / 2, (high - low) / 2)
        if field.quantum is None:
            share = SLACK[field.memory_dtype.str[1:]]
            return bool((np.abs(off) > share * np.maximum(np.abs(theirs), 1.0)).any())
        step = field.quantum * self._rules.cell_size if field.cell_axis else field.quantum
        return bool((np.abs(off) > step).any())

    def _lay_out(self, values: Values) -> None:
        names = {
            component: {
                name: column_of(component, field) for name, field in component.fields.items()
            }
            for component in self._game.components
        }
        known = {c: fields for c, fields in names.items() if {*fields.values()} <= {*values}}
        flight = self._flight = FreeFlight(self._game, self._rules, known)
        ahead = {name for component in flight.written for name in names[component].values()}
        room, count = self._inputs + 1, len(self.ids)
        types = {name: self._schema.fields[name].memory_dtype for name in values}
        self._ahead = {n: np.zeros((room, count), types[n]) for n in values if n in ahead}
        self._still = {n: np.zeros(count, types[n]) for n in values if n not in ahead}
        self._rows = [
            {c: as_columns(c, self._columns(fields, at)) for c, fields in known.items()}
            for at in range(room)
        ]

    def _columns(self, fields: Mapping[str, str], at: int) -> dict[str, NDArray[Any]]:
        """Give the columns of a component after so many inputs, by its fields."""
        return {
            field: self._ahead[name][at] if name in self._ahead else self._still[name]
            for field, name in fields.items()
        }


def _collect_in(spawned: list[Spawned]) -> Spawner:
    return lambda kind, rows, components: spawned.append(Spawned(kind, rows, components))


MOTION_COLUMNS: Final = tuple(column_of(Motion, field) for field in Motion.fields.values())
"""Where an entity is, in the order of its fields."""
