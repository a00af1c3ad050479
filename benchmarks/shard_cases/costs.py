"""What a shard's tick costs: systems, contacts, moving bodies, and finding what has changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, TextIO

import numpy as np

from shard_cases.bodies import BODIES, measure_bare, measure_bodies
from shard_cases.islands import measure_islands
from sidereal.game import F4, Body, Component, Game, Kind, Motion, Stage, Step, field
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, schema_of
from sidereal.protocol.message.shard import Adopt
from sidereal.protocol.rules import Rules
from sidereal.shard.changes import Changes
from sidereal.shard.population import Population
from sidereal.shard.simulation import Simulation

RULES: Final = Rules()
TICK: Final = 100
ENTITIES, COMPONENTS, SYSTEMS, KINDS = 10_000, 24, 20, 4
PAIRS: Final = 1000
APART: Final = 60.0
"""World units between entities that do not touch."""
RADIUS: Final = 5.0


def measure(*, quick: bool, out: TextIO) -> dict[str, tuple[float, str]]:
    """Give the cases, each with its unit, and tell people about them; on one processor."""
    ticks, processors = 60 if quick else 300, os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(processors)})
    try:
        systems_ms, tick_ms = measure_systems(ticks)
        contacts_ms, pairs_ms = measure_contacts(ticks)
        changes_ms = measure_changes(ticks, share=0.01, by=1.0)
        drift_ms = measure_changes(ticks, share=1.0, by=0.001)
        islands_ms = measure_islands(ticks)
        bare_ms = measure_bare(ticks)
        adrift, thrusting = (measure_bodies(ticks, thrusting=on) for on in (False, True))
    finally:
        os.sched_setaffinity(0, processors)
    print(f"{ENTITIES:,} entities, {COMPONENTS} components, no system: {tick_ms:.2f} ms", file=out)
    print(f"{SYSTEMS} systems add {systems_ms:.2f} ms", file=out)
    print(f"{PAIRS:,} pairs that touch, unasked: {pairs_ms:.2f} ms", file=out)
    print(f"as columns they add {contacts_ms:.2f} ms", file=out)
    print(f"changes of 1 %: {changes_ms:.2f} ms, of all by little: {drift_ms:.2f} ms", file=out)
    print(f"islands, a tenth near borders: {islands_ms:.2f} ms", file=out)
    print(f"{BODIES:,} moving bodies, pymunk alone: {bare_ms:.2f} ms", file=out)
    for name, found in (("adrift", adrift), ("all thrusting", thrusting)):
        print(
            f"a shard's tick of them, {name}: {found.tick:.2f} ms, of which the step "
            f"{found.step:.2f}; {found.rows:.0f} rows are told",
            file=out,
        )
    return {
        "shard_systems_ms": (systems_ms, "ms"),
        "contacts_1000_ms": (contacts_ms, "ms"),
        "changes_10000_ms": (changes_ms, "ms"),
        "changes_drift_ms": (drift_ms, "ms"),
        "islands_10000_tenth_ms": (islands_ms, "ms"),
        "bodies_10000_ms": (adrift.tick, "ms"),
        "bodies_10000_thrusting_ms": (thrusting.tick, "ms"),
        "bodies_10000_pymunk_ms": (bare_ms, "ms"),
    }


def make_stepping(number: int) -> type[Component]:
    """A component with one column that has a quantum."""

    class Stepping(Component, name=f"bench.stepping_{number}"):
        value: F4 = field(0, low=0, high=1000, quantum=0.5)

    return Stepping


def make_component(number: int) -> type[Component]:
    """A component with one column."""
    namespace = {"__module__": __name__, "__annotations__": {"value": F4}}
    return type(f"Trait{number}", (Component,), namespace)


TRAITS = [make_component(number) for number in range(COMPONENTS)]


def kind_has(kind: int, trait: int) -> bool:
    """Every trait is of one or two kinds."""
    return trait % KINDS == kind or (trait % 2 == 0 and (trait + 1) % KINDS == kind)


def make_systems(*, with_systems: bool) -> Game:
    game = Game("traits")
    for kind in range(KINDS):
        traits = [TRAITS[at]() for at in range(COMPONENTS) if kind_has(kind, at)]
        game.kind(f"kind_{kind}", Motion(), Body(radius=RADIUS), *traits)
    for number in range(SYSTEMS if with_systems else 0):
        read, written = TRAITS[number], TRAITS[(number + KINDS) % COMPONENTS]
        game.system(tuple(Stage)[number % len(Stage)])(add_one(number, read, written))
    return game


def add_one(number: int, read: type[Component], written: type[Component]) -> Callable[[Step], None]:
    def system(step: Step) -> None:
        rows = step.rows(read, written)
        step[written].value[rows] += 1.0 + 0.0 * step[read].value[rows]  # type: ignore[attr-defined]

    system.__name__ = f"system_{number}"
    return system


def make_contacts(*, with_contacts: bool, seen: list[int]) -> Game:
    game = Game("touching")
    left = game.kind("left", Motion(), Body(radius=RADIUS))
    right = game.kind("right", Motion(), Body(radius=RADIUS))
    press(game, left, right)
    if with_contacts:

        @game.system(Stage.CONTACT)
        def look(step: Step) -> None:
            seen.append(len(step.contacts(left, right)))

    return game


def press(game: Game, left: Kind, right: Kind) -> None:
    """Let pairs press against each other in every physics step."""

    @game.system(Stage.SUBSTEP)
    def push(step: Step) -> None:
        step[Motion].vx[step.rows(left)] = 3.0
        step[Motion].vx[step.rows(right)] = -3.0


class World:
    """A shard with its entities, and how long its ticks take."""

    def __init__(self, game: Game, kinds: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
        declared = declare(game)
        schema = schema_of(declared)
        self.simulation = Simulation(declared, schema, RULES, np.random.default_rng(1))
        rows = np.zeros(len(kinds), schema.full_record)
        rows["id"], rows["epoch"], rows["tick"] = 1 + np.arange(len(kinds)), 1, TICK
        rows["kind"], rows["x"], rows["y"] = kinds, x, y
        rows["radius"], rows["mass"] = RADIUS, 1.0
        for start in range(0, len(rows), 1000):
            part = rows[start : start + 1000]
            self.simulation.apply(Adopt(TICK, part.tobytes(), b""), TICK)
        self.tick = TICK
        self.spent_s: list[float] = []

    def step(self) -> None:
        self.tick += 1
        began = time.process_time()
        self.simulation.step(self.tick)
        self.spent_s.append(time.process_time() - began)

    def median_ms(self) -> float:
        return 1000 * float(np.median(self.spent_s[10:]))


def spread(count: int) -> tuple[np.ndarray, np.ndarray]:
    side = int(np.ceil(np.sqrt(count)))
    at = np.arange(count)
    return APART * (at % side), APART * (at // side)


def measure_systems(ticks: int) -> tuple[float, float]:
    """What systems add, and the tick without them, ms."""
    kinds = 1 + np.arange(ENTITIES) % KINDS
    worlds = [
        World(make_systems(with_systems=on), kinds, *spread(ENTITIES)) for on in (False, True)
    ]
    for _ in range(ticks):
        for world in worlds:
            world.step()
    check_systems(worlds[1], ticks)
    bare_ms, whole_ms = (world.median_ms() for world in worlds)
    return whole_ms - bare_ms, bare_ms


def check_systems(world: World, ticks: int) -> None:
    """Every column has what its system has added to it, where both traits are, and no more."""
    columns = world.simulation.population.columns
    runs = {stage: ticks * (RULES.substeps if stage is Stage.SUBSTEP else 1) for stage in Stage}
    for number in range(SYSTEMS):
        read, written = number, (number + KINDS) % COMPONENTS
        kinds = [kind for kind in range(KINDS) if kind_has(kind, read) and kind_has(kind, written)]
        values = columns[column_of(TRAITS[written], TRAITS[written].fields["value"])]
        rows = columns.rows()
        both = np.isin(columns["kind"][rows] - 1, kinds)
        expected = np.where(both, runs[tuple(Stage)[number % len(Stage)]], 0)
        assert both.any()
        assert np.array_equal(values[rows], expected), number


def measure_changes(ticks: int, share: float, by: float) -> float:
    """What it costs to find changes of so large a share of the rows of 20 components, ms."""
    parts = [make_stepping(number) for number in range(SYSTEMS)]
    game = Game("stepping")
    for kind in range(KINDS):
        game.kind(f"kind_{kind}", Motion(), Body(), *(part() for part in parts[kind::KINDS]))
    schema = schema_of(declare(game))
    population = Population(schema)
    flown = np.zeros(256, np.bool_)
    changes = Changes(population, schema, RULES, frozenset(), flown)
    records = schema.first[1 + np.arange(ENTITIES) % KINDS]
    records["id"] = 1 + np.arange(ENTITIES)
    rows = population.load(records, own=True)
    spent_s, rng = [], np.random.default_rng(1)
    for tick in range(TICK, TICK + ticks):
        wanted = 0
        for number, part in enumerate(parts):
            mine = rows[number % KINDS :: KINDS]
            some = mine[rng.random(len(mine)) < share]
            population.columns[column_of(part, part.fields["value"])][some] += np.float32(by)
            wanted += len(some) if by >= 0.5 else 0
        began = time.process_time()
        found = changes.collect(tick, np.empty(0, np.int64))
        spent_s.append(time.process_time() - began)
        assert sum(map(len, found.values())) >= wanted
    return 1000 * float(np.median(spent_s[10:]))


def measure_contacts(ticks: int) -> tuple[float, float]:
    """What contacts add, and the tick without them, ms."""
    x, y = spread(PAIRS)
    kinds = np.repeat([1, 2], PAIRS)
    places = np.concatenate([x, x + 2 * RADIUS - 0.05]), np.concatenate([y, y])
    seen: list[int] = []
    worlds = [
        World(make_contacts(with_contacts=on, seen=seen), kinds, *places) for on in (False, True)
    ]
    for _ in range(ticks):
        for world in worlds:
            world.step()
    assert set(seen) == {PAIRS}, set(seen)
    bare_ms, whole_ms = (world.median_ms() for world in worlds)
    return whole_ms - bare_ms, bare_ms
