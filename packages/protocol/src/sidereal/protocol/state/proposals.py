"""What a shard proposes: entities and their components, as they are at its tick.

    header | run…       run: what u8 · count u8 | rows

A row is one of `Schema.proposed_rows`. `what` says which:

* the number of a component: id, epoch, tick, and its fields as in memory;
* WHOLE: all of an entity, which is new, or has other components than before;
* GONE: id, epoch and tick of an entity that is no more;
* the number of an event: id, epoch, which one it is of all that the shard has emitted, its fields.

A message without runs says that the shard is alive and at this tick.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np

from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import UNRELIABLE_SIZE_MAX
from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.schema import Schema

PROPOSAL_VERSION: Final = 2

PROPOSAL_HEADER: Final = struct.Struct("<BBI")
"""Version, runs, tick."""

RUN_SIZE: Final = 2
"""Bytes of a run beside its rows."""
RUN_ROWS_MAX: Final = 255


class Part(NamedTuple):
    """Which of the rows to be sent are in a message: those of one sort, from and before."""

    what: int
    first: int
    end: int


class Packed(NamedTuple):
    """A message, and what is in it."""

    message: bytes
    parts: tuple[Part, ...]


def encode_proposals(
    tick: int, runs: Iterable[tuple[int, Rows]], size_max: int = UNRELIABLE_SIZE_MAX
) -> list[Packed]:
    """Write rows into as many messages as they need, at least one.

    Args:
        tick: the shard's.
        runs: for each sort what they are, and its rows; none is larger than a message.
        size_max: bytes of a message.
    """
    room_max = size_max - PROPOSAL_HEADER.size
    messages: list[Packed] = []
    body, parts = bytearray(), list[Part]()
    for what, rows in runs:
        packed, size = rows.tobytes(), rows.dtype.itemsize
        first = 0
        while first < len(rows):
            room = room_max - len(body) - RUN_SIZE
            count = min(room // size, RUN_ROWS_MAX, len(rows) - first)
            if count > 0:
                body += bytes((what, count)) + packed[first * size : (first + count) * size]
                parts.append(Part(what, first, first + count))
                first += count
            else:
                assert parts, f"a row of {size} bytes"
                messages.append(_finished(tick, body, parts))
                body, parts = bytearray(), []
    if parts or not messages:
        messages.append(_finished(tick, body, parts))
    return messages


def _finished(tick: int, body: bytearray, parts: list[Part]) -> Packed:
    header = PROPOSAL_HEADER.pack(PROPOSAL_VERSION, len(parts), tick)
    return Packed(header + body, tuple(parts))


def decode_proposal_untrusted(schema: Schema, message: bytes) -> tuple[int, list[tuple[int, Rows]]]:
    """Read a proposal; the values of its rows are not looked at.

    Args:
        schema: for the rows.
        message: as `encode_proposals` writes it.

    Returns:
        The shard's tick, and for each run what its rows are, and these, read-only over the message.

    Raises:
        WireError: not such a message.
    """
    at = PROPOSAL_HEADER.size
    if len(message) < at:
        raise WireError(f"a proposal in {len(message)} bytes")
    version, count, tick = PROPOSAL_HEADER.unpack_from(message)
    if version != PROPOSAL_VERSION:
        raise WireError(f"a proposal of version {version}")
    runs = []
    for _ in range(count):  # 2 µs each
        head = message[at : at + RUN_SIZE]
        dtype = schema.proposed_rows.get(head[0]) if len(head) == RUN_SIZE else None
        if dtype is None or not head[1]:
            raise WireError("a run of no rows, or of what is not known")
        at += RUN_SIZE
        end = at + head[1] * dtype.itemsize
        if end > len(message):
            raise WireError(f"a proposal ends after {len(message)} bytes")
        runs.append((head[0], np.frombuffer(message, dtype, head[1], at)))
        at = end
    if at != len(message):
        raise WireError(f"{len(message) - at} bytes behind a proposal")
    return tick, runs


def version_of(records: Rows) -> Ints:
    """Give what rows of one entity and component are ordered by: int64[n], epoch << 32 | tick."""
    version: Ints = records["epoch"].astype(np.int64) << 32 | records["tick"]
    return version
