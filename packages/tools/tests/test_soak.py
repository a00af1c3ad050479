"""Whole soaks in virtual time: honest endpoints pass, endpoints that lie are found out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import pytest

from sidereal.protocol.channel.endpoint import ClientEndpoint, ServerEndpoint
from sidereal.protocol.channel.events import Acked, Lost, PeerClosed, PeerOpened, Received
from sidereal.protocol.errors import CloseReason, ConfigError
from sidereal.protocol.ids import Address
from sidereal.tools.soak.behaviour import BULK_SIZE_MAX, Ending, draw_visit, draw_words
from sidereal.tools.soak.body import LABEL_SIZE
from sidereal.tools.soak.config import CHANNELS, CLIENTS_MAX, End, SoakConfig
from sidereal.tools.soak.soak import Soak

SERVER: Final = Address("192.0.2.1", 40000)
WALL_START: Final = 1_700_000_000.0
TURN_S: Final = 0.02
NEVER_S: Final = 200.0
"""A soak that has not ended by then does not end."""
UNRELIABLE, SEQUENCED, ORDERED, UNORDERED = range(4)

LINKS: Final[tuple[dict[str, Any], ...]] = (
    {"loss": 0.05, "duplication": 0.05, "reordering": 0.05},
    {"loss": 0.3, "duplication": 0.0, "reordering": 0.0, "delay_ms": 400.0},
    {"loss": 0.1, "duplication": 0.4, "reordering": 0.5, "jitter_ms": 100.0},
    {"loss": 0.0, "duplication": 0.0, "reordering": 0.3, "delay_ms": 0.0},
)


def play(config: SoakConfig) -> Soak:
    """Run a soak to its end over sockets that are two names and no more.

    There is one socket to spare, so whoever moves gets what another has just left.
    """
    now = 0.0
    soak = Soak(config, SERVER, entropy=np.random.default_rng([config.seed, 1]).bytes, now=now)
    spare = deque(Address("198.51.100.1", port) for port in range(config.clients + 1))
    sockets = {SERVER}
    while not soak.is_over:
        assert now < NEVER_S, soak.rig.checker.violations
        now += TURN_S
        if now >= config.for_s and not soak.rig.is_closing:
            soak.close(now)
        for _, _, source, destination, datagram in soak.turn(now, WALL_START + now):
            if source in sockets and destination in sockets:
                soak.receive_datagram(datagram, source, destination, now, WALL_START + now)
        for move in soak.take_moves():
            address = spare.popleft()
            sockets.add(address)
            if move.address is not None:
                sockets.remove(move.address)
                spare.append(move.address)
            soak.place(move, address, now)
    return soak


def story(soak: Soak) -> tuple[Any, ...]:
    """All that a soak counted."""
    checker = soak.rig.checker
    return (
        soak.datagrams,
        checker.tags_acked,
        dict(checker.sent),
        dict(checker.delivered),
        dict(checker.opened),
        dict(checker.closed),
        dict(soak.rig.tallied),
    )


@pytest.mark.parametrize("link", LINKS)
def test_honest_endpoints_break_nothing_on_any_link(link: dict[str, Any]) -> None:
    config = SoakConfig(clients=8, for_s=20.0, seed=2, **link)
    soak = play(config)
    checker = soak.rig.checker
    assert checker.violations == []
    assert checker.opened[End.CLIENT] > 2 * config.clients
    assert soak.connected == 0
    reasons = {reason for end, reason in checker.closed if end is End.SERVER}
    assert reasons == {
        CloseReason.CLOSED_BY_PEER,
        CloseReason.TIMED_OUT,
        CloseReason.SHUTTING_DOWN,
        CloseReason.CLOSED_LOCALLY,
    }
    for end in End:
        for channel in range(len(CHANNELS)):
            assert checker.delivered[end, channel] > 100
    datagrams, lost = soak.datagrams
    assert config.loss * 0.8 <= lost / datagrams <= config.loss * 1.2 + 0.05
    assert 0 < checker.tags_acked < checker.tags_sent


def test_a_seed_tells_the_same_story_and_another_seed_another() -> None:
    config = SoakConfig(clients=3, for_s=4.0, seed=4)
    told = story(play(config))
    assert story(play(config)) == told
    assert story(play(SoakConfig(clients=3, for_s=4.0, seed=5))) != told


# -- endpoints that lie ---------------------------------------------------------------------------

Event = PeerOpened | Received | Acked | Lost | PeerClosed


class Lie(NamedTuple):
    """What an endpoint says in place of the truth, and what that is taken for."""

    tell: Callable[[Event, int], Iterator[Event]]
    """Takes what happened, and as which of its kind (and channel)."""
    found: tuple[str, ...]


def repeats(channel: int) -> Callable[[Event, int], Iterator[Event]]:
    def tell(event: Event, number: int) -> Iterator[Event]:
        yield event
        if isinstance(event, Received) and event.channel == channel and number % 20 == 0:
            yield event

    return tell


def keeps_to_itself(channel: int) -> Callable[[Event, int], Iterator[Event]]:
    def tell(event: Event, number: int) -> Iterator[Event]:
        kept = isinstance(event, Received) and event.channel == channel and number % 20 == 0
        if not kept:
            yield event

    return tell


def swaps(channel: int) -> Callable[[Event, int], Iterator[Event]]:
    held: list[Event] = []

    def tell(event: Event, number: int) -> Iterator[Event]:
        meant = isinstance(event, Received) and event.channel == channel
        if meant and not held:
            held.append(event)
            return
        yield event
        if meant and event.peer == held[0].peer:
            yield held.pop()

    return tell


def flips_a_bit(event: Event, number: int) -> Iterator[Event]:
    if isinstance(event, Received) and number % 20 == 0:
        body = bytearray(event.message)
        body[number % len(body)] ^= 1
        event = Received(event.peer, event.channel, bytes(body))
    yield event


def takes_one_for_another() -> Callable[[Event, int], Iterator[Event]]:
    peers: dict[int, None] = {}

    def tell(event: Event, number: int) -> Iterator[Event]:
        if isinstance(event, PeerClosed):
            peers.pop(event.peer, None)
        else:
            peers[event.peer] = None
        if isinstance(event, Received) and number % 20 == 0:
            for other in peers:
                event = Received(other, event.channel, event.message)
        yield event

    return tell


def acks_again(event: Event, number: int) -> Iterator[Event]:
    if isinstance(event, Acked) and number % 20 == 0:
        event = Acked(event.peer, [*event.tags, event.tags[0]])
    yield event


def acks_what_is_on_its_way(event: Event, number: int) -> Iterator[Event]:
    if isinstance(event, Acked):
        event = Acked(event.peer, [*event.tags, event.tags[-1] + (1 << 6)])
    yield event


def is_silent_of_ends(event: Event, number: int) -> Iterator[Event]:
    if not isinstance(event, PeerClosed):
        yield event


def gives_one_reason_for_all(event: Event, number: int) -> Iterator[Event]:
    if isinstance(event, PeerClosed):
        event = PeerClosed(event.peer, CloseReason.UNKNOWN)
    yield event


LIES: Final = {
    "repeats unreliable": Lie(repeats(UNRELIABLE), ("came twice",)),
    "repeats sequenced": Lie(repeats(SEQUENCED), ("came after",)),
    "repeats ordered": Lie(repeats(ORDERED), ("was due",)),
    "repeats unordered": Lie(repeats(UNORDERED), ("came twice",)),
    "keeps ordered": Lie(keeps_to_itself(ORDERED), ("was due", "never came")),
    "keeps unordered": Lie(keeps_to_itself(UNORDERED), ("never came",)),
    "swaps sequenced": Lie(swaps(SEQUENCED), ("came after", "did not come")),
    "swaps ordered": Lie(swaps(ORDERED), ("was due", "never came")),
    "flips a bit": Lie(flips_a_bit, ("delivered",)),
    "mixes peers": Lie(takes_one_for_another(), ("did not send there",)),
    "acks again": Lie(acks_again, ("was acked before",)),
    "acks too early": Lie(acks_what_is_on_its_way, ("was acked before", "did not come")),
    "silent of ends": Lie(is_silent_of_ends, ("is overdue",)),
    "one reason": Lie(gives_one_reason_for_all, ("closed with UNKNOWN",)),
}


@pytest.mark.parametrize("name", LIES)
def test_a_server_that_lies_is_found_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lie = LIES[name]
    honest = ServerEndpoint.next_event
    told: deque[Event] = deque()
    counts: Counter[tuple[type, int]] = Counter()

    def next_event(self: ServerEndpoint) -> Event | None:
        while not told:
            event = honest(self)
            if event is None:
                return None
            kind = type(event), event.channel if isinstance(event, Received) else 0
            counts[kind] += 1
            told.extend(lie.tell(event, counts[kind]))
        return told.popleft()

    monkeypatch.setattr(ServerEndpoint, "next_event", next_event)
    violations = play(SoakConfig(clients=6, for_s=6.0, seed=1)).rig.checker.violations
    assert violations
    assert any(found in violations[0].text for found in lie.found), violations[0]


def test_a_client_that_says_nothing_is_found_out_and_the_soak_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ClientEndpoint, "next_event", lambda _: None)
    soak = play(SoakConfig(clients=2, for_s=4.0, seed=1))
    assert "the client's end is overdue" in soak.rig.checker.violations[0].text


def test_goodbyes_that_the_server_never_says_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ServerEndpoint.close_peer

    def close_peer(self: ServerEndpoint, peer: int, reason: CloseReason, now: float) -> None:
        honest(self, peer, reason, now)
        self.datagrams_to_send(now)

    monkeypatch.setattr(ServerEndpoint, "close_peer", close_peer)
    violations = play(SoakConfig(clients=6, for_s=6.0, seed=1)).rig.checker.violations
    assert "the client's end is overdue" in violations[0].text


def test_goodbyes_that_a_client_never_says_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = ClientEndpoint.datagrams_to_send

    def datagrams_to_send(self: ClientEndpoint, now: float) -> list[tuple[bytes, Address]]:
        datagrams = honest(self, now)
        return datagrams if self.close_reason is None else []

    monkeypatch.setattr(ClientEndpoint, "datagrams_to_send", datagrams_to_send)
    violations = play(SoakConfig(clients=6, for_s=6.0, seed=1)).rig.checker.violations
    assert "the server's end is overdue" in violations[0].text


# -- what clients do, and what can be asked for ---------------------------------------------------


def test_visits_end_in_every_way_and_words_have_every_size() -> None:
    rng = np.random.default_rng(1)
    visits = [draw_visit(rng) for _ in range(500)]
    assert {visit.ending for visit in visits} == set(Ending)
    assert {(visit.moves, visit.renames) for visit in visits} == {
        (moves, renames) for moves in (False, True) for renames in (False, True)
    }
    words = [one for visit in visits for _ in range(3) for one in draw_words(rng, visit)]
    assert {one.sender for one in words} == set(End)
    for channel, spec in enumerate(CHANNELS):
        sizes = [one.size for one in words if one.channel == channel]
        assert LABEL_SIZE <= min(sizes) <= LABEL_SIZE + 1
        longest = BULK_SIZE_MAX if spec.delivery.is_reliable else spec.message_size_max
        assert longest / 3 < max(sizes) <= longest
        tagged = {one.tagged for one in words if one.channel == channel}
        assert tagged == ({False} if spec.delivery.is_reliable else {False, True})


@pytest.mark.parametrize(
    "right",
    [
        SoakConfig(),
        SoakConfig(clients=1, for_s=0.1, seed=0, loss=0.0, delay_ms=0.0),
        SoakConfig(clients=CLIENTS_MAX, loss=0.5, duplication=0.5, reordering=0.5, delay_ms=500.0),
    ],
)
def test_what_can_be_done_is_not_refused(right: SoakConfig) -> None:
    right.check()


def test_everything_that_can_not_be_done_is_named_at_once() -> None:
    wrong = SoakConfig(
        clients=CLIENTS_MAX + 1,
        for_s=0.0,
        seed=-1,
        loss=0.51,
        duplication=-0.1,
        reordering=float("nan"),
        delay_ms=501.0,
        jitter_ms=-1.0,
    )
    with pytest.raises(ConfigError) as error:
        wrong.check()
    flags = ("clients", "for", "seed", "loss", "duplication", "reordering", "delay-ms", "jitter-ms")
    assert all(f"--{flag} must" in str(error.value) for flag in flags)
    with pytest.raises(ConfigError):
        SoakConfig(clients=0).check()
