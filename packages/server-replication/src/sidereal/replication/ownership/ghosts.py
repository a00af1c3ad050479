"""Ghosts: every shard is sent what other shards simulate near its sectors.

Theory of operation. An entity is a ghost of a shard while another shard owns it and it is inside
one of the shard's sectors, or within the game's `ghost_range` of one. So is one that nobody owns,
but not for the shard that holds its sector: that one adopts it next, and would get it twice. Ghosts
are sent as committed references, by one `RecordSender` per shard. A record is sent when the entity
becomes a ghost, and when its reference, its epoch or any of its components has changed, until it is
acked. It is the full record each time. When the entity is no longer a ghost, the shard is sent one
reliable `Release`, unless it has adopted the entity. Coming and going costs a record and eight
bytes, so unlike handovers it has no hysteresis.

Records and releases travel on channels that do not wait for each other. The tick of the message
orders them: a release voids records that have an epoch below its own and were sent no later than
it. So an entity that comes back under the same epoch is a ghost again.

Only two kinds of entities are looked at: those in sectors beside another shard's, and those outside
their owner's sectors. Shadows (`shadows`) are ghosts wherever they are. Which ghosts have bodies,
and what their pilots hold, is told reliably, of all at once, when it is not the same as before.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.message.codec import SHADOW_ROW
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.records import RecordSender
from sidereal.protocol.state.schema import Schema
from sidereal.replication.limits import LIMITS, OwnershipLimits
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.ownership.borders import Borders, Sightings
from sidereal.replication.ownership.inputs import InputLog
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.world import Present, World

_FLOWN: Final = np.dtype([("id", "<u4"), ("control_epoch", "<u4")])


class _Stream:
    """What one shard has been sent.

    Attributes:
        sender: of its records.
        rows: int64[n], its ghosts as of the last tick; of these,
        net_id: uint32[n], and
        epoch: uint32[n].
        shadows: `SHADOW_ROW[m]`, those that have bodies.
    """

    def __init__(self, schema: Schema, rules: Rules, messages_max: int) -> None:
        self.sender = RecordSender(
            schema.full_record, rules.streams.reorder_ticks, messages_max=messages_max
        )
        self.rows = np.empty(0, np.int64)
        self.net_id, self.epoch = np.empty((2, 0), np.uint32)
        self.shadows = np.empty(0, SHADOW_ROW)


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
        reach: float,
        limits: OwnershipLimits = LIMITS.ownership,
    ) -> None:
        """Show no shard anything yet.

        Args:
            world: whose entities these are.
            leases: who holds which sector.
            shards: to whom they are shown.
            reach: how far a shard sees beyond its sectors along each axis, world units; at most a
                sector.
            limits: how many messages of ghosts a tick has.
        """
        self.records_sent = 0
        self.rows_put_off = 0
        self._reach = reach
        self._messages_max = limits.ghost_messages
        self.released = 0
        self._world = world
        self._shards = shards
        self._borders = Borders(world.sectors, leases)
        self._streams: dict[int, _Stream] = {}
        # By row, as of the last tick: whose reference it was, which one, and what components the
        # entity had; and when any of that last changed.
        self._seen = [np.empty(0, column.dtype) for column in self._told()]
        self._changed = np.empty(0, np.int64)

    def send(self, present: Present, shadows: Sightings, inputs: InputLog) -> None:
        """Tell every shard what it sees by now.

        Args:
            present: everything that is.
            shadows: what shards have bodies of.
            inputs: what the pilots of these have sent.
        """
        owner = self._world.columns["shard"][present.rows]
        seen = self._borders.find_ghosts(present, owner, self._reach)
        seen = seen.and_(shadows)
        self._note_changes(present.tick)
        streams, self._streams = self._streams, {}
        for shard in self._shards.shards:  # 60 µs each and 1 µs per message
            stream = streams.get(shard.peer) or _Stream(
                self._world.schema, self._world.rules, self._messages_max
            )
            self._streams[shard.peer] = stream
            first, end = np.searchsorted(seen.shard, (shard.shard, shard.shard + 1))
            self._tell(shard, stream, seen.rows[first:end], present.tick)
            first, end = np.searchsorted(shadows.shard, (shard.shard, shard.shard + 1))
            self._tell_shadows(shard, stream, shadows.rows[first:end], inputs, present.tick)

    def _told(self) -> tuple[np.ndarray, ...]:
        columns = self._world.columns
        return columns.net_id, columns.epoch, columns.tick, columns.mask

    def _note_changes(self, tick: int) -> None:
        """Find out whose record is another than a tick ago."""
        more = self._world.columns.capacity - len(self._changed)
        if more > 0:
            self._seen = [np.append(seen, np.zeros(more, seen.dtype)) for seen in self._seen]
            self._changed = np.append(self._changed, np.zeros(more, np.int64))
        for seen, column in zip(self._seen, self._told(), strict=True):
            self._changed[seen != column] = tick
            np.copyto(seen, column)

    def _tell(self, shard: Shard, stream: _Stream, rows: np.ndarray, tick: int) -> None:
        stream.sender.acked(shard.take_acked())
        columns = self._world.columns
        net_id = np.full(columns.capacity, NET_ID_NONE, np.uint32)
        net_id[rows] = columns.net_id[rows]
        gone = net_id[stream.rows] != stream.net_id
        if gone.any():
            stream.sender.forget(stream.rows[gone])
            self._release(shard, stream.net_id[gone], stream.epoch[gone], tick)
        stream.rows, stream.net_id, stream.epoch = rows, net_id[rows], columns.epoch[rows]
        changed = np.maximum(self._changed[rows], self._world.described[rows])
        put_off = stream.sender.put_off
        due = stream.sender.pending(rows, changed)
        self.rows_put_off += stream.sender.put_off - put_off
        records = columns.store(rows[due], self._world.schema.full_record)
        messages = stream.sender.collect(tick, rows[due], changed[due], records)
        self._shards.send_ghosts(shard, messages)
        self.records_sent += len(due)

    def _tell_shadows(
        self, shard: Shard, stream: _Stream, rows: np.ndarray, inputs: InputLog, tick: int
    ) -> None:
        flown = self._world.columns.store(rows, _FLOWN)
        cast = np.empty(len(rows), SHADOW_ROW)
        cast["id"], cast["record"] = flown["id"], inputs.held(flown)
        if not np.array_equal(cast, stream.shadows):
            stream.shadows = cast
            self._shards.send_shadows(shard, cast, tick)

    def _release(self, shard: Shard, net_id: np.ndarray, epoch: np.ndarray, tick: int) -> None:
        columns = self._world.columns
        rows = columns.rows_of(net_id)
        lost = (rows < 0) | (columns["shard"][rows] != shard.shard)
        if lost.any():
            self.released += int(lost.sum())
            self._shards.send_release(shard, net_id[lost], epoch[lost].astype(np.int64) + 1, tick)
