"""What happens in the world: events that shards and hooks emit, and where each of them was.

Theory of operation. A shard says an event until that is acked, so it may come several times. Its
number says which one it is, and counts once (`Numbers`). Shards are believed about entities that
they simulate (`validate.judge_event`), and up to so many events: `Quota`. What is believed happens
in the tick in which that is known, in the cell in which its subject is then. From there on it goes
the way of all changes: the log of the edge has it, and every client that sees the cell is sent it.

Nothing of it is kept but in that log. Who was not there has not seen it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sidereal.game.component import Event
from sidereal.game.declarations import Declarations
from sidereal.game.record import outside
from sidereal.game.schema import name_of, spread
from sidereal.protocol.errors import GameError, LocalProtocolError
from sidereal.protocol.state.quantize import encode_rows
from sidereal.replication.edge.eventlog import EventLog
from sidereal.replication.limits import LIMITS, WorldLimits
from sidereal.replication.world import World


class Events:
    """The events of one world.

    Attributes:
        happened: so far.
        log: what the edge tells of.
    """

    def __init__(
        self, game: Declarations, world: World, limits: WorldLimits = LIMITS.world
    ) -> None:
        self.happened = 0
        self.log = EventLog(world.schema, limits.events_per_cell, limits.events_kept)
        self._game = game
        self._world = world

    def commit(self, number: int, rows: np.ndarray, values: Mapping[str, Any], tick: int) -> None:
        """Let events happen to entities, where these are at a tick.

        Args:
            number: of the event.
            rows: int64[n], of the world; a row may be there twice.
            values: at least its fields, [n], within their ranges.
            tick: the current one.
        """
        if not len(rows):
            return
        world = self._world
        x, y, _ = world.locate(rows, tick)
        wire = encode_rows(world.schema, number, values, world.columns.net_id[rows], world.rules)
        self.log.note(number, wire, world.sectors.group_of(x, y, create=True))
        self.happened += len(rows)

    def check(self, event: Event) -> None:
        """Check what a hook emits.

        Raises:
            GameError: the game has no such event, or a value can't be.
        """
        if not isinstance(event, Event):
            raise GameError(f"emit: {event!r} is no event; write Burst(), not Burst")
        name = type(event).__name__
        if type(event) not in self._game.events:
            raise GameError(f"emit({name}): it is not declared; say part.declare({name})")
        for column in outside(event):
            field = type(event).fields[column]
            value = getattr(event, column)
            raise GameError(f"emit({name}): {field} = {value} is outside {field.range_text()}")
        try:
            spread(event, 1)
        except LocalProtocolError as error:
            raise GameError(f"emit({name}): {error}") from error

    def emit(self, event: Event, row: int, tick: int) -> None:
        """Let an event that was checked happen to an entity of the world."""
        number = self._world.schema.event_numbers[name_of(event)]
        self.commit(number, np.array([row]), spread(event, 1), tick)
