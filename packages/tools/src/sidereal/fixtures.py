"""The pytest plugin: a fixture that makes worlds.

It is there wherever Sidereal is installed, so nothing is imported before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sidereal.testing import World


@pytest.fixture
def sidereal_world() -> Callable[..., World]:
    """Makes a world of a game, on virtual time; the arguments are those of `World`."""
    from sidereal.testing import World

    return World
