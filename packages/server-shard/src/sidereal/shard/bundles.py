"""What has to travel in one message: a spawn, what happens to who was spawned, and an end.

The server lets an event happen to an entity that it has. So an event must not come before the spawn
of its subject, nor after its end, whatever is lost on the way. Of an entity whose spawn is not
acked, events go in one message with the spawn; of one that has ended, with the end. The server has
all that is said of such an entity, or nothing. The end of a parent is that of its children, too. So
their ends, and what goes with these, are in one message with it, as far as one holds them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.limits import UNRELIABLE_SIZE_MAX
from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.proposals import PROPOSAL_HEADER, RUN_SIZE
from sidereal.protocol.state.schema import EVENT_FIRST


class Bundles(NamedTuple):
    """Rows, message by message.

    Attributes:
        messages: of each the places of its rows among those that were given, by their sorts.
        dropped: uint32[n], numbers of the events for which a message has no room beside the rest.
    """

    messages: list[dict[int, Ints]]
    dropped: NDArray[np.uint32]


def bundle(rows: Mapping[int, Rows], tops: Mapping[int, int]) -> Bundles:
    """Share rows out over messages, those of one entity into one.

    Args:
        rows: `Schema.proposed_rows`[n] by their sorts: wholes, events and ends.
        tops: of entities that end with others, the id of the one at the top of these, by their own.

    Returns:
        the messages. Events of one entity that no message holds are left out; so is an entity that
        none holds without events, and all events of it.
    """
    sort = np.concatenate([np.full(len(some), what) for what, some in rows.items()])
    place = np.concatenate([np.arange(len(some)) for some in rows.values()])
    ids = np.concatenate([some["id"] for some in rows.values()]).astype(np.int64)
    size = np.concatenate([np.full(len(some), some.dtype.itemsize) for some in rows.values()])
    nth = np.concatenate(
        [
            some["nth"].astype(np.int64) if what >= EVENT_FIRST else np.full(len(some), -1)
            for what, some in rows.items()
        ]
    )
    room = UNRELIABLE_SIZE_MAX - PROPOSAL_HEADER.size - RUN_SIZE * len(rows)
    if tops:  # 0.1 µs each, when families end
        family = np.array([tops.get(net_id, net_id) for net_id in ids.tolist()], np.int64)
        _, at = np.unique(family, return_inverse=True)
        ids = np.where(np.bincount(at, size)[at] <= room, family, ids)
    # Of each entity first what is no event, then its events.
    order = np.lexsort((nth, ids))
    sort, place, ids, size, nth = (each[order] for each in (sort, place, ids, size, nth))
    first = np.searchsorted(ids, ids)
    total = np.cumsum(size)
    fits = total - (total - size)[first] <= room
    is_event = nth >= 0
    able = ~np.isin(ids, ids[~fits & ~is_event])
    dropped = nth[is_event & ~(fits & able)].astype(np.uint32)
    kept = fits & able
    sort, place, ids, size = (each[kept] for each in (sort, place, ids, size))
    if not len(ids):
        return Bundles([], dropped)
    begins = np.flatnonzero(np.diff(ids, prepend=-1))
    ends = np.append(begins[1:], len(ids)).astype(np.int64)
    filled = np.cumsum(size)[ends - 1]
    messages = []
    entity, before = 0, 0
    while entity < len(begins):
        after = int(np.searchsorted(filled, before + room, side="right"))
        span = slice(int(begins[entity]), int(ends[after - 1]))
        there = sort[span]
        messages.append({what: place[span][there == what] for what in rows if what in there})
        entity, before = after, int(filled[after - 1])
    return Bundles(messages, dropped)
