"""The numbers of sessions that only tuning decides, given to the ends that go by them.

What is laid out in bytes stands in `sidereal.protocol.limits`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sidereal.protocol.limits import check_limits


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """All of them.

    Attributes:
        handshakes_per_slot: handshakes under way, for each slot of a server.
        tokens_per_slot: connect tokens that a server remembers as used, for each of its slots.
        disconnects: disconnect packets sent at once, since nobody acknowledges them.
        datagrams: of a server or a client, waiting to be sent; others are dropped and counted.
        again_s: a client that is not connected sends its request or its response again after so
            long.
        keep_alive_s: an end that sent nothing for so long sends a keep-alive. It is longer than a
            client to which nothing is new waits for a snapshot: that keeps it alive, too.
    """

    handshakes_per_slot: int = 4
    tokens_per_slot: int = 8
    disconnects: int = 10
    datagrams: int = 1 << 16
    again_s: float = 0.1
    keep_alive_s: float = 0.25

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if self.disconnects > self.datagrams:
            problems.append("disconnects must be at most datagrams")
        check_limits(self, problems)


LIMITS: Final = SessionLimits()
"""What sessions run on."""
