"""The authority's core, as tests of what is around it need it."""

from __future__ import annotations

import numpy as np
from drifters import GAME

from sidereal.protocol.ids import Address
from sidereal.protocol.rules import Rules
from sidereal.replication.replicator import Keys, Replicator


def make_core(now: float, rng: np.random.Generator, tick: int = 0) -> Replicator:
    """A world with nothing in it, for one client."""
    return Replicator(
        game=GAME,
        rules=Rules(),
        keys=Keys(bytes(32), bytes(32)),
        client_addresses=[Address("192.0.2.1", 1)],
        shard_addresses=[Address("192.0.2.1", 2)],
        clients_max=1,
        entropy=rng.bytes,
        rng=rng,
        now=now,
        tick=tick,
    )
