"""Which key does what, once: the window obeys this table and the help panel prints it.

What a player holds is bound by the game, in its own words or else by the names of its controls. A
key that a control takes is not the viewer's any more.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

from sidereal.client.front.layers import Layer
from sidereal.game.declarations import Declarations
from sidereal.game.logic import Typed


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


class Pan(enum.Enum):
    """Where an observer goes while a key is held: rightward, upward."""

    UP = (0, 1)
    DOWN = (0, -1)
    LEFT = (-1, 0)
    RIGHT = (1, 0)


class Steer(NamedTuple):
    """What a player holds while a key is held: a column of the controls, and how far it goes."""

    name: str
    step: int


class Ask(NamedTuple):
    """What a player asks the game for when a key is pressed."""

    action: str
    """Its name, with its part."""
    typed: Typed | None
    """What is typed first."""


Target: TypeAlias = Action | Layer | Pan | Steer | Ask

SHIFT_TAB: Final = "SHIFT_TAB"
"""Under X, Tab with Shift is a key of its own, for which pyglet has no name."""
SHIFT_TAB_KEYCODE: Final = 23
"""By which pyglet tells it: the code of Tab on every keyboard of a PC."""


class Binding(NamedTuple):
    """One line of the help panel."""

    keys: tuple[str, ...]
    """pyglet's names (`pyglet.window.key`), `SHIFT_TAB`, and those of `BUTTONS`."""
    shown: str
    does: str
    target: Target


OWN: Final[tuple[Binding, ...]] = (
    Binding(("KEY_1",), "1", "grid", Layer.GRID),
    Binding(("KEY_2",), "2", "whose sectors these are", Layer.OWNERS),
    Binding(("KEY_3",), "3", "effects of what happens", Layer.EFFECTS),
    Binding(("KEY_4",), "4", "what the server sends me", Layer.INTEREST),
    Binding(("KEY_5",), "5", "where the server has it", Layer.AUTHORITY),
    Binding(("KEY_6",), "6", "velocity vectors", Layer.VECTORS),
    Binding(("KEY_7",), "7", "handover flashes", Layer.HANDOVERS),
    Binding(("KEY_8",), "8", "names", Layer.NAMES),
    Binding(("KEY_9",), "9", "physics shapes", Layer.SHAPES),
    Binding(("KEY_0",), "0", "compasses, and the next border", Layer.COMPASS),
    Binding(("M",), "M", "map of the sectors around", Layer.MINIMAP),
    Binding(("N",), "N", "the link: off, text, strips", Action.NET_GRAPH),
    Binding(("TAB", SHIFT_TAB), "Tab", "select next (Shift: previous)", Action.SELECT_NEXT),
    Binding(("F",), "F", "follow yourself, or selection", Action.FOLLOW),
    Binding(("HOME",), "Home", "show all sectors around", Action.FIT),
    Binding(("F12",), "F12", "save a PNG", Action.PICTURE),
    Binding(("QUESTION", "SLASH", "H"), "?", "this panel", Action.HELP),
    Binding(("ESCAPE",), "Esc", "back, then quit", Action.BACK),
    Binding(("Q",), "Q", "quit", Action.QUIT),
)
"""What keys do in every game."""

PANNING: Final[tuple[Binding, ...]] = (
    Binding(("W", "UP"), "W ▲", "pan up", Pan.UP),
    Binding(("S", "DOWN"), "S ▼", "pan down", Pan.DOWN),
    Binding(("A", "LEFT"), "A ◄", "pan left", Pan.LEFT),
    Binding(("D", "RIGHT"), "D ►", "pan right", Pan.RIGHT),
)
"""What an observer moves."""

BUTTONS: Final = {"MOUSE_LEFT": "left", "MOUSE_RIGHT": "right", "MOUSE_MIDDLE": "middle"}
"""Of the mouse: those that the game has not bound pan and select."""

_BESIDE: Final = {"W": "UP", "S": "DOWN", "A": "LEFT", "D": "RIGHT"}
"""Arrows that do what these letters do, unless the game has bound them."""
_ARROWS: Final = {"UP": "▲", "DOWN": "▼", "LEFT": "◄", "RIGHT": "►"}
_TWICE: Final = ("SHIFT", "CTRL", "ALT")
"""Keys of which there are two: pyglet tells left from right."""


def make_bindings(game: Declarations, *, observing: bool) -> tuple[Binding, ...]:
    """Make the table of keys.

    Args:
        game: which is played.
        observing: an observer pans, a player holds the game's controls and asks for its actions.
    """
    moving = PANNING if observing else (*_steering(game), *_asking(game))
    taken = {key for binding in moving for key in binding.keys}
    taken |= {SHIFT_TAB} if "TAB" in taken else set()
    left = (b._replace(keys=tuple(key for key in b.keys if key not in taken)) for b in OWN)
    return (*moving, *(binding for binding in left if binding.keys))


def mouse_lines(bindings: Iterable[Binding]) -> list[tuple[str, str]]:
    """Say what the mouse does beside what the game has bound to its buttons."""
    taken = {key for binding in bindings for key in binding.keys}
    free = [name for button, name in BUTTONS.items() if button not in taken]
    lines = [("wheel", "zoom at the pointer")]
    if free:
        with_which = f", with the {free[0]} button" if len(free) < len(BUTTONS) else ""
        lines += [("drag", f"pan{with_which}"), ("click", f"select{with_which}")]
    return lines


def targets_by_key(bindings: Iterable[Binding]) -> dict[str, Target]:
    """Look-up from pyglet's key name to what it does."""
    return {key: binding.target for binding in bindings for key in binding.keys}


def _steering(game: Declarations) -> Iterator[Binding]:
    bound = {
        name: field.options
        for controls in game.controls
        for name, field in controls.fields.items()
        if field.options.binding is not None and field.options.binding.keys
    }
    taken = {key for options in bound.values() if options.binding for key in options.binding.keys}
    for name, options in bound.items():
        assert options.binding is not None
        axis = options.binding.input == "axis"
        far = round(options.high or 1) if axis else 1
        plain = name.replace("_", " ")
        words = options.binding.does or ((f"{plain} +", f"{plain} −") if axis else (plain,))
        for key, step, does in zip(options.binding.keys, (far, -far), words, strict=False):
            beside = _BESIDE.get(key, "")
            beside = "" if beside in taken else beside
            shown = f"{_shown(key)} {_shown(beside)}".rstrip()
            keys = (*_named(key), *_named(beside))
            yield Binding(keys, shown, does, Steer(name, step))


def _asking(game: Declarations) -> Iterator[Binding]:
    for action in game.actions:
        if action.key:
            does = f"{action.words}: type it" if action.typed else action.words
            target = Ask(action.name, action.typed)
            yield Binding(_named(action.key), _shown(action.key), does, target)


def _named(key: str) -> tuple[str, ...]:
    """Name a key of a game as pyglet does."""
    if key in _TWICE:
        return f"L{key}", f"R{key}"
    if key.isdigit():
        return (f"KEY_{key}",)
    return (key,) if key else ()


def _shown(key: str) -> str:
    if key in BUTTONS:
        return f"Mouse {key[6]}"
    return _ARROWS.get(key, key.capitalize())
