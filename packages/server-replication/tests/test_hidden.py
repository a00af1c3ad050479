"""What is hidden from a client changes no byte of what it is sent.

Two worlds are alike but for what is hidden: the numbers differ, when they change, and whether the
component is there at all; or what happens, and when. Every datagram that leaves for somebody who
may not know it must be the same, to the byte.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
from stage import Cast

from sidereal.game import (
    F4,
    PILOT,
    SECTOR,
    SHARDS,
    U4,
    Authority,
    Body,
    Component,
    Event,
    Game,
    Label,
    Motion,
    Pilot,
    Player,
    field,
    role,
)
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, name_of, schema_of
from sidereal.protocol.ids import Address
from sidereal.protocol.message.codec import encode_message
from sidereal.protocol.message.player import Hello, LookAt, PlayerChannel, Role
from sidereal.replication.replicator import Outgoing


class Hull(Component):
    hp: F4 = field(100, low=0, high=100, quantum=0.5)


class Cargo(Component, audience=PILOT):
    ore: U4 = field(0, low=0, high=500)


class Course(Component, audience=SHARDS):
    to: F4 = field(0)


class Record(Component, audience=role("operator")):
    crimes: U4


class Hit(Event):
    by: U4


class Warned(Event, to=PILOT):
    of: U4


class Rumble(Event, to=SECTOR):
    strength: U4


secrets = Game("secrets")
secrets.declare(Hit, Warned, Rumble)
CRAFT = secrets.kind(
    "craft",
    Motion(),
    Body(radius=6, mass=12),
    Label(),
    Pilot(),
    Hull(),
    Cargo(),
    Course(),
    Record(),
)


@secrets.on_join
def arrive(world: Authority, player: Player) -> None:
    # Near what is there already: everybody sees everybody, the first one from another sector.
    place = 4960.0 + 35 * int(player.name[-1]), 4900.0
    player.fly(world.spawn(CRAFT, Label(name=player.name), at=place))


GAME: Final = declare(secrets)
SCHEMA: Final = schema_of(GAME)
HP = column_of(Hull, Hull.fields["hp"])
ORE = column_of(Cargo, Cargo.fields["ore"])
TO = column_of(Course, Course.fields["to"])
CRIMES = column_of(Record, Record.fields["crimes"])
CLIENTS: Final = (Role.PLAYER, Role.PLAYER, Role.OBSERVER, Role.OPERATOR)
TICKS: Final = 30


class World:
    """One of the two: what leaves it for whom, tick by tick."""

    def __init__(self, secret: int) -> None:
        self.cast = Cast(game=GAME)
        self.open = np.random.default_rng(7)
        self.hidden = np.random.default_rng([7, secret])
        self.sent: dict[Address, list[bytes]] = {}
        self._turn = self.cast.core.turn
        self.cast.core.turn = self._record  # type: ignore[method-assign]
        for account, status in enumerate(CLIENTS, 1):
            client = self.cast.connect(account, status)
            client.send(PlayerChannel.COMMAND, encode_message(Hello(SCHEMA.hash, "test")))
            if status is not Role.PLAYER:
                client.send(PlayerChannel.COMMAND, encode_message(LookAt(5000.0, 4950.0)))
            self.cast.run(4)
        self.addresses = list(self.cast.clients)

    def _record(self, now: float, wall_now: float) -> Outgoing:
        outgoing = self._turn(now, wall_now)
        for datagram, address in outgoing.clients:
            self.sent.setdefault(address, []).append(datagram)
        return outgoing

    def play(self, of: str, component: type[Component], column: str) -> None:
        """Let what is hidden of somebody change, and what is not hidden of all."""
        core = self.cast.core
        world = core.world
        rows = world.columns.rows()
        mine = rows[world.columns["name"][rows] == of.encode()]
        assert len(mine) == 1
        for _ in range(TICKS):
            hit = rows[self.open.random(len(rows)) < 0.2]
            world.columns[HP][hit] = self.open.uniform(0, 100, len(hit))
            world.mark_changed(name_of(Hull), hit, core.tick + 1)
            bit = np.uint64(1 << SCHEMA.numbers[name_of(component)])
            if self.hidden.random() < 0.5 and world.columns.mask[mine[0]] & bit:
                world.columns[column][mine] = self.hidden.integers(0, 500)
                world.mark_changed(name_of(component), mine, core.tick + 1)
            if self.hidden.random() < 0.1:
                # Also whether it is there at all.
                world.equip(mine, world.columns.mask[mine] ^ bit, core.tick + 1)
            self.cast.run(1)

    def let_happen(self, of: str, event: type[Warned] | type[Rumble]) -> None:
        """Let something happen to somebody that is hidden, and what is not to all."""
        core = self.cast.core
        rows = core.world.columns.rows()
        (mine,) = rows[core.world.columns["name"][rows] == of.encode()].tolist()
        (number,) = event.fields
        for _ in range(TICKS):
            for row in rows[self.open.random(len(rows)) < 0.2].tolist():
                core.events.emit(Hit(by=self.open.integers(0, 500)), row, core.tick)
            for _ in range(self.hidden.integers(0, 3)):
                hidden = event(**{number: self.hidden.integers(0, 500)})
                core.events.emit(hidden, mine, core.tick)
            self.cast.run(1)


@pytest.mark.parametrize(
    ("of", "component", "column", "knows"),
    [
        ("pilot 1", Cargo, ORE, 0),
        ("wreck", Cargo, ORE, None),
        ("pilot 1", Course, TO, None),
        ("pilot 2", Record, CRIMES, 3),
    ],
)
def test_what_is_hidden_from_a_client_changes_no_byte_of_what_it_is_sent(
    of: str, component: type[Component], column: str, knows: int | None
) -> None:
    worlds = [World(secret) for secret in (1, 2)]
    for world in worlds:
        world.play(of, component, column)
    one, other = worlds
    for number, address in enumerate(one.addresses):
        same = one.sent[address] == other.sent[address]
        assert same is (number != knows), f"client {number}"
        assert len(one.sent[address]) > TICKS // 2


@pytest.mark.parametrize(
    ("of", "event", "know"),
    [
        ("pilot 1", Warned, {0}),
        ("wreck", Warned, set()),
        ("pilot 1", Rumble, {0}),
        ("pilot 2", Rumble, {1, 2, 3}),
    ],
)
def test_what_happens_changes_no_byte_of_what_those_are_sent_whom_it_is_not_for(
    of: str, event: type[Warned] | type[Rumble], know: set[int]
) -> None:
    one, other = worlds = [World(secret) for secret in (1, 2)]
    for world in worlds:
        world.let_happen(of, event)
    for number, address in enumerate(one.addresses):
        same = one.sent[address] == other.sent[address]
        assert same is (number not in know), f"client {number}"
        assert len(one.sent[address]) > TICKS // 2
