"""What a bot sees: the entities that its client knows, as columns that are made when asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from sidereal.client.client import Client
from sidereal.client.interpolation import reckon
from sidereal.client.replica import Replica
from sidereal.client.view import known_columns
from sidereal.game.builtin import Motion
from sidereal.game.component import EVERYONE, PILOT, Audience
from sidereal.game.declarations import Declarations
from sidereal.game.kind import check_query
from sidereal.game.record import Record, as_columns, no_rows
from sidereal.game.schema import gather
from sidereal.game.step import Query
from sidereal.protocol.errors import LocalProtocolError

R = TypeVar("R", bound=Record)
Ints = NDArray[np.int64]

_NO_PICTURE: Final = ", but keeps no picture of the world: raise --mirror"


class Seen:
    """Some entities: `sidereal.game.step.Entities`.

    Attributes:
        id: uint32[n]
    """

    def __init__(
        self,
        game: Declarations,
        ids: NDArray[np.uint32],
        motion: Callable[[], Motion],
        replica: Replica | None,
        rows: Ints,
        audiences: tuple[Audience, ...],
    ) -> None:
        """Look at entities.

        Args:
            game: what is played.
            ids: uint32[n]
            motion: makes their motion.
            replica: that they are in; without one nothing else is known of them.
            rows: int64[n], where.
            audiences: of components that this client is sent of them.
        """
        self.id = ids
        self._game = game
        self._motion = motion
        self._replica = replica
        self._rows = rows
        self._audiences = audiences

    def __len__(self) -> int:
        return len(self.id)

    def __getitem__(self, component: type[R], /) -> R:
        """Columns of a component, [n].

        Raises:
            LocalProtocolError: clients are not sent it, or this one keeps no picture.
        """
        if component is Motion:
            return cast(R, self._motion())
        name = component.record_name
        if component not in [c for c in self._game.components if c.audience in self._audiences]:
            raise LocalProtocolError(f"a bot reads {name}, which it is not sent")
        if len(self) == 0:
            return no_rows(component)
        if self._replica is None:
            raise LocalProtocolError(f"a bot reads {name}{_NO_PICTURE}")
        return gather(component, known_columns(self._replica, self._rows))

    def rows(self, *queries: Query) -> Ints:
        """Those that match all queries, ascending.

        Raises:
            GameError: one of them is no component and no kind.
            LocalProtocolError: this client keeps no picture.
        """
        match = np.ones(len(self), np.bool_)
        for query in queries:
            check_query(query)
        if queries and len(self):
            if self._replica is None:
                raise LocalProtocolError(f"a bot asks for kinds{_NO_PICTURE}")
            kinds = self._replica.columns["kind"][self._rows]
            for query in queries:
                match &= np.isin(kinds, self._game.numbers(query))
        return np.flatnonzero(match)


class Sight(NamedTuple):
    """What there is to see.

    Attributes:
        own: what the bot flies, [1].
        others: all else, [n].
        tick: of the newest snapshot.
    """

    own: Seen
    others: Seen
    tick: int


def see(client: Client, game: Declarations) -> Sight | None:
    """Look at what a client knows; None while it does not know what it flies."""
    state, replica, rules = client.own_state, client.replica, client.rules
    if state is None or rules is None:
        return None
    ids, rows = np.array([client.net_id], np.uint32), np.zeros(0, np.int64)
    others = rows
    if replica is not None:
        known = replica.rows()
        its = replica.columns.net_id[known] == client.net_id
        rows, others = known[its], known[~its]
        if len(rows) == 0:
            return None
    tick, tick_s = client.newest_tick, rules.tick_s

    def own_motion() -> Motion:
        values = zip(Motion.fields, state, strict=True)
        return as_columns(Motion, {name: np.array([value]) for name, value in values})

    def their_motion() -> Motion:
        if replica is None:
            return no_rows(Motion)
        newest = replica.newer(others)
        arrays = reckon(newest, tick, tick_s)._asdict() | {"spin": newest.spin}
        return as_columns(Motion, arrays)

    their_ids = ids[:0] if replica is None else replica.columns.net_id[others]
    own = Seen(game, ids, own_motion, replica, rows, (EVERYONE, PILOT))
    seen = Seen(game, their_ids, their_motion, replica, others, (EVERYONE,))
    return Sight(own, seen, tick)
