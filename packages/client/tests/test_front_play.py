"""Gauges, compasses, the line that is typed, and sounds: what they come to, without a window."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sidereal.client.events import ReceiptCame
from sidereal.client.front.effects import Effects, effect_words
from sidereal.client.front.keys import Ask, Steer, make_bindings, mouse_lines, targets_by_key
from sidereal.client.front.layers import LAYERS_SHOWN
from sidereal.client.front.looks import Looks
from sidereal.client.front.meter import Meter
from sidereal.client.front.ownership import Ownership, nearest_border
from sidereal.client.front.play.compass import Compasses, Needle
from sidereal.client.front.play.gauges import Gauges, Reading
from sidereal.client.front.play.line import Line
from sidereal.client.front.play.sounds import Began, Heard, heard, wav_bytes
from sidereal.client.front.viewer import Viewer
from sidereal.client.happenings import make_happened
from sidereal.game import (
    AUTHORITY,
    F4,
    PILOT,
    U1,
    U4,
    Body,
    Component,
    Controls,
    Event,
    Game,
    Held,
    Label,
    Motion,
    Pilot,
    Press,
    Text,
    Transaction,
    field,
    hold,
    press,
)
from sidereal.game.declarations import declare
from sidereal.game.logic import Typed
from sidereal.game.look import SOUNDS
from sidereal.game.record import as_columns
from sidereal.game.schema import column_of
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.message.player import Outcome
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import EVENT_FIRST

MakeFeed = Callable[[dict[tuple[int, int], int]], Any]
RULES = Rules()


class Reach(Component, name="tests.reach"):
    units: F4 = field(60, low=0, high=240, unit="unit")


class Mark(Component, name="tests.mark", writer=AUTHORITY):
    number: U1 = field(0, low=0, high=2)


class Race(Component, name="tests.race", audience=PILOT):
    passed: U1


class Purse(Component, name="tests.purse", writer=AUTHORITY):
    credits: U4


class Market(Component, name="tests.market", writer=AUTHORITY):
    sold: U4 = field(0, unit="t")


class Grip(Controls, name="tests.grip"):
    shoot: Held = hold("MOUSE_LEFT")
    jump: Press = press("J")


class Said(Event, name="tests.said"):
    words: Text = field(b"", size=80)


def play() -> Any:
    """A game with one of everything that is for who plays it."""
    game = Game("play")
    craft = game.kind("craft", Motion(), Body(radius=6), Label(), Pilot(), Reach(), Race())
    rock = game.kind("rock", Motion(), Body(), Label())
    game.kind("depot", Motion(), Body(), Label())
    buoy = game.kind("buoy", Motion(), Mark())
    game.look(rock, symbol="rock", colour="#f00")
    game.account(Purse())
    game.shared(Market())
    game.declare(Grip)
    game.gauge(Reach.units, label="reach", colour="#0f0")
    game.gauge(Purse.credits)
    game.gauge(Market.sold, colour="#00f")
    game.compass(rock)
    game.compass(craft, label="others")
    game.compass(buoy, course=(Mark.number, Race.passed))
    game.effect(Said, kind="text", size=30, seconds=4.0, sound="chime")

    @game.action(rate_hz=1, durable=False, key="ENTER")
    def say(tx: Transaction, text: str) -> None: ...

    @game.action(rate_hz=1, key="K")
    def wave_hands(tx: Transaction) -> None: ...

    return declare(game)


PLAY = play()


@pytest.fixture
def feed(make_feed: MakeFeed) -> Any:
    feed = make_feed({(0, 0): 1, (1, 0): 2})
    feed.game = PLAY
    feed.place(10, "craft", 500.0, 500.0, name="Ada")
    feed.own_id, feed.passed = 10, 0
    # The components of this game under the names that the feed knows.
    plain = feed.view

    def view(now: float) -> Any:
        made = plain(now)
        columns = made.columns

        def of(record: Any) -> Any:
            if record is Reach:
                return as_columns(Reach, {"units": np.full(len(made), 60.0, np.float32)})
            if record is Mark:
                return as_columns(Mark, {"number": (made.net_id % 3).astype(np.uint8)})
            if record is Race:
                return as_columns(Race, {"passed": np.full(len(made), feed.passed, np.uint8)})
            return columns(record)

        object.__setattr__(made, "columns", of)
        return made

    feed.view = view
    return feed


def viewer_of(feed: Any) -> Viewer:
    return Viewer(feed, Meter(), size=(800, 600), observing=False, layers=LAYERS_SHOWN, at=None)


# -- gauges ------------------------------------------------------------------------------------


def test_gauges_show_what_is_known_of_who_is_flown_the_account_and_the_world(feed: Any) -> None:
    gauges = Gauges(PLAY)
    assert gauges.read(feed.view(1.0), feed, 1.0) == (Reading("reach", "60", 0.25, (0, 255, 0)),)
    feed.account[Purse] = as_columns(Purse, {"credits": np.asarray(12345)})
    feed.world[Market] = as_columns(Market, {"sold": np.asarray(7)})
    assert gauges.read(feed.view(1.2), feed, 1.2)[1:] == (
        Reading("credits", "12 345", None, (255, 255, 255)),
        Reading("sold", "7 t", None, (0, 0, 255)),
    )
    feed.own_id = 0
    assert [one.label for one in gauges.read(feed.view(1.4), feed, 1.4)] == ["credits", "sold"]


def test_gauges_are_read_eight_times_a_second(feed: Any) -> None:
    gauges = Gauges(PLAY)
    before = gauges.read(feed.view(1.0), feed, 1.0)
    feed.own_id = 0
    assert gauges.read(feed.view(1.1), feed, 1.1) is before
    assert gauges.read(feed.view(1.13), feed, 1.13) == ()


# -- compasses ---------------------------------------------------------------------------------


def point(compasses: Compasses, feed: Any, now: float = 0.0) -> dict[str, Needle]:
    needles = compasses.point(feed.view(now), Ownership(feed.leases), RULES)
    return {needle.label: needle for needle in needles}


def test_a_compass_points_to_the_nearest_and_not_to_oneself(feed: Any) -> None:
    compasses = Compasses(PLAY, Looks(PLAY))
    assert set(point(compasses, feed)) == {"border to S2"}
    feed.place(20, "rock", 500.0, 900.0)
    feed.place(21, "rock", 500.0, 300.0)
    feed.place(22, "craft", 300.0, 500.0, vx=-10.0)
    found = point(compasses, feed)
    assert found["rock"] == Needle("rock", 500.0, 300.0, (255, 0, 0))
    assert (found["others"].x, found["others"].colour) == (300.0, (255, 255, 255))


def test_what_stands_still_is_remembered_until_it_is_not_where_it_was(feed: Any) -> None:
    compasses = Compasses(PLAY, Looks(PLAY))
    feed.place(20, "rock", 500.0, 900.0)
    feed.place(22, "craft", 300.0, 500.0, vx=-10.0)
    point(compasses, feed)
    feed.clear()
    feed.place(10, "craft", 2000.0, 500.0)
    found = point(compasses, feed)
    assert found["rock"] == Needle("rock", 500.0, 900.0, (255, 0, 0), surely=False)
    assert "others" not in found  # it was on its way
    feed.clear()
    feed.place(10, "craft", 500.0, 800.0)
    assert "rock" not in point(compasses, feed)
    compasses.forget()
    feed.clear()
    feed.place(10, "craft", 2000.0, 500.0)
    assert "rock" not in point(compasses, feed)


def test_a_compass_to_a_course_points_to_its_next_mark_and_not_to_the_nearest(feed: Any) -> None:
    compasses = Compasses(PLAY, Looks(PLAY))
    feed.place(30, "buoy", 500.0, 550.0)  # the marks 0, 1 and 2
    feed.place(31, "buoy", 500.0, 700.0)
    feed.place(32, "buoy", 500.0, 900.0)
    for passed, y in enumerate((550.0, 700.0, 900.0, 550.0)):
        feed.passed = passed
        assert point(compasses, feed)["buoy"].y == y
    feed.clear()  # out of sight the next one is remembered, or else there is no arrow
    feed.place(10, "craft", 2000.0, 500.0)
    feed.passed = 5
    found = point(compasses, feed)["buoy"]
    assert (found.y, found.surely) == (900.0, False)
    compasses.forget()
    feed.place(31, "buoy", 2000.0, 700.0)
    assert "buoy" not in point(compasses, feed)


def test_the_nearest_border_is_between_two_owners_and_leads_to_the_other() -> None:
    leases = {(0, 0): 1, (1, 0): 1, (2, 0): 3, (0, 1): 1}
    owned = Ownership(make_leases(leases))
    assert nearest_border(owned, 100.0, 300.0, 1000.0) == (2000.0, 300.0, 3)
    assert nearest_border(owned, 500.0, 1500.0, 1000.0) == (2000.0, 1000.0, 3)
    assert nearest_border(owned, 2100.0, 400.0, 1000.0) == (2000.0, 400.0, 1)
    alone = Ownership(make_leases({(0, 0): 1, (1, 0): 1}))
    assert nearest_border(alone, 1.0, 1.0, 1000.0) is None


def make_leases(owners: dict[tuple[int, int], int]) -> Any:
    from sidereal.client.leases import LEASE

    rows = np.zeros(len(owners), LEASE)
    for row, ((x, y), shard) in zip(rows, owners.items(), strict=True):
        row["sector_x"], row["sector_y"], row["shard"] = x, y, shard
    return rows


# -- keys and the line -------------------------------------------------------------------------


def test_actions_and_buttons_of_the_mouse_are_in_the_table_of_keys() -> None:
    bindings = make_bindings(PLAY, observing=False)
    shown = {binding.shown: binding.does for binding in bindings}
    assert shown["Mouse L"] == "shoot"
    assert shown["Enter"] == "say: type it"
    assert shown["K"] == "wave hands"
    assert targets_by_key(bindings)["ENTER"] == Ask("play.say", Typed("text", 240))
    assert ("drag", "pan, with the right button") in mouse_lines(bindings)
    watching = make_bindings(PLAY, observing=True)
    assert not any(isinstance(binding.target, Ask) for binding in watching)
    assert ("drag", "pan") in mouse_lines(watching)


def test_what_is_typed_is_asked_for_with_and_a_call_without_words_is_none(feed: Any) -> None:
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.0)
    say = Ask("play.say", Typed("text", 8))
    viewer.press(Steer("shoot", 1))
    viewer.ask(say)
    assert feed.held[-1] == 0  # hands are at the keys
    assert viewer.line is not None
    viewer.line.type(" при\r\x00вет! ")
    viewer.line.type("and more")
    viewer.line.erase()
    assert viewer.advance(0.1, 0.1).line is viewer.line
    assert viewer.line.label == "say"
    viewer.send_line()
    assert viewer.line is None
    viewer.ask(say)
    viewer.line.type("   ")
    viewer.send_line()
    viewer.ask(Ask("play.wave_hands", None))
    assert feed.calls == [("play.say", {"text": "привет"}), ("play.wave_hands", {})]


def test_why_nothing_was_done_is_told(feed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = viewer_of(feed)
    viewer.advance(0.0, 0.0)

    def refuse(action: str, **arguments: Any) -> bytes:
        raise LocalProtocolError("too many wait")

    monkeypatch.setattr(feed, "call", refuse)
    viewer.ask(Ask("play.wave_hands", None))
    feed.events.append(ReceiptCame(bytes(16), "play.say", Outcome.REFUSED, "not so loud"))
    lines = [line.text for line in viewer.advance(0.1, 0.1).feed]
    assert lines == ["too many wait", "say: not so loud"]


def test_of_a_long_line_the_end_is_shown() -> None:
    line = Line("play.say", Typed("text", 40))
    line.type("abcdefghij")
    assert line.visible(10) == "abcdefghij"
    assert line.visible(5) == "…ghij"


# -- words over who speaks, and sounds -----------------------------------------------------------


def said(subject: int, words: str) -> Any:
    values = {column_of(Said, Said.fields["words"]): np.array([words.encode()], "S80")}
    number = EVENT_FIRST + PLAY.events.index(Said)
    return make_happened(number, np.array([subject], np.uint32), np.array([3]), values)


def test_what_is_said_goes_along_with_the_speaker_until_the_next_words(feed: Any) -> None:
    viewer = viewer_of(feed)
    effects = Effects(PLAY)
    feed.place(20, "craft", 100.0, 100.0, vx=50.0)
    effects.begin([said(20, "hello"), said(10, "hi")], feed.view(0.0), 0.0)
    assert effects.began == [Began("chime", 100.0, 100.0), Began("chime", 500.0, 500.0)]
    effects.begin([], feed.view(2.0), 2.0)
    assert [each.x.tolist() for each in effects.running] == [[200.0], [500.0]]
    assert effects.began == []
    effects.begin([said(20, "over " * 12)], feed.view(3.0), 3.0)
    words = effect_words(effects.running, viewer.camera, 3.0)
    assert [word.text for word in words] == ["hi", "over over over over over", "over " * 6 + "over"]
    lower, upper = words[1:]
    assert upper.y > lower.y


def test_near_sounds_are_louder_and_each_is_heard_once() -> None:
    began = [Began("shot", 0, 900), Began("burst", 0, 250), Began("shot", 0, 0)]
    assert heard(began, 0.0, 0.0) == [Heard("shot", 1.0), Heard("burst", 0.5)]
    assert heard([Began("hum", 5000, 0)], 0.0, 0.0) == []


@pytest.mark.parametrize("sound", SOUNDS)
def test_every_sound_is_a_short_wave_that_ends_quietly(sound: str) -> None:
    with wave.open(io.BytesIO(wav_bytes(sound))) as file:
        assert 0.1 < file.getnframes() / file.getframerate() < 1.0
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    assert 20_000 < np.abs(samples).max() <= 32_767
    assert np.abs(samples[-200:]).max() < 0.1 * np.abs(samples).max()
