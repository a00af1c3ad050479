"""Effects begin once, where their event was, whatever comes late."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sidereal.client.front.effects import WAITS_S, Effects
from sidereal.client.happenings import Happened, make_happened
from sidereal.game.schema import column_of
from sidereal.protocol.state.schema import EVENT_FIRST

FLASH = 1
"""Of the events of the feed's game, one without a place."""


@pytest.fixture
def feed(make_feed: Callable[[dict[tuple[int, int], int]], Any]) -> Any:
    return make_feed({})


def flash(feed: Any, *subjects: int) -> Happened:
    event = feed.game.events[FLASH]
    (size,) = event.fields.values()
    sizes = {column_of(event, size): np.full(len(subjects), 20.0)}
    ids, ticks = np.array(subjects, np.uint32), np.full(len(subjects), 3)
    return make_happened(EVENT_FIRST + FLASH, ids, ticks, sizes)


def places(effects: Effects) -> list[tuple[float, float]]:
    return [
        (float(x), float(y))
        for each in effects.running
        for x, y in zip(each.x, each.y, strict=True)
    ]


def test_an_effect_waits_for_a_subject_that_comes_later_and_begins_once(feed: Any) -> None:
    effects = Effects(feed.game)
    feed.place(7, "bare", 10.0, 20.0)
    effects.begin([flash(feed, 7, 8)], feed.view(1.0), 1.0)
    assert places(effects) == [(10.0, 20.0)]
    feed.place(8, "bare", 30.0, 40.0)
    for frame in range(3):
        effects.begin([], feed.view(1.1), 1.1 + 0.01 * frame)
        assert places(effects) == [(10.0, 20.0), (30.0, 40.0)]


def test_an_effect_waits_no_longer_than_for_a_moment(feed: Any) -> None:
    effects = Effects(feed.game)
    effects.begin([flash(feed, 8)], feed.view(1.0), 1.0)
    effects.begin([], feed.view(1.0), 1.0 + WAITS_S + 0.01)
    feed.place(8, "bare", 30.0, 40.0)
    effects.begin([], feed.view(1.0), 1.0 + WAITS_S + 0.02)
    assert places(effects) == []


def test_an_effect_of_one_that_is_gone_begins_where_it_was(feed: Any) -> None:
    effects = Effects(feed.game)
    gone = flash(feed, 7, 8)._replace(places=np.array([[1.0, np.nan], [2.0, np.nan]]))
    effects.begin([gone], feed.view(1.0), 1.0)
    assert places(effects) == [(1.0, 2.0)]
