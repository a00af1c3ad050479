"""What has changed is found, whoever changed it: by steps at once, exactly within a second."""

from __future__ import annotations

import math

import numpy as np
import pytest
from changing import AIM, CREDITS, HP, HZ, NUMBER, SAYS, SCHEMA, SHOTS, STEP, Health, Rig, Turret
from hypothesis import given, settings
from hypothesis import strategies as st


def test_what_has_not_changed_is_no_news() -> None:
    assert Rig().find(2 * HZ) == {}


def test_another_step_is_news_at_once_and_only_once() -> None:
    rig = Rig()
    rig.write(HP, 0.5, [3, 7])
    assert rig.find() == {NUMBER[Health]: set(rig.rows[[3, 7]].tolist())}
    assert rig.find(2 * HZ) == {}


def test_less_than_a_step_is_news_within_a_second_and_only_once() -> None:
    rig = Rig()
    rig.write(HP, 0.1)
    soon = rig.find()
    assert len(soon.get(NUMBER[Health], set())) <= len(rig.rows) // HZ + 1
    late = rig.find(HZ - 1)
    assert soon.get(NUMBER[Health], set()) | late[NUMBER[Health]] == set(rig.rows.tolist())
    assert rig.find(2 * HZ) == {}


def test_what_goes_there_and_back_in_a_tick_is_no_news() -> None:
    rig = Rig()
    rig.write(SHOTS, 5)
    rig.write(SHOTS, 0)
    assert rig.find(HZ) == {}


def test_a_field_without_a_quantum_is_compared_exactly() -> None:
    rig = Rig()
    rig.write(SHOTS, 1, [4])
    assert rig.find() == {NUMBER[Health]: {int(rig.rows[4])}}


def test_an_angle_on_the_other_side_of_its_seam_is_the_same_step() -> None:
    rig = Rig(1)
    rig.write(AIM, math.pi - 1e-9)
    rig.find(HZ)
    rig.write(AIM, -math.pi + 1e-9)
    rig.tick = int(rig.rows[0]) + 1000 * HZ  # its exact turn comes in HZ - 1 ticks
    assert rig.find(HZ - 1) == {}
    assert rig.find() == {NUMBER[Turret]: {int(rig.rows[0])}}


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [(HP, 250.0, 100.0), (HP, -1.0, 0.0), (STEP, 120, 100), (AIM, math.pi + 1.0, 1.0 - math.pi)],
)
def test_what_is_out_of_range_is_put_back(name: str, value: float, kept: float) -> None:
    rig = Rig(1)
    rig.write(name, value)
    rig.find(HZ)
    (found,) = rig.population.columns[name][rig.rows]
    assert found == pytest.approx(kept)
    number = NUMBER[Turret if name != HP else Health]
    records = rig.changes.records(number, rig.rows, np.array([rig.tick]))
    assert SCHEMA.valid_rows(records).all()
    assert records[name] == found


def test_no_body_spins_faster_than_can_be_said() -> None:
    rig = Rig(2)
    rig.write("spin", [400.0, -400.0])
    motion = SCHEMA.numbers["motion"]
    assert rig.find() == {motion: set(rig.rows.tolist())}
    records = rig.changes.records(motion, rig.rows, np.array([rig.tick, rig.tick]))
    assert records["spin"].tolist() == [31.0, -31.0]
    assert SCHEMA.valid_rows(records).all()


def test_ghosts_and_what_the_authority_writes_are_never_news() -> None:
    ghosts, own = Rig(own=False), Rig()
    ghosts.write(HP, 77.0)
    own.write(CREDITS, 5)
    assert ghosts.find(2 * HZ) == {}
    assert own.find(2 * HZ) == {}


def test_what_an_entity_does_not_have_is_no_news_of_it() -> None:
    rocks = Rig(kind=2)
    rocks.write(HP, 50.0)
    rocks.write("radius", 5.0, [1])
    assert rocks.find(2 * HZ) == {SCHEMA.numbers["body"]: {int(rocks.rows[1])}}


def test_a_body_that_comes_into_a_row_is_not_compared_with_who_was_there() -> None:
    rig = Rig(4)
    rig.write(HP, 3.0)
    rig.find()
    rig.population.free(rig.rows)
    records = np.zeros(4, SCHEMA.full_record)
    records["id"], records["kind"], records["radius"], records["mass"] = (1, 2, 3, 4), 1, 4.0, 9.0
    assert rig.population.load(records, own=True).tolist() == rig.rows.tolist()
    assert rig.find(HZ) == {}


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1 << 32), ticks=st.integers(1, 2 * HZ))
def test_the_server_is_never_off_by_a_step_and_in_a_second_by_nothing(
    seed: int, ticks: int
) -> None:
    rng, rig = np.random.default_rng(seed), Rig(30)
    names = (HP, SHOTS, AIM, STEP, SAYS)
    told = {name: rig.population.columns[name].copy() for name in names}
    quantum = {HP: 0.5, AIM: math.tau / 256, STEP: 5.0}

    def tell() -> None:
        rig.tick += 1
        for number, rows in rig.changes.collect(rig.tick, np.empty(0, np.int64)).items():
            records = rig.changes.records(number, rows, np.full(len(rows), rig.tick))
            assert (records["tick"] == rig.tick).all()
            assert (records["epoch"] == 3).all()
            for name in set(records.dtype.names or ()) & set(names):
                told[name][rows] = records[name]

    for _ in range(ticks):
        some = rig.rows[rng.random(len(rig.rows)) < 0.3]
        columns = rig.population.columns
        columns[HP][some] = np.clip(columns[HP][some] + rng.normal(0, 0.4, len(some)), 0, 100)
        columns[SHOTS][some] += rng.integers(0, 2, len(some)).astype(np.uint32)
        columns[AIM][some] = rng.uniform(-math.pi, math.pi, len(some))
        columns[STEP][some] = rng.integers(-100, 101, len(some))
        columns[SAYS][some] = b"sign"
        tell()
        for name, step in quantum.items():
            off = np.abs(columns[name][rig.rows].astype(np.float64) - told[name][rig.rows])
            assert (np.minimum(off, math.tau - off if name == AIM else off) < step).all()
        assert (columns[SHOTS] == told[SHOTS]).all()
        assert (columns[SAYS] == told[SAYS]).all()
    for _ in range(HZ):
        tell()
    for name in names:
        assert (rig.population.columns[name] == told[name]).all()
