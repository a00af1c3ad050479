"""What is asked of the database, on one connection, and in which words.

These coroutines run in asyncio, inside an operation of the store.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from importlib import resources
from typing import Any, Final, NamedTuple

from sidereal.protocol.errors import StoreError
from sidereal.replication.keeping import evolution, ledgertables
from sidereal.replication.keeping.limits import TERM_SILENT_S_MAX
from sidereal.replication.keeping.names import LOOKALIKE_RULES, lookalikes, name_key
from sidereal.replication.keeping.rowcopy import KIND, RowCopy
from sidereal.replication.keeping.sql import ATTENTIVE, LONG_S_MAX, Connection

LOCK_S_MAX: Final = 30.0
"""For another server that changes the tables right now."""
ANSWER_S: Final = 2.0
"""For the database to say so when a lock could not be had."""
MIGRATION_LOCK: Final = 0x5349_4445_5245
"""Advisory lock: one server at a time changes the tables."""

log = logging.getLogger("sidereal.store")

_MIGRATION_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migration (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""
FENCED: Final = "another server has taken over this database"

_CLAIM: Final = f"""
UPDATE authority SET term = term + 1, token = $1, holder = $2, beat_at = clock_timestamp()
WHERE $3 OR token = $1 OR beat_at < clock_timestamp() - interval '{TERM_SILENT_S_MAX} s'
RETURNING term"""
_SAY_REFERENCES: Final = "SELECT set_config('sidereal.references', $1, true)"
"""For the migration that makes uuids of them."""
_UNKNOWN_KINDS: Final = """
SELECT kind, count(*) FROM entity
WHERE NOT removed AND kind <> ALL ($1::text[]) AND kind ~ '^[a-z][a-z0-9_]*$'
GROUP BY kind ORDER BY kind"""
"""What is no name at all is a row that can't be, and is set aside like the others."""
_HOLDER: Final = """
SELECT holder, extract(epoch FROM clock_timestamp() - beat_at)::float8 FROM authority"""
ACCOUNT_LOCK: Final = 0x5349_4445_5246
"""Advisory lock: one name at a time is compared with all others."""
ACCOUNTS_PER_STEP: Final = 1000
"""Accounts whose skeletons are made at once, at the start."""
_CREATE_ACCOUNT: Final = """
INSERT INTO account (name, name_key, password_hash, lookalike_rules)
SELECT $1, $2, $3, $4
WHERE NOT EXISTS (SELECT FROM account_lookalike WHERE skeleton = ANY ($5::text[]))
ON CONFLICT (name_key) DO NOTHING RETURNING id"""
_ADD_LOOKALIKES: Final = """
INSERT INTO account_lookalike (skeleton, account)
SELECT * FROM unnest($1::text[], $2::bigint[]) ON CONFLICT (skeleton) DO NOTHING"""
_FIND_ACCOUNT: Final = "SELECT id, name, password_hash FROM account WHERE name_key = $1"


class NameTakenError(StoreError):
    """Another account has that name, or one that looks like it."""


class FencedError(StoreError):
    """Another server has taken over this database: nothing more of this one is saved."""


class Claim(NamedTuple):
    """Who wants to write.

    Attributes:
        token: of the supervisor; whoever shows the holder's takes over at once.
        holder: who this is, in words for others.
        alone: nobody else can reach the database, so no beat is waited for.
    """

    token: str
    holder: str
    alone: bool = False


def migrations() -> list[tuple[int, str, str]]:
    """Version, name and SQL of every migration, in order."""
    found = []
    for entry in resources.files("sidereal.replication.keeping").joinpath("migrations").iterdir():
        stem, _, suffix = entry.name.rpartition(".")
        if suffix == "sql":
            found.append((int(stem.partition("_")[0]), stem, entry.read_text("utf-8")))
    return sorted(found)


async def begin(
    connection: Connection, copy: RowCopy, claim: Claim, *, clamp: bool = False
) -> int | str:
    """Take the term, and bring the tables up to date.

    A server that is refused changes nothing: whether it knows these tables is looked up before the
    term is taken. Where that shows only later, or something fails, the term is given back. What
    accounts fly is not active after this: no player is there yet.

    Returns:
        the term, or what makes the database unusable, in words.
    """
    async with connection.transaction():
        await _lock(connection)
        problem = await find_problem(connection, copy, clamp)
        is_new = await connection.fetchval("SELECT to_regclass('authority') IS NULL")
    if problem is None and is_new:  # nobody holds a term yet
        problem = await _migrate(connection, copy, clamp)
    if problem:
        return problem
    term = await _claim(connection, claim)
    if isinstance(term, str):
        return term
    async with AsyncExitStack() as stack:
        stack.push_async_callback(release, connection, term)
        problem = await _migrate(connection, copy, clamp)
        if problem:
            return problem
        await _end_flights(connection)
        stack.pop_all()
    return term


async def release(connection: Connection, term: int) -> None:
    """Give the term back: whoever comes next need not wait, and nothing that is late counts."""
    await connection.execute(
        "UPDATE authority SET term = term + 1, token = '', beat_at = '-infinity' "
        f"WHERE term = {term}"
    )


async def _claim(connection: Connection, claim: Claim) -> int | str:
    async with connection.transaction():
        await connection.execute(f"{ATTENTIVE} SET LOCAL lock_timeout = '{LOCK_S_MAX:g}s'")
        term = await connection.fetchval(_CLAIM, *claim, timeout=LOCK_S_MAX + ANSWER_S)
        if term is not None:
            return int(term)
        holder, age_s = await connection.fetchrow(_HOLDER)
    return (
        f"the database is in use by {holder}, which wrote {max(age_s, 0.0):.1f} s ago: stop that "
        "one, or choose another database with --database; after a crash, try again in "
        f"{TERM_SILENT_S_MAX:.0f} s"
    )


async def find_problem(connection: Connection, copy: RowCopy, clamp: bool) -> str | None:
    """Tell what makes the database unusable, in words, or None; this changes nothing.

    The columns of older tables are judged when these have been brought up to date.
    """
    if await _find_version(connection) < migrations()[-1][0]:
        return None
    return await _find_newer(connection) or await _judge(connection, copy, clamp)


async def _find_newer(connection: Connection) -> str | None:
    """Tell whether a newer program has made the tables, in words, or None."""
    at, newest = await _find_version(connection), migrations()[-1][0]
    if at <= newest:
        return None
    return (
        f"the database is at version {at}, this program knows up to {newest}: "
        "run the newer program, or choose another database with --database"
    )


async def _find_version(connection: Connection) -> int:
    if await connection.fetchval("SELECT to_regclass('schema_migration') IS NULL"):
        return 0
    found = await connection.fetchval("SELECT coalesce(max(version), 0) FROM schema_migration")
    return int(found)


async def _migrate(connection: Connection, copy: RowCopy, clamp: bool) -> str | None:
    """Apply what is missing; returns what makes the database unusable, in words, or None."""
    async with connection.transaction():
        await _lock(connection)
        await connection.execute(_MIGRATION_TABLE)
    for version, name, sql in migrations():
        async with connection.transaction():
            await _lock(connection)
            problem = await _find_newer(connection)
            if problem:
                return problem
            if version > await _find_version(connection):
                await connection.execute(_SAY_REFERENCES, ",".join(_references_of(copy)))
                await connection.execute(sql, timeout=LONG_S_MAX)
                await connection.execute(
                    "INSERT INTO schema_migration (version, name) VALUES ($1, $2)", version, name
                )
    await _renew_lookalikes(connection)
    async with connection.transaction():
        await _lock(connection)
        problem = await _judge(connection, copy, clamp)
        if problem is None:
            kept = await evolution.evolve(connection, copy, clamp=clamp)
            kept += await ledgertables.evolve(connection, copy, clamp=clamp)
            if kept:
                log.warning("columns_kept undeclared=%r", ", ".join(kept))
            await connection.execute("UPDATE world SET game = $1 WHERE game <> $1", copy.game.name)
        return problem


def _references_of(copy: RowCopy) -> list[str]:
    """Name the columns that lead to entities, by their former names, too."""
    in_ledgers = (column for ledger in copy.ledgers for column in ledger.columns)
    declared = evolution.declared_columns(copy, (*copy.behind_columns, *in_ledgers))
    names = (name for c in declared for name in (c.name, c.was) if c.type == "uuid")
    return [name for name in names if name]


async def _end_flights(connection: Connection) -> None:
    async with connection.transaction():
        await connection.execute(
            f"{ATTENTIVE} UPDATE entity SET active = false "
            "WHERE account > 0 AND NOT removed AND active",
            timeout=LONG_S_MAX,
        )


async def _check_term(connection: Connection, term: int) -> None:
    """Make sure that this server may write; without a lock, which saving would wait for.

    Raises:
        FencedError: another server has taken the term.
    """
    held = f"SELECT term FROM authority WHERE term = {term}"
    if await connection.fetchval(held) is None:
        raise FencedError(FENCED)


async def create_account(
    connection: Connection, term: int, name: str, password_hash: str
) -> int | None:
    """Register an account; returns its id, or None when its name is taken or looks like another.

    Raises:
        FencedError: another server holds a newer term.
    """
    skeletons = sorted(lookalikes(name))
    async with connection.transaction():
        await connection.fetchval("SELECT pg_advisory_xact_lock($1)", ACCOUNT_LOCK)
        await _check_term(connection, term)
        account: int | None = await connection.fetchval(
            _CREATE_ACCOUNT, name, name_key(name), password_hash, LOOKALIKE_RULES, skeletons
        )
        if account is not None:
            await connection.execute(_ADD_LOOKALIKES, skeletons, [account] * len(skeletons))
    return account


async def find_account(connection: Connection, name: str) -> Any:
    """Find an account by its name in any spelling that `name_key` folds together, or None."""
    async with connection.transaction():
        return await connection.fetchrow(_FIND_ACCOUNT, name_key(name))


async def _lock(connection: Connection) -> None:
    await connection.execute(f"{ATTENTIVE} SET LOCAL lock_timeout = '{LOCK_S_MAX:g}s'")
    await connection.fetchval(
        "SELECT pg_advisory_xact_lock($1)", MIGRATION_LOCK, timeout=LOCK_S_MAX + ANSWER_S
    )


async def _renew_lookalikes(connection: Connection) -> None:
    """Make the skeletons of accounts that have none yet, or have them by other rules."""
    async with connection.transaction():
        await _lock(connection)
        await connection.execute(
            "DELETE FROM account_lookalike USING account "
            "WHERE account.id = account AND lookalike_rules <> $1",
            LOOKALIKE_RULES,
        )
    more = True
    while more:
        async with connection.transaction():
            await _lock(connection)
            accounts = await connection.fetch(
                "SELECT id, name FROM account WHERE lookalike_rules <> $1 ORDER BY id LIMIT $2",
                LOOKALIKE_RULES,
                ACCOUNTS_PER_STEP,
            )
            more = len(accounts) == ACCOUNTS_PER_STEP
            rows = [(s, account) for account, name in accounts for s in sorted(lookalikes(name))]
            await connection.execute(_ADD_LOOKALIKES, [s for s, _ in rows], [a for _, a in rows])
            await connection.execute(
                "UPDATE account SET lookalike_rules = $1 WHERE id = ANY ($2::bigint[])",
                LOOKALIKE_RULES,
                [account for account, _ in accounts],
            )


async def _judge(connection: Connection, copy: RowCopy, clamp: bool) -> str | None:
    return (
        await _judge_game(connection, copy)
        or await evolution.judge(connection, copy, clamp=clamp)
        or await ledgertables.judge(connection, copy, clamp=clamp)
    )


async def _judge_game(connection: Connection, copy: RowCopy) -> str | None:
    """Tell why the saved world is not one of this game, in words, or None."""
    name = copy.game.name
    held = await connection.fetchval("SELECT game FROM world")
    if held not in ("", name):
        return (
            f"the database holds a world of the game {held}, and this is {name}: play {held} with "
            "--game, or choose another world with --data-dir or --database"
        )
    if KIND not in await evolution.columns_of(connection, "entity"):
        return None
    unknown = await connection.fetch(_UNKNOWN_KINDS, copy.kinds, timeout=LONG_S_MAX)
    if not unknown:
        return None
    counts = ", ".join(f"{count} of kind {kind}" for kind, count in unknown)
    return (
        f"the database holds entities that {name} does not declare any more ({counts}): run a "
        "version that does, choose another world with --data-dir or --database, or delete this "
        "one if nothing in it matters"
    )
