"""Limits of the transport: each above 0, and fitting each other, checked where they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest

from sidereal.protocol.channel.limits import (
    AWAITED_PACKETS_MAX,
    LIMITS,
    AckLimits,
    CongestionLimits,
    CopyLimits,
    TimeoutLimits,
    TransportLimits,
)
from sidereal.protocol.errors import ConfigError
from sidereal.protocol.limits import (
    ACK_SPAN_MAX,
    ACK_WORDS_PACKED_MAX,
    PAYLOAD_SIZE_MAX,
    RELIABLE_WINDOW_MAX,
)
from sidereal.protocol.session.limits import SessionLimits

GROUPS = [
    LIMITS,
    LIMITS.acks,
    LIMITS.timeouts,
    LIMITS.congestion,
    LIMITS.copies,
    LIMITS.sessions,
]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: type(group).__name__)
def test_no_limit_may_be_zero_or_below(group: object) -> None:
    for field in fields(group):  # type: ignore[arg-type]
        if isinstance(getattr(group, field.name), int | float):
            for value in (0, -1):
                with pytest.raises(ConfigError, match=f"{field.name} must be above 0"):
                    type(group)(**{field.name: value})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: AckLimits(span_packets=ACK_SPAN_MAX + 1), "span_packets must be at most"),
        (lambda: AckLimits(awaited_packets=ACK_SPAN_MAX - 1), "span_packets must be at most"),
        (lambda: AckLimits(awaited_packets=AWAITED_PACKETS_MAX + 1), "awaited_packets must be at"),
        (lambda: AckLimits(words=ACK_WORDS_PACKED_MAX + 1), "words must be at most 8"),
        (lambda: AckLimits(reorder_packets=65), "reorder_packets must be at most"),
        (lambda: TimeoutLimits(min_s=0.6), "min_s <= initial_s <= max_s"),
        (lambda: TimeoutLimits(max_s=0.4), "min_s <= initial_s <= max_s"),
        (lambda: CongestionLimits(size_min=PAYLOAD_SIZE_MAX - 1), "size_min <= size_initial"),
        (lambda: CongestionLimits(size_max=32 * PAYLOAD_SIZE_MAX - 1), "size_initial <= size_max"),
        (lambda: CongestionLimits(reliable_share=1.0), "reliable_share must be below 1"),
        (lambda: CongestionLimits(loss=1.0), "loss must be below 1"),
        (lambda: CongestionLimits(shrink_share=1.0), "shrink_share must be below 1"),
        (lambda: CongestionLimits(pace=0.9), "pace must be at least 1"),
        (lambda: CopyLimits(all_lost=1.0), "all_lost must be below 1"),
        (lambda: SessionLimits(datagrams=9), "disconnects must be at most datagrams"),
        (
            lambda: TransportLimits(reliable_window=RELIABLE_WINDOW_MAX + 1),
            "reliable_window must be at most 4096",
        ),
        (lambda: TransportLimits(loss_weight=1.1), "loss_weight must be at most 1"),
        (
            lambda: TransportLimits(congestion=CongestionLimits(size_max=4 << 20)),
            "congestion.size_max must be at most 2457600",
        ),
        (
            lambda: TransportLimits(congestion=CongestionLimits(silent_rate=2401.0)),
            "congestion.size_min must hold silent_rate for timeouts.max_s",
        ),
    ],
)
def test_what_would_contradict_itself_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make()


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"delay_s must be above 0; .*words must be at most"):
        AckLimits(delay_s=0.0, words=9)
