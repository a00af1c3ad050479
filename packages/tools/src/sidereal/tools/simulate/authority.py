"""The replication server's shell around its core."""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

import numpy as np

from sidereal.game.declarations import Declarations
from sidereal.game.schema import schema_of
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, SHARD_PROTOCOL_ID, Address
from sidereal.protocol.links import UserData, encode_user_data
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.protocol.session.token import generate_connect_token
from sidereal.replication.keeping.tables import FencedError
from sidereal.replication.limits import Limits
from sidereal.replication.notes import Note
from sidereal.replication.replicator import Keys, Outgoing, Replicator
from sidereal.tools.simulate.exercise.losses import Endpoint
from sidereal.tools.simulate.ledger import Ledger, Mark
from sidereal.tools.simulate.memory import MemoryStore
from sidereal.tools.simulate.network import Delivery, Network
from sidereal.tools.simulate.processes import CLOCKS_OFF_S, WALL_START
from sidereal.tools.simulate.saving import Scribe, Weather

HOST: Final = "192.0.2.1"
CLIENTS: Final = Address(HOST, 4000)
SHARDS: Final = Address(HOST, 4001)
CLIENTS_MAX: Final = 16
TOKEN_EXPIRE_S: Final = 45
TOKEN_TIMEOUT_S: Final = 2


class Authority:
    """The replication server: its core while it runs, and what is left of it when it does not.

    Attributes:
        core: None while it is not running.
        store: what it saved.
        weather: what the store is like.
        started_at: when the core was made, virtual seconds.
        stopped_at: when the one before ended.
        recovered: what the store had just before the core began, berths too: what was in the world
            is still active.
        due: of the next tick, virtual seconds.
        incarnation: how many cores there have been.
        noted: how often what was noted for the log.
        news: what was noted in the newest tick.
        replaced_at: when another one took its place while it went on, virtual seconds.
    """

    def __init__(
        self,
        network: Network,
        rng: np.random.Generator,
        *,
        shard_key: bytes,
        game: Declarations,
        rules: Rules,
        limits: Limits,
        ledger: Ledger,
        clients_max: int = CLIENTS_MAX,
    ) -> None:
        self.network = network
        self._ledger = ledger
        self._clients_max = clients_max
        self.store = MemoryStore(schema_of(game))
        self.weather = Weather()
        self.core: Replicator | None = None
        self.started_at = self.stopped_at = -math.inf
        self.recovered = self.store.load_world(berths=True)
        self.due = math.inf
        self.incarnation = 0
        self.noted: Counter[str] = Counter()
        self.news: list[Note] = []
        self.replaced_at = -math.inf
        self._rng = rng
        self._shard_key = shard_key
        self._client_key = b""
        self._game = game
        self._rules = rules
        self._limits = limits
        self._offset_s = float(rng.uniform(0.0, CLOCKS_OFF_S))
        self._scribe: Scribe | None = None
        self._former: tuple[Replicator, Scribe] | None = None
        self._stalled_until = -math.inf
        self._waiting: list[Delivery] = []

    def start(self, now: float) -> None:
        """Start with what the store has."""
        self.recovered = self.store.load_world(berths=True)
        self._scribe = Scribe(self.store, self.weather, self._rng)
        self._client_key = self._rng.bytes(32)
        self._tell_keys()
        self.core = Replicator(
            game=self._game,
            rules=self._rules,
            keys=Keys(self._client_key, self._shard_key),
            client_addresses=[CLIENTS],
            shard_addresses=[SHARDS],
            clients_max=self._clients_max,
            entropy=self._rng.bytes,
            rng=self._rng,
            now=now + self._offset_s,
            tick=self.store.tick,
            limits=self._limits,
        )
        saved = self.store.load_world()
        self.core.populate(saved.rows, saved.uuid)
        self.core.actions.books.load(self.store.load_placeless())
        self.incarnation += 1
        self.started_at = now
        self.due = math.ceil(now / self._rules.tick_s) * self._rules.tick_s

    def kill(self, now: float) -> None:
        """End without a word; what is on its way to the store may or may not have arrived."""
        if self._scribe is not None:
            self._scribe.end()
        self.core = self._scribe = None
        self._waiting.clear()
        self.stopped_at = now
        self.due = math.inf

    def replace(self, now: float) -> None:
        """Start another one, while this one goes on and does not know that nobody hears it."""
        if self.core is not None and self._scribe is not None:
            self._former = self.core, self._scribe
        self.replaced_at = self.stopped_at = now
        self._waiting.clear()
        self.start(now)

    def stall(self, until: float) -> None:
        """Do nothing for a while, while datagrams wait."""
        self._stalled_until = until
        self.due = max(self.due, until)

    @property
    def doubled(self) -> bool:
        """Whether one that was replaced goes on."""
        return self._former is not None

    def issue_token(self, account: int, role: Role, name: str, now: float) -> bytes | None:
        """Let somebody in; None while the server is down."""
        if self.core is None or now < self._stalled_until:
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
            whether a step was run, be it one in which the world stood still.
        """
        if self.core is None:
            return False
        self._waiting.append(delivery)
        return now >= self._stalled_until and self.turn(now, delivery.mark)

    def turn(self, now: float, mark: Mark | None = None) -> bool:
        """Let the core do what is due; what leaves for shards carries a mark along.

        Returns:
            whether a step was run, be it one in which the world stood still.
        """
        core, scribe = self.core, self._scribe
        if core is None or scribe is None:
            return False
        waiting, self._waiting = self._waiting, []
        for delivery in waiting:
            self._take_in(core, delivery, now)
        outgoing = self._turn_core(core, now)
        if mark is not None and self._is_held_up(core, mark):
            mark = None
        self.network.send(SHARDS, outgoing.shards, now, mark, together=True)
        self.network.send(CLIENTS, outgoing.clients, now)
        self.due = core.next_timer() - self._offset_s
        if outgoing.stepped:
            self.news = core.notes.take()
            for note in self.news:
                self.noted[f"{note.event} {note.fields.get('reason', '')}".strip()] += 1
            scribe.save(core, now)
            scribe.fetch(core, now)
            scribe.post(core, now)
            self._turn_former(now)
        return outgoing.stepped

    def _turn_core(self, core: Replicator, now: float) -> Outgoing:
        return core.turn(now + self._offset_s, WALL_START + now)

    def _is_held_up(self, core: Replicator, mark: Mark) -> bool:
        """Tell whether what a mark stands for may still wait for its shard, which acks nothing."""
        row = int(core.world.columns.rows_of([mark.net_id])[0])
        shard = core.shards.shards.get(int(core.world.columns["shard"][row])) if row >= 0 else None
        if shard is None:
            return False
        link = core.shards.endpoint.connection_statistics(shard.peer)
        return link is not None and link.waiting_size > 0

    def _tell_keys(self) -> None:
        """Let the network know what was in datagrams that it loses."""
        learn = self.network.losses.learn
        learn(CLIENTS, Endpoint(CLIENT_PROTOCOL_ID, self._client_key, "client", "server"))
        learn(SHARDS, Endpoint(SHARD_PROTOCOL_ID, self._shard_key, "shard", "authority"))

    def _take_in(self, core: Replicator, delivery: Delivery, now: float) -> None:
        if delivery.mark is not None:
            self._ledger.note_taken_in(now, delivery.mark)
        local, wall_now = delivery.at + self._offset_s, WALL_START + now
        receive = core.receive_clients if delivery.destination == CLIENTS else core.receive_shards
        receive([(delivery.datagram, delivery.source)], local, wall_now)

    def _turn_former(self, now: float) -> None:
        """Let the one that was replaced go on, until the store tells it."""
        if self._former is None:
            return
        core, scribe = self._former
        core.turn(now + self._offset_s, WALL_START + now)
        try:
            scribe.save(core, now)
            scribe.post(core, now)
        except FencedError:
            self._former = None
