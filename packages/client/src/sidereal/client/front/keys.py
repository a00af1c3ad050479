"""Which key does what, once: the window obeys this table and the help panel prints it."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from sidereal.client.front.layers import Layer
from sidereal.protocol.message.player import Button


class Action(enum.Enum):
    """What a key press asks of the window."""

    NET_GRAPH = enum.auto()
    HELP = enum.auto()
    FOLLOW = enum.auto()
    SELECT_NEXT = enum.auto()
    FIT = enum.auto()
    PICTURE = enum.auto()
    BACK = enum.auto()
    QUIT = enum.auto()


SHIFT_TAB: Final = "SHIFT_TAB"
"""Under X, Tab with Shift is a key of its own, for which pyglet has no name."""
SHIFT_TAB_KEYCODE: Final = 23
"""By which pyglet tells it: the code of Tab on every keyboard of a PC."""


class Binding(NamedTuple):
    """One line of the help panel."""

    keys: tuple[str, ...]
    """pyglet's names (`pyglet.window.key`), and `SHIFT_TAB`."""
    shown: str
    does: str
    target: Action | Layer | Button


BINDINGS: Final[tuple[Binding, ...]] = (
    Binding(("W", "UP"), "W ▲", "thrust (an observer pans)", Button.THRUST),
    Binding(("S", "DOWN"), "S ▼", "reverse", Button.REVERSE),
    Binding(("A", "LEFT"), "A ◄", "turn left", Button.LEFT),
    Binding(("D", "RIGHT"), "D ►", "turn right", Button.RIGHT),
    Binding(("X", "LSHIFT", "RSHIFT"), "X Shift", "brake", Button.BRAKE),
    Binding(("SPACE",), "Space", "fire", Button.FIRE),
    Binding(("KEY_1",), "1", "grid", Layer.GRID),
    Binding(("KEY_2",), "2", "owners: fills and borders", Layer.OWNERS),
    Binding(("KEY_4",), "4", "interest: what I am sent", Layer.INTEREST),
    Binding(("KEY_5",), "5", "authority: where the server has it", Layer.AUTHORITY),
    Binding(("KEY_6",), "6", "velocity vectors", Layer.VECTORS),
    Binding(("KEY_7",), "7", "handover flashes", Layer.HANDOVERS),
    Binding(("KEY_8",), "8", "names", Layer.NAMES),
    Binding(("KEY_9",), "9", "physics shapes", Layer.SHAPES),
    Binding(("M",), "M", "map of the leases around", Layer.MINIMAP),
    Binding(("N",), "N", "net graph: off, text, strips", Action.NET_GRAPH),
    Binding(("TAB", SHIFT_TAB), "Tab", "select next (Shift: previous)", Action.SELECT_NEXT),
    Binding(("F",), "F", "follow selection or own ship", Action.FOLLOW),
    Binding(("HOME",), "Home", "fit the leases around", Action.FIT),
    Binding(("F12",), "F12", "save a PNG", Action.PICTURE),
    Binding(("QUESTION", "SLASH", "H"), "?", "this panel", Action.HELP),
    Binding(("ESCAPE",), "Esc", "back, then quit", Action.BACK),
    Binding(("Q",), "Q", "quit", Action.QUIT),
)

MOUSE: Final[tuple[tuple[str, str], ...]] = (
    ("wheel", "zoom at the pointer"),
    ("drag", "pan"),
    ("click", "select"),
)


def bindings_by_key() -> dict[str, Action | Layer | Button]:
    """Look-up from pyglet's key name to what it does."""
    return {key: binding.target for binding in BINDINGS for key in binding.keys}
