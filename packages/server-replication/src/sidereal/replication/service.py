"""The replication server as a process: sockets, clocks, the database and HTTP around the core.

Five loops share one core and one thread: datagrams of clients, datagrams of shards, the tick, the
database, and HTTP. None of them awaits anything while it changes the core.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import resource
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

import trio

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, Address
from sidereal.protocol.links import UserData, encode_user_data
from sidereal.protocol.message.player import Role
from sidereal.protocol.runtime.config import format_endpoint, parse_endpoint
from sidereal.protocol.runtime.memory import private_bytes
from sidereal.protocol.runtime.process import entropy, fields, wall_clock_now
from sidereal.protocol.runtime.udp import UdpSocket
from sidereal.protocol.session.token import generate_connect_token
from sidereal.replication.actions.refusals import AGAIN
from sidereal.replication.config import ReplicationConfig
from sidereal.replication.deaths import read_death
from sidereal.replication.ending import GOODBYE_S
from sidereal.replication.http.metrics import Metric
from sidereal.replication.http.server import HttpServer
from sidereal.replication.http.status import Board, count_world, describe_metrics, describe_world
from sidereal.replication.keeping.saver import Saver
from sidereal.replication.keeping.store import Store
from sidereal.replication.links.reservations import Reservations
from sidereal.replication.replicator import Outgoing, Replicator
from sidereal.replication.unanswered import Unanswered

log = logging.getLogger("sidereal.replication")

VERSION: Final = version("sidereal-replication")
"""Read once: it is in a file of the package."""

TOKEN_EXPIRE_S: Final = 45
TOKEN_TIMEOUT_S: Final = 10
STATUS_AGE_S_MAX: Final = 0.2
"""A status serves everybody who asks for so long: making one takes 15 ms of the tick's thread.
Counts do, too."""

REST_SHARE: Final = 0.1
"""Of what a tick takes: for so long no other one begins, whatever is due, so that saving and HTTP
go on when the world takes more time than there is."""
WATCH_S: Final = 1.0
"""How often the sockets are asked what the system dropped."""


class Service:
    """One replication server's shell; `lifecycle.run` makes and runs it.

    Attributes:
        saver: writes into the database what has changed.
        http: the server of the HTTP endpoint, once it is there.
    """

    def __init__(
        self,
        config: ReplicationConfig,
        store: Store,
        replicator: Replicator,
        clients: UdpSocket,
        shards: UdpSocket,
        client_key: bytes,
    ) -> None:
        self._config = config
        self._store = store
        self._core = replicator
        self._clients = clients
        self._shards = shards
        self._sockets = {"clients": clients, "shards": shards}
        self._overflowed = dict.fromkeys(self._sockets, 0)
        self._watched_at = -math.inf
        self._unanswered = Unanswered()
        self._client_key = client_key
        players = replicator.limits.players
        # As long as its session may still come in: until its client gives up connecting, and then
        # until it has said hello.
        reserve_s = TOKEN_TIMEOUT_S + players.hello_within_s
        self._reservations = Reservations(reserve_s, players.reservations)
        self._board = Board()
        self.saver = Saver(replicator, store, self._board.flushes.add, replicator.limits.keeping)
        self._started_at = trio.current_time()
        self._status: dict[str, Any] = {}
        self.http: HttpServer | None = None
        self._described_at = -math.inf
        self._counts: dict[str, Any] = {}
        self._counted_at = -math.inf

    # -- what HTTP asks for ---------------------------------------------------------------------

    def issue_token(self, account_id: int, role: Role, name: str) -> bytes:
        """Make a connect token for whoever has logged in."""
        user = UserData(account_id, role, name, entropy(16))
        return generate_connect_token(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=self._client_key,
            client_id=int.from_bytes(entropy(8), "little"),
            server_addresses=[public_address(self._config, self._clients)],
            user_data=encode_user_data(user),
            expire_s=TOKEN_EXPIRE_S,
            timeout_s=TOKEN_TIMEOUT_S,
            wall_now=wall_clock_now(),
            entropy=entropy,
        )

    def reserve(self, account_id: int) -> bool:
        """Keep an account for the next session; False when somebody is in the world with it."""
        if self._core.clients.players.of_account(account_id, Role.PLAYER) is not None:
            return False
        return self._reservations.take(account_id, trio.current_time())

    def ready(self) -> tuple[bool, str]:
        """Tell whether players can come in, and if not, why."""
        database = self._store.statistics()
        if self._core.ticks.due_at == -math.inf:
            return False, "the world is not running yet"
        if self.saver.behind:
            # Strangers hear this; what the database said is in the log and in the status.
            why = "is slow" if database.available else "takes no writes"
            return False, f"nothing was saved for {self.saver.unsaved_s:.1f} s: the database {why}"
        if not len(self._core.shards.shards):
            return False, "no shard is connected: the world stands still until one is back"
        if self._core.clock.stands_still:
            return False, "no shard simulates: the world stands still until one does"
        return True, "ready"

    def status(self) -> dict[str, Any]:
        """Describe the world and its server, as of a moment ago: the body of `/v1/status`."""
        now = trio.current_time()
        if now - self._described_at >= STATUS_AGE_S_MAX:
            self._status, self._described_at = self._describe(), now
        return self._status

    def counts(self) -> dict[str, Any]:
        """Count what is in the world, as of a moment ago, for strangers."""
        now = trio.current_time()
        if now - self._counted_at >= STATUS_AGE_S_MAX:
            self._counts, self._counted_at = self._count(), now
        return self._counts

    def _count(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "uptime_s": round(trio.current_time() - self._started_at, 3),
            "tick": self._core.tick,
            "tick_hz": self._core.rules.tick_hz,
            "ready": self.ready()[0],
            "counts": count_world(self._core),
        }

    def _describe(self) -> dict[str, Any]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        database = self._store.statistics()
        return {
            "version": VERSION,
            "uptime_s": round(trio.current_time() - self._started_at, 3),
            "schema_hash": self._core.schema.hash.hex(),
            "process": {
                "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
                "private_mb": round(private_bytes() / 1e6, 1),
            },
            "endpoints": {
                "clients": format_endpoint(self._clients.address),
                "shards": format_endpoint(self._shards.address),
            },
            "http": {} if self.http is None else dataclasses.asdict(self.http.statistics()),
            "sockets": {
                name: dataclasses.asdict(udp.statistics()) for name, udp in self._sockets.items()
            },
            "database": {
                "kind": database.kind,
                "available": database.available,
                "reason": database.reason,
                "saved_rows": database.saved_rows,
                "waiting_rows": self._core.saving.depth,
                "quarantined_rows": database.quarantined_rows,
                "flush_ms": self._board.flushes.quantiles(),
                "lag_ms": round(self.saver.unsaved_s * 1000, 1),
            },
            **describe_world(self._core, self._board),
        }

    def metrics(self) -> Iterable[Metric]:
        """Give the numbers Prometheus reads."""
        return describe_metrics(self.status())

    # -- the loops ------------------------------------------------------------------------------

    async def hear_deaths(self, lines: trio.MemoryReceiveChannel[str]) -> None:
        """Take in what a supervisor tells of its shards."""
        async for line in lines:
            try:
                death = read_death(line)
            except ConfigError as error:
                log.warning("not understood %s", fields(why=error))
            else:
                self._core.note_death(death.name, death.pid, trio.current_time())

    async def serve(self, udp: UdpSocket) -> None:
        """Take in datagrams of one socket as they come."""
        while True:
            await udp.wait_readable()
            self._turn()

    async def tick(self) -> None:
        """Run the world."""
        while True:
            await trio.sleep_until(self._core.next_timer())
            self._turn()

    def _turn(self) -> None:
        """Let the core take in what is there and do what is due."""
        core, now = self._core, self._take_in()
        stepped = core.advance(now)
        leaves_at = self._take_in() if stepped else now
        self._send(core.collect(leaves_at, wall_clock_now(), stepped=stepped))
        if stepped:
            self.saver.look_for_requests()
            self._log_notes()
            self._watch(now)
            took_s = trio.current_time() - now
            core.ticks.hold(now + (1.0 + REST_SHARE) * took_s)
            self._board.ticks.add(took_s * 1000)

    def _take_in(self) -> float:
        """Let the core take in what is there, each as of when it came; returns the time."""
        core = self._core
        shards, clients = self._shards.receive_nowait(), self._clients.receive_nowait()
        now, wall_now = trio.current_time(), wall_clock_now()
        for datagram, source, waited_s in shards:
            core.receive_shards([(datagram, source)], now - waited_s, wall_now)
        for datagram, source, waited_s in clients:
            core.receive_clients([(datagram, source)], now - waited_s, wall_now)
        return now

    def _send(self, outgoing: Outgoing) -> None:
        self._shards.send_nowait(outgoing.shards)
        self._clients.send_nowait(outgoing.clients)

    def _log_notes(self) -> None:
        for note in self._core.notes.take():
            if note.event != AGAIN:
                self._board.notes.append(note)
            level = logging.DEBUG if note.event in ("handover", AGAIN) else logging.INFO
            level = logging.ERROR if note.trace else level
            said = f"{note.event} {fields(tick=note.tick, **note.fields)}"
            log.log(level, "%s", f"{said}\n{note.trace.rstrip()}" if note.trace else said)

    def _watch(self, now: float) -> None:
        """Say once a second what nobody is answered for."""
        if now - self._watched_at >= WATCH_S:
            self._watched_at = now
            self._watch_sockets()
            self._explain_silence()

    def _explain_silence(self) -> None:
        for reason in self._unanswered.news(self._core.shards.endpoint.statistics().session):
            asked_for = ",".join(map(format_endpoint, reason.asked_for)) or "-"
            drop, requests = reason.drop.name, reason.requests
            said = fields(reason=drop, requests=requests, asked_for=asked_for, why=reason.words)
            log.warning("shard_unanswered %s", said)

    def _watch_sockets(self) -> None:
        """Say so when the system dropped datagrams because they came faster than they were read."""
        for name, udp in self._sockets.items():
            statistics = udp.statistics()
            new = statistics.receives_overflowed - self._overflowed[name]
            if new:
                self._overflowed[name] = statistics.receives_overflowed
                buffer = statistics.receive_buffer_size
                log.warning("overflowed %s", fields(socket=name, datagrams=new, buffer=buffer))

    async def close(self) -> int:
        """Say goodbye to everybody and save all that is left.

        Returns:
            rows that could not be saved.
        """
        self._send(self._core.close(trio.current_time(), wall_clock_now()))
        lost = await self.saver.finish()
        self._send(self._core.end_sessions(trio.current_time(), wall_clock_now()))
        await trio.sleep(GOODBYE_S)
        return lost


def public_address(config: ReplicationConfig, clients: UdpSocket) -> Address:
    """Tell what connect tokens call the endpoint for clients, and what it answers to."""
    if config.public_clients is None:
        return clients.address
    return parse_endpoint(config.public_clients, "--public-clients")
