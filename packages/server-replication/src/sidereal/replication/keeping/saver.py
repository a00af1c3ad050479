"""The loop that takes what has changed from the core and writes it into the database."""

from __future__ import annotations

import logging
from typing import Final

import trio

from sidereal.protocol.errors import StoreError
from sidereal.protocol.runtime.process import fields
from sidereal.replication.ending import SAVE_S_MAX
from sidereal.replication.http.status import Board
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.store import Store
from sidereal.replication.replicator import Replicator

SAVE_ROWS_MAX: Final = 20_000
"""Rows per write to the database."""

SAVE_IDLE_S: Final = 0.2
SAVE_RETRY_S: Final = 1.0

log = logging.getLogger("sidereal.replication")


class Saver:
    """Writes one world's changes behind its tick."""

    def __init__(self, core: Replicator, store: Store, board: Board) -> None:
        self._core = core
        self._store = store
        self._board = board

    async def run(self) -> None:
        """Write changed rows behind the tick, for ever."""
        while True:
            if not await self.save_once():
                await trio.sleep(SAVE_IDLE_S)

    async def save_once(self) -> bool:
        """Write one batch.

        Returns:
            whether there was one, and it was written.
        """
        batch = self._core.saving.take_batch(SAVE_ROWS_MAX)
        started_at = trio.current_time()
        try:
            if batch is None:
                await self._store.save_tick(self._core.tick)
                return False
            await self._write(batch)
        except StoreError as error:
            log.warning("not_saved %s", fields(tick=self._core.tick, why=str(error)))
            await trio.sleep(SAVE_RETRY_S)
            return False
        self._board.saved_rows += len(batch)
        self._board.flushes.add((trio.current_time() - started_at) * 1000)
        return True

    async def finish(self) -> None:
        """Save all that is left; give up after `SAVE_S_MAX`."""
        with trio.move_on_after(SAVE_S_MAX):
            while self._core.saving.depth:
                await self.save_once()
            await self.save_once()  # the tick, when no rows are left
        if self._core.saving.depth:
            log.error("lost %s", fields(rows=self._core.saving.depth, waited_s=SAVE_S_MAX))

    async def _write(self, batch: Batch) -> None:
        """Write a batch; whatever else becomes of the attempt, its rows wait again."""
        written = False
        try:
            await self._store.write_rows(batch)
            written = True
        finally:
            if written:
                self._core.saving.committed(batch)
            else:
                self._core.saving.failed(batch)
