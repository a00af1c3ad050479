"""A process that finds out whether a world can go on with its game as that is on disk, and ends.

Run as `python -m sidereal.tools.up.judged SETTINGS`, where these are a JSON object: `game`,
`world`, `data_dir` and `clamp`, as of `up`; the database is in its variable. The last line of its
standard output is one JSON object: `problem` is why it can't, in words, empty if it can.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import trio

from sidereal.game.load import load
from sidereal.protocol.errors import SiderealError
from sidereal.replication.config import EMBEDDED
from sidereal.replication.keeping.judging import find_problem
from sidereal.replication.keeping.postgres.postmaster import Embedded
from sidereal.replication.play.worlds import find_world_problem
from sidereal.tools.settings import DATABASE


async def judge(settings: dict[str, Any], database: str) -> str:
    """Tell why the world can't go on, in words; empty if it can."""
    place = Embedded(Path(settings["data_dir"])) if database == EMBEDDED else database
    try:
        game = load(settings["game"])
        problem = find_world_problem(game, settings["world"])
        return problem or await find_problem(place, game, clamp=settings["clamp"]) or ""
    except SiderealError as error:
        return str(error)


if __name__ == "__main__":
    problem = trio.run(judge, json.loads(sys.argv[1]), os.environ.get(DATABASE, EMBEDDED))
    print(json.dumps({"problem": problem}))
