"""World units to pixels and back.

The centre is float64 and every position is made relative to it before it becomes float32, so a
entity in sector (30000, -30000) is drawn as exactly as one at the origin.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ZOOM_MIN: Final = 2e-3
"""Pixels per world unit."""
ZOOM_MAX: Final = 20.0
_FOLLOW_S: Final = 0.12
"""Time constant with which the camera closes in on what it follows."""

Floats = NDArray[np.floating[Any]]


class Camera:
    """Where the window looks, and how closely; y is up, the origin is the window's lower left."""

    def __init__(self, width: int, height: int, x: float, y: float, zoom: float) -> None:
        self.width = width
        self.height = height
        self.x = x
        self.y = y
        self.zoom = min(max(zoom, ZOOM_MIN), ZOOM_MAX)

    def relative(self, x: Floats, y: Floats) -> NDArray[np.float32]:
        """Positions for the GPU.

        Args:
            x: float64[n], world units.
            y: float64[n], world units.

        Returns:
            float32[n, 2], pixels from the window's centre.
        """
        out = np.empty((len(x), 2), dtype=np.float32)
        out[:, 0] = (x - self.x) * self.zoom
        out[:, 1] = (y - self.y) * self.zoom
        return out

    def project(self, x: float, y: float) -> tuple[float, float]:
        """Pixel at which a world position is drawn."""
        return (
            (x - self.x) * self.zoom + self.width / 2,
            (y - self.y) * self.zoom + self.height / 2,
        )

    def unproject(self, pixel_x: float, pixel_y: float) -> tuple[float, float]:
        """World position under a pixel."""
        return (
            (pixel_x - self.width / 2) / self.zoom + self.x,
            (pixel_y - self.height / 2) / self.zoom + self.y,
        )

    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right and top of what is seen, world units."""
        half_width, half_height = self.width / 2 / self.zoom, self.height / 2 / self.zoom
        return self.x - half_width, self.y - half_height, self.x + half_width, self.y + half_height

    def visible(self, x: Floats, y: Floats, margin: float = 0.0) -> NDArray[np.bool_]:
        """Which positions are in the picture, or within `margin` pixels of it."""
        half_width = (self.width / 2 + margin) / self.zoom
        half_height = (self.height / 2 + margin) / self.zoom
        inside = (np.abs(x - self.x) <= half_width) & (np.abs(y - self.y) <= half_height)
        return np.asarray(inside, dtype=np.bool_)

    def zoom_at(self, pixel_x: float, pixel_y: float, factor: float) -> None:
        """Zoom so that the world position under the pixel stays there."""
        world_x, world_y = self.unproject(pixel_x, pixel_y)
        self.zoom = min(max(self.zoom * factor, ZOOM_MIN), ZOOM_MAX)
        self.x = world_x - (pixel_x - self.width / 2) / self.zoom
        self.y = world_y - (pixel_y - self.height / 2) / self.zoom

    def pan(self, pixels_x: float, pixels_y: float) -> None:
        """Move the picture by that many pixels, as a hand drags paper."""
        self.x -= pixels_x / self.zoom
        self.y -= pixels_y / self.zoom

    def fit(self, left: float, bottom: float, right: float, top: float, margin: float) -> None:
        """Show a rectangle of the world whole, with a margin in pixels around it."""
        self.x, self.y = (left + right) / 2, (bottom + top) / 2
        width = max(self.width - 2 * margin, 1.0)
        height = max(self.height - 2 * margin, 1.0)
        zoom = min(width / max(right - left, 1.0), height / max(top - bottom, 1.0))
        self.zoom = min(max(zoom, ZOOM_MIN), ZOOM_MAX)

    def follow(self, x: float, y: float, elapsed_s: float) -> None:
        """Close in on a moving position; from more than a window away, jump to it."""
        away = max(abs(x - self.x) / self.width, abs(y - self.y) / self.height) * self.zoom
        share = 1.0 if away > 1.0 else 1.0 - math.exp(-elapsed_s / _FOLLOW_S)
        self.x += (x - self.x) * share
        self.y += (y - self.y) * share
