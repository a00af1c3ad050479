"""How much a shard can have to say: what it simulates bounds what it is listened to."""

from __future__ import annotations

import math
from typing import Final

from sidereal.protocol.limits import ASKED_TOGETHER, UNRELIABLE_SIZE_MAX
from sidereal.protocol.state.proposals import PROPOSAL_HEADER, RUN_SIZE
from sidereal.protocol.state.schema import Schema
from sidereal.replication.links.limits import ShardLinkLimits

SPARE_MESSAGES: Final = 3.0
"""Two that are not full, what travels with motion and all else, and one that is neither of
proposals nor of asks."""


class Volume:
    """Messages that a shard of a game may need in a tick.

    Attributes:
        asks: of these, those by which systems ask for actions: each for one action.
    """

    def __init__(
        self, schema: Schema, limits: ShardLinkLimits, *, spawning: bool, actions: int
    ) -> None:
        """Work out how large rows are.

        Args:
            schema: of the game.
            limits: of what a shard may propose in a tick.
            spawning: whether the game lets shards spawn.
            actions: for which systems may ask.
        """
        self.asks = actions + math.ceil(limits.asks_per_tick / ASKED_TOGETHER) if actions else 0
        self._per_entity = _proposals_per_entity(schema)
        # Each is said once, and seldom again.
        self._events = 2 * limits.events_per_tick * _messages_per_event(schema)
        room = UNRELIABLE_SIZE_MAX - PROPOSAL_HEADER.size
        self._wholes_per_message = max(1, room // schema.full_record.itemsize)
        self._wholes = limits.wholes_per_tick
        self._spawning = spawning

    def messages(self, owned: float) -> float:
        """Tell how many messages a shard needs at most.

        Args:
            owned: entities that it simulates.
        """
        # Without spawns only those are whole that are given or have lost a component.
        wholes = self._wholes if self._spawning else min(self._wholes, math.ceil(owned))
        whole_messages = math.ceil(wholes / self._wholes_per_message)
        proposals = owned * self._per_entity + whole_messages + self._events
        return proposals + self.asks + SPARE_MESSAGES


def _proposals_per_entity(schema: Schema) -> float:
    """Tell how many messages all rows of an entity take, its share of full ones."""
    sizes = [schema.proposed_rows[number].itemsize for number in schema.proposed]
    # A message is full when the rows of an entity that travel together do not fit any more.
    heads = PROPOSAL_HEADER.size + len(sizes) * RUN_SIZE
    return sum(sizes) / max(UNRELIABLE_SIZE_MAX - heads - sum(sizes), max(sizes))


def _messages_per_event(schema: Schema) -> float:
    """Tell how much of a message the largest event takes; 0 when there are none."""
    types = schema.proposed_rows
    size = max((types[number].itemsize for number in schema.event_numbers.values()), default=0)
    return size / max(UNRELIABLE_SIZE_MAX - PROPOSAL_HEADER.size - RUN_SIZE - size, size, 1)
