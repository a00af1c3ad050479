"""Bugs planted in actions: what they write, when it counts, what a call does that comes again."""

from __future__ import annotations

from typing import Any, Final

import pytest
from mutant import Mutant, with_fault

from sidereal.client.calls import Calls
from sidereal.protocol.message.player import Receipt
from sidereal.replication.actions.books import Books
from sidereal.replication.actions.desk import Desk
from sidereal.replication.actions.draft import Draft
from sidereal.replication.keeping.persist import WriteBehind
from sidereal.tools.simulate.faults import Kind, Plan


def receipts_leave_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """Who asked is answered when an action has run."""
    post = Desk._post

    def hasty(self: Desk, tick: int) -> None:
        before = self.postings.under_way
        post(self, tick)
        if self.postings.under_way and not before:
            for done in self.postings.done:
                name, player = done.request.name, done.request.player
                if name is not None and player is not None:
                    self._clients.send(player, Receipt(name.key, done.outcome, done.text))

    patch.setattr(Desk, "_post", hasty)


def actions_do_not_see_those_before_them(patch: pytest.MonkeyPatch) -> None:
    """What an action goes by is what was committed, not what others are about to change."""
    begin = Draft.__init__

    def alone(self: Draft, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named | {"before": {}})

    patch.setattr(Draft, "__init__", alone)


def a_posting_lacks_its_last_row(patch: pytest.MonkeyPatch) -> None:
    """Not all that an action has written is committed."""
    rows_of = Books.rows_of
    patch.setattr(Books, "rows_of", lambda self, written: rows_of(self, written)[:-1])


def a_call_that_is_repeated_has_another_key(patch: pytest.MonkeyPatch) -> None:
    """A client that comes back asks anew for what it may have been given."""
    begin_session = Calls.begin_session

    def anew(self: Calls) -> Any:
        calls = begin_session(self)
        fresh = [call.__class__(self._entropy(16), call.action, call.arguments) for call in calls]
        opened = [self._open.pop(call.key) for call in calls]
        for call, was in zip(fresh, opened, strict=True):
            was.call = call
            self._open[call.key] = was
        return fresh

    patch.setattr(Calls, "begin_session", anew)


def ships_that_left_lose_what_was_committed(patch: pytest.MonkeyPatch) -> None:
    """What is committed of an entity that has left meanwhile is forgotten."""
    patch.setattr(Books, "amend", lambda *arguments: None)


def ships_are_saved_later_than_what_they_carry(patch: pytest.MonkeyPatch) -> None:
    """What an action has written is committed before its holder was ever saved."""
    patch.setattr(WriteBehind, "hand_over", lambda *arguments: None)


def what_is_known_is_done_again(patch: pytest.MonkeyPatch) -> None:
    """A call that a server before this one committed is asked of the database for ever."""

    def again(self: Desk, under_way: list[Any], known: Any) -> None:
        self._waiting.extendleft(done.request for done in reversed(under_way))

    patch.setattr(Desk, "_recall", again)


def any_actions(plan: Plan) -> bool:
    """Tell in which plans somebody has an account; the last pilot has none."""
    return plan.pilots > 1


def somebody_leaves_a_slow_store(plan: Plan) -> bool:
    """Tell in which plans what a player left waits to be saved, and its calls to be committed."""
    leaves = [
        fault
        for fault in plan.faults
        if fault.kind is Kind.CLIENT_LEAVES and fault.target < plan.pilots - 1
    ]
    slow = [fault for fault in plan.faults if fault.kind in (Kind.STORE_SLOW, Kind.STORE_FAILS)]
    return any(bad.at - 0.5 <= fault.at <= bad.at + bad.seconds for fault in leaves for bad in slow)


def with_accounts_and(*kinds: Kind) -> Any:
    fault = with_fault(*kinds)
    return lambda plan: any_actions(plan) and fault(plan)


MUTANTS: Final = (
    Mutant(receipts_leave_before_the_commit, ("Credits",), any_actions),
    Mutant(actions_do_not_see_those_before_them, ("Credits",), any_actions),
    Mutant(a_posting_lacks_its_last_row, ("Credits",), any_actions),
    Mutant(
        a_call_that_is_repeated_has_another_key,
        ("Credits",),
        with_accounts_and(Kind.AUTHORITY_RESTARTS, Kind.AUTHORITY_REPLACED),
    ),
    Mutant(ships_that_left_lose_what_was_committed, ("Credits",), somebody_leaves_a_slow_store),
    Mutant(ships_are_saved_later_than_what_they_carry, ("Credits",), any_actions),
    Mutant(
        what_is_known_is_done_again,
        ("Credits", "Progress"),
        with_accounts_and(Kind.AUTHORITY_RESTARTS),
    ),
)
