"""How much of one peer waits for whoever takes the events."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.protocol import limits
from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.events import (
    Acked,
    Closed,
    Lost,
    Opened,
    PeerClosed,
    PeerOpened,
    Received,
)
from sidereal.protocol.channel.peer import Peer
from sidereal.protocol.channel.spec import ChannelSpec, Delivery

Event = Acked | Closed | Lost | Opened | PeerClosed | PeerOpened | Received


def payloads(count: int) -> list[bytes]:
    """Packets of a peer, each with one message of 1,000 bytes."""
    sender = Connection([ChannelSpec(Delivery.UNRELIABLE, memory_max=1 << 20)], 0.0)
    for _ in range(count):
        sender.send(0, bytes(1000))
    return sender.payloads_to_send(0.0)


@pytest.mark.parametrize(("spare", "full"), [(0, True), (1, False)])
def test_a_peer_is_full_when_what_waits_reaches_the_memory_of_its_channels(
    spare: int, full: bool
) -> None:
    sent = payloads(3)
    waits = sum(map(len, sent)) + len(sent) * limits.MESSAGE_OVERHEAD_SIZE
    channels = [ChannelSpec(Delivery.UNRELIABLE, memory_max=waits + spare)]
    peer = Peer(1, 0, channels, 0.0, None, np.random.default_rng(1).bytes)
    events: list[Event] = []
    for payload in sent:
        assert not peer.is_full(0)
        assert peer.receive_untrusted(payload, 0.0, events)
    assert len(events) == len(sent)
    assert peer.is_full(0) is full
    # Who has taken all events begins anew.
    assert not peer.is_full(1)
