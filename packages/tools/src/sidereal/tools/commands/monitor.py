"""`sidereal monitor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sidereal.game.load import DEFAULT_GAME
from sidereal.tools.monitor.app import MonitorConfig, run_monitor
from sidereal.tools.publish import JsonTarget, check_target
from sidereal.tools.reader import find_login
from sidereal.tools.settings import FileOrInput, GameName


async def monitor(
    *,
    server: str = "http://127.0.0.1:7070",
    name: str | None = None,
    password_file: FileOrInput = None,
    once: Annotated[bool, Parameter(negative=())] = False,
    json: JsonTarget = None,
    svg: Path | None = None,
    screen: str = "overview",
    game: GameName = DEFAULT_GAME,
    for_s: Annotated[float, Parameter(name="--for")] = 2.0,
) -> int:
    """Watch a running world in the terminal: its shards, sectors, handovers, clients and events.

    Example: sidereal monitor --server http://127.0.0.1:7070

    Parameters
    ----------
    server
        URL of the replication server.
    name
        Of an account; anonymous without. Its password comes from --password-file or the variable
        SIDEREAL_MONITOR_PASSWORD; at a terminal it is asked for.
    password_file
        File that holds the account's password; - is standard input.
    once
        Print one plain frame and end; so does a terminal that is none.
    json
        File for what is known as JSON, after one look; - is standard output.
    svg
        File for a picture, after one look.
    screen
        To begin with: overview, shards, sectors, handovers, clients or events.
    game
        What is played, as module:name; a world of another game is shown as the server describes it.
    for_s
        Seconds that one look lasts; rates come from it.
    """
    check_target(json)
    config = MonitorConfig(
        server=server,
        login=find_login("MONITOR", name, password_file),
        once=once,
        json=json,
        svg=svg,
        screen=screen,
        game=game,
        for_s=for_s,
    )
    return await run_monitor(config)
