"""A shard that has the key and floods: `python -m fault_cases.loud SERVER SECONDS`.

It joins, takes what it is given, and then says the same of 14 of its entities two hundred times a
turn, until it is fenced. Then it comes back at once, under another name. It prints a line of JSON
for each time: from when to when it flooded, on the monotonic clock, and what it was told.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from typing import Final, NamedTuple

from sidereal.game.load import DEFAULT_GAME, load
from sidereal.protocol.ids import Address
from sidereal.protocol.links import derive_shard_key
from sidereal.protocol.message.shard import ShardChannel
from sidereal.protocol.runtime.config import parse_endpoint
from sidereal.protocol.runtime.udp import UdpSocket
from sidereal.protocol.state.proposals import encode_proposals
from sidereal.shard.shard import ShardCore
from sidereal.shard.simulation import Simulation

ROWS: Final = 14
REPEATS: Final = 200
GOOD_TICKS: Final = 20
"""It behaves for so long once it has entities."""
TURN_S: Final = 0.002


class LoudShard(ShardCore):
    """A shard that says everything two hundred times.

    Attributes:
        loud_since: when it began to, monotonic seconds; None before.
    """

    loud_since: float | None = None
    _good_ticks = 0

    def _propose(self, simulation: Simulation) -> None:
        super()._propose(simulation)
        rows = simulation.bodies.rows()[:ROWS]
        self._good_ticks += len(rows) == ROWS
        if self._good_ticks <= GOOD_TICKS:
            return
        self.loud_since = self.loud_since or time.monotonic()
        records = simulation.bodies.columns.store(rows, self._schema.exact_record)
        (message, _), *_ = encode_proposals(self.tick, [(self._schema.numbers["motion"], records)])
        for _ in range(REPEATS):
            self._endpoint.send(ShardChannel.PROPOSAL, message)


class Life(NamedTuple):
    """One session: when it flooded, and what it was told; None where it never came to that."""

    loud_since: float | None
    ended_at: float
    told: str


def live(key: bytes, server: Address, number: int, until: float) -> Life:
    """Be a shard until it is thrown out, or the time is over."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.setblocking(False)
    bound.bind(("127.0.0.1", 0))
    udp = UdpSocket(bound)
    core = LoudShard(
        key=key,
        server=server,
        name=f"loud-{number}",
        incarnation=os.urandom(16),
        pid=os.getpid(),
        game=load(DEFAULT_GAME),
        entropy=os.urandom,
        now=time.monotonic(),
        wall_now=time.time(),
        seed=number,
    )
    while core.closed is None and time.monotonic() < until:
        arrivals, now = udp.receive_nowait(), time.monotonic()
        for datagram, address, waited_s in arrivals:
            core.receive_datagram(datagram, address, now - waited_s)
        udp.send_nowait(core.turn(time.monotonic()))
        time.sleep(TURN_S)
    ended_at = time.monotonic()
    udp.send_nowait(core.close(ended_at))
    bound.close()
    return Life(core.loud_since, ended_at, core.closed_text)


def main() -> None:
    server, until = parse_endpoint(sys.argv[1], "SERVER"), time.monotonic() + float(sys.argv[2])
    key = derive_shard_key(os.environ["SIDEREAL_SHARD_KEY"])
    number = 0
    while time.monotonic() < until:
        number += 1
        print(json.dumps(live(key, server, number, until)._asdict()), flush=True)


if __name__ == "__main__":
    main()
