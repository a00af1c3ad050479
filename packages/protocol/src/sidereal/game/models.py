"""Running models: the same code on the shard and on the client of whoever flies.

A model is given arrays of its own rows and changes them in place. It sees nothing else, so that a
client which has those rows computes what the shard computes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from sidereal.game.bits import unpack
from sidereal.game.builtin import Motion
from sidereal.game.column import Floats
from sidereal.game.component import Component
from sidereal.game.declarations import Declarations
from sidereal.game.logic import Model, Stage
from sidereal.game.record import Record
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.controls import Records
from sidereal.protocol.state.reckoning import advance

R = TypeVar("R", bound=Record)

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
    ) -> None:
        self.tick = tick
        self.dt = dt
        self.id = ids
        self._model = model
        self._records = records

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
        self._models: dict[Stage, list[Model]] = {
            stage: [model for model in able if model.stage is stage] for stage in Stage
        }

    def hold(self, held: Records) -> dict[type[Record], Record]:
        """Give records of controls, of any shape, as the columns that models read."""
        return {controls: unpack(controls, held) for controls in self._controls}

    def fly(
        self, records: Mapping[type[Record], Record], ids: NDArray[np.uint32], tick: int
    ) -> None:
        """Fly entities for a tick.

        Args:
            records: columns of all `records`, [n].
            ids: uint32[n], of the entities.
            tick: that it is.

        Mutates:
            columns of what is `written`.
        """
        rules, motion = self._rules, cast(Motion, records[Motion])
        for model in self._models[Stage.TICK]:
            model.function(ModelRows(model, ids, tick, rules.tick_s, records))
        dt = rules.tick_s / rules.substeps
        for _ in range(rules.substeps):
            for model in self._models[Stage.SUBSTEP]:
                model.function(ModelRows(model, ids, tick, dt, records))
            advance(motion.x, motion.y, motion.vx, motion.vy, motion.heading, motion.spin, dt)
