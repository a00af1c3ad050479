"""What every datagram in flight holds, kept until its ack comes or comes too late to count.

There is one record per tick, for all clients, as matrices. Every datagram has a tag; the tag of an
ack names the tick's record and the datagram in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.limits import CLIENT_SLOTS_MAX, SNAPSHOT_DATAGRAMS_MAX
from sidereal.protocol.state.arrays import Ints
from sidereal.replication.edge.transfer import Transfer

TAG_BITS: Final = 20
"""Bits of a tag that number the datagrams of a tick; the tick is above them."""

assert 1 << TAG_BITS > CLIENT_SLOTS_MAX * SNAPSHOT_DATAGRAMS_MAX


class Arrived(NamedTuple):
    """What clients know by the acks of one tick's datagrams.

    Attributes:
        tick: up to which the cells are known.
        clients: int64[n], rows of clients.
        places: int64[n], the cell that each of them knows; pairs may repeat.
        transfer_parts: parts of transfers that arrived.
    """

    tick: int
    clients: Ints
    places: Ints
    transfer_parts: list[tuple[Transfer, int]]


class Sent:
    """What the datagrams of one tick hold.

    Attributes:
        client: int64[datagrams]
        complete: bool[datagrams, window], cells that the client has once this datagram is acked.
        part_datagram: int64[n], which datagram each part of a section is in.
        part_section: int64[n], and of which section it is a part.
        section_client: int64[sections] in parts, whether or not all of the parts are sent.
        section_place: int64[sections]
        missing: int64[sections], parts not acked; one that was not sent never will be.
        transfer_parts: parts of transfers by datagram.
    """

    def __init__(
        self,
        client: Ints,
        complete: NDArray[np.bool_],
        part_datagram: Ints,
        part_section: Ints,
        section_parts: Ints,
        section_client: Ints,
        section_place: Ints,
        transfer_parts: dict[int, tuple[Transfer, int]],
    ) -> None:
        self.client = client
        self.complete = complete
        self.part_datagram = part_datagram
        self.part_section = part_section
        self.section_client = section_client
        self.section_place = section_place
        self.missing = section_parts.copy()
        self.transfer_parts = transfer_parts
        self._arrived: NDArray[np.bool_] = np.zeros(len(client), np.bool_)

    def take(self, tick: int, datagrams: Ints) -> Arrived:
        """Note arrivals; one that is noted already means nothing more."""
        datagrams = datagrams[(datagrams < len(self.client))]
        datagrams = np.unique(datagrams[~self._arrived[datagrams]])
        self._arrived[datagrams] = True
        row, places = np.nonzero(self.complete[datagrams])
        clients = self.client[datagrams[row]]
        if len(self.part_datagram):
            fresh = np.zeros(len(self.client), np.bool_)
            fresh[datagrams] = True
            sections = self.part_section[fresh[self.part_datagram]]
            self.missing -= np.bincount(sections, minlength=len(self.missing))
            arrived = np.unique(sections)
            arrived = arrived[self.missing[arrived] == 0]
            clients = np.concatenate([clients, self.section_client[arrived]])
            places = np.concatenate([places, self.section_place[arrived]])
        held = self.transfer_parts
        parts = [held[at] for at in datagrams.tolist() if at in held] if held else []
        return Arrived(tick, clients, places, parts)


class InFlight:
    """Records of the ticks whose acks still count.

    Attributes:
        late: acks that came too late to count.
    """

    def __init__(self, reorder_ticks: int) -> None:
        self.late = 0
        self._reorder_ticks = reorder_ticks
        self._sent: dict[int, Sent] = {}

    def __len__(self) -> int:
        return len(self._sent)

    def record(self, tick: int, sent: Sent) -> None:
        """Keep what a tick's datagrams hold."""
        self._sent[tick] = sent

    def expire(self, tick: int) -> None:
        """Forget what is too old for its ack to count: the receiver may have dropped it."""
        while self._sent:
            oldest = next(iter(self._sent))
            if oldest >= tick - self._reorder_ticks:
                break
            del self._sent[oldest]

    def take(self, tags: Ints) -> Iterator[Arrived]:
        """Work out what acks mean, tick by tick."""
        ticks, datagrams = tags >> TAG_BITS, tags & ((1 << TAG_BITS) - 1)
        for tick in np.unique(ticks).tolist():
            of_tick = datagrams[ticks == tick]
            sent = self._sent.get(tick)
            if sent is None:
                self.late += len(of_tick)
            else:
                yield sent.take(tick, of_tick)
