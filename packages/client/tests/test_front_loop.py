"""Trio inside pyglet: every way in which a run can end, with cleanup run in each."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from sidereal.client.front.layers import LAYERS_SHOWN
from sidereal.client.front.viewer import Viewer
from sidereal.protocol.errors import UnavailableError

FRAMES = 5
BUSY_MAX = 200_000
"""Steps of a busy task; however fast the machine is, there is a frame every few thousand."""

MakeFeed = Callable[[dict[tuple[int, int], int]], Any]


@pytest.fixture
def window(screen: Any, make_feed: MakeFeed) -> Any:
    feed = make_feed({(0, 0): 1})
    viewer = Viewer(
        feed,
        screen.window.meter,
        size=(800, 600),
        observing=False,
        layers=LAYERS_SHOWN,
        at=None,
    )
    screen.window.attach(viewer, time.perf_counter)
    # pyglet's clock drops what raised: a test that broke a frame would end drawing for the rest.
    screen.window.set_update_rate(1 / 60)
    return screen.window


class Goodbye:
    """A main that waits for ever and takes its time to leave."""

    def __init__(self, at_start: Callable[[], object] = lambda: None) -> None:
        self.said = False
        self._at_start = at_start

    async def main(self) -> None:
        try:
            self._at_start()
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.02)
            self.said = True


def test_what_main_returns_is_returned(screen: Any, window: Any) -> None:
    async def main() -> int:
        await window.wait_frame()
        await window.wait_frame()
        return 7

    assert screen.loop.run_trio(main) == 7


def test_closing_the_window_lets_trio_say_goodbye(screen: Any, window: Any) -> None:
    goodbye = Goodbye()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(goodbye.main)
            await window.wait_frame()
            window.dispatch_event("on_close")

    assert screen.loop.run_trio(main) is None
    assert goodbye.said


def test_a_failing_task_ends_the_run_with_its_error(screen: Any, window: Any) -> None:
    async def fail() -> None:
        await window.wait_frame()
        raise KeyError("broken")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail)
            nursery.start_soon(trio.sleep_forever)

    with pytest.raises(ExceptionGroup) as caught:
        screen.loop.run_trio(main)
    assert caught.group_contains(KeyError, match="broken")


def test_a_failing_frame_ends_trio_first(
    screen: Any, window: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    goodbye = Goodbye()
    frames = 0

    def broken() -> None:
        nonlocal frames
        frames += 1
        if frames == 3:
            raise ValueError("no picture")

    monkeypatch.setattr(window, "on_draw", broken)
    with pytest.raises(ValueError, match="no picture"):
        screen.loop.run_trio(goodbye.main)
    assert goodbye.said


def test_anyone_may_exit_pyglets_loop(screen: Any, window: Any) -> None:
    import pyglet

    goodbye = Goodbye(lambda: pyglet.clock.schedule_once(lambda _: pyglet.app.exit(), 0))
    assert screen.loop.run_trio(goodbye.main) is None
    assert goodbye.said


def test_ctrl_c_reaches_trio_and_its_cleanup(screen: Any, window: Any) -> None:
    import pyglet

    def press(_: float) -> None:
        signal.raise_signal(signal.SIGINT)

    goodbye = Goodbye(lambda: pyglet.clock.schedule_once(press, 0))
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            screen.loop.run_trio(goodbye.main)
    finally:
        signal.signal(signal.SIGINT, before)
    assert goodbye.said


def test_a_busy_task_does_not_starve_the_window(screen: Any, window: Any) -> None:
    frames = 0
    original = window.on_draw

    def counted() -> None:
        nonlocal frames
        frames += 1
        original()

    window.on_draw = counted
    try:

        async def main() -> None:
            for _ in range(BUSY_MAX):
                if frames >= FRAMES:
                    return
                await trio.lowlevel.checkpoint()

        screen.loop.run_trio(main)
    finally:
        del window.on_draw
    assert frames >= FRAMES


def test_datagrams_arrive_while_the_window_draws(screen: Any, window: Any) -> None:
    async def main() -> list[bytes]:
        received = []
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as receiver:
            await receiver.bind(("127.0.0.1", 0))
            with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as sender:
                for count in range(20):
                    await sender.sendto(bytes([count]), receiver.getsockname())
                    received.append(await receiver.recv(10))
                    await trio.sleep(0.002)
        return received

    assert screen.loop.run_trio(main) == [bytes([count]) for count in range(20)]


def test_a_picture_that_cannot_be_saved_says_so(screen: Any, window: Any, tmp_path: Path) -> None:
    async def main() -> None:
        await window.save_picture(tmp_path / "world.png")
        await window.save_picture(tmp_path / "nowhere" / "world.png")

    with pytest.raises(UnavailableError, match=r"cannot save .*No such file"):
        screen.loop.run_trio(main)
    assert (tmp_path / "world.png").stat().st_size > 1000
