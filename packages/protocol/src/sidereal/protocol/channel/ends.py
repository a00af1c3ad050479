"""The two ends of a channel, by what it promises."""

from __future__ import annotations

from sidereal.protocol.channel.limits import TransportLimits
from sidereal.protocol.channel.reliable import Receiver, ReliableReceiver, ReliableSender
from sidereal.protocol.channel.spec import ChannelSpec, Delivery
from sidereal.protocol.channel.unreliable import (
    SequencedReceiver,
    UnreliableReceiver,
    UnreliableSender,
)


def make_sender(
    number: int, spec: ChannelSpec, limits: TransportLimits
) -> UnreliableSender | ReliableSender:
    """Make the end of a channel, which has this number, that sends."""
    if spec.delivery.is_reliable:
        return ReliableSender(number, spec, limits.reliable_window)
    return UnreliableSender(number, spec, limits.unreliable_wait_s)


def make_receiver(spec: ChannelSpec) -> Receiver:
    """Make the end of a channel that receives."""
    if spec.delivery.is_reliable:
        return ReliableReceiver(spec)
    if spec.delivery is Delivery.UNRELIABLE_SEQUENCED:
        return SequencedReceiver()
    return UnreliableReceiver()
