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
        own: the newest state that is sure, None before there was one.
    """

    def __init__(self, tick_hz: int) -> None:
        self.own: Own | None = None
        self._tick_hz = tick_hz
        self._have = -1
        self._flight: int | None = None
        self._flown: tuple[int, Flown] = (-1, Flown(0, 0))
        self._motion: tuple[int, OwnMotion] | None = None
        self._inputs: tuple[int, Inputs] | None = None
        self._ahead: set[tuple[int, int]] = set()
        self._waiting: list[Private] = []

    def take(self, section: Private) -> None:
        """Take a section, whenever it comes."""
        if section.to <= self._have:
            return
        if section.flown is not None and section.to > self._flown[0]:
            self._flown = section.to, section.flown
            if section.flight != self._flight:
                self._flight, self._motion, self._inputs, self.own = (
                    section.flight,
                    None,
                    None,
                    None,
                )
        waiting, self._waiting = [*self._waiting, section], []
        for one in waiting:
            if self._is_of_later_flight(one):
                self._waiting.append(one)
            else:
                self._take_rows(one)
        self._conclude()

    def _is_of_later_flight(self, section: Private) -> bool:
        return self._flight is None or 0 < (section.flight - self._flight) % 256 < 128

    def _take_rows(self, section: Private) -> None:
        tick = section.to
        if section.flight == self._flight:
            if section.motion is not None and (self._motion is None or tick > self._motion[0]):
                self._motion = tick, section.motion
            if section.inputs is not None and (self._inputs is None or tick > self._inputs[0]):
                self._inputs = tick, section.inputs
        self._ahead.add((-1 if section.is_whole else section.since, tick))
        for since, to in sorted(self._ahead):
            if since <= self._have:
                self._have = max(self._have, to)
        self._ahead = {(since, to) for since, to in self._ahead if to > self._have}

    def _conclude(self) -> None:
        if self._motion is None or self._inputs is None:
            return
        if self._ahead and self._motion[0] != self._inputs[0]:
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
