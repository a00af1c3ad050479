"""What counts as one address, when places and tries are shared out."""

from __future__ import annotations

import ipaddress
from typing import Final

IPV6_NETWORK_BITS: Final = 64
"""What a household gets of IPv6: its addresses count as one."""


def network_of(host: str) -> str:
    """Give what counts as one address: an IPv4 address, or an IPv6 network of a household."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, IPV6_NETWORK_BITS), strict=False))
