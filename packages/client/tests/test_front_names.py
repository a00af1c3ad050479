"""Whose names are written: few, those that matter, and none on another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sidereal.client.front.frame import Frame
from sidereal.client.front.meter import Meter
from sidereal.client.front.names import (
    CRAFT_MAX,
    NEAR_SHARE,
    PLACES_MAX,
    SPEAKERS_MAX,
    choose_names,
    find_room,
)
from sidereal.client.front.viewer import Viewer
from sidereal.client.happenings import make_happened
from sidereal.game.schema import column_of
from sidereal.protocol.state.schema import EVENT_FIRST

WIDTH, HEIGHT = 800, 600
DEPOT, OWN, FAR, LOUD = 900, 901, 902, 903
MakeFeed = Callable[[dict[tuple[int, int], int]], Any]


def crowd(make_feed: MakeFeed, count: int = 200) -> Any:
    """A depot with ships around it, one of them one's own, and one far off; no two of one place."""
    feed = make_feed({(0, 0): 1})
    away, course = np.linspace(20, 150, count), np.arange(count) * 2.4
    for nth in range(count):
        x, y = 500 + away[nth] * np.cos(course[nth]), 500 + away[nth] * np.sin(course[nth])
        feed.place(1 + nth, "craft", float(x), float(y), name=f"trader {nth}")
    feed.place(DEPOT, "depot", 500.0, 520.0, name="Haven")
    feed.place(OWN, "craft", 500.0, 500.0, name="ann")
    feed.place(FAR, "craft", 500.0, 500.0 + 0.4 * HEIGHT, name="far")
    feed.own_id = OWN
    return feed


def frame_of(feed: Any, *, selected: int = 0, zoom: float = 1.0) -> Frame:
    viewer = Viewer(
        feed, Meter(), size=(WIDTH, HEIGHT), observing=False, layers=frozenset(), at=None
    )
    viewer.drag(1, 0)  # the camera is in the test's hands
    viewer.camera.x, viewer.camera.y, viewer.camera.zoom = 500.0, 500.0, zoom
    viewer.selected_id = selected
    return viewer.advance(10.0, 0.0)


def named(feed: Any, **how: Any) -> list[int]:
    """Ids of whom names are chosen for, in their order."""
    frame = frame_of(feed, **how)
    rows = choose_names(frame, frame.camera.relative(frame.view.x, frame.view.y))
    return [int(net_id) for net_id in frame.view.net_id[rows]]


def cry(feed: Any, net_id: int) -> None:
    """Let somebody say something."""
    number = [event.__name__ for event in feed.game.events].index("Cry")
    column = column_of(feed.game.events[number], feed.game.events[number].fields["says"])
    says = {column: np.array([b"here"])}
    subject = np.array([net_id], np.uint32)
    feed.happened.append(make_happened(EVENT_FIRST + number, subject, np.array([3]), says))


def test_in_a_crowd_the_nearest_few_are_named_and_the_place_where_it_is(
    make_feed: MakeFeed,
) -> None:
    assert named(crowd(make_feed)) == [OWN, DEPOT, *range(1, CRAFT_MAX)]


def test_who_is_selected_or_has_spoken_is_named_wherever_it_is(make_feed: MakeFeed) -> None:
    feed = crowd(make_feed)
    cry(feed, FAR)
    cry(feed, 150)
    assert named(feed, selected=180)[:5] == [OWN, 180, 150, FAR, DEPOT]
    for net_id in range(50, 100):
        cry(feed, net_id)
    assert len(named(feed)) <= 1 + SPEAKERS_MAX + 1 + CRAFT_MAX


def test_who_is_far_from_the_middle_is_not_named_unless_nobody_flies_it(
    make_feed: MakeFeed,
) -> None:
    feed = make_feed({(0, 0): 1})
    feed.place(1, "craft", 500.0, 500.0 + NEAR_SHARE * HEIGHT - 5, name="near")
    feed.place(2, "craft", 500.0, 500.0 + NEAR_SHARE * HEIGHT + 5, name="far")
    feed.place(3, "depot", 500.0, 500.0 + 0.45 * HEIGHT, name="depot")
    feed.place(4, "depot", 500.0, 500.0 + HEIGHT, name="outside")
    assert named(feed) == [3, 1]
    assert named(feed, zoom=0.1) == []
    for nth in range(2 * PLACES_MAX):
        feed.place(100 + nth, "depot", 400.0 + nth, 500.0, name="depot")
    assert len(named(feed)) == PLACES_MAX + 1


@pytest.mark.parametrize(
    ("left", "y", "has_room"), [(0.0, 0.0, False), (30.0, 8.0, False), (60.0, 0.0, True)]
)
def test_of_two_names_in_one_place_the_first_is_written(
    left: float, y: float, has_room: bool
) -> None:
    taken: list[tuple[float, float, float]] = []
    assert find_room(0.0, 50.0, 0.0, taken)
    assert find_room(left, left + 50.0, y, taken) is has_room
    assert find_room(0.0, 50.0, 14.0, taken)
    assert len(taken) == 2 + has_room
