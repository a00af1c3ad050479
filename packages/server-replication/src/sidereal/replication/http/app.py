"""The HTTP endpoint: accounts, connect tokens, health, metrics; the door to Starlette, Hypercorn.

Whatever goes wrong is answered with problem details (RFC 9457); what a person typed wrong is named
by field. An unknown name costs as much time as a wrong password.
"""

from __future__ import annotations

import base64
import errno
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

import hypercorn
import hypercorn.trio
import msgspec
import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sidereal.protocol.errors import StoreError, UnavailableError
from sidereal.protocol.ids import Address
from sidereal.protocol.message.player import Role
from sidereal.replication.http.credentials import (
    GUEST_PREFIX,
    FormError,
    LoginForm,
    RegisterForm,
    read_login_untrusted,
    read_register_untrusted,
)
from sidereal.replication.http.metrics import CONTENT_TYPE, Exposition, Metric
from sidereal.replication.http.passwords import HASH_OF_NOBODY, BusyError, Passwords
from sidereal.replication.keeping.names import name_key
from sidereal.replication.keeping.tables import NameTakenError

BODY_SIZE_MAX: Final = 4096
BODY_WITHIN_S: Final = 10.0
"""How long a body may take to come; one that trickles would hold its connection for days."""
GUEST: Final = 0
"""Account id of guests."""

_log = logging.getLogger("sidereal.http")


class StoredAccount(Protocol):
    """What is known of an account."""

    @property
    def account_id(self) -> int:
        """Above 0."""

    @property
    def name(self) -> str:
        """As it was registered."""

    @property
    def password_hash(self) -> str:
        """As argon2 writes it."""


class Accounts(Protocol):
    """Where accounts are kept; the store is one."""

    async def create_account(self, name: str, password_hash: str) -> int:
        """Register an account and return its id.

        Raises:
            NameTakenError: the name is registered.
            StoreError: the database is unavailable.
        """

    async def account_by_name(self, name: str) -> StoredAccount | None:
        """Find an account.

        Raises:
            StoreError: the database is unavailable.
        """


class Authority(Protocol):
    """What the endpoint asks the replication server; answers come at once."""

    def issue_token(self, account_id: int, role: Role, name: str) -> bytes:
        """Make a connect token.

        Raises:
            UnavailableError: nobody is admitted now; says why.
        """

    def reserve(self, account_id: int) -> bool:
        """Keep an account for the next session; False when somebody is in the world with it."""

    def status(self) -> Mapping[str, Any]:
        """What `/v1/status` answers."""

    def ready(self) -> tuple[bool, str]:
        """Whether players can be served, and if not, why."""

    def metrics(self) -> Iterable[Metric]:
        """The numbers of now."""


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """What the endpoint tells, and whom it lets do what.

    Attributes:
        protocol_id: netcode protocol id of the client endpoint.
        schema_hash: of the world's schema.
        expires_s: how long a connect token holds.
        operators: names of the accounts that may be operators.
        guests: whether one may enter without an account.
    """

    protocol_id: int
    schema_hash: bytes
    expires_s: int
    operators: frozenset[str] = field(default_factory=frozenset)
    guests: bool = True


class Problem(Exception):
    """An answer that says what went wrong."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})


def create_app(
    accounts: Accounts,
    authority: Authority,
    config: HttpConfig,
    entropy: Callable[[int], bytes],
) -> Starlette:
    """Put the endpoint together.

    Args:
        accounts: the store.
        authority: the replication server.
        config: what the endpoint tells.
        entropy: for the names of guests.
    """
    endpoint = _Endpoint(accounts, authority, config, entropy)
    return Starlette(
        routes=[
            Route("/v1/accounts", endpoint.register, methods=["POST"]),
            Route("/v1/sessions", endpoint.log_in, methods=["POST"]),
            Route("/v1/status", endpoint.status),
            Route("/healthz", endpoint.healthz),
            Route("/readyz", endpoint.readyz),
            Route("/metrics", endpoint.metrics),
        ],
        exception_handlers={
            Problem: _answer_problem,
            FormError: _answer_form_error,
            StoreError: _answer_unavailable,
            BusyError: _answer_unavailable,
            UnavailableError: _answer_unavailable,
            HTTPException: _answer_http_exception,
            Exception: _answer_failure,
        },
    )


class _Endpoint:
    def __init__(
        self,
        accounts: Accounts,
        authority: Authority,
        config: HttpConfig,
        entropy: Callable[[int], bytes],
    ) -> None:
        self._accounts = accounts
        self._authority = authority
        self._config = config
        self._entropy = entropy
        self._operators = frozenset(name_key(name) for name in config.operators)
        self._passwords = Passwords()
        self._exposition = Exposition(authority.metrics)

    async def register(self, request: Request) -> Response:
        form: RegisterForm = read_register_untrusted(await _read_body(request))
        password_hash = await self._passwords.hash(form.password)
        account_id = await self._accounts.create_account(form.name, password_hash)
        return _json({"account": account_id}, HTTPStatus.CREATED)

    async def log_in(self, request: Request) -> Response:
        form: LoginForm = read_login_untrusted(await _read_body(request))
        if form.guest and not self._config.guests:
            raise Problem(HTTPStatus.FORBIDDEN, "this world has no guests: register an account")
        if form.guest:
            account_id, name = GUEST, GUEST_PREFIX + self._entropy(4).hex()
        else:
            account_id, name = await self._authenticate(form)
        if form.role is Role.OPERATOR and (form.guest or name_key(name) not in self._operators):
            raise Problem(HTTPStatus.FORBIDDEN, "this account is not an operator's")
        if not (form.displace or form.guest or self._authority.reserve(account_id)):
            raise Problem(HTTPStatus.CONFLICT, "this account is in the world")
        token = self._authority.issue_token(account_id, form.role, name)
        return _json(
            {
                "connect_token": base64.b64encode(token).decode(),
                "role": form.role.name.lower(),
                "name": name,
                "protocol_id": f"{self._config.protocol_id:016x}",
                "schema_hash": self._config.schema_hash.hex(),
                "expires_s": self._config.expires_s,
            }
        )

    async def _authenticate(self, form: LoginForm) -> tuple[int, str]:
        account = await self._accounts.account_by_name(form.name)
        password_hash = HASH_OF_NOBODY if account is None else account.password_hash
        matches = await self._passwords.verify(password_hash, form.password)
        if account is None or not matches:
            raise Problem(HTTPStatus.UNAUTHORIZED, "no account has this name and password")
        return account.account_id, account.name

    async def status(self, _request: Request) -> Response:
        return _json(self._authority.status())

    async def healthz(self, _request: Request) -> Response:
        return _json({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        ready, why = self._authority.ready()
        if not ready:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, why)
        return _json({"status": "ready"})

    async def metrics(self, _request: Request) -> Response:
        return Response(self._exposition.page(), headers={"content-type": CONTENT_TYPE})


async def _read_body(request: Request) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
    with trio.move_on_after(BODY_WITHIN_S):
        return await _read_chunks(request)
    raise Problem(
        HTTPStatus.REQUEST_TIMEOUT,
        f"the body took more than {BODY_WITHIN_S:.0f} s",
        headers={"connection": "close"},
    )


async def _read_chunks(request: Request) -> bytes:
    body = bytearray()
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > BODY_SIZE_MAX:
                # The rest is not read: the connection ends with the answer.
                raise Problem(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"the body has more than {BODY_SIZE_MAX} bytes",
                    headers={"connection": "close"},
                )
    return bytes(body)


def _json(content: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _problem(
    status: int,
    detail: str,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    content: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
    }
    if fields:
        content["errors"] = [
            {"field": name, "pointer": f"#/{name}", "detail": text} for name, text in fields.items()
        ]
    return Response(
        msgspec.json.encode(content), status, headers, media_type="application/problem+json"
    )


async def _answer_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _problem(error.status, str(error), error.fields, error.headers)


async def _answer_form_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, FormError)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error.fields else HTTPStatus.BAD_REQUEST
    return _problem(status, str(error), error.fields)


async def _answer_unavailable(_request: Request, error: Exception) -> Response:
    if isinstance(error, NameTakenError):
        return _problem(HTTPStatus.CONFLICT, str(error), {"name": "is taken"})
    detail = "accounts are unavailable now" if isinstance(error, StoreError) else str(error)
    return _problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"retry-after": "2"})


async def _answer_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _problem(error.status_code, error.detail, headers=error.headers)


async def _answer_failure(_request: Request, _error: Exception) -> Response:
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says how")


async def serve_http(
    host: str,
    port: int,
    app: Starlette,
    *,
    task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the endpoint until cancelled; port 0 takes a free one, `started` tells which.

    Raises:
        UnavailableError: the address can't be had; says why and what to do.
    """
    listener = await _listen(host, port)
    address = Address(*listener.getsockname()[:2])
    config = hypercorn.Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.accesslog = None
    config.errorlog = _server_log()
    config.include_server_header = False
    config.graceful_timeout = 1.0
    config.keep_alive_timeout = 30
    config.read_timeout = 30
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(hypercorn.trio.serve, cast(Any, app), config))
        task_status.started(address)


def _server_log() -> logging.Logger:
    # Only what went wrong: that it runs, and where, the service says itself.
    log = _log.getChild("server")
    log.setLevel(logging.WARNING)
    return log


async def _listen(host: str, port: int) -> socket.socket:
    try:
        found: Sequence[Any] = await trio.socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen()
        except OSError:
            listener.close()
            raise
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "the port is taken" if taken else error.strerror or str(error)
        raise UnavailableError(
            f"HTTP can't listen on {host}:{port}: {why}; choose another address with --http"
        ) from None
    return listener
