"""Ledgers and receipts in the database, on one connection: read, and posted to.

Ledgers and the receipts of the calls that wrote them change in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sidereal.protocol.errors import StoreError
from sidereal.replication.keeping.posting import (
    ENTITIES_FROM,
    KeptReceipt,
    LedgerRow,
    Posted,
    Posting,
    account_of,
)
from sidereal.replication.keeping.rowcopy import Column, Ledger, RowCopy
from sidereal.replication.keeping.rows import beat, make_batch_table, write
from sidereal.replication.keeping.sql import LONG_S_MAX, Connection, quoted

_KEEP: Final = """
INSERT INTO receipt (account, key, digest, outcome, text, tick, term, posting)
SELECT account, key, digest, outcome, text, $6::bigint, $7::bigint, $8::bigint
FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::smallint[], $5::text[])
    AS made (account, key, digest, outcome, text)
ON CONFLICT (account, key) DO NOTHING"""
_KNOWN: Final = """
SELECT account, key, digest, outcome, text, term, posting FROM receipt
JOIN unnest($1::bigint[], $2::bytea[]) AS made (account, key) USING (account, key)"""


class _KnownError(StoreError):
    """Some of the receipts are there already."""


async def load_placeless(connection: Connection, copy: RowCopy) -> list[LedgerRow]:
    """Read what accounts and the world have; the rows of entities are read with them."""
    rows = []
    for ledger in copy.ledgers:
        names = ", ".join(quoted(column.name) for column in ledger.columns)
        found = await connection.fetch(
            f"SELECT holder, {names} FROM {quoted(ledger.table)} WHERE holder < '{ENTITIES_FROM}'",
            timeout=LONG_S_MAX,
        )
        for holder, *values in found:  # some µs each, once at the start
            named = {
                column.name: value.bytes if column.is_reference else value
                for column, value in zip(ledger.columns, values, strict=True)
            }
            rows.append(LedgerRow(ledger.component, account_of(holder.bytes), holder.bytes, named))
    return rows


async def post(
    connection: Connection, copy: RowCopy, term: int, tick: int, posting: Posting
) -> Posted:
    """Commit a posting: all of it, or nothing if one of its receipts is there already.

    One that was committed before, without an answer, is known by its term and number.

    Raises:
        FencedError: another server holds a newer term.
    """
    keys = [r.account for r in posting.receipts], [r.key for r in posting.receipts]
    try:
        async with connection.transaction():
            stream = None if posting.entities is None else copy.encode(posting.entities)
            first = "SELECT" if stream is None else make_batch_table(copy)
            await beat(connection, term, tick, first)
            rest = zip(*((r.digest, r.outcome, r.text) for r in posting.receipts), strict=True)
            if posting.receipts:
                made = posting.tick, term, posting.number
                done = await connection.execute(_KEEP, *keys, *map(list, rest), *made)
                if done != f"INSERT 0 {len(posting.receipts)}":
                    raise _KnownError
            for ledger in copy.ledgers:
                await _write(connection, ledger, posting.rows)
            if stream is not None:
                await write(connection, copy, stream)
    except _KnownError:
        async with connection.transaction():
            found = await connection.fetch(_KNOWN, *keys)
        if not found:  # forgotten meanwhile
            raise
        if all((of_term, number) == (term, posting.number) for *_, of_term, number in found):
            return Posted()
        return Posted(tuple(KeptReceipt(*receipt) for *receipt, _, _ in found))
    return Posted()


async def forget_receipts(connection: Connection, before_tick: int) -> None:
    """Forget receipts so old that nobody asks for them any more."""
    await connection.execute(f"DELETE FROM receipt WHERE tick < {before_tick}")


async def _write(connection: Connection, ledger: Ledger, posted: Sequence[LedgerRow]) -> None:
    """Write what was posted of a ledger, and take out who has its component no more."""
    rows = [row for row in posted if row.component == ledger.component and row.values]
    gone = [row for row in posted if row.component == ledger.component and not row.values]
    if gone:
        await connection.execute(
            f"DELETE FROM {quoted(ledger.table)} WHERE holder = ANY ($1::uuid[])",
            [row.holder.hex() for row in gone],
        )
    if not rows:
        return
    names = [quoted(column.name) for column in ledger.columns]
    types = ["uuid[]", *(f"{column.type}[]" for column in ledger.columns)]
    arrays = ", ".join(f"${at}::{type_}" for at, type_ in enumerate(types, 1))
    columns: list[list[Any]] = [[row.holder.hex() for row in rows]]
    columns += [[_plain(row.values[c.name], c) for row in rows] for c in ledger.columns]
    await connection.execute(
        f"INSERT INTO {quoted(ledger.table)} (holder, {', '.join(names)}) "
        f"SELECT * FROM unnest({arrays}) "
        f"ON CONFLICT (holder) DO UPDATE SET "
        f"{', '.join(f'{name} = excluded.{name}' for name in names)}",
        *columns,
    )


def _plain(value: float | int | bytes, column: Column) -> float | int | str:
    if isinstance(value, bytes):
        return value.hex() if column.is_reference else value.decode()
    return value
