"""What is on its way to the database: all that durable actions have come to, as one posting.

One posting is under way at a time. Actions that run after it go by what it will have changed
(`pending`, `ending`), and what is not durable waits for it. What hooks have given or taken of what
only actions write travels along: so the database has all of that in one order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from sidereal.protocol.errors import LocalProtocolError
from sidereal.replication.actions.books import Books
from sidereal.replication.actions.effects import Cell, Value
from sidereal.replication.actions.requests import Done
from sidereal.replication.keeping.persist import Batch, WriteBehind, batch_of, joined, new_batch
from sidereal.replication.keeping.posting import KeptReceipt, LedgerRow, Posted, Posting
from sidereal.replication.keeping.references import to_saved
from sidereal.replication.play.entities import Entities
from sidereal.replication.world import World


class Settled(NamedTuple):
    """A posting that the database has answered.

    Attributes:
        posting: it.
        answer: of the database.
        done: the requests that it was made of, in order.
        gifts: what of it hooks have given and taken.
    """

    posting: Posting
    answer: Posted
    done: list[Done]
    gifts: tuple[LedgerRow, ...]


class Postings:
    """The postings of one world, one after another.

    Attributes:
        pending: what actions have written that is not committed yet.
        ending: names of the entities that they will have ended, by id.
        done: the requests of the posting that is made, or under way, in order.
    """

    def __init__(self, world: World, books: Books, entities: Entities, saving: WriteBehind) -> None:
        self.pending: dict[Cell, Value] = {}
        self.ending: dict[int, bytes] = {}
        self.done: list[Done] = []
        self._gifts: tuple[LedgerRow, ...] = ()
        self._world = world
        self._books = books
        self._entities = entities
        self._saving = saving
        self._number = 0
        self._posting: Posting | None = None
        self._taken = False
        self._answer: Posted | None = None

    # -- the shell's side -----------------------------------------------------------------------

    @property
    def has_posting(self) -> bool:
        """Whether something is to be committed that nobody has taken yet."""
        return self._posting is not None and not self._taken

    def take_posting(self) -> Posting:
        """Give up what is to be committed; `deliver` must follow."""
        if self._posting is None or self._taken:
            raise LocalProtocolError("there is nothing to be committed")
        self._taken = True
        return self._posting

    def deliver(self, posting: Posting, answer: Posted) -> None:
        """Take the answer of the database; it counts in the next tick."""
        if posting is not self._posting:
            raise LocalProtocolError("this posting is not the one that was taken")
        self._answer = answer

    # -- the stage's side -----------------------------------------------------------------------

    @property
    def under_way(self) -> bool:
        """Whether the database has not answered yet."""
        return self._posting is not None

    def add(self, done: Done) -> None:
        """Add what a request has come to to the posting that is made."""
        self.done.append(done)
        self.pending |= done.effects.written
        self.ending |= done.effects.ended

    def post(self, tick: int, *, gifts: bool) -> None:
        """Let all that was added leave, if it is anything.

        Args:
            tick: the current one.
            gifts: whether what hooks have given and taken goes along.
        """
        self._gifts = self._books.take_gifts(self.pending) if gifts else ()
        if not self.done and not self._gifts:
            return
        receipts = [
            KeptReceipt(*done.request.name, done.request.digest, done.outcome, done.text)
            for done in self.done
            if done.request.name is not None
        ]
        rows = (*self._books.rows_of(self.pending), *self._gifts)
        entities = self._entities_of(rows, tick)
        self._number += 1
        self._posting = Posting(self._number, tick, tuple(receipts), rows, entities)
        self._taken = False

    def settle(self) -> Settled | None:
        """Give up the posting whose answer has come, if it has."""
        if self._answer is None or self._posting is None:
            return None
        settled = Settled(self._posting, self._answer, self.done, self._gifts)
        entities, answer = settled.posting.entities, settled.answer
        if entities is not None and not answer.known and not answer.declined:
            self._saving.arrived(entities.uuid)
        self.pending, self.ending, self.done, self._gifts = {}, {}, [], ()
        self._posting = self._answer = None
        return settled

    def _entities_of(self, rows: Iterable[LedgerRow], tick: int) -> Batch | None:
        """Give what is saved of entities: that come, that end, and that own what is committed.

        Those that come get names. What an entity owns is worth nothing if the server ends before
        the entity itself is saved: so it is saved with that.
        """
        world, batches = self._world, []
        for done in self.done:
            if done.effects.spawned:
                spawned = np.concatenate(done.effects.spawned)
                done.effects.uuid = uuid = self._entities.names(len(spawned))
                kept = world.schema.saved[spawned["kind"]]
                batches.append(new_batch(to_saved(world, spawned[kept]), uuid[kept], tick))
        ending = world.columns.rows_of(list(self.ending))
        ending = world.families.whole(ending[ending >= 0])
        ending = ending[world.is_kept(ending) | world.stored[ending]]
        batches.append(batch_of(world, ending, tick, removed=True))
        holders = {self._books.row_of(row.entity, row.holder) for row in rows if row.entity > 0}
        holders -= {-1, *ending.tolist()}
        holding = np.array(sorted(holders), np.int64)
        # Without its parents a child is worth nothing.
        holding = np.unique(np.concatenate([holding, *world.families.above(holding)]))
        if (own := self._saving.hand_over(holding, tick)) is not None:
            batches.append(own)
        batch = joined(batches)
        return batch if len(batch) else None
