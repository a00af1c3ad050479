"""Targets of a client without a game: what a server describes, and what faces make of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from authority import RULES
from played import GAME
from target import Target, join, split
from targets_client import SCORED, draw

from sidereal.client.front.effects import Effects
from sidereal.client.front.grip import Grip
from sidereal.client.front.keys import Steer, make_bindings
from sidereal.client.front.looks import Looks
from sidereal.client.placeless import Placeless
from sidereal.client.replica import Replica
from sidereal.client.worlds import Worlds
from sidereal.game.described import declare_untrusted
from sidereal.game.schema import column_of, name_of, schema_of
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.controls import ControlsField, ControlsLayout
from sidereal.protocol.state.description import read_untrusted
from sidereal.protocol.state.schema import BASE_COMPONENTS, Begin, Schema

GUN: Final = Component("gun", (Field("gun_ready", "i8"),), Replication.PILOT)
CARD: Final = Component(
    "card", (Field("card_red", "i2", "", -9, 9),), Replication.ROLE, role="referee"
)
COURSE: Final = Component(
    "course",
    (
        Field("course_turn", "f8", "rad", -math.pi, math.pi, math.tau / 256, wrap=True),
        Field("course_sign", "S4"),
    ),
    Replication.NONE,
    persisted=True,
    predicted=True,
    interpolated=True,
    proposed=True,
)
KINDS: Final = (
    Begin("boat", ("motion", "body", "label", "owner", "pilot", "gun", "course"), {}),
    Begin("mark", ("motion", "owner", "card"), {}),
)
CONTROLS: Final = (
    ControlsField("turn", 5, "axis"),
    ControlsField("brake", 2, "hold"),
    ControlsField("fire", 16, "press"),
    ControlsField("aim", 256, "angle"),
)
EVENTS: Final = (
    Component("bang", (), Replication.EVENT),
    Component("cry", (Field("cry_says", "S8"),), Replication.EVENT),
)
RICH: Final = Schema((*BASE_COMPONENTS, GUN, CARD, COURSE), KINDS, ControlsLayout(CONTROLS), EVENTS)
"""A world with some of all that can be described."""


def read_world(body: bytes) -> None:
    """Read a world as it is described: it is the one that was, and faces can show it."""
    world = declare_untrusted(body)
    assert world.schema.hash == read_untrusted(body).digest()
    numbers = world.schema.numbers | world.schema.event_numbers
    for record in (*world.components, *world.events):
        declared = world.schema.component(numbers[name_of(record)])
        columns = [column_of(record, field) for field in record.fields.values()]
        assert columns == [field.name for field in declared.fields]
    view = draw(Replica(world.schema, RULES, 8))
    Effects(world).begin([], view, 0.0)
    assert len(Looks(world).labels(view)) == 0
    grip = Grip(world.controls)
    for binding in make_bindings(world, observing=False):
        if isinstance(binding.target, Steer):
            record = grip.press(binding.target)
            assert record is None or world.schema.controls.accepts([record])
    Placeless(world, world.schema)


def follow_worlds(body: bytes) -> None:
    """Follow one description after another: each is of another world than the one before."""
    worlds = Worlds(SCORED)
    for _, description in split(body):
        before = worlds.game
        worlds.follow_untrusted(description)
        assert schema_of(worlds.game).hash != schema_of(before).hash
        assert worlds.game is not SCORED or not worlds.difference
        assert worlds.difference.isprintable()


def described() -> Iterator[bytes]:
    for schema in (schema_of(GAME), schema_of(SCORED), RICH):
        yield schema.description.encode()


def described_in_turn() -> Iterator[bytes]:
    first, second, third = described()
    yield join((0, first), (0, second), (0, third))


TARGETS: Final = (
    Target(
        "game.described.declare_untrusted", read_world, described, size_max=8192, mutants_max=150
    ),
    Target(
        "client.worlds.Worlds.follow_untrusted",
        follow_worlds,
        described_in_turn,
        size_max=8192,
        mutants_max=60,
    ),
)
