"""Bugs planted in islands: who may touch whom, and who is to own them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from mutant import Mutant, any_plan, with_fault

from sidereal.replication.limits import LIMITS
from sidereal.replication.ownership import owners
from sidereal.replication.ownership.candidates import Candidates, Drained, Outlook
from sidereal.replication.ownership.grouping import Grouped, Grouping
from sidereal.replication.ownership.held import Held
from sidereal.replication.ownership.islands import label
from sidereal.shard.bodies import shapes_of
from sidereal.shard.space import Shapes
from sidereal.tools.simulate.faults import Kind, Plan

OWNERSHIP: Final = "sidereal.replication.ownership"


def with_cuts(plan: Plan) -> bool:
    return plan.limits.ownership.island_members < LIMITS.ownership.island_members


def who_is_apart_now_never_meets(patch: pytest.MonkeyPatch) -> None:
    """The closest approach is taken to be now."""
    patch.setattr(f"{OWNERSHIP}.islands.closest_at", lambda along, *_: np.zeros(len(along)))


def only_the_end_of_the_horizon_counts(patch: pytest.MonkeyPatch) -> None:
    """The closest approach is taken to be when the horizon ends."""
    patch.setattr(
        f"{OWNERSHIP}.islands.closest_at",
        lambda along, _, horizon_s: np.full(len(along), horizon_s),
    )


def what_is_to_leave_goes_by_itself(patch: pytest.MonkeyPatch) -> None:
    """What a shard has that drains follows the leases, whatever it touches."""
    drained = Grouping._drained

    def without(self: Grouping, *args: Any) -> Drained:
        found = drained(self, *args)
        nobody = np.zeros_like(found.all)
        return found._replace(kept=nobody, all=nobody, due=found.due[:0])

    patch.setattr(Grouping, "_drained", without)


def guests_are_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    """Who is outside its owner's sectors touches nothing."""
    find = Candidates.find

    def without_guests(self: Candidates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        at, roots, which = find(self)
        others = ~self.guests[at]
        return at[others], roots, which[others]

    patch.setattr(Candidates, "find", without_guests)


def only_the_two_that_touch_move(patch: pytest.MonkeyPatch) -> None:
    """What touches those who change hands stays where it is."""
    make_islands = Grouping._make_islands

    def of_two_owners(self: Any, candidates: Candidates) -> Any:
        found = make_islands(self, candidates)
        a, b = found.ends
        owner = candidates.owner[found.at]
        across = owner[a] != owner[b]
        return found._replace(island=label(len(found.rows), a[across], b[across]))

    patch.setattr(Grouping, "_make_islands", of_two_owners)


def islands_are_decided_a_tick_late(patch: pytest.MonkeyPatch) -> None:
    """What is decided about islands is done in the next tick."""
    group = Grouping.group
    decided: dict[int, Grouped] = {}

    def late(
        self: Any, present: Any, holder: np.ndarray, owner: np.ndarray, *more: np.ndarray
    ) -> Grouped:
        now = group(self, present, holder, owner, *more)
        before = decided.get(id(self), now._replace(changes=now.changes.select(_NONE)))
        decided[id(self)] = now
        rows = before.changes.rows
        at = np.minimum(np.searchsorted(present.rows, rows), len(present.rows) - 1)
        same = (present.rows[at] == rows) & (owner[at] == before.changes.before)
        if len(rows) == 0:
            same = np.empty(0, np.bool_)
        return now._replace(
            changes=before.changes.select(same),
            island=before.island[same],
            touch_s=before.touch_s[same],
        )

    patch.setattr(Grouping, "group", late)


_NONE: Final = np.empty(0, np.int64)


def islands_go_home_at_once(patch: pytest.MonkeyPatch) -> None:
    """It does not count when an island was held last."""
    patch.setattr(Held, "since", lambda self, rows, *_: np.full(len(rows), 1 << 30))


def guests_never_go_home(patch: pytest.MonkeyPatch) -> None:
    """Whoever is a guest counts as held."""
    patch.setattr(Held, "since", lambda self, rows, *_: np.zeros(len(rows), np.int64))


def bodies_are_taken_to_be_smaller(patch: pytest.MonkeyPatch) -> None:
    """Who comes closer than five units does not touch yet."""
    patch.setattr(f"{OWNERSHIP}.islands.SKIN", -5.0)


def few_are_near_a_border(patch: pytest.MonkeyPatch) -> None:
    """Who is ten units from a border touches nothing beyond it."""
    patch.setattr(Outlook, "reach", lambda *_: 10.0)


def nobody_has_shadows(patch: pytest.MonkeyPatch) -> None:
    """Beyond the cut of an island there is nothing."""
    patch.setattr(Grouping, "cast_shadows", lambda *_: None)


def shadows_are_as_heavy_as_can_be(patch: pytest.MonkeyPatch) -> None:
    """What lies beyond a cut gives way to nobody."""

    def heavy(*arguments: Any) -> Shapes:
        shapes = shapes_of(*arguments)
        return shapes._replace(mass=1e6 * shapes.mass)

    patch.setattr("sidereal.shard.shadows.shapes_of", heavy)


def what_has_one_owner_is_cut_like_all_else(patch: pytest.MonkeyPatch) -> None:
    """A large island is put together by depth alone."""
    cut_large = owners.cut_large

    def by_depth(island: Any, owner: np.ndarray, *more: Any) -> owners.Cut:
        lexsort = np.lexsort
        with pytest.MonkeyPatch.context() as inside:
            inside.setattr(np, "lexsort", lambda keys: lexsort(keys[:1]))
            return cut_large(island, owner, *more)

    patch.setattr(f"{OWNERSHIP}.grouping.cut_large", by_depth)


def islands_go_to_who_has_proven_nothing(patch: pytest.MonkeyPatch) -> None:
    """A shard that has answered no pilot has as much say as others in whose an island is."""
    patch.setattr(Grouping, "_have_say", lambda _, rows, *__: np.ones(len(rows), np.bool_))


MUTANTS: Final = (
    Mutant(who_is_apart_now_never_meets, ("Islands",), any_plan),
    Mutant(only_the_end_of_the_horizon_counts, ("Islands",), any_plan),
    Mutant(what_is_to_leave_goes_by_itself, ("Islands",), with_fault(Kind.SHARD_DRAINS)),
    Mutant(guests_are_not_looked_at, ("Islands",), any_plan),
    Mutant(only_the_two_that_touch_move, ("Islands",), any_plan),
    Mutant(islands_are_decided_a_tick_late, ("Islands",), any_plan),
    Mutant(islands_go_home_at_once, ("Islands",), any_plan),
    Mutant(guests_never_go_home, ("Islands",), any_plan),
    Mutant(islands_go_to_who_has_proven_nothing, ("Proven",), with_fault(Kind.SHARD_IDLES)),
    Mutant(bodies_are_taken_to_be_smaller, ("Islands",), any_plan),
    Mutant(few_are_near_a_border, ("Islands",), any_plan),
    Mutant(nobody_has_shadows, ("Cuts",), with_cuts),
    Mutant(shadows_are_as_heavy_as_can_be, ("Reference",), with_cuts),
    Mutant(what_has_one_owner_is_cut_like_all_else, ("Cuts",), with_cuts),
)
