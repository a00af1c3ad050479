"""A network link as a pure function of its configuration and a random generator."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, slots=True)
class LinkConfig:
    """What one direction of a link does to datagrams.

    Attributes:
        delay_s: every datagram takes at least that long.
        jitter_s: and up to that much longer; jitter alone does not reorder.
        loss: probability that a datagram does not arrive.
        duplication: probability that it arrives twice.
        reordering: probability that it, or its second copy, is held up while others pass.
        reordering_s: for up to that long.
        bytes_per_s: what the link carries; 0 means any amount.
        queue_s_max: datagrams that would wait longer than that for the link are lost.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    reordering_s: float = 0.05
    bytes_per_s: float = 0.0
    queue_s_max: float = 0.25


class Link:
    """One direction of a link.

    Every datagram takes the same number of draws from the generator, whatever becomes of it, so a
    changed probability does not reshuffle the fate of the others.

    Attributes:
        config: may be replaced at any time.
        sent: datagrams given to the link.
        lost: datagrams that never arrive.
    """

    def __init__(self, config: LinkConfig, rng: np.random.Generator) -> None:
        self.config = config
        self.sent = 0
        self.lost = 0
        self._rng = rng
        self._free_at = 0.0
        self._last_delivery_at = 0.0

    def transmit(self, size: int, now: float) -> list[float]:
        """Send a datagram.

        Args:
            size: its bytes.
            now: seconds.

        Returns:
            When it is delivered: empty if it is lost, two times if it is duplicated.
        """
        config = self.config
        lost, jitter, twice, late, late_by, again_late, again_by = self._rng.random(7).tolist()
        self.sent += 1
        waits_s = max(0.0, self._free_at - now) if config.bytes_per_s else 0.0
        if lost < config.loss or waits_s > config.queue_s_max:
            self.lost += 1
            return []
        if config.bytes_per_s:
            waits_s += size / config.bytes_per_s
            self._free_at = now + waits_s
        at = max(self._last_delivery_at, now + waits_s + config.delay_s + jitter * config.jitter_s)
        held_s = late_by * config.reordering_s if late < config.reordering else 0.0
        if not held_s:
            self._last_delivery_at = at
        deliveries = [at + held_s]
        if twice < config.duplication:
            held_s = again_by * config.reordering_s if again_late < config.reordering else 0.0
            deliveries.append(at + held_s)
        return deliveries
