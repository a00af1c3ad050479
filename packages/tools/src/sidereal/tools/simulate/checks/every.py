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
from sidereal.tools.simulate.checks.recovery import Recovery
from sidereal.tools.simulate.checks.reference import Reference
from sidereal.tools.simulate.checks.service import Service
from sidereal.tools.simulate.checks.spares import Spares
from sidereal.tools.simulate.checks.surroundings import BeltHolds, LeasesConverge
from sidereal.tools.simulate.checks.voyages import Voyages
from sidereal.tools.simulate.cluster import Checker
from sidereal.tools.simulate.faults import Plan


def make_checkers(plan: Plan) -> list[Checker]:
    """Make fresh checkers, in the order in which they are asked."""
    reference = Reference(plan)
    return [
        NothingLostOrDoubled(),
        OneOwner(plan),
        Continuity(plan),
        reference,
        Voyages(reference),
        InputLedger(plan),
        Presses(),
        Charges(),
        Credits(),
        Happenings(),
        Audiences(),
        Endings(),
        Lives(),
        Families(),
        Foreseen(),
        Gifts(),
        Asks(plan),
        Margins(),
        Islands(plan),
        Cuts(plan),
        Drains(plan),
        Shares(plan),
        Spares(),
        Recovery(plan),
        OneAuthority(plan),
        Service(plan),
        NothingRejected(),
        FreshNonces(),
        LiesFail(plan),
        NobodyIsBlamed(),
        ReplicasConverge(),
        LeasesConverge(),
        BeltHolds(),
        Bounded(plan),
        PredictionConverges(),
        PrivateConverges(),
        PrivateIsTrue(),
        ShardsConverge(),
        GhostsConverge(),
        StoreConverges(plan),
    ]
