"""Fan-out and replicas over a hostile link, against a model that knows everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
from flying import Flying, flown_by

from sidereal.client.private import PrivateState
from sidereal.client.replica import Replica
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import absolute_cell_of
from sidereal.protocol.space.sectors import SectorTable, pack_sector
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.quantize import encode_rows, quantised
from sidereal.protocol.state.reckoning import Motion, extrapolate
from sidereal.protocol.state.schema import BASE_COMPONENTS, MOTION, OWNER, Schema, mask_of
from sidereal.protocol.state.snapshot import gather, read_snapshot_untrusted
from sidereal.protocol.state.stream import GONE, PRESENCE
from sidereal.replication.edge.changelog import ChangeLog, State
from sidereal.replication.edge.eventlog import EventLog
from sidereal.replication.edge.fanout import Fanout
from sidereal.replication.edge.private import Piloted
from sidereal.replication.limits import EdgeLimits

RULES = Rules(sector_size=100.0, cell_size=25.0, view_radius_cells=1)
FURTHER = (
    Component("health", (Field("hp", "f4", "hp", 0, 100, 0.5),), Replication.ATTRIBUTE),
    Component("hold", (Field("ore", "u2", "t"), Field("mark", "S3")), Replication.ATTRIBUTE),
    Component("heat", (Field("kelvin", "f8", "K", -100, 100, 0.01),), Replication.ATTRIBUTE),
    Component("trimming", (Field("trim", "f8"),), Replication.PILOT),
    Component("scent", (Field("smell", "u2"),), Replication.ROLE, role="operator"),
)
EVENTS = (
    Component("burst", (Field("size", "u1"),), Replication.EVENT),
    Component("bang", (), Replication.EVENT),
)
SCHEMA = Schema((*BASE_COMPONENTS, *FURTHER), events=EVENTS)
BURST, BANG = (SCHEMA.event_numbers[event.name] for event in EVENTS)
STATE = [f.name for f in MOTION.fields]
MOVES, OWNED = SCHEMA.numbers[MOTION.name], SCHEMA.numbers[OWNER.name]
OPTIONAL = [
    SCHEMA.numbers[component.name] for component in FURTHER if component.is_shown or component.role
]
ROWS = 2048
STEP = RULES.cell_size / 2**16
"""By how much a place may be off that is told in steps of the grid of cells."""

Event = tuple[int, int, int, int]
"""Tick, sort, subject and size."""


class World:
    """Every entity, each in a row that others had before: too simple to be wrong."""

    def __init__(self, rng: np.random.Generator, tick: int, size: float) -> None:
        self.rng = rng
        self.tick = tick
        self.size = size
        self.rules = RULES
        self.table = SectorTable(RULES)
        events = EventLog(SCHEMA, per_cell=1 << 12)
        self.changes = ChangeLog(SCHEMA, RULES, events=events)
        self.next_id = 1
        self.net_id = np.zeros(ROWS, np.uint32)
        self.values = {name: np.zeros(ROWS, f.memory_dtype) for name, f in SCHEMA.fields.items()}
        self.ref_tick = np.zeros(ROWS, np.int64)
        self.mask = np.zeros(ROWS, np.uint64)
        self.changed = np.full((len(SCHEMA.components) + 1, ROWS), -1, np.int64)
        self.entered = np.full(ROWS, -1, np.int64)
        self.cell = np.zeros((ROWS, 2), np.int64)
        self.group = np.full(ROWS, -1, np.int32)
        self.rows = {n: np.zeros(ROWS, SCHEMA.rows[n]) for n in (PRESENCE, *SCHEMA.sent)}
        self.share = 0.0
        self.happened: list[tuple[tuple[int, int], Event]] = []
        """In which cell, and what."""

    def living(self) -> np.ndarray:
        return np.flatnonzero(self.net_id)

    def spawn(self, count: int, x: float | None = None, y: float | None = None) -> None:
        rng = self.rng
        rows = np.flatnonzero(self.net_id == 0)[:count]
        self.net_id[rows] = np.arange(self.next_id, self.next_id + count)
        self.next_id += count
        place = rng.uniform(0, self.size, (2, count))
        fresh = {
            "x": place[0] if x is None else x + rng.uniform(0, 20, count),
            "y": place[1] if y is None else y + rng.uniform(0, 20, count),
            "vx": rng.uniform(-60, 60, count) * (rng.random(count) < 0.5),
            "vy": rng.uniform(-60, 60, count) * (rng.random(count) < 0.5),
            "heading": rng.uniform(-3, 3, count),
            "spin": np.zeros(count),
            "kind": rng.integers(1, 9, count),
            "radius": np.ones(count),
            "mass": np.ones(count),
        }
        for name, array in fresh.items():
            self.values[name][rows] = array
        self.ref_tick[rows] = self.tick
        self.mask[rows] = SCHEMA.mask_sent
        for number in (PRESENCE, *SCHEMA.sent):
            self.changed[number, rows] = self.tick
        for number in OPTIONAL:
            self.toggle(number, rows[rng.random(count) < 0.5])

    def kill(self, count: int) -> None:
        dead = self.rng.permutation(self.living())[:count]
        known = dead[self.group[dead] >= 0]
        self.changes.note_left(
            self.tick, self.net_id[known], self.group[known], np.zeros(len(known), np.bool_)
        )
        self.net_id[dead], self.group[dead], self.mask[dead] = 0, -1, 0
        self.entered[dead] = -1
        self.changed[:, dead] = -1

    def toggle(self, number: int, rows: np.ndarray) -> None:
        """Take a component from those who have it, and give it to the others."""
        bit = np.uint64(1 << number)
        has = (self.mask[rows] & bit) != 0
        self.mask[rows] ^= bit
        self.changed[PRESENCE, rows] = self.tick
        self.changed[number, rows[has]] = -1
        self.alter(number, rows[~has])

    def alter(self, number: int, rows: np.ndarray) -> None:
        for f in SCHEMA.component(number).fields:
            self.values[f.name][rows] = (
                self.rng.integers(0, 99, len(rows)).astype(str).astype("S3")
                if f.memory_dtype.kind == "S"
                else self.rng.uniform(0, 99, len(rows))
            )
        self.changed[number, rows] = self.tick

    def stir(self, share: float, jump: float) -> None:
        """Give some new courses, change components, and let some jump to a cell nearby."""
        rng, living = self.rng, self.living()
        new = living[rng.random(len(living)) < share]
        self.refer(new)
        self.values["vx"][new] = rng.uniform(-100, 100, len(new))
        self.values["vy"][new] = rng.uniform(-100, 100, len(new))
        jumps = living[rng.random(len(living)) < jump]
        self.refer(jumps)
        self.values["x"][jumps] += rng.choice([-25.0, 0.0, 25.0], len(jumps))
        self.values["y"][jumps] += rng.choice([-25.0, 0.0, 25.0], len(jumps))
        for number in (OWNED, *OPTIONAL):
            has = living[(self.mask[living] & np.uint64(1 << number)) != 0]
            self.alter(number, has[rng.random(len(has)) < share / 4])
        for number in OPTIONAL:
            self.toggle(number, living[rng.random(len(living)) < share / 16])

    def motion(self, rows: np.ndarray) -> list[np.ndarray]:
        return [self.values[name][rows] for name in STATE]

    def refer(self, rows: np.ndarray) -> None:
        x, y, heading = extrapolate(
            *self.motion(rows), self.ref_tick[rows], self.tick, RULES.tick_s
        )
        self.values["x"][rows], self.values["y"][rows], self.values["heading"][rows] = x, y, heading
        self.ref_tick[rows] = self.changed[MOVES, rows] = self.tick

    def publish(self) -> None:
        living = self.living()
        x, y, _ = extrapolate(*self.motion(living), self.ref_tick[living], self.tick, RULES.tick_s)
        outside = living[(x < 0) | (x >= self.size) | (y < 0) | (y >= self.size)]
        self.refer(outside)
        for axis in "xy":
            a = self.values[axis]
            a[outside] = np.clip(a[outside], 0, self.size - 1e-6)
            self.values["v" + axis][outside] *= -1
        x, y, _ = extrapolate(*self.motion(living), self.ref_tick[living], self.tick, RULES.tick_s)
        group = self.table.group_of(x, y, create=True)
        entered = group != self.group[living]
        crossed = living[entered & (self.group[living] >= 0)]
        self.changes.note_left(
            self.tick, self.net_id[crossed], self.group[crossed], np.ones(len(crossed), np.bool_)
        )
        came = living[entered]
        self.refer(came)
        self.entered[came] = self.changed[PRESENCE, came] = self.tick
        self.cell[living] = np.stack(absolute_cell_of(x, y, RULES), axis=1)
        self.group[living] = group
        self.encode()
        self.happen(living)
        self.changes.publish(
            self.tick,
            State(
                self.net_id,
                self.group,
                self.entered,
                self.changed,
                self.changed.max(axis=1),
                self.rows,
            ),
        )

    def happen(self, living: np.ndarray) -> None:
        """Let something happen to some, also twice."""
        for number in (BURST, BANG):
            chosen = np.repeat(living, 2)[self.rng.random(2 * len(living)) < self.share]
            rows = np.zeros(len(chosen), SCHEMA.rows[number])
            rows["id"] = self.net_id[chosen]
            if number == BURST:
                rows["size"] = self.rng.integers(0, 4, len(chosen))
            self.changes.events.note(number, rows, self.group[chosen])
            for cell, row in zip(self.cell[chosen].tolist(), rows.tolist(), strict=True):
                self.happened.append(((cell[0], cell[1]), event_of(self.tick, number, row)))

    def encode(self) -> None:
        new = np.flatnonzero(self.changed[PRESENCE] == self.tick)
        presence = self.rows[PRESENCE]
        presence["id"][new], presence["kind"][new] = self.net_id[new], self.values["kind"][new]
        presence["mask"][new] = self.mask[new]
        for number in SCHEMA.sent:
            new = np.flatnonzero(self.changed[number] == self.tick)
            fields = SCHEMA.component(number).fields
            self.rows[number][new] = encode_rows(
                SCHEMA,
                number,
                {f.name: self.values[f.name][new] for f in fields},
                self.net_id[new],
                RULES,
                origin_x=self.cell[new, 0] * RULES.cell_size,
                origin_y=self.cell[new, 1] * RULES.cell_size,
                tick=self.ref_tick[new],
            )

    def release_empty_sectors(self) -> None:
        side, cell = RULES.cells_per_side, self.cell[self.living()]
        used = np.unique(pack_sector(cell[:, 0] // side, cell[:, 1] // side))
        empty = np.setdiff1d(self.table.keys, used)
        if len(empty):
            rows = self.table.rows_of(empty).astype(np.int64)
            per = self.table.cells_per_sector
            groups = (rows[:, None] * per + np.arange(per)).ravel()
            self.table.release(empty)
            self.changes.forget(groups.astype(np.int32))


class Pilots:
    """What players fly, and what each knows of that: its own entity, and a component.

    It is some entity of the world, in view or not, as long as that lives.
    """

    def __init__(self, rng: np.random.Generator, world: World) -> None:
        self.rng = rng
        self.world = world
        self.flying: dict[int, Flying] = {}

    def join(self, row: int) -> None:
        self.flying[row] = Flying(row, net_id=0)

    def another(self, row: int, seen: np.ndarray) -> Flying:
        rng = self.rng
        ids = seen if rng.random() < 0.7 else self.world.net_id[self.world.living()]
        nothing = not len(ids) or rng.random() < 0.2
        return Flying(row, net_id=0 if nothing else int(rng.choice(ids)), components={"trim": 0.0})

    def stir(self, seen: Mapping[int, np.ndarray]) -> None:
        """Apply inputs, trim, and let some fly something else, or nothing.

        Args:
            seen: network ids of all that each has in view, by its row.
        """
        for row, flying in self.flying.items():
            seq = flying.input_seq + int(self.rng.random() < 0.7)
            components = flying.components
            if self.rng.random() < 0.2:
                trimmed = {"trim": float(self.rng.integers(0, 99))}
                components = None if self.rng.random() < 0.3 else trimmed
            flying = flying._replace(input_seq=seq, components=components)
            if self.rng.random() < (0.05 if flying.net_id else 0.3):
                flying = self.another(row, seen[row])
            self.flying[row] = flying

    def flown(self) -> Piloted:
        """Collect what is flown, as the world has it; nobody flies what is gone."""
        self.flying = {row: self._as_it_is(each) for row, each in self.flying.items()}
        there = [each for each in self.flying.values() if each.net_id]
        return flown_by(*there, schema=SCHEMA)

    def _as_it_is(self, flying: Flying) -> Flying:
        world = self.world
        rows = np.flatnonzero((world.net_id == flying.net_id) & (world.net_id != 0))
        if not len(rows):
            return flying._replace(net_id=0)
        return flying._replace(
            row=int(rows[0]),
            moved=bool(world.changed[MOVES, rows[0]] == world.tick),
            motion=Motion(*(array[0] for array in world.motion(rows))),
            tick=int(world.ref_tick[rows[0]]),
        )

    def check(self, row: int, known: PrivateState) -> None:
        flying = self.flying[row]
        assert known.flown.net_id == flying.net_id
        if not flying.net_id:
            assert known.answer() is None
            return
        answer = known.answer()
        assert answer is not None
        assert (answer.control_epoch, answer.input) == (1, flying.input_seq % 65536)
        np.testing.assert_allclose(answer.state, flying.motion, atol=1e-5)
        assert known.values == (flying.components or {})


def event_of(tick: int, number: int, row: tuple[int, ...]) -> Event:
    return tick, number, row[0], row[2] if number == BURST else 0


@dataclass
class Faults:
    loss: float = 0.0
    duplicate: float = 0.0
    delay_max: int = 1
    ack_loss: float = 0.0
    impatience: float = 0.0
    """How often what arrives is taken for lost before."""
    allowance_max: int = 1 << 20
    """Bytes that can leave for somebody in a tick: any number up to that."""


@dataclass
class Player:
    replica: Replica
    centre: tuple[int, int]
    mail: list[tuple[int, bytes, int]] = field(default_factory=list)
    acks: list[tuple[int, int]] = field(default_factory=list)
    losses: list[tuple[int, int]] = field(default_factory=list)
    inside_since: dict[int, int] = field(default_factory=dict)
    told_dead: set[int] = field(default_factory=set)
    taken: Counter[Event] = field(default_factory=Counter)
    flown: set[int] = field(default_factory=set)
    """All that it was told it flies, now or before."""
    sections: int = 0
    bytes: int = 0


def role_of(row: int) -> str:
    """The first player is an operator, who is sent more than the others."""
    return "" if row else "operator"


class Rig:
    """World, fan-out, links and replicas in one loop, a tick at a time."""

    def __init__(self, seed: int, players: int, tick: int = 1, size: float = 200.0, cap: int = 16):
        self.rng = np.random.default_rng([seed, 1])
        self.world = World(np.random.default_rng([seed, 2]), tick, size)
        self.fanout = Fanout(SCHEMA, RULES, self.world.changes, players + 1, EdgeLimits(cap))
        self.cap = cap
        self.players: dict[int, Player] = {}
        self.pilots = Pilots(np.random.default_rng([seed, 5]), self.world)
        self.faults = Faults()
        self.wanted = 0
        for row in range(players):
            self.join(row)

    def join(self, row: int) -> None:
        centre = tuple(self.rng.integers(0, 8, 2).tolist())
        self.pilots.join(row)
        self.players[row] = Player(Replica(SCHEMA, RULES, capacity=4), centre)
        self.fanout.join(row, role_of(row))
        self.fanout.move(row, self.world.tick, *centre)

    def leave(self, row: int) -> None:
        self.fanout.leave(row)
        del self.players[row]
        del self.pilots.flying[row]

    def wander(self, chance: float, far: float = 0.0) -> None:
        for row, player in self.players.items():
            if self.rng.random() < chance:
                step = self.rng.integers(-1, 2, 2)
                if self.rng.random() < far:
                    step = self.rng.integers(-40, 40, 2)
                player.centre = (player.centre[0] + int(step[0]), player.centre[1] + int(step[1]))
                if self.rng.random() < 0.3:
                    player.centre = tuple(self.rng.integers(0, 8, 2).tolist())
                self.fanout.move(row, self.world.tick, *player.centre)

    def pilot(self) -> None:
        self.pilots.stir({row: self.expected_ids(each) for row, each in self.players.items()})

    def step(self) -> None:
        world = self.world
        world.publish()
        self.fanout.refresh(world.table)
        for player in self.players.values():
            player.sections = player.bytes = 0
            inside = set(self.expected_ids(player).tolist())
            player.inside_since = {
                i: player.inside_since.get(i, world.tick) for i in sorted(inside)
            }
        seen = dict.fromkeys(self.players, 0)
        self.fanout.private.publish(world.tick, self.pilots.flown())
        allowance = self.rng.integers(0, self.faults.allowance_max, len(self.players) + 1)
        for row, message, tag in self.fanout.collect(world.tick, allowance):
            seen[row] += 1
            self._send(self.players[row], message, tag)
        assert max(seen.values()) <= self.cap
        for row, player in self.players.items():
            self._deliver(row, player)
        world.tick += 1

    def _send(self, player: Player, message: bytes, tag: int) -> None:
        player.sections += len(read_snapshot_untrusted(SCHEMA, RULES, message).sections)
        player.bytes += len(message)
        f, rng = self.faults, self.rng
        copies = sum(rng.random() >= f.loss for _ in range(1 + (rng.random() < f.duplicate)))
        for _ in range(copies):
            at = self.world.tick + int(rng.integers(0, f.delay_max))
            player.mail.append((at, message, tag))
        if not copies or rng.random() < f.impatience:
            self._miss(player, tag)

    def _miss(self, player: Player, tag: int) -> None:
        """The channel takes for lost what was not acked for some ticks."""
        player.losses.append((self.world.tick + int(self.rng.integers(0, 7)), tag))

    def _deliver(self, row: int, player: Player) -> None:
        rng, tick = self.rng, self.world.tick
        due = [m for m in player.mail if m[0] <= tick]
        player.mail = [m for m in player.mail if m[0] > tick]
        if self.faults.delay_max > 1:
            due = [due[at] for at in rng.permutation(len(due))]
        while due:
            together = int(rng.integers(1, 5))
            now, due = due[:together], due[together:]
            self._apply(player, [message for _, message, _ in now])
            for _, _, tag in now:
                if rng.random() >= self.faults.ack_loss:
                    player.acks.append((tick + int(rng.integers(0, self.faults.delay_max)), tag))
                else:
                    self._miss(player, tag)
        acked = [tag for at, tag in player.acks if at <= tick]
        player.acks = [a for a in player.acks if a[0] > tick]
        if acked:
            self.fanout.acked(row, acked)
        lost = [tag for at, tag in player.losses if at <= tick]
        player.losses = [a for a in player.losses if a[0] > tick]
        if lost:
            self.fanout.lost(row, lost)

    def _apply(self, player: Player, messages: list[bytes]) -> None:
        replica = player.replica
        before = dict(
            zip(self.ids(player).tolist(), replica.stamp[replica.rows()].tolist(), strict=True)
        )
        every = gather(SCHEMA, [read_snapshot_untrusted(SCHEMA, RULES, m) for m in messages])
        assert len(replica.apply_untrusted(messages, float(self.world.tick))) == len(messages)
        for each in replica.happenings.due(float("inf")):
            sizes = each.values["size"] if each.number == BURST else np.zeros(len(each.tick))
            for event in zip(each.tick, each.subject, sizes, strict=True):
                tick, subject, size = (int(value) for value in event)
                player.taken[tick, each.number, subject, size] += 1
        after = set(self.ids(player).tolist())
        gone = every.rows[GONE]["id"].tolist() if GONE in every.rows else []
        player.told_dead |= {i for i in gone if i in before and i not in after}
        assert not player.told_dead & after, "the dead came back"
        flown = replica.private.flown.net_id
        player.flown.add(flown)
        for net_id in before.keys() - after:
            assert net_id != flown or net_id in gone, "it does not see what it flies"
            since = player.inside_since.get(net_id)
            assert since is None or before[net_id] < since, f"{net_id} flickered"

    def ids(self, player: Player) -> np.ndarray:
        return player.replica.columns.net_id[player.replica.rows()]

    def expected_rows(self, player: Player) -> np.ndarray:
        living = self.world.living()
        off = np.abs(self.world.cell[living] - np.array(player.centre))
        return living[off.max(axis=1, initial=0) <= RULES.view_radius_cells]

    def expected_ids(self, player: Player) -> np.ndarray:
        return self.world.net_id[self.expected_rows(player)]

    def check(self) -> None:
        for row, player in self.players.items():
            self.check_player(row, player)

    def check_player(self, row: int, player: Player) -> None:
        world, replica = self.world, player.replica
        wanted = self.expected_rows(player)
        wanted = wanted[np.argsort(world.net_id[wanted])]
        rows = replica.rows()
        rows = rows[np.argsort(replica.columns.net_id[rows])]
        self.pilots.check(row, replica.private)
        # What it flies it keeps, wherever that is; of all others it has who is in view.
        every = replica.columns.net_id[replica.columns.rows()]
        beyond = np.setdiff1d(every, world.net_id[wanted])
        assert set(beyond.tolist()) <= {replica.private.flown.net_id}
        rows = rows[~np.isin(replica.columns.net_id[rows], beyond)]
        np.testing.assert_array_equal(replica.columns.net_id[rows], world.net_id[wanted])
        # What it flies, or did, it has as its private section said it, and that is more exact.
        own = np.isin(world.net_id[wanted], list(player.flown))
        late = replica.columns.tick[rows] - world.ref_tick[wanted]
        assert not late[~own].any()
        assert (late[own] >= 0).all()
        shown = SCHEMA.shown_to(role_of(row))
        masks = world.mask[wanted] & np.uint64(mask_of(shown))
        np.testing.assert_array_equal(replica.components(rows), masks)
        np.testing.assert_array_equal(replica.columns["kind"][rows], world.values["kind"][wanted])
        for number in shown:
            has = (world.mask[wanted] & np.uint64(1 << number)) != 0
            held, there = rows[has], wanted[has]
            fields = [f.name for f in SCHEMA.component(number).fields]
            seen = quantised(
                SCHEMA,
                number,
                {name: world.values[name][there] for name in fields},
                RULES,
                origin_x=world.cell[there, 0] * RULES.cell_size,
                origin_y=world.cell[there, 1] * RULES.cell_size,
            )
            for name in fields:
                known, exact = replica.columns[name][held], slice(None)
                if number == MOVES:
                    exact = ~own
                    np.testing.assert_allclose(known, seen[name], rtol=0, atol=STEP)
                np.testing.assert_array_equal(known[exact], seen[name][exact])
                assert not replica.columns[name][rows[~has]].any(), "what was taken is forgotten"
        assert (replica.confirmed(replica.rows()) == replica.newest_tick).all()
        self.check_events(player)

    def check_events(self, player: Player) -> None:
        """What happened in the cells that are known has been taken, and nothing twice."""
        coverage = player.replica.coverage
        cells = zip(coverage.cell_x.tolist(), coverage.cell_y.tolist(), strict=True)
        since = dict(zip(cells, coverage.since.tolist(), strict=True))
        happened = Counter(event for _, event in self.world.happened)
        wanted = Counter(e for cell, e in self.world.happened if since.get(cell, e[0]) < e[0])
        assert not player.taken - happened, "never happened, or not as often"
        assert not wanted - player.taken, "not taken"
        self.wanted += wanted.total()

    def heal(self, ticks: int = 20) -> None:
        """No more faults, nothing moves: everybody must come to the truth and then be silent."""
        self.faults = Faults()
        world = self.world
        world.share = 0.0
        for name in ("vx", "vy"):
            world.refer(np.flatnonzero((world.net_id != 0) & (world.values[name] != 0)))
            world.values[name][:] = 0.0
        for _ in range(ticks):
            self.step()
        self.check()
        self.step()
        for player in self.players.values():
            assert player.sections == 0
            assert player.bytes <= 24
        self.check()


@pytest.mark.parametrize("seed", range(12))
def test_replicas_converge_after_faults(seed: int) -> None:
    rng = np.random.default_rng([seed, 3])
    start = int(rng.choice([1, 65_500, 131_060, 2**32 - 200]))
    rig = Rig(seed, players=3, tick=start, cap=int(rng.choice([9, 16])))
    rig.world.spawn(int(rng.integers(0, 120)))
    jump = float(rng.choice([0.0, 0.05, 1.0]))
    share = float(rng.choice([0.0, 0.1, 1.0]))
    far, move = float(rng.choice([0.0, 0.3])), float(rng.choice([0.0, 0.1, 0.5]))
    rig.world.share = float(rng.choice([0.02, 0.3]))
    rig.faults = Faults(
        loss=float(rng.uniform(0, 0.5)),
        duplicate=0.1,
        delay_max=int(rng.integers(1, 9)),
        ack_loss=float(rng.uniform(0, 0.5)),
        impatience=0.05,
        allowance_max=int(rng.choice([500, 3000, 1 << 20])),
    )
    for tick in range(60):
        if rng.random() < 0.3:
            rig.world.spawn(int(rng.integers(0, 6)))
        if rng.random() < 0.3:
            rig.world.kill(int(rng.integers(0, 6)))
        rig.world.stir(share, jump)
        rig.pilot()
        if tick % 7 == 3:
            rig.world.release_empty_sectors()
        if tick == 30:
            rig.leave(1)
            rig.join(1)
        rig.wander(move, far)
        rig.step()
    rig.heal()


@pytest.mark.parametrize("seed", range(4))
def test_crowds_larger_than_a_tick_converge_under_loss(seed: int) -> None:
    rng = np.random.default_rng([seed, 4])
    rig = Rig(seed, players=2, tick=65_500, cap=9)
    for player in rig.players.values():
        player.centre = (3, 3)
    for row in rig.players:
        rig.fanout.move(row, rig.world.tick, 3, 3)
    rig.world.spawn(int(rng.integers(200, 700)), x=76.0, y=76.0)
    rig.world.spawn(int(rng.integers(0, 300)))
    rig.world.share = float(rng.choice([0.02, 0.1]))
    share, jump = float(rng.choice([0.05, 0.2, 1.0])), float(rng.choice([0.0, 0.02]))
    rig.faults = Faults(float(rng.choice([0.1, 0.3])), 0.1, int(rng.integers(1, 7)), 0.2, 0.05)
    for tick in range(30):
        rig.world.stir(share, jump)
        rig.pilot()
        if tick > 5:
            rig.world.kill(int(rng.integers(0, 4)))
        rig.wander(0.1)
        rig.step()
    assert rig.fanout.statistics().transfers > 0
    rig.heal(40)
    assert rig.wanted > 0
