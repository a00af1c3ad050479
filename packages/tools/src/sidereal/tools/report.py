"""The report of a run of `sidereal up`: one JSON object that scripts rely on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Status = Mapping[str, Any]
"""A parsed `/v1/status`."""

_TOTALS: Final = {
    "proposals_per_s": "proposals",
    "snapshots_per_s": "snapshots",
    "bytes_out_per_s": "bytes_out",
    "bytes_in_per_s": "bytes_in",
}

_SHARD: Final = (
    *("id", "name", "state", "pid", "sectors", "entities", "guests", "ghosts"),
    *("step_ms", "cpu_percent", "private_mb"),
)
_DATABASE: Final = ("kind", "saved_rows", "flush_ms", "lag_ms")


def make_report(
    *,
    version: str,
    duration_s: float,
    seed: int,
    end: str,
    errors: list[str],
    first: Status | None,
    last: Status | None,
    pids: Mapping[str, int | None],
    bots: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Put a run's report together; what was not measured is None.

    Args:
        version: of Sidereal.
        duration_s: from the world being ready to the end of the run.
        seed: of the world.
        end: `done`, `interrupted` or `failed`.
        errors: what went wrong, one line each.
        first: status when the world was ready.
        last: status just before the end.
        pids: process ids by the name of a process.
        bots: the report of the bots.
    """
    shards = last["shards"] if last else []
    return {
        "version": version,
        "duration_s": round(duration_s, 3),
        "seed": seed,
        "exit": end,
        "errors": errors,
        "replication": _replication(first, last, pids.get("replication")),
        "shards": [_shard(shard) for shard in shards],
        "database": {name: last["database"][name] for name in _DATABASE} if last else None,
        "bots": bots,
    }


def _replication(
    first: Status | None, last: Status | None, pid: int | None
) -> dict[str, Any] | None:
    if first is None or last is None:
        return None
    before, after = first["replication"], last["replication"]
    span_s = max(last["uptime_s"] - first["uptime_s"], 1e-3)
    rates = {
        name: round((after[total] - before[total]) / span_s, 1) for name, total in _TOTALS.items()
    }
    cpu_s = last["process"]["cpu_s"] - first["process"]["cpu_s"]
    return {
        "pid": pid,
        "tick_hz": round((last["tick"] - first["tick"]) / span_s, 2),
        "tick_ms": after["tick_ms"],
        "clients": after["clients"],
        "entities": after["entities"],
        **rates,
        "rejected": after["rejected"],
        "handovers": after["handovers"],
        "cpu_percent": round(100 * cpu_s / span_s, 1),
        "private_mb": last["process"]["private_mb"],
    }


def _shard(shard: Mapping[str, Any]) -> dict[str, Any]:
    return {name: shard[name] for name in _SHARD}


def summarise(report: Mapping[str, Any]) -> list[str]:
    """Say what matters of a report in a few lines for people."""
    lines = [f"{report['exit']} after {report['duration_s']:.1f} s"]
    if replication := report["replication"]:
        lines.append(
            f"world      {replication['entities']} entities at {replication['tick_hz']} Hz, "
            f"tick {quantiles(replication['tick_ms'], 'ms')}, "
            f"{replication['handovers']} handovers, rejected {replication['rejected'] or 'nothing'}"
        )
    lines += [_say_shard(shard) for shard in report["shards"]]
    if database := report["database"]:
        lines.append(
            f"database   {database['saved_rows']} rows saved, flush "
            f"{quantiles(database['flush_ms'], 'ms')}, lag {database['lag_ms']} ms"
        )
    if bots := report["bots"]:
        lines.append(
            f"bots       {bots['connected']} of {bots['requested']} connected, snapshots "
            f"{quantiles(bots['snapshot_hz'], 'Hz')}, "
            f"input to view {quantiles(bots['input_to_view_ms'], 'ms')}"
        )
    lines += [f"error      {error}" for error in report["errors"]]
    return lines


def _say_shard(shard: Mapping[str, Any]) -> str:
    if shard["state"] == "spare":
        return f"shard {shard['id']}    spare"
    return (
        f"shard {shard['id']}    {shard['entities']} entities in {shard['sectors']} sectors, "
        f"step {quantiles(shard['step_ms'], 'ms')}"
    )


def quantiles(measured: Mapping[str, Any] | None, unit: str) -> str:
    """Write a median and a 99th percentile, which a run that was too short does not have."""
    if measured is None or measured["p50"] is None:
        return "not measured"
    return f"p50 {measured['p50']} {unit}, p99 {measured['p99']} {unit}"
