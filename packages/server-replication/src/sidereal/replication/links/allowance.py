"""How often a peer may do something."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Allowance:
    """How often a peer may do something: a token bucket.

    Attributes:
        per_s: what it is given.
        burst: the most it may save up.
        left: below 0 when it has taken too much; it may owe as much as it could save, and one.
    """

    per_s: float
    burst: float
    left: float
    at: float = 0.0

    def take(self, now: float) -> float:
        """Take one.

        Returns:
            what is left; below 0 it was not there to be taken.
        """
        gained = max(0.0, now - self.at) * self.per_s
        self.at = now
        self.left = max(min(self.left + gained, self.burst) - 1, -self.burst - 1)
        return self.left

    def take_if_there(self, now: float) -> bool:
        """Take one if it is there; nothing is owed if it is not."""
        there = self.take(now) >= 0
        self.left += not there
        return there
