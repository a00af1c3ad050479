"""Contacts that formed before a body came: the ticks since then are simulated once more.

Theory of operation. A body that is adopted was flown alone from the tick of its row on
(`adoption`); so was what it has spawned on this way. Meanwhile it may have come together with
bodies whose paths the ring knows. Then these ticks are simulated again, from the last one after
which they were apart, in a space beside the one that goes on: with the controls that were held,
from where everybody was. What comes of it is where they are now, how they move, and where they have
been. The rows of these ticks that the authority has of a former owner are of an older epoch; those
that this shard has proposed are followed by new ones.

A body is on its path until it touches one that has arrived, or one that is off its path, or until
one that is off its path now had touched it. After each tick it is put back there. So whoever a body
off its path comes near has to be let in, tick by tick, and nobody else; and what systems did to the
others is kept, as what they did to a body that has come to be where its path was. One that is
elsewhere is moved by models and physics: what systems would have done to it is left out.

All that came together before somebody came is simulated again at once: one contact may lead to
another one.

What models spawn and write beside motion has come about once, and does not again. Contacts that
have come about go to the game in the tick to come, but for pairs of which it was told since the
tick that is begun with.

How many bodies take part in one contact, and how many ticks there are for all, has limits. What is
beyond goes on from where it has flown alone, and is pushed apart from there. So do two that were
inside each other before all that is known of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.game.touching import Filters
from sidereal.protocol.rules import Rules
from sidereal.shard.bodies import Bodies, shapes_of
from sidereal.shard.contacts import Touches
from sidereal.shard.handover.meetings import (
    Meetings,
    Paths,
    find_meetings,
    groups_of,
    trace_paths,
)
from sidereal.shard.limits import Limits
from sidereal.shard.lives import NOBODY
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
        self._adopted = self._born = NOBODY

    def expect_adopted(self, rows: Ints) -> None:
        """Note bodies that have just been adopted."""
        self._adopted = np.union1d(self._adopted, self._bodies.columns.net_id[rows])

    def expect_born(self, rows: Ints) -> None:
        """Note bodies that adopted ones have spawned in ticks gone by."""
        self._born = np.union1d(self._born, self._bodies.columns.net_id[rows])

    def run(self, tick: int) -> Ints:
        """Repair what those have missed that were noted since the last time.

        Args:
            tick: the shard's, that all bodies are at.

        Mutates:
            motion of the bodies, their ring and their space.

        Returns:
            int64[n], rows of all in the space that touched, in the last tick, who goes another way.
        """
        if not len(self._adopted) + len(self._born):
            return NOBODY
        adopted, born = self._take(self._adopted), self._take(self._born)
        self._adopted = self._born = NOBODY
        arrived = np.union1d(adopted, born)
        begin = int(self._ring.first(arrived, tick).min(initial=tick))
        if begin == tick:
            return NOBODY
        paths = self._trace(self._solid(self._bodies.rows()), begin, tick)
        meetings = find_meetings(paths, arrived, self._ring.since[paths.rows])
        left_out = [meetings.of(meetings.late).members]
        chosen, left = list[Meetings](), self._limits.resimulations
        for group in groups_of(meetings.of(~meetings.late)):
            ticks, members = tick - int(group.since.min()), group.members
            if ticks > left or len(members) > self._limits.resimulated_bodies:
                left_out.append(members)
            else:
                left -= ticks
                chosen.append(group)
        touched, off = self._space.pairs, NOBODY
        if chosen:
            off, lacking = self._repair(chosen, arrived, tick)
            left_out += lacking
        self.late += len(np.intersect1d(arrived, np.concatenate(left_out)))
        return np.unique(touched[:, np.isin(touched, off).any(axis=0)])

    def _take(self, ids: Ints) -> Ints:
        """Find those of some that are still here, and touch anything at all: int64[n] rows."""
        rows = self._bodies.rows_of(ids)
        return self._solid(np.unique(rows[rows >= 0]))

    def _solid(self, rows: Ints) -> Ints:
        """Keep those that touch anything at all."""
        solid: Ints = rows[self._filters.category[self._bodies.columns["kind"][rows]] > 0]
        return solid

    def _trace(self, rows: Ints, begin: int, tick: int) -> Paths:
        """Look up where bodies have been."""
        shapes = shapes_of(self._bodies.columns, self._filters, rows)
        return trace_paths(self._ring, rows, shapes, begin, tick)

    def _repair(self, groups: list[Meetings], arrived: Ints, tick: int) -> tuple[Ints, list[Ints]]:
        """Simulate again what some bodies have missed.

        Args:
            groups: those who have come together, each with all who are connected.
            arrived: int64[n], rows of those that have flown alone so far.
            tick: the shard's.

        Returns:
            int64[k], rows of all that go another way now; and int64[m] each, rows of the groups in
            which there was no room for all that had to take part.
        """
        again = _Again(self._bodies, self._filters, self._limits, groups, arrived)
        begin, columns, space = again.begin, self._bodies.columns, self._beside
        told, tick_s = self._stages.told(begin), self._rules.tick_s

        def step(dt: float) -> None:
            # Once a tick, and before physics: what systems did to who was on its path.
            self._ring.leave(now + 1, steady.pop() if steady else NOBODY, columns)
            space.step(columns, dt)
            touches = space.touches()
            pairs.append(space.pairs)
            self._stages.note_touches(touches.where(again.spread(touches)), told)

        now, strayed, steady, pairs = begin, NOBODY, list[Ints](), list[Ints]()
        for now in range(begin, tick):
            again.free(now)
            again.let_in(now, tick_s)
            here = again.here(now)
            fresh = np.setdiff1d(here, space.rows)
            if now == begin or self._push_on(np.union1d(fresh, strayed), here, now):
                self._come_to(again.here(now - 1), now)
            else:
                # They come anew: the space would go on pushing them from where they were in it.
                space.remove(strayed)
            self._ring.put_back(now, here, columns)
            astray = again.astray[here]
            steady = [here[~astray]]
            fresh = np.setdiff1d(here, space.rows)
            space.add(fresh, columns, shapes_of(columns, self._filters, fresh))
            space.place(columns)
            self._stages.fly_among(here, now + 1, self._ring.held(now + 1, here), step)
            # Who has been pushed in this tick may not have touched in it whom it did.
            again.free(now)
            on = here[~again.off[here]]
            elsewhere = on[self._ring.differs(now + 1, columns, on)]
            pushed = np.intersect1d(on, self._ring.strangers(now + 1, space.pairs))
            strayed = np.union1d(elsewhere, pushed)
            self._ring.forget_leaving(now + 1, here[astray])
            moved = here[again.off[here]]
            again.astray[moved] = self._ring.replace(now + 1, columns, moved)
            self._ring.replace_pairs(now + 1, np.concatenate(pairs, axis=1), again.off)
            pairs.clear()
        self._ring.put_back(tick, space.rows, columns)
        off = np.sort(space.rows[again.off[space.rows]])
        self._space.remove(off)
        space.hand_over(off, self._space)
        space.clear()
        self.resimulated += len(off)
        lacking = [one.members for one, lacks in zip(groups, again.lacks, strict=True) if lacks]
        return off, lacking

    def _push_on(self, fresh: Ints, here: Ints, tick: int) -> bool:
        """Tell whether some touched others after a tick, of which the space knows nothing.

        They are pushed on.

        Args:
            fresh: int64[n], rows of those that are let in, or were not where the space had them.
            here: int64[m], rows of all that take part.
            tick: it.
        """
        return len(fresh) > 0 and bool(np.isin(self._ring.touched(tick, fresh), here).any())

    def _come_to(self, rows: Ints, tick: int) -> None:
        """Let bodies come to where they were after a tick: who is inside another there pushes it.

        A space knows how far they are still to be pushed apart only of those that were in it, and
        were there where they touched. So all come anew whenever somebody is let in who touched one
        of them, or somebody on its path was elsewhere in the space: who pushed it was not in that.

        Args:
            rows: int64[n], of all that take part and were there before it.
            tick: it.

        Mutates:
            motion of the bodies.
        """
        columns, dt = self._bodies.columns, self._rules.tick_s / self._rules.substeps
        self._ring.put_back(tick, rows, columns)
        for place, speed in (("x", "vx"), ("y", "vy")):
            columns[place][rows] -= columns[speed][rows] * dt
        self._beside.clear()
        self._beside.add(rows, columns, shapes_of(columns, self._filters, rows))
        self._beside.step(columns, dt)


class _Again:
    """Who takes part in what is simulated once more.

    Attributes:
        begin: the tick after which it begins.
        off: bool[capacity], who is off its path.
        astray: bool[capacity], who of them is elsewhere than its path was, at the tick's begin.
        lacks: of each group, whether there was no room for all that had to take part.
    """

    def __init__(
        self,
        bodies: Bodies,
        filters: Filters,
        limits: Limits,
        groups: list[Meetings],
        arrived: Ints,
    ) -> None:
        self.begin = min(int(group.since.min()) for group in groups)
        self.lacks = [False] * len(groups)
        self._bodies_max = limits.resimulated_bodies
        self._bodies = bodies
        self._ring = bodies.ring
        self._filters = filters
        self._sensor = filters.sensor[bodies.columns["kind"]]
        self._meetings = Meetings(*map(np.concatenate, zip(*groups, strict=True)))
        # By row, in whose group each takes part.
        self._group: Ints = np.full(bodies.columns.capacity, -1)
        for number, group in enumerate(groups):
            self._group[group.members] = number
        self._rows = np.flatnonzero(self._group >= 0)
        self.off: NDArray[np.bool_] = np.zeros(bodies.columns.capacity, np.bool_)
        self.astray, self._own, self._new = (self.off.copy() for _ in range(3))
        self._own[bodies.rows()] = True
        self._new[np.intersect1d(arrived, self._rows)] = True

    def here(self, tick: int) -> Ints:
        """Give those that were there after a tick, int64[n] rows, ascending."""
        return self._rows[self._ring.since[self._rows] <= tick]

    def spread(self, touches: Touches) -> NDArray[np.bool_]:
        """Take off their paths whom others have pushed that were not there, or not so.

        Returns:
            bool[n], which of the touches are such.
        """
        push = ~(self._sensor[touches.a] | self._sensor[touches.b])
        a, b = touches.a[push], touches.b[push]
        before = -1
        while (count := int(self.off.sum())) != before:
            before = count
            strange = self._new | self.off
            pushed = strange[a] | strange[b]
            self.off[a[pushed]] = self.off[b[pushed]] = True
        return np.asarray(strange[touches.a] | strange[touches.b])

    def free(self, tick: int) -> None:
        """Take off their paths whom those touched in a tick who may not touch them now.

        Before the tick is simulated again those take part in it that this finds.


        Args:
            tick: after which it comes.
        """
        for number, edge in self._strange(tick):
            while len(edge := edge[~self._new[edge] & ~self._sensor[edge]]):
                touched = self._ring.touched(tick + 1, edge)
                # Who has left meanwhile has left its row.
                known = self.off[touched] | self._new[touched] | self._sensor[touched]
                touched = touched[self._own[touched] & ~known]
                edge = self._take_in(number, touched)
                self.lacks[number] |= len(edge) < len(touched)
                self.off[edge] = True

    def let_in(self, tick: int, tick_s: float) -> None:
        """Let in who can be reached in a tick, and who from there.

        Args:
            tick: after which it comes.
            tick_s: length of a tick in seconds.
        """
        for number, edge in self._strange(tick):
            for step in range(REACHES):
                near = self._find_near(number, edge, tick, tick_s) if len(edge) else edge
                edge = self._take_in(number, near)
                self.lacks[number] |= step == 0 and len(edge) < len(near)

    def _strange(self, tick: int) -> list[tuple[int, Ints]]:
        """Give those that are off their paths, or meet somebody in the tick to come, by groups."""
        meets = self._meetings.of(self._meetings.since == tick)
        strange = np.union1d(self._rows[self.off[self._rows]], meets.members)
        number = self._group[strange]
        return [(each, strange[number == each]) for each in np.unique(number).tolist()]

    def _take_in(self, number: int, rows: Ints) -> Ints:
        """Let bodies take part, those that are not known first in the order given: as many as may.

        Returns:
            int64[n], those of them that do.
        """
        known = self._group[rows] >= 0
        room = self._bodies_max - int((self._group[self._rows] == number).sum())
        fresh = rows[~known][: max(0, room)]
        self._group[fresh] = number
        self._rows = np.union1d(self._rows, fresh)
        return np.concatenate([rows[known], fresh])

    def _find_near(self, number: int, edge: Ints, tick: int, tick_s: float) -> Ints:
        """Find the bodies that some of a group can reach in a tick, the nearest first: int64[n]."""
        columns, ring = self._bodies.columns, self._ring
        others = self._bodies.rows()
        others = others[self._group[others] < 0]
        others = others[self._filters.category[columns["kind"][others]] > 0]
        others = others[ring.since[others] <= tick]
        (now_x, now_y), (then_x, then_y) = ring.places(tick, others), ring.places(tick + 1, others)
        mine = self.here(tick)
        here = ring.motion(tick, mine[self._group[mine] == number])
        fastest = float(np.hypot(here.vx, here.vy).max(initial=0.0))
        at = ring.motion(tick, edge)
        reach = columns["radius"][edge] + KICK * fastest * tick_s + REACH
        # The box first: 64 against all others would be 3 ms of 10,000.
        size, most = columns["radius"][others], float(reach.max())
        inside = (np.maximum(now_x, then_x) + size >= at.x.min() - most) & (
            np.minimum(now_x, then_x) - size <= at.x.max() + most
        )
        inside &= (np.maximum(now_y, then_y) + size >= at.y.min() - most) & (
            np.minimum(now_y, then_y) - size <= at.y.max() + most
        )
        others, size = others[inside], size[inside]
        x, y = now_x[inside], now_y[inside]
        to_x, to_y = then_x[inside] - x, then_y[inside] - y
        off_x, off_y = at.x[:, None] - x, at.y[:, None] - y
        length = to_x * to_x + to_y * to_y
        along = np.clip((off_x * to_x + off_y * to_y) / np.where(length > 0, length, 1.0), 0, 1)
        apart = np.hypot(off_x - to_x * along, off_y - to_y * along) - size - reach[:, None]
        nearest = apart.min(axis=0, initial=np.inf)
        order = np.argsort(nearest, kind="stable")
        found: Ints = others[order[: int((nearest <= 0).sum())]]
        return found
