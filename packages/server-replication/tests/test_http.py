"""The HTTP endpoint on its real server: what is answered, and how it says no."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest
import trio
from drifters import GAME

from sidereal.protocol.errors import StoreError, UnavailableError
from sidereal.protocol.ids import Address
from sidereal.protocol.message.player import Role
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.replication.http import passwords
from sidereal.replication.http.access import AccessConfig, Observers
from sidereal.replication.http.app import HttpConfig, create_app
from sidereal.replication.http.credentials import PASSWORD_SIZE_MAX
from sidereal.replication.http.limits import HttpLimits
from sidereal.replication.http.metrics import Metric
from sidereal.replication.http.server import HttpServer
from sidereal.replication.http.throttle import ThrottleLimits, Tries
from sidereal.replication.keeping.names import name_key
from sidereal.replication.keeping.store import open_store
from sidereal.replication.keeping.stored import Account
from sidereal.replication.keeping.tables import NameTakenError

CONFIG = HttpConfig(0x5349, BASE_SCHEMA.hash, 30, AccessConfig(operators=frozenset({"Root"})))
STATUS = {
    "tick": 7,
    "shards": [{"id": 1}],
    "endpoints": {"clients": "192.0.2.1:7071"},
    "database": {"available": False, "reason": 'no pg_hba.conf entry for host "192.0.2.1"'},
    "clients": [{"name": "Ann", "account": 3}],
    "events": [{"tick": 5, "event": "client_joined", "name": "Ann", "account": 3}],
}
SERVER = dataclasses.replace(
    CONFIG,
    access=AccessConfig(
        open_world=False,
        observers=Observers.ACCOUNTS,
        operators=frozenset({"Root"}),
        status_token="status-token-of-ours",
    ),
)
PASSWORD = "correct horse"
LIMITS = HttpLimits()
ANN = {"name": "Ann", "password": PASSWORD}


class FakeAccounts:
    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.failure: StoreError | None = None

    async def create_account(self, name: str, password_hash: str) -> int:
        if self.failure:
            raise self.failure
        if name_key(name) in self.accounts:
            raise NameTakenError(f"the name {name!r} is taken")
        account = Account(len(self.accounts) + 1, name, password_hash)
        self.accounts[name_key(name)] = account
        return account.account_id

    async def account_by_name(self, name: str) -> Account | None:
        if self.failure:
            raise self.failure
        return self.accounts.get(name_key(name))


class FakeAuthority:
    def __init__(self) -> None:
        self.issued: list[tuple[int, Role, str]] = []
        self.in_world: set[int] = set()
        self.closed = ""
        self.unready = ""
        self.ticks = 1

    def issue_token(self, account_id: int, role: Role, name: str) -> bytes:
        if self.closed:
            raise UnavailableError(self.closed)
        self.issued.append((account_id, role, name))
        return bytes(range(256)) * 8

    def reserve(self, account_id: int) -> bool:
        return account_id not in self.in_world

    def status(self) -> dict[str, Any]:
        return STATUS

    def counts(self) -> dict[str, Any]:
        return {"tick": 7, "counts": {"shards": 1}}

    def ready(self) -> tuple[bool, str]:
        return not self.unready, self.unready

    def metrics(self) -> Iterable[Metric]:
        yield Metric("sidereal_ticks", "counter", "Ticks run.", {(): self.ticks})
        yield Metric(
            "sidereal_clients", "gauge", "By role.", {("player",): 3, ("observer",): 1}, ("role",)
        )


class Endpoint:
    """A running endpoint, what stands behind it, and a client of it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.accounts = FakeAccounts()
        self.authority = FakeAuthority()

    async def post(self, path: str, content: Any) -> httpx.Response:
        return await self.client.post(path, json=content)

    async def register(self, name: str = "Ann", password: str = PASSWORD) -> httpx.Response:
        return await self.post("/v1/accounts", {"name": name, "password": password})


@contextlib.asynccontextmanager
async def serving(
    endpoint: Endpoint,
    accounts: Any = None,
    config: HttpConfig = CONFIG,
    limits: HttpLimits = LIMITS,
) -> AsyncIterator[Address]:
    accounts = accounts or endpoint.accounts
    app = create_app(accounts, endpoint.authority, config, lambda n: b"\7" * n, limits)
    async with trio.open_nursery() as nursery:
        address = await nursery.start(HttpServer(app, limits).serve, "127.0.0.1", 0)
        endpoint.client.base_url = httpx.URL(f"http://{address.host}:{address.port}")
        yield address
        nursery.cancel_scope.cancel()


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with httpx.AsyncClient() as client:
        endpoint = Endpoint(client)
        async with serving(endpoint):
            yield endpoint


def bearing(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def check_problem(response: httpx.Response, status: int, words: str = "") -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert problem["title"]
    assert words in problem["detail"]
    return problem


def wrong_fields(response: httpx.Response) -> dict[str, str]:
    problem = check_problem(response, 422)
    for error in problem["errors"]:
        assert error["pointer"] == f"#/{error['field']}"
    return {error["field"]: error["detail"] for error in problem["errors"]}


# -- accounts --------------------------------------------------------------------------------


async def test_registering_keeps_a_hash_and_gives_the_account(endpoint: Endpoint) -> None:
    response = await endpoint.register()
    assert response.status_code == 201
    assert response.json() == {"account": 1}
    kept = endpoint.accounts.accounts["ann"].password_hash
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PASSWORD not in kept


async def test_taken_name_is_a_conflict(endpoint: Endpoint) -> None:
    await endpoint.register("Ann")
    check_problem(await endpoint.register("ANN"), 409, "'ANN' is taken")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "1 to 24 bytes"),
        ("x" * 25, "1 to 24 bytes"),
        ("é" * 13, "1 to 24 bytes"),
        ("a\nb", "printable"),
        ("a\u202eb", "printable"),
        (" ann", "space"),
        ("a  nn", "two spaces"),
        ("Anon-1", "anon-"),
        ("an\u043en-1", "anon-"),
        ("admin\u034f", "letters"),
        ("admin\u115f", "letters"),
        ("admin\u2800", "letters"),
        ("admin\u2010", "letters"),
        ("\u200dann", "joiners"),
        ("سلمى\u200c", "joiners"),
        ("می\u200c\u200cخواهم", "joiners"),
        ("می \u200cخواهم", "joiners"),
        ("ad\u200cmin", "joiners"),
        ("ශ්\u200dr", "joiners"),
        ("\u200c", "joiners"),
        ("\u0301", "shows"),
        ("e" + "\u0301" * 10, "marks"),
        ("می\u2067خواهم", "printable"),
        (7, "must be a text"),
        (None, "must be a text"),
    ],
)
async def test_name_that_breaks_a_rule_is_named(endpoint: Endpoint, name: Any, words: str) -> None:
    response = await endpoint.post("/v1/accounts", {"name": name, "password": PASSWORD})
    assert words in wrong_fields(response)["name"]


@pytest.mark.parametrize(
    "name",
    [
        *("x", "x" * 24, "é" * 12, "名前", "a b", "O'Neil-3", "नमस्ते", "سلمى", "Đặng", "Ånna 😀"),
        *("می\u200cخواهم", "ශ්\u200dරී", "র\u200d্য", "👩\u200d🚀", "e" + "\u0301" * 9),
    ],
)
async def test_name_at_the_edge_of_the_rules_is_accepted(endpoint: Endpoint, name: str) -> None:
    assert (await endpoint.register(name)).status_code == 201


@pytest.mark.parametrize(
    ("password", "status"),
    [("x" * 7, 422), ("x" * 8, 201), ("x" * PASSWORD_SIZE_MAX, 201), ("é" * 129, 422)],
)
async def test_password_has_a_length(endpoint: Endpoint, password: str, status: int) -> None:
    response = await endpoint.register(password=password)
    assert response.status_code == status
    if status == 422:
        assert "password" in wrong_fields(response)


async def test_every_wrong_field_is_named_at_once(endpoint: Endpoint) -> None:
    response = await endpoint.post("/v1/accounts", {"name": "", "admin": True})
    assert wrong_fields(response).keys() == {"name", "password", "admin"}


async def test_half_a_surrogate_pair_is_refused(endpoint: Endpoint) -> None:
    for field in ("name", "password"):
        text = '{"name": "Ann", "password": "correct horse"}'.replace(
            {"name": "Ann", "password": "horse"}[field], "\\ud800"
        )
        response = await endpoint.client.post(
            "/v1/accounts", content=text, headers={"content-type": "application/json"}
        )
        assert response.status_code in (400, 422)
        check_problem(response, response.status_code)


# -- sessions --------------------------------------------------------------------------------


async def test_logging_in_gives_a_token(endpoint: Endpoint) -> None:
    await endpoint.register()
    response = await endpoint.post("/v1/sessions", {**ANN, "name": "aNN"})
    assert response.status_code == 200
    answer = response.json()
    assert base64.b64decode(answer.pop("connect_token")) == bytes(range(256)) * 8
    assert answer == {
        "bearer": None,
        "role": "player",
        "name": "Ann",
        "protocol_id": "0000000000005349",
        "schema_hash": BASE_SCHEMA.hash.hex(),
        "expires_s": 30,
    }
    assert endpoint.authority.issued == [(1, Role.PLAYER, "Ann")]


async def test_anonymous_player_gets_a_name_and_no_account(endpoint: Endpoint) -> None:
    response = await endpoint.post("/v1/sessions", {"anonymous": True, "role": "observer"})
    assert response.status_code == 200
    assert response.json()["name"] == "anon-07070707"
    assert response.json()["role"] == "observer"
    assert endpoint.authority.issued == [(0, Role.OBSERVER, "anon-07070707")]


async def test_a_world_without_anonymous_players_lets_none_in() -> None:
    config = dataclasses.replace(CONFIG, access=AccessConfig(anonymous=False))
    async with httpx.AsyncClient() as client:
        endpoint = Endpoint(client)
        async with serving(endpoint, config=config):
            response = await endpoint.post("/v1/sessions", {"anonymous": True})
            check_problem(response, 403, "register")
            await endpoint.register()
            assert (await endpoint.post("/v1/sessions", ANN)).status_code == 200
    assert [account for account, _, _ in endpoint.authority.issued] == [1]


async def test_anonymous_player_with_a_password_is_refused(endpoint: Endpoint) -> None:
    response = await endpoint.post("/v1/sessions", {"anonymous": True, **ANN})
    assert wrong_fields(response).keys() == {"name", "password"}


async def test_wrong_password_and_unknown_name_are_answered_alike(endpoint: Endpoint) -> None:
    await endpoint.register()
    wrong = await endpoint.post("/v1/sessions", {**ANN, "password": "incorrect horse"})
    unknown = await endpoint.post("/v1/sessions", {**ANN, "name": "Zoe"})
    assert check_problem(wrong, 401) == check_problem(unknown, 401)
    assert endpoint.authority.issued == []


async def test_unknown_name_costs_a_hash_too(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    verify = passwords.Passwords.verify

    async def counting(self: passwords.Passwords, password_hash: str, *rest: str) -> bool:
        verified.append(password_hash)
        return await verify(self, password_hash, *rest)

    monkeypatch.setattr(passwords.Passwords, "verify", counting)
    await endpoint.post("/v1/sessions", {**ANN, "name": "Zoe"})
    assert verified == [passwords.HASH_OF_NOBODY]


async def test_only_configured_accounts_are_operators(endpoint: Endpoint) -> None:
    await endpoint.register("Ann")
    await endpoint.register("root")
    refused = await endpoint.post("/v1/sessions", {**ANN, "role": "operator"})
    check_problem(refused, 403, "operator")
    anonymous = await endpoint.post("/v1/sessions", {"anonymous": True, "role": "operator"})
    check_problem(anonymous, 403, "operator")
    admitted = await endpoint.post("/v1/sessions", {**ANN, "name": "root", "role": "operator"})
    assert admitted.status_code == 200
    assert endpoint.authority.issued == [(2, Role.OPERATOR, "root")]


async def test_wrong_password_comes_before_the_role(endpoint: Endpoint) -> None:
    await endpoint.register()
    form = {**ANN, "password": "incorrect horse", "role": "operator"}
    check_problem(await endpoint.post("/v1/sessions", form), 401)


async def test_a_session_that_may_end_no_other_waits_for_its_account(endpoint: Endpoint) -> None:
    await endpoint.register()
    polite = {**ANN, "displace": False}
    endpoint.authority.in_world = {1}
    check_problem(await endpoint.post("/v1/sessions", polite), 409, "in the world")
    assert endpoint.authority.issued == []
    assert (await endpoint.post("/v1/sessions", ANN)).status_code == 200
    endpoint.authority.in_world = set()
    assert (await endpoint.post("/v1/sessions", polite)).status_code == 200
    wrong = await endpoint.post("/v1/sessions", {**ANN, "displace": "no"})
    assert wrong_fields(wrong) == {"displace": "must be true or false"}


async def test_unknown_role_is_named(endpoint: Endpoint) -> None:
    response = await endpoint.post("/v1/sessions", {"anonymous": True, "role": "PLAYER"})
    assert wrong_fields(response) == {"role": "must be one of player, observer, operator"}


async def test_closed_admission_says_why(endpoint: Endpoint) -> None:
    endpoint.authority.closed = "the world is full"
    response = await endpoint.post("/v1/sessions", {"anonymous": True})
    check_problem(response, 503, "the world is full")
    assert int(response.headers["retry-after"]) > 0


async def test_unavailable_store_is_told_and_who_is_anonymous_still_plays(
    endpoint: Endpoint,
) -> None:
    endpoint.accounts.failure = StoreError("connection to 10.1.2.3 refused")
    for path in ("/v1/accounts", "/v1/sessions"):
        response = await endpoint.post(path, ANN)
        problem = check_problem(response, 503, "unavailable")
        assert "10.1.2.3" not in problem["detail"]
    assert (await endpoint.post("/v1/sessions", {"anonymous": True})).status_code == 200


# -- limits of tries -------------------------------------------------------------------------


async def test_eleven_wrong_logins_in_a_row_are_too_many(endpoint: Endpoint) -> None:
    await endpoint.register()
    wrong = {**ANN, "password": "incorrect horse"}
    statuses = [(await endpoint.post("/v1/sessions", wrong)).status_code for _ in range(10)]
    assert statuses == [401] * 10
    refused = await endpoint.post("/v1/sessions", wrong)
    check_problem(refused, 429, "too many wrong passwords; try again in")
    assert 1 <= int(refused.headers["retry-after"]) <= 10
    # So is the right one from there, and an unknown name is answered no sooner.
    assert (await endpoint.post("/v1/sessions", ANN)).status_code == 429


async def test_unknown_names_are_limited_like_known_ones(endpoint: Endpoint) -> None:
    forms = [{**ANN, "name": "Zoe"}] * 11
    statuses = [(await endpoint.post("/v1/sessions", form)).status_code for form in forms]
    assert statuses == [401] * 10 + [429]


async def test_honest_players_get_in_while_one_address_tries_passwords(endpoint: Endpoint) -> None:
    """They come from the same address: each has been there before."""
    honest = [f"pilot {n}" for n in range(8)]
    for name in honest:
        await endpoint.register(name)
    answers: dict[int, int] = {}
    admitted: list[str] = []

    async def attack(number: int) -> None:
        form = {"name": f"pilot {number % 4}", "password": f"guess {number}"}
        response = await endpoint.post("/v1/sessions", form)
        answers[response.status_code] = answers.get(response.status_code, 0) + 1

    async def log_in(name: str) -> None:
        form = {"name": name, "password": PASSWORD}
        assert (await endpoint.post("/v1/sessions", form)).status_code == 200
        admitted.append(name)

    async with trio.open_nursery() as nursery:
        for number in range(90):
            nursery.start_soon(attack, number)
        for name in honest[4:]:
            nursery.start_soon(log_in, name)
    assert sorted(admitted) == honest[4:]
    assert set(answers) <= {401, 429, 503}
    assert answers[401] <= 40


async def test_a_wrong_password_costs_nothing_while_the_store_is_away(endpoint: Endpoint) -> None:
    endpoint.accounts.failure = StoreError("away")
    for _ in range(20):
        check_problem(await endpoint.post("/v1/sessions", ANN), 503)


async def test_accounts_of_one_address_are_limited(endpoint: Endpoint) -> None:
    limits = dataclasses.replace(LIMITS, throttle=ThrottleLimits(registrations=Tries(2, 60.0)))
    async with serving(endpoint, config=SERVER, limits=limits):
        statuses = [(await endpoint.register(f"pilot {n}")).status_code for n in range(3)]
        assert statuses == [201, 201, 429]
        endpoint.client.headers.update(bearing("status-token-of-ours"))
        assert (await endpoint.register("pilot 3")).status_code == 201


async def test_anonymous_players_of_one_address_are_limited(endpoint: Endpoint) -> None:
    limits = dataclasses.replace(LIMITS, throttle=ThrottleLimits(anonymous=Tries(2, 60.0)))
    async with serving(endpoint, limits=limits):
        forms = [{"anonymous": True}] * 3
        statuses = [(await endpoint.post("/v1/sessions", form)).status_code for form in forms]
    assert statuses == [200, 200, 429]


# -- who may see what ------------------------------------------------------------------------


async def test_strangers_get_counts_and_the_rest_needs_a_role(endpoint: Endpoint) -> None:
    async with serving(endpoint, config=SERVER):
        client = endpoint.client
        assert (await client.get("/v1/status")).json() == endpoint.authority.counts()
        refused = await client.get("/metrics")
        check_problem(refused, 401, "bearer token")
        assert refused.headers["www-authenticate"] == "Bearer"

        await endpoint.register()
        form = {**ANN, "role": "observer"}
        observer = bearing((await endpoint.post("/v1/sessions", form)).json()["bearer"])
        seen = (await client.get("/v1/status", headers=observer)).json()
        assert "endpoints" not in seen
        assert seen["database"] == {"available": False, "reason": ""}
        assert seen["clients"] == [{"name": "Ann", "account": None}]
        assert [event["account"] for event in seen["events"]] == [None]
        assert (await client.get("/metrics", headers=observer)).status_code == 200

        ours = bearing("status-token-of-ours")
        assert (await client.get("/v1/status", headers=ours)).json() == STATUS
        assert (await client.get("/metrics", headers=ours)).status_code == 200

        for path in ("/v1/status", "/metrics"):
            check_problem(await client.get(path, headers=bearing("guess")), 401, "log in again")
        for path in ("/healthz", "/readyz"):
            assert (await client.get(path)).status_code == 200


async def test_an_operator_is_made_with_the_status_token(endpoint: Endpoint) -> None:
    """Nobody takes the name of an operator before its owner does."""
    async with serving(endpoint, config=SERVER):
        check_problem(await endpoint.register("rOOt"), 403, "kept for an operator")
        form = {"name": "root", "password": PASSWORD}
        headers = bearing("status-token-of-ours")
        made = await endpoint.client.post("/v1/accounts", json=form, headers=headers)
        assert made.status_code == 201
        answer = await endpoint.post("/v1/sessions", {**form, "role": "operator"})
        operator = bearing(answer.json()["bearer"])
        assert (await endpoint.client.get("/v1/status", headers=operator)).json() == STATUS


async def test_a_stranger_observes_no_server(endpoint: Endpoint) -> None:
    async with serving(endpoint, config=SERVER):
        form = {"anonymous": True, "role": "observer"}
        check_problem(await endpoint.post("/v1/sessions", form), 403, "log in with one")


@pytest.mark.parametrize("path", ["/v1/status", "/metrics", "/healthz", "/nothing"])
async def test_a_request_for_another_host_is_not_answered(endpoint: Endpoint, path: str) -> None:
    response = await endpoint.client.get(path, headers={"host": "evil.example"})
    check_problem(response, 421, "--host-name")


async def test_answers_are_not_kept_by_caches(endpoint: Endpoint) -> None:
    for response in (
        await endpoint.post("/v1/sessions", {"anonymous": True}),
        await endpoint.client.get("/v1/status"),
        await endpoint.client.get("/nothing"),
    ):
        assert response.headers["cache-control"] == "no-store"


# -- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[]", b"7", b'"x"', b"[" * 4000, b'{"a":' * 700]
)
async def test_body_that_is_no_json_object_is_refused(endpoint: Endpoint, body: bytes) -> None:
    for path in ("/v1/accounts", "/v1/sessions"):
        response = await endpoint.client.post(
            path, content=body, headers={"content-type": "application/json"}
        )
        check_problem(response, 400, "JSON")


async def test_other_content_types_are_refused(endpoint: Endpoint) -> None:
    response = await endpoint.client.post("/v1/accounts", data=ANN)
    check_problem(response, 415, "application/json")


@pytest.mark.parametrize("chunked", [False, True])
async def test_body_has_a_largest_size(endpoint: Endpoint, chunked: bool) -> None:
    async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    form = b'{"anonymous": true}'
    for size, status in ((LIMITS.body_size_max, 200), (LIMITS.body_size_max + 1, 413)):
        body = form.ljust(size)
        response = await endpoint.client.post(
            "/v1/sessions",
            content=in_chunks(body) if chunked else body,
            headers={"content-type": "application/json"},
        )
        assert response.status_code == status
    check_problem(response, 413, str(LIMITS.body_size_max))


async def test_unknown_path_is_a_problem(endpoint: Endpoint) -> None:
    check_problem(await endpoint.client.get("/nothing"), 404)


async def test_wrong_method_says_which_is_right(endpoint: Endpoint) -> None:
    response = await endpoint.client.get("/v1/sessions")
    check_problem(response, 405)
    assert response.headers["allow"] == "POST"


async def test_failure_of_ours_is_a_problem_and_is_logged(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> dict[str, Any]:
        raise RuntimeError("secret")

    endpoint.authority.status = broken  # type: ignore[method-assign]
    response = await endpoint.client.get("/v1/status")
    problem = check_problem(response, 500)
    assert "secret" not in problem["detail"]
    assert (await endpoint.client.get("/healthz")).status_code == 200
    assert "RuntimeError: secret" in caplog.text


# -- health and numbers ----------------------------------------------------------------------


async def test_status_is_what_the_authority_says(endpoint: Endpoint) -> None:
    response = await endpoint.client.get("/v1/status")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == STATUS


async def test_health_and_readiness_differ(endpoint: Endpoint) -> None:
    assert (await endpoint.client.get("/readyz")).status_code == 200
    endpoint.authority.unready = "the database is away"
    assert (await endpoint.client.get("/healthz")).status_code == 200
    check_problem(await endpoint.client.get("/readyz"), 503, "the database is away")


async def test_metrics_are_those_of_the_moment(endpoint: Endpoint) -> None:
    response = await endpoint.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    lines = response.text.splitlines()
    assert "sidereal_ticks_total 1.0" in lines
    assert 'sidereal_clients{role="player"} 3.0' in lines
    assert "# HELP sidereal_clients By role." in lines
    endpoint.authority.ticks = 2
    assert "sidereal_ticks_total 2.0" in (await endpoint.client.get("/metrics")).text.splitlines()


async def test_requests_are_not_logged(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO, "sidereal")
    await endpoint.client.get("/healthz")
    await endpoint.client.get("/nothing")
    assert [record for record in caplog.records if record.name.startswith("sidereal")] == []
    assert capfd.readouterr() == ("", "")


# -- the shell -------------------------------------------------------------------------------


async def test_accounts_are_kept_in_the_real_store(database_url: str) -> None:
    async with open_store(database_url, GAME) as store, httpx.AsyncClient() as client:
        await store.begin("token", "a test")
        endpoint = Endpoint(client)
        async with serving(endpoint, store):
            assert (await endpoint.register()).status_code == 201
            check_problem(await endpoint.register("ANN"), 409)
            assert (await endpoint.post("/v1/sessions", ANN)).status_code == 200
            check_problem(await endpoint.post("/v1/sessions", {**ANN, "password": "no"}), 401)
