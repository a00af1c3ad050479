"""All checkers of one run."""

from __future__ import annotations

from sidereal.tools.simulate.checks.always import (
    Continuity,
    FreshNonces,
    NothingLostOrDoubled,
    NothingRejected,
)
from sidereal.tools.simulate.checks.asks import Asks
from sidereal.tools.simulate.checks.audiences import Audiences
from sidereal.tools.simulate.checks.authority import OneAuthority
from sidereal.tools.simulate.checks.borders import GhostsConverge, Margins
from sidereal.tools.simulate.checks.bounded import Bounded
from sidereal.tools.simulate.checks.charges import Charges
from sidereal.tools.simulate.checks.convergence import (
    PredictionConverges,
    ReplicasConverge,
    ShardsConverge,
    StoreConverges,
)
from sidereal.tools.simulate.checks.credits import Credits
from sidereal.tools.simulate.checks.cuts import Cuts
from sidereal.tools.simulate.checks.elsewhere import Elsewhere
from sidereal.tools.simulate.checks.endings import Endings
from sidereal.tools.simulate.checks.families import Families
from sidereal.tools.simulate.checks.fleet import Drains, Shares
from sidereal.tools.simulate.checks.foreseen import Foreseen
from sidereal.tools.simulate.checks.gifts import Gifts
from sidereal.tools.simulate.checks.happenings import Happenings
from sidereal.tools.simulate.checks.inputs import InputLedger
from sidereal.tools.simulate.checks.islands import Islands
from sidereal.tools.simulate.checks.lies import LiesFail, NobodyIsBlamed
from sidereal.tools.simulate.checks.lives import Lives
from sidereal.tools.simulate.checks.owners import OneOwner
from sidereal.tools.simulate.checks.presses import Presses
from sidereal.tools.simulate.checks.private import PrivateConverges, PrivateIsTrue
from sidereal.tools.simulate.checks.proven import Proven
from sidereal.tools.simulate.checks.recovery import Recovery
from sidereal.tools.simulate.checks.reference import Reference
from sidereal.tools.simulate.checks.service import Service
from sidereal.tools.simulate.checks.spares import Spares
from sidereal.tools.simulate.checks.surroundings import BeltHolds, LeasesConverge
from sidereal.tools.simulate.checks.voyages import Voyages
from sidereal.tools.simulate.cluster import Checker
from sidereal.tools.simulate.faults import Plan


def make_checkers(plan: Plan) -> list[Checker]:
    """Make fresh checkers of a run of the game that is the simulator's own."""
    reference = Reference(plan)
    return [
        NothingLostOrDoubled(),
        Continuity(plan),
        reference,
        Voyages(reference),
        InputLedger(plan),
        Presses(),
        Charges(),
        Credits(),
        Endings(),
        Lives(),
        Families(),
        Foreseen(),
        Gifts(),
        Asks(plan),
        Recovery(plan),
        Elsewhere(plan),
        LiesFail(plan),
        NobodyIsBlamed(),
        BeltHolds(),
        *make_common(plan, weighs=True),
    ]


def make_common(plan: Plan, *, weighs: bool) -> list[Checker]:
    """Make fresh checkers of what holds in every game.

    Args:
        plan: that is played.
        weighs: see `Service`.
    """
    return [
        OneOwner(plan),
        Happenings(),
        Audiences(),
        Margins(),
        Islands(plan),
        Proven(),
        Cuts(plan),
        Drains(plan),
        Shares(plan),
        Spares(),
        OneAuthority(plan),
        Service(plan, weighs=weighs),
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
