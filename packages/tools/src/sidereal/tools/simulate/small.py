"""Limits drawn small from the seed, so that what they bound happens in a run of a few dozen ticks.

By default tombstones are kept for 256 ticks and records for 16,384: a run would meet none of the
rules about what comes after. Here nearly everything expires, is pruned, is asked for too late or
has to wait, while the world must converge all the same.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sidereal.client.limits import Limits as ClientLimits
from sidereal.protocol.limits import CONTROLS_PER_MESSAGE_MAX, INPUTS_UNANSWERED_MAX
from sidereal.protocol.rules import StreamLimits
from sidereal.protocol.testing.small import draw_transport
from sidereal.replication.actions.limits import ActionLimits
from sidereal.replication.keeping.limits import KeepingLimits
from sidereal.replication.limits import (
    EdgeLimits,
    Limits,
    OwnershipLimits,
    ProposalLimits,
    WorldLimits,
)
from sidereal.replication.links.limits import PlayerLinkLimits, ShardLinkLimits
from sidereal.shard.limits import Limits as ShardLimits
from sidereal.tools.simulate.passing import SPARK_EVERY_TICKS, STAMP_TURNS

ADOPT_ROWS_PER_S = (24, 80, 400, 8000)
"""Of the slowest a world of these sizes takes seconds to change hands."""


SPAWNS_PER_S = (8.0, 60.0)
"""Of one shard; all asteroids of a world give off less than the most."""
WHOLES_PER_TICK = (4, 41)
"""At least: a shard that has the whole world needs more."""
WHOLES_WITHIN_TICKS = 4
"""After so many ticks the authority has what a shard has given or taken: see the checkers."""
SMALL_ISLANDS_SHARE = 0.2
"""Of the worlds."""
FEW_SHADOWS = (2, 30)
"""Of one shard, at the least, where islands are cut."""


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
            ghost_messages=int(rng.integers(3, 6)),
            adopt_records_per_s=ADOPT_ROWS_PER_S[int(rng.integers(len(ADOPT_ROWS_PER_S)))],
        ),
        edge=EdgeLimits(
            datagrams=section_parts + int(rng.integers(1, 4)),
            section_parts=section_parts,
            replace_parts=replace_parts,
            ring_stretch=float(rng.uniform(1.0, 4.0)),
            events_per_tick=int(rng.spawn(1)[0].integers(2, 17)),
            leases_every_ticks=int(rng.integers(1, 6)),
            sectors_at_once=int(rng.integers(1, 8)),
            part_size=int(rng.integers(20, 200)),
            room_ticks=int(rng.integers(1, 6)),
            silence_s=float(rng.uniform(0.05, 0.5)),
        ),
    )


def draw_links(limits: Limits, rng: np.random.Generator) -> Limits:
    """Draw what remains of the authority's limits: links, keeping, transport."""
    return replace(
        limits,
        world=replace(
            limits.world,
            ids_per_block=int(rng.integers(8, 25)),
            ids_rest_ticks=1,
            sector_changes=int(rng.integers(1, 9)),
            prune_every_ticks=int(rng.integers(1, 9)),
        ),
        proposals=ProposalLimits(
            superseded_ticks=int(rng.integers(24, 41)),
            future_ticks=int(rng.integers(4, 11)),
        ),
        players=_draw_player_links(rng),
        shards=_draw_shard_links(rng),
        keeping=KeepingLimits(
            batch_rows=int(rng.integers(24, 161)),
            batch_rows_least=int(rng.integers(1, 25)),
            berth_late_ticks=int(rng.integers(1, 5)),
        ),
        actions=draw_actions(rng.spawn(1)[0]),
        transport=draw_transport(rng),
    )


def draw_actions(rng: np.random.Generator) -> ActionLimits:
    """Draw the limits of what players ask for."""
    return ActionLimits(
        burst=int(rng.integers(1, 6)),
        accounts=int(rng.integers(2, 9)),
        receipts=int(rng.integers(8, 65)),
        waiting=int(rng.integers(2, 17)),
        waiting_ticks=int(rng.integers(4, 33)),
        together=int(rng.integers(1, 5)),
    )


def _draw_player_links(rng: np.random.Generator) -> PlayerLinkLimits:
    goodbye_s = float(rng.uniform(0.2, 1.0))
    sessions, joins = int(rng.integers(8, 17)), int(rng.integers(1, 3))
    more, per_s = int(rng.integers(64, 257)), float(rng.uniform(60.0, 200.0))
    burst = int(rng.integers(60, 401))
    return PlayerLinkLimits(
        goodbye_s=goodbye_s,
        sessions_spare=sessions,
        joins_per_tick=joins,
        inbox=2 * burst + more,
        messages_per_s=per_s,
        messages_burst=burst,
        controls_burst_ticks=int(rng.integers(5, 21)),
        controls_rate=float(rng.uniform(1.02, 1.05)),
    )


def _draw_shard_links(rng: np.random.Generator) -> ShardLinkLimits:
    return ShardLinkLimits(
        hello_messages=max(2, int(rng.integers(1, 4))),
        goodbye_s=float(rng.uniform(0.2, 1.0)),
        faults=float(rng.uniform(20.0, 500.0)),
        faults_kept_per_tick=float(rng.uniform(0.9, 0.995)),
        adopt_within_s=float(rng.uniform(3.0, 5.0)),
        allowed_share=float(rng.uniform(1.2, 1.5)),
        allowed_burst_s=float(rng.uniform(1.5, 2.0)),
        owned_kept_per_tick=float(rng.uniform(0.9, 0.98)),
        barred_names=int(rng.integers(1, 4)),
        inbox=int(rng.integers(32, 257)),
        proposals=int(rng.integers(256, 1025)),
        events_per_tick=int(rng.integers(96, 193)),
        events_saved_ticks=int(rng.integers(4, 21)),
        events_remembered=int(rng.integers(1024, 4097)),
        steps=int(rng.integers(4, 65)),
        late_s=float(rng.uniform(0.25, 1.0)),
        adopt_rows=int(rng.integers(4, 33)),
        rows_per_message=int(rng.integers(4, 8)),
        queued_size=int(rng.integers(4096, 16_385)),
    )


def draw_shard_limits(rng: np.random.Generator) -> ShardLimits:
    """Draw the limits of the shards."""
    reserve = int(rng.integers(2, 7))
    return ShardLimits(
        ticks_catch_up=int(rng.integers(2, 6)),
        inbox=int(rng.integers(512, 4097)),
        controls_waiting=int(rng.integers(8, 65)),
        controls_queue=int(rng.integers(16, 33)),
        controls_reserve=reserve,
        guesses=int(rng.integers(2, 6)),
        replay_ahead=int(rng.integers(4, 17)),
        drain_within_s=float(rng.integers(8, 41)),
        beats=int(rng.integers(4, 21)),
        beats_late=int(rng.integers(2, 4)),
        jump_ticks=int(rng.integers(1, 4)),
        events_per_tick=int(rng.integers(64, 97)),
        events_waiting=int(rng.integers(256, 513)),
        events_resend_ticks=int(rng.integers(1, 5)),
        transport=draw_transport(rng),
    )


def draw_client_limits(rng: np.random.Generator) -> ClientLimits:
    """Draw the limits of the clients."""
    inputs = int(rng.integers(CONTROLS_PER_MESSAGE_MAX, INPUTS_UNANSWERED_MAX + 1))
    spawns = rng.spawn(1)[0]
    return ClientLimits(
        ticks_catch_up=int(rng.integers(2, 6)),
        inputs=inputs,
        predict_ticks=int(rng.integers(8, min(inputs, 30) + 1)),
        samples=int(rng.integers(4, 65)),
        snapshots_waiting=int(rng.integers(64, 257)),
        events=int(rng.integers(8, 65)),
        steady_s=float(rng.uniform(0.5, 5.0)),
        whole_within_s=float(rng.uniform(0.2, 1.0)),
        clock_window_s=float(rng.uniform(0.5, 2.0)),
        look_every_s=float(rng.uniform(0.05, 0.2)),
        lateness_samples=int(rng.integers(20, 201)),
        lateness_every=int(rng.integers(1, 11)),
        call_again_s=float(rng.spawn(1)[0].uniform(0.1, 0.5)),
        spawns=int(spawns.integers(2, 9)),
        spawn_late_s=float(spawns.uniform(0.2, 0.5)),
        spawn_unanswered_s=float(spawns.uniform(0.5, 2.0)),
        transport=draw_transport(rng),
    )


def draw_births(
    limits: Limits, shard_limits: ShardLimits, rng: np.random.Generator, entities: int
) -> tuple[Limits, ShardLimits]:
    """Draw what shards may bring into the world, for both ends.

    Args:
        limits: of the authority.
        shard_limits: of the shards.
        rng: to draw with.
        entities: of the world, sparks aside.
    """
    spawns_per_s = float(rng.uniform(*SPAWNS_PER_S))
    wholes = max(int(rng.integers(*WHOLES_PER_TICK)), wholes_needed(entities))
    limits = replace(
        limits,
        proposals=replace(
            limits.proposals,
            spawns_per_s=1.1 * spawns_per_s,
            spawn_reach=float(rng.uniform(20.0, 60.0)),
        ),
        shards=replace(limits.shards, wholes_per_tick=wholes),
    )
    return limits, replace(shard_limits, spawns_per_s=spawns_per_s, wholes_per_tick=wholes)


def wholes_needed(entities: int) -> int:
    """Tell how many a shard has to propose as wholes in a tick, if all entities are its own.

    Once in a turn it gives some of them a stamp and takes it from as many; all that, and the sparks
    that come meanwhile, must be on its way before the authority is judged by it. With less than
    that it would never be through: what is new goes on and on.
    """
    stamps = 2 * entities / STAMP_TURNS
    sparks_per_tick = entities / SPARK_EVERY_TICKS
    return math.ceil(stamps / WHOLES_WITHIN_TICKS + sparks_per_tick)


def draw_asks(
    limits: Limits, shard_limits: ShardLimits, rng: np.random.Generator
) -> tuple[Limits, ShardLimits]:
    """Draw what shards may ask for, for both ends, and how far who looks about is followed."""
    asked = int(rng.integers(16, 33))
    shards = replace(
        limits.shards,
        asks_per_tick=asked + int(rng.integers(0, 33)),
        asks_saved_ticks=int(rng.integers(1, 4)),
    )
    edge = replace(
        limits.edge,
        gazes_per_s=float(rng.uniform(1.0, 4.0)),
        gazes_per_tick=int(rng.integers(1, 4)),
    )
    return replace(limits, shards=shards, edge=edge), replace(shard_limits, asked=asked)


def draw_islands(limits: Limits, rng: np.random.Generator) -> Limits:
    """Draw how islands are kept; in some worlds large ones are cut."""
    small, members, home_ticks = rng.random(), int(rng.integers(3, 9)), int(rng.integers(2, 12))
    shadows = int(rng.spawn(1)[0].integers(*FEW_SHADOWS))
    # Few here touch at the same time: three or four make a crowd.
    members = members // 2 + 1
    ownership = replace(
        limits.ownership,
        home_ticks=home_ticks,
        island_members=members if small < SMALL_ISLANDS_SHARE else limits.ownership.island_members,
        shadows=shadows if small < SMALL_ISLANDS_SHARE else limits.ownership.shadows,
    )
    return replace(limits, ownership=ownership)


def draw_fleet(shard_limits: ShardLimits, rng: np.random.Generator) -> ShardLimits:
    """Draw how long shards wait that are to leave."""
    return replace(
        shard_limits,
        drain_within_s=float(rng.uniform(0.6, 3.0)),
        drain_silence_s=float(rng.uniform(0.6, 1.5)),
    )


def draw_balance(limits: Limits, rng: np.random.Generator) -> Limits:
    """Draw how soon sectors go to other shards, and how soon again."""
    ownership = replace(
        limits.ownership,
        balance_every_s=float(rng.uniform(0.2, 0.5)),
        balance_from=float(rng.uniform(1.02, 1.2)),
        balance_busy_s=1e-4,
        balance_rest_s=float(rng.uniform(0.4, 3.0)),
        balance_entities_per_s=float(rng.uniform(5.0, 300.0)),
    )
    return replace(limits, ownership=ownership)
