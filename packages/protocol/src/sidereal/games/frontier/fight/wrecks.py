"""Wrecks: how ships end, and what is left of them.

A ship whose hull is at 0 is dead: it does not shoot, dock or sell any more. Its shard asks the
authority to end it. That is one transaction: the ship ends, what it carried drifts off as ore, and
all are told who did it. So no failure ends a ship twice, or makes or loses a tonne. A call that is
lost, because the ship changes hands just then, is made again. Whoever may have no name is named in
the first two calls at most, so that no refusal keeps a ship from its end.
"""

from __future__ import annotations

from typing import Annotated, Final

import numpy as np

from sidereal.game import (
    ALL,
    F8,
    SYSTEMS,
    U4,
    Authority,
    Component,
    Event,
    Label,
    Meta,
    Motion,
    Part,
    Player,
    Step,
    Transaction,
)
from sidereal.games.frontier.fight.armour import SHOT, Hull, Struck
from sidereal.games.frontier.ore.cargo import Hold, spill
from sidereal.games.frontier.ships import SHIP, arrive

RESPAWN_S: Final = 3.0
"""After which who has lost a ship gets another, s."""
EVERY: Final = 10
"""Ticks after which it is asked again to end a ship that is still there."""
LIFE: Final = 120
"""Ticks for which a wreck drifts."""
SPIN: Final = 1.5
"""Of a wreck, rad/s."""

SHOT_DOWN, RAN_INTO, HIT_ROCK = range(3)
"""How a ship ended: by the shots of somebody, or running into who has a name, or into a rock."""

wrecks = Part("wrecks")


class Wreck(Component, saved=False):
    """The tick at which it is no more."""

    until: U4


class Exploded(Event):
    """A ship is no more."""

    x: F8
    y: F8


WRECK = wrecks.kind("wreck", Motion(), Wreck(), saved=False)
wrecks.look(WRECK, symbol="cross", colour="#a86", size=5)
wrecks.effect(Exploded, kind="burst", size=40, colour="#fa6", seconds=1.0, sound="burst")


@wrecks.system
def die(step: Step) -> None:
    """Ask for the end of ships without a hull, as soon as they are hit and now and then after."""
    rows, struck = step.rows(Hull, Struck), step[Struck]
    rows = rows[step[Hull].hp[rows] <= 0]
    ago = step.tick - struck.when[rows].astype(np.int64)
    rows, ago = rows[ago % EVERY == 0], ago[ago % EVERY == 0]
    if not len(rows):
        return
    by = step.find(struck.by[rows])
    named = (by >= 0) & np.isin(by, step.seen(Label))
    ran = np.where(named, RAN_INTO, HIT_ROCK)
    how = np.where(struck.how[rows] == SHOT, SHOT_DOWN, ran)
    ships = step.seen(SHIP)
    loud = np.isin(rows, ships) | ((by >= 0) & np.isin(by, ships))
    said = np.where(named | ((by < 0) & (ago <= EVERY)), struck.by[rows], 0)
    carries = np.isin(rows, step.rows(Hold))
    step.ask(perish, at=rows, by=said, how=how, loud=loud, carries=carries)


@wrecks.action(asked_by=SYSTEMS)
def perish(
    tx: Transaction,
    by: Annotated[int, Meta(ge=0)],
    how: Annotated[int, Meta(ge=SHOT_DOWN, le=HIT_ROCK)],
    loud: bool,
    carries: bool,
) -> None:
    """End a ship.

    Args:
        tx: of the ship.
        by: who has hurt it last, and has a name; 0 for nobody.
        how: it ended.
        loud: whether all are told: a player has to do with it.
        carries: whether it has a hold: not all that have a hull do.
    """
    own = tx.own
    tx.require(tx.get(own, Hull.hp) <= 0, "its hull holds")
    x, y, vx, vy, heading = (
        tx.get(own, at) for at in (Motion.x, Motion.y, Motion.vx, Motion.vy, Motion.heading)
    )
    if carries:
        spill(tx, own)
    drift = Motion(vx=vx, vy=vy, heading=heading, spin=SPIN)
    tx.spawn(WRECK, Wreck(until=tx.tick + LIFE), drift, at=(x, y))
    tx.emit(Exploded(x=x, y=y), at=own)
    if loud:
        tx.tell(f"{tx.name} {_fate(tx, by, how)}", to=ALL)
    tx.despawn(own)


def _fate(tx: Transaction, by: int, how: int) -> str:
    """Say what has become of a ship."""
    if how == HIT_ROCK:
        return "hit a rock"
    name = _name_of(tx, by)
    if how == RAN_INTO:
        return f"ran into {name}" if name else "ran into somebody"
    return f"was shot down by {name}" if name else "was shot down"


def _name_of(tx: Transaction, entity: int) -> str:
    """Give the name of somebody who may have gone by now: empty then."""
    if not tx.near(entity, entity, 1.0):
        return ""
    name = tx.get(entity, Label.name)
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


@wrecks.system
def fade(step: Step) -> None:
    """End wrecks that have drifted long enough."""
    rows = step.rows(Wreck)
    step.despawn(rows[step[Wreck].until[rows] <= step.tick])


@wrecks.on_lost
def come_again(world: Authority, player: Player) -> None:
    """Give who has lost a ship another one, a moment later."""
    world.after(RESPAWN_S, arrive, player)
