"""How long it takes until what was saved runs, and what who flies sees of it.

Real processes: `up --reload` with bots, and the game that ships in a module of its own, which gets
another number each time. It is timed from the save until `up` says that the last shard has been
replaced; then the status has to show that only new code runs. Some pilots of the benchmark tell how
long their ships stood meanwhile. Between two saves all settles.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from fault_cases.pilots import Pilot, fly
from fault_cases.running import ANY_PORTS, World, ended, flying, scratch, sidereal, wait_until

BOTS: Final = 20
SHARDS: Final = 2
PILOTS: Final = 4
SAVES: Final = 11
SETTLES_S: Final = 4.0
"""How long pilots fly between two saves: by then the supervisor has another process ready."""
LOOK_S: Final = 0.005
GAME: Final = """
from sidereal.game import Game, Step
from sidereal.games.frontier.play import game as frontier

game = Game("saved", parts=[frontier])

@game.system
def look(step: Step) -> None:
    assert step.tick >= 0, {number}
"""


class Reloads(NamedTuple):
    """What came of all saves.

    Attributes:
        took_s: float64[n], seconds from each save until only shards with its code simulated.
        stood_s: float64[n], the longest that a pilot was shown no new input of its to be flown.
        left: clients that were disconnected.
        rejected: how many rows were refused.
    """

    took_s: np.ndarray
    stood_s: np.ndarray
    left: int
    rejected: int

    @property
    def median_s(self) -> float:
        """Of all saves."""
        return float(np.median(self.took_s))


def measure(*, quick: bool) -> Reloads:
    """Save a game again and again while it runs."""
    bots, saves = (5, 3) if quick else (BOTS, SAVES)
    with scratch() as folder:
        file = folder / "saved.py"
        save(file, 0)
        words = ["up", *ANY_PORTS, "--client-port", 0, "--data-dir", folder / "data", "--reload"]
        words += ["--game", "saved:game", "--shards", SHARDS, "--bots", bots]
        with ended(sidereal("up", words, folder, PYTHONPATH=str(folder))) as up:
            world = World(up, up.wait_for(r"The world is ready at (\S+)"))
            world.wait_flying(bots)
            pilots = [Pilot(world.url, number) for number in range(PILOTS)]
            took_s, stood_s = [], []
            status = settle(world, pilots, bots)
            for number in range(1, saves + 1):
                before = codes(status)
                seconds = reload(world, pilots, file, number)
                took_s.append(seconds[0])
                stood_s.append(seconds[1])
                status = settle(world, pilots, bots)
                assert not before & codes(status), "older code runs"
                said = f"{seconds[0]:.2f} s, a ship stood for {seconds[1]:.3f} s at most"
                print(f"reload {number} of {saves}: {said}", file=sys.stderr, flush=True)
            left = len(re.findall(r" client_left ", up.log))
            for pilot in pilots:
                pilot.leave()
            world.close()
    rejected = sum(status["replication"]["rejected"].values())
    return Reloads(np.array(took_s), np.array(stood_s), left, rejected)


def reload(world: World, pilots: Sequence[Pilot], file: Path, number: int) -> tuple[float, float]:
    """Save once: seconds until it ran everywhere, and how long a ship stood at most."""
    saved_at = time.monotonic()
    shown = {pilot: (pilot.answered, saved_at) for pilot in pilots}
    stood_s = [0.0]
    save(file, number)

    def look() -> bool:
        now = time.monotonic()
        for pilot in pilots:
            pilot.turn()
            before, at = shown[pilot]
            stood_s[0] = max(stood_s[0], now - at)
            if pilot.answered != before:
                shown[pilot] = (pilot.answered, now)
        return len(re.findall(r" up reloaded shards=", world.program.log)) >= number

    wait_until(look, "it is reloaded", poll_s=LOOK_S)
    return time.monotonic() - saved_at, stood_s[0]


def save(file: Path, number: int) -> None:
    """Save another version, as editors do: in one step."""
    file.with_suffix(".new").write_text(GAME.format(number=number))
    os.replace(file.with_suffix(".new"), file)


def codes(status: dict[str, Any]) -> set[str]:
    """Which code shards run."""
    return {shard["code"] for shard in status["shards"]}


def settle(world: World, pilots: Sequence[Pilot], bots: int) -> dict[str, Any]:
    """Let all fly until the shards before are gone, and everything is simulated."""

    def look() -> dict[str, Any] | None:
        fly(pilots, SETTLES_S)
        status = world.status()
        if status is None or flying(status) != bots + len(pilots):
            return None
        owned = sum(shard["entities"] for shard in status["shards"])
        whole = owned == status["replication"]["entities"]
        settled = whole and len(status["shards"]) == SHARDS and len(codes(status)) == 1
        return status if settled else None

    return wait_until(look, "all shards run one code, and simulate everything") or {}


def tabulate(found: Reloads) -> list[str]:
    """Make a table for people."""
    titles = ("saves", "until it runs: median, s", "the longest, s")
    titles += ("a ship stood: the longest, s", "clients disconnected", "rows refused")
    cells = (
        *(len(found.took_s), f"{found.median_s:.2f}", f"{found.took_s.max():.2f}"),
        *(f"{found.stood_s.max():.3f}", found.left, found.rejected),
    )
    lines = [f"| {' | '.join(titles)} |", "| --- " * len(titles) + "|"]
    return [*lines, f"| {' | '.join(map(str, cells))} |"]
