"""Bugs planted on the way of events, from who emits them to who sees them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from mutant import Mutant, any_plan, with_fault, with_loss
from planted_ownership import with_current_epochs

from sidereal.client.happenings import Happenings
from sidereal.replication.edge.changelog import ChangeLog
from sidereal.replication.edge.eventlog import EventLog
from sidereal.replication.links.numbers import Numbers
from sidereal.replication.validate import Proposed, Verdict, judge_event
from sidereal.shard.events import Events
from sidereal.tools.simulate.faults import Kind


def events_are_said_once(patch: pytest.MonkeyPatch) -> None:
    """A shard says an event once: one that is lost has not happened."""
    take_due = Events.take_due

    def once(self: Events, tick: int) -> Any:
        due = take_due(self, tick)
        self._waiting.clear()
        return due

    patch.setattr(Events, "take_due", once)


def events_happen_whenever_they_come(patch: pytest.MonkeyPatch) -> None:
    """An event that is said again happens again."""
    patch.setattr(Numbers, "take", lambda _, numbers: np.ones(len(numbers), np.bool_))


def events_have_no_epoch(patch: pytest.MonkeyPatch) -> None:
    """Whoever says so is believed, whosever entity it is."""

    def blind(proposed: Proposed, fresh: np.ndarray) -> np.ndarray:
        verdicts = judge_event(with_current_epochs(proposed), fresh)
        verdicts[verdicts == Verdict.NOT_OWNER] = Verdict.ACCEPTED
        return verdicts

    patch.setattr("sidereal.replication.ingest.judge_event", blind)


def events_are_no_news(patch: pytest.MonkeyPatch) -> None:
    """A cell in which something has happened, and nothing else, counts as unchanged."""
    publish = EventLog.publish

    def quietly(self: EventLog, tick: int) -> Any:
        return publish(self, tick)[:0]

    patch.setattr(EventLog, "publish", quietly)


def events_are_told_in_their_tick_only(patch: pytest.MonkeyPatch) -> None:
    """What is lost of a tick is made good without its events."""
    recent = ChangeLog._recent

    def forgetful(self: ChangeLog, asked: Any) -> Any:
        kept = self.events.kept
        self.events.kept = {what: each.take(each.tick == self.tick) for what, each in kept.items()}
        yield from list(recent(self, asked))

    patch.setattr(ChangeLog, "_recent", forgetful)


def events_are_taken_again(patch: pytest.MonkeyPatch) -> None:
    """A client takes all events of a section, also those of ticks that it had before."""
    take = Happenings._take_section

    def forgetful(self: Happenings, *arguments: Any) -> None:
        self._had.clear()
        take(self, *arguments)

    patch.setattr(Happenings, "_take_section", forgetful)


MUTANTS: Final = (
    Mutant(events_are_said_once, ("Happenings",), with_loss),
    Mutant(events_happen_whenever_they_come, ("Happenings",), with_loss),
    Mutant(events_have_no_epoch, ("Happenings",), with_fault(Kind.SHARD_LIES)),
    Mutant(events_are_no_news, ("Happenings",), any_plan),
    Mutant(events_are_told_in_their_tick_only, ("Happenings",), any_plan),
    Mutant(events_are_taken_again, ("Happenings",), any_plan),
)
