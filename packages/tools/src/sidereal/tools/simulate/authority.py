"""The replication server's shell around its core."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

import numpy as np

from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, SHARD_PROTOCOL_ID, Address
from sidereal.protocol.links import UserData, encode_user_data
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.protocol.session.token import generate_connect_token
from sidereal.protocol.state.schema import Schema
from sidereal.replication.fleet import ShipRequest
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.limits import Limits
from sidereal.replication.replicator import Keys, Replicator
from sidereal.tools.simulate.exercise.losses import Endpoint
from sidereal.tools.simulate.ledger import Ledger, Mark
from sidereal.tools.simulate.memory import MemoryStore
from sidereal.tools.simulate.network import Delivery, Network
from sidereal.tools.simulate.processes import CLOCKS_OFF_S, WALL_START

HOST: Final = "192.0.2.1"
CLIENTS: Final = Address(HOST, 4000)
SHARDS: Final = Address(HOST, 4001)
CLIENTS_MAX: Final = 16
TOKEN_EXPIRE_S: Final = 45
TOKEN_TIMEOUT_S: Final = 2

SAVE_S: Final = (0.002, 0.3)
"""Bounds of the time a write to the store takes."""

FETCH_S: Final = (0.001, 0.2)
"""Bounds of the time until the store answers with a ship."""


class Authority:
    """The replication server: its core while it runs, and what is left of it when it does not.

    Attributes:
        core: None while it is not running.
        store: what it saved.
        started_at: when the core was made, virtual seconds.
        stopped_at: when the one before ended.
        recovered: what the store had just before the core began, ships too: those that were in the
            world are still active.
        due: of the next tick, virtual seconds.
        incarnation: how many cores there have been.
        noted: how often what was noted for the log.
    """

    def __init__(
        self,
        network: Network,
        rng: np.random.Generator,
        *,
        shard_key: bytes,
        schema: Schema,
        rules: Rules,
        limits: Limits,
        ledger: Ledger,
    ) -> None:
        self.network = network
        self._ledger = ledger
        self.store = MemoryStore(schema)
        self.core: Replicator | None = None
        self.started_at = self.stopped_at = -math.inf
        self.recovered = self.store.load_world(ships=True)
        self.due = math.inf
        self.incarnation = 0
        self.noted: Counter[str] = Counter()
        self.store_fails_until = -math.inf
        self._rng = rng
        self._shard_key = shard_key
        self._client_key = b""
        self._schema = schema
        self._rules = rules
        self._limits = limits
        self._offset_s = float(rng.uniform(0.0, CLOCKS_OFF_S))
        self._term = 0
        self._writing: tuple[float, int, Batch] | None = None
        self._fetching: list[tuple[float, ShipRequest]] = []

    def start(self, now: float) -> None:
        """Start with what the store has."""
        self.recovered = self.store.load_world(ships=True)
        self._term = self.store.begin()
        self._client_key = self._rng.bytes(32)
        self._tell_keys()
        self.core = Replicator(
            schema=self._schema,
            rules=self._rules,
            keys=Keys(self._client_key, self._shard_key),
            client_addresses=[CLIENTS],
            shard_addresses=[SHARDS],
            clients_max=CLIENTS_MAX,
            entropy=self._rng.bytes,
            rng=self._rng,
            now=now + self._offset_s,
            tick=self.store.tick,
            limits=self._limits,
        )
        saved = self.store.load_world()
        self.core.populate(saved.rows, saved.uuid)
        self.incarnation += 1
        self.started_at = now
        self.due = math.ceil(now / self._rules.tick_s) * self._rules.tick_s

    def kill(self, now: float) -> None:
        """End without a word; what is on its way to the store may or may not have arrived."""
        if self._writing is not None and self._rng.random() < 0.5:
            self.store.write(self._term, *self._writing[1:])
        self.core, self._writing, self._fetching = None, None, []
        self.stopped_at = now
        self.due = math.inf

    def issue_token(self, account: int, role: Role, name: str, now: float) -> bytes | None:
        """Let somebody in; None while the server is down."""
        if self.core is None:
            return None
        return generate_connect_token(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=self._client_key,
            client_id=int.from_bytes(self._rng.bytes(8), "little"),
            server_addresses=[CLIENTS],
            user_data=encode_user_data(UserData(account, role, name, self._rng.bytes(16))),
            expire_s=TOKEN_EXPIRE_S,
            timeout_s=TOKEN_TIMEOUT_S,
            wall_now=WALL_START + now,
            entropy=self._rng.bytes,
        )

    def receive(self, delivery: Delivery, now: float) -> bool:
        """Take a datagram; players' controls leave for their shards at once.

        Returns:
            whether the world has advanced by a tick.
        """
        core = self.core
        if core is None:
            return False
        if delivery.mark is not None:
            self._ledger.note_taken_in(now, delivery.mark)
        local, wall_now = now + self._offset_s, WALL_START + now
        receive = core.receive_clients if delivery.destination == CLIENTS else core.receive_shards
        receive([(delivery.datagram, delivery.source)], local, wall_now)
        return self.turn(now, delivery.mark)

    def turn(self, now: float, mark: Mark | None = None) -> bool:
        """Let the core do what is due; what leaves for shards carries a mark along.

        Returns:
            whether the world has advanced by a tick.
        """
        core = self.core
        if core is None:
            return False
        tick = core.tick
        outgoing = core.turn(now + self._offset_s, WALL_START + now)
        self.network.send(SHARDS, outgoing.shards, now, mark)
        self.network.send(CLIENTS, outgoing.clients, now)
        self.due = core.next_timer() - self._offset_s
        if core.tick == tick:
            return False
        for note in core.notes.take():
            self.noted[f"{note.event} {note.fields.get('reason', '')}".strip()] += 1
        self._save(core, now)
        self._fetch(core, now)
        return True

    def _tell_keys(self) -> None:
        """Let the network know what was in datagrams that it loses."""
        learn = self.network.losses.learn
        learn(CLIENTS, Endpoint(CLIENT_PROTOCOL_ID, self._client_key, "client", "server"))
        learn(SHARDS, Endpoint(SHARD_PROTOCOL_ID, self._shard_key, "shard", "authority"))

    def _save(self, core: Replicator, now: float) -> None:
        if self._writing is not None:
            at, tick, batch = self._writing
            if now < at:
                return
            self._writing = None
            if now < self.store_fails_until:
                # Half of what fails has been written all the same.
                if self._rng.random() < 0.5:
                    self.store.write(self._term, tick, batch)
                core.saving.failed(batch)
            else:
                self.store.write(self._term, tick, batch)
                core.saving.committed(batch)
        fresh = core.saving.take_batch(1 << 16, core.tick)
        if fresh is not None:
            self._writing = now + float(self._rng.uniform(*SAVE_S)), core.tick, fresh
        elif now >= self.store_fails_until:
            self.store.save_tick(self._term, core.tick)

    def _fetch(self, core: Replicator, now: float) -> None:
        """Answer, after a while, which ships the store has; one that fails is asked again."""
        for request in core.fleet.take_requests():
            self._fetching.append((now + float(self._rng.uniform(*FETCH_S)), request))
        due = [(at, request) for at, request in self._fetching if at <= now]
        self._fetching = [(at, request) for at, request in self._fetching if at > now]
        for _, request in due:
            if now < self.store_fails_until:
                self._fetching.append((now + FETCH_S[1], request))
            else:
                core.fleet.deliver(request, self.store.load_ship(request.account))
