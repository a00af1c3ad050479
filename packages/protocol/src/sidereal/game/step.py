"""What game code is handed: typing only; shards and the replication server implement it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from sidereal.game.column import Bools, Floats, Indices
from sidereal.game.component import VIEWERS, Audience, Component, Event
from sidereal.game.kind import Kind
from sidereal.game.pairs import Contacts, Pairs
from sidereal.game.record import Record

R = TypeVar("R", bound=Record)

Ids: TypeAlias = np.ndarray[Any, np.dtype[np.uint32]]

Query = type[Component] | Kind
"""Entities that have a component, or are of a kind."""


class Step(Protocol):
    """One tick of a shard, as a system sees it.

    Attributes:
        tick: being simulated.
        dt: s; of a physics step in SUBSTEP, else of the tick; `every_s` of a system that has one.
        id: uint32[capacity], ids by row.
        rng: seeded, the shard's own.
    """

    tick: int
    dt: float
    id: np.ndarray[Any, np.dtype[np.uint32]]
    rng: np.random.Generator

    def __getitem__(self, record: type[R], /) -> R:
        """Columns of a component, or of the controls; rows of others are there to be read."""

    def rows(self, *queries: Query) -> Indices:
        """Own entities that match all queries, ascending; to be written."""

    def seen(self, *queries: Query) -> Indices:
        """Own entities and ghosts of the neighbours that match all queries; to be read."""

    def find(self, ids: ArrayLike) -> Indices:
        """Rows of entities by id; -1 where there is none, or none that is seen from here."""

    def pairs(self, a: Indices, b: Indices, *, within: ArrayLike) -> Pairs:
        """Find who is near whom.

        Args:
            a: rows, int64[n].
            b: rows, int64[m].
            within: world units; one, or one for every row, of which those of `b` count.
        """

    def contacts(self, a: Query, b: Query) -> Contacts:
        """Find who touched whom in this tick, by a and then by b; in `Stage.CONTACT` only.

        Contacts are between own entities: a ghost is no body here. Before two of different owners
        can touch, both are given to one shard; it begins without a memory of who touched whom.

        Args:
            a: what one side is of or has.
            b: what the other is.
        """

    def ask(self, action: Callable[..., None], *, at: Indices, **arguments: ArrayLike) -> None:
        """Ask for an action on behalf of some own entities: one call for each.

        Its arguments are checked as if a player had asked, and nobody is answered.
        Its transaction's `own` is the entity, its `account` that of who flies it. Nothing is done
        for one that has changed hands by then.

        Args:
            action: a function that the game declares as an action, `asked_by=SYSTEMS`.
            at: own rows, int64[n].
            arguments: of the action, by name; one for all, or [n].
        """

    def emit(self, event: Event, *, at: Indices) -> None:
        """Tell of something that has happened.

        Args:
            event: values, one or [n]; what lies outside of their ranges is clipped to them.
            at: rows of own entities that it has happened to, int64[n]; a row may be there twice.
        """

    def spawn(self, kind: Kind, *components: Component, count: int | None = None) -> Ids:
        """Let entities come into the world after this stage, to move and touch from the next tick.

        Args:
            kind: what they are: one with `spawned_by=SHARD`.
            components: values that differ from the kind's, one or [n], put into their ranges; what
                is left out is as the kind has it.
            count: how many, when no value is an array; else 1.

        Returns:
            uint32[n], their ids, which are final; 0 for those that are more than a shard may spawn.

        Raises:
            GameError: shards may not spawn this kind, or the values do not fit to it.
        """

    def despawn(self, rows: Indices) -> None:
        """End own entities for good, after this stage; rows may repeat.

        Raises:
            GameError: one of them is not this shard's own.
        """

    def give(self, rows: Indices, component: Component) -> None:
        """Let own entities have a component, after this stage; one that they have begins anew.

        Args:
            rows: int64[n].
            component: its values, one or [n]. Its writer is SHARD; a kind says who has a `Motion`
                and who has a `Body`.

        Raises:
            GameError: it can't be given, a value is out of its range, or a row is another shard's.
        """

    def take(self, rows: Indices, component: type[Component]) -> None:
        """Take a component from own entities, after this stage; who has none keeps none.

        Raises:
            GameError: it can't be taken, or a row is not this shard's own.
        """


class Rows(Protocol):
    """What a model sees: its own rows, so that the pilot's client can repeat it.

    Attributes:
        tick: being simulated.
        dt: s, of a physics step in SUBSTEP, else of the tick.
        id: uint32[n]
    """

    tick: int
    dt: float
    id: np.ndarray[Any, np.dtype[np.uint32]]

    def __getitem__(self, record: type[R], /) -> R:
        """Columns of what the model writes or `reads`, [n]."""

    def noise(self, salt: int) -> Floats:
        """Numbers in [0, 1) that follow from the entity, the tick and a salt; float64[n]."""

    def spawn(self, kind: Kind, which: Bools, *components: Component) -> None:
        """Let some of the rows spawn an entity each; it comes after this stage.

        The pilot's client shows it in the frame of the press, and knows it again when it comes.

        Args:
            kind: what they are; it says spawned_by=SHARD.
            which: bool[n], of which rows.
            components: values that differ from the kind's, one or [n].
        """


class WorldBuilder(Protocol):
    """What makes a new world.

    Attributes:
        rng: seeded with the world's seed.
    """

    rng: np.random.Generator

    def spawn(self, kind: Kind, *components: Component, count: int | None = None) -> None:
        """Put entities into the world.

        Args:
            kind: what they are.
            components: values that differ from the kind's, one or [n]; what is left out is as the
                kind has it.
            count: how many, when no value is an array; else 1.

        Raises:
            GameError: the values do not fit together, or not to the kind, or are outside of their
                ranges.
        """


class Player(Protocol):
    """Somebody who is connected.

    Attributes:
        name: what others see.
        account: of whom; empty if anonymous.
    """

    name: str
    account: str

    def fly(self, entity: int) -> None:
        """Take an entity's controls; what the player leaves waits for it until it comes again.

        Args:
            entity: that this call of a hook has spawned, or that `Authority.berth` gave.

        Raises:
            GameError: it is none of these, has no `Pilot`, or the player flies something already.
        """

    def linger(self, seconds: float) -> None:
        """Let what the player flies stay in the world for a while when it leaves, however it does.

        Nobody flies it then: its controls are let go, it flies on, and it can be hurt and end. Who
        comes back meanwhile is given it by `Authority.berth` under the same id, where it is. After
        that it waits as what others have left. Said in any hook, up to `on_leave`; the last word
        counts. A server that stops lets nothing linger.

        Args:
            seconds: 0 to 600; 0, as long as nothing is said, for not at all.

        Raises:
            GameError: not for so long.
        """


class Authority(Protocol):
    """The replication server, between two ticks.

    Attributes:
        tick: of the world's clock.
        rng: seeded, the authority's own.
    """

    tick: int
    rng: np.random.Generator

    def spawn(self, kind: Kind, *components: Component, at: tuple[float, float]) -> int:
        """Make an entity; its id is final.

        Args:
            kind: what it is.
            components: values that differ from the kind's, one each.
            at: x and y, world units.

        Raises:
            GameError: the values do not fit to the kind, or are outside of their ranges.
        """

    def despawn(self, entity: int) -> None:
        """End an entity for good; one that is gone already is none."""

    def emit(self, event: Event, *, at: int) -> None:
        """Tell of something that has happened.

        Args:
            event: values, one each.
            at: the entity that it has happened to.

        Raises:
            GameError: there is no such entity, no such event, or a value is outside of its range.
        """

    def give(self, entity: int, component: Component) -> None:
        """Let an entity have a component, or other values of one that it has.

        Args:
            entity: whose it is; nothing happens if it is gone.
            component: its values, one each. Its writer is AUTHORITY; a kind says who has a `Pilot`.

        Raises:
            GameError: it can't be given, or a value is out of its range.
        """

    def take(self, entity: int, component: type[Component]) -> None:
        """Take a component from an entity; who has none keeps none.

        Raises:
            GameError: it can't be taken.
        """

    def count(self, kind: Kind) -> int:
        """Count the entities of a kind that are in the world; of one that is no kind of it, 0."""

    def berth(self, player: Player) -> int:
        """Bring back what a player left when it went last, at rest and as near as there is room.

        What lingers (`Player.linger`) is where it is by now, and in motion.

        If the player does not fly it then, it leaves again, and waits while the player is here and
        flies nothing. One who flies something else, now or later, gives up what it had left.

        Returns:
            its id, or 0: there is none. While the player flies, it is what it flies.
        """

    def free_spot(
        self, *, radius: float, near: tuple[float, float] | None = None
    ) -> tuple[float, float]:
        """Find a place where a body touches nobody; world units.

        Args:
            radius: of the body.
            near: the nearest place to this one; None for some place where others are, with room
                around it.
        """

    def after(self, seconds: float, call: Any, *arguments: Any) -> None:
        """Call something later, `call(world, *arguments)`; never, if a player among them has gone.

        Args:
            seconds: from now, at least a tick.
            call: a function of the game.
            arguments: it is given.
        """


class Transaction(Protocol):
    """One action's effects: all of them happen, or none.

    Attributes:
        name: of who asks, as others see it.
        own: what the caller flies; 0 for nothing.
        account: the caller's account entity; 0 if anonymous.
        shared: the entity of the world that all share.
        tick: of the world's clock.
    """

    name: str
    own: int
    account: int
    shared: int
    tick: int

    def require(self, holds: bool, otherwise: str) -> None:
        """End the action, refused in these words, unless something holds."""

    def near(self, a: int, b: int, within: float) -> bool:
        """Whether two entities are within a distance, world units; no, if one is gone."""

    def account_of(self, entity: int) -> int:
        """Give the account entity of who flies an entity, or whose it is while it lingers.

        Returns:
            0 if that is nobody with an account.
        """

    def get(self, entity: int, field: Any) -> float:
        """Read a field; the action is refused if the entity is gone, or has no such component.

        Where something is, and its heading, are as of the current tick.
        """

    def set(self, entity: int, field: Any, value: float | str) -> None:
        """Write a field of an AUTHORITY component, a `Text` as str; refused outside its range."""

    def add(self, entity: int, field: Any, amount: float) -> None:
        """Add to a field of an AUTHORITY component; refused if the sum is outside its range."""

    def spawn(self, kind: Kind, *components: Component, at: tuple[float, float]) -> None:
        """Make an entity, which a durable action saves with all else that it does.

        Args:
            kind: what it is.
            components: values that differ from the kind's, one each.
            at: x and y, world units.

        Raises:
            GameError: the values do not fit to the kind, or are outside of their ranges.
        """

    def despawn(self, entity: int) -> None:
        """End an entity for good, after all else that the action does; refused if it is gone.

        A durable action ends it when that is saved, be it in its berth by then. For what the action
        does after this call it is not there any more.
        """

    def emit(self, event: Event, *, at: int) -> None:
        """Tell of something that has happened, to whoever has its subject in view.

        A durable action's happens when it is saved; nothing does, if its subject has gone by then.

        Args:
            event: values, one each.
            at: the entity that it has happened to; refused if there is none.

        Raises:
            GameError: there is no such event, or a value is outside of its range.
        """

    def tell(self, text: str, *, to: Audience = VIEWERS) -> None:
        """Tell people a line, without what may not stand in one.

        Args:
            text: at most 1000 characters; if none of them shows something, nobody is told.
            to: VIEWERS, who have the caller in view; ALL; or PILOT, the caller alone. Of what
                others say each client is sent a few lines a second.
        """
