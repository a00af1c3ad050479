"""`up --reload`: when a file of the game is saved, the world goes on with what was saved.

What was saved is loaded in a process of its own first (`versions`). If it can't be loaded, nothing
changes, and what is wrong is said. If it declares another world, the database is asked whether what
is saved can go on with that; if not, nothing changes either. If so, server and shards are started
anew: formats never change under living streams. Else a *trial* begins. The server is not replaced:
what it runs of the game stays as it was, which is said.

A trial replaces all shards. As many new ones as there are start as spares. When all of them are
there, the old ones are told to rest, one after the other: a new one takes over from each, and the
old one waits as a spare. If a new shard fails by itself, while it starts or as long as the old ones
are there, all new ones are told to end, and the old ones take over again, as spares do. They are
kept for that: the files are new, so the old code is nowhere but in these processes.

What is saved during a trial is looked at after it, and ends the wait for failures. So no more than
two versions of a game run at a time, and in the end the newest that can be loaded.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from sidereal.protocol.runtime.process import fields
from sidereal.tools.up.fleet import Fleet, Member
from sidereal.tools.up.restarts import STEADY_S
from sidereal.tools.up.versions import Unloadable, Version, examine, judge
from sidereal.tools.up.watching import watch_folders
from sidereal.tools.worldflags import WorldFlags

log = logging.getLogger("sidereal.up")

SERVES_WITHIN_S: Final = 30.0
"""How long all new shards together may take to start."""

RESTS_WITHIN_S: Final = 10.0
"""How long a shard may take to rest: it drains for 8 s at most."""


class Reload:
    """What of a game has been saved, and what of that runs."""

    def __init__(
        self,
        flags: WorldFlags,
        running: Version,
        fleet: Fleet,
        begin_anew: Callable[[], None],
    ) -> None:
        """Begin to follow a game.

        Args:
            flags: say which game, and where its world is saved.
            running: what runs of it.
            fleet: the shards that run it.
            begin_anew: starts the server and all shards again.
        """
        self._flags = flags
        self._running = self._served = running
        self._fleet = fleet
        self._begin_anew = begin_anew
        self._saved = trio.Event()
        self._watching = trio.CancelScope()

    async def run(self) -> None:
        """Follow what is saved until cancelled; the world must be ready."""
        while True:
            await self._saved.wait()
            self._saved = trio.Event()
            await self._follow()

    async def watch(self) -> None:
        """Notice what is saved until cancelled.

        Raises:
            UnavailableError: the files can't be watched.
        """
        while True:
            with trio.CancelScope() as self._watching:
                await watch_folders(self._running.folders, lambda: self._saved.set())

    async def _follow(self) -> None:
        """Let the world go on with what is on disk, if it can."""
        began_at, running = trio.current_time(), self._running
        found = await examine(self._flags.game)
        if isinstance(found, Unloadable):
            log.error("not_reloaded %s\n%s", fields(why="it can't be loaded"), found.shown)
            return
        if found.code == running.code:
            return
        if difference := found.differs_from(running):
            if problem := await judge(self._flags):
                log.error("not_reloaded %s", fields(why=problem))
                return
            log.warning("starting_anew %s", fields(why=f"it is another world: {difference}"))
            self._begin_anew()
            self._served = found
        elif not await self._try(began_at):
            return
        self._running = found
        if stays := found.served_otherwise(self._served):
            why = "the server runs it as it was: start `up` again"
            log.warning("not_replaced %s", fields(what=", ".join(stays), why=why))
        if found.folders != running.folders:
            self._watching.cancel()

    async def _try(self, began_at: float) -> bool:
        """Replace all shards by new ones; returns False if that failed and the old ones go on."""
        fleet = self._fleet
        fleet.begin_trial()
        old = list(fleet.members)
        new = [fleet.try_out() for _ in old]
        why = await self._take_over(old, new)
        if not why:
            seconds = trio.current_time() - began_at
            log.info("reloaded %s", fields(shards=len(new), seconds=seconds))
            with trio.move_on_after(STEADY_S):
                await _first_of(fleet.failure.wait, self._saved.wait)
            why = fleet.why
        if why:
            log.error("not_reloaded %s", fields(why=why))
            await self._go_back(old, new)
            return False
        fleet.keep(new)
        await fleet.end(old)
        return True

    async def _take_over(self, old: list[Member], new: list[Member]) -> str:
        """Let new shards start, and take over from the old ones; returns why they can't."""
        failure = self._fleet.failure
        with trio.move_on_after(SERVES_WITHIN_S) as starting:
            for member in new:
                await _first_of(member.serves.wait, failure.wait)
        if starting.cancelled_caught:
            return f"new shards do not serve after {SERVES_WITHIN_S:.0f} s"
        for before, after in zip(old, new, strict=True):
            if failure.is_set():
                break
            before.rest()
            with trio.move_on_after(RESTS_WITHIN_S):
                await _first_of(before.rests.wait, failure.wait)
            after.stand_in_for(before)
        return self._fleet.why

    async def _go_back(self, old: list[Member], new: list[Member]) -> None:
        """Let the old shards take over again; those that are to rest must do so before."""
        with trio.move_on_after(RESTS_WITHIN_S):
            for member in old:
                if member.resting:
                    await member.rests.wait()
        for member in old:
            member.come_back()
        await self._fleet.end(new)


async def _first_of(*waits: Callable[[], Awaitable[None]]) -> None:
    """Wait until one of these has come."""
    async with trio.open_nursery() as nursery:

        async def wait_for(wait: Callable[[], Awaitable[None]]) -> None:
            await wait()
            nursery.cancel_scope.cancel()

        for wait in waits:
            nursery.start_soon(wait_for, wait)
