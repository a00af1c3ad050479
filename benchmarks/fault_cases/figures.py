"""What a case has measured, and what was asked of it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TITLES: Final = ("case", "measured", "seen", "asked", "")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    Attributes:
        key: of the case and the number, for JSON.
        what: was measured, for people.
        value: in `unit`.
        unit: empty for a count.
        at_least: what is asked, None where more is not better.
        at_most: what is asked, None where less is not better.
        spread: the range over repetitions, for people.
    """

    key: str
    what: str
    value: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    spread: str = ""

    @property
    def met(self) -> bool:
        """Whether it is as asked; what nothing is asked of is."""
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def asked(self) -> str:
        """Say what is asked; empty where nothing is."""
        if self.at_least is not None:
            return f"at least {with_unit(self.at_least, self.unit)}"
        if self.at_most is not None:
            return f"at most {with_unit(self.at_most, self.unit)}"
        return ""

    @property
    def ratio(self) -> float | None:
        """How far it is ahead of what is asked: 1 is just enough; None where that says nothing."""
        if self.at_least:
            return self.value / self.at_least
        if self.at_most and self.value > 0:
            return self.at_most / self.value
        return None

    def row(self, case: str) -> str:
        """Write a row of a Markdown table."""
        seen = with_unit(self.value, self.unit) + (f" {self.spread}" if self.spread else "")
        verdict = "" if self.met else "missed"
        return f"| {' | '.join((case, self.what, seen, self.asked, verdict))} |"


def with_unit(value: float, unit: str) -> str:
    """Write a number so that three digits of it can be read."""
    if value == int(value) or abs(value) >= 100:
        text = f"{value:.0f}"
    else:
        text = f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{text} {unit}".rstrip()


def worst_of(key: str, what: str, values: Sequence[float], at_most: float | None = None) -> Figure:
    """Make a figure of repetitions in seconds: the worst counts, the median stands beside it."""
    spread = ""
    if len(values) > 1:
        spread = f"(median {with_unit(statistics.median(values), 's')} of {len(values)})"
    return Figure(key, what, max(values), "s", at_most=at_most, spread=spread)
