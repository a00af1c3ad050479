"""What counts as one address, when seats and tries are shared out."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

IPV6_NETWORK_BITS: Final = 64
"""What a household gets of IPv6: its addresses count as one."""


_IN_BRACKETS: Final = re.compile(r"\[([^\[\]]*)\](?::[0-9]+)?")
_WITH_PORT: Final = re.compile(r"([^:]*):[0-9]+")


def read_address_untrusted(text: str) -> IPAddress | None:
    """Read an IP address however it is written; None when it is none.

    A port, brackets and the zone of an IPv6 address are left out, and an IPv4 address inside an
    IPv6 one is the IPv4 address: who is compared by address has only one.
    """
    bare = text.strip()
    shape = _IN_BRACKETS.fullmatch(bare) or _WITH_PORT.fullmatch(bare)
    host = bare if shape is None else shape[1]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def network_of(host: str) -> str:
    """Give what counts as one address: an IPv4 address, or an IPv6 network of a household."""
    address = read_address_untrusted(host)
    if address is None:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_NETWORK_BITS), strict=False))
