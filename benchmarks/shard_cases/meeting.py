"""Plays a scene once: what has become of every body, and who touched whom.

A system tells of every contact that a shard sees begin, by an event. What the authority accepts of
these happened: an event of a shard that had lost the body by then counts for nothing. Some of those
that thrust do so only while their pilots say so, who say it all the time: what is not flown by the
inputs that it had comes to another end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np

from shard_cases.cluster import Cluster
from shard_cases.scenes import (
    DOCKS_AT,
    LASTS,
    SHOT_MASS,
    SHOT_RADIUS,
    THRUST_FROM,
    THRUST_MAX,
    THRUST_UNTIL,
    TICK_S,
    Scene,
)
from sidereal.game import (
    F4,
    SHARD,
    U4,
    Authority,
    Body,
    BotView,
    Component,
    Controls,
    Event,
    Game,
    Held,
    Kind,
    Motion,
    Parent,
    Pilot,
    Player,
    Rows,
    Stage,
    Step,
    hold,
)
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, name_of
from sidereal.game.spawns import Spawns
from sidereal.protocol.testing.link import LinkConfig
from sidereal.tools.bots.behaviour import choose_behaviour
from sidereal.tools.simulate.given.chronicle import Chronicle, published

SETTLES_TICKS: Final = 20
"""Ticks in the end in which what is under way arrives."""

ARRIVES_TICKS: Final = 40
"""Ticks that are waited for who is on its way from one shard to another."""

FLIES_TICKS: Final = 10
"""Ticks that pilots fly before a scene begins."""

PULL_PER_S: Final = 4.0
"""How fast a child comes back to where its parent holds it, of how far it is from there."""


class Mark(Component, saved=False):
    """Which body of its scene it is, from 1."""

    number: U4


class Engine(Component, saved=False):
    """Thrust from one tick to another."""

    ax: F4
    ay: F4
    begins: U4
    ends: U4
    by_pilot: U4


class Stick(Controls):
    """What a pilot says."""

    burn: Held = hold("W")


class Gun(Component, saved=False):
    """A shot that comes at a tick."""

    at: U4
    x: F4
    y: F4
    vx: F4
    vy: F4
    number: U4
    brittle: U4


class Dock(Component, saved=False):
    """Where a child is beside its parent; of a parent also what it is, and when it comes."""

    x: F4
    y: F4
    at: U4
    radius: F4
    mass: F4
    number: U4


class Touch(Event):
    """Two bodies have begun to touch."""

    by: U4
    other: U4


game = Game("meeting")
ROCK = game.kind("rock", Motion(), Body(), Mark())
CRAFT = game.kind("craft", Motion(), Body(), Mark(), Engine(), Pilot(), accel_max=THRUST_MAX)
GUN = game.kind("gun", Motion(), Gun())
SHOT = game.kind(
    "shot",
    Motion(),
    Body(radius=SHOT_RADIUS, mass=SHOT_MASS),
    Mark(),
    spawned_by=SHARD,
    per_s_max=1e6,
)
SHELL = game.kind("shell", Motion(), Body(), Mark())
DART = game.kind(
    "dart",
    Motion(),
    Body(radius=SHOT_RADIUS, mass=SHOT_MASS),
    Mark(),
    spawned_by=SHARD,
    per_s_max=1e6,
)
STATION = game.kind("station", Motion(), Body(), Mark(), Dock())
CHILD = game.kind(
    "child", Motion(), Parent(), Body(), Mark(), Dock(), spawned_by=SHARD, per_s_max=1e6
)
game.declare(Touch)


@game.on_join
def arrive(world: Authority, player: Player) -> None:
    """Give who comes a craft, which is put where it is to be when the scene begins."""
    player.fly(world.spawn(CRAFT, at=world.free_spot(radius=1.0)))


@game.bot("burn")
def burn(bot: BotView) -> Stick:
    """Hold it."""
    return Stick(burn=1)


@game.model(Motion, reads=(Engine, Stick))
def thrust(own: Rows) -> None:
    """Thrust as the engine says, and its pilot, if it has one."""
    motion, engine = own[Motion], own[Engine]
    on = (engine.begins <= own.tick) & (own.tick < engine.ends)
    on &= (engine.by_pilot == 0) | (own[Stick].burn > 0)
    motion.vx += np.where(on, engine.ax.astype(np.float64), 0.0) * own.dt
    motion.vy += np.where(on, engine.ay.astype(np.float64), 0.0) * own.dt


@game.system(Stage.TICK)
def fire(step: Step) -> None:
    """Let shots come into the world."""
    rows, gun = step.rows(Gun), step[Gun]
    rows = rows[gun.at[rows] == step.tick]
    for kind, mine in ((SHOT, rows[gun.brittle[rows] == 0]), (DART, rows[gun.brittle[rows] > 0])):
        if len(mine):
            motion = Motion(x=gun.x[mine], y=gun.y[mine], vx=gun.vx[mine], vy=gun.vy[mine])
            step.spawn(kind, motion, Mark(number=gun.number[mine]))


@game.system(Stage.TICK)
def launch(step: Step) -> None:
    """Let children come to their parents."""
    rows, dock, motion = step.rows(STATION), step[Dock], step[Motion]
    rows = rows[dock.at[rows] == step.tick]
    if not len(rows):
        return
    # In the tick in which they come their parents move, and they do not.
    step.spawn(
        CHILD,
        Parent(of=step.id[rows]),
        Motion(
            x=motion.x[rows] + dock.x[rows] + motion.vx[rows] * TICK_S,
            y=motion.y[rows] + dock.y[rows] + motion.vy[rows] * TICK_S,
            vx=motion.vx[rows],
            vy=motion.vy[rows],
        ),
        Body(radius=dock.radius[rows], mass=dock.mass[rows], group=step.id[rows]),
        Mark(number=dock.number[rows]),
        Dock(x=dock.x[rows], y=dock.y[rows]),
    )


@game.system(Stage.TICK, after=[launch])
def keep(step: Step) -> None:
    """Let children move as their parents do, and each push the other as far as that takes."""
    rows, motion, held, mass = step.rows(CHILD), step[Motion], step[Dock], step[Body].mass
    up = step.find(step[Parent].of[rows])
    rows, up = rows[up >= 0], up[up >= 0]
    share = (mass[rows] / (mass[rows] + mass[up])).astype(np.float64)
    for at, speed, beside in ((motion.x, motion.vx, held.x), (motion.y, motion.vy, held.y)):
        speed[up] += share * (speed[rows] - speed[up])
        speed[rows] = speed[up] + PULL_PER_S * (at[up] + beside[rows] - at[rows])


@game.system(Stage.CONTACT)
def tell(step: Step) -> None:
    """Tell who has begun to touch whom."""
    touches, number = step.contacts(Mark, Mark), step[Mark].number
    touches = touches.where(touches.first & (number[touches.a] < number[touches.b]))
    step.emit(Touch(by=number[touches.a], other=number[touches.b]), at=touches.a)


@game.system(Stage.CONTACT, after=[tell])
def burst(step: Step) -> None:
    """End what is brittle and has touched another one."""
    for kind in (SHELL, DART):
        step.despawn(np.unique(step.contacts(kind, Mark).a))


GAME: Final = declare(game)
NUMBER: Final = column_of(Mark, Mark.fields["number"])
PILOTED: Final = column_of(Engine, Engine.fields["by_pilot"])


@dataclass(slots=True)
class Ending:
    """What came of a scene; arrays are by the number of a body, from 1.

    Attributes:
        vx: float64[n + 1], units/s, NaN for who is not there, 0 if it has ended as it had to;
            likewise `vy`.
        mass: float64[n + 1]
        touches: how often two bodies have begun to touch.
        across: pairs of overlapping bodies of different owners, summed over all ticks.
        handovers: entities that changed hands.
    """

    vx: np.ndarray
    vy: np.ndarray
    mass: np.ndarray
    touches: Counter[tuple[int, int]]
    across: int
    handovers: int


def play(
    scene: Scene, seed: int, link: LinkConfig | None, order: np.ndarray | None = None
) -> Ending:
    """Play a scene.

    Args:
        scene: of bodies.
        seed: of the network.
        link: between shards and the authority; None for one shard without a network.
        order: int64[n], in which bodies come into the world; None is that of the scene.
    """
    shards = 1 if link is None else scene.shards
    cluster = Cluster(
        GAME, scene.layout, shards=shards, seed=seed, link=link, bots_max=max(1, scene.pilots)
    )
    _let_pilots_in(cluster, scene.pilots)
    spawns = Spawns(GAME, cluster.schema)
    first = cluster.tick
    across = 0

    def follow(cluster: Cluster) -> None:
        nonlocal across
        across += count_overlaps(cluster)
        chronicle.tell(published(cluster.core, cluster.rules))

    chronicle = Chronicle(cluster.schema)
    cluster.follow.append(follow)
    bodies = _records(scene, spawns, first)
    flown = bodies[PILOTED] > 0
    _put_crafts(cluster, bodies[flown])
    cluster.create(bodies[~flown] if order is None else bodies[order])
    if scene.guns is not None:
        cluster.create(_gun_records(scene, spawns, first))
    cluster.run_ticks(LASTS + SETTLES_TICKS)
    more = scene.guns or scene.docked
    count = 1 + len(bodies) + (0 if more is None else len(more.x))
    brittle = _brittle(scene, count)
    found = _speeds(cluster, brittle)
    for _ in range(ARRIVES_TICKS):
        if np.isfinite(found[0][1:]).all():
            break
        cluster.run_ticks(1)  # somebody is on its way from one shard to another
        found = _speeds(cluster, brittle)
    touches = chronicle.of(Touch)
    pairs = zip(touches.by.tolist(), touches.other.tolist(), strict=True)
    return Ending(*found, Counter(pairs), across, cluster.core.mesh.handovers)


def _let_pilots_in(cluster: Cluster, count: int) -> None:
    """Let pilots come, and wait until they fly."""
    behaviour = choose_behaviour(GAME, "burn")
    assert behaviour is not None
    for _ in range(count):
        cluster.add_bot(behaviour).come(cluster.now)
    cluster.run_until(
        lambda: all(bot.core is not None and bot.core.own_state for bot in cluster.bots), 10.0
    )
    cluster.run_ticks(FLIES_TICKS if count else 0)


def _put_crafts(cluster: Cluster, records: np.ndarray) -> None:
    """Put the pilots' crafts where they are to begin, `Schema.full_record[n]`."""
    core = cluster.core
    ids = [bot.core.net_id for bot in cluster.bots if bot.core is not None]
    assert len(ids) == len(records)
    if not ids:
        return
    columns = core.world.columns
    rows = columns.rows_of(ids)
    core.world.halt(rows, cluster.tick)
    # What its shard has proposed of it and not sent yet does not count any more.
    columns.epoch[rows] += np.uint32(1)
    for component in (Motion, Body, Mark, Engine):
        for field in component.fields.values():
            column = column_of(component, field)
            columns[column][rows] = records[column]
        core.world.mark_changed(name_of(component), rows, cluster.tick)
    cluster.lease(records)
    core.mesh.give_anew(columns.net_id[rows])


def count_overlaps(cluster: Cluster) -> int:
    """Count pairs of bodies of different owners that overlap as the authority has them."""
    world, columns = cluster.core.world, cluster.core.world.columns
    rows = columns.rows()
    rows = rows[np.isin(columns["kind"][rows], cluster.game.numbers(Body))]
    x, y, _ = world.locate(rows, cluster.tick)
    order = np.argsort(x, kind="stable")
    rows, x, y = rows[order], x[order], y[order]
    radius, owner = columns["radius"][rows].astype(np.float64), columns["shard"][rows]
    last = np.searchsorted(x, x + radius + radius.max(initial=0.0), side="right")
    found = 0
    for at, end in enumerate(last.tolist()):  # a few hundred bodies, 2 µs each
        others = slice(at + 1, end)
        if end > at + 1:
            apart = owner[others] != owner[at]
            near = np.hypot(x[others] - x[at], y[others] - y[at]) < radius[others] + radius[at]
            found += int((apart & near).sum())
    return found


def _records(scene: Scene, spawns: Spawns, first: int) -> np.ndarray:
    """Make the records of all bodies, in the order of the scene."""
    bodies = scene.bodies
    number = 1 + np.arange(len(bodies.x))
    thrusts = (bodies.ax != 0) | (bodies.ay != 0)
    made: list[np.ndarray] = []
    first_ones = np.diff(bodies.group, prepend=-1) > 0
    shells = first_ones & (scene.brittle and scene.guns is None)
    stations = first_ones & (scene.docked is not None)
    kinds = ((SHELL, shells), (STATION, stations), (CRAFT, thrusts))
    kind_of = np.select([chosen for _, chosen in kinds], [1, 2, 3], 0)
    for nth, kind in enumerate((ROCK, *(kind for kind, _ in kinds))):
        rows = np.flatnonzero(kind_of == nth)
        if len(rows):
            made.append(_records_of(kind, scene, spawns, rows, first))
    records = np.concatenate(made)
    return records[np.argsort(records[NUMBER])] if len(number) else records


def _records_of(
    kind: Kind, scene: Scene, spawns: Spawns, rows: np.ndarray, first: int
) -> np.ndarray:
    bodies = scene.bodies
    motion = Motion(x=bodies.x[rows], y=bodies.y[rows], vx=bodies.vx[rows], vy=bodies.vy[rows])
    parts: list[Component] = [
        motion,
        Body(radius=bodies.radius[rows], mass=bodies.mass[rows]),
        Mark(number=1 + rows),
    ]
    if kind is CRAFT:
        parts.append(
            Engine(
                ax=bodies.ax[rows],
                ay=bodies.ay[rows],
                begins=first + THRUST_FROM,
                ends=first + THRUST_UNTIL,
                by_pilot=np.arange(len(rows)) < scene.pilots,
            )
        )
    if kind is STATION:
        docked, group = scene.docked, bodies.group[rows]
        assert docked is not None
        parts.append(
            Dock(
                x=docked.x[group],
                y=docked.y[group],
                at=first + DOCKS_AT,
                radius=docked.radius[group],
                mass=docked.mass[group],
                number=1 + len(bodies.x) + group,
            )
        )
    return spawns.make(kind, parts)


def _gun_records(scene: Scene, spawns: Spawns, first: int) -> np.ndarray:
    guns, count = scene.guns, len(scene.bodies.x)
    assert guns is not None
    shot = Gun(
        at=first + guns.at,
        x=guns.shot_x,
        y=guns.shot_y,
        vx=guns.shot_vx,
        vy=guns.shot_vy,
        number=1 + count + np.arange(len(guns.x)),
        brittle=scene.brittle,
    )
    return spawns.make(GUN, [Motion(x=guns.x, y=guns.y), shot])


def _brittle(scene: Scene, count: int) -> np.ndarray:
    """Tell which bodies end as they touch another one, bool[count] by number."""
    brittle = np.zeros(count, np.bool_)
    if scene.brittle:
        bodies = len(scene.bodies.x)
        shells = 1 + np.flatnonzero(np.diff(scene.bodies.group, prepend=-1) > 0)
        brittle[shells if scene.guns is None else np.arange(1 + bodies, count)] = True
    return brittle


def _speeds(cluster: Cluster, brittle: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the velocities of all bodies as their owners have them, and their masses."""
    world = cluster.core.world.columns
    vx, vy, mass = (np.full(len(brittle), np.nan) for _ in range(3))
    for column in (vx, vy, mass):
        column[brittle] = 0.0
        column[world[NUMBER][world.rows()]] = np.nan
    for shard in cluster.shards:
        core = shard.core
        assert core is not None
        assert core.bodies is not None
        columns, rows = core.bodies.columns, core.bodies.rows()
        known = world.rows_of(columns.net_id[rows])
        mine = (known >= 0) & (world.epoch[known] == columns.epoch[rows])
        rows = rows[mine & (columns[NUMBER][rows] > 0)]
        number = columns[NUMBER][rows]
        vx[number], vy[number] = columns["vx"][rows], columns["vy"][rows]
        mass[number] = columns["mass"][rows]
    return vx, vy, mass
