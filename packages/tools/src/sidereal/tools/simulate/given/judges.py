"""Who judges a run of a game that is given: what holds for every game, and the game's own."""

from __future__ import annotations

from collections.abc import Iterator

from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks.always import NothingDoubled, OnlyNewer
from sidereal.tools.simulate.checks.every import make_common
from sidereal.tools.simulate.cluster import Checker, Cluster
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.given.staging import Staged
from sidereal.tools.simulate.given.truth import Judge, Truth


class Judged:
    """Lets a checker of the game look at the truth.

    Attributes:
        name: of that checker.
    """

    def __init__(self, judge: Judge) -> None:
        self.name = type(judge).__name__
        self._judge = judge

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Let it look after a tick."""
        yield from self._judge.look(_truth(cluster, core))

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Let it look in the end."""
        yield from self._judge.conclude(_truth(cluster, core))


def _truth(cluster: Cluster, core: Replicator) -> Truth:
    era, faults = cluster.authority.incarnation, not cluster.plan.calm
    return Truth(core, cluster.game, era, cluster.exercised, faults=faults)


def make_judges(plan: Plan, staged: Staged) -> list[Checker]:
    """Make fresh checkers of a run of that game."""
    return [
        NothingDoubled(),
        OnlyNewer(),
        *map(Judged, staged.make_judges()),
        *make_common(plan, weighs=False),
    ]
