"""What connections and endpoints report of themselves."""

from __future__ import annotations

from dataclasses import dataclass

from sidereal.protocol.session.statistics import SessionClientStatistics, SessionServerStatistics


@dataclass(slots=True)
class ConnectionCounts:
    """What a connection counts; see `ConnectionStatistics`."""

    packets_sent: int = 0
    packets_received: int = 0
    packets_acked: int = 0
    packets_lost: int = 0
    packets_late: int = 0
    packets_stale: int = 0
    acks_invalid: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    messages_sent: int = 0
    messages_received: int = 0

    def by_name(self) -> dict[str, int]:
        """Give all of them; `asdict` takes five times as long, and this is asked in every tick."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class ConnectionStatistics:
    """How a connection is doing; sizes in bytes of payload, times in seconds.

    Attributes:
        rtt_s: smoothed round trip without the peer's wait before it acked; 0 if unknown.
        rtt_s_min: shortest of them; infinite if unknown.
        jitter_s: mean deviation of the round trip.
        rto_s: after how long an unacked packet is given up.
        loss: share of the newest packets that were lost.
        packets_late: given up, but acked after all (also counted as lost).
        packets_stale: came twice, or too late to tell.
        acks_invalid: acks of packets that were never sent.
        resends: reliable segments (runs of messages, fragments) sent again because they were lost.
        copies_sent: redundant copies of reliable segments.
        messages_dropped: unreliable ones for which there was no room, in memory or in time.
        messages_stale: received twice, or after a newer one where that counts.
        queued_size: what the channels hold to be sent or acked.
        waiting_size: unreliable messages among that: they wait until they may be sent.
        window_size: congestion window.
        in_flight_size: bytes of messages sent and neither acked nor given up.
        send_rate: bytes of messages per second that the budget allows now.
        allowed_rate: bytes per second of which the link carries so much without a queue.
    """

    rtt_s: float
    rtt_s_min: float
    jitter_s: float
    rto_s: float
    loss: float
    packets_sent: int
    packets_received: int
    packets_acked: int
    packets_lost: int
    packets_late: int
    packets_stale: int
    acks_invalid: int
    bytes_sent: int
    bytes_received: int
    messages_sent: int
    messages_received: int
    messages_dropped: int
    messages_stale: int
    resends: int
    copies_sent: int
    queued_size: int
    waiting_size: int
    window_size: int
    in_flight_size: int
    send_rate: float
    allowed_rate: float


@dataclass(frozen=True, slots=True)
class ServerEndpointStatistics:
    """Counts of a server endpoint.

    Attributes:
        peers: connected now.
        payloads_malformed: authenticated payloads that made no sense.
        payloads_refused: payloads of peers of which more waited than their channels hold, since all
            events were last taken.
        session: of the sessions below.
    """

    peers: int
    payloads_malformed: int
    payloads_refused: int
    session: SessionServerStatistics


@dataclass(frozen=True, slots=True)
class ClientEndpointStatistics:
    """Counts of a client endpoint; as `ServerEndpointStatistics`."""

    payloads_malformed: int
    payloads_refused: int
    session: SessionClientStatistics
