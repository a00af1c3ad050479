"""Armour: a shield takes what strikes first, and grows again; a hull does not."""

from __future__ import annotations

from sidereal.game import F4, SHARDS, U4, Component, Entity, Part, field
from sidereal.games.frontier.traffic.kinds import CRAFT

armour = Part("armour")


class Hull(Component):
    """What holds a ship together: at 0 it is no more."""

    hp: F4 = field(100, low=0, high=100, quantum=0.5, unit="hp")


class Shield(Component):
    """What is hurt before the hull."""

    hp: F4 = field(50, low=0, high=50, quantum=0.5, unit="hp")


class Struck(Component, audience=SHARDS, saved=False):
    """Who has hurt it last, and when."""

    by: Entity
    when: U4


for craft in CRAFT:
    armour.extend(craft, Hull(), Shield(), Struck())
