"""The core of a shard: it simulates what is leased to it, and proposes what has become of it.

Theory of operation. The core mints its own connect token; that it can proves that it knows the
pre-shared key. It says hello, and is welcomed with the rules of the world and its tick. From then
on it ticks by its `Schedule`, just ahead of the replication server. Packets only fill the inbox.
`advance` does what is due: a tick drains the inbox and is the list of its stages. It ends in at
least one proposal, empty if need be, because the server takes the leases of a silent shard. One
whose next tick is far off, because the server's clock is slow or stands still, says so meanwhile.

Nothing here outlives the session. When it ends, `closed` says why, and a new core has no entities.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sidereal.game.declarations import Declarations
from sidereal.game.schema import schema_of
from sidereal.protocol.channel.endpoint import ClientEndpoint
from sidereal.protocol.channel.events import Acked, Closed, Opened, Received
from sidereal.protocol.channel.turns import Turns
from sidereal.protocol.errors import CloseReason, ConfigError, GameFailedError, WireError
from sidereal.protocol.ids import Address
from sidereal.protocol.links import SHARD_BUDGET, SHARD_CHANNELS
from sidereal.protocol.message.codec import decode_authority_untrusted, encode_message
from sidereal.protocol.message.inputs import RoutedInput, decode_routed_input_untrusted
from sidereal.protocol.message.player import Refused
from sidereal.protocol.message.shard import (
    AuthorityMessage,
    Beat,
    Dismiss,
    Drain,
    ShardChannel,
    ShardHello,
    ShardMessage,
    ShardWelcome,
    make_farewell,
)
from sidereal.protocol.rules import check_rules
from sidereal.protocol.state.arrays import TICK_MAX
from sidereal.protocol.state.proposals import encode_proposals
from sidereal.protocol.state.records import decode_record_message_untrusted
from sidereal.shard.bodies import Bodies
from sidereal.shard.ghosts import Ghosts
from sidereal.shard.leaving import Leaving
from sidereal.shard.limits import LIMITS, Limits
from sidereal.shard.load import make_load
from sidereal.shard.population import Population
from sidereal.shard.schedule import Schedule
from sidereal.shard.shadows import Shadows
from sidereal.shard.simulation import Simulation
from sidereal.shard.stages import Clock
from sidereal.shard.statistics import ShardStatistics
from sidereal.shard.token import mint_token

Entropy = Callable[[int], bytes]
Datagrams = list[tuple[bytes, Address]]


class ShardCore(Turns):
    """One session of a shard, from connecting to its end.

    Attributes:
        tick: the last one simulated; meaningless until `serving`.
        closed: why the session ended; None while it has not.
        closed_text: what the server said about it, for people.
        shard: the id the server gave us, 0 before.
    """

    def __init__(
        self,
        *,
        key: bytes,
        server: Address,
        name: str,
        incarnation: bytes,
        session: int = 1,
        pid: int = 0,
        game: Declarations,
        entropy: Entropy,
        now: float,
        wall_now: float,
        seed: int,
        limits: Limits = LIMITS,
        code: bytes = bytes(16),
        clock: Clock = lambda: 0.0,
        strict: bool = False,
        spare: bool = False,
    ) -> None:
        """Start to connect.

        Args:
            key: 32 bytes, `derive_shard_key` of the pre-shared key.
            server: the replication server's shard endpoint.
            name: of this shard, for people and for `/v1/status`.
            incarnation: of the process, 16 random bytes.
            session: its number among those of the process, counted up: the higher one is newer.
            pid: process id, for people.
            game: which it simulates; a server whose schema is another one refuses it.
            entropy: source of keys.
            now: monotonic seconds.
            wall_now: Unix seconds.
            seed: of the game's random numbers.
            limits: what only tuning decides.
            code: digest of the game's source, 16 bytes.
            clock: monotonic seconds, by which the game's systems are timed.
            strict: whether systems are watched for rows that they may not write.
            spare: whether it is to wait until another shard is gone, and take over from that.
        """
        token = mint_token(key, server, entropy, wall_now)
        self._endpoint = ClientEndpoint(
            token, SHARD_CHANNELS, entropy, now, SHARD_BUDGET, limits.transport
        )
        self._schema = schema_of(game)
        self._hello = ShardHello(self._schema.hash, name, incarnation, session, pid, code, spare)
        self._limits = limits
        rng = np.random.default_rng(seed)
        self._simulate = partial(
            Simulation, game, self._schema, rng=rng, limits=limits, clock=clock, strict=strict
        )
        self._inbox: list[AuthorityMessage] = []
        self._controls: deque[tuple[RoutedInput, float]] = deque(maxlen=limits.controls_waiting)
        self._sightings: list[tuple[int, NDArray[np.void]]] = []
        self._schedule: Schedule | None = None
        self._simulation: Simulation | None = None
        self._ticks_skipped = self._messages_malformed = self._controls_dropped = 0
        self._lead_s = 0.0
        self._must_send = True
        self._spoke_at = now
        self._leaving = Leaving(limits)
        self.connected = False
        self.tick = self.shard = 0
        self.closed: CloseReason | None = None
        self.closed_text = ""
        self._drain_events(now)

    # -- packets ----------------------------------------------------------------------------------

    def receive_datagram(self, datagram: bytes, address: Address, now: float) -> None:
        """Take in one datagram that came at `now`; a bad one is counted and otherwise ignored."""
        self._endpoint.receive_datagram(datagram, address, now)
        self._drain_events(now)
        # A handshake does not wait for its timer to answer.
        self._must_send |= not self.serving

    def next_timer(self) -> float | None:
        """When `turn` is to be called at the latest, monotonic seconds; None once ended."""
        if self._must_send:
            return -math.inf
        mine = (self.next_tick_at(), self._speaks_at(), self._leaving.at)
        times = (*mine, self._endpoint.next_timer())
        return min((at for at in times if at is not None), default=None)

    def advance(self, now: float) -> bool:
        """Do what is due, one tick if it is; returns whether something was.

        Raises:
            GameFailedError: a model or a system raised, or left what it may not: then `close`.
        """
        due_at, tick_at, speaks_at = self.next_timer(), self.next_tick_at(), self._speaks_at()
        if due_at is None or due_at > now:
            return False
        if (leaves_at := self._leaving.at) is not None and leaves_at <= now:
            self._say_farewell(now)
        elif tick_at is not None and tick_at <= now:
            self._spoke_at = now
            self._step(now)
        elif speaks_at is not None and speaks_at <= now:
            self._spoke_at = now
            for nothing, _ in encode_proposals(self.tick, []):
                self._endpoint.send(ShardChannel.PROPOSAL, nothing)
        return True

    def collect(self, now: float) -> Datagrams:
        """Do what the session's timers ask for, and collect what leaves at `now`."""
        self._endpoint.handle_timer(now)
        self._drain_events(now)
        self._must_send = False
        return self._endpoint.datagrams_to_send(now)

    def drain(self, now: float) -> None:
        """Leave when others have what we simulate: a `turn` closes then, or after a while."""
        if self.serving and not self._leaving.begun:
            self._leaving.begin(now)
            self._send(ShardChannel.LEASE, Drain())
            self._must_send = True

    def close(self, now: float, failure: GameFailedError | None = None) -> Datagrams:
        """Leave on purpose: our leases may go to others at once.

        Args:
            now: monotonic seconds.
            failure: what `turn` raised, if that is why; the tick that it broke off is proposed to
                nobody.

        Returns:
            the last datagrams to send.
        """
        self._say_farewell(now, failure)
        return self.collect(now)

    def _say_farewell(self, now: float, failure: GameFailedError | None = None) -> None:
        if self.closed is None:
            if self._simulation is not None and failure is None:
                # Records that are not acked yet once more: the last that this shard says of them.
                self._propose(self._simulation)
            what, why = ("", "") if failure is None else (failure.what, str(failure))
            self._send(ShardChannel.LEASE, make_farewell(what, why))
            self._end(CloseReason.CLOSED_LOCALLY, now)
            self._drain_events(now)

    # -- ticks ------------------------------------------------------------------------------------

    @property
    def serving(self) -> bool:
        """Whether the server has welcomed us and the session goes on: ticks are due then."""
        return self._simulation is not None and self.closed is None

    @property
    def bodies(self) -> Bodies | None:
        """What is simulated, to be looked at, not changed; None before the welcome."""
        return self._simulation.bodies if self._simulation else None

    @property
    def population(self) -> Population | None:
        """All that is known of, bodies and ghosts; None before the welcome."""
        return self._simulation.population if self._simulation else None

    @property
    def ghosts(self) -> Ghosts | None:
        """What is seen of the others' entities; None before the welcome."""
        return self._simulation.ghosts if self._simulation else None

    @property
    def shadows(self) -> Shadows | None:
        """Which ghosts have bodies; None before the welcome."""
        return self._simulation.shadows if self._simulation else None

    def next_tick_at(self) -> float | None:
        """When the next tick is due, monotonic seconds; None while there is none to simulate."""
        schedule = self._schedule if self.closed is None else None
        return None if schedule is None else schedule.due_at(self.tick + 1)

    def report_load(self, cpu_permille: int, private_bytes: int, step_us: Sequence[int]) -> None:
        """Tell the server how we are doing, about once a second.

        Args:
            cpu_permille: of one core, over the last second.
            private_bytes: memory that is its own.
            step_us: durations of the ticks since the last report, µs.
        """
        if self._simulation is None or self.closed is not None:
            return
        load = make_load(self._simulation, self.tick, cpu_permille, private_bytes, step_us)
        self._send(ShardChannel.BEAT, load)

    def statistics(self) -> ShardStatistics:
        """How the shard is doing."""
        return ShardStatistics(
            tick=self.tick,
            shard=self.shard,
            lead_s=self._lead_s,
            rtt_s=self._rtt_s(),
            ticks_skipped=self._ticks_skipped,
            phase_jumps=self._schedule.phase.jumps if self._schedule else 0,
            messages_malformed=self._messages_malformed,
            controls_dropped=self._controls_dropped,
            simulation=self._simulation.statistics() if self._simulation else None,
        )

    # -- inside -----------------------------------------------------------------------------------

    def _step(self, now: float) -> None:
        """Simulate the next tick and queue its proposals."""
        simulation = self._simulation
        if simulation is None or self.closed is not None:
            return
        self._skip_ticks(simulation, now)
        if self.tick >= TICK_MAX:
            self.closed_text = "the server's clock has run out: ticks have 32 bits"
            self._end(CloseReason.PROTOCOL_VIOLATION, now)
            return
        inbox, self._inbox = self._inbox, []
        for message in inbox:
            try:
                simulation.apply(message, self.tick)
            except WireError:
                self._messages_malformed += 1
        # Inputs afterwards: those that overtook the adoption of their body are for it.
        while self._controls:
            simulation.take_input(*self._controls.popleft())
        sightings, self._sightings = self._sightings, []
        if sightings:
            simulation.show_ghosts(sightings, self.tick)
        self.tick += 1
        simulation.step(self.tick)
        self._propose(simulation)
        for answer in simulation.collect_answers():
            self._send(ShardChannel.LEASE, answer)

    def _skip_ticks(self, simulation: Simulation, now: float) -> None:
        """Catch up after a stall: what is beyond a few ticks passes in straight lines."""
        if self._schedule and (skipped := self._schedule.skips(self.tick + 1, now)):
            simulation.coast(skipped, self.tick)
            self.tick += skipped
            self._ticks_skipped += skipped

    def _drain_events(self, now: float) -> None:
        while (event := self._endpoint.next_event()) is not None:
            if isinstance(event, Opened):
                self.connected = True
                self._send(ShardChannel.LEASE, self._hello)
            elif isinstance(event, Closed):
                self._end(event.reason, now)
            elif self.closed is not None:
                continue
            elif isinstance(event, Acked) and self._simulation is not None:
                self._simulation.proposals_acked(event.tags)
            elif isinstance(event, Received):
                try:
                    self._receive_untrusted(event, now)
                except WireError:
                    self._messages_malformed += 1

    def _receive_untrusted(self, event: Received, now: float) -> None:
        if event.channel == ShardChannel.GHOST:
            tick, rows = decode_record_message_untrusted(self._schema.full_record, event.message)
            if len(self._sightings) >= self._limits.inbox:
                self._end(CloseReason.PROTOCOL_VIOLATION, now)
            else:
                self._sightings.append((tick, rows))
            return
        if event.channel == ShardChannel.CONTROLS:
            routed = decode_routed_input_untrusted(event.message, self._schema.controls)
            self._controls_dropped += len(self._controls) == self._limits.controls_waiting
            self._controls.append((routed, (self.next_tick_at() or -math.inf) - now))
            return
        message = decode_authority_untrusted(event.channel, event.message)
        if isinstance(message, Beat):
            self._leaving.note_beat(now)
            if self._schedule is not None:
                self._lead_s = message.lead_us * 1e-6
                self._schedule.hear(message.tick, self._lead_s, self._rtt_s(), now)
        elif isinstance(message, ShardWelcome):
            self._welcome(message, now)
        elif isinstance(message, Dismiss):
            self._leaving.dismiss()
        elif isinstance(message, Refused):
            self.closed_text = self._schema.explain_untrusted(message.description, message.text)
            known = message.reason in CloseReason.__members__.values()
            self._end(CloseReason(message.reason) if known else CloseReason.UNKNOWN, now)
        elif len(self._inbox) >= self._limits.inbox:
            self._end(CloseReason.PROTOCOL_VIOLATION, now)
        else:
            self._inbox.append(message)

    def _welcome(self, welcome: ShardWelcome, now: float) -> None:
        if self._simulation is not None:
            raise WireError("welcomed twice")
        try:
            check_rules(welcome.rules)
        except ConfigError as error:
            self.closed_text = f"the server's rules cannot work: {error}"
            self._end(CloseReason.PROTOCOL_VIOLATION, now)
            return
        self.shard = welcome.shard
        self.tick = welcome.tick
        self._schedule = Schedule(welcome.rules.tick_s, welcome.tick, now, self._limits)
        self._simulation = self._simulate(welcome.rules)

    def _end(self, reason: CloseReason, now: float) -> None:
        if self.closed is None:
            self.closed = reason
            self._leaving.end()
            self._endpoint.close(now)
            self._must_send = True

    def _speaks_at(self) -> float | None:
        """When to say that we are there, at the latest; None while nobody waits for it."""
        return self._spoke_at + self._limits.speak_every_s if self.serving else None

    def _propose(self, simulation: Simulation) -> None:
        for proposal, tag in simulation.collect_proposals(self.tick):
            self._endpoint.send(ShardChannel.PROPOSAL, proposal, tag)

    def _rtt_s(self) -> float:
        return self._endpoint.connection_statistics().rtt_s

    def _send(self, channel: ShardChannel, message: ShardMessage) -> None:
        self._endpoint.send(channel, encode_message(message))
