"""The game's part in a tick: its models and systems, stage by stage.

In a stage models come first, then systems, each as declared. A model is given copies of its rows,
and what it writes is put back; a system works on the columns themselves.
"""

from __future__ import annotations

from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from sidereal.game.builtin import Motion, Pilot
from sidereal.game.component import Component
from sidereal.game.declarations import Declarations
from sidereal.game.logic import Model, Stage, System
from sidereal.game.models import ModelRows
from sidereal.game.record import Record, as_columns
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.reckoning import advance
from sidereal.shard.population import Ints, Population
from sidereal.shard.queries import Queries
from sidereal.shard.step import ShardStep


class Stages:
    """A game on one shard."""

    def __init__(
        self, declared: Declarations, population: Population, rules: Rules, rng: np.random.Generator
    ) -> None:
        self._population = population
        self._queries = Queries(declared, population)
        self._rules = rules
        self._rng = rng
        self._models: dict[Stage, list[Model]] = {
            stage: [model for model in declared.models if model.stage is stage] for stage in Stage
        }
        self._systems: dict[Stage, list[System]] = {
            stage: [system for system in declared.systems if system.stage is stage]
            for stage in Stage
        }
        self._tick = 0

    @property
    def flown(self) -> NDArray[np.bool_]:
        """bool[256], by a kind's number, whether its entities have a pilot."""
        return self._queries.flown

    def begin(self, tick: int, buttons: NDArray[np.uint16]) -> None:
        """Begin a tick.

        Args:
            tick: to be simulated.
            buttons: uint16[capacity] by row, what pilots hold in it.
        """
        self._tick = tick
        self._queries.hold(buttons)

    def run(self, stage: Stage) -> None:
        """Run a stage of this tick.

        Mutates:
            columns of the bodies.

        Raises:
            LocalProtocolError: a model or a system left a number that is not finite.
        """
        for model in self._models[stage]:
            self._run_model(model, self._queries.rows(*_components_of(model)), self._dt(stage))
        for system in self._systems[stage]:
            every = max(1, round(system.every_s / self._rules.tick_s))
            if self._tick % every == 0:
                step = ShardStep(self._queries, self._tick, self._dt(stage) * every, self._rng)
                with _Named(f"in system {system.name} at tick {self._tick}"):
                    system.function(step)
                self._check(f"system {system.name}", step.used)

    def fly(self, rows: Ints, tick: int, buttons: NDArray[np.uint16]) -> None:
        """Fly bodies for a whole tick, as if nobody else were there.

        Args:
            rows: int64[n]
            tick: to be simulated.
            buttons: uint16[n], what their pilots hold in it.

        Mutates:
            what models write of these bodies, and where they are.
        """
        columns = self._population.columns
        spread = np.zeros(columns.capacity, np.uint16)
        spread[rows] = buttons
        self.begin(tick, spread)
        for stage in (Stage.TICK, *[Stage.SUBSTEP] * self._rules.substeps):
            for model in self._models[stage]:
                able = self._queries.rows(*_components_of(model))
                self._run_model(model, np.intersect1d(able, rows), self._dt(stage))
            if stage is Stage.SUBSTEP:
                x, y, vx, vy, heading, spin = (columns[name][rows] for name in Motion.fields)
                advance(x, y, vx, vy, heading, spin, self._dt(stage))
                columns["x"][rows], columns["y"][rows], columns["heading"][rows] = x, y, heading

    def _dt(self, stage: Stage) -> float:
        tick_s = self._rules.tick_s
        return tick_s / self._rules.substeps if stage is Stage.SUBSTEP else tick_s

    def _run_model(self, model: Model, rows: Ints, dt: float) -> None:
        if len(rows) == 0:
            return
        gathered: dict[type[Record], Record] = {}
        for record in (*model.writes, *model.reads):
            there = self._queries.columns(record)
            arrays = {name: getattr(there, name)[rows] for name in record.fields}
            gathered[record] = as_columns(record, arrays)
        ids = self._population.columns.net_id[rows]
        with _Named(f"in model {model.name} at tick {self._tick}"):
            model.function(ModelRows(model, ids, self._tick, dt, gathered))
        for record in model.writes:
            there = self._queries.columns(record)
            for name in record.fields:
                getattr(there, name)[rows] = getattr(gathered[record], name)
        self._check(f"model {model.name}", model.writes)

    def _check(self, what: str, records: tuple[type[Record], ...]) -> None:
        """Look for numbers that are not finite: they would spread.

        Raises:
            LocalProtocolError: there is one.
        """
        for record in records:
            there = self._queries.columns(record)
            for name, field in record.fields.items():
                values = getattr(there, name)
                if field.dtype.kind != "f" or np.isfinite(values.sum()):
                    continue
                wrong = np.flatnonzero(~np.isfinite(values))
                if len(wrong) == 0:  # only their sum is too large
                    continue
                columns = self._population.columns
                raise LocalProtocolError(
                    f"{what} left {values[wrong[0]]} in {record.__name__}.{name} of entity "
                    f"{columns.net_id[wrong[0]]} at tick {self._tick} "
                    f"(first of {len(wrong)} rows)"
                )


class _Named:
    """Adds what was running to whatever it raises."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            error.add_note(self._name)


def _components_of(model: Model) -> tuple[type[Component], ...]:
    """What an entity must have for a model to run on it: controls are those of a pilot."""
    used = (*model.writes, *model.reads)
    return tuple(record if issubclass(record, Component) else Pilot for record in used)
