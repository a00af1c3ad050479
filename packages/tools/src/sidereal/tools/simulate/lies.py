"""What liars have said, so that a checker can look for it where it must not be.

A liar is a process of somebody else: it has the shard key, or an account, and does not keep to the
rules. What it says of rows is written down as the world would hold it; that it has given every
reason to be shown the door, as the time from which on it should have been.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

import numpy as np

from sidereal.game.schema import column_of
from sidereal.tools.simulate.passing import Noted

NOTED_AT: Final = column_of(Noted, Noted.fields["at"])

LIAR_ACCOUNT: Final = 666
"""The account of a client that lies: its ship is in the world as others are."""


class Lies:
    """The lies of one run.

    Attributes:
        told: how many, by what they are.
        rows: what was said of entities, by network id: `content_of` each row.
        values: what was said of their other components, likewise: a field and its value in bytes.
        children: epochs of parents that were another's when children were made up for them, by the
            ids of these.
        unborn: ticks in which sparks say that they were spawned which must never come.
        repeated: ships, control epochs and inputs: motion that a flood repeats, without what models
            wrote with it.
        provoked_at: since when a process has given every reason to be closed, by its name, virtual
            seconds.
        closed_by: when it must be, not counting the way of what it sends and is sent.
    """

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()
        self.rows: defaultdict[int, set[bytes]] = defaultdict(set)
        self.values: defaultdict[int, set[tuple[str, bytes]]] = defaultdict(set)
        self.children: dict[int, int] = {}
        self.unborn: set[int] = set()
        self.repeated: set[tuple[int, int, int]] = set()
        self.provoked_at: dict[str, float] = {}
        self.closed_by: dict[str, float] = {}

    def note_row(self, what: str, record: np.ndarray) -> None:
        """Write down what is said of an entity, `Schema.exact_record[1]`."""
        self.told[what] += 1
        self.rows[int(record["id"][0])].add(content_of(record))

    def note_asked(self, what: str, net_id: int, tick: int) -> None:
        """Write down what is asked to be noted of an entity, by whom it is not to be."""
        self.told[what] += 1
        self.values[net_id].add((NOTED_AT, np.uint32(tick).tobytes()))

    def note_value(self, what: str, row: np.void, name: str) -> None:
        """Write down what is said of a field of an entity, one of `Schema.proposed_rows`."""
        self.told[what] += 1
        self.values[int(row["id"])].add((name, row[name].tobytes()))

    def note_child(self, what: str, net_id: int, epoch: int) -> None:
        """Write down a child, and as of which epoch its parent is another's."""
        self.told[what] += 1
        self.children[net_id] = epoch

    def note_birth(self, what: str, born: int) -> None:
        """Write down a spark by the tick that it says it was spawned in, which no other has."""
        self.told[what] += 1
        self.unborn.add(born)

    def note_repeated(self, rows: np.ndarray) -> None:
        """Write down rows of motion that are repeated alone, `Schema.exact_record[n]`."""
        names = ("id", "control_epoch", "input_seq")
        self.repeated.update(zip(*(rows[name].tolist() for name in names), strict=True))

    def provoke(self, name: str, now: float, within_s: float) -> None:
        """Note that a process gives every reason to be closed within some time."""
        self.provoked_at.setdefault(name, now)
        self.closed_by.setdefault(name, now + within_s)


def content_of(record: np.ndarray) -> bytes:
    """Give what a row says of its entity, whatever its epoch, `Schema.exact_record[1]`."""
    renewed = record.copy()
    renewed["epoch"] = 0
    return renewed.tobytes()
