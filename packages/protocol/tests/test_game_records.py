"""Records of a game: what the class statement declares, and what is said about mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sidereal.game import (
    AUTHORITY,
    F4,
    F8,
    I1,
    LINEAR,
    PILOT,
    U4,
    VIEWERS,
    Component,
    Controls,
    Entity,
    Event,
    Held,
    Motion,
    Press,
    Text,
    angle,
    axis,
    field,
    hold,
    press,
    role,
)
from sidereal.game.component import EVERYONE, SHARD, SHARDS
from sidereal.game.record import as_columns, outside


class Health(Component):
    hp: F4 = field(100, low=0, high=100, quantum=0.5, unit="hp")


class Seeker(Component, audience=PILOT, writer=AUTHORITY, saved=False):
    by: Entity
    target: Entity
    until: U4


class HomingMissile(Component, name="weapons.missile"):
    fuse: U4


class Stick(Controls):
    thrust: I1 = axis("W", "S")
    fire: Press = press("SPACE")
    aim: F4 = angle(pointer=True, bits=10)


class Burst(Event, to=VIEWERS):
    x: F8
    y: F8


def test_a_class_declares_its_columns_in_order() -> None:
    assert list(Seeker.fields) == ["by", "target", "until"]
    assert Seeker.fields["by"].storage.reference
    assert not Seeker.fields["until"].storage.reference
    assert Health.fields["hp"].dtype == np.dtype("<f4")
    assert Health.fields["hp"].options.unit == "hp"
    assert Health.problems == Seeker.problems == Stick.problems == Burst.problems == ()


def test_on_the_class_a_name_is_the_declaration() -> None:
    declared: object = Health.hp
    assert declared is Health.fields["hp"]
    assert str(Health.hp) == "test_game_records.health.hp"


def test_names_follow_from_module_and_class_unless_said() -> None:
    assert Health.record_name == "test_game_records.health"
    assert HomingMissile.record_name == "weapons.missile"
    assert Motion.record_name == "motion"


def test_what_is_not_said_has_its_default() -> None:
    assert (Health.audience, Health.writer, Health.saved) == (EVERYONE, SHARD, True)
    assert (Seeker.audience, Seeker.writer, Seeker.saved) == (PILOT, AUTHORITY, False)
    assert Burst.to is VIEWERS


def test_an_instance_holds_values_for_a_spawn() -> None:
    many = Seeker(by=7, until=np.array([1, 2]))
    assert many.by == 7
    assert many.target == 0
    assert many.until.tolist() == [1, 2]
    assert Health().hp == 100


def test_an_instance_is_the_struct_of_arrays() -> None:
    hp = np.array([1.0, 2.0], dtype=np.float32)
    columns = as_columns(Health, {"hp": hp})
    columns.hp[[0]] -= 1
    columns.hp += 10
    assert hp.tolist() == [10.0, 12.0]


def test_a_column_cannot_be_replaced() -> None:
    columns = as_columns(Health, {"hp": np.zeros(2, dtype=np.float32)})
    with pytest.raises(AttributeError, match=r"write hp\[rows\] = …, not hp = …"):
        columns.hp = np.ones(2, dtype=np.float32)


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    said = "Seeker has no field 'tgt'; it has by, target, until"
    with pytest.raises(AttributeError, match=said):
        Seeker().tgt  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(TypeError, match=said):
        Seeker(tgt=1)
    with pytest.raises(AttributeError, match=said):
        Seeker().tgt = 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a lot", "nothing that f4 can hold"),
        ([[1.0]], "one value, or one for each entity, not 2 dimensions"),
        (None, "nothing that f4 can hold"),
    ],
)
def test_values_that_a_column_cannot_hold_are_refused(value: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        Health(hp=value)


def test_whole_numbers_do_not_take_fractions() -> None:
    with pytest.raises(TypeError, match="nothing that u4 can hold"):
        Seeker(until=1.5)
    assert Seeker(until=np.array([2.0])).until.tolist() == [2.0]


def test_values_outside_the_range_are_found() -> None:
    wrong = outside(Health(hp=[1.0, 100.5, np.nan]))
    assert wrong["hp"].tolist() == [False, True, True]
    assert outside(Health(hp=100)) == {}


def test_text_has_a_size_in_bytes() -> None:
    class Sign(Component):
        text: Text = field(b"", size=4)

    assert Sign.problems == ()
    assert outside(Sign(text="auto")) == {}
    assert list(outside(Sign(text="grün"))) == ["text"]


def test_controls_are_bound_to_keys() -> None:
    assert Stick.fields["thrust"].options.binding is not None
    assert Stick.fields["thrust"].options.binding.keys == ("W", "S")
    assert Stick.fields["aim"].schema_field().codes == (0, 1023)
    assert outside(Stick(thrust=-1)) == {}
    assert list(outside(Stick(thrust=2))) == ["thrust"]


def test_a_component_may_be_a_mere_mark() -> None:
    class Docked(Component):
        pass

    assert Docked.problems == ()
    assert dict(Docked.fields) == {}


# -- what is said about mistakes ------------------------------------------------------------------


def test_a_plain_type_is_no_column() -> None:
    class Wrong(Component):
        hp: float = 100.0

    assert Wrong.problems == (
        "Wrong.hp is annotated float: a component holds columns, write "
        "F4 (or F8, I1, I2, I4, I8, U1, U2, U4, Entity, Text)",
    )


def test_an_unknown_type_is_named() -> None:
    class Wrong(Component):
        hp: Nothing  # type: ignore[name-defined]  # noqa: F821
        mp: F4

    assert len(Wrong.problems) == 1
    assert "Wrong.hp is annotated 'Nothing'" in Wrong.problems[0]
    assert list(Wrong.fields) == ["mp"]


def test_a_quantum_needs_a_range() -> None:
    class Wrong(Component):
        reach: F4 = field(1, quantum=1)

    assert Wrong.problems == ("test_game_records.wrong.reach: quantum needs low and high",)


def test_a_default_lies_in_the_range() -> None:
    class Wrong(Component):
        reach: F4 = field(low=1, high=500)

    assert Wrong.problems == ("test_game_records.wrong.reach: the default 0 is outside 1 to 500",)


def test_all_problems_of_a_class_are_kept() -> None:
    class Wrong(Component):
        a: F4 = field(1, quantum=1)
        b: U4 = field(0, curve=LINEAR)
        tick: U4
        fields: U4  # type: ignore[misc, assignment]
        c = field(3)

    assert len(Wrong.problems) == 5
    assert "only floats have a curve" in Wrong.problems[1]
    assert "the engine has that name itself" in Wrong.problems[2]
    assert "the engine has that name itself" in Wrong.problems[3]
    assert "Wrong.c has no type" in Wrong.problems[4]


def test_records_do_not_derive_from_each_other() -> None:
    class More(Health):
        mp: F4

    assert "derives from another record" in More.problems[0]


def test_audiences_have_their_sort() -> None:
    class Wrong(Component, audience=VIEWERS):
        pass

    class Also(Event, to=SHARDS):
        pass

    class Right(Component, audience=role("operator")):
        pass

    assert "EVERYONE, PILOT, SHARDS or role(…), not viewers" in Wrong.problems[0]
    assert "VIEWERS, SECTOR, PILOT or ALL, not to shards" in Also.problems[0]
    assert Right.problems == ()


def test_controls_say_what_moves_them() -> None:
    class Wrong(Controls):
        boost: I1
        target: Entity = press("T")

    assert "say what moves it: axis, press, hold or angle" in Wrong.problems[0]
    assert "controls are numbers" in Wrong.problems[1]


def test_what_keys_do_is_said_in_words() -> None:
    class Odd(Controls):
        push: I1 = axis("W", "S", does=("forward", ""))
        slow: Held = hold("X", does="goes slower and slower until it stands still at last")

    class Fine(Controls):
        push: I1 = axis("W", "S", does=("forward", "backward"))

    odd = "test_game_records.odd"
    assert Odd.problems == (
        f"{odd}.push: does= has 1 to 32 letters for each key",
        f"{odd}.slow: does= has 1 to 32 letters for each key",
    )
    assert Fine.problems == ()


def test_keys_exist_and_move_one_thing_each() -> None:
    class Odd(Controls):
        push: I1 = axis("W", "Forward")
        slow: Held = hold("W")

    unknown, twice = Odd.problems
    odd = "test_game_records.odd"
    assert unknown.startswith(f"{odd}.push: there is no key 'Forward'; there are A to Z")
    assert twice == f"{odd}.slow: W is for {odd}.push already"
