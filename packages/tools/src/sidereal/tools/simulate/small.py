"""Limits drawn small from the seed, so that what they bound happens in a run of a few dozen ticks.

By default tombstones are kept for 256 ticks and records for 16,384: a run would meet none of the
rules about what comes after. Here nearly everything expires, is pruned, is asked for too late or
has to wait, while the world must converge all the same.
"""

from __future__ import annotations

import numpy as np

from sidereal.protocol.rules import StreamLimits
from sidereal.replication.limits import EdgeLimits, Limits, OwnershipLimits, WorldLimits

ADOPT_ROWS_PER_S = (24, 80, 400, 8000)
"""Of the slowest a world of these sizes takes seconds to change hands."""


def draw_streams(rng: np.random.Generator) -> StreamLimits:
    """Draw for how long both ends go by what is old; a datagram is late by a tick at most."""
    reorder = int(rng.integers(4, 24))
    tombstone = reorder + int(rng.integers(1, 16))
    return StreamLimits(reorder, tombstone, tombstone + int(rng.integers(1, 16)))


def draw_limits(rng: np.random.Generator) -> Limits:
    """Draw the limits of the authority."""
    replace_parts = int(rng.integers(1, 3))
    section_parts = replace_parts + int(rng.integers(0, 3))
    return Limits(
        world=WorldLimits(
            sector_empty_ticks=int(rng.integers(2, 24)),
            sectors_checked_every_ticks=int(rng.integers(1, 8)),
        ),
        ownership=OwnershipLimits(
            lease_changes=int(rng.integers(1, 12)),
            ghost_messages=int(rng.integers(1, 4)),
            adopt_records_per_s=ADOPT_ROWS_PER_S[int(rng.integers(len(ADOPT_ROWS_PER_S)))],
        ),
        edge=EdgeLimits(
            datagrams=section_parts + int(rng.integers(1, 4)),
            section_parts=section_parts,
            replace_parts=replace_parts,
            resend_ticks=int(rng.integers(1, 5)),
            ring_ticks=int(rng.integers(1, 4)),
            leases_every_ticks=int(rng.integers(1, 6)),
            sectors_at_once=int(rng.integers(1, 8)),
        ),
    )
