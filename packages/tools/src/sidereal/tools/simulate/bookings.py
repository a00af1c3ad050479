"""What clients asked of the game, and what they were answered: for who judges it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

from sidereal.client.events import ReceiptCame
from sidereal.tools.simulate.game import CREDITS

HAIL: Final = "simulated.hail"
PAY: Final = "simulated.pay"
STOW: Final = "simulated.stow"
GRANT: Final = "simulated.grant"

AMOUNT_USUAL: Final = 20


class Asked(NamedTuple):
    """A call of a client.

    Attributes:
        account: of whom.
        action: its name.
        amount: of credits that it moves, 0 for none.
        client: name of who asked.
    """

    account: int
    action: str
    amount: int
    client: str


class Bookings:
    """All calls of one run.

    Attributes:
        asked: by key.
        heard: receipts by key, in the order in which they came.
    """

    def __init__(self) -> None:
        self.asked: dict[bytes, Asked] = {}
        self.heard: dict[bytes, list[ReceiptCame]] = {}

    def note_heard(self, receipt: ReceiptCame) -> None:
        """Note that a client has a receipt."""
        self.heard.setdefault(receipt.key, []).append(receipt)


def choose_action(rng: np.random.Generator) -> tuple[str, dict[str, Any]]:
    """Choose what a pilot asks for; now and then more than there can be."""
    action = (HAIL, PAY, STOW)[int(rng.integers(3))]
    most = CREDITS if rng.random() < 0.1 else AMOUNT_USUAL
    amount = int(rng.integers(1, most + 1))
    return action, {"text": "hello"} if action == HAIL else {"amount": amount}
