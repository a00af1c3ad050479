"""The tables of a game's ledgers, made as the game declares them, at the start.

A ledger is the table of a component that only actions write: a row for each holder, which is an
entity, an account or the world. What the game allows of its fields the table checks, too.
"""

from __future__ import annotations

from sidereal.protocol.errors import StoreError
from sidereal.replication.keeping.rowcopy import Column, Ledger, RowCopy
from sidereal.replication.keeping.sql import LONG_S_MAX, Connection, quoted


class _UnusableError(StoreError):
    """The ledgers that are there are not those of the game; the message is for people."""


async def prepare(connection: Connection, copy: RowCopy, *, clamp: bool) -> str | None:
    """Make the tables of a game's ledgers as it declares them: all, or none is changed.

    Args:
        connection: to a database whose own tables are up to date.
        copy: the ledgers.
        clamp: whether values outside a narrower range are brought into it.

    Returns:
        what makes the database unusable, in words, or None.
    """
    try:
        async with connection.transaction():
            for ledger in copy.ledgers:
                await _prepare(connection, copy, ledger)
                for column in ledger.columns:
                    if not column.width:
                        await _check_range(connection, copy, ledger, column, clamp)
    except _UnusableError as error:
        return str(error)
    return None


async def _prepare(connection: Connection, copy: RowCopy, ledger: Ledger) -> None:
    table = quoted(ledger.table)
    await connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (holder uuid PRIMARY KEY)")
    present = await _columns_of(connection, ledger)
    for column in ledger.columns:
        there = present.get(column.name)
        if there is None:
            await connection.execute(
                f"ALTER TABLE {table} ADD COLUMN {quoted(column.name)} {column.type} NOT NULL "
                f"DEFAULT {_first(copy, column)}"
            )
        elif there != column.type:
            raise _UnusableError(
                f"the database was made for another schema: {ledger.table}.{column.name} is "
                f"{there}, not {column.type}: run the program it was made for, or choose another "
                "database with --database"
            )


async def _columns_of(connection: Connection, ledger: Ledger) -> dict[str, str]:
    rows = await connection.fetch(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        f"WHERE attrelid = to_regclass('{ledger.table}') AND attnum > 0 AND NOT attisdropped"
    )
    return dict(rows)


async def _check_range(
    connection: Connection, copy: RowCopy, ledger: Ledger, column: Column, clamp: bool
) -> None:
    """Let a table check the range that the game declares; say so if it holds others."""
    table, name = quoted(ledger.table), quoted(column.name)
    low, high = copy.schema.fields[column.name].bounds
    # Not as "between": NaN is above everything, and outside.
    inside = f"{name} >= {low!r} AND {name} <= {high!r}"
    rule = quoted(f"{column.name}_range")
    await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {rule}")
    if clamp:
        await connection.execute(
            f"UPDATE {table} SET {name} = least(greatest({name}, {low!r}), {high!r}) "
            f"WHERE NOT ({inside})",
            timeout=LONG_S_MAX,
        )
    outside = await connection.fetchval(
        f"SELECT count(*) FROM {table} WHERE NOT ({inside})", timeout=LONG_S_MAX
    )
    if outside:
        raise _UnusableError(
            "the game has narrowed what ledgers may hold: "
            f"{outside} of {column.name} outside {low:g} to {high:g}: run the version before, or "
            "bring them into the range with --clamp"
        )
    await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {rule} CHECK ({inside})")


def _first(copy: RowCopy, column: Column) -> str:
    """Give what a column that is new holds, as SQL: the declared default."""
    return "''" if column.width else repr(copy.defaults[column.name])
