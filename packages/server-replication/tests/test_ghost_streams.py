"""What each shard is told of the others' entities, and when it is told to forget them."""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.game import AUTHORITY, SHARDS, U4, Body, Component, Game, Motion
from sidereal.game.declarations import declare
from sidereal.game.part import GHOST_RANGE_UNLESS_SAID
from sidereal.game.schema import schema_of
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.message.codec import SHADOW_ROW, decode_authority_untrusted
from sidereal.protocol.message.inputs import Input
from sidereal.protocol.message.shard import Release, Shadows, ShardChannel, ShardHello
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.sectors import SectorTable, pack_sector, unpack_sector
from sidereal.protocol.state.records import decode_record_message_untrusted
from sidereal.protocol.state.schema import BASE_SCHEMA, BODY, Schema
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.ownership.amendments import Amendments
from sidereal.replication.ownership.borders import NOBODY_SEEN, Borders, Sightings
from sidereal.replication.ownership.ghosts import GhostStreams
from sidereal.replication.ownership.inputs import InputLog
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.world import UUID, Present, World

RULES = Rules()
SIZE = RULES.sector_size
GHOST_RANGE = GHOST_RANGE_UNLESS_SAID
LOADS = {(0, 0): 10.0, (1, 0): 10.0}


class Course(Component, writer=AUTHORITY, audience=SHARDS, name="tests.course"):
    to: U4


class Sent(NamedTuple):
    peer: int
    channel: int
    message: bytes
    tag: int | None


class Outbox:
    """In the place of the shard endpoint."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []

    def send(self, peer: int, channel: int, message: bytes, tag: int | None = None) -> None:
        self.sent.append(Sent(peer, channel, message, tag))

    def connection_statistics(self, peer: int) -> None:
        """There is no link whose queue might be full."""


class Told(NamedTuple):
    """What one shard was told in a tick."""

    rows: np.ndarray
    releases: list[tuple[int, int]]
    tags: list[int]
    shadows: list[list[tuple[int, int]]]

    @property
    def ids(self) -> list[int]:
        return sorted(self.rows["id"].tolist())


class Rig:
    """A world with shard 1 in sector (0, 0) and shard 2 in sector (1, 0)."""

    def __init__(self, schema: Schema = BASE_SCHEMA, reach: float = GHOST_RANGE) -> None:
        self.schema = schema
        self.world = World(schema, RULES, 16)
        self.leases = LeaseTable()
        self.outbox = Outbox()
        self.link = ShardLink(cast(ServerEndpoint, self.outbox), schema, RULES, 0.0)
        self.streams = GhostStreams(self.world, self.leases, self.link, reach)
        self.tick, self.shadows, self.inputs = 100, NOBODY_SEEN, InputLog()
        self.shards = [self.join("one", 11), self.join("two", 12)]
        assert (self.leases.holder_of((0, 0)), self.leases.holder_of((1, 0))) == (1, 2)

    def join(self, name: str, peer: int) -> Shard:
        shard = self.link.shards.add(
            peer, ShardHello(bytes(16), name, bytes(16), 1, 1, bytes(16), spare=False), 0.0
        )
        self.leases.join(shard.shard, LOADS)
        return shard

    def enter(self, x: float, owner: int, **values: float) -> int:
        records = np.zeros(1, self.schema.full_record)
        records["x"], records["y"], records["tick"], records["epoch"] = x, SIZE / 2, self.tick, 1
        records["kind"], records["radius"], records["mass"] = 1, 8.0, 10.0
        for name, value in values.items():
            records[name] = value
        rows = self.world.enter(records, np.zeros(1, UUID), np.zeros(1, np.int64), self.tick)
        self.world.columns["shard"][rows] = owner
        return int(self.world.columns.net_id[rows[0]])

    def row(self, net_id: int | list[int]) -> np.ndarray:
        return self.world.columns.rows_of(np.atleast_1d(net_id))

    def hand(self, net_id: int, owner: int) -> None:
        row = self.row(net_id)
        self.world.columns["shard"][row] = owner
        self.world.columns.epoch[row] += np.uint32(1)

    def commit(self, net_id: int, x: float) -> None:
        row = self.row(net_id)
        record = self.world.columns.store(row, self.schema.exact_record)
        record["x"], record["tick"] = x, self.tick + 1
        self.world.commit(row, record, self.tick)

    def step(self) -> dict[int, Told]:
        self.tick += 1
        self.outbox.sent.clear()
        self.streams.send(self.world.present(self.tick), self.shadows, self.inputs)
        self.link.flush(0.0)
        return {shard.shard: self._told(shard) for shard in self.link.shards}

    def settle(self) -> dict[int, Told]:
        """One tick, and every row of it acked."""
        told = self.step()
        for shard in self.link.shards:
            shard.acked += told[shard.shard].tags
        return told

    def _told(self, shard: Shard) -> Told:
        batches, releases, tags = [np.empty(0, self.schema.full_record)], [], []
        shadows = list[list[tuple[int, int]]]()
        for sent in self.outbox.sent:
            if sent.peer != shard.peer:
                continue
            if sent.channel == ShardChannel.GHOST:
                record = self.schema.full_record
                tick, rows = decode_record_message_untrusted(record, sent.message)
                assert tick == self.tick
                assert sent.tag is not None
                batches.append(rows)
                tags.append(sent.tag)
                continue
            message = decode_authority_untrusted(sent.channel, sent.message)
            assert isinstance(message, Release | Shadows)
            assert message.tick == self.tick
            if isinstance(message, Shadows):
                shadows.append(np.frombuffer(message.rows, SHADOW_ROW).tolist())
            else:
                pairs = np.frombuffer(message.rows, "<u4").reshape(-1, 2).tolist()
                releases += [(net_id, epoch) for net_id, epoch in pairs]
        return Told(np.concatenate(batches), releases, tags, shadows)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_an_entity_near_the_border_is_told_as_committed_to_the_other_side(rig: Rig) -> None:
    near = rig.enter(950.0, 1, vx=3.0, control_epoch=4)
    rig.enter(SIZE - GHOST_RANGE - 1.0, 1)
    told = rig.step()
    assert told[1].ids == []
    assert told[2].ids == [near]
    committed = rig.world.columns.store(rig.row(near), BASE_SCHEMA.full_record)
    assert told[2].rows.tobytes() == committed.tobytes()


@pytest.mark.parametrize("reach", [1.0, 400.0, SIZE])
def test_how_far_a_shard_sees_beyond_its_sectors_is_told(reach: float) -> None:
    rig = Rig(reach=reach)
    near = rig.enter(SIZE - reach, 1)
    rig.enter(SIZE - reach - 0.5, 1)
    assert rig.step()[2].ids == [near]


def test_a_shadow_is_a_ghost_wherever_it_is_and_its_shard_is_told_of_it_once(rig: Rig) -> None:
    far, near = rig.enter(500.0, 1), rig.enter(950.0, 1)
    rig.shadows = Sightings(np.array([2, 2]), np.sort(rig.row([far, near])))
    told = rig.settle()
    assert (told[2].ids, told[2].shadows) == ([far, near], [[(far, 0), (near, 0)]])
    assert (told[1].ids, told[1].shadows) == ([], [])
    assert rig.step()[2].shadows == []
    rig.shadows = Sightings(np.array([2]), rig.row([near]))
    told = rig.step()
    assert (told[2].releases, told[2].shadows) == ([(far, 2)], [[(near, 0)]])
    rig.inputs.note(near, Input(4, 7, (1, 3)))
    assert rig.step()[2].shadows == []
    rig.world.columns["control_epoch"][rig.row(near)] = 4
    assert rig.step()[2].shadows == [[(near, 3)]]
    rig.shadows = NOBODY_SEEN
    assert rig.step()[2].shadows == [[]]
    assert rig.step()[2].shadows == []


def test_a_guest_is_a_ghost_of_the_shard_whose_space_it_is_in(rig: Rig) -> None:
    guest = rig.enter(1500.0, 1)
    assert rig.step()[2].ids == [guest]


def test_a_ghost_is_told_until_it_is_acked_and_anew_when_its_reference_is_another(rig: Rig) -> None:
    near = rig.enter(950.0, 1)
    rig.step()
    assert rig.step()[2].ids == [near]
    rig.settle()
    assert [len(rig.step()[2].rows) for _ in range(5)] == [0] * 5
    rig.commit(near, 960.0)
    told = rig.settle()[2]
    assert told.rows["x"].tolist() == [960.0]
    assert rig.step()[2].ids == []


def test_a_ghost_that_others_hand_over_is_told_under_its_new_epoch(rig: Rig) -> None:
    near = rig.enter(950.0, 7)
    rig.settle()
    rig.hand(near, 1)
    told = rig.step()
    assert (told[2].rows["epoch"].tolist(), told[2].rows["shard"].tolist()) == ([2], [1])
    assert told[1].releases == []
    assert told[2].releases == []


def test_a_ghost_of_which_a_component_changes_is_told_anew(rig: Rig) -> None:
    near = rig.enter(950.0, 1)
    rig.settle()
    rig.world.columns["mass"][rig.row(near)] = 77.0
    rig.world.mark_changed(BODY.name, rig.row(near), rig.tick + 1)
    assert rig.step()[2].rows["mass"].tolist() == [77.0]


def test_a_ghost_that_loses_what_no_client_knows_is_told_anew() -> None:
    game = Game("plain")
    game.kind("craft", Motion(), Body())
    game.declare(Course)
    rig = Rig(schema_of(declare(game)))
    near, number = rig.enter(950.0, 1), rig.schema.numbers["tests_course"]
    amendments = Amendments(rig.world, rig.link)
    rig.settle()
    amendments.give(rig.row(near), number, {"tests_course_to": 7}, rig.tick + 1)
    given = rig.settle()[2].rows
    assert rig.step()[2].ids == []
    amendments.take(rig.row(near), number, rig.tick + 1)
    taken = rig.settle()[2].rows
    for rows, has in ((given, True), (taken, False)):
        masks = rig.schema.masks_of(rows)
        assert (masks >> np.uint64(number) & np.uint64(1)).astype(np.bool_).tolist() == [has]
    assert rig.step()[2].ids == []


def test_a_ghost_that_goes_away_is_released_once_and_comes_back_as_a_row(rig: Rig) -> None:
    near = rig.enter(950.0, 1)
    rig.settle()
    rig.commit(near, 500.0)
    assert rig.step()[2].releases == [(near, 2)]
    assert rig.step()[2].releases == []
    rig.commit(near, 950.0)
    told = rig.step()[2]
    assert (told.ids, told.releases) == ([near], [])


def test_a_late_ack_of_a_released_ghost_is_not_for_its_return(rig: Rig) -> None:
    near = rig.enter(950.0, 1)
    late = rig.step()[2].tags
    rig.commit(near, 500.0)
    rig.step()
    rig.commit(near, 950.0)
    rig.step()
    rig.shards[1].acked += late
    assert rig.step()[2].ids == [near]


def test_a_ghost_removed_from_the_world_is_released_though_its_row_is_used_again(rig: Rig) -> None:
    near = rig.enter(950.0, 1)
    rig.settle()
    row = rig.row(near)
    rig.world.remove(row, rig.tick)
    other = rig.enter(960.0, 1)
    assert rig.row(other).tolist() == row.tolist()
    told = rig.settle()[2]
    assert (told.ids, told.releases) == ([other], [(near, 2)])
    assert rig.step()[2].ids == []


def test_an_adopted_ghost_is_no_ghost_and_needs_no_release(rig: Rig) -> None:
    near = rig.enter(1020.0, 1)
    rig.settle()
    rig.hand(near, 2)
    told = rig.step()
    assert (told[2].ids, told[2].releases) == ([], [])
    assert told[1].ids == [near]
    assert told[1].rows["epoch"].tolist() == [2]


def test_a_shard_that_comes_back_is_told_everything_anew(rig: Rig) -> None:
    near = rig.enter(950.0, 1)
    rig.settle()
    rig.link.shards.remove(rig.shards[1])
    assert rig.step()[1].ids == []
    rig.link.shards.add(
        13, ShardHello(bytes(16), "two", bytes(16), 2, 1, bytes(16), spare=False), 0.0
    )
    assert rig.step()[2].ids == [near]


def test_a_shard_without_sectors_is_told_to_forget_its_ghosts(rig: Rig) -> None:
    near = rig.enter(950.0, 1)
    rig.settle()
    rig.leases.leave(2, LOADS)
    assert rig.step()[2].releases == [(near, 2)]


def test_a_shard_that_gets_its_sectors_back_is_told_what_it_was_told_to_forget(rig: Rig) -> None:
    near = rig.enter(950.0, 1)
    rig.settle()
    rig.leases.leave(2, LOADS)
    rig.settle()
    rig.leases.join(2, LOADS)
    assert rig.step()[2].ids == [near]


def test_more_than_a_tick_can_carry_is_told_in_the_ticks_after(rig: Rig) -> None:
    ids = [rig.enter(950.0 + 0.01 * row, 1) for row in range(2000)]
    first, second = rig.settle()[2].ids, rig.settle()[2].ids
    assert len(first) < len(ids)
    assert sorted(first + second) == ids


def seen_by(shard: int, x: float, y: float, leases: LeaseTable) -> bool:
    """Tell whether a position is in range of a shard's sectors: slow and too simple to be wrong."""
    return any(
        sx * SIZE - GHOST_RANGE <= x <= (sx + 1) * SIZE + GHOST_RANGE
        and sy * SIZE - GHOST_RANGE <= y <= (sy + 1) * SIZE + GHOST_RANGE
        for sx, sy in leases.sectors_of(shard)
    )


@settings(derandomize=True, deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1), shards=st.integers(1, 5))
def test_ghosts_are_the_others_entities_in_range(seed: int, shards: int) -> None:
    rng = np.random.default_rng(seed)
    loads = {(int(x), int(y)): 1.0 for x, y in rng.integers(-2, 3, (12, 2))}
    leases = LeaseTable()
    for shard in range(1, shards + 1):
        leases.join(shard, loads)
    world = World(BASE_SCHEMA, RULES)
    records = np.zeros(150, BASE_SCHEMA.full_record)
    records["x"], records["y"] = rng.uniform(-2 * SIZE, 3 * SIZE, (2, 150))
    records["x"][:75] = np.round(records["x"][:75] / SIZE) * SIZE + rng.uniform(-150, 150, 75)
    world.enter(records, np.zeros(150, UUID), np.zeros(150, np.int64), 0)
    present = world.present(0)
    holder = leases.holders_of(present.sector)
    owner = holder.copy()
    strangers = rng.random(150) < 0.2
    owner[strangers] = rng.integers(0, shards + 1, int(strangers.sum()))
    found = Borders(world.sectors, leases).find_ghosts(present, owner, GHOST_RANGE)
    expected = [
        (shard, row)
        for shard in range(1, shards + 1)
        for row, x, y, whose in zip(
            present.rows, present.x, present.y, np.where(owner == 0, holder, owner), strict=True
        )
        if whose != shard and seen_by(shard, x, y, leases)
    ]
    assert list(zip(found.shard.tolist(), found.rows.tolist(), strict=True)) == expected


class Space:
    """Sectors and leases that come and go, without a world."""

    def __init__(self) -> None:
        self.sectors = SectorTable(RULES)
        self.leases = LeaseTable()
        self.leases.join(1, {})
        self.leases.join(2, {})

    def change(self, what: str, x: int, y: int) -> None:
        key = pack_sector(x, y)
        active = self.sectors.rows_of(key) >= 0
        if what == "enter":
            self.sectors.rows_of(key, create=True)
        elif what == "leave" and active:
            self.sectors.release(key)
            self.leases.vacate([(x, y)])
        elif what == "lease":
            self.leases.grow({(x, y): 1.0}, {1: float(x), 2: float(y)})
        elif what == "rejoin":
            self.leases.leave(1 + x % 2, {})
            self.leases.join(1 + x % 2, {})

    def everything(self) -> tuple[Present, np.ndarray]:
        """Something in every zone of every active sector, and whose it is."""
        sector_x, sector_y = unpack_sector(self.sectors.keys)
        off = np.array([1.0, RULES.sector_size / 2, RULES.sector_size - 1.0])
        x = np.repeat(sector_x * RULES.sector_size, 9) + np.tile(off, 3 * len(sector_x))
        y = np.repeat(sector_y * RULES.sector_size, 9) + np.tile(off.repeat(3), len(sector_x))
        group = self.sectors.group_of(x, y)
        rows = np.arange(len(x))
        present = Present(1, rows, x, y, np.zeros(len(x)), group, pack_sector(0, 0))
        return present, (rows % 3).astype(np.uint16)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["enter", "enter", "lease", "lease", "leave", "rejoin"]),
            st.integers(-2, 2),
            st.integers(-2, 2),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_borders_that_follow_changes_are_those_made_anew(
    steps: list[tuple[str, int, int, bool]],
) -> None:
    space = Space()
    followed = Borders(space.sectors, space.leases)
    for what, x, y, is_looked_at in steps:
        space.change(what, x, y)
        if is_looked_at:
            everything = space.everything()
            now = followed.find_ghosts(*everything, GHOST_RANGE)
            anew = Borders(space.sectors, space.leases).find_ghosts(*everything, GHOST_RANGE)
            assert now.shard.tolist() == anew.shard.tolist()
            assert now.rows.tolist() == anew.rows.tolist()
