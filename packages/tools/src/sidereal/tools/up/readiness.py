"""What a world that has just been started still lacks, and how to look at it, in words."""

from __future__ import annotations

import sys
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

import httpx
import trio

from sidereal.client.driver import SignInError, fetch_status
from sidereal.game.load import DEFAULT_GAME
from sidereal.protocol.errors import UnavailableError

COUNT_S: Final = 0.5
"""Between looks at how many clients there are."""


async def look(http: httpx.AsyncClient, shards: int) -> tuple[dict[str, Any] | None, str]:
    """Look at a world once.

    Args:
        http: its `base_url` is the server's.
        shards: how many it should have.

    Returns:
        its state, None without an answer; and what it lacks, nothing when it is ready.
    """
    try:
        status = await fetch_status(http)
    except (UnavailableError, SignInError) as error:
        return None, str(error)
    joined = len(status["shards"])
    if joined < shards:
        return status, f"{joined} of {shards} shards have joined"
    working = sum(shard["newest_tick"] >= 0 for shard in status["shards"])
    if working < shards:
        return status, f"{working} of {shards} shards have simulated a tick"
    try:
        answer = await http.get("/readyz")
    except httpx.HTTPError as error:
        return status, f"its server does not answer ({error or type(error).__name__})"
    if answer.status_code == HTTPStatus.OK:
        return status, ""
    reason = status.get("database", {}).get("reason")
    said = f" ({reason})" if reason else ""
    return status, f"its server says: {answer.json()['detail']}{said}"


async def wait_for_clients(http: httpx.AsyncClient, count: int) -> None:
    """Wait until so many clients are in the world."""
    joined = 0
    while joined < count:
        await trio.sleep(COUNT_S)
        with suppress(UnavailableError, SignInError):
            joined = (await fetch_status(http))["replication"]["clients"]


def say_ready(url: str) -> None:
    """Say where a world is."""
    print(f"The world is ready at {url}", file=sys.stderr, flush=True)


def say_how_to_look(url: str, game: str) -> None:
    """Say which commands show a world, and how it is ended."""
    world = f"--server {url}" if game == DEFAULT_GAME else f"--server {url} --game {game}"
    text = (
        f"  fly in it:   uv run sidereal view {world}\n"
        f"  watch it:    uv run sidereal monitor {world}\n"
        "  end it:      Ctrl-C (it is saved, and goes on next time)"
    )
    print(text, file=sys.stderr, flush=True)
