"""What the two ends of a session sent, got and understood, line by line.

Every line is a JSON array. The first is `["session", {...}]`: token, keys and what else a listener
has to know. Then, in the order of time (virtual seconds):

    ["sent", at, end, number, datagram]   the end sends a datagram, hexadecimal
    ["came", at, end, number]             one arrives at the end: once, twice or never
    ["said", at, end, message]            the end understood this of what came
    ["view", at, end, picture]            what the end makes of it all by now
    ["left", at, end]                     the end is no longer there

Time passes in steps of 1/256 s, and what is simulated computes with halves, quarters and so on,
so that every processor makes the same recording, byte for byte.
"""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest.mock import patch

import numpy as np

from sidereal.protocol.channel.endpoint import ClientEndpoint, ServerEndpoint
from sidereal.protocol.testing.link import Link, LinkConfig

STEP_S: Final = 1 / 256
WALL_START: Final = 1_700_000_000.0
"""Unix seconds at virtual time 0."""

SERVER, CLIENT = "server", "client"

BAD: Final = LinkConfig(
    delay_s=0.03, loss=0.12, duplication=0.08, reordering=0.15, reordering_s=0.06
)


class Transcript:
    """A session over a bad link, and what is written down of it.

    Attributes:
        lines: written so far.
    """

    def __init__(self, seed: list[int], session: dict[str, Any], config: LinkConfig = BAD) -> None:
        self.lines: list[str] = []
        rng = np.random.default_rng(seed).spawn(2)
        self._links = {SERVER: Link(config, rng[0]), CLIENT: Link(config, rng[1])}
        self._on_its_way: list[tuple[float, int, str, int, bytes]] = []
        self._sent = 0
        self._serial = 0
        self._write("session", session)

    def send(self, end: str, datagram: bytes, now: float, *, to_nobody: bool = False) -> None:
        """Let an end send a datagram."""
        self._write("sent", now, end, self._sent, datagram.hex())
        other = CLIENT if end == SERVER else SERVER
        for at in [] if to_nobody else self._links[end].transmit(len(datagram), now):
            self._serial += 1
            step = math.ceil(at / STEP_S) * STEP_S
            heapq.heappush(self._on_its_way, (step, self._serial, other, self._sent, datagram))
        self._sent += 1

    def arrivals(self, now: float) -> Iterator[tuple[str, bytes]]:
        """Give what arrives by now, and where."""
        while self._on_its_way and self._on_its_way[0][0] <= now:
            _, _, end, number, datagram = heapq.heappop(self._on_its_way)
            self._write("came", now, end, number)
            yield end, datagram

    def say(self, end: str, message: Any, now: float) -> None:
        """Note what an end understood."""
        self._write("said", now, end, message)

    def view(self, end: str, picture: Any, now: float) -> None:
        """Note what an end makes of it all."""
        self._write("view", now, end, picture)

    def leave(self, end: str, now: float) -> None:
        """Note that an end is gone."""
        self._write("left", now, end)

    def _write(self, *line: Any) -> None:
        self.lines.append(json.dumps(line, separators=(",", ":"), ensure_ascii=False))


@contextmanager
def overheard(listen: Callable[[Any, Any], None]) -> Iterator[None]:
    """Call `listen` with every endpoint and event that is taken from it."""
    with ExitStack() as stack:
        for endpoint in (ServerEndpoint, ClientEndpoint):
            stack.enter_context(patch.object(endpoint, "next_event", _tapped(endpoint, listen)))
        yield


def _tapped(endpoint: Any, listen: Callable[[Any, Any], None]) -> Callable[[Any], Any]:
    original = endpoint.next_event

    def next_event(self: Any) -> Any:
        event = original(self)
        if event is not None:
            listen(self, event)
        return event

    return next_event
