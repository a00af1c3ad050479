"""A shard waits a few ticks beyond the newest beat, and a round trip more."""

from __future__ import annotations

import pytest

from sidereal.shard.limits import LIMITS
from sidereal.shard.schedule import Schedule

TICK_S = 0.05
BEGAN = 100


@pytest.fixture
def schedule() -> Schedule:
    return Schedule(TICK_S, BEGAN, 0.0, LIMITS)


def furthest(schedule: Schedule, tick: int) -> int:
    """The last tick from this one on for which no beat must come first."""
    while schedule.due_at(tick + 1) is not None:
        tick += 1
    return tick


def test_it_ends_a_few_ticks_beyond_the_newest_beat_and_a_round_trip_more(
    schedule: Schedule,
) -> None:
    assert furthest(schedule, BEGAN) == BEGAN + LIMITS.ahead_ticks
    schedule.hear(BEGAN + 3, 0.008, 0.12, 3 * TICK_S)
    assert furthest(schedule, BEGAN) == BEGAN + 3 + 3 + LIMITS.ahead_ticks
    schedule.hear(BEGAN + 2, 0.008, 0.12, 3 * TICK_S)  # overtaken by the one before
    assert furthest(schedule, BEGAN) == BEGAN + 3 + 3 + LIMITS.ahead_ticks


def test_what_is_beyond_that_is_not_passed_over_however_late_it_is(schedule: Schedule) -> None:
    now = (LIMITS.ticks_catch_up + 4) * TICK_S + 0.001
    assert schedule.skips(BEGAN, now) == 4
    assert schedule.skips(BEGAN + LIMITS.ahead_ticks - 1, now + 100.0) == 1
    assert schedule.skips(BEGAN + LIMITS.ahead_ticks, now + 100.0) == 0
