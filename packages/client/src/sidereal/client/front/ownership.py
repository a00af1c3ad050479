"""Leases as pictures: who owns which sector, where owners meet, what the client is sent.

`Ownership` is built when the leases change; each frame only the sectors in the picture are turned
into rows. Rectangles are in pixels from the window's middle.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sidereal.client.front.camera import Camera
from sidereal.client.front.palette import shard_colours
from sidereal.client.front.rows import RECT, Rows, join_rows, rect_rows, with_alpha
from sidereal.protocol.rules import Rules

FILL_ALPHA: Final = 40
BORDER_PX: Final = 2.0
"""Width of an owner's side of a border."""
GLOW_PX: Final = 16.0
GLOW_ALPHA: Final = 96
CELL_LINES_PX_MIN: Final = 36.0
"""Cells smaller than this on the screen have no lines."""
GRID_LINES_MAX: Final = 400
_LINE: Final = (170, 190, 225)

_NEIGHBOURS: Final = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""Left, right, below, above."""

Sectors = NDArray[np.int64]


class Ownership:
    """Which shard owns which sector.

    Attributes:
        sector_x: int64[n].
        sector_y: int64[n].
        shard: uint16[n].
        neighbours: uint16[n, 4], owner to the left, right, below and above; 0 for nobody.
    """

    def __init__(self, leases: NDArray[np.void]) -> None:
        """Sort the leases and find every sector's neighbours.

        Args:
            leases: `LEASE`[n].
        """
        keys = _keys(leases["sector_x"], leases["sector_y"])
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self.sector_x = leases["sector_x"][order].astype(np.int64)
        self.sector_y = leases["sector_y"][order].astype(np.int64)
        self.shard = leases["shard"][order].astype(np.uint16)
        self.neighbours = np.stack(
            [self.owners(self.sector_x + dx, self.sector_y + dy) for dx, dy in _NEIGHBOURS], axis=1
        )

    def __len__(self) -> int:
        """Count of leased sectors."""
        return len(self.shard)

    def owners(self, sector_x: Any, sector_y: Any) -> NDArray[np.uint16]:
        """Owner of each sector, 0 for nobody: integers[n] and integers[n] to uint16[n]."""
        keys = _keys(np.asarray(sector_x), np.asarray(sector_y))
        if len(self._keys) == 0:
            return np.zeros(len(keys), dtype=np.uint16)
        rows = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[rows] == keys, self.shard[rows], 0).astype(np.uint16)

    def shards(self) -> list[tuple[int, int]]:
        """Every shard with a lease and how many sectors it has, by shard."""
        shards, counts = np.unique(self.shard[self.shard > 0], return_counts=True)
        return [(int(shard), int(count)) for shard, count in zip(shards, counts, strict=True)]

    def bounds(self) -> tuple[int, int, int, int] | None:
        """First and past-the-last sector on both axes: left, bottom, right, top."""
        if len(self) == 0:
            return None
        return (
            int(self.sector_x.min()),
            int(self.sector_y.min()),
            int(self.sector_x.max()) + 1,
            int(self.sector_y.max()) + 1,
        )

    def changed_since(self, before: Ownership) -> list[tuple[int, int, int, int]]:
        """Sectors that went from one owner to another: sector x and y, owner before, owner now.

        A sector that had no owner is no news: it has come into sight, or somebody has entered it.
        """
        owners_before = before.owners(self.sector_x, self.sector_y)
        moved = (owners_before != 0) & (owners_before != self.shard)
        return [
            (
                int(self.sector_x[row]),
                int(self.sector_y[row]),
                int(owners_before[row]),
                int(self.shard[row]),
            )
            for row in np.flatnonzero(moved)  # rare: a lease moved
        ]

    def rows_seen(self, camera: Camera, sector_size: float) -> NDArray[np.intp]:
        """Rows of the sectors that are at least partly in the picture."""
        left, bottom, right, top = (math.floor(edge / sector_size) for edge in camera.bounds())
        seen = (self.sector_x >= left) & (self.sector_x <= right)
        seen &= (self.sector_y >= bottom) & (self.sector_y <= top)
        return np.flatnonzero(seen)


def _keys(sector_x: NDArray[Any], sector_y: NDArray[Any]) -> Sectors:
    """One sortable int64 per sector."""
    return (sector_x.astype(np.int64) << 32) + (sector_y.astype(np.int64) + (1 << 31))


def fill_rows(
    ownership: Ownership, rows: NDArray[np.intp], camera: Camera, sector_size: float
) -> Rows:
    """Sectors filled with their owner's colour."""
    left, bottom, side = _corners(ownership, rows, camera, sector_size)
    colours = with_alpha(shard_colours(ownership.shard[rows]), FILL_ALPHA)
    return rect_rows(left, bottom, side, side, colours)


def border_rows(
    ownership: Ownership, rows: NDArray[np.intp], camera: Camera, sector_size: float
) -> Rows:
    """Where two owners meet: on each side a line in its owner's colour, and a glow inwards."""
    left, bottom, side = _corners(ownership, rows, camera, sector_size)
    glow = min(GLOW_PX, side / 3)
    line = min(BORDER_PX, side / 6)
    parts = []
    for neighbour, (dx, dy) in enumerate(_NEIGHBOURS):
        there = ownership.neighbours[rows, neighbour]
        at_border = np.flatnonzero(there != ownership.shard[rows])
        if len(at_border) == 0:
            continue
        x, y = left[at_border], bottom[at_border]
        colours = shard_colours(ownership.shard[rows][at_border])
        strong = with_alpha(colours, np.where(there[at_border] == 0, 110, 235))
        soft = with_alpha(colours, np.where(there[at_border] == 0, GLOW_ALPHA // 3, GLOW_ALPHA))
        none = with_alpha(colours, 0)
        for width, near, far in ((glow, soft, none), (line, strong, strong)):
            parts.append(
                rect_rows(
                    x + (side - width if dx > 0 else 0),
                    y + (side - width if dy > 0 else 0),
                    side if dx == 0 else width,
                    side if dy == 0 else width,
                    far if dx > 0 or dy > 0 else near,
                    near if dx > 0 or dy > 0 else far,
                    upward=float(dx == 0),
                )
            )
    return join_rows(parts, RECT)


def _corners(
    ownership: Ownership, rows: NDArray[np.intp], camera: Camera, sector_size: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    corners = camera.relative(
        ownership.sector_x[rows] * sector_size, ownership.sector_y[rows] * sector_size
    )
    return corners[:, 0], corners[:, 1], sector_size * camera.zoom


def nearest_border(
    ownership: Ownership, x: float, y: float, sector_size: float
) -> tuple[float, float, int] | None:
    """Find the nearest border between two owners.

    Args:
        ownership: the leases.
        x: where from, world units; likewise `y`.
        sector_size: world units.

    Returns:
        the nearest point of it, world units, and the owner on the far side; None without one.
    """
    there = ownership.neighbours
    rows, sides = np.nonzero((there != ownership.shard[:, None]) & (there != 0))
    if len(rows) == 0:
        return None
    step = np.array(_NEIGHBOURS, np.float64)[sides]
    left, bottom = ownership.sector_x[rows] * sector_size, ownership.sector_y[rows] * sector_size
    at_x = np.where(step[:, 0] == 0, np.clip(x, left, left + sector_size), left)
    at_y = np.where(step[:, 1] == 0, np.clip(y, bottom, bottom + sector_size), bottom)
    at_x += np.where(step[:, 0] > 0, sector_size, 0.0)
    at_y += np.where(step[:, 1] > 0, sector_size, 0.0)
    # Each border is seen from both of its sides: the far one is meant.
    near_side = step[:, 0] * (at_x - x) + step[:, 1] * (at_y - y) >= 0
    away = np.where(near_side, np.hypot(at_x - x, at_y - y), np.inf)
    best = int(away.argmin())
    if not np.isfinite(away[best]):
        return None
    return float(at_x[best]), float(at_y[best]), int(there[rows[best], sides[best]])


def grid_rows(camera: Camera, rules: Rules) -> Rows:
    """Hairlines along sectors, and along cells where they are large enough to see."""
    parts = []
    for step, alpha in ((rules.cell_size, 16), (rules.sector_size, 46)):
        if step * camera.zoom < CELL_LINES_PX_MIN:
            continue
        left, bottom, right, top = camera.bounds()
        columns = np.arange(math.ceil(left / step), math.floor(right / step) + 1)[:GRID_LINES_MAX]
        lines = np.arange(math.ceil(bottom / step), math.floor(top / step) + 1)[:GRID_LINES_MAX]
        x = np.round((columns * step - camera.x) * camera.zoom)
        y = np.round((lines * step - camera.y) * camera.zoom)
        half_width, half_height = camera.width / 2, camera.height / 2
        colour = (*_LINE, alpha)
        parts.append(rect_rows(x, -half_height, np.ones_like(x), camera.height, colour))
        parts.append(rect_rows(-half_width, y, camera.width, np.ones_like(y), colour))
    return join_rows(parts, RECT)


def interest_bounds(x: float, y: float, rules: Rules) -> tuple[float, float, float, float]:
    """The square of cells that a client at that position is sent, world units."""
    cell, radius = rules.cell_size, rules.view_radius_cells
    left, bottom = math.floor(x / cell) - radius, math.floor(y / cell) - radius
    side = rules.window_side
    return left * cell, bottom * cell, (left + side) * cell, (bottom + side) * cell


def outside_rows(camera: Camera, bounds: tuple[float, float, float, float], alpha: int) -> Rows:
    """Darken everything outside a rectangle of the world."""
    half_width, half_height = camera.width / 2, camera.height / 2
    left = min(max((bounds[0] - camera.x) * camera.zoom, -half_width), half_width)
    bottom = min(max((bounds[1] - camera.y) * camera.zoom, -half_height), half_height)
    right = min(max((bounds[2] - camera.x) * camera.zoom, -half_width), half_width)
    top = min(max((bounds[3] - camera.y) * camera.zoom, -half_height), half_height)
    return rect_rows(
        np.array([-half_width, right, left, left]),
        np.array([-half_height, -half_height, -half_height, top]),
        np.array([left + half_width, half_width - right, right - left, right - left]),
        np.array([camera.height, camera.height, bottom + half_height, half_height - top]),
        (4, 5, 9, alpha),
    )
