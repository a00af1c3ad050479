"""Who touched whom in a tick: the contacts of its physics steps, as columns.

Theory of operation. Physics steps several times in a tick, and says after each step which bodies
touch in it. `note` takes that down, with where they met. `settle` makes one row of all that is said
of a pair in a tick, in the order of their rows: physics walks contacts in an order that follows
from memory addresses.

Whether a pair has begun to touch is found by comparing ticks, because physics never says so of
sensors. Two that touch when both come from another shard begin to touch here, and are told of once
more: nobody knows whether that one had come to tell its game. Pairs are known by their rows, so who
leaves its row is forgotten (`forget`) before another entity gets it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.arrays import are_among
from sidereal.protocol.state.columns import Columns

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_ROW_BITS: Final = np.int64(32)


class Touches(NamedTuple):
    """Bodies that touch in one physics step, each pair once, in any order.

    Attributes:
        a: int64[n], the lower row of each pair; likewise `b`, the higher one.
        impulse: float64[n], t unit/s, with which they pushed each other; 0 where one is a sensor.
        energy: float64[n], t unit²/s², that was lost in it.
    """

    a: Ints
    b: Ints
    impulse: Floats
    energy: Floats

    def where(self, keep: Bools) -> Touches:
        """Keep some of the pairs."""
        return Touches(self.a[keep], self.b[keep], self.impulse[keep], self.energy[keep])


@dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """Entities that touched in a tick, by `a` and then by `b`, ascending: `sidereal.game.Contacts`.

    Attributes:
        a: int64[n], rows; likewise `b`.
        first: bool[n], whether they did not touch in the tick before.
        impulse: float64[n], t unit/s, the sum over the tick.
        energy: float64[n], t unit²/s², likewise.
        normal_x: float64[n], from a to b, of length 1, as they met; likewise `normal_y`.
        point_x: float64[n], world units, where they met; likewise `point_y`.
    """

    a: Ints
    b: Ints
    first: Bools
    impulse: Floats
    energy: Floats
    normal_x: Floats
    normal_y: Floats
    point_x: Floats
    point_y: Floats

    def __len__(self) -> int:
        return len(self.a)

    def where(self, keep: Bools) -> Contacts:
        """Keep some of the contacts."""
        return _take(self, keep)


_NOBODY: Final = np.empty(0, np.int64)
_COLUMNS: Final = attrgetter(*(field.name for field in fields(Contacts)))
_NONE: Final = Contacts(_NOBODY, _NOBODY, np.empty(0, np.bool_), *[np.empty(0)] * 6)


class ContactLog:
    """The contacts of a tick, and of the one before.

    Attributes:
        pairs: those of the newest tick that was settled, a below b.
    """

    def __init__(self, told_ticks: int = 0) -> None:
        """Begin with no contacts.

        Args:
            told_ticks: for how long `told` knows of them.
        """
        self._told: deque[tuple[int, Ints]] = deque(maxlen=told_ticks)
        self.pairs = _NONE
        self._noted: list[tuple[NDArray[Any], ...]] = []

    def note(self, touches: Touches, columns: Columns) -> None:
        """Take down a physics step.

        Args:
            touches: what it said.
            columns: where everything is after it, which is where bodies met in it.
        """
        a, b = touches.a, touches.b
        if len(a) == 0:
            return
        x, y = columns["x"], columns["y"]
        x_a, y_a = x[a], y[a]
        self._noted.append((*touches, x_a, y_a, x[b] - x_a, y[b] - y_a))

    def settle(self, radius: NDArray[np.float32]) -> None:
        """Make one row a pair of all that was noted in a tick.

        Args:
            radius: float32[capacity], world units, by row.

        Mutates:
            pairs.
        """
        before = _keys(self.pairs.a, self.pairs.b)
        noted, self._noted = self._noted, []
        if not noted:
            self.pairs = _NONE
            return
        a, b, impulse, energy, x, y, off_x, off_y = map(np.concatenate, zip(*noted, strict=True))
        key = _keys(a, b)
        # Stable: of one pair, physics steps stay in their order.
        order = np.argsort(key, kind="stable")
        key = key[order]
        begins = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
        met = order[begins]
        a, b = a[met], b[met]
        self.pairs = Contacts(
            a,
            b,
            ~_are_among(key[begins], before),
            np.add.reduceat(impulse[order], begins),
            np.add.reduceat(energy[order], begins),
            *_meeting(x[met], y[met], off_x[met], off_y[met], radius[a], radius[b]),
        )

    def remember(self, tick: int, net_id: NDArray[np.uint32]) -> None:
        """Remember which pairs were settled in a tick.

        Args:
            tick: it.
            net_id: uint32[capacity], who is in which row.
        """
        self._told.append((tick, name_pairs(self.pairs.a, self.pairs.b, net_id)))

    def told(self, since: int, net_id: NDArray[np.uint32]) -> Ints:
        """Name the pairs that are remembered of later ticks, or noted: int64[n]."""
        noted = [name_pairs(step[0], step[1], net_id) for step in self._noted]
        return np.concatenate([_NOBODY, *noted, *(p for tick, p in self._told if tick > since)])

    def forget(self, rows: Ints) -> None:
        """Forget contacts of entities that leave their rows, those of this tick too."""
        if not len(rows):
            return
        if len(self.pairs):
            gone = are_among(self.pairs.a, rows) | are_among(self.pairs.b, rows)
            self.pairs = self.pairs.where(~gone)
        noted, self._noted = self._noted, []
        for step in noted:
            kept = ~(are_among(step[0], rows) | are_among(step[1], rows))
            if kept.any():
                self._noted.append(tuple(column[kept] for column in step))


def between(pairs: Contacts, is_a: tuple[Bools, Bools], is_b: tuple[Bools, Bools]) -> Contacts:
    """Choose contacts, and turn them round where that is how they were asked for.

    Args:
        pairs: of a tick.
        is_a: bool[n] each, whether the entity on either side matches the first query.
        is_b: likewise, the second.
    """
    stays, turns = np.flatnonzero(is_a[0] & is_b[1]), np.flatnonzero(is_a[1] & is_b[0])
    if len(turns) == 0:
        return _take(pairs, stays) if len(stays) else _NONE
    there = _take(pairs, stays)
    back = _take(pairs, turns)
    turned = replace(back, a=back.b, b=back.a, normal_x=-back.normal_x, normal_y=-back.normal_y)
    found = _joined((there, turned))
    return _take(found, np.lexsort((found.b, found.a)))


def name_pairs(a: Ints, b: Ints, net_id: NDArray[np.uint32]) -> Ints:
    """Name pairs by the ids of who is in their rows: int64[n]."""
    one, other = net_id[a].astype(np.int64), net_id[b].astype(np.int64)
    return _keys(np.minimum(one, other), np.maximum(one, other))


def _keys(a: Ints, b: Ints) -> Ints:
    """Name each pair by one number, in the order of their rows."""
    return (a << _ROW_BITS) | b


def _are_among(keys: Ints, others: Ints) -> Bools:
    """Tell which of some keys are among others, all of them ascending: bool[n]."""
    if len(others) == 0:
        return np.zeros(len(keys), np.bool_)
    at = np.minimum(np.searchsorted(others, keys), len(others) - 1)
    return np.asarray(others[at] == keys)


def _meeting(
    x: Floats,
    y: Floats,
    off_x: Floats,
    off_y: Floats,
    radius_a: NDArray[np.float32],
    radius_b: NDArray[np.float32],
) -> tuple[Floats, Floats, Floats, Floats]:
    """Work out where circles meet.

    Args:
        x: float64[n], world units, the centre of the first; likewise `y`.
        off_x: float64[n], from there to the centre of the second; likewise `off_y`.
        radius_a: float32[n], of the first; likewise `radius_b`, of the second.

    Returns:
        The normal's x and y, and the x and y of the middle between their surfaces: float64[n] each.
    """
    distance = np.hypot(off_x, off_y)
    length = np.where(distance > 0, distance, 1.0)
    normal_x, normal_y = np.where(distance > 0, off_x / length, 1.0), off_y / length
    along = (radius_a + distance - radius_b) / 2
    return normal_x, normal_y, x + normal_x * along, y + normal_y * along


def _take(contacts: Contacts, chosen: Bools | Ints) -> Contacts:
    """Keep those, in that order."""
    return Contacts(*(column[chosen] for column in _COLUMNS(contacts)))


def _joined(parts: Sequence[Contacts]) -> Contacts:
    """Put contacts one after the other."""
    return Contacts(*map(np.concatenate, zip(*map(_COLUMNS, parts), strict=True)))
