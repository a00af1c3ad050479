"""`sidereal up`: a whole world on this machine, as separate processes under one supervisor.

The replication server comes first; when it has announced its endpoints the shards are started, and
when the world is ready the faces. A shard that dies is started again; a replication server that
dies ends the run. Whatever way the run ends, faces go first, then shards, then the server, so that
everybody is told and everything is saved.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import httpx
import trio

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.ids import Address
from sidereal.protocol.runtime.config import format_endpoint, parse_endpoint
from sidereal.tools.children import Child, describe_status
from sidereal.tools.publish import publish
from sidereal.tools.report import make_report, summarise

READY_WITHIN_S: Final = 60.0
POLL_S: Final = 0.05
FOLLOW_S: Final = 0.5
SHARDS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class UpConfig:
    """What to start, and for how long."""

    shards: int = 2
    bots: int = 0
    for_s: float | None = None
    world: str = "belt"
    seed: int = 1
    database: str = "embedded"
    data_dir: Path = Path(".sidereal")
    http: str = "127.0.0.1:7070"
    client_port: int = 7071
    public_clients: str | None = None
    shard_port: int = 7072
    view: bool = False
    monitor: bool = False
    json: str | None = None

    def check(self) -> None:
        """Check what only the supervisor knows; the servers check the rest.

        Raises:
            ConfigError: naming every problem at once.
        """
        problems = []
        if not 1 <= self.shards <= SHARDS_MAX:
            problems.append(f"--shards must be 1 to {SHARDS_MAX}")
        if self.bots < 0:
            problems.append("--bots must be 0 or more")
        if self.for_s is not None and self.for_s <= 0:
            problems.append("--for must be above 0 seconds")
        problems += [
            f"--{name} must be 0 to 65535"
            for name, port in (("client-port", self.client_port), ("shard-port", self.shard_port))
            if not 0 <= port <= 65535
        ]
        if problems:
            raise ConfigError("; ".join(problems))


@dataclass(slots=True)
class _Run:
    """What is known of a run while it goes on."""

    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    errors: list[str] = field(default_factory=list)
    children: dict[str, Child] = field(default_factory=dict)
    first: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    bots: dict[str, Any] | None = None
    ready_at: float | None = None
    ended_at: float | None = None
    end: str = "interrupted"
    status: int = 0

    def fail(self, status: int, error: str) -> None:
        """End the run because something in it went wrong."""
        self.end, self.status = "failed", status
        self.errors.append(error)
        self.scope.cancel()


async def run_up(config: UpConfig, told_to_end: Callable[[], Awaitable[None]]) -> int:
    """Run a world until its time is over or somebody ends it.

    Args:
        config: what to start.
        told_to_end: returns when the process is told to end.

    Returns:
        the exit status.

    Raises:
        ConfigError: the settings can't work.
    """
    config.check()
    run = _Run()
    await _run_world(config, run, told_to_end)
    if run.first is not None:
        _publish(config, run)
    return run.status


async def _run_world(
    config: UpConfig, run: _Run, told_to_end: Callable[[], Awaitable[None]]
) -> None:
    secret = {"SIDEREAL_SHARD_KEY": secrets.token_hex(16)}
    server = Child("replication", _replication_arguments(config), secret)
    run.children["replication"] = server
    async with _group() as authority:
        authority.start_soon(_end_when_told, told_to_end, run.scope)
        authority.start_soon(_watch_authority, server, run)
        async with _group() as shards, _group() as faces:
            with run.scope:
                await server.spoke.wait()
                endpoints = json.loads(server.output)
                for number in range(1, config.shards + 1):
                    name = f"shard-{number}"
                    arguments = ["shard", "--server", endpoints["shards"], "--name", name]
                    shard = run.children[name] = Child(name, arguments, secret)
                    shards.start_soon(shard.run_again_and_again, run.errors)
                await _run_ready_world(config, run, endpoints["http"], faces)


async def _run_ready_world(config: UpConfig, run: _Run, url: str, faces: trio.Nursery) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=5.0) as http:
        with trio.move_on_after(READY_WITHIN_S):
            while run.first is None or len(run.first["shards"]) < config.shards:
                await trio.sleep(POLL_S)
                run.first = await _get_json(http, "/v1/status")
            while await _get_json(http, "/readyz") is None:
                await trio.sleep(POLL_S)
            run.ready_at = trio.current_time()
        if run.ready_at is None:
            run.fail(1, f"the world was not ready after {READY_WITHIN_S:.0f} s")
            return
        _say_how_to_look(url)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_follow, http, config, run)
            try:
                await _play(config, run, url, faces)
            finally:
                run.ended_at = trio.current_time()
                nursery.cancel_scope.cancel()


async def _play(config: UpConfig, run: _Run, url: str, faces: trio.Nursery) -> None:
    """Run the faces until the time is over."""
    if config.view:
        run.children["view"] = Child("view", ["view", "--server", url])
        faces.start_soon(run.children["view"].run)
    if config.monitor:
        monitor = run.children["monitor"] = Child(
            "monitor", ["monitor", "--server", url], terminal=True
        )
        _log_to_file(config.data_dir / "up.log")
        faces.start_soon(_end_with, monitor, run.scope)
    if not config.bots:
        await trio.sleep(math.inf if config.for_s is None else config.for_s)
        run.end = "done"
        return
    arguments = ["bots", "--server", url, "--count", str(config.bots), "--json", "-"]
    arguments += ["--seed", str(config.seed)]
    if config.for_s is not None:
        arguments += ["--for", str(config.for_s)]
    bots = run.children["bots"] = Child("bots", arguments)
    try:
        status = await bots.run()
        if status:
            run.fail(1, f"the bots {describe_status(status)}")
        run.end = run.end if status else "done"
    finally:
        if bots.output:
            run.bots = json.loads(bots.output)["bots"]


async def _follow(http: httpx.AsyncClient, config: UpConfig, run: _Run) -> None:
    """Keep the newest status while the bots fly: at the end of a run they are gone already."""
    with trio.move_on_after(math.inf if config.for_s is None else config.for_s):
        while True:
            run.last = await _get_json(http, "/v1/status") or run.last
            await trio.sleep(FOLLOW_S)


async def _end_with(child: Child, scope: trio.CancelScope) -> None:
    """End the run when somebody leaves this face."""
    await child.run()
    scope.cancel()


def _log_to_file(path: Path) -> None:
    """Send our log, and so that of all children, to a file: the monitor has the terminal."""
    with path.open("ab") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())


async def _watch_authority(server: Child, run: _Run) -> None:
    status = await server.run()
    run.fail(
        status if status in (2, 69) else 1, f"the replication server {describe_status(status)}"
    )


async def _end_when_told(
    told_to_end: Callable[[], Awaitable[None]], scope: trio.CancelScope
) -> None:
    await told_to_end()
    scope.cancel()


@asynccontextmanager
async def _group() -> AsyncIterator[trio.Nursery]:
    """Open a nursery whose tasks are ended when its body is over, and not before."""
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.shield = True
        try:
            yield nursery
        finally:
            nursery.cancel_scope.cancel()


async def _get_json(http: httpx.AsyncClient, path: str) -> dict[str, Any] | None:
    """Fetch an answer; None when there is none or it is an error."""
    try:
        response = await http.get(path)
    except httpx.HTTPError:
        return None
    if response.status_code != 200:
        return None
    answer: dict[str, Any] = response.json()
    return answer


def _replication_arguments(config: UpConfig) -> list[str]:
    host = parse_endpoint(config.http, "--http").host
    arguments = ["replication", "--http", config.http, "--world", config.world]
    arguments += ["--clients", format_endpoint(Address(host, config.client_port))]
    if config.public_clients is not None:
        arguments += ["--public-clients", config.public_clients]
    arguments += ["--shards", format_endpoint(Address(host, config.shard_port))]
    arguments += ["--seed", str(config.seed), "--database", config.database]
    return [*arguments, "--data-dir", str(config.data_dir)]


def _say_how_to_look(url: str) -> None:
    print(
        f"The world is ready at {url}\n"
        f"  fly in it:   uv run sidereal view --server {url}\n"
        f"  watch it:    uv run sidereal monitor --server {url}\n"
        f"  end it:      Ctrl-C (it is saved, and goes on next time)",
        file=sys.stderr,
        flush=True,
    )


def _publish(config: UpConfig, run: _Run) -> None:
    report = make_report(
        version=version("sidereal-tools"),
        duration_s=(run.ended_at or 0.0) - (run.ready_at or 0.0),
        seed=config.seed,
        end=run.end,
        errors=run.errors,
        first=run.first,
        last=run.last,
        pids={name: child.pid for name, child in run.children.items()},
        bots=run.bots,
    )
    publish(report, summarise(report), config.json)
