"""The numbers of the transport that only tuning decides, by the part that goes by them.

They are given to both kinds of endpoint, so that a test or a seed can make them small: what is
forgotten, given up, starved or dropped then is so in a short run. None of them is on the wire, and
the two ends of a link may have different ones. What both must agree on, and what is laid out in
bytes, stands in `sidereal.protocol.limits`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sidereal.protocol.limits import (
    ACK_SPAN_MAX,
    ACK_WORDS_PACKED_MAX,
    PAYLOAD_SIZE_MAX,
    RELIABLE_WINDOW_MAX,
    check_limits,
)
from sidereal.protocol.session.limits import SessionLimits

AWAITED_PACKETS_MAX: Final = (1 << 15) - 1
"""Of the sequence numbers of an ack, with their 16 bits, only so many can be told apart."""


@dataclass(frozen=True, slots=True)
class AckLimits:
    """For how many packets, and for how long, acks are awaited and owed.

    Attributes:
        awaited_packets: packets sent of which an ack is still awaited; the oldest is forgotten
            first.
        span_packets: reliable messages wait while so many packets passed since the oldest in flight
            that has some: one ack is to speak of all of these.
        words: words of an ack that travels beside messages; a wider one goes in a packet of its
            own.
        delay_s: an ack that found no message to travel with waits no longer.
        at_once_packets: nor does one that so many packets wait for: their sender may have filled
            its window with them.
        late_s: how long after a packet was given up its ack may still come.
        reorder_packets: a packet is given up when so many later ones were acked.
        reorder_packets_max: how far that number grows when packets given up turn out to have been
            late.
        unasked_packets: packets in a row that ask for no ack. The next one asks: else the sender
            would never know.
    """

    awaited_packets: int = 4096
    span_packets: int = ACK_SPAN_MAX
    words: int = ACK_WORDS_PACKED_MAX
    delay_s: float = 0.02
    at_once_packets: int = 16
    late_s: float = 2.0
    reorder_packets: int = 3
    reorder_packets_max: int = 64
    unasked_packets: int = 15

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if not self.span_packets <= min(self.awaited_packets, ACK_SPAN_MAX):
            problems.append(f"span_packets must be at most awaited_packets and {ACK_SPAN_MAX}")
        if self.awaited_packets > AWAITED_PACKETS_MAX:
            problems.append(f"awaited_packets must be at most {AWAITED_PACKETS_MAX}")
        if self.words > ACK_WORDS_PACKED_MAX:
            problems.append(f"words must be at most {ACK_WORDS_PACKED_MAX}")
        if self.reorder_packets > self.reorder_packets_max:
            problems.append("reorder_packets must be at most reorder_packets_max")
        check_limits(self, problems)


@dataclass(frozen=True, slots=True)
class TimeoutLimits:
    """When a packet of which no ack comes is taken for lost.

    Attributes:
        initial_s: before the first round trip is known.
        min_s: however short round trips are.
        max_s: however long they are, and however often nothing came back.
        doublings: how often it is doubled while nothing comes back.
    """

    initial_s: float = 0.5
    min_s: float = 0.1
    max_s: float = 2.0
    doublings: int = 6

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if not self.min_s <= self.initial_s <= self.max_s:
            problems.append("min_s <= initial_s <= max_s must hold")
        check_limits(self, problems)


@dataclass(frozen=True, slots=True)
class CongestionLimits:
    """How much may be in flight, and what is taken for a sign of too much.

    Attributes:
        size_initial: congestion window at first, bytes.
        size_min: it never shrinks below that.
        size_max: it never grows above that.
        reliable_share: of the window and of the budget is for reliable messages in any case.
        loss: share of a round's packets that may be lost before the window shrinks.
        losses: so many lost packets are never trouble, whatever their share.
        queue_s: how long packets may wait in queues before it shrinks, on short round trips.
        queue_share: the same as a share of the round trip; the longer of the two counts.
        shrink_share: it never shrinks to less than this share at once.
        trips: round trips in a row of which one is likely to be fast, if any can be.
        evidence_packets: packets acked or lost until what they tell is forgotten.
        base_s: the fastest round trip is forgotten after this time or up to twice as much, trouble
            after it.
        pace: the bucket fills that much faster than a window per round trip.
        pace_s: a connection that has spent its budget looks again no sooner.
        rtt_assumed_s: before the first round trip is known.
        rtt_min_s: none is taken to be shorter.
        silent_s: how long a peer may ack nothing at all. It may have left, and others may have its
            address now: from then on it is sent at most `silent_rate`.
        silent_rate: bytes per second to a peer that has been silent for so long.
    """

    size_initial: int = 32 * PAYLOAD_SIZE_MAX
    size_min: int = 4 * PAYLOAD_SIZE_MAX
    size_max: int = 2 << 20
    reliable_share: float = 0.25
    loss: float = 0.1
    losses: int = 6
    queue_s: float = 0.05
    queue_share: float = 0.5
    shrink_share: float = 0.3
    trips: int = 16
    evidence_packets: int = 64
    base_s: float = 10.0
    pace: float = 1.25
    pace_s: float = 0.002
    rtt_assumed_s: float = 0.1
    rtt_min_s: float = 0.001
    silent_s: float = 5.0
    silent_rate: float = 2400.0

    def __post_init__(self) -> None:
        """Check them."""
        problems = [
            f"{name} must be below 1"
            for name in ("reliable_share", "loss", "shrink_share")
            if getattr(self, name) >= 1.0
        ]
        if not PAYLOAD_SIZE_MAX <= self.size_min <= self.size_initial <= self.size_max:
            problems.append(f"{PAYLOAD_SIZE_MAX} <= size_min <= size_initial <= size_max must hold")
        if self.pace < 1.0:
            problems.append("pace must be at least 1")
        check_limits(self, problems)


@dataclass(frozen=True, slots=True)
class AllowanceLimits:
    """How much state may be written, see `allowance`.

    Attributes:
        rate_initial: bytes per second before anything is known of the link.
        burst_s: what was not used in so long is not saved up.
        burst_size: bytes that are saved up all the same: less than that may be no datagram.
        debt_s: what others took beyond the rate is made up for within so long, or not at all.
        queue_s: how long packets may wait in queues.
        queue_unused_s: the same while not all is used that may leave.
        trips: round trips in a row of which one is likely to be fast, if any can be.
        carried_s: the most that was seen to come through is forgotten after this time or up to
            twice as much.
        arrived_s: over how long it is measured what arrives.
        share: of what arrives may be sent while a queue drains.
        beyond: what was too much is so much more than what arrived then.
        growth: of the rate in a round trip, at first after it has fallen, and while packets wait.
        growth_near: the same at most close to what was too much, and while some packets wait.
        growth_beyond: the same at most elsewhere; it is squared each time while nothing waits.
        falls: of the rate in a row, after which packets that wait as long do not wait for each
            other.
        accepted_s: for how long such a wait is accepted: by then what was fastest is forgotten.
    """

    rate_initial: float = 20e3
    burst_s: float = 0.1
    burst_size: int = 500
    debt_s: float = 0.5
    queue_s: float = 0.03
    queue_unused_s: float = 0.05
    trips: int = 3
    carried_s: float = 5.0
    arrived_s: float = 0.5
    share: float = 0.85
    beyond: float = 1.1
    growth: float = 1.02
    growth_near: float = 1.025
    growth_beyond: float = 1.5
    falls: int = 3
    accepted_s: float = 20.0

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if self.share >= 1.0:
            problems.append("share must be below 1")
        if not 1.0 <= self.growth <= self.growth_near <= self.growth_beyond:
            problems.append("1 <= growth <= growth_near <= growth_beyond must hold")
        if self.beyond < 1.0:
            problems.append("beyond must be at least 1")
        if self.queue_s > self.queue_unused_s:
            problems.append("queue_s must be at most queue_unused_s")
        check_limits(self, problems)


@dataclass(frozen=True, slots=True)
class CopyLimits:
    """Of what redundant copies are sent, and how many.

    Attributes:
        segment_size: bytes of a reliable segment, at most.
        segments: that wait to be copied at a time; the oldest is left out first. As many may wait
            to be copied at once; the newest is left out first.
        copies: of one segment.
        all_lost: share of segments that may be lost with all their copies.
    """

    segment_size: int = 256
    segments: int = 16
    copies: int = 2
    all_lost: float = 1e-3

    def __post_init__(self) -> None:
        """Check them."""
        check_limits(self, ["all_lost must be below 1"] if self.all_lost >= 1.0 else [])


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """All of them.

    Attributes:
        reliable_window: reliable messages of one channel from the oldest unacked to the newest
            sent; others wait.
        unreliable_wait_s: an unreliable message that could not be sent for so long is dropped.
        loss_weight: of a packet in the share of packets that are lost.
        malformed_payloads: of one peer that made no sense; one more closes its session.
    """

    reliable_window: int = RELIABLE_WINDOW_MAX
    unreliable_wait_s: float = 0.1
    loss_weight: float = 1 / 64
    malformed_payloads: int = 16
    acks: AckLimits = field(default_factory=AckLimits)
    timeouts: TimeoutLimits = field(default_factory=TimeoutLimits)
    congestion: CongestionLimits = field(default_factory=CongestionLimits)
    allowance: AllowanceLimits = field(default_factory=AllowanceLimits)
    copies: CopyLimits = field(default_factory=CopyLimits)
    sessions: SessionLimits = field(default_factory=SessionLimits)

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if self.reliable_window > RELIABLE_WINDOW_MAX:
            problems.append(f"reliable_window must be at most {RELIABLE_WINDOW_MAX}")
        if self.loss_weight > 1.0:
            problems.append("loss_weight must be at most 1")
        if self.congestion.size_max > ACK_SPAN_MAX * PAYLOAD_SIZE_MAX:
            problems.append(
                f"congestion.size_max must be at most {ACK_SPAN_MAX * PAYLOAD_SIZE_MAX}"
            )
        if self.congestion.silent_rate * self.timeouts.max_s > self.congestion.size_min:
            problems.append("congestion.size_min must hold silent_rate for timeouts.max_s")
        check_limits(self, problems)


LIMITS: Final = TransportLimits()
"""What connections run on."""
