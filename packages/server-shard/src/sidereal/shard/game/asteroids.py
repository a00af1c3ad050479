"""Asteroids: they drift and spin, which is the physics' own doing, and bounce when hit."""

from __future__ import annotations

from collections.abc import Sequence

from sidereal.shard.plugin import Phase, System


class Asteroids:
    """Nothing moves an asteroid but what runs into it."""

    name = "asteroids"

    def systems(self, phase: Phase) -> Sequence[System]:
        """Systems to run in a phase: none."""
        return ()
