"""References as they are kept: by the names that entities have for life, as ids are given anew.

A **saved record** is a full record in which each field that leads to an entity has its uuid, or
zeros for nobody. What leads to somebody who is not in the world leads to nobody: so it is saved,
and so it comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.state.families import DEPTH_MAX
from sidereal.protocol.state.schema import Schema
from sidereal.replication.world import UUID, World

NOBODY: Final = bytes(UUID.itemsize)
"""The uuid of nobody."""


def saved_record(schema: Schema) -> np.dtype[Any]:
    """Give the type of a saved record."""
    full = schema.full_record
    names = full.names or ()
    return np.dtype([(name, UUID if name in schema.references else full[name]) for name in names])


def saved_alone(schema: Schema, records: NDArray[np.void]) -> NDArray[np.void]:
    """Make saved records of full ones; they lead to nobody."""
    return _without_references(schema, records, saved_record(schema))


def to_saved(world: World, records: NDArray[np.void]) -> NDArray[np.void]:
    """Name whom full records lead to; what they say besides stays."""
    schema, columns = world.schema, world.columns
    saved = saved_alone(schema, records)
    for name in schema.references:
        at = np.flatnonzero(records[name])
        rows = columns.rows_of(records[name][at])
        saved[name][at[rows >= 0]] = world.uuid[rows[rows >= 0]]
    return saved


def enter_saved(
    world: World,
    saved: NDArray[np.void],
    uuid: NDArray[np.void],
    account: NDArray[np.int64],
    tick: int,
) -> NDArray[np.int64]:
    """Put entities that were saved into a world; they lead to whom they led to who is in it.

    Args:
        world: the one.
        saved: saved records, [n]; they may lead to each other.
        uuid: `UUID[n]`.
        account: int64[n], who flies them.
        tick: the current one.

    Returns:
        int64[n], their rows.
    """
    schema = world.schema
    records = _without_references(schema, saved, schema.full_record)
    rows = world.enter(records, uuid, account, tick)
    for number, component in enumerate(schema.components, 1):
        for field in component.fields:
            if not field.reference:
                continue
            ids = ids_of(world, saved[field.name])
            led = rows[(ids != NET_ID_NONE) & world.columns.has(rows, number)]
            world.columns[field.name][rows] = ids
            world.mark_changed(component.name, led, tick)
    world.families.relate(rows)
    return rows


def ids_of(world: World, names: NDArray[np.void]) -> NDArray[np.int64]:
    """Find entities by their uuids: int64[n], 0 for those that are not in the world."""
    wanted = np.ascontiguousarray(names).view("S16")
    ids = np.full(len(names), NET_ID_NONE, np.int64)
    at, living = np.flatnonzero(wanted != b""), world.columns.rows()
    if len(at) and len(living):
        keys = world.uuid[living].view("S16")
        order = np.argsort(keys)
        place = order[np.minimum(np.searchsorted(keys, wanted[at], sorter=order), len(keys) - 1)]
        found = keys[place] == wanted[at]
        ids[at[found]] = world.columns.net_id[living[place[found]]]
    return ids


def descendants(saved: NDArray[np.void], uuid: NDArray[np.void]) -> NDArray[np.bool_]:
    """Tell which saved records descend from the first, which does so itself: bool[n].

    Args:
        saved: saved records, [n].
        uuid: `UUID[n]`.
    """
    names = [name.tobytes() for name in uuid]
    parents = [name.tobytes() for name in saved["of"]]
    family = {*names[:1]}
    for _ in range(DEPTH_MAX):
        family |= {name for name, parent in zip(names, parents, strict=True) if parent in family}
    return np.fromiter((name in family for name in names), np.bool_, len(names))


def uuid_of(world: World, entity: int) -> bytes:
    """Give the uuid of an entity; nobody's if it is not in the world."""
    row = int(world.columns.rows_of([entity])[0])
    return world.uuid[row].tobytes() if row >= 0 else NOBODY


def write_saved(record: NDArray[np.void], values: Mapping[str, Any]) -> None:
    """Write values as the database has them into a saved record, [1]."""
    for column, value in values.items():
        leads = record.dtype[column] == UUID
        record[column] = np.frombuffer(value, UUID) if leads else value


def amend_saved(
    schema: Schema, record: NDArray[np.void], number: int, values: Mapping[str, Any]
) -> None:
    """Let a saved record, [1], have a component as the database has it, or not at all.

    Args:
        schema: of the world.
        record: the one.
        number: of the component.
        values: all of it; empty if the entity has it no more. What its kind has it keeps as it is:
            that this was taken is saved with the entity.
    """
    bit, kind = np.uint64(1 << number), record["kind"]
    if not (schema.masks[kind] & bit).any():
        record["differs"] = record["differs"] & ~bit | (bit if values else np.uint64(0))
    if not values:
        fields = (field for field in schema.component(number).fields if not field.reference)
        values = {field.name: schema.first[field.name][kind] for field in fields}
    write_saved(record, values)


def _without_references(
    schema: Schema, records: NDArray[np.void], dtype: np.dtype[Any]
) -> NDArray[np.void]:
    """Copy full or saved records into records of the other sort, which lead to nobody."""
    copied = np.zeros(len(records), dtype)
    for name in records.dtype.names or ():
        if name not in schema.references:
            copied[name] = records[name]
    return copied
