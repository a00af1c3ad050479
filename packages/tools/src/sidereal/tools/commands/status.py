"""`sidereal status`."""

from __future__ import annotations

from typing import Any

from sidereal.client.driver import check_server, fetch_status
from sidereal.client.http import open_http
from sidereal.tools.publish import JsonTarget, check_target, publish
from sidereal.tools.report import quantiles


async def status(*, server: str = "http://127.0.0.1:7070", json: JsonTarget = None) -> None:
    """Print the state of a running world, once.

    Example: sidereal status --server http://127.0.0.1:7070 --json -

    Parameters
    ----------
    server
        URL of the replication server.
    json
        File for the whole state as JSON; - is standard output.
    """
    check_target(json)
    async with open_http(check_server(server)) as http:
        state = await fetch_status(http)
    publish(state, describe(state), json)


def describe(state: dict[str, Any]) -> list[str]:
    """Say the state in a few lines for people."""
    replication, database = state["replication"], state["database"]
    lines = [
        f"world       tick {state['tick']} at {state['tick_hz']} Hz, "
        f"{replication['entities']} entities, {len(state['sectors'])} sectors",
        f"replication tick {quantiles(replication['tick_ms'], 'ms')}, "
        f"{replication['clients']} clients, {replication['handovers']} handovers, "
        f"rejected {replication['rejected'] or 'nothing'}",
        f"database    {database['kind']}, {'up' if database['available'] else 'AWAY'}, "
        f"{database['saved_rows']} rows saved, lag {database['lag_ms']} ms",
    ]
    lines += [
        f"{shard['name']:<11} S{shard['id']}, {shard['sectors']} sectors, "
        f"{shard['entities']} entities, step {quantiles(shard['step_ms'], 'ms')}"
        for shard in state["shards"]
    ]
    return lines if state["shards"] else [*lines, "no shard is connected: nothing moves"]
