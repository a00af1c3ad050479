"""`sidereal shard`."""

from __future__ import annotations

import json

import trio

from sidereal.protocol.runtime.process import (
    run_until_told,
    settle_memory,
    start_logging,
)
from sidereal.shard.config import ShardConfig
from sidereal.shard.service import run
from sidereal.tools.publish import announce


async def shard(
    *,
    shard_key: str,
    server: str = "127.0.0.1:7072",
    name: str = "shard",
    seed: int = 1,
) -> None:
    """Run one shard server; it reconnects when it loses the replication server.

    It prints a line of JSON when the replication server has welcomed it for the first time.

    Example: SIDEREAL_SHARD_KEY=secret sidereal shard --server 127.0.0.1:7072 --name shard-1

    Parameters
    ----------
    shard_key
        The replication server's secret; better in SIDEREAL_SHARD_KEY than as a flag.
    server
        host:port of the replication server's UDP endpoint for shards.
    name
        For people; a shard that comes back under its name gets its colour again.
    seed
        Of the game's random numbers.
    """
    start_logging(name)
    config = ShardConfig(key=shard_key, server=server, name=name, seed=seed)
    settle_memory()

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(run, config)
            announce(json.dumps({"name": name, "server": server}))

    await run_until_told(serve)
