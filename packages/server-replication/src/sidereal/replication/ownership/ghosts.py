"""Ghosts: every shard is sent what other shards simulate near its sectors.

Theory of operation. An entity is a ghost of a shard while another shard owns it and it is within
`GHOST_RANGE` of one of the shard's sectors, or inside. So is one that nobody owns, but not for the
shard that holds its sector: that one adopts it next, and would get it twice. Ghosts are sent as
committed references, by one `RecordSender` per shard. A record is sent when the entity becomes a
ghost, and when its reference, its epoch or any of its components has changed, until it is acked. It
is the full record each time. When the entity is no longer a ghost, the shard is sent one reliable
`Release`, unless it has adopted the entity. Coming and going costs a record and eight bytes, so
unlike handovers it has no hysteresis.

Records and releases travel on channels that do not wait for each other. The tick of the message
orders them: a release voids records that have an epoch below its own and were sent no later than
it. So an entity that comes back under the same epoch is a ghost again.

Only two kinds of entities are looked at: those in sectors beside another shard's, and those outside
their owner's sectors.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.ids import NET_ID_NONE, SHARD_NONE
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import SECTOR_MAX, SECTOR_MIN
from sidereal.protocol.space.sectors import SectorTable, pack_sector, unpack_sector
from sidereal.protocol.state.records import RecordSender
from sidereal.protocol.state.schema import DIFFERS, Schema
from sidereal.replication.limits import LIMITS
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.world import Present, World

GHOST_RANGE: Final = 100.0
"""World units, along each axis, that a shard sees beyond its sectors; at most a sector."""

_VERSION: Final = np.dtype([("id", "<u4"), ("epoch", "<u4"), ("tick", "<u4"), DIFFERS])
"""Whose reference a record is, and which; and what components the entity has, for the tick of their
newest change says nothing of one that it has lost."""

_AROUND: Final = np.array([(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)])
_HERE: Final = 4
_IN_RANGE: Final = np.array(
    [
        [(not dx or zone >> (dx > 0) & 1) and (not dy or zone >> (2 + (dy > 0)) & 1)]
        for zone in range(16)
        for dx, dy in _AROUND.tolist()
    ],
    np.bool_,
).reshape(16, len(_AROUND))
"""Which of the sectors around a zone of a sector can see; bits of a zone: near the lower and the
upper edge along x, then along y."""


class Sightings(NamedTuple):
    """Who is a ghost of whom, ordered by shard, then row; both arrays have one length.

    Attributes:
        shard: int64[n], who sees it.
        rows: int64[n], the entity.
    """

    shard: np.ndarray
    rows: np.ndarray


class Borders:
    """Who can see into which zone of which sector: a table that changes only with the leases.

    It is brought up to date where sectors came or went, or where a lease changed in the sector or
    beside it; so an explorer costs what it changes, however large the world is.
    """

    def __init__(self, sectors: SectorTable, leases: LeaseTable) -> None:
        self._sectors = sectors
        self._leases = leases
        self._version = 0
        self._epoch = 0
        # By zone of every sector: who can see it, and whether that is anybody but the holder.
        self._seers = np.empty((0, len(_AROUND)), np.uint16)
        self._open = np.empty(0, np.bool_)
        # By sector: the holder, and the lower left corner.
        self._holder = np.empty(0, np.uint16)
        self._corner = np.empty((2, 0))

    def find_ghosts(self, present: Present, owner: np.ndarray) -> Sightings:
        """Find what each shard sees of the others' entities.

        Args:
            present: everything that is.
            owner: uint16[n], of each entity of it.
        """
        self._refresh()
        sector = present.group.astype(np.intp) // self._sectors.cells_per_sector
        zone = sector * len(_IN_RANGE)
        zone += self._edges_near(present.x, self._corner[0].take(sector))
        zone += self._edges_near(present.y, self._corner[1].take(sector)) << 2
        seen_at = np.flatnonzero(self._open.take(zone) | (owner != self._holder.take(sector)))
        seers, owns = self._seers[zone[seen_at]], owner[seen_at]
        owns = np.where(owns == SHARD_NONE, self._holder.take(sector[seen_at]), owns)
        at, around = np.nonzero((seers != owns[:, None]) & (seers != SHARD_NONE))
        # A corner is often seen through more than one sector of the same shard.
        seen = np.sort((seers[at, around].astype(np.int64) << 32) | seen_at[at])
        seen = seen[np.diff(seen, prepend=-1) > 0]
        return Sightings(seen >> 32, present.rows[seen & 0xFFFF_FFFF])

    def _edges_near(self, position: np.ndarray, corner: np.ndarray) -> np.ndarray:
        """Tell which edges of the sector along an axis are in range: bit 0 the lower, bit 1."""
        size = self._sectors.rules.sector_size
        reach = min(GHOST_RANGE, size)
        inside = position - corner
        lower, upper = (inside <= reach), (inside >= size - reach)
        near: np.ndarray = lower.view(np.uint8) | upper.view(np.uint8) << 1
        return near

    def _refresh(self) -> None:
        table, leases = self._sectors, self._leases
        came, moved = table.changed_since(self._version), leases.changed_since(self._epoch)
        self._version, self._epoch = table.version, leases.epoch
        if came is None or moved is None:
            keys = table.keys
        else:
            keys = np.unique(np.concatenate([came, *_beside(moved)]))
        rows = table.rows_of(keys)
        active = rows >= 0
        if active.any():
            self._grow(table.row_count)
            self._look_around(keys[active], rows[active])

    def _look_around(self, keys: np.ndarray, rows: np.ndarray) -> None:
        """Find out who can see into active sectors."""
        around = np.stack(_beside(keys), axis=1)
        holders = self._leases.holders_of(around)[:, None, :]
        seers = np.where(_IN_RANGE, holders, np.uint16(SHARD_NONE))
        others = (seers != holders[:, :, _HERE, None]) & (seers != SHARD_NONE)
        zones = rows[:, None] * len(_IN_RANGE) + np.arange(len(_IN_RANGE))
        self._seers[zones], self._open[zones] = seers, others.any(axis=2)
        self._holder[rows] = holders[:, 0, _HERE]
        self._corner[:, rows] = np.stack(unpack_sector(keys)) * self._sectors.rules.sector_size

    def _grow(self, row_count: int) -> None:
        """Make room for sectors; a sector's zones say nothing before it was looked around."""
        more = row_count - len(self._holder)
        if more > 0:
            more = max(more, len(self._holder))
            zones = more * len(_IN_RANGE)
            nobody = np.full((zones, len(_AROUND)), SHARD_NONE, np.uint16)
            self._seers = np.concatenate([self._seers, nobody])
            self._open = np.concatenate([self._open, np.zeros(zones, np.bool_)])
            self._holder = np.concatenate([self._holder, np.zeros(more, np.uint16)])
            self._corner = np.concatenate([self._corner, np.zeros((2, more))], axis=1)


def _beside(keys: np.ndarray) -> list[np.ndarray]:
    """Give the sectors around sectors, and they themselves: int64[n] for each of `_AROUND`."""
    x, y = (axis.astype(np.int64) for axis in unpack_sector(keys))
    # Beyond the world's edge there is nothing but the sector at the edge.
    return [
        pack_sector(
            np.clip(x + dx, SECTOR_MIN, SECTOR_MAX), np.clip(y + dy, SECTOR_MIN, SECTOR_MAX)
        )
        for dx, dy in _AROUND.tolist()
    ]


class _Stream:
    """What one shard has been sent.

    Attributes:
        sender: of its records.
        rows: int64[n], its ghosts as of the last tick; of these,
        versions: `_VERSION[n]`.
    """

    def __init__(self, schema: Schema, rules: Rules, messages_max: int) -> None:
        self.sender = RecordSender(
            schema.full_record, rules.streams.reorder_ticks, messages_max=messages_max
        )
        self.rows = np.empty(0, np.int64)
        self.versions = np.empty(0, _VERSION)


class GhostStreams:
    """The ghosts of all shards: a stage of the tick, after the handovers.

    Attributes:
        records_sent: records sent, every repetition until the ack counted.
        rows_put_off: rows that had to wait, for want of messages.
        released: ghosts that shards were sent releases of.
    """

    def __init__(
        self,
        world: World,
        leases: LeaseTable,
        shards: ShardLink,
        messages_max: int = LIMITS.ownership.ghost_messages,
    ) -> None:
        self.records_sent = 0
        self.rows_put_off = 0
        self._messages_max = messages_max
        self.released = 0
        self._world = world
        self._shards = shards
        self._borders = Borders(world.sectors, leases)
        self._streams: dict[int, _Stream] = {}
        self._seen = np.empty(0, _VERSION)
        self._changed = np.empty(0, np.int64)

    def send(self, present: Present) -> None:
        """Tell every shard what it sees by now."""
        owner = self._world.columns["shard"][present.rows]
        seen = self._borders.find_ghosts(present, owner)
        self._note_changes(seen.rows, present.tick)
        streams, self._streams = self._streams, {}
        for shard in self._shards.shards:  # 60 µs each and 1 µs per message
            stream = streams.get(shard.peer) or _Stream(
                self._world.schema, self._world.rules, self._messages_max
            )
            self._streams[shard.peer] = stream
            first, end = np.searchsorted(seen.shard, (shard.shard, shard.shard + 1))
            self._tell(shard, stream, seen.rows[first:end], present.tick)

    def _note_changes(self, rows: np.ndarray, tick: int) -> None:
        """Find out whose record is another than when it was last looked at."""
        more = self._world.columns.capacity - len(self._seen)
        if more > 0:
            self._seen = np.concatenate([self._seen, np.zeros(more, _VERSION)])
            self._changed = np.concatenate([self._changed, np.zeros(more, np.int64)])
        versions = self._world.columns.store(rows, _VERSION)
        self._changed[rows[self._seen[rows] != versions]] = tick
        self._seen[rows] = versions

    def _tell(self, shard: Shard, stream: _Stream, rows: np.ndarray, tick: int) -> None:
        stream.sender.acked(shard.take_acked())
        versions = self._seen[rows]
        at = np.searchsorted(rows, stream.rows)
        gone = np.append(versions["id"], np.uint32(NET_ID_NONE))[at] != stream.versions["id"]
        if gone.any():
            stream.sender.forget(stream.rows[gone])
            self._release(shard, stream.versions[gone], tick)
        stream.rows, stream.versions = rows, versions
        changed = np.maximum(self._changed[rows], self._world.described_at(rows))
        put_off = stream.sender.put_off
        due = stream.sender.pending(rows, changed)
        self.rows_put_off += stream.sender.put_off - put_off
        records = self._world.columns.store(rows[due], self._world.schema.full_record)
        messages = stream.sender.collect(tick, rows[due], changed[due], records)
        self._shards.send_ghosts(shard, messages)
        self.records_sent += len(due)

    def _release(self, shard: Shard, versions: np.ndarray, tick: int) -> None:
        columns = self._world.columns
        rows = columns.rows_of(versions["id"])
        adopted = (rows >= 0) & (columns["shard"][rows] == shard.shard)
        lost = versions[~adopted]
        if len(lost):
            self.released += len(lost)
            epoch = lost["epoch"].astype(np.int64) + 1
            self._shards.send_release(shard, lost["id"], epoch, tick)
