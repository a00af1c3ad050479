"""What a client knows of the entity that it flies, and what it alone is told."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from .private import Flown, Inputs, Motion, Private
from .rows import Event, Reference, Values

NUMBER_MAX: Final = 63
"""Of a component."""
NEVER: Final = (-1, None)


class Own(NamedTuple):
    """The entity that the client flies: its state at a tick, with all inputs up to one."""

    id: int
    control_epoch: int
    newest_input: int
    tick: int
    x: float
    y: float
    vx: float
    vy: float
    heading: float
    spin: float


class Pilot:
    """Keeps the newest row of each sort of the private sections."""

    def __init__(self, tick_hz: int) -> None:
        self._tick_hz = tick_hz
        self._flight: int | None = None
        self._flown: tuple[int, Flown] | None = None
        self._motion: tuple[int, Motion] | None = None
        self._inputs: tuple[int, Inputs] | None = None
        self._components: dict[int, tuple[int, Values | None]] = {}
        self._told: set[tuple[int, int]] = set()

    @property
    def flies(self) -> int:
        """The id of what it flies, 0 for nothing."""
        return 0 if self._flown is None else self._flown[1].id

    @property
    def own(self) -> Own | None:
        """The newest state, or none as long as it flies nothing that it knows of."""
        if self._flown is None or self._motion is None or self._inputs is None:
            return None
        (_, flown), (moved_at, motion), (applied_at, inputs) = (
            self._flown,
            self._motion,
            self._inputs,
        )
        if flown.id == 0:
            return None
        tick = inputs.tick if applied_at > moved_at else motion.tick
        state = self._moved_on(motion, tick)
        return Own(flown.id, flown.control_epoch, inputs.newest, *state)

    @property
    def reference(self) -> Reference | None:
        """How the entity moves, as of the newest snapshot that said so."""
        if self._flown is None or self._motion is None or self._flown[1].id == 0:
            return None
        return Reference(self._flown[1].id, *self._moved_on(self._motion[1], self._motion[0]))

    @property
    def components(self) -> dict[int, Values]:
        """Components of what is flown, beside its motion, by their numbers."""
        return {number: row for number, (_, row) in self._components.items() if row is not None}

    def take(self, private: Private, forget: int) -> Iterator[Event]:
        """Take a private section; give its events that are new, and forget those before a tick."""
        at = private.to
        if private.flown is not None and (self._flown is None or at > self._flown[0]):
            self._begin(private.flight, private.flown, at)
        if private.flight == self._flight:
            if private.motion and (self._motion is None or at > self._motion[0]):
                self._motion = at, private.motion
            if private.inputs and (self._inputs is None or at > self._inputs[0]):
                self._inputs = at, private.inputs
            for number, row in private.components.items():
                if at > self._components.get(number, NEVER)[0]:
                    self._components[number] = at, row
        self._told = {key for key in self._told if key[0] >= forget}
        for event, number in private.told:
            if (event.tick, number) not in self._told:
                self._told.add((event.tick, number))
                yield event

    def _moved_on(self, motion: Motion, tick: int) -> Motion:
        elapsed_s = (tick - motion.tick) / self._tick_hz
        heading = math.remainder(motion.heading + motion.spin * elapsed_s, math.tau)
        return motion._replace(
            tick=tick,
            x=motion.x + motion.vx * elapsed_s,
            y=motion.y + motion.vy * elapsed_s,
            heading=heading,
        )

    def _begin(self, flight: int, flown: Flown, at: int) -> None:
        if flight != self._flight:
            self._flight, self._motion, self._inputs = flight, None, None
            self._components = {}
        self._flown = at, flown
        for number in range(NUMBER_MAX + 1):
            if not flown.mask >> number & 1 and self._components.get(number, NEVER)[0] < at:
                self._components[number] = at, None
