"""The window's keys and mouse, as pyglet dispatches them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sidereal.client.front.keys import BUTTONS, make_bindings
from sidereal.client.front.layers import LAYERS_SHOWN, Layer
from sidereal.client.front.viewer import Viewer
from sidereal.game import (
    F4,
    I1,
    Body,
    Controls,
    Game,
    Held,
    Label,
    Motion,
    Pilot,
    Transaction,
    angle,
    axis,
    hold,
)
from sidereal.game.declarations import declare
from sidereal.game.described import declare_untrusted
from sidereal.game.keys import KEYS
from sidereal.game.schema import schema_of

MakeFeed = Callable[[dict[tuple[int, int], int]], Any]


class Desk:
    """A window over a small world, and fingers."""

    def __init__(self, screen: Any, feed: Any, left: list[bool]) -> None:
        import arcade
        from pyglet.event import EventDispatcher

        # Past the window's queue, which only a running loop empties.
        self.dispatch = partial(EventDispatcher.dispatch_event, screen.window)
        self.window = screen.window
        self.feed = feed
        self.left = left
        self.key = arcade.key
        self.viewer = Viewer(
            feed,
            self.window.meter,
            size=(800, 600),
            observing=False,
            layers=LAYERS_SHOWN,
            at=None,
        )
        self.window.overlay.help_shown = False
        self.window.overlay.net_graph = 2
        screen.show(self.viewer, 1.0)

    def press(self, name: str, modifiers: int = 0) -> None:
        self.dispatch("on_key_press", getattr(self.key, name), modifiers)

    def type_under_x(self, *steps: str) -> None:
        """Dispatch keys as pyglet does under X: `+` a press or a repeat of one, `-` a release."""
        held = self.window.pressed_keys
        for step in steps:
            symbol = self.symbol(step[1:])
            if step[0] == "-":
                self.dispatch("on_key_release", symbol, 0)
                held.discard(symbol)
            elif symbol not in held:
                shift = self.key.MOD_SHIFT if self.key.LSHIFT in held else 0
                self.dispatch("on_key_press", symbol, shift)
                held.add(symbol)

    def symbol(self, name: str) -> int:
        if name == "ISO_LEFT_TAB":
            return 23 << 32  # pyglet has no name for it
        symbol: int = getattr(self.key, name)
        return symbol

    def release(self, name: str) -> None:
        self.dispatch("on_key_release", getattr(self.key, name), 0)


@pytest.fixture
def desk(screen: Any, make_feed: MakeFeed, monkeypatch: pytest.MonkeyPatch) -> Desk:
    feed = make_feed({(0, 0): 1})
    feed.place(10, "craft", 500.0, 500.0, name="Ada")
    feed.place(20, "craft", 600.0, 500.0, name="Grace")
    feed.own_id = 10
    left: list[bool] = []
    monkeypatch.setattr(screen.loop, "cancel", lambda: left.append(True))
    return Desk(screen, feed, left)


def test_controls_are_held_until_released_or_the_window_loses_them(desk: Desk) -> None:
    desk.press("W")
    desk.press("LEFT")
    desk.release("W")
    desk.dispatch("on_deactivate")
    assert desk.feed.held == [1, 5, 4, 0]  # push and yaw, as the game has bound them


def test_digits_switch_layers_on_both_rows_of_digits(desk: Desk) -> None:
    desk.press("KEY_1")
    assert Layer.GRID not in desk.viewer.layers
    desk.press("NUM_1")
    assert Layer.GRID in desk.viewer.layers


def test_n_goes_round_the_levels_of_the_net_graph(desk: Desk) -> None:
    levels = []
    for _ in range(3):
        desk.press("N")
        levels.append(desk.window.overlay.net_graph)
    assert levels == [0, 1, 2]


def test_tab_and_shift_tab_select(desk: Desk) -> None:
    desk.press("TAB")
    assert desk.viewer.selected_id == 20
    desk.press("TAB", desk.key.MOD_SHIFT)
    assert desk.viewer.selected_id == 20


@pytest.fixture
def x_desk(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(desk.window, "pressed_keys", set(), raising=False)
    return desk


def test_question_mark_works_whichever_key_is_released_first(x_desk: Desk) -> None:
    shown = []
    for _ in range(3):
        x_desk.type_under_x("+LSHIFT", "+QUESTION", "-LSHIFT", "-SLASH")
        shown.append(x_desk.window.overlay.help_shown)
        x_desk.type_under_x("+LSHIFT", "+QUESTION", "-QUESTION", "-LSHIFT")
        shown.append(x_desk.window.overlay.help_shown)
    assert shown == [True, False] * 3


def test_a_key_that_repeats_after_shift_was_released_is_still_one_press(x_desk: Desk) -> None:
    x_desk.type_under_x("+LSHIFT", "+QUESTION", "+QUESTION", "-LSHIFT", "+SLASH", "+SLASH")
    assert x_desk.window.overlay.help_shown
    x_desk.type_under_x("-SLASH", "+H")
    assert not x_desk.window.overlay.help_shown


def test_shift_tab_is_a_key_of_its_own_under_x(x_desk: Desk) -> None:
    x_desk.feed.place(30, "craft", 500.0, 600.0, name="Edsger")
    x_desk.viewer.advance(2.0, 0.0)
    chosen = []
    for step in ("TAB", "TAB", "ISO_LEFT_TAB", "ISO_LEFT_TAB"):
        if step == "TAB":
            x_desk.type_under_x("+TAB", "-TAB")
        else:
            x_desk.type_under_x("+LSHIFT", "+ISO_LEFT_TAB", "-LSHIFT", "-TAB")
        chosen.append(x_desk.viewer.selected_id)
    assert chosen == [20, 30, 20, 30]


def test_keys_held_while_the_window_lost_the_keyboard_can_be_pressed_again(x_desk: Desk) -> None:
    x_desk.type_under_x("+W")
    x_desk.dispatch("on_deactivate")
    x_desk.type_under_x("+W")
    assert x_desk.feed.held == [1, 0, 1]


def test_escape_goes_back_step_by_step_and_then_leaves(desk: Desk) -> None:
    desk.press("TAB")
    desk.press("H")
    assert desk.window.overlay.help_shown
    desk.press("ESCAPE")
    assert not desk.window.overlay.help_shown
    assert desk.viewer.selected_id == 20
    desk.press("ESCAPE")
    assert desk.viewer.selected_id == 0
    assert desk.left == []
    desk.press("ESCAPE")
    assert desk.left == [True]


def test_q_leaves_at_once(desk: Desk) -> None:
    desk.press("H")
    desk.press("Q")
    assert desk.left == [True]


def test_a_drag_pans_and_a_click_selects(desk: Desk) -> None:
    zoom = desk.viewer.camera.zoom
    at = desk.viewer.camera.project(600.0, 500.0)
    desk.dispatch("on_mouse_press", *map(round, at), 1, 0)
    desk.dispatch("on_mouse_release", *map(round, at), 1, 0)
    assert desk.viewer.selected_id == 20
    x = desk.viewer.camera.x
    desk.dispatch("on_mouse_press", 400, 300, 1, 0)
    desk.dispatch("on_mouse_drag", 440, 300, 40, 0, 1, 0)
    desk.dispatch("on_mouse_release", 440, 300, 1, 0)
    assert desk.viewer.camera.x == pytest.approx(x - 40 / zoom)
    assert desk.viewer.selected_id == 20


def test_the_wheel_zooms(desk: Desk) -> None:
    zoom = desk.viewer.camera.zoom
    desk.dispatch("on_mouse_scroll", 400, 300, 0.0, -2.0)
    assert desk.viewer.camera.zoom < zoom


def test_f12_saves_a_picture_where_one_stands(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    desk.press("F12")
    (saved,) = tmp_path.glob("sidereal-*.png")
    frame = desk.viewer.advance(1.1, 0.1)
    assert [line.text for line in frame.feed] == [f"saved {saved.name}"]


def test_pyglet_knows_every_key_that_a_game_may_bind(desk: Desk) -> None:
    for key in sorted(KEYS):
        one = type("One", (Controls,), {"__annotations__": {"it": Held}, "it": hold(key)})
        game = Game("one")
        game.kind("thing", Motion())
        game.declare(one)
        names = make_bindings(declare(game), observing=False)[0].keys
        assert names
        assert all(hasattr(desk.key, name) or name in BUTTONS for name in names), names


def test_an_unbound_key_does_nothing(desk: Desk) -> None:
    desk.press("F7")
    assert desk.feed.held == []
    assert desk.viewer.layers == LAYERS_SHOWN


class Lift(Controls, name="tests.lift"):
    height: I1 = axis("I", "K")


def test_keys_are_those_of_the_game_that_is_shown(desk: Desk) -> None:
    game = Game("lifts")
    game.kind("cage", Motion())
    game.declare(Lift)
    desk.feed.game = declare_untrusted(schema_of(declare(game)).description.encode())
    desk.window.on_draw()
    desk.feed.held.clear()
    desk.press("I")
    desk.press("W")
    assert desk.feed.held == [1]
    assert ("W ▲", "height +") in [(each.shown, each.does) for each in desk.viewer.bindings]


class Hands(Controls, name="tests.hands"):
    push: I1 = axis("W", "S")
    grab: Held = hold("MOUSE_LEFT")
    aim: F4 = angle(pointer=True, bits=8)


@pytest.fixture
def talker(desk: Desk, screen: Any) -> Desk:
    """A desk of a game whose players talk, and grab with the mouse."""
    game = Game("talker")
    game.kind("craft", Motion(), Body(radius=6), Label(), Pilot())
    game.declare(Hands)

    @game.action(rate_hz=1, durable=False, key="T")
    def say(tx: Transaction, text: str) -> None: ...

    desk.feed.game = declare(game)
    screen.show(desk.viewer, 2.0)
    return desk


def test_a_line_is_typed_and_sent_and_the_key_that_opens_it_is_no_part_of_it(talker: Desk) -> None:
    talker.press("W")
    talker.press("T")
    talker.dispatch("on_text", "t")
    talker.dispatch("on_text", "t")  # it repeats while it is held
    talker.release("T")
    for key, letter in (("W", "w"), ("T", "t"), ("Q", "q")):
        talker.press(key)
        talker.dispatch("on_text", letter)
        talker.release(key)
    talker.dispatch("on_text", "ñ漢")  # as an input method says it
    talker.dispatch("on_text_motion", talker.key.MOTION_BACKSPACE)
    assert talker.viewer.line is not None
    talker.press("ENTER")
    talker.dispatch("on_text", "\r")
    assert talker.feed.calls == [("talker.say", {"text": "wtqñ"})]
    assert talker.feed.held[-1] == 0
    assert not talker.left


def test_escape_leaves_the_line_and_nothing_else(talker: Desk) -> None:
    talker.press("T")
    talker.press("M")
    talker.press("ESCAPE")
    assert talker.viewer.line is None
    assert Layer.MINIMAP in talker.viewer.layers
    assert (talker.feed.calls, talker.left) == ([], [])
    talker.press("ESCAPE")
    assert talker.left == [True]


def test_a_button_that_the_game_has_bound_is_held_and_aims_and_neither_pans_nor_selects(
    talker: Desk,
) -> None:
    left, right = 1, 4
    x, y = talker.viewer.camera.project(500.0, 600.0)
    talker.dispatch("on_mouse_press", x, y, left, 0)
    talker.viewer.advance(2.1, 0.0)
    assert talker.feed.held[-1] == 0b100 | 64 << 3  # held, a quarter of a turn
    at = talker.viewer.camera.x
    talker.dispatch("on_mouse_drag", x, y - 300, 0, -300, left, 0)
    talker.viewer.advance(2.2, 0.0)
    assert talker.viewer.following
    assert talker.feed.held[-1] == 0b100 | 192 << 3
    x, y = talker.viewer.camera.project(600.0, 500.0)
    talker.dispatch("on_mouse_release", x, y, left, 0)
    assert talker.feed.held[-1] == 192 << 3
    assert talker.viewer.selected_id == 0
    talker.dispatch("on_mouse_press", x, y, right, 0)
    talker.dispatch("on_mouse_release", x, y, right, 0)
    assert talker.viewer.selected_id == 20
    talker.dispatch("on_mouse_press", x, y, right, 0)
    talker.dispatch("on_mouse_drag", x + 50, y, 50, 0, right, 0)
    talker.viewer.advance(2.3, 0.0)
    assert talker.viewer.camera.x < at


def test_what_sounds_is_played_if_that_is_wanted_and_who_can_not_says_so(
    talker: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    talker.window.unmute()  # nothing here plays any
    monkeypatch.setattr(talker.window, "_speaker", None)
    lines = [line.text for line in talker.viewer.advance(2.1, 0.0).feed]
    assert [line for line in lines if line.startswith("no sound: ")]
