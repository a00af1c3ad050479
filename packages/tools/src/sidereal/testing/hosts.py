"""The processes of a world under test: shards and clients, without sockets or clocks."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sidereal.client.client import Client
from sidereal.client.returning import ReturningClient
from sidereal.game.declarations import Declarations
from sidereal.protocol.ids import Address
from sidereal.shard.shard import ShardCore
from sidereal.tools.simulate.network import Network
from sidereal.tools.simulate.processes import RETRY_S, Arrival, Process


class ShardHost(Process):
    """A shard: a core, and another one whenever its session has ended.

    Attributes:
        core: None while the process does not run.
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
        game: Declarations,
    ) -> None:
        super().__init__(name, host, network, rng)
        self.core: ShardCore | None = None
        self._key = key
        self._server = server
        self._game = game
        self._start_at = math.inf
        self._incarnation = b""
        self._session = 0

    def start(self, at: float) -> None:
        """Start, at a time to come."""
        self._incarnation = self.rng.bytes(16)
        self._start_at = at
        self._note_due()

    def kill(self) -> None:
        """End without a word."""
        self.core, self.address = None, None
        self._start_at = math.inf
        self._note_due()

    def _take_in(self, arrivals: list[Arrival], local: float) -> None:
        if self.core is not None:
            for datagram, source in arrivals:
                self.core.receive_datagram(datagram, source, local)

    def _work(self, now: float, local: float) -> None:
        if self.core is None:
            if now >= self._start_at:
                self._begin(local)
        elif self.core.closed is not None:
            self.fallen.append(self.core.closed.name)
            self._send(self.core.close(local), now)
            self.kill()
            self._start_at = now + RETRY_S
        else:
            self._send(self.core.turn(local), now)

    def _begin(self, local: float) -> None:
        self._start_at = math.inf
        self._open_port()
        self._session += 1
        self.core = ShardCore(
            key=self._key,
            server=self._server,
            name=self.name,
            incarnation=self._incarnation,
            session=self._session,
            game=self._game,
            entropy=self.rng.bytes,
            now=local,
            wall_now=self.wall(local),
            seed=int(self.rng.integers(1 << 31)),
            strict=True,
        )

    def _next_due(self) -> float:
        if self.core is None:
            return self._start_at
        if self.core.closed is not None:
            return 0.0
        timer = self.core.next_timer()
        return math.inf if timer is None else self._virtual(timer)


class ClientHost(Process):
    """A client that is in the world, and comes back when its session ends, until it leaves."""

    def __init__(
        self,
        name: str,
        host: str,
        network: Network,
        rng: np.random.Generator,
        *,
        game: Declarations,
        sign_in: Callable[[float], bytes | None],
    ) -> None:
        super().__init__(name, host, network, rng)
        self._game = game
        self._sign_in = sign_in
        self.returning: ReturningClient | None = None

    @property
    def core(self) -> Client | None:
        """Its newest session; None before the first and after it left."""
        return None if self.returning is None else self.returning.client

    def come(self, now: float) -> None:
        """Come into the world."""
        self.returning = ReturningClient(
            game=self._game,
            entropy=self.rng.bytes,
            now=self.local(now),
            software="sidereal.testing",
            phase=float(self.rng.random()),
        )
        self._note_due()

    def leave(self, now: float) -> None:
        """Say goodbye and go."""
        if self.returning is not None and self.address is not None:
            self._send(self.returning.leave(self.local(now)), now)
        self.returning, self.address = None, None
        self._note_due()

    def _take_in(self, arrivals: list[Arrival], local: float) -> None:
        if self.returning is not None:
            for datagram, source in arrivals:
                self.returning.receive_datagram(datagram, source, local)

    def _work(self, now: float, local: float) -> None:
        client = self.returning
        if client is None:
            return
        if client.take_token_wish(local):
            token = self._sign_in(now)
            if token is None:
                client.turn_away("no answer", "the authority is down", local, final=False)
            else:
                client.admit(token, local)
                self._open_port()
        datagrams = client.turn(local)
        if self.address is not None:
            self._send(datagrams, now)

    def _next_due(self) -> float:
        timer = None if self.returning is None else self.returning.next_timer()
        return math.inf if timer is None else self._virtual(timer)
