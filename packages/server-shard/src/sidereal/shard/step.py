"""What a system is handed: `sidereal.game.Step` on a shard's columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidereal.game.builtin import Motion
from sidereal.game.component import Component, Event
from sidereal.game.kind import Kind
from sidereal.game.record import Record
from sidereal.protocol.errors import LocalProtocolError
from sidereal.shard.asks import Asks
from sidereal.shard.contacts import Contacts, between
from sidereal.shard.events import Events
from sidereal.shard.lives import Lives
from sidereal.shard.neighbours import Pairs, find_pairs
from sidereal.shard.population import Ints
from sidereal.shard.queries import Queries
from sidereal.shard.writes import Guard

R = TypeVar("R", bound=Record)


class ShardStep:
    """One system's view of one tick.

    Attributes:
        tick: being simulated.
        dt: s, since the system's last run.
        rng: seeded, the shard's own.
        used: records whose columns the system has asked for.
    """

    def __init__(
        self,
        queries: Queries,
        lives: Lives,
        tick: int,
        dt: float,
        rng: np.random.Generator,
        asks: Asks,
        events: Events,
        contacts: Contacts | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.tick = tick
        self.dt = dt
        self.rng = rng
        self.used: tuple[type[Record], ...] = ()
        self._queries = queries
        self._asks = asks
        self._lives = lives
        self._contacts = contacts
        self._guard = guard
        self._events = events

    @property
    def id(self) -> NDArray[np.uint32]:
        """uint32[capacity], ids by row; 0 where nobody is."""
        return self._queries.population.columns.net_id

    def __getitem__(self, record: type[R], /) -> R:
        """Columns of a component, or of the controls; rows of others are there to be read."""
        if record not in self.used:
            self.used += (record,)
            if self._guard is not None:
                self._guard.keep(record)
        return cast(R, self._queries.columns(record))

    def rows(self, *queries: type[Component] | Kind) -> Ints:
        """Own entities that match all queries, ascending; to be written."""
        return self._queries.rows(*queries)

    def seen(self, *queries: type[Component] | Kind) -> Ints:
        """Own entities and ghosts of the neighbours that match all queries; to be read."""
        return self._queries.rows(*queries, ghosts=True)

    def find(self, ids: ArrayLike) -> Ints:
        """Rows of entities by id; -1 where there is none, or none that is seen from here."""
        return self._queries.population.columns.rows_of(ids)

    def pairs(self, a: Ints, b: Ints, *, within: ArrayLike) -> Pairs:
        """Find who is near whom.

        Args:
            a: rows, int64[n].
            b: rows, int64[m].
            within: world units; one, or one for every row, of which those of `b` count.
        """
        motion = self[Motion]
        return find_pairs(motion.x, motion.y, a, b, within)

    def ask(self, action: Callable[..., None], *, at: Ints, **arguments: ArrayLike) -> None:
        """Ask for an action on behalf of some own entities; see `sidereal.game.Step.ask`.

        Raises:
            LocalProtocolError: one of the rows is another shard's, or there is no such action, or
                it takes other arguments.
        """
        population = self._queries.population
        foreign = ~population.own[at]
        if foreign.any():
            name = self._queries.name_of(int(at[np.argmax(foreign)]))
            raise LocalProtocolError(f"ask: {name} is another shard's: ask for step.rows(…)")
        columns = population.columns
        self._asks.add(action, columns.net_id[at], columns.epoch[at], arguments)

    def spawn(
        self, kind: Kind, *components: Component, count: int | None = None
    ) -> NDArray[np.uint32]:
        """Let entities come into the world after this stage.

        Args:
            kind: what they are.
            components: values that differ from the kind's, one or [n].
            count: how many, when no value is an array; else 1.

        Returns:
            uint32[n], their ids; 0 for those that are too many.
        """
        return self._lives.spawn(kind, components, count)

    def despawn(self, rows: Ints) -> None:
        """End own entities for good, after this stage."""
        self._lives.despawn(rows)

    def give(self, rows: Ints, component: Component) -> None:
        """Let own entities have a component, after this stage."""
        self._lives.give(rows, component)

    def take(self, rows: Ints, component: type[Component]) -> None:
        """Take a component from own entities, after this stage."""
        self._lives.take(rows, component)

    def contacts(self, a: type[Component] | Kind, b: type[Component] | Kind) -> Contacts:
        """Find who touched whom in this tick, by a and then by b.

        Args:
            a: what one side is of or has.
            b: what the other is.

        Raises:
            LocalProtocolError: they are not known in this stage.
        """
        pairs = self._contacts
        if pairs is None:
            raise LocalProtocolError(
                "contacts are known in one stage: say @part.system(Stage.CONTACT)"
            )
        matches = self._queries.matches
        is_a = matches(a, pairs.a), matches(a, pairs.b)
        is_b = matches(b, pairs.a), matches(b, pairs.b)
        return between(pairs, is_a, is_b)

    def emit(self, event: Event, *, at: Ints) -> None:
        """Tell of something that has happened; see `sidereal.game.Step.emit`.

        Raises:
            LocalProtocolError: the game does not declare it, or it can't be sent.
        """
        rows = np.atleast_1d(np.asarray(at, np.int64))
        foreign = self._events.emit(event, rows, self.tick)
        if foreign and self._guard is not None:
            raise LocalProtocolError(
                f"emitted {type(event).__name__} of {foreign} rows of another shard or of nobody: "
                "emit of step.rows(…)"
            )
