from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol import limits
from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.limits import LIMITS
from sidereal.protocol.channel.packet import (
    Packet,
    decode_packet_untrusted,
    encode_ack,
    encode_fragment_head,
    encode_header,
)
from sidereal.protocol.channel.spec import Budget, ChannelSpec, Delivery
from sidereal.protocol.errors import CloseReason, LocalProtocolError, WireError
from sidereal.protocol.testing.link import LinkConfig
from sidereal.protocol.testing.pair import ConnectionPair
from sidereal.protocol.testing.small import draw_transport

UNRELIABLE, SEQUENCED, UNORDERED, ORDERED = range(4)
CHANNELS = (
    ChannelSpec(Delivery.UNRELIABLE, memory_max=1 << 20, priority=1),
    ChannelSpec(Delivery.UNRELIABLE_SEQUENCED, memory_max=1 << 20, priority=2),
    ChannelSpec(Delivery.RELIABLE_UNORDERED, memory_max=2 << 20),
    ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=2 << 20),
)
RELIABLE = [spec.delivery.is_reliable for spec in CHANNELS]
PERFECT = LinkConfig(delay_s=0.02)
BAD = LinkConfig(
    delay_s=0.03, jitter_s=0.02, loss=0.2, duplication=0.1, reordering=0.2, reordering_s=0.1
)

configs = st.builds(
    LinkConfig,
    delay_s=st.floats(0.0, 0.2),
    jitter_s=st.floats(0.0, 0.05),
    loss=st.floats(0.0, 0.4),
    duplication=st.floats(0.0, 0.3),
    reordering=st.floats(0.0, 0.5),
    reordering_s=st.floats(0.0, 0.3),
)
message_sizes = st.integers(8, 60) | st.integers(900, 1150)
sizes_by_channel = {
    UNRELIABLE: message_sizes,
    SEQUENCED: message_sizes,
    UNORDERED: message_sizes | st.integers(1000, 20_000),
    ORDERED: message_sizes | st.integers(1000, 20_000),
}
traffic = st.lists(
    st.sampled_from(range(4)).flatmap(lambda c: st.tuples(st.just(c), sizes_by_channel[c])),
    max_size=40,
)


def decode(payload: bytes) -> Packet:
    return decode_packet_untrusted(payload, RELIABLE)


def connection(budget: Budget | None = None) -> Connection:
    return Connection(CHANNELS, 0.0, budget)


def of_channel(delivered: list[tuple[int, bytes]], channel: int) -> list[bytes]:
    return [message for number, message in delivered if number == channel]


def is_subsequence(some: list[bytes], of: list[bytes]) -> bool:
    rest = iter(of)
    return all(message in rest for message in some)


def make_message(number: int, size: int) -> bytes:
    return number.to_bytes(8, "little") + bytes([number % 251]) * (size - 8)


def number_of(message: bytes) -> int:
    return int.from_bytes(message[:8], "little")


# -- guarantees over a bad link ---------------------------------------------------------------


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    config=configs,
    seed=st.integers(0, 1 << 32),
    there=traffic,
    back=traffic,
    step_s=st.sampled_from([0.0, 0.01, 0.1]),
    tick_s=st.sampled_from([None, 0.05]),
)
def test_every_channel_keeps_its_promise(
    config: LinkConfig,
    seed: int,
    there: list[tuple[int, int]],
    back: list[tuple[int, int]],
    step_s: float,
    tick_s: float | None,
) -> None:
    pair = ConnectionPair(CHANNELS, config, seed, tick_s=tick_s)
    check_promises(pair, (there, back), step_s, idle_s=60.0)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    config=configs,
    seed=st.integers(0, 1 << 32),
    traffics=st.tuples(traffic, traffic),
    step_s=st.sampled_from([0.0, 0.01, 0.1]),
    tick_s=st.sampled_from([None, 0.05]),
)
def test_every_channel_keeps_its_promise_however_small_the_limits_are(
    config: LinkConfig,
    seed: int,
    traffics: tuple[list[tuple[int, int]], list[tuple[int, int]]],
    step_s: float,
    tick_s: float | None,
) -> None:
    small = draw_transport(np.random.default_rng(seed))
    pair = ConnectionPair(CHANNELS, config, seed, tick_s=tick_s, limits=small)
    check_promises(pair, traffics, step_s, idle_s=600.0)


def check_promises(
    pair: ConnectionPair,
    traffics: tuple[list[tuple[int, int]], list[tuple[int, int]]],
    step_s: float,
    idle_s: float,
) -> None:
    """Send messages of so many bytes on these channels from both ends, and see what comes."""
    sent: list[list[list[bytes]]] = [[[], [], [], []], [[], [], [], []]]
    for number in range(max(map(len, traffics))):
        for end, messages in enumerate(traffics):
            if number < len(messages):
                channel, size = messages[number]
                message = make_message(number, size)
                tag = number if channel <= SEQUENCED else None
                pair.ends[end].send(channel, message, tag)
                sent[end][channel].append(message)
        pair.run(step_s)
    pair.run_until_idle(idle_s)
    pair.run(2.0)
    for end in (0, 1):
        assert pair.ends[end].close_reason is None
        came = pair.delivered[1 - end]
        assert of_channel(came, ORDERED) == sent[end][ORDERED]
        assert sorted(of_channel(came, UNORDERED)) == sorted(sent[end][UNORDERED])
        assert is_subsequence(of_channel(came, SEQUENCED), sent[end][SEQUENCED])
        unreliable = of_channel(came, UNRELIABLE)
        assert len(unreliable) == len(set(unreliable))
        assert set(unreliable) <= set(sent[end][UNRELIABLE])
        tags = pair.acked[end]
        assert len(tags) == len(set(tags))
        arrived = set(map(number_of, unreliable + of_channel(came, SEQUENCED)))
        # A sequenced message that a later one overtook is taken in, acked and not delivered.
        newest = max(map(number_of, of_channel(came, SEQUENCED)), default=-1)
        overtaken = {n for n in map(number_of, sent[end][SEQUENCED]) if n < newest}
        assert set(tags) <= arrived | overtaken
        statistics = pair.ends[end].statistics()
        assert statistics.queued_size == 0
        assert statistics.acks_invalid == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_seed_gives_the_same_trace(seed: int) -> None:
    def trace(seed: int) -> str:
        pair = ConnectionPair(CHANNELS, BAD, seed)
        for number in range(100):
            pair.ends[0].send(number % 4, make_message(number, 500))
            pair.ends[1].send(ORDERED, make_message(number, 3000))
            pair.run(0.02)
        pair.run_until_idle(60.0)
        return pair.wire.trace

    assert trace(seed) == trace(seed)
    assert trace(seed) != trace(seed + 1)


def test_a_message_of_a_mebibyte_crosses_a_bad_link() -> None:
    pair = ConnectionPair(CHANNELS, BAD, 5)
    message = np.random.default_rng(5).bytes(limits.MESSAGE_SIZE_MAX)
    pair.ends[0].send(UNORDERED, message)
    pair.run_until_idle(120.0)
    assert pair.delivered[1] == [(UNORDERED, message)]


def test_everything_sent_before_the_link_heals_arrives_after() -> None:
    pair = ConnectionPair(CHANNELS, LinkConfig(delay_s=0.02, loss=1.0), 6)
    for number in range(20):
        pair.ends[0].send(ORDERED, make_message(number, 2000))
    pair.run(5.0)
    assert pair.delivered[1] == []
    pair.wire.configure(PERFECT)
    pair.run(LIMITS.timeouts.max_s + 1.0)
    assert of_channel(pair.delivered[1], ORDERED) == [make_message(n, 2000) for n in range(20)]


# -- retransmission ---------------------------------------------------------------------------


def test_a_lost_message_is_sent_again_when_three_later_packets_are_acked() -> None:
    one, two = connection(), connection()
    one.send(ORDERED, b"lost")
    assert len(one.payloads_to_send(0.0)) == 1
    for number in range(3):
        one.send(UNRELIABLE, b"x", number)
        (payload,) = one.payloads_to_send(0.01)
        two.receive_payload(payload, 0.02)
    (ack,) = two.payloads_to_send(0.02)
    one.receive_payload(ack, 0.03)
    (again,) = one.payloads_to_send(0.03)
    assert two.receive_payload(again, 0.04) == [(ORDERED, [b"lost"])]
    assert one.statistics().resends == 1


def send_steadily(
    pair: ConnectionPair, count: int, size: int = 100, channel: int = ORDERED
) -> np.ndarray:
    """Send ordered messages at 20 Hz; how long each took, in seconds."""
    sent_at: list[float] = []
    took: list[float] = []
    for number in range(count):
        pair.ends[0].send(channel, make_message(number, size))
        sent_at.append(pair.now)
        for _ in range(10):
            pair.run(0.005)
            while len(took) < len(pair.delivered[1]):
                took.append(pair.now - sent_at[len(took)])
    pair.run_until_idle(10.0)
    assert of_channel(pair.delivered[1], channel) == [make_message(n, size) for n in range(count)]
    return np.array(took)


def test_a_thin_stream_over_a_lossy_link_is_hardly_held_up() -> None:
    config = LinkConfig(delay_s=0.125, jitter_s=0.05, loss=0.05, duplication=0.02)
    for tick_s in (None, 0.05):
        pair = ConnectionPair(CHANNELS, config, 7, tick_s=tick_s)
        took = send_steadily(pair, 2000)
        assert np.percentile(took, 99) < 2 * 0.25
        assert pair.ends[0].statistics().copies_sent > 1000


def test_what_leaves_twice_is_hardly_held_up_however_long_it_is() -> None:
    config, late = LinkConfig(delay_s=0.04, jitter_s=0.005, loss=0.02), []
    for twice in (False, True):
        channels = [ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=1 << 20, twice=twice)]
        pair = ConnectionPair(channels, config, 7, tick_s=0.05)
        took = send_steadily(pair, 1000, 3000, channel=0)
        late.append(int((took > 0.1).sum()))
    assert late[0] > 50
    assert late[1] < 10
    pair = ConnectionPair(channels, PERFECT, 7)
    send_steadily(pair, 100, 3000, channel=0)
    assert pair.ends[0].statistics().copies_sent == 0


def test_nothing_is_sent_twice_where_nothing_is_lost() -> None:
    pair = ConnectionPair(CHANNELS, LinkConfig(delay_s=0.125, jitter_s=0.05), 7)
    send_steadily(pair, 200)
    statistics = pair.ends[0].statistics()
    # A packet given up too soon was no loss.
    assert statistics.resends == statistics.packets_late < 6
    assert statistics.copies_sent == 0


def test_a_segment_is_sent_again_only_when_no_packet_carries_it_any_more() -> None:
    one, two = connection(), connection()
    now = 0.0
    for number in range(100):  # one in five is lost, until copies are sent
        one.send(ORDERED, b"x")
        for payload in one.payloads_to_send(now):
            if number % 5:
                two.receive_payload(payload, now)
        for payload in two.payloads_to_send(now):
            one.receive_payload(payload, now)
        now += 0.01
    before = one.statistics()
    assert before.copies_sent > 0
    one.send(ORDERED, b"copied")
    assert len(one.payloads_to_send(now)) == 1  # and is lost
    one.send(UNRELIABLE, b"y", 1)
    (carrier,) = one.payloads_to_send(now)
    assert len(decode(carrier).parts) > 1
    came = two.receive_payload(carrier, now)
    for number in range(LIMITS.acks.reorder_packets_max):
        one.send(UNRELIABLE, b"z", number)
        for payload in one.payloads_to_send(now):
            two.receive_payload(payload, now)
    for payload in two.payloads_to_send(now):
        one.receive_payload(payload, now)
    assert (ORDERED, [b"copied"]) in came
    assert one.statistics().packets_lost == before.packets_lost + 1
    assert one.statistics().resends == before.resends


def test_silence_makes_resends_rarer() -> None:
    one = connection()
    one.send(ORDERED, b"anyone?")
    times = []
    now = 0.0
    while now < 20.0:
        if one.payloads_to_send(now):
            times.append(now)
        timer = one.next_timer()
        assert timer is not None
        assert timer > now
        now = timer
    gaps = np.diff(times)
    assert gaps[0] == pytest.approx(LIMITS.timeouts.initial_s)
    assert np.all(np.diff(gaps) >= -1e-9)
    assert gaps[-1] == pytest.approx(LIMITS.timeouts.max_s)


@pytest.mark.parametrize("tag", [None, 1])
def test_who_acks_nothing_is_sent_next_to_nothing_until_it_does(tag: int | None) -> None:
    pair = ConnectionPair(CHANNELS, LinkConfig(delay_s=0.02, loss=1.0), 1)

    def bytes_sent_in(seconds: float) -> int:
        before = pair.ends[0].statistics().bytes_sent
        for _ in range(int(seconds * 20)):
            for _ in range(10):
                pair.ends[0].send(UNRELIABLE, bytes(1000), tag)
            pair.run(0.05)
        return pair.ends[0].statistics().bytes_sent - before

    assert bytes_sent_in(10.0) > 100_000
    assert bytes_sent_in(20.0) < 1.1 * 20 * LIMITS.congestion.silent_rate
    pair.wire.configure(PERFECT)
    assert bytes_sent_in(5.0) > 2 * 200_000


def test_the_time_out_follows_the_round_trip() -> None:
    def rto_s(delay_s: float) -> float:
        pair = ConnectionPair(CHANNELS, LinkConfig(delay_s=delay_s), 1)
        for number in range(50):
            pair.ends[0].send(UNRELIABLE, b"x", number)
            pair.run(0.05)
        assert pair.ends[0].statistics().rtt_s == pytest.approx(2 * delay_s, abs=1e-3)
        return pair.ends[0].statistics().rto_s

    assert rto_s(0.01) == LIMITS.timeouts.min_s
    assert 0.4 < rto_s(0.2) < 0.5


def test_the_round_trip_leaves_out_what_a_slow_ticker_waits() -> None:
    pair = ConnectionPair(CHANNELS, LinkConfig(delay_s=0.03), 1, tick_s=0.05)
    for number in range(100):
        pair.ends[0].send(UNRELIABLE, b"x", number)
        pair.run(0.05)
    assert pair.ends[0].statistics().rtt_s < 0.12


def test_reordering_teaches_patience() -> None:
    config = LinkConfig(delay_s=0.05, reordering=0.3, reordering_s=0.04)
    pair = ConnectionPair(CHANNELS, config, 9)
    for number in range(800):
        pair.ends[0].send(ORDERED, make_message(number, 200))
        pair.run(0.005)
    pair.run_until_idle(5.0)
    statistics = pair.ends[0].statistics()
    assert statistics.packets_sent > 800
    assert 0 < statistics.resends < 80


def test_an_ack_that_tells_only_of_packets_given_up_is_no_verdict_on_the_link() -> None:
    one, two = connection(), connection()
    one.send(ORDERED, b"x")
    (payload,) = one.payloads_to_send(0.0)
    (again,) = one.payloads_to_send(LIMITS.timeouts.initial_s)
    two.receive_payload(payload, 0.6)
    (ack,) = two.payloads_to_send(0.6)
    one.receive_payload(ack, 0.7)
    statistics = one.statistics()
    assert statistics.packets_late == 1
    assert statistics.loss == 0.0
    assert statistics.window_size == LIMITS.congestion.size_initial
    assert two.receive_payload(again, 0.7) == []


# -- acks -------------------------------------------------------------------------------------


def test_a_tag_is_reported_once_and_only_when_its_packet_is_acked() -> None:
    one, two = connection(), connection()
    one.send(UNRELIABLE, b"a", 7)
    (first,) = one.payloads_to_send(0.0)
    one.send(SEQUENCED, b"b", 8)
    one.payloads_to_send(0.0)
    assert one.take_acked() == []
    two.receive_payload(first, 0.01)
    two.receive_payload(first, 0.01)
    (ack,) = two.payloads_to_send(0.01)
    one.receive_payload(ack, 0.02)
    one.receive_payload(ack, 0.02)
    assert one.take_acked() == [7]
    assert one.take_acked() == []


def test_a_tag_is_lost_once_its_packet_is_given_up_and_acked_if_it_comes_after_all() -> None:
    one, two = connection(), connection()
    one.send(UNRELIABLE, b"late", 7)
    (late,) = one.payloads_to_send(0.0)
    for tag in range(3):
        assert one.take_lost() == []
        one.send(UNRELIABLE, b"x", tag)
        (payload,) = one.payloads_to_send(0.01)
        two.receive_payload(payload, 0.02)
    (ack,) = two.payloads_to_send(0.02)
    one.receive_payload(ack, 0.03)
    assert (sorted(one.take_acked()), one.take_lost()) == ([0, 1, 2], [7])
    two.receive_payload(late, 0.04)
    (ack,) = two.payloads_to_send(0.04)
    one.receive_payload(ack, 0.05)
    assert (one.take_acked(), one.take_lost()) == ([7], [])


def test_a_tag_is_lost_when_nothing_is_heard_of_its_packet_for_too_long() -> None:
    one = connection()
    one.send(UNRELIABLE, b"x", 7)
    one.payloads_to_send(0.0)
    one.payloads_to_send(LIMITS.timeouts.initial_s - 0.01)
    assert one.take_lost() == []
    one.payloads_to_send(LIMITS.timeouts.initial_s)
    assert one.take_lost() == [7]


@pytest.mark.parametrize("seed", range(3))
def test_every_tag_is_acked_or_lost_in_the_end(seed: int) -> None:
    pair = ConnectionPair(CHANNELS, BAD, seed)
    for tag in range(300):
        pair.ends[0].send(UNRELIABLE, bytes(100), tag)
        pair.run(0.01)
    pair.wire.configure(PERFECT)
    for tag in range(300, 320):
        pair.ends[0].send(UNRELIABLE, bytes(100), tag)
        pair.run(0.2)
    acked, lost = pair.acked[0], pair.lost[0]
    assert len(set(acked)) == len(acked)
    assert len(set(lost)) == len(lost) > 10
    assert set(acked) | set(lost) == set(range(320))


def test_an_owed_ack_goes_out_with_the_next_call_and_is_not_acked_itself() -> None:
    one, two = connection(), connection()
    one.send(ORDERED, b"x")
    (payload,) = one.payloads_to_send(0.0)
    two.receive_payload(payload, 0.01)
    assert two.next_timer() == pytest.approx(0.01 + LIMITS.acks.delay_s)
    (ack,) = two.payloads_to_send(0.01)
    assert decode(ack).parts == []
    assert two.payloads_to_send(1.0) == []
    assert two.next_timer() is None
    one.receive_payload(ack, 0.02)
    assert one.payloads_to_send(0.02) == []
    assert one.next_timer() is None


def test_an_ack_that_many_packets_wait_for_is_due_at_once() -> None:
    one, two = connection(Budget(rate=8e6, rate_min=8e6)), connection()
    one.send(ORDERED, bytes(30_000))
    due = []
    for payload in one.payloads_to_send(0.0):
        two.receive_payload(payload, 0.01)
        due.append(two.ack_due_at)
    at_once, later = LIMITS.acks.at_once_packets, pytest.approx(0.01 + LIMITS.acks.delay_s)
    assert due[: at_once - 1] == [later] * (at_once - 1)
    assert due[at_once - 1 :] == [0.01] * (len(due) - at_once + 1)
    two.payloads_to_send(0.01)
    assert two.ack_due_at is None
    one.send(ORDERED, b"x")
    (payload,) = one.payloads_to_send(0.01)
    two.receive_payload(payload, 0.01)
    assert two.ack_due_at == later


def test_untagged_unreliable_messages_ask_for_no_ack_of_their_own() -> None:
    one, two = connection(), connection()
    one.send(SEQUENCED, b"x")
    (payload,) = one.payloads_to_send(0.0)
    two.receive_payload(payload, 0.01)
    assert two.payloads_to_send(1.0) == []
    two.send(SEQUENCED, b"y")
    (answer,) = two.payloads_to_send(1.0)
    assert decode(answer).ack == -1


def test_messages_carry_an_ack_that_is_owed_and_the_next_ones_once_more() -> None:
    one, two = connection(), connection()
    acks = []
    for at in range(LIMITS.acks.unasked_packets + 4):
        one.send(SEQUENCED, b"x")
        (payload,) = one.payloads_to_send(0.1 * at)
        two.receive_payload(payload, 0.1 * at)
        two.send(SEQUENCED, b"y")
        (answer,) = two.payloads_to_send(0.1 * at)
        acks.append(decode(answer).ack)
    asked = LIMITS.acks.unasked_packets
    assert acks == [-1] * asked + [asked, asked + 1, -1, -1]


def test_every_sixteenth_untagged_message_asks_for_an_ack_all_the_same() -> None:
    one = connection()
    wanted = []
    for _ in range(64):
        one.send(SEQUENCED, b"x")
        (payload,) = one.payloads_to_send(0.0)
        wanted.append(decode(payload).ack_wanted)
    assert wanted == ([False] * LIMITS.acks.unasked_packets + [True]) * 4


@pytest.mark.parametrize("count", [30, 600, limits.ACK_SPAN_MAX])
def test_a_burst_is_acked_in_one_call(count: int) -> None:
    one, two = connection(Budget(rate_min=32e6)), connection()
    for number in range(count):
        one.send(UNRELIABLE, bytes(100), number)
        for payload in one.payloads_to_send(0.0):
            two.receive_payload(payload, 0.01)
    two.send(ORDERED, b"answer")
    for payload in two.payloads_to_send(0.01):
        one.receive_payload(payload, 0.02)
    assert sorted(one.take_acked()) == list(range(count))


def test_no_more_is_under_way_than_an_ack_can_tell_of() -> None:
    one, two = connection(Budget(rate=1e9, burst=1e9, rate_min=1e9)), connection()
    now = 0.0
    while (link := one.statistics()).window_size < 1 << 20 or link.queued_size:
        if link.window_size < 1 << 20 and link.queued_size < 1 << 20:
            one.send(ORDERED, bytes(1 << 19))
        for sender, receiver in ((one, two), (two, one)):
            for payload in sender.payloads_to_send(now):
                receiver.receive_payload(payload, now)
        now += 0.001
    under_way: list[bytes] = []
    for _ in range(limits.RELIABLE_WINDOW_MAX):
        one.send(ORDERED, b"x")
        under_way += one.payloads_to_send(now)
    assert len(under_way) == limits.ACK_SPAN_MAX
    for payload in under_way:
        two.receive_payload(payload, now)
    for payload in two.payloads_to_send(now):
        one.receive_payload(payload, now)
    statistics = one.statistics()
    assert statistics.packets_acked == statistics.packets_sent
    assert len(one.payloads_to_send(now)) > 0


def test_a_flood_of_unreliable_messages_holds_no_reliable_one_up() -> None:
    one = connection(Budget(rate=1e9, burst=1e9, rate_min=1e9))
    for number in range(limits.ACK_SPAN_MAX + 10):
        one.send(UNRELIABLE, b"x", number)
        one.payloads_to_send(0.0)
    one.send(ORDERED, b"adopted")
    (payload,) = one.payloads_to_send(0.01)
    assert [part.bodies for part in decode(payload).parts] == [[b"adopted"]]


def test_a_wide_ack_leaves_room_for_the_longest_message() -> None:
    one, two = connection(), connection()
    for number in range(600):
        one.send(UNRELIABLE, b"", number)
        for payload in one.payloads_to_send(0.0):
            two.receive_payload(payload, 0.01)
    longest = bytes(limits.UNRELIABLE_SIZE_MAX)
    two.send(UNRELIABLE, longest)
    two.send(ORDERED, bytes(2 * limits.FRAGMENT_SIZE))
    came = []
    for payload in two.payloads_to_send(0.01):
        assert len(payload) <= limits.PAYLOAD_SIZE_MAX
        came += one.receive_payload(payload, 0.02)
    assert came == [(UNRELIABLE, [longest]), (ORDERED, [bytes(2 * limits.FRAGMENT_SIZE)])]
    assert len(one.take_acked()) == 600


def test_acks_and_messages_survive_the_wrap_of_the_sequence() -> None:
    one, two = connection(), connection()
    now = 0.0
    for number in range(70_000):
        now += 0.01
        one.send(UNRELIABLE, b"", number)
        for payload in one.payloads_to_send(now):
            assert two.receive_payload(payload, now) == [(UNRELIABLE, [b""])]
        if number % 16 == 15:
            for payload in two.payloads_to_send(now):
                one.receive_payload(payload, now)
            assert sorted(one.take_acked()) == list(range(number - 15, number + 1))


def test_packets_too_old_to_tell_are_dropped() -> None:
    one, two = connection(Budget(rate_min=32e6)), connection()
    one.send(ORDERED, b"old")
    (old,) = one.payloads_to_send(0.0)
    for _ in range(limits.ACK_SPAN_MAX):
        one.send(UNRELIABLE, b"x")
        for payload in one.payloads_to_send(0.0):
            two.receive_payload(payload, 0.0)
    assert two.receive_payload(old, 0.0) == []
    assert two.statistics().packets_stale == 1


# -- packing and budgets ----------------------------------------------------------------------


def test_messages_of_all_channels_share_a_packet_by_priority() -> None:
    one = connection()
    for channel in range(4):
        one.send(channel, b"m")
    (payload,) = one.payloads_to_send(0.0)
    assert [part.channel for part in decode(payload).parts] == [
        SEQUENCED,
        UNRELIABLE,
        UNORDERED,
        ORDERED,
    ]


def test_no_payload_is_longer_than_allowed() -> None:
    pair = ConnectionPair(CHANNELS, BAD, 3)
    longest = 0
    rng = np.random.default_rng(3)
    for _ in range(200):
        for end in pair.ends:
            end.send(UNRELIABLE, bytes(limits.UNRELIABLE_SIZE_MAX))
            end.send(UNRELIABLE, bytes(int(rng.integers(0, 1150))))
            end.send(ORDERED, bytes(int(rng.integers(0, 5000))))
        for number, end in enumerate(pair.ends):
            for payload in end.payloads_to_send(pair.now):
                longest = max(longest, len(payload))
                pair.wire.send(number, payload, pair.now)
        pair.run(0.01)
    assert 1100 < longest <= limits.PAYLOAD_SIZE_MAX


def test_bulk_does_not_hold_up_unreliable_messages() -> None:
    config = LinkConfig(delay_s=0.03, bytes_per_s=250e3, queue_s_max=0.1)
    pair = ConnectionPair(CHANNELS, config, 4)
    pair.ends[0].send(ORDERED, bytes(limits.MESSAGE_SIZE_MAX - limits.MESSAGE_OVERHEAD_SIZE))
    for number in range(100):
        pair.ends[0].send(UNRELIABLE, make_message(number, 200), number)
        pair.run(0.05)
    came = of_channel(pair.delivered[1], UNRELIABLE)
    assert len(came) >= 90
    assert of_channel(pair.delivered[1], ORDERED) != []


def test_bulk_uses_a_narrow_link_without_flooding_it() -> None:
    config = LinkConfig(delay_s=0.03, bytes_per_s=250e3, queue_s_max=0.1)
    pair = ConnectionPair(CHANNELS, config, 4)
    pair.ends[0].send(ORDERED, bytes(1_000_000))
    pair.run_until_idle(60.0)
    assert 4.0 < pair.now < 6.0
    assert pair.wire.links[0].lost < 0.05 * pair.wire.links[0].sent


def test_unreliable_messages_do_not_hold_up_bulk() -> None:
    pair = ConnectionPair(CHANNELS, PERFECT, 4, budget=Budget(rate=100e3, burst=10e3))
    pair.ends[0].send(ORDERED, bytes(50_000))
    for _ in range(100):
        for _ in range(20):
            pair.ends[0].send(UNRELIABLE, bytes(1000))
        pair.run(0.05)
    assert of_channel(pair.delivered[1], ORDERED) == [bytes(50_000)]
    statistics = pair.ends[0].statistics()
    assert statistics.messages_dropped > 0
    assert statistics.bytes_sent < 1.1 * 100e3 * 5.0 + 10e3


def test_the_newest_unreliable_messages_survive_a_full_queue() -> None:
    one = connection(Budget(rate=1.0, burst=1.0))
    one.send(UNRELIABLE, bytes(1000))
    one.payloads_to_send(0.0)
    for tag in range(2000):
        one.send(UNRELIABLE, tag.to_bytes(1000, "little"), tag)
    statistics = one.statistics()
    assert statistics.queued_size <= CHANNELS[UNRELIABLE].memory_max
    assert statistics.messages_dropped == 2000 - (1 << 20) // 1128
    assert one.take_lost() == list(range(statistics.messages_dropped))
    assert one.close_reason is None


def test_a_spent_budget_wakes_by_a_timer() -> None:
    one = connection(Budget(rate=100e3, burst=4000.0))
    for _ in range(12):
        one.send(UNRELIABLE, bytes(1000))
    now, sent = 0.0, len(one.payloads_to_send(0.0))
    assert sent < 6
    while (timer := one.next_timer()) is not None:
        assert timer > now
        now = timer
        sent += len(one.payloads_to_send(now))
    assert sent == 12
    assert now == pytest.approx(0.1, rel=0.5)


def test_an_unreliable_message_that_waits_too_long_is_dropped() -> None:
    one = connection(Budget(rate=20e3, burst=2000.0, rate_min=20e3))
    for number in range(10):
        one.send(UNRELIABLE, make_message(number, 1000))
    now = 0.0
    came: list[int] = []
    while (timer := one.next_timer()) is not None or not came:
        for payload in one.payloads_to_send(now):
            came += [number_of(part.bodies[0]) for part in decode(payload).parts]
        if now < 0.05:
            one.send(UNRELIABLE, make_message(10 + len(came), 1000))
        now = timer or now
    statistics = one.statistics()
    assert statistics.messages_dropped > 3
    assert len(came) + statistics.messages_dropped == statistics.messages_sent
    assert now < 0.05 + 2 * LIMITS.unreliable_wait_s


# -- misuse, bad bytes, dishonest peers ---------------------------------------------------------


def test_a_full_reliable_queue_closes() -> None:
    one = connection()
    for _ in range(2):
        one.send(ORDERED, bytes(limits.MESSAGE_SIZE_MAX - limits.MESSAGE_OVERHEAD_SIZE))
    assert one.close_reason is None
    one.send(ORDERED, b"")
    assert one.close_reason is CloseReason.CHANNEL_OVERFLOW


def test_misuse_is_refused_with_what_is_wrong() -> None:
    one = connection()
    with pytest.raises(LocalProtocolError, match="no channel 4"):
        one.send(4, b"")
    with pytest.raises(LocalProtocolError, match="no channel -1"):
        one.send(-1, b"")
    with pytest.raises(LocalProtocolError, match="split it"):
        one.send(UNRELIABLE, bytes(limits.UNRELIABLE_SIZE_MAX + 1))
    with pytest.raises(LocalProtocolError, match="split it"):
        one.send(ORDERED, bytes(limits.MESSAGE_SIZE_MAX + 1))
    with pytest.raises(LocalProtocolError, match="tag"):
        one.send(ORDERED, b"", 1)
    assert one.payloads_to_send(0.0) == []


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.binary(max_size=100))
def test_bad_bytes_change_nothing(payload: bytes) -> None:
    pair = ConnectionPair(CHANNELS, PERFECT, 1)
    pair.ends[1].send(UNRELIABLE, b"x", 1)
    pair.run(0.1)
    end = pair.ends[0]
    before = end.statistics()
    try:
        end.receive_payload(payload, 0.1)
    except WireError:
        assert end.statistics() == before
        assert end.payloads_to_send(0.1) == []


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 0xFFFF),
            st.integers(0, 0xFFFF),
            st.sampled_from([UNORDERED, ORDERED]),
            st.integers(0, 6) | st.integers(0, 0xFFFF_FFFF),
            st.integers(2, 4),
            st.integers(0, 3),
        ),
        max_size=30,
    )
)
def test_a_dishonest_peer_is_found_out_and_never_crashes_us(
    packets: list[tuple[int, int, int, int, int, int]],
) -> None:
    one = connection()
    one.send(ORDERED, bytes(3000))
    one.payloads_to_send(0.0)
    for sequence, ack, channel, message_id, count, index in packets:
        body = bytes(limits.FRAGMENT_SIZE)
        head = encode_fragment_head(channel, len(body), message_id, min(index, count - 1), count)
        header = encode_header(sequence, True, encode_ack(ack, 0.0, ack, 1))
        one.receive_payload(header + head + body, 1.0)
        one.payloads_to_send(1.0)
        assert one.close_reason in (None, CloseReason.PROTOCOL_VIOLATION)
        timer = one.next_timer()
        assert timer is None or timer > 1.0


def test_what_a_receiver_holds_stays_within_the_senders_memory() -> None:
    """An honest sender at its limit, over a link that loses much, never looks dishonest."""
    small = (ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=20_000),)
    for seed in range(5):
        pair = ConnectionPair(small, BAD, seed)
        sent = 0
        rng = np.random.default_rng(seed)
        while sent < 300:
            size = int(rng.integers(0, 4000))
            room = 20_000 - pair.ends[0].statistics().queued_size
            if size + limits.MESSAGE_OVERHEAD_SIZE <= room:
                pair.ends[0].send(0, bytes(size))
                sent += 1
            else:
                pair.run(0.05)
        pair.run_until_idle(120.0)
        assert pair.ends[1].close_reason is None
        assert len(pair.delivered[1]) == 300


def test_who_only_listens_learns_how_long_the_way_is_as_it_changes() -> None:
    one, two = connection(), connection()
    measured = {}
    for tick in range(1, 801):
        now = tick * 0.05
        way_s = 0.002 if now < 10.0 else 0.02
        one.send(SEQUENCED, b"state", tag=tick)
        for payload in one.payloads_to_send(now):
            two.receive_payload(payload, now + way_s)
        for payload in two.payloads_to_send(now + way_s):
            one.receive_payload(payload, now + 2 * way_s)
        measured[tick] = two.statistics().rtt_s
    assert measured[199] == pytest.approx(0.004, abs=0.001)
    assert measured[800] == pytest.approx(0.040, abs=0.002)
    assert two.statistics().packets_sent == 800


def test_two_ends_with_nothing_to_say_fall_silent() -> None:
    one, two = connection(), connection()
    for number in range(200):  # each has asked for nothing for a different while
        one.send(UNRELIABLE, b"x", tag=number)
        for payload in one.payloads_to_send(0.1 * number):
            two.receive_payload(payload, 0.1 * number + 0.02)
        answers = two.payloads_to_send(0.1 * number + 0.04)
        turns, listener, speaker = 0, one, two
        while answers:
            turns += 1
            for payload in answers:
                listener.receive_payload(payload, 0.1 * number + 0.06)
            answers = listener.payloads_to_send(0.1 * number + 0.08)
            listener, speaker = speaker, listener
        assert turns <= 3
