"""The game that ships, at work: how long a shard's tick takes, and how much of that is the game's.

A belt of 3,000 rocks, its stations, and 300 ships that the game flies, on two shards, in virtual
time. Each tick of a shard is measured as its process would run it: with what has come in, what it
simulates, and what it proposes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TextIO

import numpy as np
from virtual import VirtualWorld

from sidereal.game import Game, WorldBuilder
from sidereal.game.declarations import Declarations, declare
from sidereal.games import frontier
from sidereal.games.frontier.asteroids import ASTEROID
from sidereal.games.frontier.traffic.kinds import CRAFT
from sidereal.games.frontier.traffic.upkeep import WANTED
from sidereal.games.frontier.worlds import populate
from sidereal.protocol.runtime.process import settle_memory
from sidereal.protocol.testing.link import LinkConfig
from sidereal.tools.simulate.processes import ShardHost

PER_SIDE: Final = 55
"""Rocks along an edge of the belt: 3,025, but for those that would be where stations are."""
MORE: Final = 1.5
"""Times the traffic of a new world."""
LINK: Final = LinkConfig(delay_s=0.001)
SETTLES_S: Final = 10.0
"""Virtual seconds before anything counts: by then everybody is on its way."""

game = Game("busy", parts=[frontier.game])


@game.world("busy")
def begin(make: WorldBuilder) -> None:
    populate(make, PER_SIDE, {kind: round(MORE * count) for kind, count in WANTED.items()})


class Watch:
    """Takes the time of every tick of the shards.

    Attributes:
        ticks_s: of each that has ended, s.
        logic_s: of these, what models and systems of the game took.
    """

    def __init__(self) -> None:
        self.ticks_s: list[float] = []
        self.logic_s: list[float] = []
        self._logic_s = 0.0

    def time_logic(self, declared: Declarations) -> Declarations:
        """Give a game whose models and systems are timed."""
        return replace(
            declared,
            models=tuple(
                replace(one, function=self._timed(one.function)) for one in declared.models
            ),
            systems=tuple(
                replace(one, function=self._timed(one.function)) for one in declared.systems
            ),
        )

    def time_ticks(self, shard: ShardHost) -> None:
        """Time the ticks of a shard from now on."""
        wake = shard.wake

        def timed(now: float) -> None:
            core, self._logic_s = shard.core, 0.0
            assert core is not None
            tick, began = core.tick, time.process_time()
            wake(now)
            spent = time.process_time() - began
            if core.tick > tick:
                self.ticks_s.append(spent)
                self.logic_s.append(self._logic_s)

        shard.wake = timed  # type: ignore[method-assign]

    def _timed(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def timed(argument: Any) -> Any:
            began = time.process_time()
            function(argument)
            self._logic_s += time.process_time() - began

        timed.__name__ = function.__name__
        return timed


def measure(*, quick: bool, out: TextIO) -> dict[str, tuple[float, str]]:
    """Give the cases, each with its unit, and tell people about them; on one processor."""
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(processors)})
    try:
        return _measure(10.0 if quick else 60.0, out)
    finally:
        os.sched_setaffinity(0, processors)


def _measure(seconds: float, out: TextIO) -> dict[str, tuple[float, str]]:
    watch = Watch()
    declared = watch.time_logic(declare(game))
    settle_memory()  # as a shard's process does
    world = VirtualWorld(declared, "busy", link=LINK, clients_max=1, seed=1, strict=False)
    world.run(SETTLES_S)
    for shard in world.shards:
        watch.time_ticks(shard)
    world.run(seconds)
    columns = world.core.world.columns
    kinds = columns["kind"][columns.rows()]
    rocks = int((kinds == declared.kind_number(str(ASTEROID))).sum())
    ships = sum(int((kinds == declared.kind_number(str(kind))).sum()) for kind in CRAFT)
    assert rocks > 2000
    assert ships > 200
    assert all(shard.serves and not shard.fallen for shard in world.shards)
    ticks_ms, logic_ms = 1000 * np.array(watch.ticks_s), 1000 * np.array(watch.logic_s)
    p50, p99 = np.percentile(ticks_ms, [50, 99])
    share = float(logic_ms.sum() / ticks_ms.sum())
    print(
        f"{ships} ships and {rocks:,} rocks on two shards: a tick takes {p50:.2f} ms in the "
        f"median, {p99:.2f} ms in the 99th percentile; the game's part is {share:.0%}, "
        f"{np.median(logic_ms):.2f} and {np.percentile(logic_ms, 99):.2f} ms",
        file=out,
    )
    return {
        "frontier_tick_ms": (float(p99), "ms"),
        "frontier_tick_ms_p50": (float(p50), "ms"),
        "frontier_game_share": (share, "share"),
    }
