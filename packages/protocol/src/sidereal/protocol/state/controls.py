"""Records of controls: what a pilot wants in one tick, as the bits of one number.

A game declares the fields. They take bits in their order, the lowest first, each as many as its
codes need; code 0 is what somebody has who touches nothing. A **record** is all of them as one
number. On the wire it is the bytes of that number, as many as its bits fill.

Fields are of four sorts. An *axis* and what one *holds* are states that fingers touch and leave. An
*angle* is a state, too, and always has a value. A *press* counts how often something was pressed
since the record before: whoever misses a record may take the states of the one before for it, but
must not press again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

RECORD_BITS_MAX: Final = 64

Records = NDArray[np.uint64]


class ControlsField(NamedTuple):
    """One field of a record.

    Attributes:
        name: unique in the record.
        codes: that it can have, from 0.
        sort: `axis`, `hold`, `angle` or `press`.
    """

    name: str
    codes: int
    sort: str

    @property
    def bits(self) -> int:
        """That it takes."""
        return (self.codes - 1).bit_length()


class ControlsLayout:
    """Where the fields of a game's controls are.

    Attributes:
        fields: in order.
        bits: of a record.
        size: of a record on the wire, bytes; 0 without fields.
        all_bits: a record in which every bit is set.
        states: the bits of all fields that do not count presses.
    """

    def __init__(self, fields: Sequence[ControlsField] = ()) -> None:
        self.fields = tuple(fields)
        self.bits = sum(field.bits for field in self.fields)
        self.size = (self.bits + 7) // 8
        self.all_bits = (1 << self.bits) - 1
        self._places = dict(self._lay_out())
        self.states = sum(mask << at for f, at, mask in self._each() if f.sort != "press")
        # Of most fields every number of their bits is a code: only the others are looked at.
        self._narrow = [
            (at, mask, field.codes) for field, at, mask in self._each() if field.codes <= mask
        ]
        self._presses = [
            (at, mask, f.codes - 1) for f, at, mask in self._each() if f.sort == "press"
        ]
        self._touched = [mask << at for f, at, mask in self._each() if f.sort in ("axis", "hold")]

    def accepts(self, records: Iterable[int]) -> bool:
        """Tell whether all fields of all records have codes that there are."""
        # A few records for each message of a client: 0.4 µs each, four times faster than NumPy.
        for record in records:
            if record > self.all_bits:
                return False
            for at, mask, codes in self._narrow:
                if (record >> at) & mask >= codes:
                    return False
        return True

    def join(self, codes: dict[str, NDArray[Any]]) -> Records:
        """Make records of the codes of their fields.

        Args:
            codes: of every field, integers [n], or one.

        Returns:
            uint64[n]
        """
        records = np.zeros((), np.uint64)
        for field, at, _ in self._each():
            records = records | (np.asarray(codes[field.name]).astype(np.uint64) << np.uint64(at))
        return records

    def split(self, records: Records) -> dict[str, NDArray[np.int64]]:
        """Give the codes of each field of records, int64[n]; the opposite of `join`."""
        return {
            field.name: ((records >> np.uint64(at)) & np.uint64(mask)).astype(np.int64)
            for field, at, mask in self._each()
        }

    def touched(self, record: int, before: int) -> int:
        """Give those states of a record that somebody has touched: that are others than before."""
        return sum(record & bits for bits in self._touched if (record ^ before) & bits)

    def merged(self, record: int, earlier: int) -> int:
        """Put what was touched earlier where a record has nothing, and add up the presses."""
        merged = record & self.states
        for bits in self._touched:
            merged |= 0 if record & bits else earlier & bits
        for at, mask, most in self._presses:
            count = ((record >> at) & mask) + ((earlier >> at) & mask)
            merged |= min(count, most) << at
        return merged

    def add_presses(self, records: Records, earlier: Records) -> Records:
        """Add the presses of records that are passed over to those that come after them.

        Args:
            records: uint64[n]
            earlier: uint64[n], whose presses nobody has taken.

        Returns:
            uint64[n]: `records`, with the presses of both, as many as there are codes for.
        """
        added = records & np.uint64(self.states)
        for at, mask, most in self._presses:
            place, bits = np.uint64(at), np.uint64(mask)
            count = ((records >> place) & bits) + ((earlier >> place) & bits)
            added = added | (np.minimum(count, np.uint64(most)) << place)
        return added

    def to_bytes(self, records: Iterable[int]) -> bytes:
        """Write records as they travel."""
        return b"".join(record.to_bytes(self.size, "little") for record in records)

    def from_bytes(self, body: bytes, count: int) -> tuple[int, ...]:
        """Read `count` records from as many bytes as they have; any number may come out."""
        size = self.size
        return tuple(
            int.from_bytes(body[at * size : (at + 1) * size], "little") for at in range(count)
        )

    def _lay_out(self) -> Iterator[tuple[str, tuple[int, int]]]:
        at = 0
        for field in self.fields:
            yield field.name, (at, (1 << field.bits) - 1)
            at += field.bits

    def _each(self) -> Iterator[tuple[ControlsField, int, int]]:
        for field in self.fields:
            yield field, *self._places[field.name]


NO_CONTROLS: Final = ControlsLayout()
"""Of a game in which nobody has anything to hold."""
