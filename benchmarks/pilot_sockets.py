"""The pilot of `pilot.py` in a world of real processes, behind `sidereal netsim`."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import trio
from pilot_eyes import FRAME_S, SETTLES_S, Pilot, Seen

from sidereal.client.driver import drive, open_session
from sidereal.client.http import open_http
from sidereal.client.returning import ReturningClient
from sidereal.game.declarations import Declarations
from sidereal.protocol.runtime.process import entropy
from sidereal.protocol.testing.link import LinkConfig


@contextmanager
def running(*words: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command of `sidereal` for a while."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sidereal.tools", *words],
        cwd=cwd,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def announced(process: subprocess.Popen[str], pattern: str) -> str:
    """Wait for what a command says on its standard error."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found[1]
    raise RuntimeError(f"{process.args} ended without {pattern!r}")


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def up_behind(link: LinkConfig, bots: int, folder: Path, world: str) -> Iterator[str]:
    """Run a world behind a link; gives the URL of its server."""
    port = free_udp_port()
    target = f"127.0.0.1:{port}"
    with ExitStack() as stack:
        words = f"netsim --listen 127.0.0.1:0 --target {target} --loss {link.loss}".split()
        words += f"--delay-ms {1e3 * link.delay_s} --jitter-ms {1e3 * link.jitter_s}".split()
        door = announced(stack.enter_context(running(*words, cwd=folder)), r"passes on (\S+) to ")
        words = f"up --game arena:game --world {world} --shards 2 --bots {bots}".split()
        words += f"--http 127.0.0.1:0 --shard-port 0 --client-port {port}".split()
        words += ["--public-clients", door, "--data-dir", str(folder / "data")]
        up = stack.enter_context(running(*words, cwd=folder))
        yield announced(up, r"The world is ready at (\S+)")


def fly(
    game: Declarations, link: LinkConfig, bots: int, seconds: float, folder: Path, *, world: str
) -> Seen:
    """Fly and fire for so long in a new world, in a folder with its game."""
    with up_behind(link, bots, folder, world) as url:
        return trio.run(_fly, url, game, seconds)


async def _fly(url: str, game: Declarations, seconds: float) -> Seen:
    client = ReturningClient(
        game=game, entropy=entropy, now=trio.current_time(), software="benchmark"
    )

    async def sign_in() -> Any:
        async with open_http(url) as http:
            return await open_session(http)

    pilot = Pilot(client, game)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drive, client, sign_in)
        with trio.fail_after(20):
            while client.view(trio.current_time()).own < 0:
                await trio.sleep(FRAME_S)
        await trio.sleep(SETTLES_S)
        assert client.client is not None
        client.client.take_position_errors()
        began = trio.current_time()
        for frame in range(round(seconds / FRAME_S)):
            pilot.frame(trio.current_time())
            await trio.sleep_until(began + frame * FRAME_S)
        seen = pilot.conclude()
        nursery.cancel_scope.cancel()
    return seen
