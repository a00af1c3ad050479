"""Polled states of a world, remembered: rates, curves, what changed hands, what went away.

`/v1/status` gives totals; what happens per second follows from two of them. Curves have one point
per second, the newest last. A server that was started again counts from zero: nothing is
compared across such a break.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from sidereal.tools.monitor.sightmap import Around

Status = Mapping[str, Any]
"""A parsed `/v1/status`."""

REMEMBERED_S: Final = 180
"""Length of the curves."""
SAMPLES_MAX: Final = REMEMBERED_S * 8
RATE_S: Final = 2.0
"""Span that rates are made of."""
EVENTS_MAX: Final = 1000
MOVES_MAX: Final = 1000
LOST_SHOWN_S: Final = 30.0
"""How long a shard that went away is still listed."""

TOTALS: Final = (
    "proposals",
    "fenced",
    "handovers",
    "rebalanced",
    "snapshots",
    "snapshot_datagrams",
    "bytes_out",
    "bytes_in",
    "shard_bytes_out",
    "shard_bytes_in",
)
"""Totals of the replication server that rates are made of, beside those computed here."""


class Sector(NamedTuple):
    """Address of a sector."""

    x: int
    y: int


class Move(NamedTuple):
    """Something changed hands; a sector when `net_id` is 0, else an entity."""

    tick: int
    sector: Sector | None
    net_id: int
    before: int
    after: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Observed:
    """What the observer's stay tells, as a player would see it.

    Attributes:
        joined: whether snapshots come at all.
        why: why not, in words.
        data_age_s: since the newest snapshot; likewise the others up to `visible`, of the client's
            statistics.
        described: whether the world is read as the server describes it, without its game.
    """

    joined: bool = False
    why: str = "not connected yet"
    data_age_s: float = math.inf
    newest_tick: int = -1
    snapshot_hz: float = 0.0
    rtt_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    bytes_in_per_s: float = 0.0
    visible: int = 0
    described: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is shown at one moment; nothing in it changes.

    Attributes:
        status: the newest answer.
        status_age_s: how old it is.
        silent_s: how long the server has not answered, None while it does.
        why: why it does not.
        tick_hz: ticks per second as counted, None before the second answer.
        rates: per second, by the name of the total.
        curves: one value per second, oldest first, by name.
        shards: rows of `status`, and those gone lately with `lost_s`.
        held_s: how long each sector has had its holder, as far as was seen.
        moves: what changed hands, oldest first.
        events: what the server noted, and this monitor; oldest first.
        around: what the observer sees, None while it sees nothing.
    """

    status: Status
    server: str
    at: float
    status_age_s: float = 0.0
    silent_s: float | None = None
    why: str = ""
    tick_hz: float | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    shards: Sequence[Mapping[str, Any]] = ()
    held_s: Mapping[Sector, float] = field(default_factory=dict)
    moves: Sequence[Move] = ()
    events: Sequence[Mapping[str, Any]] = ()
    observed: Observed = field(default_factory=Observed)
    around: Around | None = None

    @property
    def tick_ms_budget(self) -> float:
        """Length of a tick."""
        return 1000.0 / float(self.status["tick_hz"])

    @property
    def sectors(self) -> list[tuple[Sector, Mapping[str, Any]]]:
        """Active sectors with their rows."""
        return [(Sector(row["x"], row["y"]), row) for row in self.status["sectors"]]


class _Sample(NamedTuple):
    at: float
    totals: dict[str, float]
    gauges: dict[str, float | None]


class History:
    """Takes answers of the server as they come; gives a `Picture`."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._status: Status | None = None
        self._status_at = 0.0
        self._silent_since: float | None = None
        self._why = ""
        self._samples: deque[_Sample] = deque(maxlen=SAMPLES_MAX)
        self._holders: dict[Sector, tuple[int, int]] = {}
        self._held_since: dict[Sector, float] = {}
        self._lost: dict[int, tuple[Mapping[str, Any], float]] = {}
        self._moves: deque[Move] = deque(maxlen=MOVES_MAX)
        self._events: deque[Mapping[str, Any]] = deque(maxlen=EVENTS_MAX)
        self._server_events: list[Mapping[str, Any]] = []

    def answer(self, status: Status, now: float) -> None:
        """Take an answer of the server."""
        before = self._status
        if before is not None and status["uptime_s"] < before["uptime_s"]:
            self._begin_again(status)
        elif self._silent_since is not None:
            silent_s = round(now - self._silent_since, 1)
            self._note(status, "server_answers_again", after_s=silent_s)
        self._note_events(status)
        self._compare_sectors(status, now)
        self._compare_shards(before, status, now)
        self._samples.append(_Sample(now, _totals(status), _gauges(status)))
        self._status, self._status_at, self._silent_since = status, now, None

    def silence(self, why: str, now: float) -> None:
        """The server did not answer."""
        if self._silent_since is None:
            self._silent_since = self._status_at if self._status is not None else now
        self._why = why

    def hand_over(self, moves: Sequence[Move]) -> None:
        """Take entities that the observer saw change hands."""
        self._moves.extend(moves)

    def picture(self, now: float, observed: Observed, around: Around | None = None) -> Picture:
        """Everything as of now; at least one answer must have come."""
        assert self._status is not None
        rates = self._rates()
        tick_rate = rates.get("tick")
        return Picture(
            status=self._status,
            server=self._server,
            at=now,
            status_age_s=now - self._status_at,
            silent_s=None if self._silent_since is None else now - self._silent_since,
            why=self._why,
            tick_hz=tick_rate,
            rates=rates,
            curves=self._curves(now),
            shards=[*self._status["shards"], *self._lost_shards(now)],
            held_s={sector: now - since for sector, since in self._held_since.items()},
            moves=tuple(self._moves),
            events=tuple(self._events),
            observed=observed,
            around=around,
        )

    def _begin_again(self, status: Status) -> None:
        self._samples.clear()
        self._holders.clear()
        self._held_since.clear()
        self._server_events = []
        self._note(status, "server_started_again", uptime_s=status["uptime_s"])

    def _note(self, status: Status, event: str, **fields: float | str) -> None:
        self._events.append({"tick": status["tick"], "event": event, "by": "monitor", **fields})

    def _note_events(self, status: Status) -> None:
        """Add the events that are new: those after the longest overlap with what was known."""
        events = list(status["events"])
        known = self._server_events
        overlap = next(
            size
            for size in range(min(len(events), len(known)), -1, -1)
            if events[:size] == known[len(known) - size :]
        )
        self._events.extend(events[overlap:])
        self._server_events = events

    def _compare_sectors(self, status: Status, now: float) -> None:
        holders = {
            Sector(row["x"], row["y"]): (row["shard"], row["epoch"]) for row in status["sectors"]
        }
        first = not self._holders
        for sector, (shard, epoch) in holders.items():  # 0.2 µs each, hundreds at most
            before = self._holders.get(sector)
            if before == (shard, epoch):
                continue
            self._held_since[sector] = now
            old = before[0] if before else 0
            if not first and old != shard:
                self._moves.append(Move(status["tick"], sector, 0, old, shard, epoch))
        for sector in self._held_since.keys() - holders.keys():
            del self._held_since[sector]
        self._holders = holders

    def _compare_shards(self, before: Status | None, status: Status, now: float) -> None:
        present = {row["id"] for row in status["shards"]}
        for row in before["shards"] if before is not None else ():
            if row["id"] not in present:
                self._lost[row["id"]] = (row, now)
        gone = {
            shard
            for shard, (_, since) in self._lost.items()
            if shard in present or now - since > LOST_SHOWN_S
        }
        for shard in gone:
            del self._lost[shard]

    def _lost_shards(self, now: float) -> list[dict[str, Any]]:
        return [{**row, "lost_s": now - since} for row, since in self._lost.values()]

    def _rates(self) -> dict[str, float]:
        """Per second, over the newest `RATE_S` or what there is of it."""
        if len(self._samples) < 2:
            return {}
        new = self._samples[-1]
        old = self._samples[0]
        for sample in reversed(self._samples):
            if new.at - sample.at >= RATE_S:
                old = sample
                break
        return _difference(old, new)

    def _curves(self, now: float) -> dict[str, list[float | None]]:
        """One value per second: rates of totals, newest values of the rest."""
        last = {math.floor(sample.at): sample for sample in self._samples}
        if not last:
            return {}
        end = math.floor(now)
        begin = max(min(last), end - REMEMBERED_S)
        curves: dict[str, list[float | None]] = {}
        previous = last.get(begin)
        for index, second in enumerate(range(begin + 1, end)):
            values: dict[str, float | None] = {}
            newest = last.get(second)
            if newest is not None:
                values.update(newest.gauges)
                if previous is not None:
                    values.update(_difference(previous, newest))
                previous = newest
            for name in values.keys() - curves.keys():
                curves[name] = [None] * index
            for name, curve in curves.items():
                curve.append(values.get(name))
        return curves


def _difference(old: _Sample, new: _Sample) -> dict[str, float]:
    span_s = new.at - old.at
    if span_s <= 0:
        return {}
    rates = {
        name: max(0.0, value - old.totals[name]) / span_s
        for name, value in new.totals.items()
        if name in old.totals
    }
    if rates.get("tick"):
        rates["cpu_ms_per_tick"] = 1000 * rates["cpu_s"] / rates["tick"]
    return rates


def _totals(status: Status) -> dict[str, float]:
    replication = status["replication"]
    return {
        "tick": status["tick"],
        "cpu_s": status["process"]["cpu_s"],
        "saved_rows": status["database"]["saved_rows"],
        "rejected": sum(replication["rejected"].values()),
        "happened": replication["happened"],
        **{f"happened.{name}": count for name, count in replication["happened_by_name"].items()},
        "ticks_dropped": replication["ticks_dropped"],
        "dropped_from_clients": sum(replication["dropped_from_clients"].values()),
        "dropped_from_shards": sum(replication["dropped_from_shards"].values()),
        **{name: replication[name] for name in TOTALS},
    }


def _gauges(status: Status) -> dict[str, float | None]:
    replication, database = status["replication"], status["database"]
    gauges: dict[str, float | None] = {
        "entities": replication["entities"],
        "clients": replication["clients"],
        "tick_p99_ms": replication["tick_ms"]["p99"],
        "lag_ms": database["lag_ms"],
        "private_mb": status["process"]["private_mb"],
        "waiting_rows": database["waiting_rows"],
    }
    for row in status["shards"]:
        gauges[f"step_p99_ms.{row['id']}"] = row["step_ms"]["p99"]
        gauges[f"entities.{row['id']}"] = row["entities"]
        gauges[f"cpu_percent.{row['id']}"] = row["cpu_percent"]
    return gauges
