"""Who may see and do what: roles, bearer tokens, names of the host, proxies."""

from __future__ import annotations

import itertools

import pytest

from sidereal.protocol.message.player import Role
from sidereal.replication.config import ReplicationConfig
from sidereal.replication.http.access import (
    BEARER_S,
    Access,
    AccessConfig,
    BearerError,
    Observers,
    Sight,
)
from sidereal.replication.http.origins import Origins

SERVER = AccessConfig(
    open_world=False,
    observers=Observers.ACCOUNTS,
    operators=frozenset({"Root"}),
    status_token="status-token-of-ours",
    host_names=frozenset({"World.example.org"}),
)


def make_access(config: AccessConfig = SERVER) -> Access:
    return Access(config, lambda size: bytes(size))


# -- what a world is by default --------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "open_world"),
    [
        ({}, True),
        ({"http": "[::1]:7070", "clients": "localhost:7071"}, True),
        ({"http": "0.0.0.0:7070"}, False),
        ({"clients": "0.0.0.0:7071", "public_clients": "192.0.2.7:7071"}, False),
        ({"public_clients": "192.0.2.7:7071"}, False),
        ({"public_clients": "127.0.0.1:7073"}, True),
        ({"host_names": ("world.example.org",)}, False),
        ({"proxies": ("127.0.0.1",)}, False),
    ],
)
def test_a_world_is_open_when_only_its_machine_reaches_it(
    settings: dict[str, object], open_world: bool
) -> None:
    access = ReplicationConfig(shard_key="sesame", **settings).access()  # type: ignore[arg-type]
    assert access.open_world is open_world
    assert access.observers is (Observers.ANYONE if open_world else Observers.ACCOUNTS)


@pytest.mark.parametrize("observers", ["none", "accounts", "anyone"])
@pytest.mark.parametrize("http", ["127.0.0.1:0", "0.0.0.0:0"])
def test_who_observes_is_a_choice(observers: str, http: str) -> None:
    config = ReplicationConfig(shard_key="sesame", http=http, observers=observers)
    assert config.access().observers is Observers(observers)


# -- roles -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("observers", "anonymous", "account"),
    [
        (Observers.NONE, False, False),
        (Observers.ACCOUNTS, False, True),
        (Observers.ANYONE, True, True),
    ],
)
def test_observing_is_for_whom_the_world_says(
    observers: Observers, anonymous: bool, account: bool
) -> None:
    access = make_access(AccessConfig(False, observers, operators=frozenset({"root"})))
    for name, allowed in ((None, anonymous), ("ann", account), ("ROOT", True)):
        assert (access.why_not(Role.OBSERVER, name, Sight.COUNTS) is None) is allowed


def test_only_named_accounts_operate() -> None:
    access = make_access()
    assert access.why_not(Role.OPERATOR, "rOOt", Sight.COUNTS) is None
    for name in (None, "ann"):
        assert access.why_not(Role.OPERATOR, name, Sight.WORLD) is not None


def test_the_status_token_opens_every_role_but_a_players() -> None:
    access = make_access(AccessConfig(False, Observers.NONE, anonymous=False))
    assert access.why_not(Role.OBSERVER, None, Sight.ALL) is None
    assert access.why_not(Role.OPERATOR, None, Sight.ALL) is None
    assert "without an account" in (access.why_not(Role.PLAYER, None, Sight.ALL) or "")


def test_seeing_everything_makes_no_operator_of_an_open_world() -> None:
    access = make_access(AccessConfig())
    assert access.why_not(Role.OPERATOR, None, Sight.ALL) is not None


def test_an_operators_name_is_registered_by_who_sees_everything() -> None:
    access = make_access()
    assert not access.may_register("ROOT", Sight.WORLD)
    assert access.may_register("root", Sight.ALL)
    assert access.may_register("ann", Sight.COUNTS)


# -- sight and bearer tokens -----------------------------------------------------------------


def test_strangers_see_counts_unless_the_world_is_open() -> None:
    assert make_access().sight_of_untrusted(None, 0.0) is Sight.COUNTS
    assert make_access(AccessConfig()).sight_of_untrusted(None, 0.0) is Sight.ALL


@pytest.mark.parametrize(
    ("role", "sight"), [(Role.OBSERVER, Sight.WORLD), (Role.OPERATOR, Sight.ALL)]
)
def test_a_login_with_a_role_gives_a_token_that_holds_for_a_while(role: Role, sight: Sight) -> None:
    access = make_access()
    bearer = f"Bearer {access.make_bearer(role, 5.0)}"
    assert access.sight_of_untrusted(bearer, 5.0) is sight
    assert access.sight_of_untrusted(bearer, 4.9 + BEARER_S) is sight
    with pytest.raises(BearerError, match="expired"):
        access.sight_of_untrusted(bearer, 5.0 + BEARER_S)


def test_a_player_gets_no_token() -> None:
    assert make_access().make_bearer(Role.PLAYER, 0.0) is None


def test_the_status_token_sees_everything() -> None:
    access = make_access()
    assert access.sight_of_untrusted("bearer status-token-of-ours", 0.0) is Sight.ALL
    with pytest.raises(BearerError):
        access.sight_of_untrusted("Bearer status-token-of-ourS", 0.0)
    with pytest.raises(BearerError):
        make_access(AccessConfig(False)).sight_of_untrusted("Bearer None", 0.0)


def test_no_changed_token_is_one_of_ours() -> None:
    access = make_access()
    token = access.make_bearer(Role.OBSERVER, 0.0) or ""
    changed = [
        token[:at] + letter + token[at + 1 :]
        for at, letter in itertools.product(range(len(token)), "AZ_")
        if token[at] != letter
    ]
    cut = [token[:length] for length in range(len(token))]
    odd = ["", " ", "=", "é", "\ud800", "a" * 5000, token + "A"]
    refused = 0
    for text in (*changed, *cut, *odd):
        for header in (f"Bearer {text}", text):
            try:
                sight = access.sight_of_untrusted(header, 0.0)
            except BearerError:
                refused += 1
            else:
                # Of the last letter some bits are padding.
                assert sight is Sight.WORLD
                assert text[:-3] == token[:-3]
    assert refused > len(changed) + len(cut) + len(odd)


def test_tokens_of_another_run_are_none() -> None:
    other = Access(SERVER, lambda size: b"\1" * size)
    with pytest.raises(BearerError, match="log in again"):
        make_access().sight_of_untrusted(f"Bearer {other.make_bearer(Role.OPERATOR, 0.0)}", 0.0)


# -- hosts and proxies -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *(None, "127.0.0.1", "127.0.0.1:7070", "192.0.2.9:80", "[::1]", "[2001:db8::1]:7070"),
        *("localhost", "LOCALHOST:7070", "localhost.", "world.example.org", "World.Example.org:80"),
    ],
)
def test_addresses_and_names_of_ours_are_answered(host: str | None) -> None:
    assert make_access().host_fits(host)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:7070", "", ":80", "world.example.org.evil.example"),
        *("127.0.0.1.evil.example", "localhost@evil.example", "[evil.example]", "x localhost"),
    ],
)
def test_other_names_are_not_answered(host: str) -> None:
    assert not make_access().host_fits(host)


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "origin"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("192.0.2.1", "198.51.100.1", "198.51.100.1"),
        ("192.0.2.1", "10.0.0.1, 198.51.100.1,192.0.2.2", "198.51.100.1"),
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.2", "192.0.2.1"),
        ("::ffff:192.0.2.1", "198.51.100.1", "198.51.100.1"),
        ("2001:db8::a", "198.51.100.1:50123", "198.51.100.1"),
        ("192.0.2.1", "198.51.100.1, [2001:DB8:0::A]:443", "198.51.100.1"),
        ("192.0.2.1", "[2001:DB8::7]:50123, ::FFFF:192.0.2.2", "2001:db8::7"),
        ("192.0.2.1", "198.51.100.1, unknown", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1, ", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.1, unix:, 192.0.2.2", "192.0.2.1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_only_a_known_proxy_tells_where_a_request_comes_from(
    peer: str, forwarded_for: str, origin: str
) -> None:
    proxies = ("192.0.2.1", "::ffff:192.0.2.2", "2001:DB8::A")
    assert Origins(proxies).origin_of(peer, forwarded_for) == origin
