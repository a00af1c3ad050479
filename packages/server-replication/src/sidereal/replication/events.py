"""What happens in the world: events that shards and hooks emit, and where each of them was.

Theory of operation. A shard says an event until that is acked, so it may come several times. Its
number says which one it is, and counts once (`Numbers`). Shards are believed about entities that
they simulate (`validate.judge_event`), and up to so many events: `Quota`. What is believed happens
in the tick in which that is known, in the cell in which its subject is then. From there on it goes
the way of all changes: the log of the edge has it, and every client that sees the cell is sent it.
Events to a sector, to a pilot and to all go another way (`edge.privateevents`): they are addressed
here, and each client that is told of one has a copy of it there.

Nothing of them is kept but in these two. Who was not there has not seen it.
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
from sidereal.protocol.space.geometry import sector_of
from sidereal.protocol.space.sectors import pack_sector
from sidereal.protocol.state.quantize import encode_rows
from sidereal.protocol.state.schema import EVENT_FIRST
from sidereal.replication.edge.eventlog import EventLog
from sidereal.replication.edge.privateevents import Addressed, PrivateEvents
from sidereal.replication.limits import LIMITS, Limits
from sidereal.replication.world import World


class Events:
    """The events of one world.

    Attributes:
        counts: how many of each sort have happened, in their order: int64[sorts].
        log: what the edge tells those who see it.
        private: what it tells single clients.
    """

    def __init__(self, game: Declarations, world: World, limits: Limits = LIMITS) -> None:
        self.counts = np.zeros(len(game.events), np.int64)
        self.log = EventLog(world.schema, limits.world.events_per_cell, limits.world.events_kept)
        self.private = PrivateEvents(world.schema, limits.edge)
        self._game = game
        self._world = world

    @property
    def happened(self) -> int:
        """How many have happened."""
        return int(self.counts.sum())

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
        if number in world.schema.private_events:
            sector = pack_sector(*sector_of(x, y, world.rules))
            self.private.note(Addressed(number, wire, sector, world.account[rows]))
        else:
            group = world.sectors.group_of(x, y, create=True)
            # Its subject may never have been there at the end of a tick.
            world.occupancy.note(group, tick)
            self.log.note(number, wire, group)
        self.counts[number - EVENT_FIRST] += len(rows)

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
