"""What a world that has just been started lacks."""

from __future__ import annotations

import httpx
import pytest

from sidereal.tools.up.readiness import look, wait_for_clients


def server(ticks: list[int], ready: httpx.Response | None) -> httpx.AsyncClient:
    """One whose shards proposed these ticks last; None: it does not say whether it is ready."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/status":
            return httpx.Response(200, json={"shards": [{"newest_tick": tick} for tick in ticks]})
        if ready is None:
            raise httpx.ReadTimeout("too slow")
        return ready

    return httpx.AsyncClient(base_url="http://world.test", transport=httpx.MockTransport(answer))


@pytest.mark.parametrize(
    ("ticks", "ready", "lacks"),
    [
        ([7], None, "1 of 2 shards have joined"),
        ([7, -1], httpx.Response(200), "1 of 2 shards have simulated a tick"),
        (
            [7, 8],
            httpx.Response(503, json={"detail": "the database is away"}),
            "the database is away",
        ),
        ([7, 8], None, "its server does not answer (too slow)"),
        ([7, 8], httpx.Response(200), ""),
    ],
)
async def test_what_a_world_lacks_is_said(
    ticks: list[int], ready: httpx.Response | None, lacks: str
) -> None:
    async with server(ticks, ready) as http:
        status, why = await look(http, 2)
    assert status is not None
    assert len(status["shards"]) == len(ticks)
    assert why.endswith(lacks)
    assert bool(why) == bool(lacks)


async def test_what_the_database_said_is_told_to_who_may_know() -> None:
    reason = 'role "sidereal" is not permitted to log in'

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/status":
            return httpx.Response(200, json={"shards": [], "database": {"reason": reason}})
        return httpx.Response(503, json={"detail": "the database takes no writes"})

    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(base_url="http://world.test", transport=transport) as http:
        _, why = await look(http, 0)
    assert why == f"its server says: the database takes no writes ({reason})"


async def test_a_server_that_does_not_answer_is_what_a_world_lacks() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    transport = httpx.MockTransport(refuse)
    async with httpx.AsyncClient(base_url="http://world.test", transport=transport) as http:
        status, why = await look(http, 2)
    assert status is None
    assert "no server answers at http://world.test (refused)" in why


async def test_clients_are_waited_for_until_there_are_enough(autojump_clock: object) -> None:
    counts = [0, 3, None, 19, 20, 20]

    def answer(_: httpx.Request) -> httpx.Response:
        count = counts.pop(0)
        if count is None:
            raise httpx.ReadTimeout("too slow")
        return httpx.Response(200, json={"replication": {"clients": count}})

    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(base_url="http://world.test", transport=transport) as http:
        await wait_for_clients(http, 20)
    assert counts == [20]
