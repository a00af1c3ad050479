"""The store against a real PostgreSQL: what is saved, what is refused, what heals."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
import trio.testing
from raw_sql import sql

from sidereal.game import AUTHORITY, F4, I8, Body, Component, Entity, Game, Label, Motion, field
from sidereal.game.declarations import Declarations, declare
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.protocol.errors import ConfigError, StoreError, UnavailableError
from sidereal.replication.keeping import tables
from sidereal.replication.keeping.database import open_database
from sidereal.replication.keeping.limits import DatabaseLimits, KeepingLimits
from sidereal.replication.keeping.names import LOOKALIKE_RULES
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.postgres.postmaster import Embedded
from sidereal.replication.keeping.posting import LedgerRow, Posting, holder_of
from sidereal.replication.keeping.references import saved_alone, saved_record
from sidereal.replication.keeping.store import Store, open_store
from sidereal.replication.keeping.stored import Recovered
from sidereal.replication.keeping.tables import NameTakenError, migrations
from sidereal.replication.limits import LIMITS


def make_game(*extra: type[Component], name: str = "many", kinds: int = 255) -> Declarations:
    """A game of many kinds, each with its place as its name."""
    game = Game(name)
    for number in range(1, kinds + 1):
        game.kind(f"kind_{number}", Motion(), Body(), Label())
    game.declare(*extra)
    return declare(game)


GAME = make_game()
SCHEMA = schema_of(GAME)


class OreCargo(Component, name="cargo"):
    ore: I8


class CrudeCargo(Component, name="cargo"):
    ore: F4


def uuids(count: int, first: int = 1) -> np.ndarray:
    return np.frombuffer(
        b"".join(n.to_bytes(15, "big") + b"\0" for n in range(first, first + count)), "V16"
    )


def some_rows(count: int, game: Declarations = GAME, seed: int = 1) -> np.ndarray:
    schema = schema_of(game)
    rng = np.random.default_rng(seed)
    rows = np.zeros(count, saved_record(schema))
    rows["id"] = np.arange(1, count + 1)
    rows["epoch"] = 3
    rows["tick"] = rng.integers(0, 10, count)
    for name in ("x", "y", "vx", "vy", "heading", "spin", "radius", "mass"):
        low, high = schema.fields[name].bounds
        rows[name] = rng.uniform(low, high, count)
    rows["kind"] = rng.integers(1, 256, count)
    rows["name"] = [f"Ünïté {n}"[: n % 15].encode() for n in range(count)]
    return rows


def make_batch(
    rows: np.ndarray,
    saved_tick: int,
    *,
    uuid: np.ndarray | None = None,
    active: bool = True,
    removed: bool = False,
) -> Batch:
    count = len(rows)
    ticks = np.full(count, saved_tick, np.int64)
    return Batch(
        rows,
        uuids(count) if uuid is None else uuid,
        np.arange(count, dtype=np.int64),
        np.full(count, active),
        np.full(count, removed),
        ticks.copy(),
        ticks,
    )


async def write(store: Store, batch: Batch) -> None:
    written = await store.write_rows(batch, int(batch.saved_tick.max()))
    assert written.saved.all()


async def begin(store: Store) -> None:
    await store.begin("token of the tests", "a test")


async def recover(store: Store) -> dict[bytes, tuple[Any, ...]]:
    world = await store.load_world(berths=True)
    columns = (world.uuid.tolist(), world.rows.tolist(), world.account, world.active)
    return {bytes(u): (r, int(a), bool(b)) for u, r, a, b in zip(*columns, strict=True)}


@contextlib.asynccontextmanager
async def migrated(
    url: str, game: Declarations = GAME, limits: DatabaseLimits = LIMITS.keeping.database
) -> AsyncIterator[Store]:
    async with open_store(url, game, KeepingLimits(database=limits)) as store:
        await begin(store)
        yield store


# -- the world -------------------------------------------------------------------------------


async def test_new_world_is_empty(database_url: str) -> None:
    async with migrated(database_url) as store:
        world = await store.load_world(berths=True)
    assert isinstance(world, Recovered)
    assert world.tick == 0
    assert len(world.rows) == len(world.uuid) == len(world.account) == len(world.active) == 0
    assert world.rows.dtype == saved_record(SCHEMA)


async def test_saved_rows_come_back_exactly(database_url: str) -> None:
    rows = some_rows(500)
    batch = make_batch(rows, 77)
    async with migrated(database_url) as store:
        await write(store, batch)
        assert store.statistics().saved_rows == 500
    async with migrated(database_url) as store:
        world = await store.load_world(berths=True)
    order = np.argsort(world.uuid.view("S16"))
    rows["id"] = 0
    assert world.tick == 77
    assert (world.rows[order] == rows).all()
    assert world.uuid[order].tobytes() == batch.uuid.tobytes()
    assert world.account[order].tolist() == batch.account.tolist()
    assert world.active.tolist() == (world.account == 0).tolist()  # no pilot is there yet


async def test_fields_that_are_not_persisted_come_back_as_zero(database_url: str) -> None:
    rows = some_rows(1)
    rows["shard"] = 7
    rows["control_epoch"] = 8
    async with migrated(database_url) as store:
        await write(store, make_batch(rows, 1))
        world = await store.load_world(berths=True)
    assert world.rows["shard"].tolist() == [0]
    assert world.rows["control_epoch"].tolist() == [0]


async def test_older_write_never_overwrites_a_newer_one(database_url: str) -> None:
    new, old = some_rows(3, seed=1), some_rows(3, seed=2)
    async with migrated(database_url) as store:
        await write(store, make_batch(new, 100))
        expected = await recover(store)
        await write(store, make_batch(old, 99, active=False))
        assert await recover(store) == expected
        old["epoch"] = 2
        await write(store, make_batch(old, 101))
        assert await recover(store) == expected
        old["epoch"] = 4
        await write(store, make_batch(old, 50))
        assert await recover(store) != expected


async def test_batch_of_new_newer_and_older_rows_saves_what_it_should(database_url: str) -> None:
    async with migrated(database_url) as store:
        await write(store, make_batch(some_rows(2, seed=1), 10))
        mixed = make_batch(some_rows(3, seed=2), 20)
        mixed.saved_tick[0] = 5
        await write(store, mixed)
        saved = await recover(store)
    keys = [bytes(u) for u in uuids(3).tolist()]
    first, mixed.rows["id"] = some_rows(2, seed=1), 0
    first["id"] = 0
    assert saved[keys[0]][0] == first[0].item()
    assert saved[keys[1]][0] == mixed.rows[1].item()
    assert saved[keys[2]][0] == mixed.rows[2].item()


async def test_writing_a_batch_again_changes_nothing(database_url: str) -> None:
    batch = make_batch(some_rows(10), 10)
    async with migrated(database_url) as store:
        await write(store, batch)
        expected = await recover(store)
        await write(store, batch)
        assert await recover(store) == expected


async def test_clock_is_saved_with_the_rows_and_never_goes_back(database_url: str) -> None:
    async with migrated(database_url) as store:
        await store.save_tick(50)
        await write(store, make_batch(some_rows(1), 40))
        assert (await store.load_world(berths=True)).tick == 50
        await write(store, make_batch(some_rows(1), 60))
        await store.save_tick(55)
        assert (await store.load_world(berths=True)).tick == 60


async def test_text_that_is_no_text_does_not_stop_the_batch(database_url: str) -> None:
    rows = some_rows(3)
    rows["name"] = [b"fine", b"\xff\xfe", b"also fine"]
    async with migrated(database_url) as store:
        await write(store, make_batch(rows, 1))
        world = await store.load_world(berths=True)
    names = world.rows["name"][np.argsort(world.uuid.view("S16"))]
    assert names.tolist() == [b"fine", b"?", b"also fine"]


# -- migrations ------------------------------------------------------------------------------


def test_migrations_are_numbered_without_gaps() -> None:
    assert [version for version, _, _ in migrations()] == list(range(1, len(migrations()) + 1))


async def test_migrating_twice_at_once_is_one_migration(database_url: str) -> None:
    async with (
        open_store(database_url, GAME) as one,
        open_store(database_url, GAME) as other,
        trio.open_nursery() as nursery,
    ):
        for _ in range(2):
            nursery.start_soon(begin, one)
            nursery.start_soon(begin, other)
    applied = await sql(database_url, "SELECT version FROM schema_migration ORDER BY version")
    assert [row["version"] for row in applied] == [version for version, _, _ in migrations()]


async def test_database_newer_than_the_program_is_refused(database_url: str) -> None:
    async with migrated(database_url) as store:
        await sql(
            database_url,
            "INSERT INTO schema_migration (version, name) VALUES (999, 'future')",
            "SELECT",
        )
        with pytest.raises(UnavailableError, match=r"at version 999, .* up to \d+: .*--database"):
            await begin(store)


async def test_new_component_becomes_a_column_of_old_rows(database_url: str) -> None:
    async with migrated(database_url) as store:
        await write(store, make_batch(some_rows(2), 1))
    game = make_game(OreCargo)
    rows = some_rows(2, game)
    rows["cargo_ore"] = [5, -(2**62)]
    async with migrated(database_url, game) as store:
        assert (await store.load_world(berths=True)).rows["cargo_ore"].tolist() == [0, 0]
        await write(store, make_batch(rows, 2))
        found = (await store.load_world(berths=True)).rows["cargo_ore"]
        assert sorted(found.tolist()) == [-(2**62), 5]
    async with migrated(database_url) as store:  # the component is gone again
        await write(store, make_batch(some_rows(1), 3, uuid=uuids(1, first=9)))
        assert len((await store.load_world(berths=True)).rows) == 3


async def test_column_of_another_type_is_refused(database_url: str) -> None:
    async with migrated(database_url, make_game(OreCargo)):
        pass
    async with open_store(database_url, make_game(CrudeCargo)) as store:
        with pytest.raises(UnavailableError, match="cargo_ore is bigint, not real"):
            await begin(store)


# -- the game --------------------------------------------------------------------------------


async def test_the_world_of_another_game_is_refused_in_a_line(database_url: str) -> None:
    async with migrated(database_url) as store:
        await store.save_tick(7)
    other = make_game(name="other")
    async with open_store(database_url, other) as store:
        with pytest.raises(UnavailableError) as caught:
            await begin(store)
    assert str(caught.value) == (
        "the database holds a world of the game many, and this is other: play many with --game, "
        "or choose another world with --data-dir or --database"
    )
    async with migrated(database_url) as store:
        assert (await store.load_world()).tick == 7


async def test_kinds_are_kept_by_name_whatever_their_numbers_are(database_url: str) -> None:
    rows = some_rows(3)
    rows["kind"] = [1, 2, 3]
    async with migrated(database_url) as store:
        await write(store, make_batch(rows, 1))
    game = Game("many")
    for number in (3, 9, 2, 1):
        game.kind(f"kind_{number}", Motion(), Body(), Label())
    async with migrated(database_url, declare(game)) as store:
        world = await store.load_world(berths=True)
    order = np.argsort(world.uuid.view("S16"))
    assert world.rows["kind"][order].tolist() == [4, 3, 1]


async def test_a_kind_that_has_entities_and_is_not_declared_is_refused(database_url: str) -> None:
    rows = some_rows(4)
    rows["kind"] = [1, 3, 3, 2]
    async with migrated(database_url) as store:
        await write(store, make_batch(rows, 1))
        await write(store, make_batch(rows[3:], 2, uuid=uuids(1, first=4), removed=True))
    async with open_store(database_url, make_game(kinds=1)) as store:
        with pytest.raises(UnavailableError) as caught:
            await begin(store)
    said = str(caught.value)
    assert said.startswith(
        "the database holds entities that many does not declare any more (2 of kind kind_3): run"
    )
    assert said.endswith("or delete this one if nothing in it matters")


OLD_COLUMNS = (
    *((name, "double precision") for name in ("x", "y", "vx", "vy", "heading", "spin")),
    *(("kind", "smallint"), ("radius", "real"), ("mass", "real"), ("name", "text")),
)
"""Of components, as they were when there was one game and kinds were numbers."""


async def test_a_world_from_before_games_had_names_opens_with_all_its_entities(
    database_url: str,
) -> None:
    columns = ", ".join(
        f"ADD COLUMN {name} {type_} NOT NULL DEFAULT {chr(39) * 2 if type_ == 'text' else 0}"
        for name, type_ in OLD_COLUMNS
    )
    old = [migration for migration in migrations() if migration[0] <= 4]
    rows = ", ".join(
        f"('{n:032x}', 3, {n}, {account}, true, 50, {n}, 0, 0, 0, 0, 0, {kind}, 4, 9, 'e{n}')"
        for n, kind, account in ((1, 2, 0), (2, 2, 0), (3, 1, 9), (4, 77, 0))
    )
    await sql(
        database_url,
        *(text for _, _, text in old),
        "CREATE TABLE schema_migration (version integer PRIMARY KEY, name text NOT NULL, "
        "applied_at timestamptz NOT NULL DEFAULT now())",
        *(f"INSERT INTO schema_migration VALUES ({at}, '{name}')" for at, name, _ in old),
        f"ALTER TABLE entity {columns}",
        "INSERT INTO entity (uuid, epoch, tick, account, active, saved_tick, "
        f"{', '.join(name for name, _ in OLD_COLUMNS)}) VALUES {rows}",
        "UPDATE world SET tick = 50 RETURNING tick",
    )
    frontier = load(DEFAULT_GAME)
    async with migrated(database_url, frontier) as store:
        world = await store.load_world(berths=True)
        assert store.statistics().quarantined_rows == 1  # no kind ever had that number
    order = np.argsort(world.uuid.view("S16"))
    kinds = [frontier.kinds[number - 1].name for number in world.rows["kind"][order]]
    assert kinds == ["asteroid", "asteroid", "ship"]
    assert world.rows["name"][order].tolist() == [b"e1", b"e2", b"e3"]
    assert world.rows["x"][order].tolist() == [1.0, 2.0, 3.0]
    assert (world.tick, world.account[order].tolist()) == (50, [0, 0, 9])
    async with open_store(database_url, GAME) as store:
        with pytest.raises(UnavailableError, match="holds a world of the game frontier"):
            await begin(store)


class Tie(Component, name="tie"):
    to: Entity
    was: Entity = field(0, was="former")


class Home(Component, writer=AUTHORITY, name="home"):
    at: Entity


def make_tied() -> Declarations:
    game = Game("tied")
    game.kind("stone", Motion(), Body(), Tie(), Home())
    game.account(Home())
    return declare(game)


async def test_what_leads_to_entities_is_kept_by_their_names(database_url: str) -> None:
    tied = make_tied()
    rows = saved_alone(schema_of(tied), np.repeat(schema_of(tied).first[[1]], 2))
    names = np.frombuffer(b"\1" * 16 + b"\2" * 16, "V16")  # accounts have those below
    rows["tie_to"], rows["group"] = names[::-1], names
    async with migrated(database_url, tied) as store:
        await write(store, make_batch(rows, 5, uuid=names))
        ledger = LedgerRow("home", 1, names[0].tobytes(), {"home_at": names[1].tobytes()})
        account = LedgerRow("home", -7, holder_of(7), {"home_at": names[0].tobytes()})
        await store.post(Posting(1, 6, (), (ledger, account)), 6)
    async with migrated(database_url, tied) as store:
        world = await store.load_world(berths=True)
        (placeless,) = await store.load_placeless()
    order = np.argsort(world.uuid.view("S16"))
    assert world.uuid[order].tobytes() == names.tobytes()
    rows = world.rows[order]
    assert rows["tie_to"].tobytes() == names[::-1].tobytes()
    assert rows["group"].tobytes() == names.tobytes()
    assert rows["tie_was"].tobytes() == bytes(32)
    assert rows["home_at"].tobytes() == names[1].tobytes() + bytes(16)
    assert placeless.values == {"home_at": names[0].tobytes()}


async def test_ids_of_a_world_from_before_lead_to_nobody_and_all_else_stays(
    database_url: str,
) -> None:
    tied = make_tied()
    old = [migration for migration in migrations() if migration[0] <= 7]
    columns = ", ".join(
        f'ADD COLUMN "{name}" {type_} NOT NULL DEFAULT {chr(39) * 2 if type_ == "text" else 1}'
        for name, type_ in (
            *((name, type_) for name, type_ in OLD_COLUMNS if name != "kind"),
            *(("kind", "text"), ("group", "bigint"), ("tie_to", "bigint")),
            *(("tie_former", "bigint"), ("others", "bigint")),
        )
    )
    await sql(
        database_url,
        *(text for _, _, text in old),
        "CREATE TABLE schema_migration (version integer PRIMARY KEY, name text NOT NULL, "
        "applied_at timestamptz NOT NULL DEFAULT now())",
        *(f"INSERT INTO schema_migration VALUES ({at}, '{name}')" for at, name, _ in old),
        f"ALTER TABLE entity {columns}",
        "CREATE TABLE ledger_home (holder uuid PRIMARY KEY, home_at bigint NOT NULL DEFAULT 3, "
        "CONSTRAINT home_at_range CHECK (home_at >= 0))",
        "INSERT INTO ledger_home VALUES (gen_random_uuid())",
        "INSERT INTO declared_range VALUES ('tie_to', 0, 4294967295), ('others', 0, 9)",
        "INSERT INTO entity (uuid, epoch, tick, account, active, saved_tick, kind, x) "
        f"VALUES ('{1:032x}', 3, 4, 0, true, 4, 'stone', 70)",
        "UPDATE world SET tick = 50, game = 'tied' RETURNING tick",
    )
    for _ in range(2):  # the second start finds it done
        async with migrated(database_url, tied) as store:
            world = await store.load_world(berths=True)
    assert world.rows["x"].tolist() == [70.0]
    for name in ("group", "tie_to", "tie_was"):
        assert world.rows[name].tobytes() == bytes(16), name
    left = await sql(database_url, "SELECT others, declared_range.name FROM entity, declared_range")
    assert ("others", 1) in {(row["name"], row["others"]) for row in left}
    assert "tie_to" not in {row["name"] for row in left}


# -- accounts --------------------------------------------------------------------------------


async def test_account_is_found_in_any_spelling(database_url: str) -> None:
    async with migrated(database_url) as store:
        account_id = await store.create_account("Straße", "hash")
        assert account_id > 0
        for spelling in ("Straße", "STRASSE", "ｓｔｒａße"):
            account = await store.account_by_name(spelling)
            assert account is not None
            assert account == (account_id, "Straße", "hash")
        assert await store.account_by_name("Strasses") is None


async def test_name_is_taken_in_any_spelling(database_url: str) -> None:
    async with migrated(database_url) as store:
        await store.create_account("Ann", "hash")
        with pytest.raises(NameTakenError, match="'aNN' is taken"):
            await store.create_account("aNN", "other")
        assert store.statistics().failures == 0


async def test_name_that_looks_like_another_is_taken(database_url: str) -> None:
    async with migrated(database_url) as store:
        await store.create_account("admin", "hash")
        for name in ("\u0410dmin", "adm\u0456n", "ad\u034fmin", "\u0410D\u041cIN", "adrnin"):
            with pytest.raises(NameTakenError, match="looks like one that is"):
                await store.create_account(name, "other")
        assert await store.create_account("admins", "hash")
        assert store.statistics().failures == 0


async def test_two_names_that_look_alike_at_the_same_moment_are_one_account(
    database_url: str,
) -> None:
    taken: list[str] = []

    async def register(store: Store, name: str) -> None:
        try:
            await store.create_account(name, "hash")
        except NameTakenError:
            taken.append(name)

    async with migrated(database_url) as store:
        async with trio.open_nursery() as nursery:
            for name in ("admin", "\u0430dmin", "adm\u0456n", "adrnin"):
                nursery.start_soon(register, store, name)
        assert len(taken) == 3
        assert store.statistics().failures == 0


async def test_accounts_from_before_keep_their_names_from_new_ones(database_url: str) -> None:
    """Two old accounts look alike already: both stay, and the start has said nothing."""
    async with migrated(database_url) as store:
        await store.create_account("ann", "hash")
    await sql(
        database_url,
        "DELETE FROM account_lookalike",
        "INSERT INTO account (name, name_key, password_hash) VALUES ('\u0430nn', '\u0430nn', 'x')",
        "UPDATE account SET lookalike_rules = 'older' RETURNING id",
    )
    async with migrated(database_url) as store:
        for name in ("ann", "\u0430nn"):
            assert await store.account_by_name(name) is not None
        with pytest.raises(NameTakenError):
            await store.create_account("\u0251nn", "hash")
    rows = await sql(database_url, "SELECT DISTINCT lookalike_rules FROM account")
    assert [row["lookalike_rules"] for row in rows] == [LOOKALIKE_RULES]


async def test_more_accounts_than_one_step_get_their_skeletons(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "ACCOUNTS_PER_STEP", 3)
    async with migrated(database_url) as store:
        for number in range(7):
            await store.create_account(f"pilot {number}", "hash")
    await sql(database_url, "UPDATE account SET lookalike_rules = 'older' RETURNING id")
    async with migrated(database_url):
        pass
    kept = await sql(database_url, "SELECT count(DISTINCT account) FROM account_lookalike")
    assert kept[0]["count"] == 7


# -- out of reach ----------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["mysql://h/x", "nonsense", "postgresql://u:geheim@h:99999/x", ""])
async def test_bad_url_is_a_configuration_error_without_the_password(url: str) -> None:
    with pytest.raises(ConfigError, match="--database takes") as caught:
        async with open_store(url, GAME):
            pass
    assert "geheim" not in str(caught.value)


async def test_unreachable_database_is_told_in_one_line() -> None:
    url = "postgresql://u:geheim@127.0.0.1:1/world"
    expected = r"127\.0\.0\.1:1/world can't be reached: Connection refused; .*--database"
    with pytest.raises(UnavailableError, match=expected) as caught:
        async with open_store(url, GAME):
            pass
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_missing_database_is_told_in_one_line(database_url: str) -> None:
    url = database_url.replace("/postgres?", "/nowhere?")
    with pytest.raises(UnavailableError, match="does not exist"):
        async with open_store(url, GAME):
            pass


async def test_error_of_the_body_comes_out_bare(database_url: str) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with open_store(database_url, GAME):
            raise KeyError("mine")


async def test_refused_statement_is_a_store_error_and_the_store_goes_on(database_url: str) -> None:
    async with open_store(database_url, GAME) as store:
        with pytest.raises(StoreError, match='relation "authority" does not exist'):
            await store.save_tick(1)
        assert store.statistics().reconnects == 0
        await begin(store)
        await store.save_tick(1)
        assert store.statistics().available


async def test_caller_out_of_time_leaves_and_the_operation_goes_on(database_url: str) -> None:
    async with migrated(database_url) as store:
        with trio.move_on_after(0) as scope:
            await store.save_tick(5)
        assert scope.cancelled_caught
    rows = await sql(database_url, "SELECT tick FROM world")
    assert rows[0]["tick"] == 5


async def test_tasks_from_outside_the_context_can_use_the_store(database_url: str) -> None:
    async with trio.open_nursery() as nursery:
        stores: list[Store] = []
        opened = trio.Event()
        done = trio.Event()

        async def outsider() -> None:
            await opened.wait()
            await stores[0].save_tick(5)
            done.set()

        nursery.start_soon(outsider)
        async with migrated(database_url) as store:
            stores.append(store)
            opened.set()
            await done.wait()
            assert (await store.load_world(berths=True)).tick == 5


async def wait_available(store: Store) -> None:
    with trio.fail_after(20):
        while True:
            with contextlib.suppress(StoreError):
                await store.save_tick(0)
                break
            await trio.sleep(0.01)
    assert store.statistics().available


async def test_a_connection_makes_room_for_a_new_one_and_nothing_fails(database_url: str) -> None:
    servers = (
        "SELECT pid FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    async with migrated(database_url, limits=DatabaseLimits(connection_queries=20)) as store:
        seen = set()
        for tick in range(1, 21):  # each of these is some statements, and there is one at a time
            await write(store, make_batch(some_rows(3), tick))
            seen |= {row["pid"] for row in await sql(database_url, servers)}
        assert len(seen) > 2
        assert store.statistics().reconnects == store.statistics().failures == 0


async def test_killed_connections_heal(database_url: str) -> None:
    async with migrated(database_url) as store:
        await sql(
            database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        with contextlib.suppress(StoreError):
            await store.save_tick(1)
        await wait_available(store)
        await store.save_tick(2)
        assert (await store.load_world(berths=True)).tick == 2


async def test_killed_database_fails_at_once_and_heals(
    own_directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_store(Embedded(own_directory), GAME) as store:
        await begin(store)
        before = (await store.load_world(berths=True)).tick
        os.kill(postmaster_of(own_directory), signal.SIGKILL)
        with trio.fail_after(20):
            while store.statistics().available:
                with contextlib.suppress(StoreError):
                    await store.save_tick(before)
                await trio.sleep(0.01)
        with pytest.raises(StoreError, match="unavailable"):
            await store.save_tick(before + 1)
        await wait_available(store)
        await store.save_tick(before + 2)
        assert store.statistics().reconnects >= 1
        assert store.statistics().kind == "embedded"
    assert not any(record.exc_info for record in caplog.records)


def postmaster_of(directory: Path) -> int:
    return int((directory / "postgres" / "postmaster.pid").read_text().splitlines()[0])


def backends_of(postmaster: int) -> list[int]:
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text()
    return [int(pid) for pid in children.split()]


@contextlib.contextmanager
def frozen(server: Any) -> Any:
    pids = [server.postmaster, *backends_of(server.postmaster)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def test_frozen_database_never_holds_a_caller_and_heals(
    database_server: Any, database_url: str
) -> None:
    async with migrated(database_url) as store:  # which takes longer than an answer may below
        await store.release()
    limits = DatabaseLimits(statement_s=0.5, acquire_s=0.5, connect_s=0.5)
    async with migrated(database_url, limits=limits) as store:
        with frozen(database_server):
            with trio.fail_after(10 * LIMITS.keeping.writes_fail_s):
                with trio.move_on_after(0.05) as deadline:
                    await store.save_tick(1)
                assert deadline.cancelled_caught
                why = ""
                while "unavailable" not in why:
                    with pytest.raises(StoreError) as caught:
                        await store.save_tick(2)
                    why = str(caught.value)
                assert not store.statistics().available
        await wait_available(store)
        await store.save_tick(4)
        assert (await store.load_world(berths=True)).tick == 4


async def test_an_error_that_nobody_waits_for_ends_nothing(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def forget_a_failure(_connection: Any) -> None:
        asyncio.get_running_loop().create_future().set_exception(TimeoutError())

    async with open_database(database_url, LIMITS.keeping.database) as (database, _):
        await database.call(forget_a_failure)
        gc.collect()
        await trio.testing.wait_all_tasks_blocked()
        await database.call(forget_a_failure)
    assert "store stray_fault" in caplog.text


async def test_operation_over_its_limit_opens_the_breaker(
    database_server: Any, database_url: str
) -> None:
    async with migrated(database_url, limits=DatabaseLimits(operation_s=0.1)) as store:
        with frozen(database_server), trio.fail_after(20):
            with pytest.raises(StoreError, match=r"did not answer within 0\.1 s"):
                await store.save_tick(1)
            assert not store.statistics().available
        await wait_available(store)


async def test_more_operations_than_the_limit_are_refused(database_url: str) -> None:
    refusals: list[str] = []

    async def attempt(operation: Callable[[int], Any]) -> None:
        try:
            await operation(1)
        except StoreError as error:
            refusals.append(str(error))

    async with migrated(database_url, limits=DatabaseLimits(operations=3)) as store:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(attempt, store.save_tick)
        assert set(refusals) == {"the database is behind: 3 operations are under way"}
        assert len(refusals) >= 7  # the store itself may be at work, too
        await store.save_tick(2)
