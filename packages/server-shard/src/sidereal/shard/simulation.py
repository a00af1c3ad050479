"""What a shard simulates: its leases, its bodies, and the stages that move them one tick on.

Everything that changes here comes from the replication server's messages or from `step`; the
random numbers are the caller's. Adopting and releasing happens between ticks, in the order of the
messages, so that the same messages at the same ticks give the same world, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sidereal.game.declarations import Declarations
from sidereal.game.logic import Stage
from sidereal.game.touching import filters_of
from sidereal.protocol.limits import MESSAGE_SIZE_MAX
from sidereal.protocol.message.codec import INPUT_ROW, decode_rows_untrusted
from sidereal.protocol.message.inputs import RoutedInput
from sidereal.protocol.message.shard import (
    Adopt,
    Adopted,
    Amend,
    AskIds,
    AuthorityMessage,
    Grant,
    GrantIds,
    Release,
    Revoke,
    ShardMessage,
)
from sidereal.protocol.message.shard import Shadows as ShadowsMessage
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import Rows, take_rows
from sidereal.protocol.state.controls import Records
from sidereal.protocol.state.schema import BODY, Schema
from sidereal.protocol.state.stream import GONE
from sidereal.shard.asks import Asks
from sidereal.shard.bodies import Bodies, shapes_of
from sidereal.shard.changes import Changes, modelled_of
from sidereal.shard.controls import UNKNOWN, ControlQueues
from sidereal.shard.events import Events
from sidereal.shard.families import Families
from sidereal.shard.ghosts import Ghosts, News
from sidereal.shard.handover.adoption import Adoption
from sidereal.shard.handover.early import Early
from sidereal.shard.handover.repairs import Repairs
from sidereal.shard.limits import LIMITS, Limits
from sidereal.shard.lives import NOBODY, Lives
from sidereal.shard.population import Ints, Population
from sidereal.shard.proposals import Proposals
from sidereal.shard.shadows import Shadows
from sidereal.shard.space import Space
from sidereal.shard.stages import Clock, Stages
from sidereal.shard.statistics import SimulationStatistics
from sidereal.shard.territory import Territory

ROWS_MAX: Final = MESSAGE_SIZE_MAX // 8
"""Rows a message can hold at most; its size bounds it first."""

RELEASE_ROW: Final = np.dtype([("id", "<u4"), ("epoch", "<u4")])


class Simulation:
    """The sectors and entities of one session.

    Attributes:
        population: all that this shard knows of.
        bodies: what of it this shard owns.
        ghosts: what of it others own.
        shadows: those of them that have bodies.
        lives: who comes and who goes.
        rules: of the world.
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
        self._limits = limits
        self.population = Population(schema)
        self.bodies = Bodies(self.population, schema, rules, limits.resimulated_ticks)
        self.ghosts = Ghosts(self.population, schema, rules, limits.releases)
        self._schema = schema
        self._families = families = Families(self.population)
        self.lives = lives = Lives(declared, self.population, rules, limits, families)
        self._asks = asks = Asks(declared.actions, limits.asked)
        self._events = events = Events(declared, self.population, limits)
        everyone, capacity = self.population, self.bodies.columns.capacity
        self._stages = Stages(
            *(declared, everyone, lives, rules, rng, clock, asks, events),
            told_ticks=limits.resimulated_ticks,
            strict=strict,
        )
        self._space = space = Space()
        self._filters = filters = filters_of(declared.kinds)
        self.shadows = Shadows(self.population, self.ghosts, space, filters, schema.controls)
        self._controls = controls = ControlQueues(capacity, schema.controls, limits)
        self._adoption = Adoption(self.bodies, controls, self._stages, limits)
        self._repairs = Repairs(self.bodies, space, self._stages, filters, rules, limits)
        modelled = modelled_of(declared, schema)
        self._changes = Changes(everyone, schema, rules, modelled, self._stages.flown)
        waits, wholes = rules.streams.reorder_ticks, limits.wholes_per_tick
        self._proposals = Proposals(schema, capacity, waits, wholes, modelled, events, families)
        self._territory = Territory(rules, ROWS_MAX)
        self._early = Early(schema, limits.controls_waiting)
        self._adopted = self._released = self._records_stale = self._records_given = 0
        self._records_proposed = self._messages_proposed = self._records_told = 0
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
            self._records_given += len(records)
            records, inputs = self._early.put_by(self.bodies.valid(records), inputs, tick)
            self._adopt(records, inputs, message.tick, tick)
        elif isinstance(message, Release):
            records = decode_rows_untrusted(message.rows, RELEASE_ROW, ROWS_MAX)
            self.ghosts.release(records["id"], records["epoch"], message.tick)
            self.shadows.leave()
            self._early.release(records["id"], records["epoch"])
            rows = self.bodies.fenced(records["id"], records["epoch"])
            held = self.bodies.rows_of(np.unique(records["id"])) >= 0
            self._records_stale += int(held.sum()) - len(rows)
            self._released += len(rows)
            self._drop(rows)
        elif isinstance(message, Grant):
            self._territory.grant_untrusted(message.rows)
        elif isinstance(message, Revoke):
            self._territory.revoke_untrusted(message.rows)
        elif isinstance(message, GrantIds):
            self.lives.ids.grant(message.first, message.count)
        elif isinstance(message, Amend):
            records = decode_rows_untrusted(message.rows, self._schema.full_record, ROWS_MAX)
            records = self.bodies.valid(records)
            self.population.amend(records)
            self._early.amend(records)
        elif isinstance(message, ShadowsMessage):
            self.shadows.cast_untrusted(message.rows)

    def take_input(self, message: RoutedInput, early_s: float = UNKNOWN) -> None:
        """Queue what a pilot has held, which came so long before the next tick."""
        row = int(self.bodies.rows_of(np.array([message.net_id]))[0])
        if row >= 0:
            self._controls.receive(row, message.input, early_s / self.rules.tick_s)
        elif not self._early.hold(message):
            self._controls_unclaimed += 1

    def show_ghosts(self, batches: Sequence[tuple[int, Rows]], tick: int) -> None:
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
        self.ghosts.show(News(take_rows(news.records, foreign), news.sent[foreign]), tick)
        # Bodies and ghosts have their rows in one table.
        self.bodies.ring.reserve(self.bodies.columns.capacity)

    def proposals_acked(self, tags: list[int]) -> None:
        """Note which proposals have arrived."""
        self._proposals.acked(tags)

    # -- ticks ------------------------------------------------------------------------------------

    def coast(self, ticks: int, tick: int) -> None:
        """Let ticks pass in straight lines: time went by that cannot be simulated any more.

        Args:
            ticks: how many.
            tick: the last one simulated.
        """
        self.bodies.coast(ticks * self.rules.tick_s)
        self._controls.miss(rows := self.bodies.rows(), ticks)
        # Nobody knows what they would have run into.
        self.bodies.ring.begin(rows, tick + ticks)
        self.bodies.ring.note(tick + ticks, self.bodies.columns)
        self._space.place(self.bodies.columns)

    def step(self, tick: int) -> None:
        """Simulate one tick.

        Raises:
            GameFailedError: a model or a system raised, or left what it may not.
        """
        self._adopt(*self._early.take(tick - 1), told=0, tick=tick - 1)
        for message in self._early.take_controls():
            self.take_input(message)
        self.shadows.begin_anew(self._repairs.run(tick - 1))
        self._families.follow()
        self.shadows.enter()
        held = self._take_controls()
        held[self.shadows.rows] = self.shadows.held
        self._stages.begin(tick, held, self.shadows.rows)
        self._run(Stage.STEER, tick)
        self.bodies.ring.note_held(tick, self._stages.steer(held))
        self._run(Stage.TICK, tick)
        dt, pairs = self.rules.tick_s / self.rules.substeps, []
        for substep in range(self.rules.substeps):
            self._run(Stage.SUBSTEP, tick)
            if substep == 0:
                self.bodies.ring.note_leaving(tick, self.bodies.columns)
            self._space.step(self.bodies.columns, dt)
            pairs.append(self._space.pairs)
            self._families.follow()
            if self._stages.asks_for_contacts or len(self.shadows):
                self._stages.note_contacts(self.shadows.sort_out(self._space.touches()))
        self.bodies.ring.note_pairs(tick, self.shadows.without(np.concatenate(pairs, axis=1)))
        self.shadows.let_go()
        self.ghosts.move(tick)
        self._run(Stage.CONTACT, tick)
        self._run(Stage.SETTLE, tick)
        self._speeds_bounded += self.bodies.bound_speeds()
        self._families.follow()
        self.bodies.ring.note(tick, self.bodies.columns)
        newborn, self.lives.newborn = self.lives.newborn, NOBODY
        self._enter(newborn)

    def collect_proposals(self, tick: int) -> list[tuple[bytes, int | None]]:
        """Say what has changed: messages and the tags to ack them by, at least one message."""
        for number, rows in self._changes.collect(tick, self._proposals.whole()).items():
            self._proposals.note(number, rows, tick)
            self._records_proposed += len(rows)
            if number == self._schema.numbers[BODY.name]:
                self._resize(rows)
        messages = self._proposals.write(tick, self._changes)
        self._messages_proposed += len(messages)
        return messages

    def collect_answers(self) -> list[ShardMessage]:
        """Say what the server has to know beside proposals, after a tick."""
        answers: list[ShardMessage] = [*self._asks.take()]
        if self._records_given != self._records_told:
            self._records_told = self._records_given
            answers.append(Adopted(self._records_told & 0xFFFF_FFFF))
        if self.lives.ids.ask():
            answers.append(AskIds())
        return answers

    def slowest(self) -> tuple[str, float]:
        """Name the model or system that takes longest, and how long per tick, s."""
        return self._stages.costs.slowest()

    def guest_count(self) -> int:
        """How many bodies are outside the leased sectors."""
        columns = self.bodies.columns
        rows = self.bodies.rows()
        return int((~self._territory.contains(columns["x"][rows], columns["y"][rows])).sum())

    def statistics(self) -> SimulationStatistics:
        """What is simulated and what came of it."""
        return SimulationStatistics(
            entities=len(self.bodies),
            guests=self.guest_count(),
            ghosts=len(self.ghosts),
            shadows=len(self.shadows),
            shadow_impulse=self.shadows.impulse,
            sectors=len(self._territory),
            adopted=self._adopted,
            adopted_late=self._repairs.late,
            resimulated=self._repairs.resimulated,
            released=self._released,
            records_refused=self.bodies.refused,
            ghosts_refused=self.ghosts.refused,
            records_stale=self._records_stale,
            records_proposed=self._records_proposed,
            messages_proposed=self._messages_proposed,
            events_emitted=self._events.emitted,
            events_dropped=self._events.dropped,
            speeds_bounded=self._speeds_bounded,
            spawns_refused=self.lives.refused,
            controls_accepted=self._controls.accepted,
            controls_stale=self._controls.stale,
            controls_skipped=self._controls.skipped,
            controls_unclaimed=self._controls_unclaimed + self._early.controls_dropped,
            asks_dropped=self._asks.dropped,
            costs_s=self._stages.costs.all(),
        )

    # -- inside -----------------------------------------------------------------------------------

    def _adopt(self, records: Rows, inputs: Rows, told: int, tick: int) -> None:
        if len(records) == 0:
            return
        refused = self.bodies.refused
        news = self.bodies.news(records)
        # An entity with a ghost of a newer epoch was handed on already; its release is on the way.
        news = take_rows(news, news["epoch"] > self.ghosts.epochs_of(news["id"]))
        self._records_stale += len(records) - len(news) - (self.bodies.refused - refused)
        if len(news) == 0:
            return
        self.ghosts.adopt(news["id"])
        self.shadows.leave()
        held = self.bodies.rows_of(news["id"])
        self._drop(held[held >= 0])
        rows = self.bodies.adopt(news, self._adoption.begins(news, tick))
        self._take_in(rows, news["tick"])
        self._adoption.replay(rows, inputs, told, tick)
        self._enter(rows)
        self._repairs.expect_adopted(rows)
        self._adopted += len(rows)

    def _enter(self, rows: Ints) -> None:
        """Let bodies into the physics."""
        columns = self.bodies.columns
        self._space.add(rows, columns, shapes_of(columns, self._filters, rows))

    def _resize(self, rows: Ints) -> None:
        """Give bodies in the physics the radius, mass and group that the game has given them."""
        self._space.remove(rows)
        self._enter(rows)

    def _take_in(self, rows: Ints, since: Ints | int) -> None:
        """Make room for bodies that have come into the population, each as of some tick."""
        columns = self.bodies.columns
        self._controls.reserve(columns.capacity)
        self._proposals.reserve(columns.capacity)
        self.bodies.ring.reserve(columns.capacity)
        self.bodies.ring.begin(rows, since)
        self._controls.reset(rows, columns["control_epoch"][rows], columns["input_seq"][rows])

    def _run(self, stage: Stage, tick: int) -> None:
        """Run a stage; then who was to go goes, and who was to come comes."""
        self._stages.run(stage)
        if not self.lives.any_asked:
            return
        for gift in self.lives.take_gifts():
            self.population.equip(gift.rows, gift.number, gift.values)
            self._proposals.note_given(gift.number, gift.rows, tick)
        if len(ended := self.lives.take_ended()):
            gone = self.bodies.columns.store(ended, self._schema.proposed_rows[GONE])
            gone["tick"] = tick
            self._proposals.note_gone(ended, gone, self._changes)
            self.ghosts.end(gone["id"], gone["epoch"], tick)
            self._drop(ended)
        records, since = self.lives.take_born()
        if len(records):
            self._let_be_born(records, since, tick)

    def _let_be_born(self, records: Rows, since: Ints, tick: int) -> None:
        """Take in what was spawned, each in some tick."""
        born = self.population.load(records, own=True)
        self._take_in(born, since)
        # What an adopted body has spawned in ticks gone by has a way behind it, as that has.
        late = born[since < tick]
        self.bodies.trace(late, tick)
        self._repairs.expect_born(late)
        self._proposals.note_born(born, tick)
        self.lives.newborn = np.sort(np.concatenate([self.lives.newborn, born]))

    def _drop(self, rows: Ints) -> None:
        if len(rows) == 0:
            return
        newborn = self.lives.newborn
        if len(newborn):
            self._space.remove(np.sort(rows[~self.population.mark(newborn)[rows]]))
            self.lives.newborn = newborn[~self.population.mark(rows)[newborn]]
        else:
            self._space.remove(rows)
        self._stages.forget(rows)
        self._proposals.forget(rows)
        self.bodies.release(rows)

    def _take_controls(self) -> Records:
        """Take what pilots hold in this tick: uint64[capacity] by row."""
        columns, rows = self.bodies.columns, self.bodies.rows()
        flown = rows[self._stages.flown[columns["kind"][rows]]]
        records = np.zeros(columns.capacity, dtype=np.uint64)
        records[flown], control_epoch, input_seq = self._controls.take(flown)
        columns["control_epoch"][flown], columns["input_seq"][flown] = control_epoch, input_seq
        columns["input_early"][flown] = self._controls.take_early(flown)
        return records
