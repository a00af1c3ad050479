"""The headless client: everything a player's process decides, without sockets or clocks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sidereal.client.events import ClientEvent
from sidereal.client.statistics import ClientStatistics, Stage
from sidereal.client.view import View
from sidereal.protocol.ids import Address
from sidereal.protocol.message.player import Welcome
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import Schema


class Client:
    """Packet-driven core of one stay in the world.

    Attributes:
        stage: how far the stay has come.
        welcome: the server's answer, None until joined.
        rules: the world's rules, None until joined.
        net_id: the ship the client flies, 0 without one.
        control_epoch: what its controls carry.
        leases: `LEASE_ROW`[n], which shard simulates which sector.
    """

    stage: Stage
    welcome: Welcome | None
    rules: Rules | None
    net_id: int
    control_epoch: int
    leases: np.ndarray

    def __init__(
        self,
        connect_token: bytes,
        *,
        schema: Schema,
        entropy: Callable[[int], bytes],
        now: float,
        wall_now: float,
        software: str,
        predict: bool = True,
        phase: float = 0.0,
    ) -> None:
        """Begin to connect.

        Args:
            connect_token: 2048 bytes from the HTTP endpoint.
            schema: the components this client speaks.
            entropy: source of random bytes.
            now: monotonic seconds.
            wall_now: Unix seconds, for the token's expiry.
            software: name and version of the face.
            predict: whether to run the flight model ahead of the authority.
            phase: fraction of a tick by which inputs are shifted, [0, 1).
        """
        raise NotImplementedError

    def receive_datagram(self, datagram: bytes, address: Address, now: float) -> None:
        """Take one datagram; bad ones are dropped and counted."""

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`."""

    def next_timer(self) -> float | None:
        """When `handle_timer` is due, None once ended."""

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, Address]]:
        """Datagrams to send now."""
        raise NotImplementedError

    def next_event(self) -> ClientEvent | None:
        """Oldest event not yet taken."""

    def hold(self, buttons: int) -> None:
        """Hold these `Button` flags from now on."""

    def look_at(self, x: float, y: float) -> None:
        """Move the centre of an observer's interest (sent at most ten times a second)."""

    def say(self, text: str) -> None:
        """Say a line of chat."""

    def leave(self, now: float) -> None:
        """End the stay; the server is told by the next `datagrams_to_send`."""

    def view(self, now: float) -> View:
        """What to draw at `now`."""
        raise NotImplementedError

    def statistics(self) -> ClientStatistics:
        """How it is going, as of the newest call with a time."""
        raise NotImplementedError

    def take_input_latencies(self) -> list[float]:
        """Drain the input-to-view times measured since the last call, seconds."""
        raise NotImplementedError

    def take_position_errors(self) -> list[float]:
        """Drain the correction sizes since the last call, world units."""
        raise NotImplementedError

    def unanswered_input_ages(self, now: float) -> list[float]:
        """How long each input has been waiting that no snapshot shows yet, seconds."""
        raise NotImplementedError
