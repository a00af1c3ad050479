"""Where an observer looks: what it last wanted, sent no more often than the server has to know."""

from __future__ import annotations

from sidereal.client.limits import LIMITS
from sidereal.protocol.message.player import LookAt


class Look:
    """The newest wish that has not been sent."""

    def __init__(self, every_s: float = LIMITS.look_every_s) -> None:
        self._every_s = every_s
        self._wanted: LookAt | None = None
        self._may_send_at = 0.0

    def want(self, x: float, y: float) -> None:
        """Look there, world units."""
        self._wanted = LookAt(x, y)

    def next_timer(self) -> float | None:
        """When `take` has something, monotonic seconds; None if it will not."""
        return None if self._wanted is None else self._may_send_at

    def take(self, now: float) -> LookAt | None:
        """Give up what is to be sent now."""
        if now < self._may_send_at or self._wanted is None:
            return None
        wanted, self._wanted = self._wanted, None
        self._may_send_at = now + self._every_s
        return wanted
