"""Of two authorities on one store only the newer one writes; the other one finds out, and ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.saving import SLOW_S

ENDS_TICKS: Final = 3
"""Ticks, beside the time of its last write, that an authority may go on which was replaced."""


class OneAuthority:
    """Looks at who has written what."""

    def __init__(self, plan: Plan) -> None:
        self._ends_within_s = SLOW_S[1] + ENDS_TICKS / plan.tick_hz + plan.upset_s

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look at the terms of what was written, and for one that goes on."""
        authority = cluster.authority
        for wrote, newest in sorted(authority.store.written_under):
            if wrote < newest:
                yield f"the authority of term {wrote} wrote when there was one of term {newest}"
        since = max(authority.replaced_at, authority.weather.bad_until)
        if authority.doubled and cluster.now - since > self._ends_within_s:
            yield f"an authority that was replaced goes on for {cluster.now - since:.2f} s"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Everything was said while it ran."""
        return iter(())
