"""The listening end of the HTTP endpoint: who is let in, and who is ended for another.

There is a highest number of connections. One more than that ends a connection that waits for its
peer: the one that has waited longest, of the address that has most of them (of IPv6 a household's
network counts as one). So an address that opens many idle connections crowds out itself, and who
comes with a request is served.

Descriptors can run out all the same. That is said once, connections that wait are ended, accepting
pauses for a while that grows, and goes on when it works again, which is said too. An accept that
fails because its peer is gone is counted.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import trio

from sidereal.protocol.errors import UnavailableError
from sidereal.protocol.ids import Address
from sidereal.protocol.runtime.config import STOP_IT, say_in_use
from sidereal.protocol.runtime.process import fields, wall_clock_now
from sidereal.replication.http.connection import Application, Connection
from sidereal.replication.http.limits import HttpLimits
from sidereal.replication.http.origins import Origins
from sidereal.replication.http.throttle import Rate
from sidereal.replication.links.networks import network_of

BACKLOG: Final = 128
"""Connections that the system holds until they are accepted."""
LOOK_AGAIN_S: Final = 0.1
"""How often a full server looks for a connection that it can end."""
OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
PEER_GONE: Final = frozenset(
    {
        errno.ECONNABORTED,
        errno.EPERM,  # a firewall's word
        errno.EPROTO,
        errno.ENOPROTOOPT,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENONET,
        errno.EOPNOTSUPP,
        errno.ETIMEDOUT,
    }
)
"""Linux reports errors of the new connection through accept (accept(2), "Error handling")."""

_log = logging.getLogger("sidereal.http")


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """What has become of connections, totals since the start.

    Attributes:
        connections: that are open now.
        connections_max: that may be.
        accepted: all that were.
        ended_for_others: that waited for their peer when another one needed the room.
        accepts_failed: by the system, for want of descriptors or memory.
        accepts_aborted: whose peer was gone at once.
    """

    connections: int
    connections_max: int
    accepted: int
    ended_for_others: int
    accepts_failed: int
    accepts_aborted: int


class HttpServer:
    """Serves an application; `serve` runs until it is cancelled."""

    def __init__(
        self,
        application: Application,
        limits: HttpLimits,
        proxies: Collection[str] = (),
        wall_clock: Callable[[], float] = wall_clock_now,
    ) -> None:
        """Prepare to serve.

        Args:
            application: answers requests.
            limits: of connections, and of requests of an address.
            proxies: addresses of those whose `X-Forwarded-For` is believed.
            wall_clock: Unix seconds, for the date of answers.
        """
        self._application = application
        self._limits = limits
        self._wall_clock = wall_clock
        self._origins = Origins(proxies)
        self._connections: set[Connection] = set()
        self._paces = Rate(limits.throttle.requests, limits.throttle.keys_max)
        self._left = trio.Event()
        self._accepted = 0
        self._ended_for_others = 0
        self._accepts_failed = 0
        self._accepts_aborted = 0

    def statistics(self) -> ServerStatistics:
        """Tell what has become of connections."""
        return ServerStatistics(
            len(self._connections),
            self._limits.connections_max,
            self._accepted,
            self._ended_for_others,
            self._accepts_failed,
            self._accepts_aborted,
        )

    async def serve(
        self,
        host: str,
        port: int,
        *,
        task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Listen and serve; port 0 takes a free one, `started` tells which.

        Raises:
            UnavailableError: the address can't be had; says why and what to do.
        """
        bound = await _listen(host, port)
        address = Address(*bound.getsockname()[:2])
        async with trio.SocketListener(bound) as listener, trio.open_nursery() as nursery:
            task_status.started(address)
            await self.accept(listener, nursery)

    async def accept(
        self, listener: trio.abc.Listener[trio.SocketStream], nursery: trio.Nursery
    ) -> None:
        """Take in connections, for ever."""
        limits = self._limits
        pause_s = 0.0
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                if error.errno in PEER_GONE:
                    self._accepts_aborted += 1
                    await trio.lowlevel.checkpoint()
                    continue
                if error.errno not in OUT_OF_RESOURCES:
                    raise
                if not pause_s:
                    _log.warning("http_exhausted %s", fields(why=error.strerror, **self._held()))
                self._accepts_failed += 1
                self._end_one()
                pause_s = min(
                    max(2 * pause_s, limits.accept_pause_s_min), limits.accept_pause_s_max
                )
                await trio.sleep(pause_s)
                continue
            if pause_s:
                _log.info("http_accepts_again %s", fields(failed=self._accepts_failed))
            pause_s = 0.0
            self._accepted += 1
            connection = self._take_in(stream)
            if connection is not None:
                nursery.start_soon(self._serve_connection, connection)
            while len(self._connections) > self._limits.connections_max:
                self._end_one()
                self._left = trio.Event()
                with trio.move_on_after(LOOK_AGAIN_S):
                    await self._left.wait()

    def _held(self) -> dict[str, int]:
        return {
            "connections": len(self._connections),
            "connections_max": self._limits.connections_max,
        }

    def _take_in(self, stream: trio.SocketStream) -> Connection | None:
        try:
            peer = Address(*stream.socket.getpeername()[:2])
        except OSError:  # it is gone already
            stream.socket.close()
            self._accepts_aborted += 1
            return None
        pace = partial(self._pace, peer.host)
        connection = Connection(
            stream, peer, self._application, self._limits, self._wall_clock, pace
        )
        self._connections.add(connection)
        return connection

    def _pace(self, host: str, forwarded_for: str) -> float | None:
        """Take a request of whoever it comes from, behind proxies."""
        network = network_of(self._origins.origin_of(host, forwarded_for))
        wait_s_max = self._limits.throttle.request_wait_s_max
        return self._paces.queue_s((network,), trio.current_time(), wait_s_max)

    async def _serve_connection(self, connection: Connection) -> None:
        try:
            await connection.serve()
        finally:
            self._connections.discard(connection)
            self._left.set()

    def _end_one(self) -> None:
        """End the connection that can best be spared, if there is one."""
        held = Counter(connection.network for connection in self._connections)
        waiting = [
            (-held[connection.network], connection.waits_since, connection.peer, connection)
            for connection in self._connections
            if connection.waits_since is not None and not connection.scope.cancel_called
        ]
        if waiting:
            self._ended_for_others += 1
            min(waiting, key=lambda spare: spare[:3])[3].scope.cancel()


async def _listen(host: str, port: int) -> trio.socket.SocketType:
    try:
        found: Sequence[Any] = await trio.socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        listener = trio.socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            await listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            taken = say_in_use("TCP", Address(host, port))
            raise UnavailableError(
                f"{taken}: {STOP_IT}, or choose another port with --http"
            ) from None
        raise UnavailableError(
            f"HTTP can't listen on {host}:{port}: {error.strerror or error}; choose another "
            "address with --http"
        ) from None
    return listener
