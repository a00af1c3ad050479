"""In place of a replica, for a client that has nobody to draw for: its own entity and no world."""

from __future__ import annotations

from sidereal.client.replica import Applied
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.snapshot import read_own_untrusted


class Glance:
    """Reads what each snapshot says of its receiver, and keeps nothing.

    Attributes:
        newest_tick: of any snapshot, −1 before the first.
        stale: snapshots that were too old to be looked at.
    """

    def __init__(self, rules: Rules) -> None:
        self.newest_tick = -1
        self.stale = 0
        self._rules = rules

    def apply_untrusted(self, message: bytes, now: float) -> Applied:
        """Read one datagram as far as it tells of its receiver.

        Args:
            message: as received.
            now: monotonic seconds.

        Raises:
            WireError: it does not begin like a snapshot.
        """
        tick, block = read_own_untrusted(self._rules, message)
        own = None if block is None else block[0]
        self.stale += tick < self.newest_tick - self._rules.streams.reorder_ticks
        self.newest_tick = max(self.newest_tick, tick)
        return Applied(tick, own)

    def expire(self, tick: int) -> None:
        """Nothing is kept, so nothing grows old."""
