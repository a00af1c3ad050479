"""A saved world under a newer version of its game, against a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from raw_sql import sql

from sidereal.game import F4, I4, I8, U2, Body, Component, Game, Motion, Parent, Text, field
from sidereal.game.declarations import Declarations, declare
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import UnavailableError
from sidereal.replication.keeping.judging import find_problem
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.references import saved_alone
from sidereal.replication.keeping.store import Store, open_store


def make_game(*health: Component) -> Declarations:
    """A game of ships, which have this, and rocks."""
    game = Game("evolving")
    game.kind("ship", Motion(), Body(), *health)
    game.kind("rock", Motion(), Body())
    return declare(game)


class Health(Component, name="health"):
    hp: F4 = field(100, low=0, high=200)
    armour: I4 = field(3, low=-10, high=10)


class Narrow(Component, name="health"):
    hp: F4 = field(100, low=50, high=100)
    armour: I4 = field(3, low=-10, high=5)


class Wide(Component, name="health"):
    hp: F4 = field(100, low=0, high=1000)
    armour: I4 = field(3, low=-10, high=10)


class Renamed(Component, name="health"):
    points: F4 = field(100, low=0, high=200, was="hp")
    armour: I4 = field(3, low=-10, high=10)


class Other(Component, name="health"):
    points: U2 = field(100, was="hp")
    armour: I4 = field(3, low=-10, high=10)


class More(Component, name="health"):
    hp: F4 = field(100, low=0, high=200)
    armour: I4 = field(3, low=-10, high=10)
    motto: Text = field(b"it's on", size=12)
    shield: U2 = field(7)


class Score(Component, name="score"):
    points: I8


class Positive(Component, name="score"):
    points: I8 = field(0, low=0)


OLD = make_game(Health())


@asynccontextmanager
async def opened(url: str, game: Declarations, *, clamp: bool = False) -> AsyncIterator[Store]:
    async with open_store(url, game, clamp=clamp) as store:
        await store.begin("", "a test")
        yield store
        await store.release()


async def save(url: str, game: Declarations = OLD, **values: Any) -> None:
    """Save four entities of a game, two ships, then two rocks."""
    rows = saved_alone(schema_of(game), np.repeat(schema_of(game).first[[1, 2]], 2))
    rows["epoch"], rows["tick"] = 3, 1
    for name, value in values.items():
        rows[name][:2] = value
    count = len(rows)
    batch = Batch(
        rows,
        np.frombuffer(bytes(range(16 * count)), "V16"),
        np.zeros(count, np.int64),
        np.ones(count, np.bool_),
        np.zeros(count, np.bool_),
        np.ones(count, np.int64),
        np.ones(count, np.int64),
    )
    async with opened(url, game) as store:
        assert (await store.write_rows(batch, 1)).saved.all()


async def load(url: str, game: Declarations, *, clamp: bool = False) -> np.ndarray:
    async with opened(url, game, clamp=clamp) as store:
        world = await store.load_world(berths=True)
    return world.rows[np.argsort(world.uuid.view("S16"))]


async def test_a_new_field_is_what_an_entity_of_its_kind_begins_with(database_url: str) -> None:
    await save(database_url)
    rows = await load(database_url, make_game(More(shield=9)))
    assert rows["health_shield"].tolist() == [9, 9, 7, 7]
    assert rows["health_motto"].tolist() == [b"it's on"] * 4


async def test_a_renamed_field_takes_its_column_along(database_url: str) -> None:
    await save(database_url, health_hp=[40, 60])
    renamed = make_game(Renamed())
    for _ in range(2):  # the second start finds it done
        rows = await load(database_url, renamed)
        assert rows["health_points"][:2].tolist() == [40, 60]


async def test_a_renamed_field_of_another_type_is_refused(database_url: str) -> None:
    await save(database_url)
    with pytest.raises(UnavailableError, match="health_points is real, not integer"):
        await load(database_url, make_game(Other()))
    assert (await load(database_url, OLD))["health_hp"].tolist() == [100] * 4


@pytest.mark.parametrize("again", [False, True])
async def test_a_kind_of_saved_entities_is_given_no_parent(database_url: str, again: bool) -> None:
    await save(database_url)
    grown = Game("evolving")
    grown.kind("ship", Motion(), Body(), Health())
    grown.kind("rock", Motion(), Body(), Parent())
    if again:  # there was a kind with parents before
        crates = Game("evolving")
        crates.kind("ship", Motion(), Body(), Health())
        crates.kind("rock", Motion(), Body())
        crates.kind("crate", Motion(), Body(), Parent())
        assert len(await load(database_url, declare(crates))) == 4
    with pytest.raises(UnavailableError) as refused:
        await load(database_url, declare(grown))
    assert str(refused.value) == (
        "the game gives Parent to a kind whose saved entities have none: 2 of the kind rock: "
        "run the version before, or give it to a kind of another name"
    )
    assert len(await load(database_url, OLD)) == 4


async def test_a_narrower_range_is_refused_with_the_rows_outside(database_url: str) -> None:
    await save(database_url, health_hp=[40, 101], health_armour=[5, 6])
    with pytest.raises(UnavailableError) as refused:
        await load(database_url, make_game(Narrow()))
    assert str(refused.value) == (
        "the game has narrowed what saved entities may hold: 2 of health_hp outside 50 to 100; "
        "1 of health_armour outside -10 to 5: run the version before, or bring them into the range "
        "with --clamp"
    )
    assert (await load(database_url, OLD))["health_hp"][:2].tolist() == [40, 101]


async def test_a_range_may_be_narrowed_where_nothing_is_outside(database_url: str) -> None:
    await save(database_url, health_hp=[50, 100], health_armour=[5, -10])
    assert (await load(database_url, make_game(Narrow())))["health_hp"][:2].tolist() == [50, 100]


async def test_rows_are_brought_into_the_range_on_demand(database_url: str) -> None:
    await save(database_url, health_hp=[40, 101], health_armour=[5, 6])
    rows = await load(database_url, make_game(Narrow()), clamp=True)
    assert rows["health_hp"][:2].tolist() == [50, 100]
    assert rows["health_armour"][:2].tolist() == [5, 5]
    assert (await load(database_url, make_game(Narrow())))["health_hp"][:2].tolist() == [50, 100]


async def test_a_range_that_was_widened_may_not_come_back_unseen(database_url: str) -> None:
    await save(database_url)
    await load(database_url, make_game(Wide()))
    await sql(database_url, "UPDATE entity SET health_hp = 900", "SELECT")
    with pytest.raises(UnavailableError, match="4 of health_hp outside 0 to 200"):
        await load(database_url, OLD)


async def test_what_was_outside_before_is_set_aside_and_refuses_nothing(database_url: str) -> None:
    await save(database_url)
    await sql(database_url, "UPDATE entity SET health_hp = 'NaN' WHERE kind = 'ship'", "SELECT")
    assert (await load(database_url, make_game(Narrow()))).size == 2


async def test_a_field_that_is_no_longer_declared_keeps_its_column(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await save(database_url, health_hp=[40, 60])
    await load(database_url, make_game())
    assert "health_armour, health_hp" in caplog.text
    assert (await load(database_url, OLD))["health_hp"][:2].tolist() == [40, 60]


async def test_the_widest_numbers_are_narrowed_like_all_others(database_url: str) -> None:
    most = (1 << 63) - 1
    await save(database_url, make_game(Score()), score_points=[most, -1])
    narrow = make_game(Positive())
    with pytest.raises(UnavailableError, match=r"1 of score_points outside 0 to 9\.22337e\+18"):
        await load(database_url, narrow)
    for clamp in (True, False):
        rows = await load(database_url, narrow, clamp=clamp)
        assert rows["score_points"][:2].tolist() == [most, 0]


async def test_a_world_that_runs_can_be_asked_what_it_could_go_on_with(database_url: str) -> None:
    await save(database_url, health_hp=[40, 60])
    rocks = Game("evolving")
    rocks.kind("rock", Motion(), Body())
    async with opened(database_url, OLD) as store:
        assert await find_problem(database_url, OLD) is None
        assert await find_problem(database_url, make_game(More())) is None
        said = await find_problem(database_url, declare(rocks))
        assert said is not None
        assert "does not declare any more (2 of kind ship)" in said
        said = await find_problem(database_url, make_game(Narrow()))
        assert said is not None
        assert "1 of health_hp outside 50 to 100" in said
        assert await find_problem(database_url, make_game(Narrow()), clamp=True) is None
        await store.save_tick(2)  # it still is who writes
    assert (await load(database_url, OLD))["health_hp"].tolist() == [40, 60, 100, 100]
