"""Who touched whom in a tick: the contacts of its physics steps, as columns.

Theory of operation. Physics steps several times in a tick, and says after each step which bodies
touch in it. `note` takes that down, with where they met. `settle` makes one row of all that is said
of a pair in a tick, in the order of their rows: physics walks contacts in an order that follows
from memory addresses.

Whether a pair has begun to touch is found by comparing ticks, because physics never says so of
sensors. Pairs are known by their rows, so who leaves its row is forgotten (`forget`) before another
entity gets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
_NONE: Final = Contacts(_NOBODY, _NOBODY, np.empty(0, np.bool_), *[np.empty(0)] * 6)


class ContactLog:
    """The contacts of a tick, and of the one before.

    Attributes:
        pairs: those of the newest tick that was settled, a below b.
    """

    def __init__(self) -> None:
        self.pairs = _NONE
        self._noted: list[Contacts] = []

    def note(self, touches: Touches, columns: Columns) -> None:
        """Take down a physics step.

        Args:
            touches: what it said.
            columns: where everything is after it, which is where bodies met in it.
        """
        a, b = touches.a, touches.b
        if len(a) == 0:
            return
        x, y, radius = columns["x"], columns["y"], columns["radius"]
        off_x, off_y = x[b] - x[a], y[b] - y[a]
        distance = np.hypot(off_x, off_y)
        length = np.where(distance > 0, distance, 1.0)
        normal_x, normal_y = np.where(distance > 0, off_x / length, 1.0), off_y / length
        along = (radius[a] + distance - radius[b]) / 2
        self._noted.append(
            Contacts(
                a,
                b,
                np.zeros(len(a), np.bool_),
                touches.impulse,
                touches.energy,
                normal_x,
                normal_y,
                x[a] + normal_x * along,
                y[a] + normal_y * along,
            )
        )

    def settle(self) -> None:
        """Make one row a pair of all that was noted in a tick.

        Mutates:
            pairs.
        """
        before = _keys(self.pairs)
        noted, self._noted = self._noted, []
        if not noted:
            self.pairs = _NONE
            return
        every = _joined(noted)
        key = _keys(every)
        # Stable: of one pair, physics steps stay in their order.
        order = np.argsort(key, kind="stable")
        key, every = key[order], _take(every, order)
        begins = np.flatnonzero(np.append(True, key[1:] != key[:-1]))
        self.pairs = replace(
            _take(every, begins),
            first=~np.isin(key[begins], before, assume_unique=True),
            impulse=np.add.reduceat(every.impulse, begins),
            energy=np.add.reduceat(every.energy, begins),
        )

    def forget(self, rows: Ints) -> None:
        """Forget contacts of entities that leave their rows."""
        if len(self.pairs) and len(rows):
            gone = np.isin(self.pairs.a, rows) | np.isin(self.pairs.b, rows)
            self.pairs = self.pairs.where(~gone)


def between(pairs: Contacts, is_a: tuple[Bools, Bools], is_b: tuple[Bools, Bools]) -> Contacts:
    """Choose contacts, and turn them round where that is how they were asked for.

    Args:
        pairs: of a tick.
        is_a: bool[n] each, whether the entity on either side matches the first query.
        is_b: likewise, the second.
    """
    there, back = pairs.where(is_a[0] & is_b[1]), pairs.where(is_a[1] & is_b[0])
    if len(back) == 0:
        return there
    turned = replace(back, a=back.b, b=back.a, normal_x=-back.normal_x, normal_y=-back.normal_y)
    found = _joined((there, turned))
    return _take(found, np.lexsort((found.b, found.a)))


def _keys(pairs: Contacts) -> Ints:
    """Name each pair by one number, in the order of their rows."""
    return (pairs.a << _ROW_BITS) | pairs.b


def _take(contacts: Contacts, chosen: Bools | Ints) -> Contacts:
    """Keep those, in that order."""
    return Contacts(*(getattr(contacts, field.name)[chosen] for field in fields(Contacts)))


def _joined(parts: Sequence[Contacts]) -> Contacts:
    """Put contacts one after the other."""
    columns = ([getattr(part, field.name) for part in parts] for field in fields(Contacts))
    return Contacts(*map(np.concatenate, columns))
