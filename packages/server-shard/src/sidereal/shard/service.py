"""The Trio shell around the core: sockets, clocks, reconnecting, the log.

A session that ends is followed by another one, with a new core and a new socket (the server may
still hold the old session under its address), after a wait that grows. Its number tells it from the
sessions before it; the incarnation is that of the process, and stays.

A game whose code goes wrong ends the process: the server is told what it was and why, the log has
the game's frames, and whoever supervises the process starts it again. A supervisor that tries other
code may let the process *rest*: it drains, and its next session is that of a spare.
"""

from __future__ import annotations

import gc
import itertools
import logging
import math
import os
import resource
import socket
import time
import traceback
from collections.abc import Callable
from typing import Final

import trio

from sidereal.game.load import digest_of_code, load
from sidereal.protocol.errors import CloseReason, GameFailedError, UnavailableError
from sidereal.protocol.ids import SHARD_NONE, Address
from sidereal.protocol.links import derive_shard_key
from sidereal.protocol.runtime.config import parse_endpoint
from sidereal.protocol.runtime.memory import private_bytes
from sidereal.protocol.runtime.process import (
    SUPERVISED,
    entropy,
    fields,
    settle_memory,
    wall_clock_now,
)
from sidereal.protocol.runtime.udp import UdpSocket, open_udp
from sidereal.shard.config import ShardConfig
from sidereal.shard.shard import ShardCore

log = logging.getLogger("sidereal.shard")

EXPLAIN_AFTER_S: Final = 5.0
"""Without a session for this long, a line in the log says what may be wrong."""
GIVE_UP_AFTER_S: Final = 10.0
"""A shard nobody supervises ends when it could not connect for this long after its start."""
RETRY_AFTER_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Waits before another session is tried; the last one repeats."""
LOAD_EVERY_S: Final = 1.0
IDLE_S: Final = 1.0
"""How long the shell waits at most, whatever the core says."""


class Orders:
    """What a supervisor says on the leash of a shard, beside that it is to end.

    `rest`: others are to take what it has, and then it waits as a spare. `serve`: it is no spare
    any more when it comes again. Anything else is ignored.

    Attributes:
        spare: whether its next session is that of a spare; None if the settings say it.
        drains: set while it is to rest and others still have to take what it has.
    """

    def __init__(self, rested: Callable[[], None] = lambda: None) -> None:
        """Begin without any; `rested` is called each time that it has come to rest."""
        self.spare: bool | None = None
        self.drains = trio.Event()
        self._rested = rested
        self._is_awaited = False

    def hear(self, line: str) -> None:
        """Take in a line."""
        if line == "rest":
            self.spare = self._is_awaited = True
            self.drains.set()
        elif line == "serve":
            self.spare = False

    def note_drained(self) -> None:
        """Note that others have taken all."""
        self.drains = trio.Event()

    def note_welcome(self) -> None:
        """Note that the server has welcomed it."""
        if self._is_awaited and not self.drains.is_set():
            self._is_awaited = False
            self._rested()


async def run(
    config: ShardConfig,
    orders: Orders | None = None,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve as a shard until cancelled; then let others take what it has, and say farewell.

    Args:
        config: settings.
        orders: of a supervisor.
        task_status: started once the replication server has welcomed the shard.

    Raises:
        ConfigError: the settings cannot work.
        UnavailableError: the server could not be reached at all, and nobody supervises us.
        GameFailedError: the game's code went wrong; the server has been told.
    """
    config.check()
    game = load(config.game)
    code = digest_of_code(config.game, game)
    settle_memory()
    server = await _resolve(config.server)
    key = derive_shard_key(config.key)
    search = _Search(config.server)
    log.info("starting %s", config.describe())
    incarnation = entropy(16)
    orders = orders or Orders()
    for number in itertools.count(1):
        now = trio.current_time()
        core = ShardCore(
            key=key,
            server=server,
            name=config.name,
            incarnation=incarnation,
            session=number,
            pid=os.getpid(),
            game=game,
            entropy=entropy,
            now=now,
            wall_now=wall_clock_now(),
            seed=config.seed,
            code=code,
            clock=time.perf_counter,
            spare=config.spare if orders.spare is None else orders.spare,
        )
        with await open_udp("::" if ":" in server.host else "0.0.0.0", 0) as udp:
            session = _Session(core, udp, orders)
            try:
                await session.run(search, task_status)
                if rests := orders.drains.is_set() and core.serving:
                    await session.drain()
            finally:
                if trio.current_effective_deadline() == -math.inf:  # we are told to end
                    with trio.CancelScope(shield=True):
                        await session.drain()
                udp.send_nowait(core.close(trio.current_time()))
        if rests:
            orders.note_drained()
            search.begin()
        wait_s = 0.0 if rests else search.note_end(core)
        # Its bodies hold themselves (see `space`), and the next session has room for its own.
        del session, core
        gc.collect()
        await trio.sleep(wait_s)


class _Search:
    """How the attempts to have a session are going."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._failures = 0
        self._ever = False
        self._explained = False
        self.begin()

    def begin(self) -> None:
        """Begin to look for the server, now."""
        self._since = trio.current_time()

    def succeeded(self, core: ShardCore, task_status: trio.TaskStatus[None]) -> None:
        """Note a welcome."""
        log.info("joined %s", fields(server=self._server, shard=core.shard, tick=core.tick))
        if not self._ever:
            task_status.started()
        self._ever = True
        self._failures = 0
        self._explained = False

    @property
    def hopeless(self) -> bool:
        """Whether it has taken too long, and nobody supervises us who would rather wait."""
        waited_s = trio.current_time() - self._since
        return waited_s >= GIVE_UP_AFTER_S and not self._ever and not os.environ.get(SUPERVISED)

    def explain(self, reason: str = "") -> str:
        """Say what may be wrong, in the log too when it has taken long or the server said why.

        Args:
            reason: what the server said, if it said something.
        """
        text = reason or (
            f"no answer from the replication server at {self._server}: it does not run there, "
            "or its shard key is another one, or it does not know that address as its own (its "
            "log says which)"
        )
        waited_s = trio.current_time() - self._since
        if not self._explained and (reason or waited_s >= EXPLAIN_AFTER_S):
            self._explained = True
            log.warning("waiting %s", fields(server=self._server, why=text))
        return text

    def note_end(self, core: ShardCore) -> float:
        """Note the end of a session or of an attempt.

        Returns:
            how long to wait before the next one, seconds.

        Raises:
            UnavailableError: it is hopeless, or another shard has our name.
        """
        reason = core.closed or CloseReason.UNKNOWN
        if core.shard != SHARD_NONE:
            self.begin()
            log.warning(
                "session_ended %s",
                fields(tick=core.tick, reason=reason.name, text=core.closed_text or "-"),
            )
        text = self.explain(_refusal(core, reason))
        if self.hopeless:
            raise UnavailableError(text)
        if reason is CloseReason.LOGGED_IN_ELSEWHERE:
            # It would throw out the other one in its turn, for ever.
            raise UnavailableError(core.closed_text)
        wait_s = RETRY_AFTER_S[min(self._failures, len(RETRY_AFTER_S) - 1)]
        self._failures += 1
        return wait_s


class _Session:
    """One core and its socket."""

    def __init__(self, core: ShardCore, udp: UdpSocket, orders: Orders) -> None:
        self._core = core
        self._udp = udp
        self._orders = orders
        self._received = trio.Event()
        self._step_us: list[int] = []

    async def run(self, search: _Search, task_status: trio.TaskStatus[None]) -> None:
        """Serve until the session ends, or is to end because the shard is to rest."""
        core = self._core
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._receive)
            while core.closed is None and not core.serving and not search.hopeless:
                search.explain()
                self._turn()
                await self._wait()
            if core.serving:
                search.succeeded(core, task_status)
                self._orders.note_welcome()
                nursery.start_soon(self._report)
                nursery.start_soon(self._hear_of_rest)
            while core.serving and not self._orders.drains.is_set():
                self._turn()
                await self._wait()
            nursery.cancel_scope.cancel()

    async def drain(self) -> None:
        """Leave: others take what is simulated here, as long as there is time for it."""
        core, begun_at = self._core, trio.current_time()
        if not core.serving:
            return
        core.drain(begun_at)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._receive)
            while core.serving:
                self._turn()
                await self._wait()
            nursery.cancel_scope.cancel()
        log.info("drained %s", fields(seconds=trio.current_time() - begun_at))

    async def _hear_of_rest(self) -> None:
        await self._orders.drains.wait()
        self._received.set()

    def _turn(self) -> None:
        """Let the core do what is due, and send."""
        now, tick = self._take_in(), self._core.tick
        try:
            if self._core.advance(now):
                self._udp.send_nowait(self._core.collect(self._take_in()))
        except GameFailedError as error:
            log.error(
                "game_failed %s\n%s",
                fields(what=error.what, tick=error.tick, why=error),
                describe_frames(error),
            )
            self._udp.send_nowait(self._core.close(now, error))
            raise
        if self._core.tick != tick:
            self._step_us.append(round((trio.current_time() - now) * 1e6))

    async def _receive(self) -> None:
        while True:
            await self._udp.wait_readable()
            self._take_in()
            self._received.set()

    def _take_in(self) -> float:
        """Let the core take in what is there, each as of when it came; returns the time."""
        arrivals, now = self._udp.receive_nowait(), trio.current_time()
        for datagram, address, waited_s in arrivals:
            self._core.receive_datagram(datagram, address, now - waited_s)
        return now

    async def _wait(self) -> None:
        """Wait until something is due or a datagram has come; not once the session has ended."""
        self._received = trio.Event()
        at = self._core.next_timer()
        if self._core.closed is not None:
            return
        with trio.move_on_at(trio.current_time() + IDLE_S if at is None else at):
            await self._received.wait()

    async def _report(self) -> None:
        cpu_s, at = _cpu_s(), trio.current_time()
        while True:
            await trio.sleep(LOAD_EVERY_S)
            cpu_s_now, now = _cpu_s(), trio.current_time()
            step_us, self._step_us = self._step_us, []
            permille = round(1000 * (cpu_s_now - cpu_s) / (now - at))
            self._core.report_load(permille, private_bytes(), step_us)
            cpu_s, at = cpu_s_now, now


def describe_frames(error: GameFailedError) -> str:
    """Say where in the game's code it happened, as Python does, without what had called it."""
    raised = error.__cause__
    if raised is None or raised.__traceback__ is None:
        return str(error)
    frames = raised.__traceback__.tb_next
    return "".join(traceback.format_exception(type(raised), raised, frames)).rstrip()


async def _resolve(text: str) -> Address:
    """Look a server up.

    Raises:
        UnavailableError: the name is unknown.
    """
    endpoint = parse_endpoint(text, "--server")
    try:
        found = await trio.socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise UnavailableError(f"cannot find the server {endpoint.host!r}: {error}") from None
    host, port = found[0][4][:2]
    return Address(str(host), int(port))


def _refusal(core: ShardCore, reason: CloseReason) -> str:
    """Say in words why the server refused us; empty if it was silent."""
    if core.shard != SHARD_NONE:
        return ""
    if core.closed_text:
        return f"the replication server refused this shard: {core.closed_text}"
    if reason is CloseReason.DENIED:
        return "the replication server has no room for another shard"
    return ""


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
