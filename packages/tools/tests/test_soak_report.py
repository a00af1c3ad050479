"""What a soak over real sockets tells, and when it fails."""

from __future__ import annotations

from sidereal.tools.soak.air import Departure
from sidereal.tools.soak.config import SoakConfig
from sidereal.tools.soak.memory import MemorySample
from sidereal.tools.soak.report import LATE_MS_MAX, LATE_MS_P99_MAX, describe, make_report
from sidereal.tools.soak.service import SoakRun, Sockets


async def test_growth_fails_a_run_and_lateness_is_told() -> None:
    run = SoakRun(SoakConfig(clients=3, for_s=0.3, seed=1))
    await run.run()
    report = make_report(run)
    assert report["exit"] == "done"
    assert "too short a run to judge" in "\n".join(describe(report))

    run.samples[:] = [MemorySample(4.0 * at, 50.0 + (at >= 30) * 5.0, 1000) for at in range(40)]
    report = make_report(run)
    assert report["exit"] == "failed"
    assert report["memory"]["grown"] == ["rss_mb grew from 50 to 55"]
    assert "55.0 MB, 1000 objects: rss_mb grew from 50 to 55" in "\n".join(describe(report))

    on_time = {"p50": 0.1, "p90": 0.1, "p99": LATE_MS_P99_MAX, "max": LATE_MS_MAX, "count": 9}
    for late, told in (
        (on_time, False),
        ({**on_time, "p99": LATE_MS_P99_MAX + 1}, True),
        ({**on_time, "max": LATE_MS_MAX + 1}, True),
    ):
        words = "\n".join(describe({**report, "lateness_ms": late}))
        assert ("fell behind" in words) is told


async def test_what_has_lost_its_socket_is_counted_and_not_sent() -> None:
    with Sockets() as sockets:
        one, other = await sockets.open(), await sockets.open()
        sockets.send([Departure(0.0, serial, one, other, b"x") for serial in range(3)])
        assert sockets.receive() == [(b"x", one, other)] * 3
        sockets.close(one)
        sockets.send([Departure(0.0, 4, one, other, b"x")])
        assert sockets.receive() == []
        assert sockets.unsent == 1
    sockets.send([Departure(0.0, 5, other, one, b"x")])
    assert sockets.unsent == 2
