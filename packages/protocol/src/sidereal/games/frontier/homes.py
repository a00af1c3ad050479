"""Home: where who is new in a world arrives, if the world has a home.

It is a mark in space, near a border between sectors. A world without one lets who comes appear
where others are.

Whoever goes leaves the ship out there for a while, so nobody goes to escape. It drifts on, and what
strikes it hurts it. Who comes back meanwhile flies on.
"""

from __future__ import annotations

from typing import Final

from sidereal.game import Authority, Motion, Part, Player, WorldBuilder

PLACE: Final = (-150.0, 420.0)
"""Where home is, world units: so far from the border at x = 0, which shards usually share."""
SPREAD: Final = 60.0
"""How far from there to either side along the border they appear, world units."""
HEADING: Final = 0.0
"""Where they look: towards the border."""

LINGER_S: Final = 10.0
"""For so long a ship stays that its pilot has left, seconds."""

home = Part("home")

HOME = home.kind("home", Motion())
home.look(HOME, symbol="ring", colour="#467", size=12, rank=9)


def make_home(make: WorldBuilder) -> None:
    """Give a new world a home."""
    x, y = PLACE
    make.spawn(HOME, Motion(x=x, y=y))


def has_home(world: Authority) -> bool:
    """Tell whether a world has a home."""
    return world.count(HOME) > 0


@home.on_leave
def abandon(_world: Authority, player: Player) -> None:
    """Let the ship stay for a while."""
    player.linger(LINGER_S)
