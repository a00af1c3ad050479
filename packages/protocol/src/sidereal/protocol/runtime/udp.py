"""A UDP socket for the Trio shell: wait until it is readable, then take all that came.

Sending and receiving do not await: a system call on a non-blocking socket costs 2 to 5 µs where
Trio's own `sendto` costs 12, and a flood cannot starve the rest of the process because a drain ends
after `DATAGRAMS_PER_DRAIN_MAX` and `wait_readable` is always a checkpoint.

Where Linux allows it, datagrams of one size to one destination leave with one system call
(UDP_SEGMENT), and those of one source that wait together come in with one (UDP_GRO). Twenty
datagrams of 1,100 bytes over loopback then cost 19 µs there and back instead of 97. Elsewhere each
has a call of its own; nobody else can tell the difference.

A process that waits for a processor reads late what has come in time. So Linux also says when each
datagram came (SO_TIMESTAMPNS), and whoever takes it is told how long it has waited for that. The
system's stamps are of the wall clock, which may be set meanwhile. No datagram has waited since
before the socket was last found empty.

Source: Linux, udp(7), socket(7); include/uapi/linux/udp.h and sock_diag.h;
Documentation/networking/timestamping.rst, section 1.1.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import socket
import struct
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Final

import trio

from sidereal.protocol import limits
from sidereal.protocol.errors import UnavailableError
from sidereal.protocol.ids import Address
from sidereal.protocol.runtime.config import STOP_IT, say_in_use

_RECEIVE_SIZE: Final = limits.DATAGRAM_SIZE_MAX + 1
"""One more than any datagram of ours has, so that a longer one is seen to be one."""
_FULL: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS})
_CANNOT_SEGMENT: Final = frozenset(
    {errno.EINVAL, errno.EIO, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EOPNOTSUPP}
)
_IS_LINUX: Final = sys.platform == "linux"

_SOL_UDP: Final = 17
_UDP_SEGMENT: Final = 103
_UDP_GRO: Final = 104
_SO_MEMINFO: Final = 55
_SO_SNDBUFFORCE: Final = 32
_SO_RCVBUFFORCE: Final = 33
_SO_TIMESTAMPNS: Final = 64
"""The one with 64 bits of seconds everywhere; what it adds to datagrams has the same number."""
_SEGMENT_SIZE: Final = struct.Struct("=H")
_GRO_SIZE: Final = struct.Struct("=i")
_STAMP: Final = struct.Struct("=qq")
_MEMINFO: Final = struct.Struct("=9I")
_MEMINFO_DROPS: Final = 8
_COALESCED_SIZE_MAX: Final = 1 << 16
_SEND_SIZE_MAX: Final = (1 << 16) - 1 - 20 - 8
"""Bytes of an IP packet without its headers."""
_CONTROL_SIZE: Final = (
    socket.CMSG_SPACE(_GRO_SIZE.size) + socket.CMSG_SPACE(_STAMP.size) if _IS_LINUX else 0
)

Arrival = tuple[bytes, Address, float]
"""A datagram, its source, and how long it has waited to be taken, seconds; 0 if nobody knows."""


@dataclasses.dataclass(frozen=True, slots=True)
class UdpStatistics:
    """Counts of a socket since it was opened.

    Attributes:
        sends: system calls that sent `datagrams_out`.
        receives: system calls that brought `datagrams_in`.
        sends_full: datagrams lost because the system had no room for them.
        sends_refused: datagrams the system refused to send, for any other reason.
        receives_failed: errors of earlier sends reported while receiving.
        receives_overflowed: datagrams the system dropped because the socket was not drained in
            time; 0 where it does not tell.
        receive_buffer_size: what the system granted, bytes.
    """

    datagrams_in: int
    datagrams_out: int
    receives: int
    sends: int
    sends_full: int
    sends_refused: int
    receives_failed: int
    receives_overflowed: int
    receive_buffer_size: int


class UdpSocket:
    """A bound, non-blocking UDP socket; `open_udp` makes one."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        host, port = bound.getsockname()[:2]
        self._address = Address(host, port)
        self._unbatched: set[Address] = set()
        # Destinations that batches do not reach.
        self._coalesces = _turn_on_coalescing(bound)
        self._emptied_at = time.monotonic()
        self._datagrams_in = 0
        self._datagrams_out = 0
        self._receives = 0
        self._sends = 0
        self._sends_full = 0
        self._sends_refused = 0
        self._receives_failed = 0
        self._overflowed = 0
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

    def receive_nowait(self) -> list[Arrival]:
        """Take the datagrams that are there, about `DATAGRAMS_PER_DRAIN_MAX` at most.

        A datagram longer than any of ours is cut to one byte more than ours have.
        """
        began_at, emptied_at, count = time.monotonic(), self._emptied_at, 0
        came: list[tuple[list[bytes], Address, int]] = []
        receive = self._receive_coalesced if self._coalesces else self._receive_one
        # A socket that has reported an error may still have datagrams.
        for _ in range(limits.DATAGRAMS_PER_DRAIN_MAX):
            try:
                datagrams, address, came_ns = receive()
            except BlockingIOError:
                self._emptied_at = began_at
                break
            except OSError:
                self._receives_failed += 1
                if self._socket.fileno() < 0:
                    break
                continue
            came.append((datagrams, address, came_ns))
            self._receives += 1
            count += len(datagrams)
            if count >= limits.DATAGRAMS_PER_DRAIN_MAX:
                break
        self._datagrams_in += count
        return _find_waits(came, emptied_at) if came else []

    def _receive_one(self) -> tuple[list[bytes], Address, int]:
        datagram, source = self._socket.recvfrom(_RECEIVE_SIZE)
        return [datagram], Address(source[0], source[1]), 0

    def _receive_coalesced(self) -> tuple[list[bytes], Address, int]:
        received, control, _, source = self._socket.recvmsg(_COALESCED_SIZE_MAX, _CONTROL_SIZE)
        address, step, came_ns = Address(source[0], source[1]), 0, 0
        for _, kind, value in control:
            if kind == _SO_TIMESTAMPNS:
                seconds, nanoseconds = _STAMP.unpack(value)
                came_ns = seconds * 1_000_000_000 + nanoseconds
            elif kind == _UDP_GRO:
                (step,) = _GRO_SIZE.unpack(value)
        if not step:
            return [received[:_RECEIVE_SIZE]], address, came_ns
        kept = min(step, _RECEIVE_SIZE)
        return [received[at : at + kept] for at in range(0, len(received), step)], address, came_ns

    def send_nowait(self, datagrams: Iterable[tuple[bytes, Address]]) -> None:
        """Send datagrams; those the system does not take are lost and counted.

        Refusals (EPERM, ECONNREFUSED, ENETUNREACH and the like) concern one destination and are
        what a network may do to a datagram anyway, so they are never raised.
        """
        batch: list[bytes] = []
        destination = self._address
        size = room = 0
        for datagram, address in datagrams:
            # All datagrams of a batch but its last have the same size, and none is empty.
            if not (room and 0 < len(datagram) <= size and address == destination):
                if batch:
                    self._send_batch(batch, destination)
                batch = []
                destination, size = address, len(datagram)
                room = min(limits.DATAGRAMS_PER_SEND_MAX, _SEND_SIZE_MAX // max(1, size))
                room = room if _IS_LINUX and address not in self._unbatched else 1
            batch.append(datagram)
            room = room - 1 if len(datagram) == size else 0
        if batch:
            self._send_batch(batch, destination)

    def _send_batch(self, batch: list[bytes], address: Address) -> None:
        try:
            if len(batch) == 1:
                self._socket.sendto(batch[0], address)
            else:
                segment = _SEGMENT_SIZE.pack(len(batch[0]))
                self._socket.sendmsg(batch, ((_SOL_UDP, _UDP_SEGMENT, segment),), 0, address)
        except OSError as error:
            if error.errno in _FULL:
                self._sends_full += len(batch)
            elif len(batch) == 1:
                self._sends_refused += 1
            else:
                # The device, the route or the destination can't: from here on one by one.
                if error.errno in _CANNOT_SEGMENT:
                    if len(self._unbatched) >= limits.UNBATCHED_MAX:
                        self._unbatched.clear()
                    self._unbatched.add(address)
                for datagram in batch:
                    self._send_batch([datagram], address)
            return
        self._sends += 1
        self._datagrams_out += len(batch)

    def statistics(self) -> UdpStatistics:
        """Report counts."""
        if _IS_LINUX and self._socket.fileno() >= 0:
            memory = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
            self._overflowed = _MEMINFO.unpack(memory)[_MEMINFO_DROPS]
        return UdpStatistics(
            datagrams_in=self._datagrams_in,
            datagrams_out=self._datagrams_out,
            receives=self._receives,
            sends=self._sends,
            sends_full=self._sends_full,
            sends_refused=self._sends_refused,
            receives_failed=self._receives_failed,
            receives_overflowed=self._overflowed,
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


async def open_udp(host: str, port: int, flag: str = "") -> UdpSocket:
    """Bind a UDP socket.

    Args:
        host: an address of this machine, or a name of one.
        port: 0 lets the system choose.
        flag: in words, by which the port was chosen; for the error.

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
        raise UnavailableError(_explain(Address(host, port), flag, error)) from None
    return UdpSocket(bound)


def _find_waits(came: list[tuple[list[bytes], Address, int]], emptied_at: float) -> list[Arrival]:
    """Find out how long datagrams have waited until now.

    Args:
        came: datagrams of one source each, and when they came: nanoseconds of the wall clock, or 0.
        emptied_at: none of them was there then, monotonic seconds.
    """
    wall_ns, waited_s_max = time.time_ns(), time.monotonic() - emptied_at
    arrivals: list[Arrival] = []
    for datagrams, address, came_ns in came:
        waited_s = min(max(0.0, 1e-9 * (wall_ns - came_ns)), waited_s_max) if came_ns else 0.0
        arrivals += [(datagram, address, waited_s) for datagram in datagrams]
    return arrivals


def _grow_buffers(bound: socket.socket) -> None:
    """Ask for large buffers; as root also beyond the system's limit."""
    for option, forced in (
        (socket.SO_RCVBUF, _SO_RCVBUFFORCE),
        (socket.SO_SNDBUF, _SO_SNDBUFFORCE),
    ):
        bound.setsockopt(socket.SOL_SOCKET, option, limits.SOCKET_BUFFER_SIZE)
        if _IS_LINUX:
            with contextlib.suppress(PermissionError):
                bound.setsockopt(socket.SOL_SOCKET, forced, limits.SOCKET_BUFFER_SIZE)


def _turn_on_coalescing(bound: socket.socket) -> bool:
    """Ask for datagrams that wait together in one piece, and for when they came.

    Returns:
        whether the system does the former.
    """
    if not _IS_LINUX:
        return False
    with contextlib.suppress(OSError):
        bound.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    try:
        bound.setsockopt(_SOL_UDP, _UDP_GRO, 1)
    except OSError:
        return False
    return True


def _explain(address: Address, flag: str, error: Exception) -> str:
    host, port = address
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        other = f"choose another port with {flag}" if flag else "choose another port"
        return f"{say_in_use('UDP', address)}: {STOP_IT}, or {other}"
    if code == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine"
    if code == errno.EACCES:
        return f"UDP port {port} needs privileges: choose one above 1023"
    return f"cannot bind UDP port {port} on {host}: {error}"
