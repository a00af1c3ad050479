"""What must be true of ore and credits: Frontier's own books, looked at after every tick."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from hits import HitsOnce

from sidereal.game import Body
from sidereal.games.frontier import ASTEROID
from sidereal.games.frontier.fight.missiles import Supplied
from sidereal.games.frontier.ore.books import Books, Stock, balance
from sidereal.games.frontier.ore.cargo import LUMP, Hold, Lump
from sidereal.games.frontier.trade.market import (
    HP_PRICE,
    MISSILE_PRICE,
    PRICE_FULL,
    Paid,
    Purse,
    Sold,
)
from sidereal.tools.simulate.given.truth import Judge, Truth

GRAM: Final = 1e-6
"""T by which sums of masses may differ."""
ACCOUNTS: Final = range(1, 64)
"""Those that players of a run may have."""


class OreIsKept:
    """Rocks, lumps and holds have what the books say, to the gram: nothing is lost or made.

    Of ships that are away nobody sees the holds: of these there may be less than the books say.
    """

    def __init__(self) -> None:
        self._begun: Stock | None = None

    def look(self, truth: Truth) -> Iterator[str]:
        """Compare what there is with the books."""
        there = _stock(truth)
        if self._begun is None:
            self._begun = there
        off = balance(truth.of_world(Books), self._begun, there)
        truth.judged["balances of ore judged"] += 1
        if abs(off.mass) > GRAM or off.rocks or off.lumps or off.holds > 0:
            yield f"the books are off: {off}; there is {there}"

    def conclude(self, truth: Truth) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())


class CreditsAreEarned:
    """Credits come of ore that is sold, and go for hulls and missiles; in the same tick."""

    def __init__(self) -> None:
        self._era = 0
        self._had: dict[int, int] = {}
        self._paid = 0

    def look(self, truth: Truth) -> Iterator[str]:
        """Compare what accounts have with what they had a tick ago."""
        has = {account: int(truth.of_account(account, Purse).credits) for account in ACCOUNTS}
        ships = truth.has(Paid)
        hulls, missiles = truth[Paid].hull[ships].sum(), truth[Supplied].missiles[ships].sum()
        had, self._had = self._had, has
        before, self._paid = self._paid, int(hulls) * HP_PRICE + int(missiles) * MISSILE_PRICE
        if truth.era != self._era:
            self._era = truth.era
            return
        sold = float(truth.events(Sold).ore.astype(np.float64).sum())
        won = sum(has.values()) - sum(had.values())
        truth.judged["credits judged"] += won != 0
        # Somebody may be mended and somebody else sell in one tick; ships come and go.
        if won > sold * PRICE_FULL:
            yield f"{won} credits were made of {sold} t of ore"
        if -won > max(self._paid - before, 0):
            yield f"{-won} credits were paid for what costs {self._paid - before}"

    def conclude(self, truth: Truth) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())


def _stock(truth: Truth) -> Stock:
    """Tell what there is of rocks and ore."""
    rocks, lumps, holds = truth.ids(ASTEROID), truth.ids(LUMP), truth.has(Hold)
    mass = truth[Body].mass[rocks].astype(np.float64).sum()
    ore, held = truth[Lump].ore[lumps].sum(), truth[Hold].ore[holds].sum()
    return Stock(float(mass), len(rocks), int(ore), int(held))


def of_frontier() -> list[Judge]:
    """Make the checkers of the whole game."""
    return [HitsOnce(), OreIsKept(), CreditsAreEarned()]
