"""The flags of `sidereal view`, one frozen struct."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from sidereal.client.driver import check_server
from sidereal.client.front.layers import parse_layers
from sidereal.game.load import DEFAULT_GAME
from sidereal.protocol.errors import ConfigError
from sidereal.protocol.runtime.config import check_output_file

WIDTH_MIN, WIDTH_MAX = 320, 7680
HEIGHT_MIN, HEIGHT_MAX = 200, 4320


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ViewConfig:
    """What `sidereal view` was asked to do.

    Attributes:
        server: HTTP address of the replication server.
        name: account to log in with; `None` is an anonymous player.
        password: of that account.
        observe: watch with the observer role instead of flying.
        at: sector to look at first; the own entity, or sector 0,0, when `None`.
        layers: names of layers to show, separated by commas; the usual ones when `None`.
        shot: file to save one picture to, and then quit.
        headless: draw off screen; nothing appears.
        seconds: quit after that long; with `shot`, the time before the picture.
        size: width and height of the window, pixels.
        sound: whether effects that sound are heard.
        game: `module:name` of what is played; a world of another game is shown as it is described.
    """

    server: str = "http://127.0.0.1:7070"
    name: str | None = None
    password: str | None = None
    observe: bool = False
    at: tuple[int, int] | None = None
    layers: str | None = None
    shot: Path | None = None
    headless: bool = False
    seconds: float | None = None
    size: tuple[int, int] = (1280, 720)
    sound: bool = False
    game: str = DEFAULT_GAME


def check_view_config(config: ViewConfig) -> None:
    """Check what the flags say before anything is opened.

    Raises:
        ConfigError: naming every problem at once.
    """
    problems = []
    try:
        check_server(config.server)
    except ConfigError as error:
        problems.append(str(error))
    try:
        parse_layers(config.layers)
    except ConfigError as error:
        problems.append(str(error))
    width, height = config.size
    if not (WIDTH_MIN <= width <= WIDTH_MAX and HEIGHT_MIN <= height <= HEIGHT_MAX):
        problems.append(
            f"--size is {width}x{height}; it must be"
            f" {WIDTH_MIN}x{HEIGHT_MIN} to {WIDTH_MAX}x{HEIGHT_MAX}"
        )
    if config.seconds is not None and not 0 < config.seconds < float("inf"):
        problems.append("--seconds must be above 0")
    if config.at is not None and not all(-(2**31) <= axis < 2**31 for axis in config.at):
        problems.append("--at names a sector by two 32-bit integers")
    if config.shot is not None:
        if config.shot.suffix.lower() != ".png":
            problems.append(f"--shot is {str(config.shot)!r}; the picture's name ends in .png")
        try:
            check_output_file(config.shot, "--shot")
        except ConfigError as error:
            problems.append(str(error))
    elif config.headless and config.seconds is None:
        problems.append("--headless shows nothing: add --shot FILE.png, or an end with --seconds")
    if problems:
        raise ConfigError("; ".join(problems))
