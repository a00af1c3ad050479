"""What a soak tells in the end: one JSON object, and the same for people."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

from sidereal.tools.soak.checker import SLACK_S
from sidereal.tools.soak.config import CHANNELS, End
from sidereal.tools.soak.memory import MemorySample, growth, quarters
from sidereal.tools.soak.service import SoakRun

LATE_MS_P99_MAX: Final = 100.0
LATE_MS_MAX: Final = 1e3 * SLACK_S
"""When turns begin later than that, the machine is too slow for so many clients."""


def make_report(run: SoakRun) -> dict[str, Any]:
    """Put a run's report together, whether it came to its end or was interrupted."""
    soak, rig = run.soak, run.soak.rig
    checker = rig.checker
    datagrams, lost = soak.datagrams
    grown = growth(run.samples)
    failed = bool(checker.violation_count or grown)
    return {
        "version": version("sidereal-tools"),
        "duration_s": round(run.duration_s, 3),
        "exit": "failed" if failed else "done" if soak.is_over else "interrupted",
        "config": dataclasses.asdict(run.config),
        "sessions": {
            end.name.lower(): {
                "opened": checker.opened[end],
                "closed": {
                    reason.name.lower(): count
                    for (at, reason), count in sorted(checker.closed.items())
                    if at is end
                },
            }
            for end in End
        },
        "messages": {
            spec.delivery.name.lower(): {
                f"from_{end.name.lower()}": {
                    "sent": checker.sent[end, channel],
                    "delivered": checker.delivered[end, channel],
                }
                for end in End
            }
            for channel, spec in enumerate(CHANNELS)
        },
        "tags": {"sent": checker.tags_sent, "acked": checker.tags_acked},
        "transport": {**rig.tallied, "held_back": rig.held_back},
        "link": {"datagrams": datagrams, "lost": lost, "unsent": run.sockets.unsent},
        "violation_count": checker.violation_count,
        "violations": [violation._asdict() for violation in checker.violations],
        "memory": {
            "grown": grown,
            "quarters": _samples(quarters(run.samples) or []),
            "samples": _samples(run.samples),
        },
        "lateness_ms": run.lateness_ms.quantiles(),
        "cpu_percent": round(run.cpu_percent, 1),
    }


def _samples(samples: list[MemorySample]) -> list[dict[str, float]]:
    return [
        {
            "at_s": round(sample.at_s, 2),
            "rss_mb": round(sample.rss_mb, 2),
            "objects": sample.objects,
        }
        for sample in samples
    ]


def describe(report: dict[str, Any]) -> Iterator[str]:
    """Tell a report in lines for people."""
    config, link, lateness = report["config"], report["link"], report["lateness_ms"]
    yield (
        f"{report['exit']} after {report['duration_s']:.1f} s: {config['clients']} clients, "
        f"seed {config['seed']}"
    )
    for end, sessions in report["sessions"].items():
        reasons = ", ".join(f"{name} {count}" for name, count in sessions["closed"].items())
        yield f"{end:<22}{sessions['opened']} sessions opened; closed: {reasons or 'none'}"
    for name, ways in report["messages"].items():
        ways_text = "; ".join(
            f"{way.replace('_', ' ')} {counts['delivered']} of {counts['sent']}"
            for way, counts in ways.items()
        )
        yield f"{name:<22}{ways_text}"
    yield f"{'tags':<22}{report['tags']['acked']} of {report['tags']['sent']} acked"
    transport = ", ".join(f"{name} {count}" for name, count in report["transport"].items())
    yield f"{'transport':<22}{transport}"
    share = link["lost"] / link["datagrams"] if link["datagrams"] else 0.0
    yield (
        f"{'link':<22}{link['datagrams']} datagrams, {share:.1%} lost, "
        f"{link['unsent']} not taken by the system"
    )
    yield f"{'memory':<22}{_describe_memory(report['memory'])}"
    yield f"{'processor':<22}{report['cpu_percent']} % of a core"
    if lateness is not None:
        behind = lateness["p99"] > LATE_MS_P99_MAX or lateness["max"] > LATE_MS_MAX
        verdict = ": fell behind, which makes delays and time-outs of its own" if behind else ""
        yield f"{'late':<22}p99 {lateness['p99']} ms, max {lateness['max']} ms{verdict}"
    yield f"{'broken guarantees':<22}{report['violation_count'] or 'none'}"
    for violation in report["violations"]:
        yield f"  {violation['at']:.2f} s, session {violation['session']}: {violation['text']}"


def _describe_memory(memory: dict[str, Any]) -> str:
    if not memory["quarters"]:
        return "too short a run to judge"
    highest = "; ".join(
        f"{quarter['rss_mb']:.1f} MB, {quarter['objects']} objects"
        for quarter in memory["quarters"]
    )
    return f"highest by quarter: {highest}: {', '.join(memory['grown']) or 'flat'}"
