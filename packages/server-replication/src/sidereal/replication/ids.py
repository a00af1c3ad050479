"""Network ids: in blocks, of which each has one holder, and no id used again too early.

Theory of operation. The ids are cut into blocks of equal size. The authority takes ids for what
enters the world from a block of its own. A shard is granted blocks, and gives their ids to what it
spawns without asking. Each id of a block is used once: who comes with one that was used already
repeats what was heard before, or comes after its own end.

A block is **retired** when no more of its ids will be given: when all were, when its shard has
begun with a newer one, or when the shard's session has ended. What a session has not given nobody
gives: it may have been given where nobody heard of it. The last block that is free is the
authority's: what it brings into the world never lacks an id because shards have taken them all. A
retired block is granted again when none of its ids is in the world and none has been for
`ids_rest_ticks`: by then no receiver knows one of them any more.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.ids import NET_ID_MAX
from sidereal.protocol.rules import StreamLimits
from sidereal.replication.limits import WorldLimits

AUTHORITY: Final = 0
"""Holds the blocks of which what enters the world has its ids; shards hold by their session."""

RESERVED: Final = 1
"""Free blocks that no shard is granted."""


@dataclass(slots=True)
class _Block:
    """Some ids.

    Attributes:
        number: of the block; its ids begin at so many times the size.
        holder: who may give them.
        used: bool[size], which were given.
        retired: whether no more are given.
        living: how many are in the world.
        silent_since: tick at which one of them was last in the world, or could have come.
    """

    number: int
    holder: int
    used: np.ndarray
    retired: bool = False
    living: int = 0
    silent_since: int = 0


class IdBlocks:
    """All ids of one world."""

    def __init__(self, limits: WorldLimits, streams: StreamLimits) -> None:
        self._size = limits.ids_per_block
        pruned = streams.tombstone_ticks + limits.prune_every_ticks
        self._rest_ticks = max(limits.ids_rest_ticks, pruned + streams.reorder_ticks)
        self._blocks: dict[int, _Block] = {}
        self._by_holder: dict[int, list[_Block]] = {}
        self._free: list[int] = []
        self._begun = 0
        self._next = 0

    @property
    def exhausted(self) -> bool:
        """Whether no block is left to be granted to a shard."""
        unbegun = (NET_ID_MAX + 1) // self._size - self._begun
        return len(self._free) + unbegun <= RESERVED

    @property
    def blocks(self) -> int:
        """Blocks that somebody holds, or that rest."""
        return len(self._blocks)

    # -- the authority's own ------------------------------------------------------------------

    def take(self, count: int, tick: int) -> np.ndarray:
        """Give ids to what enters the world, int64[n]."""
        taken = []
        while count > 0:
            own = self._by_holder.get(AUTHORITY)
            block = own[-1] if own else self._open(AUTHORITY, tick)
            some = np.arange(self._next, min(self._next + count, self._size))
            block.used[some] = True
            block.living += len(some)
            taken.append(block.number * self._size + some)
            self._next += len(some)
            count -= len(some)
            if self._next == self._size:
                self._retire(self._by_holder.pop(AUTHORITY)[0], tick)
        return np.concatenate([np.empty(0, np.int64), *taken])

    # -- shards -------------------------------------------------------------------------------

    def grant(self, holder: int, tick: int) -> range:
        """Give a shard a block; of those that it has had before it gives no more ids."""
        held = self._by_holder.get(holder, [])
        while len(held) > 1:
            self._retire(held.pop(0), tick)
        block = self._open(holder, tick)
        first = block.number * self._size
        return range(first + (block.number == 0), first + self._size)

    def keep_holders(self, holders: Collection[int], tick: int) -> None:
        """Retire the blocks of sessions that are no more."""
        for holder in [h for h in self._by_holder if h != AUTHORITY and h not in holders]:
            for block in self._by_holder.pop(holder):
                self._retire(block, tick)

    def look_up(self, ids: np.ndarray, holder: int) -> tuple[np.ndarray, np.ndarray]:
        """Tell what is known of ids that a shard has given.

        Args:
            ids: int64[n]
            holder: its session.

        Returns:
            Which are of a block that it was granted, and which of all were used already: bool[n]
            each.
        """
        granted, used = np.zeros((2, len(ids)), np.bool_)
        for block, at in self._find(ids):
            granted[at] = block.holder == holder
            used[at] = block.used[ids[at] % self._size]
        return granted, used

    def use(self, ids: np.ndarray, tick: int, *, enters: bool) -> None:
        """Note that ids were used, int64[n]: for entities that enter the world, or for nobody."""
        for block, at in self._find(ids):
            block.used[ids[at] % self._size] = True
            block.living += len(at) if enters else 0
            block.silent_since = tick

    # -- what is gone -------------------------------------------------------------------------

    def leave(self, ids: np.ndarray, tick: int) -> None:
        """Note that entities have left the world, int64[n]."""
        for block, at in self._find(ids.astype(np.int64)):
            block.living -= len(at)
            block.silent_since = tick

    def reclaim(self, tick: int) -> None:
        """Let blocks be granted again whose ids have rested long enough; once per tick."""
        for block in list(self._blocks.values()):  # 0.2 µs each; there are few
            rested = tick - block.silent_since > self._rest_ticks
            if block.retired and not block.living and rested:
                del self._blocks[block.number]
                heapq.heappush(self._free, block.number)

    # -- inside -------------------------------------------------------------------------------

    def _open(self, holder: int, tick: int) -> _Block:
        number = heapq.heappop(self._free) if self._free else self._begun
        self._begun = max(self._begun, number + 1)
        if (number + 1) * self._size - 1 > NET_ID_MAX:
            raise LocalProtocolError(f"the ids of {self._begun} blocks are all in use")
        block = _Block(number, holder, np.zeros(self._size, np.bool_), silent_since=tick)
        block.used[0] = number == 0  # id 0 is nobody's
        self._blocks[number] = block
        self._by_holder.setdefault(holder, []).append(block)
        if holder == AUTHORITY:
            self._next = int(number == 0)
        return block

    def _retire(self, block: _Block, tick: int) -> None:
        block.retired, block.silent_since = True, tick

    def _find(self, ids: np.ndarray) -> Iterator[tuple[_Block, np.ndarray]]:
        """Find the blocks of ids, each with the indices of those that are in it."""
        numbers = ids // self._size
        for number in np.unique(numbers).tolist():
            block = self._blocks.get(number)
            if block is not None:
                yield block, np.flatnonzero(numbers == number)
