"""A game's own rules about what shards propose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sidereal.game import F4, U4, Bools, Component, Floats, Game, Motion, field
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, schema_of
from sidereal.protocol.rules import Rules
from sidereal.replication.gamerules import GameRules, Offered
from sidereal.replication.notes import Notes
from sidereal.replication.validate import Verdict
from sidereal.replication.world import UUID, World


class Health(Component):
    hp: F4 = field(100, low=0, high=100, quantum=0.5)
    shots: U4


class Fuel(Component):
    litres: F4


HP, SHOTS = (column_of(Health, f) for f in Health.fields.values())
Rule = Callable[[Any, Any, Any], Any]
TICK = 50


class Rig:
    """A game with rules for health, and a world of five hulls with 50 hp each."""

    def __init__(self, *rules: Rule) -> None:
        game = Game("ruled")
        game.kind("hull", Motion(), Health(hp=50), Fuel())
        for rule in rules:
            game.rule(Health)(rule)
        declared = declare(game)
        self.schema = schema_of(declared)
        self.number = self.schema.numbers["test_gamerules_health"]
        self.notes = Notes()
        self.rules = GameRules(declared.rules, self.schema, self.notes)
        self.world = World(self.schema, Rules())
        records = np.repeat(self.schema.first[[1]], 5)
        uuid = np.frombuffer(bytes(range(80)), UUID)
        self.rows = self.world.enter(records, uuid, np.zeros(5, np.int64), TICK)

    def judge(self, hp: list[float], dt: float = 0.05) -> list[Verdict]:
        records = np.zeros(len(hp), self.schema.proposed_rows[self.number])
        records[HP] = hp
        rows, columns = self.rows[: len(hp)], self.world.columns
        before = {name: columns[name][rows] for name in (HP, SHOTS)}
        offered = Offered(records, before, np.full(len(hp), dt))
        verdicts = self.rules.judge(self.number, offered, TICK)
        assert records[HP].tolist() == np.array(hp, np.float32).tolist()
        assert (self.world.columns[HP][self.rows] == 50).all()
        return [Verdict(int(verdict)) for verdict in verdicts]


def believable(before: Health, after: Health, dt: Floats) -> Bools:
    holds: Bools = after.hp - before.hp <= 60 * dt
    return holds


def test_a_rule_refuses_the_rows_that_it_does_not_hold_for() -> None:
    rig = Rig(believable)
    refused = Verdict.AGAINST_A_RULE
    assert rig.judge([52, 54, 0]) == [Verdict.ACCEPTED, refused, Verdict.ACCEPTED]
    assert rig.judge([54], dt=0.1) == [Verdict.ACCEPTED]
    assert not rig.notes.take()


def test_only_components_that_have_rules_are_asked_about() -> None:
    rig = Rig(believable)
    assert rig.rules.concern(rig.number)
    assert not rig.rules.concern(rig.schema.numbers["test_gamerules_fuel"])
    assert not Rig().rules.concern(rig.number)


def test_all_rules_of_a_component_must_hold() -> None:
    def even(before: Health, after: Health, dt: Floats) -> Bools:
        holds: Bools = after.hp % 2 == 0
        return holds

    accepted, refused = Verdict.ACCEPTED, Verdict.AGAINST_A_RULE
    assert Rig(believable, even).judge([52, 51, 54, 53]) == [accepted, refused, refused, refused]


def raises(before: Health, after: Health, dt: Floats) -> Bools:
    raise ZeroDivisionError("nothing left")


def too_few(before: Health, after: Health, dt: Floats) -> Bools:
    return np.ones(1, np.bool_)


def no_bools(before: Health, after: Health, dt: Floats) -> Any:
    return after.hp


def none(before: Health, after: Health, dt: Floats) -> Any:
    return None


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (raises, "ZeroDivisionError: nothing left"),
        (too_few, "it gave ndarray, not a bool for each of 2 rows"),
        (no_bools, "it gave ndarray, not a bool for each of 2 rows"),
        (none, "it gave NoneType, not a bool for each of 2 rows"),
    ],
)
def test_a_rule_that_fails_refuses_all_rows_and_is_named_once(rule: Rule, why: str) -> None:
    rig = Rig(rule)
    for _ in range(3):
        assert rig.judge([1, 2]) == [Verdict.RULE_FAILED] * 2
    name = f"ruled.{rule.__name__}"
    assert rig.rules.failed == {name: 6}
    (note,) = rig.notes.take()
    assert (note.event, note.fields["rule"]) == ("rule_failed", name)
    assert str(note.fields["why"]).endswith(why)
    assert ("raise ZeroDivisionError" in note.trace) == (rule is raises)


def test_what_a_rule_writes_changes_nothing() -> None:
    def greedy(before: Health, after: Health, dt: Floats) -> Bools:
        before.hp[:], after.hp[:] = 1, 99
        return np.ones(len(dt), np.bool_)

    assert Rig(greedy).judge([3, 4]) == [Verdict.ACCEPTED] * 2
