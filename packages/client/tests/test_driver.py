"""The client's shell: getting in over HTTP, and one session over real UDP."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable
from typing import Any, cast

import httpx
import pytest
import trio

from sidereal.client.driver import (
    Admission,
    OtherVersionError,
    SignInError,
    check_server,
    drive,
    fetch_status,
    open_session,
    register,
    turn,
)
from sidereal.client.events import Ended, Lost
from sidereal.client.returning import ReturningClient
from sidereal.client.statistics import SessionState
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.events import PeerClosed, PeerOpened, Received
from sidereal.protocol.errors import CloseReason, ConfigError, UnavailableError
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, Address
from sidereal.protocol.links import PLAYER_CHANNELS
from sidereal.protocol.message.codec import encode_message
from sidereal.protocol.message.player import PlayerChannel, Role, Welcome
from sidereal.protocol.rules import Rules
from sidereal.protocol.runtime.udp import Arrival, UdpSocket, open_udp
from sidereal.protocol.session.token import generate_connect_token

SCHEMA = schema_of(load(DEFAULT_GAME))
KEY = bytes(range(32))
GRANTED = {
    "connect_token": base64.b64encode(bytes(2048)).decode(),
    "role": "player",
    "name": "ada",
    "protocol_id": f"{CLIENT_PROTOCOL_ID:016x}",
    "schema_hash": SCHEMA.hash.hex(),
    "expires_s": 30,
}


def answering(status: int, body: Any) -> Callable[[httpx.Request], httpx.Response]:
    def answer(_request: httpx.Request) -> httpx.Response:
        if isinstance(body, str):
            return httpx.Response(status, text=body)
        return httpx.Response(status, json=body)

    return answer


def client_of(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url="http://world", transport=httpx.MockTransport(answer))


async def test_a_login_brings_a_token() -> None:
    asked: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append({"path": request.url.path, **json.loads(request.content)})
        return httpx.Response(200, json=GRANTED)

    async with client_of(answer) as http:
        admission = await open_session(http, "ada", "secret", Role.OBSERVER)
        await open_session(http)
    assert admission.connect_token == bytes(2048)
    assert (admission.role, admission.name) == (Role.PLAYER, "ada")
    assert asked == [
        {"path": "/v1/sessions", "name": "ada", "password": "secret", "role": "observer"},
        {"path": "/v1/sessions", "anonymous": True, "role": "player"},
    ]


async def test_a_refusal_is_told_in_the_servers_words() -> None:
    problem = {"title": "Unauthorized", "status": 401, "detail": "no such account"}
    async with client_of(answering(401, problem)) as http:
        with pytest.raises(SignInError, match="no such account") as caught:
            await open_session(http, "ada", "wrong")
        assert caught.value.status == 401
        with pytest.raises(SignInError):
            await register(http, "ada", "wrong")


async def test_whose_name_no_account_has_is_told_how_to_make_one() -> None:
    problem = {"title": "Unauthorized", "detail": "no account has this name and password"}
    async with client_of(answering(401, problem)) as http:
        with pytest.raises(SignInError) as caught:
            await open_session(http, "ada l", "secret")
    assert str(caught.value) == (
        "Unauthorized: no account has this name and password; "
        "a new one: sidereal token --name 'ada l' --register --server http://world"
    )


async def test_other_refusals_name_no_remedy() -> None:
    problem = {"title": "Forbidden", "detail": "observers need an account"}
    async with client_of(answering(403, problem)) as http:
        with pytest.raises(SignInError) as caught:
            await open_session(http, "ada", "secret")
    assert str(caught.value) == "Forbidden: observers need an account"


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, "<html>hello</html>", "without a JSON object"),
        (200, [1, 2], "without a JSON object"),
        (200, {}, "does not answer like"),
        (200, GRANTED | {"connect_token": "!"}, "does not answer like"),
        (200, GRANTED | {"role": "king"}, "does not answer like"),
        (200, GRANTED | {"protocol_id": "x"}, "does not answer like"),
    ],
)
async def test_another_kind_of_server_is_named_as_such(status: int, body: Any, says: str) -> None:
    async with client_of(answering(status, body)) as http:
        with pytest.raises(UnavailableError, match=says):
            await open_session(http)


@pytest.mark.parametrize(
    "url",
    ["nonsense", "", "http://", "http://127.0.0.1:x", "http://127.0.0.1:99999", "ftp://127.0.0.1"],
)
def test_what_is_no_servers_url_is_a_wrong_flag(url: str) -> None:
    with pytest.raises(ConfigError, match=r"--server is .*; it must be a URL like"):
        check_server(url)


def test_urls_of_servers_pass() -> None:
    for url in ("http://127.0.0.1:7070", "http://[::1]:7070/", "https://sidereal.example"):
        assert check_server(url) == url


async def test_no_server_says_how_to_start_one() -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    async with client_of(refuse) as http:
        for ask in (open_session, fetch_status):
            with pytest.raises(UnavailableError, match="sidereal up"):
                await ask(http)


class Host:
    """A server over real UDP that welcomes everybody."""

    def __init__(self, socket: UdpSocket) -> None:
        self.socket = socket
        self.endpoint = ServerEndpoint(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=KEY,
            public_addresses=[socket.address],
            slots_max=4,
            channels=PLAYER_CHANNELS,
            entropy=os.urandom,
            now=trio.current_time(),
        )
        self.opened = 0
        self.peer = 0
        self.addresses: list[Address] = []
        self.closed: list[CloseReason] = []
        self.left = trio.Event()

    def token(self) -> bytes:
        return generate_connect_token(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=KEY,
            client_id=int.from_bytes(os.urandom(8), "little"),
            server_addresses=[self.socket.address],
            user_data=bytes(256),
            expire_s=30,
            timeout_s=5,
            wall_now=time.time(),
            entropy=os.urandom,
        )

    def throw_out(self) -> None:
        now = trio.current_time()
        self.endpoint.close_peer(self.peer, CloseReason.CLOSED_LOCALLY, now)

    async def run(self) -> None:
        while True:
            with trio.move_on_after(0.02):
                await self.socket.wait_readable()
            now = trio.current_time()
            for datagram, address, _ in self.socket.receive_nowait():
                self.endpoint.receive_datagram(datagram, address, now, time.time())
            self.endpoint.handle_timer(now, time.time())
            while (event := self.endpoint.next_event()) is not None:
                if isinstance(event, PeerOpened):
                    self.opened += 1
                    self.peer = event.peer
                    self.addresses.append(event.address)
                elif isinstance(event, Received) and event.channel == PlayerChannel.COMMAND:
                    welcome = Welcome(SCHEMA.hash, Rules(), 1, 1, Role.PLAYER, "ada")
                    self.endpoint.send(event.peer, PlayerChannel.COMMAND, encode_message(welcome))
                elif isinstance(event, PeerClosed):
                    self.closed.append(event.reason)
                    self.left.set()
            self.socket.send_nowait(self.endpoint.datagrams_to_send(now))


def make_client() -> ReturningClient:
    return ReturningClient(
        game=load(DEFAULT_GAME), entropy=os.urandom, now=trio.current_time(), software="tests"
    )


def admission(connect_token: bytes) -> Admission:
    return Admission(connect_token, Role.PLAYER, "ada", SCHEMA.hash, 45.0)


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await trio.sleep(0.005)


def test_what_comes_while_a_client_works_is_heard_of_before_its_datagrams_leave() -> None:
    source = Address("127.0.0.1", 9)
    drains = [[(b"a", source, 0.1)], [(b"b", source, 0.2)]]
    seen: list[tuple[str, float]] = []
    now = 5.0

    class Slow:
        state = SessionState.JOINED

        def receive_datagram(self, datagram: bytes, address: Address, at: float) -> None:
            seen.append((datagram.decode(), round(at, 6)))

        def advance(self, at: float) -> bool:
            nonlocal now
            now += 0.3
            seen.append(("works", at))
            return True

        def collect(self, at: float) -> list[tuple[bytes, Address]]:
            seen.append(("leaves", at))
            return []

    class Feed:
        def receive_nowait(self) -> list[Arrival]:
            return drains.pop(0)

        def send_nowait(self, datagrams: list[tuple[bytes, Address]]) -> None:
            assert datagrams == []

    assert turn(cast(Any, Slow()), cast(Any, Feed()), lambda: now)
    assert seen == [("a", 4.9), ("works", 5.0), ("b", 5.1), ("leaves", 5.3)]


async def test_a_cancelled_client_says_goodbye() -> None:
    with trio.fail_after(20), await open_udp("127.0.0.1", 0) as socket:
        host = Host(socket)
        client = make_client()

        async def sign_in() -> Admission:
            return admission(host.token())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(host.run)
            async with trio.open_nursery() as inner:
                inner.start_soon(drive, client, sign_in)
                await until(lambda: client.state is SessionState.JOINED)
                inner.cancel_scope.cancel()
            await host.left.wait()
            nursery.cancel_scope.cancel()
    assert host.opened == 1
    assert host.closed == [CloseReason.CLOSED_BY_PEER]
    assert client.state is SessionState.ENDED


async def test_a_client_comes_back_with_another_token_and_another_socket() -> None:
    with trio.fail_after(20), await open_udp("127.0.0.1", 0) as socket:
        host = Host(socket)
        client = make_client()
        refusals: list[Exception] = [
            UnavailableError("no server answers"),
            SignInError(429, "too many requests", ""),
            SignInError(503, "not ready", ""),
        ]

        async def sign_in() -> Admission:
            if refusals:
                raise refusals.pop()
            return admission(host.token())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(host.run)
            nursery.start_soon(drive, client, sign_in)
            await until(lambda: client.state is SessionState.JOINED)
            host.throw_out()
            await until(lambda: client.sessions == 2 and client.state is SessionState.JOINED)
            nursery.cancel_scope.cancel()
    assert host.opened == 2
    assert len(set(host.addresses)) == 2
    lost = []
    while (event := client.next_event()) is not None:
        lost += [event.reason] if isinstance(event, Lost) else []
    assert lost == ["turned away", "turned away", "no answer", "closed by peer"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
async def test_a_refusal_that_waiting_does_not_change_ends_the_client(status: int) -> None:
    client = make_client()

    async def sign_in() -> Admission:
        raise SignInError(status, "no", "for good")

    with trio.fail_after(5):
        await drive(client, sign_in)
    assert client.state is SessionState.ENDED
    assert client.next_event() == Ended(CloseReason.DENIED, "no: for good")


@pytest.mark.parametrize("answer", [GRANTED | {"protocol_id": "1"}, {"protocol_id": "1"}])
async def test_a_server_of_another_version_ends_the_client(answer: dict[str, Any]) -> None:
    client = make_client()

    async def sign_in() -> Admission:
        async with client_of(answering(200, answer)) as http:
            with pytest.raises(OtherVersionError, match="same version") as caught:
                await open_session(http)
        raise caught.value

    with trio.fail_after(5):
        await drive(client, sign_in)
    ended = client.next_event()
    assert isinstance(ended, Ended)
    assert "speaks protocol 1" in ended.text


async def test_a_client_whose_token_is_no_good_ends() -> None:
    client = make_client()

    async def sign_in() -> Admission:
        return admission(bytes(2048))

    with trio.fail_after(5):
        await drive(client, sign_in)
    assert client.state is SessionState.ENDED
