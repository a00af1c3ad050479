"""Compasses: the way to the nearest of a kind, or to the next mark of a course, and to the nearest
border between two owners.

A client knows what is around it, and no more. So of what stands still it is remembered where it was
when it was seen last, until somebody comes to see that it is there no more.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.client.front import palette
from sidereal.client.front.looks import Looks
from sidereal.client.front.ownership import Ownership, nearest_border
from sidereal.client.front.palette import Rgb, shard_name
from sidereal.client.view import View
from sidereal.game.column import Field
from sidereal.game.declarations import Declarations
from sidereal.game.panel import Compass
from sidereal.protocol.rules import Rules

AT_REST: Final = 0.5
"""Units/s: what is slower is where it was, for all who come back."""
PLACES_MAX: Final = 64
"""Of a kind that are remembered; the oldest are forgotten."""


class Needle(NamedTuple):
    """An arrow of a compass: whither.

    Attributes:
        label: what is there.
        x: where, world units; likewise `y`.
        colour: of the arrow.
        surely: whether it is seen there now, and not remembered.
    """

    label: str
    x: float
    y: float
    colour: Rgb
    surely: bool = True


class Place(NamedTuple):
    """Where something is: world units; and which mark of a course it is, 0 of none."""

    x: float
    y: float
    mark: int


class Compasses:
    """The compasses of one game, and what was seen by them."""

    def __init__(self, game: Declarations, looks: Looks) -> None:
        self._compasses = [
            (number, compass, compass.rgb or _colour(looks, number))
            for compass in game.compasses
            for number in game.numbers(compass.kind)
        ]
        self._components = {each.record_name: each for each in game.components}
        # By compass, and by who is there.
        self._places: list[dict[int, Place]] = [{} for _ in self._compasses]

    def forget(self) -> None:
        """Another session: nobody is where it was."""
        for places in self._places:
            places.clear()

    def point(self, view: View, owned: Ownership, rules: Rules) -> tuple[Needle, ...]:
        """Find the nearest of each, seen from the own entity.

        Args:
            view: of this frame.
            owned: the leases.
            rules: of the world.
        """
        if view.own < 0:
            return ()
        here = float(view.x[view.own]), float(view.y[view.own])
        found = [
            self._nearest(*compass, places, view, here, rules)
            for compass, places in zip(self._compasses, self._places, strict=True)
        ]
        border = nearest_border(owned, *here, rules.sector_size)
        if border is not None:
            x, y, shard = border
            text = f"border to {shard_name(shard)}"
            found.append(Needle(text, x, y, palette.shard_colour(shard)))
        return tuple(needle for needle in found if needle is not None)

    def _nearest(
        self,
        number: int,
        compass: Compass,
        colour: Rgb,
        places: dict[int, Place],
        view: View,
        here: tuple[float, float],
        rules: Rules,
    ) -> Needle | None:
        rows = np.flatnonzero(view.kind == number)
        rows = rows[rows != view.own]
        marks, due = self._course(compass, view, rows)
        self._remember(places, view, rows, marks, here, rules)
        rows = rows[marks == due]
        choices = [(place, False) for place in places.values() if place.mark == due]
        if len(rows):
            away = np.hypot(view.x[rows] - here[0], view.y[rows] - here[1])
            row = rows[int(away.argmin())]
            choices.append((Place(float(view.x[row]), float(view.y[row]), due), True))
        if not choices:
            return None
        place, surely = min(
            choices, key=lambda choice: (math.dist(choice[0][:2], here), not choice[1])
        )
        return Needle(compass.label, place.x, place.y, colour, surely)

    def _course(
        self, compass: Compass, view: View, rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.int64], int]:
        """Tell which marks of its course some are, int64[n], and which one is next."""
        if compass.course is None:
            return np.zeros(len(rows), np.int64), 0
        number, passed = compass.course
        low, high = round(number.options.low or 0), round(number.options.high or 0)
        counted = int(self._column(view, passed)[view.own])
        marks = self._column(view, number)[rows].astype(np.int64)
        return marks, low + counted % (high - low + 1)

    def _column(self, view: View, field: Field) -> NDArray[np.generic]:
        return np.asarray(getattr(view[self._components[field.record]], field.name))

    def _remember(
        self,
        places: dict[int, Place],
        view: View,
        rows: NDArray[np.intp],
        marks: NDArray[np.int64],
        here: tuple[float, float],
        rules: Rules,
    ) -> None:
        """Note who stands still, and forget who is not where it ought to be seen."""
        if len(rows) == 0 and not places:
            return
        sight = rules.view_radius_cells * rules.cell_size
        for net_id, (x, y, _) in list(places.items()):
            if max(abs(x - here[0]), abs(y - here[1])) < sight:
                del places[net_id]  # it is seen, or else gone
        still = np.flatnonzero(np.hypot(view.vx[rows], view.vy[rows]) < AT_REST)[:PLACES_MAX]
        for row, mark in zip(rows[still], marks[still].tolist(), strict=True):
            places[int(view.net_id[row])] = Place(float(view.x[row]), float(view.y[row]), mark)
        while len(places) > PLACES_MAX:
            del places[next(iter(places))]


def _colour(looks: Looks, number: int) -> Rgb:
    if not looks.coloured[number]:
        return palette.WHITE
    red, green, blue = (int(part) for part in looks.colour[number])
    return red, green, blue
