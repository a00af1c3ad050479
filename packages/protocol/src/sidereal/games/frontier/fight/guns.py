"""Guns: who holds the trigger shoots, ahead or where the pilot points."""

from __future__ import annotations

from typing import Final

import numpy as np

from sidereal.game import (
    PILOT,
    SHARD,
    U4,
    Body,
    Bools,
    Component,
    Floats,
    Motion,
    Part,
    Rows,
    Stage,
)
from sidereal.games.frontier.asteroids import ASTEROID
from sidereal.games.frontier.fight.armour import Hull
from sidereal.games.frontier.fight.shots import MASS, Shot, leave_muzzle
from sidereal.games.frontier.ships import Stick
from sidereal.games.frontier.trade.stations import STATION, Docked
from sidereal.games.frontier.traffic.kinds import CRAFT

SPEED: Final = 200.0
"""With which a bullet leaves a ship, units/s."""
LIFE: Final = 24
"""Ticks for which a bullet flies: 240 units far."""
RELOAD: Final = 4
"""Ticks from one bullet of a ship to the next."""
DAMAGE: Final = 6.0
"""Of a bullet, hp: who hits all the time ends a whole ship in five seconds."""
RADIUS: Final = 1.0

guns = Part("guns")


class Gun(Component, audience=PILOT):
    """What a ship shoots bullets with."""

    ready: U4
    """The tick from which it shoots again."""


BULLET = guns.kind(
    "bullet",
    Motion(),
    Body(radius=RADIUS, mass=MASS),
    Shot(damage=DAMAGE),
    spawned_by=SHARD,
    touches=(*CRAFT, ASTEROID, STATION),
    sensor=True,
    saved=False,
    ends_at_touch=True,
)
guns.look(BULLET, symbol="dot", colour="#fe8", size=RADIUS)
for craft in CRAFT:
    guns.extend(craft, Gun())


@guns.model(Gun, reads=(Motion, Stick, Hull, Docked), stage=Stage.TICK)
def shoot(own: Rows) -> None:
    """Let who holds the trigger shoot: on the shard, and at once on the pilot's client."""
    ship, stick, gun = own[Motion], own[Stick], own[Gun]
    shot = _able(stick, gun, own[Hull], own[Docked], own.tick)
    if not shot.any():
        return
    gun.ready[shot] = own.tick + RELOAD
    bullet = Shot(by=own.id, until=own.tick + LIFE)
    begins = leave_muzzle(ship, _course(ship, stick), SPEED)
    own.spawn(BULLET, shot, bullet, Body(group=own.id), begins)


def _able(stick: Stick, gun: Gun, hull: Hull, docked: Docked, tick: int) -> Bools:
    """Tell who shoots in a tick: nobody who is docked, or dead."""
    wants = (stick.shoot > 0) | (stick.aimed > 0)
    able: Bools = wants & (gun.ready <= tick) & (hull.hp > 0) & (docked.at == 0)
    return able


def _course(ship: Motion, stick: Stick) -> Floats:
    """Tell in which direction each ship shoots, float64[n], rad."""
    return np.where(stick.aimed > 0, stick.aim, ship.heading)
