"""Clients that come back, the real authority in virtual time, and a link that can be cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sidereal.client import events
from sidereal.client.returning import ReturningClient
from sidereal.client.statistics import SessionState
from sidereal.game import Label, Motion
from sidereal.game.declarations import Declarations
from sidereal.game.schema import schema_of
from sidereal.game.spawns import Spawns
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, Address
from sidereal.protocol.links import UserData, encode_user_data
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.protocol.session.token import generate_connect_token
from sidereal.replication.limits import Limits
from sidereal.replication.replicator import Keys, Replicator

from ..flying import FLYING

WALL: Final = 1_700_000_000.0
SERVER: Final = Address("192.0.2.1", 4000)
SHARDS: Final = Address("192.0.2.1", 4001)
RULES: Final = Rules()
GAME: Final = FLYING
STEP_S: Final = 0.01
TIMEOUT_S: Final = 10


class Pilot:
    """A returning client with a shell that has no network: it asks the rig for tokens.

    Attributes:
        address: of the socket it has; every session gets another one.
        refusal: what it is told instead of getting a token, and whether that is final.
        asked_at: when it asked.
    """

    def __init__(self, rig: Rig, account: int, role: Role, **options: Any) -> None:
        self.rig, self.account, self.role = rig, account, role
        self.client = ReturningClient(
            **{"game": GAME, **options}, entropy=rig.rng.bytes, now=rig.now, software="tests"
        )
        self.address = Address("198.51.100.1", 0)
        self.refusal: tuple[str, bool] | None = None
        self.asked_at: list[float] = []
        self.events: list[events.ClientEvent] = []

    def open_socket(self) -> None:
        self.address = self.rig.new_address()

    def turn(self) -> None:
        now, core, client = self.rig.now, self.rig.core, self.client
        if client.take_token_wish(now):
            self.asked_at.append(now)
            if self.refusal is not None:
                text, final = self.refusal
                client.turn_away("turned away", text, now, final=final)
            elif core is None:
                client.turn_away("no answer", "nobody is there", now, final=False)
            else:
                client.admit(self.rig.issue_token(self.account, self.role), now)
                self.open_socket()
        datagrams = client.turn(now)
        if core is not None and not self.rig.is_cut:
            sent = [(datagram, self.address) for datagram, _ in datagrams]
            core.receive_clients(sent, now, WALL + now)
        while (event := client.next_event()) is not None:
            self.events.append(event)

    def seen(self, kind: type) -> list[events.ClientEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def flies(self) -> bool:
        view = self.client.view(self.rig.now)
        return self.client.state is SessionState.JOINED and view.own >= 0


class Rig:
    """A server that can go down, and a link that can be cut."""

    def __init__(self, clients_max: int = 4, game: Declarations = GAME) -> None:
        self.now = 0.0
        self.rng = np.random.default_rng(1)
        self.is_cut = False
        self.core: Replicator | None = None
        self._clients_max = clients_max
        self._port = 5000
        self._pilots: list[Pilot] = []
        self._key = b""
        self.start_server(game)

    def start_server(self, game: Declarations = GAME) -> None:
        self._key = self.rng.bytes(32)
        self.core = Replicator(
            game=game,
            rules=RULES,
            keys=Keys(self._key, bytes(32)),
            client_addresses=[SERVER],
            shard_addresses=[SHARDS],
            clients_max=self._clients_max,
            entropy=self.rng.bytes,
            rng=self.rng,
            now=self.now,
            # Nobody simulates this world: it is about sessions.
            limits=Limits(standstill_after_s=1e9),
        )
        wreck = Spawns(game, schema_of(game)).make(
            game.kinds[0], [Motion(x=500, y=500), Label(name="wreck")]
        )
        self.core.create(wreck)

    def enter(self, account: int = 1, role: Role = Role.PLAYER, **options: Any) -> Pilot:
        """Let a client come; `options` are of `ReturningClient`."""
        pilot = Pilot(self, account, role, **options)
        self._pilots.append(pilot)
        return pilot

    def kill(self, pilot: Pilot) -> None:
        self._pilots.remove(pilot)

    def new_address(self) -> Address:
        self._port += 1
        return Address("198.51.100.1", self._port)

    def issue_token(self, account: int, role: Role) -> bytes:
        user = UserData(account, role, f"pilot {account}", self.rng.bytes(16))
        return generate_connect_token(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=self._key,
            client_id=int.from_bytes(self.rng.bytes(8), "little"),
            server_addresses=[SERVER],
            user_data=encode_user_data(user),
            expire_s=45,
            timeout_s=TIMEOUT_S,
            wall_now=WALL + self.now,
            entropy=self.rng.bytes,
        )

    def run(self, seconds: float, look: Callable[[], None] = lambda: None) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            for pilot in list(self._pilots):
                pilot.turn()
            if self.core is not None:
                for request in self.core.berths.take_requests():
                    self.core.berths.deliver(request, None)
                for datagram, address in self.core.turn(self.now, WALL + self.now).clients:
                    self._deliver(datagram, address)
            look()

    def run_until(self, is_so: Callable[[], bool], seconds: float) -> float:
        """Run until something is so; returns how long it took."""
        began = self.now
        while not is_so():
            assert self.now - began < seconds
            self.run(STEP_S)
        return self.now - began

    def _deliver(self, datagram: bytes, address: Address) -> None:
        for pilot in self._pilots:
            if pilot.address == address and not self.is_cut:
                pilot.client.receive_datagram(datagram, SERVER, self.now)


def flying(rig: Rig) -> Pilot:
    pilot = rig.enter()
    rig.run(2.0)
    assert pilot.flies
    return pilot
