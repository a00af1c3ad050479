"""The game's part in a tick: its models and systems, stage by stage.

In a stage models come first, then systems, each as declared. A model is given copies of its rows,
and what it writes is put back; a system works on the columns themselves. Whatever goes wrong in
them is a `GameFailedError`, which names what ran: then the shard ends (`service`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidereal.game.builtin import Motion, Pilot
from sidereal.game.component import Component
from sidereal.game.declarations import Declarations
from sidereal.game.kind import Kind
from sidereal.game.logic import Model, Stage, System
from sidereal.game.models import ModelRows, Settling
from sidereal.game.record import Record, as_columns
from sidereal.protocol.errors import GameFailedError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.controls import Records
from sidereal.protocol.state.reckoning import advance
from sidereal.shard.asks import Asks
from sidereal.shard.contacts import ContactLog, Touches, name_pairs
from sidereal.shard.costs import Costs
from sidereal.shard.events import Events
from sidereal.shard.lives import NOBODY, Lives
from sidereal.shard.population import Ints, Population
from sidereal.shard.queries import Queries
from sidereal.shard.step import ShardStep
from sidereal.shard.writes import Guard, check_finite, check_parents

Clock = Callable[[], float]
Spawn = Callable[[Ints, Kind, Ints, Sequence[Component]], None]


class Stages:
    """A game on one shard.

    Attributes:
        costs: how long its models and systems take.
    """

    def __init__(
        self,
        declared: Declarations,
        population: Population,
        lives: Lives,
        rules: Rules,
        rng: np.random.Generator,
        clock: Clock,
        asks: Asks,
        events: Events,
        *,
        told_ticks: int,
        strict: bool,
    ) -> None:
        """Prepare a game.

        Args:
            declared: what it is.
            population: what it runs on.
            lives: who comes and who goes.
            rules: of the world.
            rng: for its systems.
            clock: monotonic seconds, to measure durations with.
            asks: takes what systems ask the authority for.
            events: takes what its systems emit.
            told_ticks: for how long it is known of which contacts the game was told.
            strict: whether systems are watched for rows that they may not write.
        """
        self._population = population
        self._lives = lives
        self._queries = Queries(declared, population)
        self._rules = rules
        self._rng = rng
        self._clock = clock
        self._asks = asks
        self._events = events
        self._strict = strict
        written = {component for model in declared.models for component in model.writes}
        self._beside_motion = written - {Motion}
        self._settling = Settling({Motion, *written}, rules)
        every: list[Model | System] = [*declared.models, *declared.systems]
        self._every = {
            system: max(1, round(system.every_s / rules.tick_s)) for system in declared.systems
        }
        self._able = {model: _components_of(model) for model in declared.models}
        self._places = {one: at for at, one in enumerate(every)}
        self._words = {one: _words_for(one) for one in every}
        self.costs = Costs([*self._words.values()], rules.tick_s)
        self._models: dict[Stage, list[Model]] = {
            stage: [model for model in declared.models if model.stage is stage] for stage in Stage
        }
        self._systems: dict[Stage, list[System]] = {
            stage: [system for system in declared.systems if system.stage is stage]
            for stage in Stage
        }
        self._contacts = ContactLog(told_ticks)
        self._tick = 0
        self._shadows: Ints = NOBODY

    @property
    def flown(self) -> NDArray[np.bool_]:
        """bool[256], by a kind's number, whether its entities have a pilot."""
        return self._queries.flown

    def begin(self, tick: int, records: Records, shadows: Ints = NOBODY) -> None:
        """Begin a tick.

        Args:
            tick: to be simulated.
            records: uint64[capacity] by row, what pilots hold in it.
            shadows: int64[n], rows of ghosts that models move like bodies; they spawn nothing.
        """
        self._shadows = shadows
        self._tick = tick
        self._lives.begin(tick)
        self._queries.hold(records)

    @property
    def asks_for_contacts(self) -> bool:
        """Whether the game wants to know who touches whom."""
        return bool(self._systems[Stage.CONTACT])

    def note_contacts(self, touches: Touches) -> None:
        """Take down who touches whom after a physics step, if the game asks for it at all."""
        if self.asks_for_contacts:
            self._contacts.note(touches, self._population.columns)

    def told(self, since: int) -> Ints:
        """Name the pairs of whose contacts the game was told after a tick, or will be in the next.

        Returns:
            int64[n], to be given to `note_touches`.
        """
        return self._contacts.told(since, self._population.columns.net_id)

    def note_touches(self, touches: Touches, told: Ints) -> None:
        """Take down who touched whom in a step of a tick gone by, but for pairs told before."""
        if self.asks_for_contacts:
            columns = self._population.columns
            fresh = ~np.isin(name_pairs(touches.a, touches.b, columns.net_id), told)
            self._contacts.note(touches.where(fresh), columns)

    def steer(self, records: Records) -> Records:
        """Take what systems have held for own entities in this tick, if any system does.

        Args:
            records: uint64[capacity] by row, what pilots hold in it.

        Returns:
            uint64[capacity] by row, what is held in it.
        """
        return self._queries.hold_steered(records) if self._systems[Stage.STEER] else records

    def forget(self, rows: Ints) -> None:
        """Forget contacts, controls and spawns of entities that leave their rows."""
        self._contacts.forget(rows)
        self._queries.let_go(rows)
        self._lives.forget(rows)

    def run(self, stage: Stage) -> None:
        """Run a stage of this tick.

        Mutates:
            columns of the bodies.

        Raises:
            GameFailedError: a model or a system raised, or left what it may not.
        """
        if stage is Stage.CONTACT:
            self._contacts.settle(self._population.columns["radius"])
            self._contacts.remember(self._tick, self._population.columns.net_id)
        for model in self._models[stage]:
            began = self._clock()
            rows = self._queries.rows(*self._able[model])
            if len(self._lives.newborn):
                rows = rows[~self._population.mark(self._lives.newborn)[rows]]
            self._run_model(model, rows, self._dt(stage), self._spawn)
            if len(self._shadows):
                able = self._queries.rows(*self._able[model], ghosts=True)
                beyond = np.intersect1d(able, self._shadows)
                self._run_model(model, beyond, self._dt(stage), _spawn_nothing)
            self.costs.add(self._places[model], self._clock() - began)
        for system in self._systems[stage]:
            every = self._every[system]
            if self._tick % every == 0:
                began = self._clock()
                self._run_system(system, self._dt(stage) * every)
                self.costs.add(self._places[system], self._clock() - began)
        if stage is Stage.SETTLE:
            self.costs.settle()

    def fly(self, rows: Ints, tick: int, records: Records) -> None:
        """Fly bodies for a whole tick, as if nobody else were there.

        Args:
            rows: int64[n]
            tick: to be simulated.
            records: uint64[n], what their pilots hold in it.

        What they spawn comes in the next tick.

        Mutates:
            what models write of these bodies, and where they are.

        Raises:
            GameFailedError: a model raised, or left what it may not.
        """
        self._fly(rows, tick, records, self._spawn, partial(self._drift, rows))

    def fly_among(
        self, rows: Ints, tick: int, records: Records, step: Callable[[float], None]
    ) -> None:
        """Fly bodies among each other for a tick gone by, through which they were flown before.

        What models spawn and write beside motion has come of it then, and does not again.

        Args:
            rows: int64[n]
            tick: to be simulated.
            records: uint64[n], what their pilots held in it.
            step: moves them for so many seconds, one substep.

        Mutates:
            motion of these bodies.

        Raises:
            GameFailedError: as of `fly`.
        """
        kept = self._keep(self._beside_motion, rows)
        self._fly(rows, tick, records, _spawn_nothing, step)
        for column, values in kept:
            column[rows] = values

    def are_steady(self, rows: Ints, tick: int) -> NDArray[np.bool_]:
        """Tell which bodies models leave on their straight lines if nobody holds anything.

        Args:
            rows: int64[n]
            tick: with which that is tried.

        Returns:
            bool[n]

        Raises:
            GameFailedError: as of `fly`.
        """
        kept = self._keep({Motion, *self._beside_motion}, rows)
        nothing = np.zeros(len(rows), np.uint64)
        self._fly(rows, tick, nothing, _spawn_nothing, lambda dt: None)
        steady = np.ones(len(rows), np.bool_)
        for column, values in kept:
            steady &= column[rows] == values
            column[rows] = values
        return steady

    def _keep(
        self, components: Iterable[type[Component]], rows: Ints
    ) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Give columns of components, each with what some rows have in it."""
        return [
            (column, column[rows].copy())
            for component in components
            for there in [self._queries.columns(component)]
            for column in (getattr(there, name) for name in component.fields)
        ]

    def _fly(
        self,
        rows: Ints,
        tick: int,
        records: Records,
        spawn: Spawn,
        move: Callable[[float], None],
    ) -> None:
        columns = self._population.columns
        spread = np.zeros(columns.capacity, np.uint64)
        spread[rows] = records
        self._tick = tick
        self._queries.hold(spread)
        flying = self._population.mark(rows)
        for stage in (Stage.TICK, *[Stage.SUBSTEP] * self._rules.substeps):
            for model in self._models[stage]:
                able = self._queries.rows(*self._able[model])
                self._run_model(model, able[flying[able]], self._dt(stage), spawn)
            if stage is Stage.SUBSTEP:
                move(self._dt(stage))

        def rows_of(component: type[Component]) -> Ints:
            able = self._queries.rows(component)
            return able[flying[able]]

        self._settling.settle(self._queries.columns, rows_of)

    def _drift(self, rows: Ints, dt: float) -> None:
        """Move bodies for a substep, as if nobody else were there."""
        columns = self._population.columns
        x, y, vx, vy, heading, spin = (columns[name][rows] for name in Motion.fields)
        advance(x, y, vx, vy, heading, spin, dt)
        columns["x"][rows], columns["y"][rows], columns["heading"][rows] = x, y, heading

    def _dt(self, stage: Stage) -> float:
        tick_s = self._rules.tick_s
        return tick_s / self._rules.substeps if stage is Stage.SUBSTEP else tick_s

    def _run_model(self, model: Model, rows: Ints, dt: float, spawn: Spawn) -> None:
        if len(rows) == 0:
            return
        gathered: dict[type[Record], Record] = {}
        for record in (*model.writes, *model.reads):
            there = self._queries.columns(record)
            arrays = {name: getattr(there, name).take(rows) for name in record.fields}
            if record not in model.writes:
                for array in arrays.values():
                    array.flags.writeable = False
            gathered[record] = as_columns(record, arrays)
        ids = self._population.columns.net_id[rows]
        spawner = partial(spawn, rows)
        self._call(model, ModelRows(model, ids, self._tick, dt, gathered, spawner))
        for record in model.writes:
            there = self._queries.columns(record)
            for name in record.fields:
                getattr(there, name)[rows] = getattr(gathered[record], name)
        self._judge(model, model.writes)

    def _spawn(self, rows: Ints, kind: Kind, which: Ints, components: Sequence[Component]) -> None:
        """Let some of the rows of a model spawn an entity each."""
        self._lives.spawn_by(rows[which], kind, components, self._tick)

    def _run_system(self, system: System, dt: float) -> None:
        contacts = self._contacts.pairs if system.stage is Stage.CONTACT else None
        guard = Guard(self._queries) if self._strict else None
        step = ShardStep(
            self._queries,
            self._lives,
            self._tick,
            dt,
            self._rng,
            self._asks,
            self._events,
            contacts,
            guard,
        )
        self._call(system, step)
        self._judge(system, step.used)
        if guard is not None:
            guard.look(self._words[system], self._tick)

    def _call(self, one: Model | System, argument: Any) -> None:
        """Run code of the game.

        Raises:
            GameFailedError: it raised.
        """
        try:
            one.function(argument)
        except (Exception, SystemExit) as error:  # a game is somebody else's code
            what = self._words[one]
            said = " ".join(str(error).split())
            if not said.startswith(what):
                raised = f"{what} raised {type(error).__name__} at tick {self._tick}"
                said = f"{raised}: {said}" if said else raised
            if isinstance(one, Model) and "read-only" in said:
                said += "; a model writes what @model(…) names, and no more"
            raise GameFailedError(what, self._tick, said) from error

    def _judge(self, one: Model | System, records: tuple[type[Record], ...]) -> None:
        check_finite(self._queries, self._words[one], self._tick, records)
        check_parents(self._population, self._words[one], self._tick, records)


def _spawn_nothing(rows: Ints, kind: Kind, which: Ints, components: Sequence[Component]) -> None:
    """Let nothing come of what models spawn: it has come before."""


def _words_for(one: Model | System) -> str:
    return f"{'model' if isinstance(one, Model) else 'system'} {one.name}"


def _components_of(model: Model) -> tuple[type[Component], ...]:
    """What an entity must have for a model to run on it: controls are those of a pilot."""
    used = (*model.writes, *model.reads)
    return tuple(record if issubclass(record, Component) else Pilot for record in used)
