"""A plain link carries a client, however large the world is and whoever explores it."""

from __future__ import annotations

import numpy as np
from drifters import drifter

from sidereal.protocol.channel.endpoint import ClientEndpoint
from sidereal.protocol.channel.events import Received
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import Address
from sidereal.protocol.message.player import PlayerChannel
from sidereal.protocol.testing.link import LinkConfig
from sidereal.protocol.testing.pair import Wire
from sidereal.replication.limits import LIMITS

from .troupe import CLIENTS, RULES, SIZE, ScriptedPilot, Troupe

PLAIN = LinkConfig(delay_s=0.04, bytes_per_s=256_000 / 8)
CORNER = -60_500.0
DATAGRAM_OVERHEAD = 28
"""Bytes of IP and UDP headers."""

SETTLED, EXPLORERS = 1_200, 60
SECONDS = 5.0


class FarEndpoint:
    """An endpoint behind a link.

    Attributes:
        bytes_in: what was sent to it, headers included.
    """

    def __init__(self, endpoint: ClientEndpoint, config: LinkConfig) -> None:
        self.bytes_in = 0
        self._endpoint = endpoint
        self._wire = Wire(config, 2)
        self._arrived: list[tuple[bytes, Address]] = []

    @property
    def close_reason(self) -> CloseReason | None:
        return self._endpoint.close_reason

    def send(self, channel: int, message: bytes) -> None:
        self._endpoint.send(channel, message)

    def receive_datagram(self, datagram: bytes, server: Address, now: float) -> None:
        padded = datagram + bytes(DATAGRAM_OVERHEAD)
        self.bytes_in += len(padded)
        self._wire.send(0, padded, now)

    def handle_timer(self, now: float) -> None:
        while (arrival := self._wire.take_due(now)) is not None:
            end, padded = arrival
            datagram = padded[:-DATAGRAM_OVERHEAD]
            if end == 0:
                self._arrived.append((datagram, CLIENTS))
            else:
                self._endpoint.receive_datagram(datagram, CLIENTS, now)
        self._endpoint.handle_timer(now)

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        for datagram, _ in self._endpoint.datagrams_to_send(now):
            self._wire.send(1, datagram + bytes(DATAGRAM_OVERHEAD), now)
        arrived, self._arrived = self._arrived, []
        return arrived

    def next_event(self) -> object:
        return self._endpoint.next_event()


class FarPilot(ScriptedPilot):
    """A pilot behind a plain link, who only looks.

    Attributes:
        snapshots: datagrams of them that came.
    """

    def __init__(self, troupe: Troupe) -> None:
        super().__init__(troupe)
        self.endpoint = self.far = FarEndpoint(self.endpoint, PLAIN)  # type: ignore[assignment]
        self.presses = False
        self.snapshots = 0

    def take(self, event: Received) -> None:
        self.snapshots += event.channel == PlayerChannel.SNAPSHOT
        super().take(event)


def wide_world() -> np.ndarray:
    """Ships over many sectors, some of which explore."""
    records = np.concatenate([drifter()] * SETTLED)
    column, row = np.divmod(np.arange(SETTLED), 40)
    records["x"], records["y"] = (column + 0.5) * SIZE, (row + 0.5) * SIZE
    course = np.random.default_rng(1).uniform(-0.7, 2.2, EXPLORERS)
    records["vx"][-EXPLORERS:] = RULES.speed_max * np.cos(course)
    records["vy"][-EXPLORERS:] = RULES.speed_max * np.sin(course)
    return records


def test_an_empty_corner_costs_little_and_stays_open_while_others_explore() -> None:
    troupe = Troupe(wide_world())
    troupe.shard("shard-1", answers=False)
    pilot = FarPilot(troupe)
    troupe.peers.append(pilot)
    troupe.run(20)
    troupe.put(pilot.net_id, CORNER, CORNER)
    troupe.run(80)
    leases = troupe.core.mesh.leases
    epoch, bytes_in, snapshots = leases.epoch, pilot.far.bytes_in, pilot.snapshots
    troupe.run(round(SECONDS * RULES.tick_hz))
    # They explore and leave behind; the world is wide all the time.
    assert leases.epoch - epoch > 10 * SECONDS
    assert len(leases.rows()) > 1_000
    assert pilot.closed is None
    assert pilot.snapshots - snapshots == SECONDS / LIMITS.edge.silence_s
    assert (pilot.far.bytes_in - bytes_in) / SECONDS < 4_000
    (player,) = troupe.core.clients.players
    link = troupe.core.clients.endpoint.connection_statistics(player.peer)
    assert link is not None
    assert link.queued_size == 0
