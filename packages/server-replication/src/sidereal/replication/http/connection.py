"""One HTTP/1.1 connection: the one door to h11.

Theory of operation. A connection reads a request, lets the application answer it, and goes on with
the next. Whatever it waits for has a limit: the head, the body, the peer that reads the answer, the
next request. While the application works, the connection watches for the end
of its peer: then the request is cancelled and the connection is closed. A peer that closes only its
sending side counts as gone too.

What is no HTTP/1.1 is answered with problem details and closed. There is no HTTP/2 and no upgrade.
A request with both `Content-Length` and `Transfer-Encoding` is refused: whoever reads the other one
of the two would take its body for another request (RFC 9112, section 6.3).

`waits_since` tells whether the connection waits for its peer: such a one may be ended for another.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

import h11
import trio

from sidereal.protocol.errors import WireError
from sidereal.protocol.ids import Address
from sidereal.replication.http.limits import HttpLimits
from sidereal.replication.http.problems import PROBLEM_TYPE, describe_problem
from sidereal.replication.links.networks import network_of

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
"""An ASGI application."""

RECEIVE_SIZE: Final = 16_384
VERSIONS: Final = (b"1.0", b"1.1")
ABSOLUTE_FORM: Final = re.compile(rb"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
"""A target as proxies get it: its authority stands for the Host (RFC 9112, section 3.2.2)."""


class _Ended(Exception):
    """The connection is over; there is nobody to tell."""


class _BadRequest(WireError):
    """What came is no request that is answered, or none that is answered now."""

    def __init__(self, status: int, text: str, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after_s = retry_after_s


class Connection:
    """A peer's connection.

    Attributes:
        peer: its address.
        network: what of that counts as one address.
        scope: of its task; cancelled, the connection ends at once.
        waits_since: since when it waits for its peer; None while it works.
    """

    def __init__(
        self,
        stream: trio.abc.HalfCloseableStream,
        peer: Address,
        application: Application,
        limits: HttpLimits,
        wall_clock: Callable[[], float],
        pace: Callable[[str], float | None] = lambda _forwarded_for: 0.0,
    ) -> None:
        """Prepare to serve a peer.

        Args:
            stream: to it.
            peer: its address.
            application: answers its requests.
            limits: of all waiting.
            wall_clock: Unix seconds, for the date of answers.
            pace: takes the `X-Forwarded-For` of the next request and gives the seconds that it must
                wait, or None: that is too long.
        """
        self.peer = peer
        self.network = network_of(peer.host)
        self.scope = trio.CancelScope()
        self.waits_since: float | None = trio.current_time()
        self._stream = stream
        self._application = application
        self._limits = limits
        self._wall_clock = wall_clock
        self._pace = pace
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_size_max)
        self._begun = False
        self._bodiless = False
        self._body_ended = trio.Event()
        self._end_given = False
        self._body_due = 0.0
        self._fault: _BadRequest | None = None

    async def serve(self) -> None:
        """Serve requests until the connection ends, and close it."""
        try:
            with self.scope:
                await self._serve()
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _serve(self) -> None:
        try:
            try:
                while await self._serve_request():
                    pass
            except _BadRequest as error:
                await self._refuse(error)
            await self._linger()
        except (_Ended, trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def _serve_request(self) -> bool:
        """Answer one request; tells whether another may follow."""
        self._bodiless = False
        request = await self._read_head()
        self._bodiless = request.method == b"HEAD"
        await self._wait_for_its_turn(request)
        self._body_ended, self._end_given, self._fault = trio.Event(), False, None
        self._body_due = trio.current_time() + self._limits.body_within_s
        scope = self._describe_untrusted(request)
        answer = _Answer()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_peer, nursery.cancel_scope)
            await self._application(scope, lambda: self._receive(nursery.cancel_scope), answer.take)
            nursery.cancel_scope.cancel()
        if self._fault is not None:
            raise self._fault
        if not answer.finished:
            raise _Ended
        await self._send_answer(answer)
        if {self._h11.our_state, self._h11.their_state} != {h11.DONE}:
            return False
        self._h11.start_next_cycle()
        return True

    async def _wait_for_its_turn(self, request: h11.Request) -> None:
        """Hold a request back whose address sends too many: each takes time from the tick.

        Raises:
            _BadRequest: it would have to wait too long.
        """
        hops = [value for name, value in request.headers if name == b"x-forwarded-for"]
        wait_s = self._pace(b",".join(hops).decode("latin-1"))
        if wait_s is None:
            seconds = math.ceil(self._limits.throttle.request_wait_s_max)
            text = f"too many requests came from here; try again in {seconds} s"
            raise _BadRequest(HTTPStatus.TOO_MANY_REQUESTS, text, seconds)
        if wait_s:
            self.waits_since = trio.current_time()
            await trio.sleep(wait_s)
            self.waits_since = None

    # -- reading --------------------------------------------------------------------------------

    async def _read_head(self) -> h11.Request:
        """Read a request up to its body.

        Raises:
            _Ended: the peer is gone, or has sent nothing in time.
            _BadRequest: it is none, or came too slowly.
        """
        limits = self._limits
        heard = bool(self._h11.trailing_data[0])
        limit_s = limits.idle_s if self._begun and not heard else limits.head_within_s
        self._begun = True
        with trio.move_on_after(limit_s) as patience:
            while (event := self._next_event()) is h11.NEED_DATA:
                await self._receive_bytes()
                if not heard:
                    heard = True
                    patience.deadline = trio.current_time() + limits.head_within_s
            if not isinstance(event, h11.Request):
                raise _Ended
            return event
        if heard:
            raise _BadRequest(408, f"the head took more than {limits.head_within_s:g} s")
        raise _Ended

    async def _receive(self, scope: trio.CancelScope) -> Message:
        """Give the application the next part of the body."""
        try:
            while not self._body_ended.is_set():
                event = self._next_event()
                if isinstance(event, h11.Data):
                    return {"type": "http.request", "body": bytes(event.data), "more_body": True}
                if isinstance(event, h11.EndOfMessage):
                    self._body_ended.set()
                elif event is h11.NEED_DATA:
                    await self._send_go_on()
                    await self._receive_body()
                else:
                    raise _Ended
        except _BadRequest as error:
            self._fault = error
            scope.cancel()
        except (_Ended, trio.BrokenResourceError):
            scope.cancel()
        if self._body_ended.is_set() and not self._end_given:
            self._end_given = True
            return {"type": "http.request", "body": b"", "more_body": False}
        # Nothing more comes for the application: its task is cancelled, now or by `_watch_peer`.
        await trio.sleep_forever()

    async def _send_go_on(self) -> None:
        if self._h11.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await self._write(self._h11.send(go_on) or b"")

    async def _receive_body(self) -> None:
        with trio.move_on_at(self._body_due) as patience:
            await self._receive_bytes()
        if patience.cancelled_caught:
            raise _BadRequest(408, f"the body took more than {self._limits.body_within_s:g} s")

    async def _watch_peer(self, scope: trio.CancelScope) -> None:
        """Cancel the request when its peer is gone; keep what it sends ahead, up to a limit."""
        await self._body_ended.wait()
        ahead = 0
        while ahead <= self._limits.head_size_max:
            try:
                data = await self._stream.receive_some(RECEIVE_SIZE)
            except trio.BrokenResourceError:
                data = b""
            if not data:
                scope.cancel()
                return
            self._h11.receive_data(bytes(data))
            ahead += len(data)

    async def _receive_bytes(self) -> None:
        self.waits_since = trio.current_time()
        data = await self._stream.receive_some(RECEIVE_SIZE)
        self.waits_since = None
        self._h11.receive_data(bytes(data))

    def _next_event(self) -> object:
        try:
            return self._h11.next_event()
        except h11.RemoteProtocolError as error:
            raise _BadRequest(error.error_status_hint, str(error)) from None

    def _describe_untrusted(self, request: h11.Request) -> Message:
        """Make what ASGI calls the scope of a request.

        Raises:
            _BadRequest: it is a request that is not answered here.
        """
        names = {name for name, _ in request.headers}
        if request.http_version not in VERSIONS:
            raise _BadRequest(505, "this server speaks HTTP/1.1")
        if b"transfer-encoding" in names and (
            b"content-length" in names or request.http_version == b"1.0"
        ):
            raise _BadRequest(400, "it is not clear where the body ends")
        headers, target = list(request.headers), bytes(request.target)
        if (absolute := ABSOLUTE_FORM.fullmatch(target)) is not None:
            host, target = absolute[1], absolute[2]
            headers = [(name, host if name == b"host" else value) for name, value in headers]
        if not target.startswith(b"/"):
            raise _BadRequest(400, "the target must be a path")
        if not names & {b"content-length", b"transfer-encoding"}:
            self._next_event()  # the end of a body that is none
            self._body_ended.set()
        path, _, query = target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.http_version.decode(),
            "method": request.method.decode(),
            "scheme": "http",
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": self.peer,
            "server": None,
        }

    # -- writing --------------------------------------------------------------------------------

    async def _send_answer(self, answer: _Answer) -> None:
        headers = [*answer.headers, (b"date", self._date())]
        if not self._body_ended.is_set():
            headers.append((b"connection", b"close"))  # the rest of the body is never read
        await self._send_response(answer.status, headers, bytes(answer.body))

    async def _refuse(self, error: _BadRequest) -> None:
        if self._h11.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        body = describe_problem(error.status, str(error))
        headers = [
            (b"content-type", PROBLEM_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"date", self._date()),
            (b"connection", b"close"),
        ]
        if error.retry_after_s is not None:
            headers.append((b"retry-after", b"%d" % error.retry_after_s))
        await self._send_response(error.status, headers, body)

    async def _send_response(
        self, status: int, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> None:
        events: list[h11.Event] = [h11.Response(status_code=status, headers=headers)]
        if body and not self._bodiless:
            events.append(h11.Data(data=body))
        parts = [self._h11.send(event) or b"" for event in (*events, h11.EndOfMessage())]
        await self._write(b"".join(parts))

    async def _write(self, data: bytes) -> None:
        self.waits_since = trio.current_time()
        with trio.move_on_after(self._limits.write_within_s):
            await self._stream.send_all(data)
            self.waits_since = None
            return
        raise _Ended

    async def _linger(self) -> None:
        """End our side, and read on for a moment: unread bytes would reset what we sent last."""
        self.waits_since = trio.current_time()
        with trio.move_on_after(self._limits.linger_s):
            await self._stream.send_eof()
            left = self._limits.linger_size_max
            while left > 0 and (data := await self._stream.receive_some(RECEIVE_SIZE)):
                left -= len(data)

    def _date(self) -> bytes:
        return formatdate(self._wall_clock(), usegmt=True).encode()


class _Answer:
    """What the application answers, as a whole."""

    def __init__(self) -> None:
        self.status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.finished = False

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")
            self.finished = not message.get("more_body", False)
