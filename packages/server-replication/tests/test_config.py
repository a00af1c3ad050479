"""Settings of a replication server."""

from __future__ import annotations

import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.replication.config import ReplicationConfig


def test_all_problems_are_named_at_once() -> None:
    config = ReplicationConfig(shard_key="", http="x", world="nowhere", clients_max=0)
    with pytest.raises(ConfigError) as caught:
        config.check()
    for flag in ("--shard-key", "--http", "--world", "--clients-max"):
        assert flag in str(caught.value)


def test_no_secret_is_shown() -> None:
    url = "postgresql://ada:swordfish@db.example:5432/world?password=swordfish"
    config = ReplicationConfig(shard_key="sesame", database=url)
    config.check()
    shown = config.describe()
    assert "database=db.example:5432/world" in shown
    assert "swordfish" not in shown
    assert "sesame" not in shown


@pytest.mark.parametrize("url", ["mysql://ada:swordfish@db/world", "postgresql://db:x/world", ""])
def test_what_is_no_database_url_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError, match="--database takes embedded, or a URL") as caught:
        ReplicationConfig(shard_key="sesame", database=url).check()
    assert "swordfish" not in str(caught.value)
