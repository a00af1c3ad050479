"""The replication server from its start to its end: what is opened, in which order, and closed."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from typing import Final

import numpy as np
import trio

from sidereal.game.declarations import Declarations
from sidereal.protocol.errors import ConfigError, StoreError, UnavailableError
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, Address
from sidereal.protocol.links import derive_shard_key
from sidereal.protocol.rules import Rules
from sidereal.protocol.runtime.config import format_endpoint, parse_endpoint
from sidereal.protocol.runtime.process import entropy, fields, settle_memory
from sidereal.protocol.runtime.udp import UdpSocket, open_udp
from sidereal.replication.config import EMBEDDED, ReplicationConfig
from sidereal.replication.ending import STORE_CLOSE_S_MAX
from sidereal.replication.http.app import HttpConfig, create_app
from sidereal.replication.http.limits import HttpLimits, connections_that_fit
from sidereal.replication.http.server import HttpServer
from sidereal.replication.keeping.postgres.postmaster import Embedded, bare_errors
from sidereal.replication.keeping.store import Store, open_store
from sidereal.replication.keeping.tables import FencedError
from sidereal.replication.play.worlds import make_world
from sidereal.replication.replicator import Keys, Replicator
from sidereal.replication.service import TOKEN_EXPIRE_S, Service, public_address

log = logging.getLogger("sidereal.replication")

CLIENTS_FLAG: Final = "--clients (of up: --client-port)"
SHARDS_FLAG: Final = "--shards (of up: --shard-port)"
"""By what the UDP ports are chosen, in words for whoever chose one that is in use."""


async def run(
    config: ReplicationConfig,
    announce: Callable[[Mapping[str, str]], None],
    deaths: trio.MemoryReceiveChannel[str] | None = None,
) -> None:
    """Run a replication server until cancelled.

    A start is cancelled at once, whatever it waits for. From then on only the serving is: the
    database and the loop that speaks to it outlive it, so that what players did up to the last
    tick is saved, and they are told why it ends.

    Args:
        config: checked by this.
        announce: is told the URL of the HTTP endpoint, the two UDP endpoints and, where it is
            known, what the world was made from; once.
        deaths: lines of a supervisor, each of which tells that a shard has died.

    Raises:
        ConfigError: the settings can't work.
        UnavailableError: a port is taken, the database can't be reached, or another server writes
            there.
        StoreError: the run is over, and rows of it could not be saved.
    """
    game = config.check()
    log.info("starting %s", config.describe())
    serving, lost = trio.CancelScope(), [0]
    try:
        with bare_errors():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_pass_cancellation_to, serving)
                with trio.CancelScope(shield=True):
                    async with trio.open_nursery() as keeping:
                        with serving:
                            await _run(config, game, announce, deaths, keeping, lost)
                        keeping.cancel_scope.cancel()
                nursery.cancel_scope.cancel()
    except trio.Cancelled:
        # The server ends here as usual; what remains is to say that rows were lost.
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
    config: ReplicationConfig, game: Declarations, *, task_status: trio.TaskStatus[Store]
) -> None:
    """Keep the store open until cancelled; a start that is cancelled before it is open ends it."""
    database = Embedded(config.data_dir) if config.database == EMBEDDED else config.database
    async with open_store(database, game, clamp=config.clamp) as store:
        task_status.started(store)
        await trio.sleep_forever()


async def _run(
    config: ReplicationConfig,
    game: Declarations,
    announce: Callable[[Mapping[str, str]], None],
    deaths: trio.MemoryReceiveChannel[str] | None,
    keeping: trio.Nursery,
    lost: list[int],
) -> None:
    rules = Rules()
    http = parse_endpoint(config.http, "--http")
    with (
        await open_udp(*parse_endpoint(config.clients, "--clients"), CLIENTS_FLAG) as clients,
        await open_udp(*parse_endpoint(config.shards, "--shards"), SHARDS_FLAG) as shards,
    ):
        store: Store = await keeping.start(_keep_store, config, game)
        begun_as = await _find_beginning(config, store)
        holder = f"process {os.getpid()} on {socket.gethostname()}"
        await store.begin(config.supervisor or entropy(16).hex(), holder)
        client_key = entropy(32)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(_give_back, store)
            core, made = await _load(config, game, store, rules, client_key, clients, shards)
            stack.pop_all()
        world = made or begun_as or config.world
        service = Service(config, store, core, clients, shards, client_key)
        http_config = HttpConfig(
            CLIENT_PROTOCOL_ID, core.schema.hash, TOKEN_EXPIRE_S, config.access()
        )
        http_limits = HttpLimits()
        connections_max = connections_that_fit(http_limits.connections_max)
        http_limits = http_limits.with_connections(connections_max)
        app = create_app(store, service, http_config, entropy, http_limits)
        service.http = http_server = HttpServer(app, http_limits, config.proxies)
        settle_memory()
        try:
            async with trio.open_nursery() as nursery:
                address = await nursery.start(http_server.serve, *http)
                nursery.start_soon(service.serve, clients)
                nursery.start_soon(service.serve, shards)
                nursery.start_soon(service.saver.run)
                nursery.start_soon(service.saver.fetch_berths)
                nursery.start_soon(service.saver.post_actions)
                if deaths is not None:
                    nursery.start_soon(service.hear_deaths, deaths)
                announce(
                    {
                        "http": f"http://{format_endpoint(address)}",
                        "clients": format_endpoint(clients.address),
                        "shards": format_endpoint(shards.address),
                        **({"world": world} if world in game.worlds else {}),
                    }
                )
                await service.tick()
        finally:
            with trio.CancelScope(shield=True):
                lost[0] = await service.close()


async def _give_back(store: Store) -> None:
    """Let another server write, for this one can't: whoever comes next need not wait."""
    with trio.move_on_after(STORE_CLOSE_S_MAX, shield=True), suppress(StoreError):
        await store.release()


def _shard_addresses(config: ReplicationConfig, shards: UdpSocket) -> list[Address]:
    """Tell what shards' tokens may call their endpoint: bound to all hosts it is any of them."""
    if config.public_shards is None:
        return [shards.address]
    return [shards.address, parse_endpoint(config.public_shards, "--public-shards")]


async def _find_beginning(config: ReplicationConfig, store: Store) -> str | None:
    """Tell what the saved world was made from; None if there is none or it is unknown.

    Raises:
        ConfigError: another world is wanted.
    """
    begun_as = await store.find_beginning()
    if config.world and begun_as and config.world != begun_as:
        raise ConfigError(
            f"the database holds the world {begun_as}, which goes on without --world: for "
            f"{config.world} give another --data-dir or --database"
        )
    return begun_as


@contextmanager
def _ending_when_fenced() -> Iterator[None]:
    try:
        yield
    except FencedError as error:
        raise UnavailableError(f"{error}: this server ends") from None


async def _load(
    config: ReplicationConfig,
    game: Declarations,
    store: Store,
    rules: Rules,
    client_key: bytes,
    clients: UdpSocket,
    shards: UdpSocket,
) -> tuple[Replicator, str | None]:
    """Go on with the saved world or make a new one; returns what a new one was made from, too."""
    made = None
    with _ending_when_fenced():
        recovered = await store.load_world()
        placeless = await store.load_placeless()
    core = Replicator(
        game=game,
        rules=rules,
        keys=Keys(client_key, derive_shard_key(config.shard_key)),
        client_addresses=[public_address(config, clients)],
        shard_addresses=_shard_addresses(config, shards),
        clients_max=config.clients_max,
        entropy=entropy,
        rng=np.random.default_rng(),
        now=trio.current_time(),
        tick=recovered.tick,
        limits=config.limits(),
    )
    if recovered.tick or len(recovered.rows):
        core.populate(recovered.rows, recovered.uuid)
        log.info("recovered %s", fields(tick=recovered.tick, rows=len(recovered.rows)))
    else:
        made = config.world or next(iter(game.worlds), None)
        core.create(make_world(game, core.schema, made, np.random.default_rng(config.seed)))
        with _ending_when_fenced():
            await store.note_beginning(made)
        log.info("created %s", fields(world=made, seed=config.seed))
    # What accounts and the world have may lead to entities, which have their ids by now.
    core.actions.books.load(placeless)
    return core, made
