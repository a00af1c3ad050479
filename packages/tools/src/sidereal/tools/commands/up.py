"""`sidereal up`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sidereal.protocol.runtime.process import run_until_told, start_logging
from sidereal.tools.access import AccessFlags
from sidereal.tools.publish import JsonTarget, check_target, publish_report
from sidereal.tools.report import summarise
from sidereal.tools.settings import Database, Names
from sidereal.tools.up.config import UpConfig
from sidereal.tools.up.supervisor import Supervisor


async def up(
    *,
    shards: int = 2,
    bots: int = 0,
    for_s: Annotated[float | None, Parameter(name="--for")] = None,
    world: str = "belt",
    seed: int = 1,
    database: Database = "embedded",
    data_dir: Path = Path(".sidereal"),
    http: str = "127.0.0.1:7070",
    client_port: int = 7071,
    public_clients: str | None = None,
    shard_port: int = 7072,
    operator: Names = None,
    observers: str | None = None,
    host_name: Names = None,
    proxy: Names = None,
    view: Annotated[bool, Parameter(negative=())] = False,
    monitor: Annotated[bool, Parameter(negative=())] = False,
    json: JsonTarget = None,
) -> int:
    """Run a whole world on this machine until Ctrl-C; it is saved and goes on next time.

    Example: sidereal up --shards 4 --bots 50 --for 30 --json report.json

    Parameters
    ----------
    shards
        Shard servers, each a process.
    bots
        Bots that fly about.
    for_s
        Seconds until the world is closed and the report printed; forever without.
    world
        What a new world is made from: belt or empty.
    seed
        Of a new world and of the bots.
    database
        embedded, or the postgresql:// URL of a server; one with a password belongs into the
        variable, for everybody on the machine can read flags.
    data_dir
        Where the embedded database lives.
    http
        host:port of the HTTP endpoint; port 0 here and below is any free one.
    client_port
        UDP port for clients.
    public_clients
        IP address and port by which clients reach it, when that is another one: see
        `sidereal netsim`.
    shard_port
        UDP port for shards.
    operator
        Name of an account that may operate; may be given again. docs/OPERATING.md says who may
        register it.
    observers
        Who may watch: none, accounts or anyone; anyone on loopback, accounts elsewhere by default.
    host_name
        Name by which HTTP requests call this server, beside its addresses; may be given again.
    proxy
        IP address of a reverse proxy whose X-Forwarded-For is believed; may be given again.
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
        shards=shards,
        bots=bots,
        for_s=for_s,
        world=world,
        seed=seed,
        database=database,
        data_dir=data_dir,
        http=http,
        client_port=client_port,
        public_clients=public_clients,
        shard_port=shard_port,
        access=AccessFlags(
            tuple(operator or ()), observers, tuple(host_name or ()), tuple(proxy or ())
        ),
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
