"""Stations: who docks is held, and is safe."""

from __future__ import annotations

from typing import Final

from sidereal.game import AUTHORITY, Body, Component, Entity, Label, Motion, Part
from sidereal.games.frontier.traffic.kinds import CRAFT

RADIUS: Final = 40.0
"""Of a station, world units."""

stations = Part("stations")


class Docked(Component, writer=AUTHORITY):
    """Where a ship is docked; 0 for nowhere."""

    at: Entity


STATION = stations.kind("station", Motion(), Body(radius=RADIUS, mass=100_000), Label(), bounce=0.2)
stations.look(STATION, symbol="square", colour="#9cf", label=Label.name)
for craft in CRAFT:
    stations.extend(craft, Docked())
