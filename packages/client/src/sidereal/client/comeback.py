"""When a client tries again, and when it does not: one policy for every face.

A session that ended is followed by another one, after a wait, unless its end says that no waiting
helps. Waits grow with every failure in a row. A session that lasted for `STEADY_S` ends the row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sidereal.protocol.errors import CloseReason

RETRY_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Waits before another session is tried, by failures in a row; the last one repeats. Each is
shortened or stretched by up to half, so that those who went together come back one by one."""
STEADY_S: Final = 5.0
"""A session that lasted so long was no failure, however it ended."""
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

    def __init__(self, entropy: Callable[[int], bytes], now: float) -> None:
        self.failures = 0
        self.at = now
        self._entropy = entropy
        self._joined_at: float | None = None

    def joined(self, now: float) -> None:
        """Note that a session has come about."""
        self._joined_at = now

    def lost(self, now: float) -> float:
        """Note the end of a session or of an attempt; returns how long to wait, seconds."""
        if self._joined_at is not None and now - self._joined_at >= STEADY_S:
            self.failures = 0
        self._joined_at = None
        stretch = 0.5 + int.from_bytes(self._entropy(2), "little") / (1 << 16)
        wait_s = RETRY_S[min(self.failures, len(RETRY_S) - 1)] * stretch
        self.failures += 1
        self.at = now + wait_s
        return wait_s
