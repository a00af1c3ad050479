"""Which symbol stands for what kind of entity, and how large it is on the screen."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.client.front.rows import Shape
from sidereal.client.view import View
from sidereal.protocol.state.schema import Kind

Floats32 = NDArray[np.float32]

SHAPES: Final = np.full(256, Shape.CIRCLE, dtype=np.float32)
SHAPES[[Kind.SHIP, Kind.MISSILE, Kind.STATION, Kind.PICKUP]] = (
    Shape.DART,
    Shape.DIAMOND,
    Shape.SQUARE,
    Shape.CROSS,
)
_REACH: Final = np.full(256, 1.8, dtype=np.float32)
_REACH[[Kind.SHIP, Kind.MISSILE, Kind.STATION, Kind.PICKUP]] = 10.0, 6.0, 9.0, 6.0
"""Least half size in pixels when zoomed in; symbols shrink as the camera backs off."""


def reach_px(view: View, zoom: float) -> Floats32:
    """Half size of every entity's symbol: to scale, but never too small to see."""
    shrink = min(max((zoom / 0.5) ** 0.5, 0.4), 1.3)
    least = _REACH[view.kind] * shrink
    to_scale = view.radius * np.float32(zoom)
    # A dart's hull is smaller than its tips.
    to_scale = np.where(view.kind == Kind.SHIP, to_scale * np.float32(1.25), to_scale)
    return np.asarray(np.maximum(least, to_scale), dtype=np.float32)
