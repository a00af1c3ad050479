"""What a channel promises, and how much a connection may send."""

from __future__ import annotations

import dataclasses
import enum

from sidereal.protocol import limits
from sidereal.protocol.errors import ConfigError


class Delivery(enum.Enum):
    """What a channel promises about a message."""

    UNRELIABLE = enum.auto()
    """It comes at most once, in any order, or not at all."""
    UNRELIABLE_SEQUENCED = enum.auto()
    """As unreliable, and never after a newer one."""
    RELIABLE_UNORDERED = enum.auto()
    """It comes exactly once, in any order."""
    RELIABLE_ORDERED = enum.auto()
    """It comes exactly once, in the order of sending."""

    @property
    def is_reliable(self) -> bool:
        """Whether messages are sent anew until they are acked."""
        return self in (Delivery.RELIABLE_UNORDERED, Delivery.RELIABLE_ORDERED)


@dataclasses.dataclass(frozen=True, slots=True)
class ChannelSpec:
    """One channel; both ends of a connection list the same ones in the same order.

    Attributes:
        delivery: the guarantee.
        memory_max: bytes of messages held, at the sender until they are gone (unreliable) or
            acked (reliable), at the receiver until they can be delivered. Every message counts
            `MESSAGE_OVERHEAD_SIZE` beyond its bytes.
        priority: channels with a higher one fill packets first.
        twice: reliable only: where packets get lost, its messages leave twice at once.
    """

    delivery: Delivery
    memory_max: int
    priority: int = 0
    twice: bool = False

    @property
    def message_size_max(self) -> int:
        """Bytes of the longest message the channel takes."""
        if not self.delivery.is_reliable:
            return limits.UNRELIABLE_SIZE_MAX
        return min(limits.MESSAGE_SIZE_MAX, self.memory_max - limits.MESSAGE_OVERHEAD_SIZE)


@dataclasses.dataclass(frozen=True, slots=True)
class Budget:
    """How much one connection may send; between its limits the link decides.

    Attributes:
        rate: bytes of messages per second, at most, in the long run.
        burst: bytes at once after silence, at most.
        rate_min: bytes per second that are allowed however bad the link seems, unless the peer acks
            nothing at all.
    """

    rate: float = 32e6
    burst: float = float(4 << 20)
    rate_min: float = 16e3


def check_channels(channels: tuple[ChannelSpec, ...]) -> None:
    """Check that a connection can be made of these channels.

    Raises:
        ConfigError: naming every problem at once.
    """
    problems = []
    if not 1 <= len(channels) <= limits.CHANNELS_MAX:
        problems.append(f"a connection has 1 to {limits.CHANNELS_MAX} channels")
    least = limits.UNRELIABLE_SIZE_MAX + limits.MESSAGE_OVERHEAD_SIZE
    for number, spec in enumerate(channels):
        if spec.memory_max < least:
            problems.append(f"channel {number}: memory_max must be at least {least}")
    if problems:
        raise ConfigError("; ".join(problems))
