"""What the server's log says about shards that it does not answer."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sidereal.protocol.channel.endpoint import ClientEndpoint, ServerEndpoint
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, SHARD_PROTOCOL_ID, Address
from sidereal.protocol.links import SHARD_CHANNELS
from sidereal.protocol.session.packet import Drop
from sidereal.protocol.session.server import SessionServer
from sidereal.protocol.session.token import generate_connect_token
from sidereal.replication.unanswered import WORDS, Reason, Unanswered

KEY = bytes(range(32))
WALL = 1_700_000_000.0
HERE = Address("0.0.0.0", 7072)
CALLED, PUBLIC = Address("192.0.2.7", 7072), Address("203.0.113.7", 17072)
ELSEWHERE = Address("203.0.113.8", 17072)
SHARD = Address("198.51.100.1", 5000)
NOTHING = SessionServer(
    protocol_id=SHARD_PROTOCOL_ID,
    private_key=bytes(32),
    public_addresses=[CALLED],
    slots_max=1,
    entropy=np.random.default_rng(1).bytes,
    now=0.0,
).statistics()


class Door:
    """An endpoint for shards that listens everywhere, and what its log would say."""

    def __init__(self) -> None:
        self._count = 0
        self._unanswered = Unanswered()
        self._endpoint = ServerEndpoint(
            protocol_id=SHARD_PROTOCOL_ID,
            private_key=KEY,
            public_addresses=[HERE, PUBLIC],
            slots_max=4,
            channels=SHARD_CHANNELS,
            entropy=self._entropy,
            now=0.0,
        )

    def ask(
        self,
        called: Address = CALLED,
        *,
        key: bytes = KEY,
        protocol_id: int = SHARD_PROTOCOL_ID,
        expire_s: int = -1,
        wall_off_s: float = 0.0,
    ) -> bool:
        """Ask for a session with a token of one's own; tells whether there was an answer."""
        token = generate_connect_token(
            protocol_id=protocol_id,
            private_key=key,
            client_id=1,
            server_addresses=[called],
            user_data=bytes(256),
            expire_s=expire_s,
            timeout_s=3,
            wall_now=WALL + wall_off_s,
            entropy=self._entropy,
        )
        shard = ClientEndpoint(token, SHARD_CHANNELS, self._entropy, 0.0)
        for datagram, _ in shard.datagrams_to_send(0.0):
            self._endpoint.receive_datagram(datagram, SHARD, 0.0, WALL)
        return bool(self._endpoint.datagrams_to_send(0.0))

    def news(self) -> list[Reason]:
        return list(self._unanswered.news(self._endpoint.statistics().session))

    def _entropy(self, size: int) -> bytes:
        self._count += 1
        return self._count.to_bytes(8, "little").ljust(size, b"\1")[:size]


@pytest.mark.parametrize("called", [CALLED, PUBLIC])
def test_a_shard_may_call_the_server_by_any_of_its_addresses(called: Address) -> None:
    door = Door()
    assert door.ask(called)
    assert door.news() == []


@pytest.mark.parametrize("hours", [-1, 1, 1000])
def test_the_clock_of_a_shard_need_not_agree(hours: int) -> None:
    door = Door()
    assert door.ask(wall_off_s=3600.0 * hours)
    assert door.news() == []


def test_a_shard_that_was_told_a_wrong_address_is_not_said_to_have_a_wrong_key() -> None:
    door = Door()
    assert not door.ask(ELSEWHERE)
    (reason,) = door.news()
    assert reason.drop is Drop.SERVER_NOT_LISTED
    assert reason.asked_for == (ELSEWHERE,)
    assert "has the key" in reason.words
    assert "--public-shards" in reason.words


def test_every_other_reason_is_told_in_its_own_words() -> None:
    door = Door()
    assert not door.ask(key=bytes(32))
    assert not door.ask(expire_s=30, wall_off_s=-3600.0)
    assert not door.ask(protocol_id=CLIENT_PROTOCOL_ID)
    words = {reason.drop: reason.words for reason in door.news()}
    assert "another shard key" in words[Drop.TOKEN_NOT_AUTHENTIC]
    assert "expired by this server's clock" in words[Drop.TOKEN_EXPIRED]
    assert "no shard of this version" in words[Drop.PROTOCOL_ID]


def said(unanswered: Unanswered, **dropped: int) -> list[tuple[Drop, int]]:
    counts = {Drop[name]: count for name, count in dropped.items()}
    return [
        (reason.drop, reason.requests)
        for reason in unanswered.news(dataclasses.replace(NOTHING, dropped=counts))
    ]


def test_a_reason_is_given_at_once_and_again_when_there_were_more_than_twice_as_many() -> None:
    unanswered = Unanswered()
    key = Drop.TOKEN_NOT_AUTHENTIC
    assert said(unanswered) == []
    assert said(unanswered, TOKEN_NOT_AUTHENTIC=1) == [(key, 1)]
    assert said(unanswered, TOKEN_NOT_AUTHENTIC=2) == []
    assert said(unanswered, TOKEN_NOT_AUTHENTIC=10) == [(key, 10)]
    assert said(unanswered, TOKEN_NOT_AUTHENTIC=20) == []
    assert said(unanswered, TOKEN_NOT_AUTHENTIC=21) == [(key, 21)]


def test_reasons_are_counted_apart_and_others_are_not_given() -> None:
    unanswered = Unanswered()
    both = said(unanswered, TOKEN_EXPIRED=3, PROTOCOL_ID=2, MAPPINGS_FULL=9)
    assert sorted(both) == sorted([(Drop.TOKEN_EXPIRED, 3), (Drop.PROTOCOL_ID, 2)])
    assert said(unanswered, TOKEN_EXPIRED=3, PROTOCOL_ID=5) == [(Drop.PROTOCOL_ID, 5)]


def test_who_asks_for_another_address_is_shown_with_it() -> None:
    for drop, shown in ((Drop.SERVER_NOT_LISTED, (ELSEWHERE,)), (Drop.PROTOCOL_ID, ())):
        session = dataclasses.replace(NOTHING, dropped={drop: 1}, not_listed=(ELSEWHERE,))
        (reason,) = Unanswered().news(session)
        assert reason.asked_for == shown
        assert reason.words == WORDS[drop]
