"""Fixtures of the database: one embedded PostgreSQL for all tests, a fresh database for each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import trio_asyncio

RUN_POSTGRES = """
import sys, trio
from pathlib import Path
from sidereal.replication.postgres import Embedded, open_postgres

async def main():
    async with open_postgres(Embedded(Path(sys.argv[1]))) as postgres:
        print(postgres.url, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


class DatabaseServer:
    """A process that runs an embedded PostgreSQL; `url` is for this user's processes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN_POSTGRES, str(directory)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, "the embedded PostgreSQL did not start"
        self.postmaster = int((directory / "postgres/postmaster.pid").read_text().splitlines()[0])

    def kill(self) -> None:
        """End the process as `kill -9` does."""
        self.process.kill()
        self.process.communicate()

    async def create_database(self, name: str) -> str:
        """Make an empty database and return its URL."""

        async def create() -> None:
            connection = await asyncpg.connect(self.url)
            await connection.execute(f'CREATE DATABASE "{name}"')
            await connection.close()

        await trio_asyncio.aio_as_trio(create)()
        return self.url.replace("/postgres?", f"/{name}?")


@pytest.fixture
def world_directory() -> Iterator[Path]:
    """A directory with a short path that nobody else may enter."""
    path = Path(tempfile.mkdtemp(prefix="sidereal-test-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def database_server() -> Iterator[DatabaseServer]:
    path = Path(tempfile.mkdtemp(prefix="sidereal-test-"))
    server = DatabaseServer(path)
    yield server
    server.kill()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
async def database_url(database_server: DatabaseServer) -> str:
    """A database of this test alone."""
    async with trio_asyncio.open_loop():
        return await database_server.create_database(f"test_{os.urandom(8).hex()}")
