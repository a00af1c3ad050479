"""What the person at the monitor has chosen; keys change it, nothing else does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sidereal.tools.monitor.history import Picture, Sector
from sidereal.tools.monitor.keys import MAP_MODES, SCREENS, MapMode, Screen
from sidereal.tools.monitor.listing import Listing, list_rows

FILTER_SIZE_MAX: Final = 60
PAGE_ROWS: Final = 10
BACK_MAX: Final = 16

_ARROWS: Final = {"up": (0, 1), "down": (0, -1), "left": (-1, 0), "right": (1, 0)}
_STEPS: Final = {
    "up": -1,
    "k": -1,
    "down": 1,
    "j": 1,
    "page-up": -PAGE_ROWS,
    "page-down": PAGE_ROWS,
    "home": -(1 << 30),
    "end": 1 << 30,
}


@dataclass(slots=True)
class Choice:
    """What is chosen on one screen."""

    row: int = 0
    words: str = ""
    """Filter."""
    column: int | None = None
    """Sorted by it; None is the screen's own order."""
    reverse: bool = False


@dataclass(slots=True)
class Desk:
    """The monitor's controls.

    Attributes:
        typing: keys go into the filter.
        frozen: the picture that stays on the screen, if it is to stay.
        sector: chosen on the map.
    """

    screen: Screen = Screen.OVERVIEW
    back: list[Screen] = field(default_factory=list)
    choices: dict[Screen, Choice] = field(
        default_factory=lambda: {screen: Choice() for screen in SCREENS}
    )
    mode: MapMode = MapMode.OWNER
    sector: Sector | None = None
    typing: bool = False
    help: bool = False
    expanded: bool = False
    frozen: Picture | None = None
    ended: bool = False

    @property
    def choice(self) -> Choice:
        """What is chosen on the screen that is shown."""
        return self.choices[self.screen]

    def listing(self, picture: Picture) -> Listing:
        """Rows of the screen that is shown, filtered and sorted as chosen."""
        choice = self.choice
        return list_rows(self.screen, picture, choice.words, choice.column, choice.reverse)

    def press(self, key: str, picture: Picture) -> None:
        """Do what a key does.

        Args:
            key: as `KeyDecoder` names it.
            picture: what is on the screen.
        """
        if self.typing:
            self._type(key)
        elif key == "q":
            self.ended = True
        elif key == "?":
            self.help = not self.help
        elif key == "esc":
            self._go_back()
        elif key == "space":
            self.frozen = picture if self.frozen is None else None
        elif key == "e":
            self.expanded = not self.expanded
        elif key == "m":
            self.mode = MAP_MODES[(MAP_MODES.index(self.mode) + 1) % len(MAP_MODES)]
        elif key in ("tab", "shift-tab"):
            step = 1 if key == "tab" else -1
            self._show(SCREENS[(SCREENS.index(self.screen) + step) % len(SCREENS)])
        elif key.isascii() and key.isdigit() and 1 <= int(key) <= len(SCREENS):
            self._show(SCREENS[int(key) - 1])
        elif self.screen is Screen.OVERVIEW:
            self._press_map(key, picture)
        else:
            self._press_table(key, picture)

    def _show(self, screen: Screen) -> None:
        self.help = False
        if screen is not self.screen:
            self.back = [*self.back, self.screen][-BACK_MAX:]
            self.screen = screen

    def _go_back(self) -> None:
        if self.help:
            self.help = False
        elif self.choice.words:
            self.choice.words = ""
        elif self.screen is Screen.OVERVIEW and self.sector is not None:
            self.sector = None
        elif self.back:
            self.screen = self.back.pop()

    def _type(self, key: str) -> None:
        choice = self.choice
        if key in ("enter", "esc"):
            self.typing = False
            if key == "esc":
                choice.words = ""
        elif key == "backspace":
            choice.words = choice.words[:-1]
        elif key == "clear":
            choice.words = ""
        else:
            letter = " " if key == "space" else key
            if len(letter) == 1 and len(choice.words) < FILTER_SIZE_MAX:
                choice.words += letter
        choice.row = 0

    def _press_map(self, key: str, picture: Picture) -> None:
        if key in _ARROWS:
            self.sector = _step(self.sector, _ARROWS[key], picture)
        elif key == "enter":
            self._show(Screen.SECTORS)
            self.choice.words = ""
            rows = self.listing(picture).rows
            places = [index for index, row in enumerate(rows) if row.key == self.sector]
            self.choice.row = places[0] if places else 0

    def _press_table(self, key: str, picture: Picture) -> None:
        choice, listing = self.choice, self.listing(picture)
        if key in _STEPS:
            last = max(0, len(listing.rows) - 1)
            choice.row = min(max(min(choice.row, last) + _STEPS[key], 0), last)
        elif key == "/":
            self.typing = True
        elif key == "s":
            following = 0 if choice.column is None else choice.column + 1
            choice.column = following if following < len(listing.columns) else None
            choice.reverse = False
        elif key == "r":
            choice.reverse = not choice.reverse
        elif key == "enter" and listing.rows:
            self._drill(listing.rows[min(choice.row, len(listing.rows) - 1)].key)

    def _drill(self, key: object) -> None:
        """Follow the chosen row to the screen that says more."""
        if self.screen is Screen.SHARDS and isinstance(key, int):
            self._show(Screen.SECTORS)
            self.choice.words, self.choice.row = f"S{key} ", 0
        elif self.screen is Screen.SECTORS and isinstance(key, Sector):
            self._show(Screen.OVERVIEW)
            self.sector = key
        elif self.screen is Screen.CLIENTS and isinstance(key, str):
            self._show(Screen.EVENTS)
            self.choice.words, self.choice.row = key, 0


def _step(sector: Sector | None, step: tuple[int, int], picture: Picture) -> Sector | None:
    """Next sector in a direction, within the box around all active ones."""
    sectors = [address for address, _ in picture.sectors]
    if not sectors:
        return None
    if sector is None:
        crowded = max(picture.status["sectors"], key=lambda row: int(row["entities"]))
        return Sector(crowded["x"], crowded["y"])
    columns, rows = [s.x for s in sectors], [s.y for s in sectors]
    return Sector(
        min(max(sector.x + step[0], min(columns)), max(columns)),
        min(max(sector.y + step[1], min(rows)), max(rows)),
    )
