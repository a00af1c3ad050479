"""Many clients in one process on one Trio loop, measured against their schedule.

A bot is the same client core that every face uses, without ever asking it for a view. Its inputs
follow an open loop that began at a random phase, so the load is even and a stall of the world
shows in the latencies instead of thinning the load out. A few of the bots also mirror what they see
and predict: enough to measure both, at a fraction of the cost. To the server all are alike.

A bot whose session ends for any reason signs in again, after a pause that grows while that fails.
It takes the first bot account that is free, never one that somebody is in the world with, so any
number of load generators can share a world. The server decides who is first (`displace`). Where
asking again can't help, because the server is of another version or refuses for good, the load
ends.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httpx
import numpy as np
import trio

from sidereal.client.client import Client
from sidereal.client.comeback import Comeback
from sidereal.client.driver import (
    Admission,
    OtherVersionError,
    SignInError,
    check_server,
    fetch_status,
    open_client_udp,
    turn,
    wait_turn,
)
from sidereal.client.events import Ended, Joined
from sidereal.client.http import open_http
from sidereal.client.statistics import SessionState
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.protocol.errors import CloseReason, ConfigError, UnavailableError
from sidereal.protocol.limits import CLIENT_SLOTS_MAX
from sidereal.protocol.runtime.memory import private_bytes
from sidereal.protocol.runtime.process import fields
from sidereal.protocol.runtime.udp import UdpSocket
from sidereal.tools.bots.accounts import Accounts, AccountTakenError
from sidereal.tools.bots.behaviour import Mind, choose_behaviour
from sidereal.tools.bots.report import BotsMeasured

log = logging.getLogger("sidereal.bots")

SIGN_INS_MAX: Final = 4
"""Log-ins under way at once: each costs the server a password hash."""
SAMPLE_S: Final = 1.0
GHOST_S: Final = 20.0
"""How long a bot waits for its own account after a session that the server may not know to be over:
longer than a session times out."""
SOFTWARE: Final = "sidereal bots"
MISFITS: Final = frozenset({CloseReason.PROTOCOL_MISMATCH, CloseReason.SCHEMA_MISMATCH})
"""Ends of a session after which each next one would end like it."""


@dataclass(frozen=True, slots=True)
class BotsConfig:
    """What load to make.

    Attributes:
        server: base URL of the replication server's HTTP endpoint.
        count: bots.
        ramp_s: time over which they come, seconds.
        for_s: how long the run lasts in all, None until stopped.
        behaviour: one of those that the game declares; None is that of the world.
        world: name of one that the game declares; without it bots do what the game declares first.
        seed: decides all that bots do.
        first: number of the first account that is tried.
        mirroring: how many of them keep a replica of what they are sent, None for all; the others
            read of each snapshot only what is said of their own entity.
        predicting: how many of them run the prediction.
        game: `module:name` of what is played; the same as the server's.
    """

    server: str = "http://127.0.0.1:7070"
    count: int = 20
    ramp_s: float = 2.0
    for_s: float | None = None
    behaviour: str | None = None
    world: str | None = None
    seed: int = 0
    first: int = 1
    mirroring: int | None = 8
    predicting: int = 4
    game: str = DEFAULT_GAME

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
            problems.append(f"--count must be 1 to {CLIENT_SLOTS_MAX}")
        if not 0 <= self.ramp_s < math.inf:
            problems.append("--ramp must be 0 seconds or more")
        if self.for_s is not None and not self.for_s > 0:
            problems.append("--for must be above 0 seconds")
        if self.seed < 0:
            problems.append("--seed must not be negative")
        if self.mirroring is not None and self.mirroring < 0:
            problems.append("--mirror must be 0 or more")
        if problems:
            raise ConfigError("; ".join(problems))


@dataclass(slots=True)
class _Bot:
    """One session of a bot in the world."""

    index: int
    client: Client
    socket: UdpSocket
    mind: Mind
    decide_at: float
    joined_at: float | None = None
    sample_at: float = math.inf
    ended: Ended | None = None


@dataclass(frozen=True, slots=True)
class Seams:
    """Where a swarm gets time and randomness from; tests bring their own."""

    clock: Callable[[], float] = trio.current_time
    cpu_clock: Callable[[], float] = time.process_time
    entropy: Callable[[int], bytes] = os.urandom
    transport: httpx.AsyncBaseTransport | None = None


class Swarm:
    """The bots of one process.

    Attributes:
        measured: what they have counted and measured so far.
        flying: set when the first of them is in the world.
    """

    def __init__(self, config: BotsConfig, *, seams: Seams | None = None) -> None:
        """Prepare a load.

        Raises:
            ConfigError: it cannot be made.
        """
        config.check()
        self.measured = BotsMeasured(requested=config.count)
        self._config = config
        self._game = load(config.game)
        self._behaviour = choose_behaviour(self._game, config.behaviour, config.world)
        self._seams = seams or Seams()
        self._bots: list[_Bot] = []
        self._sign_ins = trio.CapacityLimiter(SIGN_INS_MAX)
        self.flying = trio.Event()
        self._turned_away: dict[int, str] = {}
        self._said_why = False

    @property
    def connected(self) -> int:
        """Bots that are in the world now."""
        return sum(bot.client.state is SessionState.JOINED for bot in self._bots)

    async def run(self) -> None:
        """Make the load until its time is over or this is cancelled; then take stock and leave.

        Raises:
            SignInError: the server takes no bots.
            UnavailableError: there is no server, or it is of another version.
        """
        seams, config = self._seams, self._config
        if self._behaviour is None:
            log.warning("holding nothing %s", fields(why=f"{self._game.name} declares no bots"))
        async with open_http(config.server, transport=seams.transport) as http:
            status = await fetch_status(http)
            in_world = frozenset(client["name"] for client in status.get("clients", ()))
            accounts = Accounts(http, config.first, in_world)
            began_at, cpu_began_at = seams.clock(), seams.cpu_clock()
            try:
                with trio.move_on_after(math.inf if config.for_s is None else config.for_s):
                    async with trio.open_nursery() as nursery:
                        for index in range(config.count):
                            nursery.start_soon(self._live, index, accounts)
            finally:
                elapsed_s = max(seams.clock() - began_at, 1e-9)
                self.measured.cpu_percent = 100 * (seams.cpu_clock() - cpu_began_at) / elapsed_s
                self.measured.private_mb = private_bytes() / 1e6
                self.measured.refused = dict(Counter(self._turned_away.values()))

    # -- one bot ------------------------------------------------------------------------------

    async def _live(self, index: int, accounts: Accounts) -> None:
        """Be in the world whenever that is possible, until cancelled.

        Raises:
            SignInError: the server refuses for good.
            OtherVersionError: the server is of another version.
        """
        config, clock = self._config, self._seams.clock
        rng = np.random.default_rng([config.seed, config.first + index])
        jitter = np.random.default_rng([config.seed, config.first + index, 1])
        phase = float(rng.random())
        mind = Mind(self._game, self._behaviour, rng)
        await trio.sleep(config.ramp_s * index / config.count)
        name = accounts.take_name()
        comeback, own_until = Comeback(jitter.bytes, clock()), -math.inf
        while True:
            try:
                bot = await self._enter(accounts, name, mind, phase, index)
            except AccountTakenError as error:
                if clock() >= own_until:
                    name = accounts.take_name()
                    continue
                why = str(error)
            except SignInError as error:
                if not error.is_passing:
                    raise
                why = error.title
            except OtherVersionError:
                raise
            except UnavailableError as error:
                why = str(error)
            else:
                reason = await self._stay(bot)
                if reason in MISFITS and bot.ended is not None:
                    raise OtherVersionError(f"the server refused the bots: {bot.ended.text}")
                if reason is CloseReason.LOGGED_IN_ELSEWHERE:
                    name = accounts.take_name()
                own_until = clock() + GHOST_S
                if bot.joined_at is not None:
                    comeback.joined(bot.joined_at)
                why = reason.name.lower()
            self._turn_away(index, why)
            await trio.sleep(comeback.lost(clock()))

    def _turn_away(self, index: int, why: str) -> None:
        self._turned_away[index] = why
        if not self._said_why and not self.connected:
            self._said_why = True
            log.warning("waiting %s", fields(why=why))

    async def _enter(
        self, accounts: Accounts, name: str, mind: Mind, phase: float, index: int
    ) -> _Bot:
        async with self._sign_ins:
            admission = await accounts.sign_in(name)
        client = self._make_client(admission, phase, index)
        socket = await open_client_udp(client)
        return _Bot(index, client, socket, mind, decide_at=self._seams.clock())

    async def _stay(self, bot: _Bot) -> CloseReason:
        """Fly until the session ends; returns why it did."""
        self._bots.append(bot)
        try:
            await self._fly(bot)
        finally:
            self._retire(bot)
        return CloseReason.UNKNOWN if bot.ended is None else bot.ended.reason

    def _make_client(self, admission: Admission, phase: float, index: int) -> Client:
        mirroring = self._config.mirroring
        return Client(
            admission.connect_token,
            game=self._game,
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
                record, hold_s = bot.mind.decide(client)
                client.hold(record)
                bot.decide_at = max(now, bot.decide_at + hold_s)
            flying = turn(client, socket, clock)
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
                self._turned_away.pop(bot.index, None)
                self._said_why = False
                self.flying.set()
            elif isinstance(event, Ended):
                bot.ended = event
                self.measured.disconnected += bot.joined_at is not None

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
        if client.state is SessionState.JOINED:
            measured.connected += 1
        self._bots.remove(bot)
        bot.socket.send_nowait(client.leave(now))
        bot.socket.close()
