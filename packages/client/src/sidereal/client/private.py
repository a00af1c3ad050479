"""What only this client is told: the state of what it flies, from private sections.

Theory of operation. Rows say how things are at the tick of their snapshot. The newest of each sort
counts, whichever came first. Rows of another flight than the newest are of another entity. If there
is no motion in a section, the motion before goes on along its straight line: a sender leaves out
the motion, and which entity it is, only when it has an ack of a section that had them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sidereal.client.prediction import OwnState, reckon_own
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.private import INPUTS, Flown, InputApplied, OwnMotion, Private
from sidereal.protocol.state.schema import MOTION, Schema
from sidereal.protocol.state.stream import PRESENCE

NEVER = -1


class OwnAnswer(NamedTuple):
    """What the authority has of the entity that a client flies.

    Attributes:
        net_id: of the entity.
        control_epoch: whose inputs count.
        input: the low 16 bits of the newest input in the state.
        input_tick: in which that was applied.
        early: how early inputs come, see `earliness`.
        tick: of the state.
        state: the entity's motion.
    """

    net_id: int
    control_epoch: int
    input: int
    input_tick: int
    early: int
    tick: int
    state: OwnState


class Applied(NamedTuple):
    """What a datagram said beside the world.

    Attributes:
        tick: of its snapshot; older ones may come after newer ones.
        own: the state of what this client flies, if the datagram has brought another one.
    """

    tick: int
    own: OwnAnswer | None


class PrivateState:
    """The newest rows of private sections.

    Attributes:
        flown: what the client flies, as far as is known.
        values: fields of its other components, by the names of the schema.
    """

    def __init__(self, schema: Schema, rules: Rules) -> None:
        self.flown = Flown(0, 0, 0)
        self.values: dict[str, np.generic] = {}
        self._schema = schema
        self._rules = rules
        self._moves = schema.numbers[MOTION.name]
        self._flight = NEVER
        self._stamp: dict[int, int] = {}
        self._motion: OwnMotion | None = None
        self._inputs: InputApplied | None = None

    def apply(self, section: Private) -> OwnAnswer | None:
        """Take a section, whenever it comes.

        Returns:
            the state, if it is another than before, or has other inputs in it.
        """
        if section.flown is not None and self._is_news(PRESENCE, section.to_tick):
            self._take_flown(section.flown, section.flight, section.to_tick)
        if section.flight != self._flight or not self._take_rows(section):
            return None
        return self.answer()

    def answer(self) -> OwnAnswer | None:
        """Give the state as it was last known, None before that."""
        if self._motion is None or self._inputs is None:
            return None
        tick, *motion = self._motion
        is_older = self._stamp[self._moves] <= self._stamp[INPUTS]
        at = self._inputs.tick if is_older else tick
        state = reckon_own(OwnState(*motion), (at - tick) * self._rules.tick_s)
        net_id, control_epoch, _ = self.flown
        applied = self._inputs
        return OwnAnswer(
            net_id, control_epoch, applied.input, applied.tick, applied.early, at, state
        )

    def reference(self) -> tuple[int, OwnState] | None:
        """Give the motion that was told last, moved on to the tick of its snapshot; and that."""
        if self._motion is None:
            return None
        tick, *motion = self._motion
        told_at = self._stamp[self._moves]
        return told_at, reckon_own(OwnState(*motion), (told_at - tick) * self._rules.tick_s)

    def _is_news(self, what: int, tick: int) -> bool:
        """Tell whether a row is newer than the one of its sort; if so, it counts from now on."""
        if self._stamp.get(what, NEVER) >= tick:
            return False
        self._stamp[what] = tick
        return True

    def _take_flown(self, flown: Flown, flight: int, tick: int) -> None:
        """Take over what is flown; forget what it does not have."""
        if flight != self._flight:
            self._motion = self._inputs = None
            self.values.clear()
            self._flight = flight
        self.flown = flown
        for number in self._schema.own:
            if not flown.mask >> number & 1:
                self._is_news(number, tick)  # nothing older brings it back
                for field in self._schema.component(number).fields:
                    self.values.pop(field.name, None)

    def _take_rows(self, section: Private) -> bool:
        """Take rows that are newer than those of their sorts; tells whether the state is."""
        tick = section.to_tick
        for number, row in section.components.items():
            if self.flown.mask >> number & 1 and self._is_news(number, tick):
                self.values |= {name: row[name] for name in row.dtype.names or ()}
        moved = section.motion is not None and self._is_news(self._moves, tick)
        applied = section.inputs is not None and self._is_news(INPUTS, tick)
        self._motion = section.motion if moved else self._motion
        self._inputs = section.inputs if applied else self._inputs
        return moved or applied
