"""What a shard reports of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SimulationStatistics:
    """What is simulated, and what came of it since the session began.

    Attributes:
        entities: owned now.
        guests: of them, those outside the leased sectors.
        ghosts: entities of others that are seen now.
        shadows: of them, those that have bodies.
        shadow_impulse: with which these have pushed bodies, t unit/s.
        sectors: leased now.
        adopted: entities taken over.
        adopted_late: of these, those that had come together with others before, and for whom that
            was not simulated again: they were too many, or nobody knows when it began.
        resimulated: bodies that came off their paths when ticks gone by were simulated again.
        released: entities given up.
        records_refused: records that were not adopted because they were invalid.
        ghosts_refused: records of ghosts that were not shown because they were invalid.
        records_stale: records not adopted or released because of their epoch.
        records_proposed: references replaced.
        messages_proposed: proposals, empty ones too.
        events_emitted: by systems.
        events_dropped: of these, those that were too many.
        speeds_bounded: bodies that a contact would have made too fast.
        spawns_refused: entities that systems would have spawned beyond what they may.
        controls_accepted: entries of pilots taken in.
        controls_stale: entries that came again, or for a pilot that was replaced.
        controls_skipped: entries jumped over because too many waited.
        controls_unclaimed: messages for entities that are not here, or more than can wait for them.
        asks_dropped: what systems asked for beyond what they may in a tick.
        costs_s: how long each model and system takes per tick, s, averaged over about a second.
    """

    entities: int
    guests: int
    ghosts: int
    shadows: int
    shadow_impulse: float
    sectors: int
    adopted: int
    adopted_late: int
    resimulated: int
    released: int
    records_refused: int
    ghosts_refused: int
    records_stale: int
    records_proposed: int
    messages_proposed: int
    events_emitted: int
    events_dropped: int
    speeds_bounded: int
    spawns_refused: int
    controls_accepted: int
    controls_stale: int
    controls_skipped: int
    controls_unclaimed: int
    asks_dropped: int
    costs_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ShardStatistics:
    """One session of a shard.

    Attributes:
        tick: last simulated.
        shard: our id, 0 before the welcome.
        lead_s: how long before the server's tick the newest proposal came, as it said last.
        rtt_s: of the link, 0 if unknown.
        ticks_skipped: passed in straight lines after a stall.
        phase_jumps: how often the schedule jumped.
        messages_malformed: dropped.
        controls_dropped: because too many waited for a tick.
        simulation: None before the welcome.
    """

    tick: int
    shard: int
    lead_s: float
    rtt_s: float
    ticks_skipped: int
    phase_jumps: int
    messages_malformed: int
    controls_dropped: int
    simulation: SimulationStatistics | None
