"""What a pilot sees of a world: `uv run python benchmarks/pilot.py`.

Runs `sidereal up --shards 2 --bots 10` with the missiles of docs/GAMES.md in an empty world and a
new database, once for each link, with `sidereal netsim` between the server and all clients. A pilot
flies and fires for a minute, without running into anybody, and is shown 60 frames in a second.
Links: `near`, without delay, and `far`, 100 ms each way, up to 30 ms more, and 5 % loss.

Cases, for each link: `answer_ms`, from a change of the stick to the first frame in which the own
ship does another thing than before, the median; `shot_ms`, from a press to the first frame that
shows the missile, the worst; `corrections_per_min`, how often the own ship was more than half a
unit elsewhere than was foreseen; `other_step`, the largest step of another ship from one frame to
the next, by what its speed explains; `shot_step`, the same of the own missiles. Every missile must
be shown once, and at least one must have come as it was foreseen.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import trio
from results import parse_flags, publish, result, table

from sidereal.client.driver import drive, open_session
from sidereal.client.http import open_http
from sidereal.client.returning import ReturningClient
from sidereal.client.view import View
from sidereal.game.bits import pack
from sidereal.game.builtin import Predicted
from sidereal.game.declarations import Declarations
from sidereal.game.load import load
from sidereal.games.frontier import Stick
from sidereal.protocol.runtime.process import entropy

FRAME_S: Final = 1 / 60
BOTS: Final = 10
LINKS: Final = {
    "near": "",
    "far": "--delay-ms 100 --jitter-ms 30 --loss 0.05",
}
DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "GAMES.md"
ARENA: Final = '''"""Ships with missiles, and bots that fly about."""

import missiles
from sidereal.game import Game
from sidereal.games import frontier
from sidereal.games.frontier.worlds import worlds

game = Game("arena", parts=[frontier.flight, frontier.bots, worlds, missiles.part])
'''
SLOW: Final = 5.0
"""Others that are slower, units/s, are not judged: a step of theirs is nothing."""
CORRECTION: Final = 0.5
"""World units."""
STICKS: Final = (Stick(thrust=1), Stick(brake=1), Stick(turn=1))
"""One after the other: before each thrust the ship goes on as it is."""
HOLD_S: Final = 0.93
"""A stick is held for so long, which is no whole number of ticks, and a missile fired with it."""


Speeds = dict[int, float]
"""By id, units/s."""


@dataclass
class Seen:
    """What a pilot has seen.

    Attributes:
        answers_s: from a change of the stick to what shows it; likewise `shots_s`.
        other_step: the largest step of another ship, by what its speed explains.
        shot_step: the same of an own missile.
        corrections: of more than `CORRECTION`.
        twice: frames that showed a missile twice.
        matched: missiles that came as they were foreseen; `unmatched` did not.
    """

    answers_s: list[float] = field(default_factory=list)
    shots_s: list[float] = field(default_factory=list)
    other_step: float = 0.0
    shot_step: float = 0.0
    corrections: int = 0
    twice: int = 0
    matched: int = 0
    unmatched: int = 0


class Pilot:
    """Somebody at the controls, and before the picture."""

    def __init__(self, client: ReturningClient, game: Declarations) -> None:
        self.seen = Seen()
        self._client = client
        kinds = [kind.name for kind in game.kinds]
        self._ship, self._missile = 1 + kinds.index("ship"), 1 + kinds.index("missile")
        self._sticks = itertools.cycle(STICKS)
        self._before: tuple[float, View, Speeds] | None = None
        self._hold_at = self._pressed_at = 0.0
        self._waits_for: set[str] = set()
        self._missiles: dict[int, tuple[float, float]] = {}

    def frame(self, now: float) -> None:
        """Look at a picture; now and then do something else."""
        view, speeds = self._client.view(now), self._speeds()
        if self._before is not None and view.own >= 0 and self._before[1].own >= 0:
            self._look(view, speeds, now)
        self._before = now, view, speeds
        if now >= self._hold_at:
            self._hold_at = now + HOLD_S
            stick = next(self._sticks)
            held = {name: getattr(stick, name) for name in Stick.fields}
            self._client.hold(pack(Stick(**{**held, "fire": 1})))
            self._pressed_at, self._waits_for = now, {"missile"}
            if held["thrust"]:
                self._waits_for.add("answer")

    def _look(self, view: View, speeds: Speeds, now: float) -> None:
        assert self._before is not None
        then, before, speeds_then = self._before
        off_x = view.vx[view.own] - before.vx[before.own]
        off_y = view.vy[view.own] - before.vy[before.own]
        if "answer" in self._waits_for and np.hypot(off_x, off_y) > 1e-6:
            self._waits_for.remove("answer")
            self.seen.answers_s.append(now - self._pressed_at)
        self._look_at_missiles(view, now, now - then)
        _, here, there = np.intersect1d(view.net_id, before.net_id, return_indices=True)
        step = np.hypot(view.x[here] - before.x[there], view.y[here] - before.y[there])
        for at, way in zip(here.tolist(), step.tolist(), strict=True):
            net_id = int(view.net_id[at])
            speed = max(speeds.get(net_id, 0.0), speeds_then.get(net_id, 0.0))
            if view.kind[at] == self._ship and at != view.own and speed >= SLOW:
                ratio = way / (speed * (now - then))
                self.seen.other_step = max(self.seen.other_step, ratio)

    def _look_at_missiles(self, view: View, now: float, elapsed_s: float) -> None:
        """Follow the own ones by the inputs that have spawned them: their ids change."""
        key, session = view[Predicted], self._client.client
        own = -1 if session is None else session.net_id
        mine = np.flatnonzero((view.kind == self._missile) & (key.by_id == own))
        inputs = key.by_input[mine].tolist()
        self.seen.twice += len(inputs) != len(set(inputs))
        fresh = set(inputs) - self._missiles.keys()
        if "missile" in self._waits_for and fresh:
            self._waits_for.remove("missile")
            self.seen.shots_s.append(now - self._pressed_at)
        for at, number in zip(mine.tolist(), inputs, strict=True):
            x, y = float(view.x[at]), float(view.y[at])
            if number not in fresh:
                x_then, y_then = self._missiles[number]
                speed = float(np.hypot(view.vx[at], view.vy[at]))
                ratio = float(np.hypot(x - x_then, y - y_then)) / (speed * elapsed_s)
                self.seen.shot_step = max(self.seen.shot_step, ratio)
            self._missiles[number] = x, y

    def _speeds(self) -> Speeds:
        """How fast everybody is by the newest word of the authority."""
        session = self._client.client
        replica = None if session is None else session.replica
        if replica is None:
            return {}
        rows, columns = replica.rows(), replica.columns
        speed = np.hypot(columns["vx"][rows], columns["vy"][rows])
        return dict(zip(columns.net_id[rows].tolist(), speed.tolist(), strict=True))

    def conclude(self) -> Seen:
        """Give all that was seen."""
        session = self._client.client
        assert session is not None
        errors = session.take_position_errors()
        self.seen.corrections = sum(error > CORRECTION for error in errors)
        counted = session.statistics()
        self.seen.matched, self.seen.unmatched = counted.spawns_matched, counted.spawns_unmatched
        return self.seen


@contextmanager
def running(*words: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command of `sidereal` for a while."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sidereal.tools", *words],
        cwd=cwd,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def announced(process: subprocess.Popen[str], pattern: str) -> str:
    """Wait for what a command says on its standard error."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(pattern, line):
            return found[1]
    raise RuntimeError(f"{process.args} ended without {pattern!r}")


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_game(folder: Path) -> None:
    """Write the game of the document, and one of its missiles and of bots."""
    for _, name, code in re.findall(r"```(\w*)\n# (\w+\.py)\n(.*?)```", DOCUMENT.read_text(), re.S):
        (folder / name).write_text(code)
    (folder / "arena.py").write_text(ARENA)


@contextmanager
def world(link: str, folder: Path) -> Iterator[str]:
    """Run a world behind a link; gives the URL of its server."""
    port = free_udp_port()
    target = f"127.0.0.1:{port}"
    with ExitStack() as stack:
        words = f"netsim --listen 127.0.0.1:0 --target {target} {link}".split()
        door = announced(stack.enter_context(running(*words, cwd=folder)), r"passes on (\S+) to ")
        words = f"up --game arena:game --world empty --shards 2 --bots {BOTS}".split()
        words += f"--http 127.0.0.1:0 --shard-port 0 --client-port {port}".split()
        words += ["--public-clients", door, "--data-dir", str(folder / "data")]
        up = stack.enter_context(running(*words, cwd=folder))
        yield announced(up, r"The world is ready at (\S+)")


async def fly(url: str, game: Declarations, seconds: float) -> Seen:
    """Fly and fire for so long."""
    client = ReturningClient(
        game=game, entropy=entropy, now=trio.current_time(), software="benchmark"
    )

    async def sign_in() -> Any:
        async with open_http(url) as http:
            return await open_session(http)

    pilot = Pilot(client, game)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(drive, client, sign_in)
        with trio.fail_after(20):
            while client.view(trio.current_time()).own < 0:
                await trio.sleep(FRAME_S)
        await trio.sleep(3)  # until the delay of the picture has settled
        assert client.client is not None
        client.client.take_position_errors()
        began = trio.current_time()
        for frame in range(round(seconds / FRAME_S)):
            pilot.frame(trio.current_time())
            await trio.sleep_until(began + frame * FRAME_S)
        seen = pilot.conclude()
        nursery.cancel_scope.cancel()
    return seen


def measure(link: str, seconds: float) -> Seen:
    """Fly over a link."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_game(folder)
        os.chdir(folder)
        game = load("arena:game")
        with world(link, folder) as url:
            return trio.run(fly, url, game, seconds)


def main() -> None:
    flags = parse_flags(__doc__)
    seconds, home = (15.0 if flags.quick else 60.0), Path.cwd()
    results = {}
    for name, link in LINKS.items():
        seen = measure(link, seconds)
        os.chdir(home)
        assert not seen.twice, seen
        assert seen.matched, seen
        figures = {
            "answer_ms": (1000 * statistics.median(seen.answers_s), "ms"),
            "shot_ms": (1000 * max(seen.shots_s), "ms"),
            "corrections_per_min": (seen.corrections * 60 / seconds, "/min"),
            "other_step": (seen.other_step, "of its speed"),
            "shot_step": (seen.shot_step, "of its speed"),
        }
        for case, (value, unit) in figures.items():
            results[f"{case}_{name}"] = result(value, unit)
            print(f"{f'{case}_{name}':26} {value:9.2f} {unit}", file=table(flags))
        print(f"{seen.matched} came, {seen.unmatched} did not", file=table(flags))
    publish(flags, results)


if __name__ == "__main__":
    main()
