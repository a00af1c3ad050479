"""The game that is simulated: ships that pilots fly, asteroids that drift, sparks and flares.

It is a game of its own, so that what the engine's rules must hold for does not follow from the game
that ships. `checks.physics` has the same rules a second time.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Final, NamedTuple

import numpy as np

from sidereal.game import (
    ALL,
    AUTHORITY,
    F4,
    I1,
    PILOT,
    PLAYERS,
    SECTOR,
    SYSTEMS,
    U2,
    U4,
    Authority,
    Body,
    Component,
    Controls,
    Event,
    Game,
    Held,
    Kind,
    Label,
    Meta,
    Motion,
    Parent,
    Part,
    Pilot,
    Player,
    Press,
    Rows,
    Stage,
    Step,
    Transaction,
    axis,
    field,
    hold,
    press,
    role,
)
from sidereal.game.declarations import Declarations, declare
from sidereal.tools.simulate.families import COLOURS, Cloth, let_families_live
from sidereal.tools.simulate.passing import (
    let_flares_fly,
    let_shards_ask,
    let_sparks_fly,
    let_stamps_come_and_go,
)

SPEED_REST: Final = 0.02
"""A braking ship slower than this stops dead, units/s."""
SPIN_REST: Final = 0.002
"""A ship that is not turning and spins slower than this stops turning, rad/s."""

SHIP_RADIUS: Final = 6.0

SHIP: Final = 1
ASTEROID: Final = 2
"""Numbers of the kinds: their places among those of the game."""

TURN_MARGIN: Final = 25.0
"""World units before the belt's edge at which asteroids are turned back."""

CHARGED_TICKS: Final = 16
"""For so long an entity is charged, once in four times."""
CHARGE: Final = 0.3
"""What it gains in a tick: less than a step on the wire."""
CHARGE_MAX: Final = 50.0
HEAT_MAX: Final = 100.0

GONG_EVERY: Final = 8
"""Of so many entities one is heard by all."""

CREDITS: Final = 100
"""Of an account, at first."""
HOLD_MAX: Final = 50
"""Credits that a ship carries."""
PAYS_PER_S: Final = 2.0
"""How often an account may move some."""
HAILS_PER_S: Final = 2.0
"""How often a player may say something."""


class Laws(NamedTuple):
    """How everything moves in the simulated game.

    A ship crosses a sector in little more than a second, and stops in one.

    Attributes:
        tick_s: s.
        substeps: physics steps in a tick.
        speed_max: of anything, units/s.
        belt: where it begins, and where it ends, along both axes; None for a world without one.
        thrust: acceleration of the main engine, units/s².
        reverse: likewise, backwards.
        turn: angular acceleration, rad/s².
        spin_max: rad/s.
        engines_max: the speed that engines reach, units/s.
        brake: share of the velocity that is shed per second while braking.
        spin_damping: share of the spin that is shed per second while not turning.
        families: whether there are parents and children.
    """

    tick_s: float
    substeps: int
    speed_max: float
    belt: tuple[float, float] | None
    thrust: float = 160.0
    reverse: float = 30.0
    turn: float = 10.0
    spin_max: float = 3.5
    engines_max: float = 150.0
    brake: float = 8.0
    spin_damping: float = 6.0
    families: bool = False


class Button(enum.IntFlag):
    """Bits of a record of the stick below, of what is held."""

    THRUST = 1
    REVERSE = 2
    LEFT = 4
    RIGHT = 8
    BRAKE = 16


HOLDS: Final = 31
"""Of a record, the bits of what is held."""
PRESSES_AT: Final = 5
PRESSES_MAX: Final = 15
"""Presses take four bits from there on."""
TRIM_AT: Final = 9
TRIMS: Final = 7 << TRIM_AT
"""And the trim takes the rest."""
TRIM_STEPS: Final = 3


class Charge(Component):
    """What every entity has, and shards change now and then."""

    level: F4 = field(48, low=0, high=CHARGE_MAX, quantum=0.5)
    runs_over: U2


class Heat(Component, audience=PILOT, saved=False):
    """What changes as slowly, at other times, and only its pilot may know."""

    degrees: F4 = field(0, low=0, high=HEAT_MAX)


class Mark(Component, audience=role("observer"), saved=False):
    """What only observers are told, of every entity."""

    number: U2 = field(7)


class Tally(Component, saved=False):
    """What the pilot of a ship has pressed, and set last."""

    presses: U4
    trim: I1


class Purse(Component, writer=AUTHORITY, audience=PILOT):
    """What an account has, and actions move."""

    credits: U4 = field(CREDITS, low=0, high=CREDITS)


class Bank(Component, writer=AUTHORITY):
    """What has been paid by all."""

    credits: U4


class Hold(Component, writer=AUTHORITY):
    """What a ship carries of it."""

    credits: U4 = field(0, low=0, high=HOLD_MAX)


class Turn(Event):
    """The turn of an entity to be charged is over; nothing of it changes with that."""

    at: U4
    level: F4 = field(0, low=0, high=CHARGE_MAX, quantum=0.5)


class Arrival(Event):
    """Somebody has come."""


class Alarm(Event, to=PILOT):
    """The same, for the pilot of the entity alone."""

    at: U4


class Rumble(Event, to=SECTOR):
    """The same of every other entity, for the sector."""

    at: U4
    level: F4 = field(0, low=0, high=CHARGE_MAX, quantum=0.5)


class Gong(Event, to=ALL):
    """The same of some, for all."""


class Greeting(Event, to=PILOT):
    """A pilot has come: it is told so itself."""


class Stick(Controls):
    """What a pilot holds, each with bits of its own: so what was flown tells all that was held."""

    thrust: Held = hold("W")
    reverse: Held = hold("S")
    left: Held = hold("A")
    right: Held = hold("D")
    brake: Held = hold("X")
    pulse: Press = press("SPACE")
    trim: I1 = axis("Q", "E", steps=TRIM_STEPS)


def make_game(laws: Laws, parts: Sequence[Part] = ()) -> Declarations:
    """Make the game.

    Args:
        laws: how everything moves.
        parts: that play along.
    """
    wears: list[Kind] = []
    game = make_flights(laws, parts, greets=True, wears=wears)
    for kind in game.kinds:
        game.extend(kind, Charge(), Heat(), Mark())
    ship = game.kinds[0]
    game.extend(ship, Tally(), Hold())
    game.model(Tally, reads=(Stick,), stage=Stage.TICK)(_tally)
    game.account(Purse())
    game.shared(Bank())
    game.action(rate_hz=PAYS_PER_S)(pay)
    game.action(rate_hz=PAYS_PER_S)(stow)
    game.action(asked_by=SYSTEMS)(grant)
    game.system(Stage.TICK)(_charge)
    let_stamps_come_and_go(game, Charge, laws.tick_s)
    let_shards_ask(game, game.kinds[ASTEROID - 1])
    let_sparks_fly(game, game.kinds[ASTEROID - 1])
    let_flares_fly(game, ship, Stick)
    game.declare(Turn, Arrival, Alarm, Rumble, Gong, Greeting)
    if laws.families:
        wears.append(let_families_live(game, game.kinds[ASTEROID - 1]))
    return declare(game)


def make_flights(
    laws: Laws, parts: Sequence[Part] = (), *, greets: bool = False, wears: Sequence[Kind] = ()
) -> Game:
    """Make the game without charges, credits and sparks: whatever is in it flies, or drifts.

    Args:
        laws: how everything moves.
        parts: that play along.
        greets: whether it is told when somebody comes.
        wears: kinds of the children that a ship begins with.
    """
    game = Game("simulated", parts=parts)
    body, accel_max = Body(radius=SHIP_RADIUS, mass=12), laws.thrust
    ship = game.kind("ship", Motion(), body, Label(), Pilot(), accel_max=accel_max)
    asteroid = game.kind("asteroid", Motion(), Body(), Label())
    game.model(Motion, reads=(Stick,))(_flight(laws))
    game.on_join(_arrival(ship, wears, greets=greets))
    game.action(rate_hz=HAILS_PER_S, durable=False, asked_by=PLAYERS | SYSTEMS)(hail)
    if laws.belt is not None:
        low, high = laws.belt[0] + TURN_MARGIN, laws.belt[1] - TURN_MARGIN

        @game.system(Stage.TICK)
        def turn_back(step: Step) -> None:
            """Turn asteroids that would be too near the edge, and fly towards it."""
            motion, rows = step[Motion], step.rows(asteroid)
            for place, speed in ((motion.x, motion.vx), (motion.y, motion.vy)):
                there, now = place[rows] + speed[rows] * step.dt, speed[rows]
                leaves = ((there >= high) & (now > 0)) | ((there < low) & (now < 0))
                speed[rows[leaves]] *= -1.0

    return game


def hail(tx: Transaction, text: Annotated[str, Meta(min_length=1, max_length=240)]) -> None:
    """Say something to those who are near."""
    tx.tell(f"{tx.name}: {text}")


Amount = Annotated[int, Meta(ge=1, le=CREDITS)]


def pay(tx: Transaction, amount: Amount) -> None:
    """Move credits from an account to the bank."""
    tx.add(tx.account, Purse.credits, -amount)
    tx.add(tx.shared, Bank.credits, amount)


def stow(tx: Transaction, amount: Amount) -> None:
    """Move credits from an account into what its player flies."""
    tx.add(tx.own, Hold.credits, amount)
    tx.add(tx.account, Purse.credits, -amount)


def grant(tx: Transaction, amount: Amount) -> None:
    """Give a ship credits for nothing: no player may ask for it, and no system does."""
    tx.add(tx.own, Hold.credits, amount)


def _charge(step: Step) -> None:
    """Charge every entity for a while, tell when that is over, and heat it later."""
    charge, heat, all_rows = step[Charge], step[Heat], step.rows(Charge, Heat)
    turn = (step.tick // CHARGED_TICKS + step.id[all_rows]) % 4
    rows, warm = all_rows[turn == 0], all_rows[turn == 2]
    level = charge.level[rows] + np.float32(CHARGE)
    over = level > CHARGE_MAX
    charge.runs_over[rows[over]] += np.uint16(1)
    charge.level[rows] = np.where(over, np.float32(0), level)
    if step.tick % CHARGED_TICKS == 0:
        done = all_rows[turn == 1]
        step.emit(Turn(at=step.tick, level=charge.level[done]), at=done)
        step.emit(Alarm(at=step.tick), at=np.intersect1d(done, step.rows(Pilot)))
        some = done[step.id[done] % 2 == 0]
        step.emit(Rumble(at=step.tick, level=charge.level[some]), at=some)
        step.emit(Gong(), at=done[step.id[done] % GONG_EVERY == 0])
    heat.degrees[warm] = (heat.degrees[warm] + 1) % HEAT_MAX


def _tally(own: Rows) -> None:
    """Count what pilots press."""
    tally, stick = own[Tally], own[Stick]
    tally.presses += stick.pulse
    tally.trim[:] = stick.trim


def _arrival(
    ship: Kind, wears: Sequence[Kind], *, greets: bool
) -> Callable[[Authority, Player], None]:
    def arrive(world: Authority, player: Player) -> None:
        berth = world.berth(player)
        if not berth:
            spot = world.free_spot(radius=SHIP_RADIUS)
            motion = Motion(heading=world.rng.uniform(-math.pi, math.pi))
            berth = world.spawn(ship, Label(name=player.name), motion, at=spot)
            for kind in wears:
                colour = Cloth(colour=berth % COLOURS)
                world.spawn(kind, Parent(of=berth), colour, at=spot)
        player.fly(berth)
        if greets:
            world.emit(Arrival(), at=berth)
            world.emit(Greeting(), at=berth)

    return arrive


def _flight(laws: Laws) -> Callable[[Rows], None]:
    def fly(own: Rows) -> None:
        motion, stick, dt = own[Motion], own[Stick], own.dt
        turn = stick.left.astype(np.float64) - stick.right
        turned = motion.spin + laws.turn * dt * turn
        damped = motion.spin * max(0.0, 1.0 - laws.spin_damping * dt)
        damped[np.abs(damped) < SPIN_REST] = 0.0
        limit = laws.spin_max
        motion.spin[:] = np.where(turn != 0, np.clip(turned, -limit, limit), damped)
        push = laws.thrust * stick.thrust - laws.reverse * stick.reverse
        speed_max = np.maximum(np.hypot(motion.vx, motion.vy), laws.engines_max)
        motion.vx += push * dt * np.cos(motion.heading)
        motion.vy += push * dt * np.sin(motion.heading)
        speed = np.hypot(motion.vx, motion.vy)
        shrink = np.where(speed > speed_max, speed_max / np.maximum(speed, SPEED_REST), 1.0)
        shrink *= np.where(stick.brake > 0, max(0.0, 1.0 - laws.brake * dt), 1.0)
        motion.vx *= shrink
        motion.vy *= shrink
        rests = (stick.brake > 0) & (push == 0)
        rests &= np.hypot(motion.vx, motion.vy) < SPEED_REST
        motion.vx[rests] = 0.0
        motion.vy[rests] = 0.0

    return fly
