"""The engine knows no game: what the one that ships is made of is not named in it.

Neither as a word nor as a part of a name, in code, docstrings and texts alike. Faces say what a
game declares; whatever somebody flies is an *entity*, and to the client that flies it the *own
entity*.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

WORDS: Final = frozenset({"ship", "missile", "asteroid", "station", "pickup"})
GAMES: Final = "packages/protocol/src/sidereal/games/*"

MIGRATIONS: Final = "packages/server-replication/src/sidereal/replication/keeping/migrations/*"
"""What was done to saved worlds once stays as it was."""

NOT_YET: Final = ("packages/tools/src/sidereal/tools/simulate/*",)
"""Rooms that name some of these still. This list only shrinks."""

_VERB: Final = re.compile(r"\b(that|which) ships\b")


def named(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and word of each line that names what only a game knows."""
    for number, line in enumerate(text.splitlines(), 1):
        said = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", _VERB.sub("", line))
        for word in said:
            if word.lower().removesuffix("s") in WORDS:
                yield number, word


def sources() -> Iterator[tuple[str, str]]:
    for file in sorted(ROOT.glob("packages/*/src/**/*")):
        if file.suffix in {".py", ".frag", ".vert", ".sql", ".md"}:
            path = file.relative_to(ROOT).as_posix()
            if not any(fnmatch(path, room) for room in (GAMES, MIGRATIONS)):
                yield path, file.read_text()


def test_the_engine_names_nothing_of_a_game() -> None:
    places = [
        f"{path}:{number}: {word}"
        for path, text in sources()
        if not any(fnmatch(path, room) for room in NOT_YET)
        for number, word in named(text)
    ]
    assert not places, "\n".join(places)


@pytest.mark.parametrize("room", NOT_YET)
def test_a_room_that_names_nothing_more_is_taken_off_the_list(room: str) -> None:
    assert any(fnmatch(path, room) and list(named(text)) for path, text in sources())


@pytest.mark.parametrize(
    "line",
    [
        "# The own ship is drawn.",
        "class OwnShip:",
        "own_ship = 1",
        "SHIP_SPEED = 1",
        '"""Missiles, and what else flies."""',
        "pickups_taken += 1",
    ],
)
def test_a_word_is_found_in_names_and_in_prose(line: str) -> None:
    assert len(list(named(line))) == 1


@pytest.mark.parametrize(
    "line", ["ownership = Ownership()", "The game that ships is loaded.", "a relationship"]
)
def test_other_words_are_left_alone(line: str) -> None:
    assert list(named(line)) == []
