"""What a game spawns, as records: a kind's values, and those that are said outright."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidereal.game import Motion
from sidereal.game.column import Field
from sidereal.game.component import AUTHORITY, SHARD, Component, Writer
from sidereal.game.declarations import Declarations
from sidereal.game.kind import Kind
from sidereal.game.record import Record, given
from sidereal.game.schema import column_of
from sidereal.protocol.errors import GameError
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.state.values import in_range


class Spawns:
    """Makes records of one game's kinds."""

    def __init__(self, game: Declarations, schema: Schema, writer: Writer = AUTHORITY) -> None:
        """Prepare a game.

        Args:
            game: whose kinds they are.
            schema: its columns.
            writer: who spawns. What a shard says is put into its range, as all that it writes is;
                of components that it does not write it says nothing.
        """
        self._writer = writer
        self._game = game
        self._schema = schema
        self._begins = {
            kind.name: schema.first[[number]] for number, kind in enumerate(game.kinds, 1)
        }
        self._has = {kind.name: [type(c) for c in kind.components] for kind in game.kinds}

    def make(
        self, kind: Kind, components: Sequence[Component], count: int | None = None
    ) -> NDArray[np.void]:
        """Make records of a kind.

        Args:
            kind: of the game.
            components: values that differ from the kind's, one or [n].
            count: how many, when no value is an array; else 1.

        Returns:
            `Schema.full_record[n]`, at tick 0, without ids.

        Raises:
            GameError: a shard may not spawn the kind; or the values do not fit together, or not to
                the kind, or are outside of their ranges.
        """
        if kind.name not in self._begins:
            known = ", ".join(self._begins)
            raise GameError(f"{self._game.name} has no kind {kind}; it has {known}")
        if self._writer is SHARD and kind.spawned_by is not SHARD:
            raise GameError(f"kind {kind} may not be spawned by shards: say spawned_by=SHARD")
        values = self._said(kind, components)
        records = np.repeat(self._begins[kind.name], _length(kind, values, count))
        for (record, field), value in values.items():
            records[column_of(record, field)] = value
        if not self._schema.valid_rows(records).all():
            raise GameError(f"spawn({kind}): a text is not UTF-8, or has a NUL in it")
        return records

    def make_one(
        self, kind: Kind, components: Sequence[Component], at: tuple[float, float], tick: int
    ) -> NDArray[np.void]:
        """Make the record of an entity that begins at a place, in a tick.

        Raises:
            GameError: as of `make`; or values of several are given, or there is no such place.
        """
        check_place(at)
        records = self.make(kind, components)
        if len(records) != 1:
            raise GameError(f"spawn({kind}): one value each, not {len(records)}: it is one entity")
        records["x"], records["y"] = at
        records["tick"], records["epoch"] = tick, 1
        return records

    def _said(
        self, kind: Kind, components: Sequence[Component]
    ) -> dict[tuple[type[Record], Field], NDArray[Any]]:
        """Collect what is said outright, and check it."""
        has = self._has[kind.name]
        said: dict[tuple[type[Record], Field], NDArray[Any]] = {}
        for at, component in enumerate(components):
            record = type(component)
            if not isinstance(component, Component):
                raise GameError(
                    f"spawn({kind}): {component!r} is no component; write Motion(), not Motion"
                )
            if record not in has:
                there = ", ".join(each.__name__ for each in has)
                raise GameError(f"spawn({kind}): it has no {record.__name__}; it has {there}")
            if record in map(type, components[:at]):
                raise GameError(f"spawn({kind}): {record.__name__} is said twice")
            if self._writer is SHARD and record.writer is AUTHORITY:
                raise GameError(
                    f"spawn({kind}): the writer of {record.__name__} is the authority: "
                    "it begins as the kind has it"
                )
            for name in given(component):
                field, value = record.fields[name], getattr(component, name)
                if self._writer is SHARD:
                    value = _put_in_range(kind, field, value)
                _check_range(kind, field, value)
                said[record, field] = value
        return said


def check_place(at: tuple[float, float]) -> None:
    """Check that there is such a place.

    Raises:
        GameError: there is none.
    """
    for value, place in zip(at, (Motion.fields["x"], Motion.fields["y"]), strict=True):
        if place.outside(value).any():
            raise GameError(f"{place} = {value} is outside {place.range_text()}")


def _put_in_range(kind: Kind, field: Field, value: NDArray[Any]) -> NDArray[Any]:
    """Give the nearest values that a field may have.

    Raises:
        GameError: one is no number.
    """
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise GameError(f"spawn({kind}): {field} is {value[~np.isfinite(value)].flat[0]}")
    nearest: NDArray[Any] = in_range(field.schema_field(), value)
    return nearest


def _check_range(kind: Kind, field: Field, value: NDArray[Any]) -> None:
    wrong = field.outside(value)
    if wrong.any():
        first = int(np.argmax(wrong))
        which = f"{field}[{first}] = {value[first]}" if value.ndim else f"{field} = {value}"
        raise GameError(f"spawn({kind}): {which} is outside {field.range_text()}")


def _length(
    kind: Kind, values: dict[tuple[type[Record], Field], NDArray[Any]], count: int | None
) -> int:
    """Tell how many entities are meant."""
    sizes = {str(field): len(value) for (_, field), value in values.items() if value.ndim}
    if count is not None:
        sizes["count"] = count
    if len(set(sizes.values())) > 1:
        lengths = ", ".join(f"{name} is {size}" for name, size in sizes.items())
        raise GameError(f"spawn({kind}): values of different lengths: {lengths}")
    size = next(iter(sizes.values()), 1)
    if size < 0:
        raise GameError(f"spawn({kind}): count is {size}")
    return size
