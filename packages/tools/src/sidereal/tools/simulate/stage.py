"""An authority and processes on one network, in virtual time: whatever is due next comes next.

Of what is due at the same time deliveries come first, then the authority's tick, then processes in
the order in which they were added.
"""

from __future__ import annotations

import enum
import math
from typing import NamedTuple

from sidereal.tools.simulate.authority import HOST, Authority
from sidereal.tools.simulate.network import Network
from sidereal.tools.simulate.processes import Process


class What(enum.Enum):
    """What may be due."""

    DELIVERY = enum.auto()
    TICK = enum.auto()
    PROCESS = enum.auto()


class Due(NamedTuple):
    """What comes next.

    Attributes:
        at: when, virtual seconds; it may be a little in the past.
        what: it is.
        process: whose it is, unless it is a delivery or the authority's.
    """

    at: float
    what: What
    process: Process | None = None


class Stage:
    """All that runs, and the time.

    Attributes:
        now: virtual seconds.
        network: between everybody.
        authority: the replication server.
    """

    def __init__(self, network: Network, authority: Authority) -> None:
        self.now = 0.0
        self.network = network
        self.authority = authority
        self._hosts: dict[str, Process] = {}

    def add(self, process: Process) -> None:
        """Let a process take part."""
        self._hosts[process.host] = process

    def next(self) -> Due:
        """Tell what is due next."""
        process = min(self._hosts.values(), key=_due, default=None)
        due_at = math.inf if process is None else process.due
        at = min(self.network.next_at, self.authority.due, due_at)
        if self.network.next_at == at:
            return Due(at, What.DELIVERY)
        if self.authority.due == at:
            return Due(at, What.TICK)
        return Due(at, What.PROCESS, process)

    def do(self, due: Due) -> bool:
        """Do what is due next.

        Mutates:
            now: it is never earlier than before.

        Returns:
            whether the authority has run a step, be it one in which the world stood still.
        """
        self.now = max(self.now, due.at)
        if due.what is What.DELIVERY:
            return self._deliver()
        if due.what is What.TICK:
            return self.authority.turn(self.now)
        assert due.process is not None
        due.process.wake(self.now)
        return False

    def _deliver(self) -> bool:
        delivery = self.network.take()
        if delivery.destination.host == HOST:
            return self.authority.receive(delivery, self.now)
        process = self._hosts[delivery.destination.host]
        if process.address == delivery.destination:
            process.receive(delivery, self.now)
        return False


def _due(process: Process) -> float:
    return process.due
