"""The shard endpoint: who may simulate, what they propose, what they are told.

Theory of operation. A session becomes a shard with its `ShardHello`; from then on it must propose
something (an empty proposal will do) at least every `SHARD_SILENCE_S`, else it is fenced: its
session is closed and its leases go to others. A shard that comes back is a new shard, whatever it
remembers. Packets only fill the inbox; `attend`, once per tick, empties it.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.events import Acked, PeerClosed, PeerOpened, Received
from sidereal.protocol.errors import CloseReason, WireError
from sidereal.protocol.ids import Address
from sidereal.protocol.message.codec import decode_shard_untrusted, encode_message
from sidereal.protocol.message.player import Controls, Refused
from sidereal.protocol.message.shard import (
    Adopt,
    AuthorityMessage,
    Beat,
    Grant,
    Load,
    Release,
    Revoke,
    RoutedControls,
    ShardChannel,
    ShardHello,
    ShardMessage,
    ShardWelcome,
)
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.records import decode_record_message_untrusted
from sidereal.protocol.state.schema import Schema
from sidereal.replication.links.shards import Shard, Shards
from sidereal.replication.ownership.leases import LeaseChange, lease_rows

SHARD_SILENCE_S: Final = 1.0
"""A shard that proposes nothing for this long has lost its leases (a heartbeat is enough)."""

HELLO_WITHIN_S: Final = 5.0
"""A session that has not said hello by then is closed."""

GOODBYE_S: Final = 1.0
"""How long a refused session has to read why."""

FAULTS_MAX: Final = 500.0
"""Rejected rows a shard may have in its recent past before it is fenced."""

FAULTS_KEPT_PER_TICK: Final = 0.995
"""What remains of the count of faults after a tick: half is forgotten in 7 s at 20 ticks/s."""

ADOPT_ROWS_MAX: Final = 2000
"""Entities per `Adopt`: about 250 kB, well inside a reliable message."""

INBOX_MAX: Final = 4096
"""Messages between two ticks; a shard that sends more is closed."""

STALL_S: Final = 0.25
"""A gap between two of our own ticks from which on silence is not the shards' fault."""


class Attendance(NamedTuple):
    """Shards that came and went since the last tick."""

    joined: list[Shard]
    left: list[tuple[Shard, CloseReason]]


class ShardLink:
    """All shards, through one endpoint.

    Attributes:
        endpoint: their sessions.
        shards: those that have said hello.
        dropped: what was not listened to, by reason.
    """

    def __init__(self, endpoint: ServerEndpoint, schema: Schema, rules: Rules, now: float) -> None:
        self.endpoint = endpoint
        self.shards = Shards()
        self.dropped: Counter[str] = Counter()
        self._schema = schema
        self._rules = rules
        self._inbox: list[tuple[int, ShardMessage]] = []
        self._gone: list[tuple[int, CloseReason]] = []
        self._closing: dict[int, float] = {}
        self._attended_at = now

    def receive_datagram(
        self, datagram: bytes, address: Address, now: float, wall_now: float
    ) -> None:
        """Take in one datagram."""
        self.endpoint.receive_datagram(datagram, address, now, wall_now)

    def pump(self, now: float) -> None:
        """Sort what the endpoint has received into proposals, acks and the inbox."""
        while (event := self.endpoint.next_event()) is not None:
            if isinstance(event, Received):
                try:
                    self._receive_untrusted(event, now)
                except WireError:
                    self.dropped["malformed"] += 1
                    shard = self.shards.of_peer(event.peer)
                    if shard is not None:
                        shard.faults += 1
            elif isinstance(event, Acked):
                shard = self.shards.of_peer(event.peer)
                if shard is not None:
                    shard.acked += event.tags
            elif isinstance(event, PeerOpened):
                self._closing[event.peer] = now + HELLO_WITHIN_S
            elif isinstance(event, PeerClosed):
                self._closing.pop(event.peer, None)
                self._gone.append((event.peer, event.reason))

    def attend(self, tick: int, now: float) -> Attendance:
        """Act on the inbox and on silence; once per tick."""
        joined = self._read_inbox(tick, now)
        self._fence_the_silent(tick, now)
        left = []
        for peer, reason in self._gone:
            shard = self.shards.of_peer(peer)
            if shard is not None:
                self.shards.remove(shard)
                left.append((shard, reason))
        self._gone = []
        for peer, deadline in list(self._closing.items()):
            if now >= deadline:
                self._close(peer, CloseReason.PROTOCOL_VIOLATION, now)
        return Attendance([shard for shard in joined if self.shards.get(shard.shard)], left)

    def take_rows(self, shard: Shard) -> np.ndarray:
        """Decode a shard's proposals: the newest row of each entity.

        Returns:
            `Schema.exact_record[n]`, each id once.
        """
        batches = []
        for message in shard.take_proposals():
            try:
                _, records = decode_record_message_untrusted(self._schema.exact_record, message)
            except WireError:
                self.dropped["malformed"] += 1
                shard.faults += 1
            else:
                batches.append(records)
        if not any(map(len, batches)):
            return np.empty(0, self._schema.exact_record)
        rows: np.ndarray = np.concatenate(batches)
        order = np.lexsort((rows["tick"], rows["id"]))
        ids = rows["id"][order]
        newest: np.ndarray = rows[order[np.append(ids[1:] != ids[:-1], True)]]
        return newest

    def send_leases(self, changes: list[LeaseChange], tick: int) -> None:
        """Tell shards which sectors they have got and lost; the losses first."""
        for shard in self.shards:
            lost = [(c.sector, c.after, c.epoch) for c in changes if c.before == shard.shard]
            if lost:
                self._send(shard, Revoke(tick, lease_rows(lost).tobytes()))
        for shard in self.shards:
            got = [(c.sector, c.after, c.epoch) for c in changes if c.after == shard.shard]
            if got:
                self._send(shard, Grant(tick, lease_rows(got).tobytes()))

    def send_adopt(self, shard: Shard, records: np.ndarray, tick: int) -> None:
        """Give entities, `Schema.full_record[n]`, to a shard."""
        for start in range(0, len(records), ADOPT_ROWS_MAX):
            rows = records[start : start + ADOPT_ROWS_MAX].tobytes()
            self._send(shard, Adopt(tick, rows))

    def send_release(self, shard: Shard, net_id: np.ndarray, epoch: np.ndarray, tick: int) -> None:
        """Take entities from a shard: what it knows of them below this epoch is void."""
        rows = np.stack([net_id, epoch], axis=1).astype("<u4")
        self._send(shard, Release(tick, rows.tobytes()))

    def send_ghosts(self, shard: Shard, messages: list[tuple[bytes, int]]) -> None:
        """Tell a shard of its ghosts; acks of the tags come back as `Shard.acked`."""
        for message, tag in messages:
            self.endpoint.send(shard.peer, ShardChannel.GHOST, message, tag)

    def send_controls(self, shard: Shard, net_id: int, controls: Controls) -> None:
        """Route a player's controls to the shard of its ship."""
        message = RoutedControls(
            net_id, controls.control_epoch, controls.first_seq, controls.buttons
        )
        self.endpoint.send(shard.peer, ShardChannel.CONTROLS, encode_message(message))

    def send_beats(self, tick: int, now: float) -> None:
        """Tell every shard the time, and how early or late its newest proposal was."""
        for shard in self.shards:
            ahead_s = (shard.newest_tick - tick) * self._rules.tick_s
            lead_s = max(ahead_s + now - shard.arrived_at, -SHARD_SILENCE_S)
            beat = Beat(tick, round(lead_s * 1e6))
            self.endpoint.send(shard.peer, ShardChannel.BEAT, encode_message(beat))

    def fence(self, shard: Shard, reason: CloseReason, now: float) -> None:
        """Close a shard's session; it shows among those who left at the next `attend`."""
        self._close(shard.peer, reason, now)
        self._gone.append((shard.peer, reason))

    def _receive_untrusted(self, event: Received, now: float) -> None:
        shard = self.shards.of_peer(event.peer)
        if event.channel == ShardChannel.PROPOSAL:
            if shard is not None:
                tick, _ = decode_record_message_untrusted(self._schema.exact_record, event.message)
                shard.receive_proposal(event.message, tick, now)
            return
        message = decode_shard_untrusted(event.channel, event.message)
        if isinstance(message, ShardHello) and not message.name.isprintable():
            raise WireError("a name that can't be shown in a log or on a terminal")
        if len(self._inbox) >= INBOX_MAX:
            self.dropped["inbox_full"] += 1
            self._close(event.peer, CloseReason.PROTOCOL_VIOLATION, now)
        else:
            self._inbox.append((event.peer, message))

    def _read_inbox(self, tick: int, now: float) -> list[Shard]:
        joined = []
        inbox, self._inbox = self._inbox, []
        for peer, message in inbox:
            shard = self.shards.of_peer(peer)
            if isinstance(message, ShardHello):
                if shard is None:
                    joined += self._admit(peer, message, tick, now)
            elif shard is None:
                self.dropped["no_hello"] += 1
            elif isinstance(message, Load):
                shard.note_load(message)
            else:
                self.fence(shard, CloseReason.CLOSED_BY_PEER, now)
        return joined

    def _admit(self, peer: int, hello: ShardHello, tick: int, now: float) -> list[Shard]:
        if hello.schema_hash != self._schema.hash:
            text = (
                f"this shard's schema is {hello.schema_hash.hex()}, the world's "
                f"{self._schema.hash.hex()}: run the same version with the same plugins"
            )
            refusal = Refused(CloseReason.SCHEMA_MISMATCH, text)
            self.endpoint.send(peer, ShardChannel.LEASE, encode_message(refusal))
            at = now + GOODBYE_S
            self._closing[peer] = min(self._closing.get(peer, at), at)
            self.dropped["schema_mismatch"] += 1
            return []
        self._closing.pop(peer, None)
        shard = self.shards.add(peer, hello.name, now)
        self._send(shard, ShardWelcome(shard.shard, self._rules, tick))
        return [shard]

    def _fence_the_silent(self, tick: int, now: float) -> None:
        stalled_s = now - self._attended_at
        self._attended_at = now
        for shard in self.shards:
            if stalled_s > STALL_S:
                # It is as far ahead of our clock by now, and waits as long for us.
                shard.heard_at += stalled_s
                shard.ahead_until = tick + math.ceil(stalled_s / self._rules.tick_s)
            shard.faults *= FAULTS_KEPT_PER_TICK
            if now - shard.heard_at > SHARD_SILENCE_S:
                self.fence(shard, CloseReason.TIMED_OUT, now)
            elif shard.faults > FAULTS_MAX:
                self.fence(shard, CloseReason.FENCED, now)

    def _close(self, peer: int, reason: CloseReason, now: float) -> None:
        self._closing.pop(peer, None)
        self.endpoint.close_peer(peer, reason, now)

    def _send(self, shard: Shard, message: AuthorityMessage) -> None:
        self.endpoint.send(shard.peer, ShardChannel.LEASE, encode_message(message))
