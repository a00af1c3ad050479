"""Bytes, read one after the other, strictly."""

from __future__ import annotations

import struct
from typing import Any


class Malformed(Exception):
    """Bytes that the document does not allow."""


class Octets:
    """A cursor over bytes that never reads past their end."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self._octets) - self._at

    def take(self, size: int) -> bytes:
        """Read so many bytes."""
        if size > self.left:
            raise Malformed(f"{size} bytes wanted, {self.left} left")
        self._at += size
        return self._octets[self._at - size : self._at]

    def unpack(self, layout: str) -> tuple[Any, ...]:
        """Read little-endian numbers without padding."""
        layout = "<" + layout
        return struct.unpack(layout, self.take(struct.calcsize(layout)))

    def number(self, layout: str) -> Any:
        """Read one number."""
        return self.unpack(layout)[0]

    def signed(self) -> int:
        """Read a number of a size that varies, and that may be negative."""
        number = self.unsigned()
        return -(number + 1) // 2 if number % 2 else number // 2

    def unsigned(self) -> int:
        """Read a number of a size that varies."""
        number = 0
        for at in range(6):
            octet = self.number("B")
            number += octet % 128 * 128**at
            if octet < 128:
                return number
        raise Malformed("a number of more than six bytes")

    def zeros(self) -> None:
        """Read all that is left, which is zeros."""
        if any(self.take(self.left)):
            raise Malformed("padding is not zero")

    def end(self) -> None:
        """Stand at the end."""
        if self.left:
            raise Malformed(f"{self.left} bytes too many")


def text_of(padded: bytes) -> str:
    """Read zero-padded UTF-8."""
    octets = padded.rstrip(b"\0")
    if 0 in octets:
        raise Malformed("a zero inside a text")
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8") from error


def within(name: str, value: float, low: float, high: float) -> None:
    """Check a range; what is no number is in none."""
    if not low <= value <= high:
        raise Malformed(f"{name} {value}")
