"""Sectors in which game code goes wrong again and again: they are leased to nobody any more.

Theory of operation. A shard whose game code goes wrong says so, and ends. Its sectors go to others.
If what made it go wrong is in one of them, the next shard ends as well, and so on. So a sector in
which `failures` shards have failed within `failures_within_s` is *withheld*: nobody is leased it,
and what nobody simulates in it stands still, so that it does not drift into a sector that somebody
simulates.

A shard fails in every sector in which it simulates something: which one it was nobody knows. When
its sectors go to several shards, and of these one fails, the others are innocent; so few sectors
are there each time.

A sector is withheld from the code that failed in it. It is free again when a shard joins and no
shard that may hold leases runs such code. Nothing of this is saved: a server that is started again
tries all of them once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from sidereal.protocol.space.sectors import pack_sector
from sidereal.replication.limits import OwnershipLimits

Sector = tuple[int, int]


class Failure(NamedTuple):
    """A shard whose game code went wrong.

    Attributes:
        what: the model or system.
        why: in its words, for people.
        code: digest of the game's source.
    """

    what: str
    why: str
    code: bytes


class Withheld(NamedTuple):
    """Why a sector is leased to nobody.

    Attributes:
        tick: since when.
        last: of the failures in it the newest.
        codes: under which they were.
    """

    tick: int
    last: Failure
    codes: frozenset[bytes]


class Failures:
    """Failures in the sectors of one world.

    Attributes:
        withheld: sectors that are leased to nobody, and why.
        keys: int64[n], these sectors, packed.
    """

    def __init__(self, limits: OwnershipLimits) -> None:
        self.withheld: Mapping[Sector, Withheld] = {}
        self.keys = np.empty(0, np.int64)
        self._limits = limits
        self._recent: dict[Sector, list[tuple[float, bytes]]] = {}

    def note(
        self, failure: Failure, sectors: Iterable[Sector], tick: int, now: float
    ) -> list[Sector]:
        """Take a failure in.

        Args:
            failure: what it was.
            sectors: in which the shard simulated something.
            tick: the current one.
            now: monotonic seconds.

        Returns:
            sectors that are withheld from now on, in order.
        """
        since = now - self._limits.failures_within_s
        recent = {
            sector: [past for past in pasts if past[0] >= since]
            for sector, pasts in self._recent.items()
        }
        found = {}
        for sector in sorted(set(sectors) - self.withheld.keys()):
            pasts = recent.setdefault(sector, [])
            pasts.append((now, failure.code))
            if len(pasts) >= self._limits.failures:
                found[sector] = Withheld(tick, failure, frozenset(code for _, code in pasts))
                del recent[sector]
        self._recent = {sector: pasts for sector, pasts in recent.items() if pasts}
        self._withhold({**self.withheld, **found})
        return list(found)

    def free(self, running: Iterable[bytes]) -> list[Sector]:
        """Let go of the sectors in which nobody's code has failed.

        Args:
            running: code of all shards that may hold leases.

        Returns:
            these sectors, in order.
        """
        codes = frozenset(running)
        freed = [sector for sector, why in self.withheld.items() if not why.codes & codes]
        self.forget(freed)
        return sorted(freed)

    def forget(self, sectors: Iterable[Sector]) -> None:
        """Forget why sectors are withheld: nothing is in them any more, or they are free."""
        gone = set(sectors)
        self._withhold({s: why for s, why in self.withheld.items() if s not in gone})

    def _withhold(self, withheld: Mapping[Sector, Withheld]) -> None:
        self.withheld = withheld
        sectors = np.array(sorted(withheld), np.int64).reshape(-1, 2)
        self.keys = np.sort(pack_sector(sectors[:, 0], sectors[:, 1]))
