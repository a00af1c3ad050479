"""The schedule of ticks: it locks ahead of the server and never rushes or wanders."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.shard.phase import LEAD_S, SHIFT_S_MAX, TickPhase

TICK_S = 0.05


class Server:
    """Ticks on time, beats with a delay, measures when proposals come."""

    def __init__(self, phase: TickPhase, *, there_s: float, back_s: float, began_at: float) -> None:
        self.phase = phase
        self.there_s, self.back_s, self.began_at = there_s, back_s, began_at
        self.rng = np.random.default_rng(1)
        self.jitter_s = 0.0

    def lead_s(self, tick: int) -> float:
        begins = self.began_at + tick * TICK_S
        return begins - (self.phase.due_at(tick) + self.back_s + self.jitter())

    def beat(self, tick: int, rtt_s: float) -> None:
        now = self.began_at + tick * TICK_S + self.there_s + self.jitter()
        self.phase.observe(tick, self.lead_s(tick), rtt_s, now)

    def jitter(self) -> float:
        return float(self.rng.uniform(0.0, self.jitter_s)) if self.jitter_s else 0.0


@pytest.mark.parametrize(
    ("there_s", "back_s"), [(0.0, 0.0), (0.05, 0.05), (0.01, 0.03), (0.15, 0.14)]
)
def test_proposals_come_to_have_the_wanted_lead(there_s: float, back_s: float) -> None:
    phase = TickPhase(TICK_S, 100, now=500.0)
    server = Server(phase, there_s=there_s, back_s=back_s, began_at=495.0 - there_s)
    for tick in range(101, 400):
        server.beat(tick, rtt_s=there_s + back_s)
    assert server.lead_s(400) == pytest.approx(LEAD_S, abs=1e-3)
    assert phase.jumps == 0


def test_first_beat_puts_the_schedule_where_it_belongs() -> None:
    phase = TickPhase(TICK_S, 100, now=500.0)
    server = Server(phase, there_s=0.05, back_s=0.04, began_at=495.0 - 0.05)
    server.beat(101, rtt_s=0.09)
    assert server.lead_s(102) == pytest.approx(LEAD_S)
    assert phase.jumps == 0


def test_beats_of_proposals_made_before_the_first_one_came_move_nothing() -> None:
    phase = TickPhase(TICK_S, 0, now=0.0)
    for tick in range(1, 8):
        phase.observe(tick, lead_s=-0.3 if tick < 6 else LEAD_S, rtt_s=0.2, now=tick * TICK_S)
        assert phase.due_at(100) == pytest.approx(100 * TICK_S - 0.2 - LEAD_S)


@pytest.mark.parametrize("works_s", [0.0, 0.03, 0.045])
def test_lead_holds_while_beats_leave_at_the_end_of_long_ticks(works_s: float) -> None:
    """What the server works is none of the round trip."""
    phase = TickPhase(TICK_S, 0, now=0.0)
    server = Server(phase, there_s=0.005 + works_s, back_s=0.0, began_at=0.0)
    for tick in range(1, 200):
        server.beat(tick, rtt_s=0.0)
    assert server.lead_s(200) == pytest.approx(LEAD_S, abs=1e-3)


def test_lead_holds_under_jitter() -> None:
    phase = TickPhase(TICK_S, 0, now=0.0)
    server = Server(phase, there_s=0.02, back_s=0.02, began_at=0.0)
    server.jitter_s = 0.01
    for tick in range(1, 400):
        server.beat(tick, rtt_s=0.05)
    leads = [server.lead_s(tick) for tick in range(400, 500)]
    assert np.mean(leads) == pytest.approx(LEAD_S, abs=3e-3)


def test_phase_moves_gently() -> None:
    phase = TickPhase(TICK_S, 0, now=0.0)
    phase.observe(0, lead_s=LEAD_S, rtt_s=0.01, now=0.001)
    for tick in range(1, 100):
        before = phase.due_at(1000)
        phase.observe(tick, lead_s=-1.0, rtt_s=0.01, now=tick * TICK_S + 0.001)
        assert abs(phase.due_at(1000) - before) <= SHIFT_S_MAX + 1e-12
    assert phase.jumps == 0


def test_phase_that_is_far_off_moves_faster() -> None:
    phase = TickPhase(TICK_S, 0, now=0.0)
    phase.observe(0, lead_s=LEAD_S, rtt_s=0.1, now=0.0)
    assert phase.due_at(0) == pytest.approx(-0.1 - LEAD_S)
    for tick in range(1, 15):
        phase.observe(tick, lead_s=LEAD_S, rtt_s=0.0, now=tick * TICK_S)
    assert 0.01 < abs(phase.due_at(0) + LEAD_S) < 0.03
    assert phase.jumps == 0


def test_phase_jumps_when_it_is_ticks_off() -> None:
    phase = TickPhase(TICK_S, 0, now=0.0)
    phase.observe(0, lead_s=LEAD_S, rtt_s=0.0, now=0.0)
    phase.observe(10, lead_s=LEAD_S, rtt_s=0.0, now=0.0)
    assert phase.jumps == 1
    assert phase.due_at(10) == pytest.approx(-LEAD_S)


def test_one_late_beat_is_the_networks_fault() -> None:
    phase = TickPhase(TICK_S, 0, now=0.0)
    for tick in range(1, 60):
        phase.observe(tick, LEAD_S, 0.0, now=tick * TICK_S)
    settled = phase.due_at(100)
    phase.observe(60, LEAD_S, 0.0, now=60 * TICK_S + 0.5)
    phase.observe(61, LEAD_S, 0.0, now=61 * TICK_S)
    assert phase.due_at(100) == pytest.approx(settled, abs=1e-9)


def test_server_that_lost_time_is_followed_within_a_few_beats() -> None:
    phase = TickPhase(TICK_S, 0, now=0.0)
    for tick in range(1, 60):
        phase.observe(tick, LEAD_S, 0.0, now=tick * TICK_S)
    for tick in range(60, 64):
        phase.observe(tick, LEAD_S, 0.0, now=tick * TICK_S + 2.0)
    assert phase.due_at(64) == pytest.approx(64 * TICK_S + 2.0 - LEAD_S, abs=2 * SHIFT_S_MAX)
