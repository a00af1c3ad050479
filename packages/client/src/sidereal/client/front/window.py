"""The window: arcade's events in, one frame out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import arcade
import pyglet
import trio
from arcade.resources import resolve
from PIL import Image

from sidereal.client.front import palette
from sidereal.client.front.batches import Batches
from sidereal.client.front.keys import (
    BUTTONS,
    OWN,
    SHIFT_TAB,
    SHIFT_TAB_KEYCODE,
    Action,
    Ask,
    Binding,
    Pan,
    Steer,
    Target,
    targets_by_key,
)
from sidereal.client.front.layers import Layer
from sidereal.client.front.lettering import Face, Lettering
from sidereal.client.front.loop import TrioLoop
from sidereal.client.front.meter import Meter
from sidereal.client.front.overlay import NET_GRAPH_LEVELS, Overlay
from sidereal.client.front.play.sounds import heard
from sidereal.client.front.play.speaker import Speaker
from sidereal.client.front.scene import Scene
from sidereal.client.front.viewer import Viewer
from sidereal.client.front.writing.fonts import directories_of
from sidereal.protocol.errors import UnavailableError

FRAME_S: Final = 1 / 60
ELAPSED_S_MAX: Final = 0.25
"""A longer pause is not made up for by the camera."""
DRAG_PX: Final = 4.0
"""A press that moved less is a click."""


def _targets(bindings: Iterable[Binding]) -> dict[int, Target]:
    """What each key does, by pyglet's key code; digits also on the number pad."""
    targets = {}
    for name, target in targets_by_key(bindings).items():
        if name in BUTTONS:
            continue
        if name == SHIFT_TAB:
            targets[pyglet.window.key.user_key(SHIFT_TAB_KEYCODE)] = target
            continue
        targets[getattr(arcade.key, name)] = target
        if name == "ENTER":
            targets[arcade.key.NUM_ENTER] = target
        if name.startswith("KEY_"):
            targets[getattr(arcade.key, f"NUM_{name[4:]}")] = target
    return targets


def _buttons(bindings: Iterable[Binding]) -> dict[int, Target]:
    """What each button of the mouse does that the game has bound, by pyglet's number."""
    targets = targets_by_key(bindings)
    return {
        getattr(arcade, f"MOUSE_BUTTON_{name[6:]}"): targets[name]
        for name in BUTTONS
        if name in targets
    }


class ViewWindow(arcade.Window):
    """Shows one viewer; make it after `pyglet.app.event_loop` was set.

    Attributes:
        meter: of the frames drawn.
        overlay: the panels.
    """

    def __init__(self, loop: TrioLoop, size: tuple[int, int], title: str) -> None:
        # No MSAA: the shaders smooth their edges, and llvmpipe takes twice as long with it.
        # No vsync: flip would hold up the one thread, and Trio with it, for up to a frame.
        super().__init__(
            *size,
            title,
            resizable=True,
            antialiasing=False,
            vsync=False,
            update_rate=FRAME_S,
            draw_rate=FRAME_S,
        )
        self._loop = loop
        self._bindings: Sequence[Binding] = OWN
        self._targets = _targets(OWN)
        self._buttons = _buttons(OWN)
        self._speaker: Speaker | None = None
        self._opened_by: int | None = None
        batches = Batches(self.ctx)
        fonts = resolve(":system:fonts/ttf/Liberation/Liberation_Mono_Regular.ttf").parent
        self._lettering = lettering = Lettering(self.ctx, batches.letters, fonts, directories_of())
        self.meter = Meter()
        self._scene = Scene(batches, lettering)
        self.overlay = Overlay(batches, lettering, self.meter)
        self._viewer: Viewer | None = None
        self._clock: Callable[[], float] = time.perf_counter
        self._dragged_px = 0.0
        self._when_drawn: list[Callable[[], object]] = []

    def attach(self, viewer: Viewer, clock: Callable[[], float]) -> None:
        """Show this viewer from the next frame on.

        Args:
            viewer: what to show.
            clock: the client's, monotonic seconds.
        """
        self._viewer = viewer
        self._clock = clock
        self._take_bindings(viewer)

    def _take_bindings(self, viewer: Viewer) -> None:
        self._bindings = viewer.bindings
        self._targets, self._buttons = _targets(viewer.bindings), _buttons(viewer.bindings)
        self.overlay.restart(viewer.bindings)

    def unmute(self) -> None:
        """Let effects be heard from the next frame on, or say why they are not."""
        self._speaker = Speaker()
        if self._speaker.problem and self._viewer is not None:
            self._viewer.note(self._speaker.problem, self._clock(), palette.WARN)

    async def wait_frame(self) -> None:
        """Wait until the next frame has been drawn."""
        drawn = trio.Event()
        self._when_drawn.append(drawn.set)
        await drawn.wait()

    async def save_picture(self, path: Path) -> None:
        """Save the next frame as PNG.

        Raises:
            UnavailableError: the file cannot be written.
        """
        await self.wait_frame()
        try:
            self.grab().save(path)
        except OSError as error:
            raise UnavailableError(f"cannot save {path}: {error.strerror or error}") from None

    # -- frames ---------------------------------------------------------------------------------

    def on_update(self, delta_time: float) -> None:
        """Let Trio breathe while a modal loop (Windows: dragging the frame) holds pyglet's."""
        self._loop.pump()

    def on_draw(self) -> None:
        """Draw one frame."""
        elapsed_s = self.meter.frame_begins(time.perf_counter())
        self.clear(color=(*palette.BACKGROUND, 255))
        if self._viewer is None:
            self._draw_waiting()
            return
        frame = self._viewer.advance(self._clock(), min(elapsed_s, ELAPSED_S_MAX))
        if self._viewer.bindings is not self._bindings:  # another game
            self._take_bindings(self._viewer)
        self._scene.draw(frame)
        self.overlay.draw(frame)
        if self._speaker is not None:
            self._speaker.play(heard(frame.sounding, *frame.place))
        self.meter.frame_drawn(time.perf_counter())
        while self._when_drawn:
            self._when_drawn.pop()()

    def _draw_waiting(self) -> None:
        middle = self.width / 2, self.height / 2
        self._lettering.add("signing in…", 0, 0, palette.DIM, face=Face.HUGE, align=0.5)
        self._lettering.draw(self._lettering.take(), (self.width, self.height), middle)

    def grab(self) -> Image.Image:
        """The picture as it is now, RGB."""
        image: Image.Image = self.ctx.get_framebuffer_image(self.ctx.screen, components=3)
        return image

    def on_resize(self, width: int, height: int) -> None:
        """Keep the picture's middle in the middle."""
        super().on_resize(width, height)
        viewer = getattr(self, "_viewer", None)  # called during __init__ as well
        if viewer is not None:
            viewer.camera.width, viewer.camera.height = width, height

    def on_close(self) -> None:
        """Leave; the window stays until Trio has said goodbye."""
        self._loop.cancel()

    # -- keys and mouse -------------------------------------------------------------------------

    def on_key_press(self, symbol: int, modifiers: int) -> None:
        """Do what the table of keys says."""
        target, viewer = self._targets.get(symbol), self._viewer
        if viewer is not None and viewer.line is not None:
            self._edit(viewer, symbol)
        elif not self._is_repeat(symbol, target):
            self._begin(target, shifted=bool(modifiers & arcade.key.MOD_SHIFT))
            if viewer is not None and viewer.line is not None:
                self._opened_by = symbol

    def _begin(self, target: Target | None, *, shifted: bool) -> None:
        viewer = self._viewer
        if viewer is None:
            if target in (Action.BACK, Action.QUIT):
                self._loop.cancel()
        elif isinstance(target, Steer | Pan):
            viewer.press(target)
        elif isinstance(target, Layer):
            viewer.toggle(target)
        elif isinstance(target, Ask):
            viewer.ask(target)
        elif target is not None:
            self._act(viewer, target, shifted=shifted)

    def _edit(self, viewer: Viewer, symbol: int) -> None:
        """A key went down while a line is typed; letters come to `on_text`."""
        self._opened_by = None
        if symbol in (arcade.key.ENTER, arcade.key.NUM_ENTER):
            viewer.send_line()
        elif symbol == arcade.key.ESCAPE:
            viewer.line = None

    def on_text(self, text: str) -> None:
        """Type, but not the key which opens the line: that has a letter, too."""
        if self._viewer is not None and self._viewer.line is not None and self._opened_by is None:
            self._viewer.line.type(text)

    def on_text_motion(self, motion: int) -> None:
        """Take the last letter back, again and again while the key is held."""
        line = None if self._viewer is None else self._viewer.line
        if line is not None and motion == arcade.key.MOTION_BACKSPACE:
            line.erase()

    def on_key_release(self, symbol: int, modifiers: int) -> None:
        """Let go of a key that was held."""
        target = self._targets.get(symbol)
        if symbol == self._opened_by:
            self._opened_by = None
        if symbol not in getattr(self, "pressed_keys", {symbol}) or self._is_repeat(symbol, target):
            self._forget_pressed()  # it was pressed under another name, with Shift
        if self._viewer is not None and isinstance(target, Steer | Pan):
            self._viewer.release(target)

    def on_deactivate(self) -> None:
        """The keyboard went elsewhere: no release will come."""
        self._forget_pressed()
        if self._viewer is not None:
            self._viewer.release_all()

    def _is_repeat(self, symbol: int, target: Target | None) -> bool:
        """Whether a key that is held repeats under another name, since Shift was released."""
        return isinstance(target, Action | Layer) and any(
            held != symbol and self._targets.get(held) is target
            for held in getattr(self, "pressed_keys", ())
        )

    def _forget_pressed(self) -> None:
        """Have pyglet take the next press of any key for one.

        Under X it takes a press for a repeat until it has seen a release of the same name. But `?`
        is released as `/` when Shift was released first, and when the keyboard went elsewhere no
        release comes.
        """
        getattr(self, "pressed_keys", set()).clear()

    def _act(self, viewer: Viewer, action: Action, shifted: bool) -> None:
        match action:
            case Action.NET_GRAPH:
                self.overlay.net_graph = (self.overlay.net_graph + 1) % NET_GRAPH_LEVELS
            case Action.HELP:
                self.overlay.help_shown = not self.overlay.help_shown
            case Action.FOLLOW:
                viewer.follow()
            case Action.SELECT_NEXT:
                viewer.select_step(-1 if shifted else 1)
            case Action.FIT:
                viewer.fit()
            case Action.PICTURE:
                self._save_picture(viewer)
            case Action.BACK:
                if self.overlay.help_shown:
                    self.overlay.help_shown = False
                elif not viewer.deselect():
                    self._loop.cancel()
            case Action.QUIT:
                self._loop.cancel()

    def _save_picture(self, viewer: Viewer) -> None:
        path = Path(time.strftime("sidereal-%Y%m%d-%H%M%S.png"))
        try:
            self.grab().save(path)
        except OSError as error:
            viewer.note(f"cannot save {path}: {error.strerror}", self._clock(), palette.BAD)
        else:
            viewer.note(f"saved {path}", self._clock())

    def on_mouse_motion(self, x: int, y: int, dx: int, dy: int) -> None:
        """Point."""
        if self._viewer is not None:
            self._viewer.point(x, y)

    def on_mouse_press(self, x: int, y: int, button: int, modifiers: int) -> None:
        """Do what the game has bound to the button, or begin a drag or a click."""
        self._dragged_px = 0.0
        if self._viewer is not None and button in self._buttons:
            self._viewer.point(x, y)
            self._begin(self._buttons[button], shifted=False)

    def on_mouse_drag(self, x: int, y: int, dx: int, dy: int, buttons: int, modifiers: int) -> None:
        """Point, and pan with a button that the game has not bound."""
        if self._viewer is None:
            return
        self._viewer.point(x, y)
        if any(buttons & bound for bound in self._buttons):
            return
        self._dragged_px += abs(dx) + abs(dy)
        if self._dragged_px >= DRAG_PX:
            self._viewer.drag(dx, dy)

    def on_mouse_release(self, x: int, y: int, button: int, modifiers: int) -> None:
        """Let go, or select unless it was a drag."""
        if self._viewer is None:
            return
        target = self._buttons.get(button)
        if isinstance(target, Steer | Pan):
            self._viewer.release(target)
        elif target is None and self._dragged_px < DRAG_PX:
            self._viewer.click(x, y)

    def on_mouse_scroll(self, x: int, y: int, scroll_x: float, scroll_y: float) -> None:
        """Zoom."""
        if self._viewer is not None:
            self._viewer.wheel(x, y, scroll_y)


def open_window(size: tuple[int, int], title: str) -> tuple[TrioLoop, ViewWindow]:
    """Make the loop and, on it, the window.

    Returns:
        Both; close the window after `TrioLoop.run_trio` returned.
    """
    loop = TrioLoop()
    pyglet.app.event_loop = loop
    return loop, ViewWindow(loop, size, title)
