"""Families in the game that is simulated: rafts that come and go, and the pennants of ships.

A raft drifts, and ends after a while. It has a mast, and the mast has a flag; both are where the
raft is. Systems see to it by counting. A ship has one pennant from its first day to its last.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sidereal.game import SHARD, U2, U4, Component, Game, Kind, Motion, Parent, Stage, Step
from sidereal.game.builtin import Body
from sidereal.game.schema import column_of

RAFT, MAST, FLAG, BOAT, PENNANT = 5, 6, 7, 8, 9
"""The numbers of their kinds."""

RAFT_EVERY_TICKS: Final = 96
"""An asteroid lets a raft go so often."""
RAFT_TURNS: Final = 37
"""One asteroid does so that many ticks before the next one by id, of all these."""
RAFT_TICKS: Final = (12, 16)
"""A raft lasts so long, and by the id of its asteroid up to so many more."""
RAFT_SPEED: Final = 40.0
BOAT_SPEED: Final = 25.0
COLOURS: Final = 1000
"""No cloth that anybody has hung up has a colour from here on."""


class Raft(Component):
    """What shards spawn and end with all that is on it: when it ends."""

    until: U4


class Cloth(Component):
    """Of what hangs from a mast, or flies behind a ship: its colour, which never changes."""

    colour: U2


COLOUR: Final = column_of(Cloth, Cloth.fields["colour"])


def let_families_live(game: Game, asteroid: Kind) -> Kind:
    """Let asteroids let go rafts, and ships have pennants: gives the kind of these."""
    raft = game.kind("raft", Motion(), Raft(), spawned_by=SHARD, saved=False)
    mast = game.kind("mast", Motion(), Parent(), spawned_by=SHARD, saved=False)
    flag = game.kind("flag", Motion(), Parent(), Cloth(), spawned_by=SHARD, saved=False)
    # A boat has a body of its own, which touches nobody, and does not go where its raft goes.
    boat = game.kind(
        "boat", Motion(), Parent(), Body(radius=1), touches=[], spawned_by=SHARD, saved=False
    )

    @game.system(Stage.TICK)
    def let_go(step: Step) -> None:
        rows, motion = step.rows(asteroid), step[Motion]
        turn = step.tick + RAFT_TURNS * step.id[rows].astype(np.int64)
        rows = rows[turn % RAFT_EVERY_TICKS == 0]
        course = step.id[rows] * 1.0
        lasts = RAFT_TICKS[0] + step.id[rows] % RAFT_TICKS[1]
        rafts = step.spawn(
            raft,
            Motion(
                x=motion.x[rows],
                y=motion.y[rows],
                vx=RAFT_SPEED * np.cos(course),
                vy=RAFT_SPEED * np.sin(course),
            ),
            Raft(until=step.tick + lasts),
        )
        at = Motion(x=motion.x[rows], y=motion.y[rows], vx=np.full(len(rows), BOAT_SPEED))
        step.spawn(boat, Parent(of=rafts), at)

    @game.system
    def rig(step: Step) -> None:
        of = step[Parent].of
        for parents, kind in ((step.rows(raft), mast), (step.rows(mast), flag)):
            free = parents[~np.isin(step.id[parents], of[step.rows(kind)])]
            cloth = [Cloth(colour=step.id[free] % COLOURS)] if kind is flag else []
            step.spawn(kind, Parent(of=step.id[free]), *cloth)

    @game.system
    def sink(step: Step) -> None:
        rafts = step.rows(Raft)
        step.despawn(rafts[step[Raft].until[rafts] <= step.tick])

    return game.kind("pennant", Motion(), Parent(), Cloth())
