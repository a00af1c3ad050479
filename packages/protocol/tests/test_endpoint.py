from __future__ import annotations

import numpy as np
import pytest

from sidereal.protocol import limits
from sidereal.protocol.channel.events import (
    Acked,
    Closed,
    Lost,
    Opened,
    PeerClosed,
    PeerOpened,
    Received,
)
from sidereal.protocol.channel.limits import LIMITS
from sidereal.protocol.channel.spec import ChannelSpec, Delivery
from sidereal.protocol.errors import CloseReason, LocalProtocolError
from sidereal.protocol.ids import Address
from sidereal.protocol.session.server import SessionServer
from sidereal.protocol.session.states import ClientState
from sidereal.protocol.testing.link import LinkConfig
from sidereal.protocol.testing.pair import (
    CLIENT,
    CLIENT_ID,
    PRIVATE_KEY,
    PROTOCOL_ID,
    SERVER,
    WALL_START,
    EndpointPair,
)

UNRELIABLE, ORDERED = range(2)
CHANNELS = (
    ChannelSpec(Delivery.UNRELIABLE, memory_max=1 << 20),
    ChannelSpec(Delivery.RELIABLE_ORDERED, memory_max=1 << 20),
)
LINK = LinkConfig(delay_s=0.02)
BAD = LinkConfig(delay_s=0.03, jitter_s=0.01, loss=0.2, duplication=0.1, reordering=0.2)


def connected(config: LinkConfig = LINK, seed: int = 1) -> EndpointPair:
    pair = EndpointPair(CHANNELS, config, seed, user_data=b"me".ljust(256, b"\0"))
    pair.run(2.0)
    assert pair.client.state is ClientState.CONNECTED
    return pair


def test_a_client_connects_and_both_ends_say_so_once() -> None:
    pair = connected()
    user_data = b"me".ljust(256, b"\0")
    assert pair.server_events == [PeerOpened(1, CLIENT_ID, user_data, CLIENT)]
    assert pair.client_events == [Opened()]


def test_what_is_sent_before_the_session_opens_waits_for_it() -> None:
    pair = EndpointPair(CHANNELS, LINK, 1)
    pair.client.send(ORDERED, b"hello")
    pair.client.send(UNRELIABLE, b"there", 5)
    pair.run(1.0)
    assert pair.server_events[1:] == [
        Received(1, UNRELIABLE, b"there"),
        Received(1, ORDERED, b"hello"),
    ]
    assert pair.client_events == [Opened(), Acked(0, [5])]


@pytest.mark.parametrize("seed", range(5))
def test_messages_cross_a_bad_link_both_ways(seed: int) -> None:
    pair = connected(BAD, seed)
    there = [bytes([n]) * (n * 40) for n in range(100)]
    back = [bytes([n]) * (n * 30) for n in range(100)]
    for one, other in zip(there, back, strict=True):
        pair.client.send(ORDERED, one)
        pair.server.send(1, ORDERED, other)
        pair.run(0.01)
    pair.run(20.0)
    assert [e.message for e in pair.server_events if isinstance(e, Received)] == there
    assert [e.message for e in pair.client_events if isinstance(e, Received)] == back


def test_the_same_seed_gives_the_same_datagrams() -> None:
    def trace(seed: int) -> str:
        pair = EndpointPair(CHANNELS, BAD, seed)
        for number in range(50):
            pair.client.send(ORDERED, bytes(number))
            pair.server.send(1, UNRELIABLE, bytes(number), number)
            pair.run(0.02)
        pair.run(3.0)
        return pair.wire.trace

    assert trace(1) == trace(1)
    assert trace(1) != trace(2)


def test_tags_come_back_as_events() -> None:
    pair = connected()
    for tag in range(10):
        pair.server.send(1, UNRELIABLE, b"x", tag)
    pair.run(0.1)
    assert Acked(1, list(range(10))) in pair.server_events


def test_tags_that_are_lost_come_as_events() -> None:
    pair = connected()
    pair.wire.configure(LinkConfig(delay_s=0.01, loss=1.0))
    pair.server.send(1, UNRELIABLE, b"x", 7)
    pair.run(0.1)
    pair.wire.configure(LinkConfig(delay_s=0.01))
    for tag in range(3):
        pair.server.send(1, UNRELIABLE, b"x", tag)
        pair.run(0.05)
    assert Lost(1, [7]) in pair.server_events


def test_a_closed_peer_gets_what_was_queued_for_it_first() -> None:
    pair = connected()
    pair.server.send(1, ORDERED, b"go away")
    pair.server.close_peer(1, CloseReason.WORLD_FULL, pair.now)
    pair.run(1.0)
    assert pair.server_events[-1] == PeerClosed(1, CloseReason.WORLD_FULL)
    assert pair.client_events[1:] == [
        Received(0, ORDERED, b"go away"),
        Closed(CloseReason.CLOSED_BY_PEER),
    ]
    assert pair.client.close_reason is CloseReason.CLOSED_BY_PEER


def test_nothing_is_sent_to_a_peer_that_is_gone() -> None:
    pair = connected()
    pair.server.close_peer(1, CloseReason.WORLD_FULL, pair.now)
    pair.run(1.0)
    events = list(pair.server_events)
    pair.server.send(1, ORDERED, b"x")
    pair.server.send(2, ORDERED, b"x")
    pair.server.close_peer(1, CloseReason.WORLD_FULL, pair.now)
    assert pair.server.datagrams_to_send(pair.now) == []
    assert pair.server.connection_statistics(1) is None
    pair.client.send(ORDERED, b"x")
    pair.client.close(pair.now)
    pair.run(1.0)
    assert pair.server_events == events


def test_a_client_that_leaves_says_goodbye_with_all_it_had_to_say() -> None:
    pair = connected()
    pair.client.send(ORDERED, b"farewell")
    pair.client.close(pair.now)
    pair.run(1.0)
    assert pair.server_events[1:] == [
        Received(1, ORDERED, b"farewell"),
        PeerClosed(1, CloseReason.CLOSED_BY_PEER),
    ]
    assert pair.client_events[-1] == Closed(CloseReason.CLOSED_LOCALLY)


def test_silence_ends_both_ends() -> None:
    pair = connected()
    pair.wire.configure(LinkConfig(loss=1.0))
    pair.server.send(1, ORDERED, b"anyone?")
    pair.run(10.0)
    assert pair.server_events[-1] == PeerClosed(1, CloseReason.TIMED_OUT)
    assert pair.client_events[-1] == Closed(CloseReason.TIMED_OUT)
    assert pair.server.next_timer() is None
    assert pair.client.next_timer() is None


def test_a_closed_server_tells_all_its_peers() -> None:
    pair = connected()
    pair.server.close(pair.now)
    pair.run(1.0)
    assert pair.server_events[-1] == PeerClosed(1, CloseReason.CLOSED_LOCALLY)
    assert pair.client_events[-1] == Closed(CloseReason.CLOSED_BY_PEER)
    pair.client = pair.make_client(pair.make_token())
    pair.run(10.0)
    assert pair.client_events[-1] == Closed(CloseReason.TIMED_OUT)


def test_a_peer_that_comes_again_is_another_peer() -> None:
    pair = connected()
    pair.client.close(pair.now)
    pair.run(1.0)
    pair.client = pair.make_client(pair.make_token())
    pair.client.send(ORDERED, b"back")
    pair.run(1.0)
    opened = [event.peer for event in pair.server_events if isinstance(event, PeerOpened)]
    assert opened == [1, 2]
    assert pair.server_events[-1] == Received(2, ORDERED, b"back")
    assert pair.server.statistics().peers == 1


def test_a_full_reliable_channel_closes_the_peer() -> None:
    pair = connected()
    pair.wire.configure(LinkConfig(loss=1.0))
    for _ in range(1100):
        pair.server.send(1, ORDERED, bytes(1000))
        pair.client.send(ORDERED, bytes(1000))
    pair.run(0.1)
    assert pair.server_events[-1] == PeerClosed(1, CloseReason.CHANNEL_OVERFLOW)
    assert pair.client_events[-1] == Closed(CloseReason.CHANNEL_OVERFLOW)


def test_misuse_is_raised() -> None:
    pair = connected()
    with pytest.raises(LocalProtocolError):
        pair.server.send(1, 9, b"x")
    with pytest.raises(LocalProtocolError):
        pair.client.send(UNRELIABLE, bytes(limits.UNRELIABLE_SIZE_MAX + 1))


def test_a_token_of_another_key_is_not_answered() -> None:
    pair = EndpointPair(CHANNELS, LINK, 1)
    pair.client = pair.make_client(pair.make_token(private_key=bytes(32)))
    pair.run(10.0)
    assert pair.server_events == []
    assert pair.client_events == [Closed(CloseReason.TIMED_OUT)]


def test_bytes_that_are_no_token_end_the_attempt_at_once() -> None:
    pair = EndpointPair(CHANNELS, LINK, 1)
    pair.client = pair.make_client(bytes(2048))
    assert pair.client.next_event() == Closed(CloseReason.TOKEN_INVALID)
    assert pair.client.datagrams_to_send(0.0) == []


def test_garbage_datagrams_change_nothing() -> None:
    pair = connected()
    rng = np.random.default_rng(1)
    events = list(pair.server_events), list(pair.client_events)
    for size in range(0, limits.DATAGRAM_SIZE_MAX + 50, 7):
        for source in (CLIENT, Address("203.0.113.9", 7)):
            pair.server.receive_datagram(rng.bytes(size), source, pair.now, pair.wall_now)
        pair.client.receive_datagram(rng.bytes(size), SERVER, pair.now)
    pair.run(1.0)
    assert (pair.server_events, pair.client_events) == events


def test_an_idle_pair_sends_keep_alives_only() -> None:
    pair = connected()
    pair.client.send(ORDERED, b"x")
    pair.run(5.0)
    before = pair.wire.links[0].sent, pair.wire.links[1].sent
    pair.run(10.0)
    for link, sent in zip(pair.wire.links, before, strict=True):
        assert 38 <= link.sent - sent <= 50


def test_malformed_payloads_of_a_session_are_counted_and_the_last_straw_closes() -> None:
    """A peer with a good session whose payloads are nonsense, made of the session alone."""
    server = SessionServer(
        protocol_id=PROTOCOL_ID,
        private_key=PRIVATE_KEY,
        public_addresses=[SERVER],
        slots_max=1,
        entropy=np.random.default_rng(3).bytes,
        now=0.0,
    )
    pair = EndpointPair(CHANNELS, LINK, 1)
    now = 0.0
    opened = False
    nonsense = 0
    closed_after = 0
    while now < 5.0 and pair.client.close_reason is None:
        now += 0.01
        pair.client.handle_timer(now)
        for datagram, _ in pair.client.datagrams_to_send(now):
            server.receive_datagram(datagram, CLIENT, now, WALL_START + now)
        while server.next_event() is not None:
            opened = True
        if opened and pair.client.state is ClientState.CONNECTED:
            server.send_payloads(0, [b"\xff" * 50], now)
            nonsense += 1
        for datagram, _ in server.datagrams_to_send():
            pair.client.receive_datagram(datagram, SERVER, now)
        closed_after = pair.client.statistics().payloads_malformed
    assert pair.client.close_reason is CloseReason.PROTOCOL_VIOLATION
    assert nonsense == closed_after == LIMITS.malformed_payloads + 1


def test_a_peer_is_not_listened_to_while_what_it_told_fills_its_memory() -> None:
    pair = connected()
    for _ in range(6):
        pair.now += 0.05
        for _ in range(8000):
            pair.client.send(UNRELIABLE, b"")
        pair.client.send(ORDERED, b"kept")
        for datagram, _ in pair.client.datagrams_to_send(pair.now):
            pair.server.receive_datagram(datagram, CLIENT, pair.now, pair.wall_now)
    events = []
    while (event := pair.server.next_event()) is not None:
        events.append(event)
    memory = sum(spec.memory_max for spec in CHANNELS)
    assert 0.9 * memory < len(events) * limits.MESSAGE_OVERHEAD_SIZE < 1.1 * memory
    assert pair.server.statistics().payloads_refused > 10
    pair.run(3.0)
    kept = [e for e in events + pair.server_events if e == Received(1, ORDERED, b"kept")]
    assert len(kept) == 6


def test_a_client_does_not_listen_while_what_came_fills_its_memory() -> None:
    pair = connected()
    for _ in range(6):
        pair.now += 0.05
        for _ in range(8000):
            pair.server.send(1, UNRELIABLE, b"")
        for datagram, _ in pair.server.datagrams_to_send(pair.now):
            pair.client.receive_datagram(datagram, SERVER, pair.now)
    events = []
    while (event := pair.client.next_event()) is not None:
        events.append(event)
    memory = sum(spec.memory_max for spec in CHANNELS)
    assert 0.9 * memory < len(events) * limits.MESSAGE_OVERHEAD_SIZE < 1.1 * memory
    assert pair.client.statistics().payloads_refused > 10
    pair.server.send(1, ORDERED, b"heard")
    pair.run(1.0)
    assert Received(0, ORDERED, b"heard") in pair.client_events
