"""Shadows: ghosts that have bodies, where an island was cut between them and this shard's own.

Theory of operation. The replication server says which ghosts these are. Before a tick each of them
is put where its owner has it. In the tick it is a body like any other: it has its true mass, models
fly it by what its pilot held last, it pushes and is pushed. After the tick all that came of it is
forgotten: the ghost is where its reference leads, and is what its record said. The owner has the
same contact with a shadow of ours. So of each push one half counts here and the other half there.

Game logic never hears of contacts with shadows. It could only act on one of the two, and each
contact would be told twice. They are counted, by the impulse that this shard's bodies got.

A ghost that is gone leaves the physics before its row is given to somebody else.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from sidereal.game.touching import Filters
from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import SHADOWS_MAX
from sidereal.protocol.message.codec import SHADOW_ROW, decode_rows_untrusted
from sidereal.protocol.state.controls import ControlsLayout, Records
from sidereal.shard.bodies import shapes_of
from sidereal.shard.contacts import Touches
from sidereal.shard.ghosts import Ghosts
from sidereal.shard.handover.ring import VELOCITY
from sidereal.shard.lives import NOBODY
from sidereal.shard.population import Ints, Population
from sidereal.shard.space import Space

_SHAPE: Final = ("radius", "mass", "group")


class Shadows:
    """The shadows of one shard.

    Attributes:
        rows: int64[n], of those that are in the physics now, ascending; of these,
        held: uint64[n], what their pilots hold.
        impulse: with which they have pushed the shard's own bodies so far, t unit/s.
    """

    def __init__(
        self,
        population: Population,
        ghosts: Ghosts,
        space: Space,
        filters: Filters,
        controls: ControlsLayout,
    ) -> None:
        self.rows: Ints = NOBODY
        self.held: Records = np.empty(0, np.uint64)
        self.impulse = 0.0
        self._population = population
        self._ghosts = ghosts
        self._space = space
        self._filters = filters
        self._controls = controls
        self._cast = np.empty(0, SHADOW_ROW)
        # Of those in the physics: who each is, and what it is to others.
        self._ids = np.empty(0, np.uint32)
        self._shapes = np.empty((len(_SHAPE), 0))

    def __len__(self) -> int:
        return len(self.rows)

    def cast_untrusted(self, rows: bytes) -> None:
        """Take in which ghosts have bodies from the next tick on, and no others.

        Raises:
            WireError: not `SHADOW_ROW`s, too many, or a record with codes that there are not.
        """
        cast = decode_rows_untrusted(rows, SHADOW_ROW, SHADOWS_MAX)
        if not self._controls.accepts(cast["record"].tolist()):
            raise WireError("a shadow that holds a code that no control has")
        self._cast = cast[np.unique(cast["id"], return_index=True)[1]]

    def leave(self) -> None:
        """Let those go out of the physics that are ghosts no more, or that were somebody else."""
        if len(self.rows):
            stay = self._ghosts.rows_of(self._ids) == self.rows
            self._space.remove(self.rows[~stay])
            self._keep(stay)

    def begin_anew(self, rows: Ints) -> None:
        """Let some shadows forget how far contacts that never were have still to push them.

        Args:
            rows: int64[n]; who is no shadow is passed over.

        Mutates:
            the physics: they are out of it until `enter`.
        """
        anew = np.isin(self.rows, rows)
        self._space.remove(self.rows[anew])
        self._keep(~anew)

    def enter(self) -> None:
        """Put shadows where their owners have them, before a tick; who is none any more leaves.

        Mutates:
            the physics.
        """
        if not len(self.rows) and not len(self._cast):
            return
        wanted = self._ghosts.rows_of(self._cast["id"])
        order = np.argsort(wanted)[int((wanted < 0).sum()) :]
        wanted, held = wanted[order], self._cast["record"][order]
        stay = np.isin(self.rows, wanted) & (self._shapes == self._shapes_of(self.rows)).all(axis=0)
        self._space.remove(self.rows[~stay])
        self._keep(stay)
        columns, fresh = self._population.columns, np.setdiff1d(wanted, self.rows)
        self._space.add(fresh, columns, shapes_of(columns, self._filters, fresh))
        self.rows, self.held = wanted, held
        self._ids = columns.net_id[wanted]
        self._shapes = self._shapes_of(wanted)
        self._space.place(columns)

    def without(self, pairs: Ints) -> Ints:
        """Leave out pairs in which one is a shadow, int64[2, n] rows: ours go on without it."""
        return pairs[:, self._population.own[pairs].all(axis=0)] if len(self.rows) else pairs

    def sort_out(self, touches: Touches) -> Touches:
        """Take contacts with shadows from among all, and count what they did to our bodies."""
        if not len(self.rows):
            return touches
        own = self._population.own
        ours = own[touches.a] & own[touches.b]
        across = own[touches.a] ^ own[touches.b]
        self.impulse += float(touches.impulse[across].sum())
        return touches.where(ours)

    def let_go(self) -> None:
        """Forget what a tick has done to shadows; where they are follows from their references.

        Mutates:
            columns of the shadows, but for their places.
        """
        columns, rows = self._population.columns, self.rows
        for name in VELOCITY:
            columns[name][rows] = self._population.reference[name][rows]
        for name, known in self._population.known.items():
            columns[name][rows] = known[rows]

    def _keep(self, stay: np.ndarray) -> None:
        self.rows, self.held, self._ids = self.rows[stay], self.held[stay], self._ids[stay]
        self._shapes = self._shapes[:, stay]

    def _shapes_of(self, rows: Ints) -> np.ndarray:
        return np.stack([self._population.columns[name][rows] for name in _SHAPE])
