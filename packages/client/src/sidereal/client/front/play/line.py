"""The line that somebody types for an action."""

from __future__ import annotations

from sidereal.client.front.writing.clusters import end
from sidereal.game.logic import Typed
from sidereal.game.words import fits_line


class Line:
    """A line while it is typed.

    Attributes:
        action: that is asked for with it.
        text: so far.
    """

    def __init__(self, action: str, typed: Typed) -> None:
        self.action = action
        self.text = ""
        self._typed = typed

    @property
    def label(self) -> str:
        """What is being done, in a word or two."""
        return self.action.rpartition(".")[2].replace("_", " ")

    @property
    def arguments(self) -> dict[str, str]:
        """Of the call: what was typed, without blanks around it."""
        return {self._typed.name: self.text.strip()}

    def type(self, text: str) -> None:
        """Add what was typed, as far as it can be shown and there is room."""
        printable = "".join(letter for letter in text if fits_line(letter))
        self.text = (self.text + printable)[: self._typed.letters_max]

    def erase(self) -> None:
        """Take the last letter back."""
        self.text = self.text[:-1]

    def visible(self, cells: int) -> str:
        """The end of the line, as much of it as has room."""
        return end(self.text, cells)
