"""Who judges a run of a game that is given: what holds for every game, and the game's own."""

from __future__ import annotations

from collections.abc import Iterator

from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks.always import (
    FreshNonces,
    NothingDoubled,
    NothingRejected,
    OnlyNewer,
)
from sidereal.tools.simulate.checks.audiences import Audiences
from sidereal.tools.simulate.checks.authority import OneAuthority
from sidereal.tools.simulate.checks.borders import GhostsConverge, Margins
from sidereal.tools.simulate.checks.bounded import Bounded
from sidereal.tools.simulate.checks.convergence import (
    PredictionConverges,
    ReplicasConverge,
    ShardsConverge,
    StoreConverges,
)
from sidereal.tools.simulate.checks.cuts import Cuts
from sidereal.tools.simulate.checks.fleet import Drains, Shares
from sidereal.tools.simulate.checks.happenings import Happenings
from sidereal.tools.simulate.checks.islands import Islands
from sidereal.tools.simulate.checks.owners import OneOwner
from sidereal.tools.simulate.checks.private import PrivateConverges, PrivateIsTrue
from sidereal.tools.simulate.checks.service import Service
from sidereal.tools.simulate.checks.spares import Spares
from sidereal.tools.simulate.checks.surroundings import LeasesConverge
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
    """Make fresh checkers, in the order in which they are asked."""
    return [
        NothingDoubled(),
        OneOwner(plan),
        OnlyNewer(),
        *map(Judged, staged.make_judges()),
        Happenings(),
        Audiences(),
        Margins(),
        Islands(plan),
        Cuts(plan),
        Drains(plan),
        Shares(plan),
        Spares(),
        OneAuthority(plan),
        Service(plan, weighs=False),
        NothingRejected(),
        FreshNonces(),
        ReplicasConverge(),
        LeasesConverge(),
        Bounded(plan),
        PredictionConverges(),
        PrivateConverges(),
        PrivateIsTrue(),
        ShardsConverge(),
        GhostsConverge(),
        StoreConverges(plan),
    ]
