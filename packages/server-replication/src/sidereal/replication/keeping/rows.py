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
from sidereal.replication.keeping.rowcopy import RowCopy
from sidereal.replication.keeping.sql import ATTENTIVE, LONG_S_MAX, Connection, quoted
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
    values = [
        # Padded with NUL to a fixed width, as rows are read here.
        f"substr(convert_to({quoted(c.name)}, 'UTF8') || decode(repeat('00', {c.width}), 'hex'), "
        f"1, {c.width})"
        if c.width
        else quoted(c.name)
        for c in copy.columns
    ]
    stream = io.BytesIO()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        tick = await connection.fetchval("SELECT tick FROM world")
        await connection.copy_from_query(
            f"SELECT {', '.join(values)} FROM entity WHERE NOT removed AND {which}",
            output=stream,
            format="binary",
            timeout=LONG_S_MAX,
        )
    return int(tick), stream.getvalue()


async def save(
    connection: Connection, copy: RowCopy, term: int, tick: int, stream: bytearray | None
) -> None:
    """Save the clock, and with it what `RowCopy.encode` wrote.

    Raises:
        FencedError: another server holds a newer term.
    """
    if stream is None:
        await _beat(connection, term, tick)
        return
    declared = [f"{quoted(c.name)} {'bytea' if c.width else c.type}" for c in copy.columns]
    table = f"CREATE TEMPORARY TABLE batch ({', '.join(declared)}) ON COMMIT DROP"
    async with connection.transaction():
        await _beat(connection, term, tick, table)
        await _write(connection, copy, stream)


async def _beat(connection: Connection, term: int, tick: int, before: str = "SELECT") -> None:
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


async def _write(connection: Connection, copy: RowCopy, stream: bytearray) -> None:
    names = [quoted(column.name) for column in copy.columns]
    values = [
        f"convert_from(rtrim(batch.{quoted(c.name)}, '\\x00'), 'UTF8')"
        if c.width
        else f"batch.{quoted(c.name)}"
        for c in copy.columns
    ]
    changes = [f"{name} = {value}" for name, value in zip(names, values, strict=True)][1:]
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


async def forget_removed(connection: Connection, before_tick: int) -> None:
    """Forget entities that were removed so long ago that no older write can come any more."""
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
