"""The market: docked ships sell ore, and buy repairs and missiles for credits.

A station pays less the more it was sold, and more again with time. What it was sold fades by half
in every `GLUT_HALF_LIFE`, so its price follows from two numbers and the tick: nothing runs between
two sales. A price falls with every tonne, so it is the same whether ore is sold at once or in lots.

Hulls and magazines are the shard's, credits are the server's. So an action takes the credits and
writes down what is paid for; systems mend and load what is paid for and not done yet.
"""

from __future__ import annotations

import math
from typing import Final, TypeVar

import numpy as np

from sidereal.game import (
    AUTHORITY,
    F8,
    PILOT,
    SHARDS,
    SYSTEMS,
    U4,
    Bools,
    Component,
    Event,
    Floats,
    Part,
    Step,
    Transaction,
    field,
)
from sidereal.games.frontier.fight.armour import HULL_MAX, Hull
from sidereal.games.frontier.fight.missiles import MAGAZINE, Magazine, Supplied
from sidereal.games.frontier.ore.books import Books
from sidereal.games.frontier.ore.cargo import Hold
from sidereal.games.frontier.ships import RADIUS, Stick
from sidereal.games.frontier.trade.docking import (
    NO_HULL,
    NOT_DOCKED,
    WORDS,
    deny,
    name_of,
    take_turn,
)
from sidereal.games.frontier.trade.stations import STATION, Docked
from sidereal.games.frontier.traffic.kinds import CRAFT

T = TypeVar("T", float, Floats)

PRICE_FULL: Final = 10.0
"""What a station pays for a tonne of ore if nobody has sold it any, credits."""
GLUT_HALVES: Final = 100.0
"""With so much ore on its hands it pays half, t."""
GLUT_HALF_LIFE: Final = 1200
"""Ticks in which it gets rid of half of that: a minute."""
HP_PRICE: Final = 1
"""What mending one hp costs, credits."""
MISSILE_PRICE: Final = 20
"""What a missile costs, credits."""
MEND_EVERY: Final = 40
"""Ticks between two times that the same ship is mended: the first is done by then."""

market = Part("market")


class Purse(Component, writer=AUTHORITY, audience=PILOT):
    """What an account owns."""

    credits: U4


class Market(Component, writer=AUTHORITY):
    """What ore a station had on its hands when it was last sold some, and at which tick."""

    glut: F8 = field(0, low=0, high=1e9, unit="t")
    at: U4


class Paid(Component, writer=AUTHORITY, audience=PILOT):
    """Hp of its hull that a ship has paid for, ever, and at which tick it did so last."""

    hull: U4 = field(unit="hp")
    at: U4


class Mended(Component, audience=SHARDS):
    """Hp of its hull that were mended, ever: what is missing is to be done."""

    hull: U4 = field(unit="hp")


class Sold(Event):
    """A ship has sold ore."""

    ore: U4 = field(unit="t")


market.account(Purse())
market.gauge(Purse.credits, colour="#fd8")
market.effect(Sold, kind="flash", size=RADIUS, colour="#fd8", sound="chime")
market.extend(STATION, Market())
for craft in CRAFT:
    market.extend(craft, Paid(), Mended())


@market.rule(Mended)
def stays_mended(before: Mended, after: Mended, _dt: Floats) -> Bools:
    """Believe in no hull that is mended twice for what was paid once."""
    return np.asarray(after.hull >= before.hull)


def glut(of: Market, tick: int) -> Floats:
    """Tell how much ore stations have on their hands, t.

    Args:
        of: what they had when they were last sold some, [n].
        tick: the current one.
    """
    age = np.maximum(tick - of.at.astype(np.float64), 0.0)
    return np.asarray(of.glut * 0.5 ** (age / GLUT_HALF_LIFE))


def price(glut: T) -> T:
    """Tell what stations pay for the next tonne, credits.

    Args:
        glut: what ore they have on their hands, t; one, or [n].
    """
    return PRICE_FULL * GLUT_HALVES / (GLUT_HALVES + glut)


def worth(ore: float, glut: float) -> int:
    """Tell what a station pays for ore, credits, rounded down.

    Args:
        ore: t.
        glut: what it has on its hands already, t.
    """
    return math.floor(PRICE_FULL * GLUT_HALVES * math.log1p(ore / (GLUT_HALVES + glut)))


@market.system
def heed(step: Step) -> None:
    """Ask for what who presses `sell` or `mend` wants, or say why it can't be."""
    stick, ships = step[Stick], step.rows(Docked, Hull, Hold)
    ships = ships[(stick.sell[ships] > 0) | (stick.mend[ships] > 0)]
    if not len(ships):
        return
    at, ore = step[Docked].at, step[Hold].ore
    deny(step, ships[at[ships] == 0], NOT_DOCKED)
    ships = ships[at[ships] != 0]
    selling = ships[stick.sell[ships] > 0]
    step.ask(sell, at=selling[ore[selling] > 0])
    step.ask(sell, at=take_turn(step, selling[ore[selling] == 0]))
    step.ask(mend, at=ships[stick.mend[ships] > 0])


def _is_dead(tx: Transaction) -> bool:
    """Tell whether a ship has no hull any more, and its pilot that nothing comes of a press."""
    dead = tx.get(tx.own, Hull.hp) <= 0
    if dead:
        tx.tell(WORDS[NO_HULL], to=PILOT)
    return bool(dead)


@market.action(asked_by=SYSTEMS)
def sell(tx: Transaction) -> None:
    """Sell all ore of a docked ship; one without an account is paid nothing."""
    station, ore = int(tx.get(tx.own, Docked.at)), tx.get(tx.own, Hold.ore)
    if not station:
        tx.tell(WORDS[NOT_DOCKED], to=PILOT)
        return
    if _is_dead(tx):
        return
    age = max(0.0, tx.tick - tx.get(station, Market.at))
    there = tx.get(station, Market.glut) * 0.5 ** (age / GLUT_HALF_LIFE)
    pays = f"{name_of(tx, station)} pays {price(there + ore):.1f} for a tonne now"
    if not ore:
        tx.tell(f"the hold is empty; {pays}", to=PILOT)
        return
    credits = worth(ore, there)
    tx.set(tx.own, Hold.ore, 0)
    tx.add(tx.shared, Books.sold, ore)
    tx.set(station, Market.glut, there + ore)
    tx.set(station, Market.at, tx.tick)
    tx.emit(Sold(ore=ore), at=tx.own)
    if not tx.account:
        tx.tell(f"sold {ore:g} t of ore: who has no account is paid nothing; {pays}", to=PILOT)
        return
    tx.add(tx.account, Purse.credits, credits)
    has = tx.get(tx.account, Purse.credits)
    tx.tell(f"sold {ore:g} t of ore for {credits} credits: you have {has:g}; {pays}", to=PILOT)


@market.action(asked_by=SYSTEMS)
def mend(tx: Transaction) -> None:
    """Mend the hull of a docked ship, then fill its magazine, as far as its credits reach."""
    if not tx.get(tx.own, Docked.at):
        tx.tell(WORDS[NOT_DOCKED], to=PILOT)
        return
    if _is_dead(tx):
        return
    paid_at = tx.get(tx.own, Paid.at)
    if paid_at and tx.tick - paid_at < MEND_EVERY:
        tx.tell("they are still at work", to=PILOT)
        return
    damage = math.ceil(HULL_MAX - tx.get(tx.own, Hull.hp))
    room = int(MAGAZINE - tx.get(tx.own, Magazine.left))
    if not damage and not room:
        tx.tell("the hull is whole, and the magazine full", to=PILOT)
        return
    has = int(tx.get(tx.account, Purse.credits)) if tx.account else 0
    hp = min(damage, has // HP_PRICE)
    missiles = min(room, (has - hp * HP_PRICE) // MISSILE_PRICE)
    cost = hp * HP_PRICE + missiles * MISSILE_PRICE
    if not cost:
        prices = f"{HP_PRICE} credit for each hp, and {MISSILE_PRICE} for a missile"
        tx.tell(f"mending costs {prices}: you have {has}", to=PILOT)
        return
    tx.add(tx.account, Purse.credits, -cost)
    tx.add(tx.own, Paid.hull, hp)
    tx.set(tx.own, Paid.at, tx.tick)
    tx.add(tx.own, Supplied.missiles, missiles)
    done = f"mended {hp} of {damage} hp, loaded {missiles} of {room} missiles"
    tx.tell(f"{done}: you have {has - cost} credits left", to=PILOT)


@market.system
def mend_hulls(step: Step) -> None:
    """Mend what is paid for and not done yet, of who is alive."""
    paid, mended, rows = step[Paid], step[Mended], step.rows(Paid, Mended, Hull)
    rows = rows[(paid.hull[rows] != mended.hull[rows]) & (step[Hull].hp[rows] > 0)]
    hp = step[Hull].hp[rows] + (paid.hull[rows] - mended.hull[rows])
    step[Hull].hp[rows] = np.minimum(hp, HULL_MAX)
    mended.hull[rows] = paid.hull[rows]
