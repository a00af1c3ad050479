"""Every bound on a queue, a buffer, a count or a retry, and how they relate.

A limit that two processes must agree on is part of the protocol; changing one changes the wire.
"""

from __future__ import annotations

from typing import Final

# -- session ----------------------------------------------------------------------------------
PAYLOAD_SIZE_MAX: Final = 1200
"""Bytes of a netcode payload."""
DATAGRAM_SIZE_MAX: Final = 1300
"""Bytes of any netcode datagram, its header and authentication code included."""
CLIENT_SLOTS_MAX: Final = 4096
SHARD_SLOTS_MAX: Final = 64

# -- channels ---------------------------------------------------------------------------------
MESSAGE_SIZE_MAX: Final = 1 << 20
"""Bytes of one reliable message, fragments put together."""
UNRELIABLE_SIZE_MAX: Final = 1150
"""Bytes of one unreliable message: it fits a payload beside the packet header."""

# -- streams ----------------------------------------------------------------------------------
SNAPSHOT_SIZE_MAX: Final = UNRELIABLE_SIZE_MAX
TOMBSTONE_TICKS_MAX: Final = 256
"""How long a cell remembers who left it; a receiver acked before that gets the cell whole."""
REORDER_TICKS_MAX: Final = 40
"""A snapshot this much older than the newest one is dropped by its receiver."""
RECORD_AGE_TICKS_MAX: Final = 16_384
"""A record is sent anew at this age: its tick travels in 16 bits."""

# -- players ----------------------------------------------------------------------------------
CONTROLS_PER_MESSAGE_MAX: Final = 16
CONTROLS_QUEUE_MAX: Final = 32
"""Controls a shard holds for one ship that are not yet due."""
NAME_SIZE_MAX: Final = 24
"""Bytes of a name in UTF-8."""
CHAT_SIZE_MAX: Final = 240

# -- runtime ----------------------------------------------------------------------------------
TICKS_CATCH_UP_MAX: Final = 5
"""Ticks run back to back after a stall; the rest is dropped and counted."""
DATAGRAMS_PER_DRAIN_MAX: Final = 256

assert PAYLOAD_SIZE_MAX < DATAGRAM_SIZE_MAX
assert UNRELIABLE_SIZE_MAX < PAYLOAD_SIZE_MAX
assert REORDER_TICKS_MAX < TOMBSTONE_TICKS_MAX < RECORD_AGE_TICKS_MAX < 1 << 16
