"""Fixtures of the database: one embedded PostgreSQL for all tests, an empty place for each."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
import trio
import trio_asyncio

from sidereal.replication.keeping.postgres.postmaster import Embedded, open_postgres

RUN_POSTGRES = """
import sys, trio
from pathlib import Path
from sidereal.replication.keeping.postgres.postmaster import Embedded, launch, open_postgres

if len(sys.argv) > 2:
    launch.__file__ = sys.argv[2]

async def main():
    async with open_postgres(Embedded(Path(sys.argv[1]))) as postgres:
        print(postgres.url, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


class DatabaseServer:
    """A process that runs an embedded PostgreSQL; `url` is for this user's processes."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        command = [sys.executable, "-c", RUN_POSTGRES, str(directory), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            self.kill()
            raise RuntimeError("the embedded PostgreSQL did not start")
        self.postmaster = int((directory / "postgres/postmaster.pid").read_text().splitlines()[0])

    def kill(self) -> None:
        """End the process as `kill -9` does."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    async def create_schema(self, name: str) -> str:
        """Make an empty place for tables and return the URL that leads there."""

        async def create() -> None:
            connection = await asyncpg.connect(self.url)
            await connection.execute(f"CREATE SCHEMA {name}")
            await connection.close()

        await trio_asyncio.aio_as_trio(create)()
        return f"{self.url}&search_path={name}"


@pytest.fixture(scope="session")
def world_directory() -> Iterator[Path]:
    """A directory under one that only we may enter; its database is at rest between tests."""
    private = Path(tempfile.mkdtemp(prefix="sidereal-test-"))
    path = private / "deep" / "world"

    async def make() -> None:
        async with open_postgres(Embedded(path)):
            pass

    trio.run(make)
    yield path
    shutil.rmtree(private)


@pytest.fixture
def own_directory(world_directory: Path) -> Iterator[Path]:
    """A directory like that, for a test that leaves something in its database."""
    private = Path(tempfile.mkdtemp(prefix="sidereal-test-"))
    subprocess.run(["cp", "-a", f"{world_directory}/.", private / "world"], check=True)
    yield private / "world"
    shutil.rmtree(private)


@pytest.fixture(scope="session")
def database_server(world_directory: Path) -> Iterator[DatabaseServer]:
    """A database that runs during all tests."""
    path = Path(tempfile.mkdtemp(prefix="sidereal-test-"))
    # Copied with its owners, which is faster than made anew.
    subprocess.run(["cp", "-a", f"{world_directory}/.", str(path)], check=True)
    server = DatabaseServer(path)
    yield server
    ended = os.pidfd_open(server.postmaster)
    server.kill()
    select.select([ended], [], [], 10)
    os.close(ended)
    shutil.rmtree(path)


@pytest.fixture
def start_server() -> Iterator[Callable[..., DatabaseServer]]:
    """Starts processes that run a database; what still runs at the end is killed."""
    servers: list[DatabaseServer] = []

    def start(directory: Path, *options: str) -> DatabaseServer:
        servers.append(DatabaseServer(directory, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
async def database_url(database_server: DatabaseServer) -> str:
    """A database without tables; a schema of its own costs less than a database of its own."""
    async with trio_asyncio.open_loop():
        return await database_server.create_schema(f"test_{os.urandom(8).hex()}")
