"""What a pilot sees of a world: `uv run python benchmarks/pilot.py [--sockets]`.

The missiles of docs/GAMES.md in an empty world, two shards and ten bots. A pilot flies and fires
for a minute, without running into anybody, and is shown 60 frames in a second. In virtual time, so
nothing depends on how busy the machine is: the real cores, with links between them. `--sockets`
runs real processes instead, `sidereal up` with `sidereal netsim` before it: for a machine on which
nothing else runs. Links of all clients: `near`, of a millisecond, and `far`, 100 ms each way, up to
30 ms more, and 5 % loss.

Cases, for each link: `answer_ms`, from a change of the stick to the first frame in which the own
ship does another thing than before, the worst; `shot_ms`, from a press to the first frame that
shows the missile, likewise; `corrections_per_min`, how often the own ship was more than half a unit
elsewhere than was foreseen; `other_step`, the largest step of another ship from one frame to the
next, by what its speed explains: the highest that the authority says of it, of the ticks that were
drawn; `shot_step`, the same of the own missiles; `shot_gone_ms`, how long one was not shown between
two frames that showed it. Every missile must be shown once, and at least one must have come as it
was foreseen.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Final

from pilot_eyes import FRAME_S, SETTLES_S, Pilot, Seen
from pilot_sockets import fly
from results import make_parser, publish, result, table
from virtual import VirtualWorld

from sidereal.game.declarations import Declarations
from sidereal.game.load import load
from sidereal.protocol.message.player import Role
from sidereal.protocol.testing.link import LinkConfig
from sidereal.tools.bots.behaviour import Mind, choose_behaviour
from sidereal.tools.simulate.seeds import random_of

WORLD: Final = "empty"
BOTS: Final = 10
SEED: Final = 7
SECONDS, SECONDS_QUICK = 60.0, 15.0
LINKS: Final = {
    "near": LinkConfig(delay_s=0.001),
    "far": LinkConfig(delay_s=0.1, jitter_s=0.03, loss=0.05),
}
SHARD_LINK: Final = LinkConfig(delay_s=0.0005)
COME_S: Final = 5.0
"""When the pilot comes; then a bot every tenth of a second."""
DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "GAMES.md"
ARENA: Final = '''"""Ships with missiles, and bots that fly about."""

import missiles
from sidereal.game import Game
from sidereal.games import frontier
from sidereal.games.frontier.worlds import worlds

game = Game("arena", parts=[frontier.flight, frontier.bots, worlds, missiles.part])
'''


def write_game(folder: Path) -> None:
    """Write the game of the document, and one of its missiles and of bots."""
    for _, name, code in re.findall(r"```(\w*)\n# (\w+\.py)\n(.*?)```", DOCUMENT.read_text(), re.S):
        (folder / name).write_text(code)
    (folder / "arena.py").write_text(ARENA)


def fly_virtually(game: Declarations, link: LinkConfig, seconds: float, seed: int = SEED) -> Seen:
    """Fly and fire for so long in a new world."""
    world = VirtualWorld(
        game, WORLD, link=link, shard_link=SHARD_LINK, clients_max=BOTS + 1, seed=seed
    )
    flown = world.let_in(Role.PLAYER, COME_S)
    behaviour = choose_behaviour(game, None, WORLD)
    for number in range(BOTS):
        bot = world.let_in(Role.PLAYER, COME_S + 0.1 * number)
        bot.mind = Mind(game, behaviour, random_of(seed, f"bot {number}"))
    world.run(COME_S + SETTLES_S)
    session, client = flown.core, flown.returning
    assert client is not None
    assert session is not None
    assert session.net_id
    pilot = Pilot(client, game)
    session.take_position_errors()
    for _ in range(round(seconds / FRAME_S)):
        pilot.frame(flown.local(world.now))
        world.run(FRAME_S)
    return pilot.conclude()


def measure(link: LinkConfig, seconds: float, *, sockets: bool) -> Seen:
    """Fly over a link."""
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_game(folder)
        os.chdir(folder)
        try:
            game = load("arena:game")
            if sockets:
                return fly(game, link, BOTS, seconds, folder, world=WORLD)
            return fly_virtually(game, link, seconds)
        finally:
            os.chdir(home)


def main() -> None:
    parser = make_parser(__doc__)
    parser.add_argument("--sockets", action="store_true", help="with real processes")
    flags = parser.parse_args()
    seconds = SECONDS_QUICK if flags.quick else SECONDS
    results = {}
    for name, link in LINKS.items():
        seen = measure(link, seconds, sockets=flags.sockets)
        assert not seen.twice, seen
        assert seen.matched, seen
        figures = {
            "answer_ms": (1000 * max(seen.answers_s), "ms"),
            "shot_ms": (1000 * max(seen.shots_s), "ms"),
            "corrections_per_min": (seen.corrections * 60 / seconds, "/min"),
            "other_step": (seen.other_step, "of its speed"),
            "shot_step": (seen.shot_step, "of its speed"),
            "shot_gone_ms": (1000 * seen.shot_gone_s, "ms"),
        }
        for case, (value, unit) in figures.items():
            results[f"{case}_{name}"] = result(value, unit)
            print(f"{f'{case}_{name}':26} {value:9.2f} {unit}", file=table(flags))
        print(f"{seen.matched} came, {seen.unmatched} did not", file=table(flags))
    publish(flags, results)


if __name__ == "__main__":
    main()
