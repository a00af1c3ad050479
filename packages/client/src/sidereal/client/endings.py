"""What was foreseen ends on the picture at what it touches there.

What the own inputs have spawned is drawn before anybody says what became of it, and ahead of the
others while it gives up its lead. So nobody has said yet that it has struck something when it is
drawn there. If its kind ends with what it touches first (`Kind.ends_at_touch`), it is not drawn any
more from the first body on that it touches as both are drawn.

That is a guess. An entity that has come and was taken from the picture is drawn again when the
picture of the others has come to the tick of the touch, and a bit further: if it is still there by
then, it has struck nothing. What is flown again on another way is judged anew, from where it was
spawned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.client.interpolation import Floats
from sidereal.client.spawns import Ahead
from sidereal.game.column import Bools
from sidereal.game.declarations import Declarations
from sidereal.game.touching import KIND_NUMBERS, touching

DOUBT_TICKS: Final = 2.0
"""So long after the touch its end may be heard of."""


class Bodies(NamedTuple):
    """Everything as it is drawn, arrays [n].

    Attributes:
        ids: uint32, ascending.
        kind: uint8, numbers of kinds.
        radius: float32, world units.
        group: uint32, of which bodies touch no other of it; 0 is the own one.
        x: float64, world units; likewise `y`.
        y: likewise.
        times: float64, the ticks at which each is drawn.
    """

    ids: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    radius: NDArray[np.float32]
    group: NDArray[np.uint32]
    x: Floats
    y: Floats
    times: Floats

    @classmethod
    def of(
        cls,
        ids: NDArray[np.uint32],
        column: Callable[[str], NDArray[Any]],
        x: Floats,
        y: Floats,
        times: Floats,
    ) -> Bodies:
        """Put together what is drawn where and when; `column` gives what else there is of it."""
        return cls(ids, column("kind"), column("radius"), column("group"), x, y, times)


class Followed(NamedTuple):
    """One that was foreseen, as the picture before had it.

    Attributes:
        x: where it was drawn; likewise `y`.
        y: likewise.
        version: of its way while it had not come.
        touched: the tick at which it has touched something, None if it has not.
    """

    x: float
    y: float
    version: int
    touched: float | None


class Endings:
    """Who of what was foreseen has touched something, picture by picture."""

    def __init__(self, game: Declarations) -> None:
        count = len(game.kinds)
        self._touches = np.zeros((KIND_NUMBERS, KIND_NUMBERS), np.bool_)
        self._touches[1 : count + 1, 1 : count + 1] = touching(game.kinds)
        self._ends = np.zeros(KIND_NUMBERS, np.bool_)
        self._ends[1 : count + 1] = [kind.ends_at_touch for kind in game.kinds]
        self._followed: dict[int, Followed] = {}

    def rename(self, names: Mapping[int, int]) -> None:
        """Let what was foreseen go on under the ids of the entities that have come for it."""
        for before, after in names.items():
            if before in self._followed:
                self._followed[after] = self._followed.pop(before)

    def ended(self, drawn: Bodies, spawns: Ahead, tick: float) -> Bools:
        """Tell what is not to be drawn any more, bool[n].

        Args:
            drawn: all that would be.
            spawns: what was foreseen.
            tick: at which others are drawn.
        """
        gone = np.zeros(len(drawn.ids), np.bool_)
        followed: dict[int, Followed] = {}
        # A few dozen at most, and none while nobody shoots: 0.1 ms each among ten thousand.
        for net_id, way in _ways(spawns).items():
            row = int(np.searchsorted(drawn.ids, np.uint32(net_id)))
            if not self._ends[drawn.kind[row]]:
                continue
            here = float(drawn.x[row]), float(drawn.y[row])
            before = self._followed.get(net_id)
            if before is None or (way is not None and way.version != before.version):
                before = Followed(*here, 0, None) if way is None else way
            touched = before.touched
            if touched is None and self._touches_any(drawn, row, (before.x, before.y), here):
                touched = float(drawn.times[row])
            followed[net_id] = Followed(*here, before.version, touched)
            over = way is None and touched is not None and tick >= touched + DOUBT_TICKS
            gone[row] = touched is not None and not over
        self._followed = followed
        return gone

    def _touches_any(
        self, drawn: Bodies, row: int, begin: tuple[float, float], end: tuple[float, float]
    ) -> bool:
        """Tell whether a body touches another one on its way from one picture to the next."""
        touches = self._touches[drawn.kind[row]][drawn.kind]
        groups = np.where(drawn.group == 0, drawn.ids, drawn.group)
        rows = np.flatnonzero(touches & (groups != groups[row]))
        reach = drawn.radius[rows].astype(np.float64) + float(drawn.radius[row])
        (x, y), (way_x, way_y) = begin, (end[0] - begin[0], end[1] - begin[1])
        off_x, off_y = drawn.x[rows] - x, drawn.y[rows] - y
        length = max(way_x**2 + way_y**2, 1e-12)
        along = np.clip((off_x * way_x + off_y * way_y) / length, 0.0, 1.0)
        away = np.hypot(off_x - along * way_x, off_y - along * way_y)
        return bool((away <= reach).any())


def _ways(spawns: Ahead) -> dict[int, Followed | None]:
    """List what was foreseen, by ids: from where it was spawned on, None for what has come."""
    records = spawns.records
    places = zip(records["x"].tolist(), records["y"].tolist(), strict=True)
    ways: dict[int, Followed | None] = dict.fromkeys(spawns.born)
    for net_id, place, version in zip(
        records["id"].tolist(), places, spawns.version.tolist(), strict=True
    ):
        ways[net_id] = Followed(*place, version, None)
    return ways
