"""Ghosts: every shard is told what others simulate near the sectors it holds.

Theory of operation. An entity is a ghost of a shard while somebody else owns it and it is within
`GHOST_RANGE` of one of the shard's sectors, or inside. Ghosts are told as committed references, one
`RecordSender` per shard: a row is sent when it becomes a ghost and when its reference, epoch or
attributes have changed, until it is acked. That an entity is no ghost any more is told once, by a
reliable `Release`, unless the shard has adopted it. Coming and going costs a row and eight bytes,
so unlike handovers it has no hysteresis.

Rows and releases travel on channels that do not wait for each other. What orders them is the tick
of the message: a release voids rows of an epoch below its own that were told no later than it, so
an entity that comes back under the same epoch is a ghost again.

Only entities in sectors beside another shard's, and those outside their owner's, are looked at.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import SHARD_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import SECTOR_MAX, SECTOR_MIN
from sidereal.protocol.space.sectors import SectorTable, pack_sector, unpack_sector
from sidereal.protocol.state.records import RecordSender
from sidereal.protocol.state.schema import Schema
from sidereal.replication.leases import LeaseTable
from sidereal.replication.shardlink import ShardLink
from sidereal.replication.shards import Shard
from sidereal.replication.world import Present, World

GHOST_RANGE: Final = 100.0
"""World units, along each axis, that a shard sees beyond its sectors; at most a sector."""

GHOST_MESSAGES_MAX: Final = 128
"""Messages to one shard per tick; rows beyond that wait, the longest unsent first."""

_VERSION: Final = np.dtype([("id", "<u4"), ("epoch", "<u4"), ("tick", "<u4")])
"""Whose reference a row is, and which."""

_AROUND: Final = np.array([(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)])
_HERE: Final = 4


class Sightings(NamedTuple):
    """Who is a ghost of whom, ordered by shard, then slot; both arrays have one length.

    Attributes:
        shard: int64[n], who sees it.
        slots: int64[n], the entity.
    """

    shard: np.ndarray
    slots: np.ndarray


class Borders:
    """The holders of every active sector and of the eight around it."""

    def __init__(self, sectors: SectorTable, leases: LeaseTable) -> None:
        self._sectors = sectors
        self._leases = leases
        self._keys = np.empty(0, np.int64)
        self._epoch = -1
        self._around = np.empty((0, len(_AROUND)), np.uint16)

    def holders(self) -> np.ndarray:
        """Look up who holds what, anew only when leases or sectors have changed.

        Returns:
            uint16[sector slots, 9], in the order of `_AROUND`.
        """
        keys = self._sectors.keys
        if keys is not self._keys or self._leases.epoch != self._epoch:
            self._keys, self._epoch = keys, self._leases.epoch
            x, y = (axis.astype(np.int64)[:, None] for axis in unpack_sector(keys))
            # Beyond the world's edge there is nothing but the sector at the edge.
            x = np.clip(x + _AROUND[:, 0], SECTOR_MIN, SECTOR_MAX)
            y = np.clip(y + _AROUND[:, 1], SECTOR_MIN, SECTOR_MAX)
            found = self._leases.holders_of(pack_sector(x, y).ravel())
            self._around = np.zeros((self._sectors.slot_count, len(_AROUND)), np.uint16)
            self._around[self._sectors.slots_of(keys)] = found.reshape(x.shape)
        return self._around


def find_ghosts(
    present: Present, owner: np.ndarray, around: np.ndarray, cells_per_sector: int, rules: Rules
) -> Sightings:
    """Find what each shard sees of the others' entities.

    Args:
        present: everything that is.
        owner: uint16[n], of each row of it.
        around: uint16[sector slots, 9], as `Borders.holders` gives it.
        cells_per_sector: groups per slot of a sector.
        rules: for the size of a sector.
    """
    sector = present.group // cells_per_sector
    here = around[:, _HERE, None]
    border = ((around != here) & (around != SHARD_NONE)).any(axis=1)
    rows = np.flatnonzero(border[sector] | (owner != around[sector, _HERE]))
    sector_x, sector_y = unpack_sector(present.sector[rows])
    near = (
        _sides_near(present.x[rows] - sector_x * rules.sector_size, rules)[:, None]
        & _sides_near(present.y[rows] - sector_y * rules.sector_size, rules)[None]
    ).reshape(len(_AROUND), len(rows))
    holder = around[sector[rows]].T
    sees = near & (holder != owner[rows]) & (holder != SHARD_NONE)
    # A corner is often seen through more than one sector of the same shard.
    seen = np.unique((holder[sees].astype(np.int64) << 32) | np.nonzero(sees)[1])
    return Sightings(seen >> 32, present.slots[rows[seen & 0xFFFF_FFFF]])


def _sides_near(inside: np.ndarray, rules: Rules) -> np.ndarray:
    """Tell which sectors along an axis are in range: the one before, its own, the one after.

    Args:
        inside: float64[n], distance from the lower edge of the own sector.
        rules: for the size of a sector.

    Returns:
        bool[3, n]
    """
    reach = min(GHOST_RANGE, rules.sector_size)
    own = np.ones(len(inside), np.bool_)
    return np.stack([inside <= reach, own, inside >= rules.sector_size - reach])


class _Stream:
    """What one shard has been told.

    Attributes:
        sender: of its rows.
        slots: int64[n], its ghosts as of the last tick; of these,
        versions: `_VERSION[n]`.
    """

    def __init__(self, schema: Schema) -> None:
        self.sender = RecordSender(schema.full_record, messages_max=GHOST_MESSAGES_MAX)
        self.slots = np.empty(0, np.int64)
        self.versions = np.empty(0, _VERSION)


class GhostStreams:
    """The ghosts of all shards: a stage of the tick, after the handovers.

    Attributes:
        rows_sent: rows told, again and again until acked.
        released: ghosts that shards were told to forget.
    """

    def __init__(self, world: World, leases: LeaseTable, shards: ShardLink) -> None:
        self.rows_sent = 0
        self.released = 0
        self._world = world
        self._shards = shards
        self._borders = Borders(world.sectors, leases)
        self._streams: dict[int, _Stream] = {}
        self._seen = np.empty(0, _VERSION)
        self._changed = np.empty(0, np.int64)

    def send(self, present: Present) -> None:
        """Tell every shard what it sees by now."""
        owner = self._world.columns["shard"][present.slots]
        sectors, around = self._world.sectors, self._borders.holders()
        seen = find_ghosts(present, owner, around, sectors.cells_per_sector, self._world.rules)
        self._note_changes(seen.slots, present.tick)
        streams, self._streams = self._streams, {}
        for shard in self._shards.shards:  # 60 µs each and 1 µs per message
            stream = streams.get(shard.peer) or _Stream(self._world.schema)
            self._streams[shard.peer] = stream
            first, end = np.searchsorted(seen.shard, (shard.shard, shard.shard + 1))
            self._tell(shard, stream, seen.slots[first:end], present.tick)

    def _note_changes(self, slots: np.ndarray, tick: int) -> None:
        """Find out whose row is another than when it was last looked at."""
        more = self._world.columns.capacity - len(self._seen)
        if more > 0:
            self._seen = np.concatenate([self._seen, np.zeros(more, _VERSION)])
            self._changed = np.concatenate([self._changed, np.zeros(more, np.int64)])
        versions = self._world.columns.store(slots, _VERSION)
        self._changed[slots[self._seen[slots] != versions]] = tick
        self._seen[slots] = versions

    def _tell(self, shard: Shard, stream: _Stream, slots: np.ndarray, tick: int) -> None:
        stream.sender.acked(shard.take_acked())
        versions = self._seen[slots]
        gone = ~np.isin(stream.versions["id"], versions["id"])
        if gone.any():
            stream.sender.forget(stream.slots[gone])
            self._release(shard, stream.versions[gone], tick)
        stream.slots, stream.versions = slots, versions
        changed = np.maximum(self._changed[slots], self._world.attributes_changed[slots])
        due = stream.sender.pending(slots, changed)
        records = self._world.columns.store(slots[due], self._world.schema.full_record)
        messages = stream.sender.collect(tick, slots[due], changed[due], records)
        self._shards.send_ghosts(shard, messages)
        self.rows_sent += len(due)

    def _release(self, shard: Shard, versions: np.ndarray, tick: int) -> None:
        columns = self._world.columns
        slots = columns.slots_of(versions["id"])
        adopted = (slots >= 0) & (columns["shard"][slots] == shard.shard)
        lost = versions[~adopted]
        if len(lost):
            self.released += len(lost)
            epoch = lost["epoch"].astype(np.int64) + 1
            self._shards.send_release(shard, lost["id"], epoch, tick)
