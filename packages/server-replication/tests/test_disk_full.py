"""A disk that is full, really: a small file system in memory, and a file that fills it."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trio
from authority_rig import make_core
from drifters import GAME, drifter

from sidereal.protocol.errors import StoreError
from sidereal.replication.keeping import saver as saver_module
from sidereal.replication.keeping.postgres.postmaster import Embedded
from sidereal.replication.keeping.saver import Saver
from sidereal.replication.keeping.store import open_store
from sidereal.replication.limits import LIMITS
from sidereal.replication.replicator import Replicator

DISK_SIZE = "160m"
ROCKS = 4000
DEADLINE_S = 60.0


@pytest.fixture
def small_disk(world_directory: Path) -> Iterator[Path]:
    """A directory on a small file system of its own, with a database at rest in it."""
    path = Path(tempfile.mkdtemp(prefix="sidereal-test-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE},mode=755", "tmpfs", path],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        path.rmdir()
        pytest.skip(f"only root may mount a file system: {mounted.stderr.strip()}")
    subprocess.run(["cp", "-a", f"{world_directory}/.", path / "world"], check=True)
    yield path
    subprocess.run(["umount", "-l", path], check=True)
    path.rmdir()


def fill(path: Path) -> None:
    """Write until there is no room left."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))


def make_rocks() -> Replicator:
    core = make_core(trio.current_time(), np.random.default_rng(1))
    core.create(np.repeat(drifter("rock"), ROCKS))
    return core


async def test_a_full_disk_is_not_ready_and_heals_when_there_is_room(small_disk: Path) -> None:
    filler = small_disk / "filler"
    async with open_store(Embedded(small_disk / "world"), GAME) as store:
        await store.begin("ours", "a test")
        core = make_rocks()
        saver = Saver(core, store, lambda _ms: None)
        rows = core.world.columns.rows()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(saver.run)
            with trio.fail_after(DEADLINE_S):
                while saver.behind or core.saving.depth:
                    await trio.sleep(0.01)
                fill(filler)
                # The log of the database has room that was set aside, so writes go on for a while.
                while not (saver.behind and not store.statistics().available):
                    core.world.mark(rows, core.tick)
                    await trio.sleep(0.01)
            assert saver.unsaved_s > LIMITS.keeping.unsaved_s
            assert store.statistics().reason != ""
            filler.unlink()
            with trio.fail_after(DEADLINE_S):
                while saver.behind or core.saving.depth:
                    await trio.sleep(0.01)
            assert store.statistics().available
            nursery.cancel_scope.cancel()
        assert len((await store.load_world()).rows) == ROCKS
        assert await saver.finish() == 0


async def test_what_a_full_disk_did_not_take_is_counted_at_the_end(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saver_module, "SAVE_S_MAX", 1.0)
    async with open_store(Embedded(small_disk / "world"), GAME) as store:
        await store.begin("ours", "a test")
        core = make_rocks()
        saver = Saver(core, store, lambda _ms: None)
        fill(small_disk / "filler")
        rows = core.world.columns.rows()
        with trio.fail_after(DEADLINE_S):
            with contextlib.suppress(StoreError):
                while (await saver.save_once())[0]:
                    core.world.mark(rows, core.tick)
            core.world.mark(rows, core.tick)
            assert await saver.finish() == ROCKS
        (small_disk / "filler").unlink()
