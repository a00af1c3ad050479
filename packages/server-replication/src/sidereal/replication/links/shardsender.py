"""What shards are sent.

Messages about leases and entities are cut into pieces and wait in the outbox of their shard until
its link has room, so that any number of entities may change hands in one tick. Entities are given
to a shard only as fast as it says that it has adopted them (`room_of`). Beats, inputs and ghosts
wait for none of this: they have channels of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.limits import MESSAGE_OVERHEAD_SIZE
from sidereal.protocol.message.codec import INPUT_ROW, encode_message
from sidereal.protocol.message.inputs import Input, RoutedInput, encode_routed_input
from sidereal.protocol.message.shard import (
    Adopt,
    Amend,
    AuthorityMessage,
    Beat,
    Dismiss,
    Grant,
    GrantIds,
    Release,
    Revoke,
    Shadows,
    ShardChannel,
)
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import Schema
from sidereal.replication.limits import LIMITS, Limits
from sidereal.replication.links.shards import Shard, Shards
from sidereal.replication.ownership.leases import LeaseChange, lease_rows


class ShardSender:
    """The sending half of the shard endpoint.

    Attributes:
        endpoint: the sessions of all shards.
        shards: those that have said hello.
    """

    def __init__(
        self, endpoint: ServerEndpoint, schema: Schema, rules: Rules, limits: Limits = LIMITS
    ) -> None:
        self.endpoint = endpoint
        self.shards = Shards(limits.shards)
        self._schema = schema
        self._rules = rules
        self._limits, self._pace = limits.shards, limits.ownership

    def room_of(self, shard: Shard, tick: int) -> int:
        """Tell how many entities a shard may be given in this tick."""
        per_s, tick_hz = self._pace.adopt_records_per_s, self._rules.tick_hz
        # What is not a whole number per tick is so on average.
        of_tick = (tick + 1) * per_s // tick_hz - tick * per_s // tick_hz
        return max(0, min(of_tick, self._pace.adopting_records - shard.adopting))

    def send_leases(self, changes: list[LeaseChange], tick: int) -> None:
        """Tell shards which sectors they have got and lost; the losses first.

        Of a sector that changes hands more than once only the last one is told that it has got it.
        """
        last = {c.sector: c.epoch for c in changes}
        for shard in self.shards:
            lost = [(c.sector, c.after, c.epoch) for c in changes if c.before == shard.shard]
            shard.lost_at = tick if lost else shard.lost_at
            for rows in _pieces(lease_rows(lost), self._limits.rows_per_message):
                self._post(shard, Revoke(tick, rows.tobytes()))
        for shard in self.shards:
            got = [
                (c.sector, c.after, c.epoch)
                for c in changes
                if c.after == shard.shard and c.epoch == last[c.sector]
            ]
            for rows in _pieces(lease_rows(got), self._limits.rows_per_message):
                self._post(shard, Grant(tick, rows.tobytes()))

    def send_adopt(self, shard: Shard, records: np.ndarray, inputs: np.ndarray, tick: int) -> None:
        """Give entities to a shard.

        Args:
            shard: who is to simulate them.
            records: `Schema.full_record[n]`.
            inputs: `INPUT_ROW[m]`, what the pilots of those that are flown have held since.
            tick: the current one.
        """
        shard.give(len(records))
        for rows in _pieces(records, self._limits.adopt_rows):
            theirs = inputs[np.isin(inputs["id"], rows["id"])]
            self._post(shard, Adopt(tick, rows.tobytes(), theirs.astype(INPUT_ROW).tobytes()))

    def send_release(self, shard: Shard, net_id: np.ndarray, epoch: np.ndarray, tick: int) -> None:
        """Take entities from a shard: what it knows of them below this epoch is void."""
        released = np.stack([net_id, epoch], axis=1).astype("<u4")
        for rows in _pieces(released, self._limits.rows_per_message):
            self._post(shard, Release(tick, rows.tobytes()))

    def send_amend(self, shard: Shard, records: np.ndarray, tick: int) -> None:
        """Tell a shard what the authority has decided of its entities, `Schema.full_record[n]`."""
        for rows in _pieces(records, self._limits.adopt_rows):
            self._post(shard, Amend(tick, rows.tobytes()))

    def send_shadows(self, shard: Shard, shadows: np.ndarray, tick: int) -> None:
        """Tell a shard which of its ghosts have bodies from now on, `SHADOW_ROW[n]`."""
        self._post(shard, Shadows(tick, shadows.tobytes()))

    def send_ids(self, shard: Shard, ids: range) -> None:
        """Grant ids to a shard, for what it spawns."""
        self._post(shard, GrantIds(ids.start, len(ids)))

    def send_dismiss(self, shard: Shard) -> None:
        """Let a shard go that is to leave."""
        shard.dismissed = True
        self._post(shard, Dismiss())

    def flush(self, now: float) -> None:
        """Send what waits in the outboxes, as far as the links have room; once per tick."""
        for shard in self.shards:
            if not shard.outbox:
                continue
            link = self.endpoint.connection_statistics(shard.peer)
            # Ghosts that wait are none of it: every tick brings more of them.
            queued = link.queued_size - link.waiting_size if link is not None else 0
            room = self._limits.queued_size - queued
            while shard.outbox and room > 0:
                body = shard.outbox.popleft()
                self.endpoint.send(shard.peer, ShardChannel.LEASE, body)
                room -= len(body) + MESSAGE_OVERHEAD_SIZE

    def send_ghosts(self, shard: Shard, messages: list[tuple[bytes, int]]) -> None:
        """Tell a shard of its ghosts; acks of the tags come back as `Shard.acked`."""
        for message, tag in messages:
            self.endpoint.send(shard.peer, ShardChannel.GHOST, message, tag)

    def send_input(self, shard: Shard, net_id: int, message: Input) -> None:
        """Route a player's input to the shard of what it flies."""
        body = encode_routed_input(RoutedInput(net_id, message), self._schema.controls)
        self.endpoint.send(shard.peer, ShardChannel.CONTROLS, body)

    def send_beats(self, tick: int, now: float) -> None:
        """Tell every shard the time, and how early or late its newest proposal was."""
        for shard in self.shards:
            ahead_s = (shard.newest_tick - tick) * self._rules.tick_s
            lead_s = max(ahead_s + now - shard.arrived_at, -self._limits.late_s)
            shard.note_beat(tick, now, self._rules.tick_s)
            beat = Beat(tick, round(lead_s * 1e6))
            self.endpoint.send(shard.peer, ShardChannel.BEAT, encode_message(beat))

    def _post(self, shard: Shard, message: AuthorityMessage) -> None:
        """Put a message behind what waits for a shard."""
        shard.outbox.append(encode_message(message))


def _pieces(rows: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Cut rows into pieces of at most so many."""
    for start in range(0, len(rows), count):
        yield rows[start : start + count]
