"""One peer: channels over packets, packets over encrypted payloads.

Theory of operation. `send` queues. `payloads_to_send` packs what is queued, channels of higher
priority first, into as few packets as it fits, with the newest ack if one is due; one that is owed
goes alone if there is no message. Every packet has a sequence number of its own, also when it
carries something for the second time, so an ack always says which transmission arrived.

A packet is given up when `SentPackets.reorder` later ones were acked, or when it is older than the
retransmission time-out; its reliable parts are then sent again. Unreliable messages never are: who
tagged one learns from `take_acked` that it arrived, or from `take_lost` that it has to be taken for
lost: its packet was given up, or it never left. Should it arrive after all, its tag is acked, too.

A packet wants an ack if it has reliable messages or tags, and so does every sixteenth packet in a
row that has neither, even if it has nothing but an ack: from acks the sender learns how long the
way is and what the link carries. Unreliable messages leave as fast as the budget allows, which
follows the link; reliable ones also only while the congestion window is open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sidereal.protocol.channel import packet as wire
from sidereal.protocol.channel.acks import ReceivedPackets, SentPackets
from sidereal.protocol.channel.allowance import Allowance
from sidereal.protocol.channel.congestion import CongestionWindow, SendBudget
from sidereal.protocol.channel.ends import make_receiver, make_sender
from sidereal.protocol.channel.limits import LIMITS, TransportLimits
from sidereal.protocol.channel.packet import Packet, decode_packet_untrusted
from sidereal.protocol.channel.redundancy import RedundantCopies
from sidereal.protocol.channel.reliable import ReliableSender
from sidereal.protocol.channel.roundtrip import RoundTrip
from sidereal.protocol.channel.sent import SentPacket
from sidereal.protocol.channel.spec import Budget, ChannelSpec, check_channels
from sidereal.protocol.channel.statistics import ConnectionCounts, ConnectionStatistics
from sidereal.protocol.channel.unreliable import UnreliableSender
from sidereal.protocol.errors import CloseReason, LocalProtocolError, RemoteProtocolError
from sidereal.protocol.limits import DATAGRAM_OVERHEAD_SIZE, PAYLOAD_SIZE_MAX

_ROOM: Final = PAYLOAD_SIZE_MAX - wire.HEADER_SIZE


class Connection:
    """Channels to one peer, sans I/O, over payloads of at most `PAYLOAD_SIZE_MAX` bytes.

    Attributes:
        close_reason: why the connection cannot go on; None while it can. The owner closes the
            session then.
    """

    def __init__(
        self,
        channels: Sequence[ChannelSpec],
        now: float,
        budget: Budget | None = None,
        entropy: Callable[[int], bytes] | None = None,
        limits: TransportLimits = LIMITS,
    ) -> None:
        """Make a connection of channels that the peer lists in the same order; see `SentPackets`.

        Raises:
            ConfigError: the channels are not possible.
        """
        specs = tuple(channels)
        check_channels(specs)
        self.close_reason: CloseReason | None = None
        self._limits = limits
        self._ack_limits = limits.acks
        self._message_sizes_max = [spec.message_size_max for spec in specs]
        self._is_reliable = [spec.delivery.is_reliable for spec in specs]
        self._senders = [make_sender(number, spec, limits) for number, spec in enumerate(specs)]
        by_priority = sorted(range(len(specs)), key=lambda number: -specs[number].priority)
        self._fill_order = [self._senders[number] for number in by_priority]
        self._unreliable_senders = [s for s in self._senders if isinstance(s, UnreliableSender)]
        self._receivers = [make_receiver(spec) for spec in specs]
        self._received = ReceivedPackets()
        self._sent = SentPackets(entropy, limits.acks)
        self._round_trip = RoundTrip(limits.timeouts)
        self._window = CongestionWindow(limits.congestion)
        self._copies = RedundantCopies(limits.copies)
        self._unasked = 0
        self._budget = SendBudget(budget or Budget(), now, limits.congestion)
        self._allowance = Allowance(budget or Budget(), now, limits.allowance)
        self._acked_tags: list[int] = []
        self._lost_tags: list[int] = []
        self._last_ack = (-1, 0)
        self._loss = self._silent_since = 0.0
        self._counts = ConnectionCounts()

    # -- sending ------------------------------------------------------------------------------

    def send(self, channel: int, message: bytes, tag: int | None = None) -> None:
        """Queue a message.

        A full unreliable channel drops its oldest message; a full reliable one sets
        `close_reason`. Ignored once that is set.

        Args:
            channel: its number.
            message: at most `ChannelSpec.message_size_max` bytes.
            tag: unreliable only: what `take_acked` and `take_lost` call it.

        Raises:
            LocalProtocolError: there is no such channel, the message is too long, or a reliable
                message has a tag.
        """
        if not 0 <= channel < len(self._senders):
            raise LocalProtocolError(f"there is no channel {channel}")
        if len(message) > self._message_sizes_max[channel]:
            raise LocalProtocolError(
                f"message of {len(message)} bytes on channel {channel}, which takes "
                f"{self._message_sizes_max[channel]}: split it"
            )
        if self.close_reason is not None:
            return
        self._counts.messages_sent += 1
        sender = self._senders[channel]
        if isinstance(sender, UnreliableSender):
            sender.push(message, tag)
        elif tag is not None:
            raise LocalProtocolError(f"a tag on reliable channel {channel}")
        elif not sender.push(message):
            self.close_reason = CloseReason.CHANNEL_OVERFLOW

    def payloads_to_send(self, now: float) -> list[bytes]:
        """Pack what is due into payloads, each with an ack if one is due; empty if nothing is."""
        self._give_up_old(now)
        received = self._received
        waiting = [sender for sender in self._fill_order if sender.is_waiting]
        if not waiting and received.owed_since is None:
            return []
        payloads: list[bytes] = []
        words = received.ack_words if received.goes_along else 0
        if words > self._ack_limits.words:
            payloads.append(self._encode_ack_only(received.encode_ack(now, words), now))
            words = 1
        ack = received.encode_ack(now, words) if words else b""
        if waiting:
            self._budget.refill(now)
            while (payload := self._encode_packet(waiting, ack, now)) is not None:
                payloads.append(payload)
            if any(sender.is_waiting for sender in waiting):
                self._window.held_back()
            for sender in self._unreliable_senders:
                sender.left_over(now)
        if not payloads and received.owed_since is not None:
            payloads.append(self._encode_ack_only(ack, now))
        if payloads and ack:
            received.acks_sent()
        self._counts.packets_sent += len(payloads)
        self._counts.bytes_sent += sum(map(len, payloads))
        return payloads

    def allowance(self, now: float) -> int:
        """Bytes of unreliable messages that can leave now; what is written beyond it would wait."""
        self._budget.refill(now)
        return max(0, min(self._allowance.available(now), int(self._budget.unreliable)))

    def bound_allowance(self, rate: float) -> None:
        """Allow no more bytes per second from now on."""
        self._allowance.bound(rate)

    def _encode_packet(
        self, waiting: list[UnreliableSender | ReliableSender], ack: bytes, now: float
    ) -> bytes | None:
        """Fill one packet; None if there is nothing to send, or nothing that may be."""
        budget, window = self._budget, self._window
        sent = SentPacket(self._sent.next_sequence, now)
        chunks, loose = [b""], 0
        most = room = _ROOM - len(ack)
        for sender in waiting:
            if sender.is_reliable:
                if budget.reliable > 0 and window.is_open and self._sent.is_spanned:
                    room = sender.fill(chunks, sent, room)
            elif budget.unreliable > 0 and (left := sender.fill(chunks, sent, room)) < room:
                room, loose = left, len(chunks)
        if len(chunks) > 1 or (self._copies.at_once and budget.reliable > 0 and window.is_open):
            room = self._copies.fill(chunks, sent, room, self._loss)
        if len(chunks) == 1:
            return None
        if len(chunks) == loose:
            room += wire.leave_out_size(chunks)
        sent.size = size = most - room
        sent.ack_wanted = self._wants_ack(sent)
        chunks[0] = wire.encode_header(sent.sequence, sent.ack_wanted, ack)
        budget.reliable -= sent.reliable_size
        budget.unreliable -= size - sent.reliable_size
        sent.burst_size = self._allowance.spend(size + DATAGRAM_OVERHEAD_SIZE, now)
        window.sent(size, sent.reliable_size)
        for forgotten in self._sent.add(sent):
            self._packet_lost(forgotten)
        return b"".join(chunks)

    def _encode_ack_only(self, ack: bytes, now: float) -> bytes:
        sent = SentPacket(self._sent.next_sequence, now)
        sent.ack_wanted = self._wants_ack(sent)
        for forgotten in self._sent.add(sent) if sent.ack_wanted else self._sent.skip():
            self._packet_lost(forgotten)
        return wire.encode_header(sent.sequence, sent.ack_wanted, ack)

    def _wants_ack(self, sent: SentPacket) -> bool:
        asks = bool(sent.tags or sent.segments or self._unasked >= self._ack_limits.unasked_packets)
        self._unasked = 0 if asks else self._unasked + 1
        return asks

    # -- receiving ----------------------------------------------------------------------------

    def receive_payload(self, payload: bytes, now: float) -> list[tuple[int, list[bytes]]]:
        """Take a payload from the peer.

        A peer that contradicts itself or exceeds its limits sets `close_reason`.

        Returns:
            Channels, each with messages to deliver, in order.

        Raises:
            WireError: the payload is not a packet; nothing has changed.
        """
        packet = decode_packet_untrusted(payload, self._is_reliable)
        self._counts.packets_received += 1
        self._counts.bytes_received += len(payload)
        sequence = self._received.admit(packet.sequence, packet.ack_wanted, now)
        if sequence is None:
            self._counts.packets_stale += 1
            return []
        deliveries: list[tuple[int, list[bytes]]] = []
        try:
            if packet.ack >= 0 and self._last_ack != (packet.ack, packet.ack_bits):
                self._receive_ack(packet, now)
            for part in packet.parts:
                bodies = self._receivers[part.channel].receive(part, sequence)
                if bodies:
                    self._counts.messages_received += len(bodies)
                    deliveries.append((part.channel, bodies))
        except RemoteProtocolError:
            self.close_reason = self.close_reason or CloseReason.PROTOCOL_VIOLATION
        return deliveries

    def take_acked(self) -> list[int]:
        """Return the tags of messages that arrived, as far as is newly known."""
        tags, self._acked_tags = self._acked_tags, []
        return tags

    def take_lost(self) -> list[int]:
        """Return the tags of messages that are taken for lost, as far as is newly known."""
        tags, self._lost_tags = self._lost_tags, []
        for sender in self._unreliable_senders:
            if sender.dropped_tags:
                tags += sender.dropped_tags
                sender.dropped_tags = []
        return tags

    def _receive_ack(self, packet: Packet, now: float) -> None:
        """Settle the packets the peer says it has."""
        self._last_ack = (packet.ack, packet.ack_bits)
        newest = self._sent.restore_ack(packet.ack)
        if newest is None:
            self._counts.acks_invalid += 1
            return
        acked = self._sent.take_acked(newest, packet.ack_bits)
        if not acked:
            return
        judged = self._window.losses_judged
        if acked[0].sequence == newest:
            sent_at = acked[0].sent_at
            self._round_trip.add_sample(now - sent_at, packet.ack_delay_s)
            net_s = max(0.0, now - sent_at - packet.ack_delay_s)
            self._window.add_round_trip(net_s, sent_at, now)
            wait_s = self._window.wait_of(net_s)
            self._allowance.note_wait(wait_s, net_s, acked[0].burst_size, sent_at, now)
        self._settle_acked(acked, now)
        if self._window.losses_judged > judged:
            self._allowance.note_trouble(now)
        for sent in self._sent.take_lost(now, self._round_trip.rto_s):
            self._packet_lost(sent)
        self._budget.adapt(self._window.size, self._round_trip.rtt_s)

    def _settle_acked(self, acked: list[SentPacket], now: float) -> None:
        count, size, reliable_size, newest_at = 0, 0, 0, 0.0
        tags = self._acked_tags
        for sent in acked:
            if sent.is_missed:
                self._packet_late(sent, now)
            elif not sent.is_lost:
                if not count:
                    newest_at = sent.sent_at
                count += 1
                size += sent.size
                reliable_size += sent.reliable_size
            tags += sent.tags
            for segment in sent.segments:
                if not segment.is_acked:
                    segment.sender.segment_acked(segment)
        self._counts.packets_acked += len(acked)
        if count:
            self._loss *= (1 - self._limits.loss_weight) ** count
            self._window.settled(size, reliable_size)
            self._window.acked(count, newest_at, now)
            self._allowance.note_arrived(size + DATAGRAM_OVERHEAD_SIZE * count, now)

    def _packet_late(self, sent: SentPacket, now: float) -> None:
        """Learn from a packet that was missed, but acked after all."""
        self._counts.packets_late += 1
        self._loss = max(0.0, self._loss - self._limits.loss_weight)
        self._round_trip.add_late(now - sent.sent_at)
        self._window.late(sent.sent_at)

    # -- losses -------------------------------------------------------------------------------

    def _give_up_old(self, now: float) -> None:
        """Give up packets that are older than the time-out."""
        oldest = self._sent.oldest_sent_at
        if oldest is None:
            return
        rto_s = self._round_trip.rto_s
        if oldest + rto_s > now:
            return
        lost = self._sent.take_lost(now, rto_s)
        for sent in lost:
            self._packet_lost(sent)
        missed = [sent.sequence for sent in lost if sent.is_missed]
        if missed and self._sent.newest_acked < missed[0]:
            # Once is a lost tail; twice in a row is a link that carries nothing.
            if self._round_trip.back_off() > 1:
                self._window.collapse(now)
            else:
                self._silent_since = now
            self._budget.adapt(self._window.size, self._round_trip.rtt_s)
            if self._silent_since + self._limits.congestion.silent_s <= now:
                self._budget.starve()
                self._unasked = self._ack_limits.unasked_packets

    def _packet_lost(self, sent: SentPacket) -> None:
        self._window.settled(sent.size, sent.reliable_size)
        self._lost_tags += sent.tags
        if sent.is_missed:
            self._counts.packets_lost += 1
            self._loss += (1 - self._loss) * self._limits.loss_weight
            self._window.lost(sent.sent_at)
        for segment in sent.segments:
            segment.carriers -= 1
            if not segment.carriers:
                segment.sender.segment_lost(segment)

    # -- time and numbers ---------------------------------------------------------------------

    def next_timer(self) -> float | None:
        """When `payloads_to_send` should be called at the latest, if nothing happens before.

        That is for an ack owed, a packet to be given up, or messages held back by the budget.
        What was queued since the last call is for the caller to send when it sees fit.
        """
        timers = []
        if self.ack_due_at is not None:
            timers.append(self.ack_due_at)
        if self._window.has_reliable:
            oldest = self._sent.oldest_sent_at
            if oldest is not None:
                timers.append(oldest + self._round_trip.rto_s)
        budget = self._budget
        if budget.unreliable <= 0 and self._has_waiting(False):
            timers.append(budget.unreliable_ready_at)
        if budget.reliable <= 0 and self._window.is_open and self._has_waiting(True):
            timers.append(budget.reliable_ready_at)
        return min(timers, default=None)

    @property
    def ack_due_at(self) -> float | None:
        """When an ack should leave at the latest; None if none is owed."""
        return self._received.due_at(self._ack_limits)

    def _has_waiting(self, is_reliable: bool) -> bool:
        return any(
            sender.is_waiting for sender in self._senders if sender.is_reliable is is_reliable
        )

    def statistics(self) -> ConnectionStatistics:
        """Return a snapshot of the connection's numbers."""
        senders = self._senders
        return ConnectionStatistics(
            rtt_s=self._round_trip.rtt_s,
            rtt_s_min=self._round_trip.rtt_s_min,
            jitter_s=self._round_trip.jitter_s,
            rto_s=self._round_trip.rto_s,
            loss=self._loss,
            messages_dropped=sum(sender.dropped for sender in senders),
            messages_stale=sum(receiver.dropped for receiver in self._receivers),
            resends=sum(s.resends for s in senders if isinstance(s, ReliableSender)),
            copies_sent=self._copies.sent,
            queued_size=sum(sender.memory_size for sender in senders),
            waiting_size=sum(sender.memory_size for sender in self._unreliable_senders),
            window_size=int(self._window.size),
            in_flight_size=self._window.in_flight_size,
            send_rate=self._budget.rate,
            allowed_rate=self._allowance.rate,
            **self._counts.by_name(),
        )
