"""What docs/PROTOCOL.md gives as an example, or as a number that follows from the code, is so."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.protocol.message.inputs import Input, decode_input_untrusted
from sidereal.protocol.state.schema import BASE_SCHEMA

from .foreign.description import FORMAT, read_description, schema_hash
from .foreign.inputs import THAT_SHIPS, read_input
from .foreign.packets import (
    Ack,
    Channel,
    Fragment,
    Guarantee,
    Packet,
    Run,
    Unreliable,
    read_packet,
    write_packet,
)
from .foreign.private import Inputs, Private, Told
from .foreign.rows import BASE, Body, Event, EventSort, Gone, Label, Owner, Presence, Reference
from .foreign.snapshots import Grid, read_snapshot

TEXT = (Path(__file__).parents[2] / "docs" / "PROTOCOL.md").read_text()


def test_packet_of_the_example_is_what_the_document_says() -> None:
    (block,) = re.findall(r"For example, packet 0x2345.*?\n\n((?:    [0-9a-f ]+\n)+)", TEXT, re.S)
    guarantees = Guarantee.UNRELIABLE, Guarantee.ORDERED, Guarantee.SEQUENCED, Guarantee.UNORDERED
    channels = tuple(Channel(guarantee.name, guarantee, 1 << 16) for guarantee in guarantees)
    packet = read_packet(bytes.fromhex(block), channels)
    assert packet == Packet(
        sequence=0x2345,
        wants_ack=True,
        ack=Ack(newest=0xABCD, delay=123, words=1, bits=0b101),
        parts=(
            Unreliable(0, b"hi"),
            Run(1, 0x0A0B0C0D, (b"x", b"", b"yz")),
            Fragment(3, 5, 1, 2, b"end"),
            Unreliable(2, b"oh"),
        ),
    )
    assert write_packet(packet) == bytes.fromhex(block)


def test_schema_hash_is_the_one_of_the_components_every_world_has() -> None:
    assert f"has the hash `{BASE_SCHEMA.hash.hex()}`" in " ".join(TEXT.split())


def test_description_of_the_components_every_world_has_gives_the_hash() -> None:
    (block,) = re.findall(r"are described so:[^:]*:\n\n((?:    [^\n]+\n)+)", TEXT)
    components: list[list[Any]] = []
    for line in block.splitlines():
        name, *rest = ("" if word == "-" else word for word in line.split())
        if not line.startswith(" " * 8):
            components.append([name, rest[0], *(flag == "1" for flag in rest[1:]), []])
        else:
            kind, unit, *bounds, wrap, axis = rest
            numbers = [number(word) for word in bounds]
            components[-1][-1].append([name, kind, unit, *numbers, wrap == "1", axis])
    body = msgspec.msgpack.encode([FORMAT, components, [], [], []])
    assert f"has the hash `{schema_hash(body).hex()}`" in " ".join(TEXT.split())
    assert len(read_description(body).components) == 7


def number(said: str) -> float:
    """A number as the document writes it: factors, one of them may be pi, over a divisor."""
    product, _, divisor = said.partition("/")
    sign = -1.0 if product.startswith("-") else 1.0
    factors = (math.pi if word == "pi" else float(word) for word in product.strip("-").split("*"))
    return sign * math.prod(factors) / float(divisor or 1)


def test_input_of_the_example_is_what_the_document_says() -> None:
    (block,) = re.findall(
        r"For example, this is an input.*?\n\n((?:    [0-9a-f ]+\n)+)", TEXT, re.S
    )
    assert read_input(bytes.fromhex(block), THAT_SHIPS) == {
        "message": "Input",
        "control_epoch": 3,
        "first": 41,
        "records": [1 | 4, 1 | 32],
    }
    layout = schema_of(load(DEFAULT_GAME)).controls
    assert decode_input_untrusted(bytes.fromhex(block), layout) == Input(3, 41, (5, 33))
    assert [field.codes for field in layout.fields] == [*THAT_SHIPS]


def test_snapshot_of_the_example_is_what_the_document_says() -> None:
    (block,) = re.findall(
        r"For example, this is the snapshot.*?\n\n((?:    [0-9a-f ]+\n)+)", TEXT, re.S
    )
    snapshot = read_snapshot(bytes.fromhex(block), Grid(250.0, 4, 1))
    assert (snapshot.tick, snapshot.centre) == (70_000, (4, -8))
    assert snapshot.unchanged == frozenset(range(9)) - {4}
    [section] = snapshot.sections
    assert (section.place, section.cell, section.since) == (4, (4, -8), 69_998)
    assert section.rows == (
        Presence(258, 2, 0b11110),
        Body(258, 6.0, 12.0, 0),
        Label(258, "Ada"),
        Owner(258, 1),
        Gone(7),
        Reference(258, 70_000, 1062.5, -1875.0, 10.0, -2.0, math.pi / 2, 0.5),
    )
    (block,) = re.findall(r"In the next tick entity 258.*?\n\n((?:    [0-9a-f ]+\n)+)", TEXT, re.S)
    snapshot = read_snapshot(bytes.fromhex(block), Grid(250.0, 4, 1))
    assert (snapshot.tick, snapshot.centre, snapshot.deferred) == (70_001, (4, -8), 1)
    assert snapshot.unchanged == frozenset(range(9)) - {4, 8}
    [section] = snapshot.sections
    assert (section.place, section.since) == (4, 70_000)
    assert section.rows == (Owner(258, 2),)


def test_private_section_of_the_example_is_what_the_document_says() -> None:
    (block,) = re.findall(
        r"For example, this is the private section.*?\n\n((?:    [0-9a-f ]+\n)+)", TEXT, re.S
    )
    head = bytes.fromhex("44 f0 a2 04 00 00")
    private = read_snapshot(head + bytes.fromhex(block), Grid(250.0, 4, 1)).private
    assert private == Private(
        is_whole=False,
        since=69_999,
        to=70_000,
        flight=1,
        flown=None,
        motion=None,
        inputs=Inputs(70_000, 4711, 2),
    )
    (block,) = re.findall(
        r"In a game whose event 130 is private.*?\n\n((?:    [0-9a-f ]+\n)+)", TEXT, re.S
    )
    world = BASE._replace(events={130: EventSort("B", "B", ((0, 255),), is_private=True)})
    with_events = read_snapshot(head + bytes.fromhex(block), Grid(250.0, 4, 1), world).private
    told = Told(Event(7, 130, 69_998, (5,)), 0), Told(Event(258, 130, 69_998, (9,)), 1)
    assert with_events == replace(private, told=told)
