"""What the shells of processes do around their cores, without sockets or clocks: of all, of shards.

Every process has a monotonic clock of its own, off the network's by a constant unless a fault makes
it run fast or slow, or jump. A process that is called because something is due is never called a
rounding error too early.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sidereal.game.declarations import Declarations
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import Address
from sidereal.shard.limits import LIMITS
from sidereal.shard.limits import Limits as ShardLimits
from sidereal.shard.shard import ShardCore
from sidereal.tools.simulate.ledger import Mark
from sidereal.tools.simulate.network import Delivery, Network

WALL_START: Final = 1_700_000_000.0
"""Unix seconds at virtual time 0."""

RETRY_S: Final = 0.2
"""Wait between the end of a shard's session and its next attempt."""

LOAD_EVERY_S: Final = 0.5
ROW_US: Final = 100
"""How often a shard tells how it is doing, and what each of its entities is said to cost."""

CLOCKS_OFF_S: Final = 1000.0
"""Monotonic clocks begin up to so much after the network's."""

Arrival = tuple[bytes, Address]


class Process:
    """A host with one core at a time.

    Attributes:
        name: of the shard or client.
        host: its address on the network; every core has a port of its own.
        address: of the core, None while there is none.
        due: when `wake` must be called, virtual seconds.
        honest: whether it does as it should.
        fallen: why its cores ended that nobody ended on purpose.
    """

    honest = True

    def __init__(self, name: str, host: str, network: Network, rng: np.random.Generator) -> None:
        self.name = name
        self.host = host
        self.network = network
        self.rng = rng
        self.address: Address | None = None
        self.due = math.inf
        self.fallen: list[str] = []
        # Its clock read so much at that time, and has run at this rate since.
        self._read_s, self._read_at, self._rate = float(rng.uniform(0.0, CLOCKS_OFF_S)), 0.0, 1.0
        self._wall_off_s = WALL_START - self._read_s
        self._port = 1000
        self._stalled_until = -math.inf
        self._waiting: list[tuple[float, Arrival]] = []

    def receive(self, delivery: Delivery, now: float) -> None:
        """Take a datagram, or leave it waiting while the process does nothing."""
        arrival = delivery.datagram, delivery.source
        if now < self._stalled_until:
            self._waiting.append((now, arrival))
        else:
            self._take_in([arrival], self.local(now))
            self._note_due()

    def wake(self, now: float) -> None:
        """Do what is due."""
        waiting, self._waiting = self._waiting, []
        now = max(now, self._stalled_until)
        local = self.local(now)
        for came_at, arrival in waiting:
            self._take_in([arrival], local - (now - came_at))
        self._work(now, local)
        self._note_due()

    def stall(self, until: float) -> None:
        """Do nothing for a while."""
        self._stalled_until = until
        self._note_due()

    def local(self, now: float) -> float:
        """Give this process's monotonic seconds."""
        return self._read_s + (now - self._read_at) * self._rate

    def wall(self, local: float) -> float:
        """Give Unix seconds: those of all processes agree, as far as their clocks do."""
        return local + self._wall_off_s

    def set_clock(self, now: float, *, rate: float | None = None, forward_s: float = 0.0) -> None:
        """Let the clock jump forward, or run at another rate from now on."""
        self._read_s, self._read_at = self.local(now) + forward_s, now
        self._rate = self._rate if rate is None else rate
        self._note_due()

    def _note_due(self) -> None:
        self.due = max(self._next_due(), self._stalled_until)

    def _virtual(self, local: float) -> float:
        return math.nextafter(self._at(local), math.inf) + 1e-9

    def _at(self, local: float) -> float:
        return self._read_at + (local - self._read_s) / self._rate

    def _open_port(self) -> None:
        self._port += 1
        self.address = Address(self.host, self._port)

    def _send(self, datagrams: list[Arrival], now: float, mark: Mark | None = None) -> None:
        assert self.address is not None
        self.network.send(self.address, datagrams, now, mark)

    def _take_in(self, arrivals: list[Arrival], local: float) -> None:
        raise NotImplementedError

    def _work(self, now: float, local: float) -> None:
        raise NotImplementedError

    def _next_due(self) -> float:
        raise NotImplementedError


class ShardHost(Process):
    """A shard: a core, and another one whenever its session has ended.

    Attributes:
        core: None while the process is not running.
        began_at: when that began to connect, virtual seconds.
        drains_since: when it was told to end and began to wait for others, virtual seconds.
        drained: when that was, and when it left, each time.
        spare: whether it says that it is to wait until another one is gone.
    """

    def __init__(
        self,
        name: str,
        host: str,
        network: Network,
        rng: np.random.Generator,
        *,
        key: bytes,
        server: Address,
        make_game: Callable[[], Declarations],
        limits: ShardLimits = LIMITS,
        seed: int = 1,
        spare: bool = False,
        strict: bool = True,
    ) -> None:
        super().__init__(name, host, network, rng)
        self.core: ShardCore | None = None
        self.began_at = self.drains_since = math.inf
        self.drained: list[tuple[float, float]] = []
        self.spare = spare
        self._key = key
        self._server = server
        self._make_game = make_game
        self._limits = limits
        self._seed = seed
        self._strict = strict
        self._start_at = math.inf
        self._again_at, self._load_at = math.inf, 0.0
        self._incarnation = bytes(16)
        self._session = 0

    @property
    def running(self) -> bool:
        """Whether there is such a process, or will be without anybody's doing."""
        return self.core is not None or self._start_at < math.inf

    @property
    def serves(self) -> bool:
        """Whether it has a session in which it simulates."""
        return self.core is not None and self.core.serving

    @property
    def session(self) -> tuple[bytes, int]:
        """Incarnation of its process, and number of its newest session."""
        return self._incarnation, self._session

    @property
    def back_at(self) -> float:
        """When it came back last, or began to; infinity between two sessions."""
        return math.inf if self.core is None or self.core.closed is not None else self.began_at

    def start(self, at: float) -> None:
        """Start, at a time to come."""
        self._incarnation = self.rng.bytes(16)
        self._start_at = at
        self._note_due()

    def kill(self) -> None:
        """End without a word."""
        self.core, self.address = None, None
        self.drains_since = self._again_at = math.inf
        self._start_at = math.inf
        self._waiting.clear()
        self._note_due()

    def leave(self, now: float) -> None:
        """Say farewell and end."""
        if self.core is not None:
            self._send(self.core.close(self.local(now)), now)
        self.kill()

    def drain(self, now: float, again_at: float) -> None:
        """Be told to end: leave when others have what it has; then start again, or later."""
        if self.serves and self.core is not None:
            self.drains_since, self._again_at = now, again_at
            self.core.drain(self.local(now))
            self._note_due()
        else:
            self.leave(now)
            self.start(again_at)

    def _take_in(self, arrivals: list[Arrival], local: float) -> None:
        if self.core is not None:
            for datagram, source in arrivals:
                self.core.receive_datagram(datagram, source, local)

    def _work(self, now: float, local: float) -> None:
        if self.core is None:
            if now >= self._start_at:
                self.began_at = now
                self._begin(local)
            return
        core = self.core
        if core.closed is None:
            self._turn(core, now, local)
            return
        again_at = self._again_at
        if core.closed is CloseReason.CLOSED_LOCALLY:
            self.drained.append((self.drains_since, now))
        else:
            self.fallen.append(core.closed.name)
        self._send(core.close(local), now)
        self.kill()
        if again_at < math.inf:
            self.start(max(now, again_at))
        elif core.closed is not CloseReason.LOGGED_IN_ELSEWHERE:
            self._start_at = now + RETRY_S

    def _turn(self, core: ShardCore, now: float, local: float) -> None:
        self._report(core, local)
        self._send(core.turn(local), now)

    def _report(self, core: ShardCore, local: float) -> None:
        """Tell how it is doing, as if every entity took a while."""
        if core.bodies is not None and local >= self._load_at:
            self._load_at = local + LOAD_EVERY_S
            core.report_load(0, 0, [ROW_US * len(core.bodies)])

    def _begin(self, local: float) -> None:
        self._start_at = math.inf
        self._open_port()
        self._session += 1
        self.core = self._make_core(
            key=self._key,
            server=self._server,
            name=self.name,
            incarnation=self._incarnation,
            session=self._session,
            game=self._make_game(),
            entropy=self.rng.bytes,
            now=local,
            wall_now=self.wall(local),
            seed=self._seed,
            limits=self._limits,
            strict=self._strict,
            spare=self.spare,
        )

    def _make_core(self, **arguments: Any) -> ShardCore:
        return ShardCore(**arguments)

    def _next_due(self) -> float:
        if self.core is None:
            return self._start_at
        if self.core.closed is not None:
            return 0.0
        timer = self.core.next_timer()
        return math.inf if timer is None else self._virtual(timer)
