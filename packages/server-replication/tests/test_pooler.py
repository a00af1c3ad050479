"""Through a real PgBouncer that gives every transaction to another connection."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest
import trio
from drifters import GAME, SCHEMA, drifter

from sidereal.protocol.errors import UnavailableError
from sidereal.replication.keeping.persist import Batch
from sidereal.replication.keeping.references import saved_alone
from sidereal.replication.keeping.store import Store, open_store
from sidereal.replication.keeping.tables import FencedError
from sidereal.replication.world import UUID

REQUIRED = "SIDEREAL_REQUIRE_PGBOUNCER"
"""Environment variable: where it is set, a missing PgBouncer is a failure."""
PORT = 6432
SETTINGS = """
[databases]
* = host=/proc/self/cwd user=sidereal
[pgbouncer]
pool_mode = transaction
default_pool_size = 3
listen_port = {port}
unix_socket_dir = {directory}
auth_type = any
"""
"""Few connections, so that every one serves everybody."""


@pytest.fixture(scope="module")
def pooler(database_server: Any) -> Iterator[str]:
    """A PgBouncer before the database of the tests; gives the URL of a database without tables."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        if os.environ.get(REQUIRED):
            pytest.fail("PgBouncer is missing")
        pytest.skip("PgBouncer is missing: apt-get install pgbouncer")
    data = database_server.directory / "postgres"
    owner = pwd.getpwuid(data.stat().st_uid)
    with (data / "pg_ident.conf").open("a") as file:
        file.write(f"sidereal {owner.pw_name} sidereal\n")
    os.kill(database_server.postmaster, 1)  # it reads its settings again
    directory = Path(tempfile.mkdtemp(prefix="sidereal-test-"))
    settings = directory / "pgbouncer.ini"
    settings.write_text(SETTINGS.format(port=PORT, directory=directory))
    os.chown(directory, owner.pw_uid, owner.pw_gid)
    settings.chmod(0o644)
    switch: dict[str, Any] = {}
    if os.geteuid() == 0:
        switch = {"user": owner.pw_uid, "group": owner.pw_gid}
    # In the directory of the database, as the postmaster: those above are ours alone.
    process = subprocess.Popen([program, "-q", settings], cwd=data, **switch)
    asyncio.run(create_database(database_server.url))
    yield f"postgresql://anybody@/pooled?host={directory}&port={PORT}"
    process.terminate()
    process.wait()
    shutil.rmtree(directory)


async def create_database(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE DATABASE pooled")
    await connection.close()


def rocks(first: int, count: int, tick: int) -> Batch:
    records = np.concatenate([drifter("rock", 1.0, 2.0)] * count)
    names = b"".join(n.to_bytes(16, "big") for n in range(first, first + count))
    return Batch(
        saved_alone(SCHEMA, records),
        np.frombuffer(names, UUID),
        np.zeros(count, np.int64),
        np.ones(count, np.bool_),
        np.zeros(count, np.bool_),
        np.full(count, tick, np.int64),
        np.full(count, tick, np.int64),
    )


async def play(store: Store, number: int) -> None:
    """What happens in a server at the same time: writes, logins, ships that are fetched."""
    for tick in range(1, 6):
        written = await store.write_rows(rocks(1000 * number, 50, tick), tick)
        assert written.saved.all()
        name = f"pilot {number} {tick}"
        account = await store.create_account(name, "hash")
        found = await store.account_by_name(name)
        assert found is not None
        assert found.account_id == account
        assert await store.load_berth(account) is None


async def test_everything_works_without_a_session_of_its_own(pooler: str) -> None:
    async with open_store(pooler, GAME) as store:
        await store.begin("ours", "the first")
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(play, store, number)
        assert store.statistics().failures == 0
    async with open_store(pooler, GAME) as again:
        await again.begin("ours", "started again")
        world = await again.load_world()
        assert (world.tick, len(world.rows)) == (5, 400)
        await again.release()


async def test_a_second_server_is_refused_and_an_old_one_fenced(pooler: str) -> None:
    async with (
        open_store(pooler, GAME) as first,
        open_store(pooler, GAME) as second,
    ):
        await first.begin("ours", "the first")
        await first.save_tick(10)
        with pytest.raises(UnavailableError, match="in use by the first"):
            await second.begin("others", "the second")
        await second.begin("ours", "started again")
        with pytest.raises(FencedError):
            await first.save_tick(11)
        await second.release()
