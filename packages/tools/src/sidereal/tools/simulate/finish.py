"""When a run is over: everybody must agree then, and have an answer to what it asked for.

That is at `Plan.end_at_s`, just before the next tick, or later for as long as one of these lasts:

* a client or a shard that came back after the links were well has had less time than the others
  have;
* a shard, be it a liar, has not heard that the authority has closed its session;
* a client was put off: what is new in its window did not fit into what its link carries in a tick.
  In the next ticks it gets the rest, while others have all;
* a client waits for an answer. Who came back late asks for all of it once more, is put off since it
  asks too often, and asks again: that takes as long as there are calls.

Each of them is bounded. What lasts longer is an outcome, for the checkers to judge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from sidereal.replication.replicator import Replicator
from sidereal.shard.token import SESSION_TIMEOUT_S
from sidereal.tools.simulate.authority import TOKEN_TIMEOUT_S
from sidereal.tools.simulate.clients import ClientHost
from sidereal.tools.simulate.faults import AGREES_WITHIN_S, Plan
from sidereal.tools.simulate.processes import RETRY_S, ShardHost

LAST_WAY_S: Final = 0.03
"""What the last tick sent is on its way for less than that; then everybody must agree."""

RETRY_STRETCH_MAX: Final = 1.5
"""By how much a client stretches a wait of its `Limits.retry_s` at most."""


class Finish:
    """Decides when a run is over."""

    def __init__(
        self, plan: Plan, clients: Sequence[ClientHost], shards: Sequence[ShardHost]
    ) -> None:
        self._plan = plan
        self._clients, self._shards = clients, shards
        self._ticked_at = 0.0
        self._deferred = 0
        self._was_put_off = False
        self._open: set[tuple[bytes, int]] = set()
        self._answered_at_s = math.inf

    def note_tick(self, core: Replicator, now: float) -> None:
        """Note that the authority has run a step."""
        deferred = core.edge.fanout.statistics().deferred
        self._ticked_at, self._was_put_off = now, deferred > self._deferred
        self._deferred = deferred
        self._open = {(shard.incarnation, shard.session) for shard in core.shards.shards}

    def is_reached(self, at: float, *, ticks: bool) -> bool:
        """Tell whether what is due next comes after the end.

        Args:
            at: when it is due, virtual seconds.
            ticks: whether it is a tick of the authority.
        """
        end_at_s = self._plan.end_at_s
        if at < end_at_s or (not ticks and at - self._ticked_at <= LAST_WAY_S):
            return False
        end_at_s = max(end_at_s, self._back_at() + AGREES_WITHIN_S)
        if at < end_at_s or (self._was_put_off and at < end_at_s + AGREES_WITHIN_S):
            return False
        waiting = sum(client.calls_waiting for client in self._clients)
        self._answered_at_s = min(self._answered_at_s, at + waiting * self._plan.answer_s)
        return not waiting or at >= self._answered_at_s

    def _back_at(self) -> float:
        """When the last one came back; of one that is still away, when it must at the latest.

        Bad links may end a session for the authority just before they are well. The other end hears
        nothing from then on, notices when the session times out, and then waits.
        """
        well_at_s = self._plan.well_at_s
        waits_s = RETRY_STRETCH_MAX * max(self._plan.client_limits.retry_s)
        clients = (client.back_at for client in self._clients if client.returning is not None)
        of_clients = min(max(clients, default=0.0), well_at_s + TOKEN_TIMEOUT_S + waits_s)
        # Of two processes of one name it is enough that one serves.
        served = {shard.name for shard in self._shards if shard.serves}
        shards = (
            shard.back_at if not shard.serves or shard.session in self._open else math.inf
            for shard in self._shards
            if shard.running
            if shard.serves or (shard.honest and shard.name not in served)
        )
        of_shards = min(max(shards, default=0.0), well_at_s + SESSION_TIMEOUT_S + RETRY_S)
        return max(of_clients, of_shards)
