"""The own entity, ahead of the authority's state by the inputs that are not applied yet.

Every input is flown at once, by the same models that the shard runs, and is kept with the
state it led to. The authority's state after input s is compared with the state that was predicted
for s. If the two agree within the tolerance, nothing happens. If not, the authority's state takes
its place, and the newer inputs are flown again from there. Nothing jumps on screen: the difference
between where it was drawn and where it belongs decays within about `SMOOTH_S`, unless it is larger
than `SNAP_UNITS`.

Input n covers the time from its own moment in the schedule to that of the next input. So at `now`
the entity is drawn between the states before and after the newest input.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from sidereal.client.inputs import Input
from sidereal.client.limits import LIMITS, Limits
from sidereal.game.declarations import Declarations
from sidereal.game.models import FreeFlight
from sidereal.protocol.rules import Rules

POSITION_TOLERANCE: Final = 0.01
"""World units; above the tolerance of the references that the authority sends."""
VELOCITY_TOLERANCE: Final = 0.05
"""World units per second."""
HEADING_TOLERANCE: Final = 0.002
"""Radians."""
SPIN_TOLERANCE: Final = 0.02
"""Radians per second."""
SMOOTH_S: Final = 0.1
"""A visible error has shrunk to a twentieth after this long."""
SNAP_UNITS: Final = 50.0
"""A visible error above this is a teleport: show it at once."""
AHEAD_S_MAX: Final = 0.25
"""How far beyond the newest input it is drawn when the inputs stop."""


class OwnState(NamedTuple):
    """The own entity at one moment: world units, radians, seconds."""

    x: float
    y: float
    vx: float
    vy: float
    heading: float
    spin: float


@dataclass(slots=True)
class _Flown:
    input: Input
    state: OwnState


def _wrapped(angle: float) -> float:
    return (angle + math.pi) % (2.0 * math.pi) - math.pi


def agree(a: OwnState, b: OwnState) -> bool:
    """Whether two states are the same for the eye."""
    return (
        math.hypot(a.x - b.x, a.y - b.y) <= POSITION_TOLERANCE
        and math.hypot(a.vx - b.vx, a.vy - b.vy) <= VELOCITY_TOLERANCE
        and abs(_wrapped(a.heading - b.heading)) <= HEADING_TOLERANCE
        and abs(a.spin - b.spin) <= SPIN_TOLERANCE
    )


class Prediction:
    """The predicted own entity.

    Attributes:
        corrections: how often the authority disagreed.
        position_error_units: distance between the newest state of the authority and what had been
            predicted for the same input.
    """

    def __init__(self, game: Declarations, rules: Rules, limits: Limits = LIMITS) -> None:
        self._flight = FreeFlight(game, rules)
        self._rules = rules
        self._limits = limits
        self._confirmed: OwnState | None = None
        self._confirmed_tick = -1
        self._flown: deque[_Flown] = deque()
        self._ahead = 0
        # How many of `_flown` were flown; the others have the state of the last of these.
        self._pressed_at: float | None = None
        self._waiting: deque[Input] = deque(maxlen=limits.inputs)
        self._off = (0.0, 0.0, 0.0)
        self._off_at = 0.0
        self._errors: deque[float] = deque(maxlen=limits.samples)
        self.corrections = 0
        self.position_error_units = 0.0

    def restart(self) -> None:
        """Forget the entity: the client flies another one."""
        self._confirmed, self._confirmed_tick = None, -1
        self._flown.clear()
        self._ahead = 0
        self._waiting.clear()
        self._pressed_at = None
        self._off = (0.0, 0.0, 0.0)

    def press(self, pressed: Input) -> None:
        """Fly one input; before the first state of the authority it only waits."""
        self._pressed_at = pressed.at
        if self._confirmed is None:
            self._waiting.append(pressed)
            return
        state = self._flown[-1].state if self._flown else self._confirmed
        self._flown.append(_Flown(pressed, state))
        self._fly_on()
        if len(self._flown) > self._limits.inputs:
            # The oldest that was not flown: those that were lead to where it is drawn.
            del self._flown[self._limits.predict_ticks]

    def reconcile(self, tick: int, input_seq: int, state: OwnState, now: float) -> None:
        """Take the authority's state, which has all inputs up to `input_seq` applied.

        Args:
            tick: of the state; one that is not newer than the newest so far is ignored.
            input_seq: newest input applied in it.
            state: the authority's.
            now: monotonic seconds.
        """
        if tick <= self._confirmed_tick:
            return
        first = self._confirmed is None
        self._confirmed_tick = tick
        predicted = self._confirmed if self._confirmed is not None else state
        while self._flown and self._flown[0].input.seq <= input_seq:
            predicted = self._flown.popleft().state
            self._ahead = max(0, self._ahead - 1)
        self.position_error_units = math.hypot(state.x - predicted.x, state.y - predicted.y)
        self._errors.append(self.position_error_units)
        agrees = not first and agree(state, predicted)
        if not first:
            self._confirmed = predicted
        if agrees and self._ahead == len(self._flown):
            return
        drawn = self.pose(now)
        if not agrees:
            self._confirmed = state
            self._take_back(input_seq)
            self.corrections += drawn is not None
        self._fly_on()
        if drawn is not None:
            self._hide_error(drawn, now)

    def take_errors(self) -> list[float]:
        """Drain the position errors of the states since the last call, world units."""
        taken = list(self._errors)
        self._errors.clear()
        return taken

    def pose(self, now: float) -> OwnState | None:
        """Where the own entity is to be drawn, None before the authority's first state."""
        plain = self._plain_pose(now)
        if plain is None:
            return None
        x_off, y_off, heading_off = self._offset(now)
        return plain._replace(
            x=plain.x + x_off, y=plain.y + y_off, heading=_wrapped(plain.heading + heading_off)
        )

    def _take_back(self, input_seq: int) -> None:
        """Note that what the authority has not applied is to be flown again."""
        assert self._confirmed is not None
        for pressed in self._waiting:
            if pressed.seq > input_seq:
                self._flown.append(_Flown(pressed, self._confirmed))
        self._waiting.clear()
        self._ahead = 0

    def _fly_on(self) -> None:
        """Fly the inputs that the limit allows and that have not been flown yet."""
        assert self._confirmed is not None
        state = self._flown[self._ahead - 1].state if self._ahead else self._confirmed
        # Each builds on the one before; a few after a correction, else one a tick: 0.2 ms each.
        while self._ahead < min(len(self._flown), self._limits.predict_ticks):
            flown = self._flown[self._ahead]
            state = flown.state = self._fly(state, flown.input.buttons)
            self._ahead += 1
        for at in range(self._ahead, len(self._flown)):
            self._flown[at].state = state

    def _fly(self, state: OwnState, buttons: int) -> OwnState:
        columns = np.array(state, np.float64).reshape(6, 1)
        self._flight.fly(
            list(columns), np.array([buttons], np.uint16), self._confirmed_tick + self._ahead + 1
        )
        return OwnState(*columns[:, 0].tolist())

    def _plain_pose(self, now: float) -> OwnState | None:
        if self._confirmed is None:
            return None
        if self._pressed_at is None:
            return self._confirmed
        tick_s = self._rules.tick_s
        elapsed_s = max(0.0, now - self._pressed_at)
        if not self._flown:
            # The authority was faster than the next input: what it says is for the tick's end.
            return reckon_own(self._confirmed, min(elapsed_s - tick_s, AHEAD_S_MAX))
        newest = self._flown[-1]
        before = self._flown[-2].state if len(self._flown) > 1 else self._confirmed
        if elapsed_s >= tick_s:
            return reckon_own(newest.state, min(elapsed_s - tick_s, AHEAD_S_MAX))
        return _between(before, newest.state, elapsed_s / tick_s)

    def _hide_error(self, drawn: OwnState, now: float) -> None:
        plain = self._plain_pose(now)
        assert plain is not None
        x_off, y_off = drawn.x - plain.x, drawn.y - plain.y
        self._off = (x_off, y_off, _wrapped(drawn.heading - plain.heading))
        if math.hypot(x_off, y_off) > SNAP_UNITS:
            self._off = (0.0, 0.0, 0.0)
        self._off_at = now

    def _offset(self, now: float) -> tuple[float, float, float]:
        shrink = 0.05 ** (max(0.0, now - self._off_at) / SMOOTH_S)
        x_off, y_off, heading_off = self._off
        return x_off * shrink, y_off * shrink, heading_off * shrink


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
