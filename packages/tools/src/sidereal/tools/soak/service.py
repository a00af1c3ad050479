"""The shell of a soak: its sockets, its clock, its turns."""

from __future__ import annotations

import logging
import math
import time
from types import TracebackType
from typing import Final

import trio

from sidereal.protocol.ids import Address
from sidereal.protocol.runtime.process import entropy, fields, wall_clock_now
from sidereal.protocol.runtime.udp import UdpSocket, open_udp
from sidereal.replication.ticks import Ticks
from sidereal.tools.bots.report import Histogram
from sidereal.tools.soak.air import Departure
from sidereal.tools.soak.config import SoakConfig
from sidereal.tools.soak.memory import (
    SAMPLE_S_MIN,
    SAMPLES_PER_RUN,
    MemorySample,
    take_sample,
)
from sidereal.tools.soak.soak import Soak

TURN_S: Final = 0.01
TURNS_CATCH_UP_MAX: Final = 5
HOST: Final = "127.0.0.1"

log = logging.getLogger(__name__)


class Sockets:
    """The server's socket and one for each visitor that wanted one.

    Attributes:
        unsent: datagrams that the system did not take, or that had lost their socket.
    """

    def __init__(self) -> None:
        self.unsent = 0
        self._sockets: dict[Address, UdpSocket] = {}

    async def open(self) -> Address:
        """Open one.

        Raises:
            UnavailableError: the system has none.
        """
        opened = await open_udp(HOST, 0)
        self._sockets[opened.address] = opened
        return opened.address

    def close(self, address: Address) -> None:
        """Close one."""
        closed = self._sockets.pop(address)
        counts = closed.statistics()
        self.unsent += counts.sends_full + counts.sends_refused
        closed.close()

    def receive(self) -> list[tuple[bytes, Address, Address]]:
        """Take all that came, each with its source and destination."""
        # A socket with nothing to read takes 1.5 µs.
        return [
            (datagram, source, address)
            for address, opened in self._sockets.items()
            for datagram, source, _ in opened.receive_nowait()
        ]

    def send(self, departures: list[Departure]) -> None:
        """Send datagrams, each from its source."""
        by_source: dict[Address, list[tuple[bytes, Address]]] = {}
        for departure in departures:
            datagrams = by_source.setdefault(departure.source, [])
            datagrams.append((departure.datagram, departure.destination))
        for source, datagrams in by_source.items():
            opened = self._sockets.get(source)
            if opened is None:
                self.unsent += len(datagrams)
            else:
                opened.send_nowait(datagrams)

    def __enter__(self) -> Sockets:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for address in list(self._sockets):
            self.close(address)


class SoakRun:
    """A soak over real sockets in real time.

    Attributes:
        config: what it does.
        sockets: all of them.
        lateness_ms: how late turns began.
        samples: of the process's memory.
        duration_s: how long it ran.
        cpu_percent: of one core.
    """

    def __init__(self, config: SoakConfig) -> None:
        """Prepare a soak.

        Raises:
            ConfigError: it can't be done.
        """
        config.check()
        self.config = config
        self._soak: Soak | None = None
        self.sockets = Sockets()
        self.lateness_ms = Histogram()
        self.samples: list[MemorySample] = []
        self.duration_s = 0.0
        self.cpu_percent = 0.0

    @property
    def soak(self) -> Soak:
        """What runs, or ran."""
        assert self._soak is not None, "it was not started"
        return self._soak

    async def run(self) -> None:
        """Run until everybody has gone home, or this is cancelled.

        Raises:
            UnavailableError: there is no socket left.
        """
        began_at, cpu_began_s = trio.current_time(), time.process_time()
        try:
            with self.sockets:
                await self._run(began_at)
        finally:
            self.duration_s = max(trio.current_time() - began_at, 1e-9)
            self.cpu_percent = 100 * (time.process_time() - cpu_began_s) / self.duration_s

    async def _run(self, began_at: float) -> None:
        sockets, config = self.sockets, self.config
        address = await sockets.open()
        soak = self._soak = Soak(config, address, entropy=entropy, now=0.0)
        closes_at, sample_at = config.for_s, 0.0
        sample_s = max(SAMPLE_S_MIN, config.for_s / SAMPLES_PER_RUN)
        turns = Ticks(TURN_S, TURNS_CATCH_UP_MAX)
        while True:
            await trio.sleep_until(turns.due_at)
            now, wall_now = trio.current_time() - began_at, wall_clock_now()
            due_at = turns.take(now + began_at)
            if due_at is None:
                continue
            self.lateness_ms.add(1e3 * (now - (due_at - began_at)))
            if now >= closes_at:
                soak.close(now)
                closes_at = sample_at = math.inf
            for datagram, source, destination in sockets.receive():
                soak.receive_datagram(datagram, source, destination, now, wall_now)
            sockets.send(soak.turn(now, wall_now))
            for move in soak.take_moves():
                if move.address is not None:
                    sockets.close(move.address)
                soak.place(move, await sockets.open(), now)
            if now >= sample_at:
                self._sample(soak, now)
                sample_at = now + sample_s
            if soak.is_over:
                return

    def _sample(self, soak: Soak, now: float) -> None:
        sample = take_sample(now)
        self.samples.append(sample)
        checker = soak.rig.checker
        log.info(
            "sample %s",
            fields(
                at_s=now,
                connected=soak.connected,
                sessions=sum(checker.opened.values()) // 2,
                delivered=sum(checker.delivered.values()),
                violations=checker.violation_count,
                rss_mb=sample.rss_mb,
                objects=sample.objects,
            ),
        )
