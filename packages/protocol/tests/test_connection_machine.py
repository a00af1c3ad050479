"""Whatever two connections send, and whatever the link does: the four guarantees hold."""

from __future__ import annotations

import math
import struct
from typing import Final

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sidereal.protocol import limits
from sidereal.protocol.channel.limits import LIMITS
from sidereal.protocol.channel.spec import ChannelSpec, Delivery
from sidereal.protocol.testing.link import LinkConfig
from sidereal.protocol.testing.pair import ConnectionPair
from sidereal.protocol.testing.small import draw_transport

CHANNELS: Final = tuple(ChannelSpec(delivery, 16 << 10) for delivery in Delivery)
MEMORY_MAX: Final = CHANNELS[0].memory_max
CLEAN: Final = LinkConfig(delay_s=0.02)
BAD: Final = (
    LinkConfig(delay_s=0.02, loss=0.5),
    LinkConfig(delay_s=0.02, jitter_s=0.1, duplication=0.5),
    LinkConfig(delay_s=0.02, jitter_s=0.02, reordering=0.5, reordering_s=0.3),
    LinkConfig(delay_s=0.1, loss=0.2, duplication=0.2, reordering=0.3),
    LinkConfig(delay_s=1.0),
    LinkConfig(loss=1.0),
)
LINKS: Final = (CLEAN, LinkConfig(), LinkConfig(delay_s=0.02, bytes_per_s=20_000), *BAD)
_HEAD: Final = struct.Struct("<I")
"""A message begins with its number, so that no two are the same."""

ends = st.sampled_from([0, 1])
sizes = st.one_of(st.integers(0, 40), st.integers(0, limits.UNRELIABLE_SIZE_MAX - _HEAD.size))
long_sizes = st.one_of(sizes, st.integers(limits.FRAGMENT_SIZE, 6 * limits.FRAGMENT_SIZE))


class Connections(RuleBasedStateMachine):
    """What was sent on each channel from each end, beside what came out at the other."""

    limits = LIMITS

    def __init__(self) -> None:
        super().__init__()
        self.pair = ConnectionPair(CHANNELS, CLEAN, seed=1, limits=self.limits)
        self.sent: list[list[bytes]] = [[] for _ in range(2 * len(CHANNELS))]
        self.came: list[list[int]] = [[] for _ in range(2 * len(CHANNELS))]
        """Places in `sent` of what came, in that order."""
        self.checked = [0, 0]
        self.count = 0
        self.numbers: dict[bytes, int] = {}
        self.tagged: dict[int, tuple[int, int]] = {}

    # -- what may happen ------------------------------------------------------------------------

    @rule(end=ends, channel=st.sampled_from([0, 1]), size=sizes, is_tagged=st.booleans())
    def send_unreliable(self, end: int, channel: int, size: int, is_tagged: bool) -> None:
        stream, place = self._note(end, channel, size)
        tag = self.count if is_tagged else None
        if tag is not None:
            self.tagged[tag] = stream, place
        self.pair.ends[end].send(channel, self.sent[stream][place], tag)

    @rule(end=ends, channel=st.sampled_from([2, 3]), size=long_sizes)
    def send_reliable(self, end: int, channel: int, size: int) -> None:
        queued = self.pair.ends[end].statistics().queued_size
        if queued + size + _HEAD.size + limits.MESSAGE_OVERHEAD_SIZE <= MEMORY_MAX:
            stream, place = self._note(end, channel, size)
            self.pair.ends[end].send(channel, self.sent[stream][place])

    @rule(
        end=ends,
        channel=st.sampled_from([0, 1, 2, 3, 2, 3]),
        count=st.integers(2, 40),
        size=st.sampled_from([400, 3000]),
        links=st.tuples(st.sampled_from(BAD), st.sampled_from(BAD)),
        seconds=st.sampled_from([0.1, 1.0, 3.0]),
    )
    def send_many_over_bad_links(
        self,
        end: int,
        channel: int,
        count: int,
        size: int,
        links: tuple[LinkConfig, LinkConfig],
        seconds: float,
    ) -> None:
        for link, config in zip(self.pair.wire.links, links, strict=True):
            link.config = config
        for _ in range(count):
            if CHANNELS[channel].delivery.is_reliable:
                self.send_reliable(end, channel, size)
            else:
                self.send_unreliable(end, channel, size // 3, is_tagged=True)
        self.pair.run(seconds)

    @rule(seconds=st.sampled_from([0.0, 0.02, 0.1, 0.6, 3.0]))
    def wait(self, seconds: float) -> None:
        self.pair.run(seconds)

    @rule(link=st.sampled_from(LINKS))
    def change_link(self, link: LinkConfig) -> None:
        self.pair.wire.configure(link)

    # -- what must hold -------------------------------------------------------------------------

    @invariant()
    def guarantees_hold(self) -> None:
        for end in (0, 1):
            delivered = self.pair.delivered[end]
            for channel, message in delivered[self.checked[end] :]:
                self._check_arrival(stream_of(1 - end, channel), channel, message)
            self.checked[end] = len(delivered)
        for end in (0, 1):
            tags = self.pair.acked[end]
            assert len(tags) == len(set(tags))
            for stream, place in (self.tagged[tag] for tag in tags):
                assert stream // len(CHANNELS) == end
                assert place in self.came[stream] or self._is_overtaken(stream, place)

    @invariant()
    def limits_are_kept(self) -> None:
        for end in self.pair.ends:
            numbers = end.statistics()
            assert end.close_reason is None
            assert 0 <= numbers.queued_size <= MEMORY_MAX * len(CHANNELS)
            assert 0 <= numbers.in_flight_size <= numbers.bytes_sent
            assert 0 <= numbers.loss <= 1
            assert numbers.acks_invalid == 0
            timeouts = self.limits.timeouts
            assert timeouts.min_s <= numbers.rto_s <= timeouts.max_s
            assert all(map(math.isfinite, (numbers.rtt_s, numbers.jitter_s)))

    def teardown(self) -> None:
        """Once the link is good again all that was promised comes, and nothing is left over."""
        self._settle()
        for end in (0, 1):
            for channel in (2, 3):
                self._fill_behind_a_lost_message(end, channel)
        self._settle()
        for stream, sent in enumerate(self.sent):
            if CHANNELS[stream % len(CHANNELS)].delivery.is_reliable:
                assert sorted(self.came[stream]) == list(range(len(sent)))
        assert [end.statistics().queued_size for end in self.pair.ends] == [0, 0]
        assert [end.statistics().in_flight_size for end in self.pair.ends] == [0, 0]

    def _fill_behind_a_lost_message(self, end: int, channel: int) -> None:
        """Make the receiver hold all that a channel may send: it must have its memory back."""
        self.pair.wire.configure(LinkConfig(loss=1.0))
        self.send_reliable(end, channel, 0)
        self.pair.run(0.01)
        self.pair.wire.configure(CLEAN)
        for _ in range(MEMORY_MAX // 400):
            self.send_reliable(end, channel, 400)
        self._settle()

    def _settle(self) -> None:
        self.pair.wire.configure(CLEAN)
        self.pair.run_until_idle(120.0)
        self.pair.run(
            2 * self.limits.timeouts.max_s
        )  # for what was sent again and need not have been
        self.guarantees_hold()
        self.limits_are_kept()

    def _note(self, end: int, channel: int, size: int) -> tuple[int, int]:
        """Make a message and remember it; returns its stream and its place there."""
        self.count += 1
        message = _HEAD.pack(self.count) + bytes(size)
        stream = stream_of(end, channel)
        self.numbers[message] = len(self.sent[stream])
        self.sent[stream].append(message)
        return stream, self.numbers[message]

    def _is_overtaken(self, stream: int, place: int) -> bool:
        """Whether a message came, but after a newer one that made it worthless."""
        is_sequenced = CHANNELS[stream % len(CHANNELS)].delivery is Delivery.UNRELIABLE_SEQUENCED
        return is_sequenced and any(place < newer for newer in self.came[stream])

    def _check_arrival(self, stream: int, channel: int, message: bytes) -> None:
        came, place = self.came[stream], self.numbers[message]
        assert self.sent[stream][place] == message
        assert place not in came
        match CHANNELS[channel].delivery:
            case Delivery.UNRELIABLE_SEQUENCED:
                assert not came or place > came[-1]
            case Delivery.RELIABLE_ORDERED:
                assert place == len(came)
        came.append(place)


def stream_of(end: int, channel: int) -> int:
    """Number what is sent from an end on a channel."""
    return end * len(CHANNELS) + channel


class SmallConnections(Connections):
    """The same with limits that are met all the while."""

    limits = draw_transport(np.random.default_rng(5))


TestConnections = Connections.TestCase
TestConnections.settings = settings(
    derandomize=True, deadline=None, max_examples=100, stateful_step_count=40
)
TestSmallConnections = SmallConnections.TestCase
TestSmallConnections.settings = settings(
    derandomize=True, deadline=None, max_examples=12, stateful_step_count=40
)
