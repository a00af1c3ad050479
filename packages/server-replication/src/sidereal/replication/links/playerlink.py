"""The client endpoint: who is in the world, what they want, what they are sent.

Theory of operation. A session is CONNECTED until its `Hello` shows that both ends speak the same
schema. Then it is JOINED. A session that is refused is told why, and is LEAVING for `goodbye_s`, so
that the reason arrives before the end.

An account is in the world once in each role. The newest login wins, and the older session is told
so. The newer one has its seat at once, whether the older one is alive or dead; for that there are
more sessions than seats in the world. A session that finds no seat is told so in words.

Inputs are judged and handed on as they come. Everything else waits in the inbox for `attend`,
once per tick. Every message costs of its sender's allowance, whatever it says. Beyond the allowance
an unreliable message is dropped, and a client that goes on all the same is closed. A reliable one
is never dropped while the session lasts: it was acked, and its sender waits for what comes of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.events import Acked, Lost, PeerClosed, PeerOpened, Received
from sidereal.protocol.errors import CloseReason, WireError
from sidereal.protocol.ids import Address
from sidereal.protocol.links import decode_user_data_untrusted
from sidereal.protocol.message.codec import decode_client_untrusted, encode_message
from sidereal.protocol.message.inputs import Input, decode_input_untrusted
from sidereal.protocol.message.player import (
    Assigned,
    Call,
    ClientMessage,
    Hello,
    LookAt,
    PlayerChannel,
    Refused,
    Role,
    ServerMessage,
    Told,
    Welcome,
)
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import Schema
from sidereal.replication.edge.fanout import Fanout
from sidereal.replication.edge.leaseviews import LeaseViews, is_of_leases
from sidereal.replication.limits import LIMITS
from sidereal.replication.links.audience import Audience, Listeners
from sidereal.replication.links.limits import PlayerLinkLimits
from sidereal.replication.links.networks import network_of
from sidereal.replication.links.players import InputVerdict, Player, Players, PlayerState


class Attendance(NamedTuple):
    """Clients that came and went since the last tick."""

    joined: list[Player]
    left: list[tuple[Player, CloseReason]]


class PlayerLink:
    """All clients, through one endpoint.

    Attributes:
        endpoint: their sessions.
        players: those whose session is open.
        dropped: what was not listened to, by reason.
        joins_per_tick: see `PlayerLinkLimits`.
    """

    def __init__(
        self,
        endpoint: ServerEndpoint,
        fanout: Fanout,
        lease_views: LeaseViews,
        schema: Schema,
        rules: Rules,
        clients_max: int,
        limits: PlayerLinkLimits = LIMITS.players,
    ) -> None:
        self.endpoint = endpoint
        self.players = Players(clients_max, limits)
        self.dropped: Counter[str] = Counter()
        self.joins_per_tick = limits.joins_per_tick
        self._fanout = fanout
        self._lease_views = lease_views
        self._audience = Audience(rules, clients_max, limits)
        self._limits = limits
        self._schema = schema
        self._rules = rules
        self._inbox: list[tuple[int, ClientMessage]] = []
        self._calls: list[tuple[Player, Call]] = []
        self._newcomers: list[Player] = []
        self._left: list[tuple[Player, CloseReason]] = []
        self._anonymous = 0

    def receive_datagram(
        self, datagram: bytes, address: Address, now: float, wall_now: float
    ) -> None:
        """Take in one datagram."""
        self.endpoint.receive_datagram(datagram, address, now, wall_now)

    def pump(self, now: float) -> list[tuple[Player, Input]]:
        """Sort what the endpoint has received.

        Returns:
            the inputs that passed, to be routed at once.
        """
        routed: list[tuple[Player, Input]] = []
        while (event := self.endpoint.next_event()) is not None:
            if isinstance(event, Received):
                player = self.players.get(event.peer)
                if player is not None and self._may_speak(player, event.channel, now):
                    try:
                        routed += self._receive_untrusted(player, event, now)
                    except WireError:
                        self.dropped["malformed"] += 1
            elif isinstance(event, Acked):
                player = self.players.get(event.peer)
                if player is not None and player.state is PlayerState.JOINED:
                    self._note_acks(player, event.tags)
            elif isinstance(event, Lost):
                player = self.players.get(event.peer)
                if player is not None and player.state is PlayerState.JOINED:
                    tags = [tag for tag in event.tags if not is_of_leases(tag)]
                    self._fanout.lost(player.row, tags)
            elif isinstance(event, PeerOpened):
                self._open(event, now)
            elif isinstance(event, PeerClosed):
                self._drop(event.peer, event.reason)
        return routed

    def attend(self, tick: int, now: float) -> Attendance:
        """Act on the inbox and on deadlines; once per tick."""
        joined: list[Player] = []
        deferred: set[int] = set()
        inbox, self._inbox = self._inbox, []
        self._audience.begin(self.players, now)
        for peer, message in inbox:
            player = self.players.get(peer)
            if player is None or player.state is PlayerState.LEAVING:
                continue
            player.unread -= 1
            if player.peer in deferred or (
                isinstance(message, Hello) and len(joined) >= self.joins_per_tick
            ):
                deferred.add(player.peer)
                player.deadline = now + self._limits.hello_within_s
                self._put_by(player, message, now)
            elif isinstance(message, Hello):
                joined += self._join(player, message, tick, now)
            elif player.state is not PlayerState.JOINED:
                self.dropped["no_hello"] += 1
            elif isinstance(message, LookAt):
                self._look(player, message)
            elif isinstance(message, Call):
                self._calls.append((player, message))
        for player in self.players:
            if player.state is not PlayerState.JOINED and now >= player.deadline:
                self._close(player, CloseReason.TIMED_OUT, now)
        left, self._left = self._left, []
        # Of two logins of an account in one tick, the first has left again before its tick came.
        return Attendance([player for player in joined if player.state is PlayerState.JOINED], left)

    def assign(
        self, player: Player, net_id: int, control_epoch: int, tick: int, now: float
    ) -> None:
        """Tell a client which entity it flies."""
        player.fly(net_id, control_epoch, now)
        self.send(player, Assigned(net_id, control_epoch, tick))

    def refuse(
        self,
        player: Player,
        reason: CloseReason,
        text: str,
        now: float,
        description: bytes = b"",
    ) -> None:
        """End a client's stay with a reason it can read."""
        self.send(player, Refused(reason, text, description))
        if player.state is PlayerState.JOINED:
            self._give_up_place(player, reason)
        player.state, player.deadline = PlayerState.LEAVING, now + self._limits.goodbye_s

    def refuse_all(self, reason: CloseReason, text: str, now: float) -> None:
        """End everybody's stay."""
        for player in self.players:
            if player.state is not PlayerState.LEAVING:
                self.refuse(player, reason, text, now)

    def send(self, player: Player, message: ServerMessage) -> None:
        """Send one client a reliable message."""
        self.send_to_all([player], message)

    def send_to_all(self, players: Iterable[Player], message: ServerMessage) -> None:
        """Send clients a reliable message, which is written once."""
        body = encode_message(message)
        for player in players:
            self.endpoint.send(player.peer, PlayerChannel.COMMAND, body)

    def take_newcomers(self) -> list[Player]:
        """Give up the clients that have joined since the last call."""
        newcomers, self._newcomers = self._newcomers, []
        return newcomers

    def take_calls(self) -> list[tuple[Player, Call]]:
        """Give up the calls that have come, in their order."""
        calls, self._calls = self._calls, []
        return calls

    def tell(self, player: Player, text: str, to: Listeners) -> None:
        """Send a line of a player's to those who are to hear it, the player among them."""
        heard = self._audience.hear(player, to)
        if heard.dropped:
            self.dropped["lines_unheard"] += heard.dropped
        self.send_to_all(heard.listeners, Told(text))

    def _open(self, event: PeerOpened, now: float) -> None:
        try:
            user = decode_user_data_untrusted(event.user_data)
            role = Role(user.role)
        except (WireError, ValueError):
            self.dropped["user_data"] += 1
            self.endpoint.close_peer(event.peer, CloseReason.TOKEN_INVALID, now)
            return
        deadline = now + self._limits.hello_within_s
        network = network_of(event.address.host)
        player = Player(
            event.peer, user.account, role, user.name, now, deadline, network, self._limits
        )
        self.players.add(player)
        self.endpoint.bound_allowance(event.peer, self._limits.rate(role))

    def _receive_untrusted(
        self, player: Player, event: Received, now: float
    ) -> list[tuple[Player, Input]]:
        if player.state is PlayerState.LEAVING:
            return []
        if event.channel == PlayerChannel.CONTROLS:
            wanted = decode_input_untrusted(event.message, self._schema.controls)
            verdict = player.judge_input(wanted, self._rules, now)
            if verdict is InputVerdict.ROUTED:
                return [(player, wanted)]
            if verdict is not InputVerdict.REPEATED:
                self.dropped["controls_" + verdict.name.lower()] += 1
            return []
        message = decode_client_untrusted(event.channel, event.message)
        self._put_by(player, message, now)
        return []

    def _put_by(self, player: Player, message: ClientMessage, now: float) -> None:
        """Keep a message for the next tick; a client of which too many wait is closed.

        It was acked: none is dropped while the session lasts.
        """
        player.unread += 1
        if player.unread <= self._limits.inbox:
            self._inbox.append((player.peer, message))
            return
        self.dropped["inbox_full"] += 1
        self._close(player, CloseReason.PROTOCOL_VIOLATION, now)

    def _join(self, player: Player, hello: Hello, tick: int, now: float) -> list[Player]:
        if player.state is PlayerState.JOINED:
            self.dropped["hello_again"] += 1
            return []
        if hello.schema_hash != self._schema.hash:
            text = (
                f"this client's schema is {hello.schema_hash.hex()}, the world's "
                f"{self._schema.hash.hex()}: use the version and the game of the server"
            )
            self.dropped["schema_mismatch"] += 1
            description = self._schema.description.encode()
            self.refuse(player, CloseReason.SCHEMA_MISMATCH, text, now, description)
            return []
        if player.account == 0:
            self._anonymous += 1
            player.account = -self._anonymous
        elif (older := self.players.of_account(player.account, player.role)) is not None:
            text = "this account has logged in elsewhere; the newer session goes on"
            self.refuse(older, CloseReason.LOGGED_IN_ELSEWHERE, text, now)
        if (full := self.players.seat(player)) is not None:
            self.dropped["world_full"] += 1
            self.refuse(player, CloseReason.WORLD_FULL, full, now)
            return []
        player.state = PlayerState.JOINED
        self._fanout.join(player.row, player.role.name.lower())
        self._audience.join(player.row, now)
        self._newcomers.append(player)
        self.send(
            player,
            Welcome(self._schema.hash, self._rules, tick, player.account, player.role, player.name),
        )
        return [player]

    def _may_speak(self, player: Player, channel: int, now: float) -> bool:
        """Charge a client for a message; one that is far beyond its allowance is closed.

        Before that, only what may be lost anyhow is dropped: a reliable message was acked.
        """
        left = player.messages.take(now)
        if left < -self._limits.messages_burst:
            self._close(player, CloseReason.PROTOCOL_VIOLATION, now)
        elif left >= 0 or channel == PlayerChannel.COMMAND:
            return True
        self.dropped["too_many"] += 1
        return False

    def _look(self, player: Player, message: LookAt) -> None:
        if player.role is Role.PLAYER:
            self.dropped["look_at_forbidden"] += 1
        else:
            player.looks_at = (message.x, message.y)

    def _note_acks(self, player: Player, tags: list[int]) -> None:
        leases = [tag for tag in tags if is_of_leases(tag)]
        if leases:
            self._lease_views.acked(player.row, leases)
            tags = [tag for tag in tags if not is_of_leases(tag)]
        self._fanout.acked(player.row, tags)

    def _give_up_place(self, player: Player, reason: CloseReason) -> None:
        """Note that a client is in the world no more: its seat is free for another one."""
        self._fanout.leave(player.row)
        self._fanout.private.events.forget(player.row)
        self._lease_views.leave(player.row)
        self.players.unseat(player)
        self._left.append((player, reason))

    def _close(self, player: Player, reason: CloseReason, now: float) -> None:
        self.endpoint.close_peer(player.peer, reason, now)
        self._drop(player.peer, reason)

    def _drop(self, peer: int, reason: CloseReason) -> None:
        player = self.players.remove(peer)
        if player is not None and player.state is PlayerState.JOINED:
            self._give_up_place(player, reason)
