"""What the log says of shards that nobody answers."""

from __future__ import annotations

import dataclasses

import numpy as np

from sidereal.protocol.ids import SHARD_PROTOCOL_ID, Address
from sidereal.protocol.session.packet import Drop
from sidereal.protocol.session.server import SessionServer
from sidereal.replication.unanswered import WORDS, Unanswered

HERE, ELSEWHERE = Address("192.0.2.1", 4001), Address("192.0.2.9", 4001)
NOTHING = SessionServer(
    protocol_id=SHARD_PROTOCOL_ID,
    private_key=bytes(32),
    public_addresses=[HERE],
    slots_max=1,
    entropy=np.random.default_rng(1).bytes,
    now=0.0,
).statistics()


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
