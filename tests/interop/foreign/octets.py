"""Reads bytes from front to back, and refuses what is not there."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any, Final

VARINT_SIZE_MAX: Final = 6


class Malformed(Exception):
    """The document does not allow these bytes."""


@lru_cache(maxsize=256)
def compiled(layout: str) -> struct.Struct:
    """Compile a little-endian layout."""
    return struct.Struct("<" + layout)


def require(holds: bool, what: str) -> None:
    """Refuse what the document does not allow.

    Raises:
        Malformed: it does not hold; `what` says what is wrong.
    """
    if not holds:
        raise Malformed(what)


class Octets:
    """Bytes, and how far they have been read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        """Read so many bytes."""
        require(size <= self.left, "ends in the middle")
        self._at += size
        return self._data[self._at - size : self._at]

    def rest(self) -> bytes:
        """Read all that is left."""
        return self.take(self.left)

    def unpack(self, layout: str) -> tuple[Any, ...]:
        """Read little-endian numbers: letters as of `struct`."""
        form = compiled(layout)
        return form.unpack(self.take(form.size))

    def number(self, letter: str) -> int:
        """Read one number."""
        (value,) = self.unpack(letter)
        return int(value)

    def varint(self) -> int:
        """Read a number with seven bits in each byte, the low ones first."""
        value = 0
        for place in range(VARINT_SIZE_MAX):
            octet = self.number("B")
            value |= (octet & 127) << 7 * place
            if octet < 128:
                return value
        raise Malformed("a varint has more than six bytes")

    def signed_varint(self) -> int:
        """Read twice the number, or twice its amount less 1 if it is below 0."""
        value = self.varint()
        return -(value + 1 >> 1) if value & 1 else value >> 1

    def end(self) -> None:
        """Check that everything was read."""
        require(self.left == 0, "bytes behind the end")


def nearest(low: int, width: int, to: int) -> int:
    """Restore a number of which the low bits travelled: the one nearest to another number."""
    half = 1 << (width - 1)
    return to + ((low - to + half) & ((1 << width) - 1)) - half


def read_text(field: bytes) -> str:
    """Read UTF-8 that is padded with zeros."""
    text = field.rstrip(b"\0")
    require(0 not in text, "a text with a zero inside")
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise Malformed("a text is no UTF-8") from error
