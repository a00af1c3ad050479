"""What a mark stands for has come when the mark has; and no nonce is used twice."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from sidereal.protocol.ids import Address
from sidereal.protocol.testing.link import LinkConfig
from sidereal.tools.simulate import network as networks
from sidereal.tools.simulate.ledger import Mark
from sidereal.tools.simulate.network import Network

AUTHORITY, SHARD = Address("192.0.2.1", 1), Address("198.51.100.2", 1)


def test_a_mark_carried_together_comes_last_and_only_if_nothing_is_lost() -> None:
    link = LinkConfig(delay_s=0.01, jitter_s=0.01, loss=0.2, duplication=0.2, reordering=0.2)
    network = Network(link, 1, Mock())
    for turn in range(200):
        both = [(b"\x00acks", SHARD), (b"\x00controls", SHARD)]
        network.send(AUTHORITY, both, float(turn), Mark(1, 1, turn), together=True)
    come: dict[int, set[bytes]] = {}
    marked = set()
    while network.next_at < 1e9:
        delivery = network.take()
        turn = int(delivery.at)
        come.setdefault(turn, set()).add(delivery.datagram)
        if delivery.mark is not None:
            assert delivery.mark.input_seq == turn
            assert len(come[turn]) == 2
            marked.add(turn)
    assert marked == {turn for turn, datagrams in come.items() if len(datagrams) == 2}
    assert 0 < len(marked) < 200


def test_a_nonce_is_compared_with_those_of_the_newest_datagrams_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(networks, "DATAGRAMS_KEPT", 4)
    network = Network(LinkConfig(), 1, Mock())

    def seal(number: int, text: bytes) -> int:
        datagram = bytes([1 << 4, number]) + text
        network.send(AUTHORITY, [(datagram, SHARD)], 0.0)
        return len(network.nonces_repeated)

    assert {seal(number, b"once") for number in range(10)} == {0}
    assert seal(9, b"once") == 0, "it is the same datagram"
    assert seal(9, b"twice") == 1
    assert seal(0, b"twice") == 1, "that was long ago"
