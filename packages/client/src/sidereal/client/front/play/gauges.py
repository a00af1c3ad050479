"""Gauges: what a game shows of whoever flies, read eight times a second."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import numpy as np

from sidereal.client.front.palette import Rgb
from sidereal.client.view import View
from sidereal.game.builtin import Pilot
from sidereal.game.component import Component
from sidereal.game.declarations import Declarations
from sidereal.game.panel import Gauge
from sidereal.game.record import Record

READ_S: Final = 1 / 8
"""Time from one reading to the next."""

R = TypeVar("R", bound=Record)


class Reading(NamedTuple):
    """What a gauge shows.

    Attributes:
        label: what is written beside it.
        value: as it is written.
        share: 0 to 1, how full its bar is; None without a range.
        colour: of the bar or, without one, of the value.
    """

    label: str
    value: str
    share: float | None
    colour: Rgb


class Books(Protocol):
    """Where what is nobody's place is kept."""

    def of_account(self, record: type[R]) -> R | None:
        """What the own account has of a component, one value each; None before it is known."""

    def of_world(self, record: type[R]) -> R | None:
        """What the world has of a component, likewise."""


class Gauges:
    """The gauges of one game.

    Attributes:
        readings: the newest, of those that show something.
    """

    def __init__(self, game: Declarations) -> None:
        self.readings: tuple[Reading, ...] = ()
        self._read_at = -math.inf
        by_name = {component.record_name: component for component in game.components}
        self._gauges = [(gauge, by_name[gauge.field.record]) for gauge in game.gauges]
        self._accounts = {type(component) for component in game.accounts}
        self._shares = {type(component) for component in game.shares}
        self._flown = [kind.has(Pilot) for kind in game.kinds]
        self._has = {component: frozenset(game.numbers(component)) for _, component in self._gauges}

    def read(self, view: View, books: Books, now: float) -> tuple[Reading, ...]:
        """Read them, if that is due.

        Args:
            view: of this frame; the own entity's are read there.
            books: the client.
            now: monotonic seconds.
        """
        if self._gauges and not 0.0 <= now - self._read_at < READ_S:
            self._read_at = now
            found = [(gauge, self._value(gauge, of, view, books)) for gauge, of in self._gauges]
            self.readings = tuple(
                _reading(gauge, value) for gauge, value in found if value is not None
            )
        return self.readings

    def _value(
        self, gauge: Gauge, component: type[Component], view: View, books: Books
    ) -> float | None:
        if view.own >= 0 and int(view.kind[view.own]) in self._has[component]:
            return float(getattr(view[component], gauge.field.name)[view.own])
        known: Any = None
        if component in self._accounts:
            known = books.of_account(component)
        elif component in self._shares:
            known = books.of_world(component)
        return None if known is None else float(np.asarray(getattr(known, gauge.field.name)))


def _reading(gauge: Gauge, value: float) -> Reading:
    unit = gauge.field.options.unit
    said, colour, share = f"{value:,.0f}".replace(",", " "), gauge.rgb, None
    if gauge.range is not None:
        low, high = gauge.range
        share = min(max((value - low) / (high - low), 0.0), 1.0)
    elif unit:
        said = f"{said} {unit}"
    return Reading(gauge.label, said, share, colour)
