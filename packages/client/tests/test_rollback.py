"""All that models write, ahead of the authority, as columns by input and entity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.client.inputs import Entry
from sidereal.client.prediction import OwnState, Prediction
from sidereal.client.rollback import MOTION_COLUMNS, Rollback
from sidereal.game import (
    F4,
    U4,
    Body,
    Component,
    Controls,
    Game,
    Motion,
    Pilot,
    Press,
    Rows,
    Stage,
    field,
    press,
)
from sidereal.game.bits import pack
from sidereal.game.declarations import Declarations, declare
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import Rules

RULES = Rules()
RELOAD = 6
REST = OwnState(10.0, 20.0, 0.0, 0.0, 0.0, 0.0)


class Trigger(Controls):
    fire: Press = press("SPACE")


class Gun(Component):
    ready: U4
    heat: F4 = field(0, low=0, high=100, quantum=0.5)


class Ballast(Component):
    mass: F4 = field(1, low=0, high=10)


READY, HEAT = "test_rollback_gun_ready", "test_rollback_gun_heat"
MASS = "test_rollback_ballast_mass"


def fire(own: Rows) -> None:
    gun = own[Gun]
    shot = (own[Trigger].fire > 0) & (gun.ready <= own.tick)
    gun.ready[shot] = own.tick + RELOAD
    gun.heat[shot] += 1 + own.noise(7)[shot]


def recoil(own: Rows) -> None:
    own[Motion].vx -= own[Trigger].fire / own[Ballast].mass


def make_game(*, peeks: bool = False) -> Declarations:
    game = Game("armed")
    game.kind("craft", Motion(), Body(), Pilot(), Gun(), Ballast())
    game.model(Gun, reads=() if peeks else (Trigger,), stage=Stage.TICK)(fire)
    game.model(Motion, reads=(Trigger, Ballast), stage=Stage.TICK)(recoil)
    game.declare(Trigger)
    return declare(game)


GAME = make_game()
SCHEMA = schema_of(GAME)
SHOT = pack(Trigger(fire=1))


def values(others: Mapping[str, Any], count: int = 1) -> dict[str, np.ndarray]:
    """Columns of entities at rest."""
    columns = {
        name: np.full(count, value) for name, value in zip(MOTION_COLUMNS, REST, strict=True)
    }
    return columns | {name: np.full(count, value) for name, value in others.items()}


def armed(count: int = 1, mass: Any = 2.0) -> dict[str, np.ndarray]:
    return values({READY: 0, HEAT: 0.0, MASS: mass}, count)


def make(count: int = 1, game: Declarations = GAME) -> Rollback:
    return Rollback(game, SCHEMA, RULES, np.arange(7, 7 + count, dtype=np.uint32), 10)


def test_all_that_models_write_is_flown_and_what_they_only_read_stays() -> None:
    ahead = make()
    ahead.begin(armed())
    ahead.fly([0, SHOT, SHOT], 100)
    assert [ahead.state(n)[READY][0] for n in range(4)] == [0, 0, 107, 107]
    assert [ahead.state(n)["vx"].tolist() for n in range(4)] == [[0.0], [0.0], [-0.5], [-1.0]]
    assert MASS not in ahead.state(0)


def test_a_model_of_what_is_not_known_does_not_run() -> None:
    ahead = make()
    ahead.begin(values({READY: 0, HEAT: 0.0}))
    ahead.fly([SHOT], 100)
    assert ahead.state(1)["vx"].tolist() == [0.0]
    assert ahead.state(1)[READY].tolist() == [100 + RELOAD]
    ahead.begin(values({MASS: 4.0}))
    ahead.fly([SHOT], 100)
    assert ahead.state(1)["vx"].tolist() == [-0.25]
    assert READY not in ahead.state(1)


def test_a_model_that_reads_what_it_did_not_declare_is_named() -> None:
    ahead = make(game=make_game(peeks=True))
    ahead.begin(armed())
    with pytest.raises(LocalProtocolError, match=r"model armed.fire reads Trigger, which is not"):
        ahead.fly([SHOT], 100)


def test_one_wrong_row_replays_all() -> None:
    ahead, again = make(3), make(3)
    ahead.begin(armed(3))
    ahead.fly([SHOT, 0, 0, SHOT, SHOT], 100)
    ahead.confirm(1)
    truth = {name: column.copy() for name, column in ahead.state(0).items()} | {
        MASS: np.full(3, 2.0)
    }
    assert not ahead.differs(truth)
    truth[READY][1] += 4
    assert ahead.differs(truth)
    ahead.begin(truth)
    assert ahead.count == 0
    ahead.fly([0, 0, SHOT, SHOT], 101)
    again.begin(truth)
    again.fly([0, 0, SHOT, SHOT], 101)
    for name, column in again.state(4).items():
        assert column.tolist() == ahead.state(4)[name].tolist(), name
    assert ahead.state(4)[READY].tolist() == [106 if n != 1 else 104 + RELOAD for n in range(3)]


@pytest.mark.parametrize(
    ("name", "off", "differs"),
    [
        ("x", 0.9 * RULES.cell_size / 65536, False),
        ("y", -1.1 * RULES.cell_size / 65536, True),
        ("vx", 0.9 / 128, False),
        ("vx", 1.1 / 128, True),
        ("heading", math.tau - 1e-5, False),  # a step short of a whole turn
        ("heading", 3e-4, True),
        (HEAT, 0.4, False),
        (HEAT, 0.6, True),
        (READY, 1, True),
    ],
)
def test_states_are_compared_on_the_quantum_of_each_field(
    name: str, off: float, differs: bool
) -> None:
    ahead = make()
    ahead.begin(armed())
    truth = armed()
    truth[name] = truth[name] + off
    assert ahead.differs(truth) is differs


def test_what_models_only_read_is_never_predicted_wrongly() -> None:
    ahead = make()
    ahead.begin(armed())
    assert not ahead.differs(armed(mass=8.0))
    ahead.update(armed(mass=8.0))
    ahead.fly([SHOT], 1)
    assert ahead.state(1)["vx"].tolist() == [-0.125]


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 15), min_size=1, max_size=10), st.integers(1, 20))
def test_entities_are_flown_alike_alone_and_in_a_crowd(records: list[int], count: int) -> None:
    crowd = make(count)
    crowd.begin(armed(count, 1.0 + np.arange(count)))
    crowd.fly(records, 50)
    for at in range(count):
        alone = Rollback(GAME, SCHEMA, RULES, np.array([7 + at], np.uint32), 10)
        alone.begin(armed(mass=1.0 + at))
        alone.fly(records, 50)
        for name, column in alone.state(len(records)).items():
            assert column[0] == crowd.state(len(records))[name][at], name


def test_a_component_that_a_model_writes_is_ahead_of_the_authority_and_corrected_by_it() -> None:
    prediction = Prediction(GAME, RULES)
    prediction.restart(7, 1)
    more = {READY: 0, HEAT: 0.0, MASS: 2.0}
    prediction.reconcile(100, 0, REST, 0.0, more)
    prediction.press(Entry(1, SHOT, 0.0, RULES.tick_s))
    prediction.press(Entry(2, SHOT, RULES.tick_s, RULES.tick_s))
    assert prediction.columns()[READY].tolist() == [101 + RELOAD]
    said = {name: column[0] for name, column in prediction.columns().items()}
    # The authority says that the first shot did not go off: the second one does.
    state = REST._replace(vx=-0.5, x=REST.x - 0.5 * RULES.tick_s)
    prediction.reconcile(101, 1, state, 0.1, more)
    assert prediction.corrections == 1
    assert prediction.columns()[READY].tolist() == [102 + RELOAD]
    assert prediction.columns()[HEAT][0] != said[HEAT]  # noise goes by the tick


def test_a_state_that_comes_a_tick_later_is_flown_on_from_that_tick() -> None:
    prediction = Prediction(GAME, RULES)
    prediction.restart(7, 1)
    more = {READY: 0, HEAT: 0.0, MASS: 2.0}
    prediction.reconcile(100, 0, REST, 0.0, more)
    prediction.press(Entry(1, 0, 0.0, RULES.tick_s))
    prediction.press(Entry(2, SHOT, RULES.tick_s, RULES.tick_s))
    prediction.reconcile(102, 1, REST, 0.1, more)
    assert prediction.corrections == 0
    assert prediction.columns()[READY].tolist() == [103 + RELOAD]
