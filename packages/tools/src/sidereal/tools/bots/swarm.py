"""Many clients in one process on one Trio loop, measured against their schedule.

A bot is the same client core that every face uses, without ever asking it for a view. Its inputs
follow an open loop that began at a random phase, so the load is even and a stall of the world
shows in the latencies instead of thinning the load out. A few of the bots also mirror what they see
and predict: enough to measure both, at a fraction of the cost. To the server all are alike.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx
import numpy as np
import trio

from sidereal.client.client import Client
from sidereal.client.driver import (
    Admission,
    SignInError,
    check_server,
    fetch_status,
    open_client_udp,
    open_session,
    register,
    turn,
    wait_turn,
)
from sidereal.client.events import Ended, Joined
from sidereal.client.statistics import Stage
from sidereal.protocol.errors import ConfigError, UnavailableError
from sidereal.protocol.limits import CLIENT_SLOTS_MAX
from sidereal.protocol.runtime.udp import UdpSocket
from sidereal.protocol.state.schema import BASE_SCHEMA, Schema
from sidereal.tools.bots.behaviour import BEHAVIOURS, Behaviour, make_behaviour
from sidereal.tools.bots.report import BotsMeasured

SIGN_INS_MAX: Final = 4
"""Log-ins under way at once: each costs the server a password hash."""
SAMPLE_S: Final = 1.0
SOFTWARE: Final = "sidereal bots"


@dataclass(frozen=True, slots=True)
class BotsConfig:
    """What load to make.

    Attributes:
        server: base URL of the replication server's HTTP endpoint.
        count: bots.
        ramp_s: time over which they come, seconds.
        for_s: how long the run lasts in all, None until stopped.
        behaviour: one of `BEHAVIOURS`.
        seed: decides accounts' passwords and all that bots do.
        first: number of the first bot, for a load spread over processes.
        mirroring: how many of them keep a replica of what they are told, None for all; the others
            read of each snapshot only their own ship.
        predicting: how many of them run the prediction.
    """

    server: str = "http://127.0.0.1:7070"
    count: int = 20
    ramp_s: float = 2.0
    for_s: float | None = None
    behaviour: str = "wander"
    seed: int = 0
    first: int = 1
    mirroring: int | None = 8
    predicting: int = 4

    def check(self) -> None:
        """Check that this load can be made.

        Raises:
            ConfigError: naming every problem at once.
        """
        problems = []
        try:
            check_server(self.server)
        except ConfigError as error:
            problems.append(str(error))
        if not 1 <= self.count <= CLIENT_SLOTS_MAX:
            problems.append(f"count must be 1 to {CLIENT_SLOTS_MAX}")
        if self.ramp_s < 0:
            problems.append("ramp must not be negative")
        if self.for_s is not None and not self.for_s > 0:
            problems.append("the time to run must be above 0")
        if self.behaviour not in BEHAVIOURS:
            known = ", ".join(sorted(BEHAVIOURS))
            problems.append(f"there is no behaviour {self.behaviour!r}; there are: {known}")
        if problems:
            raise ConfigError("; ".join(problems))


@dataclass(slots=True)
class _Bot:
    client: Client
    socket: UdpSocket
    behaviour: Behaviour
    decide_at: float
    joined_at: float | None = None
    sample_at: float = math.inf


@dataclass(frozen=True, slots=True)
class Seams:
    """Where a swarm gets time and randomness from; tests bring their own."""

    clock: Callable[[], float] = trio.current_time
    cpu_clock: Callable[[], float] = time.process_time
    entropy: Callable[[int], bytes] = os.urandom
    transport: httpx.AsyncBaseTransport | None = None


def bot_name(number: int) -> str:
    """Account name of a bot."""
    return f"bot-{number:04d}"


def bot_password(seed: int, name: str) -> str:
    """Password of a bot's account: the same for the same seed, so a later run logs in again."""
    return hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=16).hexdigest()


class Swarm:
    """The bots of one process.

    Attributes:
        measured: what they have counted and measured so far.
    """

    def __init__(
        self, config: BotsConfig, *, schema: Schema = BASE_SCHEMA, seams: Seams | None = None
    ) -> None:
        """Prepare a load.

        Raises:
            ConfigError: it cannot be made.
        """
        config.check()
        self.measured = BotsMeasured(requested=config.count)
        self._config = config
        self._schema = schema
        self._seams = seams or Seams()
        self._bots: list[_Bot] = []
        self._sign_ins = trio.CapacityLimiter(SIGN_INS_MAX)
        self._strangers = False

    @property
    def connected(self) -> int:
        """Bots that are in the world now."""
        return sum(bot.client.stage is Stage.JOINED for bot in self._bots)

    async def run(self) -> None:
        """Make the load until its time is over or this is cancelled; then take stock and leave.

        Raises:
            UnavailableError: there is no server.
        """
        seams, config = self._seams, self._config
        async with httpx.AsyncClient(base_url=config.server, transport=seams.transport) as http:
            await fetch_status(http)
            began_at, cpu_began_at = seams.clock(), seams.cpu_clock()
            try:
                with trio.move_on_after(math.inf if config.for_s is None else config.for_s):
                    async with trio.open_nursery() as nursery:
                        for index in range(config.count):
                            nursery.start_soon(self._live, index, http)
            finally:
                elapsed_s = max(seams.clock() - began_at, 1e-9)
                self.measured.cpu_percent = 100 * (seams.cpu_clock() - cpu_began_at) / elapsed_s

    # -- one bot ------------------------------------------------------------------------------

    async def _live(self, index: int, http: httpx.AsyncClient) -> None:
        config = self._config
        rng = np.random.default_rng([config.seed, config.first + index])
        phase = float(rng.random())
        await trio.sleep(config.ramp_s * index / config.count)
        try:
            async with self._sign_ins:
                admission = await self._sign_in(http, bot_name(config.first + index))
            client = self._make_client(admission, phase, index)
            socket = await open_client_udp(client)
        except SignInError as error:
            self.measured.refuse(error.title)
            return
        except UnavailableError as error:
            self.measured.refuse(str(error))
            return
        behaviour = make_behaviour(config.behaviour, rng)
        bot = _Bot(client, socket, behaviour, decide_at=self._seams.clock())
        self._bots.append(bot)
        try:
            await self._fly(bot)
        finally:
            self._retire(bot)

    async def _sign_in(self, http: httpx.AsyncClient, name: str) -> Admission:
        """Log in, or register and log in; both cost the server a password hash.

        What the bot before needed is tried first. An account that another seed's run made has
        another password: then the bot takes a name of its own.
        """
        password = bot_password(self._config.seed, name)
        register_first = self._strangers
        if not register_first:
            try:
                return await open_session(http, name, password)
            except SignInError as error:
                if error.status != HTTPStatus.UNAUTHORIZED:
                    raise
        try:
            await register(http, name, password)
        except SignInError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            self._strangers = False
            other_name = name if register_first else f"{name}-{self._config.seed}"
            return await self._sign_in(http, other_name)
        self._strangers = True
        return await open_session(http, name, password)

    def _make_client(self, admission: Admission, phase: float, index: int) -> Client:
        mirroring = self._config.mirroring
        return Client(
            admission.connect_token,
            schema=self._schema,
            entropy=self._seams.entropy,
            now=self._seams.clock(),
            software=SOFTWARE,
            mirror=mirroring is None or index < mirroring,
            predict=index < self._config.predicting,
            phase=phase,
        )

    async def _fly(self, bot: _Bot) -> None:
        client, socket, clock = bot.client, bot.socket, self._seams.clock
        flying = True
        while flying:
            now = clock()
            if now >= bot.decide_at:
                buttons, hold_s = bot.behaviour.decide()
                client.hold(buttons)
                bot.decide_at = now + hold_s
            flying = turn(client, socket, now)
            self._take_events(bot, now)
            if now >= bot.sample_at:
                self._sample(bot)
                bot.sample_at = now + SAMPLE_S
            if flying:
                await wait_turn(client, socket, clock())

    def _take_events(self, bot: _Bot, now: float) -> None:
        while (event := bot.client.next_event()) is not None:
            if isinstance(event, Joined):
                bot.joined_at = now
                bot.sample_at = now + SAMPLE_S
            elif isinstance(event, Ended):
                if bot.joined_at is None:
                    self.measured.refuse(event.reason.name.lower())
                else:
                    self.measured.disconnected += 1

    def _sample(self, bot: _Bot) -> None:
        client, measured = bot.client, self.measured
        statistics = client.statistics()
        if statistics.rtt_s > 0.0:
            measured.rtt_ms.add(1000.0 * statistics.rtt_s)
        if client.replica is not None:
            measured.visible_entities.add(statistics.visible_entities)
        measured.bytes_in_per_s.add(statistics.bytes_in_per_s)
        self._collect(bot)

    def _collect(self, bot: _Bot) -> None:
        client, measured = bot.client, self.measured
        measured.input_to_view_ms.extend(1000.0 * s for s in client.take_input_latencies())
        measured.lateness_ms.extend(1000.0 * s for s in client.take_input_lateness())
        measured.position_error_units.extend(client.take_position_errors())

    def _retire(self, bot: _Bot) -> None:
        client, measured, now = bot.client, self.measured, self._seams.clock()
        self._take_events(bot, now)
        self._collect(bot)
        measured.input_to_view_ms.extend(1000.0 * s for s in client.unanswered_input_ages(now))
        if bot.joined_at is not None and now - bot.joined_at >= SAMPLE_S:
            snapshots = client.statistics().snapshots
            measured.snapshot_hz.add(snapshots / (now - bot.joined_at))
        if client.stage is Stage.JOINED:
            measured.connected += 1
        self._bots.remove(bot)
        bot.socket.send_nowait(client.leave(now))
        bot.socket.close()


async def run_bots(
    config: BotsConfig, *, schema: Schema = BASE_SCHEMA, seams: Seams | None = None
) -> dict[str, Any]:
    """Make a load until its time is over.

    Returns:
        The `bots` block of a report. A caller that may be interrupted runs a `Swarm` of its own
        and takes `measured.block()` afterwards, however it ended.

    Raises:
        ConfigError: the load cannot be made.
        UnavailableError: there is no server.
    """
    swarm = Swarm(config, schema=schema, seams=seams)
    await swarm.run()
    return swarm.measured.block()
