"""Inputs of a client and the queue of its ship, with clocks that drift and late processes."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
import pytest
from numpy.typing import NDArray

from sidereal.client.own import OwnEntity
from sidereal.client.prediction import OwnState
from sidereal.client.private import OwnAnswer
from sidereal.game import Motion
from sidereal.game.bits import layout_of_all, pack
from sidereal.game.models import FreeFlight
from sidereal.game.record import as_columns
from sidereal.games.frontier import Stick
from sidereal.protocol.limits import INPUT_GUESSES_MAX
from sidereal.protocol.message.player import Assigned
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.earliness import decode_early
from sidereal.shard.controls import ControlQueues

from ..flying import FLYING

RULES: Final = Rules()
TICK_S: Final = RULES.tick_s
SHIP: Final = np.zeros(1, np.int64)
NET_ID: Final = 7
FLIGHT: Final = FreeFlight(FLYING, RULES)
THRUST: Final = pack(Stick(thrust=1))
REST: Final = OwnState(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
BEGINS_S: Final = 5.0
"""From then on it is counted what goes wrong."""


def fly(state: OwnState, taken: NDArray[np.uint64]) -> OwnState:
    columns = [np.array([value]) for value in state]
    moving = as_columns(Motion, dict(zip(Motion.fields, columns, strict=True)))
    FLIGHT.fly({Motion: moving, **FLIGHT.hold(taken)}, np.array([NET_ID], np.uint32), 0)
    return OwnState(*(float(column[0]) for column in columns))


class Flight:
    """A client with a ship, a shard, and the way between them.

    Attributes:
        now: virtual seconds.
        way_s: how long a datagram takes.
        lags: ticks by which the shard is ahead of the newest input that it has taken, each time
            that this was another than before.
        guessed: how often an input came too late, since `BEGINS_S`.
        early: the newest of how early inputs came, in ticks.
        lasted_s: lengths of the client's ticks.
        path: where the ship was after each tick, if it is flown.
    """

    def __init__(
        self, phase: float, way_s: float, seed: int, drift: float = 5e-5, *, held: int | None = None
    ) -> None:
        """Begin; with something held, the ship is flown and predicted."""
        self.now, self.way_s = 0.0, way_s
        self.lags: list[int] = []
        self.guessed = 0
        self.early: deque[float] = deque(maxlen=100)
        self.lasted_s: list[float] = []
        self._rng = np.random.default_rng(seed)
        self._rate = 1.0 + drift
        self.path: list[OwnState] = [REST]
        self._is_flown = held is not None
        self._own = OwnEntity(FLYING, predict=self._is_flown, phase=phase)
        self._own.keys.hold(held or 0)
        self._own.join(RULES)
        self._own.assign(Assigned(NET_ID, 1, 0), 0.0)
        self._answers: list[tuple[OwnAnswer, float]] = []
        self._queues = ControlQueues(1, layout_of_all(FLYING.controls))
        self._queues.reset(SHIP, np.ones(1, np.uint32), np.zeros(1, np.uint32))
        self._tick = 0
        self._applied = (0, 0, 0)
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._stalled_until = self._cut_until = 0.0
        self._at(0.0, self._turn)
        self._at(TICK_S, self._step)

    def stall(self, seconds: float) -> None:
        """Let the client do nothing for a while."""
        self._stalled_until = self.now + seconds

    def cut(self, seconds: float) -> None:
        """Let what the client sends come only after a while."""
        self._cut_until = self.now + seconds

    @property
    def corrections(self) -> int:
        """How often the shard has flown the ship elsewhere than was predicted."""
        assert self._own.prediction is not None
        return self._own.prediction.corrections

    def drawn(self) -> tuple[float, OwnState]:
        """At which tick the ship is drawn, and where."""
        prediction, now = self._own.prediction, self.now * self._rate
        assert prediction is not None
        self._own.foresee(now)
        tick, pose = prediction.tick(now), prediction.pose(now)
        assert tick is not None
        assert pose is not None
        return tick, pose

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self._due[0][0] <= end:
            self.now, _, act = heapq.heappop(self._due)
            act()
        self.now = end

    def _at(self, at: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at, next(self._order), act))

    def _late_s(self, usual_s: float) -> float:
        """Be late by up to so much, and now and then by 15 ms more."""
        rare = self._rng.random() < 0.02
        return float(self._rng.uniform(0.0, usual_s) + rare * self._rng.uniform(0.0, 0.015))

    def _turn(self) -> None:
        """Make the inputs that are due: the client looks whenever it has drawn a frame."""
        self._take_answers()
        message = self._own.press(self.now * self._rate)
        if message is not None:

            def arrive() -> None:
                early = (self._tick + 1) * TICK_S - self.now
                self._queues.receive(0, message, early / TICK_S)

            self._at(max(self.now + self.way_s, self._cut_until), arrive)
        due_at = self._own.next_timer()
        assert due_at is not None
        self._at(max(self._stalled_until, due_at / self._rate) + self._late_s(0.01), self._turn)

    def _take_answers(self) -> None:
        inputs, now = self._own.inputs, self.now * self._rate
        assert inputs is not None
        made, due_at = inputs.made, inputs.next_at
        self._own.make(now)
        if inputs.made > made:
            self.lasted_s.append((inputs.next_at - due_at) / (inputs.made - made))
        answers, self._answers = self._answers, []
        for answer, came_at in answers:
            self._own.answer_untrusted(answer, came_at * self._rate)
        self._own.reconcile(lambda _: None)

    def _step(self) -> None:
        """Take an input, and answer."""
        self._tick += 1
        guessed = self._queues.guessed
        taken, _, passed = self._queues.take(SHIP)
        if self._is_flown:
            self.path.append(fly(self.path[-1], taken))
        tick, seq = self._tick, int(passed[0])
        told = int(self._queues.take_early(SHIP)[0])
        early = decode_early(told)
        self.early += [] if early is None else [early]
        if self.now > BEGINS_S:
            self.guessed += self._queues.guessed - guessed
            if not self.lags or self.lags[-1] != tick - seq:
                self.lags.append(tick - seq)
        if seq > self._applied[0]:
            self._applied = seq, tick, told
        newest, applied_at, told = self._applied
        state = self.path[-1]
        answer = OwnAnswer(NET_ID, 1, newest % (1 << 16), applied_at, told, tick, state)

        def arrive() -> None:
            self._answers.append((answer, self.now))
            if self.now >= self._stalled_until:
                self._take_answers()

        self._at(self.now + self.way_s + self._late_s(0.002), arrive)
        self._at((self._tick + 1) * TICK_S + self._late_s(0.002), self._step)


@pytest.mark.parametrize("way_s", [0.0005, 0.075])
@pytest.mark.parametrize("drift", [-5e-5, 5e-5])
def test_inputs_come_in_time_whatever_their_phase(way_s: float, drift: float) -> None:
    late = 0
    for step in range(5):
        flight = Flight(step / 5, way_s, seed=step, drift=drift)
        flight.run(65.0)
        assert len(flight.lags) == 1
        late += flight.guessed
    assert late <= 5  # in five minutes


def test_a_longer_way_makes_ticks_shorter_and_nothing_slips() -> None:
    flight = Flight(0.3, 0.02, seed=1)
    flight.run(20.0)
    assert flight.guessed == 0
    flight.way_s = 0.1
    flight.run(3.0)
    assert flight.guessed < 3.0 / TICK_S / 2
    flight.guessed = 0
    flight.run(60.0)
    assert flight.guessed == 0
    assert len(flight.lags) == 1
    assert min(flight.lasted_s) >= 0.9 * TICK_S - 1e-9
    assert max(flight.lasted_s) <= 1.05 * TICK_S + 1e-9


def test_what_is_not_needed_any_more_is_given_back_and_nothing_slips() -> None:
    flight = Flight(0.3, 0.1, seed=2)
    flight.run(20.0)
    flight.way_s = 0.02
    flight.run(20.0)
    assert min(flight.early) > 1.6  # the latest of the last half minute would still be in time
    flight.run(20.0)
    assert 0.1 < min(flight.early) < 1.6
    assert (flight.guessed, len(flight.lags)) == (0, 1)


@pytest.mark.parametrize("way_s", [0.02, 0.12])
@pytest.mark.parametrize("seconds", [0.2, 0.35, 0.6, 2.0])
def test_a_client_that_stood_still_is_as_far_ahead_afterwards(seconds: float, way_s: float) -> None:
    flight = Flight(0.3, way_s, seed=3)
    flight.run(20.0)
    before, lag = min(flight.early), flight.lags[-1]
    flight.stall(seconds)
    flight.run(seconds + 0.3)
    assert 0 < flight.guessed <= INPUT_GUESSES_MAX
    flight.guessed, flight.lags = 0, []
    flight.run(20.0)
    assert (flight.guessed, flight.lags) == (0, [lag])
    assert min(flight.early) == pytest.approx(before, abs=0.4)


def test_a_path_that_stood_still_leaves_the_pace_as_it_was() -> None:
    flight = Flight(0.3, 0.02, seed=5)
    flight.run(20.0)
    before, lag = min(flight.early), flight.lags[-1]
    flight.cut(2.0)
    flight.run(2.1)
    flight.guessed, flight.lags = 0, []
    flight.run(20.0)
    assert (flight.guessed, flight.lags) == (0, [lag])
    assert min(flight.early) == pytest.approx(before, abs=0.4)


def watch(flight: Flight, seconds: float) -> float:
    """Give by how much the ship is drawn elsewhere than it is at that tick, at most, in units."""
    drawn = []
    for _ in range(round(60 * seconds)):
        flight.run(1 / 60)
        drawn.append(flight.drawn())
    flight.run(1.0)
    path = np.array([state.x for state in flight.path])
    ticks = np.arange(len(path))
    return max(abs(pose.x - float(np.interp(tick, ticks, path))) for tick, pose in drawn)


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_a_path_that_stands_still_does_not_move_a_ship_that_drifts(seconds: float) -> None:
    flight = Flight(0.3, 0.08, seed=6, held=THRUST)
    flight.run(3.0)
    before = flight.corrections
    flight.cut(seconds)
    assert watch(flight, seconds + 1.0) < 0.1
    assert flight.corrections == before


@pytest.mark.parametrize(("seconds", "most"), [(0.45, 0), (0.7, 0), (1.0, 1)])
def test_a_client_that_stood_still_is_corrected_once_at_most(seconds: float, most: int) -> None:
    flight = Flight(0.3, 0.08, seed=6, held=THRUST)
    flight.run(3.0)
    before = flight.corrections
    flight.stall(seconds)
    flight.run(seconds + 0.1)
    assert watch(flight, 1.0) < 1.0
    assert flight.corrections <= before + most
