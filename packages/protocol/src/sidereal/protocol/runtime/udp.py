"""A UDP socket for the Trio shell: wait until it is readable, then take all that came.

Sending and receiving do not await: `recvfrom` on a non-blocking socket costs 2 µs and `sendto` 4,
where Trio's own cost 12, and a flood cannot starve the rest of the process because a drain ends
after `DATAGRAMS_PER_DRAIN_MAX` and `wait_readable` is always a checkpoint.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import socket
from collections.abc import Iterable
from types import TracebackType
from typing import Final

import trio

from sidereal.protocol import limits
from sidereal.protocol.errors import UnavailableError
from sidereal.protocol.ids import Address

_RECEIVE_SIZE: Final = limits.DATAGRAM_SIZE_MAX + 1
"""One more than any datagram of ours has, so that a longer one is seen to be one."""
_FULL: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS})


@dataclasses.dataclass(frozen=True, slots=True)
class UdpStatistics:
    """Counts of a socket since it was opened.

    Attributes:
        sends_full: datagrams lost because the system had no room for them.
        sends_refused: datagrams the system refused to send, for any other reason.
        receives_failed: errors of earlier sends reported while receiving.
        receive_buffer_size: what the system granted, bytes.
    """

    datagrams_in: int
    datagrams_out: int
    sends_full: int
    sends_refused: int
    receives_failed: int
    receive_buffer_size: int


class UdpSocket:
    """A bound, non-blocking UDP socket; `open_udp` makes one."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        host, port = bound.getsockname()[:2]
        self._address = Address(host, port)
        self._datagrams_in = 0
        self._datagrams_out = 0
        self._sends_full = 0
        self._sends_refused = 0
        self._receives_failed = 0
        self._receive_buffer_size = bound.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    @property
    def address(self) -> Address:
        """Where the socket is bound."""
        return self._address

    async def wait_readable(self) -> None:
        """Wait until a datagram is there.

        Raises:
            trio.ClosedResourceError: the socket is closed, or was while waiting.
        """
        if self._socket.fileno() < 0:
            await trio.lowlevel.checkpoint()
            raise trio.ClosedResourceError("the UDP socket is closed")
        await trio.lowlevel.wait_readable(self._socket)

    def receive_nowait(self) -> list[tuple[bytes, Address]]:
        """Take the datagrams that are there, at most `DATAGRAMS_PER_DRAIN_MAX`.

        A datagram longer than any of ours is cut to one byte more than ours have.
        """
        datagrams: list[tuple[bytes, Address]] = []
        receive = self._socket.recvfrom
        # 2.3 µs per datagram. A socket that has reported an error may still have datagrams.
        for _ in range(limits.DATAGRAMS_PER_DRAIN_MAX):
            try:
                datagram, source = receive(_RECEIVE_SIZE)
            except BlockingIOError:
                break
            except OSError:
                self._receives_failed += 1
                if self._socket.fileno() < 0:
                    break
                continue
            datagrams.append((datagram, Address(source[0], source[1])))
        self._datagrams_in += len(datagrams)
        return datagrams

    def send_nowait(self, datagrams: Iterable[tuple[bytes, Address]]) -> None:
        """Send datagrams; those the system does not take are lost and counted.

        Refusals (EPERM, ECONNREFUSED, ENETUNREACH and the like) concern one destination and are
        what a network may do to a datagram anyway, so they are never raised.
        """
        send = self._socket.sendto
        sent = 0
        for datagram, address in datagrams:
            try:
                send(datagram, address)
                sent += 1
            except OSError as error:
                if error.errno in _FULL:
                    self._sends_full += 1
                else:
                    self._sends_refused += 1
        self._datagrams_out += sent

    def statistics(self) -> UdpStatistics:
        """Report counts."""
        return UdpStatistics(
            datagrams_in=self._datagrams_in,
            datagrams_out=self._datagrams_out,
            sends_full=self._sends_full,
            sends_refused=self._sends_refused,
            receives_failed=self._receives_failed,
            receive_buffer_size=self._receive_buffer_size,
        )

    def close(self) -> None:
        """Close; whoever waits on the socket gets `trio.ClosedResourceError`."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    def __enter__(self) -> UdpSocket:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


async def open_udp(host: str, port: int) -> UdpSocket:
    """Bind a UDP socket.

    Args:
        host: an address of this machine, or a name of one.
        port: 0 lets the system choose.

    Raises:
        UnavailableError: the address is not ours, not an address, or the port is taken.
    """
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError, OverflowError) as error:
        raise UnavailableError(f"cannot find the address {host!r}: {error}") from None
    family, kind, protocol, _, address = found[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setblocking(False)
        _grow_buffers(bound)
        bound.bind(address)
    except (OSError, OverflowError) as error:
        bound.close()
        raise UnavailableError(_explain(host, port, error)) from None
    return UdpSocket(bound)


def _grow_buffers(bound: socket.socket) -> None:
    """Ask for large buffers; as root also beyond the system's limit."""
    for option, forced in (("SO_RCVBUF", 33), ("SO_SNDBUF", 32)):
        bound.setsockopt(socket.SOL_SOCKET, getattr(socket, option), limits.SOCKET_BUFFER_SIZE)
        if os.name == "posix" and os.uname().sysname == "Linux":
            with contextlib.suppress(PermissionError):
                bound.setsockopt(socket.SOL_SOCKET, forced, limits.SOCKET_BUFFER_SIZE)


def _explain(host: str, port: int, error: Exception) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        return f"UDP port {port} on {host} is in use: stop what uses it or choose another port"
    if code == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine"
    if code == errno.EACCES:
        return f"UDP port {port} needs privileges: choose one above 1023"
    return f"cannot bind UDP port {port} on {host}: {error}"
