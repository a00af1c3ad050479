"""Settings of a run of `sidereal up`, and the arguments of its replication server."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.ids import Address
from sidereal.protocol.limits import CLIENT_SLOTS_MAX
from sidereal.protocol.runtime.config import format_endpoint, parse_endpoint
from sidereal.tools.publish import STANDARD_OUTPUT
from sidereal.tools.worldflags import NOTHING_GIVEN, WorldFlags

SHARDS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class UpConfig:
    """What to start, and for how long."""

    flags: WorldFlags = NOTHING_GIVEN
    shards: int = 2
    spares: int = 0
    bots: int = 0
    reload: bool = False
    for_s: float | None = None
    client_port: int = 7071
    shard_port: int = 7072
    view: bool = False
    monitor: bool = False
    json: str | None = None

    def check(self) -> None:
        """Check what only the supervisor knows; the servers check the rest.

        Raises:
            ConfigError: naming every problem at once.
        """
        problems = []
        if not 1 <= self.shards <= SHARDS_MAX:
            problems.append(f"--shards must be 1 to {SHARDS_MAX}")
        if self.spares < 0 or (self.spares and self.shards + self.spares > SHARDS_MAX):
            problems.append(f"--spares must be 0 or more, and with --shards at most {SHARDS_MAX}")
        if self.reload and 2 * (self.shards + self.spares) > SHARDS_MAX:
            problems.append(
                f"--reload has each shard twice for a while: --shards and --spares may be "
                f"{SHARDS_MAX // 2} together"
            )
        if not 0 <= self.bots <= CLIENT_SLOTS_MAX:
            problems.append(f"--bots must be 0 to {CLIENT_SLOTS_MAX}")
        if self.for_s is not None and not self.for_s > 0:
            problems.append("--for must be above 0 seconds")
        if self.flags.seed < 0:
            problems.append("--seed must not be negative")
        problems += [
            f"--{name} must be 0 to 65535"
            for name, port in (("client-port", self.client_port), ("shard-port", self.shard_port))
            if not 0 <= port <= 65535
        ]
        if self.monitor and self.json == STANDARD_OUTPUT and not has_terminal():
            problems.append("--monitor and --json - both want standard output; name a file")
        if problems:
            raise ConfigError("; ".join(problems))


def replication_arguments(
    config: UpConfig, endpoints: Mapping[str, str] | None = None
) -> list[str]:
    """Arguments of the server: with any free ports at first, with those it took from then on."""
    http = config.flags.http
    taken = endpoints or {
        "http": http,
        "clients": format_endpoint(
            Address(parse_endpoint(http, "--http").host, config.client_port)
        ),
        # Its shards are this machine's: nobody else has their key.
        "shards": format_endpoint(Address("127.0.0.1", config.shard_port)),
    }
    flags = dataclasses.replace(config.flags, http=taken["http"].removeprefix("http://"))
    ports = ["--clients", taken["clients"], "--shards", taken["shards"]]
    return ["replication", *flags.arguments(), *ports]


def has_terminal() -> bool:
    """Whether a person sits before this process."""
    return sys.stdin.isatty() and sys.stdout.isatty()
