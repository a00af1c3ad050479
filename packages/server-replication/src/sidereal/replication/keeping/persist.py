"""Write-behind: what is not saved yet, and the batches in which it leaves.

Theory of operation. There is no queue of rows: a row of the world that differs from what the
database was given has its bit in `World.dirty`, so nothing can be dropped and marking a row again
costs nothing. A batch takes rows as they are at that moment, those first that have waited longest,
and clears their bits; what fails gets them back. What has left the world waits here as it was then:
what players flew that have gone, and entities that were removed. A removal is a row like any other:
the row with `removed` set. It is guarded like the rest, so that an older write which comes late
does not bring the entity back, and it is forgotten when no such write can be under way any more.

One batch is out at a time, so the writes of an entity reach the database in order. An attempt to
write may have succeeded although nobody knows; writing the same again is harmless.

The guard: a row replaces a saved one if its (epoch, saved_tick) is not less, and that one was not
removed: actions remove at once, while an older batch may be on its way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.state.families import DEPTH_MAX
from sidereal.replication.keeping.references import amend_saved, to_saved
from sidereal.replication.world import ACCOUNT_NONE, World


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows to save together; all arrays have one length, and no uuid comes twice.

    Attributes:
        rows: saved records, [n].
        uuid: void16[n].
        account: int64[n], who flies it, 0 for nobody; of its children, -it.
        active: bool[n], whether the entity takes part in the world.
        removed: bool[n], whether it is gone for good.
        saved_tick: int64[n], of the world when the row was as it is here.
        since_tick: int64[n], since when something of it has not been saved.
    """

    rows: NDArray[np.void]
    uuid: NDArray[np.void]
    account: NDArray[np.int64]
    active: NDArray[np.bool_]
    removed: NDArray[np.bool_]
    saved_tick: NDArray[np.int64]
    since_tick: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, rows: NDArray[Any]) -> Batch:
        """Some of the rows, copied."""
        return Batch(*(array[rows] for array in self.arrays()))

    def arrays(self) -> Iterator[NDArray[Any]]:
        """The arrays, in the order of the attributes."""
        return (getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True, eq=False)
class Departed:
    """An entity that has left the world, as it was then.

    Attributes:
        record: a saved record, [1].
        uuid: void16[1].
        account: who flew it, 0 for nobody; of its children, -it.
        removed: whether it is gone for good.
        tick: when it left.
        since_tick: since when something of it has not been saved.
    """

    record: NDArray[np.void]
    uuid: NDArray[np.void]
    account: int
    removed: bool
    tick: int
    since_tick: int


class WriteBehind:
    """What of one world is not saved yet."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._departed: dict[bytes, Departed] = {}
        self._out: Batch | None = None
        self._out_departed: list[Departed] = []
        self._refused: set[bytes] = set()
        # In the world, and given to the database, which has not said that it has them.
        self._unsure: set[bytes] = set()

    @property
    def depth(self) -> int:
        """Rows that are not saved yet, those of the batch that is out included."""
        out = 0 if self._out is None else len(self._out) - len(self._out_departed)
        return int(np.count_nonzero(self._world.dirty)) + len(self._departed) + out

    @property
    def refused(self) -> int:
        """Entities whose rows the database does not take; they are not given to it again."""
        return len(self._refused)

    def oldest_tick(self) -> int | None:
        """Tick of the oldest change that is not saved; None when there is none."""
        ticks = [departed.since_tick for departed in self._departed.values()]
        dirty = self._world.dirty_since[self._world.dirty]
        if len(dirty):
            ticks.append(int(dirty.min()))
        if self._out is not None and len(self._out):
            ticks.append(int(self._out.since_tick.min()))
        return min(ticks, default=None)

    # -- what leaves the world ------------------------------------------------------------------

    def depart(self, record: NDArray[np.void], row: int, tick: int, *, removed: bool) -> None:
        """Keep an entity that leaves the world until this is saved.

        What was never given to the database and is removed leaves nothing behind, nor does what is
        not kept at all.

        Args:
            record: `Schema.full_record`[1], as it is to be saved.
            row: of the entity, which is still in the world.
            tick: of the world, now.
            removed: whether it is gone for good.
        """
        world = self._world
        if not (world.stored[row] if removed else world.is_kept(np.array([row]))[0]):
            return
        self._doubt(np.array([row]))
        uuid = world.uuid[[row]]
        since = int(world.dirty_since[row]) if world.dirty[row] else tick
        if self._out is not None:
            out = self._out.rows["id"] == record["id"]
            since = int(self._out.since_tick[out].min(initial=since))
        account = int(world.accounts_of(np.array([row]))[0])
        saved = to_saved(world, record)
        self._departed[uuid.tobytes()] = Departed(saved, uuid, account, removed, tick, since)

    def departed_of(self, account: int) -> Departed | None:
        """Find what an account flew among what has left and is not saved yet.

        One that was removed is among them: the database may still have it. Of several that an
        account had one after the other it is the last one.
        """
        for departed in reversed(self._departed.values()):  # of the last moments, or of an outage
            if departed.account == account:
                return departed
        return None

    def departed_with(self, departed: Departed) -> list[Departed]:
        """Give an entity that an account flew, and the children that left with it."""
        children = (left for left in self._departed.values() if left.account == -departed.account)
        return [departed, *(left for left in children if not left.removed)]

    def amend(self, uuid: bytes, number: int, values: Mapping[str, Any]) -> None:
        """Let an entity that has left have a component, if it waits here; see `amend_saved`."""
        if (departed := self._departed.get(uuid)) is not None:
            amend_saved(self._world.schema, departed.record, number, values)

    def end(self, uuid: bytes) -> None:
        """Let an entity that waits here be gone for good, with its children."""
        ended = {uuid}
        for _ in range(DEPTH_MAX + 1):
            for name, departed in self._departed.items():
                if name in ended or departed.record["of"].tobytes() in ended:
                    self._departed[name] = replace(departed, removed=True)
                    ended.add(name)

    def has_ended(self, uuid: bytes) -> bool:
        """Tell whether an entity is gone for good, which is not saved yet."""
        departed = self._departed.get(uuid)
        return departed is not None and departed.removed

    def come_back(self, uuid: NDArray[np.void]) -> None:
        """Entities, `UUID[n]`, are in the world again: the rows they have there are those to save.

        None of them has ended.
        """
        for name in uuid:
            self._departed.pop(name.tobytes(), None)

    def drop(self, record: NDArray[np.void], uuid: NDArray[np.void], tick: int) -> None:
        """Let an entity be gone for good that the database has, and that has not come back.

        Args:
            record: a saved record, [1].
            uuid: `UUID[1]`.
            tick: of the world, now.
        """
        self._departed[uuid.tobytes()] = Departed(record, uuid, ACCOUNT_NONE, True, tick, tick)

    # -- what is saved with something else --------------------------------------------------------

    def hand_over(self, rows: NDArray[np.int64], tick: int) -> Batch | None:
        """Give up entities that the database may not have, to be saved with something else.

        What their accounts had before goes along if that waits to be saved: of what an account
        flies the database takes one.

        Args:
            rows: int64[n], each once.
            tick: of the world, now.

        Returns:
            None if the database has them all. `arrived` must follow when it has this.
        """
        names = (name.tobytes() for name in self._world.uuid[rows])
        unsure = np.fromiter((name in self._unsure for name in names), np.bool_, len(rows))
        rows = rows[unsure | ~self._world.stored[rows]]
        if not len(rows):
            return None
        self._doubt(rows)
        accounts = set(self._world.account[rows].tolist()) - {ACCOUNT_NONE}
        before = [_batch_of(left) for left in self._departed.values() if left.account in accounts]
        return joined([*before, batch_of(self._world, rows, tick, removed=False)])

    def arrived(self, uuid: NDArray[np.void]) -> None:
        """The database has entities, void16[n]."""
        if self._unsure:
            self._unsure.difference_update(name.tobytes() for name in uuid)

    def _doubt(self, rows: NDArray[np.int64]) -> None:
        """Note that the database is given entities: it may not have them before it says so."""
        new = rows[~self._world.stored[rows]]
        self._unsure.update(name.tobytes() for name in self._world.uuid[new])
        self._world.stored[new] = True

    # -- batches --------------------------------------------------------------------------------

    def take_batch(self, rows_max: int, tick: int) -> Batch | None:
        """Take what is not saved, those first that have waited longest.

        Args:
            rows_max: rows of the batch at most.
            tick: of the world, now.

        Returns:
            None when there is nothing, or a batch is out.
        """
        if self._out is not None:
            return None
        departed = self._oldest_departed(rows_max)
        rows = self._oldest_dirty(max(0, rows_max - len(departed)))
        if not departed and not len(rows):
            return None
        world = self._world
        here = batch_of(world, rows, tick, removed=False)
        here = replace(here, since_tick=world.dirty_since[rows])
        world.dirty[rows] = False
        self._doubt(rows)
        self._out_departed = departed
        self._out = joined([*(_batch_of(entity) for entity in departed), here])
        assert len(set(self._out.uuid.tolist())) == len(self._out), "a uuid comes twice"
        return self._out

    def committed(self, batch: Batch) -> None:
        """The whole batch is in the database."""
        self.settle(batch, np.ones(len(batch), np.bool_), np.zeros(len(batch), np.bool_))

    def failed(self, batch: Batch) -> None:
        """The batch may not be in the database: it waits again, where nothing newer does."""
        nothing = np.zeros(len(batch), np.bool_)
        self.settle(batch, nothing, nothing)

    def settle(self, batch: Batch, saved: NDArray[np.bool_], refused: NDArray[np.bool_]) -> None:
        """Say what has become of a batch.

        What an account flew waits here with all its children until the database has all of them.

        Args:
            batch: the one that is out.
            saved: bool[n], rows that are in the database.
            refused: bool[n], rows that it does not take; they are not given to it again. What is
                neither saved nor refused waits again.
        """
        if batch is not self._out:
            raise LocalProtocolError("this batch is not the one that was taken")
        done = saved | refused
        waits = {abs(left.account) for at, left in enumerate(self._out_departed) if not done[at]}
        waits -= {ACCOUNT_NONE}
        for at, departed in enumerate(self._out_departed):
            key, over = departed.uuid.tobytes(), abs(departed.account) not in waits
            if (refused[at] or (saved[at] and over)) and self._departed.get(key) is departed:
                del self._departed[key]
        self.arrived(batch.uuid[saved])
        self._refused.update(batch.uuid[at].tobytes() for at in np.flatnonzero(refused))
        waiting = np.flatnonzero(~done[len(self._out_departed) :]) + len(self._out_departed)
        self._wait_again(batch, waiting)
        self._out, self._out_departed = None, []

    def _wait_again(self, batch: Batch, at: NDArray[np.int64]) -> None:
        world = self._world
        rows = world.columns.rows_of(batch.rows["id"][at])
        # An entity that has left meanwhile waits as it was when it left.
        rows, since = rows[rows >= 0], batch.since_tick[at[rows >= 0]]
        world.dirty[rows] = True
        world.dirty_since[rows] = since

    def _oldest_departed(self, rows_max: int) -> list[Departed]:
        """Choose what has left first; what has left together is saved together."""
        every = list(self._departed.values())
        end = min(rows_max, len(every))
        while 0 < end < len(every) and every[end].account == -abs(every[end - 1].account) != 0:
            end += 1
        return every[:end]

    def _oldest_dirty(self, rows_max: int) -> NDArray[np.int64]:
        world = self._world
        rows = np.flatnonzero(world.dirty)
        if self._refused and len(rows):
            refused = np.array([key in self._refused for key in map(bytes, world.uuid[rows])])
            world.dirty[rows[refused]] = False
            rows = rows[~refused]
        if len(rows) <= rows_max:
            return rows
        return rows[np.argsort(world.dirty_since[rows], kind="stable")[:rows_max]]


def new_batch(rows: NDArray[np.void], uuid: NDArray[np.void], tick: int) -> Batch:
    """Make a batch of entities that are nobody's and about to come into the world.

    Args:
        rows: saved records, [n].
        uuid: void16[n].
        tick: of the world, now.
    """
    count = len(rows)
    ticks = np.full(count, tick, np.int64)
    return Batch(
        rows,
        uuid,
        np.zeros(count, np.int64),
        np.ones(count, np.bool_),
        np.zeros(count, np.bool_),
        ticks,
        ticks,
    )


def batch_of(world: World, rows: NDArray[np.int64], tick: int, *, removed: bool) -> Batch:
    """Make a batch of entities of a world, as they are now.

    Args:
        world: which has them.
        rows: int64[n], each once.
        tick: of the world, now.
        removed: whether they are about to leave it for good.
    """
    count = len(rows)
    ticks = np.full(count, tick, np.int64)
    return Batch(
        to_saved(world, world.columns.store(rows, world.schema.full_record)),
        world.uuid[rows],
        world.accounts_of(rows),
        np.full(count, not removed),
        np.full(count, removed),
        ticks,
        ticks,
    )


def _batch_of(departed: Departed) -> Batch:
    return Batch(
        departed.record,
        departed.uuid,
        np.array([departed.account], np.int64),
        np.zeros(1, np.bool_),
        np.array([departed.removed]),
        np.array([departed.tick], np.int64),
        np.array([departed.since_tick], np.int64),
    )


def joined(batches: Sequence[Batch]) -> Batch:
    """Make one batch of several, at least one."""
    columns = zip(*(batch.arrays() for batch in batches), strict=True)
    return Batch(*(np.concatenate(column) for column in columns))
