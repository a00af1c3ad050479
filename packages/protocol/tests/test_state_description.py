"""Descriptions: what the ends of a link tell each other of their declarations."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import msgspec
import pytest

from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import DESCRIPTION_SIZE_MAX
from sidereal.protocol.state.component import Component, Field, Replication, To
from sidereal.protocol.state.controls import ControlsField
from sidereal.protocol.state.description import (
    DIFFERENCES_MAX,
    Description,
    describe,
    differences,
    read_untrusted,
    say_difference,
)
from sidereal.protocol.state.schema import BASE_COMPONENTS, BASE_SCHEMA, Begin, Schema

HEALTH = Component(
    "health",
    (Field("hp", "f4", "hp", 0.0, 100.0, 0.5), Field("armour", "u1")),
    Replication.ATTRIBUTE,
    persisted=True,
    proposed=True,
)
SHIELD = Component("shield", (Field("charge", "u2"),), Replication.ATTRIBUTE)
BURST = Component("burst", (Field("size", "u1"),), Replication.EVENT)
BANG = Component("bang", (), Replication.EVENT)


def described(*components: Component, **kinds: tuple[int, ...]) -> Description:
    return describe(components, kinds.items())


def happening(*events: Component) -> Description:
    return describe((), (), events=events)


def with_field(**change: Any) -> Component:
    hp = dataclasses.replace(HEALTH.fields[0], **change)
    return dataclasses.replace(HEALTH, fields=(hp, HEALTH.fields[1]))


def test_a_description_travels_as_it_is() -> None:
    ship = Begin("ship", ("motion",), {})
    description = Schema((*BASE_COMPONENTS, HEALTH), [ship], events=[BURST, BANG]).description
    assert read_untrusted(description.encode()) == description
    assert [event.name for event in description.events] == ["burst", "bang"]
    assert [kind.name for kind in description.kinds] == ["ship"]


def test_the_hash_of_a_schema_is_the_digest_of_the_bytes_that_travel() -> None:
    body = BASE_SCHEMA.description.encode()
    digest = hashlib.blake2b(body, digest_size=16, person=b"sidereal-schema").digest()
    assert BASE_SCHEMA.hash == digest


def test_equal_components_and_other_kinds_are_another_hash() -> None:
    ship, rock = Begin("ship", ("motion",), {}), Begin("rock", ("motion",), {})
    armed = Begin("ship", ("motion", "body"), {})
    worlds = ([ship], [rock], [ship, rock], [rock, ship], [armed])
    assert len({Schema(BASE_COMPONENTS, kinds).hash for kinds in worlds}) == len(worlds)


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        (
            described(HEALTH),
            described(with_field(high=200.0)),
            "hp is 0 to 100 here, 0 to 200 there",
        ),
        (
            described(HEALTH),
            described(with_field(quantum=0.25)),
            "hp goes in steps of 0.5 here, in steps of 0.25 there",
        ),
        (
            described(HEALTH),
            described(with_field(quantum=None)),
            "hp goes in steps of 0.5 here, in no steps there",
        ),
        (
            described(HEALTH),
            described(with_field(dtype="f8")),
            "hp is of type <f4 here, <f8 there",
        ),
        (described(HEALTH), described(with_field(unit="")), "hp is in hp here, no unit there"),
        (
            happening(BURST),
            happening(dataclasses.replace(BURST, to=To.ALL)),
            "burst is for viewers here, for all there",
        ),
        (described(HEALTH), described(with_field(wrap=True)), "hp means something else there"),
        (
            described(HEALTH),
            described(dataclasses.replace(HEALTH, fields=HEALTH.fields[:1])),
            "the server's health has no field armour",
        ),
        (
            described(dataclasses.replace(HEALTH, fields=HEALTH.fields[:1])),
            described(HEALTH),
            "the server's health has a field armour, which is not known here",
        ),
        (
            described(HEALTH),
            described(dataclasses.replace(HEALTH, fields=HEALTH.fields[::-1])),
            "health has its fields in another order there",
        ),
        (
            described(HEALTH),
            described(dataclasses.replace(HEALTH, persisted=False)),
            "health is persisted here, not persisted there",
        ),
        (described(HEALTH, SHIELD), described(HEALTH), "the server knows no component shield"),
        (
            described(HEALTH),
            described(HEALTH, SHIELD),
            "the server has a component shield, which is not known here",
        ),
        (
            described(HEALTH, SHIELD),
            described(SHIELD, HEALTH),
            "components are declared in the order health, shield here, shield, health there",
        ),
        (described(HEALTH, ship=(1,)), described(HEALTH), "the server knows no kind ship"),
        (
            described(HEALTH, SHIELD, ship=(1,)),
            described(HEALTH, SHIELD, ship=(1, 2)),
            "the server's ship has shield, which it has not here",
        ),
        (
            described(HEALTH, SHIELD, ship=(1, 2)),
            described(HEALTH, SHIELD, ship=(1,)),
            "the server's ship has no shield",
        ),
        (happening(BURST, BANG), happening(BANG), "the server knows no event burst"),
        (
            happening(BANG),
            happening(BURST, BANG),
            "the server has an event burst, which is not known here",
        ),
        (
            happening(BURST),
            happening(dataclasses.replace(BURST, fields=())),
            "the server's burst has no field size",
        ),
        (
            happening(BURST, BANG),
            happening(BANG, BURST),
            "events are declared in the order burst, bang here, bang, burst there",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_difference_is_named(here: Description, there: Description, said: str) -> None:
    assert list(differences(here, there)) == [said]


def test_differences_are_one_line_and_bounded() -> None:
    many = [Component(f"c{at}", (Field(f"f{at}", "u1"),)) for at in range(9)]
    text = say_difference(described(HEALTH), described(HEALTH, *many))
    assert text.count("; ") == DIFFERENCES_MAX
    assert text.endswith(f"and {9 - DIFFERENCES_MAX} more")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode(["sidereal schema 1", [], [], []]),
        msgspec.msgpack.encode(["sidereal schema 6", [], [["ship", [1]]], [], []]),
        msgspec.msgpack.encode(["sidereal schema 6", [], [], [], [], []]),
        described(*[HEALTH] * (DESCRIPTION_SIZE_MAX // 32)).encode(),
    ],
    ids=["nothing", "no msgpack", "format", "kind", "more", "long"],
)
def test_what_is_no_description_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        read_untrusted(body)


def test_other_controls_are_another_hash_and_said_in_words() -> None:
    thrust, fire = ControlsField("thrust", 3, "axis"), ControlsField("fire", 16, "press")
    finer = thrust._replace(codes=7)
    here, there = (describe((), (), controls) for controls in ([thrust, fire], [finer]))
    assert here.digest() != there.digest()
    assert read_untrusted(here.encode()) == here
    assert say_difference(here, there) == (
        "the server knows no control fire; "
        "control thrust is of sort axis with 3 values here, of sort axis with 7 values there"
    )
    swapped = describe((), (), [fire, thrust])
    assert "controls are declared in the order thrust, fire here" in say_difference(here, swapped)
