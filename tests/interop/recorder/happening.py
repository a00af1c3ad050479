"""The game that is recorded, in which something happens now and then."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sidereal.game import F4, U2, Event, Label, Motion, Part, Pilot, Stage, Step, field
from sidereal.game.declarations import declare
from sidereal.game.schema import name_of, schema_of
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import Schema
from sidereal.tools.simulate.game import Laws, hail, make_flights

RULES: Final = Rules(
    tick_hz=16,
    substeps=1,
    sector_size=256.0,
    cell_size=64.0,
    view_radius_cells=2,
)
"""Powers of two, so that computing with them is exact."""

EVERY_TICKS: Final = 16
"""An entity has an event once in so many ticks."""


class Passed(Event, name="recorded.passed"):
    """An entity is a second older."""

    times: U2
    speed: F4 = field(0, low=0, high=250, quantum=0.5)


class Idle(Event, name="recorded.idle"):
    """It does not move along the x axis."""


part = Part("recorded")
part.declare(Passed, Idle)


@part.system(Stage.TICK)
def pass_by(step: Step) -> None:
    """Let something happen to every entity, one after the other."""
    motion, rows = step[Motion], step.rows()
    rows = rows[(step.id[rows] + step.tick) % EVERY_TICKS == 0]
    speed = np.abs(motion.vx[rows])
    step.emit(Passed(times=step.tick // EVERY_TICKS, speed=speed), at=rows)
    step.emit(Idle(), at=rows[speed == 0])


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


@flights.system(every_s=1.0)
def report(step: Step) -> None:
    """Let whoever is flown say something."""
    step.ask(hail, at=step.rows(Pilot), text="aye")


GAME: Final = declare(flights)
SCHEMA: Final[Schema] = schema_of(GAME)

PASSED, IDLE = (SCHEMA.event_numbers[name_of(event)] for event in (Passed, Idle))

DECLARED: Final[dict[str, Any]] = {
    str(PASSED): ["HH", "Hf", [[0, 65_535], [0, 500]]],
    str(IDLE): ["", "", []],
}
"""What the game says of its events, by number: how their fields are laid out in snapshots and in
proposals, and their ranges in snapshots."""
