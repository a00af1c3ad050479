"""Talking: a line of text to whoever is near, or now and then to all."""

from __future__ import annotations

from typing import Annotated, Final

from sidereal.game import ALL, Event, Meta, Part, Text, Transaction, field, is_line

SAID_SIZE: Final = 96
"""Bytes of a line that are shown above the speaker; all of it is told."""

SHOUTS_HZ: Final = 0.2
"""How often one player may speak to all, per second."""

NO_LINE: Final = "a line is made of printable characters"
"""What is said to who says something else."""

Words = Annotated[str, Meta(min_length=1, max_length=240)]
"""What somebody says."""

talk = Part("talk")


class Said(Event):
    """The words above who speaks."""

    words: Text = field(b"", size=SAID_SIZE)


talk.effect(Said, kind="text", size=12, colour="#ffe", seconds=6.0)


@talk.action(rate_hz=1, durable=False, key="ENTER", does="talk to who is near")
def say(tx: Transaction, text: Words) -> None:
    """Say a line to those who have the speaker in view, and to the speaker itself."""
    tx.require(is_line(text), NO_LINE)
    tx.tell(f"{tx.name}: {text}")
    if tx.own:
        tx.emit(Said(words=shortened(text)), at=tx.own)


@talk.action(rate_hz=SHOUTS_HZ, durable=False, key="T", does="talk to all")
def shout(tx: Transaction, text: Words) -> None:
    """Say a line to all who are in the world."""
    tx.require(is_line(text), NO_LINE)
    tx.tell(f"{tx.name} to all: {text}", to=ALL)


def shortened(text: str) -> bytes:
    """As much of a line as is shown above who says it, in UTF-8."""
    packed = text.encode()
    if len(packed) <= SAID_SIZE:
        return packed
    return packed[: SAID_SIZE - 3].decode(errors="ignore").encode() + "…".encode()
