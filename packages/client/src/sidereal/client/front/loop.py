"""Trio inside pyglet's event loop: one thread, the window hosts, the network is a task.

`idle()` is pyglet's documented hook for another framework's run loop; it is called once an
iteration on every platform. Trio's callbacks wait in a deque and run there, for at most a few
milliseconds, so that a busy nursery cannot freeze the window. Both ways of posting them to pyglet
instead were measured and starve drawing: posted events drain until empty, zero-delay clock items
run in the same pass.

However the host's loop ends (the window was closed, `on_draw` raised, somebody called `exit()`),
Trio is cancelled and run to its end before `run_trio` returns: every `finally` runs.
"""

from __future__ import annotations

import collections
import signal
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pyglet
import trio
from outcome import Outcome
from pyglet.app.base import EventLoop

BUDGET_S = 0.004
"""Time per iteration for Trio before the window gets its turn."""

T = TypeVar("T")


class TrioLoop(EventLoop):
    """Install as `pyglet.app.event_loop` before the first window is made."""

    def __init__(self, budget_s: float = BUDGET_S) -> None:
        super().__init__()
        self._budget_s = budget_s
        self._ready: collections.deque[Callable[[], object]] = collections.deque()
        self._scope = trio.CancelScope()

    def cancel(self) -> None:
        """Ask Trio's main to end; `run_trio` returns when it has."""
        self._scope.cancel()

    def on_window_close(self, window: object) -> None:
        """Say goodbye before leaving; pyglet's own answer ends the host at once."""
        self.cancel()

    def pump(self) -> None:
        """Run what Trio has ready, within the budget."""
        stop = time.perf_counter() + self._budget_s
        while self._ready:
            self._ready.popleft()()
            if time.perf_counter() > stop:
                break

    def idle(self) -> float | None:
        """Give Trio its turn, then the clock (updates, drawing, flip)."""
        self.pump()
        timeout: float | None = super().idle()
        return 0.0 if self._ready else timeout

    def run_trio(self, main: Callable[[], Awaitable[T]]) -> T | None:
        """Run `main` under Trio while pyglet runs the windows.

        Returns:
            What `main` returned, or `None` when it was cancelled.

        Raises:
            BaseException: what `main` raised, or what drawing raised once `main` has ended.
        """
        outcomes: list[Outcome[T | None]] = []
        self._scope = trio.CancelScope()

        async def scoped() -> T | None:
            with self._scope:
                return await main()
            return None

        def post_threadsafe(callback: Callable[[], object]) -> None:
            self._ready.append(callback)
            pyglet.app.platform_event_loop.notify()

        def finish(result: Outcome[T | None]) -> None:
            outcomes.append(result)
            self.exit()

        # macOS: pyglet took SIGINT at import, and Trio only takes it over from Python's own.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        trio.lowlevel.start_guest_run(
            scoped,
            done_callback=finish,
            run_sync_soon_threadsafe=post_threadsafe,
            run_sync_soon_not_threadsafe=self._ready.append,
            restrict_keyboard_interrupt_to_checkpoints=True,
        )
        try:
            self.run(None)
        finally:
            self.cancel()
            while not outcomes:
                self.pump()
                time.sleep(0.001)
        return outcomes[0].unwrap()
