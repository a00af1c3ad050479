"""The door to pymunk: rows stay true, bodies bounce, NaN stays out, runs repeat."""

from __future__ import annotations

import gc
import math

import numpy as np
import pymunk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.protocol.errors import LocalProtocolError
from sidereal.shard.space import MOTION_FIELDS, Shapes, Space

CAPACITY = 64


def still(capacity: int = CAPACITY) -> dict[str, np.ndarray]:
    """Bodies far from each other, at rest."""
    motion = {name: np.zeros(capacity) for name in MOTION_FIELDS}
    motion["x"][:] = np.arange(capacity) * 1000.0
    return motion


def enter(space: Space, motion: dict[str, np.ndarray], *rows: int, mass: float = 1.0) -> None:
    at = np.array(rows, dtype=np.int64)
    space.add(at, motion, shapes(len(at), mass=mass)._replace(group=(at + 1).astype(np.uint32)))


def shapes(
    count: int, radius: float = 5.0, mass: float = 1.0, bounce: float = 0.5, group: int = 1
) -> Shapes:
    """Bodies that touch all others."""
    all_bits = np.full(count, 0xFFFF_FFFF, np.uint32)
    sizes = np.full(count, radius), np.full(count, mass)
    groups = np.arange(group, group + count, dtype=np.uint32)
    free = np.zeros(count, np.bool_)
    return Shapes(*sizes, all_bits, all_bits, free, np.full(count, bounce), groups)


def leave(space: Space, *rows: int) -> None:
    space.remove(np.array(rows, dtype=np.int64))


def test_body_moves_by_the_velocity_written_before_the_step() -> None:
    space, motion = Space(), still()
    enter(space, motion, 3)
    motion["vx"][3], motion["spin"][3] = 10.0, 2.0
    space.step(motion, 0.1)
    assert motion["x"][3] == 3000.0 + 10.0 * 0.1
    assert motion["vx"][3] == 10.0
    assert motion["heading"][3] == 0.2


def test_heading_that_a_game_writes_is_the_one_it_turns_from() -> None:
    space, motion = Space(), still()
    enter(space, motion, 0)
    space.step(motion, 0.1)
    motion["heading"][0], motion["spin"][0] = 1.0, 2.0
    space.step(motion, 0.1)
    assert motion["heading"][0] == 1.2


def test_who_moves_as_others_did_before_bodies_came_and_went_moves_so() -> None:
    space, motion = Space(), still()
    motion["vx"][:3] = 1.0, 2.0, 3.0
    enter(space, motion, 0, 1, 2)
    space.step(motion, 1.0)
    leave(space, 0)
    enter(space, motion, 3)
    motion["vx"][space.rows] = 1.0, 2.0, 3.0
    before = motion["x"].copy()
    space.step(motion, 1.0)
    assert (motion["x"] - before)[space.rows].tolist() == [1.0, 2.0, 3.0]


def test_who_is_pushed_may_be_let_go_on_as_before() -> None:
    space, motion = Space(), still()
    motion["x"][:2] = (0.0, 9.0)
    enter(space, motion, 0, 1)
    for _ in range(3):
        motion["vx"][:2] = (20.0, 0.0)
        space.step(motion, 0.01)
        assert motion["vx"][1] > 0.0
    assert motion["x"][0] == pytest.approx(0.6, abs=0.1)


def test_heading_comes_back_wrapped() -> None:
    space, motion = Space(), still()
    motion["spin"][0] = 30.0
    enter(space, motion, 0)
    for _ in range(100):
        space.step(motion, 0.05)
        assert -math.pi <= motion["heading"][0] < math.pi
    assert motion["heading"][0] == pytest.approx(math.remainder(150.0, math.tau))


@pytest.mark.parametrize(
    ("bounces", "kept"),
    [((0.5, 0.5), 0.5), ((0.9, 0.9), 0.9), ((0.9, 0.4), 0.6), ((0.0, 1.0), 0.0)],
)
def test_a_head_on_collision_keeps_what_both_bodies_let(
    bounces: tuple[float, float], kept: float
) -> None:
    space, motion = Space(), still()
    motion["x"][:2] = (-6.0, 6.0)
    motion["vx"][:2] = (20.0, -20.0)
    for row, bounce in enumerate(bounces):
        space.add(np.array([row]), motion, shapes(1, bounce=bounce, group=1 + row))
    for _ in range(60):
        space.step(motion, 1 / 60)
    assert motion["vx"][0] == pytest.approx(-20.0 * kept, rel=0.05, abs=0.5)
    assert motion["vx"][0] + motion["vx"][1] == pytest.approx(0.0, abs=1e-6)


def test_heavy_body_pushes_a_light_one_aside() -> None:
    space, motion = Space(), still()
    motion["x"][:2] = (-6.0, 6.0)
    motion["vx"][0] = 20.0
    enter(space, motion, 0, mass=1000.0)
    enter(space, motion, 1, mass=1.0)
    for _ in range(60):
        space.step(motion, 1 / 60)
    assert motion["vx"][0] > 19.9
    assert motion["vx"][1] > 20.0


def test_removing_a_body_leaves_every_other_its_own_row() -> None:
    space, motion = Space(), still()
    enter(space, motion, 0, 1, 2, 3, 4)
    leave(space, 1, 4)
    enter(space, motion, 9)
    leave(space, 0)
    motion["vx"][:] = np.arange(CAPACITY)
    before = motion["x"].copy()
    space.step(motion, 1.0)
    moved = motion["x"] - before
    assert sorted(space.rows.tolist()) == [2, 3, 9]
    assert moved[[2, 3, 9]].tolist() == [2.0, 3.0, 9.0]
    assert moved[[0, 1, 4]].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("stays", [(), (9,)])
def test_bodies_that_have_left_are_freed_with_the_next_step(stays: tuple[int, ...]) -> None:
    space, motion, kept = Space(), still(), (pymunk.Body, pymunk.Circle)
    motion["x"][:3] = (0.0, 6.0, 12.0)  # these touch
    enter(space, motion, *stays)

    def held() -> int:
        return sum(issubclass(type(each), kept) for each in gc.get_objects())

    def come_and_go() -> None:
        enter(space, motion, 0, 1, 2)
        space.step(motion, 0.01)
        leave(space, 0, 1, 2)
        space.step(motion, 0.01)

    come_and_go()
    gc.collect()
    gc.disable()
    try:
        before = held()
        come_and_go()
        assert held() == before
    finally:
        gc.enable()


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 15), max_size=40))
def test_rows_stay_true_through_any_coming_and_going(toggles: list[int]) -> None:
    space, motion = Space(), still(16)
    inside: set[int] = set()
    for row in toggles:
        if row in inside:
            leave(space, row)
        else:
            enter(space, motion, row)
        inside ^= {row}
        motion["vx"][:] = np.arange(16) + 1.0
        before = motion["x"].copy()
        space.step(motion, 1.0)
        expected = np.array([row + 1.0 if row in inside else 0.0 for row in range(16)])
        np.testing.assert_allclose(motion["x"] - before, expected, atol=1e-9)
    assert set(space.rows.tolist()) == inside
    assert len(space) == len(inside)


@pytest.mark.parametrize("field", MOTION_FIELDS)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_body_that_is_not_finite_never_enters(field: str, value: float) -> None:
    space, motion = Space(), still()
    motion[field][0] = value
    with pytest.raises(LocalProtocolError):
        enter(space, motion, 0)
    assert len(space) == 0


@pytest.mark.parametrize(("radius", "mass"), [(0.0, 1.0), (1.0, 0.0), (math.nan, 1.0), (-1.0, 1.0)])
def test_body_without_size_never_enters(radius: float, mass: float) -> None:
    with pytest.raises(LocalProtocolError):
        Space().add(np.array([0]), still(), shapes(1, radius, mass))


def test_velocity_that_is_not_finite_stops_the_step() -> None:
    space, motion = Space(), still()
    enter(space, motion, 0, 1)
    motion["vy"][1] = math.nan
    with pytest.raises(LocalProtocolError, match="NaN"):
        space.step(motion, 0.1)
    motion["vy"][1] = 0.0
    space.step(motion, 0.1)
    assert np.isfinite(motion["y"]).all()


def test_row_enters_once_and_leaves_once() -> None:
    space, motion = Space(), still()
    enter(space, motion, 0)
    with pytest.raises(LocalProtocolError, match="already"):
        enter(space, motion, 0)
    leave(space, 0)
    with pytest.raises(LocalProtocolError, match="not in the space"):
        leave(space, 0)


def crowd(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    space, motion = Space(), still()
    for name in ("x", "y"):
        motion[name][:] = rng.uniform(-60, 60, CAPACITY)
    for name in ("vx", "vy"):
        motion[name][:] = rng.uniform(-30, 30, CAPACITY)
    enter(space, motion, *range(CAPACITY))
    for _ in range(60):
        space.step(motion, 1 / 60)
    return b"".join(motion[name].tobytes() for name in MOTION_FIELDS)


def test_same_crowd_collides_alike_bit_for_bit() -> None:
    assert crowd(7) == crowd(7)
    assert crowd(7) != crowd(8)


def test_bodies_of_one_group_never_touch_each_other_and_touch_the_others() -> None:
    space, motion = Space(), still()
    motion["x"][:3] = 0.0, 3.0, 6.0
    group = np.array([7, 7, 9], np.uint32)
    space.add(np.arange(3), motion, shapes(3)._replace(group=group))
    space.step(motion, 0.05)
    pairs = space.touches()
    assert sorted(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True)) == [(0, 2), (1, 2)]


def test_a_sensor_in_the_place_of_another_is_as_new() -> None:
    space, motion = Space(), still()
    motion["x"][:4] = 0.0, 4.0, 6.0, 2.0
    motion["vx"][0], motion["spin"][0] = 40.0, 3.0
    space.add(np.arange(2), motion, shapes(2)._replace(sensor=np.array([True, False])))
    space.step(motion, 0.05)
    assert space.pairs.tolist() in ([[0], [1]], [[1], [0]])
    leave(space, 0)
    space.step(motion, 0.05)
    # Of the two that come one is of the group of who is there.
    come = shapes(2)._replace(sensor=np.ones(2, np.bool_), group=np.array([2, 9], np.uint32))
    space.add(np.array([2, 3]), motion, come)
    motion["vx"][3] = 1.0
    space.step(motion, 0.05)
    assert sorted(np.sort(space.pairs, axis=0).T.tolist()) == [[1, 3], [2, 3]]
    assert motion["x"][1:4].tolist() == [4.0, 6.0, 2.0 + 1.0 * 0.05]
    assert motion["heading"][2:4].tolist() == [0.0, 0.0]


def test_bodies_go_on_in_another_space_as_if_they_had_stayed() -> None:
    """Also two that are still being pushed apart, and after others have moved up."""
    spaces, motions = [Space(), Space()], [still(), still()]
    for space, motion in zip(spaces, motions, strict=True):
        motion["x"][:4] = (0.0, 8.0, 500.0, 900.0)
        motion["vx"][:4] = (4.0, -4.0, 7.0, -7.0)
        enter(space, motion, 0, 1, 2, 3)
        space.step(motion, 0.02)
    left, other = motions[0], Space()
    spaces[0].hand_over(np.array([1, 0]), other)
    assert set(other.rows) == {0, 1}
    assert set(spaces[0].rows) == {2, 3}
    for _ in range(3):
        other.step(left, 0.02)
        spaces[0].step(left, 0.02)
        spaces[1].step(motions[1], 0.02)
    for name in MOTION_FIELDS:
        np.testing.assert_allclose(left[name], motions[1][name], atol=1e-3)
    assert left["x"][1] - left["x"][0] > 8.0
    with pytest.raises(LocalProtocolError, match="row 2 is not in the space"):
        other.hand_over(np.array([2]), spaces[0])


def test_a_space_that_is_cleared_keeps_nothing() -> None:
    space, motion = Space(), still()
    enter(space, motion, 0, 1, 2)
    space.clear()
    assert len(space) == len(space.rows) == 0
    enter(space, motion, 1)
    space.step(motion, 0.1)
    assert space.rows.tolist() == [1]
