from __future__ import annotations

import errno
import socket
import struct
import sys
import time
from typing import Any

import pytest
import trio

from sidereal.protocol import limits
from sidereal.protocol.errors import UnavailableError
from sidereal.protocol.ids import Address
from sidereal.protocol.runtime import udp as udp_module
from sidereal.protocol.runtime.udp import UdpSocket, open_udp

LOCALHOST = "127.0.0.1"


async def receive(udp: UdpSocket, count: int) -> list[tuple[bytes, Address]]:
    datagrams: list[tuple[bytes, Address]] = []
    with trio.fail_after(5):
        while len(datagrams) < count:
            await udp.wait_readable()
            datagrams += [arrival[:2] for arrival in udp.receive_nowait()]
    return datagrams


async def test_datagrams_arrive_with_where_they_came_from() -> None:
    with await open_udp(LOCALHOST, 0) as one, await open_udp(LOCALHOST, 0) as two:
        one.send_nowait([(b"first", two.address), (b"", two.address), (b"third", two.address)])
        assert await receive(two, 3) == [
            (b"first", one.address),
            (b"", one.address),
            (b"third", one.address),
        ]
        assert one.statistics().datagrams_out == 3
        assert two.statistics().datagrams_in == 3


async def test_ipv6_addresses_have_two_parts_too() -> None:
    try:
        one = await open_udp("::1", 0)
    except UnavailableError:
        pytest.skip("this machine has no IPv6 loopback address")
    with one:
        one.send_nowait([(b"x", one.address)])
        assert await receive(one, 1) == [(b"x", one.address)]


async def test_a_name_is_looked_up() -> None:
    with await open_udp("localhost", 0) as udp:
        assert udp.address.host in (LOCALHOST, "::1")


async def test_nothing_there_is_an_empty_list() -> None:
    with await open_udp(LOCALHOST, 0) as udp:
        assert udp.receive_nowait() == []


async def test_a_drain_ends_so_that_others_get_a_turn() -> None:
    with await open_udp(LOCALHOST, 0) as one, await open_udp(LOCALHOST, 0) as two:
        most, batch = limits.DATAGRAMS_PER_DRAIN_MAX, limits.DATAGRAMS_PER_SEND_MAX
        one.send_nowait([(b"x", two.address)] * (2 * most))
        await two.wait_readable()
        first = len(two.receive_nowait())
        assert most <= first < most + batch
        assert first + len(two.receive_nowait()) == 2 * most


async def test_datagrams_of_one_size_share_a_system_call_and_keep_their_borders() -> None:
    sizes = [1000] * (limits.DATAGRAMS_PER_SEND_MAX + 5) + [700, 700, 900, 0, 900]
    with await open_udp(LOCALHOST, 0) as one, await open_udp(LOCALHOST, 0) as two:
        datagrams = [(bytes([n % 251]) * size, two.address) for n, size in enumerate(sizes)]
        one.send_nowait(datagrams)
        came = await receive(two, len(sizes))
        assert came == [(datagram, one.address) for datagram, _ in datagrams]
        if sys.platform == "linux":
            assert one.statistics().sends < 10
            assert two.statistics().receives < 10


async def test_datagrams_of_one_size_to_many_reach_each_of_them() -> None:
    with await open_udp(LOCALHOST, 0) as one, await open_udp(LOCALHOST, 0) as two:
        one.send_nowait([(b"a", two.address), (b"b", one.address), (b"c", two.address)])
        assert await receive(two, 2) == [(b"a", one.address), (b"c", one.address)]
        assert await receive(one, 1) == [(b"b", one.address)]


async def test_too_long_datagrams_that_come_together_are_each_cut() -> None:
    too_long = limits.DATAGRAM_SIZE_MAX + 100
    with await open_udp(LOCALHOST, 0) as one, await open_udp(LOCALHOST, 0) as two:
        one.send_nowait([(bytes([n]) * too_long, two.address) for n in range(5)])
        came = await receive(two, 5)
        assert [datagram for datagram, _ in came] == [
            bytes([n]) * (limits.DATAGRAM_SIZE_MAX + 1) for n in range(5)
        ]


class Narrow(socket.socket):
    """A socket that cannot send batches to one port, as where the path takes no long datagrams."""

    port = 0
    attempts = 0

    def sendmsg(self, *arguments: Any) -> int:
        self.attempts += 1
        if arguments[-1][1] == self.port:
            raise OSError(errno.EINVAL, "longer than the path allows")
        return super().sendmsg(*arguments)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sends batches")
async def test_a_destination_that_batches_do_not_reach_is_sent_each_datagram_alone() -> None:
    bound = Narrow(socket.AF_INET, socket.SOCK_DGRAM)
    bound.setblocking(False)
    bound.bind((LOCALHOST, 0))
    with (
        UdpSocket(bound) as one,
        await open_udp(LOCALHOST, 0) as narrow,
        await open_udp(LOCALHOST, 0) as wide,
    ):
        bound.port = narrow.address.port
        bodies = [bytes([n]) * 100 for n in range(20)]
        for _ in range(2):
            one.send_nowait([(body, narrow.address) for body in bodies])
        assert await receive(narrow, 40) == [(body, one.address) for body in bodies * 2]
        assert bound.attempts == 1
        assert one.statistics().sends == 40
        one.send_nowait([(body, wide.address) for body in bodies])
        assert await receive(wide, 20) == [(body, one.address) for body in bodies]
        assert one.statistics().sends == 41


class Later:
    """The clocks of this machine, as they will be."""

    def __init__(self, after_s: float) -> None:
        self.after_s = after_s

    def monotonic(self) -> float:
        return time.monotonic() + self.after_s

    def time_ns(self) -> int:
        return time.time_ns() + round(1e9 * self.after_s)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
async def test_how_long_a_datagram_has_waited_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    opened_at = time.monotonic()
    with await open_udp(LOCALHOST, 0) as one, await open_udp(LOCALHOST, 0) as two:
        two.send_nowait([(b"x", one.address)])
        await one.wait_readable()
        monkeypatch.setattr(udp_module, "time", Later(3.0))
        ((_, _, waited_s),) = one.receive_nowait()
    assert 3.0 <= waited_s < 3.0 + time.monotonic() - opened_at


class Stamped(socket.socket):
    """A socket of a system that says of what comes how long ago that was, by a clock that is set.

    Attributes:
        ages_s: of what comes next, by that clock.
    """

    ages_s: tuple[float, ...] = ()

    def recvmsg(self, *_: Any) -> Any:
        if not self.ages_s:
            raise BlockingIOError
        age_s, *rest = self.ages_s
        self.ages_s = tuple(rest)
        stamp = struct.pack("=qq", *divmod(time.time_ns() - round(age_s * 1e9), 10**9))
        size = struct.pack("=i", 3)
        control = [(socket.SOL_SOCKET, 64, stamp), (17, 104, size)]
        return b"onetwo", control, 0, (LOCALHOST, 9)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
async def test_a_wall_clock_that_is_set_makes_no_datagram_older_than_it_can_be() -> None:
    opened_at = time.monotonic()
    bound = Stamped(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((LOCALHOST, 0))
    with UdpSocket(bound) as udp:
        bound.ages_s = 3600.0, -3600.0
        arrivals = udp.receive_nowait()
        assert [datagram for datagram, _, _ in arrivals] == [b"one", b"two"] * 2
        waited_s = [waited_s for _, _, waited_s in arrivals]
        assert 0.0 < waited_s[0] == waited_s[1] <= time.monotonic() - opened_at
        assert waited_s[2:] == [0.0, 0.0]
        emptied_at = time.monotonic()
        assert udp.receive_nowait() == []
        bound.ages_s = (3600.0,)
        assert udp.receive_nowait()[0][2] <= time.monotonic() - emptied_at


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
async def test_what_the_system_dropped_is_counted() -> None:
    with await open_udp(LOCALHOST, 0) as one, await open_udp(LOCALHOST, 0) as two:
        assert two.statistics().receives_overflowed == 0
        count = 4 * two.statistics().receive_buffer_size // limits.DATAGRAM_SIZE_MAX
        one.send_nowait([(bytes(1000), two.address)] * count)
        dropped = two.statistics().receives_overflowed
        assert dropped > 0
        came = 0
        while datagrams := two.receive_nowait():
            came += len(datagrams)
        assert came < count
    assert two.statistics().receives_overflowed == dropped


async def test_a_datagram_too_long_is_seen_to_be_too_long() -> None:
    with await open_udp(LOCALHOST, 0) as one, await open_udp(LOCALHOST, 0) as two:
        one.send_nowait([(bytes(5000), two.address)])
        ((datagram, _),) = await receive(two, 1)
        assert len(datagram) == limits.DATAGRAM_SIZE_MAX + 1


async def test_a_port_in_use_is_said_in_words() -> None:
    with await open_udp(LOCALHOST, 0) as udp:
        port = udp.address.port
        with pytest.raises(
            UnavailableError, match=f"UDP port {port} on 127.0.0.1 is in use: .*, or"
        ):
            await open_udp(LOCALHOST, port)
        with pytest.raises(UnavailableError, match=r"or choose another port with --door$"):
            await open_udp(LOCALHOST, port, "--door")


@pytest.mark.parametrize(
    ("host", "words"),
    [("192.0.2.1", "not an address of this machine"), ("a" * 70, "cannot find")],
)
async def test_an_address_that_is_not_ours_is_said_in_words(host: str, words: str) -> None:
    with pytest.raises(UnavailableError, match=words):
        await open_udp(host, 0)


async def test_what_cannot_be_sent_is_counted_and_the_rest_goes_on() -> None:
    with await open_udp(LOCALHOST, 0) as one, await open_udp(LOCALHOST, 0) as two:
        one.send_nowait(
            [
                (b"to nobody", Address("192.0.2.1", 9)),
                (bytes(70_000), two.address),
                (b"broadcast", Address("255.255.255.255", 9)),
                (b"through", two.address),
            ]
        )
        assert await receive(two, 1) == [(b"through", one.address)]
        statistics = one.statistics()
        assert statistics.sends_refused >= 2
        assert statistics.sends_refused + statistics.datagrams_out == 4


async def test_a_peer_that_is_gone_does_not_disturb() -> None:
    with await open_udp(LOCALHOST, 0) as one:
        gone = await open_udp(LOCALHOST, 0)
        gone.close()
        for _ in range(3):
            one.send_nowait([(b"x", gone.address)])
        one.send_nowait([(b"y", one.address)])
        assert await receive(one, 1) == [(b"y", one.address)]


async def test_waiting_ends_when_the_socket_is_closed() -> None:
    udp = await open_udp(LOCALHOST, 0)

    async def wait() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await udp.wait_readable()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        udp.close()
    udp.close()
    with pytest.raises(trio.ClosedResourceError):
        await udp.wait_readable()
    assert udp.receive_nowait() == []
    udp.send_nowait([(b"x", Address(LOCALHOST, 9))])
    assert udp.statistics().sends_refused == 1


async def test_the_receive_buffer_is_larger_than_the_default() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        default = plain.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    with await open_udp(LOCALHOST, 0) as udp:
        assert udp.statistics().receive_buffer_size >= default
