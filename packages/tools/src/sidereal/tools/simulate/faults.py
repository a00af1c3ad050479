"""What goes wrong in a run, as plain values drawn from the seed: it can be told, and shrunk.

A run has four parts. *Before* `CHAOS_FROM_S` everybody connects; for `Plan.chaos_s` things go
wrong; then, from `Plan.freeze_at_s` on, the pilots brake while the links are still bad, so that no
fresh traffic hides what was lost; from `Plan.heal_at_s` on nothing is lost any more, and at
`Plan.end_at_s` everything must agree.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from typing import Final, NamedTuple

import msgspec
import numpy as np

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.rules import StreamLimits
from sidereal.protocol.testing.link import LinkConfig
from sidereal.replication.limits import LIMITS, Limits
from sidereal.tools.simulate.scene import BELT_PLACES
from sidereal.tools.simulate.small import draw_limits, draw_streams

CHAOS_FROM_S: Final = 0.6
CHAOS_S: Final = 2.0
FROZEN_S: Final = 0.8
AGREES_WITHIN_S: Final = 1.84
RECOVERY_S: Final = 0.5
CHAOS_S_MAX: Final = 600.0
SECTORS_PER_SIDE_MAX: Final = 8
FREEZE_AT_S: Final = CHAOS_FROM_S + CHAOS_S

HEALED: Final = LinkConfig(delay_s=0.008)
"""What links are like in the end: everything a tick sends arrives before the next one."""

CALM_SHARE: Final = 0.2
"""Share of seeds in which nothing goes wrong but that datagrams take time."""

BURSTS_SHARE: Final = 0.4
"""Share of seeds, but for the calm ones, in which links lose datagrams in bursts too."""
BURST_START_MAX: Final = 0.02
BURST_SIZE_MAX: Final = 8.0
"""Datagrams a burst lasts on average, at most."""


DOUBLED_SHARE: Final = 0.2
"""Share of seeds in which a second process takes the name of a shard."""


IMPATIENT_S: Final = 0.7
"""How long a shard may leave a pilot without an answer in a world in which all others are well."""


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
    SHARD_LEAVES = "shard leaves"
    """It says farewell; `seconds` later another one starts under its name."""
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
        rocks: which places of the belt hold an asteroid.
        chaos_s: for how long things go wrong.
        link: what all links are like until they heal.
        faults: in the order of time.
        streams: for how long both ends of a stream go by what is old.
        limits: of the authority.
    """

    seed: int = 0
    tick_hz: int = 8
    shards: int = 1
    pilots: int = 0
    observers: int = 0
    sectors_per_side: int = 2
    rocks: tuple[int, ...] = ()
    chaos_s: float = 0.0
    link: LinkConfig = HEALED
    faults: tuple[Fault, ...] = ()
    streams: StreamLimits = StreamLimits()
    limits: Limits = LIMITS

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
        """Whether nothing goes wrong at all; that a client lies is nobody else's concern."""
        return not self.kinds - {Kind.CLIENT_LIES} and not self.lossy

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
        restarts = Kind.AUTHORITY_RESTARTS in self.kinds
        return self.heal_at_s + AGREES_WITHIN_S + (RECOVERY_S if restarts else 0.0)

    @property
    def kinds(self) -> frozenset[Kind]:
        """What goes wrong, but for the links."""
        return frozenset(fault.kind for fault in self.faults)

    @property
    def silences(self) -> int:
        """How often a shard falls silent."""
        return sum(fault.kind in _SILENCING for fault in self.faults)

    def describe(self) -> str:
        """Tell the plan in a few lines."""
        link = self.link
        lines = [
            f"{self.shards} shards, {self.pilots} pilots, {self.observers} observers, "
            f"{len(self.rocks)} asteroids in {self.sectors_per_side}² sectors, "
            f"{self.chaos_s:.1f} s of chaos",
            f"{self.streams}",
            f"{self.limits.world}, {self.limits.ownership}, {self.limits.edge}",
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


_OF_CLIENTS: Final = frozenset({Kind.CLIENT_LEAVES, Kind.CLIENT_VANISHES, Kind.CLIENT_CUT})
_OF_SHARDS: Final = frozenset(
    {
        Kind.SHARD_KILLED,
        Kind.SHARD_CUT,
        Kind.SHARD_STALLED,
        Kind.SHARD_LEAVES,
        Kind.SHARD_DOUBLED,
    }
)
"""What strikes somebody who is in the plan from the start."""

_SILENCING: Final = frozenset(
    {Kind.SHARD_KILLED, Kind.SHARD_CUT, Kind.SHARD_STALLED, Kind.SHARD_IDLES}
)

_CHANCES: Final = {
    Kind.SHARD_KILLED: (0.25, 0.3, 1.5),
    Kind.SHARD_CUT: (0.3, 0.3, 2.4),
    Kind.SHARD_STALLED: (0.15, 0.1, 1.5),
    Kind.SHARD_JOINS: (0.3, 0.0, 0.0),
    Kind.SHARD_LEAVES: (0.2, 0.2, 1.0),
    Kind.CLIENT_LEAVES: (0.35, 0.2, 1.2),
    Kind.CLIENT_VANISHES: (0.25, 0.1, 0.8),
    Kind.CLIENT_CUT: (0.25, 0.2, 1.2),
    Kind.STORE_FAILS: (0.2, 0.3, 2.0),
    Kind.AUTHORITY_RESTARTS: (0.12, 0.1, 0.5),
}
"""How likely a fault is in a seed, and the bounds of its seconds."""

_LATEST_S: Final = {
    # A session that has fallen silent ends after three seconds; then all is to be well again.
    Kind.SHARD_CUT: 1.5,
    Kind.SHARD_STALLED: 1.5,
    Kind.SHARD_KILLED: 1.8,
    Kind.AUTHORITY_RESTARTS: 1.5,
    Kind.CLIENT_CUT: 1.8,
}


class _Odds(NamedTuple):
    """How a fault is drawn.

    Attributes:
        share: of the seeds in which something goes wrong.
        calm_share: of those in which nothing else does.
        latest_s: when it begins at the latest, virtual seconds.
        least_s: bounds of its seconds; likewise `most_s`.
        targets: how many there are to choose from.
    """

    share: float
    calm_share: float
    latest_s: float
    least_s: float
    most_s: float
    targets: int


_ODDS: Final = {
    Kind.SHARD_LIES: _Odds(0.12, 0.25, 1.0, 0.6, 1.3, 3),
    Kind.SHARD_IDLES: _Odds(0.08, 0.25, 0.9, 2.2, 2.6, 1),
    Kind.CLIENT_LIES: _Odds(0.12, 0.4, 1.4, 0.3, 1.0, 3),
}
"""What is drawn after all else."""


def draw_plan(seed: int, rng: np.random.Generator) -> Plan:
    """Draw a run."""
    tick_hz = 20 if rng.random() < 0.05 else 8
    shards = 3 if rng.random() < 0.4 else 2
    pilots = int(rng.integers(1, 4))
    observers = int(rng.integers(0, 2))
    side = int(rng.integers(2, 4))
    rocks = tuple(range(int(rng.integers(40, BELT_PLACES))))
    calm = bool(rng.random() < CALM_SHARE)
    delay_s, jitter_s = float(rng.uniform(0.002, 0.045)), float(rng.uniform(0.0, 0.02))
    # Every draw is made in every seed: a changed chance does not reshuffle the rest.
    loss, twice, late = (rng.random(3) < 0.7) * rng.uniform(0.0, (0.2, 0.15, 0.2))
    faults = _draw_faults(rng, shards, pilots + observers)
    bursts, burst_start, burst_size, correlation = rng.random(4).tolist()
    streams, limits = draw_streams(rng), draw_limits(rng)
    doubled, at, target = rng.random(3).tolist()
    if doubled < DOUBLED_SHARE:
        double = Fault(CHAOS_FROM_S + at, Kind.SHARD_DOUBLED, int(target * shards), 0.0)
        faults = tuple(sorted((*faults, double), key=lambda fault: fault.at))
    link = LinkConfig(delay_s=delay_s, jitter_s=jitter_s, jitter_correlation=correlation)
    more = _draw_more(rng.spawn(1)[0], calm)
    if calm:
        faults = ()
        if any(fault.kind is Kind.SHARD_IDLES for fault in more):
            limits = _impatient(limits)
    else:
        link = dataclasses.replace(
            link,
            loss=float(loss),
            burst_start=burst_start * BURST_START_MAX if bursts < BURSTS_SHARE else 0.0,
            burst_end=1.0 / (1.0 + burst_size * (BURST_SIZE_MAX - 1.0)),
            duplication=float(twice),
            reordering=float(late),
            reordering_s=0.12,
        )
    faults = tuple(sorted((*faults, *more), key=lambda fault: fault.at))
    return Plan(
        seed,
        tick_hz,
        shards,
        pilots,
        observers,
        side,
        rocks,
        CHAOS_S,
        link,
        faults,
        streams,
        limits,
    )


def _draw_faults(rng: np.random.Generator, shards: int, clients: int) -> tuple[Fault, ...]:
    faults = []
    for kind, (chance, least, most) in _CHANCES.items():
        on, at, seconds, target = rng.random(4).tolist()
        if on >= chance:
            continue
        latest = _LATEST_S.get(kind, FREEZE_AT_S)
        count = clients if kind.value.startswith("client") else shards
        number = shards if kind is Kind.SHARD_JOINS else int(target * count)
        faults.append(
            Fault(
                CHAOS_FROM_S + at * (latest - CHAOS_FROM_S),
                kind,
                number,
                least + seconds * (most - least),
            )
        )
    if any(fault.kind is Kind.SHARD_CUT for fault in faults):
        # Cut off while it stalls, a shard would notice too late for the end of the run.
        faults = [fault for fault in faults if fault.kind is not Kind.SHARD_STALLED]
    return tuple(sorted(faults, key=lambda fault: fault.at))


def _draw_more(rng: np.random.Generator, calm: bool) -> tuple[Fault, ...]:
    """Draw what is left, by draws of its own: a kind more does not reshuffle anything else."""
    more = []
    for kind, odds in _ODDS.items():
        on, at, seconds, target = rng.random(4).tolist()
        if on < (odds.calm_share if calm else odds.share):
            at_s = CHAOS_FROM_S + at * (odds.latest_s - CHAOS_FROM_S)
            seconds = odds.least_s + seconds * (odds.most_s - odds.least_s)
            more.append(Fault(at_s, kind, int(target * odds.targets), seconds))
    return tuple(more)


def _impatient(limits: Limits) -> Limits:
    """Let a shard be closed sooner that leaves its pilots without an answer."""
    ownership = dataclasses.replace(limits.ownership, answer_within_s=IMPATIENT_S)
    return dataclasses.replace(limits, ownership=ownership)


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
    if len(set(plan.rocks)) < len(plan.rocks) or not set(plan.rocks) <= set(range(BELT_PLACES)):
        problems.append(f"rocks must be different places, 0 to {BELT_PLACES - 1}")
    if not 0.0 <= plan.chaos_s <= CHAOS_S_MAX:
        problems.append(f"chaos_s must be 0 to {CHAOS_S_MAX:.0f}")
    for fault in plan.faults:
        if not CHAOS_FROM_S <= fault.at < plan.heal_at_s or not fault.seconds >= 0.0:
            problems.append(f"{fault.kind.value} at {fault.at} s: all is well then")
        if not 0 <= fault.target < _targets_of(fault.kind, plan):
            problems.append(f"{fault.kind.value}: there is no number {fault.target}")
    if problems:
        raise ConfigError("; ".join(problems))


def _targets_of(kind: Kind, plan: Plan) -> float:
    """Tell how many a fault may strike."""
    if kind in _OF_CLIENTS:
        return plan.pilots + plan.observers
    if kind in _ODDS:
        return _ODDS[kind].targets
    return plan.shards if kind in _OF_SHARDS else math.inf
