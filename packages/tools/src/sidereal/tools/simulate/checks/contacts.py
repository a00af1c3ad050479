"""Bodies that touch, judged alone: what a bare space makes of them, and what was flown.

Theory of operation. What a contact does follows from the bodies in it, how they come together, and
what the physics library remembers of a contact that lasts: the impulses of the step before, and how
far it still has to push bodies apart. So a contact is played again from its beginning: from the
first tick before which none of the bodies that are in it touched anything, in a space that holds
these bodies alone, each tick from the states that were flown. Who touched one of them on the way is
played along. What a body that was just adopted had before is forgotten with its former owner's
space, there and here.

Two that touch have one outcome. Where three or more do, the library's few passes take the pairs in
an order that follows from all that is in the space, and from where it has been; then what was flown
must be what comes of one of the orders. A bare space gets them from the order in which the bodies
come into it: all that there are for three bodies, and for more that close no ring. The order may
also change from one step to the next, which a bare space can't repeat: then every body must end
between what comes of the orders, or not further beyond than these are apart.

Whatever the order, what touched keeps its momentum together, but for its engines.

A shadow is a body that is put where its owner has it before every tick. What becomes of it counts
for nobody, so momentum is kept only together with what its owner makes of the same contact. When
the body itself comes, what it has met since its row is simulated again, without shadows. So in one
contact there is never a body and the shadow that it was.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import islice, permutations
from typing import Final, NamedTuple

import numpy as np

from sidereal.tools.simulate.checks import physics
from sidereal.tools.simulate.checks.physics import BareSpace, Body
from sidereal.tools.simulate.flights import Flight
from sidereal.tools.simulate.game import Laws

OUTCOME_OFF_MAX: Final = 0.01
"""Share of the momentum and energy exchanged that a contact's outcome may be off."""

AT_REST: Final = 1e-3
"""Units/s below which speeds are not told apart."""

MOMENTUM_ROUNDING: Final = 1e-9
"""Share of all momentum that there is, by which the sum may be off."""

POSITION_OFF_MAX: Final = 1e-3
"""World units that a body may be off where it was pushed to."""

ORDERS_MAX: Final = 120
"""Orders that are tried: all of up to five bodies, and as many drawn ones of more."""

REPLAYED_TICKS_MAX: Final = 40
"""Ticks for which flights are kept: a contact that lasts longer is played from there."""

SHADOW_PUSHED: Final = 4.0
"""World units that a shadow may be off the way that it would fly alone: physics still pushes it out
of whom it was inside in the tick before."""

Key = tuple[int, int]
"""Network id and epoch: who changes hands is another body."""


class _Flown(NamedTuple):
    """A flight, and who touched whom after it: bool[n + k, n + k], shadows behind all others."""

    flight: Flight
    touching: np.ndarray
    keys: list[Key]

    @property
    def shadows(self) -> list[Key]:
        """Those of them that others simulate."""
        return self.keys[len(self.flight.net_id) :]

    def present(self, some: set[Key]) -> set[Key]:
        """Give those of some that are there; no shadow of a body that is one of them itself."""
        own = some.intersection(self.keys[: len(self.flight.net_id)])
        ids = {net_id for net_id, _ in own}
        return own | {key for key in some.intersection(self.shadows) if key[0] not in ids}

    def states_of(self, rows: list[int]) -> np.ndarray:
        """Give states when the tick begins, float64[m, 6]."""
        flight = self.flight
        return np.concatenate([flight.before, flight.shadows.before])[rows]


History = list[_Flown]
"""Flights of a core, the oldest first."""


class Contacts:
    """Everything that touches in the spaces of all shards."""

    def __init__(self, bodies: dict[int, Body]) -> None:
        """Begin with nothing flown.

        Args:
            bodies: by network id, filled in as they are met.
        """
        self._bodies = bodies
        self._flown: dict[str, History] = {}

    def flight_of(self, core: str, tick: int) -> Flight | None:
        """Give what a core flew in a tick, as far as that is kept."""
        flown = (each.flight for each in self._flown.get(core, ()) if each.flight.tick == tick)
        return next(flown, None)

    def last_flown(
        self, core: str, before: int, net_id: int, epoch: int
    ) -> tuple[int, np.ndarray] | None:
        """Give the last tick before one in which a core flew a body, as far as that is kept.

        Returns:
            it, and float64[1, 6], where the body was after it.
        """
        for flight, _, _ in reversed(self._flown.get(core, ())):
            row = flight.row_of(net_id, epoch) if flight.tick < before else None
            if row is not None:
                return flight.tick, flight.after[[row]]
        return None

    def history_of(self, core: str) -> History:
        """Give what is kept of a core, to be put back."""
        return self._flown.get(core, [])

    def put_back(self, core: str, history: History) -> None:
        """Forget what was taken in since a history was given."""
        self._flown[core] = history

    def find(self, flight: Flight, laws: Laws) -> np.ndarray:
        """Take in a flight, and tell who was in a contact, or had been a tick before: bool[n].

        One of the same tick is forgotten.
        """
        ids = np.concatenate([flight.net_id, flight.shadows.net_id])
        epochs = np.concatenate([flight.epoch, flight.shadows.epoch])
        after = np.concatenate([flight.after, self._fly_shadows(flight, laws)])
        radius = np.array([self._bodies[id_].radius for id_ in ids.tolist()])
        x, y = after[:, 0], after[:, 1]
        apart = np.hypot(x[:, None] - x, y[:, None] - y)
        reach = np.where(np.arange(len(ids)) < len(flight.net_id), 0.0, SHADOW_PUSHED)
        touching: np.ndarray = apart < radius[:, None] + radius + np.maximum(reach[:, None], reach)
        np.fill_diagonal(touching, False)
        keys = list(zip(ids.tolist(), epochs.tolist(), strict=True))
        flown = self._flown.get(flight.core, [])
        older = [each for each in flown if each.flight.tick < flight.tick]
        newer = [each for each in flown if each.flight.tick > flight.tick]
        before = set[Key]()
        if older:
            hit = older[-1].touching.any(axis=1)
            before = {older[-1].keys[row] for row in np.flatnonzero(hit).tolist()}
        now = [*older, _Flown(flight, touching, keys), *newer]
        self._flown[flight.core] = now[-REPLAYED_TICKS_MAX:]
        met = touching.any(axis=1) | np.array([key in before for key in keys], np.bool_)
        return np.asarray(met)[: len(flight.net_id)]

    def _fly_shadows(self, flight: Flight, laws: Laws) -> np.ndarray:
        """Fly shadows for a tick, touching nothing: float64[k, 6]; physics moves first."""
        states = physics.coast(flight.shadows.before, laws.tick_s)
        for row, net_id in enumerate(flight.shadows.net_id.tolist()):  # few, in crowds
            if self._bodies[net_id].flies:
                before = physics.state_of(flight.shadows.before[row])
                states[row] = physics.fly(before, int(flight.shadows.buttons[row]), laws)
        return states

    def part(self, core: str, tick: int, net_ids: np.ndarray, here: np.ndarray) -> None:
        """Forget whom some bodies touched in a tick that was simulated again without these.

        They are those that have left since, and all shadows. Whom the some touched in it was
        simulated again as well.

        Args:
            core: of the flight.
            tick: of the flight.
            net_ids: int64[n], of the some.
            here: int64[m], keys of all that are there.
        """
        history = self._flown.get(core, [])
        for at, (flight, touching, keys) in enumerate(history):
            if flight.tick == tick:
                count, apart = len(flight.net_id), np.zeros_like(touching)
                some, left = np.isin(flight.net_id, net_ids), ~np.isin(flight.keys, here)
                apart[:count, :count] = np.outer(some, left)
                known = touching[:count, :count] & ~(apart | apart.T)[:count, :count]
                apart[:count, count:] = _spread(some, known)[:, None]
                fresh = _Flown(flight, touching & ~(apart | apart.T), keys)
                self._flown[core] = [*history[:at], fresh, *history[at + 1 :]]
                return

    def judge(
        self,
        flight: Flight,
        found: np.ndarray,
        free: np.ndarray,
        exercised: Counter[str],
        laws: Laws,
        known: set[int] | None = None,
    ) -> Iterator[str]:
        """Judge all contacts of a flight of a core, by those before it.

        Args:
            flight: it.
            found: bool[n], what `find` said.
            free: float64[n, 6], how all of them would have flown alone.
            exercised: counts what was judged.
            laws: how everything moves.
            known: keys of those that took part when this was simulated again, if it was: contacts
                with others, who have left since, are passed over.
        """
        keys = zip(flight.net_id.tolist(), flight.epoch.tolist(), strict=True)
        left = {key for key, hit in zip(keys, found, strict=True) if hit}
        while left:
            window = self._window({min(left)}, flight)
            involved = set.union(*(keys for _, keys in window))
            left -= involved
            if known is not None and not known.issuperset(id_ << 32 | e for id_, e in involved):
                continue
            yield from self._judge(window, free, exercised, laws)

    def _window(self, keys: set[Key], flight: Flight) -> list[tuple[_Flown, set[Key]]]:
        """Find the flights in which a contact has lasted, and who was in it, the oldest first."""
        flown = self._flown[flight.core]
        history = [each for each in flown if each.flight.tick <= flight.tick]
        count = 1
        while True:
            window = list(islice(reversed(history), count))
            closed = set(keys)
            for each in window:
                closed |= _closure(closed, each)
            older = history[-1 - count] if count < len(history) else None
            if closed == keys and (older is None or not _touches(closed, older)):
                return [(each, each.present(closed)) for each in reversed(window)]
            if closed == keys:
                count += 1
            keys = closed

    def _judge(
        self,
        window: list[tuple[_Flown, set[Key]]],
        free: np.ndarray,
        exercised: Counter[str],
        laws: Laws,
    ) -> Iterator[str]:
        newest, keys = window[-1]
        flight = newest.flight
        own = newest.keys[: len(flight.net_id)]
        rows = [row for row, key in enumerate(own) if key in keys]
        here = [newest.keys[row] for row in rows]
        # The order of those that are there no more counted as long as they were.
        everybody = [*sorted(set.union(*(keys for _, keys in window)).difference(here)), *here]
        crowd = len(everybody) > 2
        exercised["contacts judged"] += 1
        exercised["contacts of three or more judged"] += crowd
        exercised["contacts that lasted judged"] += len(window) > 1
        seen = any(not keys.isdisjoint(flown.shadows) for flown, keys in window)
        exercised["contacts with shadows judged"] += seen
        if not seen:
            yield from self._judge_momentum(flight, rows, free)
        reasons, outcomes = [], []
        for order in _orders(everybody):
            states = self._replay(window, order, laws)
            outcomes.append(np.array([states[key] for key in here]))
            reasons.append(self._compare(flight, rows, outcomes[-1], free))
            if not reasons[-1]:
                return
        if crowd and _is_among(flight.after[rows], np.array(outcomes)):
            exercised["contacts of three or more in changing orders"] += 1
            return
        yield f"{flight.net_id[rows].tolist()} met: {reasons[0]}"

    def _replay(
        self, window: list[tuple[_Flown, set[Key]]], order: Sequence[Key], laws: Laws
    ) -> dict[Key, np.ndarray]:
        """Play a contact in a space of its own, into which the bodies come in an order.

        Returns:
            float64[6] by body, the states of those that are there to the end.
        """
        space = BareSpace(laws)
        space.expect({key: self._bodies[key[0]] for key in order})
        for flown, keys in window:
            rows = {key: row for row, key in enumerate(flown.keys) if key in keys}
            there = [key for key in order if key in rows]
            at = [rows[key] for key in there]
            flight, shadows = flown.flight, flown.flight.shadows
            bodies: dict[Hashable, Body] = {key: self._bodies[key[0]] for key in there}
            space.place(bodies, flown.states_of(at))
            buttons = np.concatenate([flight.buttons, flight.shadows.buttons])[at]
            # Systems do not turn shadows back at the edge.
            skipped = np.pad(flight.skipped, (0, len(shadows.net_id)), constant_values=True)[at]
            states = space.step(buttons.tolist(), skipped.tolist())
        return dict(zip(there, states, strict=True))

    def _judge_momentum(self, flight: Flight, rows: list[int], free: np.ndarray) -> Iterator[str]:
        """What touches keeps its momentum together."""
        mass = np.array([self._bodies[id_].mass for id_ in flight.net_id[rows].tolist()])
        change = mass[:, None] * (flight.after[rows] - free[rows])[:, 2:4]
        there = float((mass[:, None] * np.abs(free[rows])[:, 2:4]).sum()) + float(mass.sum())
        off = float(np.abs(change.sum(axis=0)).max())
        if off > MOMENTUM_ROUNDING * there:
            names = flight.net_id[rows].tolist()
            yield f"{names} met: together they have {off:.2g} more or less momentum than before"

    def _compare(
        self, flight: Flight, rows: list[int], wanted: np.ndarray, free: np.ndarray
    ) -> str:
        """Say what is wrong with an outcome; nothing if it is as wanted."""
        mass = np.array([self._bodies[id_].mass for id_ in flight.net_id[rows].tolist()])
        found, alone = flight.after[rows], free[rows]
        push = mass * np.hypot(*(wanted - alone)[:, 2:4].T)
        off = mass * np.hypot(*(found - wanted)[:, 2:4].T)
        scale = max(float(push.max()), AT_REST * float(mass.max()))
        if (off > OUTCOME_OFF_MAX * scale).any():
            return f"momentum is off by {off.max() / scale:.0%}"
        energy = [
            float(0.5 * (mass * (s[:, 2] ** 2 + s[:, 3] ** 2)).sum()) for s in (found, wanted)
        ]
        least = 0.5 * AT_REST**2 * float(mass.max())
        if abs(energy[0] - energy[1]) > OUTCOME_OFF_MAX * max(*energy, least):
            return f"energy is {energy[0]:.2f}, not {energy[1]:.2f}"
        apart = np.hypot(*(found - wanted)[:, :2].T).max()
        if apart > POSITION_OFF_MAX:
            return f"they are off by {apart:.3f} units"
        return ""


def _orders(everybody: list[Key]) -> Iterator[Sequence[Key]]:
    """Give the orders to be tried: all that there are, or some of every sort of too many."""
    if math.factorial(len(everybody)) <= ORDERS_MAX:
        yield from permutations(everybody)
        return
    rng = np.random.default_rng(len(everybody))
    yield everybody
    for _ in range(ORDERS_MAX - 1):
        yield [everybody[at] for at in rng.permutation(len(everybody))]


def _is_among(found: np.ndarray, outcomes: np.ndarray) -> bool:
    """Tell whether bodies ended between what comes of several orders, or little beyond.

    Args:
        found: float64[n, 6], where they ended.
        outcomes: float64[orders, n, 6], in the same order of bodies.
    """
    low, high = outcomes.min(axis=0)[:, :4], outcomes.max(axis=0)[:, :4]
    beyond = np.maximum(low - found[:, :4], found[:, :4] - high)
    apart = (high - low).max(axis=0)
    return bool((beyond <= np.maximum(apart, POSITION_OFF_MAX)).all())


def _closure(keys: set[Key], flown: _Flown) -> set[Key]:
    """Add whom these touched after a flight, and whom those touched."""
    row_of = {key: row for row, key in enumerate(flown.keys)}
    reached, edge = set[int](), {row_of[key] for key in keys if key in row_of}
    while edge:
        reached |= edge
        edge = {int(b) for a in edge for b in np.flatnonzero(flown.touching[a])} - reached
    return {flown.keys[row] for row in reached}


def _spread(some: np.ndarray, touching: np.ndarray) -> np.ndarray:
    """Add whom some touch, and whom those touch: bool[n]."""
    before = 0
    while (count := int(some.sum())) != before:
        before, some = count, some | touching[some].any(axis=0)
    return some


def _touches(keys: set[Key], flown: _Flown) -> bool:
    """Tell whether one of these touched anything after a flight."""
    rows = [row for row, key in enumerate(flown.keys) if key in keys]
    return bool(flown.touching[rows].any())
