"""What a fuzz target is, and how one input holds several messages.

A target reads arbitrary bytes the way a peer's bytes are read, and lets out only the errors that
the reader's contract names. It makes all that it reads them with anew for every input, from fixed
seeds, so that an input does the same every time.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from sidereal.protocol.errors import WireError

_HEAD: Final = struct.Struct("<BH")
MESSAGES_MAX: Final = 64
"""Messages of one input that are looked at."""


@dataclass(frozen=True, slots=True)
class Target:
    """One way in for bytes.

    Attributes:
        name: of the function, from below `sidereal` on, or of the class that an input is fed to:
            `protocol.links.decode_user_data_untrusted`.
        run: reads an input; asserts what must hold afterwards.
        seeds: gives valid inputs, made by our own encoders; the same ones every time.
        refusals: errors that `run` may let out.
        size_max: bytes of the longest input worth trying.
        mutants_max: how many damaged forms of each seed are replayed; few where one costs much.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    refusals: tuple[type[Exception], ...] = (WireError,)
    size_max: int = 2048
    mutants_max: int = 1000

    def read(self, body: bytes) -> None:
        """Read an input; what comes out of here is a bug found."""
        with contextlib.suppress(*self.refusals):
            self.run(body)


class Message(NamedTuple):
    """One message of an input: what to do with the body."""

    act: int
    body: bytes


def join(*messages: tuple[int, bytes]) -> bytes:
    """Write an input of several messages: act u8, size u16, body, each."""
    return b"".join(_HEAD.pack(act, len(body)) + body for act, body in messages)


def split(body: bytes) -> Iterator[Message]:
    """Read an input of several messages; every input is one, the last body may be short."""
    at = 0
    for _ in range(MESSAGES_MAX):
        if at + _HEAD.size > len(body):
            return
        act, size = _HEAD.unpack_from(body, at)
        at += _HEAD.size
        yield Message(act, body[at : at + size])
        at += size
