"""What shards really did: every body before and after every tick, as a system of theirs sees it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.state.columns import Columns
from sidereal.shard.plugin import Stage, Step, System

STATE: Final = ("x", "y", "vx", "vy", "heading", "spin")
"""The columns of a state, float64[6]."""


class Flight(NamedTuple):
    """One tick of one shard; arrays have a row for every body, ascending by net id.

    Attributes:
        core: name of the shard's core, another one after every start.
        since: when the core was welcomed, virtual seconds.
        at: when the tick was flown, virtual seconds.
        tick: that was simulated.
        net_id: int64[n].
        epoch: int64[n].
        radius: float64[n], world units.
        control_epoch: int64[n], whose inputs it flies by.
        input_seq: int64[n], of the input flown in this tick, 0 for none so far.
        buttons: uint16[n], held during it.
        before: float64[n, 6], `STATE` when the tick begins; likewise `after`.
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


class FlightRecorder:
    """A plugin that changes nothing and writes everything down.

    Attributes:
        core: name of the core it belongs to.
        since: when that was welcomed, virtual seconds; kept by the process, as is
        at: the time.
    """

    name = "flight recorder"

    def __init__(self, core: str, log: list[Flight]) -> None:
        self.core = core
        self.since = self.at = math.inf
        self._log = log
        self._begun: Flight | None = None

    def systems(self, stage: Stage) -> Sequence[System]:
        """Systems to run in a stage."""
        return {Stage.TICK: (self._begin,), Stage.SETTLE: (self._settle,)}.get(stage, ())

    def _begin(self, bodies: Columns, step: Step) -> None:
        rows = bodies.rows()
        rows = rows[np.argsort(bodies.net_id[rows])]
        before = _states(bodies, rows)
        self._begun = Flight(
            self.core,
            self.since,
            self.at,
            step.tick,
            bodies.net_id[rows].astype(np.int64),
            bodies.epoch[rows].astype(np.int64),
            bodies["radius"][rows].astype(np.float64),
            bodies["control_epoch"][rows].astype(np.int64),
            bodies["input_seq"][rows].astype(np.int64),
            step.buttons[rows].copy(),
            before,
            before,
        )

    def _settle(self, bodies: Columns, step: Step) -> None:
        begun, self._begun = self._begun, None
        if begun is not None:
            self._log.append(begun._replace(after=_states(bodies, bodies.slots_of(begun.net_id))))


def _states(bodies: Columns, rows: np.ndarray) -> np.ndarray:
    return np.column_stack([bodies[name][rows] for name in STATE])
