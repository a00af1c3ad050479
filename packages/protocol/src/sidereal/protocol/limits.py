"""Bounds that are laid out in bytes, or that both ends of a session go by before it is open.

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
DATAGRAM_OVERHEAD_SIZE: Final = 65
"""Bytes that a datagram takes of a link beside its messages: IP, UDP, netcode and packet header."""
CLIENT_SLOTS_MAX: Final = 4096
SHARD_SLOTS_MAX: Final = 64
SERVERS_PER_TOKEN_MAX: Final = 32
"""Server addresses in one connect token."""
REPLAY_WINDOW_SIZE: Final = 256
"""Packets behind the newest one that can still be told from a replay."""

# -- channels ---------------------------------------------------------------------------------
MESSAGE_SIZE_MAX: Final = 1 << 20
"""Bytes of one reliable message, fragments put together."""
UNRELIABLE_SIZE_MAX: Final = 1150
"""Bytes of one unreliable message: it fits a payload beside the packet header."""
DESCRIPTION_SIZE_MAX: Final = 1 << 16
"""Bytes of a world's declarations, as they travel."""
CHANNELS_MAX: Final = 64
"""Channels of a connection: the number travels in six bits."""
FRAGMENT_SIZE: Final = 1024
"""Bytes of every fragment of a reliable message but its last."""
FRAGMENTS_MAX: Final = MESSAGE_SIZE_MAX // FRAGMENT_SIZE
MESSAGES_PER_RUN_MAX: Final = 255
"""Whole reliable messages that travel as one: their number travels in eight bits."""
MESSAGE_OVERHEAD_SIZE: Final = 128
"""What a message counts against its channel's memory beyond its own bytes."""
RELIABLE_WINDOW_MAX: Final = 4096
"""Reliable messages of one channel from the oldest unacked on; a receiver takes none beyond."""
ACK_SPAN_MAX: Final = 2048
"""Packets before the newest one that an ack can still speak of; older arrivals are dropped."""
ACK_WORDS_MAX: Final = ACK_SPAN_MAX // 32
ACK_WORDS_PACKED_MAX: Final = 8
"""Ack words for which there is room beside the longest part; a wider ack travels alone."""

# -- streams ----------------------------------------------------------------------------------
SNAPSHOT_SIZE_MAX: Final = UNRELIABLE_SIZE_MAX
SNAPSHOT_DATAGRAMS_MAX: Final = 16
"""Datagrams of one client's snapshot: their numbers fit into the tags of acks."""

PRIVATE_EVENTS_MAX: Final = 256
"""Events of one tick that one client alone is told of: their numbers travel in a byte."""

LEASE_RADIUS_MAX: Final = 7
"""Sectors from the middle to the edge of the square whose leases a client is sent: all of them fit
into one unreliable message."""

# -- players ----------------------------------------------------------------------------------
CONTROLS_PER_MESSAGE_MAX: Final = 16
INPUT_SEQ_MAX: Final = 0xFFFF_FFFF
"""The highest number of an input: a pilot that flies for so long needs another entity."""
INPUTS_UNANSWERED_MAX: Final = 64
"""Inputs of one entity between the newest that its state shows and the newest there is: more are
neither kept nor passed on when it changes hands."""
INPUT_GUESSES_MAX: Final = 5
"""Inputs of an entity that its shard may take for granted before they have come: its record shows
none beyond so many after the newest that the pilot has sent."""
REPAIRED_TICKS_MAX: Final = 16
"""Ticks gone by that a shard may simulate again, if it was given an entity too late for what that
has run into: what it proposes afterwards is not where it was said to go."""
REPAIRED_BODIES_MAX: Final = 64
"""Bodies that may take part in that together."""
SHADOWS_MAX: Final = 1000
"""Entities of other shards that a shard has bodies of."""
ASKED_PER_TICK_MAX: Final = 512
"""Actions that systems of a shard may ask for in a tick; a server that gets more for long drops the
rest."""
EVENTS_PER_TICK_MAX: Final = 512
"""Events that a shard may emit in a tick; a server that gets more for long drops the rest."""
NAME_SIZE_MAX: Final = 24
"""Bytes of a name in UTF-8."""
CALL_KEY_SIZE: Final = 16
"""Bytes of what tells one call of an action from all others of its account."""
ACTION_NAME_SIZE_MAX: Final = 63
"""Characters of an action's name, with its part."""
ARGUMENTS_SIZE_MAX: Final = 1024
"""Bytes of the arguments of a call."""
ASKED_ROWS_MAX: Final = 256
"""Entities on whose behalf one message of a shard asks for an action."""
ASKED_SIZE_MAX: Final = 1 << 16
"""Bytes of the arguments for all of them."""
ASKED_TOGETHER: Final = min(ASKED_ROWS_MAX, ASKED_SIZE_MAX // ARGUMENTS_SIZE_MAX)
"""Calls that one message of a shard asks for: they fit, however large their arguments are."""
NOTICE_SIZE_MAX: Final = 1000
"""Characters of what the server tells the person at a client or shard, and of why a shard ends."""
CODE_NAME_SIZE_MAX: Final = 80
"""Characters of the name of a model or system: beside durations they fit into one datagram."""

# -- runtime ----------------------------------------------------------------------------------
DATAGRAMS_PER_DRAIN_MAX: Final = 256
DATAGRAMS_PER_SEND_MAX: Final = 64
"""Datagrams handed to the system in one call, as many as any Linux takes."""
UNBATCHED_MAX: Final = 4096
"""Destinations remembered to which no batches can be sent."""
SOCKET_BUFFER_SIZE: Final = 8 << 20
"""Bytes asked of the system for each direction of a UDP socket."""

assert PAYLOAD_SIZE_MAX < DATAGRAM_SIZE_MAX
assert UNRELIABLE_SIZE_MAX < PAYLOAD_SIZE_MAX
assert FRAGMENT_SIZE <= UNRELIABLE_SIZE_MAX
assert FRAGMENT_SIZE * FRAGMENTS_MAX == MESSAGE_SIZE_MAX
assert FRAGMENTS_MAX < 1 << 16
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
