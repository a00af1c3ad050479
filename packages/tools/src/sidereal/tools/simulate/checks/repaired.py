"""Ticks that a shard has simulated again: what it says of them now is judged as what it flew then.

A body that is adopted may have missed contacts on its way from the row that it was given with. Then
its shard simulates the ticks since then again (`shard.handover.repairs`). What it knows of them
afterwards takes the place of what was flown, and the same questions are put to it:

* a path begins where the one before it has ended, or as the body was handed over;
* who touches nothing flies as its engines say; what systems would have done to it is left out;
* a contact has the outcome that a bare space gives it;
* so has one into which a body comes that is said to have flown alone: it was to be repaired.

A shard may leave as many bodies inside others as it says that came too late. That it may say of
none, but if somebody was inside another before all that it knows, or many have come at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from sidereal.protocol.limits import REPAIRED_TICKS_MAX
from sidereal.shard.limits import Limits as ShardLimits
from sidereal.tools.simulate.checks import physics
from sidereal.tools.simulate.checks.contacts import History
from sidereal.tools.simulate.flights import Again, Flight, blank_flight, with_again
from sidereal.tools.simulate.game import Laws

if TYPE_CHECKING:
    from sidereal.tools.simulate.checks.reference import Reference

ROUNDING: Final = 1e-6
"""World units, radians or their like per second that two ways to compute the same may differ."""


class _Near(NamedTuple):
    """How far some bodies are from all others in a tick.

    Attributes:
        net_id: int64[n], of the some.
        first: float64[n, m], world units between their middles when it begins; likewise `last`,
            when it ends.
        sums: float64[n, m], of their radii.
    """

    net_id: np.ndarray
    first: np.ndarray
    last: np.ndarray
    sums: np.ndarray


class Repaired:
    """Judges what shards have simulated again.

    Attributes:
        without: the history of contacts before the newest flight that was judged, but for ways of
            which it is not known whether those that touched on them were simulated again.
    """

    def __init__(self, reference: Reference, limits: ShardLimits) -> None:
        self._reference = reference
        self._limits = limits
        self.without: History = []
        self._late: dict[str, int] = {}
        # By core: up to which tick it knows nothing of bodies any more, and their keys.
        self._coasted: dict[str, tuple[int, np.ndarray]] = {}
        # By core and tick: ways that are not in the history of contacts.
        self._left: dict[str, dict[int, Again]] = {}

    def judge(
        self, flight: Flight, before: Flight | None, exercised: Counter[str], laws: Laws
    ) -> Iterator[str]:
        """Judge what a core knows of ticks gone by when it begins a new one.

        Args:
            flight: the new one.
            before: the one before it.
            exercised: counts what was judged.
            laws: how everything moves.
        """
        new = np.ones(len(flight.net_id), np.bool_)
        if before is not None:
            new = ~np.isin(flight.keys, before.keys)
            if before.tick < flight.tick - 1:
                self._coasted[flight.core] = flight.tick - 1, before.keys
        off = set[int]()
        for row in np.flatnonzero(new).tolist():
            net_id = int(flight.net_id[row])
            alone = self._fly_alone(flight, net_id, laws)
            if alone is None or physics.distance(alone, flight.before[[row]])[0] <= ROUNDING:
                yield from self._reference.judge_adoption(flight, row, flight.before[[row]], laws)
            else:
                off.add(net_id)
                yield from self._reference.judge_adoption(flight, row, alone, laws)
        flight = flight._replace(again=self._complete(flight, flight.net_id[new], laws))
        late = flight.late - self._late.get(flight.core, 0)
        self._late[flight.core] = flight.late
        if late and not self._may_be_late(flight, flight.net_id[new]):
            yield f"{late} are said to have been adopted too late, and were not"
            late = 0
        met = self._find_met(flight, flight.net_id[new], exercised)
        if len(met - off) > late:
            off |= met
        others = [np.setdiff1d(again.net_id, flight.net_id[new]) for again in flight.again]
        changed = np.unique(np.concatenate([np.array(sorted(off), np.int64), *others]))
        exercised["bodies simulated again judged"] += len(changed)
        for tick in flight.again:
            part = tick.of(changed)
            if len(part.net_id):
                self._recall(flight, part, laws)
                wrong = list(self._judge_tick(flight, part, exercised, laws))
                # Some contacts were left as they were: who else was in them, is not known.
                yield from () if late else wrong
        self.without = self._reference.contacts.history_of(flight.core)
        alone_ids = np.setdiff1d(flight.net_id[new], changed)
        if not self._try(flight, np.union1d(changed, alone_ids), laws):
            for net_id in alone_ids.tolist():
                if not self._try(flight, np.union1d(changed, [net_id]), laws):
                    self._leave(flight, net_id)

    def _known(self, flight: Flight, tick: int) -> np.ndarray:
        """Give the keys of those that are there, and of whom a core knows how they flew a tick."""
        until, there = self._coasted.get(flight.core, (-1, flight.keys))
        return flight.keys if tick > until else np.setdiff1d(flight.keys, there)

    def _leave(self, flight: Flight, net_id: int) -> None:
        """Remember on which way a body has come that was left inside others on it."""
        left = self._left.setdefault(flight.core, {})
        for again in flight.again:
            one = again.of(np.array([net_id]))
            left[again.tick] = left[again.tick].and_(one) if again.tick in left else one
        for tick in [tick for tick in left if tick < flight.tick - REPAIRED_TICKS_MAX - 1]:
            del left[tick]

    def _recall(self, flight: Flight, again: Again, laws: Laws) -> None:
        """Take in how bodies that go another way from now on have flown the tick before.

        Whom they are inside when it ends pushes them, though nobody knows how they came there.
        """
        reference, tick = self._reference, again.tick - 1
        way = self._left.get(flight.core, {}).get(tick)
        if way is None:
            return
        base = reference.contacts.flight_of(flight.core, tick) or blank_flight(flight, tick)
        wanted = again.net_id << 32 | again.epoch
        known = np.isin(way.net_id << 32 | way.epoch, np.setdiff1d(wanted, base.keys))
        if known.any():
            way = Again(tick, *(column[known] for column in way[1:]))
            radius = np.array([reference.bodies[id_].radius for id_ in way.net_id.tolist()])
            reference.contacts.find(with_again(base, way, radius), laws)

    def _complete(self, flight: Flight, new: np.ndarray, laws: Laws) -> tuple[Again, ...]:
        """Add the ways of rocks that have come, where their shard does not say that it knows them.

        They are straight; no further back than to when the core has flown every tick since.
        """
        ticks = {again.tick: again for again in flight.again}
        for back in range(1, REPAIRED_TICKS_MAX + 1):
            tick = flight.tick - back
            if self._reference.contacts.flight_of(flight.core, tick) is None:
                break
            known = ticks[tick].net_id if tick in ticks else new[:0]
            for net_id in np.setdiff1d(new, known).tolist():
                epoch = int(flight.epoch[flight.net_id == net_id][0])
                given = self._reference.given(net_id, epoch)
                if self._reference.bodies[net_id].flies or given is None or given.tick >= tick:
                    continue
                before, after = (
                    physics.coast(given.state[None, :], (at - given.tick) * laws.tick_s)
                    for at in (tick - 1, tick)
                )
                ids, epochs, nothing = np.array([net_id]), np.array([epoch]), np.zeros(1, np.uint64)
                one = Again(tick, ids, epochs, nothing, before, after, np.full((1, 6), np.nan))
                ticks[tick] = ticks[tick].and_(one) if tick in ticks else one
        return tuple(ticks[tick] for tick in sorted(ticks))

    def _try(self, flight: Flight, net_ids: np.ndarray, laws: Laws) -> bool:
        """Take in how bodies have flown alone, if that may be what came of their contacts.

        Whoever is inside another when it is handed over may have been simulated again, though it
        has not been pushed apart by then.
        """
        contacts = self._reference.contacts
        kept = contacts.history_of(flight.core)
        for again in flight.again:
            part = again.of(net_ids)
            if len(part.net_id) and any(self._judge_tick(flight, part, Counter(), laws)):
                contacts.put_back(flight.core, kept)
                return False
        return True

    def _fly_alone(self, flight: Flight, net_id: int, laws: Laws) -> np.ndarray | None:
        """Fly an adopted body up to its first tick as if nobody else were there.

        Returns:
            float64[1, 6], or None if it was not flown anywhere.
        """
        state = None
        for again in flight.again:
            at = np.flatnonzero(again.net_id == net_id)
            if len(at):
                state = again.before[at] if state is None else state
                state = self._reference.fly(net_id, state, int(again.buttons[at[0]]), laws)
        return state

    def _judge_tick(
        self, flight: Flight, again: Again, exercised: Counter[str], laws: Laws
    ) -> Iterator[str]:
        """Judge a tick gone by of those that went another way in it."""
        reference, contacts = self._reference, self._reference.contacts
        base = contacts.flight_of(flight.core, again.tick) or blank_flight(flight, again.tick)
        radius = np.array([reference.bodies[id_].radius for id_ in again.net_id.tolist()])
        now = with_again(base, again, radius)
        yield from self._judge_beginning(flight, again, laws)
        # Nobody was there who has left since: what they did to those that came another way is gone.
        core, tick = flight.core, again.tick
        contacts.part(core, tick - 1, again.net_id, self._known(flight, tick - 1))
        hit, mine = contacts.find(now, laws), np.isin(now.net_id, again.net_id)
        contacts.part(core, tick, again.net_id, self._known(flight, tick))
        reference.note_touched(now.net_id[hit & mine])
        alone = reference.fly_all(now, laws)
        exercised["steps simulated again judged"] += len(again.net_id)
        wrong = mine & ~hit & (physics.distance(now.after, alone) > ROUNDING)
        if wrong.any():
            ids = now.net_id[wrong].tolist()
            yield f"{ids} moved as nothing could move them, in tick {again.tick} simulated again"
        yield from contacts.judge(
            now, hit & mine, alone, exercised, laws, set(flight.keys.tolist())
        )

    def _judge_beginning(self, flight: Flight, again: Again, laws: Laws) -> Iterator[str]:
        """Each goes on from the last tick in which it was flown, or as it was handed over."""
        for at, net_id in enumerate(again.net_id.tolist()):
            epoch = int(again.epoch[at])
            flown = self._reference.contacts.last_flown(flight.core, again.tick, net_id, epoch)
            if flown is not None:
                # In ticks that its core has leaped over it moved in a straight line.
                then, after = flown
                wanted = physics.bounded(after, laws)
                wanted = physics.coast(wanted, (again.tick - 1 - then) * laws.tick_s)
            else:
                given = self._reference.given(net_id, epoch)
                if given is None:
                    continue
                ticks = again.tick - 1 - given.tick
                wanted = physics.coast(given.state[None, :], ticks * laws.tick_s)
                if self._reference.bodies[net_id].flies:
                    ways = self._reference.replays(net_id, given, ticks, flight.at, laws)
                    wanted = np.array([state for state, _ in ways])
            off = physics.distance(again.before[[at]], wanted)
            if len(off) and off.min() > ROUNDING:
                yield f"{net_id} began tick {again.tick} elsewhere when that was simulated again"

    def _may_be_late(self, flight: Flight, new: np.ndarray) -> bool:
        """Tell whether a shard may leave bodies inside others that are new to it.

        They were so before all that it knows of them, or it would have too much to do.
        """
        if len(new) * self._limits.resimulated_ticks > self._limits.resimulations:
            return True
        oldest = flight.tick - self._limits.resimulated_ticks
        ways = (self._near(flight, again, new) for again in flight.again if again.tick == oldest)
        return any(bool((way.first < way.sums).any()) for way in ways)

    def _find_met(self, flight: Flight, new: np.ndarray, exercised: Counter[str]) -> set[int]:
        """Find who of those that are new has come into another on its way, by ids."""
        met = set[int]()
        for again in flight.again:
            way = self._near(flight, again, new)
            into = (way.first >= way.sums) & (way.last < way.sums)
            exercised["ways to a new owner judged"] += len(into)
            met |= set(way.net_id[into.any(axis=1)].tolist())
        return met

    def _near(self, flight: Flight, again: Again, new: np.ndarray) -> _Near:
        """Tell how far those that are new are from all others in a tick gone by."""
        mine = np.isin(again.net_id, new)
        ids, before, after = again.net_id, again.before, again.after
        base = self._reference.contacts.flight_of(flight.core, again.tick)
        if base is not None:
            stays = np.isin(base.keys, self._known(flight, again.tick))
            stays &= ~np.isin(base.net_id, ids)
            ids = np.concatenate([ids, base.net_id[stays]])
            before = np.concatenate([before, base.before[stays]])
            after = np.concatenate([after, base.after[stays]])
        radius = np.array([self._reference.bodies[id_].radius for id_ in ids.tolist()])
        sums = radius[: len(mine)][mine, None] + radius
        first, last = (
            np.hypot(*(s[: len(mine)][mine, None, :2] - s[:, :2]).transpose(2, 0, 1))
            for s in (before, after)
        )
        themselves = again.net_id[mine, None] == ids
        first[themselves] = last[themselves] = np.inf
        return _Near(again.net_id[mine], first, last, sums)
