"""Bots that fly between shards: what every handover costs whom.

Every bot presses a button again and again, which a model counts: an input that is lost is a press
less, one that is flown twice a press more. A handover is followed from the tick of the decision to
the first tick that the new owner simulates. Some of the bots look at the others, tick by tick.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Final, NamedTuple

import numpy as np

from shard_cases.cluster import Bot, Cluster
from shard_cases.meeting import count_overlaps
from sidereal.client.view import View
from sidereal.game import U4, Component, Game, Rows, Stage
from sidereal.game.bits import pack
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of
from sidereal.games import frontier
from sidereal.games.frontier.worlds import worlds
from sidereal.protocol.rules import Rules
from sidereal.protocol.testing.link import LinkConfig
from sidereal.tools.bots.behaviour import choose_behaviour

BOTS: Final = 200
SHARDS: Final = 4
COMES_S: Final = 6.0
"""Seconds over which bots come."""
RESTS_S: Final = 3.0
"""Seconds in the end in which nobody presses, so that all that was pressed has been flown."""
WATCHERS: Final = 4
"""Bots that look at the others."""
ALONE: Final = 40.0
"""World units within which a ship that is judged has nobody: a collision turns it at once, and
handovers come before collisions."""
SHOWS: Final = (-2, 12)
"""Ticks after a handover in which the picture of a ship may show it."""
RULES: Final = Rules(sector_size=500.0)
"""Smaller sectors than usual: there is more to hand over."""
SEED: Final = 7
ASKED: Final = ("0", "40")
"""The links of which something is asked."""


class Count(Component, saved=False):
    """How often its pilot has pressed."""

    presses: U4


game = Game("counting", parts=[frontier.flight, frontier.rocks, frontier.bots, worlds])
game.extend(frontier.SHIP, Count())


@game.model(Count, reads=(frontier.Stick,), stage=Stage.TICK)
def count_presses(own: Rows) -> None:
    """Count what a pilot presses."""
    own[Count].presses += own[frontier.Stick].fire


GAME: Final = declare(game)
PRESSES: Final = column_of(Count, Count.fields["presses"])
PRESS: Final = pack(frontier.Stick(fire=1))


class Flown(NamedTuple):
    """What came of a run.

    Attributes:
        lost: ships that are gone, or that nobody simulates.
        doubled: ships that two shards simulated under their newest epoch.
        inputs_lost: presses that were not flown; `inputs_doubled`, that were flown once more.
        gaps: int64[handovers], ticks in which nobody flew a ship as it was handed over.
        jumps: float64[k], world units, by which ships with nobody near by were drawn off their way
            about a handover.
        plain_jumps: likewise, at all other times.
        across: pairs of overlapping ships of different owners, summed over all ticks.
    """

    lost: int
    doubled: int
    inputs_lost: int
    inputs_doubled: int
    gaps: np.ndarray
    jumps: np.ndarray
    plain_jumps: np.ndarray
    across: int


class Handovers:
    """Follows ships from owner to owner.

    Attributes:
        decided: by id, the epochs of its owners and the ticks from which on these were.
        doubled: ids of those that two shards simulated under their newest epoch.
        across: pairs of overlapping ships of different owners, summed over all ticks.
    """

    def __init__(self) -> None:
        self.decided: dict[int, list[tuple[int, int]]] = {}
        self.doubled: set[int] = set()
        self.across = 0

    @property
    def count(self) -> int:
        """Of handovers: the first owner of a ship is none."""
        return sum(len(epochs) - 1 for epochs in self.decided.values())

    def follow(self, cluster: Cluster) -> None:
        """Look at the world after a tick."""
        self.across += count_overlaps(cluster)
        columns = cluster.core.world.columns
        rows = columns.rows()
        rows = rows[columns["shard"][rows] > 0]
        ids, epochs = columns.net_id[rows], columns.epoch[rows]
        for net_id, epoch in zip(ids.tolist(), epochs.tolist(), strict=True):
            known = self.decided.setdefault(net_id, [])
            if not known or known[-1][0] != epoch:
                known.append((epoch, cluster.tick))
        held = []
        for shard in cluster.shards:
            if shard.core is not None and shard.core.bodies is not None:
                bodies = shard.core.bodies
                mine = bodies.rows_of(ids)
                held.append(ids[(mine >= 0) & (bodies.columns.epoch[mine] == epochs)])
        found, times = np.unique(np.concatenate(held), return_counts=True)
        self.doubled |= set(found[times > 1].tolist())

    def gaps(self, cluster: Cluster) -> list[int]:
        """Count the ticks in which nobody flew a ship as it was handed over."""
        flown: dict[tuple[int, int], int] = {}
        for shard in cluster.shards:
            flown |= shard.flown
        gaps = []
        for net_id, epochs in self.decided.items():
            for at, (_, tick) in enumerate(epochs[1:], 1):
                firsts = [flown.get((net_id, epoch), math.inf) for epoch, _ in epochs[at:]]
                if (first := min(firsts)) < math.inf:
                    gaps.append(max(0, int(first) - tick - 1))
        return gaps


class Watcher:
    """Looks at what a client draws of others."""

    def __init__(self, bot: Bot, handovers: Handovers) -> None:
        self.jumps: list[float] = []
        self.plain_jumps: list[float] = []
        self._bot = bot
        self._handovers = handovers
        self._before: View | None = None

    def look(self, cluster: Cluster) -> None:
        """Compare a picture with the one before."""
        core = self._bot.core
        if core is None or core.replica is None or core.own_state is None:
            return
        view, before = core.view(self._bot.local(cluster.now)), self._before
        self._before = view
        if before is None or not 0 < view.tick - before.tick < 3:
            return
        _, now, then = np.intersect1d(view.net_id, before.net_id, return_indices=True)
        dt = (view.tick - before.tick) * cluster.rules.tick_s
        off_x, off_y = (
            getattr(view, name)[now]
            - getattr(before, name)[then]
            - (getattr(view, speed)[now] + getattr(before, speed)[then]) / 2 * dt
            for name, speed in (("x", "vx"), ("y", "vy"))
        )
        off = np.hypot(off_x, off_y)
        alone = _is_alone(view)[now] & _is_alone(before)[then] & (now != view.own)
        for at, jump in zip(now[alone].tolist(), off[alone].tolist(), strict=True):
            epochs = self._handovers.decided.get(int(view.net_id[at]), [])[1:]
            near = any(SHOWS[0] <= view.tick - tick <= SHOWS[1] for _, tick in epochs[-2:])
            (self.jumps if near else self.plain_jumps).append(jump)


def _is_alone(view: View) -> np.ndarray:
    """Tell who has nobody near by, bool[n]."""
    apart = np.hypot(view.x[:, None] - view.x, view.y[:, None] - view.y)
    return np.asarray((apart < ALONE).sum(axis=1) == 1)


def layout(x: int, y: int) -> int:
    """Let four shards meet at every corner of a sector."""
    return x % 2 + 2 * (y % 2)


def fly(wanted: int, shards: int, link: LinkConfig, seconds_max: float) -> Flown:
    """Let bots fly until so many ships have changed hands, or for so many seconds."""
    cluster = Cluster(GAME, layout, shards=shards, seed=SEED, link=link, rules=RULES, bots_max=BOTS)
    behaviour = choose_behaviour(GAME, "star")
    assert behaviour is not None
    handovers = Handovers()
    for number in range(BOTS):
        bot = cluster.add_bot(behaviour, mirror=number < WATCHERS)
        bot.come(cluster.now + COMES_S * number / BOTS)
    watchers = [Watcher(bot, handovers) for bot in cluster.bots[:WATCHERS]]
    cluster.follow += [handovers.follow, *(watcher.look for watcher in watchers)]
    hz = cluster.rules.tick_hz
    cluster.run_ticks(round(COMES_S * hz) + hz)
    for bot in cluster.bots:
        bot.press = PRESS
    end = cluster.tick + round(seconds_max * hz)
    while handovers.count < wanted and cluster.tick < end:
        cluster.run_ticks(hz)
    for bot in cluster.bots:
        bot.press = 0
    cluster.run_ticks(round(RESTS_S * hz))
    columns = cluster.core.world.columns
    rows = columns.rows_of([bot.core.net_id for bot in cluster.bots if bot.core is not None])
    lost = BOTS - len(rows) + int(((rows < 0) | (columns["shard"][rows] == 0)).sum())
    off = columns[PRESSES][rows].astype(np.int64) - [bot.pressed for bot in cluster.bots]
    return Flown(
        lost,
        len(handovers.doubled),
        int(-off[off < 0].sum()),
        int(off[off > 0].sum()),
        np.array(handovers.gaps(cluster), np.int64),
        np.concatenate([watcher.jumps for watcher in watchers]),
        np.concatenate([watcher.plain_jumps for watcher in watchers]),
        handovers.across,
    )


def crowd(bots: int, seconds: float, link: LinkConfig) -> tuple[int, int]:
    """Let everybody fly to a corner of four shards: overlaps of owners, and handovers."""
    cluster = Cluster(GAME, layout, shards=SHARDS, seed=SEED, link=link, bots_max=bots)
    behaviour = choose_behaviour(GAME, "crowd")
    assert behaviour is not None
    handovers = Handovers()
    for number in range(bots):
        cluster.add_bot(behaviour).come(cluster.now + COMES_S * number / bots)
    cluster.follow.append(handovers.follow)
    cluster.run_ticks(round((COMES_S + seconds) * cluster.rules.tick_hz))
    return handovers.across, handovers.count


def measure(links: dict[str, LinkConfig], *, quick: bool) -> tuple[dict[str, Flown], Flown]:
    """Fly over all links, and once on one shard without a network.

    Over those of which nothing is asked a tenth of the handovers will do.

    Returns:
        what came of it by the link, and on one shard.
    """
    wanted, seconds_max = (1000, 120.0) if quick else (10_000, 1200.0)
    flown = {}
    for name, link in links.items():
        began_at = time.monotonic()
        count = wanted if name in ASKED else wanted // 10
        flown[name] = fly(count, SHARDS, link, seconds_max)
        took_s = time.monotonic() - began_at
        print(f"star, {name} ms: {took_s:.0f} s", file=sys.stderr, flush=True)
    alone = fly(1, 1, LinkConfig(), 30.0 if quick else 60.0)
    # What is to be 0 is 0 where nothing is handed over: the count itself is right.
    assert (alone.inputs_lost, alone.inputs_doubled, alone.lost, alone.across) == (0, 0, 0, 0)
    return flown, alone


def tabulate(flown: dict[str, Flown], alone: Flown) -> list[str]:
    """Make a table for people."""
    titles = (
        *("delay, ms", "handovers", "lost", "doubled", "inputs lost", "inputs doubled"),
        *("gap, ticks: mean", "largest", "jump p99, units", "others' p99", "overlaps across"),
    )
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    for name, one in [*flown.items(), ("one shard", alone)]:
        cells = (
            *(name, len(one.gaps), one.lost, one.doubled, one.inputs_lost, one.inputs_doubled),
            f"{one.gaps.mean() if len(one.gaps) else 0:.2f}",
            one.gaps.max(initial=0),
            *(f"{_p99(jumps):.3f}" for jumps in (one.jumps, one.plain_jumps)),
            one.across,
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def numbers(flown: dict[str, Flown], alone: Flown) -> dict[str, tuple[float, str]]:
    """Give the cases, each with its unit: of both delays the worse, unless the name has one."""
    near, far = (flown[name] for name in ASKED)
    jump = max(_p99(one.jumps) for one in (near, far)) - _p99(alone.plain_jumps)
    return {
        "handover_lost": (max(one.lost for one in (near, far)), "ships"),
        "handover_doubled": (max(one.doubled for one in (near, far)), "ships"),
        "handover_inputs_lost": (max(one.inputs_lost for one in (near, far)), "inputs"),
        "handover_inputs_doubled": (max(one.inputs_doubled for one in (near, far)), "inputs"),
        "handover_jump_units_p99": (jump, "units beyond one shard's"),
        "handover_gap_ticks_max": (int(near.gaps.max(initial=0)), "ticks"),
        "handover_gap_40ms_ticks_max": (int(far.gaps.max(initial=0)), "ticks"),
    }


def _p99(values: np.ndarray) -> float:
    return float(np.quantile(values, 0.99)) if len(values) else 0.0
