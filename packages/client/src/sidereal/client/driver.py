"""The client's Trio shell: a socket around the core, and the HTTP side of getting in."""

from __future__ import annotations

import base64
import binascii
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx
import trio

from sidereal.client.client import Client
from sidereal.client.http import SIGN_IN_TIMEOUT_S, name_proxy
from sidereal.client.returning import ReturningClient
from sidereal.client.statistics import SessionState
from sidereal.protocol.errors import ConfigError, SiderealError, UnavailableError
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID
from sidereal.protocol.message.player import Role
from sidereal.protocol.runtime.config import PORT_MAX, is_host
from sidereal.protocol.runtime.udp import UdpSocket, open_udp

PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
"""Refusals that say "not now"; so do all that are the server's own fault."""
IDLE_S: Final = 1.0
"""How long the shell sleeps at most, whatever the core says."""


Driven = Client | ReturningClient
"""What a socket can be put around."""


class SignInError(SiderealError):
    """The server answered, and the answer is no.

    Attributes:
        status: of the HTTP answer.
        title: what kind of refusal, from the problem details.
        detail: why, likewise; may be empty.
    """

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status = status
        self.title = title
        self.detail = detail

    @property
    def is_passing(self) -> bool:
        """Whether it may be worth while to ask again later."""
        return self.status in PASSING or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


class OtherVersionError(UnavailableError):
    """The server is of another version; asking again changes nothing about that."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What the server gives to a client that may come in.

    Attributes:
        bearer: token that reads the server's state, for observers and operators.
    """

    connect_token: bytes
    role: Role
    name: str
    schema_hash: bytes
    expires_s: float
    bearer: str | None = None


def check_server(url: str) -> str:
    """Check that this can be a server's URL, and return it.

    Raises:
        ConfigError: it can't.
    """
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        parts = httpx.URL("")
    port_fits = parts.port is None or 1 <= parts.port <= PORT_MAX
    host_fits = bool(parts.host) and is_host(parts.host)
    if parts.scheme not in ("http", "https") or not host_fits or not port_fits:
        raise ConfigError(f"--server is {url!r}; it must be a URL like http://127.0.0.1:7070")
    return url


async def register(http: httpx.AsyncClient, name: str, password: str) -> None:
    """Create an account.

    Raises:
        SignInError: the name is taken (status 409), or the server does not take it.
        UnavailableError: there is no server.
    """
    await _post(http, "/v1/accounts", {"name": name, "password": password}, expected=201)


async def open_session(
    http: httpx.AsyncClient,
    name: str | None = None,
    password: str | None = None,
    role: Role = Role.PLAYER,
    *,
    displace: bool = True,
) -> Admission:
    """Get a connect token, anonymous when no name is given.

    Args:
        http: its `base_url` is the server's.
        name: of an account.
        password: of it.
        role: what the session is for.
        displace: whether to end the session with which this account is in the world now.

    Raises:
        SignInError: the server refuses, with status 409 because of `displace`.
        OtherVersionError: the server is of another version.
        UnavailableError: there is no server.
    """
    who: dict[str, Any] = (
        {"anonymous": True} if name is None else {"name": name, "password": password}
    )
    wish = (
        {"role": role.name.lower()} if displace else {"role": role.name.lower(), "displace": False}
    )
    try:
        answer = await _post(http, "/v1/sessions", who | wish, expected=200)
    except SignInError as error:
        if name is None or error.status != HTTPStatus.UNAUTHORIZED:
            raise
        detail = f"{error.detail}; {_how_to_register(http, name)}".removeprefix("; ")
        raise SignInError(error.status, error.title, detail) from None
    try:
        protocol_id = int(answer["protocol_id"], 16)
        if protocol_id != CLIENT_PROTOCOL_ID:  # the rest of the answer may be another one as well
            raise OtherVersionError(
                f"{http.base_url} speaks protocol {protocol_id:x}, this client "
                f"{CLIENT_PROTOCOL_ID:x}: install the same version on both"
            )
        admission = Admission(
            connect_token=base64.b64decode(answer["connect_token"], validate=True),
            role=Role[answer["role"].upper()],
            name=answer["name"],
            schema_hash=bytes.fromhex(answer["schema_hash"]),
            expires_s=float(answer["expires_s"]),
            bearer=answer.get("bearer"),
        )
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as error:
        raise UnavailableError(
            f"{http.base_url} does not answer like a Sidereal server ({error!r})"
        ) from None
    return admission


def _how_to_register(http: httpx.AsyncClient, name: str) -> str:
    server = str(http.base_url).rstrip("/")
    return f"a new one: sidereal token --name {shlex.quote(name)} --register --server {server}"


async def fetch_status(http: httpx.AsyncClient) -> dict[str, Any]:
    """The server's `/v1/status`: the state, or only counts for those who have no right to more.

    Raises:
        SignInError: the server does not answer this question, or not with this bearer token.
        UnavailableError: there is no server.
    """
    try:
        response = await http.get("/v1/status")
    except httpx.HTTPError as error:
        raise _no_server(http, error) from None
    answer = _object(http, response)
    _expect(response, answer, 200)
    return answer


async def drive(
    client: ReturningClient,
    sign_in: Callable[[], Awaitable[Admission]],
    *,
    clock: Callable[[], float] = trio.current_time,
) -> None:
    """Keep a client in the world until it has ended for good; cancelled, it says goodbye first.

    Args:
        client: the core; the face goes on calling it.
        sign_in: asks the server for a session.
        clock: monotonic seconds, the one the core was made with and the face draws by.
    """
    while client.state is not SessionState.ENDED:
        now = clock()
        if client.take_token_wish(now):
            await _ask(client, sign_in, clock)
        elif client.state is SessionState.WAITING:
            due = client.next_timer()
            await trio.sleep(IDLE_S if due is None else max(0.0, due - now))
        else:
            await _run_session(client, clock)


async def _ask(
    client: ReturningClient,
    sign_in: Callable[[], Awaitable[Admission]],
    clock: Callable[[], float],
) -> None:
    try:
        admission = await sign_in()
    except SignInError as error:
        reason = "turned away"
        client.turn_away(reason, str(error), clock(), final=not error.is_passing)
    except OtherVersionError as error:
        client.turn_away("turned away", str(error), clock(), final=True)
    except UnavailableError as error:
        client.turn_away("no answer", str(error), clock(), final=False)
    else:
        client.admit(admission.connect_token, clock())


async def _run_session(client: ReturningClient, clock: Callable[[], float]) -> None:
    """Run the newest session to its end; when the machine has no socket for it, it ends at once."""
    try:
        socket = await open_client_udp(client)
    except UnavailableError as error:
        client.turn_away("no socket", str(error), clock(), final=False)
        return
    try:
        while turn(client, socket, clock):
            await wait_turn(client, socket, clock())
    except trio.Cancelled:
        socket.send_nowait(client.leave(clock()))
        raise
    finally:
        socket.close()


async def open_client_udp(client: Driven) -> UdpSocket:
    """Open a socket that reaches the client's server.

    Raises:
        UnavailableError: no socket can be opened.
    """
    address = client.server_address
    return await open_udp("::" if address is not None and ":" in address.host else "0.0.0.0", 0)


def turn(client: Driven, socket: UdpSocket, clock: Callable[[], float]) -> bool:
    """One turn of the shell: take in all that has come, let the core do what is due, and send.

    Returns:
        whether the session goes on.
    """
    if client.advance(_take_in(client, socket, clock)):
        socket.send_nowait(client.collect(_take_in(client, socket, clock)))
    return client.state not in (SessionState.ENDED, SessionState.WAITING)


def _take_in(client: Driven, socket: UdpSocket, clock: Callable[[], float]) -> float:
    """Let the core take in what is there, each as of when it came; returns the time."""
    arrivals, now = socket.receive_nowait(), clock()
    for datagram, address, waited_s in arrivals:
        client.receive_datagram(datagram, address, now - waited_s)
    return now


async def wait_turn(client: Driven, socket: UdpSocket, now: float) -> None:
    """Wait until the next turn is due: a datagram came, or the core's timer is up."""
    due = client.next_timer()
    with trio.move_on_after(IDLE_S if due is None else min(IDLE_S, max(0.0, due - now))):
        await socket.wait_readable()


async def _post(
    http: httpx.AsyncClient, path: str, body: dict[str, Any], expected: int
) -> dict[str, Any]:
    try:
        response = await http.post(path, json=body, timeout=SIGN_IN_TIMEOUT_S)
    except httpx.HTTPError as error:
        raise _no_server(http, error) from None
    answer = _object(http, response)
    _expect(response, answer, expected)
    return answer


def _expect(response: httpx.Response, answer: dict[str, Any], status: int) -> None:
    if response.status_code != status:
        title = str(answer.get("title", response.reason_phrase))
        raise SignInError(response.status_code, title, str(answer.get("detail", "")))


def _object(http: httpx.AsyncClient, response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise UnavailableError(
            f"{http.base_url} answers {response.status_code} without a JSON object: "
            "is it a Sidereal server?"
        )
    return answer


def other_version(http: httpx.AsyncClient, error: Exception) -> UnavailableError:
    """Say that a server's state lacks what this version reads of it.

    Args:
        http: its `base_url` is the server's.
        error: of reading it.
    """
    return UnavailableError(
        f"{http.base_url} is a server of another version: its state has no {error}; "
        "install the same version on both"
    )


def _no_server(http: httpx.AsyncClient, error: httpx.HTTPError) -> UnavailableError:
    return UnavailableError(
        f"no server answers at {http.base_url} ({error or type(error).__name__}): "
        f"{name_proxy(http.base_url)}start one with `sidereal up`, or name another with --server"
    )
