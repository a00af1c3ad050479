"""The HTTP server under the application: connections, their limits, and what is no HTTP."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import UnavailableError
from sidereal.protocol.ids import Address
from sidereal.replication.http.connection import Connection, Message
from sidereal.replication.http.limits import HttpLimits, connections_that_fit
from sidereal.replication.http.server import HttpServer
from sidereal.replication.http.throttle import Rate, ThrottleLimits, Tries

LIMITS = HttpLimits()
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
PEER = Address("192.0.2.7", 5000)

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class App:
    """Answers with the body it got, or as long as a test wants."""

    def __init__(self) -> None:
        self.targets: list[tuple[str, str]] = []
        self.cancelled = 0
        self.answer_size = 0
        self.hold: trio.Event | None = None
        self.reads_bodies = True

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.targets.append((scope["method"], scope["path"]))
        body = b""
        try:
            more = self.reads_bodies
            while more:
                message = await receive()
                body += message["body"]
                more = message["more_body"]
            if self.hold is not None:
                await self.hold.wait()
        except trio.Cancelled:
            self.cancelled += 1
            raise
        body = body or b"a" * self.answer_size
        length = str(len(body)).encode()
        headers = [(b"content-length", length)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Line:
    """A connection in memory, seen from its peer."""

    def __init__(self, app: App, limits: HttpLimits, nursery: trio.Nursery) -> None:
        self.end, ours = trio.testing.memory_stream_pair()
        self.connection = Connection(ours, PEER, app, limits, lambda: 0.0)
        self.closed_at: float | None = None
        nursery.start_soon(self._serve)

    async def _serve(self) -> None:
        await self.connection.serve()
        self.closed_at = trio.current_time()

    async def read_all(self) -> bytes:
        """All that is sent to the end of the connection."""
        received = b""
        while data := await self.end.receive_some(65_536):
            received += data
        await self.end.aclose()
        await trio.testing.wait_all_tasks_blocked()
        return received


async def talk(data: bytes, app: App | None = None, limits: HttpLimits = LIMITS) -> bytes:
    """Send bytes on a fresh connection; give all that comes back until it ends."""
    async with trio.open_nursery() as nursery:
        line = Line(app or App(), limits, nursery)
        await line.end.send_all(data)
        return await line.read_all()


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1.1 (\d{3}) ", received)]


def problem(received: bytes) -> dict[str, Any]:
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    assert b"connection: close" in head.lower()
    described: dict[str, Any] = json.loads(body)
    return described


# -- what is answered ----------------------------------------------------------------------------


async def test_requests_follow_one_another_on_one_connection(autojump_clock: object) -> None:
    app = App()
    assert statuses(await talk(GET * 3, app)) == [200, 200, 200]
    assert app.targets == [("GET", "/")] * 3


async def test_a_body_is_given_whole_however_it_comes(autojump_clock: object) -> None:
    post = b"POST /a HTTP/1.1\r\nhost: x\r\n"
    length = post + b"content-length: 5\r\n\r\nhello"
    chunks = post + b"transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
    received = await talk(length + chunks)
    assert statuses(received) == [200, 200]
    assert received.count(b"hello") == 2


async def test_a_client_that_asks_first_is_told_to_go_on(autojump_clock: object) -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
    async with trio.open_nursery() as nursery:
        line = Line(App(), LIMITS, nursery)
        await line.end.send_all(head)
        assert (await line.end.receive_some()).startswith(b"HTTP/1.1 100 ")
        await line.end.send_all(b"hi")
        assert (await line.end.receive_some()).endswith(b"\r\n\r\nhi")
        await line.end.aclose()


async def test_the_answer_to_head_has_no_body(autojump_clock: object) -> None:
    app = App()
    app.answer_size = 10
    received = await talk(GET.replace(b"GET", b"HEAD"), app)
    assert b"content-length: 10\r\n" in received
    assert received.endswith(b"\r\n\r\n")


async def test_an_old_client_gets_one_answer_and_the_end(autojump_clock: object) -> None:
    assert statuses(await talk(b"GET / HTTP/1.0\r\n\r\n" * 2)) == [200]


async def test_a_target_as_proxies_get_it_names_the_host(autojump_clock: object) -> None:
    app = App()
    assert statuses(await talk(b"GET http://y/v1?q HTTP/1.1\r\nhost: x\r\n\r\n", app)) == [200]
    assert app.targets == [("GET", "/v1")]


# -- what is no request --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS
        (b"SSH-2.0-OpenSSH_9.7\r\n\r\n", 400),
        (b"\0" * 64 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\na b: c\r\n\r\n", 400),
        (b"G\xc3\x89T / HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"GET x HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"CONNECT x:80 HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.2\r\nhost: x\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nhello\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"a" * 3 * LIMITS.head_size_max, 431),
        (b"a" * 3 * LIMITS.head_size_max, 431),
    ],
)
async def test_what_is_no_request_is_answered_once_and_closed(
    autojump_clock: object, data: bytes, status: int
) -> None:
    received = await talk(data + GET)
    assert statuses(received) == [status]
    assert problem(received)["status"] == status


async def test_two_lengths_of_one_body_close_the_connection(autojump_clock: object) -> None:
    """Who believes the other one would take the rest of the body for a request."""
    app = App()
    received = await talk(
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n"
        b"0\r\n\r\n" + GET,
        app,
    )
    assert statuses(received) == [400]
    assert problem(received)["detail"] == "it is not clear where the body ends"
    assert app.targets == []


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket", b"h2c, websocket"])
async def test_nobody_is_upgraded(autojump_clock: object, upgrade: bytes) -> None:
    ask = (
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade, http2-settings\r\nupgrade: %s\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
        b"http2-settings: AAMAAABkAAQAAP__\r\n\r\n"
    )
    assert statuses(await talk(ask % upgrade)) == [200]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *(b"GET", b"POST", b" ", b"/", b" HTTP/1.1", b"\r\n", b"\n", b"\r", b"host: x"),
                *(b"content-length: ", b"5", b"-1", b"transfer-encoding: chunked", b"hello"),
                *(b"expect: 100-continue", b"connection: close", b"upgrade: h2c", b"\0", b"\xff"),
                GET,
            ]
        )
        | st.binary(max_size=40),
        max_size=30,
    )
)
def test_whatever_comes_the_connection_ends_and_nothing_breaks(parts: list[bytes]) -> None:
    async def attack() -> None:
        async with trio.open_nursery() as nursery:
            line = Line(App(), LIMITS, nursery)
            for part in parts:
                await line.end.send_all(part or b"a")
            await line.read_all()

    trio.run(attack, clock=trio.testing.MockClock(autojump_threshold=0))


# -- who is slow, and who is gone ----------------------------------------------------------------


async def elapsed(talking: Callable[[Line], Awaitable[Any]], app: App | None = None) -> float:
    """Tell how long a connection lives whose peer behaves so."""
    began_at = trio.current_time()
    async with trio.open_nursery() as nursery:
        line = Line(app or App(), LIMITS, nursery)
        await talking(line)
        while line.closed_at is None:
            await trio.sleep(0.25)
        await line.end.aclose()
        return line.closed_at - began_at


async def test_every_wait_for_a_peer_has_its_limit(autojump_clock: object) -> None:
    async def says_nothing(_line: Line) -> None:
        pass

    async def stays_after_an_answer(line: Line) -> None:
        await line.end.send_all(GET)
        await line.end.receive_some()

    async def trickle(line: Line, data: bytes) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            for byte in data:
                await line.end.send_all(bytes([byte]))
                await trio.sleep(1)

    async def trickles_a_head(line: Line) -> None:
        await trickle(line, GET)

    async def trickles_a_body(line: Line) -> None:
        await line.end.send_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99\r\n\r\n")
        await trickle(line, b"a" * 20)

    limits = LIMITS
    assert await elapsed(says_nothing) == pytest.approx(limits.head_within_s)
    assert await elapsed(stays_after_an_answer) == pytest.approx(limits.idle_s)
    at_most = limits.head_within_s + limits.linger_s + 1
    assert limits.head_within_s <= await elapsed(trickles_a_head) <= at_most
    assert limits.body_within_s <= await elapsed(trickles_a_body) <= at_most


@pytest.mark.parametrize(
    "begun", [GET[:-1], b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhe"]
)
async def test_a_slow_request_is_told_so(autojump_clock: object, begun: bytes) -> None:
    began_at = trio.current_time()
    assert statuses(await talk(begun)) == [408]
    waited_s = trio.current_time() - began_at
    assert waited_s == pytest.approx(LIMITS.head_within_s)
    assert LIMITS.head_within_s == LIMITS.body_within_s


async def test_a_peer_that_asks_and_never_reads_is_closed() -> None:
    """Forty answers of 100 kB do not fit into what the system holds for a peer."""
    limits = HttpLimits(write_within_s=0.3)
    app = App()
    app.answer_size = 100_000
    async with trio.open_nursery() as nursery:
        server = HttpServer(app, limits)
        address = await nursery.start(server.serve, "127.0.0.1", 0)
        stream = await trio.open_tcp_stream(*address)
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await stream.send_all(GET * 40)
        await wait_for(lambda: server.statistics().accepted == 1)
        await wait_for(lambda: server.statistics().connections == 0)
        assert len(app.targets) < 40
        await stream.aclose()
        nursery.cancel_scope.cancel()


async def test_a_request_whose_peer_is_gone_is_cancelled(autojump_clock: object) -> None:
    app = App()
    app.hold = trio.Event()
    async with trio.open_nursery() as nursery:
        line = Line(app, LIMITS, nursery)
        await line.end.send_all(GET)
        await trio.sleep(5)
        assert line.closed_at is None
        await line.end.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert app.cancelled == 1
        assert line.closed_at == trio.current_time()


async def test_requests_sent_ahead_are_kept_and_answered(autojump_clock: object) -> None:
    app = App()
    app.hold = trio.Event()
    async with trio.open_nursery() as nursery:
        line = Line(app, LIMITS, nursery)
        await line.end.send_all(GET)
        await trio.sleep(1)
        await line.end.send_all(GET * 3)
        await trio.sleep(1)
        assert len(app.targets) == 1
        app.hold.set()
        assert statuses(await line.read_all()) == [200] * 4


async def test_a_refused_head_has_no_body(autojump_clock: object) -> None:
    received = await talk(b"HEAD * HTTP/1.1\r\nhost: x\r\n\r\n")
    assert statuses(received) == [400]
    assert received.endswith(b"\r\n\r\n")


async def test_an_answer_before_the_end_of_the_body_closes_the_connection(
    autojump_clock: object,
) -> None:
    app = App()
    app.reads_bodies = False
    received = await talk(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhe" + GET, app)
    assert statuses(received) == [200]
    assert b"connection: close" in received


async def test_a_peer_that_is_refused_hears_it_though_it_goes_on_sending() -> None:
    """Unread bytes make the system reset a connection that is closed, and its last answer."""
    app = App()
    app.reads_bodies = False
    async with trio.open_nursery() as nursery:
        server = HttpServer(app, LIMITS)
        address = await nursery.start(server.serve, "127.0.0.1", 0)
        stream = await trio.open_tcp_stream(*address)
        await stream.send_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n")
        for _ in range(20):
            await stream.send_all(b"a" * 1000)
        await wait_for(lambda: bool(app.targets))
        assert statuses(bytes(await stream.receive_some())) == [200]
        await stream.aclose()
        nursery.cancel_scope.cancel()


async def test_an_address_that_asks_too_often_waits(autojump_clock: object) -> None:
    """Its requests are answered all the same, until it would have to wait too long."""
    rate, app = Rate(Tries(5, 0.1), 10), App()
    began_at = trio.current_time()
    theirs, ours = trio.testing.memory_stream_pair()

    def pace(_forwarded_for: str) -> float | None:
        return rate.queue_s((), trio.current_time(), 0.15)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(Connection(ours, PEER, app, LIMITS, lambda: 0.0, pace).serve)
        await theirs.send_all(GET * 8)
        received = b""
        while len(statuses(received)) < 8:
            received += await theirs.receive_some()
        assert trio.current_time() - began_at == pytest.approx(0.3)
        for _ in range(10):
            rate.take((), trio.current_time())
        await theirs.send_all(GET)
        refused = bytes(await theirs.receive_some())
        assert statuses(refused) == [429]
        assert b"retry-after: 5\r\n" in refused
        assert "try again in 5 s" in problem(refused)["detail"]
        await theirs.aclose()
    assert len(app.targets) == 8


async def test_who_comes_through_a_proxy_is_counted_by_its_own_address() -> None:
    """Who asks too often gets its answer there, and everybody else is served."""
    throttle = ThrottleLimits(requests=Tries(2, 100.0))
    answers: dict[str, list[int]] = {}
    async with trio.open_nursery() as nursery:
        server = HttpServer(App(), replace(LIMITS, throttle=throttle), ["127.0.0.1"])
        address = await nursery.start(server.serve, "127.0.0.1", 0)
        for host in ("192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.8", "[2001:db8::1]:9"):
            async with await trio.open_tcp_stream(*address) as stream:
                head = b"GET / HTTP/1.1\r\nhost: x\r\nx-forwarded-for: " + host.encode()
                await stream.send_all(head + b"\r\n\r\n")
                received = bytes(await stream.receive_some())
                answers[host] = answers.get(host, []) + statuses(received)
        nursery.cancel_scope.cancel()
    assert answers == {
        "192.0.2.7": [200, 200, 429],
        "192.0.2.8": [200],
        "[2001:db8::1]:9": [200],
    }


# -- many connections ----------------------------------------------------------------------------


async def wait_for(holds: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not holds():
            await trio.sleep(0.005)


async def ask(address: Address, source: str = "") -> bytes:
    stream = await trio.open_tcp_stream(*address, local_address=source or None)
    async with stream:
        await stream.send_all(GET)
        return bytes(await stream.receive_some())


async def test_connections_that_are_closed_at_once_are_let_go_at_once() -> None:
    async with trio.open_nursery() as nursery:
        server = HttpServer(App(), LIMITS)
        address = await nursery.start(server.serve, "127.0.0.1", 0)
        for _ in range(50):
            (await trio.open_tcp_stream(*address)).socket.close()
        await wait_for(lambda: server.statistics().accepted == 50)
        await wait_for(lambda: server.statistics().connections == 0)
        nursery.cancel_scope.cancel()


async def test_idle_connections_give_way_to_one_that_asks() -> None:
    limits = HttpLimits().with_connections(8)
    async with trio.open_nursery() as nursery:
        server = HttpServer(App(), limits)
        address = await nursery.start(server.serve, "127.0.0.1", 0)
        idle = [await trio.open_tcp_stream(*address) for _ in range(30)]
        assert statuses(await ask(address)) == [200]
        await wait_for(lambda: server.statistics().accepted == 31)
        statistics = server.statistics()
        assert statistics.connections <= 8
        assert statistics.ended_for_others >= 22
        for stream in idle:
            stream.socket.close()
        nursery.cancel_scope.cancel()


async def test_an_address_with_many_connections_loses_one_of_its_own() -> None:
    limits = HttpLimits().with_connections(8)
    async with trio.open_nursery() as nursery:
        server = HttpServer(App(), limits)
        address = await nursery.start(server.serve, "127.0.0.1", 0)
        patient = await trio.open_tcp_stream(*address, local_address="127.0.0.9")
        await wait_for(lambda: server.statistics().accepted == 1)
        greedy = [await trio.open_tcp_stream(*address) for _ in range(20)]
        await wait_for(lambda: server.statistics().accepted == 21)
        await patient.send_all(GET)
        assert statuses(bytes(await patient.receive_some())) == [200]
        for stream in (patient, *greedy):
            stream.socket.close()
        nursery.cancel_scope.cancel()


class SilentStream:
    """A connection from an address that sends nothing."""

    def __init__(self, host: str) -> None:
        self.socket = self
        self.host = host
        self.closed = False

    def getpeername(self) -> tuple[str, int]:
        return self.host, 5000

    async def receive_some(self, _size: int) -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    async def aclose(self) -> None:
        self.closed = True


class SilentListener(trio.abc.Listener[Any]):
    """Accepts a connection from each of these addresses."""

    def __init__(self, hosts: list[str]) -> None:
        self.hosts = hosts
        self.taken: list[SilentStream] = []

    async def accept(self) -> Any:
        if len(self.taken) == len(self.hosts):
            await trio.sleep_forever()
        self.taken.append(SilentStream(self.hosts[len(self.taken)]))
        await trio.lowlevel.checkpoint()
        return self.taken[-1]

    async def aclose(self) -> None:
        pass


async def test_a_household_with_many_addresses_loses_a_connection_of_its_own(
    autojump_clock: object,
) -> None:
    """Each of its connections comes from another address of its network."""
    hosts = ["192.0.2.7", "192.0.2.8", *(f"2001:db8:1:2::{n}" for n in range(20))]
    async with trio.open_nursery() as nursery:
        server = HttpServer(App(), LIMITS.with_connections(8))
        listener = SilentListener(hosts)
        nursery.start_soon(server.accept, listener, nursery)
        await trio.sleep(5)
        assert server.statistics().connections == 8
        assert [stream.closed for stream in listener.taken[:2]] == [False, False]
        nursery.cancel_scope.cancel()


class FailingListener(trio.abc.Listener[Any]):
    """Accepts as a script says: an error's number, or 0 to wait for ever."""

    def __init__(self, script: list[int]) -> None:
        self.script = script
        self.asked_at: list[float] = []

    async def accept(self) -> Any:
        self.asked_at.append(trio.current_time())
        number = self.script.pop(0)
        if not number:
            await trio.sleep_forever()
        raise OSError(number, "told so by the test")

    async def aclose(self) -> None:
        pass


async def accept_from(listener: FailingListener, limits: HttpLimits = LIMITS) -> HttpServer:
    server = HttpServer(App(), limits)
    with trio.move_on_after(100):
        async with trio.open_nursery() as nursery:
            await server.accept(listener, nursery)
    return server


async def test_accepting_without_descriptors_backs_off_and_is_said_once(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    listener = FailingListener([errno.EMFILE] * 8 + [0])
    server = await accept_from(listener)
    pauses = [b - a for a, b in zip(listener.asked_at, listener.asked_at[1:], strict=False)]
    assert pauses == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0])
    assert server.statistics().accepts_failed == 8
    assert [record.message.split()[0] for record in caplog.records] == ["http_exhausted"]


async def test_accepting_a_connection_that_is_gone_goes_on_at_once(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    listener = FailingListener([errno.ECONNABORTED, errno.EPROTO, 0])
    server = await accept_from(listener)
    assert len(set(listener.asked_at)) == 1
    assert server.statistics().accepts_aborted == 2
    assert caplog.records == []


async def test_an_accept_that_can_never_work_is_not_hidden(autojump_clock: object) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        await accept_from(FailingListener([errno.EBADF]))
    assert caught.group_contains(OSError, match="told so")


async def test_accepting_goes_on_when_there_are_descriptors_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The process really has none left for a while."""
    resource = pytest.importorskip("resource")
    caplog.set_level(logging.INFO)
    async with trio.open_nursery() as nursery:
        server = HttpServer(App(), LIMITS)
        address = await nursery.start(server.serve, "127.0.0.1", 0)
        first, second = socket.socket(), socket.socket()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (first.fileno() + 1, hard))
        try:
            first.setblocking(False)
            first.connect_ex(tuple(address))
            await wait_for(lambda: server.statistics().accepts_failed >= 3)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert statuses(await ask(address)) == [200]
        first.close()
        second.close()
        nursery.cancel_scope.cancel()
    said = [record.message.split()[0] for record in caplog.records]
    assert said == ["http_exhausted", "http_accepts_again"]


def test_connections_leave_descriptors_for_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    for descriptors, expected in ((1024, 256), (96, 32), (64, 8), (resource.RLIM_INFINITY, 256)):
        monkeypatch.setattr(resource, "getrlimit", lambda _which, d=descriptors: (d, d))
        assert connections_that_fit(256) == expected


@pytest.mark.parametrize("connections", [8, 9, 32, 100, 256])
def test_most_connections_are_no_waiting_passwords(connections: int) -> None:
    """A connection whose password waits for its turn can't be ended for another."""
    hashes = HttpLimits().with_connections(connections).hashes
    assert hashes.waiting_max == connections // 4
    assert hashes.waiting_here_max <= (hashes.waiting_max + 1) // 2
    with pytest.raises(AssertionError):
        HttpLimits(connections_max=4 * hashes.waiting_max - 1, hashes=hashes)


# -- listening -----------------------------------------------------------------------------------


async def test_taken_port_is_told_in_words() -> None:
    async with trio.open_nursery() as nursery:
        address = await nursery.start(HttpServer(App(), LIMITS).serve, "127.0.0.1", 0)
        with pytest.raises(
            UnavailableError, match=f"TCP port {address.port} on 127.0.0.1 is in use: .*--http"
        ):
            await HttpServer(App(), LIMITS).serve(*address)
        nursery.cancel_scope.cancel()


async def test_address_of_another_machine_is_told_in_words() -> None:
    with pytest.raises(UnavailableError, match=r"can't listen on 192\.0\.2\.1:0: .*--http"):
        await HttpServer(App(), LIMITS).serve("192.0.2.1", 0)
