"""What a transaction comes to: the words of this room."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sidereal.game.component import Event
from sidereal.replication.links.audience import Listeners

Value: TypeAlias = float | int | bytes
"""Of a field."""

SHARED: Final = -(1 << 65)
"""The entity of the world, among ids: accounts are below 0, too, and network ids above. No integer
of MessagePack is as low: a client can not name it."""


class Cell(NamedTuple):
    """A field of an entity.

    Attributes:
        entity: its id; below 0 of an account, whose number it is, or `SHARED`.
        column: as the schema names it.
    """

    entity: int
    column: str


class Refusal(Exception):
    """An action is refused, in words for the one who asked."""


class HeldUpError(Exception):
    """An action needs what another one is about to change, and has to wait for that one."""


class Caller(NamedTuple):
    """On whose behalf an action runs.

    Attributes:
        name: as others see it.
        account: number of its account; 0 or below if it has none.
        own: what it flies, 0 for nothing.
    """

    name: str
    account: int
    own: int


class Emitted(NamedTuple):
    """An event, and the entity that it happens to."""

    event: Event
    entity: int


class Line(NamedTuple):
    """A line to be told, and to whom."""

    text: str
    to: Listeners


@dataclass(slots=True)
class Effects:
    """What a transaction asked for.

    Attributes:
        written: new values.
        lines: in their order.
        emitted: events, checked, in their order.
        spawned: `Schema.full_record[1]` each.
        ended: names of the entities that end, by id.
        names: of those that all else happens to, by id: another one may have that id by then.
        uuid: names of what is spawned, by which the database has it already; None if it has not.
    """

    written: dict[Cell, Value] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    emitted: list[Emitted] = field(default_factory=list)
    spawned: list[NDArray[np.void]] = field(default_factory=list)
    ended: dict[int, bytes] = field(default_factory=dict)
    names: dict[int, bytes] = field(default_factory=dict)
    uuid: NDArray[np.void] | None = None
