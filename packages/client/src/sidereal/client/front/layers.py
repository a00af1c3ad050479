"""What the viewer can draw, each part switched by one key or by `--layers`."""

from __future__ import annotations

import enum
from typing import Final

from sidereal.protocol.errors import ConfigError


class Layer(enum.Enum):
    """A part of the picture; the value is its name on the command line."""

    GRID = "grid"
    OWNERS = "owners"
    INTEREST = "interest"
    AUTHORITY = "authority"
    VECTORS = "vectors"
    HANDOVERS = "handovers"
    EFFECTS = "effects"
    NAMES = "names"
    SHAPES = "shapes"
    MINIMAP = "minimap"
    COMPASS = "compass"


LAYERS_SHOWN: Final = frozenset(Layer) - {Layer.SHAPES}
"""What is on when nothing was asked for."""


def parse_layers(text: str | None) -> frozenset[Layer]:
    """Read `--layers grid,owners`.

    Args:
        text: names separated by commas; `None` for the usual ones, empty for none at all.

    Raises:
        ConfigError: naming every unknown layer and the known ones.
    """
    if text is None:
        return LAYERS_SHOWN
    names = [name.strip() for name in text.split(",") if name.strip()]
    known = {layer.value: layer for layer in Layer}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"no layer named {', '.join(unknown)} (there are: {', '.join(known)})")
    return frozenset(known[name] for name in names)
