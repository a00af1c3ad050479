"""The replication server as a process: sockets, clocks, the database and HTTP around the core.

Five loops share one core and one thread: datagrams of clients, datagrams of shards, the tick, the
database, HTTP. None of them awaits while it changes the core.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import resource
import socket
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import trio

from sidereal.protocol.errors import StoreError
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, Address
from sidereal.protocol.links import UserData, derive_shard_key, encode_user_data
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.protocol.runtime.config import format_endpoint, parse_endpoint
from sidereal.protocol.runtime.memory import private_bytes
from sidereal.protocol.runtime.process import entropy, fields, settle_memory, wall_clock_now
from sidereal.protocol.runtime.udp import UdpSocket, open_udp
from sidereal.protocol.session.token import generate_connect_token
from sidereal.protocol.state.schema import BASE_SCHEMA, Schema
from sidereal.replication.config import EMBEDDED, ReplicationConfig
from sidereal.replication.ending import GOODBYE_S
from sidereal.replication.genesis import make_world
from sidereal.replication.http.app import HttpConfig, create_app
from sidereal.replication.http.limits import HttpLimits
from sidereal.replication.http.metrics import Metric
from sidereal.replication.http.server import HttpServer
from sidereal.replication.http.status import Board, count_world, describe_metrics, describe_world
from sidereal.replication.keeping.postgres.postmaster import Embedded, bare_errors
from sidereal.replication.keeping.saver import Saver
from sidereal.replication.keeping.store import Store, open_store
from sidereal.replication.links.reservations import Reservations
from sidereal.replication.replicator import Keys, Outgoing, Replicator
from sidereal.replication.unanswered import Unanswered

log = logging.getLogger("sidereal.replication")

TOKEN_EXPIRE_S: Final = 45
TOKEN_TIMEOUT_S: Final = 10
RESERVE_S: Final = TOKEN_TIMEOUT_S + 5.0
"""How long an account is kept for a session that may still come in: its client gives up connecting
after `TOKEN_TIMEOUT_S`, and has as long as `playerlink.HELLO_WITHIN_S` to say hello."""
RESERVATIONS_MAX: Final = 65_536
SAVE_ROWS_MAX: Final = 20_000
"""Rows per write to the database."""

SAVE_IDLE_S: Final = 0.2
SAVE_RETRY_S: Final = 1.0
STATUS_AGE_S_MAX: Final = 0.2
"""A status serves everybody who asks for so long: making one takes 15 ms of the tick's thread."""

WATCH_S: Final = 1.0
"""How often the sockets are asked what the system dropped."""


class Service:
    """One replication server's shell; `run` makes and runs it.

    Attributes:
        saver: writes into the database what has changed.
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
        self._reservations = Reservations(RESERVE_S, RESERVATIONS_MAX)
        self._board = Board()
        self.saver = Saver(replicator, store, self._board.flushes.add)
        self._started_at = trio.current_time()
        self._status: dict[str, Any] = {}
        self._described_at = -math.inf

    # -- what HTTP asks for ---------------------------------------------------------------------

    def issue_token(self, account_id: int, role: Role, name: str) -> bytes:
        """Make a connect token for whoever has logged in."""
        user = UserData(account_id, role, name, entropy(16))
        return generate_connect_token(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=self._client_key,
            client_id=int.from_bytes(entropy(8), "little"),
            server_addresses=[_public_address(self._config, self._clients)],
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
            why = database.reason or "it is slow"
            return False, f"nothing was saved for {self.saver.unsaved_s:.1f} s: {why}"
        if not len(self._core.shards.shards):
            return False, "no shard is connected"
        return True, "ready"

    def status(self) -> dict[str, Any]:
        """Describe the world and its server, as of a moment ago: the body of `/v1/status`."""
        now = trio.current_time()
        if now - self._described_at >= STATUS_AGE_S_MAX:
            self._status, self._described_at = self._describe(), now
        return self._status

    def counts(self) -> dict[str, Any]:
        """Count what is in the world, for strangers."""
        return {
            "version": version("sidereal-replication"),
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
            "version": version("sidereal-replication"),
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
        core, now, wall_now = self._core, trio.current_time(), wall_clock_now()
        tick = core.tick
        core.receive_shards(self._shards.receive_nowait(), now, wall_now)
        core.receive_clients(self._clients.receive_nowait(), now, wall_now)
        self._send(core.turn(now, wall_now))
        if core.tick != tick:
            self.saver.look_for_requests()
            self._log_notes()
            self._watch(now)
            self._board.ticks.add((trio.current_time() - now) * 1000)

    def _send(self, outgoing: Outgoing) -> None:
        self._shards.send_nowait(outgoing.shards)
        self._clients.send_nowait(outgoing.clients)

    def _log_notes(self) -> None:
        for note in self._core.notes.take():
            self._board.notes.append(note)
            level = logging.DEBUG if note.event == "handover" else logging.INFO
            log.log(level, "%s %s", note.event, fields(tick=note.tick, **note.fields))

    def _watch(self, now: float) -> None:
        """Say once a second what nobody is answered for."""
        if now - self._watched_at >= WATCH_S:
            self._watched_at = now
            self._watch_sockets()
            self._explain_silence()

    def _explain_silence(self) -> None:
        for reason in self._unanswered.news(self._core.shards.endpoint.statistics().session):
            asked_for = ",".join(map(format_endpoint, reason.asked_for)) or "-"
            said = fields(requests=reason.requests, asked_for=asked_for, why=reason.words)
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


async def run(config: ReplicationConfig, announce: Callable[[Mapping[str, str]], None]) -> None:
    """Run a replication server until cancelled.

    A start is cancelled at once, whatever it waits for. From then on only the serving is: the
    database and the loop that speaks to it outlive it, so that what players did up to the last
    tick is saved, and they are told why it ends.

    Args:
        config: checked by this.
        announce: is told the URL of the HTTP endpoint and the two UDP endpoints, once.

    Raises:
        ConfigError: the settings can't work.
        UnavailableError: a port is taken, the database can't be reached, or another server writes
            there.
        StoreError: the run is over, and rows of it could not be saved.
    """
    config.check()
    log.info("starting %s", config.describe())
    serving, lost = trio.CancelScope(), [0]
    try:
        with bare_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_pass_cancellation_to, serving)
                with trio.CancelScope(shield=True):
                    async with trio.open_nursery() as keeping:
                        with serving:
                            await _run(config, announce, keeping, lost)
                        keeping.cancel_scope.cancel()
                nursery.cancel_scope.cancel()
    except trio.Cancelled:
        # The usual end; only that it was not a good one must still be said.
        _report(lost[0])
        raise
    _report(lost[0])


def _report(lost: int) -> None:
    if lost:
        raise StoreError(f"{lost} rows were not saved: what they held is lost (see the log)")


async def _pass_cancellation_to(scope: trio.CancelScope) -> None:
    try:
        await trio.sleep_forever()
    finally:
        scope.cancel()


async def _keep_store(
    config: ReplicationConfig, schema: Schema, *, task_status: trio.TaskStatus[Store]
) -> None:
    """Keep the store open until cancelled; a start that is cancelled before it is open ends it."""
    database = Embedded(config.data_dir) if config.database == EMBEDDED else config.database
    async with open_store(database, schema) as store:
        task_status.started(store)
        await trio.sleep_forever()


async def _run(
    config: ReplicationConfig,
    announce: Callable[[Mapping[str, str]], None],
    keeping: trio.Nursery,
    lost: list[int],
) -> None:
    schema, rules = BASE_SCHEMA, Rules()
    http = parse_endpoint(config.http, "--http")
    with (
        await open_udp(*parse_endpoint(config.clients, "--clients")) as clients,
        await open_udp(*parse_endpoint(config.shards, "--shards")) as shards,
    ):
        store: Store = await keeping.start(_keep_store, config, schema)
        holder = f"process {os.getpid()} on {socket.gethostname()}"
        await store.begin(config.supervisor or entropy(16).hex(), holder)
        client_key = entropy(32)
        core = await _load(config, store, schema, rules, client_key, clients, shards)
        service = Service(config, store, core, clients, shards, client_key)
        http_config = HttpConfig(CLIENT_PROTOCOL_ID, schema.hash, TOKEN_EXPIRE_S, config.access())
        http_limits = HttpLimits()
        app = create_app(store, service, http_config, entropy, http_limits)
        http_server = HttpServer(app, http_limits)
        settle_memory()
        try:
            async with trio.open_nursery() as nursery:
                address = await nursery.start(http_server.serve, *http)
                nursery.start_soon(service.serve, clients)
                nursery.start_soon(service.serve, shards)
                nursery.start_soon(service.saver.run)
                nursery.start_soon(service.saver.fetch_ships)
                announce(
                    {
                        "http": f"http://{format_endpoint(address)}",
                        "clients": format_endpoint(clients.address),
                        "shards": format_endpoint(shards.address),
                    }
                )
                await service.tick()
        finally:
            with trio.CancelScope(shield=True):
                lost[0] = await service.close()


def _public_address(config: ReplicationConfig, clients: UdpSocket) -> Address:
    """Tell what connect tokens call the endpoint for clients, and what it answers to."""
    if config.public_clients is None:
        return clients.address
    return parse_endpoint(config.public_clients, "--public-clients")


def _shard_addresses(config: ReplicationConfig, shards: UdpSocket) -> list[Address]:
    """Tell what shards' tokens may call their endpoint: bound to all hosts it is any of them."""
    if config.public_shards is None:
        return [shards.address]
    return [shards.address, parse_endpoint(config.public_shards, "--public-shards")]


async def _load(
    config: ReplicationConfig,
    store: Store,
    schema: Schema,
    rules: Rules,
    client_key: bytes,
    clients: UdpSocket,
    shards: UdpSocket,
) -> Replicator:
    recovered = await store.load_world()
    core = Replicator(
        schema=schema,
        rules=rules,
        keys=Keys(client_key, derive_shard_key(config.shard_key)),
        client_addresses=[_public_address(config, clients)],
        shard_addresses=_shard_addresses(config, shards),
        clients_max=config.clients_max,
        entropy=entropy,
        rng=np.random.default_rng(),
        now=trio.current_time(),
        tick=recovered.tick,
    )
    if recovered.tick or len(recovered.rows):
        core.populate(recovered.rows, recovered.uuid)
        log.info("recovered %s", fields(tick=recovered.tick, rows=len(recovered.rows)))
    else:
        core.create(make_world(config.world, schema, rules, np.random.default_rng(config.seed)))
        log.info("created %s", fields(world=config.world, seed=config.seed))
    return core
