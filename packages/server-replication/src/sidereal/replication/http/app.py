"""The HTTP endpoint: accounts, connect tokens, health, metrics.

Whatever goes wrong is answered with problem details (RFC 9457); what a person typed wrong is named
by field. An unknown name costs as much time as a wrong password.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

import trio
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from sidereal.protocol.message.player import Role
from sidereal.replication.http.access import Access, AccessConfig, BearerError, Sight
from sidereal.replication.http.answers import ANSWERS, Problem, answer_json, too_many
from sidereal.replication.http.connection import Application
from sidereal.replication.http.credentials import (
    ANONYMOUS_PREFIX,
    LoginForm,
    RegisterForm,
    read_login_untrusted,
    read_register_untrusted,
)
from sidereal.replication.http.limits import HttpLimits
from sidereal.replication.http.metrics import CONTENT_TYPE, Exposition, Metric
from sidereal.replication.http.origins import Origins
from sidereal.replication.http.passwords import HASH_OF_NOBODY, Passwords
from sidereal.replication.http.status import without_addresses
from sidereal.replication.http.throttle import Throttle
from sidereal.replication.keeping.names import name_key
from sidereal.replication.links.networks import network_of

ANONYMOUS: Final = 0
"""Account id of anonymous players."""


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
        """What `/v1/status` answers to those who see everything."""

    def counts(self) -> Mapping[str, Any]:
        """What it answers to strangers."""

    def ready(self) -> tuple[bool, str]:
        """Whether players can be served, and if not, why."""

    def metrics(self) -> Iterable[Metric]:
        """The numbers of now."""


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """What the endpoint answers, and who may do what.

    Attributes:
        protocol_id: netcode protocol id of the client endpoint.
        schema_hash: of the world's schema.
        expires_s: how long a connect token holds.
        access: who may see and do what.
    """

    protocol_id: int
    schema_hash: bytes
    expires_s: int
    access: AccessConfig = field(default_factory=AccessConfig)


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
        entropy: for the names of anonymous players, and the key of bearer tokens.
        limits: of bodies, hashes and tries.
    """
    endpoint = _Endpoint(accounts, authority, config, entropy, limits)
    routes = [
        Route("/v1/accounts", endpoint.register, methods=["POST"]),
        Route("/v1/sessions", endpoint.log_in, methods=["POST"]),
        Route("/v1/status", endpoint.status),
        Route("/healthz", endpoint.healthz),
        Route("/readyz", endpoint.readyz),
        Route("/metrics", endpoint.metrics),
    ]
    application: Any = ExceptionMiddleware(_Router(routes, endpoint.check_host), ANSWERS)
    return cast(Application, application)


class _Router(Router):
    """Routes of requests whose host is ours.

    As inside an application, who finds none hears so by an exception.
    """

    def __init__(self, routes: Sequence[Route], check_host: Callable[[Request], None]) -> None:
        super().__init__(routes, redirect_slashes=False)
        self._check_host = check_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._check_host(Request(scope))
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
        self._access = Access(config.access, entropy)
        self._origins = Origins(config.access.proxies)
        self._throttle = Throttle(limits.throttle)
        self._passwords = Passwords(limits.hashes)
        self._exposition = Exposition(authority.metrics)

    def check_host(self, request: Request) -> None:
        if not self._access.host_fits(request.headers.get("host")):
            raise Problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "this server is not called by that name; --host-name adds one",
            )

    async def register(self, request: Request) -> Response:
        form: RegisterForm = read_register_untrusted(await _read_body(request, self._limits))
        network, now = self._network_of(request), trio.current_time()
        key = name_key(form.name)
        sight = self._sight_of(request)
        if not self._access.may_register(form.name, sight):
            raise Problem(HTTPStatus.FORBIDDEN, "this name is kept for an operator")
        if sight is not Sight.ALL and (wait_s := self._throttle.take_registration(network, now)):
            raise too_many("too many accounts were registered from here", wait_s)
        password_hash = await self._passwords.hash(form.password, network, key)
        account_id = await self._accounts.create_account(form.name, password_hash)
        self._throttle.prove(network, key)
        return answer_json({"account": account_id}, HTTPStatus.CREATED)

    async def log_in(self, request: Request) -> Response:
        form: LoginForm = read_login_untrusted(await _read_body(request, self._limits))
        network, now, sight = (
            self._network_of(request),
            trio.current_time(),
            self._sight_of(request),
        )
        if form.anonymous:
            self._check_role(form.role, None, sight)
            if wait_s := self._throttle.take_anonymous(network, now):
                raise too_many("too many came from here without an account", wait_s)
            account_id, name = ANONYMOUS, ANONYMOUS_PREFIX + self._entropy(4).hex()
        else:
            account_id, name = await self._authenticate(form, network)
            self._check_role(form.role, name, sight)
        if not (form.displace or form.anonymous or self._authority.reserve(account_id)):
            raise Problem(HTTPStatus.CONFLICT, "this account is in the world")
        token = self._authority.issue_token(account_id, form.role, name)
        return answer_json(
            {
                "connect_token": base64.b64encode(token).decode(),
                "bearer": self._access.make_bearer(form.role, now),
                "role": form.role.name.lower(),
                "name": name,
                "protocol_id": f"{self._config.protocol_id:016x}",
                "schema_hash": self._config.schema_hash.hex(),
                "expires_s": self._config.expires_s,
            }
        )

    async def _authenticate(self, form: LoginForm, network: str) -> tuple[int, str]:
        key, judged = name_key(form.name), False
        if wait_s := self._throttle.take_login(network, key, trio.current_time()):
            raise too_many("too many wrong passwords", wait_s)
        try:
            account = await self._accounts.account_by_name(form.name)
            password_hash = HASH_OF_NOBODY if account is None else account.password_hash
            matches = await self._passwords.verify(password_hash, form.password, network, key)
            judged = True
        finally:
            if not judged:
                self._throttle.give_back_login(network, key)
        if account is None or not matches:
            raise Problem(HTTPStatus.UNAUTHORIZED, "no account has this name and password")
        self._throttle.prove(network, key)
        return account.account_id, account.name

    def _check_role(self, role: Role, name: str | None, sight: Sight) -> None:
        if (why := self._access.why_not(role, name, sight)) is not None:
            raise Problem(HTTPStatus.FORBIDDEN, why)

    def _network_of(self, request: Request) -> str:
        peer = request.client.host if request.client else ""
        forwarded_for = ",".join(request.headers.getlist("x-forwarded-for"))
        return network_of(self._origins.origin_of(peer, forwarded_for))

    def _sight_of(self, request: Request) -> Sight:
        authorization = request.headers.get("authorization")
        return self._access.sight_of_untrusted(authorization, trio.current_time())

    async def status(self, request: Request) -> Response:
        sight = self._sight_of(request)
        if sight is Sight.COUNTS:
            return answer_json(self._authority.counts())
        status = self._authority.status()
        return answer_json(status if sight is Sight.ALL else without_addresses(status))

    async def healthz(self, _request: Request) -> Response:
        return answer_json({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        ready, why = self._authority.ready()
        if not ready:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, why)
        return answer_json({"status": "ready"})

    async def metrics(self, request: Request) -> Response:
        if self._sight_of(request) is Sight.COUNTS:
            raise BearerError("metrics take a bearer token: the status token, or one of a login")
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
