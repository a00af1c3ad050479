"""A small world that is played for a while, and two of its sessions: a client's and a shard's.

A pilot flies along a row of sectors, past a crowd of asteroids that is too much for a tick's
snapshots, from the space of one shard into that of another, which has joined in the meantime. It
meets another pilot, who leaves.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from sidereal.client.client import Client
from sidereal.client.replica import Replica
from sidereal.game import Label, Motion
from sidereal.game.spawns import Spawns
from sidereal.protocol.channel.events import Closed, PeerClosed, PeerOpened, Received
from sidereal.protocol.channel.limits import AllowanceLimits, TransportLimits
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, Address
from sidereal.protocol.links import UserData, derive_shard_key, encode_user_data
from sidereal.protocol.message.player import Role
from sidereal.protocol.session.token import generate_connect_token
from sidereal.protocol.state.schema import MOTION
from sidereal.replication.keeping.references import saved_alone
from sidereal.replication.keeping.stored import Berth
from sidereal.replication.limits import Limits, OwnershipLimits, WorldLimits
from sidereal.replication.replicator import Keys, Replicator
from sidereal.replication.world import UUID
from sidereal.shard.shard import ShardCore
from sidereal.tools.simulate.game import ASTEROID, PRESSES_AT, TRIM_AT, Button

from . import said
from .happening import CHIP, DECLARED, GAME, PASSED, RULES, SCHEMA, TAG
from .transcript import CLIENT, SERVER, STEP_S, WALL_START, Transcript, overheard

SEED: Final = 3
"""One by which the shard's farewell arrives: it is said but once."""
SHARD_SECRET: Final = "recorded, ünd ßhared"
NAMES: Final = {7: "Ada Łovelace", 8: "Charles"}
"""Of the two pilots, by account."""

CLIENTS: Final = Address("192.0.2.1", 4000)
SHARDS: Final = Address("192.0.2.1", 4001)
PILOT: Final = Address("203.0.113.1", 50_000)
OTHER: Final = Address("203.0.113.2", 50_000)
FIRST: Final = Address("198.51.100.1", 50_001)
SECOND: Final = Address("198.51.100.2", 50_002)
WAY_S: Final = 3 * STEP_S
"""What datagrams take that nobody records."""

STEPS_PER_TICK: Final = 16
SECTORS_PER_SIDE: Final = 9
SHIPS_AT: Final = {7: (1204.0, 1192.0), 8: (1200.0, 1232.0)}
CROWDS: Final = ((1280.0, 1088.0, 8), (1344.0, 1088.0, 6))
"""Cells full of asteroids: a corner, and how many along an edge. The first is told over
several ticks, the second in one, but in parts."""
MEETS_AT: Final = (1536.0, 64.0)
"""There two asteroids meet on a border of shards, and are more than one of these is to hold."""

SHARDS_LEAVE_S: Final = 5.515625
"""Then nobody simulates the world, and it stands still until the server ends."""

JOIN_S, SECOND_JOINS_S, OTHER_LEAVES_S, SHUT_DOWN_S, END_S = 0.5, 2.5, 2.375, 7.125, 8.5
PARTS: Final = (
    (1.0, Button.THRUST),
    (3.5, Button(0)),
    (4.0, Button.LEFT),
    (4.5, Button.BRAKE | 2 << PRESSES_AT | 6 << TRIM_AT),
    (5.5, Button.RIGHT | Button.BRAKE),
    (6.0, Button(0)),
)
"""What the pilot holds, and since when. No thrust once it has turned: no sines and cosines."""
LINES: Final = (
    (1.5, "hello"),
    (2.0, "Ł" * 240),
    *((2.25, f"line {number}: " + "said in a row " * 15) for number in range(6)),
)
VIEW_EVERY_TICKS: Final = 8
VIEW_EVERY_STEPS: Final = VIEW_EVERY_TICKS * STEPS_PER_TICK


def make_records() -> np.ndarray:
    """Make an asteroid in every sector, near its left edge, drifting, the crowds, and a pair."""
    row, column = np.divmod(np.arange(SECTORS_PER_SIDE**2), SECTORS_PER_SIDE)
    drifting = np.zeros(len(row), SCHEMA.full_record)
    drifting["x"], drifting["y"] = column * 256.0 + 32.0, row * 256.0 + 128.0
    drifting["vx"], drifting["vy"] = (row - 4) / 4, (column - 4) / 8
    drifting["spin"], drifting["radius"] = column / 16, 4.0
    pair = np.zeros(2, SCHEMA.full_record)
    pair["x"], pair["y"] = MEETS_AT[0] + np.array([-19.5, 19.5]), MEETS_AT[1]
    pair["vx"], pair["radius"] = (3.5, -3.5), 4.0
    records = np.concatenate([drifting, *(make_crowd(*crowd) for crowd in CROWDS), pair])
    records["kind"], records["mass"] = ASTEROID, 64.0
    return records


def make_ship(account: int) -> np.ndarray:
    """Make the ship of a pilot, at rest."""
    x, y = SHIPS_AT[account]
    values = Motion(x=x, y=y), Label(name=NAMES[account])
    return Spawns(GAME, SCHEMA).make(GAME.kind("ship"), values)


def make_crowd(x: float, y: float, per_side: int) -> np.ndarray:
    """Fill a cell with asteroids at rest."""
    row, column = np.divmod(np.arange(per_side * per_side), per_side)
    records = np.zeros(len(row), SCHEMA.full_record)
    records["x"], records["y"] = x + column * 8.0 + 4.0, y + row * 8.0 + 4.0
    records["radius"], records["heading"] = 1.0, column / 4
    records["name"] = [f"rock {number}".encode() for number in range(len(row))]
    return records


class World:
    """The cores, what is on its way between them, and the two transcripts.

    Attributes:
        client: transcript of the pilot's session.
        shard: transcript of the first shard's session.
    """

    def __init__(self, seed: int = SEED) -> None:
        self.now = 0.0
        rng = np.random.default_rng([seed, 0])
        self._entropy = rng.bytes
        self._key = self._entropy(32)
        self._shard_key = derive_shard_key(SHARD_SECRET)
        self._core = Replicator(
            game=GAME,
            rules=RULES,
            keys=Keys(self._key, self._shard_key),
            client_addresses=[CLIENTS],
            shard_addresses=[SHARDS],
            clients_max=4,
            entropy=self._entropy,
            rng=rng,
            now=0.0,
            limits=Limits(
                standstill_after_s=0.25,
                world=WorldLimits(ids_per_block=8),
                ownership=OwnershipLimits(island_members=1),
                transport=TransportLimits(allowance=AllowanceLimits(rate_initial=40e3)),
            ),
        )
        self._populate()
        token = self._issue_token(7)
        self.client = Transcript(
            [seed, 1],
            {
                "link": CLIENT,
                "token": token.hex(),
                "private_key": self._key.hex(),
                "events": DECLARED,
            },
        )
        self.shard = Transcript(
            [seed, 2], {"link": "shard", "secret": SHARD_SECRET, "events": DECLARED}
        )
        self._pilot = self._make_pilot(token)
        self._other = self._make_pilot(self._issue_token(8))
        self._shards = {FIRST: self._make_shard("first")}
        self._nearby: list[tuple[float, Address, Address, bytes]] = []
        self._speaking = FIRST
        self._peers: dict[tuple[int, Address], Address] = {}
        self._gone: set[Address] = set()

    def play(self) -> None:
        """Let everything happen."""
        with overheard(self._listen):
            for step in range(round(END_S / STEP_S)):
                self.now = step * STEP_S
                self._turn(step)

    # -- a step -------------------------------------------------------------------------------

    def _turn(self, step: int) -> None:
        if self.now == SECOND_JOINS_S:
            self._shards[SECOND] = self._make_shard("second")
        self._deliver()
        self._run_server(step)
        for address in self._shards:
            self._run_shard(address, step)
        if self.now >= JOIN_S:
            self._run_pilot(step)
            self._run_other()

    def _deliver(self) -> None:
        now = self.now
        for end, datagram in self.client.arrivals(now):
            self._receive(*((PILOT, CLIENTS) if end == SERVER else (CLIENTS, PILOT)), datagram)
        for end, datagram in self.shard.arrivals(now):
            self._receive(*((FIRST, SHARDS) if end == SERVER else (SHARDS, FIRST)), datagram)
        while self._nearby and self._nearby[0][0] <= now:
            _, source, destination, datagram = self._nearby.pop(0)
            self._receive(source, destination, datagram)

    def _receive(self, source: Address, destination: Address, datagram: bytes) -> None:
        now, wall_now = self.now, WALL_START + self.now
        self._speaking = destination
        if destination == CLIENTS:
            self._core.receive_clients([(datagram, source)], now, wall_now)
        elif destination == SHARDS:
            self._core.receive_shards([(datagram, source)], now, wall_now)
        elif destination == PILOT:
            self._pilot.receive_datagram(datagram, source, now)
        elif destination == OTHER:
            self._other.receive_datagram(datagram, source, now)
        else:
            self._shards[destination].receive_datagram(datagram, source, now)

    def _send(self, source: Address, datagrams: list[tuple[bytes, Address]]) -> None:
        for datagram, destination in datagrams:
            pair = {source, destination}
            if PILOT in pair:
                self.client.send(CLIENT if source == PILOT else SERVER, datagram, self.now)
            elif FIRST in pair:
                self.shard.send(CLIENT if source == FIRST else SERVER, datagram, self.now)
            else:
                self._nearby.append((self.now + WAY_S, source, destination, datagram))

    # -- the ends -----------------------------------------------------------------------------

    def _run_server(self, step: int) -> None:
        core, now, tick = self._core, self.now, self._core.tick
        run = core.close if now == SHUT_DOWN_S else core.turn
        outgoing = run(now, WALL_START + now)
        for request in core.berths.take_requests():
            core.berths.deliver(request, self._ships[request.account])
        self._send(CLIENTS, outgoing.clients)
        self._send(SHARDS, outgoing.shards)
        if core.tick != tick and step % VIEW_EVERY_STEPS == 0 and FIRST not in self._gone:
            self.shard.view(SERVER, self._committed(), now)

    def _run_shard(self, address: Address, step: int) -> None:
        shard, now = self._shards[address], self.now
        self._speaking = address
        if step % 256 == 128 and address == FIRST:
            shard.report_load(125, 1 << 26, [1000 + step, 2000])
        tick = shard.tick
        self._send(address, shard.turn(now))
        ticked = shard.tick != tick and shard.serving
        if ticked and shard.tick % VIEW_EVERY_TICKS == 0 and address == FIRST:
            self.shard.view(CLIENT, self._simulated(shard), now)
        if now == SHARDS_LEAVE_S:
            shard.drain(now)

    def _run_pilot(self, step: int) -> None:
        pilot, now = self._pilot, self.now
        self._speaking = PILOT
        for at, record in PARTS:
            if now == at:
                pilot.hold(record)
        for at, line in LINES:
            if now == at:
                pilot.call("simulated.hail", text=line)
        if now == 3.0:
            pilot.look_at(-1.5, 2.0**40)
        self._send(PILOT, pilot.turn(now))
        is_there = pilot.replica is not None and PILOT not in self._gone
        if step % VIEW_EVERY_STEPS == 0 and is_there:
            self.client.view(CLIENT, self._seen(), now)

    def _run_other(self) -> None:
        other, now = self._other, self.now
        self._speaking = OTHER
        self._send(OTHER, other.leave(now) if now == OTHER_LEAVES_S else other.turn(now))

    # -- what they hear -----------------------------------------------------------------------

    def _listen(self, endpoint: Any, event: Any) -> None:
        core, now = self._core, self.now
        if endpoint is core.clients.endpoint:
            self._note(event, CLIENTS, self.client, said.from_client)
        elif endpoint is core.shards.endpoint:
            self._note(event, SHARDS, self.shard, said.from_shard)
        elif self._speaking == PILOT and isinstance(event, Received):
            self.client.say(CLIENT, said.at_client(event.channel, event.message), now)
        elif self._speaking == FIRST and isinstance(event, Received):
            self.shard.say(CLIENT, said.at_shard(event.channel, event.message), now)
        elif isinstance(event, Closed) and self._speaking in (PILOT, FIRST):
            self._gone.add(self._speaking)
            transcript = self.client if self._speaking == PILOT else self.shard
            transcript.leave(CLIENT, now)

    def _note(self, event: Any, address: Address, transcript: Transcript, read: Any) -> None:
        if isinstance(event, PeerOpened):
            self._peers[event.peer, address] = event.address
        elif isinstance(event, Received):
            if self._peers[event.peer, address] not in (SECOND, OTHER):
                transcript.say(SERVER, read(event.channel, event.message), self.now)
        elif isinstance(event, PeerClosed) and (
            self._peers[event.peer, address] not in (SECOND, OTHER)
        ):
            transcript.leave(SERVER, self.now)

    # -- what they make of it -----------------------------------------------------------------

    def _seen(self) -> dict[str, Any]:
        replica = self._pilot.replica
        assert replica is not None
        rows = replica.rows()
        columns = replica.columns
        names = (*(field.name for field in MOTION.fields), "kind")
        told = [columns.tick[rows].tolist(), *(columns[name][rows].tolist() for name in names)]
        ids = columns.net_id[rows].tolist()
        found = zip(ids, zip(*told, strict=True), self._components(replica, rows), strict=True)
        entities = {str(net_id): [*row, *more] for net_id, row, more in sorted(found)}
        holders = sorted(map(list, self._pilot.leases.tolist()))
        return {"entities": entities, "holders": holders, "happened": self._happened()}

    def _components(self, replica: Replica, rows: np.ndarray) -> list[list[Any]]:
        """All fields of the components that each has beside its motion, in their order."""
        found: list[list[Any]] = [[] for _ in rows]
        masks = replica.components(rows)
        for number in SCHEMA.shown[1:]:
            for field in SCHEMA.component(number).fields:
                values = replica.columns[field.name][rows].tolist()
                for at in np.flatnonzero(masks >> np.uint64(number) & np.uint64(1)).tolist():
                    value = values[at]
                    found[at].append(value.decode() if isinstance(value, bytes) else value)
        return found

    def _happened(self) -> list[list[Any]]:
        """What the pilot has taken since the last view: tick, subject, sort, and codes."""
        replica = self._pilot.replica
        assert replica is not None
        found = []
        for each in replica.happenings.due(float("inf")):
            fields = SCHEMA.component(each.number).fields
            columns = [each.values[field.name].tolist() for field in fields]
            if each.number == PASSED:
                columns[1] = [round(2 * speed) for speed in columns[1]]  # it travels in steps
            codes = [[*row] for row in zip(*columns, strict=True)] or [[]] * len(each.tick)
            heads = zip(each.tick.tolist(), each.subject.tolist(), strict=True)
            found += [[*head, each.number, *code] for head, code in zip(heads, codes, strict=True)]
        return sorted(found)

    def _simulated(self, shard: ShardCore) -> dict[str, Any]:
        bodies, ghosts = shard.bodies, shard.ghosts
        assert bodies is not None
        assert ghosts is not None
        assert shard.population is not None
        held, seen = bodies.rows(), ghosts.rows()
        # Of what it has spawned itself it was told nothing.
        held = held[~np.isin(bodies.columns["kind"][held], (CHIP, TAG))]
        mine = [bodies.columns.net_id[held], bodies.columns.epoch[held]]
        reference = shard.population.reference
        theirs = [ghosts.columns.net_id, ghosts.columns.epoch]
        theirs += [reference[name] for name in ("x", "y", "vx", "vy")]
        return {
            "bodies": _transposed(mine),
            "ghosts": _transposed([column[seen] for column in theirs]),
        }

    def _committed(self) -> list[list[Any]]:
        columns = self._core.world.columns
        # What has moved otherwise than in a straight line since the beginning.
        owned = np.flatnonzero(columns.alive & (columns["shard"] == 1) & (columns.tick > 0))
        return said.listed(columns.store(owned, SCHEMA.exact_record))

    # -- who takes part -----------------------------------------------------------------------

    def _populate(self) -> None:
        asteroids = make_records()
        ships = [make_ship(account) for account in NAMES]
        uuid = np.frombuffer(self._entropy(16 * len(asteroids)), UUID)
        self._core.populate(saved_alone(SCHEMA, asteroids), uuid)
        self._ships = {
            account: Berth(saved_alone(SCHEMA, ship), np.frombuffer(self._entropy(16), UUID))
            for account, ship in zip(NAMES, ships, strict=True)
        }

    def _issue_token(self, account: int) -> bytes:
        user = UserData(account, Role.PLAYER, NAMES[account], self._entropy(16))
        return generate_connect_token(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=self._key,
            client_id=int.from_bytes(self._entropy(8), "little"),
            server_addresses=[CLIENTS],
            user_data=encode_user_data(user),
            expire_s=45,
            timeout_s=2,
            wall_now=WALL_START,
            entropy=self._entropy,
        )

    def _make_pilot(self, token: bytes) -> Client:
        return Client(
            token,
            game=GAME,
            entropy=self._entropy,
            now=JOIN_S,
            software="recorded",
        )

    def _make_shard(self, name: str) -> ShardCore:
        return ShardCore(
            key=self._shard_key,
            server=SHARDS,
            name=name,
            incarnation=bytes(16),
            game=GAME,
            entropy=self._entropy,
            now=self.now,
            wall_now=WALL_START + self.now,
            seed=1,
        )


def _transposed(columns: list[np.ndarray]) -> list[list[Any]]:
    return sorted(map(list, zip(*(column.tolist() for column in columns), strict=True)))
