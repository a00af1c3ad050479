"""What goes wrong in a run, as plain values drawn from the seed: it can be told, and shrunk.

A run has four parts. *Before* `CHAOS_FROM_S` everybody connects; for `Plan.chaos_s` things go
wrong; then, from `Plan.freeze_at_s` on, the pilots brake while the links are still bad, so that no
fresh traffic hides what was lost; from `Plan.heal_at_s` on nothing is lost any more, and at
`Plan.end_at_s` everything must agree.
"""

from __future__ import annotations

import enum
import math
from typing import Final

import msgspec

from sidereal.client.limits import LIMITS as CLIENT_LIMITS
from sidereal.client.limits import Limits as ClientLimits
from sidereal.protocol.errors import ConfigError
from sidereal.protocol.rules import StreamLimits
from sidereal.protocol.testing.link import LinkConfig
from sidereal.replication.limits import LIMITS, Limits
from sidereal.shard.limits import LIMITS as SHARD_LIMITS
from sidereal.shard.limits import Limits as ShardLimits
from sidereal.shard.token import SESSION_TIMEOUT_S
from sidereal.tools.simulate.game import HAILS_PER_S, PAYS_PER_S
from sidereal.tools.simulate.passing import SPARKS_PER_ASTEROID
from sidereal.tools.simulate.saving import SAVE_S
from sidereal.tools.simulate.scene import BELT_PLACES, BELT_SHARE_MIN

CHAOS_FROM_S: Final = 0.6
CHAOS_S: Final = 2.0
FROZEN_S: Final = 0.8
AGREES_WITHIN_S: Final = 1.84
RECOVERY_S: Final = 0.5
DRAINS_S: Final = 1.0
"""Beside the time that adopting takes, a shard that is to leave has gone after so long."""
CHAOS_S_MAX: Final = 600.0
SECTORS_PER_SIDE_MAX: Final = 8
FREEZE_AT_S: Final = CHAOS_FROM_S + CHAOS_S

FINALES: Final = 3
"""How many a liar may come to, be it a shard or a client."""

HEALED: Final = LinkConfig(delay_s=0.008)
"""What links are like in the end: everything a tick sends arrives before the next one."""


class Kind(enum.Enum):
    """What can happen to a process."""

    SHARD_KILLED = "shard killed"
    """It ends without a word; `seconds` later another one starts under its name."""
    SHARD_CUT = "shard cut off"
    """Nothing passes to or from it for `seconds`."""
    SHARD_STALLED = "shard stalled"
    """It does nothing for `seconds`, while datagrams wait for it."""
    SHARD_JOINS = "shard joins"
    """One more starts."""
    SPARE_JOINS = "spare joins"
    """One more starts, and waits until another one is gone."""
    SHARD_LEAVES = "shard leaves"
    """It says farewell; `seconds` later another one starts under its name."""
    SHARD_DRAINS = "shard drains"
    """It is told to end, and leaves when others have what it has; `seconds` later, or then, another
    one starts under its name."""
    SHARD_DOUBLED = "shard doubled"
    """Another process starts under its name while it is there; the older one ends."""
    CLIENT_LEAVES = "client leaves"
    """It says goodbye, and comes back `seconds` later."""
    CLIENT_VANISHES = "client vanishes"
    """It ends without a word, and comes back `seconds` later, its old session still open."""
    CLIENT_CUT = "client cut off"
    """Nothing passes to or from it for `seconds`."""
    STORE_FAILS = "store fails"
    """Nothing is saved for `seconds`."""
    AUTHORITY_RESTARTS = "authority restarts"
    """The replication server ends without a word; `seconds` later it recovers from the store."""
    SHARD_LIES = "shard lies"
    """One more joins, and lies; after `seconds` it comes to its finale (`liarshards`)."""
    SHARD_IDLES = "shard idles"
    """One more joins, and simulates nothing; after `seconds` it leaves, if it is there."""
    CLIENT_LIES = "client lies"
    """One more comes, and lies; after `seconds` it comes to its finale (`liarclients`)."""
    SHARD_DEAF = "shard hears nothing"
    """Nothing passes to it for `seconds`; what it sends does."""
    SHARD_MUTE = "shard is not heard"
    """Nothing passes from it for `seconds`; what it is sent does."""
    CLIENT_DEAF = "client hears nothing"
    """Nothing passes to it for `seconds`; what it sends does."""
    CLIENT_MUTE = "client is not heard"
    """Nothing passes from it for `seconds`; what it is sent does."""
    SHARD_CLOCK_DRIFTS = "shard clock drifts"
    """From now on its clock gains `seconds` every second, or loses them."""
    CLIENT_CLOCK_DRIFTS = "client clock drifts"
    """Likewise."""
    SHARD_CLOCK_JUMPS = "shard clock jumps"
    """Its clock jumps forward by `seconds`."""
    CLIENT_CLOCK_JUMPS = "client clock jumps"
    """Likewise."""
    AUTHORITY_STALLED = "authority stalled"
    """The replication server does nothing for `seconds`, while datagrams wait for it."""
    AUTHORITY_REPLACED = "authority replaced"
    """Another replication server starts on the store; the first goes on, and nobody hears it."""
    STORE_SLOW = "store slow"
    """It answers late for `seconds`."""
    STORE_UNSURE = "store unsure"
    """For `seconds` it takes what is written, sooner or later, and says that it failed."""
    SHARD_FAILS = "shard fails"
    """Its game's code goes wrong in a tick; `seconds` later it starts again."""
    ROCK_REMOVED = "rock removed"
    """The replication server takes a rock out of the world for good."""


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that goes wrong.

    Attributes:
        at: virtual seconds.
        target: index of the shard or client; of a liar, that of its finale.
        seconds: how long, or how long until it is made good.
    """

    at: float
    kind: Kind
    target: int
    seconds: float


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run, as drawn from its seed.

    The defaults are the simplest run there is: a plan that fails is shrunk towards them, part by
    part, and what is as simple as that need not be written down.

    Attributes:
        tick_hz: of the rules.
        shards: that are there from the start.
        pilots: clients that fly.
        observers: clients that look around, jumping.
        sectors_per_side: of the square in which the world begins.
        cell_size: world units.
        view_radius_cells: of the windows of clients.
        belt_share: of the square's side, along which the asteroids begin.
        rocks: which places of the belt hold an asteroid.
        chaos_s: for how long things go wrong.
        link: what all links are like until they heal.
        faults: in the order of time.
        streams: for how long both ends of a stream go by what is old.
        limits: of the authority.
        shard_limits: of every shard.
        client_limits: of every client.
        families: whether there are parents and children.
        entities: that the world begins with beside the rocks: those of a game that is given.
    """

    seed: int = 0
    tick_hz: int = 8
    shards: int = 1
    pilots: int = 0
    observers: int = 0
    sectors_per_side: int = 2
    cell_size: float = 50.0
    view_radius_cells: int = 2
    belt_share: float = 1.0
    rocks: tuple[int, ...] = ()
    chaos_s: float = 0.0
    link: LinkConfig = HEALED
    faults: tuple[Fault, ...] = ()
    streams: StreamLimits = StreamLimits()
    limits: Limits = LIMITS
    shard_limits: ShardLimits = SHARD_LIMITS
    client_limits: ClientLimits = CLIENT_LIMITS
    families: bool = False
    entities: int = 0

    @property
    def lossy(self) -> bool:
        """Whether links do worse than to take time."""
        link = self.link
        return bool(link.loss or link.burst_start or link.duplication or link.reordering)

    @property
    def way_s(self) -> float:
        """Seconds a datagram takes at most, unless it is lost or held up."""
        return self.link.delay_s + self.link.jitter_s

    @property
    def calm(self) -> bool:
        """Whether nothing goes wrong at all; that a client lies is nobody else's concern.

        Nor is it that a shard leaves, if there is time for others to take what it has, or that a
        spare waits.
        """
        taken_s = self.shard_limits.drain_within_s - DRAINS_S - self.adopting_s
        drains = {Kind.SHARD_DRAINS} if self.shards > 1 and taken_s > 0 else set()
        return not self.kinds - _HARMLESS - drains and not self.lossy

    @property
    def freeze_at_s(self) -> float:
        """When the pilots begin to brake."""
        return CHAOS_FROM_S + self.chaos_s

    @property
    def heal_at_s(self) -> float:
        """From when on nothing goes wrong any more."""
        return self.freeze_at_s + FROZEN_S

    @property
    def end_at_s(self) -> float:
        """When everything must agree: later if all sessions had to time out first."""
        end_at_s = self.well_at_s + AGREES_WITHIN_S
        if self.kinds & ENDING:
            # Nobody has anything to simulate then.
            end_at_s += RECOVERY_S + self.adopting_s
        gone = self.silences + sum(fault.kind in _LEAVING for fault in self.faults)
        if gone >= self.shards or (self.silences and Kind.SHARD_DOUBLED in self.kinds):
            # A shard that was silent comes back when its session has timed out, healed or not. What
            # it is given then nobody simulates, if it takes the place of one of its name, or if all
            # others are gone too.
            end_at_s = max(end_at_s, self._back_at_s + self.adopting_s + AGREES_WITHIN_S)
        return end_at_s

    @property
    def well_at_s(self) -> float:
        """When the links have healed, and all are there again that were away."""
        away = (fault for fault in self.faults if fault.kind in _AWAY)
        return max(self.heal_at_s, *(fault.at + self._lasts_s(fault) for fault in away), 0.0)

    @property
    def answer_s(self) -> float:
        """How long after the end a client may wait for an answer, for every call that waits then.

        One call more may be done each time that its action's rate has given room for it; it is
        asked for `call_again_s` after the last time, and is then on its way to the store.
        """
        ways_s = 2.0 * (HEALED.delay_s + 1.0 / self.tick_hz)
        allowed_s = 1.0 / min(PAYS_PER_S, HAILS_PER_S)
        return allowed_s + self.client_limits.call_again_s + ways_s + SAVE_S[1]

    @property
    def adopting_s(self) -> float:
        """How long it takes to give one shard all that there is: the ships come first.

        Sparks of which nobody takes care do not end meanwhile.
        """
        rocks = (1.0 + SPARKS_PER_ASTEROID) * len(self.rocks)
        entities = rocks + self.entities + self.pilots + (Kind.CLIENT_LIES in self.kinds)
        return entities / self.limits.ownership.adopt_records_per_s

    @property
    def _back_at_s(self) -> float:
        """When the last shard is back: the session of one that fell silent has ended by then."""
        gone = [fault for fault in self.faults if fault.kind in _SILENCING | _LEAVING]
        timeout_s = dict.fromkeys(_SILENCING, SESSION_TIMEOUT_S)
        return max(f.at + max(self._lasts_s(f), timeout_s.get(f.kind, 0.0)) for f in gone)

    def _lasts_s(self, fault: Fault) -> float:
        """Seconds until it is made good: a shard that drains may take its time before it ends."""
        drains_s = self.shard_limits.drain_within_s if fault.kind is Kind.SHARD_DRAINS else 0.0
        return max(fault.seconds, drains_s)

    @property
    def kinds(self) -> frozenset[Kind]:
        """What goes wrong, but for the links."""
        return frozenset(fault.kind for fault in self.faults)

    @property
    def writes(self) -> int:
        """Writes to the store after which all is saved that was so before: one is under way."""
        rows = len(self.rocks) + self.entities + (3 if self.families else 2) * self.pilots
        return 1 + math.ceil(rows / self.limits.keeping.batch_rows)

    @property
    def silences(self) -> int:
        """How often a shard falls silent."""
        return sum(fault.kind in _SILENCING for fault in self.faults)

    @property
    def upset_s(self) -> float:
        """How much longer than usual a process may take to act on what the authority decides."""
        return sum(_UPSETTING.get(fault.kind, 0.0) * fault.seconds for fault in self.faults)

    @property
    def restarts(self) -> bool:
        """Whether another authority goes on from the store."""
        return bool(self.kinds & {Kind.AUTHORITY_RESTARTS, Kind.AUTHORITY_REPLACED})

    def describe(self) -> str:
        """Tell the plan in a few lines."""
        link = self.link
        lines = [
            f"{self.shards} shards, {self.pilots} pilots, {self.observers} observers, "
            f"{len(self.rocks)} asteroids in {self.sectors_per_side}² sectors, "
            f"{self.chaos_s:.1f} s of chaos; cells of {self.cell_size:.0f} units, "
            f"{self.view_radius_cells} in view" + ", with families" * self.families,
            f"{self.streams}",
            f"{self.limits}",
            f"shards: {self.shard_limits}",
            f"clients: {self.client_limits}",
            f"links: {link.delay_s * 1e3:.0f} ms + {link.jitter_s * 1e3:.0f} "
            f"(correlation {link.jitter_correlation:.1f}), "
            f"loss {link.loss:.0%}, twice {link.duplication:.0%}, late {link.reordering:.0%}",
        ]
        if link.burst_start:
            lines.append(f"bursts: {link.burst_start:.1%}, of {1.0 / link.burst_end:.1f} datagrams")
        lines += [
            f"{fault.at:.3f} s: {fault.kind.value}, number {fault.target}, {fault.seconds:.2f} s"
            for fault in self.faults
        ]
        return "\n".join(lines)


_SILENCING: Final = frozenset(
    {
        *(Kind.SHARD_KILLED, Kind.SHARD_CUT, Kind.SHARD_STALLED, Kind.SHARD_IDLES),
        *(Kind.SHARD_DEAF, Kind.SHARD_MUTE),
    }
)

_LEAVING: Final = frozenset({Kind.SHARD_LEAVES, Kind.SHARD_DRAINS, Kind.SHARD_FAILS})

_AWAY: Final = frozenset(
    {
        *(Kind.CLIENT_LEAVES, Kind.CLIENT_VANISHES),
        *(Kind.CLIENT_CUT, Kind.CLIENT_DEAF, Kind.CLIENT_MUTE),
        *(Kind.SHARD_LEAVES, Kind.SHARD_DRAINS, Kind.SHARD_KILLED),
        *(Kind.SHARD_FAILS, Kind.SHARD_IDLES),
        *(Kind.SHARD_CUT, Kind.SHARD_DEAF, Kind.SHARD_MUTE, Kind.SHARD_STALLED),
    }
)
"""Of these `seconds` tells when all is well again with whom it strikes."""

_DRIFTS: Final = (Kind.SHARD_CLOCK_DRIFTS, Kind.CLIENT_CLOCK_DRIFTS)

_HARMLESS: Final = frozenset({Kind.CLIENT_LIES, Kind.ROCK_REMOVED, Kind.SPARE_JOINS})

ENDING: Final = frozenset(
    {Kind.AUTHORITY_RESTARTS, Kind.AUTHORITY_REPLACED, Kind.AUTHORITY_STALLED}
)
"""Of these one is enough for a run: sessions end, and have to come back."""

_UPSETTING: Final = {Kind.AUTHORITY_STALLED: 1.0, Kind.SHARD_CLOCK_JUMPS: 1.0, Kind.SHARD_DEAF: 2.0}
"""By how many of its seconds a fault makes a process act late on what was decided."""


def check_plan(plan: Plan) -> None:
    """Check that a plan can be played.

    Raises:
        ConfigError: naming every problem at once.
    """
    problems = []
    if plan.seed < 0 or plan.shards < 1 or plan.pilots < 0 or plan.observers < 0:
        problems.append("seed, pilots and observers must be 0 or more, shards 1 or more")
    if not 1 <= plan.sectors_per_side <= SECTORS_PER_SIDE_MAX:
        problems.append(f"sectors_per_side must be 1 to {SECTORS_PER_SIDE_MAX}")
    if not BELT_SHARE_MIN <= plan.belt_share <= 1.0:
        problems.append(f"belt_share must be {BELT_SHARE_MIN} to 1: no asteroid touches another")
    if len(set(plan.rocks)) < len(plan.rocks) or not set(plan.rocks) <= set(range(BELT_PLACES)):
        problems.append(f"rocks must be different places, 0 to {BELT_PLACES - 1}")
    if not 0.0 <= plan.chaos_s <= CHAOS_S_MAX:
        problems.append(f"chaos_s must be 0 to {CHAOS_S_MAX:.0f}")
    for fault in plan.faults:
        backwards = fault.seconds < 0.0 and fault.kind not in _DRIFTS
        if not CHAOS_FROM_S <= fault.at < plan.heal_at_s or backwards:
            problems.append(f"{fault.kind.value} at {fault.at} s: all is well then")
        if not 0 <= fault.target < targets_of(fault.kind, plan):
            problems.append(f"{fault.kind.value}: there is no number {fault.target}")
    if problems:
        raise ConfigError("; ".join(problems))


def targets_of(kind: Kind, plan: Plan) -> float:
    """Tell how many a fault may strike; of a liar, to how many finales it may come."""
    if kind in (Kind.SHARD_LIES, Kind.CLIENT_LIES):
        return FINALES
    if kind in (Kind.SHARD_JOINS, Kind.SHARD_IDLES, Kind.SPARE_JOINS):
        return math.inf
    clients, rocks = plan.pilots + plan.observers, len(plan.rocks)
    there: dict[str, float] = {"shard": plan.shards, "client": clients, "rock": rocks}
    return there.get(kind.value.partition(" ")[0], math.inf)
