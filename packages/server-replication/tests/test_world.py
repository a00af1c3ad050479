"""What clients are sent of where things are, and of what they have."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.protocol.rules import Rules
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.proposals import version_of
from sidereal.protocol.state.quantize import decode_rows_untrusted, restore_tick
from sidereal.protocol.state.schema import (
    BASE_COMPONENTS,
    BODY,
    LABEL,
    MOTION,
    OWNER,
    PILOT,
    Schema,
)
from sidereal.protocol.state.stream import PRESENCE
from sidereal.replication.world import UUID, World

RULES = Rules()
HEALTH = Component("health", (Field("hp", "f4", "hp", 0, 100, 0.5),), Replication.ATTRIBUTE)
SCHEMA = Schema((*BASE_COMPONENTS, HEALTH))
NUMBERS = SCHEMA.numbers
MOVES, HURT = NUMBERS[MOTION.name], NUMBERS[HEALTH.name]


def enter(world: World, count: int = 1, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    records = np.zeros(count, SCHEMA.full_record)
    records["x"], records["y"], records["radius"], records["mass"] = x, y, 5.0, 10.0
    records["kind"], records["hp"] = 2, 50.0
    return world.enter(records, np.zeros(count, UUID), np.zeros(count, np.int64), 1)


@pytest.mark.parametrize("place", [(0.0, 0.0), (999.5, -0.5), (-123_456.75, 654_321.25)])
def test_what_is_sent_lies_where_the_entity_is_however_far_out(place: tuple[float, float]) -> None:
    world = World(SCHEMA, RULES)
    rows = enter(world, 1, *place)
    world.refresh(world.present(1))
    size = RULES.cell_size
    left, lower = (axis // size * size for axis in place)
    sent = world.rows[MOVES][rows]
    values = decode_rows_untrusted(SCHEMA, MOVES, sent, RULES, origin_x=left, origin_y=lower)
    assert restore_tick(sent["tick"], 1).tolist() == [1]
    assert (values["x"][0], values["y"][0]) == pytest.approx(place, abs=size / 65536)


def test_who_enters_has_rows_of_all_that_is_shown() -> None:
    world = World(SCHEMA, RULES)
    rows = enter(world, 2)
    presence = world.rows[PRESENCE][rows]
    assert presence["id"].tolist() == world.columns.net_id[rows].tolist()
    assert presence["kind"].tolist() == [2, 2]
    assert presence["mask"].tolist() == [SCHEMA.mask_shown] * 2
    assert not SCHEMA.mask_shown >> NUMBERS[PILOT.name] & 1
    assert world.rows[HURT]["hp"][rows].tolist() == [100, 100]
    assert (world.changed[:, rows] == 1).all()


def test_only_what_is_marked_is_new() -> None:
    world = World(SCHEMA, RULES)
    rows = enter(world, 2)
    world.refresh(world.present(1))
    world.columns["hp"][rows[1]] = 12.3
    world.mark_changed(HEALTH.name, rows[1:], 5)
    world.refresh(world.present(5))
    assert world.changed[HURT, rows].tolist() == [1, 5]
    assert world.rows[HURT]["hp"][rows].tolist() == [100, 25]
    assert world.latest.tolist() == [1, 1, 1, 1, 1, 1, 1, 1, 5]
    assert world.described[rows].tolist() == [1, 5]


def test_what_moves_on_a_straight_line_is_sent_once_in_a_cell() -> None:
    world = World(SCHEMA, RULES)
    rows = enter(world)
    world.columns["vx"][rows] = 100.0
    ticks = []
    for tick in range(1, 61):
        world.refresh(world.present(tick))
        ticks.append((int(world.entered[rows[0]]), int(world.changed[MOVES, rows[0]])))
    assert set(ticks) == {(1, 1), (50, 50)}, "a cell of 250 units takes 50 ticks"


def test_components_are_taken_and_given_again() -> None:
    world = World(SCHEMA, RULES)
    rows = enter(world)
    without = np.array([SCHEMA.mask_all & ~(1 << HURT)], np.uint64)
    world.equip(rows, without, 3)
    assert world.changed[HURT, rows].tolist() == [-1]
    assert world.changed[PRESENCE, rows].tolist() == [3]
    assert int(world.rows[PRESENCE]["mask"][rows[0]]) >> HURT & 1 == 0
    for name in (BODY.name, LABEL.name, OWNER.name):
        assert world.changed[NUMBERS[name], rows].tolist() == [1]
    world.columns["hp"][rows] = 7.0
    world.equip(rows, np.array([SCHEMA.mask_all], np.uint64), 4)
    assert world.changed[HURT, rows].tolist() == [4]
    assert world.rows[HURT]["hp"][rows].tolist() == [14]
    assert int(world.rows[PRESENCE]["mask"][rows[0]]) >> HURT & 1


def test_a_row_that_is_used_again_has_nothing_of_who_had_it() -> None:
    world = World(SCHEMA, RULES)
    rows = enter(world)
    world.refresh(world.present(1))
    world.remove(rows, 2)
    assert (world.changed[:, rows] == -1).all()
    assert (world.group[rows[0]], world.entered[rows[0]], world.columns.mask[rows[0]]) == (
        -1,
        -1,
        0,
    )
    again = enter(world)
    assert again.tolist() == rows.tolist()
    assert world.refresh(world.present(3)).net_id.tolist() == []
    assert world.entered[rows].tolist() == [3]
    assert world.rows[MOVES]["id"][rows].tolist() == world.columns.net_id[rows].tolist()


def test_a_world_that_grows_keeps_what_it_has() -> None:
    world = World(SCHEMA, RULES, capacity=2)
    first = enter(world, 2)
    world.refresh(world.present(1))
    before = world.changed[:, first].copy(), world.rows[HURT][first].copy()
    enter(world, 5)
    assert (world.changed[:, first] == before[0]).all()
    assert (world.rows[HURT][first] == before[1]).all()
    assert (world.changed[:, 7:] == -1).all()


# -- components ---------------------------------------------------------------------------------

SHOWN = Component(
    "shown", (Field("hp", "f4"),), Replication.ATTRIBUTE, persisted=True, proposed=True
)
HIDDEN = Component("hidden", (Field("mood", "u2"),), proposed=True)
PROPOSED = Schema((*BASE_COMPONENTS, SHOWN, HIDDEN))


class Commits:
    """A world with three entities, and rows of their components."""

    def __init__(self) -> None:
        self.world = World(PROPOSED, RULES, 4)
        records = np.zeros(3, PROPOSED.full_record)
        records["kind"], records["radius"], records["mass"], records["epoch"] = 1, 5.0, 10.0, 2
        uuid = np.frombuffer(bytes(range(48)), UUID)
        self.rows = self.world.enter(records, uuid, np.zeros(3, np.int64), 10)
        self.world.refresh(self.world.present(10))
        self.world.dirty[:] = False

    def commit(self, component: str, value: float, tick: int, at: int = 1) -> int:
        number = PROPOSED.numbers[component]
        rows = self.rows[[at]]
        records = self.world.columns.store(rows, PROPOSED.proposed_rows[number])
        records[records.dtype.names[-1]], records["tick"] = value, tick + 3  # type: ignore[index]
        self.world.commit_component(number, rows, records, tick)
        return number


def test_a_committed_row_of_a_component_is_the_truth_and_moves_nothing() -> None:
    commits = Commits()
    world, rows = commits.world, commits.rows
    number = commits.commit("shown", 7.5, 20)
    assert world.columns["hp"][rows].tolist() == [0.0, 7.5, 0.0]
    assert world.columns.tick[rows].tolist() == [0, 0, 0]
    assert world.changed[number, rows].tolist() == [10, 20, 10]
    assert world.versions[number][rows].tolist() == [10, 2 << 32 | 23, 10]


def test_what_everybody_may_see_is_sent_and_what_is_kept_is_saved() -> None:
    commits = Commits()
    world, rows = commits.world, commits.rows
    number = commits.commit("shown", 7.5, 20)
    world.refresh(world.present(20))
    assert world.changed[number, rows].tolist() == [10, 20, 10]
    assert world.rows[number]["hp"][rows].tolist() == [0.0, 7.5, 0.0]
    assert world.dirty[rows].tolist() == [False, True, False]


def test_what_no_client_may_know_is_not_sent_and_what_is_not_kept_is_not_saved() -> None:
    commits = Commits()
    world, rows = commits.world, commits.rows
    number = commits.commit("hidden", 9, 20)
    assert number not in world.rows
    world.refresh(world.present(20))
    assert all((world.changed[n, rows] == 10).all() for n in PROPOSED.rows)
    assert not world.dirty.any()
    assert world.changed[number, rows].tolist() == [10, 20, 10]


def test_rows_are_ordered_by_epoch_and_then_by_tick() -> None:
    dtype = PROPOSED.proposed_rows[PROPOSED.numbers["shown"]]
    rows = np.zeros(5, dtype)
    rows["epoch"], rows["tick"] = (1, 1, 2, 2, 3), (5, 9, 1, 2**32 - 1, 0)
    assert (np.diff(version_of(rows)) > 0).all()


def test_whoever_comes_into_a_row_has_nothing_of_who_was_there() -> None:
    commits = Commits()
    world = commits.world
    number = commits.commit("shown", 7.5, 20)
    world.remove(commits.rows, 21)
    fresh = np.zeros(6, PROPOSED.full_record)
    fresh["kind"] = 1
    rows = world.enter(fresh, np.frombuffer(bytes(96), UUID), np.zeros(6, np.int64), 22)
    assert set(commits.rows.tolist()) < set(rows.tolist())
    assert (world.changed[number, rows] == 22).all()
    assert (world.versions[number][rows] == 22).all()
    assert (world.columns["hp"][rows] == 0.0).all()
