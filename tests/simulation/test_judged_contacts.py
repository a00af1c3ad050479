"""What the checker of contacts expects of bodies that come, leave, and are simulated again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Final

import numpy as np
import pytest

from sidereal.tools.simulate.checks import physics
from sidereal.tools.simulate.checks.contacts import Contacts
from sidereal.tools.simulate.checks.physics import BareSpace, Body
from sidereal.tools.simulate.checks.reference import Reference
from sidereal.tools.simulate.checks.repaired import Repaired
from sidereal.tools.simulate.checks.replays import Given
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.flights import (
    NONE_SEEN,
    Again,
    Flight,
    Seen,
    blank_flight,
    with_again,
)
from sidereal.tools.simulate.game import Laws

LAWS: Final = Laws(tick_s=0.125, substeps=1, speed_max=1000.0, belt=None)
BODIES: Final = {7: Body(5.0, 1.0, False), 8: Body(2.0, 1.0, False)}
NAMED: Final[dict[Hashable, Body]] = dict(BODIES.items())
IDS: Final = np.array([7, 8])


def flight(
    tick: int, epoch: int, before: np.ndarray, after: np.ndarray, shadows: Seen = NONE_SEEN
) -> Flight:
    """Make the flight of both, the second one under an epoch."""
    ones, records = np.array([1, epoch]), np.zeros(2, np.uint64)
    radius = np.array([body.radius for body in BODIES.values()])
    nothing, stored = np.zeros(2, np.int64), np.zeros((2, 3))
    return Flight(
        *("core", 0.0, 0.0, tick, IDS, ones, radius, nothing, nothing, records, before, after),
        *(stored, stored, np.zeros((2, 2), np.int64), np.empty(0, np.int64), (), 0),
        np.zeros(2, np.bool_),
        shadows,
    )


def fly(ticks: int, state: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Simulate both in a new space, tick by tick: states before and after each."""
    space = BareSpace(LAWS)
    space.expect(NAMED)
    for _ in range(ticks):
        space.place(NAMED, state)
        before, state = state, space.step([0, 0], [False, False])
        yield before, state


@pytest.mark.parametrize("parts", [True, False])
def test_who_is_simulated_again_is_not_pushed_by_who_has_left(parts: bool) -> None:
    # The second is in the first, and is taken from the shard and given back with its row.
    start = np.array([[0.0, 0.0, 0, 0, 0, 0], [4.0, 2.0, -2.0, -0.5, 0, 0]])
    ((before, after),) = fly(1, start)
    contacts = Contacts(BODIES)
    contacts.find(flight(16, 1, before, after), LAWS)
    again, last = (flight(17 + at, 2, *states) for at, states in enumerate(fly(2, after)))
    if parts:
        contacts.part("core", 16, IDS, again.keys)
    contacts.find(again, LAWS)
    hit = contacts.find(last, LAWS)
    alone = physics.coast(last.before, LAWS.tick_s)
    wrong = list(contacts.judge(last, hit, alone, Counter(), LAWS))
    assert hit.all()
    assert bool(wrong) is not parts


class Turned(Reference):
    """Knows both bodies, which moved the other way when they were handed over."""

    def given(self, net_id: int, epoch: int) -> Given:
        """Give the row of any of them."""
        return Given(0, np.array([0.0, 0.0, 8.0, 0, 0, 0]), 0, 0)


@pytest.mark.parametrize("off", [0.0, 0.5])
def test_who_was_leaped_over_goes_on_from_where_it_was_flown(off: float) -> None:
    # Tick 13 was never flown. Tick 14 is simulated again: the first begins it where it is, or off.
    states = [np.array([[-at, 0.0, -8.0, 0, 0, 0], [50, 50, 0, 0, 0, 0]]) for at in range(5)]
    flown = [flight(12 + at, 1, states[at], states[at + 1]) for at in (0, 2, 3)]
    reference = Turned(Plan())
    reference.bodies.update(BODIES)
    for each in flown[:2]:
        reference.contacts.find(each, LAWS)
    before, after = (state[:1] + np.array([0, off, 0, 0, 0, 0]) for state in states[2:4])
    only = IDS[:1], np.array([1]), np.zeros(1, np.uint64)
    latest = flown[2]._replace(again=(Again(14, *only, before, after, states[3][:1]),))
    judged = Repaired(reference, Plan().shard_limits).judge(latest, flown[1], Counter(), LAWS)
    wrong = ["7 began tick 14 elsewhere when that was simulated again"] if off else []
    assert list(judged) == wrong


@pytest.mark.parametrize("off", [0.0, 0.5])
def test_a_tick_that_was_passed_over_counts_as_it_was_simulated_later(off: float) -> None:
    # Tick 13 was passed over, in straight lines. The first has turned in it since.
    first, second, third = (
        np.array([[at, 0.0, 8.0, 0, 0, 0], [50, 50, 0, 0, 0, 0]]) for at in range(3)
    )
    reference = Reference(Plan())
    reference.bodies.update(BODIES)
    turned = np.array([[1.0, 0, 0, -8.0, 0, 0]]), np.array([[1.0, -1.0, 0, -8.0, 0, 0]])
    alone = blank_flight(flight(14, 1, third, third), 13)
    again = Again(13, IDS[:1], np.array([1]), np.zeros(1, np.uint64), *turned, turned[0])
    last = flight(12, 1, first, second)
    for each in (last, with_again(alone, again, np.array([5.0]))):
        reference.contacts.find(each, LAWS)
    begins = np.concatenate([turned[1] + np.array([0, off, 0, 0, 0, 0]), third[1:]])
    wrong = list(reference.judge_beginning(flight(14, 1, begins, begins), last, LAWS))
    assert wrong == ([] if off == 0.0 else ["[7] were moved between two ticks"])


def test_who_has_come_is_not_pushed_by_the_shadow_that_it_was() -> None:
    # The second comes to the first's shard in the last tick; two ticks are simulated again.
    start = np.array([[0.0, 0.0, 0, 0, 0, 0], [9.5, 2.0, -16.0, 0, 0, 0]])
    contacts, second = Contacts(BODIES), IDS[1:]
    for tick, (before, after) in enumerate(fly(3, start), 16):
        aside = before[1:] + np.array([0.0, 0.1, 0, 0, 0, 0])
        shadow = Seen(second, np.array([1]), np.zeros(1, np.uint64), aside)
        now = flight(tick, 2, before, after, shadow if tick < 18 else NONE_SEEN)
        hit = contacts.find(now, LAWS)
        contacts.part("core", tick, second, now.keys)
    alone = physics.coast(now.before, LAWS.tick_s)
    assert hit.all()
    assert list(contacts.judge(now, hit, alone, Counter(), LAWS)) == []


def test_what_is_at_rest_has_no_energy_but_that_of_rounding() -> None:
    start = np.array([[0.0, 0.0, 0, 0, 0, 0], [4.0, 2.0, 0, 0, 0, 0]])
    ((before, after),) = fly(1, start)
    after[:, 2:4] += 1e-16
    contacts, now = Contacts(BODIES), flight(16, 1, before, after)
    hit = contacts.find(now, LAWS)
    alone = physics.coast(now.before, LAWS.tick_s)
    assert hit.all()
    assert list(contacts.judge(now, hit, alone, Counter(), LAWS)) == []
