"""The sectors that are leased to this shard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.message.codec import LEASE_ROW, decode_rows_untrusted
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import sector_of
from sidereal.protocol.space.sectors import pack_sector


class Territory:
    """Leases by sector: of what is said of one, the highest epoch counts."""

    def __init__(self, rules: Rules, rows_max: int) -> None:
        self._rules = rules
        self._rows_max = rows_max
        self._leases: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def grant_untrusted(self, body: bytes) -> None:
        """Take in leases that were granted, `LEASE_ROW[n]`.

        Raises:
            WireError: they are none.
        """
        # Per sector, when leases change (1 µs each).
        for key, epoch in self._read_untrusted(body):
            self._leases[key] = max(epoch, self._leases.get(key, 0))

    def revoke_untrusted(self, body: bytes) -> None:
        """Give up leases, `LEASE_ROW[n]`.

        Raises:
            WireError: they are none.
        """
        for key, epoch in self._read_untrusted(body):
            if self._leases.get(key, epoch + 1) <= epoch:
                del self._leases[key]

    def contains(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which places are in a leased sector, bool[n]."""
        held = np.array(list(self._leases), dtype=np.int64)
        return np.isin(pack_sector(*sector_of(x, y, self._rules)), held)

    def _read_untrusted(self, body: bytes) -> list[tuple[int, int]]:
        rows = decode_rows_untrusted(body, LEASE_ROW, self._rows_max)
        keys = pack_sector(rows["sector_x"], rows["sector_y"])
        return list(zip(keys.tolist(), rows["epoch"].tolist(), strict=True))
