"""What is written at once, against a database that answers only what it can answer in time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import trio
from trio.testing import MockClock

from sidereal.protocol.errors import StoreError
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.replication.keeping.limits import KeepingLimits
from sidereal.replication.keeping.persist import Batch, WriteBehind
from sidereal.replication.keeping.saver import Saver
from sidereal.replication.keeping.store import Written
from sidereal.replication.world import UUID, World

LIMITS = KeepingLimits(batch_rows=64, batch_rows_least=8)


class SlowStore:
    """Answers in time only what has few enough rows.

    Attributes:
        sizes: of the batches that it was asked to write.
    """

    def __init__(self, rows_max: int) -> None:
        self.rows_max = rows_max
        self.sizes: list[int] = []

    async def write_rows(self, batch: Batch, _tick: int) -> Written:
        await trio.lowlevel.checkpoint()
        self.sizes.append(len(batch))
        if len(batch) > self.rows_max:
            raise StoreError("the database did not answer within 6 s")
        return Written(np.ones(len(batch), np.bool_), np.zeros(len(batch), np.bool_))

    async def save_tick(self, _tick: int) -> None:
        await trio.lowlevel.checkpoint()


def make_saver(store: Any, rows: int) -> tuple[Saver, WriteBehind]:
    world = World(BASE_SCHEMA, Rules())
    records = np.zeros(rows, BASE_SCHEMA.full_record)
    uuid = np.frombuffer(np.random.default_rng(1).bytes(16 * rows), UUID)
    world.enter(records, uuid, np.zeros(rows, np.int64), 1)
    core: Any = SimpleNamespace(saving=WriteBehind(world), tick=1)
    return Saver(core, store, lambda _ms: None, LIMITS), core.saving


async def save_for(saver: Saver, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await saver.run()


async def test_rows_that_take_too_long_together_are_saved_in_smaller_batches(
    autojump_clock: MockClock,
) -> None:
    store = SlowStore(rows_max=20)
    saver, saving = make_saver(store, rows=100)
    await save_for(saver, 10.0)
    assert saving.depth == 0
    assert store.sizes[:4] == [64, 32, 16, 32]


async def test_a_batch_is_never_smaller_than_the_least_and_grows_again(
    autojump_clock: MockClock,
) -> None:
    store = SlowStore(rows_max=0)
    saver, saving = make_saver(store, rows=200)
    await save_for(saver, 2.0)
    assert store.sizes[:6] == [64, 32, 16, 8, 8, 8]
    store.rows_max, store.sizes = 64, []
    await save_for(saver, 1.0)
    assert store.sizes == [8, 16, 32, 64, 64, 16]
    assert saving.depth == 0
