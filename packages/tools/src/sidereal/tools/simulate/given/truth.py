"""What the checkers of a game look at: the committed world, and what has happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from sidereal.game import Component, Event, Kind
from sidereal.game.declarations import Declarations
from sidereal.game.record import Record, as_columns
from sidereal.game.schema import column_of, name_of
from sidereal.replication.actions.effects import SHARED
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.given.chronicle import Chronicle, published
from sidereal.tools.simulate.given.columns import by_entity

R = TypeVar("R", bound=Record)
E = TypeVar("E", bound=Event)


class Truth:
    """The world as the authority has it after a tick.

    Attributes:
        tick: the world's clock.
        era: how many authorities there have been, this one included: with every one ids are others,
            and what was not saved is as it was a moment before.
        faults: whether anything goes wrong in this run at all.
        judged: how often what was looked at, to be counted up by those who look.
    """

    def __init__(
        self, core: Replicator, game: Declarations, era: int, judged: Counter[str], *, faults: bool
    ) -> None:
        """Look at a world.

        Args:
            core: whose it is.
            game: that is played.
            era: how many authorities there have been.
            judged: counts.
            faults: whether anything goes wrong in this run.
        """
        self.tick = core.tick
        self.era = era
        self.faults = faults
        self.judged = judged
        self._core = core
        self._game = game
        self._news: Chronicle | None = None

    def __getitem__(self, component: type[R], /) -> R:
        """Columns of a component by entity, of all entities."""
        return all_of(self._core, component)

    def ids(self, *kinds: Kind) -> NDArray[np.uint32]:
        """Give the ids of all entities of some kinds: uint32[n], ascending."""
        columns = self._core.world.columns
        rows = columns.rows()
        numbers = [self._game.kind_number(kind.name) for kind in kinds]
        return np.sort(columns.net_id[rows[np.isin(columns["kind"][rows], numbers)]])

    def has(self, component: type[Component]) -> NDArray[np.uint32]:
        """Give the ids of all that have a component: uint32[n], ascending."""
        world, number = self._core.world, self._core.schema.numbers[name_of(component)]
        rows = world.columns.rows()
        there = (world.columns.mask[rows] >> np.uint64(number)) & np.uint64(1) != 0
        return np.sort(world.columns.net_id[rows[there]])

    def names(self, entities: NDArray[np.uint32]) -> list[bytes]:
        """Give what entities are called by for ever: 16 bytes each."""
        world = self._core.world
        return [key.tobytes() for key in world.uuid[world.columns.rows_of(entities)]]

    def of_world(self, record: type[R]) -> R:
        """Give what the world has of a component that all share: one value for each field."""
        return placeless(self._core, SHARED, record)

    def of_account(self, account: int, record: type[R]) -> R:
        """Give what an account has of a component: one value for each field."""
        return placeless(self._core, -account, record)

    def events(self, event: type[E]) -> E:
        """Give what has happened in this tick of a sort, each with its `subject` and `tick`."""
        if self._news is None:
            self._news = Chronicle(self._core.schema)
            self._news.tell(published(self._core, self._core.rules))
        return self._news.of(event)


class Judge(Protocol):
    """A checker of a game: looks at the world after every tick, and once at the end."""

    def look(self, truth: Truth) -> Iterator[str]:
        """Say what is wrong after a tick."""
        ...

    def conclude(self, truth: Truth) -> Iterator[str]:
        """Say what is wrong in the end, after the network has healed."""
        ...


def all_of(core: Replicator, record: type[R]) -> R:
    """Give columns of a component by entity: the authority's truth, as of the world's clock."""
    world = core.world
    rows = world.columns.rows()
    moved = dict(zip(("x", "y", "heading"), world.locate(rows, core.tick), strict=True))

    def column(name: str) -> NDArray[Any]:
        field = column_of(record, record.fields[name])
        values: NDArray[Any] = moved[field] if field in moved else world.columns[field][rows]
        return values

    return by_entity(record, world.columns.net_id[rows], column)


def placeless(core: Replicator, entity: int, record: type[R]) -> R:
    """Give what an account, or the world, has of a component: one value for each field."""
    books = core.actions.books
    values = {f.name: books.read(books.find(entity, f)) for f in record.fields.values()}
    return as_columns(record, cast(dict[str, NDArray[Any]], values))
