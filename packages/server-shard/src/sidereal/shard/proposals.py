"""What has been proposed and is not acked yet.

A row of a component is sent in every tick from its change on until the replication server has acked
a message that had that change or a later one: what is lost heals by itself. So is every event
(`events`). What a message had is remembered until its ack comes or it is too old.

What models write of an entity travels in one message with its motion: the server has both as of one
tick, or neither. From there on whoever adopts the entity flies it again by the same inputs.

An entity that is new, or has other components than before, is sent as a **whole**. Rows of its
components wait for the ack of that: before it, the server may not know whose they are. There is a
most of wholes in a tick; those that were never sent come first, then those sent longest ago. One
whose message the server can't ack any more waits for nobody who has come since: however much is
spawned, all have their turn. Who is no more is sent until that is acked, too, unless the server
can't have heard of it.

Events of an entity go with its whole as long as that is not acked, and with its end: see `bundles`.
Who ends before its spawn is acked, and has events that wait, is remembered as it was last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.limits import UNRELIABLE_SIZE_MAX
from sidereal.protocol.state.arrays import Rows, are_among
from sidereal.protocol.state.families import DEPTH_MAX, NOBODY
from sidereal.protocol.state.proposals import PROPOSAL_HEADER, RUN_SIZE, encode_proposals
from sidereal.protocol.state.schema import EVENT_FIRST, MOTION, WHOLE, Schema
from sidereal.protocol.state.stream import GONE
from sidereal.shard.bundles import bundle
from sidereal.shard.changes import Changes
from sidereal.shard.events import Events
from sidereal.shard.families import Families
from sidereal.shard.population import Ints
from sidereal.shard.runs import Run

NEVER = -1
NOBODY_WAITS = np.empty(0, np.int64)
NOTHING_HAPPENED = np.empty(0, np.uint32)


class _Sent(NamedTuple):
    """What a message had, and when it was sent; of events their numbers."""

    tick: int
    runs: tuple[Run, ...]
    events: NDArray[np.uint32]


class Proposals:
    """The sending end of a shard's proposals."""

    def __init__(
        self,
        schema: Schema,
        capacity: int,
        reorder_ticks: int,
        wholes_max: int,
        modelled: frozenset[int],
        events: Events,
        families: Families,
    ) -> None:
        """Begin with a server that knows everything.

        Args:
            schema: for the components that are proposed.
            capacity: rows of the population.
            reorder_ticks: see `StreamLimits`.
            wholes_max: of one tick.
            modelled: numbers of the components that travel with motion, since models write both.
            events: what systems have emitted.
            families: of the population.
        """
        self._families = families
        self._reorder_ticks = reorder_ticks
        self._wholes_max = wholes_max
        self._modelled = modelled
        self._motion = schema.numbers[MOTION.name]
        # So many entities with all that travels with their motion fill a message.
        sizes = [schema.proposed_rows[n].itemsize for n in (self._motion, *modelled)]
        room = UNRELIABLE_SIZE_MAX - PROPOSAL_HEADER.size - len(sizes) * RUN_SIZE
        self._together_max = max(1, room // sum(sizes))
        self._events = events
        numbers = (*schema.proposed, WHOLE)
        self._changed: dict[int, Ints] = {n: np.full(capacity, NEVER, np.int64) for n in numbers}
        self._waits: dict[int, NDArray[np.bool_]] = {
            n: np.zeros(capacity, np.bool_) for n in numbers
        }
        # Of wholes: when each was last sent, and whether the server may not know of its entity.
        self._whole_sent: Ints = np.full(capacity, NEVER, np.int64)
        self._unborn = np.zeros(capacity, np.bool_)
        self._gone = np.zeros(0, schema.proposed_rows[GONE])
        # The ids of their parents, of those that had one, by their own.
        self._gone_with: dict[int, int] = {}
        # Of these, those of whom the server may not know, and events wait: as they were last.
        self._last = np.zeros(0, schema.full_record)
        self._messages: dict[int, _Sent] = {}
        self._next_tag = 0

    def reserve(self, capacity: int) -> None:
        """Make room for rows."""
        more = capacity - len(self._unborn)
        if more <= 0:
            return
        never, no = np.full(more, NEVER, np.int64), np.zeros(more, np.bool_)
        for number, changed in self._changed.items():
            self._changed[number] = np.concatenate([changed, never])
            self._waits[number] = np.concatenate([self._waits[number], no])
        self._whole_sent = np.concatenate([self._whole_sent, never])
        self._unborn = np.concatenate([self._unborn, no])

    def note(self, number: int, rows: Ints, tick: int) -> None:
        """Note rows of a component that have changed, each once; or whole entities, by WHOLE."""
        self._changed[number][rows] = tick
        self._waits[number][rows] = True

    def note_born(self, rows: Ints, tick: int) -> None:
        """Note entities of which the server knows nothing."""
        self.note(WHOLE, rows, tick)
        self._unborn[rows] = True
        self._whole_sent[rows] = NEVER

    def note_given(self, number: int, rows: Ints, tick: int) -> None:
        """Note that entities have a component, or have it no more: each is proposed as a whole."""
        self._waits[number][rows] = False
        self.note(WHOLE, rows, tick)

    def note_gone(self, rows: Ints, gone: NDArray[np.void], changes: Changes) -> None:
        """Note entities that are no more, and forget their rows.

        Args:
            rows: int64[n], which they have had.
            gone: `Schema.proposed_rows[GONE]`[n], what is said of them.
            changes: which has the rows.
        """
        unborn, waits = self._unborn[rows], self._events.wait_for(gone["id"])
        heard = ~unborn | (self._whole_sent[rows] != NEVER) | waits
        self._gone = np.concatenate([self._gone, gone[heard]])
        parents = self._families.parents(rows[heard]).tolist()
        with_them = zip(gone["id"][heard].tolist(), parents, strict=True)
        self._gone_with |= {net_id: parent for net_id, parent in with_them if parent}
        last = unborn & waits
        if last.any():
            records = changes.records(WHOLE, rows[last], gone["tick"][last].astype(np.int64))
            self._last = np.concatenate([self._last, records])
        self.forget(rows)

    def forget(self, rows: Ints) -> None:
        """Note that these rows are free."""
        for waits in self._waits.values():
            waits[rows] = False
        self._unborn[rows] = False

    def whole(self) -> Ints:
        """Rows of the entities that are proposed as wholes, ascending."""
        return np.flatnonzero(self._waits[WHOLE])

    def write(self, tick: int, changes: Changes) -> list[tuple[bytes, int | None]]:
        """Write messages with all that the server has not acked as it is.

        Args:
            tick: the shard's, not below that of the call before.
            changes: which has the rows.

        Returns:
            Messages, at least one, and the tags by which to ack them; one that says nothing has
            none.
        """
        self._expire(tick)
        pending = {run.number: run for run in self._pending()}
        if WHOLE in pending:
            self._whole_sent[pending[WHOLE].rows] = tick
        messages: list[tuple[bytes, int | None]] = []
        events = self._take_events(tick, pending)
        for runs, rows in self._take_bundles(pending, events, changes):
            messages += self._encode(tick, runs, rows)
        for runs in self._take_together(pending):
            rows = {number: changes.records(*run) for number, run in runs.items()}
            messages += self._encode(tick, runs, rows)
        rows = {number: self._records(run, changes) for number, run in pending.items()} | events
        if rows or not messages:
            messages += self._encode(tick, pending, rows)
        return messages

    def _records(self, run: Run, changes: Changes) -> NDArray[np.void]:
        """Give the rows of a run."""
        if run.number != GONE:
            return changes.records(*run)
        return self._gone[are_among(_keys_of(self._gone), run.rows << 32 | run.ticks)]

    def _take_events(self, tick: int, pending: dict[int, Run]) -> dict[int, Rows]:
        """Give the events that are to be sent, by number."""
        unborn = self._unborn.copy()
        if WHOLE in pending:
            unborn[pending[WHOLE].rows] = False
        waits = self._events.ids_of(np.flatnonzero(unborn))
        return self._events.take_due(tick, waits, self._gone["id"])

    def _take_bundles(
        self, pending: dict[int, Run], events: dict[int, Rows], changes: Changes
    ) -> Iterator[tuple[dict[int, Run], dict[int, Rows]]]:
        """Take out events that go with the spawn or the end of their subject, and these.

        Mutates:
            pending: what is left may travel apart.
            events: likewise.
        """
        ends = self._gone["id"]
        wholes = pending[WHOLE].rows if WHOLE in pending else np.zeros(0, np.int64)
        spawned = wholes[self._unborn[wholes]]
        tied = np.concatenate([ends, self._events.ids_of(spawned)])
        if not events or not len(tied):
            return
        subjects = np.concatenate([rows["id"] for rows in events.values()])
        tied = np.unique(tied[are_among(tied, subjects)])
        if not len(tied):
            return
        tops = self._tops()
        if tops:
            of_them = {tops.get(net_id, net_id) for net_id in tied.tolist()}
            family = [net_id for net_id in ends.tolist() if tops.get(net_id, net_id) in of_them]
            tied = np.union1d(tied, np.array(family, np.int64))
        spawned = spawned[are_among(self._events.ids_of(spawned), tied)]
        runs: dict[int, Run] = {}
        if len(spawned):
            runs[WHOLE] = pending[WHOLE].of(spawned)
        if len(over := ends[are_among(ends, tied)]):
            runs[GONE] = pending[GONE].of(over)
        rows = {number: self._records(run, changes) for number, run in runs.items()}
        # Those that have ended stand behind the others, and need no run: their end is acked.
        last = self._last[are_among(self._last["id"], tied)]
        if len(last):
            rows[WHOLE] = np.concatenate([rows.get(WHOLE, last[:0]), last])
        for number in list(events):
            bound = are_among(events[number]["id"], tied)
            rows[number], events[number] = events[number][bound], events[number][~bound]
            if not len(events[number]):
                del events[number]
        for number, run in runs.items():
            pending[number] = pending[number].of(run.rows, invert=True)
            if not len(pending[number].rows):
                del pending[number]
        rows = {what: some for what, some in rows.items() if len(some)}
        yield from self._share_out(runs, rows, tops)

    def _tops(self) -> dict[int, int]:
        """Name who is at the top of those that end together: its id, by those below it."""
        ends, tops = set(self._gone["id"].tolist()), {}
        for net_id, above in self._gone_with.items():  # 0.3 µs each, when families end
            for _ in range(DEPTH_MAX):
                if above in ends:
                    tops[net_id], above = above, self._gone_with.get(above, NET_ID_NONE)
        return tops

    def _share_out(
        self, runs: dict[int, Run], rows: dict[int, Rows], tops: dict[int, int]
    ) -> Iterator[tuple[dict[int, Run], dict[int, Rows]]]:
        """Share bundles out over messages."""
        messages, dropped = bundle(rows, tops)
        self._events.drop(dropped)
        for there in messages:
            mine = {
                number: runs[number].take(at[at < len(runs[number].rows)])
                for number, at in there.items()
                if number in runs
            }
            yield mine, {number: rows[number][at] for number, at in there.items()}

    def _take_together(self, pending: dict[int, Run]) -> Iterator[dict[int, Run]]:
        """Take out what is to be in one message each.

        Mutates:
            pending: what is left may travel apart.
        """
        apart = [pending[number].rows for number in self._modelled if number in pending]
        if not apart or self._motion not in pending:
            return
        moved = pending[self._motion].rows
        rows = moved[are_among(moved, np.concatenate(apart))]
        taken = {n: pending[n].of(rows) for n in (self._motion, *self._modelled) if n in pending}
        for number in taken:
            pending[number] = pending[number].of(rows, invert=True)
            if not len(pending[number].rows):
                del pending[number]
        for first in range(0, len(rows), self._together_max):
            some = rows[first : first + self._together_max]
            runs = {number: run.of(some) for number, run in taken.items()}
            yield {number: run for number, run in runs.items() if len(run.rows)}

    def _encode(
        self, tick: int, runs: dict[int, Run], rows: dict[int, Rows]
    ) -> Iterator[tuple[bytes, int | None]]:
        """Write messages, and remember what each has."""
        for message, parts in encode_proposals(tick, rows.items()):
            tag = None
            if parts:
                tag, self._next_tag = self._next_tag, self._next_tag + 1
                had = tuple(runs[p.what].cut(p.first, p.end) for p in parts if p.what in runs)
                nth = [rows[p.what]["nth"][p.first : p.end] for p in parts if p.what >= EVENT_FIRST]
                events = np.concatenate(nth) if nth else NOTHING_HAPPENED
                self._messages[tag] = _Sent(tick, had, events)
            yield message, tag

    def acked(self, tags: Iterable[int]) -> None:
        """Note that the server has these messages; unknown and repeated ones are ignored."""
        heard: defaultdict[int, list[Run]] = defaultdict(list)
        for tag in tags:
            sent = self._messages.pop(tag, None)
            if sent is None:
                continue
            self._events.acked(sent.events)
            for run in sent.runs:
                if run.number == GONE:
                    self._note_end_known(run)
                    continue
                if run.number == WHOLE:
                    self._note_known(self._heard_of(run), sent.tick)
                heard[run.number].append(run)
        for number, runs in heard.items():
            _, rows, ticks = zip(*runs, strict=True)
            run = Run(number, np.concatenate(rows), np.concatenate(ticks))
            self._waits[number][self._heard_of(run)] = False

    def _heard_of(self, run: Run) -> Ints:
        """Give the rows of which the server has the newest change.

        What has changed since then waits on, as does whoever has the row by now: the change of a
        new body is newer than whatever was sent of the one before.
        """
        return run.rows[self._changed[run.number][run.rows] <= run.ticks]

    def _note_end_known(self, run: Run) -> None:
        """Note that the server has these ends."""
        heard = are_among(_keys_of(self._gone), run.rows << 32 | run.ticks)
        self._gone = self._gone[~heard]
        self._last = self._last[are_among(self._last["id"], self._gone["id"])]
        for net_id in run.rows.tolist() if self._gone_with else ():
            self._gone_with.pop(net_id, None)

    def _note_known(self, rows: Ints, tick: int) -> None:
        """Note that the server has these entities as they were at a tick."""
        self._unborn[rows] = False
        for number, changed in self._changed.items():
            self._waits[number][rows[changed[rows] <= tick]] = False

    def _pending(self) -> Iterator[Run]:
        """Find what is to be sent: who is new first, and who is gone last."""
        whole = self._waits[WHOLE]
        rows = np.flatnonzero(whole)
        # The server lets in a child when it has its parent.
        up = self._families.up()[rows]
        rows = rows[(up == NOBODY) | ~self._unborn[up]]
        if len(rows) > self._wholes_max:
            sent, changed = self._whole_sent[rows], self._changed[WHOLE][rows]
            turn = np.where(sent == NEVER, changed - self._reorder_ticks, sent)
            rows = np.sort(rows[np.argsort(turn, kind="stable")[: self._wholes_max]])
        if len(rows):
            yield Run(WHOLE, rows, self._changed[WHOLE][rows])
        for number, waits in self._waits.items():
            # Of most components nothing waits: 1 µs each.
            rows = np.flatnonzero(waits & ~whole) if waits.any() else NOBODY_WAITS
            if len(rows):
                yield Run(number, rows, self._changed[number][rows])
        if len(self._gone):
            yield Run(GONE, *np.divmod(_keys_of(self._gone), 1 << 32))

    def _expire(self, tick: int) -> None:
        # Messages are kept in the order of time.
        while self._messages:
            oldest = next(iter(self._messages))
            if self._messages[oldest].tick >= tick - self._reorder_ticks:
                break
            del self._messages[oldest]


def _keys_of(gone: NDArray[np.void]) -> Ints:
    """Name each end of an entity by one number: int64[n], id << 32 | tick."""
    keys: Ints = gone["id"].astype(np.int64) << 32 | gone["tick"]
    return keys
