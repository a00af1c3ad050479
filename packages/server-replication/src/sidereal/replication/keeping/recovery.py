"""What was saved is believed only after these checks, made on all rows at once.

Between two runs anything may have changed the database: a person, a script, a broken disk. One
wrong row must not move the world's clock, scatter the world, or end the tick of every shard. It is
set aside by name, and the rest goes on. The clock has a saved value of its own. Rows are judged by
it, and never the other way round.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import UnavailableError
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.state.values import valid_values
from sidereal.replication.limits import LIMITS

CLOCK_MAX: Final = 1 << 31
"""No world is that old: half of what a tick on the wire can say, three years at 20 ticks/s."""

EPOCH_MAX: Final = (1 << 31) - 1
"""Half of what an epoch on the wire can say: the other half is for the time to come."""


class Fault(NamedTuple):
    """A row that can't be used.

    Attributes:
        uuid: of the entity, as text.
        why: in words.
        row: what is known of it.
    """

    uuid: str
    why: str
    row: dict[str, Any]


def check_clock(tick: int) -> None:
    """Check the saved clock of a world.

    Raises:
        UnavailableError: it can't be a clock.
    """
    if not 0 <= tick < CLOCK_MAX:
        raise UnavailableError(
            f"the saved clock of this world is {tick}, which can't be: set the column tick of the "
            "table world right, or choose another database with --database"
        )


def find_faults(
    tuples: NDArray[np.void], records: NDArray[np.void], tick: int, schema: Schema
) -> dict[int, str]:
    """Find the saved rows that can't be used.

    Args:
        tuples: as `RowCopy.decode` gave them.
        records: saved records, [n], made of them.
        tick: the saved clock.
        schema: for the declared ranges.

    Returns:
        why, by row.
    """
    checks: list[tuple[str, NDArray[np.bool_]]] = [
        ("tick", (tuples["tick"] >= 0) & (tuples["tick"] <= tick + LIMITS.proposals.future_ticks)),
        ("epoch", (tuples["epoch"] >= 0) & (tuples["epoch"] <= EPOCH_MAX)),
    ]
    for field in (f for f in schema.persisted_fields if not f.reference):
        values = records[field.name]
        good = valid_values(field, values)
        if field.memory_dtype.kind in "iu" and tuples[field.name].dtype.kind != "S":
            # The database's types are wider than ours.
            range_of = np.iinfo(field.memory_dtype)
            saved = tuples[field.name]
            good = good & (saved >= range_of.min) & (saved <= range_of.max)
        checks.append((field.name, good))
    found: dict[int, str] = {}
    for name, good in checks:
        for row in np.flatnonzero(~good).tolist():
            found.setdefault(row, f"{name} is {_shown(tuples[name][row])}")
    return found


def describe_row(record: np.void) -> dict[str, Any]:
    """Give a row's fields by name, as JSON can hold them."""
    return {name: _shown(record[name]) for name in record.dtype.names or ()}


def _shown(value: Any) -> str:
    if isinstance(value, np.void):
        return value.tobytes().hex()
    plain = value.item() if hasattr(value, "item") else value
    text = plain.decode(errors="replace") if isinstance(plain, bytes) else str(plain)
    return text.replace("\0", "?")  # which JSON in the database can't hold
