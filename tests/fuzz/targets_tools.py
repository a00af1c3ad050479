"""Targets of the tools: what the soak says to itself over the transport."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from target import Target

from sidereal.tools.soak.body import LABEL_SIZE, Label, decode_body_untrusted, encode_body
from sidereal.tools.soak.config import End


def decode_body(body: bytes) -> None:
    label = decode_body_untrusted(body)
    assert encode_body(label, len(body)) == body


def body_seeds() -> Iterator[bytes]:
    yield encode_body(Label(1, End.CLIENT, 0, 0), LABEL_SIZE)
    yield encode_body(Label(2, End.SERVER, 3, 70_000), LABEL_SIZE + 100)


TARGETS: Final = (Target("tools.soak.body.decode_body_untrusted", decode_body, body_seeds),)
