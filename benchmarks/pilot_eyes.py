"""What a pilot sees: flies, fires, and judges every picture."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sidereal.client.returning import ReturningClient
from sidereal.client.view import View
from sidereal.game.bits import pack
from sidereal.game.builtin import Predicted
from sidereal.game.declarations import Declarations
from sidereal.games.frontier import Stick

FRAME_S: Final = 1 / 60
SETTLES_S: Final = 3.0
"""Until the delay of the picture has settled."""
SLOW: Final = 5.0
"""Others that are slower, units/s, are not judged: a step of theirs is nothing."""
CORRECTION: Final = 0.5
"""World units."""
STICKS: Final = (Stick(thrust=1), Stick(brake=1), Stick(turn=1), Stick())
"""One after the other: before each thrust the ship goes on as it is."""
HOLD_S: Final = 0.93
"""A stick is held for so long, which is no whole number of ticks, and a missile fired with it."""


@dataclass
class Track:
    """How somebody else was drawn, and how fast they were.

    Attributes:
        speed: units/s, by the tick of each of the authority's words.
        steps: between two pictures: the ticks that were drawn, world units, and seconds.
    """

    speed: dict[int, float] = field(default_factory=dict)
    steps: list[tuple[float, float, float, float]] = field(default_factory=list)

    def worst(self) -> float:
        """Give the largest step by what the speed explains that they had there."""
        ticks = np.array(sorted(self.speed))
        speeds = np.array([self.speed[tick] for tick in ticks.tolist()])
        worst = 0.0
        for before, after, way, elapsed_s in self.steps:
            first = max(0, int(np.searchsorted(ticks, before, "right")) - 1)
            last = int(np.searchsorted(ticks, after))
            fastest = float(speeds[first : last + 1].max())
            if fastest >= SLOW:
                worst = max(worst, way / (fastest * elapsed_s))
        return worst


@dataclass
class Seen:
    """What a pilot has seen.

    Attributes:
        answers_s: from a change of the stick to what shows it; likewise `shots_s`.
        other_step: the largest step of another ship, by what its speed explains.
        shot_step: the same of an own missile.
        shot_gone_s: how long a missile was not shown between two pictures of it, at most.
        corrections: of more than `CORRECTION`.
        twice: frames that showed a missile twice.
        matched: missiles that came as they were foreseen; `unmatched` did not.
    """

    answers_s: list[float] = field(default_factory=list)
    shots_s: list[float] = field(default_factory=list)
    other_step: float = 0.0
    shot_step: float = 0.0
    shot_gone_s: float = 0.0
    corrections: int = 0
    twice: int = 0
    matched: int = 0
    unmatched: int = 0


class Pilot:
    """Somebody at the controls, and before the picture."""

    def __init__(self, client: ReturningClient, game: Declarations) -> None:
        self.seen = Seen()
        self._client = client
        kinds = [kind.name for kind in game.kinds]
        self._ship, self._missile = 1 + kinds.index("ship"), 1 + kinds.index("missile")
        self._sticks = itertools.cycle(STICKS)
        self._before: tuple[float, View] | None = None
        self._tracks: defaultdict[int, Track] = defaultdict(Track)
        self._hold_at = self._pressed_at = 0.0
        self._waits_for: set[str] = set()
        self._missiles: dict[int, tuple[float, float, float]] = {}

    def frame(self, now: float) -> None:
        """Look at a picture; now and then do something else."""
        view = self._client.view(now)
        self._note_speeds()
        if self._before is not None and view.own >= 0 and self._before[1].own >= 0:
            self._look(view, now)
        self._before = now, view
        if now >= self._hold_at:
            self._hold_at = now + HOLD_S
            stick = next(self._sticks)
            held = {name: getattr(stick, name) for name in Stick.fields}
            self._client.hold(pack(Stick(**{**held, "fire": 1})))
            self._pressed_at, self._waits_for = now, {"missile"}
            if held["thrust"]:
                self._waits_for.add("answer")

    def _look(self, view: View, now: float) -> None:
        assert self._before is not None
        then, before = self._before
        off_x = view.vx[view.own] - before.vx[before.own]
        off_y = view.vy[view.own] - before.vy[before.own]
        if "answer" in self._waits_for and np.hypot(off_x, off_y) > 1e-6:
            self._waits_for.remove("answer")
            self.seen.answers_s.append(now - self._pressed_at)
        self._look_at_missiles(view, now, now - then)
        _, here, there = np.intersect1d(view.net_id, before.net_id, return_indices=True)
        step = np.hypot(view.x[here] - before.x[there], view.y[here] - before.y[there])
        for at, way in zip(here.tolist(), step.tolist(), strict=True):
            if view.kind[at] == self._ship and at != view.own:
                steps = self._tracks[int(view.net_id[at])].steps
                steps.append((before.tick, view.tick, way, now - then))

    def _look_at_missiles(self, view: View, now: float, elapsed_s: float) -> None:
        """Follow the own ones by the inputs that have spawned them: their ids change."""
        key, session = view[Predicted], self._client.client
        own = -1 if session is None else session.net_id
        mine = np.flatnonzero((view.kind == self._missile) & (key.by_id == own))
        inputs = key.by_input[mine].tolist()
        self.seen.twice += len(inputs) != len(set(inputs))
        fresh = set(inputs) - self._missiles.keys()
        if "missile" in self._waits_for and fresh:
            self._waits_for.remove("missile")
            self.seen.shots_s.append(now - self._pressed_at)
        for at, number in zip(mine.tolist(), inputs, strict=True):
            x, y = float(view.x[at]), float(view.y[at])
            if number not in fresh:
                x_then, y_then, then = self._missiles[number]
                speed = float(np.hypot(view.vx[at], view.vy[at]))
                ratio = float(np.hypot(x - x_then, y - y_then)) / (speed * (now - then))
                self.seen.shot_step = max(self.seen.shot_step, ratio)
                self.seen.shot_gone_s = max(self.seen.shot_gone_s, now - then - elapsed_s)
            self._missiles[number] = x, y, now

    def _note_speeds(self) -> None:
        """Note how fast everybody was, by the authority's words that are known."""
        session = self._client.client
        replica = None if session is None else session.replica
        if replica is None:
            return
        rows = replica.rows()
        known = replica.known(rows)
        speed = np.hypot(known.vx, known.vy)
        for at, net_id in enumerate(replica.columns.net_id[rows].tolist()):
            words = zip(known.tick[:, at].tolist(), speed[:, at].tolist(), strict=True)
            self._tracks[net_id].speed.update(words)

    def conclude(self) -> Seen:
        """Give all that was seen."""
        session = self._client.client
        assert session is not None
        errors = session.take_position_errors()
        self.seen.corrections = sum(error > CORRECTION for error in errors)
        counted = session.statistics()
        self.seen.other_step = max(track.worst() for track in self._tracks.values())
        self.seen.matched, self.seen.unmatched = counted.spawns_matched, counted.spawns_unmatched
        return self.seen
