"""What one run exercised, and many of them; with what there is to exercise at all.

What there is follows from the code: kinds of faults, fields of limits, messages. So what is new
there appears here by itself, as never exercised until it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, Final

from sidereal.client.limits import LIMITS as CLIENT_LIMITS
from sidereal.protocol.rules import StreamLimits
from sidereal.replication.limits import LIMITS
from sidereal.shard.limits import LIMITS as SHARD_LIMITS
from sidereal.tools.simulate.exercise.losses import KINDS
from sidereal.tools.simulate.faults import Kind
from sidereal.tools.simulate.network import HAPPENS
from sidereal.tools.simulate.plans.parts import parts_of

JUDGED: Final = (
    "adoptions judged",
    "bodies simulated again judged",
    "brands after a crash judged",
    "brands compared",
    "calls done",
    "calls refused",
    "charges committed",
    "charges compared",
    "charges compared exactly",
    "charges handed over",
    "charges judged",
    "charges of ghosts judged",
    "children in pictures judged",
    "children judged",
    "contacts between owners",
    "contacts judged",
    "contacts with shadows judged",
    "contacts of three or more judged",
    "contacts that lasted judged",
    "endings judged",
    "entities at rest judged",
    "entities elsewhere judged",
    "events of who simulates",
    "events taken",
    "events that had to be seen",
    "events that happened",
    "flares judged",
    "flares that came as foreseen",
    "flares that did not come",
    "ghosts judged",
    "guests judged",
    "handovers between the living",
    "handovers of islands judged",
    "ids given again judged",
    "inputs flown",
    "inputs guessed",
    "inputs left unanswered",
    "inputs skipped",
    "last glows judged",
    "lines judged",
    "meetings judged",
    "meetings that wait",
    "meetings that were cut",
    "notes compared",
    "notes judged",
    "overlaps over cuts judged",
    "own motions judged",
    "pilots of unproven shards judged",
    "presses judged",
    "tallies judged",
    "private events that had to come",
    "private events that happened",
    "private events taken",
    "private states judged",
    "records long at peace judged",
    "recoveries judged",
    "returns judged",
    "rows judged",
    "saved children judged",
    "ships handed over",
    "sectors of heirs judged",
    "sectors of who leaves judged",
    "sectors that moved judged",
    "shadows judged",
    "partings judged",
    "shards that left judged",
    "ships that came back judged",
    "spares that took over judged",
    "spares that waited judged",
    "sparks judged",
    "stamps compared",
    "stamps judged",
    "states of pilots judged",
    "steps judged",
    "steps simulated again judged",
    "ticks of service judged",
    "ticks of whole flights judged",
    "ticks replayed of ships",
    "turned back at the belt's edge",
    "ways to a new owner judged",
)
"""What checkers count of what they have looked at."""

COUNTED: Final = (
    "stream.reorder_ticks",
    "stream.tombstone_ticks",
    "stream.record_age_ticks",
    "authority.ticks_catch_up",
    "authority.standstill_after_s",
    "authority.world.sector_empty_ticks",
    "authority.world.sectors_checked_every_ticks",
    "authority.proposals.superseded_ticks",
    "authority.proposals.future_ticks",
    "authority.proposals.spawns_per_s",
    "authority.proposals.unreported_s",
    "authority.ownership.lease_changes",
    "authority.ownership.ghost_messages",
    "authority.ownership.adopt_records_per_s",
    "authority.ownership.adopting_records",
    "authority.ownership.answer_within_s",
    "authority.ownership.island_members",
    "authority.ownership.shadows",
    "authority.edge.datagrams",
    "authority.edge.section_parts",
    "authority.edge.replace_parts",
    "authority.edge.leases_every_ticks",
    "authority.edge.sectors_at_once",
    "authority.players.messages_per_s",
    "authority.players.controls_burst_ticks",
    "authority.actions.burst",
    "authority.actions.waiting",
    "authority.actions.waiting_ticks",
    "authority.players.heard_per_s",
    "authority.shards.silence_s",
    "authority.shards.asks_per_tick",
    "authority.shards.faults",
    "authority.shards.allowed_burst_s",
    "authority.shards.barred_s",
    "authority.shards.inbox",
    "authority.transport.malformed_payloads",
    "shard.ticks_catch_up",
    "shard.controls_waiting",
    "shard.controls_queue",
    "shard.controls_reserve",
    "shard.guesses",
    "shard.jump_ticks",
    "shard.spawns_per_s",
    "client.ticks_catch_up",
    "client.events",
    "client.entities",
)
"""Limits of which it is known how often they were met."""

NOT_COUNTED: Final[Mapping[str, str]] = {
    "authority.notes": "nobody counts what is too much; notes are taken after every tick",
    "authority.unserved_tick_costs": "a weight, at work whenever a tick is not simulated",
    "authority.served_within_s": "how far is looked back; what is beyond is counted as unserved",
    "authority.later_calls": "bounds what hooks ask for; the simulated one asks for one a player",
    "authority.world.*": "how often, or how far back, is looked; nothing is lost by it",
    "authority.proposals.spawn_reach": "how near is near; what is beyond is counted as too late",
    "authority.proposals.repair_pairs": "bounds liars that have far more than a run has",
    "authority.ownership.horizon_s_*": "how far is looked ahead; nothing is lost by it",
    "authority.ownership.home_ticks": "how far is looked back; nothing is lost by it",
    "authority.ownership.island_rounds": "islands of a run lie within two rounds",
    "authority.ownership.shadow_depth": "how far is looked beyond a cut; what touches is nearer",
    "authority.ownership.balance_*": "a pace, a weight, or a part; what comes of it is judged",
    "authority.ownership.failures*": "the simulated game's code does not go wrong",
    "authority.actions.*": "nobody counts what is forgotten, or how much goes together",
    "authority.edge.ring_stretch": "a weight, at work whenever `edge.datagrams` is met",
    "authority.edge.part_size": "the size of a piece of what is sent",
    "authority.edge.room_ticks": "how far is looked back",
    "authority.proposals.keys_ticks": "how far is looked back for what an input has spawned",
    "authority.edge.gazes_*": "a pace; what is looked at later is looked at all the same",
    "authority.edge.events_*": "counted by the authority; that only the first count is judged",
    "authority.edge.silence_s": "a pace, at work whenever nothing is new to a client",
    "authority.players.*": "bounds crowds of clients, of which a run has none",
    "authority.shards.*": "a pace, a weight, or the size of a piece of what is sent",
    "authority.keeping.*": "the saver's and the database's, in whose place is the memory store",
    "*.transport.*": "counted by connection; `sidereal.tools.soak` exercises the transport",
    "shard.inbox": "ends the session: the doing of a faulty server, which is not simulated",
    "shard.releases": "nobody counts what is too much; a run has a few hundred",
    "shard.drain_*": "how long is waited; what is still there then drifts on for a moment",
    "shard.*": "how far is looked back or ahead; nothing is lost by it",
    "client.*": "nobody counts what is too much, or how often it is waited for",
}
"""Of the others, by the first pattern that fits, why it is not known."""


def reason_not_counted(path: str) -> str:
    """Say why it is not known how often a limit was met; nothing if it is, or should be."""
    if path in COUNTED:
        return ""
    fits = (reason for pattern, reason in NOT_COUNTED.items() if fnmatchcase(path, pattern))
    return next(fits, "")


def limits_there_are() -> Iterator[str]:
    """Name every limit that a core goes by."""
    yield from _paths("stream", StreamLimits())
    yield from _paths("authority", LIMITS)
    yield from _paths("shard", SHARD_LIMITS)
    yield from _paths("client", CLIENT_LIMITS)


def _paths(path: str, value: Any) -> Iterator[str]:
    parts = parts_of(value)
    if not parts:
        yield path
    for name, part in parts.items():
        yield from _paths(f"{path}.{name}", part)


@dataclass(slots=True)
class Tally:
    """How often what happened.

    Attributes:
        faults: of the plan and of the network, by name.
        limits: how often each was met.
        lost: records that did not arrive, by kind.
        healed: those of them whose receiver was there in the end, when everybody agreed.
        judged: what checkers have looked at.
        noted: what the authority noted for its log.
    """

    faults: Counter[str] = field(default_factory=Counter)
    limits: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    healed: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add what another run exercised."""
        for each in fields(self):
            getattr(self, each.name).update(getattr(other, each.name))

    def never(self) -> dict[str, list[str]]:
        """Name what was never exercised, by attribute."""
        return {
            name: [what for what in there if not getattr(self, name)[what]]
            for name, there in THERE_IS.items()
        }


THERE_IS: Final[Mapping[str, tuple[str, ...]]] = {
    "faults": (*(kind.value for kind in Kind), *HAPPENS),
    "limits": tuple(path for path in limits_there_are() if not reason_not_counted(path)),
    "lost": KINDS,
    "healed": KINDS,
    "judged": JUDGED,
}
"""What can be exercised, by attribute of `Tally`."""
