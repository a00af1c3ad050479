"""Whether shards answer their pilots: beats prove a socket, answered inputs a simulation.

Theory of operation. The newest record of what a pilot flies says which input is the last in it.
While the pilot goes on sending inputs, that number must grow. A shard that leaves it as it is for
two seconds does not simulate, whatever else it sends, and is fenced. A shard is not blamed for what
it can't answer. So inputs count from the moment at which it owns the entity, only if more of them
keep coming, and not while it waits for a clock of ours that stood still. How many they are by their
numbers does not matter: a pilot may leave out as many as it likes, and the few messages that it has
sent may be lost. Time is counted in ticks, and such a stall adds none. Nor do ticks in which
nothing came from the shard: its link may be cut, and silence is judged as such. But they put it off
to twice that time at most.

A shard that has not answered any pilot yet is given one pilot at a time of those that another shard
simulates well. So even many shards that do nothing cost few pilots two seconds.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np

from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.limits import CLIENT_SLOTS_MAX
from sidereal.replication.limits import LIMITS, OwnershipLimits
from sidereal.replication.links.playerlink import PlayerLink
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.world import World

ASKED_SHARE: Final = 0.5
"""Share of the ticks of that time in which a new input of the pilot must have come."""


@dataclass(slots=True)
class _Asked:
    """What a pilot waits for.

    Attributes:
        owner: session of the shard that is to answer.
        answered: newest input in the record of what it flies.
        newest: newest input that the pilot has sent
        since: at this tick, the last at which nothing was overdue.
        asked_ticks: in so many ticks since then newer inputs have come.
        silent_ticks: in so many ticks since then no newer proposal had come from the owner.
    """

    owner: int
    answered: int
    newest: int
    since: int
    asked_ticks: int = 0
    silent_ticks: int = 0


class Answers:
    """What the pilots of one world wait for.

    Attributes:
        fenced: shards that were fenced because they left a pilot without an answer.
    """

    def __init__(
        self,
        world: World,
        shards: ShardLink,
        clients: PlayerLink,
        limits: OwnershipLimits = LIMITS.ownership,
    ) -> None:
        self.fenced = 0
        self._within_ticks = math.ceil(limits.answer_within_s / world.rules.tick_s)
        self._world = world
        self._shards = shards
        self._clients = clients
        self._asked: dict[int, _Asked] = {}
        self._waiting: Counter[int] = Counter()
        # When each shard's newest proposal had come, by session, when it was looked last.
        self._heard: dict[int, float] = {}

    def fence_idle(self, tick: int, now: float) -> None:
        """Fence the shards that have left a pilot without an answer; once per tick."""
        asked, self._asked = self._asked, {}
        self._waiting.clear()
        heard = self._heard
        self._heard = {shard.peer: shard.heard_at for shard in self._shards.shards}
        pilots = [p for p in self._clients.players if p.net_id != NET_ID_NONE]
        rows = self._world.columns.rows_of(np.array([p.net_id for p in pilots], np.int64))
        owners = self._world.columns["shard"][rows].tolist()
        answers = self._world.columns["input_seq"][rows].tolist()
        # 2 µs per pilot.
        for player, row, owner, answered in zip(
            pilots, rows.tolist(), owners, answers, strict=True
        ):
            shard = self._shards.shards.get(owner)
            if row < 0 or shard is None:
                continue
            newest = player.newest_seq
            waits = answered < newest
            before = asked.get(player.net_id)
            if before is None or before.owner != shard.peer:
                before = _Asked(shard.peer, answered, newest, tick)
            elif answered > before.answered:
                shard.has_answered = True
                before = _Asked(shard.peer, answered, newest, tick)
            elif not waits or before.newest < 0:
                # Nothing waits; or its pilot has only begun, with whatever number.
                before = _Asked(shard.peer, answered, newest, tick)
            elif newest > before.newest:
                before.newest = newest
                before.asked_ticks += 1
            before.silent_ticks += shard.heard_at == heard.get(shard.peer)
            self._asked[player.net_id] = before
            self._waiting[shard.peer] += waits
            since = max(before.since, shard.waits_until)
            if waits and self._is_overdue(before, tick - since):
                text = f"it left the inputs of {player.name!r} without an answer"
                self._shards.fence(shard, CloseReason.FENCED, now, text)
                self.fenced += 1

    def room_of(self, shard: Shard) -> int:
        """Tell how many pilots a shard may be given now that another one simulates."""
        return CLIENT_SLOTS_MAX if shard.has_answered else max(0, 1 - self._waiting[shard.peer])

    def _is_overdue(self, asked: _Asked, waited_ticks: int) -> bool:
        asked_enough = asked.asked_ticks >= ASKED_SHARE * self._within_ticks
        put_off_ticks = min(asked.silent_ticks, self._within_ticks)
        return waited_ticks >= self._within_ticks + put_off_ticks and asked_enough
