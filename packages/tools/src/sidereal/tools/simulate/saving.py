"""How one replication server's changes get into the store, and what goes wrong on the way.

One batch is on its way at a time, as in the server's own shell. The store may be away, answer late,
or not say what has become of a write: then the server takes it to have failed, while it is in the
store, or gets there some time later.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.posting import Posted, Posting
from sidereal.replication.play.berths import BerthRequest
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.memory import MemoryStore

SAVE_S: Final = (0.002, 0.3)
"""Bounds of the time a write to the store takes."""

FETCH_S: Final = (0.001, 0.2)
"""Bounds of the time until the store answers with a berth."""

SLOW_S: Final = (0.3, 0.9)
"""Bounds of both while the store is slow."""

LANDS_LATE_S: Final = 0.4
"""A write of which nothing is known gets into the store within this time."""


class Weather:
    """What the store is like.

    Attributes:
        fails_until: until then it takes nothing, or does not say that it did, virtual seconds.
        slow_until: until then it answers late.
        unsure_until: until then it takes everything and answers as if it had not.
    """

    def __init__(self) -> None:
        self.fails_until = self.slow_until = self.unsure_until = -math.inf

    @property
    def bad_until(self) -> float:
        """Until when what is written may not be in the store as soon as it should be."""
        slow_until = self.slow_until + SLOW_S[1] if self.slow_until > 0 else -math.inf
        return max(self.fails_until, slow_until, self.unsure_until)

    def wait_s(self, bounds: tuple[float, float], now: float, rng: np.random.Generator) -> float:
        """Draw how long an answer takes."""
        return float(rng.uniform(*(SLOW_S if now < self.slow_until else bounds)))


class Scribe:
    """Saves what one core has changed, and fetches the berths that it asks for.

    Attributes:
        term: under which it writes.
    """

    def __init__(self, store: MemoryStore, weather: Weather, rng: np.random.Generator) -> None:
        self.term = store.begin()
        self._store = store
        self._weather = weather
        self._rng = rng
        self._writing: tuple[float, int, Batch] | None = None
        self._landing: list[tuple[float, int, Batch]] = []
        self._fetching: list[tuple[float, BerthRequest]] = []
        self._posting: tuple[float, int, Posting] | None = None

    def end(self) -> None:
        """End with its server: what is on its way may or may not have arrived."""
        for _, tick, batch in self._landing:
            self._store.write(self.term, tick, batch)
        if self._writing is not None and self._rng.random() < 0.5:
            self._store.write(self.term, *self._writing[1:])
        if self._posting is not None and self._rng.random() < 0.5:
            self._store.post(self.term, *self._posting[1:])

    def save(self, core: Replicator, now: float) -> None:
        """Write what has changed, after every tick.

        Raises:
            FencedError: another server writes there.
        """
        self._land(now)
        if self._writing is not None:
            at, tick, batch = self._writing
            if now < at:
                return
            self._writing = None
            self._settle(core, tick, batch, now)
        fresh = core.saving.take_batch(core.limits.keeping.batch_rows, core.tick)
        if fresh is not None:
            wait_s = self._weather.wait_s(SAVE_S, now, self._rng)
            self._writing = now + wait_s, core.tick, fresh
        elif now >= self._weather.fails_until:
            self._store.save_tick(self.term, core.tick)

    def fetch(self, core: Replicator, now: float) -> None:
        """Answer, after a while, what berths the store has; one that fails is asked again."""
        for request in core.berths.take_requests():
            wait_s = self._weather.wait_s(FETCH_S, now, self._rng)
            self._fetching.append((now + wait_s, request))
        due = [(at, request) for at, request in self._fetching if at <= now]
        self._fetching = [(at, request) for at, request in self._fetching if at > now]
        for _, request in due:
            if now < self._weather.fails_until:
                self._fetching.append((now + FETCH_S[1], request))
            else:
                core.berths.deliver(request, self._store.load_berth(request.account))

    def post(self, core: Replicator, now: float) -> None:
        """Commit what actions have come to, and try again while it is not known what became of it.

        Raises:
            FencedError: another server writes there.
        """
        if self._posting is None and core.actions.postings.has_posting:
            self._begin_to_post(core, core.actions.postings.take_posting(), now)
        if self._posting is None or now < self._posting[0]:
            return
        _, tick, posting = self._posting
        answer = self._commit(tick, posting, now)
        if answer is None:
            self._begin_to_post(core, posting, now)
        else:
            self._posting = None
            core.actions.postings.deliver(posting, answer)

    def _begin_to_post(self, core: Replicator, posting: Posting, now: float) -> None:
        wait_s = self._weather.wait_s(SAVE_S, now, self._rng)
        self._posting = now + wait_s, core.tick, posting

    def _commit(self, tick: int, posting: Posting, now: float) -> Posted | None:
        """Commit a posting; None: nobody says what has become of it."""
        weather = self._weather
        if now >= max(weather.fails_until, weather.unsure_until):
            return self._store.post(self.term, tick, posting)
        if now < weather.unsure_until or self._rng.random() < 0.5:
            self._store.post(self.term, tick, posting)
        return None

    def _settle(self, core: Replicator, tick: int, batch: Batch, now: float) -> None:
        """Let a write come to its end."""
        if now < self._weather.unsure_until:
            # What may still come later must not undo what is written meanwhile.
            lands_at = now + float(self._rng.uniform(-LANDS_LATE_S, LANDS_LATE_S))
            self._landing.append((lands_at, tick, batch))
            self._land(now)
            core.saving.failed(batch)
        elif now < self._weather.fails_until:
            # Half of what fails has been written all the same.
            if self._rng.random() < 0.5:
                self._store.write(self.term, tick, batch)
            core.saving.failed(batch)
        else:
            self._store.write(self.term, tick, batch)
            core.saving.committed(batch)

    def _land(self, now: float) -> None:
        due = [late for late in self._landing if late[0] <= now]
        self._landing = [late for late in self._landing if late[0] > now]
        for _, tick, batch in due:
            self._store.write(self.term, tick, batch)
