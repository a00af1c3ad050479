"""One client that comes and goes.

Theory of operation. A visitor draws a visit, connects, and from then on speaks for both ends of its
session at random times. Then the visit ends as it was drawn, and before anything is done about it
the checker is told what each end may now close with, and until when. A goodbye is said ten times
over; only if the link lost all of them may the other end find out by the silence instead.

When the session is over for the client it is away for a while, and comes back under its name or
another, from its socket or another: often before the server knows that it had left.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import Final

import numpy as np

from sidereal.protocol.channel.endpoint import ClientEndpoint
from sidereal.protocol.channel.events import Closed, Opened
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import Address
from sidereal.protocol.session.limits import LIMITS
from sidereal.tools.soak.air import Way
from sidereal.tools.soak.behaviour import Ending, draw_pause_s, draw_visit, draw_words
from sidereal.tools.soak.body import encode_body
from sidereal.tools.soak.config import CHANNELS, End, SoakConfig
from sidereal.tools.soak.rig import Move, Rig

RAMP_S: Final = 2.0
"""Time over which the first visitors come."""
DRAIN_S_MAX: Final = 60.0
DRAIN_LOOK_S: Final = 0.05
QUEUED_SIZE_MAX: Final = 1 << 19
"""An end that has more to send says nothing: a channel that overflows is closed, and rightly so."""
KICK: Final = CloseReason.SHUTTING_DOWN


class Stage(enum.Enum):
    """What a visitor is doing."""

    AWAY = enum.auto()
    """It has no session."""
    CONNECTING = enum.auto()
    TALKING = enum.auto()
    DRAINING = enum.auto()
    """Both ends are silent until all that is reliable has come."""
    SILENT = enum.auto()
    """It has drained and waits for the server to close."""
    ENDING = enum.auto()
    """Its session is about to end by what others did."""


class Visitor:
    """A client's place in the soak; who sits in it changes.

    Attributes:
        number: its own.
        stage: what it is doing.
        up: its way to the server.
        down: the server's way to it.
        endpoint: None while it is away.
        peer: what the server calls it; None if the server does not know it.
        session: of this visit.
        wake_at: when the endpoint has something due.
    """

    def __init__(
        self, number: int, config: SoakConfig, seed: np.random.SeedSequence, now: float
    ) -> None:
        self._rng, up, down = (np.random.default_rng(part) for part in seed.spawn(3))
        self.number = number
        self.stage = Stage.AWAY
        self.up, self.down = Way(config.link, up), Way(config.link, down)
        self.endpoint: ClientEndpoint | None = None
        self.peer: int | None = None
        self.session = 0
        self.wake_at = math.inf
        self._address: Address | None = None
        self._client_id = 0
        self._visit = draw_visit(self._rng)
        self._moves = self._renames = True
        self._acts_at = now + RAMP_S * float(self._rng.random())
        self._ends_at = math.inf

    def holds(self, session: int) -> bool:
        """Whether a session is the one of this visit, and the visit is not over."""
        return self.endpoint is not None and self.session == session

    def place(self, rig: Rig, address: Address, now: float) -> None:
        """Give it the socket it wanted."""
        self._address, self._acts_at = address, now
        rig.ways_down[address] = self.down

    def receive_datagram(self, datagram: bytes, source: Address, now: float) -> None:
        """Take a datagram that came at its socket."""
        if self.endpoint is not None:
            self.endpoint.receive_datagram(datagram, source, now)
            self.wake_at = now

    def turn(self, rig: Rig, now: float, wall_now: float) -> None:
        """Do what is due."""
        if self.wake_at <= now and self.endpoint is not None:
            self.endpoint.handle_timer(now)
            self._take_events(rig, now)
        if self._acts_at <= now:
            self._act(rig, now, wall_now)

    def send(self, rig: Rig, now: float) -> None:
        """Put what its endpoint has to send on the way."""
        endpoint, address = self.endpoint, self._address
        if endpoint is None or address is None:
            return
        for datagram, destination in endpoint.datagrams_to_send(now):
            rig.air.send(address, self.up, datagram, destination, now)
        next_timer = endpoint.next_timer()
        self.wake_at = math.inf if next_timer is None else next_timer

    def finish(self, now: float) -> None:
        """Say no more, and leave when all has come."""
        if self.stage is Stage.TALKING:
            self._ends_at = self._acts_at = now

    def server_closed(self, rig: Rig, now: float) -> None:
        """Note that the server has just said goodbye to it."""
        arrives = self.down.lost_in_a_row < LIMITS.disconnects
        self._expect_goodbye(rig, End.CLIENT, arrives, now)
        self.stage = Stage.ENDING

    # -- a session ----------------------------------------------------------------------------

    def _take_events(self, rig: Rig, now: float) -> None:
        endpoint = self.endpoint
        while endpoint is not None and (event := endpoint.next_event()) is not None:
            rig.checker.take_client_event(self.session, event, now)
            if isinstance(event, Opened):
                self.stage = Stage.TALKING
                self._ends_at = now if rig.is_closing else now + self._visit.stays_s
                self._acts_at = min(self._ends_at, now + draw_pause_s(self._rng, self._visit))
            elif isinstance(event, Closed):
                self.send(rig, now)
                self._go(rig, now)

    def _act(self, rig: Rig, now: float, wall_now: float) -> None:
        if self.stage is Stage.AWAY:
            self._come(rig, now, wall_now)
        elif self.stage is Stage.CONNECTING:
            self._leave(rig, now)
        elif self.stage is Stage.DRAINING:
            self._drain(rig, now)
        elif now < self._ends_at:
            self._talk(rig, now)
        else:
            self._end(rig, now)

    def _come(self, rig: Rig, now: float, wall_now: float) -> None:
        self._acts_at = math.inf
        if rig.is_closing:
            return
        if self._moves:
            rig.moves.append(Move(self.number, self._address))
            if self._address is not None:
                del rig.ways_down[self._address]
            self._address, self._moves = None, False
            return
        if self._renames:
            self._client_id = rig.name_client()
        assert self._address is not None
        self._visit = draw_visit(self._rng)
        self.up.link.config = self.down.link.config = rig.config.link
        self.session = rig.name_session()
        self.stage = Stage.CONNECTING
        rig.checker.begin(self.session, self._client_id, self._address, now)
        token = rig.issue_token(self.session, self._client_id, wall_now)
        self.endpoint = ClientEndpoint(token, CHANNELS, rig.entropy, now)
        self.wake_at = now
        if self._visit.ending is Ending.GIVE_UP:
            self._acts_at = now + self._visit.stays_s

    def _talk(self, rig: Rig, now: float) -> None:
        """Say something at either end."""
        full = {end for end in End if self._queued_size(rig, end) > QUEUED_SIZE_MAX}
        rig.held_back += len(full)
        for words in draw_words(self._rng, self._visit):
            if words.sender in full:
                continue
            label = rig.checker.send(self.session, words.sender, words.channel)
            tag = rig.checker.tag(label) if words.tagged else None
            body = encode_body(label, words.size)
            if words.sender is End.CLIENT and self.endpoint is not None:
                self.endpoint.send(words.channel, body, tag)
                self.wake_at = now
            elif self.peer is not None:
                rig.server.send(self.peer, words.channel, body, tag)
        self._acts_at = min(self._ends_at, now + draw_pause_s(self._rng, self._visit))

    def _queued_size(self, rig: Rig, end: End) -> int:
        statistics = None
        if end is End.CLIENT and self.endpoint is not None:
            statistics = self.endpoint.connection_statistics()
        elif end is End.SERVER and self.peer is not None:
            statistics = rig.server.connection_statistics(self.peer)
        return 0 if statistics is None else statistics.queued_size

    # -- ends ---------------------------------------------------------------------------------

    def _end(self, rig: Rig, now: float) -> None:
        ending = Ending.DRAIN if rig.is_closing else self._visit.ending
        if ending is Ending.DRAIN:
            self.stage = Stage.DRAINING
            self._acts_at, self._ends_at = now, now + DRAIN_S_MAX
        elif ending is Ending.KICK and self.peer is not None:
            self._kick(rig, self.peer, now)
        elif ending is Ending.VANISH:
            self._vanish(rig, now)
        elif ending is Ending.CUT:
            self._cut(rig, now)
        else:
            self._leave(rig, now)

    def _drain(self, rig: Rig, now: float) -> None:
        self._acts_at = now + DRAIN_LOOK_S
        if rig.checker.owed(self.session) and now < self._ends_at:
            return
        rig.checker.check_drained(self.session)
        if rig.is_closing and self.number % 2:
            self.stage, self._acts_at = Stage.SILENT, math.inf
        else:
            self._leave(rig, now)

    def _leave(self, rig: Rig, now: float) -> None:
        assert self.endpoint is not None
        self.tally(rig)
        rig.checker.expect(self.session, End.CLIENT, {CloseReason.CLOSED_LOCALLY}, now)
        connected = self.stage is not Stage.CONNECTING
        self.endpoint.close(now)
        self.send(rig, now)
        arrives = connected and self.up.lost_in_a_row < LIMITS.disconnects
        self._expect_goodbye(rig, End.SERVER, arrives, now)
        self._take_events(rig, now)

    def _kick(self, rig: Rig, peer: int, now: float) -> None:
        self.tally(rig)
        rig.checker.expect(self.session, End.SERVER, {KICK}, now)
        rig.server.close_peer(peer, KICK, now)
        rig.send_server(now)
        self.server_closed(rig, now)
        self._acts_at = math.inf

    def _vanish(self, rig: Rig, now: float) -> None:
        self.tally(rig)
        missed_by = rig.missed_by(now)
        rig.checker.expect(self.session, End.SERVER, {CloseReason.TIMED_OUT}, missed_by)
        rig.checker.forget_client(self.session)
        self._go(rig, now)

    def _cut(self, rig: Rig, now: float) -> None:
        self.tally(rig)
        for way in (self.up, self.down):
            way.link.config = dataclasses.replace(way.link.config, loss=1.0)
        for end in End:
            missed_by = rig.missed_by(now)
            rig.checker.expect(self.session, end, {CloseReason.TIMED_OUT}, missed_by)
        self.stage, self._acts_at = Stage.ENDING, math.inf

    def _expect_goodbye(self, rig: Rig, end: End, arrives: bool, now: float) -> None:
        reasons = {CloseReason.CLOSED_BY_PEER}
        by = rig.heard_by(now)
        if not arrives:
            reasons.add(CloseReason.TIMED_OUT)
            by = rig.missed_by(now)
        rig.checker.expect(self.session, end, reasons, by)

    def tally(self, rig: Rig) -> None:
        """Add up what both its connections counted."""
        if self.endpoint is not None:
            statistics = self.endpoint.statistics()
            rig.tally(self.session, End.CLIENT, self.endpoint.connection_statistics())
            rig.checker.check_honest(self.session, End.CLIENT, statistics.payloads_malformed)
        if self.peer is not None:
            rig.tally(self.session, End.SERVER, rig.server.connection_statistics(self.peer))

    def _go(self, rig: Rig, now: float) -> None:
        """Be away for a while."""
        self.stage, self.endpoint, self.peer = Stage.AWAY, None, None
        self.wake_at = math.inf
        self._moves, self._renames = self._visit.moves, self._visit.renames
        # A socket is not given up before all that was sent from it has left the link.
        away_s = max(self._visit.away_s, rig.config.reach_s if self._moves else 0.0)
        self._acts_at = now + away_s
