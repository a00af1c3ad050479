"""Bugs planted on the way of events, from who emits them to who sees them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pytest
from mutant import Mutant, any_plan, with_fault, with_loss
from planted_ownership import with_current_epochs

from sidereal.client.happenings import Happenings
from sidereal.protocol.space.sectors import pack_sector
from sidereal.protocol.state.component import To
from sidereal.replication.edge.changelog import ChangeLog
from sidereal.replication.edge.edge import Edge
from sidereal.replication.edge.eventlog import EventLog
from sidereal.replication.edge.privateevents import Addressed, Hearers, PrivateEvents
from sidereal.replication.events import Events as WorldEvents
from sidereal.replication.links.numbers import Numbers
from sidereal.replication.validate import Proposed, Verdict, judge_event
from sidereal.replication.world import ACCOUNT_NONE, Present
from sidereal.shard.events import Events
from sidereal.shard.proposals import Proposals
from sidereal.tools.simulate.faults import Kind, Plan


def events_are_said_once(patch: pytest.MonkeyPatch) -> None:
    """A shard says an event once: one that is lost has not happened."""
    take_due = Events.take_due

    def once(self: Events, *arguments: Any) -> Any:
        due = take_due(self, *arguments)
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


def private_events_are_sent_once(patch: pytest.MonkeyPatch) -> None:
    """A private event that is lost on its way is not sent again."""
    settle = PrivateEvents.settle

    def forgetful(self: PrivateEvents, clients: Any, tick: int, *, is_lost: bool) -> None:
        settle(self, clients, tick, is_lost=False)

    patch.setattr(PrivateEvents, "settle", forgetful)


def private_events_are_taken_again(patch: pytest.MonkeyPatch) -> None:
    """A client takes a private event whenever it comes."""
    take = Happenings._take_alone

    def forgetful(self: Happenings, sections: Any) -> None:
        self._had_alone.clear()
        take(self, sections)

    patch.setattr(Happenings, "_take_alone", forgetful)


def pilots_are_told_what_is_for_others(patch: pytest.MonkeyPatch) -> None:
    """What is for the pilot of one entity goes to all pilots."""
    copies_of = PrivateEvents._copies_of

    def loudly(self: PrivateEvents, addressed: Addressed, hearers: Hearers) -> Any:
        if self._to[addressed.what] is To.PILOT:
            flown = np.where(addressed.account != ACCOUNT_NONE, 1, ACCOUNT_NONE)
            flies = np.where(hearers.account != ACCOUNT_NONE, 1, ACCOUNT_NONE)
            addressed, hearers = addressed._replace(account=flown), hearers._replace(account=flies)
        return copies_of(self, addressed, hearers)

    patch.setattr(PrivateEvents, "_copies_of", loudly)


def sectors_are_told_what_happens_beside_them(patch: pytest.MonkeyPatch) -> None:
    """A client counts as in the sector that its window was put around, not where it is by now."""
    hearers = Edge._hearers

    def by_window(self: Edge, present: Present) -> Hearers:
        found = hearers(self, present)
        player_of = {player.row: player for player in self._clients.players}
        side = self._world.rules.cells_per_side
        sector = found.sector.copy()
        for at, row in enumerate(found.client.tolist()):
            centre = player_of[row].centre
            if centre is not None:
                sector[at] = pack_sector(*np.floor_divide(centre, side))
        return found._replace(sector=sector)

    patch.setattr(Edge, "_hearers", by_window)


def events_overtake_spawns(patch: pytest.MonkeyPatch) -> None:
    """What happens to somebody whose spawn is not acked is said apart from it."""
    take = Events.take_due

    def at_once(self: Events, tick: int, held_back: Any, at_once: Any) -> Any:
        return take(self, tick, held_back[:0], at_once)

    patch.setattr(Events, "take_due", at_once)
    patch.setattr(Proposals, "_take_bundles", lambda *_: ())


def ends_overtake_events(patch: pytest.MonkeyPatch) -> None:
    """An end is said without what has happened before it."""
    take = Events.take_due

    def in_turn(self: Events, tick: int, held_back: Any, at_once: Any) -> Any:
        return take(self, tick, held_back, at_once[:0])

    patch.setattr(Events, "take_due", in_turn)


def what_happens_keeps_no_sector(patch: pytest.MonkeyPatch) -> None:
    """A sector is forgotten with what has just happened there, if nobody is there any more."""
    commit = WorldEvents.commit

    def heedless(self: WorldEvents, *arguments: Any) -> None:
        occupancy = self._world.occupancy
        before = occupancy._occupied_at.copy()
        commit(self, *arguments)
        occupancy._occupied_at[: len(before)] = before

    patch.setattr(WorldEvents, "commit", heedless)


def soon_forgotten(plan: Plan) -> bool:
    world = plan.limits.world
    return world.sector_empty_ticks < 15 and world.sectors_checked_every_ticks == 1


MUTANTS: Final = (
    Mutant(events_are_said_once, ("Happenings", "Endings"), with_loss),
    Mutant(events_happen_whenever_they_come, ("Happenings", "Endings"), with_loss),
    Mutant(events_have_no_epoch, ("Happenings",), with_fault(Kind.SHARD_LIES)),
    Mutant(events_are_no_news, ("Happenings",), any_plan),
    Mutant(events_are_told_in_their_tick_only, ("Happenings",), any_plan),
    Mutant(events_are_taken_again, ("Happenings",), any_plan),
    Mutant(events_overtake_spawns, ("Endings", "NothingRejected"), with_loss),
    Mutant(ends_overtake_events, ("Endings",), with_loss),
    Mutant(what_happens_keeps_no_sector, ("Endings",), soon_forgotten),
    Mutant(private_events_are_sent_once, ("Audiences",), with_loss),
    Mutant(private_events_are_taken_again, ("Audiences",), with_fault(Kind.CLIENT_MUTE)),
    Mutant(pilots_are_told_what_is_for_others, ("Audiences",), any_plan),
    Mutant(sectors_are_told_what_happens_beside_them, ("Audiences",), any_plan),
)
