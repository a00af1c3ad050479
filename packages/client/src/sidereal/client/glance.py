"""In place of a replica, for a client that has nobody to draw for: its own entity and no world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sidereal.client.private import Applied, PrivateState
from sidereal.protocol.errors import WireError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.state.snapshot import glance_untrusted


class Glance:
    """Reads what each snapshot says of its receiver, and keeps nothing else.

    Attributes:
        private: what this client alone is told.
        newest_tick: of any snapshot, −1 before the first.
        stale: snapshots that were too old to be looked at.
    """

    def __init__(self, schema: Schema, rules: Rules) -> None:
        self.private = PrivateState(schema, rules)
        self.newest_tick = -1
        self.stale = 0
        self._schema, self._rules = schema, rules

    def apply_untrusted(self, messages: Sequence[bytes], now: float) -> list[Applied]:
        """Read datagrams as far as they tell of their receiver.

        Args:
            messages: as received, in the order in which they came.
            now: monotonic seconds.

        Returns:
            One for each that begins like a snapshot.
        """
        applied = []
        for message in messages:
            try:
                tick, section = glance_untrusted(self._schema, self._rules, message)
            except WireError:
                continue
            self.stale += tick < self.newest_tick - self._rules.streams.reorder_ticks
            self.newest_tick = max(self.newest_tick, tick)
            own = None if section is None else self.private.apply(section)
            applied.append(Applied(tick, own))
        return applied

    def own_value(self, name: str) -> Any:
        """Give a column of what this client flies, by its name in the schema; None if unknown."""
        return self.private.values.get(name)

    def expire(self, tick: int) -> None:
        """Nothing is kept, so nothing grows old."""
