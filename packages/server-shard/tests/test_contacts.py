"""Contacts as columns: one row a pair and tick, in an order that repeats; who touches whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from sidereal.game import U4, Body, Component, Game, Kind, Motion, Stage, Step
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import GameFailedError
from sidereal.protocol.message.shard import Adopt, Release
from sidereal.protocol.rules import Rules
from sidereal.shard.contacts import Contacts
from sidereal.shard.simulation import Simulation
from sidereal.shard.space import MOTION_FIELDS, Shapes, Space

RULES = Rules()
TICK = 100


class Hurt(Component):
    hits: U4


class Table:
    """Balls on a line, and what a system in `Stage.CONTACT` saw of them in every tick."""

    def __init__(
        self,
        declared: Callable[[Game], Sequence[Kind]],
        balls: Sequence[tuple[int, float, float]],
        asks: Callable[[Step, Sequence[Kind]], Any] | None = None,
    ) -> None:
        game = Game("table")
        kinds = declared(game)
        self.seen: list[Contacts] = []
        self.ids: list[list[tuple[int, int]]] = []

        @game.system(Stage.CONTACT)
        def look(step: Step) -> None:
            found: Any = asks(step, kinds) if asks else step.contacts(Body, Body)
            self.seen.append(found)
            self.ids.append(list(zip(step.id[found.a], step.id[found.b], strict=True)))

        self.declared = declare(game)
        self.schema = schema_of(self.declared)
        self.simulation = Simulation(self.declared, self.schema, RULES, np.random.default_rng(1))
        self.tick = TICK
        self.adopt(balls)

    def adopt(self, balls: Sequence[tuple[int, float, float]], first_id: int = 1) -> None:
        """Put balls of these kinds, places and velocities on the line."""
        rows = np.zeros(len(balls), self.schema.full_record)
        rows["id"], rows["epoch"], rows["tick"] = first_id + np.arange(len(balls)), 1, self.tick
        rows["radius"], rows["mass"] = 5.0, 2.0
        for at, (kind, x, vx) in enumerate(balls):
            rows["kind"][at], rows["x"][at], rows["vx"][at] = kind, x, vx
        self.simulation.apply(Adopt(self.tick, rows.tobytes(), b""), self.tick)

    def run(self, ticks: int = 1) -> None:
        for _ in range(ticks):
            self.tick += 1
            self.simulation.step(self.tick)

    def column(self, name: str) -> list[float]:
        columns = self.simulation.bodies.columns
        values: list[float] = columns[name][self.simulation.bodies.rows()].tolist()
        return values


def one_kind(game: Game) -> Sequence[Kind]:
    return [game.kind("ball", Motion(), Body())]


def two_kinds(game: Game) -> Sequence[Kind]:
    return [game.kind("ball", Motion(), Body()), game.kind("brick", Motion(), Body(), Hurt())]


HEAD_ON = [(1, -8.0, 30.0), (1, 8.0, -30.0)]
"""They meet in the third tick, at x = 0."""


def test_a_pair_is_one_row_in_each_direction_whatever_the_number_of_steps() -> None:
    table = Table(one_kind, [(1, 0.0, 0.0), (1, 9.0, 0.0)])
    table.run()
    assert table.ids == [[(1, 2), (2, 1)]]
    (seen,) = table.seen
    assert seen.normal_x.tolist() == [1.0, -1.0]
    assert seen.normal_y.tolist() == [0.0, 0.0]


def test_a_contact_tells_where_and_how_hard() -> None:
    table = Table(one_kind, HEAD_ON)
    while not any(map(len, table.seen)):
        table.run()
    seen = table.seen[-1]
    # Each of 2 t turns from 30 units/s to 15 backwards: of 1,800 t unit²/s² a quarter is left.
    assert seen.impulse.tolist() == pytest.approx([90.0, 90.0])
    assert seen.energy.tolist() == pytest.approx([1350.0, 1350.0])
    assert seen.point_x.tolist() == pytest.approx([0.0, 0.0], abs=1e-9)
    assert seen.point_y.tolist() == [0.0, 0.0]


def test_impulses_are_summed_over_the_steps_of_a_tick() -> None:
    """A row of balls: the first one hits the second, which hits the third one a step later."""
    table = Table(one_kind, [(1, 0.0, 100.0), (1, 10.5, 0.0), (1, 21.0, 0.0)])
    table.run()
    pushed: Counter[tuple[int, int]] = Counter()
    for ids, seen in zip(table.ids, table.seen, strict=True):
        pushed.update(dict(zip(ids, seen.impulse.tolist(), strict=True)))
    velocity = table.column("vx")
    assert 2.0 * sum(velocity) == pytest.approx(200.0)
    assert pushed[1, 2] == pytest.approx(200.0 - 2.0 * velocity[0])
    assert pushed[2, 3] == pytest.approx(2.0 * velocity[2])
    assert pushed[2, 3] > 100.0


def test_first_is_said_in_the_tick_in_which_a_pair_begins_to_touch() -> None:
    table = Table(one_kind, [(1, 0.0, 0.0)])
    table.run()
    table.adopt([(1, 9.0, 0.0)], first_id=2)
    table.run(3)
    seen = [seen.first.tolist() for seen in table.seen]
    assert seen == [[], [True] * 2, [False] * 2, [False] * 2]


def test_who_meets_again_after_a_tick_apart_begins_anew() -> None:
    table = Table(one_kind, HEAD_ON)
    table.run(8)
    columns = table.simulation.bodies.columns
    columns["vx"][table.simulation.bodies.rows()] *= -1.0
    table.run(12)
    touched = [bool(len(seen)) for seen in table.seen]
    assert not touched[7]
    meetings = [bool(seen.first.all()) for seen in table.seen if len(seen)]
    assert touched.index(True) < 8
    assert meetings.count(True) == 2


def test_nobody_inherits_the_contacts_of_a_row() -> None:
    table = Table(one_kind, [(1, 0.0, 0.0), (1, 9.5, 0.0)])
    table.run()
    gone = np.array([[2, 2]], "<u4")
    table.simulation.apply(Release(table.tick, gone.tobytes()), table.tick)
    row = table.simulation.bodies.rows_of([1])
    table.adopt([(1, 9.5, 0.0)], first_id=3)
    assert table.simulation.bodies.rows_of([1]) == row
    table.run()
    assert table.ids[-1] == [(1, 3), (3, 1)]
    assert table.seen[-1].first.tolist() == [True, True]


def test_queries_choose_the_sides() -> None:
    balls = [(1, 0.0, 0.0), (2, 9.0, 0.0), (1, 18.0, 0.0), (2, 100.0, 0.0), (2, 109.0, 0.0)]
    asked: list[Callable[[Step, Sequence[Kind]], Any]] = [
        lambda step, kinds: step.contacts(kinds[0], Hurt),
        lambda step, kinds: step.contacts(Hurt, kinds[0]),
        lambda step, kinds: step.contacts(kinds[0], kinds[0]),
        lambda step, kinds: step.contacts(Hurt, Hurt),
    ]
    found = []
    for asks in asked:
        table = Table(two_kinds, balls, asks)
        table.run()
        found.append(table.ids[-1])
    assert found == [[(1, 2), (3, 2)], [(2, 1), (2, 3)], [], [(4, 5), (5, 4)]]


def test_a_system_acts_on_contacts_as_on_pairs() -> None:
    game = Game("table")
    ball, _ = two_kinds(game)

    @game.system(Stage.CONTACT)
    def hit(step: Step) -> None:
        struck = step.contacts(ball, Hurt)
        struck = struck.where(struck.first & (struck.impulse > 1.0))
        np.add.at(step[Hurt].hits, struck.b, 1)

    table = Table(two_kinds, [])
    table.simulation = Simulation(
        declared := declare(game), schema := schema_of(declared), RULES, np.random.default_rng(1)
    )
    table.schema = schema
    table.adopt([(1, -9.0, 60.0), (2, 3.0, 0.0), (1, 15.0, -60.0)])
    table.run(6)
    assert table.column("test_contacts_hurt_hits") == [0, 2, 0]


def test_a_game_that_never_asks_pays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    game = Game("blind")
    one_kind(game)
    table = Table(one_kind, [])
    table.simulation = Simulation(declare(game), table.schema, RULES, np.random.default_rng(1))
    table.adopt([(1, 0.0, 0.0), (1, 9.0, 0.0)])
    asked: list[Space] = []
    monkeypatch.setattr(Space, "touches", asked.append)
    table.run()
    assert asked == []


def test_other_stages_are_told_where_contacts_are() -> None:
    game = Game("table")
    one_kind(game)

    @game.system
    def late(step: Step) -> None:
        step.contacts(Body, Body)

    declared = declare(game)
    simulation = Simulation(declared, schema_of(declared), RULES, np.random.default_rng(1))
    with pytest.raises(GameFailedError, match=r"say @part\.system\(Stage\.CONTACT\)"):
        simulation.step(TICK)


# -- who touches whom -----------------------------------------------------------------------------


def met(declared: Callable[[Game], Sequence[Kind]], *kinds: int) -> bool:
    """Whether two balls of these kinds touch when they meet."""
    table = Table(declared, [(kinds[0], -8.0, 30.0), (kinds[1], 8.0, -30.0)])
    table.run(8)
    touched = any(map(len, table.seen))
    passed = table.column("vx") == [30.0, -30.0]
    assert touched != passed
    return touched


def picky(game: Game) -> Sequence[Kind]:
    """Sand meets all that let it; a dart meets sand; a ghostly kind meets nobody."""
    sand = game.kind("sand", Motion(), Body())
    dart = game.kind("dart", Motion(), Body(), touches=[sand])
    cloud = game.kind("cloud", Motion(), Body(), touches=[])
    lone = game.kind("lone", Motion(), Body(), touches=[dart])
    bare = game.kind("bare", Motion())
    return [sand, dart, cloud, lone, bare]


def test_two_kinds_touch_if_each_lets_the_other() -> None:
    count = 5
    found = {(a, b) for a in range(1, count + 1) for b in range(a, count + 1) if met(picky, a, b)}
    # A dart does not let darts, and lone ones let darts, which do not let them.
    assert found == {(1, 1), (1, 2)}


def test_a_sensor_notices_and_neither_pushes_nor_is_pushed() -> None:
    def declared(game: Game) -> Sequence[Kind]:
        ball = game.kind("ball", Motion(), Body())
        return [ball, game.kind("gate", Motion(), Body(), sensor=True)]

    table = Table(
        declared, [(1, -20.0, 60.0), (2, 0.0, 0.0)], lambda step, kinds: step.contacts(*kinds)
    )
    table.run(20)
    within = [bool(len(seen)) for seen in table.seen]
    assert within == [False] * 3 + [True] * 7 + [False] * 10
    assert [seen.first.tolist() for seen in table.seen if len(seen)] == [[True], *[[False]] * 6]
    assert all(not seen.impulse.any() and not seen.energy.any() for seen in table.seen)
    assert table.column("vx") == [60.0, 0.0]
    entry = next(seen for seen in table.seen if len(seen))
    assert (entry.normal_x.tolist(), entry.normal_y.tolist()) == ([1.0], [0.0])


# -- the same again -------------------------------------------------------------------------------


def crowd(padding: int) -> bytes:
    """What is said of a crowd in half a second; padding moves its bodies in memory."""
    table = Table(two_kinds, [])
    rng = np.random.default_rng(7)
    kept = [Space() for _ in range(padding)]
    for number, space in enumerate(kept):
        fill(space, number)
    rows = np.zeros(120, table.schema.full_record)
    rows["id"], rows["epoch"], rows["tick"] = 1 + np.arange(120), 1, TICK
    rows["kind"], rows["radius"], rows["mass"] = 1 + np.arange(120) % 2, 5.0, 2.0
    for name, reach in (("x", 60.0), ("y", 60.0), ("vx", 40.0), ("vy", 40.0)):
        rows[name] = rng.uniform(-reach, reach, 120)
    table.simulation.apply(Adopt(TICK, rows.tobytes(), b""), TICK)
    table.run(10)
    assert sum(map(len, table.seen)) > 1000
    return b"".join(
        getattr(seen, name).tobytes() for seen in table.seen for name in Contacts.__slots__
    )


def test_contacts_repeat_bit_for_bit() -> None:
    assert crowd(0) == crowd(5)


def fill(space: Space, count: int) -> None:
    """Make bodies in memory that others would have."""
    motion = {name: np.zeros(count) for name in MOTION_FIELDS}
    ones = np.ones(count)
    nothing = np.zeros(count, np.uint32)
    shapes = Shapes(
        ones,
        ones,
        nothing,
        nothing,
        np.zeros(count, np.bool_),
        ones,
        np.arange(1, count + 1, dtype=np.uint32),
    )
    space.add(np.arange(count), motion, shapes)
