"""When a process that died is started again, and when not: decided without clock or process.

A process *serves* from the moment it says so: the replication server has announced its endpoints,
a shard has been welcomed. One that served and died is started again almost at once, however often
that happens: what killed it came from outside. One that died before it served would most likely die
again, so each such death in a row makes the next pause longer. Two of these end the world:

* it has never served, and its own exit status says why: nothing is different the next time;
* it has died so often in a row without serving that its budget is spent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class RestartLimits:
    """How patient a supervisor is.

    Attributes:
        pauses_s: before the next start, by deaths in a row without serving; the last one repeats.
        failures_max: deaths in a row without serving that are one too many; None for no limit.
        final: exit statuses after which a process that has never served is not started again.
    """

    pauses_s: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, 5.0)
    failures_max: int | None = None
    final: frozenset[int] = frozenset({1, 2, 69})

    def __post_init__(self) -> None:
        assert self.pauses_s
        assert list(self.pauses_s) == sorted(self.pauses_s)
        assert self.failures_max is None or self.failures_max > 0


FOR_THE_AUTHORITY: Final = RestartLimits(failures_max=5)
"""Without a replication server there is no world."""

FOR_SHARDS: Final = RestartLimits()
"""The world goes on without one."""

FOR_BOTS: Final = RestartLimits(final=frozenset({2}))
"""The world goes on without them, and their server may be the one that is being started again."""


class Restarts:
    """The deaths of one process so far.

    Attributes:
        failures: deaths in a row without serving.
    """

    def __init__(self, limits: RestartLimits) -> None:
        self._limits = limits
        self._ever_served = False
        self.failures = 0

    def died(self, status: int, *, served: bool) -> float | None:
        """Take in a death.

        Args:
            status: exit status, negative for a signal.
            served: whether the process had come to serve.

        Returns:
            seconds until it is to be started again; None when that would not help.
        """
        if served:
            self._ever_served, self.failures = True, 0
            return self._limits.pauses_s[0]
        self.failures += 1
        if status in self._limits.final and not self._ever_served:
            return None
        if self.failures == self._limits.failures_max:
            return None
        return self._limits.pauses_s[min(self.failures, len(self._limits.pauses_s) - 1)]
