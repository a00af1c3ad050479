"""Which font of this machine has a letter: its files are looked through bit by bit.

Only the table of characters of each file is read. Looking for fonts takes a few files at a time, so
no frame waits for it; until all are known it is not known of a letter whether anybody has it.

Source: OpenType 1.9, tables `cmap` and `ttcf`.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

FILES_MAX: Final = 4096
"""More fonts are not looked at."""
TABLES_MAX: Final = 256
CMAP_SIZE_MAX: Final = 4 << 20
KNOWN_MAX: Final = 4096
"""Texts of which it is known who draws them; of more all are forgotten."""

_ENDINGS: Final = (".ttf", ".otf", ".ttc", ".otc")
_OTHERS: Final = ("bold", "italic", "oblique", "black", "thin", "light", "condensed", "serif")
"""In a file's name: of two fonts that have a letter, the plainer one draws it."""
_UNICODE: Final = ((3, 10), (0, 6), (0, 4), (3, 1), (0, 3), (0, 2), (0, 1), (0, 0))
"""Platform and encoding of tables of characters, the best first."""


class Font(NamedTuple):
    """A font file, and what it has.

    Attributes:
        path: of the file.
        first: int64[n], ascending code points at which its ranges begin.
        last: int64[n], at which they end.
    """

    path: Path
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def has(self, letter: str) -> bool:
        """Tell whether it has a letter."""
        return self.count(np.array([ord(letter)])) == 1

    def count(self, letters: NDArray[np.int64]) -> int:
        """Count the letters that it has, of int64[n] code points."""
        at = np.searchsorted(self.first, letters, side="right") - 1
        return int(np.count_nonzero((at >= 0) & (self.last[at] >= letters)))


class Fonts:
    """The fonts of this machine, as far as they have been looked at.

    Attributes:
        complete: whether all have been.
    """

    def __init__(self, directories: Sequence[Path]) -> None:
        """Begin.

        Args:
            directories: in which fonts lie, and in the directories in them.
        """
        self.complete = False
        self._paths = _plainest_first(directories)
        self._fonts: list[Font] = []
        self._known: dict[str, Font | None] = {}

    def look(self, files: int) -> None:
        """Look at some more files."""
        for _ in range(files):
            path = next(self._paths, None)
            if path is None:
                self.complete = True
                return
            font = read_font(path)
            if font is not None:
                self._fonts.append(font)

    def find(self, text: str) -> Font | None:
        """Find the font that has most of a text; of two the first."""
        if text in self._known:
            return self._known[text]
        best, most = None, 0
        letters = np.array([*map(ord, text)])
        for font in self._fonts:  # 5 µs each, a few hundred
            count = font.count(letters)
            if count > most:
                best, most = font, count
            if most == len(text):
                break
        if self.complete:
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[text] = best
        return best

    def drop(self, font: Font) -> None:
        """Forget a font that can't be drawn with."""
        self._fonts = [each for each in self._fonts if each is not font]
        self._known.clear()


def directories_of(
    platform: str = sys.platform, environ: Mapping[str, str] = os.environ
) -> list[Path]:
    """Tell where a machine keeps its fonts."""
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or "/nonexistent")
    if platform == "win32":
        local = Path(environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
        return [
            Path(environ.get("WINDIR", "C:/Windows")) / "Fonts",
            local / "Microsoft/Windows/Fonts",
        ]
    if platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    shared = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    return [
        Path("/usr/share/fonts"),
        Path("/usr/local/share/fonts"),
        shared / "fonts",
        home / ".fonts",
    ]


def read_font(path: Path) -> Font | None:
    """Read which characters a font has; None for what is no font with such a table."""
    try:
        with path.open("rb") as file:
            table = _cmap(file)
        first, last = _ranges(table)
    except (OSError, struct.error, ValueError, IndexError):
        return None
    return Font(path, first, last) if len(first) else None


def _plainest_first(directories: Sequence[Path]) -> Iterator[Path]:
    paths: list[Path] = []
    for directory in directories:
        for root, below, names in os.walk(directory):
            below.sort()
            paths += [Path(root, name) for name in names if name.lower().endswith(_ENDINGS)]
            if len(paths) >= FILES_MAX:
                break

    def order(path: Path) -> tuple[int, str]:
        name = path.name.lower()
        return sum(word in name for word in _OTHERS), name

    yield from sorted(paths[:FILES_MAX], key=order)


def _cmap(file: object) -> bytes:
    """Read the table of characters of the first font in a file."""
    read, seek = file.read, file.seek  # type: ignore[attr-defined]
    start = 0
    if read(4) == b"ttcf":
        seek(12)
        (start,) = struct.unpack(">I", read(4))
    seek(start + 4)
    (tables,) = struct.unpack(">H", read(2))
    seek(start + 12)
    for _ in range(min(tables, TABLES_MAX)):
        tag, _, offset, size = struct.unpack(">4sIII", read(16))
        if tag == b"cmap":
            seek(offset)
            table: bytes = read(min(size, CMAP_SIZE_MAX))
            return table
    return b""


def _ranges(table: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the ranges of code points in a `cmap`."""
    (count,) = struct.unpack_from(">H", table, 2)
    found: dict[tuple[int, int], int] = {}
    for at in range(min(count, TABLES_MAX)):
        platform, encoding, offset = struct.unpack_from(">HHI", table, 4 + 8 * at)
        found[platform, encoding] = offset
    for which in _UNICODE:
        if which in found:
            part = table[found[which] :]
            (form,) = struct.unpack_from(">H", part)
            if form in (4, 12):
                return _segments(part) if form == 4 else _groups(part)
    raise ValueError("no table of Unicode")


def _segments(part: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    count = struct.unpack_from(">H", part, 6)[0] // 2
    last = np.frombuffer(part, ">u2", count, 14).astype(np.int64)
    first = np.frombuffer(part, ">u2", count, 16 + 2 * count).astype(np.int64)
    real = (first <= last) & (first < 0xFFFF)
    return first[real], last[real]


def _groups(part: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    (count,) = struct.unpack_from(">I", part, 12)
    groups = np.frombuffer(part, ">u4", 3 * count, 16).reshape(-1, 3).astype(np.int64)
    return groups[:, 0], groups[:, 1]
