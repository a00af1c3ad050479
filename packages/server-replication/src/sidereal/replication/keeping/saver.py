"""The loops between the core and the store: changes go in, what accounts left comes out, and what
actions have come to is committed.

What a crash may cost is bounded here. Every `flush_s` all changes are written, the oldest first.
`Saver.unsaved_s` says for how long something has not been saved. The reason does not matter: the
database is slow, full, read-only or away, or there is too much to write. Above the `unsaved_s` of
the limits the server is not ready.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable

import trio

from sidereal.protocol.errors import StoreError, UnavailableError
from sidereal.protocol.runtime.process import fields
from sidereal.replication.ending import SAVE_S_MAX
from sidereal.replication.keeping.database import RefusedError
from sidereal.replication.keeping.limits import KeepingLimits
from sidereal.replication.keeping.posting import Posted, Posting
from sidereal.replication.keeping.store import Store
from sidereal.replication.keeping.tables import FencedError
from sidereal.replication.limits import LIMITS
from sidereal.replication.play.berths import BerthRequest
from sidereal.replication.replicator import Replicator

log = logging.getLogger("sidereal.replication")


class Saver:
    """Writes one world's changes behind its tick, and fetches the berths of its players."""

    def __init__(
        self,
        core: Replicator,
        store: Store,
        note_flush_ms: Callable[[float], None],
        limits: KeepingLimits = LIMITS.keeping,
    ) -> None:
        self._core = core
        self._limits = limits
        self._store = store
        self._note_flush_ms = note_flush_ms
        self._saved_to = trio.current_time()
        self._sweep = core.tick, self._saved_to
        self._failing = False
        self._batch_rows = limits.batch_rows
        self._requested = trio.Event()
        self._posted = trio.Event()
        self._fetches = trio.CapacityLimiter(limits.fetches)

    @property
    def unsaved_s(self) -> float:
        """For how long something has not been saved: what a crash now would lose."""
        return trio.current_time() - self._saved_to

    @property
    def behind(self) -> bool:
        """Whether a crash now would lose more than it may."""
        return self.unsaved_s > self._limits.unsaved_s

    # -- what changed goes in -------------------------------------------------------------------

    async def run(self) -> None:
        """Write what changes, for ever.

        Raises:
            UnavailableError: another server has taken over the database.
        """
        while True:
            started_at = trio.current_time()
            saved, more = await self.save_once()
            if not saved:
                await trio.sleep(self._limits.retry_s)
            elif not more:
                await trio.sleep_until(started_at + self._limits.flush_s)

    async def save_once(self) -> tuple[bool, bool]:
        """Write one batch, and the clock.

        Returns:
            whether the database took it, and whether more waits that is as old.

        Raises:
            UnavailableError: another server has taken over the database.
        """
        saving, tick = self._core.saving, self._core.tick
        if self._sweep[0] < 0:
            self._sweep = tick, trio.current_time()
        try:
            await self._write(tick)
        except FencedError as error:
            raise UnavailableError(f"{error}: this server ends") from None
        except StoreError as error:
            if not self._failing:
                log.warning("not_saved %s", fields(tick=tick, why=str(error)))
            self._failing = True
            self._batch_rows = max(self._batch_rows // 2, self._limits.batch_rows_least)
            return False, True
        self._batch_rows = min(self._batch_rows * 2, self._limits.batch_rows)
        if self._failing:
            log.info("saved_again %s", fields(tick=tick, after_s=self.unsaved_s))
            self._failing = False
        oldest = saving.oldest_tick()
        if oldest is not None and oldest <= self._sweep[0]:
            return True, True
        self._saved_to, self._sweep = self._sweep[1], (-1, 0.0)
        return True, False

    async def finish(self) -> int:
        """Save all that is left, and let another server write; give up after `SAVE_S_MAX`.

        Returns:
            rows that are lost.
        """
        saving = self._core.saving
        with trio.move_on_after(SAVE_S_MAX), contextlib.suppress(UnavailableError, StoreError):
            more = True
            while more or saving.depth:
                saved, more = await self.save_once()
                if not saved:
                    await trio.sleep(self._limits.retry_s)
            await self._store.release()
        lost = saving.depth + saving.refused
        if lost:
            log.error("lost %s", fields(rows=lost, refused=saving.refused, waited_s=SAVE_S_MAX))
        return lost

    async def _write(self, tick: int) -> None:
        """Write a batch; whatever else becomes of the attempt, its rows wait again."""
        saving = self._core.saving
        batch = saving.take_batch(self._batch_rows, tick)
        if batch is None:
            await self._store.save_tick(tick)
            return
        written = None
        started_at = trio.current_time()
        try:
            written = await self._store.write_rows(batch, tick)
            self._note_flush_ms((trio.current_time() - started_at) * 1000)
        finally:
            if written is None:
                saving.failed(batch)
            else:
                saving.settle(batch, written.saved, written.refused)

    # -- what actions have come to is committed ---------------------------------------------------

    async def post_actions(self) -> None:
        """Commit what actions have come to, one posting after another, for ever.

        Raises:
            UnavailableError: another server has taken over the database.
        """
        postings = self._core.actions.postings
        while True:
            await self._posted.wait()
            self._posted = trio.Event()
            if postings.has_posting:
                posting = postings.take_posting()
                postings.deliver(posting, await self._post(posting))

    async def _post(self, posting: Posting) -> Posted:
        """Try until it is known what has become of a posting."""
        failing = False
        while True:
            try:
                return await self._store.post(posting, self._core.tick)
            except FencedError as error:
                raise UnavailableError(f"{error}: this server ends") from None
            except RefusedError as error:
                return Posted(declined=str(error))
            except StoreError as error:
                if not failing:
                    log.warning("not_posted %s", fields(tick=posting.tick, why=str(error)))
                failing = True
                await trio.sleep(self._limits.retry_s)

    # -- what accounts left comes out -----------------------------------------------------------

    def look_for_requests(self) -> None:
        """Begin to do what the core asks for; after every tick."""
        if self._core.actions.postings.has_posting:
            self._posted.set()
        if self._core.berths.has_requests:
            self._requested.set()

    async def fetch_berths(self) -> None:
        """Read the berths that the core asks for, for ever."""
        async with trio.open_nursery() as nursery:
            while True:
                await self._requested.wait()
                self._requested = trio.Event()
                for request in self._core.berths.take_requests():
                    nursery.start_soon(self._fetch, request)

    async def _fetch(self, request: BerthRequest) -> None:
        """Ask the database until it answers or nobody wants to know any more."""
        berths = self._core.berths
        while berths.wants(request):
            try:
                async with self._fetches:
                    berth = await self._store.load_berth(request.account)
            except StoreError:
                await trio.sleep(self._limits.fetch_retry_s)
            else:
                berths.deliver(request, berth)
