"""Settings of one replication server."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.limits import CLIENT_SLOTS_MAX
from sidereal.protocol.links import describe_weak_shard_key
from sidereal.protocol.runtime.config import parse_endpoint
from sidereal.replication.genesis import PRESETS
from sidereal.replication.keeping.urls import check_url, without_password
from sidereal.replication.links.playerlink import SESSIONS_SPARE_MAX

EMBEDDED = "embedded"
_SECRETS: Final = ("shard_key", "supervisor")
EVERYWHERE: Final = ("0.0.0.0", "[::]")
"""Hosts on which a socket listens and which nobody can send to."""


@dataclass(frozen=True, slots=True)
class ReplicationConfig:
    """All that a replication server needs to know before it starts.

    Attributes:
        shard_key: text that shards must know too; the key of their endpoint is made of it. At least
            12 characters, better 32 random hexadecimal digits.
        http: `host:port` of the HTTP endpoint; port 0 is any free one, here and below.
        clients: `host:port` of the UDP endpoint for clients.
        public_clients: IP address and port by which clients reach that endpoint, when that is not
            what it is bound to: connect tokens name it.
        shards: `host:port` of the UDP endpoint for shards.
        public_shards: IP address and port by which shards reach that endpoint too, when something
            on the way translates addresses.
        database: `embedded`, or the URL of a PostgreSQL server.
        data_dir: where the embedded database lives.
        world: preset a new world is made from.
        seed: of a new world.
        supervisor: token of the supervisor that may start this server again; it takes over from
            its own at once, where others wait until a dead one's last beat is old.
        clients_max: how many may be connected.
        guests: whether one may enter without an account.
    """

    shard_key: str
    http: str = "127.0.0.1:7070"
    clients: str = "127.0.0.1:7071"
    public_clients: str | None = None
    shards: str = "127.0.0.1:7072"
    public_shards: str | None = None
    database: str = EMBEDDED
    data_dir: Path = Path(".sidereal")
    world: str = "belt"
    seed: int = 1
    supervisor: str = ""
    clients_max: int = 512
    guests: bool = True

    def check(self) -> None:
        """Check all settings.

        Raises:
            ConfigError: naming every problem at once.
        """
        problems = []
        for name in ("http", "clients", "shards"):
            try:
                parse_endpoint(getattr(self, name), f"--{name}")
            except ConfigError as error:
                problems.append(str(error))
        for check in (self._check_public_clients, self._check_public_shards):
            try:
                check()
            except ConfigError as error:
                problems.append(str(error))
        if self.world not in PRESETS:
            problems.append(f"--world is {self.world!r}; there are: {', '.join(PRESETS)}")
        if self.database != EMBEDDED:
            try:
                check_url(self.database)
            except ConfigError as error:
                problems.append(str(error))
        if not 1 <= self.clients_max <= CLIENT_SLOTS_MAX - SESSIONS_SPARE_MAX:
            most = CLIENT_SLOTS_MAX - SESSIONS_SPARE_MAX
            problems.append(f"--clients-max must be 1 to {most}")
        if self.seed < 0:
            problems.append("--seed must not be negative")
        if weakness := describe_weak_shard_key(self.shard_key):
            problems.append(f"the shard key {weakness}")
        if problems:
            raise ConfigError("; ".join(problems))

    def _check_public_clients(self) -> None:
        text = self.public_clients
        if text is None:
            if self.clients.rpartition(":")[0] in EVERYWHERE:
                raise ConfigError(
                    f"--clients is {self.clients!r}, which nobody can send to; "
                    "--public-clients must name an address for clients"
                )
            return
        _check_reachable(text, "--public-clients", "clients")

    def _check_public_shards(self) -> None:
        if self.public_shards is not None:
            _check_reachable(self.public_shards, "--public-shards", "shards")

    def describe(self) -> str:
        """Give all settings as key=value, secrets left out."""
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _SECRETS}
        if self.database != EMBEDDED:
            shown["database"] = without_password(self.database)
        return " ".join(f"{name}={value}" for name, value in shown.items())


def _check_reachable(text: str, flag: str, who: str) -> None:
    """Check that an address is one that a connect token can hold.

    Raises:
        ConfigError: it is none.
    """
    host, port = parse_endpoint(text, flag)
    try:
        reachable = port > 0 and not ipaddress.ip_address(host).is_unspecified
    except ValueError:
        reachable = False
    if not reachable:
        raise ConfigError(
            f"{flag} is {text!r}; it must be an IP address and a port that {who} can send to: "
            "connect tokens hold no names"
        )
