"""A network link as a pure function of its configuration and a random generator.

What happens to a datagram, in this order:

1. *Loss* is Gilbert's and Elliott's: the link is in a good state or in a burst, each with its own
   probability of loss, and every datagram may change the state before it meets its fate. In the
   words of netem's `loss gemodel p r 1-h 1-k`, `burst_start` is p, `burst_end` r, `burst_loss` 1-h
   and `loss` 1-k. Without bursts, losses are independent.
2. *The queue*: a link that carries so many bytes per second makes datagrams wait for each other,
   and drops at its tail those that would wait too long.
3. *Delay and jitter*. Jitter is uniform between its bounds, however strongly that of one datagram
   depends on that of the one before: what is correlated is a normal variable (an autoregressive
   process of first order), and jitter is its distribution function's value. Mixing uniform
   variables, as netem does, would narrow the jitter as the correlation grows.
4. *Reordering*: jitter alone keeps the order; some datagrams are held up while others pass.
5. *Duplication*: the second copy arrives with the first, or is held up by itself.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from statistics import NormalDist
from typing import Final

import numpy as np

from sidereal.protocol.errors import ConfigError

PROBABILITIES: Final = frozenset(
    {
        *("loss", "burst_start", "burst_end", "burst_loss"),
        *("jitter_correlation", "duplication", "reordering"),
    }
)
"""Fields of `LinkConfig` that are 0 to 1; all others are finite and not negative."""

_NORMAL: Final = NormalDist()
_DRAW_LEAST: Final = 2.0**-54
"""In place of a draw of 0, which no normal variable has for a quantile."""


@dataclasses.dataclass(frozen=True, slots=True)
class LinkConfig:
    """What one direction of a link does to datagrams.

    Attributes:
        delay_s: every datagram takes at least that long.
        jitter_s: and up to that much longer; jitter alone does not reorder.
        jitter_correlation: of one datagram's jitter with that of the next.
        loss: probability that a datagram does not arrive, outside bursts.
        burst_start: probability, for each datagram, that a burst begins with it.
        burst_end: probability, for each that follows one in a burst, that the burst is over; it
            lasts for 1 / `burst_end` datagrams on average.
        burst_loss: probability that a datagram in a burst does not arrive.
        duplication: probability that it arrives twice.
        reordering: probability that it, or its second copy, is held up while others pass.
        reordering_s: for up to that long.
        bytes_per_s: what the link carries; 0 means any amount.
        queue_s_max: datagrams that would wait longer than that for the link are lost.

    Raises:
        ConfigError: naming every value that cannot be.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    jitter_correlation: float = 0.0
    loss: float = 0.0
    burst_start: float = 0.0
    burst_end: float = 1.0
    burst_loss: float = 1.0
    duplication: float = 0.0
    reordering: float = 0.0
    reordering_s: float = 0.05
    bytes_per_s: float = 0.0
    queue_s_max: float = 0.25

    def __post_init__(self) -> None:
        problems = [
            f"{field.name} {problem}"
            for field in dataclasses.fields(self)
            if (problem := find_problem(field.name, getattr(self, field.name)))
        ]
        if problems:
            raise ConfigError("; ".join(problems))


def find_problem(field: str, value: float) -> str:
    """Say what is wrong with a value.

    Args:
        field: of `LinkConfig`.
        value: for that field.

    Returns:
        what must be so, empty if it is.
    """
    if field in PROBABILITIES:
        return "" if 0.0 <= value <= 1.0 else f"is {value:g}; it must be 0 to 1"
    fits = 0.0 <= value <= sys.float_info.max
    return "" if fits else f"is {value:g}; it must be finite, and 0 or more"


class Link:
    """One direction of a link.

    Every datagram takes the same number of draws from the generator, whatever becomes of it, so a
    changed probability does not reshuffle the fate of the others.

    Attributes:
        config: may be replaced at any time.
        sent: datagrams given to the link.
        lost: datagrams that never arrive.
        overflowed: those of them that found the queue full.
        duplicated: datagrams that arrive twice.
    """

    def __init__(self, config: LinkConfig, rng: np.random.Generator) -> None:
        self.config = config
        self.sent = 0
        self.lost = 0
        self.overflowed = 0
        self.duplicated = 0
        self._rng = rng
        self._bursting = False
        self._swing = _normal(rng.random())
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
        turn, lost, swing, twice, late, late_by, again_late, again_by = self._rng.random(8).tolist()
        self.sent += 1
        is_lost = self._loses(turn, lost)
        jitter_s = self._jitter(swing) * config.jitter_s
        waits_s = max(0.0, self._free_at - now) if config.bytes_per_s else 0.0
        if is_lost or waits_s > config.queue_s_max:
            self.lost += 1
            self.overflowed += not is_lost
            return []
        if config.bytes_per_s:
            waits_s += size / config.bytes_per_s
            self._free_at = now + waits_s
        at = max(self._last_delivery_at, now + waits_s + config.delay_s + jitter_s)
        held_s = late_by * config.reordering_s if late < config.reordering else 0.0
        if not held_s:
            self._last_delivery_at = at
        deliveries = [at + held_s]
        if twice < config.duplication:
            self.duplicated += 1
            held_s = again_by * config.reordering_s if again_late < config.reordering else 0.0
            deliveries.append(at + held_s)
        return deliveries

    def _loses(self, turn: float, lost: float) -> bool:
        """Let the state change, and tell whether it takes the datagram; draws are 0 to 1."""
        config = self.config
        if self._bursting:
            self._bursting = turn >= config.burst_end
        else:
            self._bursting = turn < config.burst_start
        return lost < (config.burst_loss if self._bursting else config.loss)

    def _jitter(self, draw: float) -> float:
        """Take the next step of the jitter, and give it as a share of its bound, 0 to 1.

        Two normal variables with correlation 2 sin(πρ/6) have uniform ranks with correlation ρ.

        Source:
            Pearson, On further methods of determining correlation (1907).
        """
        tie = 2.0 * math.sin(math.pi / 6.0 * self.config.jitter_correlation)
        self._swing = tie * self._swing + math.sqrt(1.0 - tie * tie) * _normal(draw)
        return _NORMAL.cdf(self._swing)


def _normal(draw: float) -> float:
    """Make a normal variable of a uniform one."""
    return _NORMAL.inv_cdf(max(draw, _DRAW_LEAST))
