"""One word for one thing, as far as a machine can hold it: docs/ARCHITECTURE.md has the words.

A word here was used for something that has another name in the glossary. It may not come back, in
names or in prose. Rooms' maps are held too: a package's docstring names each of its modules.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[2]
HERE: Final = "tests/tidy/*"


class Word(NamedTuple):
    """A word that has gone.

    Attributes:
        gone: one word, or several, in small letters; a plural of it has gone too.
        instead: what to say.
        where: paths in which it has gone.
        but: paths in which it means what the glossary says.
    """

    gone: str
    instead: str
    where: tuple[str, ...] = ("*",)
    but: tuple[str, ...] = ()


ENDPOINTS: Final = (
    "*/protocol/session/*",
    "*/protocol/channel/*",
    "*/protocol/testing/*",
    "*/protocol/limits.py",
    "*/tools/soak/*",
)
"""Where a slot is the number of a session."""

WORDS: Final = (
    Word("grave", "tombstone"),
    Word("bury", "tombstone"),
    Word("buried", "tombstone"),
    Word("rider", "redundant copy"),
    Word("lasting", "continued, or what it is that lasts"),
    Word("quiet", "unchanged, or silent", but=("benchmarks/transport.py",)),
    Word("told whole", "sent whole"),
    Word("told about", "sent", where=("packages/*", "docs/*")),
    Word("a stay", "session"),
    Word("the stay", "session"),
    Word("whisker", "error"),
    Word("guest", "anonymous", where=("*/http/*", "*/links/*", "*/client/*", "*/tools/bots/*")),
    Word("phase", "stage, or state", where=("*/links/*", "*/shard/stages.py", "*/game/*")),
    Word("account", "user", where=("*/keeping/postgres/*",)),
    Word("column", "place", where=("*/replication/edge/windows.py", "*/client/coverage.py")),
    Word("slot", "row", where=("packages/*/src/*",), but=ENDPOINTS),
)
"""What is not to be said any more, and what is said instead."""

LINES_BUT: Final = (
    *("start_guest_run", '"guests": int((holders'),
    *("slots=True", "__slots__", "slots_max", "SLOTS_", "_SLOT"),
)
"""Lines that name somebody else's thing, a guest that is one, or slots of an endpoint."""


def words_of(line: str) -> str:
    """Give a line's words in small letters, those of names one by one, with a space around each."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", line)
    return f" {' '.join(words).lower()} "


def gone_words(path: str, text: str) -> Iterator[str]:
    """Yield the places of words that have gone from a file."""
    here = [
        word
        for word in WORDS
        if any(fnmatch(path, pattern) for pattern in word.where)
        and not any(fnmatch(path, pattern) for pattern in (*word.but, HERE))
    ]
    for number, line in enumerate(text.splitlines(), 1):
        said = words_of(line)
        for word in here:
            known = f" {word.gone} " in said or f" {word.gone}s " in said
            if known and not any(but in line for but in LINES_BUT):
                yield f"{path}:{number}: say {word.instead!r}, not {word.gone!r}"


def texts() -> Iterator[tuple[str, str]]:
    files = [ROOT / "README.md"]
    for folder in ("packages", "tests", "benchmarks", "docs"):
        files += sorted((ROOT / folder).rglob("*"))
    for file in files:
        if file.suffix in {".py", ".md", ".sql", ".frag", ".vert", ".toml"}:
            yield file.relative_to(ROOT).as_posix(), file.read_text()


def test_words_that_have_gone_do_not_come_back() -> None:
    places = [place for path, text in texts() for place in gone_words(path, text)]
    assert not places, "\n".join(places)


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.gone)
def test_a_word_is_found_in_names_and_in_prose(word: Word) -> None:
    (pattern, *_) = word.where
    path = pattern.replace("*", "x")
    name = word.gone.replace(" ", "_")
    for line in (f"# It is {word.gone}.", f"self._{name}_x = 1", f"{name}s = 1"):
        assert len(list(gone_words(path, line))) == 1, line
    assert list(gone_words("packages/elsewhere.py", "A plain sentence.")) == []


def maps() -> Iterator[tuple[str, str, set[str]]]:
    """Yield each package's path, its docstring, and the names of what is in its folder."""
    for source in sorted(ROOT.glob("packages/*/src/sidereal")):
        for opening in sorted(source.rglob("__init__.py")):
            folder = opening.parent
            inside = {
                entry.stem
                for entry in folder.iterdir()
                if (entry.suffix == ".py" or (entry / "__init__.py").exists())
                and not entry.stem.startswith("__")
            }
            docstring = ast.get_docstring(ast.parse(opening.read_text())) or ""
            yield folder.relative_to(source).as_posix(), docstring, inside


def test_the_map_of_a_package_names_each_of_its_modules() -> None:
    wrong = []
    for package, docstring, inside in maps():
        named = set(re.findall(r"`([a-z_]+)/?`", docstring))
        wrong += [f"{package}: does not name {name}" for name in sorted(inside - named)]
    assert not wrong, "\n".join(wrong)
