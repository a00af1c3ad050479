"""Talking: a line of text to whoever is near."""

from __future__ import annotations

from typing import Annotated, Final

from sidereal.game import Event, Meta, Part, Text, Transaction, field

SAID_SIZE: Final = 96
"""Bytes of a line that are shown above the speaker; all of it is told."""

talk = Part("talk")


class Said(Event):
    """The words above who speaks."""

    words: Text = field(b"", size=SAID_SIZE)


talk.effect(Said, kind="text", size=12, colour="#ffe", seconds=6.0)


@talk.action(rate_hz=1, durable=False, key="ENTER")
def say(tx: Transaction, text: Annotated[str, Meta(min_length=1, max_length=240)]) -> None:
    """Say a line to those who have the speaker in view, and to the speaker itself."""
    tx.require(text.isprintable(), "a line is made of printable characters")
    tx.tell(f"{tx.name}: {text}")
    if tx.own:
        tx.emit(Said(words=shortened(text)), at=tx.own)


def shortened(text: str) -> bytes:
    """As much of a line as is shown above who says it, in UTF-8."""
    packed = text.encode()
    if len(packed) <= SAID_SIZE:
        return packed
    return packed[: SAID_SIZE - 3].decode(errors="ignore").encode() + "…".encode()
