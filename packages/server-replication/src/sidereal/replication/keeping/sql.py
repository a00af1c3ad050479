"""The words that whoever asks the database in SQL has in common."""

from __future__ import annotations

from typing import Any, Final

Connection = Any
"""A pooled connection of asyncpg, which only the store knows."""

LONG_S_MAX: Final = 120.0
"""For migrations and for loading the world."""

_WHOLE_BITS: Final = {"smallint": 16, "integer": 32, "bigint": 64}

ATTENTIVE: Final = "SET LOCAL client_connection_check_interval = '500ms'; "
"""A server that notices our death ends what we asked for, and frees the locks it holds."""


NOBODY_SQL: Final = "'00000000-0000-0000-0000-000000000000'::uuid"
"""What a column holds that leads to nobody."""


def quoted(name: str) -> str:
    """Write a name as an identifier of SQL; names come from declarations and hold no quotes."""
    return f'"{name}"'


def bound(value: float, type_: str) -> str:
    """Write a bound as SQL, of the type that it is compared with, and which it may be beyond."""
    bits = _WHOLE_BITS.get(type_)
    if bits is None:
        return f"({value!r})::{type_}"
    edge = 1 << (bits - 1)
    return f"({min(max(int(value), -edge), edge - 1)})::{type_}"
