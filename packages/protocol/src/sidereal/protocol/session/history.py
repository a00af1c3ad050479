"""Which connect tokens were used, and from where."""

from __future__ import annotations

from sidereal.protocol.ids import Address


class TokenHistory:
    """The newest connect tokens by their authentication code, each with its one address.

    Source: netcode 1.02 STANDARD.md, Processing Connection Requests.
    """

    def __init__(self, count_max: int) -> None:
        self._addresses: dict[bytes, Address] = {}
        self._count_max = count_max

    def admit(self, token_mac: bytes, address: Address) -> bool:
        """Tell whether `address` may use the token, and remember that it did.

        When there is no room the oldest token is forgotten.
        """
        known = self._addresses.get(token_mac)
        if known is not None:
            return known == address
        if len(self._addresses) >= self._count_max:
            # Dictionaries keep the order of insertion.
            del self._addresses[next(iter(self._addresses))]
        self._addresses[token_mac] = address
        return True
