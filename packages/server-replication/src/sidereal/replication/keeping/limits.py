"""The numbers of keeping that only tuning decides: of saving, and of the connections for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sidereal.protocol.limits import check_limits
from sidereal.replication.ending import SAVE_S_MAX

TERM_SILENT_S_MAX: Final = 5.0
"""A server that has not written for so long may be replaced by another one; all servers of a
database go by it."""


@dataclass(frozen=True, slots=True)
class DatabaseLimits:
    """How much is asked of the database at once, and how long an answer may take.

    Attributes:
        connections: to it.
        operations: under way; one more is refused.
        connect_s: for a new connection.
        acquire_s: for a free connection, or a new one.
        statement_s: for a statement.
        operation_s: for an operation as a whole.
        timeouts: statements in a row that may run out of time before the breaker opens.
        reconnect_s: pauses between attempts to connect; the last one repeats.
        connection_queries: statements after which a connection makes room for a new one: every
            flush makes a temporary table, of which the server behind it never forgets all (3 kB
            each).
        reopen_s: a server that takes no writes is not left more often than so: it may be the only
            one.
    """

    connections: int = 8
    operations: int = 256
    connect_s: float = 5.0
    acquire_s: float = 2.0
    statement_s: float = 4.0
    operation_s: float = 6.0
    timeouts: int = 2
    reconnect_s: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
    connection_queries: int = 5000
    reopen_s: float = 5.0

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if not self.reconnect_s or min(self.reconnect_s) <= 0.0:
            problems.append("reconnect_s must be pauses above 0")
        if not self.operation_s < SAVE_S_MAX:
            # A write that fails for want of an answer can be tried again before the end.
            problems.append(f"operation_s must be below {SAVE_S_MAX:g}, what the end has to save")
        check_limits(self, problems)


@dataclass(frozen=True, slots=True)
class KeepingLimits:
    """How changed rows reach the database, and how much of them waits.

    Attributes:
        unsaved_s: what a ready server may lose in a crash.
        flush_s: from the beginning of a flush to that of the next; the rest of `unsaved_s` is for
            writing.
        batch_rows: rows per write, at most.
        batch_rows_least: a write that fails is tried with half as many, but not with fewer than
            these; each that succeeds doubles them again. A busy machine may never get through
            with all of them in the time that an answer may take.
        retry_s: pause after a write that failed.
        refused_rows: rows of one batch that are isolated because the database does not take them;
            each costs some thirty small writes.
        writes_fail_s: when no write has succeeded for so long, for whatever reason, connections are
            opened again.
        removed_kept_ticks: for so long the database remembers that an entity was removed: ten
            minutes at 20 ticks/s, and no write is under way for longer than some seconds.
        receipts_kept_ticks: for so long the database remembers what became of calls: a day at 20
            ticks/s. A client that comes back asks within seconds.
        forget_every_ticks: how often it forgets what is longer ago.
        beat_s: how often a server that loads its world says that it lives.
        fetches: berths that are read at once: logins come in crowds, and writes must get through.
        accounts: that are looked up or registered at once; the same is true of them.
        fetch_retry_s: pause after a berth could not be read.
        berth_late_ticks: a player who has waited for its berth for so long is told why.
        amended_ticks: for so long it is kept what was committed of an entity that had left the
            world: longer than anything is on its way out of the database.
        database: the connections.
    """

    unsaved_s: float = 0.5
    flush_s: float = 0.15
    batch_rows: int = 20_000
    batch_rows_least: int = 500
    retry_s: float = 0.25
    refused_rows: int = 16
    writes_fail_s: float = 5.0
    removed_kept_ticks: int = 12_000
    receipts_kept_ticks: int = 1_728_000
    forget_every_ticks: int = 1200
    beat_s: float = 1.0
    fetches: int = 4
    accounts: int = 3
    fetch_retry_s: float = 0.5
    berth_late_ticks: int = 40
    amended_ticks: int = 1200
    database: DatabaseLimits = field(default_factory=DatabaseLimits)

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if not 2 * self.flush_s < self.unsaved_s:
            problems.append("unsaved_s must be above twice flush_s")
        if not self.batch_rows_least <= self.batch_rows:
            problems.append("batch_rows_least must not be above batch_rows")
        if not 2 * self.beat_s < TERM_SILENT_S_MAX:
            problems.append(f"beat_s must be below half of {TERM_SILENT_S_MAX:g}")
        check_limits(self, problems)
