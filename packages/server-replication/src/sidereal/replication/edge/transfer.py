"""A transfer: a cell that is too large for one tick, sent in parts over several ticks.

The content is fixed when the transfer begins: everybody who has changed by `to_tick`. Each part
names some of them and is sent again until it is acked, with their state as it is by then. Whoever
has left the cell in the meantime is sent as a tombstone. Changes after `to_tick` belong to the next
section. So every part that arrives counts, however many there are and however many are lost.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.state.changelog import Ints, Rows
from sidereal.protocol.state.stream import (
    CONTINUED,
    EXTENT,
    PARTIAL,
    REPLACE,
    SECTION,
    CellStream,
)
from sidereal.replication.limits import LIMITS


class Scope(NamedTuple):
    """What a transfer sends, as rows of the stream's logs when it begins."""

    references: slice
    attributes: slice
    tombstones: slice


class _Part(NamedTuple):
    reference_ids: NDArray[np.uint32]
    attribute_ids: NDArray[np.uint32]
    tombstones: Rows


class Transfer:
    """One cell on its way to one client.

    Attributes:
        client: row.
        place: of the cell.
        group: of the cell.
        since: tick up to which the client had it, -1 for nothing.
        to_tick: tick up to which it will.
    """

    def __init__(
        self,
        client: int,
        place: int,
        group: int,
        since: int,
        stream: CellStream,
        scope: Scope,
        room: int,
        resend_ticks: int = LIMITS.edge.resend_ticks,
    ) -> None:
        """Share out what is to be sent.

        Args:
            client: row.
            place: of the cell.
            group: of the cell.
            since: tick up to which the client has it, -1 for nothing.
            stream: just published.
            scope: what changed since.
            room: bytes of a datagram for section, extent and rows.
            resend_ticks: a part is sent again when no ack has come for so long.
        """
        self.client, self.place, self.group = client, place, group
        self.since, self.to_tick = since, stream.tick
        self._parts = _share_out(stream, scope, room - SECTION.itemsize - EXTENT.itemsize)
        self._sent: Ints = np.full(len(self._parts), -resend_ticks, np.int64)
        self._resend_ticks = resend_ticks
        self._missing: NDArray[np.bool_] = np.ones(len(self._parts), np.bool_)

    @property
    def done(self) -> bool:
        """Whether the client has acked every part."""
        return not self._missing.any()

    def due(self, tick: int) -> list[int]:
        """Parts to be sent now, the longest unsent first."""
        due = np.flatnonzero(self._missing & (self._sent <= tick - self._resend_ticks))
        order: list[int] = due[np.argsort(self._sent[due], kind="stable")].tolist()
        return order

    def was_sent(self, part: int) -> bool:
        """Tell whether a part was sent before."""
        return bool(self._sent[part] >= 0)

    def acked(self, part: int) -> None:
        """Note that the client has a part."""
        self._missing[part] = False

    def write(self, part: int, stream: CellStream) -> bytes:
        """Write a part as it is now: section, extent and rows."""
        self._sent[part] = stream.tick
        chosen = self._parts[part]
        members = stream.members(self.group)
        reference, stayed = _find(members.net_id, chosen.reference_ids)
        attribute, kept = _find(members.net_id, chosen.attribute_ids)
        left = np.union1d(chosen.reference_ids[~stayed], chosen.attribute_ids[~kept])
        tombstones = [chosen.tombstones]
        if len(left):
            tombstones.append(stream.tombstones_of(self.group, left))
        gone = np.concatenate(tombstones)
        section = np.zeros((), SECTION)
        section["place"] = self.place
        section["flags"] = PARTIAL | CONTINUED | (REPLACE if self.since < 0 else 0)
        section["age"] = 0 if self.since < 0 else self.to_tick - self.since
        section["references"], section["attributes"] = len(reference), len(attribute)
        section["gone"] = len(gone)
        extent = np.zeros((), EXTENT)
        extent["part"], extent["parts"] = part, len(self._parts)
        extent["to_age"] = stream.tick - self.to_tick
        return b"".join(
            (
                section.tobytes(),
                extent.tobytes(),
                stream.references[members.reference[reference]].tobytes(),
                stream.attributes[members.attribute[attribute]].tobytes(),
                gone.tobytes(),
            )
        )


def _find(
    sorted_ids: NDArray[np.uint32], wanted: NDArray[np.uint32]
) -> tuple[Ints, NDArray[np.bool_]]:
    """Where those are that are there, and which are there."""
    if not len(sorted_ids):
        return np.zeros(0, np.int64), np.zeros(len(wanted), np.bool_)
    at = np.minimum(np.searchsorted(sorted_ids, wanted), len(sorted_ids) - 1)
    there = sorted_ids[at] == wanted
    return at[there], there


def _share_out(stream: CellStream, scope: Scope, room: int) -> list[_Part]:
    references = stream.references[scope.references]
    attributes = stream.attributes[scope.attributes]
    tombstones = stream.tombstones[scope.tombstones]
    ids = np.union1d(references["id"], attributes["id"])
    moves, describes = np.isin(ids, references["id"]), np.isin(ids, attributes["id"])
    cost = moves * references.itemsize + describes * attributes.itemsize
    before = np.cumsum(cost) - cost
    # An entity begins at most `span` into its part, so the part ends within the room.
    span = room - references.itemsize - attributes.itemsize
    part_of = before // span
    parts = [
        _Part(ids[mine & moves], ids[mine & describes], tombstones[:0])
        for mine in (part_of == part for part in range(int(part_of.max(initial=-1)) + 1))
    ]
    most = room // tombstones.itemsize
    parts += [
        _Part(ids[:0], ids[:0], tombstones[first : first + most])
        for first in range(0, len(tombstones), most)
    ]
    return parts
