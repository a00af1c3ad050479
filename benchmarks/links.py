"""What a client sees by a link that carries little: `uv run python benchmarks/links.py`.

In virtual time: fan-out and connections as they are, a link of some bytes per second with 25 ms one
way, and a client among 100 rocks and 60 ships, all of which steer in every tick. Its own state
changes in every tick, too.

Cases: `age_400kB_ms` to `age_8kB_ms`: how old a ship's row is when it comes, p50. At 40 kB/s
`link_used_40kB_share`, how much of the link is used while anything waits, and `queue_40kB_ms_max`,
how long a datagram waits for the link at most. `renewal_excess_ticks_max`: how long a ship waits
for its next row at most, beyond the ticks that the link takes for the rows of all of them.
`own_state_8kB_share`: in how many ticks the own state comes. `age_lossy_p95_ticks`: how old the
newest row of a ship is, with 200 ms there and back and 5 % loss, beyond the same without loss; p95.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
from replication import RULES, Crowd
from results import parse_flags, publish, result, table

from sidereal.client.replica import Replica
from sidereal.protocol.channel.connection import Connection
from sidereal.protocol.links import PLAYER_BUDGET, PLAYER_CHANNELS
from sidereal.protocol.message.player import PlayerChannel
from sidereal.protocol.state.schema import MOTION
from sidereal.protocol.state.snapshot import read_snapshot_untrusted
from sidereal.protocol.state.stream import NOW, row_types
from sidereal.protocol.testing.link import Link, LinkConfig

SHIPS, ROCKS = 60, 100
OWN = 1
"""The id of the ship that the client flies: its private section says how that moves."""
STEP_S = 0.005
STEPS_PER_TICK = round(RULES.tick_s / STEP_S)
HEADERS_SIZE = 22
"""Bytes around a payload: netcode's."""
CONTROLS_SIZE = 24
GREETS_S = 0.5
"""For so long there are only small messages: the session opens and both ends greet each other."""
SETTLES_S = 15.0
SECONDS, SECONDS_QUICK = 60.0, 30.0
RATES_KB = 400, 128, 64, 40, 8


@dataclass
class Seen:
    """What became of a run.

    Attributes:
        ages_s: of rows of ships, when they came.
        gaps: ticks between two rows of one ship.
        newest_ages: ticks, of the newest row of each ship, in every tick.
        own_ticks: of which the own state came.
        used: share of the link in every tick in which something waited.
        waits_s: of datagrams for the link.
    """

    ages_s: list[float] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    newest_ages: list[int] = field(default_factory=list)
    own_ticks: set[int] = field(default_factory=set)
    used: list[float] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)


class Run:
    """A client, its link, and the server that it is connected to."""

    def __init__(self, config: LinkConfig) -> None:
        self.config = config
        self.crowd = crowd = Crowd(1, SHIPS + ROCKS, 0.0, sectors=2)
        middle = RULES.window_side // 2
        span = (RULES.window_side - 1) * RULES.cell_size
        crowd.x, crowd.y = crowd.rng.uniform(RULES.cell_size / 2, span, (2, SHIPS + ROCKS))
        crowd.vx[:] = crowd.vy[:] = 0.0
        crowd.share = (np.arange(SHIPS + ROCKS) < SHIPS) * 1.0
        crowd.centre[0] = middle, middle
        crowd.flown[:] = 0
        crowd.fanout.move(0, 1, middle, middle)
        self.ends = tuple(Connection(PLAYER_CHANNELS, 0.0, PLAYER_BUDGET) for _ in range(2))
        rng = np.random.default_rng(1)
        self.links = Link(config, rng), Link(LinkConfig(delay_s=config.delay_s), rng)
        self.replica = Replica(crowd.schema, RULES)
        self.heap: list[tuple[float, int, int, bytes]] = []
        self.serial = 0
        self.seen = Seen()
        self.newest = np.full(SHIPS, -1)

    def play(self, seconds: float) -> Seen:
        for step in range(round(seconds / STEP_S)):
            now = step * STEP_S
            self.receive(now)
            if step % STEPS_PER_TICK == 0 and now < GREETS_S:
                self.ends[0].send(PlayerChannel.COMMAND, b"hello")
                self.send(0, now)
            elif step % STEPS_PER_TICK == 0:
                self.tick(now)
            if step % STEPS_PER_TICK == STEPS_PER_TICK // 2:
                self.ends[1].send(PlayerChannel.CONTROLS, bytes(CONTROLS_SIZE))
            timer = self.ends[1].next_timer()
            if step % STEPS_PER_TICK == STEPS_PER_TICK // 2 or (timer or now + 1) <= now:
                self.send(1, now)
        return self.seen

    def tick(self, now: float) -> None:
        crowd, end = self.crowd, self.ends[0]
        turn = now + np.arange(SHIPS)
        crowd.vx[:SHIPS], crowd.vy[:SHIPS] = 20 * np.cos(turn), 20 * np.sin(turn)
        left = crowd.advance()
        crowd.fanout.acked(0, end.take_acked())
        crowd.fanout.lost(0, end.take_lost())
        crowd.allowance[0] = end.allowance(now)
        crowd.acks.append([])
        messages = [(message, tag) for _, message, tag in crowd.tell(left)]
        for message, tag in messages:
            end.send(PlayerChannel.SNAPSHOT, message, tag)
        size = self.send(0, now)
        if end.statistics().waiting_size:
            raise AssertionError("a snapshot waits that could not leave")
        waits = any(read_snapshot_untrusted(crowd.schema, RULES, m).deferred for m, _ in messages)
        if waits and self.config.bytes_per_s:
            self.seen.used.append(size / (self.config.bytes_per_s * RULES.tick_s))
        if now > SETTLES_S:
            self.seen.newest_ages += (crowd.tick - self.newest[OWN:]).tolist()

    def send(self, number: int, now: float) -> int:
        sent = 0
        for payload in self.ends[number].payloads_to_send(now):
            size = len(payload) + HEADERS_SIZE
            sent += size
            for at in self.links[number].transmit(size, now):
                self.serial += 1
                heapq.heappush(self.heap, (at, self.serial, 1 - number, payload))
                if not number and self.config.bytes_per_s:
                    carried_s = size / self.config.bytes_per_s
                    self.seen.waits_s.append(at - now - self.config.delay_s - carried_s)
        return sent

    def receive(self, now: float) -> None:
        while self.heap and self.heap[0][0] <= now:
            at, _, number, payload = heapq.heappop(self.heap)
            for channel, messages in self.ends[number].receive_payload(payload, at):
                if number and channel == PlayerChannel.SNAPSHOT:
                    self.apply(messages, at)

    def apply(self, messages: list[bytes], at: float) -> None:
        schema, motion = self.crowd.schema, self.crowd.schema.numbers[MOTION.name]
        for message in messages:
            snapshot = read_snapshot_untrusted(schema, RULES, message)
            if snapshot.private is not None and at > SETTLES_S:
                self.seen.own_ticks.add(snapshot.tick)
            for what, _, _, begin, end in snapshot.spans:
                if what not in (motion, NOW):
                    continue
                rows = np.frombuffer(message[begin:end], row_types(schema.rows)[what])
                rows = rows[(rows["id"] <= SHIPS) & (rows["id"] != OWN)]
                ship = rows["id"].astype(int) - 1
                is_now = what == NOW
                tick = np.full(len(ship), snapshot.tick) if is_now else rows["tick"].astype(int)
                if at > SETTLES_S:
                    # The first tick is number 2.
                    self.seen.ages_s += (at - GREETS_S - (tick - 2) * RULES.tick_s).tolist()
                    self.seen.gaps += (tick - self.newest[ship]).tolist()
                self.newest[ship] = np.maximum(self.newest[ship], tick)
        self.replica.apply_untrusted(messages, at)


def main() -> None:
    flags = parse_flags(__doc__)
    seconds = SECONDS_QUICK if flags.quick else SECONDS
    results = {}
    rows_size = SHIPS * Crowd(1, 1, 0.0).schema.rows[1].itemsize
    excess = 0.0
    for rate_kb in RATES_KB:
        run = Run(LinkConfig(delay_s=0.025, bytes_per_s=rate_kb * 1e3))
        seen = run.play(seconds)
        if len(run.replica.rows()) != SHIPS + ROCKS:
            raise AssertionError(f"at {rate_kb} kB/s the client does not see what is there")
        age_ms = float(np.median(seen.ages_s)) * 1e3
        results[f"age_{rate_kb}kB_ms"] = result(age_ms, "ms")
        ticks_for_all = rows_size / (rate_kb * 1e3 * RULES.tick_s)
        excess = max(excess, max(seen.gaps) - max(1.0, ticks_for_all))
        used = float(np.mean(seen.used)) if seen.used else 1.0
        queue_ms = max(seen.waits_s) * 1e3
        late_ms = max(seen.waits_s[len(seen.waits_s) // 2 :]) * 1e3
        ticks = round((seconds - SETTLES_S) / RULES.tick_s)
        own = len(seen.own_ticks) / ticks
        print(
            f"{rate_kb:4} kB/s   age {age_ms:6.1f} ms   used while something waits {used:5.2f}   "
            f"queue {queue_ms:6.1f} ms at most, {late_ms:6.1f} later   "
            f"gap {max(seen.gaps)} ticks   own state in {own:6.1%}",
            file=table(flags),
        )
        if rate_kb == 40:
            results["link_used_40kB_share"] = result(used, "share")
            results["queue_40kB_ms_max"] = result(queue_ms, "ms")
        if rate_kb == 8:
            results["own_state_8kB_share"] = result(own, "share")
    results["renewal_excess_ticks_max"] = result(excess, "ticks")
    ages = []
    for loss in (0.0, 0.05):
        seen = Run(LinkConfig(delay_s=0.1, loss=loss)).play(seconds)
        ages.append(float(np.percentile(seen.newest_ages, 95)))
    results["age_lossy_p95_ticks"] = result(ages[1] - ages[0], "ticks")
    print(f"renewal_excess_ticks_max  {excess:6.1f}", file=table(flags))
    print(f"age_lossy_p95_ticks       {ages[1] - ages[0]:6.1f}", file=table(flags))
    publish(flags, results)


if __name__ == "__main__":
    main()
