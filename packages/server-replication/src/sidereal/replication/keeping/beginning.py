"""What a saved world was made from, by its name in the game.

A world that is made is given its name just before its first row is saved. A server that ends in
between leaves a name without a world, which counts for nothing. Worlds that are older than this
have no name.

These coroutines run in asyncio, inside an operation of the store.
"""

from __future__ import annotations

from sidereal.replication.keeping.evolution import columns_of
from sidereal.replication.keeping.sql import Connection
from sidereal.replication.keeping.tables import FENCED, FencedError

_FIND = """
SELECT begun_as FROM world
WHERE game = $1 AND (tick > 0 OR EXISTS (SELECT FROM entity WHERE NOT removed))"""
_NOTE = """
UPDATE world SET begun_as = $1 WHERE EXISTS (SELECT FROM authority WHERE term = $2)"""


async def find(connection: Connection, game: str) -> str | None:
    """Tell what the saved world of a game was made from; None if there is none or it is unknown.

    The tables may be older, or not there.
    """
    async with connection.transaction(readonly=True):
        if "begun_as" not in await columns_of(connection, "world"):
            return None
        found: str | None = await connection.fetchval(_FIND, game)
    return found or None


async def note(connection: Connection, term: int, name: str | None) -> None:
    """Note what the world is made from that is about to be saved; None where nothing is declared.

    Raises:
        FencedError: another server holds a newer term.
    """
    async with connection.transaction():
        if await connection.execute(_NOTE, name or "", term) != "UPDATE 1":
            raise FencedError(FENCED)
