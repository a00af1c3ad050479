"""Cargo: lumps of ore adrift, and what ships have of it in their holds."""

from __future__ import annotations

from typing import Final

from sidereal.game import AUTHORITY, SHARD, U2, Body, Component, Motion, Part, field
from sidereal.games.frontier.traffic.kinds import CRAFT

HOLD_MAX: Final = 50
"""Tonnes of ore that a ship can carry."""

cargo = Part("cargo")


class Hold(Component, writer=AUTHORITY):
    """What a ship carries; for all to see, pirates included."""

    ore: U2 = field(0, low=0, high=HOLD_MAX, unit="t")


class Lump(Component):
    """Ore that nobody has."""

    ore: U2 = field(1, low=1, high=HOLD_MAX, unit="t")


LUMP = cargo.kind("lump", Motion(), Body(radius=2, mass=1), Lump(), spawned_by=SHARD, sensor=True)
cargo.look(LUMP, symbol="diamond", colour="#fc6")
cargo.gauge(Hold.ore, label="ore", colour="#fc6")
for craft in CRAFT:
    cargo.extend(craft, Hold())
