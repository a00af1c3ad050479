"""What is asked of the database, on one connection, and in which words.

These coroutines run in asyncio, inside an operation of the store.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from importlib import resources
from typing import Any, Final

from sidereal.protocol.errors import StoreError
from sidereal.replication.keeping.names import LOOKALIKE_RULES, lookalikes, name_key
from sidereal.replication.keeping.rowcopy import RowCopy

Connection = Any
"""A pooled connection of asyncpg, which only the store knows."""

LONG_S_MAX: Final = 120.0
"""For migrations and for loading the world."""
LOCK_S_MAX: Final = 30.0
"""For another server that changes the tables right now."""
CHUNK_SIZE: Final = 1 << 18
"""Bytes of a COPY stream handed to the socket at once."""
MIGRATION_LOCK: Final = 0x5349_4445_5245
"""Advisory lock: one server at a time changes the tables."""

_ATTENTIVE: Final = "SET LOCAL client_connection_check_interval = '500ms'; "
"""A server that notices our death ends what we asked for, and frees the locks it holds."""

_MIGRATION_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migration (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""
SAVE_TICK: Final = "UPDATE world SET tick = greatest(tick, $1)"
ACCOUNT_LOCK: Final = 0x5349_4445_5246
"""Advisory lock: one name at a time is compared with all others."""
ACCOUNTS_PER_STEP: Final = 1000
"""Accounts whose skeletons are made at once, at the start."""
_CREATE_ACCOUNT: Final = """
INSERT INTO account (name, name_key, password_hash, lookalike_rules)
SELECT $1, $2, $3, $4
WHERE NOT EXISTS (SELECT FROM account_lookalike WHERE skeleton = ANY ($5::text[]))
ON CONFLICT (name_key) DO NOTHING RETURNING id"""
_ADD_LOOKALIKES: Final = """
INSERT INTO account_lookalike (skeleton, account)
SELECT * FROM unnest($1::text[], $2::bigint[]) ON CONFLICT (skeleton) DO NOTHING"""
FIND_ACCOUNT: Final = "SELECT id, name, password_hash FROM account WHERE name_key = $1"


class NameTakenError(StoreError):
    """Another account has that name, or one that looks like it."""


def migrations() -> list[tuple[int, str, str]]:
    """Version, name and SQL of every migration, in order."""
    found = []
    for entry in resources.files("sidereal.replication.keeping").joinpath("migrations").iterdir():
        stem, _, suffix = entry.name.rpartition(".")
        if suffix == "sql":
            found.append((int(stem.partition("_")[0]), stem, entry.read_text("utf-8")))
    return sorted(found)


async def migrate(connection: Connection, copy: RowCopy) -> str | None:
    """Apply what is missing; returns what makes the database unusable, in words, or None."""
    known = migrations()
    async with connection.transaction():
        await _lock(connection)
        await connection.execute(_MIGRATION_TABLE)
    for version, name, sql in known:
        async with connection.transaction():
            await _lock(connection)
            at = await connection.fetchval("SELECT coalesce(max(version), 0) FROM schema_migration")
            if at > known[-1][0]:
                return (
                    f"the database is at version {at}, this program knows up to {known[-1][0]}: "
                    "run the newer program, or choose another database with --database"
                )
            if version > at:
                await connection.execute(sql, timeout=LONG_S_MAX)
                await connection.execute(
                    "INSERT INTO schema_migration (version, name) VALUES ($1, $2)", version, name
                )
    await _renew_lookalikes(connection)
    async with connection.transaction():
        await _lock(connection)
        return await _add_columns(connection, copy)


async def create_account(connection: Connection, name: str, password_hash: str) -> int | None:
    """Register an account; returns its id, or None when its name is taken or looks like another."""
    skeletons = sorted(lookalikes(name))
    async with connection.transaction():
        await connection.fetchval("SELECT pg_advisory_xact_lock($1)", ACCOUNT_LOCK)
        account: int | None = await connection.fetchval(
            _CREATE_ACCOUNT, name, name_key(name), password_hash, LOOKALIKE_RULES, skeletons
        )
        if account is not None:
            await connection.execute(_ADD_LOOKALIKES, skeletons, [account] * len(skeletons))
    return account


async def load(connection: Connection, copy: RowCopy) -> tuple[int, bytes]:
    """Read the world's tick and all entities, as the stream that `RowCopy.decode` reads."""
    values = [
        # Padded with NUL to a fixed width, as rows are read here.
        f"substr(convert_to({_quoted(c.name)}, 'UTF8') || decode(repeat('00', {c.width}), 'hex'), "
        f"1, {c.width})"
        if c.width
        else _quoted(c.name)
        for c in copy.columns
    ]
    stream = io.BytesIO()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        tick = await connection.fetchval("SELECT tick FROM world")
        await connection.copy_from_query(
            f"SELECT {', '.join(values)} FROM entity",
            output=stream,
            format="binary",
            timeout=LONG_S_MAX,
        )
    return int(tick), stream.getvalue()


async def write(connection: Connection, copy: RowCopy, stream: bytearray, tick: int) -> None:
    """Save what `RowCopy.encode` wrote, and that the world is at least at that tick."""
    declared = [f"{_quoted(c.name)} {'bytea' if c.width else c.type}" for c in copy.columns]
    names = [_quoted(column.name) for column in copy.columns]
    values = [
        f"convert_from(rtrim(batch.{_quoted(c.name)}, '\\x00'), 'UTF8')"
        if c.width
        else f"batch.{_quoted(c.name)}"
        for c in copy.columns
    ]
    changes = [f"{name} = {value}" for name, value in zip(names, values, strict=True)][1:]
    async with connection.transaction():
        await connection.execute(
            f"{_ATTENTIVE} CREATE TEMPORARY TABLE batch ({', '.join(declared)}) ON COMMIT DROP"
        )
        done = await connection.copy_to_table("batch", source=_chunks(stream), format="binary")
        count = done.split()[-1]
        # Most rows are there already, and an UPDATE costs half of what an upsert does.
        done = await connection.execute(
            f"UPDATE entity SET {', '.join(changes)} FROM batch WHERE entity.uuid = batch.uuid "
            "AND (entity.epoch, entity.saved_tick) <= (batch.epoch, batch.saved_tick)"
        )
        if done != f"UPDATE {count}":
            await connection.execute(
                f"INSERT INTO entity ({', '.join(names)}) SELECT {', '.join(values)} FROM batch "
                "WHERE NOT EXISTS (SELECT FROM entity WHERE entity.uuid = batch.uuid)"
            )
        await connection.execute(SAVE_TICK, tick)


async def _chunks(stream: bytearray) -> AsyncIterator[memoryview]:
    view = memoryview(stream)
    for start in range(0, len(view), CHUNK_SIZE):
        yield view[start : start + CHUNK_SIZE]


async def _lock(connection: Connection) -> None:
    await connection.execute(f"{_ATTENTIVE} SET LOCAL lock_timeout = '{LOCK_S_MAX:g}s'")
    await connection.fetchval(
        "SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK, timeout=LOCK_S_MAX
    )


async def _renew_lookalikes(connection: Connection) -> None:
    """Make the skeletons of accounts that have none yet, or have them by other rules."""
    async with connection.transaction():
        await _lock(connection)
        await connection.execute(
            "DELETE FROM account_lookalike USING account "
            "WHERE account.id = account AND lookalike_rules <> $1",
            LOOKALIKE_RULES,
        )
    more = True
    while more:
        async with connection.transaction():
            await _lock(connection)
            accounts = await connection.fetch(
                "SELECT id, name FROM account WHERE lookalike_rules <> $1 ORDER BY id LIMIT $2",
                LOOKALIKE_RULES,
                ACCOUNTS_PER_STEP,
            )
            more = len(accounts) == ACCOUNTS_PER_STEP
            rows = [(s, account) for account, name in accounts for s in sorted(lookalikes(name))]
            await connection.execute(_ADD_LOOKALIKES, [s for s, _ in rows], [a for _, a in rows])
            await connection.execute(
                "UPDATE account SET lookalike_rules = $1 WHERE id = ANY ($2::bigint[])",
                LOOKALIKE_RULES,
                [account for account, _ in accounts],
            )


async def _add_columns(connection: Connection, copy: RowCopy) -> str | None:
    rows = await connection.fetch(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = 'entity'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    present = dict(rows)
    wrong = [
        f"{column.name} is {present[column.name]}, not {column.type}"
        for column in copy.component_columns
        if present.get(column.name, column.type) != column.type
    ]
    if wrong:
        return (
            f"the database was made for another schema: {'; '.join(wrong)}: "
            "run the program it was made for, or choose another database with --database"
        )
    # A constant default makes this instant, however many rows there are.
    added = [
        f"ADD COLUMN {_quoted(column.name)} {column.type} NOT NULL "
        f"DEFAULT {chr(39) * 2 if column.type == 'text' else 0}"
        for column in copy.component_columns
        if column.name not in present
    ]
    if added:
        await connection.execute(f"ALTER TABLE entity {', '.join(added)}")
    return None


def _quoted(name: str) -> str:
    return f'"{name}"'
