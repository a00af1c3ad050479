"""Colours as plain data: shards in the Okabe-Ito palette, and the greys of the panels.

A shard has the same colour in the viewer, the monitor and the logs. The palette stays apart under
the common colour blindnesses; the shard's number is always printed beside it all the same.

Source: M. Okabe, K. Ito, "Color Universal Design" (2008); its black is a grey here, for nobody.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[int, int, int]

NOBODY: Final[Rgb] = (128, 132, 140)
"""What no shard owns."""

SHARDS: Final[tuple[Rgb, ...]] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 178, 128),
    (204, 121, 167),
    (240, 228, 66),
    (213, 94, 0),
    (64, 128, 210),
)
"""Sky blue, orange, green, purple, yellow, vermillion, blue; shard 1 has the first.

Green and blue are lifted from the original's (0, 158, 115) and (0, 114, 178), which drown on a
dark ground.
"""

BACKGROUND: Final[Rgb] = (9, 11, 17)
PANEL: Final[Rgb] = (13, 16, 24)
EDGE: Final[Rgb] = (58, 66, 82)
TEXT: Final[Rgb] = (226, 230, 238)
DIM: Final[Rgb] = (134, 144, 162)
WHITE: Final[Rgb] = (255, 255, 255)
AUTHORITY: Final[Rgb] = (255, 82, 82)
"""What the authority last said."""
GOOD: Final[Rgb] = (90, 210, 130)
WARN: Final[Rgb] = (255, 204, 64)
BAD: Final[Rgb] = (255, 84, 84)
INTERPOLATED: Final[Rgb] = (86, 148, 255)
EXTRAPOLATED: Final[Rgb] = (255, 204, 64)

_TABLE: Final = np.array([NOBODY, *SHARDS], dtype=np.uint8)


def shard_colour(shard: int) -> Rgb:
    """Colour of a shard; 0 is nobody, ids beyond the palette start over."""
    return NOBODY if shard == 0 else SHARDS[(shard - 1) % len(SHARDS)]


def shard_colours(shards: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Colours of many shards.

    Args:
        shards: integers[n], shard ids.

    Returns:
        uint8[n, 3], red, green and blue.
    """
    index = np.where(shards == 0, 0, (shards.astype(np.int64) - 1) % len(SHARDS) + 1)
    return _TABLE[index]


def shard_name(shard: int) -> str:
    """What a shard is called on the screen."""
    return f"S{shard}" if shard else "nobody"
