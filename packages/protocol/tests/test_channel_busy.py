"""Connections of processes that wait for a processor: none of that is a queue in the network."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
import pytest

from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.channel.spec import Budget, ChannelSpec, Delivery
from sidereal.protocol.limits import DATAGRAM_OVERHEAD_SIZE
from sidereal.protocol.testing.link import Link, LinkConfig

CHANNELS = (ChannelSpec(Delivery.UNRELIABLE, memory_max=1 << 20),)
BUDGET = Budget(rate=4e6, rate_min=2e3)
LOOPBACK = LinkConfig(delay_s=1e-4)
TICK_S, FRAME_S = 0.05, 1 / 60
WORK_S = 0.004, 0.001
"""What a tick of the server takes, and a frame of the client."""
WANTED = 3000
"""Bytes that the server wants to write in every tick."""
BEGINS_AT, ENDS_AT = 5.0, 35.0


@dataclass
class Process:
    """One end, which takes in what has come, works, and sends.

    Attributes:
        end: its connection.
        period_s: of its turns.
        work_s: what a turn takes.
        knows_arrivals: whether it knows when a datagram came, and not only when it took it in.
        knows_departures: whether it knows when a datagram leaves, and not only when the turn began.
        due_at: when its next turn is due; it begins at `runs_at`.
        socket: when each payload came, which is not taken in yet.
    """

    end: Connection
    period_s: float
    work_s: float
    knows_arrivals: bool = True
    knows_departures: bool = True
    due_at: float = 0.0
    runs_at: float = 0.0
    socket: list[tuple[float, int, bytes]] = field(default_factory=list)

    def take_in(self, now: float) -> None:
        while self.socket and self.socket[0][0] <= now:
            at, _, payload = heapq.heappop(self.socket)
            self.end.receive_payload(payload, at if self.knows_arrivals else now)
        self.end.take_acked()
        self.end.take_lost()


class Machine:
    """A server and a client that share a processor with others for a while.

    Attributes:
        server: writes as much as it may, up to `WANTED`.
        client: acks in its frames.
        granted: when the server wrote, and which share of what it wanted.
        waits_s: of datagrams for the link, once it is known.
    """

    def __init__(self, seed: int, late_s: float, config: LinkConfig = LOOPBACK) -> None:
        """Begin.

        Args:
            seed: of when each process has to wait, and for how long.
            late_s: mean time that a turn begins too late, and the same that its work takes longer.
            config: of the way from the server to the client.
        """
        self.rng = np.random.default_rng(seed)
        self.late_s = late_s
        ends = (Connection(CHANNELS, 0.0, BUDGET) for _ in range(2))
        self.server, self.client = (
            Process(end, period_s, work_s)
            for end, period_s, work_s in zip(ends, (TICK_S, FRAME_S), WORK_S, strict=True)
        )
        self.links = Link(config, self.rng), Link(LOOPBACK, self.rng)
        self.config = config
        self.serial = 0
        self.granted: list[tuple[float, float]] = []
        self.waits_s: list[float] = []

    @property
    def rate(self) -> float:
        return self.server.end.statistics().allowed_rate

    def run(self, until: float) -> None:
        both = self.server, self.client
        while (process := min(both, key=lambda one: one.runs_at)).runs_at < until:
            now = process.runs_at
            process.take_in(now)
            if process is self.server:
                self.write(now)
            leaves_at = now + process.work_s + self.held_up_s(now)
            if process.knows_departures:
                process.take_in(leaves_at)
            stamp = leaves_at if process.knows_departures else now
            for payload in process.end.payloads_to_send(stamp):
                self.carry(process is self.client, payload, leaves_at)
            process.due_at = max(process.due_at + process.period_s, leaves_at - TICK_S)
            process.runs_at = max(process.due_at, leaves_at)
            process.runs_at += self.held_up_s(process.runs_at)

    def held_up_s(self, now: float) -> float:
        is_busy = BEGINS_AT <= now < ENDS_AT
        return float(self.rng.exponential(self.late_s)) if is_busy else 0.0

    def write(self, now: float) -> None:
        end = self.server.end
        left = min(WANTED, end.allowance(now))
        self.granted.append((now, left / WANTED))
        while left > DATAGRAM_OVERHEAD_SIZE + 60:
            size = min(1150, left - DATAGRAM_OVERHEAD_SIZE)
            end.send(0, bytes(size), tag=1)
            left -= size + DATAGRAM_OVERHEAD_SIZE

    def carry(self, back: bool, payload: bytes, now: float) -> None:
        size, socket = len(payload) + 50, (self.client, self.server)[back].socket
        for at in self.links[back].transmit(size, now):
            self.serial += 1
            heapq.heappush(socket, (at, self.serial, payload))
            if not back and self.config.bytes_per_s and now > BEGINS_AT:
                least_s = self.config.delay_s + size / self.config.bytes_per_s
                self.waits_s.append(at - now - least_s)


@pytest.mark.parametrize("late_s", [0.03, 0.12])
def test_a_processor_that_is_taken_away_is_no_queue(late_s: float) -> None:
    machine = Machine(1, late_s)
    machine.run(BEGINS_AT)
    before = machine.rate
    machine.run(ENDS_AT)
    assert machine.rate >= before
    assert np.mean([share for at, share in machine.granted if at > BEGINS_AT]) > 0.99


def test_a_peer_that_does_not_know_when_datagrams_came_has_its_rate_back_in_seconds() -> None:
    for seed in range(3):
        machine = Machine(seed, 0.06)
        machine.client.knows_arrivals = machine.client.knows_departures = False
        machine.run(ENDS_AT + 10.0)
        late = [at for at, share in machine.granted if at > ENDS_AT + 5.0 and share < 1.0]
        assert late == []
        assert min(share for _, share in machine.granted) < 0.5, "it was taken for a queue"


@pytest.mark.parametrize(("rate_kb", "used"), [(8, 0.5), (40, 0.6)])
def test_a_narrow_link_is_found_out_whether_or_not_its_ends_are_busy(
    rate_kb: int, used: float
) -> None:
    machine = Machine(1, 0.03, LinkConfig(0.025, bytes_per_s=rate_kb * 1e3))
    machine.run(ENDS_AT)
    shares = [share for at, share in machine.granted if at > BEGINS_AT]
    assert sum(shares) * WANTED / (ENDS_AT - BEGINS_AT) > used * rate_kb * 1e3
    assert machine.rate < 1.2 * rate_kb * 1e3
    # A packet waits for those that left with it, too.
    assert np.percentile(machine.waits_s, 90) < 2 * TICK_S
