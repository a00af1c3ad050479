"""The numbers of actions that only tuning decides."""

from __future__ import annotations

from dataclasses import dataclass

from sidereal.protocol.limits import check_limits


@dataclass(frozen=True, slots=True)
class ActionLimits:
    """How much is asked for at once, and what is remembered of it.

    Attributes:
        burst: calls of one action that an account may make at once after it was silent.
        accounts: whose rates are remembered, one for each action; the longest silent are forgotten.
        receipts: of an account that are remembered, the newest: a call that is repeated is answered
            alike, and not run again.
        receipts_in_all: of all accounts; those of the account that was answered longest ago are
            forgotten first. Half of them is room for those of all who have no account.
        waiting: calls that wait for their turn; one more is put off. What systems ask for has half
            of that room.
        waiting_ticks: a call that waits for so long is put off.
        together: durable calls that are committed to the database at once.
    """

    burst: int = 5
    accounts: int = 1 << 14
    receipts: int = 64
    receipts_in_all: int = 1 << 16
    waiting: int = 1024
    waiting_ticks: int = 60
    together: int = 128

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if self.receipts > self.receipts_in_all:
            problems.append("receipts must be at most receipts_in_all")
        check_limits(self, problems)
