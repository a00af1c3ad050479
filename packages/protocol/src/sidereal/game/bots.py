"""What a bot of a game is handed: typing only; the tools implement it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from sidereal.game.column import Indices
from sidereal.game.component import Controls
from sidereal.game.step import Query, R


class Entities(Protocol):
    """What a client knows of some entities, as columns.

    Attributes:
        id: uint32[n]
    """

    id: np.ndarray[Any, np.dtype[np.uint32]]

    def __len__(self) -> int: ...

    def __getitem__(self, component: type[R], /) -> R:
        """Columns of a component that clients are sent, [n]."""

    def rows(self, *queries: Query) -> Indices:
        """Those that match all queries, ascending."""


class BotView(NamedTuple):
    """What a bot decides by.

    Attributes:
        own: what it flies, [1].
        others: whom it sees besides, [n]; nobody, if it keeps no picture of the world.
        tick: of the newest snapshot; others are continued to it.
        tick_s: how long a tick of the world is, seconds.
        rng: seeded, the bot's own.
        memory: the bot's own, empty at first; what a behaviour puts there it finds again.
    """

    own: Entities
    others: Entities
    tick: int
    tick_s: float
    rng: np.random.Generator
    memory: dict[str, Any]


Decision: TypeAlias = Controls | tuple[Controls, float]
"""What a bot holds: until it is asked again at the next tick, or for that many seconds."""
