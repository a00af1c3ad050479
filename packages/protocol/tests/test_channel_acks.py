from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol import limits
from sidereal.protocol.channel.acks import ReceivedPackets, SentPackets, restore
from sidereal.protocol.channel.limits import LIMITS, AckLimits
from sidereal.protocol.channel.packet import decode_packet_untrusted, encode_header
from sidereal.protocol.channel.sent import Segment, SegmentSender, SentPacket
from sidereal.protocol.errors import RemoteProtocolError
from sidereal.protocol.testing.effort import count_lines

RTO_S = 0.2
SEGMENT = Segment(cast("SegmentSender", None), 0, b"", 0)


def acked_by(received: ReceivedPackets) -> set[int]:
    """The sequences that the next ack speaks of."""
    ack = received.encode_ack(0.0, received.ack_words)
    packet = decode_packet_untrusted(encode_header(0, False, ack), [])
    if packet.ack < 0:
        return set()
    newest = restore(received.newest, packet.ack, 16)
    bits = packet.ack_bits
    return {newest} | {newest - 1 - i for i in range(bits.bit_length()) if bits >> i & 1}


def send(
    sent: SentPackets,
    count: int,
    at: float = 0.0,
    ack_wanted: bool = True,
    segments: Sequence[Segment] = (),
) -> None:
    for _ in range(count):
        packet = SentPacket(sent.next_sequence, at)
        packet.ack_wanted = ack_wanted
        packet.segments += segments
        sent.add(packet)


def sequences(packets: list[SentPacket]) -> list[int]:
    return [packet.sequence for packet in packets]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.integers(0, 1 << 40), st.integers(-(1 << 15), (1 << 15) - 1))
def test_a_number_near_by_is_restored_from_its_low_bits(near: int, distance: int) -> None:
    assert restore(near, (near + distance) & 0xFFFF, 16) == near + distance


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.integers(0, 5000) | st.integers(0, 100), max_size=60))
def test_a_packet_is_new_once_unless_it_is_too_old(arrivals: list[int]) -> None:
    received = ReceivedPackets()
    seen: set[int] = set()
    newest = -1
    for sequence in arrivals:
        is_old = newest - sequence >= limits.ACK_SPAN_MAX
        is_new = sequence not in seen and not is_old
        assert received.admit(sequence, True, 0.0) == (sequence if is_new else None)
        if is_new:
            seen.add(sequence)
            newest = max(newest, sequence)
        assert received.newest == newest


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.lists(st.integers(0, 900), max_size=12), max_size=8))
def test_a_packet_is_acked_three_times(batches: list[list[int]]) -> None:
    received = ReceivedPackets()
    seen: list[set[int]] = []
    for batch in batches:
        came: set[int] = set()
        for sequence in batch:
            if received.admit(sequence, True, 0.0) is not None:
                came.add(sequence)
        seen.append(came)
        acked = acked_by(received)
        assert set().union(*seen[-3:]) <= acked <= set().union(*seen)
        received.acks_sent()


def test_an_ack_is_owed_only_for_packets_that_want_one() -> None:
    received = ReceivedPackets()
    received.admit(0, False, 1.0)
    assert received.owed_since is None
    received.admit(1, True, 2.0)
    received.admit(2, True, 3.0)
    assert received.owed_since == 2.0
    received.acks_sent()
    assert received.owed_since is None


def test_an_ack_goes_along_while_it_is_owed_and_once_again() -> None:
    received = ReceivedPackets()
    received.admit(0, False, 0.0)
    assert not received.goes_along
    received.admit(1, True, 0.0)
    for _ in range(2):
        assert received.goes_along
        received.acks_sent()
    assert not received.goes_along


def test_acks_span_no_more_than_the_limit() -> None:
    received = ReceivedPackets()
    for sequence in range(limits.ACK_SPAN_MAX + 10):
        received.admit(sequence, True, 0.0)
    assert received.ack_words == limits.ACK_WORDS_MAX
    assert min(acked_by(received)) == 10
    assert received.admit(9, True, 0.0) is None


def test_a_jump_of_the_sequence_forgets_what_was_before() -> None:
    received = ReceivedPackets()
    received.admit(0, True, 0.0)
    received.admit(30_000, True, 0.0)
    assert acked_by(received) == {30_000}
    assert received.admit(0, True, 0.0) is None


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, (1 << 50) - 1)), max_size=20))
def test_a_packet_is_taken_as_acked_once_and_only_if_the_ack_says_so(
    acks: list[tuple[int, int]],
) -> None:
    sent = SentPackets()
    taken: set[int] = set()
    for count, bits in acks:
        send(sent, count)
        if not sent.next_sequence:
            continue
        ack = sent.next_sequence - 1 - bits % min(sent.next_sequence, 7)
        said = {ack} | {ack - 1 - i for i in range(50) if bits >> i & 1}
        news = sequences(sent.take_acked(ack, bits))
        assert news == sorted(news, reverse=True)
        assert set(news) == {s for s in said if s >= 0} - taken
        taken |= set(news)


def test_an_ack_of_a_packet_never_sent_is_told_apart() -> None:
    sent = SentPackets()
    assert sent.restore_ack(0) is None
    send(sent, 5)
    assert sent.restore_ack(4) == 4
    assert sent.restore_ack(5) is None
    assert sent.restore_ack(0xFFFF) is None


def test_a_packet_is_given_up_when_three_later_ones_are_acked() -> None:
    sent = SentPackets()
    send(sent, 5)
    sent.take_acked(2, 0b1)
    assert sequences(sent.take_lost(0.0, RTO_S)) == []
    sent.take_acked(3, 0)
    assert sequences(sent.take_lost(0.0, RTO_S)) == [0]
    assert sequences(sent.take_lost(0.0, RTO_S)) == []


def test_a_packet_is_given_up_at_an_age() -> None:
    sent = SentPackets()
    send(sent, 2, at=1.0)
    send(sent, 1, at=1.1)
    assert sequences(sent.take_lost(1.0 + RTO_S - 0.001, RTO_S)) == []
    assert sequences(sent.take_lost(1.0 + RTO_S, RTO_S)) == [0, 1]


def test_only_packets_the_peer_had_cause_to_ack_are_missed() -> None:
    sent = SentPackets()
    send(sent, 1, ack_wanted=False)
    send(sent, 1)
    old = sent.take_lost(10.0, RTO_S)
    assert [packet.is_missed for packet in old] == [False, True]
    send(sent, 1, at=10.0, ack_wanted=False)
    send(sent, 3, at=10.0)
    sent.take_acked(5, 0b11)
    (overtaken,) = sent.take_lost(10.0, RTO_S)
    assert overtaken.is_missed


def test_reliable_packets_are_spanned_while_one_ack_can_speak_of_all_in_flight() -> None:
    sent = SentPackets()
    send(sent, 10)
    send(sent, limits.ACK_SPAN_MAX - 1, segments=[SEGMENT])
    assert sent.is_spanned
    send(sent, 1)
    assert not sent.is_spanned
    sent.take_acked(10, 0)
    assert sent.is_spanned
    sent.take_lost(RTO_S, RTO_S)
    send(sent, 100, at=10.0, segments=[SEGMENT])
    assert sent.is_spanned


def test_what_is_forgotten_is_not_in_flight_any_more() -> None:
    sent = SentPackets(limits=AckLimits(awaited_packets=8, span_packets=8))
    send(sent, 1, segments=[SEGMENT])
    send(sent, 7)
    assert not sent.is_spanned
    (forgotten,) = sent.skip()
    assert forgotten.segments == [SEGMENT]
    assert sent.is_spanned
    assert sent.oldest_sent_at == 0.0
    assert sequences(sent.take_acked(8, -1)) == list(range(7, 0, -1))


def test_packets_given_up_are_no_more_work() -> None:
    efforts = []
    for count in (100, 4000):
        sent = SentPackets()
        send(sent, count, ack_wanted=False)
        sent.take_lost(8.0, RTO_S)
        send(sent, 1, at=9.0)
        look = partial(getattr, sent, "oldest_sent_at")
        efforts.append((count_lines(partial(sent.take_lost, 9.0, RTO_S)), count_lines(look)))
    assert efforts[0] == efforts[1]


def test_a_late_ack_of_a_packet_given_up_counts_and_makes_more_patient() -> None:
    sent = SentPackets()
    send(sent, 10)
    sent.take_acked(9, 0)
    assert len(sent.take_lost(0.0, RTO_S)) == 7
    late = sent.take_acked(9, 1 << 4)
    assert sequences(late) == [4]
    assert late[0].is_lost
    assert sent.reorder == 6


def test_an_age_given_up_does_not_make_more_patient() -> None:
    sent = SentPackets()
    send(sent, 10)
    sent.take_lost(10.0, RTO_S)
    sent.take_acked(9, (1 << 9) - 1)
    assert sent.reorder == LIMITS.acks.reorder_packets


def test_packets_given_up_long_ago_are_forgotten() -> None:
    sent = SentPackets()
    send(sent, 1, at=0.0)
    sent.take_lost(1.0, RTO_S)
    send(sent, 1, at=4.0)
    sent.take_lost(5.0, RTO_S)
    assert sequences(sent.take_acked(1, 0b1)) == [1]


def test_no_more_packets_are_awaited_than_the_limit() -> None:
    sent = SentPackets()
    send(sent, LIMITS.acks.awaited_packets)
    assert sequences(sent.add(SentPacket(sent.next_sequence, 0.0))) == [0]
    assert sequences(sent.skip()) == [1]
    newest = sent.next_sequence - 1
    assert len(sent.take_acked(newest, -1)) == LIMITS.acks.awaited_packets - 1
    assert sent.oldest_sent_at is None


def numbers_left_out(seed: int) -> tuple[SentPackets, list[int]]:
    sent = SentPackets(np.random.default_rng(seed).bytes)
    left_out: list[int] = []
    for _ in range(2000):
        number = sent.next_sequence
        send(sent, 1)
        left_out += range(number + 1, sent.next_sequence)
    return sent, left_out


def test_nobody_can_tell_which_numbers_are_left_out() -> None:
    drawn = [numbers_left_out(seed)[1] for seed in range(20)]
    assert all(5 < len(left_out) < 40 for left_out in drawn)
    assert len({number for left_out in drawn for number in left_out}) > 250


@pytest.mark.parametrize("behind", [0, 1, 100])
def test_an_ack_of_a_number_that_was_left_out_is_the_peers_fault(behind: int) -> None:
    sent, left_out = numbers_left_out(2)
    newest = left_out[-1]
    assert newest + behind < sent.next_sequence
    honest = (1 << 2000) - 1 & ~(1 << behind >> 1)
    if behind:
        assert sent.take_acked(newest + behind, honest)
    with pytest.raises(RemoteProtocolError):
        sent.take_acked(newest + behind, honest | 1 << behind >> 1)
