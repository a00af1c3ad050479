"""The headless client: everything that a player's process decides, without sockets or clocks.

A session goes through four stages. CONNECTING: it is being opened. GREETING: it is open, and
`Hello` is under way. JOINED: the server's `Welcome` has come, and with it the rules that everything
else needs. ENDED: it is over, for whatever reason; the next one needs a new connect token and a new
`Client`. A message that does not belong to the stage is the server's fault and ends the session.

Snapshots wait for the next turn, which applies all that have come in one pass. They may overtake
the welcome. The transport has acked them by then, so they are kept until the rules have come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

from sidereal.client import events
from sidereal.client.calls import Calls
from sidereal.client.events import ClientEvent, EventQueue
from sidereal.client.glance import Glance
from sidereal.client.inbox import Inbox
from sidereal.client.leases import LeaseMap
from sidereal.client.limits import LIMITS, Limits
from sidereal.client.look import Look
from sidereal.client.own import OwnEntity
from sidereal.client.placeless import Placeless
from sidereal.client.prediction import OwnState
from sidereal.client.replica import Replica
from sidereal.client.statistics import ClientStatistics, SessionState, gather_statistics
from sidereal.client.traffic import Traffic
from sidereal.client.view import Drawing, View, empty_view
from sidereal.game.declarations import Declarations
from sidereal.game.described import Described
from sidereal.game.schema import schema_of
from sidereal.protocol.channel import events as channel
from sidereal.protocol.channel.endpoint import ClientEndpoint
from sidereal.protocol.channel.turns import Turns
from sidereal.protocol.errors import CloseReason, ConfigError, RemoteProtocolError, WireError
from sidereal.protocol.ids import Address
from sidereal.protocol.links import PLAYER_BUDGET, PLAYER_CHANNELS
from sidereal.protocol.message.codec import decode_server_untrusted, encode_message
from sidereal.protocol.message.inputs import encode_input
from sidereal.protocol.message.player import (
    Assigned,
    Call,
    Hello,
    Leases,
    LookAt,
    Notice,
    PlayerChannel,
    Receipt,
    Refused,
    ServerMessage,
    Standstill,
    Told,
    Values,
    Welcome,
)
from sidereal.protocol.rules import Rules, check_rules


class Client(Turns):
    """Packet-driven core of one session in the world.

    Attributes:
        game: which it plays.
        state: how far the session has come.
        welcome: the server's answer, None until joined; likewise `rules`, those of the world.
        snapshot_at: when the newest snapshot arrived; when this began, before the first.
        leases: `LEASE`[n], which shard simulates which sector around; replaced by changes.
        replica: the copy of the world, None until joined; to be looked at, not changed.
        placeless: what the account has, and the world; to be looked at, too.
    """

    def __init__(
        self,
        connect_token: bytes,
        *,
        game: Declarations,
        entropy: Callable[[int], bytes],
        now: float,
        software: str,
        mirror: bool = True,
        predict: bool = True,
        phase: float = 0.0,
        calls: Calls | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        """Begin to connect.

        Args:
            connect_token: 2048 bytes from the HTTP endpoint.
            game: which it plays; a server whose schema is another one refuses it.
            entropy: source of random bytes.
            now: monotonic seconds; the token's lifetime counts from here.
            software: name and version of the face.
            mirror: whether to keep a replica; without one there is nothing to view.
            predict: whether to run the models ahead of the authority.
            phase: fraction of a tick by which inputs are shifted, [0, 1).
            calls: of the player, over all its sessions; None for one that has only this session.
            limits: what only tuning decides.
        """
        self.state = SessionState.CONNECTING
        self.welcome: Welcome | None = None
        self.rules: Rules | None = None
        self._lease_map = LeaseMap()
        self.leases = self._lease_map.rows
        self.game, self._schema, self._software = game, schema_of(game), software
        self._mirror, self._limits = mirror, limits
        self._now = self.snapshot_at = now
        self._endpoint = ClientEndpoint(
            connect_token, PLAYER_CHANNELS, entropy, now, PLAYER_BUDGET, limits.transport
        )
        self._events = EventQueue(limits.events)
        self._traffic, self._inbox = Traffic(now), Inbox()
        self.replica: Replica | None = None
        self._reader: Replica | Glance | None = None
        self._drawing = Drawing(game, Rules(), limits)
        predict = predict and not isinstance(game, Described)  # which has no models
        self._own = OwnEntity(game, predict=predict, phase=phase, limits=limits)
        self.placeless, self._look = Placeless(game, self._schema), Look(limits.look_every_s)
        self._calls = Calls(game.actions, entropy, limits) if calls is None else calls
        self._must_send, self._malformed = True, 0

    # -- packets and time ---------------------------------------------------------------------

    def receive_datagram(self, datagram: bytes, address: Address, now: float) -> None:
        """Take one datagram; bad ones are dropped and counted."""
        self._now = now
        self._traffic.bytes_in += len(datagram)
        self._endpoint.receive_datagram(datagram, address, now)
        self._drain(now)
        # A handshake does not wait for its timer to answer.
        self._must_send |= self.state is SessionState.CONNECTING

    def next_timer(self) -> float | None:
        """When `turn` is to be called at the latest; None once ended."""
        if self._must_send or (self._inbox and self._reader is not None):
            return self._now
        timers = [self._endpoint.next_timer()]
        if self.state is SessionState.JOINED:
            timers += [self._own.next_timer(), self._look.next_timer(), self._calls.next_timer()]
        return min((at for at in timers if at is not None), default=None)

    def advance(self, now: float) -> bool:
        """Do what is due, timers and inputs; returns whether something was.

        Before `next_timer` it only applies snapshots that came; they are acked with the next input.
        """
        self._apply_snapshots(now)
        if (due_at := self.next_timer()) is None or due_at > now:
            return False
        self._now = now
        self._traffic.advance(now)
        self._endpoint.handle_timer(now)
        self._drain(now)
        if self.state is SessionState.JOINED:
            if (pressed := self._own.press(now)) is not None:
                body = encode_input(pressed, self._schema.controls)
                self._endpoint.send(PlayerChannel.CONTROLS, body)
            if (look := self._look.take(now)) is not None:
                self._command(look)
            for call in self._calls.take_due(now):
                self._command(call)
        return True

    def collect(self, now: float) -> list[tuple[bytes, Address]]:
        """Collect what leaves at `now`."""
        self._must_send = False
        datagrams = self._endpoint.datagrams_to_send(now)
        self._traffic.bytes_out += sum(len(datagram) for datagram, _ in datagrams)
        return datagrams

    def next_event(self) -> ClientEvent | None:
        """Oldest event not yet taken; when a face takes none, the oldest are lost."""
        return self._events.next()

    @property
    def net_id(self) -> int:
        """The entity the client flies, 0 without one."""
        return self._own.net_id

    @property
    def control_epoch(self) -> int:
        """What the controls of that entity carry."""
        return self._own.control_epoch

    @property
    def own_state(self) -> OwnState | None:
        """That entity as the newest snapshot has it; None before there was one."""
        return self._own.confirmed

    @property
    def newest_tick(self) -> int:
        """Tick of the newest snapshot, −1 before the first."""
        return self._drawing.timeline.clock.newest_tick

    @property
    def is_whole(self) -> bool:
        """Whether all is known that is around the client; without a mirror, once it has joined."""
        if self.replica is None:
            return self.state is SessionState.JOINED
        return self.replica.coverage.known_to >= 0

    @property
    def server_address(self) -> Address | None:
        """Server connected to, or being tried; None if the token was no good."""
        return self._endpoint.server_address

    # -- what the face wants and draws --------------------------------------------------------

    def hold(self, record: int) -> None:
        """Hold a record of controls from now on; its presses are in the next input, once."""
        self._own.keys.hold(record)

    def look_at(self, x: float, y: float) -> None:
        """Move the centre of an observer's interest (sent once in `look_every_s` at most)."""
        self._look.want(x, y)

    def call(self, action: str, **arguments: Any) -> bytes:
        """Ask for an action, at once or after joining; gives the key that its receipt has.

        Raises:
            LocalProtocolError: there is no such action, it takes other arguments, or too many wait.
        """
        call = self._calls.add(action, arguments)
        if self.state is SessionState.JOINED:
            self._calls.sent(call)
            self._command(call)
        return call.key

    def leave(self, now: float) -> list[tuple[bytes, Address]]:
        """End the session, and give the last datagrams to send."""
        self._end(CloseReason.CLOSED_LOCALLY, "left", now)
        return self.turn(now)

    def view(self, now: float) -> View:
        """What to draw at `now`; without news the world stands still after `coast_s`."""
        self._apply_snapshots(now)
        if self.replica is None:
            return empty_view()
        now = min(now, self.snapshot_at + self._limits.coast_s)
        return self._drawing.view(self.replica, self._own, now)

    def statistics(self) -> ClientStatistics:
        """How it is going, as of the newest call with a time."""
        return gather_statistics(
            self.state,
            self._endpoint.connection_statistics(),
            self._traffic,
            self._own,
            self.replica,
            newest_tick=self._drawing.timeline.clock.newest_tick,
            data_age_s=self._now - self.snapshot_at,
            malformed=self._malformed,
            events_dropped=self._events.dropped,
        )

    def take_input_latencies(self) -> list[float]:
        """Drain the input-to-view times measured since the last call, seconds."""
        return [] if self._own.inputs is None else self._own.inputs.take_latencies()

    def take_position_errors(self) -> list[float]:
        """Drain the correction sizes since the last call, world units."""
        return [] if self._own.prediction is None else self._own.prediction.take_errors()

    def take_input_lateness(self) -> list[float]:
        """Drain how long after its schedule each input was made, seconds."""
        return [] if self._own.inputs is None else self._own.inputs.take_lateness()

    def unanswered_input_ages(self, now: float) -> list[float]:
        """How long each input has been waiting that no snapshot shows yet, seconds."""
        return [] if self._own.inputs is None else self._own.inputs.unanswered_ages(now)

    # -- what comes in ------------------------------------------------------------------------

    def _drain(self, now: float) -> None:
        while (event := self._endpoint.next_event()) is not None:
            if self.state is SessionState.ENDED:
                continue
            try:
                self._take(event, now)
            except WireError:
                self._malformed += 1
            except RemoteProtocolError as error:
                self._end(CloseReason.PROTOCOL_VIOLATION, str(error), now)

    def _take(self, event: channel.ClientEvent, now: float) -> None:
        match event:
            case channel.Opened():
                self.state = SessionState.GREETING
                self._command(Hello(self._schema.hash, self._software))
            case channel.Received(channel=PlayerChannel.SNAPSHOT, message=message):
                self._inbox.add(message, now)
                if len(self._inbox) > self._limits.snapshots_waiting:
                    self._apply_snapshots(now)
                    if self._inbox:  # They were acked: none may be dropped. The next stay has all.
                        self._end(CloseReason.CHANNEL_OVERFLOW, "the server's welcome is late", now)
            case channel.Received(channel=at, message=message):
                self._take_message(decode_server_untrusted(at, message), now)
            case channel.Closed(reason=reason):
                self._end(reason, "", now)
            case channel.Acked() | channel.Lost():
                pass

    def _take_message(self, message: ServerMessage, now: float) -> None:
        expected = SessionState.GREETING if isinstance(message, Welcome) else SessionState.JOINED
        # Leases say all by themselves, may overtake the welcome, and are not sent again.
        if self.state is not expected and not isinstance(message, Refused | Leases):
            raise RemoteProtocolError(f"{type(message).__name__} while {self.state.value}")
        match message:
            case Welcome():
                self._join(message, now)
            case Refused(reason=reason):
                known = reason in CloseReason.__members__.values()
                text = self._schema.explain_untrusted(message.description, message.text)
                reason = CloseReason(reason) if known else CloseReason.UNKNOWN
                self._end(reason, text, now, message.description)
            case Assigned():
                self._own.assign(message, now)
                assigned = events.Assigned(message.net_id, message.control_epoch, message.tick)
                self._events.add(assigned)
                if (reader := self._reader) is not None:
                    self._own.answer_untrusted(reader.private.answer(), now)
                    self._own.reconcile(reader.own_value)
            case Leases():
                self.leases = self._lease_map.apply_untrusted(message)
                self._events.add(events.LeasesChanged(message.tick))
            case Receipt():
                if (call := self._calls.answer(message, now)) is not None:
                    self._events.add(events.receipt_of(call, message))
            case Values():
                self.placeless.apply_untrusted(message)
            case Told(text=text):
                self._events.add(events.ToldLine(text))
            case Notice(text=text):
                self._events.add(events.NoticeLine(text))
            case Standstill(tick=tick):
                self._drawing.timeline.clock.stand_still(tick)
                if self._drawing.timeline.clock.stands_still:
                    self._own.stand_still(now)
            case _:
                assert_never(message)

    def _join(self, welcome: Welcome, now: float) -> None:
        if welcome.schema_hash != self._schema.hash:
            text = "the server's components differ from this client's: use the same version"
            self._end(CloseReason.SCHEMA_MISMATCH, text, now)
            return
        try:
            check_rules(welcome.rules)
        except ConfigError as error:
            raise RemoteProtocolError(f"rules that cannot work: {error}") from None
        self.state = SessionState.JOINED
        self.welcome, self.rules = welcome, welcome.rules
        if self._mirror:
            self._reader = self.replica = Replica(self._schema, welcome.rules, limits=self._limits)
        else:
            self._reader = Glance(self._schema, welcome.rules)
        self._drawing = Drawing(self.game, welcome.rules, self._limits)
        self._own.join(welcome.rules)
        self._events.add(events.Joined(welcome))
        for call in self._calls.begin_session():
            self._command(call)

    def _apply_snapshots(self, now: float) -> None:
        if (reader := self._reader) is None or not self._inbox:
            return
        self._own.make(now)
        for at, messages in self._inbox.take():
            applied = reader.apply_untrusted(messages, at)
            self._malformed += len(messages) - len(applied)
            for one in applied:
                if one.tick > self._drawing.timeline.clock.newest_tick:
                    loss = self._endpoint.connection_statistics().loss
                    self._drawing.timeline.observe(one.tick, at, loss)
                    if not self._drawing.timeline.clock.stands_still:
                        self._own.go_on(at)
                    reader.expire(one.tick)
                    self._traffic.snapshots += 1
                    self.snapshot_at = at
                try:
                    self._own.answer_untrusted(one.own, at)
                except WireError:
                    self._malformed += 1
        self._own.reconcile(reader.own_value)

    # -- what goes out ------------------------------------------------------------------------

    def _command(self, message: Hello | LookAt | Call) -> None:
        self._endpoint.send(PlayerChannel.COMMAND, encode_message(message))
        self._must_send = True

    def _end(self, reason: CloseReason, text: str, now: float, described: bytes = b"") -> None:
        if self.state is SessionState.ENDED:
            return
        self.state, self._inbox = SessionState.ENDED, Inbox()
        self._endpoint.close(now)
        self._must_send = True
        self._events.add(events.Ended(reason, text, described))
