"""Armour: a shield takes what strikes first, and grows again; a hull does not.

Whatever hurts says so by `hurt`, on the shard of whom it hurts. Who is docked is safe. What is to
happen to a hull at 0 is not decided here: such a ship takes no more, and its shield stays down.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from sidereal.game import (
    F4,
    SHARDS,
    U1,
    U4,
    Bools,
    Component,
    Entity,
    Floats,
    Indices,
    Motion,
    Part,
    Stage,
    Step,
    field,
)
from sidereal.games.frontier.trade.stations import Docked
from sidereal.games.frontier.traffic.kinds import CRAFT

HULL_MAX: Final = 100.0
"""Hp of a whole hull."""
HULL_STEP: Final = 0.5
"""Hp in which a hull travels: others see it rounded to that."""
SHIELD_MAX: Final = 50.0
"""Hp of a shield that is up."""
REGROW: Final = 5.0
"""What a shield grows by, hp/s."""
REGROW_AFTER: Final = 60
"""Ticks after the last hit for which a shield does not grow: three seconds."""
RAM_FREE: Final = 2000.0
"""Energy of a bump that hurts nobody, t unit²/s²: of two ships that meet at 30 units/s."""
RAM_HP: Final = 0.002
"""Hp that a unit of energy beyond that takes: a rock at full speed, half of a ship."""

ROUNDED: Final = 0.5
"""Hp by which a shield may have grown more than it seems: it travels in steps."""

SHOT, RAMMED = range(2)
"""How a ship is hurt."""

armour = Part("armour")


class Hull(Component):
    """What holds a ship together: at 0 it is no more."""

    hp: F4 = field(HULL_MAX, low=0, high=HULL_MAX, quantum=HULL_STEP, unit="hp")


class Shield(Component):
    """What is hurt before the hull; who has a hull has one."""

    hp: F4 = field(SHIELD_MAX, low=0, high=SHIELD_MAX, quantum=0.5, unit="hp")


class Struck(Component, audience=SHARDS, saved=False):
    """Who has hurt it last, when, and how: `SHOT` or `RAMMED`."""

    by: Entity
    when: U4
    how: U1


armour.gauge(Hull.hp, label="hull", colour="#e76")
armour.gauge(Shield.hp, label="shield", colour="#6af")
for craft in CRAFT:
    armour.extend(craft, Hull(), Shield(), Struck())


@armour.rule(Hull)
def stays_dead(before: Hull, after: Hull, _dt: Floats) -> Bools:
    """Believe in no ship that comes back from death."""
    return np.asarray((before.hp > 0) | (after.hp <= 0))


@armour.rule(Shield)
def grows_slowly(before: Shield, after: Shield, dt: Floats) -> Bools:
    """Believe in no shield that grows faster than shields do."""
    return np.asarray(after.hp - before.hp <= REGROW * dt + ROUNDED)


def hurt(step: Step, rows: Indices, amount: ArrayLike, by: ArrayLike, how: int = SHOT) -> None:
    """Hurt ships: their shields first, and what is left over hurts their hulls.

    Who is docked, or has no hull left, is not touched.

    Args:
        step: of a system.
        rows: own rows that have a `Hull`, int64[n]; they may repeat, and all of it counts.
        amount: hp, at least 0; one, or [n].
        by: ids of who does it, 0 for nobody; one, or [n].
        how: it does so, `SHOT` or `RAMMED`.

    Mutates:
        Shield, Hull and Struck.
    """
    hull, shield, struck = step[Hull], step[Shield], step[Struck]
    alive = (step[Docked].at[rows] == 0) & (hull.hp[rows] > 0)
    strength = np.broadcast_to(np.asarray(amount, np.float64), len(rows))[alive]
    whose = np.broadcast_to(np.asarray(by, np.uint32), len(rows))[alive]
    rows = rows[alive]
    struck.by[rows], struck.when[rows], struck.how[rows] = whose, step.tick, how
    each, which = np.unique(rows, return_inverse=True)
    total = np.bincount(which, strength, len(each))
    taken = np.minimum(total, shield.hp[each])
    shield.hp[each] -= taken
    left = hull.hp[each] - (total - taken)
    # What travels as 0 is 0, so that all agree on who is dead.
    hull.hp[each] = np.where(left > HULL_STEP / 2, left, 0.0)


@armour.system(Stage.CONTACT)
def ram(step: Step) -> None:
    """Hurt who runs into something, by the energy that is lost in it."""
    met = step.contacts(Hull, Motion)
    met = met.where(met.energy > RAM_FREE)
    hurt(step, met.a, (met.energy - RAM_FREE) * RAM_HP, step.id[met.b], RAMMED)


@armour.system
def regrow(step: Step) -> None:
    """Let shields grow that have not been hit for a while."""
    hull, shield, struck = step[Hull], step[Shield], step[Struck]
    rows = step.rows(Shield)
    rows = rows[(shield.hp[rows] < SHIELD_MAX) & (hull.hp[rows] > 0)]
    rows = rows[step.tick - struck.when[rows].astype(np.int64) >= REGROW_AFTER]
    shield.hp[rows] = np.minimum(shield.hp[rows] + REGROW * step.dt, SHIELD_MAX)
