"""Fan-out and replicas over a hostile link, against a model that knows everything."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from sidereal.client.replica import Replica
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import absolute_cell_of
from sidereal.protocol.space.sectors import SectorTable, pack_sector
from sidereal.protocol.state.quantize import encode_wire, quantised
from sidereal.protocol.state.reckoning import extrapolate
from sidereal.protocol.state.schema import BASE_SCHEMA as SCHEMA
from sidereal.protocol.state.snapshot import read_snapshot_untrusted
from sidereal.protocol.state.stream import MOVED, OWN_BLOCK, CellStream
from sidereal.replication.edge.fanout import Fanout
from sidereal.replication.limits import EdgeLimits

RULES = Rules(sector_size=100.0, cell_size=25.0, view_radius_cells=1)
STATE = [f.name for f in SCHEMA.state_fields]


class World:
    """Every entity, as dictionaries: slow, and too simple to be wrong."""

    def __init__(self, rng: np.random.Generator, tick: int, size: float) -> None:
        self.rng = rng
        self.tick = tick
        self.size = size
        self.rules = RULES
        self.table = SectorTable(RULES)
        self.stream = CellStream(SCHEMA, RULES)
        self.next_id = 1
        self.ids = np.zeros(0, np.uint32)
        self.state = {name: np.zeros(0) for name in STATE}
        self.ref_tick = np.zeros(0, np.int64)
        self.attributes = np.zeros(0, SCHEMA.attribute_record)
        self.changed = np.zeros(0, np.int64)
        self.attributes_changed = np.zeros(0, np.int64)
        self.cell = np.zeros((0, 2), np.int64)
        self.group = np.zeros(0, np.int32)
        self.wire = np.zeros(0, SCHEMA.wire_record)
        self.died: dict[int, int] = {}

    def spawn(self, count: int, x: float | None = None, y: float | None = None) -> None:
        rng = self.rng
        ids = np.arange(self.next_id, self.next_id + count, dtype=np.uint32)
        self.next_id += count
        place = rng.uniform(0, self.size, (2, count))
        fresh = {
            "x": place[0] if x is None else x + rng.uniform(0, 20, count),
            "y": place[1] if y is None else y + rng.uniform(0, 20, count),
            "vx": rng.uniform(-60, 60, count) * (rng.random(count) < 0.5),
            "vy": rng.uniform(-60, 60, count) * (rng.random(count) < 0.5),
            "heading": rng.uniform(-3, 3, count),
            "spin": np.zeros(count),
        }
        records = np.zeros(count, SCHEMA.attribute_record)
        records["id"], records["kind"], records["radius"], records["mass"] = ids, 2, 1.0, 1.0
        now = np.full(count, self.tick, np.int64)
        self.ids = np.concatenate([self.ids, ids])
        self.state = {n: np.concatenate([self.state[n], fresh[n]]) for n in STATE}
        self.ref_tick = np.concatenate([self.ref_tick, now])
        self.attributes = np.concatenate([self.attributes, records])
        self.changed = np.concatenate([self.changed, now])
        self.attributes_changed = np.concatenate([self.attributes_changed, now])
        cells = np.stack(absolute_cell_of(fresh["x"], fresh["y"], RULES), axis=1)
        self.cell = np.concatenate([self.cell, cells])
        self.group = np.concatenate([self.group, np.full(count, -1, np.int32)])
        self.wire = np.concatenate([self.wire, np.zeros(count, SCHEMA.wire_record)])

    def kill(self, count: int) -> None:
        dead = self.rng.permutation(len(self.ids))[:count]
        for net_id in self.ids[dead].tolist():
            self.died[net_id] = self.tick
        known = dead[self.group[dead] >= 0]
        self.stream.note_left(
            self.tick, self.ids[known], self.group[known], np.zeros(len(known), np.bool_)
        )
        keep = np.setdiff1d(np.arange(len(self.ids)), dead)
        self.ids, self.ref_tick, self.cell = self.ids[keep], self.ref_tick[keep], self.cell[keep]
        self.state = {n: a[keep] for n, a in self.state.items()}
        self.attributes, self.wire = self.attributes[keep], self.wire[keep]
        self.changed, self.group = self.changed[keep], self.group[keep]
        self.attributes_changed = self.attributes_changed[keep]

    def stir(self, share: float, jump: float) -> None:
        """Give some new courses, some new attributes, and let some jump to a cell nearby."""
        rng, count = self.rng, len(self.ids)
        new = rng.random(count) < share
        self.refer(new)
        self.state["vx"][new] = rng.uniform(-100, 100, new.sum())
        self.state["vy"][new] = rng.uniform(-100, 100, new.sum())
        jumps = rng.random(count) < jump
        self.refer(jumps)
        self.state["x"][jumps] += rng.choice([-25.0, 0.0, 25.0], jumps.sum())
        self.state["y"][jumps] += rng.choice([-25.0, 0.0, 25.0], jumps.sum())
        told = rng.random(count) < share / 4
        self.attributes["shard"][told] = rng.integers(0, 9, told.sum())
        self.attributes_changed[told] = self.tick

    def refer(self, rows: np.ndarray) -> None:
        s = self.state
        x, y, heading = extrapolate(
            *(s[n][rows] for n in STATE), self.ref_tick[rows], self.tick, RULES.tick_s
        )
        s["x"][rows], s["y"][rows], s["heading"][rows] = x, y, heading
        self.ref_tick[rows] = self.changed[rows] = self.tick

    def publish(self) -> None:
        x, y, _ = extrapolate(
            *(self.state[n] for n in STATE), self.ref_tick, self.tick, RULES.tick_s
        )
        outside = (x < 0) | (x >= self.size) | (y < 0) | (y >= self.size)
        self.refer(outside)
        for axis in "xy":
            a = self.state[axis]
            a[outside] = np.clip(a[outside], 0, self.size - 1e-6)
            self.state["v" + axis][outside] *= -1
        x, y, _ = extrapolate(
            *(self.state[n] for n in STATE), self.ref_tick, self.tick, RULES.tick_s
        )
        cell = np.stack(absolute_cell_of(x, y, RULES), axis=1)
        group = self.table.group_of(x, y, create=True)
        crossed = (group != self.group) & (self.group >= 0)
        self.stream.note_left(
            self.tick, self.ids[crossed], self.group[crossed], np.ones(crossed.sum(), np.bool_)
        )
        entered = group != self.group
        self.refer(entered)
        self.attributes_changed[entered] = self.tick
        self.cell, self.group = cell, group
        new = self.changed == self.tick
        self.wire[new] = encode_wire(
            SCHEMA,
            {n: a[new] for n, a in self.state.items()},
            cell[new, 0] * RULES.cell_size,
            cell[new, 1] * RULES.cell_size,
            self.ids[new],
            self.ref_tick[new],
            RULES,
        )
        self.stream.publish(
            self.tick,
            self.ids,
            group,
            self.changed,
            self.attributes_changed,
            self.wire.copy(),
            self.attributes.copy(),
        )

    def release_empty_sectors(self) -> None:
        side = RULES.cells_per_side
        used = np.unique(pack_sector(self.cell[:, 0] // side, self.cell[:, 1] // side))
        empty = np.setdiff1d(self.table.keys, used)
        if len(empty):
            rows = self.table.rows_of(empty).astype(np.int64)
            per = self.table.cells_per_sector
            groups = (rows[:, None] * per + np.arange(per)).ravel()
            self.table.release(empty)
            self.stream.forget(groups.astype(np.int32))


@dataclass
class Faults:
    loss: float = 0.0
    duplicate: float = 0.0
    delay_max: int = 1
    ack_loss: float = 0.0


@dataclass
class Player:
    replica: Replica
    centre: tuple[int, int]
    mail: list[tuple[int, bytes, int]] = field(default_factory=list)
    acks: list[tuple[int, int]] = field(default_factory=list)
    inside_since: dict[int, int] = field(default_factory=dict)
    told_dead: set[int] = field(default_factory=set)
    sections: int = 0
    bytes: int = 0


class Rig:
    """World, fan-out, links and replicas in one loop, a tick at a time."""

    def __init__(self, seed: int, players: int, tick: int = 1, size: float = 200.0, cap: int = 16):
        self.rng = np.random.default_rng([seed, 1])
        self.world = World(np.random.default_rng([seed, 2]), tick, size)
        self.fanout = Fanout(SCHEMA, RULES, self.world.stream, players + 1, EdgeLimits(cap))
        self.cap = cap
        self.players: dict[int, Player] = {}
        self.faults = Faults()
        for row in range(players):
            self.join(row)

    def join(self, row: int) -> None:
        centre = tuple(self.rng.integers(0, 8, 2).tolist())
        self.players[row] = Player(Replica(SCHEMA, RULES, capacity=4), centre)
        self.fanout.join(row)
        self.fanout.move(row, self.world.tick, *centre)

    def leave(self, row: int) -> None:
        self.fanout.leave(row)
        del self.players[row]

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

    def step(self) -> None:
        world = self.world
        world.publish()
        self.fanout.refresh(world.table)
        own = np.zeros((), OWN_BLOCK)
        own["tick"] = world.tick
        for player in self.players.values():
            player.sections = player.bytes = 0
            inside = set(self.expected_ids(player).tolist())
            player.inside_since = {
                i: player.inside_since.get(i, world.tick) for i in sorted(inside)
            }
        seen = dict.fromkeys(self.players, 0)
        for row, message, tag in self.fanout.collect(world.tick, {0: own[()]}):
            seen[row] += 1
            self._send(self.players[row], message, tag)
        assert all(1 <= count <= self.cap for count in seen.values())
        for row, player in self.players.items():
            self._deliver(row, player)
        world.tick += 1

    def _send(self, player: Player, message: bytes, tag: int) -> None:
        player.sections += read_snapshot_untrusted(SCHEMA, RULES, message).place.size
        player.bytes += len(message)
        f, rng = self.faults, self.rng
        for _ in range(1 + (rng.random() < f.duplicate)):
            if rng.random() >= f.loss:
                at = self.world.tick + int(rng.integers(0, f.delay_max))
                player.mail.append((at, message, tag))

    def _deliver(self, row: int, player: Player) -> None:
        rng, tick = self.rng, self.world.tick
        due = [m for m in player.mail if m[0] <= tick]
        player.mail = [m for m in player.mail if m[0] > tick]
        for at in rng.permutation(len(due)) if self.faults.delay_max > 1 else range(len(due)):
            _, message, tag = due[at]
            self._apply(player, message)
            if rng.random() >= self.faults.ack_loss:
                player.acks.append((tick + int(rng.integers(0, self.faults.delay_max)), tag))
        now = [tag for at, tag in player.acks if at <= tick]
        player.acks = [a for a in player.acks if a[0] > tick]
        if now:
            self.fanout.acked(row, now)

    def _apply(self, player: Player, message: bytes) -> None:
        replica = player.replica
        before = dict(
            zip(self.ids(player).tolist(), replica.stamp[replica.rows()].tolist(), strict=True)
        )
        snapshot = read_snapshot_untrusted(SCHEMA, RULES, message)
        replica.apply_untrusted(message, float(self.world.tick))
        after = set(self.ids(player).tolist())
        tombstones = snapshot.tombstones[(snapshot.tombstones["flags"] & MOVED) == 0]["id"].tolist()
        player.told_dead |= {i for i in tombstones if i in before and i not in after}
        assert not player.told_dead & after, "the dead came back"
        for net_id in before.keys() - after:
            since = player.inside_since.get(net_id)
            assert since is None or before[net_id] < since, f"{net_id} flickered"

    def ids(self, player: Player) -> np.ndarray:
        return player.replica.columns.net_id[player.replica.rows()]

    def expected_rows(self, player: Player) -> np.ndarray:
        off = np.abs(self.world.cell - np.array(player.centre))
        return np.flatnonzero(off.max(axis=1, initial=0) <= RULES.view_radius_cells)

    def expected_ids(self, player: Player) -> np.ndarray:
        return self.world.ids[self.expected_rows(player)]

    def check(self) -> None:
        for player in self.players.values():
            self.check_player(player)

    def check_player(self, player: Player) -> None:
        world, replica = self.world, player.replica
        wanted = self.expected_rows(player)
        wanted = wanted[np.argsort(world.ids[wanted])]
        rows = replica.rows()
        rows = rows[np.argsort(replica.columns.net_id[rows])]
        np.testing.assert_array_equal(replica.columns.net_id[rows], world.ids[wanted])
        seen = quantised(
            SCHEMA,
            {n: a[wanted] for n, a in world.state.items()},
            world.cell[wanted, 0] * RULES.cell_size,
            world.cell[wanted, 1] * RULES.cell_size,
            RULES,
        )
        for name in STATE:
            np.testing.assert_array_equal(replica.columns[name][rows], seen[name])
        np.testing.assert_array_equal(replica.columns.tick[rows], world.ref_tick[wanted])
        for f in SCHEMA.attribute_fields:
            np.testing.assert_array_equal(
                replica.columns[f.name][rows], world.attributes[f.name][wanted]
            )
        assert len(replica.columns) == len(wanted)
        assert (replica.confirmed(rows) == replica.newest_tick).all()

    def heal(self, ticks: int = 12) -> None:
        """No more faults, nothing moves: everybody must come to the truth and then be silent."""
        self.faults = Faults()
        world = self.world
        for name in ("vx", "vy"):
            world.refer(world.state[name] != 0)
            world.state[name][:] = 0.0
        for _ in range(ticks):
            self.step()
        self.check()
        self.step()
        for player in self.players.values():
            assert player.sections == 0
            assert player.bytes <= 24 + OWN_BLOCK.itemsize
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
    rig.faults = Faults(
        float(rng.uniform(0, 0.5)), 0.1, int(rng.integers(1, 9)), float(rng.uniform(0, 0.5))
    )
    for tick in range(60):
        if rng.random() < 0.3:
            rig.world.spawn(int(rng.integers(0, 6)))
        if rng.random() < 0.3:
            rig.world.kill(int(rng.integers(0, 6)))
        rig.world.stir(share, jump)
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
    share, jump = float(rng.choice([0.05, 0.2, 1.0])), float(rng.choice([0.0, 0.02]))
    rig.faults = Faults(float(rng.choice([0.1, 0.3])), 0.1, int(rng.integers(1, 7)), 0.2)
    for tick in range(30):
        rig.world.stir(share, jump)
        if tick > 5:
            rig.world.kill(int(rng.integers(0, 4)))
        rig.wander(0.1)
        rig.step()
    assert rig.fanout.statistics().transfers > 0
    rig.heal(40)
