"""Rows of entities in the database, on one connection: read, saved, set aside.

These coroutines run in asyncio, inside an operation of the store. Whatever is asked with arguments
is asked inside a transaction, which a pooler sends to one server as a whole; statements are never
prepared beforehand.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Sequence
from typing import Final

from sidereal.replication.keeping.recovery import Fault
from sidereal.replication.keeping.rowcopy import KIND, Column, Ledger, RowCopy
from sidereal.replication.keeping.sql import (
    ATTENTIVE,
    LONG_S_MAX,
    NOBODY_SQL,
    Connection,
    quoted,
)
from sidereal.replication.keeping.tables import FENCED, FencedError

CHUNK_SIZE: Final = 1 << 18
"""Bytes of a COPY stream handed to the socket at once."""


async def load(connection: Connection, copy: RowCopy, which: str) -> tuple[int, bytes]:
    """Read the world's clock and some entities, as the stream that `RowCopy.decode` reads.

    Args:
        connection: to the database.
        copy: the columns.
        which: condition in SQL; what was removed is never read.
    """
    values = [_read_value(column, "entity") for column in copy.entity_columns]
    joins = []
    for ledger in copy.ledgers:
        values += [_read_value(column, ledger.table) for column in ledger.columns]
        joins.append(f"LEFT JOIN {quoted(ledger.table)} ON {quoted(ledger.table)}.holder = uuid")
    values += [f"{quoted(ledger.table)}.holder IS NOT NULL" for ledger in copy.ledgers]
    stream = io.BytesIO()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        tick = await connection.fetchval("SELECT tick FROM world")
        await connection.copy_from_query(
            f"SELECT {', '.join(values)} FROM entity {' '.join(joins)} "
            f"WHERE NOT removed AND {which}",
            output=stream,
            format="binary",
            timeout=LONG_S_MAX,
        )
    return int(tick), stream.getvalue()


def _read_value(column: Column, table: str) -> str:
    """Say how a column is read: never NULL, and a text padded with NUL to a fixed width."""
    name = f"{quoted(table)}.{quoted(column.name)}"
    if not column.width:
        nothing = NOBODY_SQL if column.is_reference else f"0::{column.type}"
        return name if table == "entity" else f"coalesce({name}, {nothing})"
    text = f"convert_to(coalesce({name}, ''), 'UTF8')"
    return f"substr({text} || decode(repeat('00', {column.width}), 'hex'), 1, {column.width})"


async def save(
    connection: Connection, copy: RowCopy, term: int, tick: int, stream: bytearray | None
) -> None:
    """Save the clock, and with it what `RowCopy.encode` wrote.

    Raises:
        FencedError: another server holds a newer term.
    """
    if stream is None:
        await beat(connection, term, tick)
        return
    async with connection.transaction():
        await beat(connection, term, tick, make_batch_table(copy))
        await write(connection, copy, stream)


def make_batch_table(copy: RowCopy) -> str:
    """Say how the table is made that a batch comes into, in the transaction that writes it."""
    declared = [f"{quoted(c.name)} {'bytea' if c.width else c.type}" for c in copy.columns]
    return f"CREATE TEMPORARY TABLE batch ({', '.join(declared)}) ON COMMIT DROP"


async def beat(connection: Connection, term: int, tick: int, before: str = "SELECT") -> None:
    """Say that this server lives, and how far its world is; what is asked together costs one way.

    The row that says who may write is what writers queue for, and what an older one stumbles over.
    """
    done = await connection.execute(
        f"{ATTENTIVE} {before}; "
        "WITH beat AS (UPDATE authority SET beat_at = clock_timestamp() "
        f"WHERE term = {term} RETURNING term) "
        f"UPDATE world SET tick = greatest(tick, {tick}) FROM beat"
    )
    if done != "UPDATE 1":
        raise FencedError(FENCED)


async def write(connection: Connection, copy: RowCopy, stream: bytearray) -> None:
    """Write what `RowCopy.encode` wrote, by the table that is there for it."""
    names = [quoted(column.name) for column in copy.entity_columns]
    values = [_written_value(column) for column in copy.entity_columns]
    changes = [f"{name} = {value}" for name, value in zip(names, values, strict=True)][1:]
    done = await connection.copy_to_table("batch", source=_chunks(stream), format="binary")
    count = done.split()[-1]
    # Most rows are there already, and an UPDATE costs half of what an upsert does.
    done = await connection.execute(
        f"UPDATE entity SET {', '.join(changes)} FROM batch WHERE entity.uuid = batch.uuid "
        "AND NOT entity.removed "
        "AND (entity.epoch, entity.saved_tick) <= (batch.epoch, batch.saved_tick)"
    )
    if done != f"UPDATE {count}":
        # Of what is new its ledgers may know more already: actions write them at once.
        for ledger in copy.ledgers:
            await connection.execute(_begin_in(ledger))
        await connection.execute(
            f"INSERT INTO entity ({', '.join(names)}) SELECT {', '.join(values)} FROM batch "
            "WHERE NOT EXISTS (SELECT FROM entity WHERE entity.uuid = batch.uuid)"
        )


def _written_value(column: Column) -> str:
    name = f"batch.{quoted(column.name)}"
    return f"convert_from(rtrim({name}, '\\x00'), 'UTF8')" if column.width else name


def _begin_in(ledger: Ledger) -> str:
    """Say how entities that are new come into a ledger, as they began."""
    names = ", ".join(["holder", *(quoted(column.name) for column in ledger.columns)])
    values = ", ".join(["batch.uuid", *map(_written_value, ledger.columns)])
    kinds = ", ".join(f"'{kind}'" for kind in ledger.kinds) or "''"
    return (
        f"INSERT INTO {quoted(ledger.table)} ({names}) SELECT {values} FROM batch "
        f"WHERE convert_from(rtrim(batch.{quoted(KIND)}, '\\x00'), 'UTF8') IN ({kinds}) "
        "AND NOT EXISTS (SELECT FROM entity WHERE entity.uuid = batch.uuid) "
        "ON CONFLICT (holder) DO NOTHING"
    )


async def forget_removed(connection: Connection, copy: RowCopy, before_tick: int) -> None:
    """Forget entities that were removed so long ago that no older write can come any more."""
    for ledger in copy.ledgers:
        await connection.execute(
            f"DELETE FROM {quoted(ledger.table)} USING entity "
            f"WHERE holder = uuid AND removed AND saved_tick < {before_tick}"
        )
    await connection.execute(f"DELETE FROM entity WHERE removed AND saved_tick < {before_tick}")


async def set_aside(connection: Connection, faults: Sequence[Fault]) -> None:
    """Move saved rows into quarantine."""
    async with connection.transaction():
        for fault in faults:
            await connection.execute(
                "WITH moved AS (DELETE FROM entity WHERE uuid = $1 RETURNING *) "
                "INSERT INTO quarantine (uuid, why, entity) "
                "SELECT uuid, $2, to_jsonb(moved) FROM moved",
                fault.uuid,
                fault.why,
            )


async def report_refused(connection: Connection, faults: Sequence[Fault]) -> None:
    """Note in quarantine the rows that could not be saved."""
    async with connection.transaction():
        for fault in faults:
            await connection.execute(
                "INSERT INTO quarantine (uuid, why, entity) VALUES ($1, $2, $3)",
                fault.uuid,
                fault.why,
                json.dumps(fault.row),
            )


async def _chunks(stream: bytearray) -> AsyncIterator[memoryview]:
    view = memoryview(stream)
    for start in range(0, len(view), CHUNK_SIZE):
        yield view[start : start + CHUNK_SIZE]
