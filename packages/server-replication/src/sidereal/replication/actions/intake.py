"""What comes in to be done: calls of players and what systems ask for, judged before they run.

Every call has a key, and a call that comes again has the same: it is answered as it was answered,
or waits for the same answer, and is never run twice. Who asks too often, or when too much waits, is
put off (`NOT_NOW`): nothing was looked at, and the same call may come again. So is a player that
waits for what it flies. All else is judged for good. What runs at once needs no room to wait: it is
done however long the database takes.

A client can send anything at any time. So players are only let to actions that are for players, and
systems to those that are for systems. A shard asks on behalf of what it simulates, and so often in
a tick; what is beyond that is dropped and counted. What it asks for has half of the room in which
calls wait, so that players are heard whatever shards ask for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from sidereal.game.declarations import Declarations
from sidereal.game.logic import PLAYERS, SYSTEMS, Action
from sidereal.game.step import Transaction
from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import ASKED_ROWS_MAX, NOTICE_SIZE_MAX
from sidereal.protocol.message.codec import ASKED_ROW, decode_rows_untrusted
from sidereal.protocol.message.player import Call, Outcome, Receipt
from sidereal.protocol.message.shard import Asked, printable
from sidereal.replication.actions.arguments import ArgumentsError, Signatures, UnknownActionError
from sidereal.replication.actions.effects import Caller
from sidereal.replication.actions.limits import ActionLimits
from sidereal.replication.actions.refusals import GONE, TOO_MANY, Refusals
from sidereal.replication.actions.requests import (
    CallName,
    Memory,
    Request,
    call_name,
    caller_of,
    digest_of,
)
from sidereal.replication.actions.shown import Shown
from sidereal.replication.links.playerlink import PlayerLink
from sidereal.replication.links.players import Player
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.world import ACCOUNT_NONE, World

OTHER_CALL = "this key belongs to another call"
TOO_FAST = "not now: {action} is done {rate:g} times a second at most"
TOO_MUCH = "not now: too much waits to be done"
NOT_HERE = "not now: what you fly is being fetched"
NO_ACCOUNT = "this is kept, and needs an account: log in with one"


def _refuse_it(tx: Transaction, text: str) -> None:
    tx.require(False, text)


REFUSAL: Final = Action("what can not be done", _refuse_it, 1.0, True, PLAYERS, None)
"""In the place of an action that there is not, or that takes other arguments."""


class _TurnedAway(Exception):
    """A call is not to be done, and nothing is remembered of it.

    Attributes:
        outcome: what it is answered.
        reason: by which it is counted.
        text: for people.
    """

    def __init__(self, outcome: Outcome, reason: str, text: str) -> None:
        super().__init__(text)
        self.outcome, self.reason, self.text = outcome, reason, text


class Intake:
    """Judges what comes in."""

    def __init__(
        self,
        game: Declarations,
        world: World,
        clients: PlayerLink,
        shards: ShardLink,
        memory: Memory,
        refusals: Refusals,
        shown: Shown,
        counts: Counter[str],
        limits: ActionLimits,
    ) -> None:
        """Begin.

        Args:
            game: for its actions.
            world: for what shards simulate.
            clients: who call.
            shards: which ask.
            memory: of calls.
            refusals: of what systems ask for.
            shown: answers calls.
            counts: what has become of calls, to be added to.
            limits: how much may wait.
        """
        self._signatures = Signatures(game.actions)
        self._world = world
        self._clients = clients
        self._shards = shards
        self._memory = memory
        self._refusals = refusals
        self._shown = shown
        self._counts = counts
        self._limits = limits

    def take(self, tick: int, now: float, waiting: Callable[[], int]) -> Iterator[Request]:
        """Judge what has come since the last tick.

        Args:
            tick: the current one.
            now: monotonic seconds.
            waiting: tells how many requests wait.

        Returns:
            what is to be done, each to be begun before the next one is judged.
        """
        for player, call in self._clients.take_calls():
            name, digest = call_name(player.account, call.key), digest_of(call)
            if self._has_come_before(player, name, digest):
                continue
            try:
                action, arguments = self._judge(player, call, now)
                if action.durable and player.account <= ACCOUNT_NONE:
                    raise _TurnedAway(Outcome.REFUSED, "no_account", NO_ACCOUNT)
                caller = caller_of(player)
                request = Request(action, arguments, caller, player, name, digest, tick)
                if action.durable and not self.has_room(request, waiting()):
                    raise _TurnedAway(Outcome.NOT_NOW, "too_much", TOO_MUCH)
            except _TurnedAway as away:
                self._counts[away.reason] += 1
                text = printable(away.text, NOTICE_SIZE_MAX)
                self._shown.answer(player, Receipt(call.key, away.outcome, text))
                continue
            self._memory.under_way[name] = request
            yield request
        for shard in self._shards.shards:
            shard.asks.renew()
        for shard, asked in self._shards.take_asked():
            for request in self._read_asked(shard, asked, tick):
                if not request.action.durable or self.has_room(request, waiting()):
                    yield request
                else:
                    self._counts["too_much"] += 1
                    self._refusals.add(request.action.name, TOO_MUCH, request.caller.own)

    def has_room(self, request: Request, waiting: int) -> bool:
        """Tell whether a request may wait, beside so many that do."""
        share = 2 if request.name is None else 1
        return share * waiting < self._limits.waiting

    def _judge(self, player: Player, call: Call, now: float) -> tuple[Action, tuple[Any, ...]]:
        """Judge what a call asks for: the action and its arguments.

        Raises:
            _TurnedAway: it is not to be done.
        """
        if player.waits:
            raise _TurnedAway(Outcome.NOT_NOW, "not_here", NOT_HERE)
        try:
            action = self._signatures.find_untrusted(call.action, PLAYERS)
        except UnknownActionError as error:
            return self._refuse(player, call, "unknown_action", str(error), now)
        if not self._memory.may_ask(player.account, action, now):
            text = TOO_FAST.format(action=action.name, rate=action.rate_hz)
            raise _TurnedAway(Outcome.NOT_NOW, "too_fast", text)
        try:
            return action, self._signatures.read_untrusted(action, call.arguments)
        except ArgumentsError as error:
            if action.durable:
                return self._refuse(player, call, "bad_arguments", str(error), now)
            raise _TurnedAway(Outcome.REFUSED, "bad_arguments", str(error)) from None

    def _refuse(
        self, player: Player, call: Call, reason: str, text: str, now: float
    ) -> tuple[Action, tuple[Any, ...]]:
        """Refuse what this version of the game can't do, unless the database knows the call.

        The version before may have done it. So it is refused as an action refuses that is kept.

        Raises:
            _TurnedAway: nothing is kept of this player, or it asks for too much that can't be.
        """
        if player.account <= ACCOUNT_NONE:
            raise _TurnedAway(Outcome.REFUSED, reason, text)
        if not self._memory.may_ask(player.account, REFUSAL, now):
            late = TOO_FAST.format(action=call.action, rate=REFUSAL.rate_hz)
            raise _TurnedAway(Outcome.NOT_NOW, "too_fast", late)
        self._counts[reason] += 1
        return REFUSAL, (text,)

    def _has_come_before(self, player: Player, name: CallName, digest: bytes) -> bool:
        """Tell whether a call has come before; then it is answered as it was, or will be."""
        other = Receipt(name.key, Outcome.REFUSED, OTHER_CALL)
        if (answered := self._memory.answer_of(name)) is not None:
            self._shown.answer(player, answered.receipt if answered.digest == digest else other)
        elif (earlier := self._memory.under_way.get(name)) is None:
            return False
        elif earlier.digest == digest:
            earlier.player = player
        else:
            self._shown.answer(player, other)
        self._counts["repeated"] += 1
        return True

    def _read_asked(self, shard: Shard, asked: Asked, tick: int) -> list[Request]:
        """Judge what a system asks for, and give what is to be done of it."""
        try:
            action = self._signatures.find_untrusted(asked.action, SYSTEMS)
            rows = decode_rows_untrusted(asked.rows, ASKED_ROW, ASKED_ROWS_MAX)
            calls = self._signatures.split_untrusted(asked.arguments)
            if len(calls) != len(rows):
                raise WireError(f"{len(rows)} entities ask {len(calls)} times")
            # Before the arguments are read: what is dropped costs next to nothing.
            taken = shard.asks.take(len(rows))
            arguments = [self._signatures.read_untrusted(action, call) for call in calls[:taken]]
        except WireError:
            self._counts["asked_wrongly"] += 1
            shard.faults += 1
            return []
        self._counts["asked_too_much"] += len(rows) - taken
        for entity in rows["id"][taken:].tolist():
            self._refusals.add(action.name, TOO_MANY, entity)
        rows, columns = rows[:taken], self._world.columns
        at = columns.rows_of(rows["id"])
        owned = self._are_owned(shard, rows, at)
        self._counts["asked_of_others"] += int((~owned).sum())
        for entity in rows["id"][~owned].tolist():
            self._refusals.add(action.name, GONE, entity)
        self._counts["asked"] += int(owned.sum())
        requests = []
        for nth in owned.nonzero()[0].tolist():
            row = int(at[nth])
            name = bytes(columns["name"][row]).decode()
            caller = Caller(name, int(self._world.account[row]), int(columns.net_id[row]))
            requests.append(Request(action, arguments[nth], caller, None, None, b"", tick))
        return requests

    def _are_owned(self, shard: Shard, asking: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Tell which of those that ask their shard simulates, bool[n].

        Args:
            shard: that asks.
            asking: `ASKED_ROW`[n].
            at: int64[n], their rows, -1 where there is none.
        """
        columns = self._world.columns
        owned = (at >= 0) & (columns["shard"][at] == shard.shard)
        return np.asarray(owned & (columns.epoch[at] == asking["epoch"]))
