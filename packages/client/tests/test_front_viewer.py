import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sidereal.client.events import (
    Assigned,
    Ended,
    Joined,
    Lost,
    NoticeLine,
    ReceiptCame,
    ToldLine,
    WorldDescribed,
)
from sidereal.client.front import palette, readout
from sidereal.client.front.camera import Camera
from sidereal.client.front.choosing import Walk, choices
from sidereal.client.front.keys import Pan, Steer
from sidereal.client.front.layers import LAYERS_SHOWN, Layer
from sidereal.client.front.looks import Looks
from sidereal.client.front.meter import Meter
from sidereal.client.front.news import NOT_HERE
from sidereal.client.front.viewer import Viewer
from sidereal.client.happenings import make_happened
from sidereal.client.returning import Absence
from sidereal.client.statistics import SessionState
from sidereal.client.view import empty_view
from sidereal.game.described import declare_untrusted
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.message.player import Outcome, Role, Welcome
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import EVENT_FIRST

WELCOME = Welcome(bytes(16), Rules(), 1, 1, Role.PLAYER, "ada")
OWNERS = {(0, 0): 1, (1, 0): 2}
MakeFeed = Callable[[dict[tuple[int, int], int]], Any]


@pytest.fixture
def feed(make_feed: MakeFeed) -> Any:
    feed = make_feed(OWNERS)
    feed.place(10, "craft", 500.0, 500.0, vx=40.0, name="Ada")
    feed.place(20, "craft", 560.0, 500.0, name="Grace")
    feed.place(30, "rock", 400.0, 420.0, radius=20.0)
    feed.place(40, "depot", 620.0, 560.0, name="Halley")
    feed.own_id = 10
    return feed


def viewer_of(feed: Any, **choices: Any) -> Viewer:
    defaults: dict[str, Any] = {
        "size": (800, 600),
        "observing": False,
        "layers": LAYERS_SHOWN,
        "at": None,
    }
    return Viewer(feed, Meter(), **{**defaults, **choices})


def test_a_player_starts_on_what_it_flies_and_follows_it(feed: Any) -> None:
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.0)
    assert (viewer.camera.x, viewer.camera.y) == (500.0, 500.0)
    for frame in range(1, 120):
        viewer.advance(frame / 60, 1 / 60)
    assert viewer.camera.x == pytest.approx(500.0 + 40.0 * 119 / 60, abs=10.0)


def test_who_flies_keeps_the_own_entity_in_the_middle_whatever_is_selected(feed: Any) -> None:
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.0)
    viewer.select_step(1)
    assert viewer.selected_id == 20
    viewer.advance(5.0, 5.0)
    assert (viewer.camera.x, viewer.camera.y) == pytest.approx((700.0, 500.0), abs=1.0)


def test_who_flies_nothing_follows_the_selection(feed: Any) -> None:
    feed.own_id = 0
    viewer = viewer_of(feed, observing=True, at=(0, 0))
    viewer.selected_id = 20
    viewer.follow()
    viewer.advance(5.0, 5.0)
    assert (viewer.camera.x, viewer.camera.y) == pytest.approx((560.0, 500.0), abs=1.0)


def test_at_looks_at_that_sector_and_stays_there(feed: Any) -> None:
    viewer = viewer_of(feed, at=(7, -7))
    viewer.advance(0.0, 0.5)
    assert (viewer.camera.x, viewer.camera.y) == (7500.0, -6500.0)


def test_keys_hold_controls_until_released(feed: Any) -> None:
    viewer = viewer_of(feed)
    ahead, left = Steer("push", 1), Steer("yaw", 1)
    viewer.press(ahead)
    viewer.press(left)
    viewer.press(left)
    viewer.release(ahead)
    viewer.press(Steer("yaw", -1))  # both at once are none
    viewer.release_all()
    assert feed.held == [1, 5, 4, 0]


def test_each_press_of_a_key_counts_and_is_over_at_once(feed: Any) -> None:
    viewer, shout = viewer_of(feed), Steer("shout", 1)
    for _ in range(2):
        viewer.press(shout)
        viewer.release(shout)
    viewer.press(Steer("push", 1))
    assert feed.held == [1 << 5, 1 << 5, 1]


def test_the_pointer_aims_as_seen_from_the_own_entity(feed: Any) -> None:
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.5)
    assert viewer.frame is not None
    view = viewer.frame.view
    viewer.following = False
    x, y = viewer.camera.project(float(view.x[view.own]), float(view.y[view.own]) + 100.0)
    viewer.point(x, y)
    viewer.advance(0.0, 0.0)
    assert feed.held == [64 << 9]  # a quarter of a turn


def test_an_observer_flies_nothing_and_says_where_it_looks(feed: Any) -> None:
    viewer = viewer_of(feed, observing=True, at=(0, 0))
    viewer.advance(0.0, 0.0)
    viewer.advance(0.1, 0.1)
    assert feed.looked_at == [(500.0, 500.0)]
    viewer.press(Pan.RIGHT)
    viewer.press(Pan.UP)
    viewer.advance(0.2, 0.1)
    assert feed.held == []
    x, y = feed.looked_at[-1]
    assert x > 500.0
    assert y > 500.0
    viewer.release(Pan.RIGHT)
    viewer.advance(0.3, 0.1)
    assert feed.looked_at[-1][0] == x
    assert feed.looked_at[-1][1] > y
    viewer.release_all()
    there = feed.looked_at[-1]
    viewer.advance(0.4, 0.1)
    assert feed.looked_at[-1] == there


def test_a_player_says_nothing_about_where_it_looks(feed: Any) -> None:
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.0)
    viewer.drag(100, 50)
    viewer.advance(0.1, 0.1)
    assert feed.looked_at == []


def test_an_observer_starts_in_the_middle_of_what_is_leased(feed: Any) -> None:
    feed.own_id = 0
    viewer = viewer_of(feed, observing=True)
    viewer.advance(0.0, 0.0)
    assert (viewer.camera.x, viewer.camera.y) == (1000.0, 500.0)


def test_dragging_ends_following_and_f_takes_it_up_again(feed: Any) -> None:
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.0)
    viewer.drag(100, 0)
    x = viewer.camera.x
    viewer.advance(0.1, 0.1)
    assert viewer.camera.x == x
    viewer.follow()
    viewer.advance(5.0, 4.9)
    assert viewer.camera.x == pytest.approx(700.0, abs=1.0)


def test_tab_walks_over_what_is_not_scenery_and_back(feed: Any) -> None:
    viewer = viewer_of(feed)
    viewer.select_step(1)
    assert viewer.selected_id == 0
    viewer.advance(0.0, 0.0)
    walked = []
    for step in (1, 1, 1, -1, -1):
        viewer.select_step(step)
        walked.append(viewer.selected_id)
    assert walked == [20, 40, 20, 40, 20]
    assert viewer.advance(0.1, 0.1).selected == 1
    assert viewer.deselect()
    assert not viewer.deselect()


def test_tab_goes_by_rank_and_then_by_distance_whoever_flies_past_meanwhile() -> None:
    walk = Walk()
    assert walk.step(True, [3, 7, 9], 0) == 3
    assert walk.step(True, [7, 3, 9], 3) == 7
    assert walk.step(True, [3, 7, 8, 9], 7) == 8  # and not 3 again
    assert walk.step(False, [3, 7, 8, 9], 8) == 7
    assert walk.step(True, [3, 7, 8, 9], 7) == 8
    assert walk.step(True, [3, 7, 8, 9], 8) == 9
    assert walk.step(True, [3, 7, 8, 9], 9) == 3
    assert walk.step(False, [3, 7, 8, 9], 3) == 9
    assert walk.step(True, [], 9) == 9
    assert walk.step(False, [3, 7], 0) == 7


def test_a_pilot_is_offered_who_is_hostile_before_others_and_the_home_mark_last() -> None:
    game = load(DEFAULT_GAME)
    looks, camera = Looks(game), Camera(800, 600, 0.0, 0.0, 1.0)
    number = {kind.name: at for at, kind in enumerate(game.kinds, 1)}
    order = ("ship", "home", "gate", "station", "wreck", "trader", "pirate", "pirate", "asteroid")
    view = empty_view()
    count = len(order)
    view = dataclasses.replace(
        view,
        net_id=np.arange(1, count + 1, dtype=np.uint32),
        kind=np.array([number[name] for name in order], np.uint8),
        x=np.array([0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 200.0, 100.0, 5.0]),
        y=np.zeros(count),
        own=0,
    )
    names = [order[net_id - 1] for net_id in choices(view, looks, camera)]
    assert names == ["pirate", "pirate", "trader", "wreck", "station", "gate", "home"]
    assert choices(view, looks, camera)[0] == 8  # the nearer one


def test_click_selects_the_nearest_thing_or_nothing(feed: Any) -> None:
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.0)
    at = viewer.camera.project(405.0, 425.0)
    viewer.click(*at)
    assert viewer.selected_id == 30
    viewer.click(5, 5)
    assert viewer.selected_id == 0


def test_home_fits_all_leases(feed: Any) -> None:
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.0)
    viewer.fit()
    left, bottom, right, top = viewer.camera.bounds()
    assert left <= 0 <= 2000 <= right
    assert bottom <= 0 <= 1000 <= top


def test_wheel_keeps_what_is_followed_in_the_middle(feed: Any) -> None:
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.0)
    zoom = viewer.camera.zoom
    viewer.wheel(10, 10, 3)
    assert viewer.camera.zoom > zoom
    assert (viewer.camera.x, viewer.camera.y) == pytest.approx((500.0, 500.0))


def test_layers_toggle(feed: Any) -> None:
    viewer = viewer_of(feed)
    viewer.toggle(Layer.GRID)
    assert Layer.GRID not in viewer.layers
    viewer.toggle(Layer.GRID)
    assert viewer.layers == LAYERS_SHOWN


def test_a_handover_flashes_and_is_told(feed: Any) -> None:
    feed.place(50, "craft", 995.0, 500.0, vx=100.0, name="Leslie")
    feed.place(51, "rock", 995.0, 400.0, vx=100.0)
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.0)
    frame = viewer.advance(0.1, 0.1)
    assert {flash.net_id for flash in frame.flashes} == {50, 51}
    assert [line.text for line in frame.feed] == ["Leslie handed over S1 ► S2"]


def test_what_has_no_name_is_told_of_only_if_it_may_be_flown_or_is_selected(feed: Any) -> None:
    feed.place(50, "craft", 995.0, 500.0, vx=100.0)
    feed.place(51, "beacon", 995.0, 400.0, vx=100.0)
    feed.place(52, "beacon", 995.0, 300.0, vx=100.0)
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.0)
    viewer.selected_id = 52
    frame = viewer.advance(0.1, 0.1)
    assert {flash.net_id for flash in frame.flashes} == {50, 51, 52}
    assert [line.text for line in frame.feed] == [
        f"e{told} handed over S1 ► S2" for told in (50, 52)
    ]


def test_in_a_crowd_only_own_handovers_and_those_of_the_selection_are_told(feed: Any) -> None:
    for net_id in range(60, 75):
        feed.place(net_id, "craft", 995.0, 300.0 + net_id, vx=100.0)
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.0)
    viewer.selected_id = 66
    frame = viewer.advance(0.1, 0.1)
    assert len(frame.flashes) == 15
    assert [line.text for line in frame.feed] == ["e66 handed over S1 ► S2"]


def test_a_moved_lease_is_told_and_lights_up(feed: Any, rows_of_leases: Any) -> None:
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.0)
    feed.leases = rows_of_leases({(0, 0): 1, (1, 0): 1})
    frame = viewer.advance(0.1, 0.1)
    assert frame.moved_leases == {(1, 0): 0.1}
    assert [line.text for line in frame.feed] == ["sector 1,0 S2 ► S1"]


def test_events_become_lines(feed: Any) -> None:
    viewer = viewer_of(feed)
    feed.events.extend(
        [
            Assigned(net_id=10, control_epoch=1, tick=5),
            ToldLine("Grace: hello"),
            ReceiptCame(bytes(16), "mine.wave", Outcome.DONE, ""),
            ReceiptCame(bytes(16), "mine.sell", Outcome.REFUSED, "dock first"),
            NoticeLine("the server restarts at noon"),
            Ended(CloseReason.SHUTTING_DOWN, "back soon"),
        ]
    )
    frame = viewer.advance(0.0, 0.0)
    assert [line.text for line in frame.feed] == [
        "you fly e10",
        "Grace: hello",
        "sell: dock first",
        "the server restarts at noon",
        "session ended, shutting down: back soon",
    ]
    assert viewer.ended is not None


def test_settled_means_a_world_and_something_to_fly_in_it(feed: Any) -> None:
    viewer = viewer_of(feed)
    assert not viewer.settled
    feed.own_id = 0
    viewer.advance(1.0, 0.0)
    assert not viewer.settled
    feed.own_id = 10
    viewer.advance(1.1, 0.1)
    assert viewer.settled


def test_top_bar_says_where_who_and_how_old(feed: Any) -> None:
    viewer = viewer_of(feed)
    frame = viewer.advance(2.0, 0.0)
    shown = {field.label: field.value for field in readout.top_bar(frame, Meter())}
    assert shown["mode"] == "player"
    assert shown["sector"] == "0,0"
    assert shown["simulated by"] == "S1"
    assert shown["entities"] == "4"
    assert shown["shards"] == "2"
    assert shown["rtt"] == "24 ms"
    assert shown["view delay"] == "100 ms"
    assert shown["data age"] == "30 ms"


@pytest.mark.parametrize(
    ("age_s", "colour", "text"),
    [
        (0.03, palette.GOOD, "30 ms"),
        (0.25, palette.GOOD, "250 ms"),
        (0.3, palette.WARN, "300 ms"),
        (1.0, palette.WARN, "1.0 s"),
        (1.4, palette.BAD, "1.4 s"),
    ],
)
def test_data_age_turns_yellow_then_red(
    feed: Any, age_s: float, colour: palette.Rgb, text: str
) -> None:
    feed.age_s = age_s
    frame = viewer_of(feed).advance(5.0, 0.0)
    field = readout.top_bar(frame, Meter())[-1]
    assert (field.label, field.value, field.colour) == ("data age", text, colour)


def test_the_banner_says_what_is_wrong(feed: Any) -> None:
    assert readout.banner(viewer_of(feed).advance(5.0, 0.0)) is None
    feed.age_s = 1.4
    assert readout.banner(viewer_of(feed).advance(5.0, 0.0)) == ("no data for 1.4 s", palette.BAD)
    feed.state = SessionState.CONNECTING
    assert readout.banner(viewer_of(feed).advance(5.0, 0.0)) == ("connecting…", palette.WARN)
    feed.state = SessionState.ENDED
    assert readout.banner(viewer_of(feed).advance(5.0, 0.0)) == ("session ended", palette.BAD)


def test_inspector_knows_the_selection(feed: Any) -> None:
    viewer = viewer_of(feed)
    viewer.selected_id = 40
    shown = dict(readout.inspector(viewer.advance(0.0, 0.0)))
    assert shown["name"] == "Halley"
    assert shown["kind"] == "depot"
    assert shown["shard"] == "S1"
    assert shown["place"] == "620.0, 560.0"
    viewer.selected_id = 41
    assert readout.inspector(viewer.advance(0.1, 0.1)) == []


def test_the_banner_says_why_there_is_no_session_and_when_the_next_is_tried(feed: Any) -> None:
    viewer = viewer_of(feed)
    feed.absence = Absence("timed out", "", 3, again_at=7.2)
    feed.state = SessionState.WAITING
    assert readout.banner(viewer.advance(5.0, 0.0)) == ("timed out: again in 3 s", palette.BAD)
    connecting = "timed out: connecting again…", palette.BAD
    assert readout.banner(viewer.advance(8.0, 0.0)) == connecting
    feed.state = SessionState.GREETING
    assert readout.banner(viewer.advance(5.0, 0.0)) == connecting
    feed.absence, feed.state = None, SessionState.JOINED
    assert readout.banner(viewer.advance(9.0, 0.0)) is None


def test_attempts_that_fail_for_the_same_reason_are_told_once(feed: Any) -> None:
    viewer = viewer_of(feed)
    why = Lost("no answer", "no server answers")
    feed.events.extend([Lost("timed out", ""), why, why, why, Joined(WELCOME), why])
    lines = [line.text for line in viewer.advance(1.0, 0.0).feed]
    assert lines == [
        "no session (timed out): trying again",
        "no session (no answer, no server answers): trying again",
        "joined as ada",
        "no session (no answer, no server answers): trying again",
    ]
    assert viewer.ended is None


def test_another_session_is_no_handover_of_everything(
    feed: Any, rows_of_leases: Callable[[dict[tuple[int, int], int]], Any]
) -> None:
    viewer = viewer_of(feed)
    viewer.advance(1.0, 0.0)
    viewer.selected_id = 7
    feed.owners.update(dict.fromkeys(feed.owners, 9))
    feed.leases = rows_of_leases(feed.owners)
    feed.session = 2
    frame = viewer.advance(1.1, 0.0)
    assert not frame.flashes
    assert not frame.moved_leases
    assert not frame.feed
    assert viewer.selected_id == 0
    assert [shard for shard, _ in frame.ownership.shards()] == [9]


def test_the_inspector_knows_what_the_game_declares(feed: Any) -> None:
    feed.place(60, "beacon", 480.0, 500.0, reach=150.0)
    viewer = viewer_of(feed)
    viewer.selected_id = 60
    shown = dict(readout.inspector(viewer.advance(0.0, 0.0)))
    assert (shown["kind"], shown["units"], shown["name"]) == ("beacon", "150 unit", "e60")
    assert "radius" not in shown
    viewer.selected_id = 30
    shown = dict(readout.inspector(viewer.advance(0.1, 0.1)))
    assert (shown["radius"], shown["mass"]) == ("20 unit", "1 t")


def describe_world(feed: Any, difference: str = "") -> None:
    """Let the feed go on with the same world, read as its server describes it."""
    feed.game = declare_untrusted(schema_of(feed.game).description.encode())
    feed.session += 1
    feed.events.append(WorldDescribed(difference))


def test_a_world_whose_game_is_not_here_is_shown_as_described_and_that_is_said(feed: Any) -> None:
    viewer = viewer_of(feed)
    frame = viewer.advance(0.0, 0.0)
    assert not frame.described
    assert dict(readout.link_lines(frame, Meter()))["prediction"].startswith("2 corrections")
    describe_world(feed, "hp is 0 to 9 here, 0 to 8 there")
    frame = viewer.advance(0.1, 0.1)
    assert frame.described
    assert [line.text for line in frame.feed] == [
        NOT_HERE,
        "other than here: hp is 0 to 9 here, 0 to 8 there",
    ]
    assert dict(readout.link_lines(frame, Meter()))["prediction"] == "none: the game is not here"
    assert frame.looks.symbols[1:6] == ["arrow", "circle", "square", "diamond", "star"]
    assert frame.name_of(0) == "Ada"
    viewer.selected_id = 40
    assert ("kind", "depot") in readout.inspector(viewer.advance(0.2, 0.1))


def test_it_is_steered_by_the_names_of_its_controls(feed: Any) -> None:
    viewer = viewer_of(feed)
    viewer.press(Steer("push", 1))
    viewer.advance(0.0, 0.0)
    feed.held.clear()
    describe_world(feed)
    viewer.advance(0.1, 0.1)
    targets = [each.target for each in viewer.bindings if isinstance(each.target, Steer)]
    assert {target.name for target in targets} == {"push", "yaw", "slow_down", "shout"}
    viewer.release(Steer("push", 1))  # of the game before
    viewer.press(Steer("yaw", 1))
    assert feed.held == [4]


def test_its_events_are_told_by_their_names(feed: Any) -> None:
    viewer = viewer_of(feed)
    describe_world(feed)
    subject, tick = np.array([20], np.uint32), np.array([0])
    feed.happened.append(make_happened(EVENT_FIRST + 2, subject, tick, {}))
    frame = viewer.advance(0.1, 0.1)
    assert [(each.effect.kind, each.text) for each in frame.effects] == [("text", ["tests gate"])]


def test_the_feed_names_what_not_all_viewers_are_told_of(feed: Any) -> None:
    viewer = viewer_of(feed)
    names = [event.__name__ for event in feed.game.events]
    for name, subjects in (("RedAlert", [10]), ("Gate", [20]), ("RedAlert", [30, 40])):
        ids, ticks = np.array(subjects, np.uint32), np.full(len(subjects), 3)
        number = EVENT_FIRST + names.index(name)
        feed.happened.append(make_happened(number, ids, ticks, {}))
    lines = [line.text for line in viewer.advance(1.0, 0.0).feed]
    assert lines == ["red alert, e10", "red alert, 2 times"]
    assert [line.text for line in viewer.advance(1.1, 0.1).feed] == lines
