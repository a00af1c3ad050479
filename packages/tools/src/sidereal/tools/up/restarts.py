"""When a process that died is started again, and when not: decided without clock or process.

A process *serves* from the moment it says so: the replication server has announced its endpoints,
a shard has been welcomed. How its life ended tells what the next one can hope for:

* It served for `steady_s`: it works. It is started again almost at once, and what failed before is
  forgotten.
* It served for less, and a signal from outside ended it: that says nothing about it. It is started
  again almost at once too, however often that happens; nothing is forgotten.
* Anything else is a failure: it died before it served, or ended itself soon after. It would most
  likely do so again, so each failure in a row makes the next pause longer.

Two things end the world. A process has never served, and its own exit status says why: nothing is
different the next time. Or it has failed so often in a row that its budget is spent. Once a process
has served, a status that says that something it needs is away costs no budget: the database may be
away for hours, and the world goes on when it is back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

STEADY_S: Final = 5.0
"""A process that has served for so long works, however it ended."""


@dataclass(frozen=True, slots=True)
class RestartLimits:
    """How patient a supervisor is.

    Attributes:
        pauses_s: before the next start, by failures in a row; the last one repeats.
        steady_s: a process that has served for so long works, however it ended.
        failures_max: failures in a row that are one too many; None for no limit.
        final: exit statuses after which a process that has never served is not started again.
        away: exit statuses that say that something the process needs is away; once it has served,
            they do not count towards `failures_max`.
    """

    pauses_s: tuple[float, ...] = (0.1, 0.5, 1.0, 2.0, 5.0)
    steady_s: float = STEADY_S
    failures_max: int | None = None
    final: frozenset[int] = frozenset({1, 2, 69})
    away: frozenset[int] = frozenset({69})

    def __post_init__(self) -> None:
        assert self.pauses_s
        assert list(self.pauses_s) == sorted(self.pauses_s)
        assert self.failures_max is None or self.failures_max > 0


FOR_THE_AUTHORITY: Final = RestartLimits(failures_max=5)
"""Without a replication server there is no world."""

FOR_AN_AUTHOR: Final = RestartLimits()
"""A replication server whose game is being written: what it fails for may be mended any moment."""

FOR_SHARDS: Final = RestartLimits()
"""The world goes on without one."""

FOR_FIRST_SHARDS: Final = RestartLimits(failures_max=4)
"""A shard of a world that has not been ready yet. One more than withhold a sector: if that does not
help, the game's code goes wrong wherever it runs."""

FOR_TRIALS: Final = RestartLimits(steady_s=math.inf, failures_max=1, away=frozenset())
"""A process that runs other code than those before it: if it fails, that code does."""

FOR_BOTS: Final = RestartLimits(final=frozenset({2}))
"""The world goes on without them, and their server may be the one that is being started again."""


class Restarts:
    """The deaths of one process so far.

    Attributes:
        limits: how patient to be.
        wanted: whether the process is to be started again at all.
        failures: in a row; each makes the next pause longer.
        spent: those of them that count towards the limit.
    """

    def __init__(self, limits: RestartLimits) -> None:
        self.limits = limits
        self.wanted = True
        self._ever_served = False
        self.failures = 0
        self.spent = 0

    def died(self, status: int, *, served_s: float | None, stopped: bool) -> float | None:
        """Take in a death.

        Args:
            status: exit status, negative for a signal.
            served_s: for how long the process had served, None if it had not come to that.
            stopped: whether it was ended from outside.

        Returns:
            seconds until it is to be started again; None when that would not help.
        """
        limits = self.limits
        if not self.wanted:
            return None
        if served_s is not None:
            self._ever_served = True
            if served_s >= limits.steady_s:
                self.failures = self.spent = 0
                return limits.pauses_s[0]
            if stopped:
                return limits.pauses_s[0]
        elif status in limits.final and not self._ever_served:
            return None
        self.failures += 1
        if not (self._ever_served and status in limits.away):
            self.spent += 1
            if self.spent == limits.failures_max:
                return None
        return limits.pauses_s[min(self.failures, len(limits.pauses_s) - 1)]
