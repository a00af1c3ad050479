"""Accounts that were promised to a session which is on its way into the world.

The newest login of an account wins (docs/decisions/0001), which is right for people and wrong for
load generators: two of them would throw each other out. So a session may be asked for that ends no
other. It is granted when the account is not in the world, and promised to nobody; then it is
promised to this session until that has either come in or can't come in any more.
"""

from __future__ import annotations


class Reservations:
    """The promises that hold."""

    def __init__(self, hold_s: float, count_max: int) -> None:
        """Start empty.

        Args:
            hold_s: how long a promise holds, seconds.
            count_max: promises at a time; beyond that none is made.
        """
        self._hold_s = hold_s
        self._count_max = count_max
        self._until: dict[int, float] = {}

    def take(self, account: int, now: float) -> bool:
        """Promise an account; False when it is promised already.

        Promises are kept in the order in which they end, so only old ones are looked at.
        """
        while self._until and next(iter(self._until.values())) <= now:
            del self._until[next(iter(self._until))]
        if account in self._until or len(self._until) >= self._count_max:
            return False
        self._until[account] = now + self._hold_s
        return True
