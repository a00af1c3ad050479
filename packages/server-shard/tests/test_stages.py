"""A game's models and systems on a shard: when they run, what they see, and mistakes."""

from __future__ import annotations

from collections.abc import Sequence
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
from sidereal.protocol.errors import GameFailedError
from sidereal.protocol.message.codec import INPUT_ROW
from sidereal.protocol.message.inputs import Input, RoutedInput
from sidereal.protocol.message.shard import Adopt, Release
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


def simulate(game: Game, kinds: list[int], ghosts: int = 0, **more: Any) -> Simulation:
    """A shard at tick 100 with one entity of each of these kinds, far from each other.

    Args:
        game: that it runs.
        kinds: of what it owns.
        ghosts: how many of the last ones belong to somebody else.
        more: given to the simulation.
    """
    declared = declare(game)
    schema = schema_of(declared)
    rows = np.zeros(len(kinds), schema.full_record)
    rows["id"], rows["epoch"], rows["tick"] = 1 + np.arange(len(kinds)), 1, 100
    rows["kind"], rows["radius"], rows["mass"] = kinds, 1.0, 1.0
    rows["x"], rows["control_epoch"] = 100.0 * np.arange(len(kinds)), 1
    rows["test_stages_fuel_left"] = 50.0
    simulation = Simulation(declared, schema, RULES, np.random.default_rng(1), **more)
    own = len(kinds) - ghosts
    simulation.apply(Adopt(100, rows[:own].tobytes(), b""), 100)
    if ghosts:
        simulation.show_ghosts([(100, rows[own:])], 100)
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
        ("steer", 3),
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
    simulation.take_input(RoutedInput(3, Input(1, 1, (1,))))
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


def test_what_systems_hold_in_steer_is_seen_like_what_players_hold() -> None:
    game, seen = make_game(), []

    @game.system(Stage.STEER)
    def pilot(step: Step) -> None:
        step[Stick].thrust[step.rows(Fuel)[step.id[step.rows(Fuel)] == 1]] = 5  # 1 at most

    @game.model(Fuel, reads=(Stick,), stage=Stage.TICK)
    def burn(own: Rows) -> None:
        own[Fuel].left -= own[Stick].thrust

    @game.system
    def look(step: Step) -> None:
        seen.append(step[Stick].thrust[step.rows(Fuel)].tolist())

    simulation = simulate(game, [CRAFT, ROCK, CRAFT])
    simulation.take_input(RoutedInput(3, Input(1, 1, (2,))))  # -1
    simulation.step(101)
    rows = simulation.bodies.rows()
    assert seen == [[1, -1]]
    assert simulation.bodies.columns["test_stages_fuel_left"][rows].tolist() == [49, 50, 51]
    assert simulation.bodies.ring.held(101, rows).tolist() == [1, 0, 2]


# -- durations -----------------------------------------------------------------------------------


def test_the_slowest_system_is_named_and_how_long_it_takes() -> None:
    game, clock = make_game(), [0.0]

    def taking(seconds: float) -> Any:
        def pass_time(step: Step) -> None:
            clock[0] += seconds

        return pass_time

    game.system(_named(taking(0.001), "quick"))
    game.system(Stage.SUBSTEP)(_named(taking(0.004), "slow"))
    game.model(Fuel)(_named(taking(0.002), "burn"))
    simulation = simulate(game, [CRAFT], clock=lambda: clock[0])
    for tick in range(101, 301):
        simulation.step(tick)
    costs = simulation.statistics().costs_s
    assert costs == pytest.approx(
        {"model staged.burn": 0.006, "system staged.quick": 0.001, "system staged.slow": 0.012},
        rel=1e-3,
    )
    assert simulation.slowest() == ("system staged.slow", costs["system staged.slow"])


def test_a_system_that_was_slow_once_is_forgotten_in_seconds() -> None:
    game, clock = make_game(), [0.0]

    @game.system
    def stumble(step: Step) -> None:
        clock[0] += 1.0 if step.tick == 101 else 0.0

    simulation = simulate(game, [CRAFT], clock=lambda: clock[0])
    simulation.step(101)
    name, seconds = simulation.slowest()
    assert name == "system staged.stumble"
    assert seconds == pytest.approx(RULES.tick_s)
    for tick in range(102, 202):
        simulation.step(tick)
    assert simulation.slowest()[1] < 0.001


# -- mistakes -------------------------------------------------------------------------------------


def test_what_leaves_nan_is_named() -> None:
    game = make_game()

    @game.system
    def spoil(step: Step) -> None:
        step[Motion].vy[step.rows(Fuel)] = np.nan

    with pytest.raises(GameFailedError) as caught:
        simulate(game, [ROCK, CRAFT, CRAFT]).step(101)
    assert str(caught.value) == (
        "system staged.spoil left NaN in Motion.vy of craft 2 at tick 101 (first of 2 rows)"
    )
    assert (caught.value.what, caught.value.tick) == ("system staged.spoil", 101)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([np.inf, -np.inf], "left infinity in Fuel.left of craft 1 at tick 101 (first of 2 rows)"),
        ([1.0, np.nan], "left NaN in Fuel.left of craft 2 at tick 101 (first of 1 row)"),
    ],
)
def test_numbers_that_cancel_out_are_found(values: list[float], said: str) -> None:
    game = make_game()

    @game.system
    def spoil(step: Step) -> None:
        step[Fuel].left[step.rows(Fuel)] = values

    with pytest.raises(GameFailedError) as caught:
        simulate(game, [CRAFT, CRAFT]).step(101)
    assert str(caught.value) == f"system staged.spoil {said}"


def test_large_numbers_are_no_mistake() -> None:
    game = make_game()

    @game.system
    def heap(step: Step) -> None:
        step[Fuel].left[step.rows(Fuel)] = 3e38

    simulate(game, [CRAFT, CRAFT]).step(101)


def test_a_model_that_leaves_nan_is_named() -> None:
    game = make_game()

    @game.model(Fuel)
    def leak(own: Rows) -> None:
        own[Fuel].left[:] = np.inf

    with pytest.raises(
        GameFailedError, match=r"model staged.leak left infinity in Fuel.left of craft 1"
    ):
        simulate(game, [CRAFT]).step(101)


def test_what_raises_is_named() -> None:
    game = make_game()

    @game.system
    def crash(step: Step) -> None:
        raise error

    for error, said in (
        (ZeroDivisionError(), "raised ZeroDivisionError at tick 101"),
        (KeyError("left\nright"), r"raised KeyError at tick 101: 'left\nright'"),
        (ValueError("two\n  lines"), "raised ValueError at tick 101: two lines"),
        (SystemExit(3), "raised SystemExit at tick 101: 3"),
    ):
        with pytest.raises(GameFailedError) as caught:
            simulate(game, [CRAFT]).step(101)
        assert str(caught.value) == f"system staged.crash {said}"
        assert caught.value.what == "system staged.crash"
        assert caught.value.__cause__ is error


def test_a_model_that_raises_while_an_adopted_entity_is_flown_is_named() -> None:
    game = make_game()

    @game.model(Motion, reads=(Stick,))
    def fly(own: Rows) -> None:
        raise ZeroDivisionError

    simulation = simulate(game, [])
    rows = np.zeros(1, schema_of(declare(game)).full_record)
    rows["id"], rows["epoch"], rows["tick"], rows["kind"] = 1, 1, 98, CRAFT
    rows["radius"] = rows["mass"] = 1.0
    with pytest.raises(
        GameFailedError, match=r"model staged.fly raised ZeroDivisionError at tick 99"
    ):
        simulation.apply(Adopt(98, rows.tobytes(), b""), 100)


@pytest.mark.parametrize(
    ("inputs", "drag", "wanted"),
    [
        ([], 1.0, range(97, 101)),
        ([(1, 1, 0)], 1.0, range(61, 101)),
        ([], 0.5, [97, *range(61, 101)]),
    ],
)
def test_an_old_row_that_models_leave_as_it_is_holds_up_to_the_handover(
    inputs: list[tuple[int, int, int]], drag: float, wanted: Sequence[int]
) -> None:
    game, flown = make_game(), list[int]()

    @game.model(Motion, reads=(Stick,), stage=Stage.TICK)
    def fly(own: Rows) -> None:
        flown.append(own.tick)
        own[Motion].vx *= drag

    simulation = simulate(game, [])
    rows = np.zeros(1, schema_of(declare(game)).full_record)
    rows["id"], rows["epoch"], rows["tick"], rows["kind"] = 1, 1, 60, CRAFT
    rows["radius"], rows["mass"], rows["vx"] = 1.0, 1.0, 20.0
    told = np.array(inputs, INPUT_ROW).tobytes()
    simulation.apply(Adopt(97, rows.tobytes(), told), 100)
    assert flown == [*wanted]
    speeds = 20.0 * drag ** np.arange(1, 41)
    places, _ = simulation.bodies.ring.places(np.arange(90, 101), simulation.bodies.rows())
    np.testing.assert_allclose(places, speeds.cumsum()[29:] * RULES.tick_s)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (lambda step: step[Fuel].lft, "Fuel has no field 'lft'; it has left"),
        (lambda step: step[Fuel].left.clear, "has no attribute 'clear'"),
    ],
)
def test_a_wrong_name_is_answered_with_the_right_ones(code: Any, said: str) -> None:
    game = make_game()
    game.system(_named(code, "look"))
    with pytest.raises(
        GameFailedError, match=r"system staged.look raised AttributeError"
    ) as caught:
        simulate(game, [CRAFT]).step(101)
    assert said in str(caught.value)


def test_a_column_is_not_replaced() -> None:
    game = make_game()

    @game.system
    def refill(step: Step) -> None:
        step[Fuel].left = np.full(3, 100.0)

    with pytest.raises(GameFailedError, match=r"write left\[rows\] = …, not left = …"):
        simulate(game, [CRAFT]).step(101)


def test_what_a_model_did_not_declare_is_named_once() -> None:
    game = make_game()

    @game.model(Motion)
    def fly(own: Rows) -> None:
        own[Fuel]

    with pytest.raises(GameFailedError) as caught:
        simulate(game, [CRAFT]).step(101)
    assert str(caught.value) == (
        "model staged.fly reads Fuel, which is not among what it writes or reads="
    )


def test_what_a_model_only_reads_is_not_to_be_written() -> None:
    def put(own: Rows) -> None:
        own[Fuel].left[:] = 1

    def add(own: Rows) -> None:
        own[Fuel].left += 1

    for code in (put, add):
        game = make_game()
        game.model(Motion, reads=(Fuel,))(code)
        with pytest.raises(GameFailedError) as caught:
            simulate(game, [CRAFT]).step(101)
        assert str(caught.value).startswith(f"model staged.{code.__name__} raised ValueError")
        assert "read-only; a model writes what @model(…) names" in str(caught.value)


@pytest.mark.parametrize(
    ("query", "said"), [("craft", "craft"), (Stick, "Stick"), (Fuel.left, "test_stages.fuel.left")]
)
def test_what_is_no_query_is_named(query: Any, said: str) -> None:
    game = make_game()
    game.system(_named(lambda step: step.seen(Motion, query), "look"))
    with pytest.raises(GameFailedError) as caught:
        simulate(game, [CRAFT]).step(101)
    assert f"{said} is no query: say a kind, as game.kind(…) gave it" in str(caught.value)


def test_a_model_is_told_that_it_sees_its_own_rows_only() -> None:
    game = make_game()

    @game.model(Motion)
    def fly(own: Rows) -> None:
        own.pairs()  # type: ignore[attr-defined]

    with pytest.raises(GameFailedError) as caught:
        simulate(game, [CRAFT]).step(101)
    assert str(caught.value) == (
        "model staged.fly: Rows has no pairs; a model sees its own rows only, so that the pilot's "
        "client can repeat it"
    )


def test_what_nobody_declared_is_not_there() -> None:
    game = make_game()

    @game.system
    def look(step: Step) -> None:
        step[Unknown]

    with pytest.raises(
        GameFailedError, match=r"test_stages.unknown is not declared: .*declare\(Unknown\)"
    ):
        simulate(game, [CRAFT]).step(101)


# -- mistakes that a test is told of ---------------------------------------------------------------


def test_rows_of_another_shard_are_not_to_be_written() -> None:
    game = make_game()

    @game.system
    def mend(step: Step) -> None:
        step[Fuel].left[step.seen(Fuel)] += 1.0

    simulation = simulate(game, [CRAFT, CRAFT, ROCK, CRAFT], ghosts=3, strict=True)
    with pytest.raises(GameFailedError) as caught:
        simulation.step(101)
    assert str(caught.value) == (
        "system staged.mend wrote Fuel.left of 2 rows of another shard: "
        "write step.rows(…), read step.seen(…)"
    )
    simulate(game, [CRAFT, CRAFT, ROCK, CRAFT], ghosts=3).step(101)


def test_what_the_authority_writes_is_not_to_be_written() -> None:
    game = make_game()

    @game.system
    def sell(step: Step) -> None:
        step[Pilot].input_seq[step.rows(Pilot)] += 1

    with pytest.raises(GameFailedError) as caught:
        simulate(game, [CRAFT], strict=True).step(101)
    assert str(caught.value) == (
        "system staged.sell wrote Pilot.input_seq: its writer is the authority; "
        "step.ask(an action) instead"
    )


def test_rows_of_nobody_are_not_to_be_written() -> None:
    game = make_game()

    @game.system
    def hurt(step: Step) -> None:
        step[Fuel].left[step.find([1, 77])] -= 1.0

    with pytest.raises(GameFailedError, match=r"of 1 row where nobody is: step\.find gives -1"):
        simulate(game, [CRAFT], strict=True).step(101)


def test_own_rows_are_to_be_written() -> None:
    game = make_game()

    @game.system
    def mend(step: Step) -> None:
        step[Fuel].left[step.rows(Fuel)] += 1.0

    simulation = simulate(game, [CRAFT, ROCK, CRAFT], ghosts=1, strict=True)
    simulation.step(101)
    gone = np.array([[1, 2]], "<u4")
    simulation.apply(Release(101, gone.tobytes()), 101)
    simulation.step(102)


def _named(function: Any, name: str) -> Any:
    function.__name__ = name
    return function
