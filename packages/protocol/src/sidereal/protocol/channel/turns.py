"""The turn of a core with one session, cut in two where it takes time.

Theory of operation. Who measures round trips counts from when a datagram left to when its ack came,
less what the peer says that it took itself. A turn that works for long, or waits for a processor
meanwhile, would look like a queue in the network if its datagrams counted as sent when it began.
So the shell lets the core `advance`, takes in what has come since, and lets it `collect` what
leaves at that moment. What has come goes first: else packets whose acks wait are taken for lost.
"""

from __future__ import annotations

from typing import Protocol

from sidereal.protocol.ids import Address


class Turns(Protocol):
    """A core that does what is due, and then gives what is to be sent."""

    def advance(self, now: float) -> bool:
        """Do what is due; returns whether something was, and `collect` is to follow."""
        ...

    def collect(self, now: float) -> list[tuple[bytes, Address]]:
        """Collect what leaves at `now`."""
        ...

    def turn(self, now: float) -> list[tuple[bytes, Address]]:
        """Do both at once, where nothing takes time; raises as `advance`."""
        return self.collect(now) if self.advance(now) else []
