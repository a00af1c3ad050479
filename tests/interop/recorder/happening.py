"""The game that is recorded, in which something happens now and then."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sidereal.game import (
    ALL,
    F4,
    PILOT,
    SECTOR,
    SHARD,
    U2,
    Authority,
    Body,
    Event,
    Label,
    Motion,
    Parent,
    Part,
    Pilot,
    Player,
    Rows,
    Stage,
    Step,
    field,
)
from sidereal.game.declarations import declare
from sidereal.game.schema import name_of, schema_of
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import Schema
from sidereal.tools.simulate.game import ASTEROID, Laws, Stick, hail, make_flights

RULES: Final = Rules(
    tick_hz=16,
    substeps=1,
    sector_size=256.0,
    cell_size=64.0,
    view_radius_cells=2,
)
"""Powers of two, so that computing with them is exact."""

CHIP, TAG = 3, 4
"""The numbers of their kinds."""
CHIP_EVERY_TICKS: Final = 24
"""A shard spawns chips so often, and ends all that it has after every other time."""
RENAMED_S: Final = 1.0
"""After its join the authority says once more what a ship is called."""

STIRS_EVERY: Final = 64
"""Of so many entities one is heard in its sector."""
CHIMES_EVERY: Final = 64
"""Of so many entities everybody hears one."""

EVERY_TICKS: Final = 16
"""An entity has an event once in so many ticks."""


class Passed(Event, name="recorded.passed"):
    """An entity is a second older."""

    times: U2
    speed: F4 = field(0, low=0, high=250, quantum=0.5)


class Idle(Event, name="recorded.idle"):
    """It does not move along the x axis."""


class Sighted(Event, to=PILOT, name="recorded.sighted"):
    """It is a second older, and its pilot is told so."""

    count: U2


class Stir(Event, to=SECTOR, name="recorded.stir"):
    """Something in the sector is."""

    count: U2


class Chime(Event, to=ALL, name="recorded.chime"):
    """Something anywhere is."""


part = Part("recorded")
part.declare(Passed, Idle, Sighted, Stir, Chime)


@part.system(Stage.TICK)
def pass_by(step: Step) -> None:
    """Let something happen to every entity, one after the other."""
    motion, rows = step[Motion], step.rows()
    rows = rows[(step.id[rows] + step.tick) % EVERY_TICKS == 0]
    speed = np.abs(motion.vx[rows])
    step.emit(Passed(times=step.tick // EVERY_TICKS, speed=speed), at=rows)
    step.emit(Idle(), at=rows[speed == 0])
    count = step.tick // EVERY_TICKS
    step.emit(Sighted(count=count), at=np.intersect1d(rows, step.rows(Pilot)))
    step.emit(Stir(count=count), at=rows[step.id[rows] % STIRS_EVERY == 0])
    step.emit(Chime(), at=rows[step.id[rows] % CHIMES_EVERY == 0])


flights = make_flights(
    Laws(
        RULES.tick_s,
        RULES.substeps,
        RULES.speed_max,
        belt=None,
        thrust=64.0,
        reverse=32.0,
        turn=8.0,
        spin_max=2.0,
        engines_max=128.0,
        brake=4.0,
        spin_damping=8.0,
    ),
    [part],
)
"""With numbers that binary fractions hold exactly; asteroids drift where they like."""
flights.shared(Label(name="recorded"))

chip = flights.kind("chip", Motion(), Body(radius=0.5), Label(), touches=[], spawned_by=SHARD)
tag = flights.kind("tag", Motion(), Parent(), spawned_by=SHARD)
asteroid = flights.kinds[ASTEROID - 1]


@flights.system(Stage.TICK)
def let_off(step: Step) -> None:
    """Let chips come and go."""
    if step.tick % CHIP_EVERY_TICKS == 0:
        rows = step.rows(asteroid)[:1]
        motion = step[Motion]
        place = Motion(x=motion.x[rows] + 16.0, y=motion.y[rows], vx=2.0)
        step.spawn(chip, place, Body(group=step.id[rows]))
    elif step.tick % (2 * CHIP_EVERY_TICKS) == CHIP_EVERY_TICKS // 2:
        step.despawn(step.rows(chip))


@flights.system
def put_tags_on(step: Step) -> None:
    """Let every chip have a tag, which is where it is, and goes with it."""
    chips = step.rows(chip)
    step.spawn(tag, Parent(of=step.id[chips[~np.isin(step.id[chips], step[Parent].of)]]))


@flights.model(Motion, reads=(Stick,), stage=Stage.TICK)
def toss(own: Rows) -> None:
    """Let a pilot that pulses toss a chip."""
    motion = own[Motion]
    own.spawn(chip, own[Stick].pulse > 0, Motion(x=motion.x, y=motion.y + 16.0, vy=2.0))


@flights.on_join
def rename(world: Authority, player: Player) -> None:
    """Say once more what a ship is called."""
    world.after(RENAMED_S, _call_again, player)


def _call_again(world: Authority, player: Player) -> None:
    world.give(world.berth(player), Label(name=player.name))


@flights.system(every_s=1.0)
def report(step: Step) -> None:
    """Let whoever is flown say something."""
    step.ask(hail, at=step.rows(Pilot), text="aye")


GAME: Final = declare(flights)
SCHEMA: Final[Schema] = schema_of(GAME)

PASSED, IDLE, SIGHTED, STIR, CHIME = (
    SCHEMA.event_numbers[name_of(event)] for event in (Passed, Idle, Sighted, Stir, Chime)
)

DECLARED: Final[dict[str, Any]] = {
    str(PASSED): ["HH", "Hf", [[0, 65_535], [0, 500]], False],
    str(IDLE): ["", "", [], False],
    str(SIGHTED): ["H", "H", [[0, 65_535]], True],
    str(STIR): ["H", "H", [[0, 65_535]], True],
    str(CHIME): ["", "", [], True],
}
"""What the game says of its events, by number: how their fields are laid out in snapshots and in
proposals, their ranges in snapshots, and whether they are private."""
