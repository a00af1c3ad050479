"""Keys of a terminal: from bytes to names, and what they do on each screen.

A key is its character, or a name: `up`, `enter`, `esc`, `shift-tab`, … A terminal sends Esc and
the start of an escape sequence as the same byte; which one it was shows by what follows within
`ESCAPE_S`. So the decoder holds an unfinished sequence until more bytes come or `flush` is called.
"""

from __future__ import annotations

import codecs
import enum
from typing import Final, NamedTuple

ESCAPE_S: Final = 0.03
"""Silence after which a lone Esc is the key."""

SEQUENCE_SIZE_MAX: Final = 32
"""Longer escape sequences are noise."""

_ESC: Final = "\x1b"
_SINGLE: Final = {
    "\r": "enter",
    "\n": "enter",
    "\t": "tab",
    "\x7f": "backspace",
    "\x08": "backspace",
    " ": "space",
    "\x0c": "redraw",
    "\x15": "clear",
}
_SEQUENCES: Final = {
    "[A": "up",
    "[B": "down",
    "[C": "right",
    "[D": "left",
    "[H": "home",
    "[F": "end",
    "[Z": "shift-tab",
    "[1~": "home",
    "[4~": "end",
    "[3~": "delete",
    "[5~": "page-up",
    "[6~": "page-down",
    "[7~": "home",
    "[8~": "end",
}


class KeyDecoder:
    """Splits what a terminal sends into keys, however it was cut into reads."""

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    @property
    def waiting(self) -> bool:
        """Whether an escape sequence has begun and not ended."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[str]:
        """Take bytes; return the keys that are complete."""
        self._rest += self._text.decode(data)
        keys: list[str] = []
        while self._rest:
            size = self._complete()
            if size is None:
                break
            key = _name(self._rest[:size])
            self._rest = self._rest[size:]
            if key:
                keys.append(key)
        return keys

    def flush(self) -> list[str]:
        """Nothing more came: what is waiting was Esc, and perhaps characters after it."""
        waiting, self._rest = self._rest, ""
        if not waiting:
            return []
        return ["esc", *(key for key in map(_name, waiting[1:]) if key)]

    def _complete(self) -> int | None:
        """Size of the first key, None while its end is not here."""
        text = self._rest
        if text[0] != _ESC:
            return 1
        if len(text) == 1:
            return None
        if text[1] == _ESC:
            return 1
        if text[1] not in "[O":
            return 2
        for end in range(2, min(len(text), SEQUENCE_SIZE_MAX)):
            if "@" <= text[end] <= "~":
                return end + 1
        return SEQUENCE_SIZE_MAX if len(text) >= SEQUENCE_SIZE_MAX else None


def _name(sequence: str) -> str:
    """Name of one complete key, empty for what we have no use for."""
    if sequence == _ESC:
        return "esc"
    if sequence[0] != _ESC:
        return _SINGLE.get(sequence, sequence if sequence.isprintable() else "")
    body = sequence[1:].replace("O", "[", 1) if sequence[1] == "O" else sequence[1:]
    if ";" in body:  # with a modifier: the key alone is enough
        body = "[" + body[-1] if body[-1] != "~" else body.partition(";")[0] + "~"
    return _SEQUENCES.get(body, "")


class Screen(enum.Enum):
    """What can be looked at, in the order of the digits."""

    OVERVIEW = "overview"
    SHARDS = "shards"
    SECTORS = "sectors"
    HANDOVERS = "handovers"
    CLIENTS = "clients"
    EVENTS = "events"


SCREENS: Final = tuple(Screen)


class MapMode(enum.Enum):
    """What the map shows, and what a sector's colour says."""

    OWNER = "owner"
    HEAT = "heat"
    LOAD = "load"
    AGE = "age"
    SIGHT = "sight"
    """No sectors: what the observer is sent."""


MAP_MODES: Final = tuple(MapMode)


class Binding(NamedTuple):
    """A key and what it does, in words."""

    key: str
    words: str
    short: str = ""
    """For the bottom line; not shown there when empty."""


_EVERYWHERE: Final = (
    Binding("1 … 6", "go to a screen"),
    Binding("tab  shift-tab", "next, previous screen", "screen"),
    Binding("space", "freeze the picture; counting goes on", "freeze"),
    Binding("e", "expand the main pane, and back", "expand"),
    Binding("esc", "back: help, filter, choice, screen"),
    Binding("ctrl-l", "draw everything again"),
    Binding("?", "keys of this screen", "keys"),
    Binding("q", "quit", "quit"),
)
_MAP: Final = (
    Binding("m", "map by owner, heat, load of the owner, age of the lease; or what is seen", "map"),
    Binding("↑ ↓ ← →", "choose a sector; the observer looks there", "sector"),
    Binding("enter", "the chosen sector in the table", "table"),
)
_TABLE: Final = (
    Binding("j k ↑ ↓", "choose a row; page-up, page-down, home, end", "row"),
    Binding("/", "filter rows by any text in them", "filter"),
    Binding("s", "sort by the next column", "sort"),
    Binding("r", "reverse the order", "reverse"),
)
_ENTER: Final = {
    Screen.SHARDS: Binding("enter", "sectors of this shard", "sectors"),
    Screen.SECTORS: Binding("enter", "this sector on the map", "on the map"),
    Screen.CLIENTS: Binding("enter", "events of this client", "events"),
}


def bindings(screen: Screen) -> tuple[Binding, ...]:
    """Keys that work on a screen, its own first."""
    if screen is Screen.OVERVIEW:
        return (*_MAP, *_EVERYWHERE)
    own = (_ENTER[screen],) if screen in _ENTER else ()
    extra = (_MAP[0],) if screen is Screen.SECTORS else ()
    return (*own, *_TABLE, *extra, *_EVERYWHERE)
