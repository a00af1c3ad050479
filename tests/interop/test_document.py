"""What docs/PROTOCOL.md gives as an example, or as a number that follows from the code, is so."""

from __future__ import annotations

import re
from pathlib import Path

from sidereal.protocol.state.schema import BASE_SCHEMA

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
        ),
    )
    assert write_packet(packet) == bytes.fromhex(block)


def test_schema_hash_is_the_one_of_the_components_every_world_has() -> None:
    assert f"The hash of this schema is `{BASE_SCHEMA.hash.hex()}`." in TEXT
