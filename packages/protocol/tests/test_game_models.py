"""Models and controls: what shards and clients compute alike."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.game import (
    F4,
    I1,
    Body,
    Component,
    Controls,
    Game,
    Held,
    Kind,
    Motion,
    Press,
    Rows,
    Stage,
    angle,
    axis,
    field,
    hold,
    press,
)
from sidereal.game.bits import layout_of, pack, pack_rows, unpack
from sidereal.game.builtin import BUILTIN
from sidereal.game.declarations import declare
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.models import FreeFlight, ModelRows, Spawner
from sidereal.game.record import Record, as_columns
from sidereal.game.schema import column_of, schema_of
from sidereal.protocol.errors import ConfigError, LocalProtocolError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.component import Replication
from sidereal.protocol.state.schema import BASE_SCHEMA


class Grip(Controls):
    pitch: I1 = axis("W", "S", steps=2)
    fire: Press = press("SPACE")
    boost: Held = hold("X")
    aim: F4 = angle(bits=10)


class Fuel(Component):
    left: F4 = field(100, low=0, high=100, quantum=0.5)


def fly(own: Rows) -> None:
    own[Motion].vx[:] += 60.0 * own[Grip].pitch * own.dt


def burn(own: Rows) -> None:
    own[Fuel].left[:] -= own.dt


def nobody(kind: Kind, rows: np.ndarray, components: Sequence[Component]) -> None:
    raise AssertionError(f"{kind} was spawned")


def rows(game: Game, count: int = 2, spawner: Spawner = nobody) -> ModelRows:
    """What the first model of a game would be handed."""
    motion = as_columns(Motion, {name: np.zeros(count) for name in Motion.fields})
    grip = unpack(Grip, np.zeros(count, np.uint64))
    ids = np.arange(1, count + 1, dtype=np.uint32)
    model = declare(game).models[0]
    return ModelRows(model, ids, 7, 0.05, {Motion: motion, Grip: grip}, spawner)


def make_game() -> Game:
    game = Game("flown")
    game.kind("craft", Motion(), Body(), Fuel())
    game.model(Motion, reads=(Grip,))(fly)
    game.model(Fuel, stage=Stage.TICK)(burn)
    return game


# -- controls -------------------------------------------------------------------------------------


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(0, (1 << 18) - 1), min_size=1, max_size=8))
def test_what_is_held_survives_as_a_record(numbers: list[int]) -> None:
    layout = layout_of(Grip)
    assert layout.bits == 18
    records = np.array([number for number in numbers if layout.accepts([number])], np.uint64)
    assert pack_rows(unpack(Grip, records)).tolist() == records.tolist()


def test_each_column_has_bits_of_its_own() -> None:
    ones = {name: 2 * math.pi / 1024 if name == "aim" else 1 for name in Grip.fields}
    assert [pack(Grip(**{name: value})) for name, value in ones.items()] == [1, 8, 128, 256]
    assert pack(Grip(pitch=-2, fire=3, boost=1)) == 4 | 3 << 3 | 1 << 7
    assert [pack(Grip(pitch=pitch)) for pitch in (0, 1, 2, -1, -2)] == [0, 1, 2, 3, 4]


def test_what_is_out_of_range_becomes_the_nearest_in_it() -> None:
    assert pack(Grip(pitch=7, fire=20, boost=2)) == pack(Grip(pitch=2, fire=15, boost=1))
    assert pack(Grip(aim=math.pi)) == pack(Grip(aim=-math.pi)) == 512 << 8
    there = unpack(Grip, np.array([pack(Grip(aim=-1.0)), pack(Grip(aim=3.0))], np.uint64)).aim
    assert there.tolist() == pytest.approx([-1.0, 3.0], abs=math.pi / 1024)


def test_presses_add_up_and_what_was_touched_meanwhile_is_kept() -> None:
    layout = layout_of(Grip)
    earlier, later = pack(Grip(pitch=1, fire=9, aim=2)), pack(Grip(fire=9, boost=1, aim=-2))
    merged = layout.merged(later, earlier)
    assert merged == pack(Grip(pitch=1, fire=15, boost=1, aim=-2))
    assert layout.touched(merged, earlier) == pack(Grip(boost=1))
    assert merged & layout.states == pack(Grip(pitch=1, boost=1, aim=-2))


def test_a_record_of_controls_has_64_bits_and_a_game_one_class_of_them() -> None:
    class Aim(Controls):
        at: F4 = angle(bits=32)
        of: F4 = angle(bits=32)
        a: Held = hold("A")

    class Other(Controls):
        b: Held = hold("B")

    game = make_game()
    game.declare(Aim, Other)
    with pytest.raises(ConfigError) as caught:
        declare(game)
    assert str(caught.value).split("\n") == [
        "a game has one class of controls, not test_game_models.grip, test_game_models.aim, "
        "test_game_models.other",
        "test_game_models.aim: 65 bits; a record of controls has 64",
    ]


# -- models ---------------------------------------------------------------------------------------


def test_a_model_changes_its_rows() -> None:
    flight = FreeFlight(declare(make_game()), Rules())
    motion = {name: np.zeros(2) for name in Motion.fields}
    held = flight.hold(np.array([0, 1], np.uint64))
    flight.fly({Motion: as_columns(Motion, motion), **held}, np.array([1, 2], np.uint32), 7)
    assert motion["vx"].tolist() == pytest.approx([0.0, 3.0])
    # Velocity first, then place, in each of three steps.
    assert motion["x"].tolist() == pytest.approx([0.0, (1 + 2 + 3) / 60])


def test_what_a_model_did_not_declare_is_refused_by_name() -> None:
    with pytest.raises(
        LocalProtocolError,
        match=r"model flown.fly reads Body, which is not among what it writes or reads=",
    ):
        rows(make_game())[Body]


def test_a_model_has_no_neighbours() -> None:
    with pytest.raises(AttributeError, match=r"model flown.fly: Rows has no pairs; a model sees"):
        rows(make_game()).pairs()  # type: ignore[attr-defined]


@settings(derandomize=True, max_examples=50)
@given(st.integers(-(2**63), 2**63 - 1))
def test_noise_repeats_and_differs(salt: int) -> None:
    some = rows(make_game(), 1000)
    noise = some.noise(salt)
    assert noise.tolist() == some.noise(salt).tolist()
    assert (noise >= 0).all()
    assert (noise < 1).all()
    assert len(np.unique(noise)) == 1000
    assert abs(noise.mean() - 0.5) < 0.06
    assert noise[0] != some.noise(salt ^ 1)[0]


def test_what_a_model_spawns_has_the_values_of_the_rows_that_spawn_it() -> None:
    came: list[tuple[str, list[int], Sequence[Component]]] = []

    def spawner(kind: Kind, at: np.ndarray, values: Sequence[Component]) -> None:
        came.append((kind.name, at.tolist(), values))

    game = make_game()
    some, craft = rows(game, 3, spawner), game.kinds[0]
    some.spawn(craft, np.array([False] * 3), Fuel(left=[1, 2, 3]))
    assert came == []
    some.spawn(craft, np.array([True, False, True]), Fuel(left=[1, 2, 3]), Motion(x=5))
    ((name, at, (fuel, motion)),) = came
    assert (name, at) == ("craft", [0, 2])
    assert isinstance(fuel, Fuel)
    assert fuel.left.tolist() == [1, 3]
    assert isinstance(motion, Motion)
    assert motion.x.tolist() == 5


@pytest.mark.parametrize(
    ("which", "values", "words"),
    [
        ([1, 0], [1, 2], r"model flown.fly: spawn\(craft\): say which rows as bool\[2\]"),
        ([True], [1, 2], r"model flown.fly: spawn\(craft\): say which rows as bool\[2\]"),
        ([True, False], [1, 2, 3], r"fuel.left has 3 values for 2 rows"),
    ],
)
def test_a_spawn_that_is_not_of_the_rows_is_refused_by_name(
    which: list[bool], values: list[float], words: str
) -> None:
    game = make_game()
    with pytest.raises(LocalProtocolError, match=words):
        rows(game).spawn(game.kinds[0], np.array(which), Fuel(left=values))


def test_what_models_write_is_put_back_into_its_range_after_every_tick() -> None:
    flight = FreeFlight(declare(make_game()), Rules(), (Motion, Fuel))
    motion = {name: np.zeros(2) for name in Motion.fields}
    motion["vx"][:], motion["vy"][:] = (240.0, 60.0), (240.0, 0.0)
    fuel = {"left": np.array([0.03, 50.0], np.float32)}
    records: dict[type[Record], Record] = {
        Motion: as_columns(Motion, motion),
        Fuel: as_columns(Fuel, fuel),
    }
    held = flight.hold(np.array([0, 0], np.uint64))
    flight.fly({**records, **held}, np.array([1, 2], np.uint32), 7)
    assert fuel["left"].tolist() == pytest.approx([0.0, 49.95])
    assert np.hypot(motion["vx"], motion["vy"]).tolist() == pytest.approx([Rules().speed_max, 60.0])


# -- the schema -----------------------------------------------------------------------------------


def test_the_game_that_ships_begins_with_the_columns_of_the_engine() -> None:
    engine = BASE_SCHEMA.description.components
    assert schema_of(load(DEFAULT_GAME)).description.components[: len(engine)] == engine


def test_a_component_becomes_columns() -> None:
    schema = schema_of(declare(make_game()))
    assert schema.hash != BASE_SCHEMA.hash
    name = column_of(Fuel, Fuel.fields["left"])
    assert name == "test_game_models_fuel_left"
    assert schema.fields[name].bounds == (0.0, 100.0)
    assert schema.components[-1].replicated is Replication.ATTRIBUTE
    assert schema.components[-1].persisted
    assert name in (schema.full_record.names or ())
    assert {column_of(record, f) for record in BUILTIN for f in record.fields.values()} <= set(
        BASE_SCHEMA.fields
    )
