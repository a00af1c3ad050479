"""How plans are drawn from their seeds."""

from __future__ import annotations

import dataclasses
import math
from typing import Final, NamedTuple

import msgspec
import numpy as np

from sidereal.protocol.testing.link import LinkConfig
from sidereal.replication.limits import Limits
from sidereal.shard.limits import Limits as ShardLimits
from sidereal.tools.simulate.faults import (
    CHAOS_FROM_S,
    CHAOS_S,
    DRAINS_S,
    ENDING,
    FREEZE_AT_S,
    Fault,
    Kind,
    Plan,
    targets_of,
)
from sidereal.tools.simulate.scene import BELT_PLACES
from sidereal.tools.simulate.small import (
    draw_asks,
    draw_balance,
    draw_births,
    draw_client_limits,
    draw_fleet,
    draw_islands,
    draw_limits,
    draw_links,
    draw_shard_limits,
    draw_streams,
)

CALM_SHARE: Final = 0.2
"""Share of seeds in which nothing goes wrong but that datagrams take time."""

BURSTS_SHARE: Final = 0.4
"""Share of seeds, but for the calm ones, in which links lose datagrams in bursts too."""

BURST_START_MAX: Final = 0.02

BURST_SIZE_MAX: Final = 8.0
"""Datagrams a burst lasts on average, at most."""

VIEWS: Final = ((50.0, 2, 1.0), (50.0, 6, 1.0), (100.0, 3, 1.0), (200.0, 1, 0.5))
VIEW_SHARES: Final = (0.55, 0.15, 0.15, 0.15)
"""Sizes of cells, world units, radii of windows in cells, shares of the belt; and how likely each
is: what is in large windows does not fit into one tick's datagrams, nor a crowd into one part."""

FAMILIES_SHARE: Final = 0.3
"""Share of seeds in which there are parents and children."""

DOUBLED_SHARE: Final = 0.2
"""Share of seeds in which a second process takes the name of a shard."""

IMPATIENT_S: Final = 0.7
"""How long a shard may leave a pilot without an answer in a world in which all others are well."""

WATCHFUL_S: Final = 0.6
"""How long a shard may be silent in a world with one that lies, in which all others are well; rows
are of long ago after twice as long."""


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
    """

    share: float
    calm_share: float
    latest_s: float
    least_s: float
    most_s: float


_ODDS: Final = {
    Kind.SHARD_LIES: _Odds(0.12, 0.12, 1.0, 0.6, 1.3),
    Kind.SHARD_IDLES: _Odds(0.08, 0.12, 0.9, 2.2, 2.6),
    Kind.CLIENT_LIES: _Odds(0.12, 0.4, 1.4, 0.3, 1.0),
    Kind.SHARD_DEAF: _Odds(0.1, 0.0, 1.5, 0.2, 0.8),
    Kind.SHARD_MUTE: _Odds(0.1, 0.0, 1.5, 0.2, 1.5),
    Kind.CLIENT_DEAF: _Odds(0.1, 0.0, 1.8, 0.2, 1.2),
    Kind.CLIENT_MUTE: _Odds(0.1, 0.0, 1.8, 0.2, 1.2),
    Kind.SHARD_CLOCK_DRIFTS: _Odds(0.15, 0.0, 0.7, -0.01, 0.01),
    Kind.CLIENT_CLOCK_DRIFTS: _Odds(0.15, 0.0, 0.7, -0.01, 0.01),
    Kind.SHARD_CLOCK_JUMPS: _Odds(0.1, 0.0, 2.0, 0.05, 0.4),
    Kind.CLIENT_CLOCK_JUMPS: _Odds(0.1, 0.0, 2.0, 0.05, 0.4),
    Kind.AUTHORITY_STALLED: _Odds(0.1, 0.0, 1.2, 0.2, 1.5),
    Kind.AUTHORITY_REPLACED: _Odds(0.08, 0.0, 1.5, 0.0, 0.0),
    Kind.STORE_SLOW: _Odds(0.12, 0.0, 2.0, 0.5, 1.0),
    Kind.STORE_UNSURE: _Odds(0.15, 0.0, 2.0, 0.3, 1.2),
    Kind.ROCK_REMOVED: _Odds(0.25, 0.4, 2.6, 0.0, 0.0),
    Kind.SHARD_FAILS: _Odds(0.12, 0.0, 1.8, 0.2, 1.0),
    Kind.SHARD_DRAINS: _Odds(0.25, 0.3, 1.8, 0.2, 1.0),
    Kind.SPARE_JOINS: _Odds(0.2, 0.15, 0.9, 0.0, 0.0),
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
    # Of a family of its own: what was drawn before there were so many limits stays as it was.
    small = np.random.default_rng([seed, 2])
    streams, limits = draw_streams(rng), draw_links(draw_limits(rng), small)
    shard_limits, client_limits = draw_shard_limits(small), draw_client_limits(small)
    births, asks, islands, fleet = (np.random.default_rng([seed, more]) for more in (3, 4, 6, 7))
    limits, shard_limits = draw_births(limits, shard_limits, births, len(rocks) + pilots)
    limits, shard_limits = draw_asks(draw_islands(limits, islands), shard_limits, asks)
    doubled, at, target = rng.random(3).tolist()
    cell_size, view_radius, belt_share = VIEWS[int(rng.choice(len(VIEWS), p=VIEW_SHARES))]
    if doubled < DOUBLED_SHARE:
        double = Fault(CHAOS_FROM_S + at, Kind.SHARD_DOUBLED, int(target * shards), 0.0)
        faults = tuple(sorted((*faults, double), key=lambda fault: fault.at))
    link = LinkConfig(delay_s=delay_s, jitter_s=jitter_s, jitter_correlation=correlation)
    if not calm:
        link = dataclasses.replace(link, loss=float(loss), duplication=float(twice))
        link = dataclasses.replace(link, reordering=float(late), reordering_s=0.12)
        link = _with_bursts(link, burst_size, burst_start if bursts < BURSTS_SHARE else 0.0)
    plan = Plan(
        seed,
        tick_hz,
        shards,
        pilots,
        observers,
        side,
        cell_size,
        view_radius,
        belt_share,
        rocks,
        CHAOS_S,
        link,
        () if calm else faults,
        streams,
        draw_balance(limits, fleet),
        draw_fleet(shard_limits, fleet),
        client_limits,
        bool(np.random.default_rng([seed, 5]).random() < FAMILIES_SHARE),
    )
    return _with_more(plan, rng.spawn(1)[0], calm)


def _with_bursts(link: LinkConfig, size: float, start: float) -> LinkConfig:
    """Let a link lose datagrams in bursts, too: their size and start as shares of the most."""
    burst_end = 1.0 / (1.0 + size * (BURST_SIZE_MAX - 1.0))
    return dataclasses.replace(link, burst_start=start * BURST_START_MAX, burst_end=burst_end)


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


def _with_more(plan: Plan, rng: np.random.Generator, calm: bool) -> Plan:
    """Draw what is left, by draws of its own: a kind more does not reshuffle anything else."""
    more = []
    for kind, odds in _ODDS.items():
        on, at, seconds, target = rng.random(4).tolist()
        if on < (odds.calm_share if calm else odds.share):
            at_s = CHAOS_FROM_S + at * (odds.latest_s - CHAOS_FROM_S)
            seconds = odds.least_s + seconds * (odds.most_s - odds.least_s)
            count = targets_of(kind, plan)
            number = int(target * count) if count < math.inf else 0
            more.append(Fault(at_s, kind, number, seconds))
    faults = sorted((*plan.faults, *more), key=lambda fault: fault.at)
    ending = [fault for fault in faults if fault.kind in ENDING]
    limits = plan.limits
    if calm and any(fault.kind is Kind.SHARD_IDLES for fault in more):
        limits = _impatient(limits)
    if calm and any(fault.kind is Kind.SHARD_LIES for fault in more):
        limits = _watchful(limits)
    shard_limits = plan.shard_limits
    if calm and any(fault.kind is Kind.SHARD_DRAINS for fault in more):
        shard_limits = _patient(plan)
    kept = tuple(fault for fault in faults if fault not in ending[1:])
    return msgspec.structs.replace(plan, faults=kept, limits=limits, shard_limits=shard_limits)


def _patient(plan: Plan) -> ShardLimits:
    """Let a shard that is to leave wait until others have all that it has."""
    return dataclasses.replace(
        plan.shard_limits, drain_within_s=2 * DRAINS_S + plan.adopting_s, drain_silence_s=1.0
    )


def _impatient(limits: Limits) -> Limits:
    """Let a shard be closed sooner that leaves its pilots without an answer."""
    ownership = dataclasses.replace(limits.ownership, answer_within_s=IMPATIENT_S)
    return dataclasses.replace(limits, ownership=ownership)


def _watchful(limits: Limits) -> Limits:
    """Let rows be of long ago so soon that a shard can lie about it within a run."""
    shards = dataclasses.replace(
        limits.shards, silence_s=WATCHFUL_S, late_s=min(WATCHFUL_S, limits.shards.late_s)
    )
    proposals = dataclasses.replace(limits.proposals, unreported_s=2 * WATCHFUL_S)
    return dataclasses.replace(limits, shards=shards, proposals=proposals)
