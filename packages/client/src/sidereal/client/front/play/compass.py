"""Compasses: the way to the nearest of a kind, and to the nearest border between two owners.

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
from sidereal.game.declarations import Declarations
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


class Compasses:
    """The compasses of one game, and what was seen by them."""

    def __init__(self, game: Declarations, looks: Looks) -> None:
        self._compasses = [
            (number, compass.label, compass.rgb or _colour(looks, number))
            for compass in game.compasses
            for number in game.numbers(compass.kind)
        ]
        self._places: dict[int, dict[int, tuple[float, float]]] = {
            number: {} for number, _, _ in self._compasses
        }

    def forget(self) -> None:
        """Another session: nobody is where it was."""
        for places in self._places.values():
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
        found = [self._nearest(*compass, view, here, rules) for compass in self._compasses]
        border = nearest_border(owned, *here, rules.sector_size)
        if border is not None:
            x, y, shard = border
            text = f"border to {shard_name(shard)}"
            found.append(Needle(text, x, y, palette.shard_colour(shard)))
        return tuple(needle for needle in found if needle is not None)

    def _nearest(
        self,
        number: int,
        label: str,
        colour: Rgb,
        view: View,
        here: tuple[float, float],
        rules: Rules,
    ) -> Needle | None:
        rows = np.flatnonzero(view.kind == number)
        rows = rows[rows != view.own]
        places = self._places[number]
        self._remember(places, view, rows, here, rules)
        seen = {(float(view.x[row]), float(view.y[row])) for row in self._closest(view, rows, here)}
        choices = [
            *((place, True) for place in seen),
            *((place, False) for place in places.values()),
        ]
        if not choices:
            return None
        (x, y), surely = min(
            choices, key=lambda choice: (math.dist(choice[0], here), not choice[1])
        )
        return Needle(label, x, y, colour, surely)

    def _closest(
        self, view: View, rows: NDArray[np.intp], here: tuple[float, float]
    ) -> NDArray[np.intp]:
        if len(rows) == 0:
            return rows
        away = np.hypot(view.x[rows] - here[0], view.y[rows] - here[1])
        return rows[[int(away.argmin())]]

    def _remember(
        self,
        places: dict[int, tuple[float, float]],
        view: View,
        rows: NDArray[np.intp],
        here: tuple[float, float],
        rules: Rules,
    ) -> None:
        """Note who stands still, and forget who is not where it ought to be seen."""
        if len(rows) == 0 and not places:
            return
        sight = rules.view_radius_cells * rules.cell_size
        for net_id, (x, y) in list(places.items()):
            if max(abs(x - here[0]), abs(y - here[1])) < sight:
                del places[net_id]  # it is seen, or else gone
        still = rows[np.hypot(view.vx[rows], view.vy[rows]) < AT_REST][:PLACES_MAX]
        for row in still:
            places[int(view.net_id[row])] = float(view.x[row]), float(view.y[row])
        while len(places) > PLACES_MAX:
            del places[next(iter(places))]


def _colour(looks: Looks, number: int) -> Rgb:
    if not looks.coloured[number]:
        return palette.WHITE
    red, green, blue = (int(part) for part in looks.colour[number])
    return red, green, blue
