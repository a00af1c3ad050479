"""Ghosts: what other shards simulate near this one's border, for game logic to see.

Ghosts have no bodies in the physics, on purpose, but for `shadows`: no contact is ever resolved by
two shards. Two entities that are about to touch are handed to one shard first. Until then a
collision with a ghost would move a body here, and the ghost's owner would not know of it. So ghosts
are read, never written.

Theory of operation. Records come on an unreliable channel. What ends them (`Release`, `Adopt`)
comes on a reliable one. Neither channel waits for the other, and the outcome must be the same in
whatever order they arrive.

* A record replaces the one that is held if it is no older by (epoch, tick of its message).
* A release voids records below its epoch that were sent no later than it, also those that arrive
  later. So it is remembered until no message of that age counts any more. A shard that loses its
  last lease is sent a release of every ghost.
* A body that ends here was a ghost before, perhaps: records below its epoch are void from then on.
* An entity is a body or a ghost, whichever has the higher epoch (`Simulation` sees to that).

The sender counts a record as received once its datagram was acked. So no valid record may be
dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import are_among, join_rows, take_rows
from sidereal.protocol.state.schema import Schema
from sidereal.shard.limits import LIMITS
from sidereal.shard.population import Floats, Ints, Population

Records = NDArray[np.void]

_TOMBSTONE: Final = np.dtype([("id", "<u4"), ("epoch", "<u4"), ("tick", "<i8")])


class News(NamedTuple):
    """Rows to show, one per entity.

    Attributes:
        records: `Schema.full_record[n]`.
        sent: int64[n], tick of the message that each came in.
    """

    records: Records
    sent: Ints


class Ghosts:
    """Entities that others own; the population has them by row, for game logic to read.

    Attributes:
        columns: those of the population, where all ghosts are moved to the shard's tick.
        refused: records that were not shown because they were invalid.
    """

    def __init__(
        self,
        population: Population,
        schema: Schema,
        rules: Rules,
        releases_max: int = LIMITS.releases,
    ) -> None:
        self._population = population
        self._releases_max = releases_max
        self.refused = 0
        self._schema = schema
        self._rules = rules
        self.columns = population.columns
        self._sent: Ints = np.zeros(self.columns.capacity, np.int64)
        self._newest = -1
        self._tombstones = np.empty(0, _TOMBSTONE)

    def __len__(self) -> int:
        return len(self.rows())

    def rows(self) -> Ints:
        """Rows of the ghosts, ascending."""
        return self._population.ghost_rows()

    def rows_of(self, net_ids: ArrayLike) -> Ints:
        """Look ghosts up by id: int64[n], -1 where there is no such one."""
        return self._population.rows_of(net_ids, own=False)

    def positions(self, tick: float) -> tuple[Floats, Floats, Floats]:
        """Work out where the ghosts are at any tick.

        Returns:
            x, y and heading, float64[n] each, in the order of `rows`.
        """
        return self._population.lines(self.rows(), tick, self._rules.tick_s)

    def move(self, tick: int) -> None:
        """Bring all ghosts to a tick, along the straight lines of their references.

        Mutates:
            x, y and heading of the population's columns.
        """
        self._population.follow(self.rows(), tick, self._rules.tick_s)

    # -- from the replication server --------------------------------------------------------------

    def news(self, batches: Sequence[tuple[int, Records]]) -> News:
        """Choose the records to show: valid, one per entity, no older than what is held, not void.

        Args:
            batches: for each message its tick and its `Schema.full_record[n]`, at least one.
        """
        sent = np.repeat([tick for tick, _ in batches], [len(records) for _, records in batches])
        records = join_rows([records for _, records in batches])
        valid = self._schema.valid_rows(records) & (records["id"] != NET_ID_NONE)
        self.refused += int(len(records) - valid.sum())
        # Of what came together none is too old for another: the sender has their acks by now.
        counts = valid & (sent >= self._oldest()) & ~self._void(records, sent)
        self._newest = max(self._newest, *(tick for tick, _ in batches))
        records, sent = take_rows(records, counts), sent[counts]
        order = np.lexsort((sent, records["epoch"], records["id"]))
        ids = records["id"][order]
        last = order[np.append(ids[1:] != ids[:-1], np.ones(min(1, len(ids)), np.bool_))]
        records, sent = take_rows(records, last), sent[last]
        rows, epoch = self.rows_of(records["id"]), records["epoch"].astype(np.int64)
        held = np.where(rows >= 0, self.columns.epoch[rows].astype(np.int64), -1)
        newer = (epoch > held) | ((epoch == held) & (sent >= self._sent[rows]))
        return News(take_rows(records, newer), sent[newer])

    def show(self, news: News, tick: int) -> None:
        """Enter records, or replace what is held of their entities.

        Args:
            news: from `news`; none of them is a body.
            tick: to which they are moved, the last one simulated.
        """
        rows = self._population.load(news.records, own=False)
        more = self.columns.capacity - len(self._sent)
        if more > 0:
            self._sent = np.concatenate([self._sent, np.zeros(more, np.int64)])
        self._sent[rows] = news.sent
        self._population.follow(rows, tick, self._rules.tick_s)

    def epochs_of(self, net_ids: NDArray[np.uint32]) -> Ints:
        """Look epochs up: int64[n], -1 where there is no such ghost."""
        rows = self.rows_of(net_ids)
        return np.where(rows >= 0, self.columns.epoch[rows].astype(np.int64), -1)

    def adopt(self, net_ids: NDArray[np.uint32]) -> None:
        """Forget those that have become bodies."""
        rows = self.rows_of(net_ids)
        self._population.free(rows[rows >= 0])

    def release(self, net_ids: NDArray[np.uint32], epochs: NDArray[np.uint32], tick: int) -> None:
        """Make records void that are below an epoch and were sent no later than a tick.

        Args:
            net_ids: uint32[n]
            epochs: uint32[n]
            tick: of the release, not below that of the one before.
        """
        rows = self.rows_of(net_ids)
        known = rows >= 0
        rows, below = rows[known], epochs[known]
        void = (self.columns.epoch[rows] < below) & (self._sent[rows] <= tick)
        self._population.free(np.unique(rows[void]))
        self._remember(net_ids, epochs, tick)

    def end(self, net_ids: NDArray[np.uint32], epochs: NDArray[np.uint32], tick: int) -> None:
        """Make records void that are older than bodies which have ended.

        Args:
            net_ids: uint32[n], theirs.
            epochs: uint32[n], under which they were bodies: all below were sent before.
            tick: in which they ended.
        """
        self._remember(net_ids, epochs, max(self._newest, tick) + self._rules.streams.reorder_ticks)

    # -- inside -----------------------------------------------------------------------------------

    def _remember(self, net_ids: NDArray[np.uint32], epochs: NDArray[np.uint32], tick: int) -> None:
        fresh = np.empty(len(net_ids), _TOMBSTONE)
        fresh["id"], fresh["epoch"], fresh["tick"] = net_ids, epochs, tick
        kept = self._tombstones[self._tombstones["tick"] >= self._oldest()]
        # An entity's newest release implies its older ones.
        kept = kept[~are_among(kept["id"], fresh["id"])]
        self._tombstones = np.concatenate([kept, fresh])[-self._releases_max :]

    def _oldest(self) -> int:
        """Tick before which a message no longer counts."""
        return self._newest - self._rules.streams.reorder_ticks

    def _void(self, records: Records, sent: Ints) -> NDArray[np.bool_]:
        tombstones = self._tombstones
        if not len(tombstones):
            return np.zeros(len(records), np.bool_)
        order = np.argsort(tombstones["id"], kind="stable")
        at = np.searchsorted(tombstones["id"][order], records["id"], side="right") - 1
        tombstone = tombstones[order[at]]
        same = (at >= 0) & (tombstone["id"] == records["id"])
        return np.asarray(
            same & (records["epoch"] < tombstone["epoch"]) & (sent <= tombstone["tick"])
        )
