"""`sidereal bots`."""

from __future__ import annotations

import json as json_module
import math
import os
import sys
from importlib.metadata import version
from typing import Annotated, Any, Final

import trio
from cyclopts import Parameter

from sidereal.game.load import DEFAULT_GAME
from sidereal.protocol.runtime.process import (
    SUPERVISED,
    run_until_told,
    settle_memory,
    start_logging,
)
from sidereal.tools.bots.report import parse_requirement
from sidereal.tools.bots.swarm import BotsConfig, Swarm
from sidereal.tools.publish import JsonTarget, announce, check_target, publish_report
from sidereal.tools.settings import GameName

NICENESS: Final = 5
"""On the machine of the servers they load, bots give way: players would be elsewhere."""

MIRRORING: Final = 8
"""So many of the bots of the game that ships keep a picture, unless told."""


async def bots(
    *,
    server: str = "http://127.0.0.1:7070",
    count: int = 20,
    ramp: float = 2.0,
    for_s: Annotated[float | None, Parameter(name="--for")] = None,
    game: GameName = DEFAULT_GAME,
    behaviour: str | None = None,
    world: str | None = None,
    seed: int = 1,
    mirror: int | None = None,
    require: Annotated[list[str] | None, Parameter(negative=())] = None,
    json: JsonTarget = None,
) -> int:
    """Fly many bots and measure what they see, as any player would.

    Example: sidereal bots --count 200 --for 60 --require 'input_to_view_ms.p99<150'

    Parameters
    ----------
    server
        URL of the replication server.
    count
        How many.
    ramp
        Seconds over which they come.
    for_s
        Seconds until they leave and the report is printed; until Ctrl-C without.
    game
        What is played, as module:name; the same as the server's.
    behaviour
        What they do, by the name that the game gives it; without, what bots of the world do.
    world
        Name of one of the worlds of the game, which says what its bots do; without, the first
        behaviour of the game.
    seed
        Of what they do.
    mirror
        How many of them keep the whole picture they are sent, as the viewer does, and so see
        others; the rest read what is said of what they fly, so that the bots do not take the
        processor they measure. Without, all of them; of the game that ships 8, because its
        bots look at nobody.
    require
        What must hold of the report; may be given again. Exit status 3 when one does not.
    json
        File for the report; - is standard output.
    """
    start_logging("bots")
    check_target(json)
    requirements = [parse_requirement(text) for text in require or []]
    config = BotsConfig(
        server=server,
        count=count,
        ramp_s=ramp,
        for_s=for_s,
        game=game,
        behaviour=behaviour,
        world=world,
        seed=seed,
        mirroring=choose_mirroring(game, mirror),
    )
    swarm = Swarm(config)
    settle_memory()
    if os.environ.get(SUPERVISED):
        os.nice(NICENESS)
    began_at = trio.current_time()
    finished = False

    async def fly() -> None:
        nonlocal finished
        async with trio.open_nursery() as nursery:
            if os.environ.get(SUPERVISED):
                nursery.start_soon(_tell_supervisor, swarm)
            await swarm.run()
            nursery.cancel_scope.cancel()
        finished = True

    await run_until_told(fly)
    block = swarm.measured.block()
    report: dict[str, Any] = {
        "version": version("sidereal-tools"),
        "duration_s": round(trio.current_time() - began_at, 3),
        "seed": seed,
        "exit": "done" if finished or math.isinf(config.for_s or math.inf) else "interrupted",
        "errors": [],
        "bots": block,
    }
    publish_report(report, _describe(block), json)
    for requirement in requirements:
        print(requirement.describe(block), file=sys.stderr)
    return 0 if all(requirement.met(block) for requirement in requirements) else 3


def choose_mirroring(game: str, told: int | None) -> int | None:
    """Tell how many bots keep a picture, None for all: what bots look at is known of one game."""
    return MIRRORING if told is None and game == DEFAULT_GAME else told


async def _tell_supervisor(swarm: Swarm) -> None:
    await swarm.flying.wait()
    announce(json_module.dumps({"flying": swarm.connected}))


def _describe(block: dict[str, Any]) -> list[str]:
    lines = []
    for name, value in block.items():
        if isinstance(value, dict):
            parts = ", ".join(f"{part} {value[part]:g}" for part in ("p50", "p90", "p99", "max"))
            lines.append(f"{name:<22}{parts}")
        else:
            lines.append(f"{name:<22}{value}")
    return lines
