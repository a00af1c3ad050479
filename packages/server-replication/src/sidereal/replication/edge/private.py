"""What only one client may know: a log of its own for each, sent in its private section.

Theory of operation. It is the log of one more cell, in which nobody is but the entity that the
client flies. So the same holds as for cells: what a client is sent is what has changed since it was
last sent something, or since the beginning of what was lost, or all that there is. The entity has
one row of each sort: which one is flown, a row of each component that whoever flies it is sent
exactly, and which inputs its state has in it. It is kept at which tick each sort last changed. Rows
are written as they are when they leave.

Some sorts go along with all that is sent until they are acked: which entity is flown, its motion,
and what else models write. Other rows mean nothing without these: inputs say that all of it is as
of them. So a client never waits for what was lost to know how its entity is, and takes nothing old
for an error of its prediction.

What has changed is found here. Motion has changed when it misses the straight line of the motion
that was told before, on the grid of private sections, and when cells say it anew: these may leave
it out (`owncells`), and what they say is less exact. Other components have when they differ. What a
client no longer flies is forgotten at once: another entity begins anew, under another flight.

What has happened and not every viewer is told of waits in `privateevents`, and goes along with the
rows as far as there is room.

Nothing that stands here is ever in the log of a cell. So what is hidden from other clients can't
be in what they are sent, whatever happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.limits import DATAGRAM_OVERHEAD_SIZE, SNAPSHOT_SIZE_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import wrap_angle
from sidereal.protocol.state.arrays import Ints, Rows
from sidereal.protocol.state.private import (
    INPUTS,
    INPUTS_ROW,
    PLACE_STEPS,
    SPIN_STEP,
    VELOCITY_STEP,
    encode_own_motion,
    on_own_grid,
    own_row_types,
)
from sidereal.protocol.state.reckoning import Motion, extrapolate
from sidereal.protocol.state.schema import MOTION, Schema
from sidereal.protocol.state.stream import PRESENCE, RUN, head_size_max
from sidereal.replication.edge.in_flight import TAG_BITS
from sidereal.replication.edge.privateevents import NOBODY, Hearers, PrivateEvents
from sidereal.replication.edge.privatesections import (
    LEAD_SIZE_MAX,
    Leads,
    Pieces,
    PrivateSections,
    put_together,
)
from sidereal.replication.edge.windows import Windows

NEVER = -1

_PLACE_OFF_MAX = 4.0
"""Steps by which a place may miss the line that was told before it counts as changed."""
_HEADING_OFF_MAX = 1e-6
"""Radians, likewise."""

SIZE_MAX: Final = SNAPSHOT_SIZE_MAX // 2
"""Bytes of a private section: cells have the rest of the datagram."""


class Piloted(NamedTuple):
    """What clients fly, as of a tick; those that are not named fly nothing.

    Attributes:
        client: int64[n], rows of clients, each once.
        row: int64[n], of the world, of what each flies.
        net_id: uint32[n]
        control_epoch: uint32[n]
        mask: uint64[n], its components, of those that whoever flies it is sent.
        input_seq: int64[n], the newest input in its state.
        early: int8[n], how early inputs come, `earliness`.
        tick: int64[n], of its state.
        moved: bool[n], whether cells say anew how it moves.
        values: fields of these components by name, [n].
    """

    client: Ints
    row: Ints
    net_id: NDArray[np.uint32]
    control_epoch: NDArray[np.uint32]
    mask: NDArray[np.uint64]
    input_seq: Ints
    early: NDArray[np.int8]
    tick: Ints
    moved: NDArray[np.bool_]
    values: dict[str, NDArray[Any]]


class _Sent:
    """Private sections of one tick, by datagram.

    Attributes:
        client: int64[n], whose it is, -1 for a datagram without one.
        since: int64[n], tick since which it says what has changed, -1 for all that there is.
        has: bool[sorts, n], whether it has each of the sorts that go along until they are acked.
        settled: bool[n], whether it is known what became of it.
    """

    def __init__(self, client: Ints, since: Ints, has: NDArray[np.bool_]) -> None:
        self.client, self.since, self.has = client, since, has
        self.settled: NDArray[np.bool_] = client < 0


class PrivateLog:
    """What each client alone is told, and how far it was sent that.

    Each tick: `publish` what is flown, `settle` what became of datagrams, `collect` what is new,
    and `note_sent` where it went.

    Attributes:
        row: int64[clients], of the world, of what each client flies; `NEVER` for nothing.
        events: that single clients are told of; they are noted before `publish`.
        size_max: bytes of a private section.
    """

    def __init__(
        self, schema: Schema, rules: Rules, clients_max: int, events: PrivateEvents | None = None
    ) -> None:
        """Begin without clients.

        Raises:
            ConfigError: what a pilot is sent does not fit into half a datagram.
        """
        self.events = PrivateEvents(schema) if events is None else events
        self._schema = schema
        self._rules = rules
        self._types = own_row_types(schema)
        self._sorts = np.array(list(self._types), np.int64)
        self._sizes = np.array([dtype.itemsize for dtype in self._types.values()], np.int64)
        rows_size = LEAD_SIZE_MAX + int((RUN.itemsize + self._sizes).sum())
        if rows_size + self.events.size_least > SIZE_MAX:
            raise ConfigError(
                f"what a pilot is sent of its own takes {rows_size + self.events.size_least} "
                f"bytes, with one event; it may take {SIZE_MAX}: declare fewer or smaller fields"
            )
        self.size_max = min(SIZE_MAX, rows_size + self.events.size_most)
        # A datagram that would take all that can leave does not: see `Fanout`.
        self._beside = DATAGRAM_OVERHEAD_SIZE + head_size_max(rules) + 1
        self._at = {what: at for at, what in enumerate(self._types)}
        self.row: Ints = np.full(clients_max, NEVER, np.int64)
        self._motion = schema.numbers[MOTION.name]
        self._tick = NEVER
        self._changed: Ints = np.full((len(self._sorts), clients_max), NEVER, np.int64)
        # As of cells: see `Windows`.
        self._sent: Ints = np.full(clients_max, NEVER, np.int64)
        self._newest: Ints = np.full(clients_max, NEVER, np.int64)
        self._repeated_at: Ints = np.full(clients_max, NEVER, np.int64)
        self._repeated_from: Ints = np.full(clients_max, NEVER, np.int64)
        predicted = (n for n in schema.own if schema.component(n).predicted)
        self._along = np.array([self._at[sort] for sort in (PRESENCE, *predicted)])
        self._acked: Ints = np.full((len(self._along), clients_max), NEVER, np.int64)
        self._has: NDArray[np.bool_] = np.zeros((len(self._along), clients_max), np.bool_)
        self._began: Ints = np.zeros(clients_max, np.int64)
        self._flight = np.zeros(clients_max, np.int64)
        self._rows = {what: np.zeros(clients_max, dtype) for what, dtype in self._types.items()}
        self._now = Motion(*(np.zeros(clients_max) for _ in Motion._fields))
        self._now_tick: Ints = np.zeros(clients_max, np.int64)
        self._told = Motion(*(np.zeros(clients_max) for _ in Motion._fields))
        self._told_tick: Ints = np.zeros(clients_max, np.int64)
        self._in_flight: dict[int, _Sent] = {}

    def join(self, client: int) -> None:
        """Begin with a client that knows nothing, and flies nothing."""
        self._changed[:, client] = NEVER
        for ticks in (self._sent, self._newest, self._repeated_at, self._repeated_from):
            ticks[client] = NEVER
        self._acked[:, client] = NEVER
        self._began[client] = self._tick + 1
        self._flight[client] = 0
        for rows in self._rows.values():
            rows[client] = np.zeros((), rows.dtype)
        self.events.forget(client)

    def publish(self, tick: int, flown: Piloted, hearers: Hearers = NOBODY) -> None:
        """Note what has changed of what clients fly, and what they are told has happened.

        Args:
            tick: above any before.
            flown: as of that tick.
            hearers: the clients that may be told of events.
        """
        self._tick = tick
        self.events.publish(tick, hearers)
        self.row[:] = NEVER
        self.row[flown.client] = flown.row
        lost = self._rows[PRESENCE]["id"] != NET_ID_NONE
        lost[flown.client] = False
        gone = np.flatnonzero(lost)
        nothing = np.zeros(len(gone), self._types[PRESENCE])
        self._begin(gone, nothing, tick)
        fresh = self._publish_presence(tick, flown)
        self._publish_motion(tick, flown, fresh)
        inputs = np.zeros(len(fresh), INPUTS_ROW)
        inputs["early"] = flown.early
        inputs["input"] = flown.input_seq % (1 << 16)
        newer = inputs["input"] != self._rows[INPUTS]["input"][flown.client]
        self._rows[INPUTS][flown.client] = inputs
        self._changed[self._at[INPUTS], flown.client[fresh | newer]] = tick
        for number in self._schema.own:
            if number != self._motion:
                self._publish_component(number, tick, flown, fresh)

    def collect(self, clients: Ints, windows: Windows, allowance: Ints) -> PrivateSections:
        """Write the private sections of the newest tick.

        Args:
            clients: int64[n], rows, ascending.
            windows: of all clients.
            allowance: int64[n], bytes that can leave for each now.
        """
        since = self._since(clients)
        changed = self._changed[:, clients]
        due = changed > since
        needs = due.any(axis=0)
        if self.events.count:
            needs |= self.events.are_due(clients)
        due[self._along] |= needs & (changed[self._along] > self._acked[:, clients])
        self._has[:, clients] = due[self._along]
        if not needs.any():
            return PrivateSections([b""] * len(clients), np.zeros(len(clients), np.int64))
        self._write_motion(clients[due[self._at[self._motion]]], windows)
        pieces = []
        for at, what in enumerate(self._types):
            of = np.flatnonzero(due[at])
            pieces.append(Pieces(what, of, self._rows[what][clients[of]]))
        if self.events.count:
            pieces += self._add_events(clients, due, allowance)
        lag = self._tick - self._now_tick[clients]
        leads = Leads(since, self._flight[clients], lag, self._tick)
        return put_together(leads, pieces, self._motion)

    def _add_events(
        self, clients: Ints, due: NDArray[np.bool_], allowance: Ints
    ) -> Iterator[Pieces]:
        """Choose events for which there is room beside the rows that are due, bool[sorts, n]."""
        rows_size = LEAD_SIZE_MAX + (due * (RUN.itemsize + self._sizes)[:, None]).sum(axis=0)
        room = np.minimum(self.size_max, allowance - self._beside) - rows_size
        chosen = self.events.choose(clients, room, self._tick)
        for what, dtype in self.events.types.items():
            of = chosen.of[chosen.what == what]
            if len(of):
                yield Pieces(what, of, chosen.rows(what, dtype))

    def note_sent(self, holders: Ints) -> None:
        """Note which datagrams of the newest tick hold private sections.

        Args:
            holders: int64[datagrams], the client whose it is, -1 for a datagram without one.
        """
        since = self._since(holders)
        self._in_flight[self._tick] = _Sent(holders, since, self._has[:, holders])
        clients, since = holders[holders >= 0], since[holders >= 0]
        self.events.note_sent(clients, self._tick)
        again = clients[since < self._newest[clients]]
        self._repeated_at[again] = self._tick
        self._repeated_from[again] = since[since < self._newest[clients]]
        self._newest[clients] = self._sent[clients] = self._tick

    def settle(self, acked: Ints, lost: Ints) -> None:
        """Note what has become of datagrams; those of which nothing is heard count as lost.

        Args:
            acked: tags of those that have arrived.
            lost: tags of those that are taken for lost.
        """
        for tags, is_lost in ((acked, False), (lost, True)):
            ticks, datagrams = tags >> TAG_BITS, tags & ((1 << TAG_BITS) - 1)
            for tick in np.unique(ticks).tolist():
                if tick in self._in_flight:
                    self._settle(tick, datagrams[ticks == tick], is_lost)
        oldest = self._tick - self._rules.streams.reorder_ticks
        for tick in [tick for tick in self._in_flight if tick < oldest]:
            self._settle(tick, np.arange(len(self._in_flight[tick].client)), True)

    def _settle(self, tick: int, datagrams: Ints, is_lost: bool) -> None:
        sent = self._in_flight[tick]
        fresh = np.zeros(len(sent.client), np.bool_)
        fresh[datagrams[datagrams < len(fresh)]] = True
        fresh &= ~sent.settled
        sent.settled |= fresh
        if sent.settled.all():
            del self._in_flight[tick]
        clients, since = sent.client[fresh], sent.since[fresh]
        counts = self._began[clients] <= tick
        self.events.settle(clients[counts], tick, is_lost=is_lost)
        if not is_lost:
            clients, has = clients[counts], sent.has[:, fresh][:, counts]
            acked = np.where(has, tick, NEVER)
            self._acked[:, clients] = np.maximum(self._acked[:, clients], acked)
        else:
            counts &= (self._repeated_at[clients] <= tick) | (self._repeated_from[clients] > since)
            clients, since = clients[counts], since[counts]
            self._sent[clients] = np.minimum(self._sent[clients], since)

    def _since(self, clients: Ints) -> Ints:
        """Tick since which clients are to be told what has changed, -1 for all that there is."""
        since = self._sent[clients]
        since[self._tick - since > self._rules.streams.section_age_max] = NEVER
        return since

    # -- what has changed -----------------------------------------------------------------------

    def _begin(self, clients: Ints, rows: Rows, tick: int) -> None:
        """Let clients fly something else."""
        self._rows[PRESENCE][clients] = rows
        self._flight[clients] += 1
        self._changed[:, clients] = NEVER
        self._changed[self._at[PRESENCE], clients] = tick

    def _publish_presence(self, tick: int, flown: Piloted) -> NDArray[np.bool_]:
        """Note who flies something else; returns which of them do, bool[n]."""
        rows = np.zeros(len(flown.client), self._types[PRESENCE])
        rows["id"], rows["control_epoch"] = flown.net_id, flown.control_epoch
        rows["mask"] = flown.mask
        before = self._rows[PRESENCE][flown.client]
        fresh = (rows["id"] != before["id"]) | (rows["control_epoch"] != before["control_epoch"])
        other = ~fresh & (rows["mask"] != before["mask"])
        self._begin(flown.client[fresh], rows[fresh], tick)
        self._rows[PRESENCE][flown.client[other]] = rows[other]
        self._changed[self._at[PRESENCE], flown.client[other]] = tick
        return np.asarray(fresh, np.bool_)

    def _publish_motion(self, tick: int, flown: Piloted, fresh: NDArray[np.bool_]) -> None:
        client = flown.client
        now = Motion(*(flown.values[name] for name in Motion._fields))
        for array, values in zip(self._now, now, strict=True):
            array[client] = values
        self._now_tick[client] = flown.tick
        told = Motion(*(array[client] for array in self._told))
        x, y, heading = extrapolate(*told, self._told_tick[client], flown.tick, self._rules.tick_s)
        off_max = _PLACE_OFF_MAX * self._rules.cell_size / PLACE_STEPS
        strays = (np.abs(now.x - x) > off_max) | (np.abs(now.y - y) > off_max)
        strays |= np.abs(wrap_angle(now.heading - heading)) > _HEADING_OFF_MAX
        strays |= np.abs(now.vx - told.vx) > VELOCITY_STEP
        strays |= np.abs(now.vy - told.vy) > VELOCITY_STEP
        strays |= np.abs(now.spin - told.spin) > SPIN_STEP
        new = fresh | strays | flown.moved
        for array, values in zip(self._told, on_own_grid(now), strict=True):
            array[client[new]] = values[new]
        self._told_tick[client[new]] = flown.tick[new]
        self._changed[self._at[self._motion], client[new]] = tick

    def _publish_component(
        self, number: int, tick: int, flown: Piloted, fresh: NDArray[np.bool_]
    ) -> None:
        has = (flown.mask & np.uint64(1 << number)) != 0
        rows = np.zeros(len(has), self._types[number])
        for name in rows.dtype.names or ():
            rows[name] = flown.values[name]
        at, held = self._at[number], self._rows[number]
        new = has & (fresh | (rows != held[flown.client]))
        new |= has & (self._changed[at, flown.client] < 0)
        held[flown.client[new]] = rows[new]
        self._changed[at, flown.client[new]] = tick
        self._changed[at, flown.client[~has]] = NEVER

    # -- bytes ----------------------------------------------------------------------------------

    def _write_motion(self, clients: Ints, windows: Windows) -> None:
        """Write the motion of what clients fly as it is now."""
        now = Motion(*(array[clients] for array in self._now))
        centre = windows.centre_x[clients], windows.centre_y[clients]
        self._rows[self._motion][clients] = encode_own_motion(
            self._schema, now, *centre, self._rules
        )
