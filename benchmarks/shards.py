"""What game logic costs a shard, and what borders between shards cost those who meet on them.

`uv run python benchmarks/shards.py [GROUP ...]`, of these groups of cases:

`costs`: processor time of one core, medians over ticks. `shard_systems_ms`: what 20 systems add to
a tick of 10,000 entities of four kinds with 24 components; each system reads a component and writes
another one of the 2,500 to 5,000 entities that have both. `contacts_1000_ms`: what it adds to a
tick that 1,000 pairs of bodies touch in each of its physics steps and a system asks for them, of
two kinds. Both are differences: the same world is run with and without, in turns.
`changes_10000_ms`: what it costs to find what has changed of these 10,000 entities, motion
included, when 1 % of the rows of 20 components X
`seam`: in virtual time, shards 0 ms and 40 ms from the authority, the latter with 5 ms of jitter.
1,000 pairs meet on the borders of two shards, 500 shots come into the world one to three ticks
before they hit who is just beyond a border, and 200 threes meet at corners of four shards; then
bots crowd at such a corner. The same bodies on one shard without a network say what should have
come of it. `seam_velocity_error` and `seam_momentum_error` are those of the worst pair,
`point_blank_outside_share` and `triples_outside` count groups of which a velocity is off by more
than 1 %, and by more than one shard's own when bodies come into the world in another order;
`seam_missed`, `seam_doubled` are contacts that did not happen, or happened once more, as systems of
shards told and the authority believed them; `cross_shard_contacts` are pairs of different owners
that overlap as the authority has them, summed over all ticks.

`star`: in virtual time, 200 bots of the world `star` and 4 shards, until 10,000 ships have changed
hands, at the same two delays: `handover_…`.

`crowds`: in virtual time, at the same two delays: 300 ships thrust to a corner of four shards that
are to hold 100 of an island, so it is cut. When they have come to rest: `crowd_pairs` overlap by
more than 0.2 units, as a mean over ticks, `crowd_deepest_units` is the worst of them, and
`crowd_handovers` change hands in a second. `crowd_speed_over_one_shard` is how much faster they
are than those on one shard. Beside them stand heaps without shadows, and with one layer of them.

`balance`: the rule alone: 2,000 bots that gather and scatter at eight points, four shards.
`balance_max_over_mean`: what the busiest shard has to do against the mean, over all of the time;
`balance_uneven_max_over_mean`: half of the points lie in one corner, and crowds differ.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Final, TextIO

import numpy as np
from results import make_parser, publish, result, table
from shard_cases import crowds, pile, seam, star
from shard_cases.islands import measure_islands

from sidereal.game import F4, Body, Component, Game, Kind, Motion, Stage, Step, field
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, schema_of
from sidereal.protocol.message.shard import Adopt
from sidereal.protocol.rules import Rules
from sidereal.shard.changes import Changes
from sidereal.shard.population import Population
from sidereal.shard.simulation import Simulation

Results = dict[str, dict[str, Any]]

RULES = Rules()
TICK = 100
ENTITIES, COMPONENTS, SYSTEMS, KINDS = 10_000, 24, 20, 4
PAIRS = 1000
APART = 60.0
"""World units between entities that do not touch."""
RADIUS = 5.0


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


def measure_costs(quick: bool, out: TextIO) -> Results:
    """What logic costs: `shard_systems_ms`, `contacts_1000_ms`, `changes_…`, `islands_…`."""
    ticks = 60 if quick else 300
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    systems_ms, tick_ms = measure_systems(ticks)
    contacts_ms, pairs_ms = measure_contacts(ticks)
    changes_ms = measure_changes(ticks, share=0.01, by=1.0)
    drift_ms = measure_changes(ticks, share=1.0, by=0.001)
    islands_ms = measure_islands(ticks)
    print(f"{ENTITIES:,} entities, {COMPONENTS} components, no system: {tick_ms:.2f} ms", file=out)
    print(f"{SYSTEMS} systems add {systems_ms:.2f} ms", file=out)
    print(f"{PAIRS:,} pairs that touch, unasked: {pairs_ms:.2f} ms", file=out)
    print(f"as columns they add {contacts_ms:.2f} ms", file=out)
    print(f"changes of 1 %: {changes_ms:.2f} ms, of all by little: {drift_ms:.2f} ms", file=out)
    print(f"islands, a tenth near borders: {islands_ms:.2f} ms", file=out)
    return {
        "shard_systems_ms": result(systems_ms, "ms"),
        "contacts_1000_ms": result(contacts_ms, "ms"),
        "changes_10000_ms": result(changes_ms, "ms"),
        "changes_drift_ms": result(drift_ms, "ms"),
        "islands_10000_tenth_ms": result(islands_ms, "ms"),
    }


def measure_seam(quick: bool, out: TextIO) -> Results:
    """Collisions over borders: `seam_…`, `point_blank_…`, `triples_…`, `cross_shard_contacts`."""
    judged = seam.judge(quick=quick)
    print("\n".join(seam.tabulate(judged)), file=out)
    numbers = seam.numbers(judged)
    bots, seconds = (40, 20.0) if quick else (150, 30.0)
    across = 0
    for delay, link in seam.LINKS.items():
        overlaps, handovers = star.crowd(bots, seconds, link)
        across += overlaps
        print(
            f"crowd of {bots}, 4 shards, {delay} ms: {overlaps} pairs of different owners overlap, "
            f"summed over the ticks of {seconds:.0f} s; {handovers} handovers",
            file=out,
        )
    contacts, unit = numbers["cross_shard_contacts"]
    numbers["cross_shard_contacts"] = contacts + across, unit
    return {name: result(value, unit) for name, (value, unit) in numbers.items()}


def measure_star(quick: bool, out: TextIO) -> Results:
    """Bots that fly between shards: `handover_…`."""
    flown, alone = star.measure(seam.LINKS, quick=quick)
    print("\n".join(star.tabulate(flown, alone)), file=out)
    return {name: result(*value) for name, value in star.numbers(flown, alone).items()}


def measure_crowds(quick: bool, out: TextIO) -> Results:
    """Crowds that are cut: `crowd_…`."""
    heaps = pile.measure(seam.LINKS, quick=quick)
    print("\n".join(pile.tabulate(heaps)), file=out)
    return {name: result(*value) for name, value in pile.numbers(heaps).items()}


def measure_balance(quick: bool, out: TextIO) -> Results:
    """How evenly sectors are shared out."""
    seconds = 60.0 if quick else 300.0
    even = crowds.replay(crowds.EVEN, seconds=seconds)
    uneven = crowds.replay(crowds.UNEVEN, crowds.CROWDS, seconds)
    for name, found in (("even", even), ("uneven", uneven)):
        print(
            f"{name} crowds: the busiest of four shards has {found.max_over_mean:.2f} of the mean "
            f"to do; {found.moved_per_s:.0f} bots/s change hands with their sectors",
            file=out,
        )
    return {
        "balance_max_over_mean": result(even.max_over_mean, "ratio"),
        "balance_uneven_max_over_mean": result(uneven.max_over_mean, "ratio"),
    }


ASKED: Final = {
    "balance_max_over_mean": 1.2,
    "balance_uneven_max_over_mean": 1.3,
    "islands_10000_tenth_ms": 0.7,
    "seam_velocity_error": 0.01,
    "seam_momentum_error": 0.001,
    "seam_missed": 0,
    "seam_doubled": 0,
    "point_blank_outside_share": 0.03,
    "triples_outside": 0,
    "cross_shard_contacts": 0,
    "handover_lost": 0,
    "handover_doubled": 0,
    "handover_inputs_lost": 0,
    "handover_inputs_doubled": 0,
    "handover_jump_units_p99": 0.2,
    "handover_gap_ticks_max": 1,
    "handover_gap_40ms_ticks_max": 2,
}
"""At most."""
GROUPS: Final = {
    "costs": measure_costs,
    "seam": measure_seam,
    "star": measure_star,
    "crowds": measure_crowds,
    "balance": measure_balance,
}


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="of cases; all unless told")
    flags = parser.parse_args()
    unknown = [name for name in flags.groups if name not in GROUPS]
    if unknown:
        parser.error(f"there is no group {unknown[0]!r}; there are: {', '.join(GROUPS)}")
    results: Results = {}
    for name in flags.groups or GROUPS:
        results |= GROUPS[name](flags.quick, table(flags))
    for name, asked in ASKED.items():
        if name in results:
            value, unit = results[name]["value"], results[name]["unit"]
            met = "" if value <= asked else ", missed"
            print(f"{name}: {value:.4g} {unit}, asked at most {asked:g}{met}", file=table(flags))
    publish(flags, results)


if __name__ == "__main__":
    main()
