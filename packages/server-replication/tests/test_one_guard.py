"""The store in memory and the database keep rows by one rule: a state machine drives both."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from threading import Thread
from typing import Any, Protocol, TypeVar

import asyncpg
import numpy as np
import pytest
import trio
import trio_asyncio
from drifters import GAME, drifter
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.references import saved_alone
from sidereal.replication.keeping.store import Store, open_store
from sidereal.replication.keeping.stored import Berth, Recovered
from sidereal.replication.keeping.tables import FencedError
from sidereal.replication.world import UUID
from sidereal.tools.simulate.memory import MemoryStore

T = TypeVar("T")

ENTITIES = 6
ACCOUNTS = {1: 7, 2: 8}
"""Entities that are ships, and whose."""


class Keeper(Protocol):
    """What both stores do, for the one that holds a term."""

    def begin(self) -> None:
        """Take the term: what had it before is fenced."""

    def write(self, tick: int, batch: Batch, *, late: bool) -> bool:
        """Save a batch, `late` by whoever had the term before; false when that was refused."""

    def load(self) -> Recovered:
        """Everything that is there."""

    def load_berth(self, account: int) -> Berth | None:
        """One ship."""


class InMemory:
    """The store of the simulation."""

    def __init__(self) -> None:
        self._store = MemoryStore(BASE_SCHEMA)
        self._term = self._before = self._store.begin()

    def begin(self) -> None:
        self._before, self._term = self._term, self._store.begin()

    def write(self, tick: int, batch: Batch, *, late: bool) -> bool:
        try:
            self._store.write(self._before if late else self._term, tick, batch)
        except FencedError:
            return False
        return True

    def load(self) -> Recovered:
        return self._store.load_world(berths=True)

    def load_berth(self, account: int) -> Berth | None:
        return self._store.load_berth(account)


class InDatabase:
    """The database, emptied; two stores take turns in holding the term."""

    def __init__(self, portal: Portal) -> None:
        self._portal = portal
        self._stores = list(portal.stores)
        portal.call(lambda: execute(portal.url, "TRUNCATE entity; UPDATE world SET tick = 0"))
        self._before = self._now = self._stores[0]
        portal.call(lambda: self._now.begin("ours", "a test"))

    def begin(self) -> None:
        other = self._stores[0] if self._now is self._stores[1] else self._stores[1]
        self._portal.call(lambda: other.begin("ours", "a test"))
        self._before, self._now = self._now, other

    def write(self, tick: int, batch: Batch, *, late: bool) -> bool:
        store = self._before if late else self._now
        try:
            written = self._portal.call(lambda: store.write_rows(batch, tick))
        except FencedError:
            return False
        assert written.saved.all()
        return True

    def load(self) -> Recovered:
        return self._portal.call(lambda: self._now.load_world(berths=True))

    def load_berth(self, account: int) -> Berth | None:
        return self._portal.call(lambda: self._now.load_berth(account))


async def execute(url: str, statements: str) -> None:
    async def in_asyncio() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute(statements)
        await connection.close()

    async with trio_asyncio.open_loop():
        await trio_asyncio.aio_as_trio(in_asyncio)()


class Portal:
    """A thread with Trio and two open stores, for a test that is not asynchronous."""

    def __init__(self, server: Any) -> None:
        self.url = ""
        self._server = server
        self.stores: list[Store] = []
        self._ended = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._thread = Thread(target=trio.run, args=(self._run,))
        self._thread.start()
        while len(self.stores) < 2 and self._thread.is_alive():
            self._thread.join(0.01)

    def call(self, operation: Callable[[], Awaitable[T]]) -> T:
        return trio.from_thread.run(operation, trio_token=self._token)

    def close(self) -> None:
        trio.from_thread.run_sync(self._ended.set, trio_token=self._token)
        self._thread.join()

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        async with trio_asyncio.open_loop():
            self.url = await self._server.create_schema("one_guard")
        async with (
            open_store(self.url, GAME) as one,
            open_store(self.url, GAME) as other,
        ):
            await one.begin("ours", "a test")
            self.stores += [one, other]
            await self._ended.wait()


@pytest.fixture
def portal(database_server: Any) -> Iterator[Portal]:
    opened = Portal(database_server)
    yield opened
    opened.close()


def batch_of(rows: dict[int, tuple[int, int, float, bool, bool]]) -> Batch:
    count = len(rows)
    records = np.zeros(count, BASE_SCHEMA.full_record)
    for at, (epoch, _, x, _, _) in enumerate(rows.values()):
        records[at] = drifter("e", x)[0]
        records["epoch"][at] = epoch
    saved = np.array([row[1] for row in rows.values()], np.int64)
    return Batch(
        saved_alone(BASE_SCHEMA, records),
        np.frombuffer(b"".join(name.to_bytes(16, "big") for name in rows), UUID),
        np.array([ACCOUNTS.get(name, 0) for name in rows], np.int64),
        np.array([row[3] for row in rows.values()], np.bool_),
        np.array([row[4] for row in rows.values()], np.bool_),
        saved,
        saved,
    )


def contents(world: Recovered) -> dict[int, tuple[Any, ...]]:
    columns = (world.uuid, world.rows.tolist(), world.account.tolist(), world.active.tolist())
    return {
        int.from_bytes(uuid.tobytes(), "big"): (row, account, active)
        for uuid, row, account, active in zip(*columns, strict=True)
    }


ROWS = st.dictionaries(
    st.integers(1, ENTITIES),
    st.tuples(st.integers(0, 3), st.integers(0, 6), st.floats(-9, 9), st.booleans(), st.booleans()),
    min_size=1,
)


class OneGuard(RuleBasedStateMachine):
    """Both stores, in step; `versions` is what the rule itself says. What was removed stays so."""

    portal: Portal

    def __init__(self) -> None:
        super().__init__()
        self.keepers: list[Keeper] = [InMemory(), InDatabase(self.portal)]
        self.tick = 0
        self.versions: dict[int, tuple[int, int, bool]] = {}
        self.written: list[Batch] = []
        self.terms = 1

    @rule(rows=ROWS, tick=st.integers(0, 8))
    def write(self, rows: dict[int, tuple[int, int, float, bool, bool]], tick: int) -> None:
        batch = batch_of(rows)
        assert [keeper.write(tick, batch, late=False) for keeper in self.keepers] == [True, True]
        self.written.append(batch)
        self.tick = max(self.tick, tick)
        for name, (epoch, saved, _, _, removed) in rows.items():
            *version, gone = self.versions.get(name, (-1, -1, False))
            if not gone and tuple(version) <= (epoch, saved):
                self.versions[name] = epoch, saved, removed

    @rule(which=st.integers(0, 50))
    def write_again(self, which: int) -> None:
        """As after an answer that never came."""
        if self.written:
            batch = self.written[which % len(self.written)]
            if all(
                self.versions[int.from_bytes(uuid.tobytes(), "big")][:2] != (epoch, saved)
                for uuid, epoch, saved in zip(
                    batch.uuid, batch.rows["epoch"].tolist(), batch.saved_tick.tolist(), strict=True
                )
            ):
                before = [contents(keeper.load()) for keeper in self.keepers]
                for keeper in self.keepers:
                    assert keeper.write(0, batch, late=False)
                assert [contents(keeper.load()) for keeper in self.keepers] == before

    @rule()
    def begin(self) -> None:
        self.terms += 1
        for keeper in self.keepers:
            keeper.begin()

    @rule(rows=ROWS)
    def write_without_the_term(self, rows: dict[int, tuple[int, int, float, bool, bool]]) -> None:
        if self.terms > 1:
            batch = batch_of(rows)
            assert [k.write(99, batch, late=True) for k in self.keepers] == [False, False]

    @invariant()
    def both_hold_the_same_and_what_they_must(self) -> None:
        memory, database = (keeper.load() for keeper in self.keepers)
        assert contents(memory) == contents(database)
        assert memory.tick == database.tick == self.tick
        there = {name for name, (_, _, removed) in self.versions.items() if not removed}
        assert set(contents(memory)) == there
        for name, account in ACCOUNTS.items():
            ships = [keeper.load_berth(account) for keeper in self.keepers]
            assert [ship is not None for ship in ships] == [name in there] * 2


def test_memory_and_database_keep_rows_by_one_guard(portal: Portal) -> None:
    machine = type("Machine", (OneGuard,), {"portal": portal})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=15,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],  # to shrink against a database takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
