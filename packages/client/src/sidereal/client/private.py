"""What only this client is told: the state of what it flies, from private sections.

Theory of operation. It is known up to the tick `have`, like a cell. Rows say how things are at the
tick of their snapshot. The newest of each sort counts, whichever came first. Two things keep them
from being misread when a section was lost, or is late. Rows of another flight than the one that is
known are of another entity, or wait until that is named. And if there is no motion in a section,
the motion before goes on along its straight line; but while a section is missing, it may have said
otherwise. So the state is given out only if nothing is missing, or if one section has all of it.
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
        tick: of the state.
        state: the entity's motion.
    """

    net_id: int
    control_epoch: int
    input: int
    tick: int
    state: OwnState


class PrivateState:
    """The newest rows of private sections.

    Attributes:
        have: tick up to which it is known, -1 before anything is.
        flown: what the client flies, as far as is known.
        values: fields of its other components, by the names of the schema.
        early: how many inputs had come beyond the newest one in the state, when it was written.
    """

    def __init__(self, schema: Schema, rules: Rules) -> None:
        self.have = NEVER
        self.flown = Flown(0, 0, 0)
        self.values: dict[str, np.generic] = {}
        self._schema = schema
        self._rules = rules
        self._moves = schema.numbers[MOTION.name]
        self._flight = NEVER
        self._stamp: dict[int, int] = {}
        self._motion: OwnMotion | None = None
        self._inputs: InputApplied | None = None
        self.early = 0
        self._is_other = False
        self._waiting: list[Private] = []
        self._ahead: list[tuple[int, int]] = []

    def apply(self, section: Private) -> OwnAnswer | None:
        """Take a section, whenever it comes.

        Returns:
            the state, if it has become known that it is another, or has other inputs in it.
        """
        tick = section.to_tick
        if tick <= self.have:
            return None
        if section.flown is not None and self._is_news(PRESENCE, tick):
            self._take_flown(section.flown, section.flight, tick)
        oldest = tick - self._rules.streams.reorder_ticks
        waiting, self._waiting = [*self._waiting, section], []
        for one in waiting:
            if self._is_early(one):
                self._waiting += [one] if one.to_tick >= oldest else []
            else:
                self._take_rows(one)
                self._advance(one)
        from_one_section = self._stamp.get(self._moves) == self._stamp.get(INPUTS)
        if not self._is_other or (self._ahead and not from_one_section):
            return None
        self._is_other = False
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
        return OwnAnswer(net_id, control_epoch, self._inputs.input, at, state)

    def _advance(self, section: Private) -> None:
        """Note up to when all is known; what lies beyond a gap waits until that is filled."""
        from_tick = NEVER if section.replace else section.from_tick
        self._ahead.append((from_tick, section.to_tick))
        self._ahead.sort()
        for since, to_tick in self._ahead:
            if since <= self.have:
                self.have = max(self.have, to_tick)
        oldest = section.to_tick - self._rules.streams.reorder_ticks
        self._ahead = [span for span in self._ahead if self.have < span[1] and span[1] >= oldest]

    def _is_early(self, section: Private) -> bool:
        """Tell whether a section is of an entity of which no more is known than that."""
        return 0 < (section.flight - self._flight) % (1 << 8) < 1 << 7

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

    def _take_rows(self, section: Private) -> None:
        """Take rows that are newer than those of their sorts; another entity's are void."""
        if section.flight != self._flight:
            return
        tick, self.early = section.to_tick, section.early
        for number, row in section.components.items():
            if self.flown.mask >> number & 1 and self._is_news(number, tick):
                self.values |= {name: row[name] for name in row.dtype.names or ()}
        if section.motion is not None and self._is_news(self._moves, tick):
            self._motion, self._is_other = section.motion, True
        if section.inputs is not None and self._is_news(INPUTS, tick):
            self._inputs, self._is_other = section.inputs, True
