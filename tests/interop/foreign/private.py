"""What a client alone is told of what it flies. PROTOCOL.md, "The private section"."""

from __future__ import annotations

from typing import NamedTuple

from .snapshots import Flown, Inputs, OwnMotion, Private


class Own(NamedTuple):
    """What the client flies, as it was at a tick; the input's low bits."""

    id: int
    control_epoch: int
    newest_input: int
    tick: int
    x: float
    y: float
    vx: float
    vy: float


class Pilot:
    """The newest rows of private sections, each with the tick of its snapshot.

    Attributes:
        own: the newest state, None before there was one.
    """

    def __init__(self, tick_hz: int) -> None:
        self.own: Own | None = None
        self._tick_hz = tick_hz
        self._flight: int | None = None
        self._flown: tuple[int, Flown] = (-1, Flown(0, 0))
        self._motion: tuple[int, OwnMotion] | None = None
        self._inputs: tuple[int, Inputs] | None = None

    def take(self, section: Private) -> None:
        """Take a section, whenever it comes."""
        tick = section.to
        if section.flown is not None and tick > self._flown[0]:
            self._flown = tick, section.flown
            if section.flight != self._flight:
                self._flight, self._motion, self._inputs, self.own = (
                    section.flight,
                    None,
                    None,
                    None,
                )
        if section.flight != self._flight:
            return
        if section.motion is not None and (self._motion is None or tick > self._motion[0]):
            self._motion = tick, section.motion
        if section.inputs is not None and (self._inputs is None or tick > self._inputs[0]):
            self._inputs = tick, section.inputs
        self._conclude()

    def _conclude(self) -> None:
        if self._motion is None or self._inputs is None:
            return
        motion, inputs = self._motion[1], self._inputs[1]
        tick = inputs.tick if self._motion[0] <= self._inputs[0] else motion.tick
        elapsed_s = (tick - motion.tick) / self._tick_hz
        self.own = Own(
            *self._flown[1],
            inputs.newest,
            tick,
            motion.x + motion.vx * elapsed_s,
            motion.y + motion.vy * elapsed_s,
            motion.vx,
            motion.vy,
        )
