"""Shards that simulate nothing, although they are there."""

from __future__ import annotations

from typing import Any

from sidereal.protocol.message.shard import Asked, ShardChannel
from sidereal.protocol.state.proposals import encode_proposals
from sidereal.shard.shard import ShardCore
from sidereal.shard.simulation import Simulation
from sidereal.tools.simulate.shards import ShardProcess


class IdleShard(ShardCore):
    """A shard that says in every tick that it lives, and asks for nothing."""

    def _propose(self, simulation: Simulation) -> None:
        for message, _ in encode_proposals(self.tick, []):
            self._endpoint.send(ShardChannel.PROPOSAL, message)
        for answer in simulation.collect_answers():
            if not isinstance(answer, Asked):
                self._send(ShardChannel.LEASE, answer)


class IdleShardProcess(ShardProcess):
    """The process of a shard that idles until it is closed, or leaves."""

    honest = False

    def __init__(self, *arguments: Any, until: float, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._until = until

    def _make_core(self, **arguments: Any) -> ShardCore:
        return IdleShard(**arguments | {"game": self._declare([])})

    def _work(self, now: float, local: float) -> None:
        if self.core is not None and self.core.closed is not None:
            self.fallen.append(self.core.closed.name)
            self.kill()
        elif now >= self._until:
            self.leave(now)
        else:
            super()._work(now, local)

    def _next_due(self) -> float:
        due = super()._next_due()
        return due if self.core is None else min(due, self._until)
