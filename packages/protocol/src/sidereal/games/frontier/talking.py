"""Talking: a line of text to whoever is near."""

from __future__ import annotations

from typing import Annotated

from sidereal.game import Meta, Part, Transaction

talk = Part("talk")


@talk.action(rate_hz=1, durable=False)
def say(tx: Transaction, text: Annotated[str, Meta(min_length=1, max_length=240)]) -> None:
    """Say a line to those who have the speaker in view, and to the speaker itself."""
    tx.require(text.isprintable(), "a line is made of printable characters")
    tx.tell(f"{tx.name}: {text}")
