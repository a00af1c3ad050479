"""What every datagram in flight holds, kept until it is known what became of it.

There is one record per tick, for all clients, as arrays. Every datagram has a tag; a tag names the
tick's record and the datagram in it. A datagram is **settled** once: it has arrived, or it is taken
for lost. What is said of it after that means nothing. A datagram of which nothing was heard for
`StreamLimits.reorder_ticks` is taken for lost: its receiver may have dropped it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.limits import CLIENT_SLOTS_MAX, SNAPSHOT_DATAGRAMS_MAX
from sidereal.protocol.state.arrays import Ints
from sidereal.replication.edge.transfer import Transfer

TAG_BITS: Final = 20
"""Bits of a tag that number the datagrams of a tick; the tick is above them."""

assert 1 << TAG_BITS > CLIENT_SLOTS_MAX * SNAPSHOT_DATAGRAMS_MAX


class Settled(NamedTuple):
    """What was in some of one tick's datagrams.

    Attributes:
        tick: of them.
        clients: int64[n], rows of clients, of each section or part of one.
        places: int64[n], the cell that it is of; pairs may repeat.
        since: int64[n], tick since which it says what has changed, -1 for a whole cell.
        unchanged_clients: int64[m], rows of clients, of each cell that was unchanged.
        unchanged_places: int64[m], that cell.
        transfer_parts: parts of transfers.
    """

    tick: int
    clients: Ints
    places: Ints
    since: Ints
    unchanged_clients: Ints
    unchanged_places: Ints
    transfer_parts: list[tuple[Transfer, int]]


class Sent:
    """What the datagrams of one tick hold.

    Attributes:
        client: int64[datagrams]
        unchanged: bool[datagrams, window]
        datagram: int32[n], in which datagram each section, or part of one, is.
        place: uint8[n], of its cell.
        age: uint8[n], ticks that it goes back, 0 for a whole cell.
        transfer_parts: parts of transfers by datagram.
    """

    def __init__(
        self,
        client: Ints,
        unchanged: NDArray[np.bool_],
        datagram: NDArray[Any],
        place: NDArray[Any],
        age: NDArray[Any],
        transfer_parts: dict[int, list[tuple[Transfer, int]]],
    ) -> None:
        self.client = client
        self.unchanged = unchanged
        self.datagram = datagram.astype(np.int32)
        self.place = place.astype(np.uint8)
        self.age = age.astype(np.uint8)
        self.transfer_parts = transfer_parts
        self._settled: NDArray[np.bool_] = np.zeros(len(client), np.bool_)

    @property
    def is_settled(self) -> bool:
        """Whether it is known of all of them what became of them."""
        return bool(self._settled.all())

    def settle(self, tick: int, datagrams: Ints) -> Settled:
        """Note that something became of datagrams; those that are settled already are left out."""
        fresh = np.zeros(len(self.client), np.bool_)
        fresh[datagrams[datagrams < len(self.client)]] = True
        fresh &= ~self._settled
        self._settled |= fresh
        at = np.flatnonzero(fresh[self.datagram])
        age = self.age[at].astype(np.int64)
        row, places = np.nonzero(self.unchanged & fresh[:, None])
        held = self.transfer_parts
        which = [one for one in np.flatnonzero(fresh).tolist() if one in held] if held else []
        parts = [part for one in which for part in held[one]]
        return Settled(
            tick,
            self.client[self.datagram[at]],
            self.place[at].astype(np.int64),
            np.where(age == 0, -1, tick - age),
            self.client[row],
            places,
            parts,
        )

    def settle_rest(self, tick: int) -> Settled:
        """Note that nothing more will be heard of any of them."""
        return self.settle(tick, np.arange(len(self.client)))


class InFlight:
    """Records of the ticks of which something is not settled.

    Attributes:
        late: acks that came too late to count.
    """

    def __init__(self, reorder_ticks: int) -> None:
        self.late = 0
        self._reorder_ticks = reorder_ticks
        self._sent: dict[int, Sent] = {}
        self._expired = -1

    def age(self, tick: int) -> int:
        """Ticks since the oldest datagram was sent of which something is not settled."""
        return max(0, tick - next(iter(self._sent), tick))

    def record(self, tick: int, sent: Sent) -> None:
        """Keep what a tick's datagrams hold."""
        self._sent[tick] = sent

    def expire(self, tick: int) -> Iterator[Settled]:
        """Take for lost what is too old for its ack to count."""
        while self._sent:
            oldest = next(iter(self._sent))
            if oldest >= tick - self._reorder_ticks:
                break
            self._expired = oldest
            yield self._sent.pop(oldest).settle_rest(oldest)

    def settle(self, tags: Ints, *, acked: bool) -> Iterator[Settled]:
        """Note what became of datagrams, tick by tick.

        Args:
            tags: of the datagrams.
            acked: whether they have arrived; else they are taken for lost.
        """
        ticks, datagrams = tags >> TAG_BITS, tags & ((1 << TAG_BITS) - 1)
        for tick in np.unique(ticks).tolist():
            of_tick = datagrams[ticks == tick]
            sent = self._sent.get(tick)
            if sent is None:
                self.late += len(of_tick) if acked and tick <= self._expired else 0
                continue
            yield sent.settle(tick, of_tick)
            if sent.is_settled:
                del self._sent[tick]
