"""What systems ask the authority for."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
import pytest

from sidereal.game import (
    AUTHORITY,
    SYSTEMS,
    U4,
    Body,
    Component,
    Game,
    Meta,
    Motion,
    Stage,
    Step,
    Transaction,
    field,
)
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import GameFailedError
from sidereal.protocol.message.codec import ASKED_ROW
from sidereal.protocol.message.shard import Adopt, Asked
from sidereal.protocol.rules import Rules
from sidereal.shard.limits import Limits
from sidereal.shard.simulation import Simulation

RULES = Rules()


class Hold(Component, writer=AUTHORITY, name="tests.hold"):
    ore: U4 = field(0, low=0, high=100)


game = Game("mine")
ROCK = game.kind("rock", Motion(), Body(), Hold())


@game.action(asked_by=SYSTEMS)
def collect(tx: Transaction, pickup: int, ore: Annotated[int, Meta(ge=1)], note: str = "-") -> None:
    """Nobody runs it here."""


@game.action(rate_hz=1)
def sell(tx: Transaction, ore: int) -> None:
    """Nobody runs it here, either."""


def simulation_of(system: Any, count: int = 3, ghosts: int = 0, **limits: Any) -> Simulation:
    """A shard at tick 100 with rocks 1 to n of epoch 5, the last of which may be ghosts."""
    made = Game("mined", parts=[game])
    made.system(Stage.TICK)(system)
    declared = declare(made)
    schema = schema_of(declared)
    rows = np.repeat(schema.first[[1]], count)
    rows["id"], rows["epoch"], rows["tick"] = 1 + np.arange(count), 5, 100
    rows["x"] = 100.0 * np.arange(count)
    rng = np.random.default_rng(1)
    simulation = Simulation(declared, schema, RULES, rng, Limits(**limits))
    simulation.apply(Adopt(100, rows[: count - ghosts].tobytes(), b""), 100)
    if ghosts:
        simulation.show_ghosts([(100, rows[count - ghosts :])], 100)
    return simulation


def asked_of(simulation: Simulation) -> list[Asked]:
    return [said for said in simulation.collect_answers() if isinstance(said, Asked)]


def calls_of(asked: Asked) -> list[tuple[Any, ...]]:
    rows = np.frombuffer(asked.rows, ASKED_ROW).tolist()
    arguments = msgspec.msgpack.decode(asked.arguments)
    return [(*row, *call) for row, call in zip(rows, arguments, strict=True)]


def test_a_system_asks_on_behalf_of_its_rows_with_one_argument_for_all_or_one_each() -> None:
    def gather(step: Step) -> None:
        rows = step.rows(ROCK)
        step.ask(collect, at=rows[1:], pickup=step.id[rows[1:]] + 40, ore=7)
        step.ask(collect, at=rows[:1], pickup=3, ore=np.array([2]), note="first")

    simulation = simulation_of(gather)
    simulation.step(101)
    (asked,) = asked_of(simulation)
    assert asked.action == "mine.collect"
    assert calls_of(asked) == [(2, 5, 42, 7, "-"), (3, 5, 43, 7, "-"), (1, 5, 3, 2, "first")]
    assert asked_of(simulation) == []


def test_what_is_asked_for_goes_in_pieces_and_is_bounded() -> None:
    def gather(step: Step) -> None:
        step.ask(collect, at=step.rows(ROCK), pickup=1, ore=1)

    simulation = simulation_of(gather, 100, asked=90)
    for tick in (101, 102):
        simulation.step(tick)
        pieces = asked_of(simulation)
        assert [len(calls_of(piece)) for piece in pieces] == [64, 26]
    assert simulation.statistics().asks_dropped == 20


def ask_nothing(tx: Transaction) -> None:
    """No action."""


@pytest.mark.parametrize(
    ("function", "at", "arguments", "words"),
    [
        (collect, [2], {"pickup": 1, "ore": 1}, r"ask: rock 3 is another shard's"),
        (ask_nothing, [0], {}, r"ask: ask_nothing is no action"),
        (sell, [0], {"ore": 1}, "ask: sell is for players: say asked_by=SYSTEMS"),
        (collect, [0], {"pickup": 1}, r"ask\(collect\): .*ore"),
        (collect, [0], {"pickup": 1, "ore": 1, "gold": 1}, r"ask\(collect\): .*gold"),
        (collect, [0, 1], {"pickup": [1, 2, 3], "ore": 1}, r"pickup has shape \(3,\), and 2 rows"),
        (collect, [0], {"pickup": 1, "ore": 1, "note": "x" * 1024}, r"1024 bytes at most"),
    ],
)
def test_what_can_not_be_asked_ends_the_shard_with_the_systems_name(
    function: Any, at: list[int], arguments: dict[str, Any], words: str
) -> None:
    def gather(step: Step) -> None:
        step.ask(function, at=step.seen(ROCK)[at], **arguments)

    simulation = simulation_of(gather, ghosts=1)
    with pytest.raises(GameFailedError, match=rf"system mined\.gather raised .*{words}"):
        simulation.step(101)
