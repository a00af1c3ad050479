"""The market: what players own."""

from __future__ import annotations

from sidereal.game import AUTHORITY, PILOT, U4, Component, Part

market = Part("market")


class Purse(Component, writer=AUTHORITY, audience=PILOT):
    """What an account owns."""

    credits: U4


market.account(Purse())
market.gauge(Purse.credits, colour="#fd8")
