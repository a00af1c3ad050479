"""The words that whoever asks the database in SQL has in common."""

from __future__ import annotations

from typing import Any, Final

Connection = Any
"""A pooled connection of asyncpg, which only the store knows."""

LONG_S_MAX: Final = 120.0
"""For migrations and for loading the world."""

ATTENTIVE: Final = "SET LOCAL client_connection_check_interval = '500ms'; "
"""A server that notices our death ends what we asked for, and frees the locks it holds."""


def quoted(name: str) -> str:
    """Write a name as an identifier of SQL; names come from declarations and hold no quotes."""
    return f'"{name}"'
