"""Contacts that formed before a body came: the ticks since then are simulated once more.

Theory of operation. A body that is adopted was flown alone from the tick of its row on
(`adoption`). Meanwhile it may have come together with bodies whose paths the ring knows. Then these
ticks are simulated again, from the last one after which they were apart, in a space beside the one
that goes on: with the controls that were held, from where everybody was. What comes of it is where
they are now, how they move, and where they have been. The rows of these ticks that the authority
has of a former owner are of an older epoch; those that this shard has proposed are followed by new
ones.

A body is on its path until it touches one that has arrived, or one that is off its path, or until
one that is off its path now had touched it. After each tick it is put back there. So whoever a body
off its path comes near has to be let in, tick by tick, and nobody else; and what systems did to the
others is kept, as what they did to a body that has come to be where its path was. One that is
elsewhere is moved by models and physics: what systems would have done to it is left out.

What models spawn and write beside motion has come about once, and does not again. Contacts go to
the game in the tick to come, but for pairs of which it was told since the tick that is begun with.

How many bodies take part, and how many ticks there are in one, has limits. What is beyond goes on
from where it has flown alone, and is pushed apart from there.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.game.touching import Filters
from sidereal.protocol.rules import Rules
from sidereal.shard.bodies import Bodies, shapes_of
from sidereal.shard.contacts import Touches
from sidereal.shard.limits import Limits
from sidereal.shard.lives import NOBODY
from sidereal.shard.meetings import (
    Meetings,
    Paths,
    find_meetings,
    find_touched,
    groups_of,
    trace_paths,
)
from sidereal.shard.population import Ints
from sidereal.shard.space import Space
from sidereal.shard.stages import Stages

KICK: Final = 2.0
"""Times the fastest of some bodies that one of them may be after they have touched."""

REACH: Final = 4.0
"""World units more that a body may get in a tick, by its own power."""

REACHES: Final = 2
"""Pushes that may be passed on within a tick: who is further on is let in for the next."""


class Repairs:
    """Repairs what adopted bodies have missed.

    Attributes:
        resimulated: bodies that were put off their paths.
        late: adopted bodies that were too many for it, or had come together too long ago.
    """

    def __init__(
        self,
        bodies: Bodies,
        space: Space,
        stages: Stages,
        filters: Filters,
        rules: Rules,
        limits: Limits,
    ) -> None:
        self.resimulated = self.late = 0
        self._bodies = bodies
        self._space = space
        self._ring = bodies.ring
        self._stages = stages
        self._filters = filters
        self._rules = rules
        self._limits = limits
        self._beside = Space()
        self._expected: Ints = NOBODY

    def expect(self, rows: Ints) -> None:
        """Note bodies that have just been adopted."""
        ids = self._bodies.columns.net_id[rows].astype(np.int64)
        self._expected = np.union1d(self._expected, ids)

    def run(self, tick: int) -> None:
        """Repair what those have missed that were noted since the last time.

        Args:
            tick: the shard's, that all bodies are at.

        Mutates:
            motion of the bodies, their ring and their space.
        """
        if not len(self._expected):
            return
        rows = self._bodies.rows_of(self._expected)
        self._expected = NOBODY
        arrived = self._solid(np.unique(rows[rows >= 0]))
        begin = int(self._ring.first(arrived, tick).min(initial=tick))
        if begin == tick:
            return
        paths = self._trace(begin, tick)
        meetings = find_meetings(paths, arrived, self._ring.since[paths.rows])
        if not len(meetings.a):
            return
        left, done = self._limits.resimulations, NOBODY
        for count, group in enumerate(groups_of(meetings)):
            theirs = np.intersect1d(arrived, np.concatenate([group.a, group.b]))
            ticks = tick - int(group.since.min())
            members = len(np.union1d(group.a, group.b))
            if ticks > left or group.late.any() or members > self._limits.resimulated_bodies:
                self.late += len(theirs)
                continue
            left -= ticks
            paths = self._trace(begin, tick) if count else paths
            # Whom one before has met has touched somebody on its way, which may come otherwise now.
            off, complete = self._repair(group, np.setdiff1d(theirs, done), paths, tick)
            done = np.union1d(done, off)
            self.late += 0 if complete else len(theirs)

    def _solid(self, rows: Ints) -> Ints:
        """Keep those that touch anything at all."""
        solid: Ints = rows[self._filters.category[self._bodies.columns["kind"][rows]] > 0]
        return solid

    def _trace(self, begin: int, tick: int) -> Paths:
        """Look up where everybody that touches anything has been."""
        rows = self._solid(self._bodies.rows())
        shapes = shapes_of(self._bodies.columns, self._filters, rows)
        return trace_paths(self._ring, rows, shapes, begin, tick)

    def _repair(self, group: Meetings, arrived: Ints, paths: Paths, tick: int) -> tuple[Ints, bool]:
        """Simulate again what some bodies have missed.

        Args:
            group: who has come together.
            arrived: int64[n], rows of those that have flown alone so far.
            paths: of all bodies.
            tick: the shard's.

        Returns:
            int64[m], rows of those that were put off their paths, and whether there was room for
            all that had to take part.
        """
        again = _Again(self._bodies, self._filters, self._limits, paths, group, arrived)
        begin, columns, space = int(group.since.min()), self._bodies.columns, self._beside
        told, tick_s = self._stages.told(begin), self._rules.tick_s

        def step(dt: float) -> None:
            # Once a tick, and before physics: what systems did to who was on its path.
            self._ring.leave(now + 1, steady.pop() if steady else NOBODY, columns)
            space.step(columns, dt)
            touches = space.touches()
            again.spread(touches)
            self._stages.note_touches(touches, told)

        now, steady, complete = begin, list[Ints](), again.let_in(begin, tick_s)
        self._come_to(again.here(begin - 1), begin)
        for now in range(begin, tick):
            complete &= again.free(now) & again.let_in(now, tick_s)
            here = again.here(now)
            self._ring.put_back(now, here, columns)
            astray = again.astray[here]
            steady = [here[~astray]]
            fresh = np.setdiff1d(here, space.rows)
            space.add(fresh, columns, shapes_of(columns, self._filters, fresh))
            space.place(columns)
            self._stages.fly_among(here, now + 1, self._ring.held(now + 1, here), step)
            self._ring.forget_leaving(now + 1, here[astray])
            moved = here[again.off[here]]
            again.astray[moved] = self._ring.replace(now + 1, columns, moved)
        self._ring.put_back(tick, space.rows, columns)
        off = np.sort(space.rows[again.off[space.rows]])
        self._space.remove(off)
        space.hand_over(off, self._space)
        space.clear()
        self.resimulated += len(off)
        return off, complete

    def _come_to(self, rows: Ints, tick: int) -> None:
        """Let bodies come to where they were after a tick: who is inside another there pushes it.

        Args:
            rows: int64[n], of those that were there before it; the first in the space.
            tick: it.

        Mutates:
            motion of the bodies.
        """
        columns, dt = self._bodies.columns, self._rules.tick_s / self._rules.substeps
        self._ring.put_back(tick, rows, columns)
        for place, speed in (("x", "vx"), ("y", "vy")):
            columns[place][rows] -= columns[speed][rows] * dt
        self._beside.add(rows, columns, shapes_of(columns, self._filters, rows))
        self._beside.step(columns, dt)


class _Again:
    """Who takes part in what is simulated once more.

    Attributes:
        off: bool[capacity], who is off its path.
        astray: bool[capacity], who of them is elsewhere than its path was, at the tick's begin.
    """

    def __init__(
        self,
        bodies: Bodies,
        filters: Filters,
        limits: Limits,
        paths: Paths,
        group: Meetings,
        arrived: Ints,
    ) -> None:
        self._bodies_max = limits.resimulated_bodies
        self._bodies = bodies
        self._ring = bodies.ring
        self._filters = filters
        self._paths = paths
        self._group = group
        self._rows = np.union1d(group.a, group.b)
        self.off: NDArray[np.bool_] = np.zeros(bodies.columns.capacity, np.bool_)
        self.astray = self.off.copy()
        self._new = self.off.copy()
        self._new[arrived] = True

    def here(self, tick: int) -> Ints:
        """Give those that were there after a tick, int64[n] rows, ascending."""
        return self._rows[self._ring.since[self._rows] <= tick]

    def spread(self, touches: Touches) -> None:
        """Take off their paths whom others have pushed that were not there, or not so."""
        sensor, kind = self._filters.sensor, self._bodies.columns["kind"]
        push = ~(sensor[kind[touches.a]] | sensor[kind[touches.b]])
        a, b = touches.a[push], touches.b[push]
        before = -1
        while (count := int(self.off.sum())) != before:
            before = count
            strange = self._new | self.off
            pushed = strange[a] | strange[b]
            self.off[a[pushed]] = self.off[b[pushed]] = True

    def free(self, tick: int) -> bool:
        """Take off their paths whom those touched in a tick who may not touch them now.

        Args:
            tick: after which it comes.

        Returns:
            Whether there was room for all.
        """
        edge, complete = self._strange(tick), True
        while len(edge := edge[~self._new[edge]]):
            touched = find_touched(self._paths, edge, tick)
            touched = touched[~self.off[touched] & ~self._new[touched]]
            edge = self._take_in(touched)
            complete &= len(edge) == len(touched)
            self.off[edge] = True
        return complete

    def let_in(self, tick: int, tick_s: float) -> bool:
        """Let in who can be reached in a tick, and who from there.

        Args:
            tick: after which it comes.
            tick_s: length of a tick in seconds.

        Returns:
            Whether there was room for all that one that is off its path can reach.
        """
        edge, complete = self._strange(tick), True
        for step in range(REACHES):
            near = self._find_near(edge, tick, tick_s) if len(edge) else edge
            edge = self._take_in(near)
            complete &= step > 0 or len(edge) == len(near)
        return complete

    def _strange(self, tick: int) -> Ints:
        """Give those that are off their paths, or meet somebody in the tick to come."""
        met = self._group.since == tick
        off = self._rows[self.off[self._rows]]
        return np.unique(np.concatenate([off, self._group.a[met], self._group.b[met]]))

    def _take_in(self, rows: Ints) -> Ints:
        """Let bodies take part, those that are not known first in the order given: as many as may.

        Returns:
            int64[n], those of them that do.
        """
        known = np.isin(rows, self._rows)
        room = self._bodies_max - len(self._rows)
        taken = np.concatenate([rows[known], rows[~known][:room]])
        self._rows = np.union1d(self._rows, taken)
        return taken

    def _find_near(self, edge: Ints, tick: int, tick_s: float) -> Ints:
        """Find the bodies that some can reach in a tick, the nearest first: int64[n] rows."""
        columns, ring = self._bodies.columns, self._ring
        others = np.setdiff1d(self._bodies.rows(), self._rows)
        others = others[self._filters.category[columns["kind"][others]] > 0]
        others = others[ring.since[others] <= tick]
        now, then, own = ring.motion(tick, others), ring.motion(tick + 1, others), columns["radius"]
        here = ring.motion(tick, self.here(tick))
        fastest = float(np.hypot(here.vx, here.vy).max(initial=0.0))
        at = ring.motion(tick, edge)
        reach = own[edge] + KICK * fastest * tick_s + REACH
        # The box first: 64 against all others would be 3 ms of 10,000.
        size, most = own[others], float(reach.max())
        inside = (np.maximum(now.x, then.x) + size >= at.x.min() - most) & (
            np.minimum(now.x, then.x) - size <= at.x.max() + most
        )
        inside &= (np.maximum(now.y, then.y) + size >= at.y.min() - most) & (
            np.minimum(now.y, then.y) - size <= at.y.max() + most
        )
        others, size = others[inside], size[inside]
        x, y = now.x[inside], now.y[inside]
        to_x, to_y = then.x[inside] - x, then.y[inside] - y
        off_x, off_y = at.x[:, None] - x, at.y[:, None] - y
        length = to_x * to_x + to_y * to_y
        along = np.clip((off_x * to_x + off_y * to_y) / np.where(length > 0, length, 1.0), 0, 1)
        apart = np.hypot(off_x - to_x * along, off_y - to_y * along) - size - reach[:, None]
        nearest = apart.min(axis=0, initial=np.inf)
        order = np.argsort(nearest, kind="stable")
        found: Ints = others[order[: int((nearest <= 0).sum())]]
        return found
