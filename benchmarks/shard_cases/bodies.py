"""What many moving bodies cost a shard: to step them, to read them, to say what has changed."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

import numpy as np
import pymunk

from sidereal.game import Body, Game, Motion, Stage, Step
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.protocol.message.shard import Adopt
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.proposals import decode_proposal_untrusted
from sidereal.shard.simulation import Simulation
from sidereal.shard.space import ITERATIONS

RULES: Final = Rules()
TICK: Final = 100
BODIES: Final = 10_000
RADIUS: Final = 5.0
APART: Final = 14.0
"""World units between neighbours at first: about 300 pairs touch at any time."""
SPEED: Final = 40.0
SPIN: Final = 2.0
THRUST: Final = 20.0
"""Units/s², to one side or to the other."""
TURNS_EVERY: Final = 10
"""Ticks, after which who thrusts does so to the other side."""
SETTLES: Final = 10
"""Ticks, which are left out."""


class Found(NamedTuple):
    """Medians over ticks, ms, but for the rows.

    Attributes:
        tick: all of it.
        step: what physics and the shard's own stages take of that.
        rows: that were told in a tick.
    """

    tick: float
    step: float
    rows: float


class Field(NamedTuple):
    """Where all bodies begin, and how they move; float64[n] each."""

    x: np.ndarray
    y: np.ndarray
    vx: np.ndarray
    vy: np.ndarray
    spin: np.ndarray


def make_field() -> Field:
    """Put bodies beside each other, and let each go another way."""
    rng, at, side = np.random.default_rng(3), np.arange(BODIES), int(np.ceil(BODIES**0.5))
    vx, vy = rng.uniform(-SPEED, SPEED, (2, BODIES))
    return Field(
        APART * (at % side), APART * (at // side), vx, vy, rng.uniform(-SPIN, SPIN, BODIES)
    )


def measure_bodies(ticks: int, *, thrusting: bool) -> Found:
    """What a tick costs when what is told is acked a tick later.

    Args:
        ticks: how many.
        thrusting: whether all bodies thrust, so that each is news in every tick.
    """
    declared = declare(_make_game(thrusting=thrusting))
    schema = schema_of(declared)
    simulation = Simulation(declared, schema, RULES, np.random.default_rng(1))
    records = schema.first[np.ones(BODIES, np.int64)]
    records["id"], records["epoch"], records["tick"] = 1 + np.arange(BODIES), 1, TICK
    records["radius"] = RADIUS
    for name, column in make_field()._asdict().items():
        records[name] = column
    for start in range(0, BODIES, 1000):
        simulation.apply(Adopt(TICK, records[start : start + 1000].tobytes(), b""), TICK)
    spent_s, told, tags = [], [], list[int]()
    for tick in range(TICK + 1, TICK + 1 + ticks):
        began_at = time.process_time()
        simulation.proposals_acked(tags)
        simulation.step(tick)
        stepped_at = time.process_time()
        messages = simulation.collect_proposals(tick)
        spent_s.append((time.process_time() - began_at, stepped_at - began_at))
        tags = [tag for _, tag in messages if tag is not None]
        runs = [
            run for message, _ in messages for run in decode_proposal_untrusted(schema, message)[1]
        ]
        told.append(sum(len(rows) for _, rows in runs))
    assert not thrusting or min(told) == BODIES, "not all that thrust were told"
    assert min(told[SETTLES:]) > 0, "nobody ran into anybody"
    tick_ms, step_ms = 1000 * np.median(spent_s[SETTLES:], axis=0)
    return Found(float(tick_ms), float(step_ms), float(np.median(told[SETTLES:])))


def measure_bare(ticks: int) -> float:
    """What the same bodies cost pymunk in a tick, which nobody asks where they are, ms."""
    space = pymunk.Space()
    space.iterations = ITERATIONS
    space.collision_persistence = 1
    field = make_field()
    for x, y, vx, vy, spin in np.column_stack(field).tolist():
        body = pymunk.Body(1.0, pymunk.moment_for_circle(1.0, 0.0, RADIUS))
        circle = pymunk.Circle(body, RADIUS)
        circle.elasticity = 0.5
        body.position, body.velocity, body.angular_velocity = (x, y), (vx, vy), spin
        space.add(body, circle)
    spent_s = []
    for _ in range(ticks):
        began_at = time.process_time()
        for _ in range(RULES.substeps):
            space.step(RULES.tick_s / RULES.substeps)
        spent_s.append(time.process_time() - began_at)
    return 1000 * float(np.median(spent_s[SETTLES:]))


def _make_game(*, thrusting: bool) -> Game:
    game = Game("bodies")
    rock = game.kind("rock", Motion(), Body(radius=RADIUS))
    if thrusting:

        @game.system(Stage.STEER)
        def thrust(step: Step) -> None:
            motion, rows = step[Motion], step.rows(rock)
            side = THRUST * step.dt * (-1.0 if step.tick // TURNS_EVERY % 2 else 1.0)
            motion.vx[rows] += np.where(rows % 2 == 0, side, -side)

    return game
