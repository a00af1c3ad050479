"""Processes that stand still, and a link that is cut."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path
from typing import Final

from fault_cases.figures import Figure
from fault_cases.running import Program, World, kill, scratch, sidereal, up

BOTS: Final = 6
STOPPED_S: Final = 13.0
"""Longer than a session lasts without a word: 10 s."""
CUT_S: Final = 10.0
SETTLE_S: Final = 3.0
HOLD_S: Final = 11.0
"""How long everybody must go on flying: a dead session is in the server's list for ten seconds."""


def stopped(_quick: bool) -> list[Figure]:
    """Stop a whole world, as `docker pause` does; cut the link of its bots."""
    with scratch() as directory:
        port = free_udp_port()
        netsim, door = start_netsim("netsim-1", "127.0.0.1:0", port, directory)
        try:
            with up("--public-clients", door, "--bots", BOTS, client_port=port) as world:
                world.wait_flying(BOTS, SETTLE_S)
                stopped_s = stop(world)
                netsim.end()
                time.sleep(CUT_S)
                netsim, _ = start_netsim("netsim-2", door, port, directory)
                mended_at = time.monotonic()
                cut_s = world.wait_flying(BOTS, HOLD_S) - mended_at
        finally:
            netsim.end()
    return [
        Figure("stopped_s", "all bots fly again after SIGCONT", stopped_s, "s"),
        Figure("cut_s", "all bots fly again, the link is back", cut_s, "s"),
    ]


def stop(world: World) -> float:
    """Stop all processes of a world for a while.

    Returns:
        seconds until everybody flew again.
    """
    family = world.family()
    kill(*family, number=signal.SIGSTOP)
    time.sleep(STOPPED_S)
    kill(*family, number=signal.SIGCONT)
    went_on_at = time.monotonic()
    return world.wait_flying(BOTS, HOLD_S) - went_on_at


def start_netsim(name: str, door: str, port: int, directory: Path) -> tuple[Program, str]:
    """Stand between clients and a server; returns the program, and where clients send to."""
    words = ("netsim", "--listen", door, "--target", f"127.0.0.1:{port}")
    program = sidereal(name, words, directory)
    return program, program.wait_for(r"netsim passes on (\S+) to ")


def free_udp_port() -> int:
    """Find a port that nobody has now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
