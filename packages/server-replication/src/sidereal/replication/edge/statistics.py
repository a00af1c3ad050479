"""What the fan-out counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FanoutStatistics:
    """Counts since the start.

    Attributes:
        datagrams: written.
        sections: written, parts counted one by one.
        lost: sections, or parts of one, that were taken for lost.
        replaced: sections that held a whole cell.
        deferred: sections put off for want of room.
        transfers: cells sent over several ticks.
        transfers_whole: those of them that held a whole cell.
        late_acks: acks too old to count.
        ticks_in_flight: age of the oldest datagram of which it is not known what became of it.
    """

    datagrams: int
    sections: int
    lost: int
    replaced: int
    deferred: int
    transfers: int
    transfers_whole: int
    late_acks: int
    ticks_in_flight: int
