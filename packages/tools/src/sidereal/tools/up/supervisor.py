"""One run of a world: what is started when, what is started again, what ends it.

The replication server comes first; when it has announced its endpoints the shards are started, and
when the world is ready the spares and the faces. Whatever dies is started again as it was, the
server where it was; `restarts` says when that is given up. The server knows which of the shards
are spares by then. Clients, shards and bots find the new server by themselves. So a world ends when
its time is over, when somebody ends it, or when it can't be kept running.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx
import trio

from sidereal.client.driver import SignInError, fetch_status
from sidereal.client.http import open_http
from sidereal.protocol.errors import ConfigError, UnavailableError
from sidereal.protocol.runtime.config import name_this_machine
from sidereal.protocol.runtime.process import fields
from sidereal.protocol.runtime.streams import redirect_log
from sidereal.replication.ending import END_S_MAX
from sidereal.tools.bots.report import BotsMeasured
from sidereal.tools.publish import read_announced
from sidereal.tools.report import make_report
from sidereal.tools.settings import DATABASE, SHARD_KEY, STATUS_TOKEN, SUPERVISOR
from sidereal.tools.up.children import Child, Prepared
from sidereal.tools.up.config import UpConfig, has_terminal, replication_arguments
from sidereal.tools.up.fleet import SPARE, Fleet
from sidereal.tools.up.readiness import look, say_how_to_look, say_ready, wait_for_clients
from sidereal.tools.up.reload import Reload
from sidereal.tools.up.restarts import (
    FOR_AN_AUTHOR,
    FOR_BOTS,
    FOR_THE_AUTHORITY,
    RestartLimits,
    Restarts,
)
from sidereal.tools.up.versions import Unloadable, Version, examine

log = logging.getLogger("sidereal.up")

READY_WITHIN_S: Final = 60.0
POLL_S: Final = 0.05
FOLLOW_S: Final = 0.5
ERRORS_MAX: Final = 1000
"""Errors of a run that are kept for its report, the newest."""

SERVER_END_WITHIN_S: Final = END_S_MAX + 2.0
"""How long the replication server may take to end: all its own limits, and some for the system."""

BOTS_WITHIN_S: Final = 10.0
"""How long the time of a run waits for its first bot, and what is said after them for all."""

LOG_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT


class Supervisor:
    """One run of a world.

    Attributes:
        status: exit status.
        ready_at: when the world was ready, None before.
    """

    def __init__(self, config: UpConfig) -> None:
        """Prepare a run.

        Raises:
            ConfigError: the settings can't work.
        """
        config.check()
        self.status = 0
        self.ready_at: float | None = None
        self._config = config
        self._game = ["--game", config.flags.game]
        self._scope = trio.CancelScope()
        self._secret = {SHARD_KEY: secrets.token_hex(16)}
        self._token = {SUPERVISOR: secrets.token_hex(16)}
        self._sight = {STATUS_TOKEN: os.environ.get(STATUS_TOKEN) or secrets.token_hex(16)}
        self._prepared = Prepared(self._secret)
        self._endpoints: dict[str, str] = {}
        self._reload: Reload | None = None
        self._announced = trio.Event()
        self._flying = trio.Event()
        self._bots_report = Path()
        self._children: dict[str, Child] = {}
        self._first: dict[str, Any] | None = None
        self._last: dict[str, Any] | None = None
        self._bots: dict[str, Any] | None = None
        self._ended_at: float | None = None
        self._end = "interrupted"
        self._errors: deque[str] = deque(maxlen=ERRORS_MAX)

    async def run(self) -> None:
        """Run the world until its time is over, it fails, or this is cancelled.

        Whatever way it ends, faces go first, then shards, then the server, so that everybody is
        told and everything is saved.
        """
        with TemporaryDirectory(prefix="sidereal-") as scratch:
            self._bots_report = Path(scratch) / "bots.json"
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_pass_cancellation_to, self._scope)
                    await self._run_processes()
                    nursery.cancel_scope.cancel()
            finally:
                if self._config.bots:
                    self._bots = self._read_bots_report()

    async def _look(self) -> Version:
        """Look at the game before it runs.

        Raises:
            ConfigError: it can't be loaded.
        """
        found = await examine(self._config.flags.game)
        if isinstance(found, Unloadable):
            raise ConfigError(found.why)
        return found

    async def _run_processes(self) -> None:
        version = await self._look() if self._config.reload else None
        async with _group() as authority:
            server = self._make_child(
                "replication",
                replication_arguments(self._config),
                # The URL may hold a password, and arguments stand in the list of processes.
                {
                    **self._secret,
                    **self._sight,
                    DATABASE: self._config.flags.database,
                    **self._token,
                },
                title="the replication server",
                spoke=self._learn_endpoints,
                end_within_s=SERVER_END_WITHIN_S,
            )
            limits = FOR_AN_AUTHOR if self._config.reload else FOR_THE_AUTHORITY
            authority.start_soon(self._keep_running, server, limits)
            async with _group() as shards, _group() as faces:
                fleet = Fleet(shards, self._make_shard, self._errors.append, self._give_up)
                if version is not None:
                    self._reload = self._make_reload(version, fleet)
                    faces.start_soon(self._reload.watch)
                with self._scope:
                    await self._announced.wait()
                    for _ in range(self._config.shards):
                        fleet.start(first=True)
                    await self._run_world(fleet, faces)
        if server.process and server.process.returncode and not self.status:
            ended = server.process.returncode
            self._fail(1, server.describe(ended), server.name_end(ended))  # it may have lost rows

    def report(self) -> dict[str, Any]:
        """Report on the run, which is over."""
        return make_report(
            version=version("sidereal-tools"),
            duration_s=(self._ended_at or 0.0) - (self.ready_at or 0.0),
            seed=self._config.flags.seed,
            end=self._end,
            errors=list(self._errors),
            first=self._first,
            last=self._last,
            pids={name: child.pid for name, child in self._children.items()},
            bots=self._bots,
        )

    def _read_bots_report(self) -> dict[str, Any]:
        """What the bots measured; those that did not live to report were not connected."""
        try:
            block: dict[str, Any] = json.loads(self._bots_report.read_text())["bots"]
        except (OSError, ValueError):
            return BotsMeasured(requested=self._config.bots).block()
        return block

    # -- servers ------------------------------------------------------------------------------

    def _make_child(
        self,
        name: str,
        arguments: list[str],
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Child:
        child = self._children[name] = Child(name, arguments, environment, **options)
        return child

    def _learn_endpoints(self, line: str) -> None:
        """Take in where the server listens; when it is started again it will listen there too."""
        endpoints = read_announced(line)
        if "shards" in endpoints:
            self._endpoints = endpoints
            self._children["replication"].arguments = replication_arguments(self._config, endpoints)
            self._announced.set()

    def _make_shard(self, name: str, spare: bool, spoke: Callable[[str], None]) -> Child:
        arguments = ["shard", "--server", self._endpoints["shards"], "--name", name, *self._game]
        return self._make_child(
            name,
            arguments + [SPARE] * spare,
            self._secret,
            prepared=self._prepared,
            spoke=spoke,
            ended=partial(self._tell_of_death, name),
        )

    def _tell_of_death(self, name: str, pid: int) -> None:
        """Let the server know that a shard is dead: it need not wait for what will not come."""
        self._children["replication"].tell(json.dumps({"name": name, "pid": pid}))

    async def _keep_running(self, child: Child, limits: RestartLimits) -> None:
        """Keep a process running; the run fails when that is not possible."""
        self._give_up(child, await child.keep_running(Restarts(limits), self._errors.append))

    def _give_up(self, child: Child, status: int) -> None:
        """End the run because of a process that can't be kept running, and of its status."""
        self._fail(
            status if status in (2, 69) else 1, child.describe(status), child.name_end(status)
        )

    def _fail(self, status: int, error: str, why: str = "") -> None:
        """End the run because something in it went wrong.

        Args:
            status: of the run.
            error: what went wrong, for the report.
            why: for the log, where a process has said the rest of it just before.
        """
        log.error("failed %s", fields(why=why or error))
        self._end, self.status = "failed", status
        self._errors.append(error)
        self._scope.cancel()

    # -- the world ----------------------------------------------------------------------------

    async def _run_world(self, fleet: Fleet, faces: trio.Nursery) -> None:
        url = name_this_machine(self._endpoints["http"])
        async with open_http(url) as http:
            http.headers["authorization"] = f"Bearer {self._sight[STATUS_TOKEN]}"
            why = ""
            with trio.move_on_after(READY_WITHIN_S):
                while self.ready_at is None:
                    self._first, why = await look(http, self._config.shards)
                    if why:
                        await trio.sleep(POLL_S)
                    else:
                        self.ready_at = trio.current_time()
            if self.ready_at is None:
                self._fail(1, f"the world was not ready after {READY_WITHIN_S:.0f} s: {why}")
                return
            say_ready(url)
            fleet.keep(fleet.members)
            for _ in range(self._config.spares):
                fleet.start(spare=True)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._follow, http)
                if self._reload is not None:
                    nursery.start_soon(self._reload.run)
                nursery.start_soon(self._prepared.keep_ready)
                try:
                    if self._config.bots and not self._config.monitor:
                        nursery.start_soon(self._say_after_bots, http, url)
                    else:
                        say_how_to_look(url, self._config.flags.game)
                    self._start_faces(faces, url)
                    await self._wait()
                    self._end = "done"
                finally:
                    self._ended_at = trio.current_time()
                    nursery.cancel_scope.cancel()

    async def _say_after_bots(self, http: httpx.AsyncClient, url: str) -> None:
        """Say how to look when the bots have come: the log of that would hide it."""
        with trio.move_on_after(BOTS_WITHIN_S):
            await wait_for_clients(http, self._config.bots)
        say_how_to_look(url, self._config.flags.game)

    async def _wait(self) -> None:
        """Wait until the time of the run is over; with bots it begins when the first one flies."""
        if self._config.for_s is None:
            await trio.sleep_forever()
        if self._config.bots:
            with trio.move_on_after(BOTS_WITHIN_S):
                await self._flying.wait()
        await trio.sleep(self._config.for_s)

    async def _follow(self, http: httpx.AsyncClient) -> None:
        """Keep the newest status while the bots fly: at the end of a run they are gone already."""
        while True:
            with suppress(UnavailableError, SignInError):
                status = await fetch_status(http)
                if self._first is None or status["uptime_s"] < self._first["uptime_s"]:
                    self._first = status  # of a server that was started again: it counts anew
                self._last = status
            await trio.sleep(FOLLOW_S)

    def _make_reload(self, version: Version, fleet: Fleet) -> Reload:
        def begin_anew() -> None:
            for member in fleet.members:
                member.child.begin_anew()
            self._children["replication"].begin_anew()

        return Reload(self._config.flags, version, fleet, begin_anew)

    # -- faces --------------------------------------------------------------------------------

    def _start_faces(self, nursery: trio.Nursery, url: str) -> None:
        config = self._config
        if config.monitor:
            monitor = self._make_child(
                "monitor", ["monitor", "--server", url, *self._game], self._sight, terminal=True
            )
            nursery.start_soon(self._monitor, monitor, url)
        if config.view:
            view = self._make_child("view", ["view", "--server", url, *self._game])
            nursery.start_soon(self._show, view)
        if config.bots:
            arguments = ["bots", "--server", url, *self._game, "--count", str(config.bots)]
            arguments += ["--seed", str(config.flags.seed)]
            world = self._endpoints.get("world")  # of which it is, whatever was given
            arguments += ["--world", world] if world else []
            arguments += ["--json", str(self._bots_report)]
            bots = self._make_child(
                "bots", arguments, title="the load generator", spoke=lambda _: self._flying.set()
            )
            nursery.start_soon(self._keep_running, bots, FOR_BOTS)

    async def _show(self, face: Child) -> int:
        """Run a face until somebody leaves it; a failed one is reported, and the world goes on."""
        status = await face.run()
        if status:
            self._errors.append(face.describe(status))
            log.error("left %s", fields(child=face.name, why=face.describe(status)))
        return status

    async def _monitor(self, monitor: Child, url: str) -> None:
        """Give the terminal to the monitor; leaving it ends the run."""
        if not has_terminal():
            await self._show(monitor)  # it prints one picture, and the world goes on
            return
        with _log_to_file(self._config.flags.data_dir / "up.log"):
            status = await self._show(monitor)
        if status:
            say_ready(url)
            say_how_to_look(url, self._config.flags.game)
        else:
            self._scope.cancel()


async def _pass_cancellation_to(scope: trio.CancelScope) -> None:
    try:
        await trio.sleep_forever()
    finally:
        scope.cancel()


@contextmanager
def _log_to_file(path: Path) -> Iterator[None]:
    """Send our log, and so that of all children, to a file while the monitor has the terminal."""
    before = os.dup(2)
    try:
        with suppress(OSError):  # without a file it goes nowhere, and the monitor is not disturbed
            path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path if os.access(path.parent, os.W_OK) else os.devnull, LOG_FLAGS, 0o644)
        redirect_log(file)
        os.close(file)
        yield
    finally:
        redirect_log(before)
        os.close(before)


@asynccontextmanager
async def _group() -> AsyncIterator[trio.Nursery]:
    """Open a nursery whose tasks are ended when its body is over, and not before."""
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.shield = True
        try:
            yield nursery
        finally:
            nursery.cancel_scope.cancel()
