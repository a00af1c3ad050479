"""Which server is asked, and whether a proxy may stand between: with real sockets."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from sidereal.client.driver import fetch_status
from sidereal.client.http import CERTIFICATES, PROXIES, is_this_machine, open_http
from sidereal.protocol.errors import UnavailableError

ANSWER = b'HTTP/1.1 200 OK\r\ncontent-length: 13\r\nconnection: close\r\n\r\n{"tick": 424}'
ELSEWHERE = "http://world.invalid"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *CERTIFICATES):
        monkeypatch.delenv(name, raising=False)


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers anything with a status; its port, and what it was asked."""
    asked: list[bytes] = []

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            asked.append(await stream.receive_some(4096))
            await stream.send_all(ANSWER)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, answer, [listener])
        yield listener.socket.getsockname()[1], asked
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTP_PROXY", "http://127.0.0.1:{proxy}"),
        ("http_proxy", "http://127.0.0.1:{proxy}"),
        ("ALL_PROXY", "socks5://127.0.0.1:{proxy}"),
        ("all_proxy", "socks://127.0.0.1:{proxy}"),
        ("HTTPS_PROXY", ":::"),
        ("NO_PROXY", "http://["),
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ],
)
async def test_our_own_server_is_asked_without_a_proxy(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening() as (proxy, asked_of_proxy), listening() as (port, asked):
        monkeypatch.setenv(variable, value.format(proxy=proxy))
        async with open_http(f"http://127.0.0.1:{port}") as http:
            assert await fetch_status(http) == {"tick": 424}
    assert asked[0].startswith(b"GET /v1/status ")
    assert not asked_of_proxy


async def test_another_machine_is_asked_through_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with listening() as (proxy, asked):
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy}")
        async with open_http(ELSEWHERE) as http:
            assert await fetch_status(http) == {"tick": 424}
    assert asked[0].startswith(b"GET http://world.invalid/v1/status ")


async def test_a_proxy_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
        async with open_http(ELSEWHERE) as http:
            with pytest.raises(UnavailableError, match="through the proxy that HTTP_PROXY names"):
                await fetch_status(http)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ("all_proxy", "socks://127.0.0.1:9"),
        ("HTTPS_PROXY", ":::"),
        ("SSL_CERT_FILE", "/nonexistent"),
    ],
)
def test_an_environment_that_cannot_be_used_is_named(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UnavailableError, match=f"because of {variable} in the environment: "):
        open_http(ELSEWHERE)


def test_this_machine_is_known_by_its_addresses() -> None:
    for host in ("localhost", "world.localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::"):
        assert is_this_machine(host), host
    for host in ("world.invalid", "localhost.invalid", "192.0.2.1", "2001:db8::1"):
        assert not is_this_machine(host), host


async def test_a_transport_of_our_own_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks://nowhere")
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"tick": 1}))
    async with open_http(ELSEWHERE, transport=transport) as http:
        assert await fetch_status(http) == {"tick": 1}
