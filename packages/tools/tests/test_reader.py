"""Reading the state of a world that shows it only to who may observe it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from sidereal.protocol.errors import ConfigError, UnavailableError
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID
from sidereal.tools.commands.status import describe
from sidereal.tools.reader import Login, Reader, find_login

COUNTS = {"tick": 7, "tick_hz": 20, "counts": {"clients": 2, "entities": 90, "shards": 1}}
STATE = {"tick": 7, "replication": {}}
TOKEN = "the server's own token"


class Server:
    """Shows its state to who bears a token of this run, or its own."""

    def __init__(self) -> None:
        self.run = 1
        self.logins = 0
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        authorization = request.headers.get("authorization", "")
        self.asked.append(authorization)
        if authorization not in ("", f"Bearer {TOKEN}", f"Bearer run {self.run}"):
            return httpx.Response(401, json={"title": "Unauthorized", "detail": "log in again"})
        if request.url.path == "/v1/status":
            return httpx.Response(200, json=STATE if authorization else COUNTS)
        form = json.loads(request.content)
        assert form["role"] == "observer"
        if form.get("anonymous") and authorization != f"Bearer {TOKEN}":
            return httpx.Response(403, json={"title": "Forbidden", "detail": "only accounts"})
        self.logins += 1
        answer: dict[str, Any] = {
            "connect_token": "",
            "bearer": f"run {self.run}",
            "role": "observer",
            "name": "ann",
            "protocol_id": f"{CLIENT_PROTOCOL_ID:016x}",
            "schema_hash": "",
            "expires_s": 45,
        }
        return httpx.Response(200, json=answer)


@pytest.fixture
def server() -> Server:
    return Server()


def asking(server: Server) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url="http://world", transport=httpx.MockTransport(server))


async def test_a_stranger_gets_counts_and_is_told_what_to_do(server: Server) -> None:
    async with asking(server) as http:
        assert await Reader(http).counts_or_state() == COUNTS
        with pytest.raises(UnavailableError, match="--name, or set SIDEREAL_STATUS_TOKEN"):
            await Reader(http).state()
    assert describe(COUNTS)[0] == "world       tick 7 at 20 Hz, 2 clients, 90 entities, 1 shards"


async def test_an_account_logs_in_once_and_again_when_the_server_was_started_again(
    server: Server,
) -> None:
    async with asking(server) as http:
        reader = Reader(http, Login("ann", "secret"))
        for _ in range(3):
            assert await reader.state() == STATE
        assert server.logins == 1
        server.run = 2
        for _ in range(3):
            assert await reader.state() == STATE
        assert server.logins == 2


async def test_the_status_token_needs_no_login(server: Server) -> None:
    async with asking(server) as http:
        reader = Reader(http, Login(status_token=TOKEN))
        assert await reader.state() == STATE
        assert server.logins == 0
        await reader.observe()
        server.run = 2
        assert await reader.state() == STATE
    assert set(server.asked) == {f"Bearer {TOKEN}"}


async def test_a_wrong_status_token_is_said_so(server: Server) -> None:
    async with asking(server) as http:
        with pytest.raises(UnavailableError, match=r"does not show its state: .*log in again"):
            await Reader(http, Login(status_token="guess")).state()


def test_a_login_takes_its_token_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIDEREAL_STATUS_TOKEN", TOKEN)
    monkeypatch.setenv("SIDEREAL_MONITOR_PASSWORD", "secret")
    assert find_login("MONITOR", "ann", None) == Login("ann", "secret", TOKEN)
    assert find_login("MONITOR", None, None) == Login(None, None, TOKEN)


def test_a_password_without_an_account_is_refused(tmp_path: Any) -> None:
    with pytest.raises(ConfigError, match="add --name"):
        find_login("STATUS", None, tmp_path / "secret")
