"""Limits of the transport drawn small, so that what they bound happens in a short run.

By default thousands of packets are awaited and windows hold hundreds: on the links of a test hardly
anything is ever forgotten, held back or starved.
"""

from __future__ import annotations

import numpy as np

from sidereal.protocol.channel.limits import (
    AckLimits,
    CongestionLimits,
    CopyLimits,
    TimeoutLimits,
    TransportLimits,
)
from sidereal.protocol.limits import PAYLOAD_SIZE_MAX
from sidereal.protocol.session.limits import SessionLimits


def draw_transport(rng: np.random.Generator) -> TransportLimits:
    """Draw the limits of one end; the other end may have others."""
    timeouts = _draw_timeouts(rng)
    return TransportLimits(
        reliable_window=int(rng.integers(16, 65)),
        unreliable_wait_s=float(rng.uniform(0.02, 0.2)),
        loss_weight=float(rng.uniform(1 / 64, 1 / 4)),
        malformed_payloads=int(rng.integers(1, 16)),
        acks=_draw_acks(rng),
        timeouts=timeouts,
        congestion=_draw_congestion(rng, timeouts.max_s),
        copies=CopyLimits(
            segment_size=int(rng.integers(16, 257)),
            segments=int(rng.integers(1, 5)),
            copies=int(rng.integers(1, 4)),
            all_lost=float(rng.uniform(1e-3, 0.05)),
        ),
        sessions=SessionLimits(
            handshakes_per_slot=int(rng.integers(1, 5)),
            tokens_per_slot=int(rng.integers(1, 9)),
            disconnects=int(rng.integers(4, 11)),
            again_s=float(rng.uniform(0.05, 0.2)),
            keep_alive_s=float(rng.uniform(0.05, 0.4)),
        ),
    )


def _draw_acks(rng: np.random.Generator) -> AckLimits:
    span_packets = int(rng.integers(32, 97))
    reorder_packets = int(rng.integers(1, 4))
    return AckLimits(
        awaited_packets=span_packets + int(rng.integers(0, 33)),
        span_packets=span_packets,
        words=int(rng.integers(1, 3)),
        delay_s=float(rng.uniform(0.002, 0.02)),
        late_s=float(rng.uniform(0.05, 0.5)),
        reorder_packets=reorder_packets,
        reorder_packets_max=reorder_packets + int(rng.integers(0, 5)),
        unasked_packets=int(rng.integers(1, 6)),
    )


def _draw_timeouts(rng: np.random.Generator) -> TimeoutLimits:
    min_s = float(rng.uniform(0.02, 0.1))
    initial_s = min_s + float(rng.uniform(0.05, 0.2))
    return TimeoutLimits(
        initial_s=initial_s,
        min_s=min_s,
        max_s=initial_s + float(rng.uniform(0.05, 0.5)),
        doublings=int(rng.integers(1, 4)),
    )


def _draw_congestion(rng: np.random.Generator, timeout_s_max: float) -> CongestionLimits:
    size_min = int(rng.integers(2, 5)) * PAYLOAD_SIZE_MAX
    size_initial = size_min + int(rng.integers(0, 9)) * PAYLOAD_SIZE_MAX
    silent_rate = float(rng.uniform(0.25, 0.75)) * size_min / timeout_s_max
    return CongestionLimits(
        size_initial=size_initial,
        size_min=size_min,
        size_max=size_initial + int(rng.integers(0, 33)) * PAYLOAD_SIZE_MAX,
        reliable_share=float(rng.uniform(0.1, 0.5)),
        loss=float(rng.uniform(0.05, 0.2)),
        losses=int(rng.integers(1, 7)),
        queue_s=float(rng.uniform(0.01, 0.05)),
        queue_share=float(rng.uniform(0.1, 0.5)),
        shrink_share=float(rng.uniform(0.2, 0.6)),
        trips=int(rng.integers(2, 9)),
        evidence_packets=int(rng.integers(4, 33)),
        base_s=float(rng.uniform(0.2, 1.0)),
        pace=float(rng.uniform(1.0, 1.5)),
        pace_s=float(rng.uniform(0.001, 0.01)),
        rtt_assumed_s=float(rng.uniform(0.02, 0.1)),
        silent_s=float(rng.uniform(0.2, 1.0)),
        silent_rate=silent_rate,
    )
