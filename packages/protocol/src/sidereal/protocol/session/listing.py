"""Whether a connect token is for this server."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.ids import Address
from sidereal.protocol.session.token import canonical_address


class Listing:
    """What tokens call a server.

    Attributes:
        refused: what the newest token that was not for it called its servers.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        """Take names.

        Args:
            addresses: a host of zeros is any host, with that port: so a server may be found by
                every address of its machine.

        Raises:
            LocalProtocolError: there is none, or one is no IP address and port.
        """
        if not addresses:
            raise LocalProtocolError("a server needs a public address that tokens can name")
        self.refused: tuple[Address, ...] = ()
        self._addresses = frozenset(map(canonical_address, addresses))
        self._ports_of_any_host = frozenset(
            address.port
            for address in self._addresses
            if ipaddress.ip_address(address.host).is_unspecified
        )

    def admit(self, addresses: tuple[Address, ...]) -> bool:
        """Tell whether a token that names these servers is for this one."""
        if not self._addresses.isdisjoint(addresses):
            return True
        if any(address.port in self._ports_of_any_host for address in addresses):
            return True
        self.refused = addresses
        return False
