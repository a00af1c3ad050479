"""`sidereal monitor`: the tasks around the picture, and the one-shot modes.

One task asks for the state, one keeps the observer's session, one reads keys, one takes signals.
One draws, four times a second and after each key. None of them ends because the server is away.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import trio
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from sidereal.client.driver import check_server, other_version
from sidereal.client.front import palette
from sidereal.client.http import open_http
from sidereal.game.load import DEFAULT_GAME, load_to_show
from sidereal.protocol.errors import ConfigError, UnavailableError
from sidereal.protocol.runtime.config import check_output_file
from sidereal.protocol.runtime.process import wait_until_told
from sidereal.tools.monitor.desk import Desk
from sidereal.tools.monitor.frame import Frame, draw_frame
from sidereal.tools.monitor.history import History, Picture, Status
from sidereal.tools.monitor.keys import SCREENS, Screen
from sidereal.tools.monitor.observer import Observer
from sidereal.tools.monitor.sightmap import count_kinds
from sidereal.tools.monitor.terminal import Terminal
from sidereal.tools.publish import STANDARD_OUTPUT, publish
from sidereal.tools.reader import NOBODY, Login, Reader

POLL_S: Final = 0.25
ANSWER_S_MAX: Final = 3.0
"""A server that takes longer is away."""
PICTURE_SIZE: Final = (130, 34)
"""Columns and lines of a picture that is not for a terminal."""

_THEME: Final = TerminalTheme(
    palette.BACKGROUND,
    palette.TEXT,
    [
        *(palette.BACKGROUND, palette.BAD, palette.GOOD, palette.WARN),
        *(palette.INTERPOLATED, palette.SHARDS[3], palette.SHARDS[0], palette.TEXT),
    ],
)


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """What to look at, and how.

    Attributes:
        server: URL of it.
        login: who looks.
        once: one plain frame instead of a screen that stays.
        json: file for what is known as JSON, `-` for standard output; one look.
        svg: file for a picture; one look.
        screen: to begin with.
        game: `module:name` of what is played; a world of another game is shown as it is described.
        for_s: how long one look lasts; rates come from it.
    """

    server: str
    login: Login = NOBODY
    once: bool = False
    json: str | None = None
    svg: Path | None = None
    screen: str = Screen.OVERVIEW.value
    game: str = DEFAULT_GAME
    for_s: float = 2.0

    def check(self) -> None:
        """Check the settings.

        Raises:
            ConfigError: naming every problem at once.
        """
        problems = []
        names = [screen.value for screen in SCREENS]
        if self.screen not in names:
            problems.append(f"--screen is {self.screen!r}; there are: {', '.join(names)}")
        if not 0 <= self.for_s <= 3600:
            problems.append("--for must be 0 to 3600 seconds")
        if self.svg is not None:
            try:
                check_output_file(self.svg, "--svg")
            except ConfigError as error:
                problems.append(str(error))
        for check, said in ((check_server, self.server), (load_to_show, self.game)):
            try:
                check(said)
            except ConfigError as error:
                problems.append(str(error))
        if problems:
            raise ConfigError("; ".join(problems))


class Monitor:
    """The monitor's tasks around one history."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        screen: Screen,
        login: Login = NOBODY,
        game: str = DEFAULT_GAME,
    ) -> None:
        self.desk = Desk(screen=screen)
        self._http = http
        self._reader = Reader(http, login)
        self._history = History(str(http.base_url).rstrip("/"))
        self._observer = Observer(self._reader, game)
        self._wake = trio.Event()

    async def first(self) -> None:
        """Get the first answer.

        Raises:
            UnavailableError: there is none.
        """
        self._take(await self._reader.state())

    def _take(self, status: Status) -> None:
        try:
            self._history.answer(status, trio.current_time())
        except KeyError as error:
            raise other_version(self._http, error) from None

    async def poll(self) -> None:
        """Ask for the state, for ever; whether an answer comes or not."""
        while True:
            asked_at = trio.current_time()
            try:
                self._take(await self._reader.state())
            except UnavailableError as error:
                self._history.silence(explain(error), trio.current_time())
            await trio.sleep(max(0.0, asked_at + POLL_S - trio.current_time()))

    async def observe(self) -> None:
        """Keep a session in the world."""
        await self._observer.run()

    def picture(self) -> Picture:
        """All that is known now."""
        now = trio.current_time()
        observed, moves, around = self._observer.look(now, self.desk.sector)
        self._history.hand_over(moves)
        return self._history.picture(now, observed, around)

    def press(self, key: str) -> None:
        """Take a key."""
        self.desk.press(key, self.desk.frozen or self.picture())
        self.wake()

    def wake(self) -> None:
        """Have the screen drawn at once."""
        self._wake.set()

    async def draw(self, terminal: Terminal) -> None:
        """Draw until the person has had enough."""
        console = terminal.console
        while not self.desk.ended:
            self._wake = trio.Event()
            terminal.draw(self.frame(console))
            with trio.move_on_after(POLL_S):
                await self._wake.wait()

    def frame(self, console: Console) -> Frame:
        """Draw one screen for a console."""
        width, height = console.size
        colour = console.color_system is not None and not console.no_color
        return draw_frame(self.desk, self.picture(), width, height, colour=colour)


async def run_monitor(config: MonitorConfig) -> int:
    """Run the monitor.

    Returns:
        the exit status.

    Raises:
        ConfigError: the settings make no sense.
        UnavailableError: no server answers in the beginning.
    """
    config.check()
    async with open_http(config.server, timeout_s=ANSWER_S_MAX) as http:
        monitor = Monitor(http, Screen(config.screen), config.login, config.game)
        await monitor.first()
        single = config.once or config.json is not None or config.svg is not None
        if single or not (sys.stdin.isatty() and sys.stdout.isatty()):
            await look_once(monitor, config)
        else:
            await _run_screen(monitor)
    return 0


async def look_once(monitor: Monitor, config: MonitorConfig) -> None:
    """Look for a while, then print one frame, write it, or both."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(monitor.poll)
        nursery.start_soon(monitor.observe)
        await trio.sleep(config.for_s)
        picture = monitor.picture()
        if config.svg is not None:
            config.svg.write_text(draw_svg(monitor.desk, picture), encoding="utf-8")
        if config.json is not None:
            publish(describe(picture), (), config.json)
        if config.json != STANDARD_OUTPUT and (config.once or config.svg is None):
            console = _console()
            console.print(monitor.frame(console), end="")
        nursery.cancel_scope.cancel()


def _console() -> Console:
    if sys.stdout.isatty():
        return Console(highlight=False)
    columns, lines = PICTURE_SIZE
    width = int(os.environ.get("COLUMNS", columns))
    return Console(width=width, height=int(os.environ.get("LINES", lines)), highlight=False)


async def _run_screen(monitor: Monitor) -> None:
    terminal = Terminal(Console(highlight=False), sys.stdin.fileno())
    with terminal.taken():
        async with trio.open_nursery() as nursery:

            async def end_with(task: Callable[[], Awaitable[None]]) -> None:
                await task()
                nursery.cancel_scope.cancel()

            nursery.start_soon(monitor.poll)
            nursery.start_soon(monitor.observe)
            nursery.start_soon(_take_signals, monitor, terminal)
            nursery.start_soon(end_with, wait_until_told)
            nursery.start_soon(end_with, partial(terminal.feed_keys, monitor.press))
            nursery.start_soon(end_with, partial(monitor.draw, terminal))


async def _take_signals(monitor: Monitor, terminal: Terminal) -> None:
    wanted = (signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)
    with trio.open_signal_receiver(*wanted) as signals:
        async for number in signals:
            if number == signal.SIGTSTP:
                terminal.suspend()
            terminal.clear()
            monitor.wake()


def explain(error: UnavailableError) -> str:
    """Say in few words why there was no answer."""
    found = re.search(r"\((.*)\)", str(error))
    words = found.group(1) if found else str(error)
    return words[:1].lower() + words[1:]


def draw_svg(desk: Desk, picture: Picture) -> str:
    """Draw a screen as a picture."""
    width, height = PICTURE_SIZE
    console = Console(
        record=True,
        width=width,
        height=height,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
        no_color=False,
    )
    console.print(draw_frame(desk, picture, width, height, colour=True), end="")
    return console.export_svg(title="sidereal monitor", theme=_THEME)


def describe(picture: Picture) -> dict[str, Any]:
    """Say all that is known as JSON: the state, rates from it, and what the observer sees."""
    observed: Mapping[str, Any] = dataclasses.asdict(picture.observed)
    return {
        "server": picture.server,
        "status_age_s": round(picture.status_age_s, 3),
        "rates": {f"{name}_per_s": round(rate, 3) for name, rate in picture.rates.items()},
        "observed": json.loads(json.dumps(observed).replace("Infinity", "null")),
        "sight": count_kinds(picture.around),
        "status": dict(picture.status),
    }
