"""How long the client's ticks are: so that inputs come to the shard in time, and not too early.

The shard takes one input in each of its ticks, and guesses those that have not come. With its
answers comes how early they do. From that and from when they were made follows the **deadline** of
each tick, on the client's clock: an input made by then would have come just in time. Whatever
comes in between is in it: the way, frames that are drawn late, shards that are late themselves.
The earliest deadline of the last `reserve_window_s` is the one to be met, `reserve_least_s` before.

Inputs are never left out or made twice for that, because the shard would slip against what was
predicted. Instead the client's ticks get a little shorter or longer, as in Overwatch ("Gameplay
Architecture and Netcode", GDC 2017): shorter at once when an input might come late, longer slowly.
Up to a tick more reserve than is needed stays as it is. So the inputs of many clients do not all
come at the same moment of a tick.

What stands still for once would cost a large reserve for long, and in vain. So the reserve is at
most `reserve_most_s`, seen from the latest of the newest deadlines. One that is earlier than that
does not count: its input is guessed. If all are by then, the way has become longer.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

from sidereal.client.limits import LIMITS, Limits

SHORTER: Final = 0.1
"""Of a tick: by so much it is shorter at most while more reserve is needed."""
LONGER: Final = 0.05
"""Likewise, while there is too much of it."""
NEWEST: Final = 10
"""Deadlines of which the latest counts."""
SPAN_S: Final = 1.0
"""The earliest is kept of each second."""
NONE: Final = math.inf


class Pace:
    """By how much the client's next tick is longer or shorter than others.

    Deadlines are in seconds of the client's clock, less the time of as many ticks as the server has
    counted: so they are the same for all ticks, but for jitter and drift.
    """

    def __init__(self, tick_s: float, limits: Limits = LIMITS) -> None:
        self._tick_s, self._limits = tick_s, limits
        self._newest: deque[float] = deque(maxlen=NEWEST)
        self._spans: deque[float] = deque(maxlen=math.ceil(limits.reserve_window_s / SPAN_S))
        self._span = -1
        self._earliest_s = NONE
        self._off_s = 0.0

    def restart(self) -> None:
        """Forget what was observed: the server's ticks are not where they were."""
        self._newest.clear()
        self._spans.clear()
        self._earliest_s, self._off_s = NONE, 0.0

    def hold(self) -> None:
        """Make ticks as long as others until it is judged anew."""
        self._off_s = 0.0

    def next_shift_s(self) -> float:
        """Tell by how much the next tick of the client is longer, in seconds; below 0 shorter."""
        shift_s = max(-SHORTER * self._tick_s, min(LONGER * self._tick_s, self._off_s))
        self._off_s -= shift_s
        return shift_s

    def observe(self, tick: int, made_at: float, early: float) -> None:
        """Learn how early an input came.

        Args:
            tick: of the server, that it was for.
            made_at: when it was due to be made.
            early: how long before its tick it came, in ticks.
        """
        deadline_s = made_at + (early - tick) * self._tick_s
        self._newest.append(deadline_s)
        if deadline_s < self._most_s():
            deadline_s = NONE
        span = math.floor(made_at / SPAN_S)
        if span != self._span or not self._spans:
            self._span = span
            self._spans.append(NONE)
            self._earliest_s = min(self._spans)
        self._spans[-1] = min(self._spans[-1], deadline_s)
        self._earliest_s = min(self._earliest_s, deadline_s)

    def steer(self, next_tick: int, next_at: float) -> None:
        """Judge when inputs are made.

        Args:
            next_tick: of the server, that the next input is for.
            next_at: when that is due to be made.
        """
        if not self._newest:
            return
        deadline_s = max(self._earliest_s, self._most_s())
        if deadline_s == NONE:
            deadline_s = max(self._newest)
        spare_s = deadline_s - self._limits.reserve_least_s - (next_at - next_tick * self._tick_s)
        self._off_s = min(spare_s, 0.0) + max(spare_s - self._tick_s, 0.0)

    def _most_s(self) -> float:
        """Give the deadline with the largest reserve that there may be."""
        return max(self._newest) - self._limits.reserve_most_s
