"""What changed in every cell, and when: one log of all components.

Theory of operation. The world says of every row and component at which tick it last changed, and at
which tick an entity came into its cell. An **entry** of the log is (cell, tick, what, row): `what`
is the presence, a component, or a tombstone, and there is one entry for each row and `what`. Coming
into a cell counts as a change of the presence and of all components: no receiver of the cell need
know the entity.

Packed into one number and sorted, the entries of a cell stand together, the newest change first. So
what changed in a cell since a tick is the front of the cell's entries, found by one search; it is
the same for everybody who asks since the same tick. Entries hold nothing that the world does not
say. They are made anew for each tick, and only those that somebody asks for.

Whoever asks since -1 asks for all that is in the cell. That is a second group of entries for the
cell, with all components of all who are there, and without tombstones and events.

Only tombstones and events are kept from tick to tick: whoever has left is no longer in the world,
and what has happened is no part of it.

Clients of a role that is sent more than others have a log of their own, `of`, beside the one of all
others. It is made in the same way, with the components of that role besides. So what is hidden is
in no entry of a log whose clients may not know it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import TICK_MAX, Ints, Rows
from sidereal.protocol.state.schema import EVENT_FIRST, Schema, mask_of
from sidereal.protocol.state.stream import GONE, MOVED, MOVES, PRESENCE, TOMBSTONE, row_types
from sidereal.replication.edge.eventlog import EventLog
from sidereal.replication.edge.newest import Changed, Newest
from sidereal.replication.edge.presences import NEVER, Presences

PRUNE_EVERY_TICKS: Final = 16
"""Ticks between two clearings of tombstones too old to be asked for, by default."""

_ROW_BITS: Final = 24
_WHAT_BITS: Final = 8
_AGE_BITS: Final = 8
_AGE_SHIFT: Final = _ROW_BITS + _WHAT_BITS
_GROUP_SHIFT: Final = _AGE_SHIFT + _AGE_BITS
ROWS_MAX: Final = 1 << _ROW_BITS
GROUPS_MAX: Final = 1 << 63 - _GROUP_SHIFT - 1


class State(NamedTuple):
    """A world's entities at a tick, by row; the arrays may be the world's own.

    Attributes:
        net_id: uint32[rows]
        group: int32[rows], the cell each is in, -1 where nobody is.
        entered: int64[rows], tick at which it came into that cell, -1 where nobody is.
        changed: int64[numbers, rows], tick of the newest change by number of the component, 0 for
            the presence; -1 where an entity has no such component.
        latest: int64[numbers], no change of the component is newer.
        rows: what is sent of each: `Schema.rows[number]`[rows] by number.
    """

    net_id: NDArray[np.uint32]
    group: NDArray[np.int32]
    entered: Ints
    changed: Ints
    latest: Ints
    rows: Mapping[int, Rows]


class Log(NamedTuple):
    """Entries in order.

    Attributes:
        key: int64[n], ascending: cell, age, `what` and row, packed.
        what: int64[n], the sort of row.
        row: int64[n], of the world, of the tombstones, or of the events of that sort.
    """

    key: Ints
    what: Ints
    row: Ints

    def find(self, group: Ints, span: Ints) -> tuple[Ints, Ints]:
        """Find what cells say.

        Args:
            group: int64[n], 0 or more.
            span: int64[n], ticks that are asked for; 0 for all that there is.

        Returns:
            First entry, and the one after the last, int64[n] each.
        """
        whole = span == 0
        lead = (2 * group + whole) << _GROUP_SHIFT
        end = lead + np.where(whole, 1 << _GROUP_SHIFT, span << _AGE_SHIFT)
        return np.searchsorted(self.key, lead), np.searchsorted(self.key, end)

    def run_starts(self) -> Ints:
        """First entries of all runs: entries of one cell, tick and sort."""
        return np.flatnonzero(np.diff(self.key >> _ROW_BITS, prepend=-1))


class Tombstones(NamedTuple):
    """Who has left which cell, the oldest first.

    Attributes:
        row: `TOMBSTONE`[n]
        group: int64[n], the cell.
        tick: int64[n]
        what: int64[n], GONE or MOVED.
    """

    row: Rows
    group: Ints
    tick: Ints
    what: Ints

    def take(self, keep: NDArray[Any]) -> Tombstones:
        """Some of them, or in another order."""
        return Tombstones(*(column[keep] for column in self))


class ChangeLog:
    """What changed in every cell of a world, for any number of receivers.

    Each tick: `note_left` who left a cell, note what has happened in `events`, then `publish` how
    things are, then ask.

    Attributes:
        schema: of the rows.
        roles: logs of roles that are sent more than others, by name.
        tick: the newest published one, -1 before.
        tombstones: who has left which cell; what is noted counts from the next `publish` on.
        events: what has happened in which cell; likewise, for all of these logs.
        newest: when something changed last in which cell.
        row_types: of all rows, by `what`.
    """

    def __init__(
        self,
        schema: Schema,
        rules: Rules,
        prune_every_ticks: int = PRUNE_EVERY_TICKS,
        events: EventLog | None = None,
        role: str = "",
    ) -> None:
        self.schema = schema
        self.rules = rules
        self.tick = NEVER
        self._prune_every_ticks = prune_every_ticks
        shown = schema.shown_to(role)
        self._numbers = np.array((PRESENCE, *shown), np.int64)
        self._presences = Presences(mask_of(shown), schema.mask_sent)
        self.events = events or EventLog(schema)
        self.roles = {
            name: ChangeLog(schema, rules, prune_every_ticks, self.events, name)
            for name in (() if role else schema.roles)
        }
        self.newest = Newest()
        none = np.zeros(0, np.int64)
        self.tombstones = Tombstones(np.zeros(0, TOMBSTONE), none, none, none)
        self._left: list[Tombstones] = []
        self._state: State | None = None
        self.row_types = row_types(schema.rows)

    @property
    def state(self) -> State:
        """The world as published.

        Raises:
            LocalProtocolError: nothing is.
        """
        if self._state is None:
            raise LocalProtocolError("asked before anything is published")
        return self._state

    @property
    def group_count(self) -> int:
        """Groups it answers for."""
        return self.newest.group_count

    def of(self, role: str) -> ChangeLog:
        """The log of clients of a role."""
        return self.roles.get(role, self)

    def reserve(self, group_count: int) -> None:
        """Answer for groups below this number even if nobody was ever in them."""
        for log in self.roles.values():
            log.reserve(group_count)
        if group_count > GROUPS_MAX:
            raise LocalProtocolError(f"{group_count} cells; there can be {GROUPS_MAX}")
        self.newest.reserve(group_count)

    def note_left(
        self,
        tick: int,
        net_id: NDArray[np.uint32],
        group: NDArray[np.int32],
        moved: NDArray[np.bool_],
    ) -> None:
        """Note who is no longer in a cell from a tick on.

        Args:
            tick: the one about to be published; one that has been counts as the next.
            net_id: uint32[n]
            group: int32[n], the cell they left.
            moved: bool[n], whether to another cell (else they left the world).
        """
        if not len(net_id):
            return
        for log in self.roles.values():
            log.note_left(tick, net_id, group, moved)
        tick = max(tick, self.tick + 1)
        rows = np.empty(len(net_id), TOMBSTONE)
        rows["id"] = net_id
        groups = np.asarray(group, dtype=np.int64)
        self.reserve(int(groups.max()) + 1)
        ticks = np.full(len(rows), tick, np.int64)
        self._left.append(Tombstones(rows, groups, ticks, np.where(moved, MOVED, GONE)))

    def publish(self, tick: int, state: State) -> None:
        """Take over how everything is, as of a tick.

        Args:
            tick: above any published before.
            state: it must stay as it is until all who ask have asked.

        Raises:
            LocalProtocolError: the tick does not advance, or a change is ahead of it.
        """
        if not self.tick < tick <= TICK_MAX:
            raise LocalProtocolError(f"tick {tick} published after {self.tick}")
        if state.latest.max() > tick:
            raise LocalProtocolError("a change is ahead of the published tick")
        if len(state.group) > ROWS_MAX:
            raise LocalProtocolError(f"{len(state.group)} rows; there can be {ROWS_MAX}")
        happened = self.events.publish(tick)
        for log in (self, *self.roles.values()):
            log._take_over(tick, state, happened)
        if tick % self._prune_every_ticks == 0:
            self.events.prune(tick - self.rules.streams.tombstone_ticks + 1)

    def _take_over(self, tick: int, state: State, happened: Ints) -> None:
        state = self._as_told(tick, state)
        since, self.tick, self._state = self.tick, tick, state
        self.reserve(int(max(state.group.max(initial=NEVER), happened.max(initial=NEVER))) + 1)
        self._note_newest(state, since, happened)
        if self._left:
            columns = zip(self.tombstones, *self._left, strict=True)
            self.tombstones = Tombstones(*(np.concatenate(column) for column in columns))
            self._left.clear()
        if tick % self._prune_every_ticks == 0:
            recent = self.tombstones.tick > tick - self.rules.streams.tombstone_ticks
            self.tombstones = self.tombstones.take(recent)

    def _note_newest(self, state: State, since: int, happened: Ints) -> None:
        group = state.group.astype(np.int64)
        rows = np.flatnonzero((state.entered > since) & (group >= 0))
        changed = [
            Changed(happened, np.full(len(happened), self.tick)),
            Changed(group[rows], state.entered[rows]),
            *(Changed(left.group, left.tick) for left in self._left),
        ]
        moving = rows[:0]
        for number in self._numbers[state.latest[self._numbers] > since].tolist():
            rows = np.flatnonzero((state.changed[number] > since) & (group >= 0))
            if number == MOVES:
                moving = rows
            else:
                changed.append(Changed(group[rows], state.changed[number][rows]))
        others = Changed(*(np.concatenate(column) for column in zip(*changed, strict=True)))
        moved = Changed(group[moving], state.changed[MOVES][moving])
        self.newest.note(others, moving, moved)

    def forget(self, groups: NDArray[np.int32]) -> None:
        """Drop all that is kept of groups that will serve another sector; before `publish`."""
        for log in self.roles.values():
            log.forget(groups)
        self.newest.forget(groups)
        self.tombstones = self.tombstones.take(~np.isin(self.tombstones.group, groups))
        self.events.forget(groups)

    def span(self, since: Ints) -> Ints:
        """Ticks after other ticks, as `Log.find` wants them; 0 for -1."""
        return np.where(since < 0, 0, self.tick - since)

    def log(self, group: Ints, span: Ints) -> Log:
        """Make the entries that answer for some cells, as far back as is asked.

        Args:
            group: int64[n], 0 or more; `group_count` is a cell that has no group.
            span: int64[n], up to `StreamLimits.section_age_max`; 0 for all that there is.
        """
        asked = np.zeros(self.group_count + 1, np.int64)
        np.maximum.at(asked, group, span)
        is_whole = np.zeros(self.group_count + 1, np.bool_)
        is_whole[group[span == 0]] = True
        asked[-1] = is_whole[-1] = 0
        keys = [*self._recent(asked), *self._whole(is_whole)]
        key = np.sort(np.concatenate(keys)) if keys else np.zeros(0, np.int64)
        what = (key >> _ROW_BITS) & ((1 << _WHAT_BITS) - 1)
        return Log(key, what, key & (ROWS_MAX - 1))

    def _as_told(self, tick: int, state: State) -> State:
        """Give a world in which presences say what clients of this log are sent, and no more."""
        if self._presences.are_all:
            return state
        rows, since = self._presences.publish(tick, state.net_id, state.rows[PRESENCE])
        changed, latest = state.changed.copy(), state.latest.copy()
        changed[PRESENCE] = np.where(changed[PRESENCE] < 0, NEVER, since)
        latest[PRESENCE] = changed[PRESENCE].max(initial=NEVER)
        return state._replace(changed=changed, latest=latest, rows={**state.rows, PRESENCE: rows})

    def rows_of(self, what: int) -> Rows:
        """All rows of a sort, as entries count them."""
        if what >= EVENT_FIRST:
            return self.events.kept[what].row
        return self.tombstones.row if what >= GONE else self.state.rows[what]

    def ids_of(self, what: Ints, row: Ints) -> NDArray[np.uint32]:
        """Network ids of entries, uint32[n]."""
        ids = np.empty(len(what), np.uint32)
        state, left = what < GONE, (what >= GONE) & (what < EVENT_FIRST)
        ids[state] = self.state.net_id[row[state]]
        ids[left] = self.tombstones.row["id"][row[left]]
        for number in np.unique(what[what >= EVENT_FIRST]).tolist():
            mine = what == number
            ids[mine] = self.events.kept[number].row["id"][row[mine]]
        return ids

    def left(self, group: int, net_id: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], Ints]:
        """Say how these have left a cell, as far as it is known.

        Returns:
            Network ids, uint32[n], and GONE or MOVED for each.
        """
        asked = (self.tombstones.group == group) & np.isin(self.tombstones.row["id"], net_id)
        newest_first = self.tombstones.take(np.flatnonzero(asked)[::-1])
        ids, first = np.unique(newest_first.row["id"], return_index=True)
        return ids, newest_first.what[first]

    def _recent(self, asked: Ints) -> Iterator[Ints]:
        """Keys of what changed in cells in as many of the last ticks as is asked."""
        state, oldest = self.state, self.tick - int(asked.max())
        if oldest >= self.tick:
            return
        came = np.flatnonzero(state.entered > oldest)
        for number in self._numbers[state.latest[self._numbers] > oldest].tolist():
            rows = np.flatnonzero(state.changed[number] > oldest)
            rows = rows[state.entered[rows] <= oldest]
            yield self._keys(asked, state.group[rows], state.changed[number][rows], number, rows)
        if len(came):
            changed = state.changed[self._numbers[:, None], came]
            which, at = np.nonzero(changed >= 0)
            rows = came[at]
            tick = np.maximum(changed[which, at], state.entered[rows])
            yield self._keys(asked, state.group[rows], tick, self._numbers[which], rows)
        left = self.tombstones
        at = np.flatnonzero(left.tick > oldest)
        if len(at):
            yield self._keys(asked, left.group[at], left.tick[at], left.what[at], at)
        for number, happened in self.events.kept.items():
            at = np.flatnonzero(happened.tick > oldest)
            if len(at):
                yield self._keys(asked, happened.group[at], happened.tick[at], number, at)

    def _keys(
        self, asked: Ints, group: NDArray[Any], tick: Ints, what: Ints | int, row: Ints
    ) -> Ints:
        age = self.tick - tick
        lead = 2 * group.astype(np.int64) << _GROUP_SHIFT
        key = lead + (age << _AGE_SHIFT) + (what << _ROW_BITS) + row
        wanted: Ints = key[age < asked[group]]
        return wanted

    def _whole(self, is_whole: NDArray[np.bool_]) -> Iterator[Ints]:
        """Keys of all that there is in some cells."""
        state = self.state
        if not is_whole.any():
            return
        here = np.flatnonzero(is_whole[state.group])
        which, at = np.nonzero(state.changed[self._numbers[:, None], here] >= 0)
        rows = here[at]
        lead = (2 * state.group[rows].astype(np.int64) + 1) << _GROUP_SHIFT
        yield lead + (self._numbers[which] << _ROW_BITS) + rows
