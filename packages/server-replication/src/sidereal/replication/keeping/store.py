"""The store: accounts and the saved world, in PostgreSQL.

One server at a time may write: it holds the term. Every write says the term, and a server that has
been replaced is told so (`FencedError`) instead of writing over its successor. The same write says
that the server lives; nobody else takes the term while it does so.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import numpy as np
import trio
from numpy.typing import NDArray

from sidereal.game.declarations import Declarations
from sidereal.protocol.errors import StoreError, UnavailableError
from sidereal.protocol.runtime.process import fields
from sidereal.replication.keeping import beginning, ledger, rows, tables
from sidereal.replication.keeping.database import Database, RefusedError, open_database
from sidereal.replication.keeping.limits import KeepingLimits
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.postgres.postmaster import Embedded, bare_errors, open_postgres
from sidereal.replication.keeping.posting import LedgerRow, Posted, Posting
from sidereal.replication.keeping.recovery import Fault, check_clock, describe_row, find_faults
from sidereal.replication.keeping.rowcopy import RowCopy
from sidereal.replication.keeping.sql import LONG_S_MAX
from sidereal.replication.keeping.stored import (
    Account,
    Berth,
    Recovered,
    StoreStatistics,
    berth_of,
)
from sidereal.replication.keeping.tables import Claim, FencedError, NameTakenError
from sidereal.replication.keeping.urls import check_url
from sidereal.replication.limits import LIMITS

_log = logging.getLogger("sidereal.store")


class Written(NamedTuple):
    """What has become of the rows of a batch; what is neither may be tried again."""

    saved: NDArray[np.bool_]
    refused: NDArray[np.bool_]


class Store:
    """Accounts and the saved world; made by `open_store`.

    Every operation raises `StoreError` when the database refused, failed or could not be reached.
    """

    def __init__(
        self,
        database: Database,
        kind: str,
        game: Declarations,
        nursery: trio.Nursery,
        limits: KeepingLimits = LIMITS.keeping,
        *,
        clamp: bool = False,
    ) -> None:
        self._clamp = clamp
        self._database = database
        self._limits = limits
        self._kind = kind
        self._copy = RowCopy(game)
        self._nursery = nursery
        self._term = 0
        self._accounts = trio.CapacityLimiter(limits.accounts)
        self._write_fault = ""
        self._written_at = -math.inf
        self._forgotten_tick = -math.inf
        self._saved_rows = 0
        self._quarantined_rows = 0

    def statistics(self) -> StoreStatistics:
        """Counters, and whether the database can be reached and takes writes."""
        database = self._database.statistics()
        return StoreStatistics(
            kind=self._kind,
            available=database.available and not self._write_fault,
            reason=database.reason or self._write_fault,
            saved_rows=self._saved_rows,
            quarantined_rows=self._quarantined_rows,
            failures=database.failures,
            reconnects=database.reconnects,
        )

    # -- the world ---------------------------------------------------------------------------

    async def begin(self, token: str, holder: str) -> None:
        """Become the one that writes, and bring the tables up to this program and game.

        Args:
            token: of the supervisor; a server of the same one is replaced at once.
            holder: who this is, in words for a server that is refused because of it.

        Raises:
            UnavailableError: another server writes there; or the tables are newer than this
                program, or of another game or schema.
        """
        claim = Claim(token, holder, alone=self._kind == "embedded")
        term = await self._database.call(
            lambda connection: tables.begin(connection, self._copy, claim, clamp=self._clamp),
            LONG_S_MAX,
        )
        if isinstance(term, str):
            raise UnavailableError(term)
        self._term = term

    async def find_beginning(self) -> str | None:
        """Tell what the saved world was made from; None if there is none or it is unknown.

        It may be asked before `begin`, and changes nothing.
        """
        game = self._copy.game.name
        return await self._database.call(lambda connection: beginning.find(connection, game))

    async def note_beginning(self, name: str | None) -> None:
        """Note what the world is made from that is about to be saved.

        Raises:
            FencedError: another server has taken over.
        """
        await self._database.call(lambda connection: beginning.note(connection, self._term, name))

    async def release(self) -> None:
        """Let another server write from now on."""
        await self._database.call(lambda connection: tables.release(connection, self._term))

    async def load_world(self, *, berths: bool = False) -> Recovered:
        """Read the world as it was last saved; what can't be used is set aside.

        Who holds the term says meanwhile that it lives: this may take long.

        Args:
            berths: read what accounts left, too; it usually comes when they do.

        Raises:
            FencedError: another server has taken over.
            UnavailableError: the saved clock can't be one.
        """
        with bare_errors():
            async with trio.open_nursery() as nursery:
                if self._term:
                    nursery.start_soon(self._beat)
                recovered = await self._load("true" if berths else "account = 0", LONG_S_MAX)
                nursery.cancel_scope.cancel()
        check_clock(recovered.tick)
        return recovered

    async def load_berth(self, account: int) -> Berth | None:
        """Read what an account left as it was last saved; None when it left nothing."""
        which = f"(account = {account:d} OR account = {-account:d})"
        return berth_of(await self._load(which))

    async def write_rows(self, batch: Batch, tick: int) -> Written:
        """Save rows and, in the same transaction, that the world is at least that far.

        A row that the database has from a later epoch or tick stays; writing one again is harmless.
        Rows that the database does not take are found by halving, and noted in quarantine.

        Raises:
            FencedError: another server has taken over.
        """
        refused, saved = np.zeros(len(batch), np.bool_), np.zeros(len(batch), np.bool_)
        pieces = [np.arange(len(batch))]
        while pieces and np.count_nonzero(refused) < self._limits.refused_rows:
            piece = pieces.pop()
            try:
                await self._save(tick, self._copy.encode(batch.select(piece)))
            except RefusedError as error:
                if len(piece) > 1:
                    half = len(piece) // 2
                    pieces += [piece[half:], piece[:half]]
                else:
                    refused[piece] = True
                    await self._note_refused(batch, int(piece[0]), str(error))
            else:
                saved[piece] = True
                self._saved_rows += len(piece)
        return Written(saved, refused)

    async def post(self, posting: Posting, tick: int) -> Posted:
        """Commit what actions have come to, all of it or nothing, as of a tick of the world.

        What has become of it is unknown after any error but the two below: it may be tried again,
        and is committed once.

        Raises:
            FencedError: another server has taken over.
            RefusedError: the database does not take it.
        """
        return await self._database.call(
            lambda connection: ledger.post(connection, self._copy, self._term, tick, posting)
        )

    async def load_placeless(self) -> list[LedgerRow]:
        """Read what accounts and the world have of what only actions write."""
        return await self._database.call(
            lambda connection: ledger.load_placeless(connection, self._copy), LONG_S_MAX
        )

    async def save_tick(self, tick: int) -> None:
        """Save how far the world is; the clock never goes back."""
        await self._save(tick, None)

    # -- accounts ----------------------------------------------------------------------------

    async def create_account(self, name: str, password_hash: str) -> int:
        """Register an account and return its id.

        Raises:
            NameTakenError: the name, or one that looks like it, is registered.
            FencedError: another server has taken over.
        """
        async with self._accounts:
            account_id = await self._database.call(
                lambda connection: tables.create_account(
                    connection, self._term, name, password_hash
                )
            )
        if account_id is None:
            raise NameTakenError(f"the name {name!r} is taken, or looks like one that is")
        return account_id

    async def account_by_name(self, name: str) -> Account | None:
        """Find an account by its name in any spelling that `name_key` folds together."""
        async with self._accounts:
            row = await self._database.call(
                lambda connection: tables.find_account(connection, name)
            )
        return None if row is None else Account(*row)

    # -- how -----------------------------------------------------------------------------------

    async def _load(self, which: str, limit_s: float | None = None) -> Recovered:
        tick, stream = await self._database.call(
            lambda connection: rows.load(connection, self._copy, which), limit_s
        )
        tuples = self._copy.decode(stream)
        records = self._copy.saved_records(tuples)
        faults = find_faults(tuples, records, tick, self._copy.schema)
        if faults:
            await self._set_aside(tuples, records, faults)
            good = np.setdiff1d(np.arange(len(tuples)), list(faults))
            tuples, records = tuples[good], records[good]
        return Recovered(
            tick,
            records,
            np.ascontiguousarray(tuples["uuid"]),
            tuples["account"].astype(np.int64),
            tuples["active"].astype(np.bool_),
        )

    async def _set_aside(
        self, tuples: NDArray[np.void], records: NDArray[np.void], whys: dict[int, str]
    ) -> None:
        faults = [
            Fault(tuples["uuid"][row].tobytes().hex(), why, describe_row(records[row]))
            for row, why in whys.items()
        ]
        await self._database.call(lambda connection: rows.set_aside(connection, faults))
        self._report(faults)

    async def _note_refused(self, batch: Batch, row: int, why: str) -> None:
        fault = Fault(batch.uuid[row].tobytes().hex(), why, describe_row(batch.rows[row]))
        self._report([fault])
        try:
            await self._database.call(lambda connection: rows.report_refused(connection, [fault]))
        except StoreError as error:
            _log.warning("store not_noted %s", fields(uuid=fault.uuid, why=str(error)))

    def _report(self, faults: list[Fault]) -> None:
        self._quarantined_rows += len(faults)
        for fault in faults:
            name = fault.row.get("name", "")
            _log.error("store quarantined %s", fields(uuid=fault.uuid, name=name, why=fault.why))

    async def _save(self, tick: int, stream: bytearray | None) -> None:
        try:
            await self._database.call(
                lambda connection: rows.save(connection, self._copy, self._term, tick, stream)
            )
        except (RefusedError, FencedError):
            raise
        except StoreError as error:
            self._write_fault = str(error)
            if trio.current_time() - self._written_at > self._limits.writes_fail_s:
                self._database.leave_server(f"no write has succeeded for long: {error}")
            raise
        self._write_fault = ""
        self._written_at = trio.current_time()
        if tick - self._forgotten_tick >= self._limits.forget_every_ticks:
            self._forgotten_tick = tick
            self._nursery.start_soon(self._forget, tick)

    async def _forget(self, tick: int) -> None:
        """Forget what was removed or answered long ago; what fails may wait for the next time."""
        removed_before = tick - self._limits.removed_kept_ticks
        receipts_before = tick - self._limits.receipts_kept_ticks
        try:
            await self._database.call(
                lambda connection: rows.forget_removed(connection, self._copy, removed_before)
            )
            await self._database.call(lambda c: ledger.forget_receipts(c, receipts_before))
        except StoreError as error:
            _log.warning("store not_forgotten %s", fields(tick=tick, why=str(error)))

    async def _beat(self) -> None:
        """Say that this server lives, until cancelled."""
        while True:
            try:
                await self._database.call(lambda c: rows.save(c, self._copy, self._term, 0, None))
            except FencedError:
                raise
            except StoreError as error:
                _log.warning("store no_beat %s", fields(why=str(error)))
            await trio.sleep(self._limits.beat_s)


@asynccontextmanager
async def open_store(
    database: str | Embedded,
    game: Declarations,
    limits: KeepingLimits = LIMITS.keeping,
    *,
    clamp: bool = False,
) -> AsyncIterator[Store]:
    """Connect to the database, or run an embedded one, while the context is open.

    Args:
        database: `postgresql://` URL, or where the embedded database lives.
        game: that is played; its persisted components become columns.
        limits: what only tuning decides.
        clamp: bring saved values into ranges that the game has narrowed.

    Raises:
        ConfigError: the URL is none.
        UnavailableError: the database can't be reached or run; says why and what to do.
    """
    async with AsyncExitStack() as stack:
        if isinstance(database, Embedded):
            kind, url = "embedded", (await stack.enter_async_context(open_postgres(database))).url
        else:
            kind, url = "external", check_url(database)
        connections = open_database(url, limits.database)
        opened, nursery = await stack.enter_async_context(connections)
        yield Store(opened, kind, game, nursery, limits, clamp=clamp)
