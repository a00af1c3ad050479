"""What a world that has just been started still lacks, in words."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx

from sidereal.client.driver import SignInError, fetch_status
from sidereal.protocol.errors import UnavailableError


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
