"""The state of a running world, as the JSON of `/v1/status`: for people, scripts and the monitor.

Counters are totals since the start, so that a reader makes rates of whatever span it likes;
durations are quantiles over the newest ticks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import numpy as np

from sidereal.protocol.session.statistics import SessionServerStatistics
from sidereal.replication.http.metrics import Metric
from sidereal.replication.links.players import Player, PlayerState
from sidereal.replication.links.shards import Shard
from sidereal.replication.notes import Note
from sidereal.replication.ownership.dividing import count_by_sector
from sidereal.replication.replicator import Replicator
from sidereal.replication.world import Present

SAMPLES_MAX: Final = 4096
"""Durations kept for quantiles: the newest 200 s at 20 ticks/s."""

NOTES_SHOWN_MAX: Final = 100
"""Events shown, newest last."""

CLIENTS_SHOWN_MAX: Final = 500
"""Clients listed one by one."""

Labelled = dict[tuple[str, ...], float]
"""Values of a metric, by its labels."""


class Samples:
    """The newest durations of something, in milliseconds."""

    def __init__(self) -> None:
        self._values = np.zeros(SAMPLES_MAX)
        self.count = 0

    def add(self, value_ms: float) -> None:
        """Remember one."""
        self._values[self.count % SAMPLES_MAX] = value_ms
        self.count += 1

    def quantiles(self) -> dict[str, float | int | None]:
        """Give p50, p90, p99, max and count."""
        return quantiles(self._values[: min(self.count, SAMPLES_MAX)])


def quantiles(values: np.ndarray) -> dict[str, float | int | None]:
    """Give p50, p90, p99, max and count of float64[n]; null where there is nothing."""
    if not len(values):
        return {"p50": None, "p90": None, "p99": None, "max": None, "count": 0}
    p50, p90, p99 = np.percentile(values, (50, 90, 99))
    return {
        "p50": round(float(p50), 3),
        "p90": round(float(p90), 3),
        "p99": round(float(p99), 3),
        "max": round(float(values.max()), 3),
        "count": len(values),
    }


class Board:
    """What the shell measures beside the core, and the notes it has taken.

    Attributes:
        ticks: duration of whole ticks, sending included.
        flushes: duration of writes to the database.
        notes: the newest events.
    """

    def __init__(self) -> None:
        self.ticks = Samples()
        self.flushes = Samples()
        self.notes: deque[Note] = deque(maxlen=NOTES_SHOWN_MAX)


def describe_world(replicator: Replicator, board: Board) -> dict[str, Any]:
    """Describe the world, its shards, sectors and clients.

    Returns:
        the part of `/v1/status` that follows from the core.
    """
    present = replicator.world.present(replicator.tick)
    return {
        "tick": replicator.tick,
        "tick_hz": replicator.rules.tick_hz,
        "stands_still": replicator.clock.stands_still,
        "replication": _describe_replication(replicator, board),
        "shards": [
            _describe_shard(shard, replicator, present) for shard in replicator.shards.shards
        ],
        "sectors": _describe_sectors(replicator, present),
        "withheld": _describe_withheld(replicator, present),
        "clients": [
            _describe_client(player, replicator)
            for player in list(replicator.clients.players)[:CLIENTS_SHOWN_MAX]
        ],
        "events": [{"tick": n.tick, "event": n.event, **n.fields} for n in board.notes],
    }


def count_world(replicator: Replicator) -> dict[str, int]:
    """Count clients, entities and shards."""
    return {
        "clients": sum(p.state is PlayerState.JOINED for p in replicator.clients.players),
        "entities": len(replicator.world.columns),
        "shards": len(replicator.shards.shards),
    }


def _describe_replication(replicator: Replicator, board: Board) -> dict[str, Any]:
    traffic = replicator.clients.endpoint.statistics().session
    link = replicator.shards.endpoint.statistics().session
    return {
        "tick_ms": board.ticks.quantiles(),
        "ticks_dropped": replicator.ticks.dropped,
        "clients": sum(p.state is PlayerState.JOINED for p in replicator.clients.players),
        "entities": len(replicator.world.columns),
        "proposals": replicator.ingest.committed,
        "fenced": replicator.ingest.fenced,
        "rejected": dict(replicator.ingest.rejected),
        "spawns": _describe_spawns(replicator),
        "despawns": _describe_despawns(replicator),
        "happened": replicator.events.happened,
        "happened_by_name": _count_events(replicator),
        "happened_dropped": _count_events_dropped(replicator),
        "hooks_failed": dict(replicator.arrivals.failed),
        "calls": dict(replicator.actions.counts),
        "actions_failed": dict(replicator.actions.failed),
        "handovers": replicator.mesh.handovers,
        "rebalanced": replicator.mesh.rebalanced,
        "sectors_moved": replicator.mesh.balance.moved,
        "handovers_waiting": replicator.mesh.waiting,
        "islands": replicator.mesh.grouping.islands,
        "islands_split": replicator.mesh.grouping.islands_split,
        "pairs_cut": replicator.mesh.grouping.pairs_cut,
        "pairs_left_out": replicator.mesh.grouping.pairs_left_out,
        "cross_shard_contacts": replicator.mesh.grouping.cross_shard_contacts,
        "shadow_impulse": replicator.shards.shards.shadow_impulse,
        "horizon_ms": round(replicator.mesh.grouping.horizon_s * 1000, 1),
        "snapshots": replicator.edge.snapshots_sent,
        "snapshot_datagrams": replicator.edge.datagrams_sent,
        "bytes_out": traffic.bytes_out,
        "bytes_in": traffic.bytes_in,
        "shard_bytes_out": link.bytes_out,
        "shard_bytes_in": link.bytes_in,
        "dropped_from_clients": _count_drops(replicator.clients.dropped, traffic),
        "dropped_from_shards": _count_drops(replicator.shards.dropped, link),
    }


def _describe_spawns(replicator: Replicator) -> dict[str, Any]:
    """Count what has come into the world, by who brought it, and what was refused, by reason."""
    births = replicator.births
    return {
        "by_shards": births.spawned,
        "by_authority": replicator.entities.created,
        "refused": dict(births.spawns_refused),
    }


def _describe_despawns(replicator: Replicator) -> dict[str, Any]:
    """Count what has ended, by who ended it, and what was refused, by reason."""
    births = replicator.births
    return {
        "by_shards": births.ended,
        "by_authority": replicator.entities.ended,
        "refused": dict(births.ends_refused),
    }


def _count_events(replicator: Replicator) -> dict[str, int]:
    """Count what has happened, by the names of the game's events."""
    names, counts = replicator.schema.event_numbers, replicator.events.counts.tolist()
    return dict(zip(names, counts, strict=True))


def _count_events_dropped(replicator: Replicator) -> dict[str, int]:
    """Count events that did not happen, or were not told of, by where that was found.

    Of those that single clients are told of it counts for each client.
    """
    log, private = replicator.edge.changes.events, replicator.events.private
    return {
        "of_shard": replicator.ingest.events_dropped,
        "in_cell": log.crowded,
        "in_log": log.crowded_out,
        "to_client": private.crowded,
        "waiting": private.crowded_out,
        "outdated": private.outdated,
    }


def _count_drops(dropped: Mapping[str, int], session: SessionServerStatistics) -> dict[str, int]:
    """Put what was not listened to together: messages, and datagrams below them."""
    below = {f"datagram_{drop.name.lower()}": count for drop, count in session.dropped.items()}
    return {**dropped, **below}


def _describe_shard(shard: Shard, replicator: Replicator, present: Present) -> dict[str, Any]:
    columns, load = replicator.world.columns, shard.load
    mine = columns["shard"][present.rows] == shard.shard
    holders = replicator.mesh.leases.holders_of(present.sector[mine])
    return {
        "id": shard.shard,
        "name": shard.name,
        "state": shard.state.name.lower(),
        "pid": shard.pid,
        "code": shard.code[:4].hex(),
        "newest_code": shard.code == replicator.shards.shards.newest_code,
        "sectors": len(replicator.mesh.leases.sectors_of(shard.shard)),
        "entities": int(mine.sum()),
        "guests": int((holders != shard.shard).sum()),
        "ghosts": load.ghosts if load else None,
        "shadows": load.shadows if load else None,
        "adopting": shard.adopting,
        "step_ms": quantiles(shard.step_us / 1000.0),
        "cpu_percent": load.cpu_permille / 10 if load else None,
        "private_mb": round(load.private_bytes / 1e6, 1) if load else None,
        "newest_tick": shard.newest_tick,
        "slowest": load.slowest or None if load else None,
        "slowest_ms": load.slowest_us / 1000 if load and load.slowest else None,
    }


def _describe_sectors(replicator: Replicator, present: Present) -> list[dict[str, Any]]:
    count = count_by_sector(present.sector)
    return [
        {
            "x": int(row["sector_x"]),
            "y": int(row["sector_y"]),
            "shard": int(row["shard"]),
            "epoch": int(row["epoch"]),
            "entities": int(count.get((int(row["sector_x"]), int(row["sector_y"])), 0)),
        }
        for row in replicator.mesh.leases.rows()
    ]


def _describe_withheld(replicator: Replicator, present: Present) -> list[dict[str, Any]]:
    """Name the sectors that nobody is leased, and the code that went wrong in them."""
    failures = replicator.mesh.failures
    count = count_by_sector(present.sector[np.isin(present.sector, failures.keys)])
    return [
        {
            "x": sector[0],
            "y": sector[1],
            "entities": int(count.get(sector, 0)),
            "what": withheld.last.what,
            "why": withheld.last.why,
            "tick": withheld.tick,
        }
        for sector, withheld in sorted(failures.withheld.items())
    ]


def _describe_client(player: Player, replicator: Replicator) -> dict[str, Any]:
    link = replicator.clients.endpoint.connection_statistics(player.peer)
    return {
        "name": player.name,
        "role": player.role.name.lower(),
        "account": player.account,
        "state": player.state.name.lower(),
        "net_id": player.net_id,
        "rtt_ms": None if link is None else round(link.rtt_s * 1000, 2),
        "loss": None if link is None else round(link.loss, 4),
    }


def without_addresses(status: Mapping[str, Any]) -> dict[str, Any]:
    """Give the state without what only operators see.

    That is numbers of accounts, endpoints, and what the database said: it names hosts and users.
    """
    return {
        **{name: value for name, value in status.items() if name != "endpoints"},
        "database": {**status["database"], "reason": ""},
        "clients": [_without_account(client) for client in status["clients"]],
        "events": [_without_account(event) for event in status["events"]],
    }


def _without_account(row: Mapping[str, Any]) -> dict[str, Any]:
    """Take the number of an account out; anonymous players have one below 0, which stays."""
    return {**row, "account": None} if row.get("account", 0) > 0 else dict(row)


def describe_metrics(status: Mapping[str, Any]) -> list[Metric]:
    """Give the numbers of a `/v1/status` that are worth a curve."""
    replication, database = status["replication"], status["database"]
    alone: tuple[str, ...] = ()
    metrics = [
        Metric("sidereal_tick", "counter", "Ticks of the world.", {alone: status["tick"]}),
        Metric("sidereal_entities", "gauge", "Entities.", {alone: replication["entities"]}),
        Metric("sidereal_clients", "gauge", "Clients.", {alone: replication["clients"]}),
        *_count_shards(status),
        *_count_space(status),
        Metric(
            "sidereal_database_up",
            "gauge",
            "Whether the database can be reached.",
            {alone: float(database["available"])},
        ),
        Metric(
            "sidereal_unsaved_rows",
            "gauge",
            "Rows on their way to the database.",
            {alone: database["waiting_rows"]},
        ),
        Metric(
            "sidereal_rejected_rows",
            "counter",
            "Proposed rows that were refused, by reason.",
            {(reason,): count for reason, count in replication["rejected"].items()},
            ("reason",),
        ),
        *_count_what_happens(replication),
    ]
    metrics.append(
        Metric(
            "sidereal_overflowed_datagrams",
            "counter",
            "Datagrams the system dropped because they came faster than they were read.",
            {(name,): socket["receives_overflowed"] for name, socket in status["sockets"].items()},
            ("socket",),
        )
    )
    metrics += _describe_connections(status["http"])
    for quantile in ("p50", "p99", "max"):
        value = replication["tick_ms"][quantile]
        if value is not None:
            name = f"sidereal_tick_{quantile}_seconds"
            text = f"Duration of a tick, {quantile} of the newest ones."
            metrics.append(Metric(name, "gauge", text, {alone: value / 1000}))
    metrics += [
        Metric(f"sidereal_{name}", "counter", f"Total of {name}.", {alone: replication[name]})
        for name in _TOTALS
    ]
    return metrics


def _count_too_many_events(replication: Mapping[str, Any]) -> Metric:
    text = "Events of the game that were too many, by where that was found."
    dropped: Mapping[str, float] = replication["happened_dropped"]
    counts: Labelled = {(where,): n for where, n in dropped.items()}
    return Metric("sidereal_happened_dropped", "counter", text, counts, ("where",))


def _count_what_happens(replication: Mapping[str, Any]) -> Iterator[Metric]:
    """Give what has come into the world, what has ended, and events, also those too many."""
    named: Labelled = {(name,): n for name, n in replication["happened_by_name"].items()}
    yield Metric("sidereal_happened", "counter", "Events of the game.", named, ("event",))
    yield _count_too_many_events(replication)
    for what in ("spawns", "despawns"):
        counts, title = replication[what], what.capitalize()
        by: Labelled = {(who,): counts[f"by_{who}"] for who in ("shards", "authority")}
        refused: Labelled = {(reason,): n for reason, n in counts["refused"].items()}
        yield Metric(f"sidereal_{what}", "counter", f"{title}, by who made them.", by, ("by",))
        text = f"{title} of shards that were refused, by reason."
        yield Metric(f"sidereal_{what}_refused", "counter", text, refused, ("reason",))


def _count_shards(status: Mapping[str, Any]) -> Iterator[Metric]:
    shards = status["shards"]
    yield Metric("sidereal_shards", "gauge", "Shards.", {(): len(shards)})
    text = "Shards that wait until another one is gone."
    waiting = sum(shard["state"] == "spare" for shard in shards)
    yield Metric("sidereal_spare_shards", "gauge", text, {(): waiting})


def _count_space(status: Mapping[str, Any]) -> Iterator[Metric]:
    text = "Islands across borders, of two entities or more."
    yield Metric("sidereal_islands", "gauge", text, {(): status["replication"]["islands"]})
    text = "Sectors that nobody is leased, because the game's code went wrong in them."
    yield Metric("sidereal_withheld_sectors", "gauge", text, {(): len(status["withheld"])})


def _describe_connections(http: Mapping[str, int]) -> list[Metric]:
    return [
        Metric(f"sidereal_http_{name}", kind, text, {(): http[name]})
        for name, kind, text in _CONNECTION_METRICS
        if name in http
    ]


_TOTALS: Final = (
    *("islands_split", "pairs_cut", "pairs_left_out", "cross_shard_contacts", "shadow_impulse"),
    *("proposals", "fenced", "handovers", "snapshots", "bytes_out", "bytes_in"),
)
_CONNECTION_METRICS: Final[tuple[tuple[str, Literal["counter", "gauge"], str], ...]] = (
    ("connections", "gauge", "Connections of the HTTP endpoint."),
    ("accepts_failed", "counter", "Accepts that failed for want of descriptors or memory."),
)
