"""The connections to the database: the one door to asyncpg and trio-asyncio.

Theory of operation. Every operation is a task of its own that crosses into asyncio once, so a
caller that is cancelled or out of time leaves at once while the operation runs to its end. What
became of it then is unknown to the caller, as it is after every `StoreError` but those that say
otherwise: it may be in the database all the same. Each wait has a limit: for a connection, for a
statement, for the operation as a whole.

When the database is out of reach the breaker opens: the pool's connections are cut, operations
fail at once, and a task tries to connect, with growing pauses, until it can. The same happens when
the server that the connections lead to takes no more writes: by a name or through a pooler another
one may be reached that does. Whoever waited in vain for a connection of ours says nothing about the
server: others have them all.

Nothing here needs a session of its own: no statement is prepared beforehand, and what has arguments
runs inside a transaction. So a pooler may give every transaction to another connection.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import Any, Final, Generic, NamedTuple, TypeVar

import asyncpg
import trio
import trio_asyncio

from sidereal.protocol.errors import ConfigError, StoreError, UnavailableError
from sidereal.protocol.runtime.process import fields
from sidereal.replication.ending import STORE_CLOSE_S_MAX
from sidereal.replication.keeping.limits import DatabaseLimits
from sidereal.replication.keeping.postgres.postmaster import bare_errors
from sidereal.replication.keeping.sql import Connection
from sidereal.replication.keeping.urls import without_password

T = TypeVar("T")


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
_NO_WRITES: Final = (asyncpg.ReadOnlySQLTransactionError, asyncpg.DiskFullError)
_REFUSED: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.RaiseError,
)
_log = logging.getLogger("sidereal.store")


class RefusedError(StoreError):
    """The database does not take these rows, however often they are given to it."""


class ReadOnlyError(asyncpg.InterfaceError):
    """The server that was reached takes no writes."""


class DatabaseStatistics(NamedTuple):
    """How the connections are; `reason` says why they are not available."""

    available: bool
    reason: str
    failures: int
    reconnects: int


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


class Database:
    """The pool of connections to one database, and the breaker before it."""

    def __init__(self, url: str, nursery: trio.Nursery, limits: DatabaseLimits) -> None:
        self._url = url
        self._nursery = nursery
        self._limits = limits
        # Operations start from any task of the process, but need the asyncio loop of this one.
        self._context = contextvars.copy_context()
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._reason = "not connected yet"
        self._cut = trio.Event()
        self._opened_at = -math.inf
        self._running = 0
        self._timeouts = 0
        self._failures = 0
        self._reconnects = 0

    def statistics(self) -> DatabaseStatistics:
        """Counters, and whether the database can be reached."""
        return DatabaseStatistics(
            self._pool is not None, self._reason, self._failures, self._reconnects
        )

    async def connect(self) -> None:
        """Open the pool; raises what asyncpg does."""
        self._pool = await trio_asyncio.aio_as_trio(_open_pool)(self._url, self._limits)
        self._opened_at = trio.current_time()
        self._reason = ""

    async def call(
        self, operation: Callable[[Connection], Awaitable[T]], limit_s: float | None = None
    ) -> T:
        """Run an operation on a connection.

        Raises:
            StoreError: the database refused, failed or could not be reached.
        """
        if self._pool is None:
            raise StoreError(f"the database is unavailable: {self._reason}")
        if self._running >= self._limits.operations:
            raise StoreError(f"the database is behind: {self._running} operations are under way")
        answer: _Answer[T] = _Answer()
        self._running += 1
        self._context.run(
            self._nursery.start_soon,
            self._perform,
            self._pool,
            operation,
            self._limits.operation_s if limit_s is None else limit_s,
            answer,
        )
        return await answer.wait()

    def leave_server(self, reason: str) -> None:
        """Open the connections again, elsewhere if possible: this server takes no writes."""
        open_s = trio.current_time() - self._opened_at
        if self._pool is not None and open_s >= self._limits.reopen_s:
            self._open_breaker(self._pool, reason)

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
                    value = await trio_asyncio.aio_as_trio(_on_connection)(
                        pool, operation, self._limits.acquire_s
                    )
                    self._timeouts = 0
                except StoreError as error:
                    fault = error
                except _FAULTS as error:
                    fault = self._judge(pool, error)
                nursery.cancel_scope.cancel()
        finally:
            self._running -= 1
        # Only now: a caller that has its answer may start another operation in its place.
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
        if len(faults) == 1 and isinstance(faults[0], StoreError):
            return faults[0]
        if not all(isinstance(fault, _FAULTS) for fault in faults):
            raise error
        if all(isinstance(fault, _REFUSED) for fault in faults):
            return RefusedError(_words(faults[0]))
        self._failures += 1
        words = _words(faults[0])
        timed_out = any(isinstance(fault, TimeoutError) for fault in faults)
        self._timeouts = self._timeouts + 1 if timed_out else 0
        lost = any(
            isinstance(f, _CUT_OFF) or (isinstance(f, OSError) and not isinstance(f, TimeoutError))
            for f in faults
        )
        if lost or self._timeouts >= self._limits.timeouts:
            self._open_breaker(pool, words)
        elif any(isinstance(fault, _NO_WRITES) for fault in faults):
            self.leave_server(words)
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

    async def reconnect(self) -> None:
        """Connect again whenever the breaker has opened, for ever."""
        pauses = self._limits.reconnect_s
        while True:
            await self._cut.wait()
            self._cut = trio.Event()
            attempt = 0
            while self._pool is None:
                await trio.sleep(pauses[min(attempt, len(pauses) - 1)])
                attempt += 1
                try:
                    await self.connect()
                except _FAULTS as error:
                    self._reason = _words(next(_leaves(error)))
            self._reconnects += 1
            _log.info("store available attempts=%d", attempt)

    async def close(self) -> None:
        """Let operations end that are under way, for a while, and cut the connections."""
        with trio.move_on_after(STORE_CLOSE_S_MAX):
            while self._running:
                await trio.sleep(0.01)
        pool, self._pool = self._pool, None
        self._reason = "closed"
        if pool is not None:
            self._context.run(pool.terminate)
        self._nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_database(
    url: str, limits: DatabaseLimits
) -> AsyncIterator[tuple[Database, trio.Nursery]]:
    """Connect to a database while the context is open; gives a nursery for its tasks, too.

    Raises:
        ConfigError: the URL is none.
        UnavailableError: the database can't be reached; says why and what to do.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(bare_errors())
        loop = await stack.enter_async_context(trio_asyncio.open_loop())
        loop.set_exception_handler(_note_stray)
        nursery = await stack.enter_async_context(trio.open_nursery())
        database = Database(url, nursery, limits)
        try:
            await database.connect()
        except (*_FAULTS, ValueError) as error:
            fault = next(_leaves(error))
            where = without_password(url)
            if isinstance(fault, ValueError):
                raise ConfigError(f"--database {where}: {_words(fault)}") from None
            raise UnavailableError(
                f"the database at {where} can't be reached: {_words(fault)}; "
                "start it, or choose another with --database"
            ) from None
        nursery.start_soon(database.reconnect)
        try:
            yield database, nursery
        finally:
            with trio.CancelScope(shield=True):
                await database.close()


def _note_stray(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Take note of an error that nobody waited for: its operation has failed in another way.

    The loop's own way is to end the process. That is right for anything but a fault.
    """
    fault = context.get("exception")
    if isinstance(fault, _FAULTS):
        _log.warning("store stray_fault %s", fields(what=context["message"], why=_words(fault)))
    else:
        loop.default_exception_handler(context)


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


async def _open_pool(url: str, limits: DatabaseLimits) -> asyncpg.Pool[asyncpg.Record]:
    pool = await asyncpg.create_pool(
        url,
        min_size=0,  # who opens connections again is the breaker, not the pool behind its back
        max_size=limits.connections,
        max_queries=limits.connection_queries,
        timeout=limits.connect_s,
        command_timeout=limits.statement_s,
        statement_cache_size=0,
        reset=_leave_as_it_is,
    )
    with ExitStack() as stack:
        stack.callback(pool.terminate)
        async with pool.acquire() as connection:
            await _check_writable(connection)
        stack.pop_all()
    return pool


async def _leave_as_it_is(_connection: Connection) -> None:
    """Whatever an operation sets ends with its transaction; asking for more costs a way each."""


async def _check_writable(connection: Connection) -> None:
    async with connection.transaction():
        if await connection.fetchval("SELECT current_setting('transaction_read_only')") == "on":
            raise ReadOnlyError("this server is read-only")


async def _on_connection(
    pool: asyncpg.Pool[asyncpg.Record],
    operation: Callable[[Connection], Awaitable[T]],
    acquire_s: float,
) -> T:
    try:
        connection = await pool.acquire(timeout=acquire_s)
    except TimeoutError:
        # Those who have the connections find out whether the server still answers.
        raise StoreError(f"no connection within {acquire_s:g} s") from None
    try:
        return await operation(connection)
    finally:
        await pool.release(connection)
