"""What a soak is asked to do, and the channels it talks over."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from sidereal.protocol.channel.spec import ChannelSpec, Delivery
from sidereal.protocol.errors import ConfigError
from sidereal.protocol.testing.link import LinkConfig

CLIENTS_MAX: Final = 500
"""Each has a socket, and a process has 1,024 files."""
SLOTS_PER_CLIENT: Final = 2
SLOTS_SPARE: Final = 16
"""A client that vanished and came back under another name holds two slots for a while, or more."""
TIMEOUT_S: Final = 5
"""Silence that ends a session."""
SHARE_MAX: Final = 0.5
"""With more than half of all datagrams lost, nothing that waits for an answer has a deadline."""
DELAY_MS_MAX: Final = 500.0
"""With jitter and reordering a handshake must fit the time-out many times over."""

CHANNELS: Final = (
    ChannelSpec(Delivery.UNRELIABLE, memory_max=256 << 10),
    ChannelSpec(Delivery.UNRELIABLE_SEQUENCED, memory_max=256 << 10, priority=1),
    ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=1 << 20),
    ChannelSpec(Delivery.RELIABLE_UNORDERED, memory_max=1 << 20),
)
"""One of each kind."""


class End(enum.IntEnum):
    """An end of a session."""

    CLIENT = 0
    SERVER = 1

    @property
    def other(self) -> End:
        """The end it talks to."""
        return End(1 - self)


@dataclass(frozen=True, slots=True)
class SoakConfig:
    """What a soak does.

    Attributes:
        clients: that come and go.
        for_s: how long, before the last ones are sent home.
        seed: of all that clients and links do.
        loss: probability that a datagram is lost.
        duplication: probability that one comes twice.
        reordering: probability that one is held up while others pass.
        delay_ms: every datagram takes at least that long.
        jitter_ms: and up to that much longer.
    """

    clients: int = 200
    for_s: float = 600.0
    seed: int = 1
    loss: float = 0.05
    duplication: float = 0.02
    reordering: float = 0.02
    delay_ms: float = 20.0
    jitter_ms: float = 10.0

    @property
    def slots(self) -> int:
        """How many sessions the server has room for."""
        return SLOTS_PER_CLIENT * self.clients + SLOTS_SPARE

    @property
    def link(self) -> LinkConfig:
        """What each direction of a client's link does."""
        return LinkConfig(
            delay_s=self.delay_ms / 1e3,
            jitter_s=self.jitter_ms / 1e3,
            loss=self.loss,
            duplication=self.duplication,
            reordering=self.reordering,
        )

    @property
    def reach_s(self) -> float:
        """How long a datagram takes at most, seconds."""
        return self.link.delay_s + self.link.jitter_s + self.link.reordering_s

    def check(self) -> None:
        """Check that this can be done.

        Raises:
            ConfigError: naming every problem at once.
        """
        problems = []
        if not 1 <= self.clients <= CLIENTS_MAX:
            problems.append(f"--clients must be 1 to {CLIENTS_MAX}")
        if not 0 < self.for_s < float("inf"):
            problems.append("--for must be above 0")
        if self.seed < 0:
            problems.append("--seed must not be negative")
        problems += [
            f"--{name} must be 0 to {SHARE_MAX}"
            for name in ("loss", "duplication", "reordering")
            if not 0 <= getattr(self, name) <= SHARE_MAX
        ]
        problems += [
            f"--{name}-ms must be 0 to {DELAY_MS_MAX:.0f}"
            for name in ("delay", "jitter")
            if not 0 <= getattr(self, f"{name}_ms") <= DELAY_MS_MAX
        ]
        if problems:
            raise ConfigError("; ".join(problems))
