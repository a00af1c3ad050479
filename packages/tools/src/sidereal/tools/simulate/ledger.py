"""What clients held, input by input, and which of it had come to which shard when.

Datagrams are sealed, so nobody looks inside. A client's datagram is marked with the newest input
that had been made when it was sent; what the authority passes on to shards when it takes in that
datagram carries the mark along: all of it together, since one may hold nothing but acks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sidereal.protocol.limits import CONTROLS_PER_MESSAGE_MAX


class Mark(NamedTuple):
    """What a datagram with inputs may carry: the newest is `input_seq`.

    Attributes:
        net_id: of the ship.
        control_epoch: of its pilot.
    """

    net_id: int
    control_epoch: int
    input_seq: int


class Heard(NamedTuple):
    """A mark that came to a shard.

    Attributes:
        at: virtual seconds.
        core: name of the shard's core.
    """

    at: float
    core: str
    mark: Mark


class Ledger:
    """Inputs held and inputs heard.

    Attributes:
        held: the record of every input, by a mark of its own, and what is flown for those that a
            client has left out. An authority that was never told of a ship may give its marks to
            another one.
        made: the ship and the record of every input, in order.
        heard: all marks that came to shards, in order.
        taken_in: all marks that came to the authority, in order, with the virtual seconds when.
    """

    def __init__(self) -> None:
        self.held: dict[Mark, int] = {}
        self.made: list[tuple[int, int]] = []
        self.heard: list[Heard] = []
        self.taken_in: list[tuple[float, Mark]] = []

    def note_held(self, mark: Mark, before: int, left_out: int, records: Sequence[int]) -> None:
        """Note that a client has made inputs up to a mark.

        Args:
            mark: the newest of them.
            before: the number of the newest that it had made.
            left_out: what is flown for numbers that it has passed over, which come first.
            records: of those that it has made.
        """
        passed_over = mark.input_seq - before - len(records)
        for seq, record in enumerate([left_out] * passed_over + [*records], before + 1):
            self.held[mark._replace(input_seq=seq)] = record
        self.made += [(mark.net_id, record) for record in records]

    def note_taken_in(self, at: float, mark: Mark) -> None:
        """Note what has come to the authority."""
        self.taken_in.append((at, mark))

    def taken_in_by(self, net_id: int, control_epoch: int, until: float) -> set[int]:
        """Give the inputs of a pilot that may have come to the authority by a time.

        A message repeats the newest that are not answered, and no more than it has room for: of a
        client that was not heard for long some never come.
        """
        newest = (
            mark.input_seq
            for at, mark in self.taken_in
            if at <= until and (mark.net_id, mark.control_epoch) == (net_id, control_epoch)
        )
        return {n for last in newest for n in range(last + 1 - CONTROLS_PER_MESSAGE_MAX, last + 1)}

    def note_heard(self, at: float, core: str, mark: Mark) -> None:
        """Note what has come to a shard."""
        self.heard.append(Heard(at, core, mark))
