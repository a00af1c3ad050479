"""Ships: they fly as their pilots' buttons say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sidereal.protocol.flight import steer
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.schema import Kind
from sidereal.shard.plugin import Stage, Step, System


class Ships:
    """Flight for all ships at once, by the model the clients predict with."""

    name = "ships"

    def systems(self, stage: Stage) -> Sequence[System]:
        """Systems to run in a stage."""
        return (fly,) if stage is Stage.SUBSTEP else ()


def fly(bodies: Columns, step: Step) -> None:
    """Change the velocity and spin of every ship by the buttons held.

    Mutates:
        vx, vy and spin of ships.
    """
    ships = np.flatnonzero(bodies.alive & (bodies["kind"] == Kind.SHIP))
    if len(ships) == 0:
        return
    vx, vy, spin = bodies["vx"][ships], bodies["vy"][ships], bodies["spin"][ships]
    steer(vx, vy, bodies["heading"][ships], spin, step.buttons[ships], step.dt, step.rules)
    bodies["vx"][ships] = vx
    bodies["vy"][ships] = vy
    bodies["spin"][ships] = spin
