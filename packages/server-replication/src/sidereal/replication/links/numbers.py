"""What a shard numbers, each counted once, and how much of it may come."""

from __future__ import annotations

from typing import Final

import numpy as np

_NUMBERS: Final = 1 << 32


class Numbers:
    """Which of a shard's events have come; they may come in any order, and again.

    Of what is far behind the newest it is taken for granted that it has come.
    """

    def __init__(self, span: int) -> None:
        """Begin before the first.

        Args:
            span: how far behind the newest a number may come.
        """
        self._come = np.zeros(span, np.bool_)
        self._newest = -1

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Note that numbers have come, uint32[n].

        Returns:
            bool[n], whether each has not come before.
        """
        fresh = np.zeros(len(numbers), np.bool_)
        if not len(numbers):
            return fresh
        span, half = len(self._come), _NUMBERS // 2
        ahead = (numbers.astype(np.int64) - self._newest + half) % _NUMBERS - half
        each, first = np.unique(self._newest + ahead, return_index=True)
        newest = max(self._newest, int(each[-1]))
        entered = np.arange(max(self._newest, newest - span) + 1, newest + 1)
        self._come[entered % span] = False
        self._newest = newest
        news = (each > newest - span) & (each >= 0)
        at = each[news] % span
        fresh[first[news]] = ~self._come[at]
        self._come[at] = True
        return fresh


class Quota:
    """How many may come in a tick; what is not used is saved up for a while."""

    def __init__(self, per_tick: int, ticks: int) -> None:
        """Begin with all that may be saved up.

        Args:
            per_tick: how many.
            ticks: for how many of them.
        """
        self._per_tick = per_tick
        self._most = self._left = per_tick * ticks

    def renew(self) -> None:
        """Begin a tick."""
        self._left = min(self._left + self._per_tick, self._most)

    def take(self, count: int) -> int:
        """Take as many as there are left: how many that is."""
        taken = min(count, self._left)
        self._left -= taken
        return taken
