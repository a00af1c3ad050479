"""What a world goes on with after its server has started again."""

from __future__ import annotations

import numpy as np
from authority_rig import make_core
from drifters import SCHEMA, saved_drifter

from sidereal.replication.keeping.references import saved_record
from sidereal.replication.keeping.stored import Berth
from sidereal.replication.replicator import Replicator
from sidereal.replication.world import UUID


def recover(tick: int, rows: np.ndarray) -> Replicator:
    rng = np.random.default_rng(1)
    core = make_core(0.0, rng, tick)
    core.populate(rows, np.frombuffer(rng.bytes(16 * len(rows)), UUID))
    return core


def test_the_clock_is_no_older_than_what_was_saved() -> None:
    core = recover(1000, saved_drifter(tick=1008))
    assert core.tick == 1008
    assert recover(1000, saved_drifter(tick=900)).tick == 1000
    assert recover(1000, np.zeros(0, saved_record(SCHEMA))).tick == 1000


def test_epochs_go_on_after_the_saved_ones() -> None:
    saved = saved_drifter(tick=900)
    saved["epoch"] = 41
    world = recover(1000, saved).world
    assert world.columns.epoch[world.columns.rows()].tolist() == [42]


def test_what_was_recovered_is_not_saved_again_until_it_changes() -> None:
    core = recover(1000, saved_drifter(tick=900))
    assert core.saving.take_batch(10, core.tick) is None


def test_what_is_removed_after_a_start_is_removed_from_the_database() -> None:
    core = recover(1000, saved_drifter(tick=900))
    core.remove(core.world.columns.rows())
    batch = core.saving.take_batch(10, core.tick)
    assert batch is not None
    assert batch.removed.tolist() == [True]
    assert len(core.world.columns) == 0


def test_what_comes_from_its_berth_is_of_a_newer_epoch() -> None:
    saved = saved_drifter("Ada", 70.0, 80.0, tick=900)
    saved["epoch"] = 41
    core = recover(1000, np.zeros(0, saved_record(SCHEMA)))
    row = core.berths.enter(7, 1001, Berth(saved, np.zeros(1, UUID)))
    assert core.world.columns.epoch[row] == 42
    assert core.world.columns["x"][row] == 70.0


def test_what_leaves_comes_to_rest_where_it_is_by_then() -> None:
    saved = saved_drifter("Ada", tick=1000)
    core = recover(1000, np.zeros(0, saved_record(SCHEMA)))
    row = core.berths.enter(7, 1000, Berth(saved, np.zeros(1, UUID)))
    core.world.columns["vx"][row] = 40.0
    core.berths.leave(row, 1020)
    waiting = core.saving.departed_of(7)
    assert waiting is not None
    assert (waiting.record["x"][0], waiting.record["vx"][0]) == (40.0, 0.0)
    assert waiting.record["tick"][0] == 1020
