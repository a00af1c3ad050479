"""Whether a saved world could go on with another version of its game, asked while it runs.

A server that is started with that version asks the same, and refuses what is told here. What the
running server has not saved yet is not seen.
"""

from __future__ import annotations

from contextlib import ExitStack

from sidereal.game.declarations import Declarations
from sidereal.replication.keeping import tables
from sidereal.replication.keeping.database import open_database
from sidereal.replication.keeping.postgres.postmaster import Embedded, reach
from sidereal.replication.keeping.rowcopy import RowCopy
from sidereal.replication.keeping.sql import LONG_S_MAX
from sidereal.replication.keeping.urls import check_url
from sidereal.replication.limits import LIMITS


async def find_problem(
    database: str | Embedded, game: Declarations, *, clamp: bool = False
) -> str | None:
    """Tell why a saved world can't go on with a game, in words; None if it can.

    Nothing is changed.

    Args:
        database: `postgresql://` URL, or where an embedded database is that another process runs.
        game: of which this is about.
        clamp: whether saved values may be brought into ranges that the game has narrowed.

    Raises:
        ConfigError: the URL is none.
        UnavailableError: the database can't be reached.
        StoreError: it can't answer.
    """
    copy = RowCopy(game)
    with ExitStack() as stack:
        if isinstance(database, Embedded):
            url = stack.enter_context(reach(database))
        else:
            url = check_url(database)
        async with open_database(url, LIMITS.keeping.database) as (opened, _):
            return await opened.call(
                lambda connection: tables.find_problem(connection, copy, clamp), LONG_S_MAX
            )
