"""What of a game is on disk: found out in a process of its own, and compared with what runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import trio

from sidereal.protocol.state.description import read_untrusted, say_difference
from sidereal.tools.publish import read_announced
from sidereal.tools.settings import DATABASE
from sidereal.tools.up.children import describe_status
from sidereal.tools.worldflags import WorldFlags

EXAMINED: Final = "sidereal.tools.up.examined"

EXAMINED_WITHIN_S: Final = 30.0
"""How long a game may take to be loaded."""

JUDGED: Final = "sidereal.tools.up.judged"

JUDGED_WITHIN_S: Final = 150.0
"""How long that may take: the database has 120 s."""


class Version(NamedTuple):
    """A game as its files were at a moment.

    Attributes:
        code: digest of its source.
        schema: description of its world, encoded.
        folders: where its files are.
        served: source of the functions that the server runs, by their names.
    """

    code: bytes
    schema: bytes
    folders: tuple[Path, ...]
    served: Mapping[str, str]

    def differs_from(self, other: Version) -> str:
        """Say what is declared here otherwise than there, in one line; empty if nothing is."""
        if self.schema == other.schema:
            return ""
        said = say_difference(read_untrusted(self.schema), read_untrusted(other.schema))
        return said or "it is declared otherwise"

    def served_otherwise(self, other: Version) -> list[str]:
        """Name the functions of the server that are others here than there, or missing there."""
        return [name for name, text in self.served.items() if other.served.get(name) != text]


class Unloadable(NamedTuple):
    """A game that can't be loaded.

    Attributes:
        why: in words.
        shown: the same as Python shows it, with the game's frames.
    """

    why: str
    shown: str


async def examine(game: str) -> Version | Unloadable:
    """Load a game, `module:name`, in a process of its own."""
    with trio.move_on_after(EXAMINED_WITHIN_S):
        ended, said = await _hear(EXAMINED, game, os.environ)
        if "wrong" in said:
            return Unloadable(said["wrong"], said["shown"])
        if "code" in said:
            folders = tuple(map(Path, said["folders"]))
            code, schema = bytes.fromhex(said["code"]), bytes.fromhex(said["schema"])
            return Version(code, schema, folders, said["served"])
        why = f"--game {game}: the process that loaded it {describe_status(ended.returncode)}"
        return Unloadable(why, ended.stderr.decode(errors="backslashreplace").rstrip())
    return Unloadable(f"--game {game}: it was not loaded after {EXAMINED_WITHIN_S:.0f} s", "")


async def judge(flags: WorldFlags) -> str:
    """Tell why a world can't go on with its game as that is on disk, in words; empty if it can."""
    names = ("game", "world", "data_dir", "clamp")
    settings = json.dumps({name: getattr(flags, name) for name in names}, default=str)
    with trio.move_on_after(JUDGED_WITHIN_S):
        ended, said = await _hear(JUDGED, settings, {**os.environ, DATABASE: flags.database})
        if "problem" in said:
            return str(said["problem"])
        shown = ended.stderr.decode(errors="backslashreplace").rstrip()
        why = f"the process that asked the database {describe_status(ended.returncode)}"
        return f"{why}: {shown.rpartition(chr(10))[2]}"
    return f"the database did not answer after {JUDGED_WITHIN_S:.0f} s"


async def _hear(
    module: str, argument: str, env: Mapping[str, str]
) -> tuple[subprocess.CompletedProcess[bytes], dict[str, Any]]:
    """Run a module in a process of its own; returns how it ended, and the object that it said."""
    ended = await trio.run_process(
        [sys.executable, "-P", "-m", module, argument],
        stdin=subprocess.DEVNULL,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        env=env,
        start_new_session=True,
    )
    return ended, read_announced(ended.stdout.rstrip().rpartition(b"\n")[2])
