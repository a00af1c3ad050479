"""How a plan is drawn for a game that is given: as for the simulator's own, but for what is its."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from sidereal.replication.limits import LIMITS, Limits
from sidereal.shard.limits import LIMITS as SHARD_LIMITS
from sidereal.tools.simulate.drawing import draw_plan
from sidereal.tools.simulate.faults import CHAOS_FROM_S, CHAOS_S, Fault, Kind, Plan

TICK_HZ: Final = 20
"""What games count their ticks by, unless a server is told otherwise."""

STRETCH: Final = 3.0
"""By how much longer things go wrong: who flies needs some seconds to get anywhere."""

CELLS: Final = ((250.0, 1), (250.0, 2), (500.0, 1))
"""Sizes of cells, world units, and radii of windows in cells."""

SHARDS: Final = (2, 3, 4)
PILOTS: Final = (3, 7)

LEFT_OUT: Final = frozenset(
    {*(Kind.SHARD_LIES, Kind.CLIENT_LIES, Kind.SHARD_IDLES), Kind.ROCK_REMOVED}
)
"""Liars lie in the words of the simulator's own game; and what others than its actions take out of
the world, a game can't account for."""


def draw_given(seed: int, entities: int) -> Plan:
    """Draw a run.

    Args:
        seed: of all there is to draw.
        entities: that the world begins with.
    """
    drawn = draw_plan(seed, np.random.default_rng([seed, 1]))
    dice = np.random.default_rng([seed, 8])
    cell_size, view_radius = CELLS[int(dice.integers(len(CELLS)))]
    shards = int(dice.choice(SHARDS))
    pilots = int(dice.integers(*PILOTS))
    faults = tuple(
        _later(fault, drawn, shards, pilots) for fault in drawn.faults if fault.kind not in LEFT_OUT
    )
    return msgspec.structs.replace(
        drawn,
        tick_hz=TICK_HZ,
        shards=shards,
        pilots=pilots,
        sectors_per_side=2,
        cell_size=cell_size,
        view_radius_cells=view_radius,
        belt_share=1.0,
        rocks=(),
        entities=entities,
        chaos_s=STRETCH * CHAOS_S,
        faults=faults,
        limits=_roomy(drawn.limits),
        shard_limits=replace(
            SHARD_LIMITS,
            drain_within_s=drawn.shard_limits.drain_within_s,
            drain_silence_s=drawn.shard_limits.drain_silence_s,
        ),
        families=False,
    )


def _later(fault: Fault, drawn: Plan, shards: int, pilots: int) -> Fault:
    """Let a fault happen as much later as all lasts longer, to one of as many as there are."""
    at = CHAOS_FROM_S + STRETCH * (fault.at - CHAOS_FROM_S)
    target = fault.target
    if fault.kind in (Kind.SHARD_JOINS, Kind.SPARE_JOINS):
        target += shards - drawn.shards if fault.kind is Kind.SHARD_JOINS else 0
    elif fault.kind.value.startswith("shard"):
        target = target * shards // drawn.shards
    elif fault.kind.value.startswith("client"):
        clients = drawn.pilots + drawn.observers
        target = target * (pilots + drawn.observers) // clients
    return Fault(at, fault.kind, target, fault.seconds)


def _roomy(limits: Limits) -> Limits:
    """Leave small what the engine gets over, and as usual what bounds how much a game may do."""
    return replace(
        limits,
        world=replace(
            limits.world,
            ids_per_block=LIMITS.world.ids_per_block,
            ids_rest_ticks=LIMITS.world.ids_rest_ticks,
        ),
        proposals=LIMITS.proposals,
        ownership=replace(
            limits.ownership,
            adopt_records_per_s=LIMITS.ownership.adopt_records_per_s,
            ghost_messages=LIMITS.ownership.ghost_messages,
            island_members=LIMITS.ownership.island_members,
            shadows=LIMITS.ownership.shadows,
        ),
        edge=LIMITS.edge,
        shards=LIMITS.shards,
        keeping=LIMITS.keeping,
        actions=LIMITS.actions,
        transport=LIMITS.transport,
    )
