from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol import limits
from sidereal.protocol.channel.packet import Part, decode_packet_untrusted, encode_header
from sidereal.protocol.channel.reliable import ReliableReceiver, ReliableSender
from sidereal.protocol.channel.sent import Segment, SentPacket
from sidereal.protocol.channel.spec import ChannelSpec, Delivery
from sidereal.protocol.channel.unreliable import SequencedReceiver, UnreliableSender
from sidereal.protocol.errors import RemoteProtocolError

MEMORY = 16 << 10
ORDERED = ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=MEMORY)
UNORDERED = ChannelSpec(Delivery.RELIABLE_UNORDERED, memory_max=MEMORY)
UNRELIABLE = ChannelSpec(Delivery.UNRELIABLE, memory_max=MEMORY)
OVERHEAD = limits.MESSAGE_OVERHEAD_SIZE


def take_packet(sender: ReliableSender) -> tuple[SentPacket, list[Part]]:
    """Fill one packet; what it carries, as the other end decodes it."""
    sent = SentPacket(0, 0.0)
    chunks = [encode_header(0, False, b"")]
    sender.fill(chunks, sent, limits.PAYLOAD_SIZE_MAX - 4)
    return sent, decode_packet_untrusted(b"".join(chunks), [True]).parts


def whole(message_id: int, *bodies: bytes) -> Part:
    return Part(0, message_id, 0, 1, list(bodies or [b"x"]))


def fragment(message_id: int, index: int, count: int, body: bytes) -> Part:
    return Part(0, message_id, index, count, [body])


def lose(segment: Segment) -> None:
    """As when no packet carries it any more."""
    segment.sender.segment_lost(segment)


def ack(segment: Segment) -> None:
    segment.sender.segment_acked(segment)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.sampled_from([ORDERED, UNORDERED]),
    st.lists(st.integers(0, 4000), max_size=12),
    st.randoms(use_true_random=False),
)
def test_shuffled_and_repeated_parts_deliver_every_message_once(
    spec: ChannelSpec, sizes: list[int], random: Random
) -> None:
    spec = ChannelSpec(spec.delivery, memory_max=1 << 20)
    sender, receiver = ReliableSender(0, spec), ReliableReceiver(spec)
    messages = [bytes([n]) * size for n, size in enumerate(sizes)]
    for message in messages:
        assert sender.push(message)
    parts: list[Part] = []
    while sender.is_waiting:
        parts += take_packet(sender)[1]
    parts += parts
    random.shuffle(parts)
    delivered = [body for part in parts for body in receiver.receive(part, 0)]
    if spec.delivery is Delivery.RELIABLE_ORDERED:
        assert delivered == messages
    else:
        assert sorted(delivered) == sorted(messages)
    assert receiver.memory_size == 0


def test_small_messages_share_a_packet_and_large_ones_are_cut() -> None:
    sender = ReliableSender(0, ORDERED)
    for size in (10, 20, limits.FRAGMENT_SIZE, limits.FRAGMENT_SIZE + 1):
        sender.push(bytes(size))
    _, (run,) = take_packet(sender)
    assert run.message_id == 0
    assert [len(body) for body in run.bodies] == [10, 20, limits.FRAGMENT_SIZE]
    _, second = take_packet(sender)
    assert [(part.fragment, part.fragments, len(part.bodies[0])) for part in second] == [
        (0, 2, limits.FRAGMENT_SIZE),
        (1, 2, 1),
    ]
    assert not sender.is_waiting


def test_a_segment_fits_any_later_packet_however_wide_its_ack() -> None:
    sender = ReliableSender(0, ORDERED)
    for _ in range(20):
        sender.push(bytes(107))
    sent, _ = take_packet(sender)
    room = limits.PAYLOAD_SIZE_MAX - 4 - 4 - 4 * limits.ACK_WORDS_PACKED_MAX
    assert [len(segment.chunk) <= room for segment in sent.segments] == [True]
    assert len(sent.segments[0].chunk) + 107 > room


def test_a_run_holds_no_more_messages_than_its_head_can_count() -> None:
    sender = ReliableSender(0, ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=1 << 20))
    for _ in range(limits.MESSAGES_PER_RUN_MAX + 1):
        sender.push(b"")
    _, parts = take_packet(sender)
    assert [len(part.bodies) for part in parts] == [limits.MESSAGES_PER_RUN_MAX, 1]


def test_what_was_lost_goes_first_and_only_if_still_unacked() -> None:
    sender = ReliableSender(0, ORDERED)
    sender.push(b"a")
    (first,) = take_packet(sender)[0].segments
    sender.push(b"b")
    lose(first)
    again, parts = take_packet(sender)
    assert [part.bodies for part in parts] == [[b"a"], [b"b"]]
    assert sender.resends == 1
    lose(first)
    ack(first)
    assert not sender.is_waiting
    for segment in again.segments:
        ack(segment)
    assert sender.memory_size == 0


def test_what_was_acked_while_it_waited_to_be_sent_again_is_not() -> None:
    sender = ReliableSender(0, ORDERED)
    segments = []
    for body in (b"a", b"b", b"c"):
        sender.push(body)
        segments += take_packet(sender)[0].segments
    for segment in segments:
        lose(segment)
    ack(segments[1])
    _, again = take_packet(sender)
    assert [part.bodies for part in again] == [[b"a"], [b"c"]]
    assert sender.resends == 2


def test_memory_is_free_again_when_all_before_is_acked() -> None:
    sender = ReliableSender(0, ORDERED)
    segments = []
    for _ in range(3):
        sender.push(bytes(100))
        segments += take_packet(sender)[0].segments
    ack(segments[1])
    assert sender.memory_size == 3 * (100 + OVERHEAD)
    ack(segments[0])
    assert sender.memory_size == 100 + OVERHEAD


def test_memory_of_a_long_message_is_free_when_all_of_it_is_acked() -> None:
    sender = ReliableSender(0, ORDERED)
    sender.push(bytes(3 * limits.FRAGMENT_SIZE))
    segments = []
    while sender.is_waiting:
        segments += take_packet(sender)[0].segments
    assert len(segments) == 3
    for segment in (segments[0], segments[2]):
        ack(segment)
        assert sender.memory_size == 3 * limits.FRAGMENT_SIZE + OVERHEAD
    ack(segments[1])
    assert sender.memory_size == 0


def test_a_sender_takes_messages_up_to_its_memory() -> None:
    sender = ReliableSender(0, ORDERED)
    assert sender.push(bytes(MEMORY - 2 * OVERHEAD))
    assert not sender.push(b"x")
    assert sender.push(b"")
    assert not sender.push(b"")
    assert sender.memory_size == MEMORY
    assert sender.dropped == 2


def test_no_more_messages_are_in_flight_than_the_window() -> None:
    spec = ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=8 << 20)
    sender, receiver = ReliableSender(0, spec), ReliableReceiver(spec)
    for _ in range(limits.RELIABLE_WINDOW_MAX + 10):
        assert sender.push(b"")
    segments = []
    parts: list[Part] = []
    while sender.is_waiting:
        packet, came = take_packet(sender)
        segments += packet.segments
        parts += came
    assert sum(len(part.bodies) for part in parts) == limits.RELIABLE_WINDOW_MAX
    for part in reversed(parts):
        receiver.receive(part, 0)
    ack(segments[0])
    (part,) = take_packet(sender)[1]
    assert len(part.bodies) == 10


def test_a_run_that_overlaps_what_came_delivers_the_rest() -> None:
    for spec, first, second in (
        (ORDERED, [], [b"a", b"b", b"c", b"d"]),
        (UNORDERED, [b"b", b"c"], [b"a", b"d"]),
    ):
        receiver = ReliableReceiver(spec)
        assert receiver.receive(whole(1, b"b", b"c"), 0) == first
        assert receiver.receive(whole(0, b"a", b"b", b"c", b"d"), 0) == second
        assert receiver.dropped == 2
        assert receiver.memory_size == 0


def test_a_message_beyond_the_window_is_the_peers_fault() -> None:
    receiver = ReliableReceiver(ORDERED)
    receiver.receive(whole(limits.RELIABLE_WINDOW_MAX - 1), 0)
    with pytest.raises(RemoteProtocolError):
        receiver.receive(whole(limits.RELIABLE_WINDOW_MAX), 0)


@pytest.mark.parametrize("spec", [ORDERED, UNORDERED])
def test_unfinished_messages_fill_the_memory_and_no_more(spec: ChannelSpec) -> None:
    receiver = ReliableReceiver(spec)
    body = bytes(limits.FRAGMENT_SIZE)
    fits = MEMORY // (limits.FRAGMENT_SIZE + OVERHEAD)
    for message_id in range(fits):
        assert receiver.receive(fragment(message_id, 0, 2, body), 0) == []
    assert receiver.memory_size <= MEMORY
    with pytest.raises(RemoteProtocolError):
        receiver.receive(fragment(fits, 0, 2, body), 0)


def test_messages_that_wait_for_an_earlier_one_fill_the_memory_and_no_more() -> None:
    receiver = ReliableReceiver(ORDERED)
    body = bytes(limits.FRAGMENT_SIZE)
    fits = MEMORY // (limits.FRAGMENT_SIZE + OVERHEAD)
    for message_id in range(1, fits + 1):
        receiver.receive(whole(message_id, body), 0)
    with pytest.raises(RemoteProtocolError):
        receiver.receive(whole(fits + 1, body), 0)


def test_tiny_unfinished_messages_count_against_the_memory_too() -> None:
    receiver = ReliableReceiver(UNORDERED)
    fits = MEMORY // (1 + OVERHEAD)
    for message_id in range(fits):
        receiver.receive(fragment(message_id, 1, 2, b"x"), 0)
    with pytest.raises(RemoteProtocolError):
        receiver.receive(fragment(fits, 1, 2, b"x"), 0)


@pytest.mark.parametrize("second", [fragment(0, 1, 3, b"x"), whole(0)])
def test_fragments_that_contradict_each_other_are_the_peers_fault(second: Part) -> None:
    receiver = ReliableReceiver(UNORDERED)
    receiver.receive(fragment(0, 0, 2, bytes(limits.FRAGMENT_SIZE)), 0)
    with pytest.raises(RemoteProtocolError):
        receiver.receive(second, 0)


def test_an_unordered_message_does_not_wait() -> None:
    receiver = ReliableReceiver(UNORDERED)
    assert receiver.receive(whole(3, b"c"), 0) == [b"c"]
    assert receiver.receive(whole(0, b"a"), 0) == [b"a"]
    assert receiver.receive(whole(3, b"c"), 0) == []
    assert receiver.dropped == 1


def test_a_sequenced_message_from_an_older_packet_is_dropped() -> None:
    receiver = SequencedReceiver()
    assert receiver.receive(whole(0, b"new"), 5) == [b"new"]
    assert receiver.receive(whole(0, b"same packet"), 5) == [b"same packet"]
    assert receiver.receive(whole(0, b"old"), 4) == []
    assert receiver.dropped == 1


def test_a_full_unreliable_queue_drops_its_oldest() -> None:
    sender = UnreliableSender(0, UNRELIABLE)
    fits = MEMORY // (1000 + OVERHEAD)
    for tag in range(fits + 2):
        sender.push(bytes(1000), tag)
    assert sender.dropped == 2
    assert sender.memory_size <= MEMORY
    sent = SentPacket(0, 0.0)
    room = sender.fill([], sent, 1100)
    assert sent.tags == [2]
    assert room == 1100 - 1003


def test_an_unreliable_queue_holds_as_much_as_its_memory_and_frees_what_was_sent() -> None:
    spec = ChannelSpec(Delivery.UNRELIABLE, memory_max=2 * (1000 + OVERHEAD))
    sender = UnreliableSender(0, spec)
    for tag in range(2):
        sender.push(bytes(1000), tag)
    assert (sender.dropped, sender.memory_size) == (0, spec.memory_max)
    sent = SentPacket(0, 0.0)
    sender.fill([], sent, 3000)
    assert sent.tags == [0, 1]
    assert (sender.memory_size, sender.is_waiting) == (0, False)
