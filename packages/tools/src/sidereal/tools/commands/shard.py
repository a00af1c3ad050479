"""`sidereal shard`."""

from __future__ import annotations

import json
from typing import Annotated

import trio
from cyclopts import Parameter

from sidereal.game.load import DEFAULT_GAME
from sidereal.protocol.runtime.process import (
    run_until_told,
    settle_memory,
    start_logging,
)
from sidereal.shard.config import ShardConfig
from sidereal.shard.service import Orders, run
from sidereal.tools.publish import announce
from sidereal.tools.settings import FileOrInput, GameName, read_shard_key


async def shard(
    *,
    shard_key_file: FileOrInput = None,
    server: str = "127.0.0.1:7072",
    name: str = "shard",
    game: GameName = DEFAULT_GAME,
    seed: int = 1,
    spare: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Run one shard server; it reconnects when it loses the replication server.

    It prints a line of JSON when the replication server has welcomed it for the first time, and one
    each time that it has come to rest, as a supervisor may tell it.

    Example: sidereal shard --shard-key-file world/shard.key --name shard-1

    Parameters
    ----------
    shard_key_file
        File that holds the shard key, a secret that replication server and shards share; - is
        standard input. Without it the key is in SIDEREAL_SHARD_KEY.
    server
        host:port of the replication server's UDP endpoint for shards.
    name
        For people; a shard that comes back under its name gets its colour again.
    game
        What is played, as module:name; the same as the replication server's.
    seed
        Of the game's random numbers.
    spare
        Wait until another shard is gone, and take over from it at once.
    """
    start_logging(name)
    key = read_shard_key(shard_key_file)
    config = ShardConfig(key=key, server=server, name=name, game=game, seed=seed, spare=spare)
    settle_memory()

    orders = Orders(rested=lambda: announce(json.dumps({"name": name, "rests": True})))

    async def serve() -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(run, config, orders)
            announce(json.dumps({"name": name, "server": server}))

    await run_until_told(serve, orders.hear)
