"""The tables of a game's ledgers, made as the game declares them, at the start.

A ledger is the table of a component that only actions write: a row for each holder, which is an
entity, an account or the world. What the game allows of its fields the table checks, too. From one
version of the game to the next it follows the declarations as the table of entities does (see
`evolution`). A component whose writer has changed is refused: its values are in the other table.

These coroutines run in asyncio, inside an operation of the store.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sidereal.game.component import SHARD
from sidereal.game.schema import first_values, name_of
from sidereal.replication.keeping.evolution import (
    Declared,
    columns_of,
    declared_columns,
    find_other_types,
    literal,
    say_narrowed,
    say_other_types,
    stored_name,
)
from sidereal.replication.keeping.posting import ENTITIES_FROM, holder_of
from sidereal.replication.keeping.rowcopy import LEDGER_PREFIX, Ledger, RowCopy
from sidereal.replication.keeping.sql import (
    LONG_S_MAX,
    Connection,
    bound,
    quoted,
)

_WORLD: Final = holder_of(0).hex()


async def judge(connection: Connection, copy: RowCopy, *, clamp: bool) -> str | None:
    """Tell why the ledgers that are there cannot become those of this version, or None.

    Args:
        connection: to a database whose own tables are up to date.
        copy: the ledgers.
        clamp: whether values outside a narrower range may be brought into it.
    """
    moved = await _find_moved(connection, copy)
    if moved:
        return (
            f"the game has changed who writes what is saved: {'; '.join(moved)}: run the version "
            "before, or give these components other names, by which they begin anew"
        )
    wrong: list[str] = []
    outside: list[tuple[Declared, int]] = []
    for ledger in copy.ledgers:
        declared = declared_columns(copy, ledger.columns)
        present = await columns_of(connection, ledger.table)
        wrong += find_other_types(declared, present, f"{ledger.table}.")
        if not wrong and not clamp:
            outside += await _count_outside(connection, ledger, declared, present)
    if wrong:
        return say_other_types(wrong)
    return say_narrowed("ledgers", outside) if outside else None


async def evolve(connection: Connection, copy: RowCopy, *, clamp: bool) -> tuple[str, ...]:
    """Make the ledgers as the game declares them; `judge` has found nothing.

    Args:
        connection: to a database whose table of entities is as the game declares it.
        copy: the ledgers.
        clamp: whether values outside a narrower range are brought into it.

    Returns:
        names of the tables and columns that stay though nothing declares them.
    """
    kept = await _find_tables(connection)
    kept -= {ledger.table for ledger in copy.ledgers}
    for ledger in copy.ledgers:
        table = quoted(ledger.table)
        await connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (holder uuid PRIMARY KEY)")
        declared = declared_columns(copy, ledger.columns)
        await _let_go(connection, ledger)
        present = await _rename(connection, ledger, declared)
        added = [column for column in declared if column.name not in present]
        await _add(connection, copy, ledger, added)
        for column in declared:
            if _is_ranged(column):
                await _let_check(connection, ledger, column, clamp=clamp)
        undeclared = present.keys() - {"holder", *(column.name for column in declared)}
        kept |= {f"{ledger.table}.{name}" for name in undeclared}
    return tuple(sorted(kept))


# -- who writes -----------------------------------------------------------------------------------


async def _find_moved(connection: Connection, copy: RowCopy) -> list[str]:
    """Find the components of which the other table has values."""
    behind = await columns_of(connection, "entity")
    tables = await _find_tables(connection)
    found = []
    for ledger in copy.ledgers:
        declared = declared_columns(copy, ledger.columns)
        names = [name for c in declared for name in (c.name, c.was) if name in behind]
        if names:
            found.append(f"{ledger.component} was written by shards ({', '.join(names)})")
    for component in copy.game.components:
        table = LEDGER_PREFIX + name_of(component)
        if component.writer is SHARD and component.saved and table in tables:
            found.append(f"{name_of(component)} was written by actions ({table})")
    return found


async def _find_tables(connection: Connection) -> set[str]:
    rows = await connection.fetch(
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND pg_table_is_visible(oid) "
        f"AND starts_with(relname::text, '{LEDGER_PREFIX}')"
    )
    return {name for (name,) in rows}


# -- columns --------------------------------------------------------------------------------------


async def _rename(
    connection: Connection, ledger: Ledger, declared: Sequence[Declared]
) -> dict[str, str]:
    """Give renamed columns their new names; returns the columns that are there."""
    table = quoted(ledger.table)
    present = await columns_of(connection, ledger.table)
    for column in declared:
        if (stored := stored_name(column, present)) != column.name:
            await connection.execute(
                f"ALTER TABLE {table} RENAME COLUMN {quoted(stored)} TO {quoted(column.name)}"
            )
    return await columns_of(connection, ledger.table)


async def _add(
    connection: Connection, copy: RowCopy, ledger: Ledger, added: Sequence[Declared]
) -> None:
    """Add columns, with what each holder begins with."""
    if not added:
        return
    table = quoted(ledger.table)
    # A constant default makes this instant, however many rows there are.
    words = (f"ADD COLUMN {quoted(c.name)} {c.type} NOT NULL DEFAULT {c.default}" for c in added)
    await connection.execute(f"ALTER TABLE {table} {', '.join(words)}")
    added = [column for column in added if column.type != "uuid"]  # which leads to nobody
    for which, first in _begins(copy, ledger):
        changes = [
            f"{quoted(column.name)} = {literal(first[column.name])}"
            for column in added
            if literal(first[column.name]) != column.default
        ]
        if changes:
            await connection.execute(
                f"UPDATE {table} SET {', '.join(changes)} {which}", timeout=LONG_S_MAX
            )


def _begins(copy: RowCopy, ledger: Ledger) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Say in SQL whose rows are those of each sort of holders, and what they begin with."""
    for number, kind in enumerate(copy.kinds, 1):
        if kind in ledger.kinds:
            first = copy.schema.first[number]
            values = {column.name: first[column.name].item() for column in ledger.columns}
            yield f"FROM entity WHERE holder = entity.uuid AND entity.kind = '{kind}'", values
    of_account = f"WHERE holder <> '{_WORLD}' AND holder < '{ENTITIES_FROM}'"
    of_world = f"WHERE holder = '{_WORLD}'"
    for which, components in ((of_account, copy.game.accounts), (of_world, copy.game.shares)):
        held = [each for each in components if name_of(each) == ledger.component]
        if held:
            yield which, first_values(held)


# -- ranges ---------------------------------------------------------------------------------------


async def _count_outside(
    connection: Connection,
    ledger: Ledger,
    declared: Sequence[Declared],
    present: Mapping[str, str],
) -> list[tuple[Declared, int]]:
    """Count the values that the declared ranges leave out, of each column that has some."""
    there = [(column, stored_name(column, present)) for column in declared]
    asked = [(column, name) for column, name in there if name in present and _is_ranged(column)]
    if not asked:
        return []
    counts = await connection.fetchrow(
        "SELECT "
        + ", ".join(f"count(*) FILTER (WHERE NOT ({_inside(*each)}))" for each in asked)
        + f" FROM {quoted(ledger.table)}",
        timeout=LONG_S_MAX,
    )
    return [(c, count) for (c, _), count in zip(asked, counts, strict=True) if count]


async def _let_check(
    connection: Connection, ledger: Ledger, column: Declared, *, clamp: bool
) -> None:
    """Let a table check the range of a field; what is outside is brought into it first."""
    table, name, inside = quoted(ledger.table), quoted(column.name), _inside(column, column.name)
    if clamp:
        low, high = bound(column.low, column.type), bound(column.high, column.type)
        await connection.execute(
            f"UPDATE {table} SET {name} = least(greatest({name}, {low}), {high}) "
            f"WHERE NOT ({inside})",
            timeout=LONG_S_MAX,
        )
    rule = _rule(column.name)
    await connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {rule} CHECK ({inside})")


async def _let_go(connection: Connection, ledger: Ledger) -> None:
    """Let a table check no ranges: they may be others from now on, and columns have other names."""
    present = await columns_of(connection, ledger.table)
    rules = (f"DROP CONSTRAINT IF EXISTS {_rule(name)}" for name in present)
    await connection.execute(f"ALTER TABLE {quoted(ledger.table)} {', '.join(rules)}")


def _inside(column: Declared, name: str) -> str:
    """Say in SQL that a value is one that the game allows."""
    # Not as "between": NaN is above everything, and outside.
    low, high = bound(column.low, column.type), bound(column.high, column.type)
    return f"{quoted(name)} >= {low} AND {quoted(name)} <= {high}"


def _is_ranged(column: Declared) -> bool:
    return math.isfinite(column.low)


def _rule(name: str) -> str:
    """Name the check of a column's range."""
    return quoted(f"{name}_range")
