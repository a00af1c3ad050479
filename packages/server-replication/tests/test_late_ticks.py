"""What a server that is late believes of its shards: they go by the beats that they were sent."""

from __future__ import annotations

import pytest

from sidereal.protocol.message.shard import ShardHello
from sidereal.protocol.rules import Rules
from sidereal.replication.limits import LIMITS
from sidereal.replication.links.shards import Shard, Shards

TICK_S = Rules().tick_s
BEATS = LIMITS.shards.beats
LATE_S_MAX = LIMITS.proposals.future_ticks / 2 * TICK_S


class Server:
    """The ticks of a server with one shard."""

    def __init__(self) -> None:
        hello = ShardHello(bytes(16), "one", bytes(16), 1, 1, bytes(16), spare=False)
        self.shard: Shard = Shards().add(1, hello, 0.0)
        self.now, self.tick = 0.0, 100
        self.shard.note_beat(self.tick, self.now, TICK_S)

    def run(self, ticks: int, tick_s: float = TICK_S, *, beats: bool = True) -> None:
        for _ in range(ticks):
            self.now += tick_s
            self.tick += 1
            self.shard.note_late(self.tick, self.now, LATE_S_MAX, TICK_S)
            if beats:
                self.shard.note_beat(self.tick, self.now, TICK_S)

    @property
    def ahead(self) -> int:
        """So many ticks the shard may be ahead because of us; 0 or less: none."""
        return self.shard.ahead_until - self.tick


def test_ticks_in_time_are_no_excuse() -> None:
    server = Server()
    for _ in range(BEATS):
        server.run(1, 3 * TICK_S)
        server.run(2, 0.0)
        server.run(1)
    assert server.ahead < 0


@pytest.mark.parametrize("share", [1.5, 3.0, 5.0])
def test_late_ticks_add_up_while_the_shard_may_go_by_an_early_beat(share: float) -> None:
    server = Server()
    server.run(200, share * TICK_S)
    assert server.ahead == pytest.approx(BEATS * (share - 1.0), abs=1.0)


def test_a_stall_lets_it_be_ahead_by_as_much_until_we_have_come_there() -> None:
    server = Server()
    server.run(BEATS)
    server.run(1, 60 * TICK_S)
    until = server.shard.ahead_until
    assert server.ahead == pytest.approx(59, abs=1.0)
    server.run(5, 0.0)
    server.run(2 * BEATS)
    assert until <= server.shard.ahead_until <= until + BEATS, "by then it has heard of it"
    server.run(2 * BEATS)
    assert server.ahead < 0


def test_one_that_hears_no_beats_is_ahead_by_all_that_we_are_late() -> None:
    server = Server()
    server.run(100, 2 * TICK_S, beats=False)
    assert server.ahead == pytest.approx(100, abs=1.0)
