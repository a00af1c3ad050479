"""Random numbers of one run: a generator for everybody, which follows from the seed and a name."""

from __future__ import annotations

import numpy as np


def random_of(seed: int, name: str) -> np.random.Generator:
    """Make the generator of somebody: a draw more there changes nobody else's."""
    return np.random.default_rng([seed, *name.encode()])
