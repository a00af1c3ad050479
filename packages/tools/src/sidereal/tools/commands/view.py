"""`sidereal view`."""

from __future__ import annotations

from pathlib import Path

from sidereal.client.front import preflight
from sidereal.client.front.config import ViewConfig, check_view_config
from sidereal.protocol.errors import ConfigError
from sidereal.protocol.runtime.process import start_logging


def view(
    *,
    server: str = "http://127.0.0.1:7070",
    name: str | None = None,
    password: str | None = None,
    observe: bool = False,
    at: str | None = None,
    layers: str | None = None,
    shot: Path | None = None,
    headless: bool = False,
    seconds: float | None = None,
    size: str = "1280x720",
) -> int:
    """Open the debug client: fly a ship, or watch, and see which shard owns what.

    Example: sidereal view --observe --at 0,0 --layers grid,owners

    Parameters
    ----------
    server
        URL of the replication server.
    name
        Of an account; a guest without.
    password
        Of the account.
    observe
        Watch, without a ship.
    at
        Sector to look at first, as X,Y.
    layers
        Which layers to show, separated by commas.
    shot
        Save one picture to this file and quit.
    headless
        Draw off screen.
    seconds
        Quit after that long; with --shot, the time before the picture.
    size
        Of the window, as WIDTHxHEIGHT.
    """
    start_logging("view")
    config = ViewConfig(
        server=server,
        name=name,
        password=password,
        observe=observe,
        at=None if at is None else _pair(at, ",", "--at"),
        layers=layers,
        shot=shot,
        headless=headless,
        seconds=seconds,
        size=_pair(size, "x", "--size"),
    )
    check_view_config(config)
    preflight.check(headless)
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
