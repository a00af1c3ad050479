"""The HTTP endpoint: accounts, connect tokens, health, metrics; the one door to Starlette.

Whatever goes wrong is answered with problem details (RFC 9457); what a person typed wrong is named
by field. An unknown name costs as much time as a wrong password.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

import msgspec
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from sidereal.protocol.errors import StoreError, UnavailableError
from sidereal.protocol.message.player import Role
from sidereal.protocol.runtime.process import fields
from sidereal.replication.http.connection import Application
from sidereal.replication.http.credentials import (
    GUEST_PREFIX,
    FormError,
    LoginForm,
    RegisterForm,
    read_login_untrusted,
    read_register_untrusted,
)
from sidereal.replication.http.limits import HttpLimits
from sidereal.replication.http.metrics import CONTENT_TYPE, Exposition, Metric
from sidereal.replication.http.passwords import HASH_OF_NOBODY, BusyError, Passwords
from sidereal.replication.http.problems import PROBLEM_TYPE, describe_problem
from sidereal.replication.keeping.names import name_key
from sidereal.replication.keeping.tables import NameTakenError

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
    limits: HttpLimits,
) -> Application:
    """Put the endpoint together.

    Args:
        accounts: the store.
        authority: the replication server.
        config: what the endpoint tells.
        entropy: for the names of guests.
        limits: of bodies.
    """
    endpoint = _Endpoint(accounts, authority, config, entropy, limits)
    router = _Router(
        [
            Route("/v1/accounts", endpoint.register, methods=["POST"]),
            Route("/v1/sessions", endpoint.log_in, methods=["POST"]),
            Route("/v1/status", endpoint.status),
            Route("/healthz", endpoint.healthz),
            Route("/readyz", endpoint.readyz),
            Route("/metrics", endpoint.metrics),
        ],
    )
    application: Any = ExceptionMiddleware(
        router,
        {
            Problem: _answer_problem,
            FormError: _answer_form_error,
            StoreError: _answer_unavailable,
            BusyError: _answer_unavailable,
            UnavailableError: _answer_unavailable,
            HTTPException: _answer_http_exception,
            Exception: _answer_failure,
        },
    )
    return cast(Application, application)


class _Router(Router):
    """Routes, as they are inside an application: who finds none hears so by an exception."""

    def __init__(self, routes: Sequence[Route]) -> None:
        super().__init__(routes, redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await super().__call__(scope, receive, send)


class _Endpoint:
    def __init__(
        self,
        accounts: Accounts,
        authority: Authority,
        config: HttpConfig,
        entropy: Callable[[int], bytes],
        limits: HttpLimits,
    ) -> None:
        self._limits = limits
        self._accounts = accounts
        self._authority = authority
        self._config = config
        self._entropy = entropy
        self._operators = frozenset(name_key(name) for name in config.operators)
        self._passwords = Passwords()
        self._exposition = Exposition(authority.metrics)

    async def register(self, request: Request) -> Response:
        form: RegisterForm = read_register_untrusted(await _read_body(request, self._limits))
        password_hash = await self._passwords.hash(form.password)
        account_id = await self._accounts.create_account(form.name, password_hash)
        return _json({"account": account_id}, HTTPStatus.CREATED)

    async def log_in(self, request: Request) -> Response:
        form: LoginForm = read_login_untrusted(await _read_body(request, self._limits))
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


async def _read_body(request: Request, limits: HttpLimits) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")
    body = bytearray()
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > limits.body_size_max:
                raise Problem(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"the body has more than {limits.body_size_max} bytes",
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
    body = describe_problem(status, detail, fields)
    return Response(body, status, headers, media_type=PROBLEM_TYPE)


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


async def _answer_failure(request: Request, error: Exception) -> Response:
    _log.error("http_failed %s", fields(path=request.scope["path"]), exc_info=error)
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; its log says how")
