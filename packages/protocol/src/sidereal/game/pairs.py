"""Pairs of entities, as game code is handed them: typing only; shards implement it."""

from __future__ import annotations

from typing import Protocol

from sidereal.game.column import Bools, Floats, Indices


class Pairs(Protocol):
    """Entities that are near each other, in pairs.

    Attributes:
        a: int64[n], rows of those that were asked for.
        b: int64[n], rows of who is near each; both may repeat.
        distance: float64[n], world units, centre to centre.
    """

    a: Indices
    b: Indices
    distance: Floats

    def __len__(self) -> int: ...

    def where(self, keep: Bools) -> Pairs:
        """Keep some of the pairs."""

    def nearest(self) -> Pairs:
        """Keep for each a only the nearest b."""


class Contacts(Protocol):
    """Entities that touched in a tick, each pair once, whatever the number of physics steps.

    A pair in which each matches both queries is there twice, once in each direction, as in `Pairs`.

    Attributes:
        a: int64[n], rows of those that match the first query; likewise `b`, the second. Both may
            repeat.
        first: bool[n], whether they did not touch in the tick before.
        impulse: float64[n], t unit/s, with which they pushed each other, the sum over the tick; 0
            where one is a sensor.
        energy: float64[n], t unit²/s², that was lost in it, likewise.
        normal_x: float64[n], from a to b, of length 1, as they met in this tick; likewise
            `normal_y`.
        point_x: float64[n], world units, the middle between their surfaces then; likewise
            `point_y`.
    """

    a: Indices
    b: Indices
    first: Bools
    impulse: Floats
    energy: Floats
    normal_x: Floats
    normal_y: Floats
    point_x: Floats
    point_y: Floats

    def __len__(self) -> int: ...

    def where(self, keep: Bools) -> Contacts:
        """Keep some of the contacts."""
