"""Inputs on the wire: packed, because every client sends some every tick.

    control epoch u32 · number of the first record u32 · count u8 · count records of controls

Records are numbered by one for each tick of the client. A message repeats all that no state has
shown to be applied, so that none is lost with a datagram. On its way to the shard the network id of
what the pilot flies stands ahead of all that.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import CONTROLS_PER_MESSAGE_MAX
from sidereal.protocol.state.controls import ControlsLayout

_HEAD: Final = struct.Struct("<IIB")
_NET_ID: Final = struct.Struct("<I")


class Input(NamedTuple):
    """What a pilot has held in successive ticks.

    Attributes:
        control_epoch: of the entity that it is meant for.
        first_seq: number of the first record; the others follow it.
        records: of controls, oldest first, at least one.
    """

    control_epoch: int
    first_seq: int
    records: tuple[int, ...]

    @property
    def newest_seq(self) -> int:
        """Number of the last record."""
        return self.first_seq + len(self.records) - 1


class RoutedInput(NamedTuple):
    """A pilot's input on its way to the shard of what it flies."""

    net_id: int
    input: Input


def encode_input(message: Input, layout: ControlsLayout) -> bytes:
    """Pack what a client sends."""
    head = _HEAD.pack(message.control_epoch, message.first_seq, len(message.records))
    return head + layout.to_bytes(message.records)


def decode_input_untrusted(body: bytes, layout: ControlsLayout) -> Input:
    """Unpack what a client sent.

    Raises:
        WireError: it is of another shape, or a record has codes that there are not.
    """
    if len(body) < _HEAD.size:
        raise WireError(f"an input of {len(body)} bytes")
    control_epoch, first_seq, count = _HEAD.unpack_from(body)
    if not 1 <= count <= CONTROLS_PER_MESSAGE_MAX:
        raise WireError(f"an input of {count} records")
    if len(body) != _HEAD.size + count * layout.size:
        raise WireError(f"an input of {count} records in {len(body)} bytes")
    records = layout.from_bytes(body[_HEAD.size :], count)
    if not layout.accepts(records):
        raise WireError("an input with a code that no control has")
    return Input(control_epoch, first_seq, records)


def encode_routed_input(message: RoutedInput, layout: ControlsLayout) -> bytes:
    """Pack what a shard is sent."""
    return _NET_ID.pack(message.net_id) + encode_input(message.input, layout)


def decode_routed_input_untrusted(body: bytes, layout: ControlsLayout) -> RoutedInput:
    """Unpack what a shard was sent.

    Raises:
        WireError: as of `decode_input_untrusted`.
    """
    if len(body) < _NET_ID.size:
        raise WireError(f"a routed input of {len(body)} bytes")
    (net_id,) = _NET_ID.unpack_from(body)
    return RoutedInput(net_id, decode_input_untrusted(body[_NET_ID.size :], layout))
