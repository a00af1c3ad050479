"""`sidereal view`."""

from __future__ import annotations

import os
from pathlib import Path

from sidereal.client.front import preflight
from sidereal.client.front.config import ViewConfig, check_view_config
from sidereal.game.load import DEFAULT_GAME
from sidereal.protocol.errors import ConfigError
from sidereal.protocol.runtime.process import start_logging
from sidereal.tools.settings import FileOrInput, GameName, read_password


def view(
    *,
    server: str = "http://127.0.0.1:7070",
    name: str | None = None,
    password_file: FileOrInput = None,
    observe: bool = False,
    at: str | None = None,
    layers: str | None = None,
    game: GameName = DEFAULT_GAME,
    shot: Path | None = None,
    headless: bool = False,
    seconds: float | None = None,
    size: str = "1280x720",
    sound: bool = False,
) -> int:
    """Open the debug client: fly, or watch, and see which shard owns what.

    Example: sidereal view --observe --at 0,0 --layers grid,owners

    The password of --name comes from --password-file or SIDEREAL_VIEW_PASSWORD; at a terminal it
    is asked for. No flag takes it: everybody on the machine can read those.

    Parameters
    ----------
    server
        URL of the replication server.
    name
        Of an account; anonymous without.
    password_file
        File that holds the account's password; - is standard input.
    observe
        Watch, without flying.
    at
        Sector to look at first, as X,Y.
    layers
        Which layers to show, separated by commas.
    game
        What is played, as module:name; a world of another game is shown as the server describes it.
    shot
        Save one picture to this file and quit.
    headless
        Draw off screen; a picture with --shot is all there is to see then.
    seconds
        Quit after that long; with --shot, the time before the picture.
    size
        Of the window, as WIDTHxHEIGHT.
    sound
        Let effects be heard, where the game gives them a sound.
    """
    start_logging("view")
    if name is None and password_file is not None:
        raise ConfigError("--password-file is about an account: add --name NAME")
    password = None if name is None else read_password("VIEW", name, password_file)
    config = ViewConfig(
        server=server,
        name=name,
        password=password,
        observe=observe,
        at=None if at is None else _pair(at, ",", "--at"),
        layers=layers,
        game=game,
        shot=shot,
        headless=headless or bool(os.environ.get(preflight.HEADLESS)),
        seconds=seconds,
        size=_pair(size, "x", "--size"),
        sound=sound,
    )
    check_view_config(config)
    preflight.check(config.headless)
    from sidereal.client.front.launch import run_view  # needs what preflight has just checked

    return run_view(config)


def _pair(text: str, separator: str, flag: str) -> tuple[int, int]:
    first, found, second = text.partition(separator)
    try:
        if not found:
            raise ValueError
        return int(first), int(second)
    except ValueError:
        raise ConfigError(
            f"{flag} is {text!r}; write two whole numbers with {separator!r} between"
        ) from None
