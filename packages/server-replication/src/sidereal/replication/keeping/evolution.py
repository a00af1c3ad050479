"""How a saved world follows its game from one version to the next.

A field that is new becomes a column, with the value that an entity of its kind begins with. One
that was renamed (`was=`) takes its column along. One that is no longer declared keeps its column,
and comes back with it. What would lose or bend something that is saved is refused in words, before
anything is changed: a column of another type, or a range that leaves out rows which the range of
before allowed. Such rows are brought into the new range only on demand. Nor may a kind have a
parent from now on whose saved entities have none: they would end.

These coroutines run in asyncio, inside an operation of the store.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sidereal.game.builtin import Parent
from sidereal.game.column import Field
from sidereal.game.schema import column_of
from sidereal.protocol.state.families import are_children
from sidereal.replication.keeping.rowcopy import KIND, OWN_COLUMNS, Column, RowCopy
from sidereal.replication.keeping.sql import (
    LONG_S_MAX,
    NOBODY_SQL,
    Connection,
    bound,
    quoted,
)

PARENT: Final = column_of(Parent, Parent.fields["of"])


class Declared(NamedTuple):
    """A saved field as its game declares it.

    Attributes:
        name: of the column.
        type: of PostgreSQL.
        default: as SQL, what a row has that knew nothing of it.
        was: former name of the column, or empty.
        low: least valid value, infinite for text and references; likewise `high`.
    """

    name: str
    type: str
    default: str
    was: str
    low: float
    high: float


def declared_columns(copy: RowCopy, columns: Sequence[Column]) -> tuple[Declared, ...]:
    """Give what the game says of columns of its components."""
    fields = {
        column_of(component, field): field
        for component in copy.game.components
        for field in component.fields.values()
    }
    return tuple(_declared(column.name, column.type, copy, fields) for column in columns)


async def judge(connection: Connection, copy: RowCopy, *, clamp: bool) -> str | None:
    """Tell why the saved world cannot become one of this version, in words, or None.

    Args:
        connection: to a database whose own tables are up to date.
        copy: the table of entities.
        clamp: whether values outside a narrower range may be brought into it.
    """
    present = await columns_of(connection, "entity")
    declared = declared_columns(copy, copy.behind_columns)
    if wrong := find_other_types(declared, present):
        return say_other_types(wrong)
    if lone := await _count_without_parent(connection, copy, present):
        return say_without_parent(lone)
    outside = [] if clamp else await _count_outside(connection, declared, present)
    return say_narrowed("saved entities", outside) if outside else None


async def evolve(connection: Connection, copy: RowCopy, *, clamp: bool) -> tuple[str, ...]:
    """Bring the table of entities to what the game declares; `judge` has found nothing.

    Returns:
        names of the columns that stay though nothing declares them.
    """
    declared = declared_columns(copy, copy.behind_columns)
    present = await columns_of(connection, "entity")
    for column in declared:
        if (stored := stored_name(column, present)) != column.name:
            await connection.execute(
                f"ALTER TABLE entity RENAME COLUMN {quoted(stored)} TO {quoted(column.name)}"
            )
            await connection.execute(
                "UPDATE declared_range SET name = $1 WHERE name = $2", column.name, stored
            )
    present = await columns_of(connection, "entity")
    added = [column for column in declared if column.name not in present]
    if added:
        # A constant default makes this instant, however many rows there are.
        words = (
            f"ADD COLUMN {quoted(c.name)} {c.type} NOT NULL DEFAULT {c.default}" for c in added
        )
        await connection.execute(f"ALTER TABLE entity {', '.join(words)}")
        await _begin_by_kind(connection, copy, added)
    if clamp:
        await _clamp(connection, await _count_outside(connection, declared, present))
    await _note_ranges(connection, declared)
    known = {name for name, _ in OWN_COLUMNS} | {column.name for column in declared}
    return tuple(sorted(set(present) - known))


async def columns_of(connection: Connection, table: str) -> dict[str, str]:
    """Tell the types of the columns of a table, by name; of one that is not there, none."""
    rows = await connection.fetch(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        f"WHERE attrelid = to_regclass('{table}') AND attnum > 0 AND NOT attisdropped"
    )
    return dict(rows)


def find_other_types(
    declared: Sequence[Declared], present: Mapping[str, str], table: str = ""
) -> list[str]:
    """Say which columns are there with another type than the declared one."""
    types = [(c, present.get(stored_name(c, present), c.type)) for c in declared]
    return [f"{table}{c.name} is {there}, not {c.type}" for c, there in types if there != c.type]


def say_other_types(wrong: Sequence[str]) -> str:
    """Refuse a database whose columns have other types."""
    return (
        f"the database was made for another schema: {'; '.join(wrong)}: "
        "run the program it was made for, or choose another database with --database"
    )


def say_narrowed(what: str, outside: Sequence[tuple[Declared, int]]) -> str:
    """Refuse a database that holds values which the game does not allow any more."""
    rows = "; ".join(f"{count} of {c.name} outside {c.low:g} to {c.high:g}" for c, count in outside)
    return (
        f"the game has narrowed what {what} may hold: {rows}: run the version before, or "
        "bring them into the range with --clamp"
    )


def say_without_parent(lone: Mapping[str, int]) -> str:
    """Refuse a database whose entities have no parent, though the game gives their kinds one."""
    rows = "; ".join(f"{count} of the kind {kind}" for kind, count in lone.items())
    return (
        f"the game gives Parent to a kind whose saved entities have none: {rows}: run the version "
        "before, or give it to a kind of another name"
    )


def stored_name(column: Declared, present: Mapping[str, str]) -> str:
    """Tell under which name a column is there, if it is."""
    renamed = column.was and column.name not in present and column.was in present
    return column.was if renamed else column.name


def _declared(name: str, type_: str, copy: RowCopy, fields: Mapping[str, Field]) -> Declared:
    if name in copy.given:  # entities are as their kind begins
        return Declared(name, type_, "0", "", -math.inf, math.inf)
    low, high = copy.schema.fields[name].bounds
    if name not in fields:  # the kind, which every entity has
        return Declared(name, type_, "''", "", -math.inf, math.inf)
    field = fields[name]
    was = field.options.was
    former = name.removesuffix(field.name) + was if was else ""
    if field.storage.reference:
        return Declared(name, type_, NOBODY_SQL, former, -math.inf, math.inf)
    return Declared(name, type_, literal(field.options.default), former, low, high)


async def _count_without_parent(
    connection: Connection, copy: RowCopy, present: Mapping[str, str]
) -> dict[str, int]:
    """Count the saved entities of kinds that are children and have no parent, by kind."""
    children = are_children(copy.schema.masks[1 : len(copy.kinds) + 1])
    kinds = [kind for kind, is_child in zip(copy.kinds, children, strict=True) if is_child]
    if not kinds or KIND not in present:
        return {}
    lone = f"{quoted(PARENT)} = {NOBODY_SQL}" if PARENT in present else "true"
    rows = await connection.fetch(
        f"SELECT kind, count(*) AS many FROM entity WHERE kind = ANY($1) AND {lone} "
        "GROUP BY kind ORDER BY kind",
        kinds,
        timeout=LONG_S_MAX,
    )
    return {row["kind"]: row["many"] for row in rows}


async def _count_outside(
    connection: Connection, declared: Sequence[Declared], present: dict[str, str]
) -> list[tuple[Declared, int]]:
    """Count the saved values that a narrower range leaves out, of each column that has some."""
    before = {
        row["name"]: (row["low"], row["high"])
        for row in await connection.fetch("SELECT name, low, high FROM declared_range")
    }
    asked, conditions = [], []
    for column in declared:
        stored = stored_name(column, present)
        low, high = before.get(stored, (column.low, column.high))
        # As it was noted: not every whole number of 64 bits is a float.
        narrower = float(column.low) > low or float(column.high) < high
        if stored in present and narrower:
            asked.append(column._replace(name=stored))
            conditions.append(_outside(asked[-1], low, high))
    if not asked:
        return []
    counts = await connection.fetchrow(
        f"SELECT {', '.join(f'count(*) FILTER (WHERE {c})' for c in conditions)} "
        "FROM entity WHERE NOT removed",
        timeout=LONG_S_MAX,
    )
    return [(c, count) for c, count in zip(asked, counts, strict=True) if count]


def _outside(column: Declared, low: float, high: float) -> str:
    """Say in SQL that a value is outside its range, and was inside the one of before."""
    name, type_ = quoted(column.name), column.type
    below = f"{name} < {bound(column.low, type_)} AND {name} >= {bound(low, type_)}"
    above = f"{name} > {bound(column.high, type_)} AND {name} <= {bound(high, type_)}"
    return f"({below}) OR ({above})"


async def _clamp(connection: Connection, outside: Sequence[tuple[Declared, int]]) -> None:
    for column, _ in outside:
        name = quoted(column.name)
        low, high = (bound(edge, column.type) for edge in (column.low, column.high))
        await connection.execute(
            f"UPDATE entity SET {name} = least(greatest({name}, {low}), {high}) "
            f"WHERE NOT removed AND ({name} < {low} OR {name} > {high})",
            timeout=LONG_S_MAX,
        )


async def _begin_by_kind(connection: Connection, copy: RowCopy, added: Sequence[Declared]) -> None:
    """Give entities that were there before what their kinds begin with."""
    begin = [c for c in added if c.name not in copy.given and c.type != "uuid"]
    for number, kind in enumerate(copy.kinds, 1):
        first = copy.schema.first[number]
        values = {column.name: literal(first[column.name].item()) for column in begin}
        changes = [
            f"{quoted(column.name)} = {values[column.name]}"
            for column in begin
            if column.name != KIND and values[column.name] != column.default
        ]
        if changes:
            await connection.execute(
                f"UPDATE entity SET {', '.join(changes)} WHERE kind = $1", kind, timeout=LONG_S_MAX
            )


async def _note_ranges(connection: Connection, declared: Sequence[Declared]) -> None:
    ranged = [column for column in declared if math.isfinite(column.low)]
    await connection.execute(
        "INSERT INTO declared_range (name, low, high) "
        "SELECT * FROM unnest($1::text[], $2::float8[], $3::float8[]) "
        "ON CONFLICT (name) DO UPDATE SET low = excluded.low, high = excluded.high "
        "WHERE (declared_range.low, declared_range.high) <> (excluded.low, excluded.high)",
        [column.name for column in ranged],
        [float(column.low) for column in ranged],
        [float(column.high) for column in ranged],
    )


def literal(value: float | bytes) -> str:
    """Write a default as SQL."""
    if isinstance(value, bytes):
        return "'" + value.decode().replace("'", "''") + "'"
    return repr(value)
