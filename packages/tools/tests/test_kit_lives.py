"""Missiles that shards spawn and end: on several shards, over bad links, seen by players."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.game import (
    F4,
    SHARD,
    U4,
    Body,
    Component,
    Entity,
    Game,
    Motion,
    Part,
    Stage,
    Step,
    field,
)
from sidereal.games import frontier
from sidereal.testing.world import World

EVERY, LIFE, DAMAGE, SPEED, TURN, SIGHT = 20, 60, 30.0, 120.0, 3.0, 400.0
BAD = {"delay_s": 0.04, "jitter_s": 0.02, "loss": 0.2}


class Health(Component):
    hp: F4 = field(100, low=0, high=100, quantum=0.5, unit="hp")


class Turret(Component):
    rounds: U4


class Seeker(Component):
    by: Entity
    target: Entity
    until: U4


part = Part("missiles")
MISSILE = part.kind(
    "missile", Motion(), Body(radius=1.5, mass=0.2), Seeker(), spawned_by=SHARD, saved=False
)
TURRET = part.kind("turret", Motion(), Body(radius=5, mass=500), Turret())
part.extend(frontier.SHIP, Health())


@part.system(Stage.TICK)
def fire(step: Step) -> None:
    m, rows = step[Motion], step.rows(Turret)
    rows = rows[(step[Turret].rounds[rows] > 0) & ((step.tick + step.id[rows]) % EVERY == 0)]
    step[Turret].rounds[rows] -= 1
    step.spawn(
        MISSILE,
        Motion(x=m.x[rows] + 8, y=m.y[rows], vx=m.vx[rows] + SPEED, vy=m.vy[rows]),
        Seeker(by=step.id[rows], until=np.full(len(rows), step.tick + LIFE)),
    )


@part.system(Stage.TICK)
def lock(step: Step) -> None:
    seeker, idle = step[Seeker], step.rows(Seeker)
    idle = idle[step.find(seeker.target[idle]) < 0]
    near = step.pairs(idle, step.seen(Health), within=SIGHT).nearest()
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
    struck = step.contacts(MISSILE, Health)
    np.subtract.at(step[Health].hp, struck.b[struck.first], DAMAGE)
    step.despawn(struck.a)


@part.system
def expire(step: Step) -> None:
    rows = step.rows(Seeker)
    step.despawn(rows[step[Seeker].until[rows] <= step.tick])


armed = Game("armed", parts=[frontier.flight, part])


@pytest.mark.parametrize("link", [{}, BAD])
def test_a_missile_is_seen_hits_and_is_gone_everywhere(link: dict[str, float]) -> None:
    world = World(armed, link=link, shards=2, seed=3)
    ann = world.join("ann")
    world.run(seconds=1)
    x, y = (float(getattr(world[Motion], axis)[ann.entity]) for axis in ("x", "y"))
    world.spawn(TURRET, Motion(x=x - 60, y=y + 20), Turret(rounds=2))
    seen = 0
    for _ in range(100):
        world.run(ticks=1)
        seen = max(seen, ann.view.count(MISSILE))
    world.run(seconds=2)
    assert seen >= 1
    assert world.count(MISSILE) == ann.view.count(MISSILE) == 0
    assert world[Health].hp[ann.entity] == 100 - 2 * DAMAGE


def test_missiles_that_hit_nobody_end_by_themselves_and_their_ids_are_real() -> None:
    world = World(armed, shards=1)
    turret = world.spawn(TURRET, Turret(rounds=3))
    world.run(ticks=EVERY + 5)
    missiles = world.ids(MISSILE)
    assert len(missiles) >= 1
    assert set(world[Seeker].by[missiles].tolist()) == {turret}
    world.run(ticks=3 * EVERY + LIFE)
    assert (world.count(MISSILE), world[Turret].rounds[turret]) == (0, 0)


def test_a_missile_flies_across_a_border_and_hits_behind_it() -> None:
    world = World(armed, shards=2, seed=5, link=BAD)
    ship = world.spawn(frontier.SHIP, Motion(x=80.0, y=500.0))
    turret = world.spawn(TURRET, Motion(x=-60.0, y=500.0), Turret(rounds=1))
    world.run(seconds=5)
    assert (world.owner(turret), world.owner(ship)) == (0, 1)
    assert world[Health].hp[ship] == 100 - DAMAGE
    assert world.count(MISSILE) == 0


@pytest.mark.parametrize(("ghost_range", "locks"), [(250.0, False), (SIGHT, True)])
def test_a_missile_locks_over_the_border_as_far_as_the_game_lets_shards_see(
    ghost_range: float, locks: bool
) -> None:
    game = Game("armed", parts=[frontier.flight, part], ghost_range=ghost_range)
    world = World(game, shards=2, seed=5)
    ship = world.spawn(frontier.SHIP, Motion(x=260.0, y=500.0))
    world.spawn(TURRET, Motion(x=-180.0, y=500.0), Turret(rounds=1))
    world.run(ticks=EVERY + 8)
    (missile,) = world.ids(MISSILE).tolist()
    assert (world.owner(missile), world.owner(ship)) == (0, 1)
    assert world[Seeker].target[missile] == (ship if locks else 0)


def test_what_a_dead_shard_had_spawned_goes_on_and_ends() -> None:
    world = World(armed, shards=2, seed=5)
    turret = world.spawn(TURRET, Motion(), Turret(rounds=1))
    world.run(ticks=EVERY + 10)
    assert world.count(MISSILE) == 1
    world.kill(world.owner(turret))
    world.run(seconds=1 + LIFE / 20 + 1)
    assert world.count(MISSILE) == 0


def test_a_system_that_spawns_ten_thousand_a_tick_is_bounded_and_the_world_goes_on() -> None:
    storm = Part("storm")

    @storm.system(Stage.TICK)
    def flood(step: Step) -> None:
        x, y = step.rng.uniform(50, 950, (2, 10_000))
        step.spawn(MISSILE, Motion(x=x, y=y), Seeker(until=np.full(len(x), step.tick + 3)))

    world = World(Game("stormy", parts=[frontier.flight, part, storm]))
    world.spawn(TURRET, Motion(x=500.0, y=500.0))
    began = world.tick
    world.run(ticks=30)
    assert world.tick == began + 30
    assert 100 <= world.count(MISSILE) <= 3000
