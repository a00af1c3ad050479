"""All visitors and their server in turns, without a socket or a clock.

Theory of operation. Whoever runs the soak hands it the datagrams that came, then lets it have a
turn, and sends what has left its link by then. In a turn whoever has something due does it: timers,
something to say, an end. Every event of an endpoint goes to the checker before anything follows
from it. A visitor that wants another socket asks by `take_moves` and gets it by `place`.

`close` begins the end: nobody comes any more, those who are there drain, half of them leave, and
the server closes on the others. It ends in any case, so a transport that hangs is found out, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from sidereal.protocol.channel.events import PeerClosed, PeerOpened
from sidereal.protocol.ids import Address
from sidereal.tools.soak.air import Departure
from sidereal.tools.soak.checker import decode_user_data
from sidereal.tools.soak.config import TIMEOUT_S, End, SoakConfig
from sidereal.tools.soak.rig import Move, Rig
from sidereal.tools.soak.visitor import DRAIN_S_MAX, Stage, Visitor

_GONE: Final = frozenset({Stage.AWAY, Stage.SILENT})


class Soak:
    """The server and its visitors.

    Attributes:
        rig: what they share, the checker among it.
        is_over: everybody is gone, and the server is closed.
    """

    def __init__(
        self,
        config: SoakConfig,
        server_address: Address,
        *,
        entropy: Callable[[int], bytes],
        now: float,
    ) -> None:
        """Open the server.

        Args:
            config: what is to be done.
            server_address: where the server is.
            entropy: source of keys and first sequence numbers.
            now: monotonic seconds.
        """
        self.rig = Rig(config, server_address, entropy=entropy, now=now)
        self.is_over = False
        seeds = np.random.SeedSequence(config.seed).spawn(config.clients)
        self._visitors = [Visitor(number, config, seed, now) for number, seed in enumerate(seeds)]
        self._by_address: dict[Address, Visitor] = {}
        self._by_peer: dict[int, Visitor] = {}
        self._is_server_closed = False
        self._ends_by = math.inf

    # -- for its shell -------------------------------------------------------------------------

    def take_moves(self) -> list[Move]:
        """Take who wants another socket."""
        moves, self.rig.moves = self.rig.moves, []
        return moves

    def place(self, move: Move, address: Address, now: float) -> None:
        """Give a visitor the socket it wanted."""
        if move.address is not None:
            del self._by_address[move.address]
        visitor = self._visitors[move.number]
        self._by_address[address] = visitor
        visitor.place(self.rig, address, now)

    def receive_datagram(
        self, datagram: bytes, source: Address, destination: Address, now: float, wall_now: float
    ) -> None:
        """Take a datagram that came at a socket."""
        if destination == self.rig.address:
            self.rig.server.receive_datagram(datagram, source, now, wall_now)
        else:
            self._by_address[destination].receive_datagram(datagram, source, now)

    def turn(self, now: float, wall_now: float) -> list[Departure]:
        """Do what is due; returns what leaves the links."""
        rig = self.rig
        rig.server.handle_timer(now, wall_now)
        self._take_server_events(now)
        # 200 visitors of whom nothing is due take 20 µs.
        for visitor in self._visitors:
            visitor.turn(rig, now, wall_now)
        if rig.is_closing:
            self._close_when_drained(now)
        rig.send_server(now)
        self._take_server_events(now)
        for visitor in self._visitors:
            if visitor.wake_at <= now:
                visitor.send(rig, now)
        rig.checker.look(now)
        return rig.air.take_due(now)

    def close(self, now: float) -> None:
        """Begin the end."""
        self.rig.is_closing = True
        self._ends_by = self.rig.missed_by(now) + DRAIN_S_MAX + TIMEOUT_S
        for visitor in self._visitors:
            visitor.finish(now)

    @property
    def connected(self) -> int:
        """How many visitors have a session now."""
        return sum(visitor.peer is not None for visitor in self._visitors)

    @property
    def datagrams(self) -> tuple[int, int]:
        """How many datagrams were given to the links, and how many of them were lost."""
        links = [way.link for visitor in self._visitors for way in (visitor.up, visitor.down)]
        return sum(link.sent for link in links), sum(link.lost for link in links)

    # -- the server ---------------------------------------------------------------------------

    def _take_server_events(self, now: float) -> None:
        rig = self.rig
        while (event := rig.server.next_event()) is not None:
            rig.checker.take_server_event(event, now)
            if isinstance(event, PeerOpened):
                visitor = self._by_address.get(event.address)
                session = decode_user_data(event.user_data)
                if visitor is not None and visitor.holds(session):
                    visitor.peer = event.peer
                    self._by_peer[event.peer] = visitor
            elif isinstance(event, PeerClosed):
                visitor = self._by_peer.pop(event.peer, None)
                if visitor is not None and visitor.peer == event.peer:
                    visitor.peer = None

    def _close_when_drained(self, now: float) -> None:
        rig = self.rig
        if now < self._ends_by and any(v.stage not in _GONE for v in self._visitors):
            return
        if self._is_server_closed or now >= self._ends_by:
            rig.checker.check_honest(0, End.SERVER, rig.server.statistics().payloads_malformed)
            rig.checker.conclude(now)
            self.is_over = True
            return
        waiting = [visitor for visitor in self._visitors if visitor.stage is Stage.SILENT]
        for visitor in waiting:
            visitor.tally(rig)
        rig.checker.expect_server_gone(now)
        rig.server.close(now)
        rig.send_server(now)
        for visitor in waiting:
            visitor.server_closed(rig, now)
        self._is_server_closed = True
