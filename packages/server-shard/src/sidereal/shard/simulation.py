"""What a shard simulates: its leases, its bodies, and the stages that move them one tick on.

Everything that changes here comes from the replication server's messages or from `step`; the
random numbers are the caller's. Adopting and releasing happens between ticks, in the order of the
messages, so that the same messages at the same ticks give the same world, bit for bit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.game.declarations import Declarations
from sidereal.game.logic import Stage
from sidereal.game.touching import filters_of
from sidereal.protocol.limits import (
    INPUT_SEQ_MAX,
    INPUTS_UNANSWERED_MAX,
    MESSAGE_SIZE_MAX,
)
from sidereal.protocol.message.codec import INPUT_ROW, LEASE_ROW, decode_rows_untrusted
from sidereal.protocol.message.inputs import RoutedInput
from sidereal.protocol.message.shard import (
    Adopt,
    Asked,
    AuthorityMessage,
    Grant,
    Release,
    Revoke,
)
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import sector_of
from sidereal.protocol.space.sectors import pack_sector
from sidereal.protocol.state.controls import Records
from sidereal.protocol.state.schema import BODY, Schema
from sidereal.shard.asks import Asks
from sidereal.shard.bodies import Bodies
from sidereal.shard.changes import Changes
from sidereal.shard.controls import ControlQueues
from sidereal.shard.events import Events
from sidereal.shard.ghosts import Ghosts, News
from sidereal.shard.limits import LIMITS, Limits
from sidereal.shard.population import Ints, Population
from sidereal.shard.proposals import Proposals
from sidereal.shard.space import Shapes, Space
from sidereal.shard.stages import Clock, Stages
from sidereal.shard.statistics import SimulationStatistics

ROWS_MAX: Final = MESSAGE_SIZE_MAX // 8
"""Rows a message can hold at most; its size bounds it first."""

REPLAY_TICKS_MAX: Final = INPUTS_UNANSWERED_MAX
"""Ticks that a body is flown when it is adopted; before that it is taken to have flown straight."""


RELEASE_ROW: Final = np.dtype([("id", "<u4"), ("epoch", "<u4")])


class Simulation:
    """The sectors and entities of one session.

    Attributes:
        population: all that this shard knows of.
        bodies: what of it this shard owns.
        ghosts: what of it others own.
        rules: of the world.
        records_given: records that it was sent to adopt, whatever became of them.
    """

    def __init__(
        self,
        declared: Declarations,
        schema: Schema,
        rules: Rules,
        rng: np.random.Generator,
        limits: Limits = LIMITS,
        clock: Clock = lambda: 0.0,
        *,
        strict: bool = False,
    ) -> None:
        self.rules = rules
        self.records_given = 0
        self._limits = limits
        self.population = Population(schema)
        self.bodies = Bodies(self.population, schema, rules)
        self.ghosts = Ghosts(self.population, schema, rules, limits.releases)
        self._schema = schema
        self._asks = Asks(declared.actions, limits.asked)
        self._events = Events(declared, self.population, limits)
        self._stages = Stages(
            declared, self.population, rules, rng, clock, self._asks, self._events, strict=strict
        )
        self._space = Space()
        self._filters = filters_of(declared.kinds)
        self._controls = ControlQueues(self.bodies.columns.capacity, schema.controls, limits)
        self._changes = Changes(self.population, schema, rules)
        self._proposals = Proposals(
            schema, self.bodies.columns.capacity, rules.streams.reorder_ticks, self._events
        )
        self._leases: dict[int, int] = {}
        self._adopted = self._released = self._records_stale = 0
        self._records_proposed = self._messages_proposed = 0
        self._speeds_bounded = self._controls_unclaimed = 0

    # -- messages ---------------------------------------------------------------------------------

    def apply(self, message: AuthorityMessage, tick: int) -> None:
        """Act on a message of the replication server, between two ticks.

        Args:
            message: anything but the ones that make or end the session.
            tick: the last one simulated.

        Raises:
            WireError: its records are not what they should be; nothing was changed then.
        """
        if isinstance(message, Adopt):
            records = decode_rows_untrusted(message.rows, self._schema.full_record, ROWS_MAX)
            inputs = decode_rows_untrusted(message.inputs, INPUT_ROW, ROWS_MAX)
            self.records_given += len(records)
            self._adopt(records, inputs, tick)
        elif isinstance(message, Release):
            records = decode_rows_untrusted(message.rows, RELEASE_ROW, ROWS_MAX)
            self.ghosts.release(records["id"], records["epoch"], message.tick)
            rows = self.bodies.fenced(records["id"], records["epoch"])
            held = self.bodies.rows_of(np.unique(records["id"])) >= 0
            self._records_stale += int(held.sum()) - len(rows)
            self._released += len(rows)
            self._drop(rows)
        elif isinstance(message, Grant):
            # Per sector, when leases change (1 µs each).
            for key, epoch in self._lease_rows_untrusted(message.rows):
                self._leases[key] = max(epoch, self._leases.get(key, 0))
        elif isinstance(message, Revoke):
            for key, epoch in self._lease_rows_untrusted(message.rows):
                if self._leases.get(key, epoch + 1) <= epoch:
                    del self._leases[key]

    def take_input(self, message: RoutedInput) -> None:
        """Queue what a pilot has held for the tick that it is for."""
        row = int(self.bodies.rows_of(np.array([message.net_id]))[0])
        if row < 0:
            self._controls_unclaimed += 1
            return
        self._controls.receive(row, message.input)

    def show_ghosts(self, batches: Sequence[tuple[int, NDArray[np.void]]], tick: int) -> None:
        """Take in what the replication server tells of ghosts, between two ticks.

        Args:
            batches: for each message its tick and its `Schema.full_record[n]`, at least one.
            tick: the last one simulated.
        """
        news = self.ghosts.news(batches)
        rows = self.bodies.rows_of(news.records["id"])
        foreign = (rows < 0) | (self.bodies.columns.epoch[rows] < news.records["epoch"])
        # A body of which there is a ghost with a newer epoch has another owner by now.
        lost = rows[foreign & (rows >= 0)]
        self._released += len(lost)
        self._drop(lost)
        self.ghosts.show(News(news.records[foreign], news.sent[foreign]), tick)

    def proposals_acked(self, tags: list[int]) -> None:
        """Note which proposals have arrived."""
        self._proposals.acked(tags)

    # -- ticks ------------------------------------------------------------------------------------

    def coast(self, ticks: int) -> None:
        """Let ticks pass in straight lines: time went by that cannot be simulated any more."""
        self.bodies.coast(ticks * self.rules.tick_s)
        self._space.place(self.bodies.columns)

    def step(self, tick: int) -> None:
        """Simulate one tick.

        Raises:
            GameFailedError: a model or a system raised, or left what it may not.
        """
        self._stages.begin(tick, self._take_controls())
        self._stages.run(Stage.TICK)
        dt = self.rules.tick_s / self.rules.substeps
        for _ in range(self.rules.substeps):
            self._stages.run(Stage.SUBSTEP)
            self._space.step(self.bodies.columns, dt)
            self._stages.note_contacts(self._space)
        self.ghosts.move(tick)
        self._stages.run(Stage.CONTACT)
        self._stages.run(Stage.SETTLE)
        self._speeds_bounded += self.bodies.bound_speeds()

    def collect_proposals(self, tick: int) -> list[tuple[bytes, int | None]]:
        """Say what has changed: messages and the tags to ack them by, at least one message."""
        for number, rows in self._changes.collect(tick).items():
            self._proposals.note(number, rows, tick)
            self._records_proposed += len(rows)
            if number == self._schema.numbers[BODY.name]:
                self._resize(rows)
        messages = self._proposals.write(tick, self._changes)
        self._messages_proposed += len(messages)
        return messages

    def take_asked(self) -> list[Asked]:
        """Give up what systems have asked the authority for in this tick."""
        return self._asks.take()

    def slowest(self) -> tuple[str, float]:
        """Name the model or system that takes longest, and how long per tick, s."""
        return self._stages.costs.slowest()

    def guest_count(self) -> int:
        """How many bodies are outside the leased sectors."""
        columns = self.bodies.columns
        rows = self.bodies.rows()
        keys = pack_sector(*sector_of(columns["x"][rows], columns["y"][rows], self.rules))
        return int((~np.isin(keys, np.array(list(self._leases), dtype=np.int64))).sum())

    def statistics(self) -> SimulationStatistics:
        """What is simulated and what came of it."""
        return SimulationStatistics(
            entities=len(self.bodies),
            guests=self.guest_count(),
            ghosts=len(self.ghosts),
            sectors=len(self._leases),
            adopted=self._adopted,
            released=self._released,
            records_refused=self.bodies.refused,
            ghosts_refused=self.ghosts.refused,
            records_stale=self._records_stale,
            records_proposed=self._records_proposed,
            messages_proposed=self._messages_proposed,
            events_emitted=self._events.emitted,
            events_dropped=self._events.dropped,
            speeds_bounded=self._speeds_bounded,
            controls_accepted=self._controls.accepted,
            controls_stale=self._controls.stale,
            controls_skipped=self._controls.skipped,
            controls_unclaimed=self._controls_unclaimed,
            asks_dropped=self._asks.dropped,
            costs_s=self._stages.costs.all(),
        )

    # -- inside -----------------------------------------------------------------------------------

    def _adopt(self, records: NDArray[np.void], inputs: NDArray[np.void], tick: int) -> None:
        refused = self.bodies.refused
        news = self.bodies.news(records)
        # An entity with a ghost of a newer epoch was handed on already; its release is on the way.
        news = news[news["epoch"] > self.ghosts.epochs_of(news["id"])]
        self._records_stale += len(records) - len(news) - (self.bodies.refused - refused)
        if len(news) == 0:
            return
        self.ghosts.adopt(news["id"])
        held = self.bodies.rows_of(news["id"])
        self._drop(held[held >= 0])
        # Who has a pilot is flown from where it was, all else moves on in a straight line.
        flown = self._stages.flown[news["kind"]]
        begin = np.minimum(np.maximum(news["tick"].astype(np.int64), tick - REPLAY_TICKS_MAX), tick)
        rows = self.bodies.adopt(news, np.where(flown, begin, tick))
        columns = self.bodies.columns
        self._controls.reserve(columns.capacity)
        self._proposals.reserve(columns.capacity)
        self._controls.reset(rows, columns["control_epoch"][rows], columns["input_seq"][rows])
        self._replay(rows[flown], begin[flown], inputs, tick)
        self._space.add(rows, columns, self._shapes_of(rows))
        self._adopted += len(rows)

    def _shapes_of(self, rows: NDArray[np.int64]) -> Shapes:
        columns, filters = self.bodies.columns, self._filters
        kinds = columns["kind"][rows]
        return Shapes(
            columns["radius"][rows].astype(np.float64),
            columns["mass"][rows].astype(np.float64),
            filters.category[kinds],
            filters.mask[kinds],
            filters.sensor[kinds],
            filters.bounce[kinds],
        )

    def _replay(
        self,
        rows: NDArray[np.int64],
        begin: NDArray[np.int64],
        inputs: NDArray[np.void],
        tick: int,
    ) -> None:
        """Fly newly adopted bodies up to the shard's tick by what their pilots have held since.

        Nobody else is there meanwhile: what they run into, they run into from now on.

        Args:
            rows: int64[n], those that have a pilot.
            begin: int64[n], the tick that each is at.
            inputs: `INPUT_ROW[m]`, in order.
            tick: the shard's.

        Mutates:
            the motion, `control_epoch` and `input_seq` of the bodies, and their queues.
        """
        columns = self.bodies.columns
        waiting: dict[int, deque[tuple[int, int]]] = {}
        for row, (_, seq, record) in zip(
            columns.rows_of(inputs["id"]).tolist(), inputs.tolist(), strict=True
        ):
            waiting.setdefault(row, deque()).append((seq, record))
        # A few ticks of a few bodies; after a shard's death, seconds of all that it simulated.
        for now in range(int(begin.min(initial=tick)), tick):
            flying = rows[begin <= now]
            for row in flying.tolist():
                if row in waiting:
                    newest = int(columns["input_seq"][row]) + self._limits.replay_ahead
                    self._resume(row, waiting[row], newest)
            held, control_epoch, input_seq = self._controls.replay(flying)
            self._stages.fly(flying, now + 1, held)
            columns["control_epoch"][flying] = control_epoch
            columns["input_seq"][flying] = input_seq
        for row in rows.tolist():
            if row in waiting:
                self._resume(row, waiting[row], INPUT_SEQ_MAX)

    def _resume(self, row: int, entries: deque[tuple[int, int]], newest: int) -> None:
        """Move entries up to a number into the queue of their body."""
        due = []
        while entries and entries[0][0] <= newest:
            due.append(entries.popleft())
        self._controls.resume(row, due)

    def _resize(self, rows: Ints) -> None:
        """Give bodies in the physics the radius and mass that the game has given them."""
        self._space.remove(rows)
        self._space.add(rows, self.bodies.columns, self._shapes_of(rows))

    def _drop(self, rows: NDArray[np.int64]) -> None:
        self._space.remove(rows)
        self._stages.forget(rows)
        self._proposals.forget(rows)
        self.bodies.release(rows)

    def _take_controls(self) -> Records:
        """Take what pilots hold in this tick: uint64[capacity] by row."""
        columns, rows = self.bodies.columns, self.bodies.rows()
        flown = rows[self._stages.flown[columns["kind"][rows]]]
        held, control_epoch, input_seq = self._controls.take(flown)
        records = np.zeros(columns.capacity, dtype=np.uint64)
        records[flown] = held
        columns["control_epoch"][flown] = control_epoch
        columns["input_seq"][flown] = input_seq
        return records

    def _lease_rows_untrusted(self, body: bytes) -> list[tuple[int, int]]:
        rows = decode_rows_untrusted(body, LEASE_ROW, ROWS_MAX)
        keys = pack_sector(rows["sector_x"], rows["sector_y"])
        return list(zip(keys.tolist(), rows["epoch"].tolist(), strict=True))
