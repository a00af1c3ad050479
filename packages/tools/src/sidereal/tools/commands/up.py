"""`sidereal up`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from sidereal.protocol.runtime.process import run_until_told, start_logging
from sidereal.tools.publish import JsonTarget, check_target, publish_report
from sidereal.tools.report import summarise
from sidereal.tools.up.config import UpConfig
from sidereal.tools.up.supervisor import Supervisor
from sidereal.tools.worldflags import NOTHING_GIVEN, WorldFlags


async def up(
    *,
    shards: int = 2,
    spares: int = 0,
    bots: int = 0,
    reload: Annotated[bool, Parameter(negative=())] = False,
    for_s: Annotated[float | None, Parameter(name="--for")] = None,
    flags: Annotated[WorldFlags, Parameter(name="*")] = NOTHING_GIVEN,
    client_port: int = 7071,
    shard_port: int = 7072,
    view: Annotated[bool, Parameter(negative=())] = False,
    monitor: Annotated[bool, Parameter(negative=())] = False,
    json: JsonTarget = None,
) -> int:
    """Run a whole world on this machine until Ctrl-C; it is saved and goes on next time.

    Example: sidereal up --shards 4 --spares 1 --bots 50 --for 30 --json report.json

    Parameters
    ----------
    shards
        Shard servers, each a process.
    spares
        More of them that wait until one is gone, and take over from it at once.
    bots
        Bots that fly about.
    reload
        When a file of the game is saved, go on with what was saved; clients stay connected.
    for_s
        Seconds until the world is closed and the report printed; forever without.
    client_port
        UDP port for clients.
    shard_port
        UDP port for shards.
    view
        Open the debug client too.
    monitor
        Open the terminal monitor too.
    json
        File for the report; - is standard output.
    """
    start_logging("up")
    check_target(json)
    config = UpConfig(
        flags=flags,
        shards=shards,
        spares=spares,
        bots=bots,
        reload=reload,
        for_s=for_s,
        client_port=client_port,
        shard_port=shard_port,
        view=view,
        monitor=monitor,
        json=json,
    )
    supervisor = Supervisor(config)
    await run_until_told(supervisor.run)
    if json is not None or supervisor.ready_at is not None or not supervisor.status:
        report = supervisor.report()
        publish_report(report, summarise(report), json)
    return supervisor.status
