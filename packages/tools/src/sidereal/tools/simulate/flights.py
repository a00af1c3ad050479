"""What shards really did: all bodies before and after every tick, as a part of their game sees."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from sidereal.game import Body, Motion, Parent, Part, Pilot, Stage, Step
from sidereal.game.bits import pack_rows
from sidereal.game.schema import column_of
from sidereal.shard.shard import ShardCore
from sidereal.tools.simulate.game import Charge, Heat, Stick, Tally
from sidereal.tools.simulate.passing import Origin

STATE: Final = ("x", "y", "vx", "vy", "heading", "spin")
"""The columns of a state, float64[6]."""

STORED: Final = ((Charge, "level"), (Charge, "runs_over"), (Heat, "degrees"))
"""What shards change of entities beside their motion."""

COLUMNS: Final = tuple(column_of(component, component.fields[name]) for component, name in STORED)
"""Where that is in records and columns."""
SAVED: Final = COLUMNS[:2]
"""What the store keeps of it."""


class Flight(NamedTuple):
    """One tick of one shard; arrays have a row for every body, ascending by net id.

    Attributes:
        core: name of the shard's core, another one after every start.
        since: when what welcomed the core was sent, virtual seconds.
        at: when the tick was flown, virtual seconds.
        tick: that was simulated.
        net_id: int64[n].
        epoch: int64[n].
        radius: float64[n], world units.
        control_epoch: int64[n], whose inputs it flies by.
        input_seq: int64[n], of the input flown in this tick, 0 for none so far.
        buttons: uint64[n], the record of controls held during it.
        before: float64[n, 6], `STATE` when the tick begins; likewise `after`.
        stored_before: float64[n, 3], `STORED` when the tick begins; likewise `stored_after`.
        tallied: int64[n, 2], presses and trim of the tallies, when the tick has been flown.
        sparks: int64[k], ids of what was spawned in this tick.
    """

    core: str
    since: float
    at: float
    tick: int
    net_id: np.ndarray
    epoch: np.ndarray
    radius: np.ndarray
    control_epoch: np.ndarray
    input_seq: np.ndarray
    buttons: np.ndarray
    before: np.ndarray
    after: np.ndarray
    stored_before: np.ndarray
    stored_after: np.ndarray
    tallied: np.ndarray
    sparks: np.ndarray


class FlightRecorder:
    """A part of the game that changes nothing and writes everything down.

    Attributes:
        core: name of the core it belongs to.
        since: when what welcomed that was sent, virtual seconds; kept by the process, as is
        at: the time, and
        shard: the core itself.
    """

    def __init__(self, core: str, log: list[Flight]) -> None:
        self.core = core
        self.since = self.at = math.inf
        self.shard: ShardCore | None = None
        self.part = Part("recorder")
        self.part.system(Stage.TICK)(self._begin)
        self.part.system(Stage.SETTLE)(self._settle)
        self._log = log
        self._begun: Flight | None = None

    def _begin(self, step: Step) -> None:
        assert self.shard is not None
        assert self.shard.bodies is not None
        # Sparks and boats touch nothing: they are judged by what they say of themselves.
        rows = np.setdiff1d(step.rows(Body), step.rows(Parent))
        rows = rows[np.argsort(step.id[rows])]
        pilot, before, stored = step[Pilot], _states(step, rows), _stored(step, rows)
        self._begun = Flight(
            self.core,
            self.since,
            self.at,
            step.tick,
            step.id[rows].astype(np.int64),
            self.shard.bodies.columns.epoch[rows].astype(np.int64),
            step[Body].radius[rows].astype(np.float64),
            pilot.control_epoch[rows].astype(np.int64),
            pilot.input_seq[rows].astype(np.int64),
            pack_rows(step[Stick])[rows],
            before,
            before,
            stored,
            stored,
            _tallied(step, rows),
            np.empty(0, np.int64),
        )

    def _settle(self, step: Step) -> None:
        begun, self._begun = self._begun, None
        if begun is not None:
            rows = step.find(begun.net_id)
            after, stored_after = _states(step, rows), _stored(step, rows)
            sparks = step.rows(Origin)
            sparks = sparks[step[Origin].born[sparks] == step.tick]
            born = step.id[sparks].astype(np.int64)
            self._log.append(
                begun._replace(
                    after=after,
                    stored_after=stored_after,
                    tallied=_tallied(step, rows),
                    sparks=born,
                )
            )


def _states(step: Step, rows: np.ndarray) -> np.ndarray:
    motion = step[Motion]
    return np.column_stack([getattr(motion, name)[rows] for name in STATE])


def _stored(step: Step, rows: np.ndarray) -> np.ndarray:
    columns = [getattr(step[component], name)[rows] for component, name in STORED]
    return np.column_stack(columns).astype(np.float64)


def _tallied(step: Step, rows: np.ndarray) -> np.ndarray:
    tally = step[Tally]
    return np.column_stack([tally.presses[rows], tally.trim[rows]]).astype(np.int64)
