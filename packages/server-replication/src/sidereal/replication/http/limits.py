"""What the HTTP endpoint allows at most, and how long it waits."""

from __future__ import annotations

import resource
from dataclasses import dataclass, field, fields, replace
from typing import Final

from sidereal.replication.http.passwords import HashLimits
from sidereal.replication.http.throttle import ThrottleLimits

CONNECTIONS_MIN: Final = 8
"""So many connections there may always be."""
DESCRIPTORS_KEPT: Final = 64
"""Descriptors that are no connection's: of the sockets, the log and the database."""
CONNECTIONS_PER_HASH: Final = 4
"""Of so many connections at most one waits for its password's turn: the rest can be ended."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Numbers that only tuning decides; all times in seconds, all sizes in bytes.

    Attributes:
        connections_max: connections held at once; one more ends another one that waits for its
            peer.
        head_size_max: of a request line and its headers.
        head_within_s: how long a head may take, from its first byte or from the connection on.
        idle_s: how long a connection may stay without a request.
        body_size_max: of a request.
        body_within_s: how long a body may take to come.
        write_within_s: how long a peer may take to read an answer.
        linger_s: how long a connection that we end goes on reading, so that its peer gets the
            last answer and no reset.
        linger_size_max: how much it reads then.
        accept_pause_s_min: the first pause after the system could not open a connection.
        accept_pause_s_max: the longest of the growing pauses.
        throttle: how often addresses and accounts may try.
        hashes: passwords that may wait.
    """

    connections_max: int = 256
    head_size_max: int = 8192
    head_within_s: float = 10.0
    idle_s: float = 30.0
    body_size_max: int = 4096
    body_within_s: float = 10.0
    write_within_s: float = 20.0
    linger_s: float = 1.0
    linger_size_max: int = 1 << 18
    accept_pause_s_min: float = 0.05
    accept_pause_s_max: float = 1.0
    throttle: ThrottleLimits = field(default_factory=ThrottleLimits)
    hashes: HashLimits = field(default_factory=HashLimits)

    def __post_init__(self) -> None:
        numbers = [getattr(self, limit.name) for limit in fields(self)]
        assert all(number > 0 for number in numbers if isinstance(number, int | float))
        assert self.accept_pause_s_min <= self.accept_pause_s_max
        assert self.hashes.waiting_max * CONNECTIONS_PER_HASH <= self.connections_max

    def with_connections(self, connections_max: int) -> HttpLimits:
        """Give these limits with fewer connections, and passwords that wait in proportion."""
        waiting_max = min(self.hashes.waiting_max, connections_max // CONNECTIONS_PER_HASH)
        waiting_here_max = min(self.hashes.waiting_here_max, (waiting_max + 1) // 2)
        hashes = replace(
            self.hashes,
            waiting_max=waiting_max,
            waiting_here_max=waiting_here_max,
            waiting_alike_max=min(self.hashes.waiting_alike_max, waiting_here_max),
        )
        return replace(self, connections_max=connections_max, hashes=hashes)


def connections_that_fit(limit: int) -> int:
    """Say how many of the connections allowed this process has descriptors for."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return limit
    return min(limit, max(CONNECTIONS_MIN, descriptors - DESCRIPTORS_KEPT))
