"""What a shard tells the server of itself, about once a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sidereal.protocol.limits import CODE_NAME_SIZE_MAX
from sidereal.protocol.message.shard import Load, printable
from sidereal.shard.simulation import Simulation

STEPS_PER_LOAD_MAX: Final = 180
"""Durations in one `Load`, the newest: it travels unreliably, in one piece."""


def make_load(
    simulation: Simulation,
    tick: int,
    cpu_permille: int,
    private_bytes: int,
    step_us: Sequence[int],
) -> Load:
    """Say how a shard is doing.

    Args:
        simulation: what it simulates.
        tick: the last one simulated.
        cpu_permille: of one core, over the last second.
        private_bytes: memory that is its own.
        step_us: durations of the ticks since the last time, µs.
    """
    slowest, slowest_s = simulation.slowest()
    return Load(
        tick=tick,
        entities=len(simulation.bodies),
        ghosts=len(simulation.ghosts),
        guests=simulation.guest_count(),
        cpu_permille=cpu_permille,
        private_bytes=private_bytes,
        step_us=np.asarray(step_us[-STEPS_PER_LOAD_MAX:], dtype="<u4").tobytes(),
        slowest=printable(slowest, CODE_NAME_SIZE_MAX),
        slowest_us=round(slowest_s * 1e6),
        shadows=len(simulation.shadows),
        shadow_impulse=round(simulation.shadows.impulse),
    )
