"""The shards that are connected, and what they have sent since the last tick."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sidereal.protocol.limits import SHARD_SLOTS_MAX
from sidereal.protocol.message.shard import Load

PROPOSALS_PER_TICK_MAX: Final = 4096
"""Messages kept for one tick; the oldest are dropped and counted beyond that."""

STEPS_KEPT_MAX: Final = 4096
"""Tick durations kept per shard, for percentiles."""


@dataclass(slots=True)
class Shard:
    """One connected shard.

    Attributes:
        shard: its id, 1 to 65535.
        peer: its session at the shard endpoint.
        heard_at: when its newest proposal came, monotonic seconds.
        newest_tick: tick of its newest proposal.
        arrived_at: when the first proposal of that tick came; before the first one, its hello.
        proposals: messages since the last tick, oldest first.
        acked: tags of ghost messages that have arrived there since the last tick.
        faults: rejected rows in its recent past.
        ahead_until: tick up to which rows from the future are not its fault: we stood still.
        load: what it last said of itself.
        step_us: uint32[n], the durations it reported, newest last.
    """

    shard: int
    peer: int
    name: str
    heard_at: float
    newest_tick: int = -1
    arrived_at: float = 0.0
    proposals: list[bytes] = field(default_factory=list)
    proposals_dropped: int = 0
    acked: list[int] = field(default_factory=list)
    faults: float = 0.0
    ahead_until: int = -1
    load: Load | None = None
    step_us: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint32))

    def receive_proposal(self, message: bytes, tick: int, now: float) -> None:
        """Keep a proposal for the next tick, and take it as a sign of life."""
        self.heard_at = now
        if tick > self.newest_tick:
            self.newest_tick, self.arrived_at = tick, now
        if len(self.proposals) >= PROPOSALS_PER_TICK_MAX:
            del self.proposals[0]
            self.proposals_dropped += 1
        self.proposals.append(message)

    def take_proposals(self) -> list[bytes]:
        """Give up what has come since the last call."""
        taken, self.proposals = self.proposals, []
        return taken

    def take_acked(self) -> list[int]:
        """Give up the acks that have come since the last call."""
        taken, self.acked = self.acked, []
        return taken

    def note_load(self, load: Load) -> None:
        """Keep what the shard says of itself."""
        self.load = load
        steps = np.frombuffer(load.step_us, "<u4", len(load.step_us) // 4)
        self.step_us = np.concatenate([self.step_us, steps])[-STEPS_KEPT_MAX:]


class Shards:
    """The connected shards, by id and by session."""

    def __init__(self) -> None:
        self._by_id: dict[int, Shard] = {}
        self._by_peer: dict[int, Shard] = {}
        self._former: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Shard]:
        return iter(list(self._by_id.values()))

    def get(self, shard: int) -> Shard | None:
        """Find a shard by its id."""
        return self._by_id.get(shard)

    def of_peer(self, peer: int) -> Shard | None:
        """Find a shard by its session."""
        return self._by_peer.get(peer)

    def add(self, peer: int, name: str, now: float) -> Shard:
        """Take in a shard; one that comes back under its name gets its former id if it is free."""
        number = self._former.get(name, 0)
        if number == 0 or number in self._by_id:
            number = self._unused_id()
        self._former[name] = number
        shard = Shard(number, peer, name, heard_at=now, arrived_at=now)
        self._by_id[number] = shard
        self._by_peer[peer] = shard
        return shard

    def remove(self, shard: Shard) -> None:
        """Forget a shard that has left, but for its id."""
        del self._by_id[shard.shard]
        del self._by_peer[shard.peer]

    def _unused_id(self) -> int:
        if len(self._former) >= SHARD_SLOTS_MAX:
            self._former = {shard.name: shard.shard for shard in self}
        taken = self._by_id.keys() | set(self._former.values())
        return min(set(range(1, 2 * SHARD_SLOTS_MAX + 1)) - taken)
