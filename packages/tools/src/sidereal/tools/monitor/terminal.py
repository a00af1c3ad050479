"""A terminal for a program that takes it over: keys, size, suspend and resume, and all put back.

The program draws on the alternate screen with the line discipline in cbreak mode, so Ctrl-C and
Ctrl-Z stay signals. Before it is suspended, and whatever way it ends, the terminal is as it was.
"""

from __future__ import annotations

import os
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio
from rich.console import Console, RenderableType

from sidereal.tools.monitor.keys import ESCAPE_S, KeyDecoder

READ_SIZE = 1024


class Terminal:
    """The terminal of this process, taken over within `taken`."""

    def __init__(self, console: Console, descriptor: int) -> None:
        self.console = console
        self._descriptor = descriptor
        self._before = termios.tcgetattr(descriptor)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take the terminal over; give it back at the end."""
        try:
            self._take()
            yield
        finally:
            self._give_back()

    def draw(self, picture: RenderableType) -> None:
        """Draw the whole screen."""
        self.console.update_screen(picture)

    def clear(self) -> None:
        """Forget what is on the screen; the next picture is drawn on an empty one."""
        self.console.clear()

    def suspend(self) -> None:
        """Stop this process as Ctrl-Z should; returns when it goes on."""
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()

    async def feed_keys(self, press: Callable[[str], None]) -> None:
        """Pass keys on until the terminal is gone."""
        decoder = KeyDecoder()
        while True:
            silence_s = ESCAPE_S if decoder.waiting else float("inf")
            with trio.move_on_after(silence_s) as silence:
                await trio.lowlevel.wait_readable(self._descriptor)
            if silence.cancelled_caught:
                keys = decoder.flush()
            else:
                try:
                    sent = os.read(self._descriptor, READ_SIZE)
                except OSError:
                    return  # hung up
                if not sent:
                    return
                keys = decoder.feed(sent)
            for key in keys:
                press(key)

    def _take(self) -> None:
        tty.setcbreak(self._descriptor)
        self.console.set_alt_screen(True)
        self.console.show_cursor(False)

    def _give_back(self) -> None:
        self.console.show_cursor(True)
        self.console.set_alt_screen(False)
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
