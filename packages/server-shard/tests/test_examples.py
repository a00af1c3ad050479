"""Games as somebody would write them, line by line, on one shard: beacons and homing missiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pytest

from sidereal.game import F4, U4, Body, Component, Entity, Game, Motion, Part, Stage, Step, field
from sidereal.game.declarations import Declarations, declare
from sidereal.game.schema import column_of, schema_of
from sidereal.games import frontier
from sidereal.protocol.message.shard import Adopt, Release
from sidereal.protocol.rules import Rules
from sidereal.shard.simulation import Simulation

RULES = Rules()
TICK = 100

DAMAGE, TURN, SIGHT = 30.0, 3.0, 400.0


class Health(Component):
    hp: F4 = field(100, low=0, high=100, quantum=0.5, unit="hp")


class Beacon(Component):
    reach: F4 = field(150, low=1, high=500, quantum=1, unit="unit")
    rate: F4 = field(5, low=0, high=50, quantum=0.1, unit="hp/s")


class Seeker(Component):
    by: Entity
    target: Entity
    until: U4


beacons = Game("beacons", parts=[frontier.flight])
BEACON = beacons.kind("beacon", Motion(), Beacon())
beacons.extend(frontier.SHIP, Health())


@beacons.system
def mend(step: Step) -> None:
    near = step.pairs(step.rows(Health), step.seen(Beacon), within=step[Beacon].reach)
    np.add.at(step[Health].hp, near.a, step[Beacon].rate[near.b] * step.dt)


part = Part("missiles")
MISSILE = part.kind("missile", Motion(), Body(radius=1.5, mass=0.2), Seeker(), saved=False)
part.extend(frontier.SHIP, Health())


@part.system(Stage.TICK)
def lock(step: Step) -> None:
    seeker, idle = step[Seeker], step.rows(Seeker)
    idle = idle[step.find(seeker.target[idle]) < 0]  # -1: gone, or too far away to be seen
    near = step.pairs(idle, step.seen(Health), within=SIGHT)
    near = near.where(step.id[near.b] != seeker.by[near.a]).nearest()
    seeker.target[near.a] = step.id[near.b]


@part.system(Stage.TICK, after=[lock])
def home(step: Step) -> None:
    m, rows = step[Motion], step.rows(Seeker)
    to = step.find(step[Seeker].target[rows])
    rows, to = rows[to >= 0], to[to >= 0]
    vx, vy = m.vx[rows], m.vy[rows]
    off = np.arctan2(m.y[to] - m.y[rows], m.x[to] - m.x[rows]) - np.arctan2(vy, vx)
    turn = np.clip((off + np.pi) % (2 * np.pi) - np.pi, -TURN * step.dt, TURN * step.dt)
    m.vx[rows], m.vy[rows] = (
        vx * np.cos(turn) - vy * np.sin(turn),
        vx * np.sin(turn) + vy * np.cos(turn),
    )


@part.system(Stage.CONTACT)
def hit(step: Step) -> None:
    struck = step.contacts(MISSILE, Health)  # a is a missile, b has Health
    np.subtract.at(step[Health].hp, struck.b[struck.first], DAMAGE)


armed = Game("armed", parts=[frontier.flight, part])


NONE: Final[Mapping[str, float]] = {}


class Shard:
    """One shard of a game, with whom a test puts there."""

    def __init__(self, game: Game) -> None:
        self.declared: Declarations = declare(game)
        self.schema = schema_of(self.declared)
        rng = np.random.default_rng(1)
        self.simulation = Simulation(self.declared, self.schema, RULES, rng, strict=True)
        self.tick = TICK
        self.count = 0

    def put(
        self, kind: str, *, ghost: bool = False, values: Mapping[str, float] = NONE, **more: float
    ) -> int:
        """Put one of a kind there, with the values that its declaration says, or others."""
        row = np.zeros(1, self.schema.full_record)
        self.count += 1
        row["id"], row["epoch"], row["tick"] = self.count, 1, self.tick
        row["radius"] = row["mass"] = 1.0
        number = [each.name for each in self.declared.kinds].index(kind)
        row["kind"] = number + 1
        for record in self.declared.components:
            for column in record.fields.values():
                row[column_of(record, column)] = column.options.default
        for component in self.declared.kinds[number].components:
            for name, column in type(component).fields.items():
                row[column_of(type(component), column)] = getattr(component, name)
        for name, value in {**values, **more}.items():
            row[name] = value
        if ghost:
            self.simulation.show_ghosts([(self.tick, row)], self.tick)
        else:
            self.simulation.apply(Adopt(self.tick, row.tobytes(), b""), self.tick)
        return self.count

    def run(self, ticks: int) -> None:
        for _ in range(ticks):
            self.tick += 1
            self.simulation.step(self.tick)

    def value(self, net_id: int, column: str) -> float:
        columns = self.simulation.bodies.columns
        return float(columns[column][columns.rows_of([net_id])[0]])


HP = "test_examples_health_hp"
TARGET = "test_examples_seeker_target"


def test_a_beacon_mends_who_is_near() -> None:
    shard = Shard(beacons)
    shard.put("beacon", x=400.0)
    near, far = (shard.put("ship", values={HP: 50.0}, x=x) for x in (380.0, 200.0))
    shard.run(40)
    assert [shard.value(ship, HP) for ship in (near, far)] == pytest.approx([60, 50])


def test_a_beacon_of_a_neighbour_mends_too() -> None:
    shard = Shard(beacons)
    shard.put("beacon", x=400.0, ghost=True)
    ship = shard.put("ship", values={HP: 50.0}, x=380.0)
    shard.run(20)
    assert shard.value(ship, HP) == pytest.approx(55.0)


def test_a_missile_locks_on_the_nearest_that_did_not_fire_it() -> None:
    shard = Shard(armed)
    own, near, _ = (shard.put("ship", y=y) for y in (-20.0, 120.0, 300.0))
    missile = shard.put("missile", vx=60.0, test_examples_seeker_by=own)
    shard.run(1)
    assert shard.value(missile, TARGET) == near


def test_a_missile_turns_towards_its_target_as_fast_as_it_may() -> None:
    shard = Shard(armed)
    target = shard.put("ship", y=300.0)
    missile = shard.put("missile", vx=60.0, test_examples_seeker_target=target)
    shard.run(4)
    vx, vy = shard.value(missile, "vx"), shard.value(missile, "vy")
    assert np.arctan2(vy, vx) == pytest.approx(4 * TURN * RULES.tick_s)
    assert np.hypot(vx, vy) == pytest.approx(60.0)
    shard.run(60)
    assert shard.value(missile, "vy") > 59.0


def test_a_missile_whose_target_is_gone_looks_for_another() -> None:
    shard = Shard(armed)
    first, second = (shard.put("ship", y=y) for y in (100.0, 300.0))
    missile = shard.put("missile", vx=1.0)
    shard.run(1)
    assert shard.value(missile, TARGET) == first
    gone = np.array([[first, 2]], "<u4")
    shard.simulation.apply(Release(shard.tick, gone.tobytes()), shard.tick)
    shard.run(1)
    assert shard.value(missile, TARGET) == second


def test_a_missile_hurts_whom_it_hits_once() -> None:
    shard = Shard(armed)
    target = shard.put("ship", x=40.0)
    shard.put("missile", x=34.0, vx=1.0, test_examples_seeker_target=target)
    shard.run(40)
    assert shard.value(target, HP) == 100.0 - DAMAGE


def test_the_same_seed_gives_the_same_numbers() -> None:
    game = Game("dice")
    drawn: list[float] = []
    game.kind("die", Motion())

    @game.system(every_s=0.1)
    def roll(step: Step) -> None:
        drawn.append(float(step.rng.random()))

    Shard(game).run(20)
    first, drawn[:] = list(drawn), []
    Shard(game).run(20)
    assert first == drawn
    assert len(set(first)) == 10


def test_systems_run_as_declared_unless_they_say_otherwise() -> None:
    game = Game("ordered")
    game.kind("thing", Motion())
    ran: list[str] = []

    def second(step: Step) -> None:
        ran.append("second")

    def third(step: Step) -> None:
        ran.append("third")

    def first(step: Step) -> None:
        ran.append("first")

    game.system(Stage.TICK)(second)
    game.system(Stage.TICK, after=[second])(third)
    game.system(Stage.TICK, before=[second])(first)
    Shard(game).run(1)
    assert ran == ["first", "second", "third"]
