"""Bounds that are laid out in bytes or that the transport goes by, and how they relate.

Numbers that only tuning decides are fields of `Limits` values, which every core is given; what both
ends of a link must agree on beyond bytes is among the `Rules`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

from sidereal.protocol.errors import ConfigError

# -- session ----------------------------------------------------------------------------------
PAYLOAD_SIZE_MAX: Final = 1200
"""Bytes of a netcode payload."""
DATAGRAM_SIZE_MAX: Final = 1300
"""Bytes of any netcode datagram, its header and authentication code included."""
CLIENT_SLOTS_MAX: Final = 4096
SHARD_SLOTS_MAX: Final = 64
SERVERS_PER_TOKEN_MAX: Final = 32
"""Server addresses in one connect token."""
REPLAY_WINDOW_SIZE: Final = 256
"""Packets behind the newest one that can still be told from a replay."""
MAPPINGS_PER_SLOT_MAX: Final = 4
"""Handshakes under way, for each slot of a server."""
TOKENS_REMEMBERED_PER_SLOT_MAX: Final = 8
"""Connect tokens a server remembers as used, for each of its slots."""
DISCONNECTS_PER_CLOSE: Final = 10
"""Disconnect packets sent at once, since nobody acknowledges them."""
DATAGRAMS_QUEUED_MAX: Final = 1 << 16
"""Datagrams of a session server or client waiting to be sent."""

# -- channels ---------------------------------------------------------------------------------
MESSAGE_SIZE_MAX: Final = 1 << 20
"""Bytes of one reliable message, fragments put together."""
UNRELIABLE_SIZE_MAX: Final = 1150
"""Bytes of one unreliable message: it fits a payload beside the packet header."""
CHANNELS_MAX: Final = 64
"""Channels of a connection: the number travels in seven bits."""
FRAGMENT_SIZE: Final = 1024
"""Bytes of every fragment of a reliable message but its last."""
FRAGMENTS_MAX: Final = MESSAGE_SIZE_MAX // FRAGMENT_SIZE
MESSAGES_PER_RUN_MAX: Final = 255
"""Whole reliable messages that travel as one: their number travels in eight bits."""
MESSAGE_OVERHEAD_SIZE: Final = 128
"""What a message counts against its channel's memory beyond its own bytes."""
RELIABLE_WINDOW_MAX: Final = 4096
"""Reliable messages of one channel between the oldest unacked and the newest sent."""
ACK_SPAN_MAX: Final = 2048
"""Packets before the newest one that an ack can still speak of; older arrivals are dropped."""
ACK_WORDS_MAX: Final = ACK_SPAN_MAX // 32
ACK_WORDS_PACKED_MAX: Final = 8
"""Ack words beside messages; a wider ack goes in a packet of its own."""
SENT_PACKETS_MAX: Final = 4096
"""Packets sent of which an ack is still awaited; the oldest is forgotten first."""
ACK_DELAY_S_MAX: Final = 0.02
"""An ack that found no message to travel with waits no longer."""
ACK_LATE_S_MAX: Final = 2.0
"""How long after a packet was given up its ack may still come."""
RTO_S_INITIAL: Final = 0.5
RTO_S_MIN: Final = 0.1
RTO_S_MAX: Final = 2.0
REORDER_PACKETS_MIN: Final = 3
"""A packet is given up when this many later ones were acked."""
REORDER_PACKETS_MAX: Final = 64
"""How far that number grows when packets given up turn out to have been late."""
WINDOW_SIZE_INITIAL: Final = 32 * PAYLOAD_SIZE_MAX
"""Congestion window, bytes."""
WINDOW_SIZE_MIN: Final = 4 * PAYLOAD_SIZE_MAX
WINDOW_SIZE_MAX: Final = 2 << 20
SILENT_S_MAX: Final = 5.0
"""How long a peer may ack nothing at all. It may have left, and others may have its address now:
from then on it is sent at most `SILENT_RATE`."""
SILENT_RATE: Final = 2400.0
"""Bytes per second to a peer that has been silent for `SILENT_S_MAX`."""
UNASKED_PACKETS_MAX: Final = 15
"""Packets in a row that ask for no ack. The next one asks: else the sender would never know."""
COPY_SIZE_MAX: Final = 256
"""Bytes of a reliable segment of which redundant copies may be sent."""
COPIED_SEGMENTS_MAX: Final = 16
"""Segments that wait to be copied, at a time."""
COPIES_MAX: Final = 2
"""Redundant copies of one segment."""
UNRELIABLE_WAIT_S_MAX: Final = 0.1
"""An unreliable message that could not be sent for so long is dropped."""
PACE_S_MIN: Final = 0.002
"""A connection that has spent its budget looks again no sooner."""
MALFORMED_PAYLOADS_MAX: Final = 16
"""Payloads of one authenticated peer that made no sense; one more closes its session."""

# -- streams ----------------------------------------------------------------------------------
SNAPSHOT_SIZE_MAX: Final = UNRELIABLE_SIZE_MAX
SNAPSHOT_DATAGRAMS_MAX: Final = 16
"""Datagrams of one client's snapshot: their numbers fit into the tags of acks."""

LEASE_RADIUS_MAX: Final = 7
"""Sectors from the middle to the edge of the square whose leases a client is sent: all of them fit
into one unreliable message."""

# -- players ----------------------------------------------------------------------------------
CONTROLS_PER_MESSAGE_MAX: Final = 16
INPUT_SEQ_MAX: Final = 0xFFFF_FFFF
"""The highest number of an input: a pilot that flies for so long needs another ship."""
INPUTS_UNANSWERED_MAX: Final = 64
"""Inputs of one ship between the newest that its state shows and the newest there is: more are
neither kept nor passed on when the ship changes hands."""
NAME_SIZE_MAX: Final = 24
"""Bytes of a name in UTF-8."""
CHAT_SIZE_MAX: Final = 240
NOTICE_SIZE_MAX: Final = 1000
"""Characters of what the server tells the person at a client or shard."""
CHAT_LINES_PER_S: Final = 1
CHAT_LINES_BURST: Final = 5
"""Lines a client may say at once after it was silent."""
CHAT_HEARD_PER_S: Final = 4
"""Lines of others that a client is sent, however many speak around it."""
CHAT_HEARD_BURST: Final = 20
"""Those that it may be sent at once after all were silent."""
CLIENT_MESSAGES_PER_S: Final = 200
"""Messages of one client that are listened to, whatever they say; ours send about 30."""
CLIENT_MESSAGES_BURST: Final = 400
"""Those that may come at once, after a stall; one that sends twice as many is closed."""

# -- runtime ----------------------------------------------------------------------------------
DATAGRAMS_PER_DRAIN_MAX: Final = 256
DATAGRAMS_PER_SEND_MAX: Final = 64
"""Datagrams handed to the system in one call, as many as any Linux takes."""
UNBATCHED_MAX: Final = 4096
"""Destinations remembered to which no batches can be sent."""
SOCKET_BUFFER_SIZE: Final = 8 << 20
"""Bytes asked of the system for each direction of a UDP socket."""

assert PAYLOAD_SIZE_MAX < DATAGRAM_SIZE_MAX
assert CLIENT_SLOTS_MAX * DISCONNECTS_PER_CLOSE < DATAGRAMS_QUEUED_MAX
assert UNRELIABLE_SIZE_MAX < PAYLOAD_SIZE_MAX
assert FRAGMENT_SIZE <= UNRELIABLE_SIZE_MAX
assert FRAGMENT_SIZE * FRAGMENTS_MAX == MESSAGE_SIZE_MAX
assert FRAGMENTS_MAX < 1 << 16
assert ACK_SPAN_MAX <= SENT_PACKETS_MAX < 1 << 15
assert RTO_S_MIN <= RTO_S_INITIAL <= RTO_S_MAX
assert SILENT_RATE * RTO_S_MAX <= WINDOW_SIZE_MIN
assert WINDOW_SIZE_MIN <= WINDOW_SIZE_INITIAL <= WINDOW_SIZE_MAX
assert WINDOW_SIZE_MAX <= ACK_SPAN_MAX * PAYLOAD_SIZE_MAX
assert CONTROLS_PER_MESSAGE_MAX <= INPUTS_UNANSWERED_MAX


def check_limits(limits: Any, problems: Sequence[str] = ()) -> None:
    """Check that every number of a `Limits` value is above 0, and that nothing else is wrong.

    Args:
        limits: a dataclass of numbers and of further such values.
        problems: relations that do not hold, in words.

    Raises:
        ConfigError: naming every problem at once.
    """
    found = [
        f"{field.name} must be above 0"
        for field in dataclasses.fields(limits)
        if isinstance(value := getattr(limits, field.name), int | float) and not value > 0
    ]
    if found or problems:
        raise ConfigError("; ".join([*found, *problems]))
