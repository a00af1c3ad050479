"""What must be true of races: a lap that is taken down was flown, and in that time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from course import Flown

from sidereal.game import Motion
from sidereal.games.frontier.ships import RADIUS as SHIP_RADIUS
from sidereal.games.frontier.trade.races import GATE, RADIUS, TICK_S, Fastest, Gate, Lap, Laps
from sidereal.tools.simulate.given.truth import Judge, Truth

SLACK: Final = 10.0
"""World units by which a ship may be elsewhere between two ticks of which the truth was told."""
OFF_MAX: Final = 3
"""Ticks by which a gate may have been passed later than that says."""
LATER: Final = 20
"""Ticks after a lap by which all of it has been heard."""


class Flight:
    """What was seen of one ship since it came.

    Attributes:
        places: where it was, by the ticks up to which it was flown: x and y, world units.
        missed: likewise in how many ticks before it was not flown.
        starts: ticks in which its clock has started.
        laps: its best time, and when its last lap ended.
        due: laps to be judged: started, ended, and lost.
    """

    def __init__(self, best: int, ended: int) -> None:
        self.places: dict[int, tuple[float, float]] = {}
        self.missed: dict[int, int] = {}
        self.starts: list[int] = [0]
        self.laps = best, ended
        self.due: list[tuple[int, int, int]] = []

    def judge(self, lap: tuple[int, int, int], gates: np.ndarray) -> Iterator[str]:
        """Say what is wrong with a lap.

        Args:
            lap: when it started and ended, and how many ticks it is said to have lost.
            gates: where they are, float64[gates, 2], world units.
        """
        started, ended, lost = lap
        name = f"lap from {started} to {ended}"
        inside = self._inside(started, ended, gates)
        if not inside[0, 0]:
            yield f"{name}: its clock has started away from the first gate"
        at = 0
        for number in (*range(1, len(gates)), 0):
            passed = np.flatnonzero(inside[number, at:])
            if not len(passed):
                yield f"{name}: gate {number} was not passed in its turn"
                return
            at += int(passed[0])
        if ended - started - at > OFF_MAX:
            yield f"{name}: it was over at {started + at}"
        missed = self._missed_by(ended) - self._missed_by(started)
        if lost != missed:
            yield f"{name}: {lost} ticks are said to be lost, and {missed} were"

    def _inside(self, started: int, ended: int, gates: np.ndarray) -> np.ndarray:
        """Tell in which ticks of a lap it may have touched which gate: bool[gates, ticks]."""
        known = sorted(self.places)
        ticks, places = np.arange(started, ended + 1), np.array([self.places[at] for at in known])
        x, y = (np.interp(ticks, known, places[:, axis]) for axis in (0, 1))
        away = np.hypot(np.subtract.outer(gates[:, 0], x), np.subtract.outer(gates[:, 1], y))
        return np.asarray(away <= RADIUS + SHIP_RADIUS + SLACK)

    def _missed_by(self, tick: int) -> int:
        """Tell how many ticks it had missed by a tick."""
        return self.missed[max(at for at in self.missed if at <= tick)]


class LapsAreFlown:
    """A lap was flown through all gates in their order, in the time that is taken down.

    What is said to be lost at seams was lost, and best times only get better.

    Attributes:
        laps: how many were judged.
    """

    def __init__(self) -> None:
        self.laps = 0
        self._era = 0
        self._flights: dict[bytes, Flight] = {}
        self._best: dict[bytes, int] = {}

    def look(self, truth: Truth) -> Iterator[str]:
        """Take down where all ships are, and judge laps that have been heard of."""
        if truth.era != self._era:
            self._era = truth.era
            self._flights.clear()
        ships = truth.has(Laps)
        gates = truth.ids(GATE)
        gates = gates[np.argsort(truth[Gate].number[gates])]
        places = np.array([truth[Motion].x[gates], truth[Motion].y[gates]]).T
        best, ended, lost = (
            getattr(truth[Laps], name)[ships].tolist() for name in ("best", "ended", "lost")
        )
        names, since = truth.names(ships), truth[Lap].since[ships].tolist()
        for nth, (name, seen) in enumerate(zip(names, _seen(truth, ships), strict=True)):
            flight = self._flights.setdefault(name, Flight(best[nth], ended[nth]))
            until, flight.places[until], flight.missed[until] = seen
            if since[nth] > flight.starts[-1]:
                flight.starts.append(since[nth])
            yield from self._note(flight, best[nth], ended[nth], lost[nth])
            yield from self._compare(name, best[nth])
            for lap in [lap for lap in flight.due if lap[1] + LATER <= truth.tick]:
                flight.due.remove(lap)
                self.laps += 1
                truth.judged["laps judged"] += 1
                yield from flight.judge(lap, places)
        yield from self._look_at_record(truth)

    def conclude(self, truth: Truth) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    def _note(self, flight: Flight, best: int, ended: int, lost: int) -> Iterator[str]:
        """Note a lap that has been taken down."""
        best_before, ended_before = flight.laps
        flight.laps = best, ended
        if ended == ended_before:
            if best != best_before:
                yield f"a best time became {best} without a lap"
            return
        started = max(start for start in flight.starts if start < ended)
        flight.due.append((started, ended, lost))
        ticks = ended - started
        if best != min(best_before or ticks, ticks):
            yield f"a lap of {ticks} ticks made {best} of a best time of {best_before}"

    def _compare(self, name: bytes, best: int) -> Iterator[str]:
        """Compare the best time of a ship with what it was."""
        before = self._best.get(name, 0)
        if before and not 0 < best <= before:
            yield f"a best time became worse: {best} for {before}"
        self._best[name] = best

    def _look_at_record(self, truth: Truth) -> Iterator[str]:
        """Compare the record with the best times of all who have flown."""
        record = int(truth.of_world(Fastest).ticks)
        best = min((each for each in self._best.values() if each), default=0)
        if record != best:
            yield f"the record is {record}, and the best time of all {best}"


def _seen(truth: Truth, ships: np.ndarray) -> Iterator[tuple[int, tuple[float, float], int]]:
    """Tell up to which tick ships were flown, where they were then, and how many they missed."""
    motion, until = truth[Motion], truth[Flown].until[ships].astype(np.int64)
    missed = until - truth[Flown].ticks[ships]
    # The truth goes on from there in a straight line.
    since_s = (truth.tick - until) * TICK_S
    x = motion.x[ships] - motion.vx[ships] * since_s
    y = motion.y[ships] - motion.vy[ships] * since_s
    places = zip(x.tolist(), y.tolist(), strict=True)
    return zip(until.tolist(), places, missed.tolist(), strict=True)


def of_races() -> list[Judge]:
    """Make the checker of races."""
    return [LapsAreFlown()]
