"""`sidereal replication`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from sidereal.protocol.runtime.process import run_until_told, start_logging
from sidereal.replication.config import ReplicationConfig
from sidereal.replication.lifecycle import run
from sidereal.tools import publish
from sidereal.tools.settings import (
    Database,
    FileOrInput,
    Names,
    read_shard_key,
    read_status_token,
)


async def replication(
    *,
    shard_key_file: FileOrInput = None,
    http: str = "127.0.0.1:7070",
    clients: str = "127.0.0.1:7071",
    public_clients: str | None = None,
    shards: str = "127.0.0.1:7072",
    public_shards: str | None = None,
    database: Database = "embedded",
    data_dir: Path = Path(".sidereal"),
    world: str = "belt",
    seed: int = 1,
    supervisor: str = "",
    clients_max: int = 512,
    anonymous: bool = True,
    operator: Names = None,
    observers: str | None = None,
    host_name: Names = None,
    proxy: Names = None,
    status_token_file: FileOrInput = None,
) -> None:
    """Run the replication server; when it listens it prints its endpoints as a line of JSON.

    Example: SIDEREAL_SHARD_KEY=$(cat key) sidereal replication --http 127.0.0.1:7070

    Parameters
    ----------
    shard_key_file
        File that holds the shard key, a secret that replication server and shards share; - is
        standard input. Without it the key is in SIDEREAL_SHARD_KEY.
    http
        host:port of the HTTP endpoint; port 0 here and below is any free one.
    clients
        host:port of the UDP endpoint for clients.
    public_clients
        IP address and port that connect tokens name, when clients reach that endpoint by another
        one than its own: through `sidereal netsim`, or a router that translates addresses.
    shards
        host:port of the UDP endpoint for shards; 0.0.0.0 is every address of this machine.
    public_shards
        IP address and port by which shards reach that endpoint too, when a router on the way
        translates addresses.
    database
        embedded, or the postgresql:// URL of a server; one with a password belongs into the
        variable, for everybody on the machine can read flags.
    data_dir
        Where the embedded database lives.
    world
        What a new world is made from: belt or empty.
    seed
        Of a new world.
    supervisor
        Token of a supervisor, in SIDEREAL_REPLICATION_SUPERVISOR: a server that it starts again
        takes over the database at once; others are refused until the last write is 5 s old.
    clients_max
        How many clients may be connected.
    anonymous
        Whether one may enter without an account.
    operator
        Name of an account that may operate; may be given again. docs/OPERATING.md says who may
        register it.
    observers
        Who may watch: none, accounts or anyone; anyone on loopback, accounts elsewhere by default.
    host_name
        Name by which HTTP requests call this server, beside its addresses; may be given again.
    proxy
        IP address of a reverse proxy whose X-Forwarded-For is believed; may be given again.
    status_token_file
        File that holds a bearer token that reads the whole state, for monitors and Prometheus; - is
        standard input. Without it the token is in SIDEREAL_STATUS_TOKEN, if there is one.
    """
    start_logging("replication")
    config = ReplicationConfig(
        shard_key=read_shard_key(shard_key_file),
        http=http,
        clients=clients,
        public_clients=public_clients,
        shards=shards,
        public_shards=public_shards,
        database=database,
        data_dir=data_dir,
        world=world,
        seed=seed,
        supervisor=supervisor,
        clients_max=clients_max,
        anonymous=anonymous,
        operators=tuple(operator or ()),
        observers=observers,
        host_names=tuple(host_name or ()),
        proxies=tuple(proxy or ()),
        status_token=read_status_token(status_token_file),
    )

    def announce(endpoints: Mapping[str, str]) -> None:
        publish.announce(json.dumps(dict(endpoints)))

    await run_until_told(lambda: run(config, announce))
