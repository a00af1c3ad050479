"""What shards bring into the world and take out of it: believed once, and never twice."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, cast

import numpy as np
import pytest

from sidereal.game import (
    AUTHORITY,
    F4,
    SHARD,
    U4,
    Body,
    Component,
    Game,
    Label,
    Motion,
    Parent,
    field,
)
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, schema_of
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.families import DEPTH_MAX, PARENT_NUMBER
from sidereal.protocol.state.schema import LABEL, MOTION, PREDICTED, WHOLE
from sidereal.protocol.state.stream import GONE
from sidereal.replication.births import BLOCKS_SAVED, Births
from sidereal.replication.events import Events
from sidereal.replication.families import CHILDREN_MAX, OF_SHARDS_MAX
from sidereal.replication.gamerules import GameRules
from sidereal.replication.ingest import Ingest
from sidereal.replication.limits import Limits, ProposalLimits, WorldLimits
from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.notes import Notes
from sidereal.replication.ownership.amendments import Amendments
from sidereal.replication.ownership.inputs import InputLog
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.play.entities import Entities
from sidereal.replication.spawnkeys import SpawnKeys
from sidereal.replication.world import UUID, World

RULES = Rules()
TICK = 1000
PER_S = 40.0
BEYOND = [(-1.0, {}), (1.0, {"foreign_place": 1})]
BELIEVED = ProposalLimits(spawns_per_s=PER_S, spawn_reach=50.0)
APART_MAX = BELIEVED.spawn_reach + 2 * RULES.speed_max * BELIEVED.unreported_s


class Fuse(Component):
    left: F4 = field(9, low=0, high=10, quantum=0.5)


class Glow(Component):
    level: F4 = field(2, low=1, high=8)


class Rank(Component, writer=AUTHORITY):
    number: U4


game = Game("births")
game.declare(Glow, Rank)
STONE = game.kind("stone", Motion(), Body(), Label(), Fuse(left=7))
SHOT = game.kind("shot", Motion(), Label(name="dart"), Fuse(), spawned_by=SHARD, saved=False)
FEW = game.kind("few", Motion(), spawned_by=SHARD, per_s_max=2)
MAST = game.kind("mast", Motion(), Parent(), spawned_by=SHARD)


@game.rule(Fuse)
def burns(before: Fuse, after: Fuse, dt: np.ndarray) -> np.ndarray:
    holds: np.ndarray = after.left <= before.left
    return holds


@game.rule(Glow)
def warms_up(before: Glow, after: Glow, dt: np.ndarray) -> np.ndarray:
    holds: np.ndarray = after.level <= before.level + dt
    return holds


DECLARED = declare(game)
SCHEMA = schema_of(DECLARED)
NUMBER = {name: SCHEMA.numbers[name] for name in (MOTION.name, LABEL.name, "test_births_fuse")}
MOVES, FUSES = NUMBER[MOTION.name], NUMBER["test_births_fuse"]
LEFT = column_of(Fuse, Fuse.fields["left"])
GLOWS = SCHEMA.numbers["test_births_glow"]
GLOW, HELD = np.uint64(1 << GLOWS), np.uint64(1 << FUSES)
LEVEL = column_of(Glow, Glow.fields["level"])


class Link:
    """Shards, what they propose, and what they are sent."""

    def __init__(self) -> None:
        self.shards = [Shard(number, 70 + number, f"shard-{number}", 0.0) for number in (1, 2)]
        self.proposed: defaultdict[int, dict[int, np.ndarray]] = defaultdict(dict)
        self.released: list[tuple[int, int, int]] = []
        self.granted: dict[int, range] = {}
        self.amended: list[tuple[int, np.ndarray]] = []

    def take_rows(self, shard: Shard) -> dict[int, np.ndarray]:
        rows = self.proposed.pop(shard.shard, {})
        return {number: rows[number] for number in sorted(rows)}

    def send_release(self, shard: Shard, net_id: np.ndarray, epoch: np.ndarray, tick: int) -> None:
        self.released += [
            (shard.shard, *pair) for pair in zip(net_id.tolist(), epoch.tolist(), strict=True)
        ]

    def send_amend(self, shard: Shard, records: np.ndarray, tick: int) -> None:
        self.amended.append((shard.shard, records))

    def send_ids(self, shard: Shard, ids: range) -> None:
        self.granted[shard.shard] = ids


class Door:
    """Lets entities into a world and out of it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, records: np.ndarray, tick: int, ids: np.ndarray | None = None) -> np.ndarray:
        count = len(records)
        return self._world.enter(records, np.zeros(count, UUID), np.zeros(count, int), tick, ids)

    def end(self, rows: np.ndarray, tick: int, *, by_owner: bool) -> None:
        assert by_owner
        self._world.remove(rows, tick)


class Rig:
    """A world with a stone of shard 1 at the origin, whose sector that shard holds."""

    def __init__(self) -> None:
        self.link = Link()
        limits = Limits(world=WorldLimits(ids_per_block=64), proposals=BELIEVED)
        self.world = World(SCHEMA, RULES, limits=limits.world)
        self.door = Door(self.world)
        leases = LeaseTable()
        for shard in self.link.shards:
            leases.join(shard.shard, {(0, 0): 1.0} if shard.shard == 1 else {(5, 5): 1.0})
        assert leases.holder_of((0, 0)) == 1
        link = cast(ShardLink, self.link)
        self.births = Births(DECLARED, self.world, cast(Entities, self.door), link, leases, limits)
        rules = GameRules(DECLARED.rules, SCHEMA, Notes(10))
        events = Events(DECLARED, self.world, limits)
        self.ingest = Ingest(
            self.world, link, InputLog(), self.births, rules, events, limits.proposals
        )
        self.tick = TICK
        record = SCHEMA.first[[1]].copy()
        record["x"], record["y"], record["tick"] = 10.0, 10.0, TICK
        row = self.door.create(record, TICK)
        self.stone = int(self.world.columns.net_id[row[0]])
        self.world.columns.epoch[row] = 1
        self.world.columns["shard"][row] = 1
        self.births.grant_ids(TICK)
        self.next = {shard: ids.start for shard, ids in self.link.granted.items()}

    def shot(self, shard: int = 1, /, **values: Any) -> np.ndarray:
        """A shot with the next id of a shard, at a place of shard 1."""
        record = SCHEMA.first[[values.get("kind", 2)]].copy()
        record["id"], record["epoch"], record["tick"] = self.next[shard], 1, self.tick + 1
        record["x"], record["y"], record["vx"] = 100.0, 100.0, 60.0
        self.next[shard] += 1
        for name, value in values.items():
            record[name] = value
        return record

    def tell(self, what: int, rows: np.ndarray, shard: int = 1) -> None:
        self.link.proposed[shard][what] = rows

    def gone(self, *ids: int, epoch: int = 1) -> np.ndarray:
        rows = np.zeros(len(ids), SCHEMA.proposed_rows[GONE])
        rows["id"], rows["epoch"], rows["tick"] = ids, epoch, self.tick + 1
        return rows

    def commit(self, ticks: int = 1) -> list[int]:
        """Let ticks pass: the ids of what its owner gets anew."""
        anew: list[int] = []
        for _ in range(ticks):
            self.tick += 1
            anew += self.ingest.commit(self.tick).tolist()
        return anew

    def there(self, net_id: int) -> bool:
        return bool(self.world.columns.rows_of([net_id])[0] >= 0)

    def value(self, net_id: int, name: str) -> Any:
        columns = self.world.columns
        return columns[name][columns.rows_of([net_id])[0]]

    @property
    def rejected(self) -> dict[str, int]:
        return dict(self.ingest.rejected)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_what_a_shard_spawns_is_in_the_world_and_the_shard_s(rig: Rig) -> None:
    shot = rig.shot(**{LEFT: 3.0})
    rig.tell(WHOLE, shot)
    assert rig.commit() == []
    net_id = int(shot["id"][0])
    assert rig.there(net_id)
    assert (rig.value(net_id, "shard"), rig.value(net_id, "vx")) == (1, 60.0)
    assert rig.value(net_id, LEFT) == 3.0
    assert (rig.births.spawned, rig.rejected, rig.link.released) == (1, {}, [])


def test_of_what_the_authority_writes_it_has_what_its_kind_has(rig: Rig) -> None:
    rig.tell(WHOLE, rig.shot(name=b"liar"))
    rig.commit()
    assert rig.value(int(rig.next[1]) - 1, "name") == b"dart"


def test_what_is_not_saved_is_never_given_to_the_database(rig: Rig) -> None:
    rig.tell(WHOLE, rig.shot())
    rig.commit()
    columns = rig.world.columns
    assert columns.net_id[rig.world.dirty].tolist() == [rig.stone]


def test_a_spawn_that_comes_again_brings_what_is_newer_of_it(rig: Rig) -> None:
    first = rig.shot(**{LEFT: 3.0})
    rig.tell(WHOLE, first)
    rig.commit()
    again = first.copy()
    again["tick"] += 2
    again["x"], again[LEFT] = 106.0, 2.0
    rig.tell(WHOLE, again)
    rig.commit(2)
    net_id = int(first["id"][0])
    assert (rig.value(net_id, "x"), rig.value(net_id, LEFT)) == (106.0, 2.0)
    rig.tell(WHOLE, first)
    rig.commit()
    assert (rig.value(net_id, "x"), rig.value(net_id, LEFT)) == (106.0, 2.0)
    assert (rig.births.spawned, rig.rejected) == (1, {})


def test_a_whole_that_was_overtaken_by_a_row_brings_what_that_does_not_say(rig: Rig) -> None:
    first = rig.shot(**{LEFT: 3.0})
    rig.tell(WHOLE, first)
    rig.commit()
    late, moved = first.copy(), np.zeros(1, SCHEMA.exact_record)
    late["tick"] += 1
    late[LEFT] = 2.0
    for name in moved.dtype.names or ():
        moved[name] = first[name]
    moved["tick"], moved["x"] = first["tick"] + 2, 106.0
    rig.tell(MOVES, moved)
    rig.commit(2)
    rig.tell(WHOLE, late)
    assert rig.commit() == []
    net_id = int(first["id"][0])
    assert (rig.value(net_id, "x"), rig.value(net_id, LEFT)) == (106.0, 2.0)
    assert rig.rejected == {}


def test_rules_judge_wholes_of_those_that_are_there(rig: Rig) -> None:
    first = rig.shot(**{LEFT: 3.0})
    rig.tell(WHOLE, first)
    rig.commit()
    again = first.copy()
    again["tick"] += 1
    again[LEFT] = 8.0
    rig.tell(WHOLE, again)
    assert rig.commit() == first["id"].tolist()
    assert rig.rejected == {"against_a_rule": 1}
    assert rig.value(int(first["id"][0]), LEFT) == 3.0


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"id": 40_000}, "foreign_id"),
        ({"kind": 1}, "foreign_kind"),
        ({"kind": 77}, "foreign_kind"),
        ({"epoch": 2}, "stale_epoch"),
        ({"tick": TICK + 500}, "future_tick"),
        ({"vy": np.nan}, "out_of_range"),
        ({LEFT: 11.0}, "out_of_range"),
        ({"x": np.inf}, "out_of_range"),
        ({"vx": 200.0, "vy": 200.0}, "too_fast"),
        ({"x": 1200.0}, "foreign_place"),
        ({"tick": TICK - 41}, "past_tick"),
        ({LEFT: 9.5}, "against_a_rule"),
        ({"differs": GLOW, LEVEL: 4.5}, "against_a_rule"),
    ],
)
def test_a_spawn_that_can_not_be_is_refused_by_name_and_released(
    rig: Rig, values: dict[str, Any], reason: str
) -> None:
    shot = rig.shot(**values)
    rig.tell(WHOLE, shot)
    assert rig.commit() == []
    net_id = int(shot["id"][0])
    assert not rig.there(net_id)
    assert rig.rejected == {reason: 1}
    assert rig.link.shards[0].faults == 1
    assert rig.link.released == [(1, net_id, int(shot["epoch"][0]) + 1)]


def test_a_refused_id_is_used_up_and_its_repetitions_are_no_fault(rig: Rig) -> None:
    wrong = rig.shot(kind=1)
    right = wrong.copy()
    right["kind"] = 2
    rig.tell(WHOLE, wrong)
    rig.commit()
    rig.tell(WHOLE, right)
    rig.commit()
    assert not rig.there(int(right["id"][0]))
    assert (rig.rejected, rig.ingest.fenced) == ({"foreign_kind": 1}, 1)
    assert dict(rig.births.spawns_refused) == {"foreign_kind": 1}


def test_of_what_may_not_come_anyhow_nobody_asks_where_it_would_be(rig: Rig) -> None:
    used = rig.shot()
    rig.tell(WHOLE, used)
    rig.commit()
    rig.tell(GONE, rig.gone(int(used["id"][0])))
    rig.commit()
    asked: list[np.ndarray] = []
    locate = rig.world.locate

    def note(rows: np.ndarray, tick: int) -> Any:
        asked.append(rows)
        return locate(rows, tick)

    rig.world.locate = note  # type: ignore[method-assign]
    used["x"] = -45.0
    foreign = rig.shot(kind=1, x=-45.0)
    rig.tell(WHOLE, np.concatenate([used, foreign, rig.shot(id=40_000, x=-45.0)]))
    rig.commit()
    assert asked == []
    rig.tell(WHOLE, rig.shot(x=-30.0, y=10.0))
    rig.commit()
    assert len(asked) > 0


def test_ids_of_another_shard_s_blocks_are_foreign(rig: Rig) -> None:
    rig.tell(WHOLE, rig.shot(2))
    rig.commit()
    assert rig.rejected == {"foreign_id": 1}


def test_a_shard_spawns_beyond_its_border_as_near_as_it_reaches(rig: Rig) -> None:
    for beyond in (1.0, -1.0):
        rig.tell(WHOLE, rig.shot(x=10.0 - APART_MAX - beyond, y=10.0))
        rig.commit()
    assert (rig.births.spawned, rig.rejected) == (1, {"foreign_place": 1})


@pytest.mark.parametrize("ticks", [0, 8])
@pytest.mark.parametrize(("beyond", "rejected"), BEYOND)
def test_what_was_spawned_is_judged_as_of_its_own_tick(
    rig: Rig, beyond: float, rejected: dict[str, int], ticks: int
) -> None:
    """A shard that is late, or ahead, says where things are at the tick that it has come to."""
    columns, row = rig.world.columns, row_of(rig)
    columns["vx"][row] = -200.0
    rig.commit(8)
    at = 10.0 - 200.0 * ticks * RULES.tick_s
    rig.tell(WHOLE, rig.shot(x=at - APART_MAX - beyond, y=10.0, tick=TICK + ticks))
    rig.commit()
    assert rig.rejected == rejected


@pytest.mark.parametrize("comes", ["first", "together", "later"])
def test_what_a_spawner_throws_off_its_line_comes_whenever_its_own_row_does(
    rig: Rig, comes: str
) -> None:
    """Somebody has pushed it lately, and of two messages one may be lost, or late."""
    moved = rig.world.columns.store(np.array([row_of(rig)]), SCHEMA.exact_record)
    moved["tick"], moved["x"], moved["vx"] = TICK + 20, -190.0, -200.0
    shot = rig.shot(x=-230.0, y=10.0, tick=TICK + 20)
    rig.commit(18)
    if comes != "later":
        rig.tell(MOVES, moved)
    if comes == "first":
        rig.commit()
    rig.tell(WHOLE, shot)
    rig.commit()
    rig.tell(MOVES, moved)
    assert rig.commit() == []
    assert rig.there(int(shot["id"][0]))
    assert (rig.births.spawned, rig.rejected) == (1, {})


@pytest.mark.parametrize(("ticks", "rejected"), [(40, {}), (41, {"foreign_place": 1})])
def test_what_came_of_something_that_has_ended_comes_after_its_end(
    rig: Rig, ticks: int, rejected: dict[str, int]
) -> None:
    """The message with the pieces was lost, the one with the end was not."""
    columns, row = rig.world.columns, row_of(rig)
    columns["x"][row] = -3000.0
    rig.tell(GONE, rig.gone(rig.stone))
    rig.commit()
    assert not rig.there(rig.stone)
    rig.commit(ticks - 1)
    rig.tell(WHOLE, rig.shot(x=-3040.0, y=10.0))
    rig.commit()
    assert rig.rejected == rejected


def test_nobody_spawns_far_from_what_it_owns_though_another_shard_owns_something_there(
    rig: Rig,
) -> None:
    rig.tell(WHOLE, rig.shot(2, x=20.0, y=10.0), 2)
    rig.commit()
    assert (rig.births.spawned, rig.rejected) == (0, {"foreign_place": 1})


def test_a_spawn_where_the_shard_has_just_lost_a_sector_is_late_and_no_fault(rig: Rig) -> None:
    rig.link.shards[0].lost_at = TICK - 3
    shot = rig.shot(x=1200.0)
    rig.tell(WHOLE, shot)
    rig.commit()
    assert (rig.births.spawned, rig.rejected, rig.ingest.fenced) == (0, {}, 1)
    assert rig.link.released == [(1, int(shot["id"][0]), 2)]
    assert dict(rig.births.spawns_refused) == {"superseded": 1}


def test_what_an_input_spawns_comes_once_whoever_flies_it(rig: Rig) -> None:
    bit = 1 << SCHEMA.numbers[PREDICTED.name]
    key = {"differs": bit, "by_id": 9, "by_epoch": 3, "by_input": 41, "by_nth": 1}
    rig.tell(WHOLE, rig.shot(**key))
    rig.commit()
    again, other = rig.shot(2, **key), rig.shot(2, **{**key, "by_nth": 2})
    for shot in (again, other):
        shot["x"] = shot["y"] = 5100.0
    rig.tell(WHOLE, np.concatenate([again, other]), 2)
    rig.commit()
    assert [rig.there(int(shot["id"][0])) for shot in (again, other)] == [False, True]
    assert (rig.births.spawned, rig.rejected, rig.ingest.fenced) == (2, {}, 1)
    assert rig.link.released == [(2, int(again["id"][0]), 2)]
    assert rig.link.shards[1].faults == 0


def test_what_no_input_spawns_comes_as_often_as_it_is_spawned(rig: Rig) -> None:
    rig.tell(WHOLE, np.concatenate([rig.shot(by_epoch=3), rig.shot(by_epoch=3)]))
    rig.commit()
    assert rig.births.spawned == 2


def test_keys_are_forgotten_when_nobody_flies_their_inputs_any_more() -> None:
    keys, shot = SpawnKeys(SCHEMA, 100), SCHEMA.first[[2]].copy()
    shot["differs"], shot["by_epoch"] = 1 << SCHEMA.numbers[PREDICTED.name], 3
    other = shot.copy()
    other["by_nth"] = 1
    keys.note(shot, TICK)
    keys.note(other, TICK + 100)
    assert keys.known(shot).tolist() == [True]
    keys.note(SCHEMA.first[[2]], TICK + 101)
    assert keys.known(np.concatenate([shot, other])).tolist() == [False, True]


def test_no_more_come_than_may_overall_and_of_a_kind(rig: Rig) -> None:
    rig.tell(WHOLE, np.concatenate([rig.shot(kind=3) for _ in range(5)]))
    rig.commit()
    assert (rig.births.spawned, rig.rejected) == (4, {"too_many": 1})
    rig.tell(WHOLE, np.concatenate([rig.shot(kind=3), rig.shot()]))
    rig.commit()
    assert (rig.births.spawned, rig.rejected) == (5, {"too_many": 2})
    rig.commit(RULES.tick_hz // 2)
    rig.tell(WHOLE, rig.shot(kind=3))
    rig.commit()
    assert rig.births.spawned == 6
    assert dict(rig.births.spawns_refused) == {"too_many": 2}


def test_more_than_may_come_in_two_seconds_are_refused_and_counted(rig: Rig) -> None:
    rig.next[1] = 1000
    rig.world.ids.grant = lambda holder, tick: range(0)  # type: ignore[method-assign]
    most = round(2 * PER_S)
    ids = np.arange(most + 20)
    granted = np.ones(len(ids), np.bool_)
    rig.world.ids.look_up = lambda ids, holder: (granted, ~granted)  # type: ignore[method-assign]
    rig.tell(WHOLE, np.concatenate([rig.shot() for _ in ids]))
    rig.commit()
    assert rig.rejected == {"too_many": 20}


def test_an_end_ends_what_is_the_shard_s_under_its_epoch(rig: Rig) -> None:
    rig.tell(GONE, rig.gone(rig.stone))
    assert rig.commit() == []
    assert not rig.there(rig.stone)
    assert (rig.births.ended, rig.rejected) == (1, {})
    rig.tell(GONE, rig.gone(rig.stone))
    rig.commit()
    assert (rig.births.ended, rig.rejected) == (1, {})


def test_what_a_shard_had_just_lost_it_does_not_end(rig: Rig) -> None:
    columns = rig.world.columns
    row = columns.rows_of([rig.stone])
    columns.epoch[row], columns["shard"][row] = 2, 2
    rig.world.handover_tick[row] = rig.tick
    rig.tell(GONE, rig.gone(rig.stone))
    rig.commit()
    assert rig.there(rig.stone)
    assert (rig.rejected, rig.ingest.fenced) == ({}, 1)
    assert dict(rig.births.ends_refused) == {"superseded": 1}


@pytest.mark.parametrize(("epoch", "shard", "reason"), [(2, 1, "stale_epoch"), (1, 2, "not_owner")])
def test_an_end_that_is_none_is_refused(rig: Rig, epoch: int, shard: int, reason: str) -> None:
    rig.tell(GONE, rig.gone(rig.stone, epoch=epoch), shard)
    rig.commit()
    assert rig.there(rig.stone)
    assert rig.rejected == {reason: 1}
    assert (rig.births.ended, dict(rig.births.ends_refused)) == (0, {reason: 1})


def test_who_has_ended_is_not_raised_by_a_spawn_that_comes_late(rig: Rig) -> None:
    shot = rig.shot()
    net_id = int(shot["id"][0])
    rig.tell(WHOLE, shot)
    rig.commit()
    rig.tell(GONE, rig.gone(net_id))
    rig.commit()
    for _ in range(2):
        rig.tell(WHOLE, shot)
        rig.commit(100)
    assert not rig.there(net_id)
    assert rig.rejected == {}


def test_an_end_that_overtakes_its_spawn_holds(rig: Rig) -> None:
    shot = rig.shot()
    net_id = int(shot["id"][0])
    rig.tell(GONE, rig.gone(net_id))
    rig.commit()
    rig.tell(WHOLE, shot)
    rig.commit()
    assert not rig.there(net_id)
    assert (rig.births.spawned, rig.rejected) == (0, {})


def test_what_is_said_in_one_tick_counts_in_its_order(rig: Rig) -> None:
    shot = rig.shot()
    fuse = np.zeros(1, SCHEMA.proposed_rows[FUSES])
    fuse["id"], fuse["epoch"], fuse["tick"], fuse[LEFT] = shot["id"], 1, rig.tick + 2, 1.0
    rig.tell(FUSES, fuse)
    rig.tell(WHOLE, shot)
    rig.commit()
    assert rig.value(int(shot["id"][0]), LEFT) == 1.0
    rig.tell(GONE, rig.gone(int(shot["id"][0])))
    later = fuse.copy()
    later["tick"] += 1
    rig.tell(FUSES, later)
    rig.commit()
    assert not rig.there(int(shot["id"][0]))
    assert rig.rejected == {}


def test_a_shard_is_granted_ids_when_it_asks_and_no_faster_than_it_may_spawn(rig: Rig) -> None:
    first = dict(rig.link.granted)
    assert set(first) == {1, 2}
    rig.births.grant_ids(TICK + 1)
    assert rig.link.granted == first
    rig.link.shards[0].wants_ids = True
    wait = round(64 / 2 / PER_S * RULES.tick_hz)
    rig.births.grant_ids(TICK + wait - 1)
    assert rig.link.granted == first
    rig.births.grant_ids(TICK + wait)
    assert rig.link.granted[1] != first[1]
    assert rig.link.granted[2] == first[2]


def come_back(rig: Rig, peer: int) -> None:
    """Let shard 1 begin another session."""
    rig.link.shards[0] = Shard(1, peer, "shard-1", 0.0)
    rig.births.grant_ids(rig.tick)


def test_the_ids_of_a_session_that_ended_are_no_longer_its_shard_s(rig: Rig) -> None:
    come_back(rig, 90)
    rig.tell(WHOLE, rig.shot())
    rig.commit()
    assert rig.rejected == {"foreign_id": 1}


def test_a_shard_that_comes_and_goes_is_granted_a_few_blocks_and_then_waits(rig: Rig) -> None:
    granted = [rig.link.granted[1]]
    for peer in range(90, 100):
        come_back(rig, peer)
        granted.append(rig.link.granted[1])
    assert len(set(granted)) == BLOCKS_SAVED
    wait = round(64 / 2 / PER_S * RULES.tick_hz)
    rig.births.grant_ids(TICK + wait - 1)
    assert rig.link.granted[1] == granted[-1]
    rig.births.grant_ids(TICK + wait)
    assert rig.link.granted[1] not in granted


def test_a_shard_that_comes_back_may_spawn_no_more_than_if_it_had_stayed(rig: Rig) -> None:
    rig.tell(WHOLE, np.concatenate([rig.shot(kind=3) for _ in range(4)]))
    rig.commit()
    come_back(rig, 90)
    rig.next[1] = rig.link.granted[1].start
    rig.tell(WHOLE, rig.shot(kind=3))
    rig.commit()
    assert rig.rejected == {"too_many": 1}


# -- what entities have ---------------------------------------------------------------------------


def whole(rig: Rig, differs: np.uint64, ticks: int = 1, /, **values: float) -> np.ndarray:
    """The stone as its shard has it some ticks on."""
    columns = rig.world.columns
    record = columns.store(columns.rows_of([rig.stone]), SCHEMA.full_record)
    record["tick"], record["differs"] = rig.tick + ticks, differs
    for name, value in values.items():
        record[name] = value
    return record


def mask(rig: Rig) -> int:
    return int(rig.value(rig.stone, "kind") and rig.world.columns.mask[row_of(rig)])


def row_of(rig: Rig) -> int:
    return int(rig.world.columns.rows_of([rig.stone])[0])


def test_what_a_shard_gives_and_takes_is_so_in_the_world(rig: Rig) -> None:
    begins = int(SCHEMA.masks[1])
    rig.tell(WHOLE, whole(rig, GLOW, **{LEVEL: 1.5}))
    rig.commit()
    assert mask(rig) == begins | int(GLOW)
    assert rig.value(rig.stone, LEVEL) == 1.5
    assert rig.world.changed[GLOWS, row_of(rig)] == rig.tick
    rig.tell(WHOLE, whole(rig, HELD))
    rig.commit()
    assert mask(rig) == begins & ~int(HELD)
    assert rig.value(rig.stone, LEVEL) == 2.0
    assert rig.world.changed[GLOWS, row_of(rig)] == -1
    assert rig.rejected == {}


def test_what_is_given_late_is_not_given_again(rig: Rig) -> None:
    given = whole(rig, GLOW)
    rig.tell(WHOLE, given)
    rig.commit()
    rig.tell(WHOLE, whole(rig, np.uint64(0)))
    rig.commit()
    rig.tell(WHOLE, given)
    rig.commit()
    assert mask(rig) == int(SCHEMA.masks[1])


def test_of_what_a_shard_may_not_give_its_word_counts_for_nothing(rig: Rig) -> None:
    everything = np.uint64(SCHEMA.mask_all & ~(1 << SCHEMA.numbers[PREDICTED.name])) & ~GLOW
    rig.tell(WHOLE, whole(rig, everything))
    rig.commit()
    assert mask(rig) == int(SCHEMA.masks[1]) & ~int(HELD)
    shot = rig.shot(differs=everything | GLOW)
    rig.tell(WHOLE, shot)
    rig.commit()
    columns = rig.world.columns
    found = int(columns.mask[columns.rows_of(shot["id"])[0]])
    assert found == (int(SCHEMA.masks[2]) ^ int(HELD)) | int(GLOW)


def test_a_row_from_before_its_component_was_taken_is_late_and_no_fault(rig: Rig) -> None:
    early = np.zeros(1, SCHEMA.proposed_rows[FUSES])
    early["id"], early["epoch"], early["tick"], early[LEFT] = rig.stone, 1, rig.tick + 1, 3.0
    rig.tell(WHOLE, whole(rig, HELD, 2))
    rig.commit(2)
    rig.tell(FUSES, early)
    rig.commit()
    assert (rig.rejected, rig.ingest.fenced) == ({}, 1)
    wrong = early.copy()
    wrong["tick"] = rig.tick + 1
    rig.tell(FUSES, wrong)
    rig.commit()
    assert rig.rejected == {"missing_component": 1}


def test_what_the_authority_gives_its_owner_is_told_and_does_not_undo(rig: Rig) -> None:
    amendments = Amendments(rig.world, cast(ShardLink, rig.link))
    rows = np.array([row_of(rig)])
    number = SCHEMA.numbers["test_births_rank"]
    rank = column_of(Rank, Rank.fields["number"])
    amendments.give(rows, number, {rank: np.array(5)}, rig.tick)
    amendments.send(rig.tick)
    amendments.send(rig.tick)
    ((shard, told),) = rig.link.amended
    assert (shard, told["id"][0], told[rank][0]) == (1, rig.stone, 5)
    assert SCHEMA.masks_of(told)[0] >> np.uint64(number) & np.uint64(1) == 1
    rig.tell(WHOLE, whole(rig, GLOW))
    rig.commit()
    assert mask(rig) == int(SCHEMA.masks[1]) | int(GLOW) | 1 << number
    amendments.take(rows, number, rig.tick)
    assert mask(rig) == int(SCHEMA.masks[1]) | int(GLOW)


def test_what_entered_with_other_components_than_its_kind_s_has_them(rig: Rig) -> None:
    record = SCHEMA.first[[1]].copy()
    record["differs"] = GLOW | HELD
    row = rig.door.create(record, rig.tick)
    assert rig.world.columns.mask[row][0] == (SCHEMA.masks[1] | GLOW) & ~HELD
    stored = rig.world.columns.store(row, SCHEMA.full_record)
    assert stored["differs"][0] == GLOW | HELD


def test_rules_judge_what_is_given_by_what_the_kind_begins_with(rig: Rig) -> None:
    rig.tell(WHOLE, whole(rig, GLOW, **{LEVEL: 8.0}))
    assert rig.commit() == [rig.stone]
    assert rig.rejected == {"against_a_rule": 1}
    assert mask(rig) == int(SCHEMA.masks[1])


def test_nobody_gets_around_a_rule_by_taking_something_first(rig: Rig) -> None:
    rig.tell(WHOLE, whole(rig, np.uint64(0), **{LEFT: 1.0}))
    rig.commit()
    rig.tell(WHOLE, whole(rig, HELD))
    rig.commit()
    rig.tell(WHOLE, whole(rig, np.uint64(0), **{LEFT: 7.5}))
    assert rig.commit() == [rig.stone]
    assert rig.rejected == {"against_a_rule": 1}


def test_what_was_not_there_for_long_was_given_lately(rig: Rig) -> None:
    """So a rule that goes by time allows no more than can have happened unreported."""
    rig.commit(1000)
    rig.tell(WHOLE, whole(rig, GLOW, **{LEVEL: 4.5}))
    rig.commit()
    assert rig.rejected == {"against_a_rule": 1}


def test_what_a_whole_says_that_was_overtaken_is_not_judged(rig: Rig) -> None:
    late = whole(rig, np.uint64(0), **{LEFT: 5.0})
    newer = np.zeros(1, SCHEMA.proposed_rows[FUSES])
    newer["id"], newer["epoch"], newer["tick"], newer[LEFT] = rig.stone, 1, rig.tick + 2, 3.0
    rig.tell(FUSES, newer)
    rig.commit(2)
    rig.tell(WHOLE, late)
    assert rig.commit() == []
    assert (rig.rejected, rig.value(rig.stone, LEFT)) == ({}, 3.0)


# -- children -------------------------------------------------------------------------------------

MAST_KIND = 4


def refused(rig: Rig) -> dict[str, int]:
    return dict(rig.births.spawns_refused)


def mast(rig: Rig, of: int, shard: int = 1) -> np.ndarray:
    return rig.shot(shard, kind=MAST_KIND, of=of, vx=0.0)


def test_a_child_of_the_shards_own_comes_and_is_where_its_parent_is() -> None:
    rig = Rig()
    child = mast(rig, rig.stone)
    child["x"] = 4000.0  # its parent's place counts
    rig.tell(WHOLE, child)
    rig.commit()
    rig.world.follow(rig.tick)
    columns = rig.world.columns
    row, parent = columns.rows_of([child["id"][0], rig.stone])
    assert columns["shard"][row] == 1
    assert columns["of"][row] == rig.stone
    assert (columns["x"][row], columns["y"][row]) == (10.0, 10.0)
    columns["vx"][parent], columns.tick[parent] = 7.0, rig.tick
    rig.world.follow(rig.tick)
    assert (columns["vx"][row], columns.tick[row]) == (7.0, rig.tick)
    assert refused(rig) == {}


def test_nobody_else_may_give_an_entity_a_child() -> None:
    rig = Rig()
    rig.tell(WHOLE, mast(rig, rig.stone, shard=2), shard=2)
    rig.commit()
    assert refused(rig) == {"foreign_parent": 1}
    assert rig.link.shards[1].faults == 1
    assert rig.world.columns.count == 1


@pytest.mark.parametrize("of", [0, 1 << 30])
def test_a_child_of_nobody_does_not_come(of: int) -> None:
    rig = Rig()
    rig.tell(WHOLE, mast(rig, of))
    rig.commit()
    assert refused(rig) == {"foreign_parent": 1}


def test_a_child_whose_parent_has_just_gone_is_taken_back_without_blame() -> None:
    rig = Rig()
    row = rig.world.columns.rows_of([rig.stone])
    rig.world.columns["shard"][row] = 2
    rig.link.shards[0].lost_at = rig.tick
    lost = mast(rig, rig.stone)
    rig.tell(WHOLE, lost)
    rig.commit()
    rig.world.remove(row, rig.tick)
    ended = mast(rig, rig.stone)
    rig.tell(WHOLE, ended)
    rig.commit()
    early = mast(rig, rig.next[1] + 1)  # of what the server has not heard of yet
    rig.tell(WHOLE, early)
    rig.commit()
    assert refused(rig) == {"superseded": 3}
    assert rig.link.shards[0].faults == 0
    ids = [int(record["id"][0]) for record in (lost, ended, early)]
    assert rig.link.released == [(1, net_id, 2) for net_id in ids]


def test_a_child_keeps_its_parent_and_has_no_motion_of_its_own() -> None:
    rig = Rig()
    child = mast(rig, rig.stone)
    rig.tell(WHOLE, child)
    rig.commit()
    moved = np.zeros(1, SCHEMA.exact_record)
    for name in moved.dtype.names or ():
        moved[name] = child[name]
    moved["tick"] += 1
    given = np.zeros(1, SCHEMA.proposed_rows[PARENT_NUMBER])
    for name in given.dtype.names or ():
        given[name] = child[name]
    given["tick"], given["of"] = child["tick"] + 1, child["id"]
    whole = child.copy()
    whole["tick"], whole["of"] = child["tick"] + 1, child["id"]
    for what, rows in ((MOVES, moved), (PARENT_NUMBER, given), (WHOLE, whole)):
        rows["epoch"] = rig.world.columns.epoch[rig.world.columns.rows_of(child["id"])]
        rig.tell(what, rows)
        rig.commit()
    assert rig.ingest.rejected == {"other_writer": 2, "foreign_parent": 1}
    assert rig.world.columns["of"][rig.world.columns.rows_of(child["id"])] == rig.stone


def test_families_are_neither_deep_nor_large_without_end() -> None:
    rig = Rig()
    above = rig.stone
    for _ in range(DEPTH_MAX):
        child = mast(rig, above)
        rig.tell(WHOLE, child)
        rig.commit(20)
        above = int(child["id"][0])
    assert refused(rig) == {}
    rig.tell(WHOLE, mast(rig, above))
    rig.commit()
    assert refused(rig) == {"too_many": 1}
    parents = rig.world.columns.rows_of(np.full(CHILDREN_MAX, rig.stone))
    for most in (OF_SHARDS_MAX, CHILDREN_MAX):
        assert int(rig.world.families.admit(parents, most).sum()) == most - DEPTH_MAX


@pytest.mark.parametrize(("later", "left"), [(0, 3.0), (1, 7.0)])
def test_of_who_is_taken_from_its_shard_what_goes_with_its_motion_counts(
    rig: Rig, later: int, left: float
) -> None:
    """The owner is refused a name in the same tick, between the two rows of a state."""
    assert MOVES < NUMBER[LABEL.name] < FUSES
    for number, name, value in (
        (MOVES, "x", 11.0),
        (NUMBER[LABEL.name], "name", b"liar"),
        (FUSES, LEFT, 3.0),
    ):
        row = np.zeros(1, SCHEMA.proposed_rows[number])
        row["id"], row["epoch"] = rig.stone, 1
        row["tick"] = rig.tick + 1 + later * (number == FUSES)
        row[name] = value
        rig.tell(number, row)
    assert rig.commit() == [rig.stone]
    assert (rig.value(rig.stone, "x"), rig.value(rig.stone, LEFT)) == (11.0, left)
    columns = rig.world.columns
    assert columns.epoch[columns.rows_of([rig.stone])].tolist() == [2]
    assert rig.rejected == {"other_writer": 1}


def test_who_is_taken_from_its_shard_is_not_ended_by_it(rig: Rig) -> None:
    row = np.zeros(1, SCHEMA.proposed_rows[NUMBER[LABEL.name]])
    row["id"], row["epoch"], row["tick"] = rig.stone, 1, rig.tick + 1
    rig.tell(NUMBER[LABEL.name], row)
    rig.tell(GONE, rig.gone(rig.stone))
    assert rig.commit() == [rig.stone]
    assert rig.there(rig.stone)


def said(rig: Rig, number: int, ahead: int = 1, /, **values: Any) -> np.ndarray:
    """A row of the stone, so many ticks ahead."""
    dtype = SCHEMA.full_record if number == WHOLE else SCHEMA.proposed_rows[number]
    record = rig.world.columns.store(np.array([row_of(rig)]), dtype)
    record["tick"] = rig.tick + ahead
    for name, value in values.items():
        record[name] = value
    return record


SAYS = [(MOVES, "x", 11.0), (FUSES, LEFT, 5.0), (WHOLE, LEFT, 5.0)]
"""Sorts of rows, what each says of the stone, and another value than it has."""


@pytest.mark.parametrize(("number", "name", "value"), SAYS)
def test_a_row_of_an_epoch_to_come_is_refused_and_hides_none(
    rig: Rig, number: int, name: str, value: float
) -> None:
    honest = said(rig, number, **{name: value})
    lie = said(rig, number, 2, **{name: value - 2.0, "epoch": 7})
    rig.tell(number, np.concatenate([honest, lie]))
    assert rig.commit() == []
    assert rig.value(rig.stone, name) == value
    assert (rig.rejected, rig.link.shards[0].faults) == ({"stale_epoch": 1}, 1)
    assert rig.link.released == [], "what the shard has is its own"


def test_a_spawn_of_an_epoch_to_come_hides_no_spawn(rig: Rig) -> None:
    shot = rig.shot()
    lie = shot.copy()
    lie["epoch"], lie["tick"] = 7, rig.tick + 2
    rig.tell(WHOLE, np.concatenate([shot, lie]))
    assert rig.commit() == []
    assert rig.there(int(shot["id"][0]))
    assert (rig.births.spawned, rig.rejected) == (1, {"stale_epoch": 1})


def test_an_end_of_an_epoch_to_come_hides_no_end(rig: Rig) -> None:
    lie = rig.gone(rig.stone, epoch=7)
    lie["tick"] += 1
    rig.tell(GONE, np.concatenate([rig.gone(rig.stone), lie]))
    rig.commit()
    assert not rig.there(rig.stone)


@pytest.mark.parametrize(("number", "name", "value"), SAYS)
def test_a_row_of_a_former_epoch_hides_none_of_the_current_one(
    rig: Rig, number: int, name: str, value: float
) -> None:
    """Who is given something anew may have to begin a few ticks before where it was."""
    former = said(rig, number, 4, **{name: value - 2.0})
    rig.world.columns.epoch[row_of(rig)] += np.uint32(1)
    rig.world.handover_tick[row_of(rig)] = rig.tick
    rig.tell(number, np.concatenate([said(rig, number, **{name: value}), former]))
    assert rig.commit() == []
    assert (rig.value(rig.stone, name), rig.rejected) == (value, {})
