"""The stage of the tick in which actions run: calls come in, and receipts go out.

Theory of operation. `intake` judges what comes in. An action that is not durable runs at once.
Durable ones wait for their turn. Those of a tick run one after another, each on what the ones
before it have written; nothing of it is in the world yet. All of it leaves as one posting, to be
committed as a whole. Until the database has answered, no other durable action runs; then, at the
earliest in the next tick, the effects take place in the same order, and the receipts leave. An
action that is not durable and needs what is about to change waits for that. So there is one order
of all that is read and written.

A server that ended before its receipts left may have committed them: the next one finds out when
the calls come again. Then nothing of its posting was committed; calls that are known are answered
as the database says, and the others run again. If the database does not take a posting, its actions
run again one by one, and the ones that it does not take are refused.
"""

from __future__ import annotations

import traceback
from collections import Counter, deque

import numpy as np

from sidereal.game.declarations import Declarations
from sidereal.game.spawns import Spawns
from sidereal.protocol.limits import NOTICE_SIZE_MAX
from sidereal.protocol.message.player import Outcome, Receipt
from sidereal.protocol.message.shard import printable
from sidereal.replication.actions.books import Books
from sidereal.replication.actions.draft import Draft
from sidereal.replication.actions.effects import Effects, HeldUpError, Refusal
from sidereal.replication.actions.intake import OTHER_CALL, TOO_MUCH, Intake
from sidereal.replication.actions.limits import ActionLimits
from sidereal.replication.actions.postings import Postings
from sidereal.replication.actions.refusals import Refusals
from sidereal.replication.actions.requests import CallName, Done, Memory, Request, caller_of
from sidereal.replication.actions.shown import Shown
from sidereal.replication.events import Events
from sidereal.replication.keeping.persist import WriteBehind
from sidereal.replication.keeping.posting import KeptReceipt
from sidereal.replication.links.playerlink import PlayerLink
from sidereal.replication.links.players import ROW_NONE, Player, PlayerState
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.notes import Notes
from sidereal.replication.play.entities import Entities
from sidereal.replication.play.raised import describe_raised
from sidereal.replication.world import World

NO_ANSWER = "not now: the database does not answer"
FAILED = "the game failed at it; the server's log says why"
DECLINED = "the database does not take it; the server's log says why"


class Desk:
    """The actions of one world.

    Attributes:
        counts: calls by what has become of them.
        failed: how often which action raised.
        books: what they read and write.
        postings: what is on its way to the database.
    """

    def __init__(
        self,
        game: Declarations,
        world: World,
        books: Books,
        entities: Entities,
        saving: WriteBehind,
        events: Events,
        clients: PlayerLink,
        shards: ShardLink,
        notes: Notes,
        limits: ActionLimits,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.books = books
        self.postings = Postings(world, books, entities, saving)
        self._world = world
        self._entities = entities
        self._spawns = Spawns(game, world.schema)
        self._events = events
        self._clients = clients
        self._notes = notes
        self._limits = limits
        self._shown = Shown(game, world.schema, books, clients)
        self._memory = memory = Memory(limits)
        self._refusals = refusals = Refusals(notes)
        self._intake = Intake(
            game, world, clients, shards, memory, refusals, self._shown, self.counts, limits
        )
        self._held: deque[Request] = deque()
        self._waiting: deque[Request] = deque()
        self._singly = 0
        self._gifts_alone = False

    # -- the stage ----------------------------------------------------------------------------

    def act(self, tick: int, now: float) -> None:
        """Answer what the database has answered, take in calls, and run them; once per tick."""
        self.books.note_gifts(tick)
        self._shown.greet(self._clients.take_newcomers())
        self._settle(tick)
        for request in self._take_ready(self._held, len(self._held)):
            self._run_at_once(request, tick, waits=True)
        for request in self._intake.take(tick, now, self._count_waiting):
            if request.action.durable:
                self._waiting.append(request)
            else:
                self._run_at_once(request, tick)
        self._post(tick)
        self._put_off_late(tick)
        self._refusals.note(tick)
        self._shown.tell()

    def _count_waiting(self) -> int:
        return len(self._waiting) + len(self._held)

    # -- running ------------------------------------------------------------------------------

    def _take_ready(self, queue: deque[Request], most: int) -> list[Request]:
        """Take so many requests that may run by now, in their order.

        Who asks acts for what it flies now. It may be back in a session that waits for that; so
        does its request. One of a player that has left is forgotten: nothing of it was done, and it
        comes again when its player does.
        """
        ready: list[Request] = []
        later: list[Request] = []
        while queue and len(ready) < most:
            request = queue.popleft()
            player, name = request.player, request.name
            if player is None or name is None:
                ready.append(request)
            elif player.state is not PlayerState.JOINED or player.row == ROW_NONE:
                del self._memory.under_way[name]
                self.counts["left"] += 1
            elif player.waits:
                later.append(request)
            else:
                request.caller = caller_of(player)
                ready.append(request)
        queue.extendleft(reversed(later))
        return ready

    def _run_at_once(self, request: Request, tick: int, *, waits: bool = False) -> None:
        """Run an action that is not durable, or let it wait for what is about to change."""
        try:
            done = self._run(request, tick)
        except HeldUpError:
            if waits or self._intake.has_room(request, self._count_waiting()):
                self._held.append(request)
            else:
                self._answer_with(request, Outcome.NOT_NOW, TOO_MUCH, "too_much")
            return
        self._finish(done, tick)

    def _run(self, request: Request, tick: int) -> Done:
        """Run an action; nothing has happened yet.

        Raises:
            HeldUpError: it needs what is about to change, and is not durable.
        """
        durable = request.action.durable
        draft = Draft(
            self._world,
            self.books,
            self._spawns,
            self._events,
            request.caller,
            tick,
            durable=durable,
            before=self.postings.pending,
            ending=self.postings.ending,
        )
        try:
            request.action.function(draft, *request.arguments)
        except HeldUpError:
            raise
        except Refusal as refusal:
            text = printable(str(refusal), NOTICE_SIZE_MAX)
            return Done(request, Effects(), Outcome.REFUSED, text)
        except Exception as error:  # noqa: BLE001  # the game's code is somebody else's
            self._note_failure(request.action.name, error, tick)
            return Done(request, Effects(), Outcome.REFUSED, FAILED)
        return Done(request, draft.effects, Outcome.DONE, "")

    def _note_failure(self, action: str, error: Exception, tick: int) -> None:
        """Say once what an action raises: clients can let it do so again and again."""
        if action not in self.failed:
            trace = "".join(traceback.format_exception(error))
            what = describe_raised(error)
            self._notes.add(tick, "action_failed", trace, action=action, error=what)
        self.failed[action] += 1

    def _finish(self, done: Done, tick: int) -> None:
        """Let happen what an action comes to, and answer."""
        self.books.write(done.effects.written, done.effects.names, tick)
        self._shown.note(done.effects.written)
        if done.effects.spawned:
            records = np.concatenate(done.effects.spawned)
            records["tick"] = tick
            self._entities.create(records, tick, uuid=done.effects.uuid)
        for event, entity in done.effects.emitted:
            row = self.books.row_of(entity, done.effects.names[entity])
            if row >= 0:  # it may have gone while a durable action waited
                self._events.emit(event, row, tick)
        if done.effects.lines and (player := self._speaker_of(done.request)) is not None:
            for line in done.effects.lines:
                self._clients.tell(player, line.text, line.to)
        for entity, name in done.effects.ended.items():
            self._end(entity, name, tick)
        self._answer_with(done.request, done.outcome, done.text)

    def _end(self, entity: int, name: bytes, tick: int) -> None:
        """End an entity, be it back under another id by now, or in its berth."""
        row = self.books.row_of(entity, name)
        if row >= 0:
            self._entities.end(np.array([row]), tick)
        else:
            self.books.end_away(name, tick)

    def _speaker_of(self, request: Request) -> Player | None:
        """Find whose lines those of an action are: of who asked, or who flies what asked."""
        if request.name is not None:
            return request.player
        account, own = request.caller.account, request.caller.own
        flying = (p for p in self._clients.players if (p.account, p.net_id) == (account, own))
        return next(flying, None)

    def _answer_with(
        self, request: Request, outcome: Outcome, text: str, counted: str = ""
    ) -> None:
        self.counts[counted or outcome.name.lower()] += 1
        if request.name is None:
            if outcome is not Outcome.DONE:
                self._refusals.add(request.action.name, text, request.caller.own)
            return
        del self._memory.under_way[request.name]
        receipt = Receipt(request.name.key, outcome, text)
        if outcome is not Outcome.NOT_NOW:
            self._memory.remember(request.name, request.digest, receipt)
        if request.player is not None:
            self._shown.answer(request.player, receipt)

    # -- what is committed --------------------------------------------------------------------

    def _post(self, tick: int) -> None:
        """Run durable actions that wait, if none is under way."""
        if self.postings.under_way:
            return
        if self._gifts_alone:
            self._gifts_alone = False
            self.postings.post(tick, gifts=True)
            if self.postings.under_way:
                return
        singly = self._singly > 0
        self._singly = max(0, self._singly - 1)
        for request in self._take_ready(self._waiting, 1 if singly else self._limits.together):
            self.postings.add(self._run(request, tick))
        self.postings.post(tick, gifts=not singly)

    def _settle(self, tick: int) -> None:
        """Act on the answer of the database, if it has come."""
        settled = self.postings.settle()
        if settled is None:
            return
        posting, answer, under_way, gifts = settled
        if answer.known:
            self.books.return_gifts(gifts, tick)
            self._recall(under_way, answer.known)
        elif answer.declined and len(under_way) + bool(gifts) > 1:
            self.books.return_gifts(gifts, tick)
            self._gifts_alone = bool(gifts)
            self._singly = len(under_way)
            self._waiting.extendleft(done.request for done in reversed(under_way))
        elif answer.declined:
            what = under_way[0].request.action.name if under_way else "give"
            self._notes.add(tick, "action_declined", action=what, why=answer.declined)
            for done in under_way:
                self._answer_with(done.request, Outcome.REFUSED, DECLINED)
        else:
            self.books.amend(posting.rows, tick)
            for done in under_way:
                self._finish(done, tick)

    def _recall(self, under_way: list[Done], known: tuple[KeptReceipt, ...]) -> None:
        """Answer calls that the database knows; what else was to be committed runs again."""
        kept = {CallName(receipt.account, receipt.key): receipt for receipt in known}
        again = []
        for done in under_way:
            name = done.request.name
            receipt = None if name is None else kept.get(name)
            if receipt is None:
                again.append(done.request)
            elif receipt.digest == done.request.digest:
                self._answer_with(done.request, Outcome(receipt.outcome), receipt.text)
            else:
                self._answer_with(done.request, Outcome.REFUSED, OTHER_CALL)
        self._waiting.extendleft(reversed(again))

    def _put_off_late(self, tick: int) -> None:
        """Put off what has waited for too long."""
        for queue in (self._waiting, self._held):
            while queue and tick - queue[0].since >= self._limits.waiting_ticks:
                self._answer_with(queue.popleft(), Outcome.NOT_NOW, NO_ANSWER)
