"""Contacts that formed before an adoption came end as in one simulation that had everybody."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import pytest

from sidereal.game import (
    I1,
    U4,
    Body,
    Component,
    Controls,
    Game,
    Motion,
    Pilot,
    Rows,
    Stage,
    Step,
    axis,
)
from sidereal.game.bits import pack
from sidereal.game.declarations import Declarations, declare
from sidereal.game.schema import schema_of
from sidereal.protocol.message.codec import INPUT_ROW
from sidereal.protocol.message.inputs import Input, RoutedInput
from sidereal.protocol.message.shard import Adopt, Release
from sidereal.protocol.rules import Rules
from sidereal.shard.limits import LIMITS, Limits
from sidereal.shard.simulation import Simulation

RULES = Rules()
START: Final = 100
CRAFT, ROCK, ZONE = 1, 2, 3
PUSH: Final = 80.0
"""Of engines, units/s²."""
WALL: Final = 1000.0
"""y at which a system turns back whatever flies up."""
MOTION = ("x", "y", "vx", "vy", "heading", "spin")


class Stick(Controls):
    thrust: I1 = axis("W", "S")


class Shots(Component):
    """How often a craft has fired: once in every tick in which it thrusts."""

    fired: U4


class Met(NamedTuple):
    """A contact that a game was told of."""

    tick: int
    pair: tuple[int, int]
    first: bool
    impulse: float


class Thing(NamedTuple):
    """What there is at the start; thrusts with `held` all the time, if it is a craft."""

    net_id: int
    x: float
    y: float = 0.0
    vx: float = 0.0
    vy: float = 0.0
    kind: int = CRAFT
    mass: float = 10.0
    radius: float = 8.0
    heading: float = 0.0
    held: int = 0


def make_game(met: list[Met]) -> Declarations:
    game = Game("late")
    game.kind("craft", Motion(), Body(), Pilot(), Shots())
    game.kind("rock", Motion(), Body())
    game.kind("zone", Motion(), Body(), sensor=True)

    @game.model(Motion, reads=(Stick,))
    def fly(own: Rows) -> None:
        motion, thrust = own[Motion], own[Stick].thrust
        motion.vx += PUSH * own.dt * thrust * np.cos(motion.heading)
        motion.vy += PUSH * own.dt * thrust * np.sin(motion.heading)

    @game.model(Shots, reads=(Stick,), stage=Stage.TICK)
    def fire(own: Rows) -> None:
        own[Shots].fired += own[Stick].thrust != 0

    @game.system(Stage.TICK)
    def turn_back(step: Step) -> None:
        motion = step[Motion]
        motion.vy[(motion.y >= WALL) & (motion.vy > 0)] *= -1

    @game.system(Stage.CONTACT)
    def note(step: Step) -> None:
        contacts = step.contacts(Motion, Motion)
        seen = set()
        for a, b, first, impulse in zip(
            step.id[contacts.a].tolist(),
            step.id[contacts.b].tolist(),
            contacts.first.tolist(),
            contacts.impulse.tolist(),
            strict=True,
        ):
            pair = (min(a, b), max(a, b))
            if pair not in seen:
                seen.add(pair)
                met.append(Met(step.tick, pair, first, impulse))

    return declare(game)


class Shard:
    """One simulation, and what its game was told."""

    def __init__(self, things: Sequence[Thing], limits: Limits = LIMITS) -> None:
        self.met: list[Met] = []
        declared = make_game(self.met)
        self.schema = schema_of(declared)
        self.simulation = Simulation(
            declared, self.schema, RULES, np.random.default_rng(1), limits, strict=True
        )
        self.tick = START
        self.held = {thing.net_id: thing.held for thing in things}
        if things:
            self.simulation.apply(Adopt(START, self._rows(things).tobytes(), b""), START)

    def _rows(self, things: Sequence[Thing]) -> np.ndarray:
        rows = np.zeros(len(things), self.schema.full_record)
        rows["epoch"], rows["tick"] = 1, START
        for at, thing in enumerate(things):
            rows["id"][at], rows["kind"][at] = thing.net_id, thing.kind
            rows["control_epoch"][at] = thing.kind == CRAFT
            for name in ("x", "y", "vx", "vy", "mass", "radius", "heading"):
                rows[name][at] = getattr(thing, name)
        return rows

    def run(self, until: int) -> None:
        while self.tick < until:
            self.tick += 1
            for net_id, held in self.held.items():
                record = int(pack(Stick(thrust=held)))
                seq = self.tick - START
                self.simulation.take_input(RoutedInput(net_id, Input(1, seq, (record,))))
            self.simulation.step(self.tick)
            self.simulation.collect_proposals(self.tick)

    def rows_of(self, *net_ids: int) -> np.ndarray:
        """Rows as they are proposed, and handed on under the next epoch."""
        columns = self.simulation.bodies.columns
        rows = columns.store(columns.rows_of(list(net_ids)), self.schema.full_record)
        rows["tick"], rows["epoch"] = self.tick, rows["epoch"] + 1
        return rows

    def states(self, *net_ids: int) -> np.ndarray:
        columns = self.simulation.bodies.columns
        rows = columns.rows_of(list(net_ids))
        return np.column_stack([columns[name][rows] for name in MOTION])

    def mass(self, *net_ids: int) -> np.ndarray:
        columns = self.simulation.bodies.columns
        return np.asarray(columns["mass"][columns.rows_of(list(net_ids))], np.float64)

    def adopt(self, rows: np.ndarray, held: dict[int, int]) -> None:
        """Take over what others have flown up to the ticks of these rows, and what pilots hold."""
        inputs = [
            (net_id, seq, int(pack(Stick(thrust=thrust))))
            for net_id, thrust in held.items()
            for seq in range(1, self.tick - START + 1)
        ]
        inputs = [
            each for each in inputs if each[1] >= rows["input_seq"][rows["id"] == each[0]].min()
        ]
        self.simulation.apply(
            Adopt(self.tick, rows.tobytes(), np.array(inputs, INPUT_ROW).tobytes()), self.tick
        )
        self.held |= held

    @property
    def counts(self) -> tuple[int, int]:
        statistics = self.simulation.statistics()
        return statistics.resimulated, statistics.adopted_late


def hand_over(
    ours: Sequence[Thing],
    theirs: Sequence[Thing],
    late: int,
    *,
    decided: int = 5,
    lost: int = 0,
    limits: Limits = LIMITS,
) -> tuple[Shard, Shard]:
    """Let a shard adopt what another one has.

    Args:
        ours: what it has.
        theirs: what it adopts.
        late: ticks after that of the decision.
        decided: ticks after the start.
        lost: of those, the last whose rows did not come.
        limits: of the shard.

    Returns:
        the shard, and one that has had everybody all the time, both at the same tick.
    """
    shard, other, judge = Shard(ours, limits), Shard(theirs), Shard([*ours, *theirs])
    other.run(START + decided - lost)
    shard.run(START + decided + late)
    rows = other.rows_of(*(thing.net_id for thing in theirs))
    shard.adopt(rows, {thing.net_id: thing.held for thing in theirs if thing.kind == CRAFT})
    judge.run(shard.tick)
    return shard, judge


def compare(shard: Shard, judge: Shard, *net_ids: int, share: float = 0.01) -> None:
    """Demand velocities within a share of the fastest one, and the same momentum."""
    found, wanted = shard.states(*net_ids), judge.states(*net_ids)
    fastest = np.hypot(wanted[:, 2], wanted[:, 3]).max()
    np.testing.assert_allclose(found[:, 2:4], wanted[:, 2:4], rtol=0, atol=share * fastest)
    np.testing.assert_allclose(found[:, :2], wanted[:, :2], rtol=0, atol=0.1)
    mass = shard.mass(*net_ids)[:, None]
    momentum = (mass * found[:, 2:4]).sum(axis=0) - (mass * wanted[:, 2:4]).sum(axis=0)
    assert np.abs(momentum).max() <= 1e-3 * (mass[:, 0] * fastest).sum()


def pairs_of(met: list[Met]) -> list[tuple[int, int]]:
    """Pairs that began to touch, in order."""
    return sorted(each.pair for each in met if each.first)


SPEED: Final = 60.0


def facing(ticks: float, held: int = 0) -> tuple[Thing, Thing]:
    """Two craft that meet so many ticks after the start, off their middles."""
    seconds = ticks * RULES.tick_s
    gap = 15.7 + 2 * (SPEED * seconds + held * PUSH * seconds**2 / 2)
    return (
        Thing(1, -gap / 2, 0.0, SPEED, held=held),
        Thing(2, gap / 2, 3.0, -SPEED, mass=15.0, heading=math.pi, held=held),
    )


@pytest.mark.parametrize("held", [0, 1, -1])
@pytest.mark.parametrize("late", [1, 2, 3])
@pytest.mark.parametrize("after", [0.1, 0.45, 0.8])
def test_a_contact_that_formed_before_the_adoption_came_is_repaired(
    late: int, after: float, held: int
) -> None:
    ours, theirs = facing(5 + late - 1 + after, held)
    shard, judge = hand_over([ours], [theirs], late)
    shard.run(shard.tick + 4)
    judge.run(judge.tick + 4)
    compare(shard, judge, 1, 2)
    assert pairs_of(shard.met) == pairs_of(judge.met) == [(1, 2)]
    assert shard.counts == (2, 0)


def test_who_is_adopted_in_time_is_only_flown_on() -> None:
    ours, theirs = facing(7.5)
    shard, judge = hand_over([ours], [theirs], 2)
    shard.run(shard.tick + 4)
    judge.run(judge.tick + 4)
    compare(shard, judge, 1, 2)
    assert shard.met == judge.met
    assert shard.counts == (0, 0)


def test_a_row_that_is_older_by_a_loss_is_flown_again_from_its_own_tick() -> None:
    # Together before the tick of the decision, and before the newest row that did not come.
    ours, theirs = facing(3.5, 1)
    shard, judge = hand_over([ours], [theirs], 1, lost=3)
    shard.run(shard.tick + 4)
    judge.run(judge.tick + 4)
    compare(shard, judge, 1, 2)
    assert pairs_of(shard.met) == [(1, 2)]


@pytest.mark.parametrize("late", [1, 2, 3])
def test_rocks_are_repaired_though_nobody_flies_them(late: int) -> None:
    ours, theirs = (thing._replace(kind=ROCK) for thing in facing(5 + late - 0.5))
    shard, judge = hand_over([ours], [theirs], late)
    shard.run(shard.tick + 3)
    judge.run(judge.tick + 3)
    compare(shard, judge, 1, 2)
    assert pairs_of(shard.met) == [(1, 2)]


@pytest.mark.parametrize("late", [1, 2, 3])
@pytest.mark.parametrize("apart", [0.05, 0.5, 2.0])
def test_a_contact_at_point_blank_is_repaired(late: int, apart: float) -> None:
    ours = Thing(1, 0.0, 0.0, 0.0, 0.0)
    theirs = Thing(2, 16.0 + apart + 5 * SPEED * RULES.tick_s, 4.0, -SPEED, mass=4.0)
    shard, judge = hand_over([ours], [theirs], late)
    shard.run(shard.tick + 4)
    judge.run(judge.tick + 4)
    compare(shard, judge, 1, 2)
    assert pairs_of(shard.met) == pairs_of(judge.met) == [(1, 2)]


@pytest.mark.parametrize("late", [1, 2, 3])
def test_who_is_pushed_into_a_third_one_pushes_that(late: int) -> None:
    ours, theirs = facing(5.1)
    third = Thing(3, ours.x - 18.0, -1.0, SPEED)
    bystander = Thing(4, 0.0, 60.0, 3.0, -2.0)
    shard, judge = hand_over([ours, third, bystander], [theirs], late)
    shard.run(shard.tick + 4)
    judge.run(judge.tick + 4)
    compare(shard, judge, 1, 2, 3)
    np.testing.assert_array_equal(shard.states(4), judge.states(4))
    assert pairs_of(shard.met) == pairs_of(judge.met)


def test_whole_islands_are_repaired_and_their_own_contacts_told() -> None:
    ours, theirs = facing(6.2)
    behind = theirs._replace(net_id=3, x=theirs.x + 18.0, y=theirs.y + 2.0, vx=-SPEED - 40.0)
    shard, judge = hand_over([ours], [theirs, behind], 3)
    shard.run(shard.tick + 4)
    judge.run(judge.tick + 4)
    compare(shard, judge, 1, 2, 3)
    told = set(pairs_of(judge.met))
    # What their former owner has told its game by the tick of the rows is not told again.
    early = {each.pair for each in judge.met if each.tick <= START + 5}
    assert told - early <= set(pairs_of(shard.met)) <= told


def test_adoptions_in_one_tick_are_one_repair() -> None:
    ours, theirs = facing(6.2)
    behind = theirs._replace(net_id=3, x=theirs.x + 17.5, vx=-SPEED - 20.0)
    shard, other, judge = Shard([ours]), Shard([theirs, behind]), Shard([ours, theirs, behind])
    other.run(START + 5)
    shard.run(START + 8)
    for net_id in (3, 2):
        shard.adopt(other.rows_of(net_id), {net_id: 0})
    shard.run(START + 12)
    judge.run(START + 12)
    compare(shard, judge, 1, 2, 3)
    assert len(pairs_of(shard.met)) == len(set(pairs_of(shard.met)))


def test_what_was_adopted_lately_is_known_to_the_next_repair() -> None:
    first, second = facing(7.5)
    shard, other, judge = Shard([]), Shard([first, second]), Shard([first, second])
    other.run(START + 5)
    shard.run(START + 8)
    rows = other.rows_of(1, 2)
    shard.adopt(rows[:1], {1: 0})
    shard.run(START + 9)
    shard.adopt(rows[1:], {2: 0})
    shard.run(START + 12)
    judge.run(START + 12)
    compare(shard, judge, 1, 2)
    assert pairs_of(shard.met) == [(1, 2)]


def test_a_contact_among_those_that_were_there_is_not_told_again() -> None:
    # Without the second craft, the third one runs into the first one, two ticks later.
    ours, theirs = facing(6.0)
    other = Thing(3, ours.x - 31.0, 0.0, SPEED + 40.0)
    shard, judge = hand_over([ours, other], [theirs], 3)
    shard.run(shard.tick + 3)
    judge.run(judge.tick + 3)
    # Two contacts of one pair in the ticks gone by are told as one.
    assert pairs_of(shard.met) == sorted(set(pairs_of(judge.met))) == [(1, 2), (1, 3)]
    compare(shard, judge, 1, 2, 3)


def test_what_models_write_beside_motion_comes_about_once() -> None:
    ours, theirs = facing(6.5, 1)
    shard, judge = hand_over([ours], [theirs], 2)
    shard.run(shard.tick + 1)
    judge.run(judge.tick + 1)
    name = "test_repairs_shots_fired"
    columns = shard.simulation.bodies.columns
    fired = columns[name][columns.rows_of([1, 2])].tolist()
    assert fired == [shard.tick - START] * 2
    assert shard.counts[0] == 2


def test_what_systems_did_to_who_came_out_as_before_is_kept() -> None:
    # The second rock meets the first one, and is turned back at the wall three ticks later.
    first = Thing(1, 0.0, WALL - 1.7, kind=ROCK, mass=1000.0)
    second = Thing(2, 16.0 + 5.7 * 3.0, WALL - 8.0, -SPEED, 20.0, kind=ROCK)
    # The third one passes by the first, nearer than it is sure that nothing comes of it.
    third = Thing(3, -16.3, WALL - 1.7 + 5.5 * 3.0, 0.0, -SPEED, kind=ROCK)
    shard, judge = hand_over([first, second], [third], 6)
    assert judge.states(2)[0, 3] < 0
    shard.run(shard.tick + 1)
    judge.run(judge.tick + 1)
    np.testing.assert_allclose(shard.states(1, 2, 3), judge.states(1, 2, 3), atol=1e-9)
    assert shard.counts == (2, 0)


def test_who_is_being_pushed_apart_already_goes_on_with_it() -> None:
    first, second = Thing(1, 0.0, kind=ROCK), Thing(2, 2.0, 3.0, kind=ROCK)
    third = Thing(3, -24.0 - 6.3 * 3.0, 0.0, SPEED, kind=ROCK)
    shard, judge = hand_over([first, second], [third], 4)
    shard.run(shard.tick + 1)
    judge.run(judge.tick + 1)
    assert {(1, 2), (1, 3)} <= {each.pair for each in shard.met}
    np.testing.assert_allclose(shard.states(1, 2, 3), judge.states(1, 2, 3), atol=1e-6)
    assert shard.counts == (3, 0)


def test_who_is_let_in_while_it_is_being_pushed_apart_goes_on_with_it() -> None:
    first, second = Thing(1, 0.0, kind=ROCK), Thing(2, 2.0, 3.0, kind=ROCK)
    third = Thing(3, -24.0 - 7.3 * 3.0, 0.0, SPEED, kind=ROCK)
    # Elsewhere two have come together two ticks earlier: from then on all is simulated again.
    fourth = Thing(4, 0.0, 500.0, kind=ROCK)
    fifth = Thing(5, -16.0 - 5.3 * 3.0, 500.0, SPEED, kind=ROCK)
    shard, judge = hand_over([first, second, fourth], [third, fifth], 4)
    shard.run(shard.tick + 1)
    judge.run(judge.tick + 1)
    everybody = 1, 2, 3, 4, 5
    np.testing.assert_allclose(shard.states(*everybody), judge.states(*everybody), atol=1e-6)
    assert shard.counts[1] == 0


def test_who_was_pushed_by_one_that_is_not_let_in_pushes_others_as_far_as_it_did() -> None:
    # The last of a row of three pushes the second into the first, a tick before that is struck.
    # The second is let in early, with a bystander; the last is never near enough.
    first, second = Thing(1, 0.0, kind=ROCK), Thing(2, -17.5, kind=ROCK)
    last = Thing(3, second.x - 15.5 - 10.0 * 3.0, 0.0, SPEED, kind=ROCK)
    bystander = Thing(4, -19.0, -19.5, kind=ROCK, radius=2.0)
    striker = Thing(5, -4.0, -13.0 - 12.0 * 3.0, 0.0, SPEED, kind=ROCK)
    # It makes the striker go another way early on, though hardly.
    feather = Thing(6, 12.0, striker.y, -20.0, SPEED, kind=ROCK, mass=1e-3, radius=2.0)
    shard, judge = hand_over([first, second, last, bystander, feather], [striker], 7)
    shard.run(shard.tick + 1)
    judge.run(judge.tick + 1)
    assert [(each.tick - START, each.pair) for each in judge.met] == [
        (6, (5, 6)),
        (10, (2, 3)),
        (11, (1, 2)),
        (12, (1, 5)),
    ]
    np.testing.assert_allclose(shard.states(1, 2, 3, 5), judge.states(1, 2, 3, 5), atol=1e-6)
    assert shard.counts == (3, 0)


def test_who_flew_through_another_one_is_not_pushed_by_it_when_that_is_played_again() -> None:
    limits = replace(LIMITS, resimulated_ticks=6)
    # The flier is inside the first one as long as anybody remembers, so it goes on from where it
    # is: they never touched. A tick after it has left it, the first one is struck.
    first, flier = Thing(1, 0.0, kind=ROCK), Thing(2, 9.5 - 11 * 3.0, 0.0, SPEED, radius=2.0)
    striker = Thing(5, -4.0, -13.0 - 12.0 * 3.0, 0.0, SPEED, kind=ROCK)
    # It makes the striker go another way before, though hardly: so others are let in.
    feather = Thing(6, 14.0, striker.y, -20.0, SPEED, kind=ROCK, mass=1e-3, radius=2.0)
    shard, fliers, strikers = Shard([first, feather], limits), Shard([flier]), Shard([striker])
    judge = Shard([first, feather, striker])
    fliers.run(START + 4)
    strikers.run(START + 5)
    shard.run(START + 11)
    shard.adopt(fliers.rows_of(2), {2: 0})
    shard.run(START + 12)
    assert shard.counts == (0, 1)
    shard.adopt(strikers.rows_of(5), {})
    shard.run(START + 13)
    judge.run(START + 13)
    assert pairs_of(shard.met) == pairs_of(judge.met) == [(1, 5), (5, 6)]
    np.testing.assert_allclose(shard.states(1, 5, 6), judge.states(1, 5, 6), atol=1e-6)
    assert shard.counts == (3, 1)


def test_who_was_met_before_somebody_came_another_way_is_not() -> None:
    struck = Thing(1, 0.0, 0.0)
    striker = Thing(2, -16.0 - 5.3 * 3.0, 0.0, SPEED)
    # The third one would be in the way of the first, but runs into the fourth before it is.
    third = Thing(3, 20.5, -90.0, 0.0, 240.0)
    fourth = Thing(4, 20.5, -5.6, radius=2.0)
    shard, judge = hand_over([struck, fourth], [striker, third], 3)
    shard.run(shard.tick + 1)
    judge.run(judge.tick + 1)
    compare(shard, judge, 1, 2, 3, 4)
    assert shard.counts[1] == 0


def crowd(seed: int) -> tuple[list[Thing], list[Thing], int]:
    """Rocks of ours and theirs that all come to one place in the ticks before an adoption."""
    rng = np.random.default_rng(seed)
    theirs, ours, late = int(rng.integers(3, 6)), int(rng.integers(3, 6)), int(rng.integers(4, 7))
    things = []
    for number in range(theirs + ours):
        at_s = rng.uniform(5.2, 5 + late) * RULES.tick_s
        x, y = rng.uniform(-30, 30, 2)
        speed = rng.uniform(0, 220) if number < theirs else rng.uniform(0, 120)
        course = rng.uniform(0, math.tau)
        vx, vy = speed * math.cos(course), speed * math.sin(course)
        mass, radius = rng.uniform(5, 30), rng.uniform(4, 7)
        place = x - vx * at_s, y - vy * at_s
        things.append(Thing(number + 1, *place, vx, vy, kind=ROCK, mass=mass, radius=radius))
    return things[:theirs], things[theirs:], late


# In the first two somebody was struck by one that is struck by another one before, or in the same
# tick, when these ticks are simulated again; in the next three contacts lead to others.
@pytest.mark.parametrize("seed", [960, 8793, 6245, 258, 373])
def test_many_that_meet_within_a_few_ticks_end_as_in_one_simulation(seed: int) -> None:
    theirs, ours, late = crowd(seed)
    shard, judge = hand_over(ours, theirs, late)
    before = {each.pair for each in shard.met}
    shard.run(shard.tick + 1)
    judge.run(judge.tick + 1)
    everybody = [thing.net_id for thing in (*theirs, *ours)]
    np.testing.assert_allclose(shard.states(*everybody), judge.states(*everybody), atol=1e-6)
    assert set(pairs_of(shard.met)) - before == set(pairs_of(judge.met)) - before
    assert shard.counts[1] == 0


def test_who_was_touched_in_a_tick_gone_by_may_have_left_since() -> None:
    # The second is struck by the third, and released. Then comes who has struck the third before.
    third, second = Thing(3, 0.0, 0.0, SPEED), Thing(2, 16.2 + 3.0 * 7.0, 0.0)
    first = Thing(1, -16.2 - 3.0 * 5.5, 0.0, 2 * SPEED)
    far = Thing(4, 0.0, 900.0)
    shard, other = Shard([far, second, third]), Shard([first])
    other.run(START + 4)
    shard.run(START + 8)
    gone = np.array([[2, 2], [4, 2]], "<u4")
    shard.simulation.apply(Release(shard.tick, gone.tobytes()), shard.tick)
    shard.adopt(other.rows_of(1), {1: 0})
    shard.run(START + 9)
    assert shard.counts == (2, 0)
    assert pairs_of(shard.met) == [(1, 3), (2, 3)]


@pytest.mark.parametrize("kind", [ROCK, ZONE])
def test_two_that_were_put_together_begin_to_touch_when_both_come(kind: int) -> None:
    one, other = Thing(1, 0.0, 0.0, kind=kind, radius=20.0), Thing(2, 4.0, 0.0, kind=ROCK)
    shard, _ = hand_over([], [one, other], 1)
    shard.run(shard.tick + 2)
    assert pairs_of(shard.met) == [(1, 2)]


def test_two_inside_each_other_since_long_ago_spoil_no_other_contact() -> None:
    limits = replace(LIMITS, resimulated_ticks=4)
    # The first is in the third from the start; it meets the second when its owner is another one.
    first = Thing(1, -16.0 - 7.5 * 3.0, 0.0, SPEED)
    second, third = Thing(2, 0.0, 0.0), Thing(3, first.x - 3.0, 0.0, SPEED)
    shard, judge = hand_over([second, third], [first], 2, decided=6, lost=4, limits=limits)
    shard.run(shard.tick + 1)
    judge.run(judge.tick + 1)
    assert shard.counts == (3, 1)
    assert (1, 2) in pairs_of(shard.met)
    assert shard.states(2)[0, 2] > 0.5 * SPEED


def test_sensors_notice_and_push_nobody() -> None:
    zone = Thing(1, 0.0, 0.0, kind=ZONE, radius=20.0)
    theirs = Thing(2, -28.0 - 6.5 * SPEED * RULES.tick_s, 0.0, SPEED, kind=ROCK)
    shard, judge = hand_over([zone], [theirs], 3)
    shard.run(shard.tick + 1)
    judge.run(judge.tick + 1)
    np.testing.assert_allclose(shard.states(1, 2), judge.states(1, 2), atol=1e-9)
    assert pairs_of(shard.met) == pairs_of(judge.met) == [(1, 2)]
    assert shard.counts == (0, 0)


def test_who_passes_by_is_left_alone() -> None:
    ours, theirs = facing(6.5)
    shard, judge = hand_over([ours], [theirs._replace(y=17.0)], 3)
    np.testing.assert_allclose(shard.states(1, 2), judge.states(1, 2), atol=1e-9)
    shard.run(shard.tick + 1)
    assert shard.counts == (0, 0)
    assert not shard.met


def test_what_is_repaired_is_proposed_in_the_next_tick() -> None:
    ours, theirs = facing(6.5)
    shard, _ = hand_over([ours], [theirs], 2)
    before = shard.simulation.statistics().records_proposed
    shard.simulation.step(shard.tick + 1)
    shard.simulation.collect_proposals(shard.tick + 1)
    population = shard.simulation.population
    rows = population.columns.rows_of([1, 2])
    assert population.reference["tick"][rows].tolist() == [shard.tick + 1] * 2
    assert shard.simulation.statistics().records_proposed > before


def test_a_pile_beyond_the_limit_goes_on_from_where_it_is() -> None:
    limits = replace(LIMITS, resimulated_bodies=3)
    ours, theirs = facing(6.5)
    pile = [ours._replace(net_id=10 + at, y=17.0 * at - 8.5) for at in range(4)]
    struck = [theirs._replace(net_id=20 + at, y=17.0 * at) for at in range(3)]
    shard, _ = hand_over(pile, struck, 2, limits=limits)
    shard.run(shard.tick + 1)
    assert shard.counts == (0, 3)


def test_as_many_as_may_take_part_are_not_too_many() -> None:
    ours, theirs = facing(6.5)
    for bodies, late in ((2, 0), (1, 1)):
        limits = replace(LIMITS, resimulated_bodies=bodies)
        shard, _ = hand_over([ours], [theirs], 2, limits=limits)
        shard.run(shard.tick + 1)
        assert shard.counts == (0 if late else 2, late)


def test_so_many_ticks_are_simulated_again_in_one() -> None:
    limits = replace(LIMITS, resimulated_ticks=2, resimulations=2)
    ours, theirs = facing(6.5)
    rows = range(4)
    shard, _ = hand_over(
        [ours._replace(net_id=10 + at, y=500.0 * at) for at in rows],
        [theirs._replace(net_id=20 + at, y=500.0 * at) for at in rows],
        2,
        limits=limits,
    )
    shard.run(shard.tick + 1)
    assert shard.counts == (4, 2)


def test_after_a_stall_what_came_before_is_not_known() -> None:
    ours, theirs = facing(6.5)
    shard, other = Shard([ours]), Shard([theirs])
    other.run(START + 5)
    shard.run(START + 6)
    shard.simulation.coast(2, shard.tick)
    shard.tick += 2
    shard.adopt(other.rows_of(2), {2: 0})
    shard.run(shard.tick + 1)
    assert shard.counts == (0, 0)
