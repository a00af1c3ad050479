"""Which connect tokens were used, and from where."""

from __future__ import annotations

from collections import OrderedDict

from sidereal.protocol.ids import Address


class TokenHistory:
    """The newest connect tokens by their authentication code, each with its one address.

    Source: netcode 1.02 STANDARD.md, Processing Connection Requests.
    """

    def __init__(self, count_max: int) -> None:
        self._addresses: OrderedDict[bytes, Address | None] = OrderedDict()
        # None: of no further use to anybody.
        self._count_max = count_max

    def admit(self, token_mac: bytes, address: Address) -> bool:
        """Tell whether `address` may use the token, and remember that it did."""
        if token_mac in self._addresses:
            return self._addresses[token_mac] == address
        self._remember(token_mac, address)
        return True

    def spend(self, token_mac: bytes) -> None:
        """Let nobody use the token again."""
        self._remember(token_mac, None)

    def _remember(self, token_mac: bytes, address: Address | None) -> None:
        """Take a note; when there is no room for it the oldest token is forgotten."""
        if len(self._addresses) >= self._count_max and token_mac not in self._addresses:
            # A plain dictionary would search for its first key among those deleted before.
            self._addresses.popitem(last=False)
        self._addresses[token_mac] = address
