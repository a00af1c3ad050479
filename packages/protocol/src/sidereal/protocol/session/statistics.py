"""What the two ends of a session report of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import Address
from sidereal.protocol.session.packet import Drop


@dataclass(frozen=True, slots=True)
class SessionServerStatistics:
    """Counts since the server started, and how full it is now."""

    slots_max: int
    open_count: int
    handshake_count: int
    """Addresses between request and response."""
    opened: int
    denied: int
    """Denied packets sent: the server was full."""
    challenged: int
    closed: Mapping[CloseReason, int]
    """Sessions ended, by reason; reasons that never occurred are left out, here and below."""
    datagrams_in: int
    bytes_in: int
    datagrams_out: int
    bytes_out: int
    dropped: Mapping[Drop, int]
    """Datagrams dropped, by reason."""
    not_listed: tuple[Address, ...]
    """What the newest authentic token called its servers that was not for this one."""


@dataclass(frozen=True, slots=True)
class SessionClientStatistics:
    """Counts since the client was made."""

    servers_tried: int
    datagrams_in: int
    bytes_in: int
    datagrams_out: int
    bytes_out: int
    dropped: Mapping[Drop, int]
    """Datagrams dropped, by reason; reasons that never occurred are left out."""
