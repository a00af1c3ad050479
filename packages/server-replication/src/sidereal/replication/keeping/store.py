"""The database: the one door to asyncpg and trio-asyncio.

Theory of operation. Every operation is a task of the store's own that crosses into asyncio once, so
a caller that is cancelled or out of time leaves at once while the operation runs to its end. What
became of it then is unknown to the caller, as it is after every `StoreError` but `NameTakenError`:
it may be in the database all the same. Each wait has a limit: for a connection, for a statement,
for the operation as a whole.

When the database is out of reach the breaker opens: the pool's connections are cut, operations
fail at once, and a task of the store tries to connect, with growing pauses, until it can.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Generic, TypeVar

import asyncpg
import numpy as np
import trio
import trio_asyncio

from sidereal.protocol.errors import ConfigError, StoreError, UnavailableError
from sidereal.protocol.state.schema import Schema
from sidereal.replication.ending import SAVE_S_MAX, STORE_CLOSE_S_MAX
from sidereal.replication.keeping import tables
from sidereal.replication.keeping.names import name_key
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.postgres.postmaster import Embedded, bare_errors, open_postgres
from sidereal.replication.keeping.rowcopy import RowCopy
from sidereal.replication.keeping.stored import Account, Recovered, StoreStatistics
from sidereal.replication.keeping.tables import LONG_S_MAX, Connection, NameTakenError
from sidereal.replication.keeping.urls import check_url, without_password

T = TypeVar("T")

CONNECTIONS_MAX: Final = 8
OPERATIONS_MAX: Final = 256
"""Operations under way; one more is refused."""
CONNECT_S_MAX: Final = 5.0
ACQUIRE_S_MAX: Final = 2.0
"""For a free connection, or a new one."""
STATEMENT_S_MAX: Final = 4.0
OPERATION_S_MAX: Final = 6.0
TIMEOUTS_MAX: Final = 2
"""Statements in a row that may run out of time before the breaker opens."""
RECONNECT_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Pauses between attempts to connect; the last one repeats."""

# A write that fails for want of an answer can be tried again before the end.
assert OPERATION_S_MAX < SAVE_S_MAX

_FAULTS: Final = (
    OSError,
    asyncio.CancelledError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    BaseExceptionGroup,
)
_CUT_OFF: Final = (
    asyncio.CancelledError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_log = logging.getLogger("sidereal.store")


class _Answer(Generic[T]):
    """What one caller waits for; the first answer counts."""

    def __init__(self) -> None:
        self._given = trio.Event()
        self._value: T | None = None
        self._error: StoreError | None = None

    def give(self, value: T | None, error: StoreError | None = None) -> None:
        if not self._given.is_set():
            self._value, self._error = value, error
            self._given.set()

    async def wait(self) -> T:
        await self._given.wait()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # None is then a T


class Store:
    """Accounts and the saved world; made by `open_store`.

    Every operation raises `StoreError` when the database refused, failed or could not be reached.
    """

    def __init__(self, url: str, kind: str, schema: Schema, nursery: trio.Nursery) -> None:
        self._url = url
        self._kind = kind
        self._copy = RowCopy(schema)
        self._nursery = nursery
        # Operations start from any task of the process, but need the asyncio loop of this one.
        self._context = contextvars.copy_context()
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._reason = "not connected yet"
        self._cut = trio.Event()
        self._running = 0
        self._timeouts = 0
        self._saved_rows = 0
        self._failures = 0
        self._reconnects = 0

    def statistics(self) -> StoreStatistics:
        """Counters, and whether the database can be reached."""
        return StoreStatistics(
            kind=self._kind,
            available=self._pool is not None,
            reason=self._reason,
            saved_rows=self._saved_rows,
            failures=self._failures,
            reconnects=self._reconnects,
        )

    # -- the world ---------------------------------------------------------------------------

    async def migrate(self) -> None:
        """Bring the tables up to this program's version and this schema's columns.

        Raises:
            UnavailableError: the tables are newer than this program, or of another schema.
        """
        problem = await self._call(
            lambda connection: tables.migrate(connection, self._copy), LONG_S_MAX
        )
        if problem:
            raise UnavailableError(problem)

    async def load_world(self) -> Recovered:
        """Read the whole world, as it was last saved."""
        tick, stream = await self._call(
            lambda connection: tables.load(connection, self._copy), LONG_S_MAX
        )
        tuples = self._copy.decode(stream)
        return Recovered(
            tick,
            self._copy.full_records(tuples),
            np.ascontiguousarray(tuples["uuid"]),
            tuples["account"].astype(np.int64),
            tuples["active"].astype(np.bool_),
        )

    async def write_rows(self, batch: Batch) -> None:
        """Save rows and, in the same transaction, that the world is at least that far.

        A row that the database has from a later epoch or tick stays; writing one again is harmless.
        """
        if not len(batch):
            return
        stream = self._copy.encode(batch)
        tick = batch.tick
        await self._call(lambda connection: tables.write(connection, self._copy, stream, tick))
        self._saved_rows += len(batch)

    async def save_tick(self, tick: int) -> None:
        """Save how far the world is; the clock never goes back."""
        await self._call(lambda connection: connection.execute(tables.SAVE_TICK, tick))

    # -- accounts ----------------------------------------------------------------------------

    async def create_account(self, name: str, password_hash: str) -> int:
        """Register an account and return its id.

        Raises:
            NameTakenError: the name, or one that looks like it, is registered.
        """
        account_id = await self._call(
            lambda connection: tables.create_account(connection, name, password_hash)
        )
        if account_id is None:
            raise NameTakenError(f"the name {name!r} is taken, or looks like one that is")
        return account_id

    async def account_by_name(self, name: str) -> Account | None:
        """Find an account by its name in any spelling that `name_key` folds together."""
        key = name_key(name)
        row = await self._call(lambda connection: connection.fetchrow(tables.FIND_ACCOUNT, key))
        return None if row is None else Account(*row)

    # -- operations --------------------------------------------------------------------------

    async def _call(
        self,
        operation: Callable[[Connection], Awaitable[T]],
        limit_s: float | None = None,
    ) -> T:
        if self._pool is None:
            raise StoreError(f"the database is unavailable: {self._reason}")
        if self._running >= OPERATIONS_MAX:
            raise StoreError(f"the database is behind: {self._running} operations are under way")
        answer: _Answer[T] = _Answer()
        self._running += 1
        self._context.run(
            self._nursery.start_soon,
            self._perform,
            self._pool,
            operation,
            OPERATION_S_MAX if limit_s is None else limit_s,
            answer,
        )
        return await answer.wait()

    async def _perform(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        operation: Callable[[Connection], Awaitable[T]],
        limit_s: float,
        answer: _Answer[T],
    ) -> None:
        value: T | None = None
        fault: StoreError | None = None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, pool, limit_s, answer)
                try:
                    value = await trio_asyncio.aio_as_trio(_on_connection)(pool, operation)
                    self._timeouts = 0
                except _FAULTS as error:
                    fault = self._judge(pool, error)
                nursery.cancel_scope.cancel()
        finally:
            self._running -= 1
        # Only now: whoever has the answer may count on the operation's place being free again.
        answer.give(value, fault)

    async def _watch(
        self, pool: asyncpg.Pool[asyncpg.Record], limit_s: float, answer: _Answer[T]
    ) -> None:
        await trio.sleep(limit_s)
        self._failures += 1
        answer.give(None, StoreError(f"the database did not answer within {limit_s:g} s"))
        self._open_breaker(pool, f"no answer within {limit_s:g} s")

    def _judge(self, pool: asyncpg.Pool[asyncpg.Record], error: BaseException) -> StoreError:
        faults = list(_leaves(error))
        if not all(isinstance(fault, _FAULTS) for fault in faults):
            raise error
        self._failures += 1
        words = _words(faults[0])
        timed_out = any(isinstance(fault, TimeoutError) for fault in faults)
        self._timeouts = self._timeouts + 1 if timed_out else 0
        lost = any(
            isinstance(f, _CUT_OFF) or (isinstance(f, OSError) and not isinstance(f, TimeoutError))
            for f in faults
        )
        if lost or self._timeouts >= TIMEOUTS_MAX:
            self._open_breaker(pool, words)
        return StoreError(f"the database failed: {words}")

    # -- the breaker -------------------------------------------------------------------------

    def _open_breaker(self, pool: asyncpg.Pool[asyncpg.Record], reason: str) -> None:
        if pool is not self._pool:
            return  # an older pool's last words
        self._pool = None
        self._reason = reason
        self._timeouts = 0
        self._context.run(pool.terminate)
        self._cut.set()
        _log.warning("store unavailable reason=%r", reason)

    async def _connect(self) -> None:
        self._pool = await trio_asyncio.aio_as_trio(_open_pool)(self._url)
        self._reason = ""

    async def _reconnect(self) -> None:
        while True:
            await self._cut.wait()
            self._cut = trio.Event()
            attempt = 0
            while self._pool is None:
                await trio.sleep(RECONNECT_S[min(attempt, len(RECONNECT_S) - 1)])
                attempt += 1
                try:
                    await self._connect()
                except _FAULTS as error:
                    self._reason = _words(next(_leaves(error)))
            self._reconnects += 1
            _log.info("store available attempts=%d", attempt)

    async def _close(self) -> None:
        with trio.move_on_after(STORE_CLOSE_S_MAX):
            while self._running:
                await trio.sleep(0.01)
        pool, self._pool = self._pool, None
        self._reason = "closed"
        if pool is not None:
            self._context.run(pool.terminate)
        self._nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_store(database: str | Embedded, schema: Schema) -> AsyncIterator[Store]:
    """Connect to the database, or run an embedded one, while the context is open.

    Args:
        database: `postgresql://` URL, or where the embedded database lives.
        schema: of the world; its persisted components become columns.

    Raises:
        ConfigError: the URL is none.
        UnavailableError: the database can't be reached or run; says why and what to do.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(bare_errors())
        if isinstance(database, Embedded):
            kind, url = "embedded", (await stack.enter_async_context(open_postgres(database))).url
        else:
            kind, url = "external", check_url(database)
        await stack.enter_async_context(trio_asyncio.open_loop())
        nursery = await stack.enter_async_context(trio.open_nursery())
        store = Store(url, kind, schema, nursery)
        try:
            await store._connect()
        except (*_FAULTS, ValueError) as error:
            fault = next(_leaves(error))
            if isinstance(fault, ValueError):
                raise ConfigError(f"--database {without_password(url)}: {_words(fault)}") from None
            raise UnavailableError(
                f"the database at {without_password(url)} can't be reached: {_words(fault)}; "
                "start it, or choose another with --database"
            ) from None
        nursery.start_soon(store._reconnect)
        try:
            yield store
        finally:
            with trio.CancelScope(shield=True):
                await store._close()


def _words(fault: BaseException) -> str:
    if isinstance(fault, TimeoutError):
        return "no answer in time"
    if isinstance(fault, OSError) and (fault.errno or 0) > 0:
        return os.strerror(fault.errno or 0)
    return " ".join(str(fault).split()) or type(fault).__name__


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


async def _open_pool(url: str) -> asyncpg.Pool[asyncpg.Record]:
    return await asyncpg.create_pool(
        url,
        min_size=1,
        max_size=CONNECTIONS_MAX,
        timeout=CONNECT_S_MAX,
        command_timeout=STATEMENT_S_MAX,
    )


async def _on_connection(
    pool: asyncpg.Pool[asyncpg.Record], operation: Callable[[Connection], Awaitable[T]]
) -> T:
    async with pool.acquire(timeout=ACQUIRE_S_MAX) as connection:
        return await operation(connection)
