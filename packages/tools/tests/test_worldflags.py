"""Tests of the flags that `up` and `replication` share."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from sidereal.replication.config import ReplicationConfig
from sidereal.tools.cli import make_app
from sidereal.tools.up.config import UpConfig, replication_arguments
from sidereal.tools.worldflags import WorldFlags

FLAGS = WorldFlags(
    http="127.0.0.1:0",
    public_clients="192.0.2.7:7071",
    data_dir=Path("elsewhere"),
    game="mygame:game",
    world="empty",
    seed=7,
    operator=["ann", "ben"],
    observers="none",
    player_rate=200,
    observer_rate=50,
    host_name=["world.example.org"],
    proxy=["192.0.2.1"],
)


def parsed(words: list[str]) -> WorldFlags:
    _, bound, _ = make_app(words[0]).parse_args(words)
    flags = bound.arguments["flags"]
    assert isinstance(flags, WorldFlags)
    return flags


@pytest.mark.parametrize("command", ["up", "replication"])
def test_flags_are_written_as_they_are_read(command: str) -> None:
    assert parsed([command, *FLAGS.arguments()]) == FLAGS


def test_every_flag_is_a_setting_of_the_server() -> None:
    names = {field.name for field in fields(ReplicationConfig)}
    assert set(FLAGS.settings()) <= names
    assert len(FLAGS.settings()) == len(fields(WorldFlags))
    config = ReplicationConfig(shard_key="0" * 32, **FLAGS.settings())
    assert (config.seed, config.operators, config.proxies) == (7, ("ann", "ben"), ("192.0.2.1",))
    assert ReplicationConfig(shard_key="", **WorldFlags().settings()) == ReplicationConfig("")


def test_a_server_of_a_supervisor_gets_the_flags_and_keeps_its_addresses() -> None:
    config = UpConfig(flags=FLAGS, client_port=0, shard_port=0)
    first = replication_arguments(config)
    assert parsed(first) == FLAGS
    assert first[-4:] == ["--clients", "127.0.0.1:0", "--shards", "127.0.0.1:0"]
    taken = {"http": "http://127.0.0.1:81", "clients": "127.0.0.1:82", "shards": "127.0.0.1:83"}
    again = replication_arguments(config, taken)
    assert parsed(again).http == "127.0.0.1:81"
    assert again[-4:] == ["--clients", "127.0.0.1:82", "--shards", "127.0.0.1:83"]


def test_a_database_is_no_argument_of_another_process() -> None:
    flags = WorldFlags(database="postgresql://sidereal:secret@db/world")
    assert "secret" not in " ".join(flags.arguments())
