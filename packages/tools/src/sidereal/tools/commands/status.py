"""`sidereal status`."""

from __future__ import annotations

from typing import Any

from sidereal.client.driver import check_server, other_version
from sidereal.client.http import open_http
from sidereal.tools.publish import JsonTarget, check_target, publish
from sidereal.tools.reader import Reader, find_login
from sidereal.tools.report import quantiles
from sidereal.tools.settings import STATUS_TOKEN, FileOrInput


async def status(
    *,
    server: str = "http://127.0.0.1:7070",
    name: str | None = None,
    password_file: FileOrInput = None,
    json: JsonTarget = None,
) -> None:
    """Print the state of a running world, once.

    When others than this machine can reach a world, only those who may observe it see more than
    counts.

    Example: sidereal status --server http://127.0.0.1:7070 --json -

    Parameters
    ----------
    server
        URL of the replication server.
    name
        Of an account; anonymous without. Its password comes from --password-file or the variable
        SIDEREAL_STATUS_PASSWORD; at a terminal it is asked for.
    password_file
        File that holds the account's password; - is standard input.
    json
        File for the whole state as JSON; - is standard output.
    """
    check_target(json)
    login = find_login("STATUS", name, password_file)
    async with open_http(check_server(server)) as http:
        state = await Reader(http, login).counts_or_state()
        try:
            words = describe(state)
        except KeyError as error:
            raise other_version(http, error) from None
    publish(state, words, json)


def describe(state: dict[str, Any]) -> list[str]:
    """Say the state in a few lines for people."""
    if "counts" in state:
        counts = ", ".join(f"{count} {name}" for name, count in state["counts"].items())
        return [
            f"world       tick {state['tick']} at {state['tick_hz']} Hz, {counts}",
            f"The rest is for observers: log in with --name, or set {STATUS_TOKEN}",
        ]
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
    lines += [_describe_shard(shard) for shard in state["shards"]]
    return lines if state["shards"] else [*lines, "no shard is connected: nothing moves"]


def _describe_shard(shard: dict[str, Any]) -> str:
    label = f"{shard['name']:<11} S{shard['id']}"
    code = f"code {shard['code']}{'' if shard['newest_code'] else ' (older)'}"
    if shard["state"] == "spare":
        return f"{label}, spare, {code}"
    return (
        f"{label}, {shard['sectors']} sectors, {shard['entities']} entities, "
        f"step {quantiles(shard['step_ms'], 'ms')}, {code}"
    )
