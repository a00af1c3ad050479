"""When a client tries again, and when it does not: one policy for every face.

A session that ended is followed by another one, after a wait, unless its end says that no waiting
helps. Waits grow with every failure in a row. A session that lasted for `steady_s` ends the row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sidereal.client.limits import LIMITS, Limits
from sidereal.protocol.errors import CloseReason

FINAL: Final = frozenset(
    {
        CloseReason.CLOSED_LOCALLY,
        CloseReason.LOGGED_IN_ELSEWHERE,
        CloseReason.PROTOCOL_MISMATCH,
        CloseReason.PROTOCOL_VIOLATION,
        CloseReason.ROLE_FORBIDDEN,
        CloseReason.SCHEMA_MISMATCH,
        CloseReason.TOKEN_INVALID,
    }
)
"""Ends after which no session is tried. Who was replaced by a newer login would replace it in turn,
for ever; the others say that the two ends do not fit together, and another session changes nothing
about that."""


class Comeback:
    """How the attempts to have a session are going.

    Attributes:
        failures: in a row.
        at: when the next session may be tried, monotonic seconds.
    """

    def __init__(
        self, entropy: Callable[[int], bytes], now: float, limits: Limits = LIMITS
    ) -> None:
        self.failures = 0
        self.at = now
        self._entropy = entropy
        self._limits = limits
        self._joined_at: float | None = None
        self._has_hurried = False

    def joined(self, now: float) -> None:
        """Note that a session has come about."""
        self._joined_at = now

    def lost(self, now: float) -> float:
        """Note the end of a session or of an attempt; returns how long to wait, seconds."""
        self._end_row(now)
        stretch = 0.5 + int.from_bytes(self._entropy(2), "little") / (1 << 16)
        waits = self._limits.retry_s
        wait_s = waits[min(self.failures, len(waits) - 1)] * stretch
        self.failures += 1
        self.at = now + wait_s
        return wait_s

    def hurry(self, now: float) -> bool:
        """Let the next session be tried at once, because this one has ended for what is mended.

        Returns:
            whether it may: of the sessions in a row it may once.
        """
        self._end_row(now)
        if self._has_hurried:
            return False
        self._has_hurried, self.at = True, now
        return True

    def _end_row(self, now: float) -> None:
        if self._joined_at is not None and now - self._joined_at >= self._limits.steady_s:
            self.failures, self._has_hurried = 0, False
        self._joined_at = None
