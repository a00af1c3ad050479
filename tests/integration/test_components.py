"""What a system changes of a component: at its owner, the authority, a client, in the store.

The real authority, real shards and a real client, over a network that takes no time; and the store
as far as it is bytes: what is saved is packed for the database and read back.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import numpy as np

from sidereal.client.client import Client
from sidereal.game import (
    F4,
    PILOT,
    SHARDS,
    U4,
    Body,
    Bools,
    Component,
    Floats,
    Game,
    Motion,
    Step,
    field,
)
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, schema_of
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, Address
from sidereal.protocol.links import UserData, encode_user_data
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.protocol.session.token import generate_connect_token
from sidereal.replication.keeping.rowcopy import RowCopy
from sidereal.replication.replicator import Keys, Replicator
from sidereal.shard.shard import ShardCore

RULES = Rules()
SIZE = RULES.sector_size
WALL = 1_700_000_000.0
CLIENTS, SHARD_LINK = Address("192.0.2.1", 4000), Address("192.0.2.1", 4001)
KEY = bytes(range(32))
STEPS = 5
"""Looks at the sockets in one tick."""


class Health(Component):
    hp: F4 = field(100, low=0, high=100, quantum=0.5)


class Mood(Component, audience=SHARDS, saved=False):
    anger: U4 = field(7)


class Launcher(Component, audience=PILOT):
    ready: U4


HP, ANGER, READY = (
    column_of(component, component.fields[name])
    for component, name in ((Health, "hp"), (Mood, "anger"), (Launcher, "ready"))
)


CHANGES: Final = ((Health, "hp", 41.5), (Mood, "anger", 9), (Launcher, "ready", 77))


class Stage:
    """What a game's system is to write next: column values by entity."""

    def __init__(self) -> None:
        self.writes: list[tuple[type[Component], str, int, float]] = []
        game = Game("changing")
        game.kind("hull", Motion(), Body(radius=4, mass=10), Health(), Mood(), Launcher())
        game.kind("rock", Motion(), Body(radius=4, mass=10))
        game.system(self._write)
        game.rule(Health)(self._never_below_ten)
        self.game = declare(game)

    def _write(self, step: Step) -> None:
        for component, name, net_id, value in self.writes:
            rows = step.rows(component)
            rows = rows[step.id[rows] == net_id]
            getattr(step[component], name)[rows] = value

    def _never_below_ten(self, before: Health, after: Health, dt: Floats) -> Bools:
        assert (dt > 0).all()
        return np.asarray((after.hp >= 10.0) | (before.hp < 10.0), np.bool_)


class Rig:
    """Everybody; the network takes no time and loses nothing."""

    def __init__(self, shards: int = 1, *, kind: int = 1) -> None:
        rng = np.random.default_rng(1)
        self.stage, self.now = Stage(), 0.0
        self.schema = schema_of(self.stage.game)
        self.entropy = rng.bytes
        self.rng = rng
        self.trace = hashlib.blake2b()
        self.saved: dict[bytes, np.ndarray] = {}
        self.shards: list[ShardCore] = []
        self.dead: list[ShardCore] = []
        self.core = self._start(0)
        records = np.repeat(self.schema.first[[kind]], 2)
        records["x"], records["y"] = (SIZE - 30.0, SIZE + 30.0), SIZE / 2
        self.core.create(records)
        self.client = self._connect()
        for number in range(shards):
            self.join(f"shard-{number + 1}")
            self.run(40)

    def _start(self, tick: int) -> Replicator:
        return Replicator(
            game=self.stage.game,
            rules=RULES,
            keys=Keys(KEY, KEY),
            client_addresses=[CLIENTS],
            shard_addresses=[SHARD_LINK],
            clients_max=4,
            entropy=self.entropy,
            rng=self.rng,
            now=self.now,
            tick=tick,
        )

    def _connect(self) -> Client:
        user = UserData(0, Role.OBSERVER, "watcher", self.entropy(16))
        token = generate_connect_token(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=KEY,
            client_id=5,
            server_addresses=[CLIENTS],
            user_data=encode_user_data(user),
            expire_s=-1,
            timeout_s=3,
            wall_now=WALL + self.now,
            entropy=self.entropy,
        )
        client = Client(
            token, game=self.stage.game, entropy=self.entropy, now=self.now, software="tests"
        )
        client.look_at(SIZE, SIZE / 2)
        return client

    def join(self, name: str) -> ShardCore:
        """Start a shard."""
        shard = ShardCore(
            key=KEY,
            server=SHARD_LINK,
            name=name,
            incarnation=self.entropy(16),
            game=self.stage.game,
            entropy=self.entropy,
            now=self.now,
            wall_now=WALL + self.now,
            seed=1,
        )
        self.shards.append(shard)
        return shard

    def restart(self) -> None:
        """End the authority and all shards, and begin with what was saved."""
        tick, copy = self.core.tick, RowCopy(self.stage.game)
        self.save()
        self.core, self.shards = self._start(tick), []
        tuples = np.concatenate(list(self.saved.values()))
        self.core.populate(copy.saved_records(tuples), np.ascontiguousarray(tuples["uuid"]))
        self.client = self._connect()

    def save(self) -> int:
        """Save what has changed: how many rows."""
        copy = RowCopy(self.stage.game)
        batch = self.core.saving.take_batch(1000, self.core.tick)
        if batch is None:
            return 0
        tuples = copy.decode(bytes(copy.encode(batch)))
        self.saved |= {row["uuid"].tobytes(): tuples[[at]] for at, row in enumerate(tuples)}
        self.core.saving.committed(batch)
        return len(batch)

    def run(self, ticks: int) -> None:
        """Let ticks pass."""
        for _ in range(ticks * STEPS):
            self._look()

    def _look(self) -> None:
        """Let everybody look at its socket once."""
        self.now += RULES.tick_s / STEPS
        for number, shard in enumerate(self.shards):
            if shard in self.dead:
                continue
            sent = [(datagram, _address(number)) for datagram, _ in shard.turn(self.now)]
            self.core.receive_shards(sent, self.now, WALL + self.now)
        heard = [(datagram, _address(9)) for datagram, _ in self.client.turn(self.now)]
        self.core.receive_clients(heard, self.now, WALL + self.now)
        outgoing = self.core.turn(self.now, WALL + self.now)
        for datagram, address in outgoing.shards:
            number = address.port - 5000
            if number < len(self.shards):
                self.shards[number].receive_datagram(datagram, SHARD_LINK, self.now)
        for datagram, _ in outgoing.clients:
            self.trace.update(datagram)
            self.client.receive_datagram(datagram, CLIENTS, self.now)

    def write(self, component: type[Component], name: str, value: float, net_id: int = 1) -> None:
        """Let a system write a value, in the owner's next tick; the shard's clock may shift."""
        self.stage.writes = [(component, name, net_id, value)]
        owner = self.owner()
        tick = owner.tick
        while owner.tick == tick:
            self._look()
        self.stage.writes = []

    # -- what everybody has -----------------------------------------------------------------------

    def truth(self, column: str, net_id: int = 1) -> float:
        return _value(self.core.world.columns, column, net_id)

    def owner(self, net_id: int = 1) -> ShardCore:
        number = self.truth("shard", net_id)
        (owner,) = [shard for shard in self.shards if shard.shard == number]
        return owner

    def at_owner(self, column: str, net_id: int = 1) -> float:
        bodies = self.owner(net_id).bodies
        assert bodies is not None
        assert bodies.rows_of(np.array([net_id]))[0] >= 0
        return _value(bodies.columns, column, net_id)

    def seen(self, column: str, net_id: int = 1) -> float:
        assert self.client.replica is not None
        return _value(self.client.replica.columns, column, net_id)


def _address(number: int) -> Address:
    return Address("198.51.100.1", 5000 + number)


def _value(columns: Any, column: str, net_id: int) -> float:
    (row,) = columns.rows_of(np.array([net_id]))
    assert row >= 0
    return float(columns[column][row])


def test_what_a_system_changes_is_seen_by_a_client_within_ticks() -> None:
    rig = Rig()
    assert rig.seen(HP) == rig.truth(HP) == 100.0
    rig.write(Health, "hp", 41.5)
    rig.run(2)
    assert rig.seen(HP) == rig.truth(HP) == rig.at_owner(HP) == 41.5
    assert rig.truth(HP, 2) == 100.0
    assert not rig.core.ingest.rejected


def test_less_than_a_step_arrives_within_a_second() -> None:
    rig = Rig()
    rig.write(Health, "hp", 99.9)
    rig.run(RULES.tick_hz + 2)
    assert rig.truth(HP) == rig.at_owner(HP) == float(np.float32(99.9))


def test_the_next_owner_goes_on_with_what_the_last_one_left() -> None:
    rig = Rig()
    for component, name, value in CHANGES:
        rig.write(component, name, value)
    rig.run(3)
    rig.join("shard-2")
    rig.run(10)
    first = rig.owner()
    rig.dead.append(first)
    rig.run(3 * RULES.tick_hz)
    assert rig.owner() is not first
    assert [rig.at_owner(column) for column in (HP, ANGER, READY)] == [41.5, 9, 77]
    assert rig.seen(HP) == 41.5


def test_after_a_restart_it_is_as_it_was_saved_and_else_as_it_begins() -> None:
    rig = Rig()
    for component, name, value in CHANGES:
        rig.write(component, name, value)
    rig.run(3)
    rig.restart()
    rig.join("shard-1")
    rig.run(2 * RULES.tick_hz)
    hurt = next(net_id for net_id in (1, 2) if rig.truth(HP, net_id) != 100.0)
    for where in (rig.truth, rig.at_owner):
        assert [where(column, hurt) for column in (HP, ANGER, READY)] == [41.5, 7, 77]
    assert rig.seen(HP, hurt) == 41.5


def test_what_is_not_kept_is_no_reason_to_save() -> None:
    rig = Rig()
    rig.run(2)
    rig.save()
    rig.write(Mood, "anger", 9)
    rig.run(3)
    assert rig.truth(ANGER) == 9
    assert rig.save() == 0
    rig.write(Health, "hp", 50.0)
    rig.run(3)
    assert rig.save() == 1


def test_a_neighbour_sees_what_changes_also_what_no_client_may_know() -> None:
    rig = Rig(shards=2)
    assert rig.owner(1) is not rig.owner(2)
    for component, name, value in CHANGES:
        rig.write(component, name, value)
    rig.run(4)
    ghosts = rig.owner(2).ghosts
    assert ghosts is not None
    assert ghosts.rows_of(np.array([1]))[0] >= 0
    assert [_value(ghosts.columns, column, 1) for column in (HP, ANGER, READY)] == [41.5, 9, 77]


def test_bytes_to_clients_do_not_depend_on_what_they_may_not_know() -> None:
    def watch(anger: float, ready: float) -> tuple[str, int, float]:
        rig = Rig(shards=2)
        rig.write(Mood, "anger", anger)
        rig.write(Launcher, "ready", ready)
        rig.run(RULES.tick_hz)
        return rig.trace.hexdigest(), rig.core.ingest.committed, rig.truth(ANGER)

    trace, committed, anger = watch(8, 1)
    other, as_many, another = watch(1_000_000, 99)
    assert (trace, committed) == (other, as_many)
    assert (anger, another) == (8, 1_000_000)


def test_what_is_against_a_rule_is_not_the_truth_and_is_taken_back() -> None:
    rig = Rig()
    rig.write(Health, "hp", 9.0)
    rig.run(1)
    assert rig.truth(HP) == 100.0
    rig.run(RULES.tick_hz)
    assert rig.truth(HP) == rig.at_owner(HP) == rig.seen(HP) == 100.0
    assert rig.core.ingest.rejected == {"against_a_rule": 1}


def test_what_is_out_of_range_is_put_back_by_the_shard_itself() -> None:
    rig = Rig()
    rig.write(Health, "hp", 4000.0)
    rig.write(Health, "hp", 50.0)
    rig.write(Health, "hp", 4000.0)
    rig.run(3)
    assert rig.truth(HP) == rig.at_owner(HP) == rig.seen(HP) == 100.0
    assert not rig.core.ingest.rejected


def test_a_body_is_as_large_in_the_physics_as_a_system_has_made_it() -> None:
    rig = Rig(kind=2)
    rig.write(Body, "radius", 70.0)
    rig.run(3 * RULES.tick_hz)
    assert rig.truth("radius") == rig.seen("radius") == 70.0
    # The two were 60 units apart; now one pushes the other out of it.
    assert rig.truth("x", 2) - rig.truth("x", 1) > 70.0
