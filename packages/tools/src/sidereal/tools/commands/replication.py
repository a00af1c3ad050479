"""`sidereal replication`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Final

import trio
from cyclopts import Parameter

from sidereal.protocol.runtime.process import run_until_told, start_logging
from sidereal.replication.config import ReplicationConfig
from sidereal.replication.lifecycle import run
from sidereal.tools import publish
from sidereal.tools.settings import FileOrInput, read_or_make_shard_key, read_status_token
from sidereal.tools.worldflags import NOTHING_GIVEN, WorldFlags

LINES_WAITING_MAX: Final = 256
"""Deaths of shards that wait to be taken in; of more nothing is heard."""


async def replication(
    *,
    shard_key_file: FileOrInput = None,
    flags: Annotated[WorldFlags, Parameter(name="*")] = NOTHING_GIVEN,
    clients: str = "127.0.0.1:7071",
    shards: str = "127.0.0.1:7072",
    public_shards: str | None = None,
    supervisor: str = "",
    clients_max: int = 512,
    anonymous: bool = True,
    status_token_file: FileOrInput = None,
) -> None:
    """Run the replication server; when it listens it prints its endpoints as a line of JSON.

    Example: sidereal replication --http 127.0.0.1:7070 --data-dir world

    Parameters
    ----------
    shard_key_file
        File that holds the shard key, a secret that replication server and shards share; - is
        standard input. Without it the key is in SIDEREAL_SHARD_KEY, or else in shard.key in the
        data directory, where it is made the first time.
    clients
        host:port of the UDP endpoint for clients.
    shards
        host:port of the UDP endpoint for shards; 0.0.0.0 is every address of this machine.
    public_shards
        IP address and port by which shards reach that endpoint too, when a router on the way
        translates addresses.
    supervisor
        Token of a supervisor, in SIDEREAL_REPLICATION_SUPERVISOR: a server that it starts again
        takes over the database at once; others are refused until the last write is 5 s old.
    clients_max
        How many clients may be connected.
    anonymous
        Whether one may enter without an account.
    status_token_file
        File that holds a bearer token that reads the whole state, for monitors and Prometheus; - is
        standard input. Without it the token is in SIDEREAL_STATUS_TOKEN, if there is one.
    """
    start_logging("replication")
    config = ReplicationConfig(
        shard_key=read_or_make_shard_key(shard_key_file, flags.data_dir),
        clients=clients,
        shards=shards,
        public_shards=public_shards,
        supervisor=supervisor,
        clients_max=clients_max,
        anonymous=anonymous,
        status_token=read_status_token(status_token_file),
        **flags.settings(),
    )

    told, deaths = trio.open_memory_channel[str](LINES_WAITING_MAX)

    def hear(line: str) -> None:
        with suppress(trio.WouldBlock):  # a shard of which nothing is heard shows by its silence
            told.send_nowait(line)

    def announce(endpoints: Mapping[str, str]) -> None:
        publish.announce(json.dumps(dict(endpoints)))

    await run_until_told(lambda: run(config, announce, deaths), hear)
