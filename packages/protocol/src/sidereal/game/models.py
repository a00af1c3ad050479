"""Running models: the same code on the shard and on the client of whoever flies.

A model is given arrays of its own rows and changes them in place. It sees nothing else, so that a
client which has those rows computes what the shard computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from sidereal.game.bits import unpack
from sidereal.game.builtin import Motion
from sidereal.game.column import Bools, Floats, Indices
from sidereal.game.component import Component
from sidereal.game.declarations import Declarations
from sidereal.game.kind import Kind
from sidereal.game.logic import Model, Stage
from sidereal.game.record import Record, given
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.component import Field
from sidereal.protocol.state.controls import Records
from sidereal.protocol.state.reckoning import advance, slowing
from sidereal.protocol.state.values import in_range

R = TypeVar("R", bound=Record)

Spawner = Callable[[Kind, Indices, Sequence[Component]], None]
"""Takes what a model spawns: the kind, by which of its rows, and their values, one or [n]."""

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)


class ModelRows:
    """What a model is handed: `Rows`."""

    def __init__(
        self,
        model: Model,
        ids: NDArray[np.uint32],
        tick: int,
        dt: float,
        records: Mapping[type[Record], Record],
        spawner: Spawner,
    ) -> None:
        self.tick = tick
        self.dt = dt
        self.id = ids
        self._model = model
        self._records = records
        self._spawner = spawner

    def __getitem__(self, record: type[R], /) -> R:
        """Columns of what the model writes or `reads`, [n].

        Raises:
            LocalProtocolError: it declared neither.
        """
        if record not in self._model.writes and record not in self._model.reads:
            raise LocalProtocolError(
                f"model {self._model.name} reads {record.__name__}, "
                "which is not among what it writes or reads="
            )
        return cast(R, self._records[record])

    def noise(self, salt: int) -> Floats:
        """Numbers in [0, 1) that follow from the entity, the tick and a salt.

        Returns:
            float64[n]

        Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014):
            the finalizer of SplitMix64.
        """
        with np.errstate(over="ignore"):
            mixed = self.id.astype(np.uint64) * _GOLDEN
            for word in (self.tick, salt):
                mixed = _mixed(mixed + np.uint64(word & 0xFFFF_FFFF_FFFF_FFFF) + _GOLDEN)
        return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def spawn(self, kind: Kind, which: Bools, *components: Component) -> None:
        """Let some of the rows spawn an entity each; see `sidereal.game.Rows.spawn`.

        Raises:
            LocalProtocolError: `which`, or a value, is not one for each row.
        """
        which = np.asarray(which)
        if which.dtype != np.bool_ or len(which) != len(self.id):
            raise LocalProtocolError(
                f"model {self._model.name}: spawn({kind}): say which rows as bool[{len(self.id)}]"
            )
        rows = np.flatnonzero(which)
        if len(rows):
            self._spawner(kind, rows, [self._taken(kind, each, rows) for each in components])

    def _taken(self, kind: Kind, component: Component, rows: Indices) -> Component:
        """Give the values of some of the rows."""
        if not isinstance(component, Component):
            return component  # `Spawns` says what is wrong
        values = {}
        for name in given(component):
            value = getattr(component, name)
            if value.ndim and len(value) != len(self.id):
                raise LocalProtocolError(
                    f"model {self._model.name}: spawn({kind}): {type(component).fields[name]} has "
                    f"{len(value)} values for {len(self.id)} rows"
                )
            values[name] = value[rows] if value.ndim else value
        return type(component)(**values)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                f"model {self._model.name}: Rows has no {name}; a model sees its own rows only, "
                "so that the pilot's client can repeat it"
            )


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    for shift, factor in _MIX:
        values = (values ^ (values >> shift)) * factor
    return values ^ (values >> np.uint64(31))


def _unheard(kind: Kind, rows: Indices, components: Sequence[Component]) -> None:
    """Let nothing come of what is spawned: whoever flies does not want to know."""


class Settling:
    """Puts what models write back into its range, as shards do at the end of every tick."""

    def __init__(self, written: Iterable[type[Component]], rules: Rules) -> None:
        self._speed_max = rules.speed_max
        self._fields = [
            (component, name, field)
            for component in written
            for name, column in component.fields.items()
            for field in [column.schema_field()]
            if _has_ends(component, field)
        ]

    def settle(
        self,
        columns: Callable[[type[Component]], Record],
        rows_of: Callable[[type[Component]], Indices | slice],
    ) -> None:
        """Settle some entities.

        Args:
            columns: gives those of a component.
            rows_of: gives their rows in these columns, of those that have it.

        Mutates:
            the columns, but for places and headings.
        """
        motion, rows = cast(Motion, columns(Motion)), rows_of(Motion)
        shrink = slowing(motion.vx[rows], motion.vy[rows], self._speed_max)
        motion.vx[rows] *= shrink
        motion.vy[rows] *= shrink
        for component, name, field in self._fields:  # 5 µs each
            column, rows = getattr(columns(component), name), rows_of(component)
            column[rows] = in_range(field, column[rows])


def _has_ends(component: type[Component], field: Field) -> bool:
    """Tell whether values can leave the range of a field and be put back."""
    if component is Motion:
        return field.name in ("vx", "vy", "spin")
    return field.low is not None or field.high is not None


class FreeFlight:
    """Models of entities that touch nothing, for whoever knows some of their components.

    Models that write or read what is not known are left out.

    Attributes:
        records: what it is given: the components that are known, and the controls.
        written: components that change: those that the models write, and motion.
    """

    def __init__(
        self,
        declared: Declarations,
        rules: Rules,
        known: Iterable[type[Component]] = (Motion,),
    ) -> None:
        self.records: tuple[type[Record], ...] = (*known, *declared.controls)
        self._rules = rules
        self._controls = declared.controls
        able = [
            model for model in declared.models if set(self.records) >= {*model.writes, *model.reads}
        ]
        written = (component for model in able for component in model.writes)
        self.written: set[type[Component]] = {Motion, *written}
        self._settling = Settling(self.written, rules)
        self._models: dict[Stage, list[Model]] = {
            stage: [model for model in able if model.stage is stage] for stage in Stage
        }

    def hold(self, held: Records) -> dict[type[Record], Record]:
        """Give records of controls, of any shape, as the columns that models read."""
        return {controls: unpack(controls, held) for controls in self._controls}

    def fly(
        self,
        records: Mapping[type[Record], Record],
        ids: NDArray[np.uint32],
        tick: int,
        spawner: Spawner = _unheard,
    ) -> None:
        """Fly entities for a tick.

        Args:
            records: columns of all `records`, [n].
            ids: uint32[n], of the entities.
            tick: that it is.
            spawner: takes what they spawn.

        Mutates:
            columns of what is `written`.
        """
        rules, motion = self._rules, cast(Motion, records[Motion])
        for model in self._models[Stage.TICK]:
            model.function(ModelRows(model, ids, tick, rules.tick_s, records, spawner))
        dt = rules.tick_s / rules.substeps
        for _ in range(rules.substeps):
            for model in self._models[Stage.SUBSTEP]:
                model.function(ModelRows(model, ids, tick, dt, records, spawner))
            advance(motion.x, motion.y, motion.vx, motion.vy, motion.heading, motion.spin, dt)
        self._settling.settle(records.__getitem__, lambda _: slice(None))
