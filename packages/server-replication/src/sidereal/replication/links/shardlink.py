"""The shard endpoint: who may simulate, what shards propose, what they are sent.

Theory of operation. A session becomes a shard with its `ShardHello`. From then on it must propose
something in every tick (an empty proposal will do). One that is silent for longer than its link
explains is fenced: its session is closed and its leases go to others. A newer session takes the
place of an older one of its name at once. Packets only fill the inbox; `attend` empties it.

What a shard may send is bounded by what it owns: every message costs of its allowance. What it is
sent is bounded by what it takes (`shardsender`). A shard that was fenced for what it did, not for
silence, stays out for a while.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.events import Acked, PeerClosed, PeerOpened, Received
from sidereal.protocol.errors import CloseReason, WireError
from sidereal.protocol.ids import Address
from sidereal.protocol.message.codec import decode_shard_untrusted, encode_message
from sidereal.protocol.message.player import Refused
from sidereal.protocol.message.shard import (
    Adopted,
    Asked,
    AskIds,
    Drain,
    Farewell,
    Load,
    ShardChannel,
    ShardHello,
    ShardMessage,
    ShardWelcome,
)
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.proposals import decode_proposal_untrusted
from sidereal.protocol.state.schema import Schema
from sidereal.replication.limits import LIMITS, Limits
from sidereal.replication.links.shards import Shard
from sidereal.replication.links.shardsender import ShardSender
from sidereal.replication.links.states import ShardSignal
from sidereal.replication.links.volume import Volume

JITTERS: Final = 4.0
"""A datagram is hardly ever late by more than so many times the jitter of its link."""


class Attendance(NamedTuple):
    """Shards that came and went since the last tick."""

    joined: list[Shard]
    left: list[tuple[Shard, CloseReason]]
    """In the place of one of these there may be a newer one of its name, and so of its id."""


class ShardLink(ShardSender):
    """All shards, through one endpoint: what comes from them, and who they are.

    Attributes:
        dropped: what was not listened to, by reason.
        fenced_for_faults: shards of which too many rows were refused.
    """

    def __init__(
        self,
        endpoint: ServerEndpoint,
        schema: Schema,
        rules: Rules,
        now: float,
        limits: Limits = LIMITS,
        *,
        spawning: bool = True,
        actions: int = 0,
    ) -> None:
        """Open the link.

        Args:
            endpoint: of all shards.
            schema: of the world.
            rules: of the world.
            now: monotonic seconds.
            limits: what only tuning decides.
            spawning: whether the game lets shards spawn.
            actions: for which systems may ask.
        """
        super().__init__(endpoint, schema, rules, limits)
        self.dropped: Counter[str] = Counter()
        self.fenced_for_faults = 0
        self._inbox: list[tuple[int, ShardMessage]] = []
        self._asked: list[tuple[Shard, Asked]] = []
        self._gone: list[tuple[int, CloseReason]] = []
        self._closing: dict[int, float] = {}
        self._open: set[int] = set()
        self._unknown: Counter[int] = Counter()
        self._waiting: Counter[int] = Counter()
        self._barred: dict[str, float] = {}
        self._attended_at = now
        # The other half is for its lead, and for what it takes to follow a clock that slips.
        self._late_s_max = limits.proposals.future_ticks / 2 * rules.tick_s
        self._volume = Volume(schema, self._limits, spawning=spawning, actions=actions)
        # Asks that came while we stood still have room beside all else.
        asks = self._limits.allowed_share * self._volume.asks * rules.tick_hz
        self._inbox_max = self._limits.inbox + math.ceil(asks * self._limits.allowed_burst_s)

    def receive_datagram(
        self, datagram: bytes, address: Address, now: float, wall_now: float
    ) -> None:
        """Take in one datagram."""
        self.endpoint.receive_datagram(datagram, address, now, wall_now)

    def pump(self, now: float) -> None:
        """Sort what the endpoint has received into proposals, acks and the inbox."""
        while (event := self.endpoint.next_event()) is not None:
            if isinstance(event, Received):
                self._receive(event, now)
            elif isinstance(event, Acked):
                shard = self.shards.of_peer(event.peer)
                if shard is not None:
                    shard.acked += event.tags
            elif isinstance(event, PeerOpened):
                self._open.add(event.peer)
                self._closing[event.peer] = now + self._limits.hello_within_s
            elif isinstance(event, PeerClosed):
                self._note_end(event.peer)
                self._gone.append((event.peer, event.reason))

    def notice_stall(self, tick: int, now: float) -> None:
        """Find out whether we are late or stood still, before anybody is judged; once per tick."""
        stalled_s, self._attended_at = now - self._attended_at, now
        for shard in self.shards:
            shard.note_late(tick, now, self._late_s_max, self._rules.tick_s)
            if stalled_s > self._limits.stall_s:
                shard.note_stall(tick, now, stalled_s, self._rules.tick_s)

    def attend(self, tick: int, now: float) -> Attendance:
        """Act on the inbox and on silence; once per tick."""
        left = self._let_go()
        joined = self._read_inbox(tick, now, left)
        self._fence_the_silent(now)
        left += self._let_go()
        for peer, deadline in list(self._closing.items()):
            if now >= deadline:
                self._close(peer, CloseReason.PROTOCOL_VIOLATION, now)
        return Attendance([s for s in joined if self.shards.of_peer(s.peer) is s], left)

    def allow(self, owned: np.ndarray) -> None:
        """Bound what shards may send by what they simulate; once per tick.

        Args:
            owned: int64[n], entities by the id of their shard.
        """
        for shard in self.shards:
            self._allow(shard, float(owned[shard.shard]) if shard.shard < len(owned) else 0.0)

    def _allow(self, shard: Shard, owned: float) -> None:
        shard.owned = max(owned, shard.owned * self._limits.owned_kept_per_tick)
        per_tick = self._volume.messages(shard.owned)
        per_s = self._limits.allowed_share * per_tick * self._rules.tick_hz
        burst = per_s * self._limits.allowed_burst_s
        grown = burst - shard.messages.burst
        shard.messages.per_s, shard.messages.burst = per_s, burst
        shard.messages.left += max(0.0, grown)

    def take_rows(self, shard: Shard) -> dict[int, np.ndarray]:
        """Give up what a shard has proposed, in the order in which it came.

        Returns:
            `Schema.proposed_rows`[n] by what they are, ascending.
        """
        batches: defaultdict[int, list[np.ndarray]] = defaultdict(list)
        for number, rows in shard.take_proposals():
            batches[number].append(rows)
        return {number: np.concatenate(batches[number]) for number in sorted(batches)}

    def take_asked(self) -> list[tuple[Shard, Asked]]:
        """Give up what systems have asked for, in the order in which it came."""
        asked, self._asked = self._asked, []
        return asked

    def fence(self, shard: Shard, reason: CloseReason, now: float, why: str = "") -> None:
        """Close a shard's session and tell it why; it shows among those who left in `attend`."""
        if not shard.apply(ShardSignal.LEAVES):
            return
        shard.fenced_why = why
        if why:
            refusal = Refused(reason, f"this shard was fenced: {why}")
            self.endpoint.send(shard.peer, ShardChannel.LEASE, encode_message(refusal))
        if reason is CloseReason.FENCED:
            if len(self._barred) >= self._limits.barred_names:
                del self._barred[next(iter(self._barred))]
            self._barred[shard.name] = now + self._limits.barred_s
        self._close(shard.peer, reason, now)
        self._gone.append((shard.peer, reason))

    def _receive(self, event: Received, now: float) -> None:
        if event.peer not in self._open:
            return
        shard = self.shards.of_peer(event.peer)
        if shard is None:
            self._unknown[event.peer] += 1
            if self._unknown[event.peer] > self._limits.hello_messages:
                self.dropped["no_hello"] += 1
                self._close(event.peer, CloseReason.PROTOCOL_VIOLATION, now)
                return
        elif not self._may_speak(shard, event.channel, now):
            return
        try:
            self._receive_untrusted(event, now)
        except WireError:
            self.dropped["malformed"] += 1
            if shard is not None:
                shard.faults += 1

    def _may_speak(self, shard: Shard, channel: int, now: float) -> bool:
        """Charge a shard for a message; one that is far beyond its allowance is fenced.

        Before that, only what may be lost anyhow is dropped: a reliable message was acked.
        """
        left = shard.messages.take(now)
        if left < -shard.messages.burst:
            self.fence(shard, CloseReason.FENCED, now, "it sent more than it can have to say")
        elif left >= 0 or channel == ShardChannel.LEASE:
            return True
        self.dropped["too_many"] += 1
        return False

    def _receive_untrusted(self, event: Received, now: float) -> None:
        shard = self.shards.of_peer(event.peer)
        if event.channel == ShardChannel.PROPOSAL:
            if shard is not None:
                tick, runs = decode_proposal_untrusted(self._schema, event.message)
                shard.receive_proposal(runs, tick, now)
                if len(shard.proposals) > self._limits.proposals:
                    self.dropped["too_many"] += 1
                    self.fence(shard, CloseReason.CHANNEL_OVERFLOW, now, "it proposes too much")
            return
        message = decode_shard_untrusted(event.channel, event.message)
        if not all(text.isprintable() for text in _texts_of(message)):
            raise WireError("a text that can't be shown in a log or on a terminal")
        if isinstance(message, Farewell) and shard is not None and message.what:
            # At once: its session may have ended before the next tick.
            shard.failed, shard.failed_why = message.what, message.why
        self._waiting[event.peer] += 1
        if self._waiting[event.peer] > self._inbox_max:
            self.dropped["inbox_full"] += 1
            self._close(event.peer, CloseReason.PROTOCOL_VIOLATION, now)
        else:
            self._inbox.append((event.peer, message))

    def _let_go(self) -> list[tuple[Shard, CloseReason]]:
        """Forget shards whose sessions have ended."""
        gone, self._gone = self._gone, []
        left = []
        for peer, reason in gone:
            shard = self.shards.of_peer(peer)
            if shard is not None:
                shard.apply(ShardSignal.LEAVES)
                self.shards.remove(shard)
                left.append((shard, reason))
        return left

    def _read_inbox(
        self, tick: int, now: float, left: list[tuple[Shard, CloseReason]]
    ) -> list[Shard]:
        """Act on what came; who is replaced by a newer session goes to those who left."""
        joined = []
        inbox, self._inbox = self._inbox, []
        self._waiting.clear()
        for peer, message in inbox:
            shard = self.shards.of_peer(peer)
            if peer not in self._open:
                continue
            if isinstance(message, ShardHello):
                if shard is None and self._welcomes(peer, message, now):
                    if (older := self.shards.named(message.name)) is not None:
                        self._replace(older, now)
                        left += self._let_go()
                    joined.append(self._admit(peer, message, tick, now))
            elif shard is None:
                self.dropped["no_hello"] += 1
            elif isinstance(message, Load):
                shard.note_load(message, self._rules.tick_s)
            elif isinstance(message, Adopted):
                shard.note_adopted(message.rows, now)
            elif isinstance(message, Asked):
                self._asked.append((shard, message))
            elif isinstance(message, AskIds):
                shard.wants_ids = True
            elif isinstance(message, Drain):
                shard.apply(ShardSignal.DRAINS)
            else:
                self.fence(shard, CloseReason.CLOSED_BY_PEER, now)
        return joined

    def _welcomes(self, peer: int, hello: ShardHello, now: float) -> bool:
        """Tell whether a session may become a shard; else say why not."""
        older = self.shards.named(hello.name)
        barred_s = self._barred.get(hello.name, now) - now
        if hello.schema_hash != self._schema.hash:
            self.dropped["schema_mismatch"] += 1
            text = (
                f"this shard's schema is {hello.schema_hash.hex()}, the world's "
                f"{self._schema.hash.hex()}: run the same version with the same game"
            )
            description = self._schema.description.encode()
            self._refuse(peer, CloseReason.SCHEMA_MISMATCH, text, now, description)
            return False
        if barred_s > 0:
            self.dropped["barred"] += 1
            reason = CloseReason.FENCED
            text = (
                "a shard of this name was fenced for what it sent, or for leaving its pilots "
                f"without an answer; it may come back in {math.ceil(barred_s)} s"
            )
        elif (
            older is not None
            and older.incarnation == hello.incarnation
            and older.session >= hello.session
        ):
            self.dropped["older_session"] += 1
            reason, text = CloseReason.LOGGED_IN_ELSEWHERE, "a newer session of this shard is here"
        else:
            return True
        self._refuse(peer, reason, text, now)
        return False

    def _replace(self, older: Shard, now: float) -> None:
        """End the session of a shard whose name a newer one has."""
        text = f"another shard has come under the name {older.name!r}: each needs a name of its own"
        self.fence(older, CloseReason.LOGGED_IN_ELSEWHERE, now, text)

    def _refuse(
        self, peer: int, reason: CloseReason, text: str, now: float, description: bytes = b""
    ) -> None:
        refusal = encode_message(Refused(reason, text, description))
        self.endpoint.send(peer, ShardChannel.LEASE, refusal)
        at = now + self._limits.goodbye_s
        self._closing[peer] = min(self._closing.get(peer, at), at)

    def _admit(self, peer: int, hello: ShardHello, tick: int, now: float) -> Shard:
        self._closing.pop(peer, None)
        self._unknown.pop(peer, None)
        self._barred.pop(hello.name, None)
        shard = self.shards.add(peer, hello, now)
        shard.messages.at = shard.adopting_since = now
        shard.note_beat(tick, now, self._rules.tick_s)
        self._allow(shard, 0.0)
        self._post(shard, ShardWelcome(shard.shard, self._rules, tick))
        return shard

    def _fence_the_silent(self, now: float) -> None:
        limits = self._limits
        for shard in self.shards:
            shard.faults *= limits.faults_kept_per_tick
            if not shard.adopting:
                shard.adopting_since = max(shard.adopting_since, now)
            if self._is_silent(shard, now - shard.heard_at):
                self.fence(shard, CloseReason.TIMED_OUT, now)
            elif shard.faults > limits.faults:
                self.fenced_for_faults += 1
                self.fence(shard, CloseReason.FENCED, now, "too many of its records were refused")
            elif sum(map(len, shard.outbox)) > limits.outbox_size:
                self.fence(shard, CloseReason.CHANNEL_OVERFLOW, now, "it takes nothing in")
            elif now - shard.adopting_since > limits.adopt_within_s:
                self.fence(shard, CloseReason.FENCED, now, "it adopts nothing that it is given")

    def _is_silent(self, shard: Shard, silent_s: float) -> bool:
        """Tell whether a shard has said nothing for longer than its link explains."""
        least_s = self._limits.silence_ticks * self._rules.tick_s
        if silent_s <= min(least_s, self._limits.silence_s):
            return False
        link = self.endpoint.connection_statistics(shard.peer)
        held_up_s = 0.0 if link is None else link.rtt_s + JITTERS * link.jitter_s
        return silent_s > min(least_s + held_up_s, self._limits.silence_s)

    def _close(self, peer: int, reason: CloseReason, now: float) -> None:
        self._note_end(peer)
        self.endpoint.close_peer(peer, reason, now)

    def _note_end(self, peer: int) -> None:
        self._open.discard(peer)
        self._closing.pop(peer, None)
        self._unknown.pop(peer, None)


def _texts_of(message: ShardMessage) -> tuple[str, ...]:
    """What of a message people are shown."""
    if isinstance(message, ShardHello):
        return (message.name,)
    if isinstance(message, Load):
        return (message.slowest,)
    return (message.what, message.why) if isinstance(message, Farewell) else ()
