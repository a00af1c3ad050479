from __future__ import annotations

import math
import random

from sidereal.protocol.session.timers import TimerHeap


class Owner:
    def __init__(self) -> None:
        self.timer_at = math.inf


def test_owners_come_due_in_order() -> None:
    timers: TimerHeap[Owner] = TimerHeap()
    early, late = Owner(), Owner()
    timers.arm(late, 2.0)
    timers.arm(early, 1.0)
    assert timers.next() == 1.0
    assert timers.pop_due(0.9) is None
    assert timers.pop_due(2.0) is early
    assert timers.pop_due(2.0) is late
    assert timers.pop_due(2.0) is None
    assert timers.next() is None


def test_rearmed_owner_comes_due_once_at_its_new_time() -> None:
    timers: TimerHeap[Owner] = TimerHeap()
    owner = Owner()
    timers.arm(owner, 1.0)
    timers.arm(owner, 3.0)
    assert timers.next() == 3.0
    assert timers.pop_due(2.0) is None
    assert timers.pop_due(3.0) is owner
    assert timers.pop_due(9.0) is None


def test_disarmed_owner_never_comes_due() -> None:
    timers: TimerHeap[Owner] = TimerHeap()
    owner = Owner()
    timers.arm(owner, 1.0)
    timers.arm(owner, math.inf)
    assert timers.next() is None
    assert timers.pop_due(9.0) is None


def test_rearming_does_not_pile_up_stale_entries() -> None:
    timers: TimerHeap[Owner] = TimerHeap()
    owners = [Owner() for _ in range(100)]
    for round_number in range(1000):
        for owner in owners:
            timers.arm(owner, 1e6 + round_number % 2)
        if round_number % 10 == 0:
            for owner in owners:
                timers.arm(owner, 0.0)
            while timers.pop_due(0.0) is not None:
                pass
    assert len(timers) <= 2 * len(owners) + 64
    for owner in owners:
        timers.arm(owner, math.inf)
    assert len(timers) <= 64


def test_it_agrees_with_a_plain_list() -> None:
    rng = random.Random(5)
    timers: TimerHeap[Owner] = TimerHeap()
    owners = [Owner() for _ in range(50)]
    for now in range(400):
        for owner in rng.sample(owners, 20):
            timers.arm(owner, rng.choice([math.inf, now + rng.random() * 30]))
        due = {id(owner) for owner in owners if owner.timer_at <= now}
        popped = set()
        while (woken := timers.pop_due(now)) is not None:
            popped.add(id(woken))
        assert popped == due
        earliest = min(owner.timer_at for owner in owners)
        assert timers.next() == (None if earliest == math.inf else earliest)
