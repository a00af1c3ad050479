"""The own entity, ahead of the authority's state by the inputs that are not applied yet.

Every input is flown at once, by the same models that the shard runs, and is kept with the state
that it led to (`rollback`). The authority's state after input s is compared with the state that was
predicted for s. If the two agree, nothing happens. If not, the authority's state takes its place,
and the newer inputs are flown again from there. Nothing jumps on screen: the difference between
where it was drawn and where it belongs decays within about `SMOOTH_S`, unless it is larger than
`SNAP_UNITS`.

Between two inputs the next one is foreseen: what it would be if it were made now. It is flown like
any other, and at `now` the entity is drawn between the states before and after it. So a change of
what is held shows in the next picture. The input that follows has the same in it, and leads to the
same state. What is foreseen is only drawn: it is neither sent nor compared.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.client.inputs import Entry
from sidereal.client.limits import LIMITS, Limits
from sidereal.client.rollback import MOTION_COLUMNS, Rollback
from sidereal.client.spawns import PredictedSpawns
from sidereal.game.builtin import Motion
from sidereal.game.declarations import Declarations
from sidereal.game.schema import column_of, schema_of
from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.rules import Rules

SMOOTH_S: Final = 0.1
"""A visible error has shrunk to a twentieth after this long."""
SNAP_UNITS: Final = 50.0
"""A visible error above this is a teleport: show it at once."""
AHEAD_S_MAX: Final = 0.25
"""How far beyond the newest input it is drawn when the inputs stop."""
NOTHING_MORE: Final[Mapping[str, Any]] = MappingProxyType({})


class OwnState(NamedTuple):
    """The own entity at one moment: world units, radians, seconds."""

    x: float
    y: float
    vx: float
    vy: float
    heading: float
    spin: float


def _wrapped(angle: float) -> float:
    return (angle + math.pi) % (2.0 * math.pi) - math.pi


class Prediction:
    """The predicted own entity.

    Attributes:
        corrections: how often the authority disagreed.
        position_error_units: distance between the newest state of the authority and what had been
            predicted for the same input.
        used: columns besides motion that models write or read, by their names in the schema.
        spawns: what models have spawned ahead of the authority.
    """

    def __init__(self, game: Declarations, rules: Rules, limits: Limits = LIMITS) -> None:
        self._game, self._schema = game, schema_of(game)
        self.used = _columns_used(game)
        self.spawns = PredictedSpawns(game, self._schema, rules, limits)
        self._rules = rules
        self._limits = limits
        self._rollback = self._make_rollback(NET_ID_NONE)
        self._tick = -1
        # Of the state that all inputs are flown from; -1 before there was one.
        self._answered = 0
        # The newest input in that state: by a guess, if it was not made yet.
        self._entries: deque[Entry] = deque()
        # As many as the rollback has flown, and those that wait to be.
        self._pressed_at: float | None = None
        self._lasts_s = rules.tick_s
        self._seq = 0
        # What is foreseen of the next input, None for nothing.
        self._held: int | None = None
        self._waits = False
        self._waiting: deque[Entry] = deque(maxlen=limits.inputs)
        self._off = (0.0, 0.0, 0.0)
        self._off_at = 0.0
        self._errors: deque[float] = deque(maxlen=limits.samples)
        self.corrections = 0
        self.position_error_units = 0.0

    def restart(self, net_id: int, control_epoch: int) -> None:
        """Forget the entity: the client flies another one, or by other inputs."""
        self._rollback = self._make_rollback(net_id)
        self._tick = -1
        self._answered = 0
        self._entries.clear()
        self._waiting.clear()
        self._pressed_at = self._held = None
        self._waits = False
        self._off = (0.0, 0.0, 0.0)
        self.spawns.restart(net_id, control_epoch)

    def press(self, pressed: Entry) -> None:
        """Fly one input; before the first state of the authority it only waits."""
        self._pressed_at, self._seq, self._held = pressed.at, pressed.seq, None
        self._lasts_s = pressed.lasts_s
        if self._tick < 0:
            self._waiting.append(pressed)
            return
        if pressed.seq <= self._answered:
            return
        self._entries.append(pressed)
        self._fly_on(pressed.at)
        if len(self._entries) > self._limits.inputs:
            # The oldest that was not flown: those that were lead to where it is drawn.
            del self._entries[self._limits.predict_ticks]

    def foresee(self, record: int, now: float) -> None:
        """Fly the input that comes next, to be drawn until it comes.

        Args:
            record: of the controls that would be in it.
            now: monotonic seconds.
        """
        if self._pressed_at is None or self._tick < 0:
            return
        if not self._may_foresee():
            self._waits = True
        elif record != self._held:
            drawn = self.pose(now) if self._waits else None
            self._waits = False
            self._foresee(record, now)
            if drawn is not None:
                self._hide_error(drawn, now)

    def reconcile(
        self,
        tick: int,
        input_seq: int,
        state: OwnState,
        now: float,
        more: Mapping[str, Any] = NOTHING_MORE,
    ) -> None:
        """Take the authority's state, for which no input up to `input_seq` is still to come.

        Args:
            tick: of the state; one that is not newer than the newest so far is ignored.
            input_seq: newest input applied in it, or that will not be applied any more. One that
                is not made yet is not flown when it is: it was guessed, as inputs come late.
            state: the authority's.
            now: monotonic seconds.
            more: what is known of `used`; models that use more do not run.
        """
        if tick <= self._tick:
            return
        values = _columns(state, more)
        rollback, first, predicted = self._rollback, self._tick < 0, state
        # What is foreseen holds until what it was flown from is let go of.
        drawn = None if self._held is None else self.pose(now)
        flown = min(self._take_answered(input_seq), rollback.count)
        self._answered = input_seq
        self.spawns.answered(input_seq, now)
        if not first:
            rollback.confirm(flown)
            predicted = self._state(0)
        self.position_error_units = math.hypot(state.x - predicted.x, state.y - predicted.y)
        self._errors.append(self.position_error_units)
        agrees = not first and not rollback.differs(values)
        in_step = tick == self._tick + flown
        self._tick = tick
        if agrees:
            rollback.update(values)
        if agrees and in_step and rollback.count == len(self._entries):
            self._foresee_again(now)
            return
        if drawn is None and not first:
            drawn = self.pose(now)
        if not agrees:
            rollback.begin(values)
            self.corrections += not first
        elif not in_step:
            rollback.rewind()  # a model may go by the tick
        if first:
            self._entries.extend(entry for entry in self._waiting if entry.seq > input_seq)
            self._waiting.clear()
        self._fly_on(now)
        self._foresee_again(now)
        if drawn is not None:
            self._hide_error(drawn, now)

    def take_errors(self) -> list[float]:
        """Drain the position errors of the states since the last call, world units."""
        taken = list(self._errors)
        self._errors.clear()
        return taken

    def pose(self, now: float) -> OwnState | None:
        """Where the own entity is to be drawn, None before the authority's first state."""
        if self._tick < 0:
            return None
        plain = self._plain_pose(now)
        x_off, y_off, heading_off = self._offset(now)
        return plain._replace(
            x=plain.x + x_off, y=plain.y + y_off, heading=_wrapped(plain.heading + heading_off)
        )

    def tick(self, now: float) -> float | None:
        """At which tick the own entity is drawn, None before the authority's first state."""
        if self._tick < 0:
            return None
        part, beyond_s = self._since_newest(now)
        return self._tick + self._rollback.count + part + beyond_s / self._rules.tick_s

    def columns(self) -> dict[str, NDArray[Any]]:
        """Give what models make of the entity by the newest input, or by what is foreseen."""
        if self._tick < 0:
            return {}
        rollback = self._rollback
        return rollback.state(rollback.count) if self._held is None else rollback.foreseen()

    def _make_rollback(self, net_id: int) -> Rollback:
        ids = np.array([net_id], np.uint32)
        ahead = self._limits.predict_ticks
        return Rollback(self._game, self._schema, self._rules, ids, ahead)

    def _state(self, inputs: int) -> OwnState:
        return _state_of(self._rollback.state(inputs))

    def _take_answered(self, input_seq: int) -> int:
        """Let go of the inputs that the authority has applied; tells how many."""
        answered = 0
        while self._entries and self._entries[0].seq <= input_seq:
            self._entries.popleft()
            answered += 1
        return answered

    def _fly_on(self, now: float) -> None:
        """Fly the inputs that the limit allows and that have not been flown yet."""
        flown = self._rollback.count
        most = min(len(self._entries), self._limits.predict_ticks)
        # A few after a correction, else one a tick: 0.1 ms each.
        entries = list(islice(self._entries, flown, most))
        if not entries:
            return
        tick = self._tick + flown + 1
        spawned = self._rollback.fly([entry.record for entry in entries], tick)
        for at, entry in enumerate(entries):
            self.spawns.flown(entry.seq, tick + at, spawned[at], now)

    def _may_foresee(self) -> bool:
        """Tell whether it may be drawn beyond its newest input: it waits where the limit is."""
        return len(self._entries) == self._rollback.count < self._limits.predict_ticks

    def _foresee(self, record: int, now: float) -> None:
        tick = self._tick + self._rollback.count + 1
        spawned = self._rollback.foresee(record, tick)
        self._held = record
        self.spawns.flown(self._seq + 1, tick, spawned, now)

    def _foresee_again(self, now: float) -> None:
        """Fly what is foreseen from another state."""
        held, self._held = self._held, None
        if held is not None and self._may_foresee():
            self._foresee(held, now)

    def _since_newest(self, now: float) -> tuple[float, float]:
        """Tell which part of the next input is drawn, 0 to 1, and how many seconds beyond it."""
        if self._pressed_at is None:
            return 0.0, 0.0
        elapsed_s, lasts_s = max(0.0, now - self._pressed_at), self._lasts_s
        part = 0.0 if self._held is None else min(elapsed_s / lasts_s, 1.0)
        return part, max(0.0, min(elapsed_s - lasts_s, AHEAD_S_MAX))

    def _plain_pose(self, now: float) -> OwnState:
        newest = self._state(self._rollback.count)
        part, beyond_s = self._since_newest(now)
        if self._held is not None:
            newest = _between(newest, _state_of(self._rollback.foreseen()), part)
        return reckon_own(newest, beyond_s)

    def _hide_error(self, drawn: OwnState, now: float) -> None:
        plain = self._plain_pose(now)
        x_off, y_off = drawn.x - plain.x, drawn.y - plain.y
        self._off = (x_off, y_off, _wrapped(drawn.heading - plain.heading))
        if math.hypot(x_off, y_off) > SNAP_UNITS:
            self._off = (0.0, 0.0, 0.0)
        self._off_at = now

    def _offset(self, now: float) -> tuple[float, float, float]:
        shrink = 0.05 ** (max(0.0, now - self._off_at) / SMOOTH_S)
        x_off, y_off, heading_off = self._off
        return x_off * shrink, y_off * shrink, heading_off * shrink


def _columns_used(game: Declarations) -> tuple[str, ...]:
    used = {component for model in game.models for component in (*model.writes, *model.reads)}
    return tuple(
        column_of(component, field)
        for component in game.components
        if component in used and component is not Motion
        for field in component.fields.values()
    )


def _state_of(columns: Mapping[str, NDArray[Any]]) -> OwnState:
    return OwnState(*(float(columns[name][0]) for name in MOTION_COLUMNS))


def _columns(state: OwnState, more: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    motion = dict(zip(MOTION_COLUMNS, state, strict=True))
    return {name: np.array([value]) for name, value in (motion | dict(more)).items()}


def reckon_own(state: OwnState, elapsed_s: float) -> OwnState:
    """Continue a state along its straight line."""
    return state._replace(
        x=state.x + state.vx * elapsed_s,
        y=state.y + state.vy * elapsed_s,
        heading=_wrapped(state.heading + state.spin * elapsed_s),
    )


def _between(a: OwnState, b: OwnState, u: float) -> OwnState:
    turn = _wrapped(b.heading - a.heading)
    return OwnState(
        x=a.x + (b.x - a.x) * u,
        y=a.y + (b.y - a.y) * u,
        vx=a.vx + (b.vx - a.vx) * u,
        vy=a.vy + (b.vy - a.vy) * u,
        heading=_wrapped(a.heading + turn * u),
        spin=a.spin + (b.spin - a.spin) * u,
    )
