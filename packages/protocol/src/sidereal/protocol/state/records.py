"""Rows to one receiver, with what it has acked of each: ghosts to a shard.

A row is sent every tick from its change on until the receiver has acked a message that held that
change or a later one. What a message held is remembered until its ack comes or it is too old.

    header | `record`[count]
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import UNRELIABLE_SIZE_MAX
from sidereal.protocol.state.arrays import Ints, Rows

RECORDS_VERSION: Final = 1

RECORDS_HEADER: Final = np.dtype(
    [("version", "u1"), ("pad", "u1"), ("count", "<u2"), ("tick", "<u4")]
)


class _Sent(NamedTuple):
    tick: int
    rows: Ints
    changed: Ints


class RecordSender:
    """The sending end of one link.

    Attributes:
        unacked: messages whose ack may still come.
        put_off: rows that had to wait, for want of messages.
    """

    def __init__(
        self,
        dtype: np.dtype[Any],
        reorder_ticks: int,
        *,
        size_max: int = UNRELIABLE_SIZE_MAX,
        messages_max: int = 1 << 16,
    ) -> None:
        """Begin with a receiver that knows nothing.

        Args:
            dtype: of a record.
            reorder_ticks: see `StreamLimits`.
            size_max: bytes of a message.
            messages_max: messages of one `collect`; rows beyond wait, longest unsent first.
        """
        self.put_off = 0
        self._dtype = dtype
        self._reorder_ticks = reorder_ticks
        self._rows_max = (size_max - RECORDS_HEADER.itemsize) // dtype.itemsize
        self._messages_max = messages_max
        self._acked: Ints = np.zeros(0, np.int64)
        self._sent: Ints = np.zeros(0, np.int64)
        self._since: Ints = np.zeros(0, np.int64)
        self._messages: dict[int, _Sent] = {}
        self._next_tag = 0
        self._tick = -1

    @property
    def unacked(self) -> int:
        """Messages whose ack may still come."""
        return len(self._messages)

    def pending(self, rows: NDArray[np.integer[Any]], changed: Ints) -> Ints:
        """Tell which rows the receiver has not acked as they are.

        Args:
            rows: int[n] of the living, each once.
            changed: int64[n], tick at which each last changed.

        Returns:
            int64[k], indices into `rows`, the order in which they should be sent.
        """
        if len(rows):
            self._reserve(int(rows.max()) + 1)
        due = np.flatnonzero(changed > self._acked[rows])
        rank = np.lexsort((-changed[due], self._sent[rows[due]]))
        room = self._rows_max * self._messages_max
        self.put_off += max(0, len(due) - room)
        return due[rank][:room]

    def collect(
        self, tick: int, rows: NDArray[np.integer[Any]], changed: Ints, records: Rows
    ) -> list[tuple[bytes, int]]:
        """Write messages with rows; those of `pending` suffice.

        Args:
            tick: the sender's, not below that of the call before.
            rows: int[n], each once.
            changed: int64[n]
            records: [n], of the sender's dtype.

        Returns:
            Messages and the tags by which to ack them.
        """
        self._tick = tick
        self._expire()
        if len(rows):
            self._reserve(int(rows.max()) + 1)
        header = np.zeros((), RECORDS_HEADER)
        header["version"], header["tick"] = RECORDS_VERSION, tick
        packed = np.ascontiguousarray(records, dtype=self._dtype).tobytes()
        size = self._dtype.itemsize
        messages = []
        last = min(len(rows), self._rows_max * self._messages_max)
        for first in range(0, last, self._rows_max):
            end = min(first + self._rows_max, last)
            header["count"] = end - first
            part = np.asarray(rows[first:end], dtype=np.int64)
            self._sent[part] = tick
            self._messages[self._next_tag] = _Sent(tick, part, changed[first:end].copy())
            messages.append((header.tobytes() + packed[first * size : end * size], self._next_tag))
            self._next_tag += 1
        return messages

    def acked(self, tags: Iterable[int]) -> None:
        """Note that the receiver has these messages; unknown and repeated ones are ignored."""
        for tag in tags:
            sent = self._messages.pop(tag, None)
            if sent is not None:
                # A row freed since then holds somebody else.
                same = sent.tick > self._since[sent.rows]
                rows = sent.rows[same]
                self._acked[rows] = np.maximum(self._acked[rows], sent.changed[same])

    def forget(self, rows: NDArray[np.integer[Any]]) -> None:
        """Note that these rows are free, or that their records are to be sent anew."""
        if len(rows):
            self._reserve(int(rows.max()) + 1)
            self._acked[rows] = -1
            self._sent[rows] = -1
            self._since[rows] = self._tick

    def _expire(self) -> None:
        # Messages are kept in the order of time.
        while self._messages:
            oldest = next(iter(self._messages))
            if self._messages[oldest].tick >= self._tick - self._reorder_ticks:
                break
            del self._messages[oldest]

    def _reserve(self, count: int) -> None:
        more = count - len(self._acked)
        if more > 0:
            fill = np.full(max(more, len(self._acked)), -1, np.int64)
            self._acked = np.concatenate([self._acked, fill])
            self._sent = np.concatenate([self._sent, fill])
            self._since = np.concatenate([self._since, fill])


def decode_record_message_untrusted(dtype: np.dtype[Any], message: bytes) -> tuple[int, Rows]:
    """Read a message of records; their values are not looked at.

    Args:
        dtype: of a record.
        message: as `RecordSender.collect` writes it.

    Returns:
        The sender's tick, and read-only records `dtype`[n] over the message.

    Raises:
        WireError: not such a message.
    """
    size = RECORDS_HEADER.itemsize
    if len(message) < size:
        raise WireError(f"records in {len(message)} bytes")
    version, pad, count, tick = np.frombuffer(message, RECORDS_HEADER, 1)[0].item()
    if version != RECORDS_VERSION or pad or len(message) != size + count * dtype.itemsize:
        raise WireError(f"{len(message)} bytes are not {count} records, version {version}")
    return tick, np.frombuffer(message, dtype, count, size)
