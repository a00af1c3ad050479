"""A game's models and systems on a shard: when they run, what they see, and mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sidereal.game import (
    F4,
    I1,
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
    field,
)
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.message.shard import Adopt, RoutedControls
from sidereal.protocol.rules import Rules
from sidereal.shard.simulation import Simulation

RULES = Rules()
CRAFT, ROCK = 1, 2


class Fuel(Component):
    left: F4 = field(100, low=0, high=100)


class Unknown(Component):
    pass


class Stick(Controls):
    thrust: I1 = axis("W", "S")


def make_game() -> Game:
    game = Game("staged")
    game.kind("craft", Motion(), Body(), Pilot(), Fuel())
    game.kind("rock", Motion(), Body())
    return game


def simulate(game: Game, kinds: list[int]) -> Simulation:
    """A shard at tick 100 with one entity of each of these kinds, far from each other."""
    declared = declare(game)
    schema = schema_of(declared)
    rows = np.zeros(len(kinds), schema.full_record)
    rows["id"], rows["epoch"], rows["tick"] = 1 + np.arange(len(kinds)), 1, 100
    rows["kind"], rows["radius"], rows["mass"] = kinds, 1.0, 1.0
    rows["x"], rows["control_epoch"] = 100.0 * np.arange(len(kinds)), 1
    rows["test_stages_fuel_left"] = 50.0
    simulation = Simulation(declared, schema, RULES, np.random.default_rng(1))
    simulation.apply(Adopt(100, rows.tobytes(), b""), 100)
    return simulation


def test_stages_run_in_their_order_models_before_systems() -> None:
    game, ran = make_game(), []

    def note(name: str) -> Any:
        return lambda seen: ran.append((name, round(seen.dt * 60)))

    for stage in reversed(Stage):
        game.system(stage)(_named(note(stage.value), f"system_{stage.value}"))
    game.model(Motion, stage=Stage.TICK)(_named(note("model tick"), "first"))
    game.model(Motion)(_named(note("model substep"), "second"))
    simulate(game, [CRAFT]).step(101)
    assert ran == [
        ("model tick", 3),
        ("tick", 3),
        *[("model substep", 1), ("substep", 1)] * 3,
        ("contact", 3),
        ("settle", 3),
    ]


def test_a_system_runs_as_often_as_it_said() -> None:
    game, ran = make_game(), []

    @game.system(every_s=0.25)
    def seldom(step: Step) -> None:
        ran.append((step.tick, step.dt))

    simulation = simulate(game, [ROCK])
    for tick in range(101, 112):
        simulation.step(tick)
    assert [tick for tick, _ in ran] == [105, 110]
    assert [dt for _, dt in ran] == pytest.approx([0.25, 0.25])


def test_queries_find_who_has_what() -> None:
    game, seen = make_game(), []

    @game.system
    def look(step: Step) -> None:
        seen.append([step.id[rows].tolist() for rows in (
            step.rows(), step.rows(Fuel), step.rows(Motion, Body), step.rows(game.kinds[1]),
            step.rows(Fuel, game.kinds[1]), step.rows(Unknown),
        )])  # fmt: skip

    simulation = simulate(game, [CRAFT, ROCK, CRAFT])
    simulation.step(101)
    assert seen == [[[1, 2, 3], [1, 3], [1, 2, 3], [2], [], []]]


def test_queries_notice_who_comes_and_goes() -> None:
    game, seen = make_game(), []

    @game.system
    def look(step: Step) -> None:
        seen.append(step.id[step.rows(Motion)].tolist())

    simulation = simulate(game, [CRAFT, ROCK])
    simulation.step(101)
    simulation.bodies.release(simulation.bodies.rows_of([1]))
    simulation.step(102)
    assert seen == [[1, 2], [2]]


def test_a_model_runs_on_who_has_its_components_and_writes_them() -> None:
    game = make_game()

    @game.model(Fuel, reads=(Stick,), stage=Stage.TICK)
    def burn(own: Rows) -> None:
        assert own.id.tolist() == [1, 3]
        own[Fuel].left[own[Stick].thrust > 0] -= 1.0

    simulation = simulate(game, [CRAFT, ROCK, CRAFT])
    simulation.apply(RoutedControls(3, 1, 1, np.array([1], "<u2").tobytes()), 100)
    simulation.step(101)
    left = simulation.bodies.columns["test_stages_fuel_left"]
    assert left[simulation.bodies.rows()].tolist() == [50.0, 50.0, 49.0]


def test_a_system_may_hold_the_stick() -> None:
    game = make_game()

    @game.system(Stage.TICK)
    def autopilot(step: Step) -> None:
        step[Stick].thrust[step.rows(Fuel)] = 1

    @game.model(Motion, reads=(Stick,))
    def fly(own: Rows) -> None:
        own[Motion].vx[:] += own[Stick].thrust

    simulation = simulate(game, [CRAFT, ROCK])
    simulation.step(101)
    assert simulation.bodies.columns["vx"][simulation.bodies.rows()].tolist() == [3.0, 0.0]


# -- mistakes -------------------------------------------------------------------------------------


def test_what_leaves_nan_is_named() -> None:
    game = make_game()

    @game.system
    def spoil(step: Step) -> None:
        step[Motion].vy[step.rows(Fuel)] = np.nan

    with pytest.raises(
        LocalProtocolError,
        match=r"system staged.spoil left nan in Motion.vy of entity 2 at tick 101 \(first of 2",
    ):
        simulate(game, [ROCK, CRAFT, CRAFT]).step(101)


def test_a_model_that_leaves_nan_is_named() -> None:
    game = make_game()

    @game.model(Fuel)
    def leak(own: Rows) -> None:
        own[Fuel].left[:] = np.inf

    with pytest.raises(LocalProtocolError, match=r"model staged.leak left inf in Fuel.left"):
        simulate(game, [CRAFT]).step(101)


def test_what_raises_is_named() -> None:
    game = make_game()

    @game.system
    def crash(step: Step) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        simulate(game, [CRAFT]).step(101)
    assert caught.value.__notes__ == ["in system staged.crash at tick 101"]


def test_what_nobody_declared_is_not_there() -> None:
    game = make_game()

    @game.system
    def look(step: Step) -> None:
        step[Unknown]

    with pytest.raises(
        LocalProtocolError, match=r"test_stages.unknown is not declared: .*declare\(Unknown\)"
    ):
        simulate(game, [CRAFT]).step(101)


def _named(function: Any, name: str) -> Any:
    function.__name__ = name
    return function
