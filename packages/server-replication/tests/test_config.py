"""Settings of a replication server."""

from __future__ import annotations

from typing import Any

import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.replication.config import ReplicationConfig


def test_all_problems_are_named_at_once() -> None:
    config = ReplicationConfig(
        shard_key="",
        http="x",
        public_clients="y",
        world="nowhere",
        clients_max=0,
        player_rate=1,
        observer_rate=4001,
    )
    with pytest.raises(ConfigError) as caught:
        config.check()
    said = str(caught.value)
    for flag in ("the shard key", "--http", "--public-clients", "--world", "--clients-max"):
        assert flag in said
    for flag in ("--player-rate", "--observer-rate"):
        assert f"{flag} must be 2 to 4000 kB/s" in said


@pytest.mark.parametrize("public", ["203.0.113.7:7071", "[2001:db8::7]:7071", "127.0.0.1:1"])
@pytest.mark.parametrize("clients", ["0.0.0.0:7071", "[::]:7071", "127.0.0.1:0"])
def test_clients_may_reach_the_server_by_another_address(clients: str, public: str) -> None:
    ReplicationConfig(shard_key="open sesame!", clients=clients, public_clients=public).check()


@pytest.mark.parametrize("public", ["localhost:7071", "127.0.0.1:0", "0.0.0.0:7071", "[::]:7071"])
@pytest.mark.parametrize("who", ["clients", "shards"])
def test_a_public_address_is_one_that_a_token_can_hold(who: str, public: str) -> None:
    settings: dict[str, Any] = {f"public_{who}": public}
    expected = f"--public-{who} is .* it must be an IP address and a port that {who} can"
    with pytest.raises(ConfigError, match=expected):
        ReplicationConfig(shard_key="open sesame!", **settings).check()


@pytest.mark.parametrize("key", ["", "abcd", "0123456789a"])
def test_a_shard_key_that_can_be_guessed_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match="the shard key must have at least 12 characters"):
        ReplicationConfig(shard_key=key).check()


@pytest.mark.parametrize("clients", ["0.0.0.0:7071", "[::]:7071"])
def test_who_listens_everywhere_says_where_clients_find_it(clients: str) -> None:
    with pytest.raises(ConfigError, match="--public-clients must name an address for clients"):
        ReplicationConfig(shard_key="open sesame!", clients=clients).check()


def test_no_secret_is_shown() -> None:
    url = "postgresql://ada:swordfish@db.example:5432/world?password=swordfish"
    token = "a-token-of-the-status"
    config = ReplicationConfig(shard_key="open sesame!", database=url, status_token=token)
    config.check()
    shown = config.describe()
    assert "database=db.example:5432/world" in shown
    assert "swordfish" not in shown
    assert "open sesame!" not in shown
    assert token not in shown


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"observers": "everybody"}, "--observers is 'everybody'; it must be none, accounts"),
        ({"operators": ("x" * 25,)}, "--operator is 'xxxxx"),
        ({"host_names": ("world.example.org:80",)}, "--host-name is 'world.example.org:80'"),
        ({"proxies": ("proxy.example.org",)}, "--proxy is 'proxy.example.org'"),
        ({"status_token": "short"}, "the status token must have at least 16 characters"),
    ],
)
def test_who_may_do_what_is_said_in_words_that_mean_something(
    settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        ReplicationConfig(shard_key="open sesame!", **settings).check()  # type: ignore[arg-type]
    assert words in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://ada:swordfish@db/world", "postgresql://db:x/world", ""])
def test_what_is_no_database_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError, match="--database takes embedded, or a URL") as caught:
        ReplicationConfig(shard_key="open sesame!", database=url).check()
    assert "swordfish" not in str(caught.value)
