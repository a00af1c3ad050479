"""Where requests come from, behind the proxies that are believed."""

from __future__ import annotations

from collections.abc import Collection

from sidereal.replication.links.networks import read_address_untrusted


class Origins:
    """Tells where requests come from."""

    def __init__(self, proxies: Collection[str]) -> None:
        """Believe proxies.

        Args:
            proxies: their IP addresses.
        """
        self._proxies = frozenset(map(read_address_untrusted, proxies)) - {None}

    def origin_of(self, peer: str, forwarded_for: str) -> str:
        """Give the address that a request comes from.

        Each proxy adds who came to it. What a proxy tells is believed back to the first address
        that is no proxy's; where it tells none, or something that is no address, the request is
        the proxy's own: what stands before that anybody may have written.

        Args:
            peer: host of the connection.
            forwarded_for: all of `X-Forwarded-For`, empty without.
        """
        for hop in (peer, *reversed(forwarded_for.split(","))):
            address = read_address_untrusted(hop)
            if address is None:
                return peer
            if address not in self._proxies:
                return str(address)
        return peer
