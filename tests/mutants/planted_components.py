"""Bugs planted in what shards say of components other than motion, and in what becomes of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import pytest
from mutant import Mutant, any_plan, with_fault, with_loss
from planted_ownership import with_current_epochs

from sidereal.replication.validate import Proposed, Verdict, judge_component
from sidereal.replication.world import World
from sidereal.shard import changes
from sidereal.shard.population import Population
from sidereal.shard.proposals import Proposals
from sidereal.tools.simulate.faults import Kind, Plan

JUDGE: Final = "sidereal.replication.ingest.judge_component"


def components_have_no_epoch(patch: pytest.MonkeyPatch) -> None:
    """A row of a component counts whatever epoch it carries, and whoever sends it."""

    def blind(proposed: Proposed, *rest: Any) -> np.ndarray:
        verdicts = judge_component(with_current_epochs(proposed), *rest)
        verdicts[verdicts == Verdict.NOT_OWNER] = Verdict.ACCEPTED
        return verdicts

    patch.setattr(JUDGE, blind)


def ranges_of_components_are_not_checked(patch: pytest.MonkeyPatch) -> None:
    """A component may hold any number, and what is none."""

    def blind(proposed: Proposed, *rest: Any) -> np.ndarray:
        schema = proposed.schema
        lax: Any = SimpleNamespace(
            proposed=schema.proposed, valid_rows=lambda rows: np.ones(len(rows), np.bool_)
        )
        return judge_component(proposed._replace(schema=lax), *rest)

    patch.setattr(JUDGE, blind)


def shards_write_what_they_like(patch: pytest.MonkeyPatch) -> None:
    """A row counts of whatever component, also of those that only the authority writes."""

    def blind(*arguments: Any) -> np.ndarray:
        verdicts = judge_component(*arguments)
        verdicts[verdicts == Verdict.OTHER_WRITER] = Verdict.ACCEPTED
        return verdicts

    def commit(self: World, number: int, rows: np.ndarray, records: np.ndarray, tick: int) -> None:
        self.versions.setdefault(number, np.zeros(self.columns.capacity, np.int64))
        commit_component(self, number, rows, records, tick)

    commit_component = World.commit_component
    patch.setattr(JUDGE, blind)
    patch.setattr(World, "commit_component", commit)


def older_rows_of_components_count(patch: pytest.MonkeyPatch) -> None:
    """A row that was overtaken on its way replaces the newer one."""

    def blind(proposed: Proposed, number: int, newest: np.ndarray, *rest: Any) -> np.ndarray:
        return judge_component(proposed, number, np.ones(len(newest), np.bool_), *rest)

    patch.setattr(JUDGE, blind)


def components_are_proposed_once(patch: pytest.MonkeyPatch) -> None:
    """What has changed of a component is said once: what is lost stays unsaid."""
    write = Proposals.write

    def once(self: Proposals, *arguments: Any) -> Any:
        messages = write(self, *arguments)
        for number, waits in self._waits.items():
            if number > 1:
                waits[:] = False
        return messages

    patch.setattr(Proposals, "write", once)


def steps_are_never_looked_into(patch: pytest.MonkeyPatch) -> None:
    """What stays on its step is never proposed."""
    is_news = changes._is_news

    def coarse(field: Any, now: Any, then: Any, exactly: Any) -> Any:
        return is_news(field, now, then, np.zeros_like(exactly))

    patch.setattr(changes, "_is_news", coarse)


def adopted_components_are_taken_for_zero(patch: pytest.MonkeyPatch) -> None:
    """A new owner begins with nothing but the motion of what it is given."""
    load = Population.load

    def forget(self: Population, records: np.ndarray, *, own: bool) -> Any:
        rows = load(self, records, own=own)
        for name in self.known if own else ():
            if name not in ("radius", "mass"):
                self.columns[name][rows] = 0
        return rows

    patch.setattr(Population, "load", forget)


def ghosts_keep_what_no_client_may_know(patch: pytest.MonkeyPatch) -> None:
    """Neighbours are told only of changes that clients are told of."""

    note = World._note

    def note_shown(self: World, number: int, rows: np.ndarray, tick: int) -> None:
        described = self.described.copy()
        note(self, number, rows, tick)
        if number not in self.rows:
            self.described = described

    patch.setattr(World, "_note", note_shown)


def changed_components_are_not_saved(patch: pytest.MonkeyPatch) -> None:
    """A component that changes is no reason to save its entity."""
    commit_component = World.commit_component

    def forgetful(self: World, *arguments: Any) -> None:
        mark, self.mark = self.mark, lambda *_: None  # type: ignore[method-assign]
        commit_component(self, *arguments)
        self.mark = mark  # type: ignore[method-assign]

    patch.setattr(World, "commit_component", forgetful)


def what_models_write_travels_apart(patch: pytest.MonkeyPatch) -> None:
    """Of motion and what else models have written, one may arrive without the other."""
    patch.setattr(Proposals, "_take_together", lambda _self, _pending: iter(()))


def overtakes(plan: Plan) -> bool:
    """Tell in which plans datagrams of one tick overtake those of later ones."""
    return plan.link.reordering > 0.0 and plan.link.reordering_s * plan.tick_hz > 1.5


lying_shards = with_fault(Kind.SHARD_LIES)

MUTANTS: Final = (
    Mutant(components_have_no_epoch, ("Charges", "LiesFail"), lying_shards),
    Mutant(ranges_of_components_are_not_checked, ("LiesFail", "Charges", "Crash"), lying_shards),
    Mutant(shards_write_what_they_like, ("LiesFail",), lying_shards),
    Mutant(older_rows_of_components_count, ("Charges",), overtakes),
    Mutant(components_are_proposed_once, ("Charges", "NothingRejected"), with_loss),
    Mutant(what_models_write_travels_apart, ("Presses",), with_loss),
    Mutant(steps_are_never_looked_into, ("Charges",), any_plan),
    Mutant(adopted_components_are_taken_for_zero, ("Charges",), any_plan),
    Mutant(ghosts_keep_what_no_client_may_know, ("Charges",), any_plan),
    Mutant(changed_components_are_not_saved, ("StoreConverges", "Recovery"), any_plan),
)
