"""Clients that fly and know where their ships are, as the authority has it."""

from __future__ import annotations

import base64
import math
import os
import socket
import time
from collections.abc import Sequence
from typing import Final

import httpx
import numpy as np

from fault_cases.running import HTTP_S_MAX, MissedError
from sidereal.client.client import Client
from sidereal.client.driver import turn
from sidereal.client.prediction import OwnState
from sidereal.client.statistics import SessionState
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.protocol.runtime.udp import UdpSocket
from sidereal.tools.bots.behaviour import Mind, choose_behaviour

TURN_S: Final = 0.01
"""How often pilots have their turn: five times as often as they make an input."""
UNSERVED_S: Final = 0.3
"""A ship that has shown no new input of its pilot for so long is simulated by nobody."""


class Pilot:
    """An anonymous player that does what bots do.

    Attributes:
        drifts: how far its ship went, units, each time that nobody had simulated it for a while.
        answered: how many of its inputs somebody has flown, as far as it was shown.
    """

    def __init__(
        self, url: str, number: int, *, mirror: bool = False, game: str = DEFAULT_GAME
    ) -> None:
        """Log in, and begin to connect.

        Args:
            url: of the server.
            number: of this pilot, which decides what it does.
            mirror: whether it is to know whose its ship is.
            game: that the world plays, `module:name`.

        Raises:
            MissedError: the server does not let it in.
        """
        answer = httpx.post(
            f"{url}/v1/sessions", json={"anonymous": True}, timeout=HTTP_S_MAX, trust_env=False
        )
        if answer.status_code != 200:
            raise MissedError(f"an anonymous player was not let in: {answer.text}")
        self.drifts: list[float] = []
        self.answered = 0
        declared = load(game)
        rng = np.random.default_rng(number)
        self._mind = Mind(declared, choose_behaviour(declared, None), rng)
        self._client = Client(
            base64.b64decode(answer.json()["connect_token"]),
            game=declared,
            entropy=os.urandom,
            now=time.monotonic(),
            software="faults",
            mirror=mirror,
            predict=False,
        )
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))
        self._udp = UdpSocket(self._socket)
        self._decide_at = -math.inf
        self._told: OwnState | None = None
        self._told_at = math.inf

    @property
    def flies(self) -> bool:
        """Whether it is in the world, in a ship."""
        return self._client.state is SessionState.JOINED and self._told is not None

    @property
    def owner(self) -> int:
        """The id of the shard that simulates its ship; 0 if nobody does, or it does not know."""
        replica = self._client.replica
        row = -1 if replica is None else int(replica.columns.rows_of([self._client.net_id])[0])
        return 0 if replica is None or row < 0 else int(replica.columns["shard"][row])

    @property
    def made(self) -> int:
        """How many inputs it has made, counted as those that are `answered`."""
        return self.answered + len(self._client.unanswered_input_ages(time.monotonic()))

    def turn(self) -> None:
        """Take in what has come, steer, send."""
        now = time.monotonic()
        if now >= self._decide_at:
            record, hold_s = self._mind.decide(self._client)
            self._client.hold(record)
            self._decide_at = now + hold_s
        turn(self._client, self._udp, time.monotonic)
        self.answered += len(self._client.take_input_latencies())
        told = self._client.own_state
        if told is not None and told != self._told:
            if self._told is not None and now - self._told_at > UNSERVED_S:
                self.drifts.append(math.hypot(told.x - self._told.x, told.y - self._told.y))
            self._told, self._told_at = told, now

    def leave(self) -> None:
        """Say goodbye."""
        self._udp.send_nowait(self._client.leave(time.monotonic()))
        self._socket.close()


def fly(pilots: Sequence[Pilot], seconds: float) -> None:
    """Let pilots fly for a while."""
    until = time.monotonic() + seconds
    while (now := time.monotonic()) < until:
        for pilot in pilots:
            pilot.turn()
        time.sleep(min(TURN_S, max(0.0, until - now)))
