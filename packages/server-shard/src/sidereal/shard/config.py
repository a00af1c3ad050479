"""Settings of one shard server."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sidereal.game.load import DEFAULT_GAME
from sidereal.protocol.errors import ConfigError
from sidereal.protocol.limits import NAME_SIZE_MAX
from sidereal.protocol.links import describe_weak_shard_key
from sidereal.protocol.runtime.config import parse_endpoint


@dataclass(frozen=True, slots=True)
class ShardConfig:
    """All that a shard server needs to know before it starts.

    Attributes:
        key: text that the replication server knows too, as its shard key.
        server: `host:port` of the replication server's endpoint for shards.
        name: of this shard, for people; one that comes back under its name gets its id again.
        seed: of the game's random numbers.
        game: `module:name` of what is played; the same as the replication server's.
        spare: whether it is to wait until another shard is gone, and take over from that.
    """

    key: str
    server: str = "127.0.0.1:7072"
    name: str = "shard"
    seed: int = 1
    game: str = DEFAULT_GAME
    spare: bool = False

    def check(self) -> None:
        """Check all settings.

        Raises:
            ConfigError: naming every problem at once.
        """
        problems = []
        try:
            if parse_endpoint(self.server, "--server").port == 0:
                problems.append(f"--server is {self.server!r}; it needs the server's port, not 0")
        except ConfigError as error:
            problems.append(str(error))
        if weakness := describe_weak_shard_key(self.key):
            problems.append(f"the shard key, which is the replication server's, {weakness}")
        if not 1 <= len(self.name.encode()) <= NAME_SIZE_MAX:
            problems.append(f"--name must have 1 to {NAME_SIZE_MAX} bytes")
        if self.seed < 0:
            problems.append("--seed must not be negative")
        if problems:
            raise ConfigError("; ".join(problems))

    def describe(self) -> str:
        """Give all settings as key=value, secrets left out."""
        shown = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "key"}
        return " ".join(f"{name}={value}" for name, value in shown.items())
