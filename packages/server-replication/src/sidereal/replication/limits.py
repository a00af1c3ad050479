"""The numbers of the authority that only tuning decides, by the room that goes by them.

They are given to the core, so that a test or a seed can make them small: what expires, is pruned,
wraps or overflows then does so in a short run. What is laid out in bytes stands in
`sidereal.protocol.limits`; what both ends of a link must agree on is among the `Rules`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sidereal.protocol.channel.limits import TransportLimits
from sidereal.protocol.limits import (
    INPUTS_UNANSWERED_MAX,
    PRIVATE_EVENTS_MAX,
    SHADOWS_MAX,
    SNAPSHOT_DATAGRAMS_MAX,
    check_limits,
)
from sidereal.protocol.space.sectors import CHANGES_KEPT
from sidereal.replication.actions.limits import ActionLimits
from sidereal.replication.edge.changelog import PRUNE_EVERY_TICKS
from sidereal.replication.edge.eventlog import KEPT_MAX, PER_CELL
from sidereal.replication.keeping.limits import KeepingLimits
from sidereal.replication.links.limits import PlayerLinkLimits, ShardLinkLimits


@dataclass(frozen=True, slots=True)
class WorldLimits:
    """How ids are given, and what the world remembers of sectors that are gone.

    Attributes:
        ids_per_block: network ids that are granted together.
        ids_rest_ticks: ids are given again no earlier than so long after none of their block was in
            the world; later, if a receiver may know one of them for longer.
        sector_empty_ticks: a sector in which nothing is or happens any more is kept for so long:
            longer than one that turns on a border needs to come back.
        sectors_checked_every_ticks: how often it is looked for such sectors.
        sector_changes: sectors that came or went, remembered for those who follow them; who has
            missed more looks at everything.
        prune_every_ticks: how often tombstones and events are cleared that are too old to be asked
            for.
        events_per_cell: of one cell and tick; of more the first ones count.
        events_kept: and those of a tick more; then the oldest are let go of.
    """

    ids_per_block: int = 1 << 16
    ids_rest_ticks: int = 1200
    sector_empty_ticks: int = 60
    sectors_checked_every_ticks: int = 20
    sector_changes: int = CHANGES_KEPT
    prune_every_ticks: int = PRUNE_EVERY_TICKS
    events_per_cell: int = PER_CELL
    events_kept: int = KEPT_MAX

    def __post_init__(self) -> None:
        """Check them."""
        check_limits(self)


@dataclass(frozen=True, slots=True)
class ProposalLimits:
    """What is believed of shards.

    Attributes:
        superseded_ticks: how long after a handover records of the former owner may be on their way.
        future_ticks: how far ahead of the world's clock a shard may simulate.
        spawns_per_s: entities that a shard may spawn, two seconds' worth at once; a kind may have a
            bound of its own.
        spawn_reach: a shard spawns within its sectors, or so near to an entity that it owns, when
            it spawns; world units. It is told later: both may have flown meanwhile.
        keys_ticks: for how long it is remembered what a pilot's input has spawned: longer than
            inputs are flown again.
        unreported_s: how long an entity may have left its straight line before a record of it comes
            through; a shard that is silent for half as long is fenced.
        repair_pairs: to believe repairs of a shard, so many pairs are looked at in a tick: each
            entity that is elsewhere with all that the shard has, and with all that it was given
            lately; 10 ns each. The largest repair needs these if the shard has 16,000 of both.
    """

    superseded_ticks: int = 40
    future_ticks: int = 10
    spawns_per_s: float = 2200.0
    spawn_reach: float = 100.0
    keys_ticks: int = 400
    unreported_s: float = 2.0
    repair_pairs: int = 1 << 21

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if self.keys_ticks <= INPUTS_UNANSWERED_MAX:
            problems.append(f"keys_ticks must be above {INPUTS_UNANSWERED_MAX}")
        check_limits(self, problems)


@dataclass(frozen=True, slots=True)
class OwnershipLimits:
    """How leases and handovers are kept, and paced.

    Attributes:
        lease_changes: changes of leases remembered for those who follow them; who has missed more
            looks at all leases anew.
        ghost_messages: messages of ghosts to one shard in one tick; the others wait.
        adopt_records_per_s: entities that a shard is given to adopt, if it keeps up: at some 40 µs
            each those of a tick take the 8 ms by which it is ahead of the server.
        adopting_records: entities that a shard was given and has not adopted yet; at so many it is
            given no more.
        answer_within_s: how long a shard may leave the inputs of a pilot without an answer.
        failures: shards whose game code goes wrong in a sector before that is leased to nobody.
        failures_within_s: of these failures the first is no longer ago.
        balance_every_s: how often it is looked whether a shard has too much to do.
        balance_from: so much more than the mean is too much.
        balance_busy_s: less than so long a tick is never too much.
        balance_gain: a sector moves if that helps by such a part of the mean.
        balance_rest_s: a sector that has moved, and an entity with it, does so again after so long.
        balance_entities_per_s: entities that may be on the move because of that.
        horizon_s_min: who may touch is found out for at least so long; likewise `horizon_s_max`.
        home_ticks: an island goes home when nothing has held it for so long.
        island_members: of an island that has more, parts may have different owners.
        island_rounds: so often it is looked farther around an island.
        shadow_depth: how far beyond a cut others have bodies, world units from pair to pair.
        shadows: of one shard; of more the farther ones have none.
    """

    lease_changes: int = 1 << 14
    ghost_messages: int = 128
    adopt_records_per_s: int = 4000
    adopting_records: int = 2000
    answer_within_s: float = 2.0
    failures: int = 3
    failures_within_s: float = 10.0
    balance_every_s: float = 0.5
    balance_from: float = 1.15
    balance_busy_s: float = 0.001
    balance_gain: float = 0.05
    balance_rest_s: float = 10.0
    balance_entities_per_s: float = 300.0
    horizon_s_min: float = 0.2
    horizon_s_max: float = 0.5
    home_ticks: int = 20
    island_members: int = 2000
    island_rounds: int = 8
    shadow_depth: float = 80.0
    shadows: int = SHADOWS_MAX

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if self.horizon_s_min > self.horizon_s_max:
            problems.append("horizon_s_min must be at most horizon_s_max")
        if self.shadows > SHADOWS_MAX:
            problems.append(f"shadows must be at most {SHADOWS_MAX}")
        check_limits(self, problems)


@dataclass(frozen=True, slots=True)
class EdgeLimits:
    """How much each client is sent at a time.

    Attributes:
        datagrams: of one client's snapshot; what does not fit waits for the next tick.
        section_parts: parts in which a cell is sent within one tick; a larger one lasts several.
        replace_parts: the same when the cell is sent whole.
        part_size: bytes of a part of a cell that lasts are not made fewer, however thin a link is.
        room_ticks: what a client usually gets in a tick is the most of so many.
        silence_s: a client for which there is nothing new is sent a datagram after so long.
        ring_stretch: a cell waits so many times as long for each ring that it is farther from the
            middle, when not everything fits; 1 or more.
        events_per_tick: private events of a tick that a client is told of; of more the first count.
        events_size: bytes of them in one snapshot, if there is no room for more.
        events_waiting: those that a client has not acked; of more the oldest are let go of.
        leases_every_ticks: a client is shown changed leases no more often; and again after so long
            without an ack.
        sectors_at_once: sectors compared with all clients' windows in one operation: its memory.
        gazes_per_s: windows that a client which only looks about is sent anew in a second.
        gazes_per_tick: of all such clients in a tick: each is nearly the work of a join.
    """

    datagrams: int = 16
    section_parts: int = 8
    replace_parts: int = 3
    part_size: int = 100
    room_ticks: int = 4
    silence_s: float = 0.2
    ring_stretch: float = 1.5
    events_per_tick: int = 16
    events_size: int = 128
    events_waiting: int = 256
    leases_every_ticks: int = 5
    sectors_at_once: int = 1024
    gazes_per_s: float = 1.0
    gazes_per_tick: int = 4

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if not self.replace_parts <= self.section_parts < self.datagrams:
            problems.append("replace_parts <= section_parts < datagrams must hold")
        if self.ring_stretch < 1.0:
            problems.append("ring_stretch must be at least 1")
        if self.datagrams > SNAPSHOT_DATAGRAMS_MAX:
            problems.append(f"datagrams must be at most {SNAPSHOT_DATAGRAMS_MAX}")
        if self.events_per_tick > PRIVATE_EVENTS_MAX:
            problems.append(f"events_per_tick must be at most {PRIVATE_EVENTS_MAX}")
        check_limits(self, problems)


@dataclass(frozen=True, slots=True)
class Limits:
    """All of them.

    Attributes:
        ticks_catch_up: ticks run back to back after a stall; the rest is dropped and counted.
        notes: what happened and waits to be taken; the oldest are dropped.
        standstill_after_s: of ticks that nobody simulates; then the tick counter stops: nothing is
            extrapolated further.
        unserved_tick_costs: ticks that somebody has to simulate before one is forgotten that nobody
            did.
        served_within_s: a tick is simulated if a shard has proposed something, and adopted some of
            what it was given, so short a time ago.
        later_calls: calls that a game's hooks have asked for and whose time has not come; one more
            is refused.
    """

    ticks_catch_up: int = 5
    notes: int = 1000
    standstill_after_s: float = 2.0
    unserved_tick_costs: int = 4
    served_within_s: float = 0.5
    later_calls: int = 1 << 16
    world: WorldLimits = field(default_factory=WorldLimits)
    proposals: ProposalLimits = field(default_factory=ProposalLimits)
    actions: ActionLimits = field(default_factory=ActionLimits)
    ownership: OwnershipLimits = field(default_factory=OwnershipLimits)
    edge: EdgeLimits = field(default_factory=EdgeLimits)
    players: PlayerLinkLimits = field(default_factory=PlayerLinkLimits)
    shards: ShardLinkLimits = field(default_factory=ShardLinkLimits)
    keeping: KeepingLimits = field(default_factory=KeepingLimits)
    transport: TransportLimits = field(default_factory=TransportLimits)

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if 2 * self.shards.silence_s > self.proposals.unreported_s:
            problems.append("proposals.unreported_s must be at least twice shards.silence_s")
        if self.served_within_s > self.shards.silence_s:
            problems.append("served_within_s must be at most shards.silence_s")
        check_limits(self, problems)


LIMITS: Final = Limits()
"""What a server runs on."""
