"""What is hidden from a client changes no byte of what it is sent.

Two worlds are alike but for what is hidden: the numbers differ, when they change, and whether the
component is there at all. Every datagram that leaves for somebody who may not know them must be the
same, to the byte.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest
from stage import Cast

from sidereal.game import (
    F4,
    PILOT,
    SHARDS,
    U4,
    Authority,
    Body,
    Component,
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


secrets = Game("secrets")
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
    # Near what is there already: everybody sees everybody.
    place = 5000.0 + 20 * int(player.name[-1]), 4900.0
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
