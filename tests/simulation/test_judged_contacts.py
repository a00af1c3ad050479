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
from sidereal.tools.simulate.flights import Flight
from sidereal.tools.simulate.game import Laws

LAWS: Final = Laws(tick_s=0.125, substeps=1, speed_max=1000.0, belt=None)
BODIES: Final = {7: Body(5.0, 1.0, False), 8: Body(2.0, 1.0, False)}
NAMED: Final[dict[Hashable, Body]] = dict(BODIES.items())
IDS: Final = np.array([7, 8])


def flight(tick: int, epoch: int, before: np.ndarray, after: np.ndarray) -> Flight:
    """Make the flight of both, the second one under an epoch."""
    ones, records = np.array([1, epoch]), np.zeros(2, np.uint64)
    radius = np.array([body.radius for body in BODIES.values()])
    nothing, stored = np.zeros(2, np.int64), np.zeros((2, 3))
    return Flight(
        *("core", 0.0, 0.0, tick, IDS, ones, radius, nothing, nothing, records, before, after),
        *(stored, stored, np.zeros((2, 2), np.int64), np.empty(0, np.int64), (), 0),
        np.zeros(2, np.bool_),
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
