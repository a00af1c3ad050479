"""The embedded PostgreSQL: whose child it is, when it ends, and who can reach it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import trio
import trio_asyncio

from sidereal.protocol.errors import UnavailableError
from sidereal.replication.keeping.postgres import installation, launch
from sidereal.replication.keeping.postgres.installation import (
    SystemUser,
    choose_user,
    find_programs,
)
from sidereal.replication.keeping.postgres.postmaster import (
    SOCKET_PATH_SIZE_MAX,
    Embedded,
    open_postgres,
    reach,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives PostgreSQL to others")


async def ask(url: str, query: str) -> Any:
    async def in_asyncio() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    async with trio_asyncio.open_loop():
        return await trio_asyncio.aio_as_trio(in_asyncio)()


def is_running(pid: int) -> bool:
    # Whom nobody waits for stays as a zombie, with an empty command line.
    with contextlib.suppress(OSError):
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    return False


async def wait_ended(pid: int) -> None:
    with trio.fail_after(10):
        while is_running(pid):
            await trio.sleep(0.01)


def log_lines(directory: Path) -> list[str]:
    return (directory / "postgres.log").read_text().splitlines()


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


async def test_what_is_saved_is_there_after_the_next_start(world_directory: Path) -> None:
    async with open_postgres(Embedded(world_directory)) as postgres:
        await ask(postgres.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    async with open_postgres(Embedded(world_directory)) as postgres:
        assert await ask(postgres.url, "SELECT answer FROM kept") == 42


async def test_postmaster_is_our_own_child_and_ends_with_the_context(world_directory: Path) -> None:
    async with open_postgres(Embedded(world_directory)) as postgres:
        assert parent_of(postgres.pid) == os.getpid()
        assert os.getsid(postgres.pid) != os.getsid(0), "Ctrl-C would reach it"
    assert not is_running(postgres.pid)
    assert log_lines(world_directory)[-1].endswith("database system is shut down")


async def test_cancelling_stops_it_in_order(world_directory: Path) -> None:
    with trio.CancelScope() as scope:
        async with open_postgres(Embedded(world_directory)) as postgres:
            scope.cancel()
            await trio.sleep_forever()
    assert not is_running(postgres.pid)
    assert log_lines(world_directory)[-1].endswith("database system is shut down")


async def test_defaults_are_durable(world_directory: Path) -> None:
    async with open_postgres(Embedded(world_directory)) as postgres:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await ask(postgres.url, f"SHOW {name}") == "on"
        assert await ask(postgres.url, "SHOW listen_addresses") == ""
        locale = "SELECT datlocale FROM pg_database WHERE datname = 'postgres'"
        assert await ask(postgres.url, locale) == "C.UTF-8"


async def test_error_of_the_body_comes_out_bare(world_directory: Path) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with open_postgres(Embedded(world_directory)):
            raise KeyError("mine")


async def test_kill_9_of_the_owner_ends_the_postmaster(
    world_directory: Path, start_server: Any
) -> None:
    server = start_server(world_directory)
    assert is_running(server.postmaster)
    server.kill()
    await wait_ended(server.postmaster)


async def test_postmaster_of_a_killed_owner_is_ended_before_a_new_one_starts(
    world_directory: Path, start_server: Any, tmp_path: Path
) -> None:
    server = start_server(world_directory, str(without_death_signal(tmp_path)))
    await ask(server.url, "CREATE TABLE outlived AS SELECT 42 AS answer")
    server.kill()
    assert is_running(server.postmaster)
    async with open_postgres(Embedded(world_directory)) as postgres:
        assert not is_running(server.postmaster)
        assert await ask(postgres.url, "SELECT answer FROM outlived") == 42


def without_death_signal(directory: Path) -> Path:
    """A launcher of postmasters that outlive their owner."""
    text = Path(launch.__file__).read_text()
    assert "int(DEATH_SIGNAL)" in text
    path = directory / "launch.py"
    path.write_text(text.replace("int(DEATH_SIGNAL)", "0"))
    return path


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


async def test_stale_pid_of_another_process_is_not_touched(
    world_directory: Path, stranger: subprocess.Popen[bytes]
) -> None:
    pid_file = world_directory / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{stranger.pid}\n/somewhere\n1\n5432\n.\n\n\nready\n")
    async with open_postgres(Embedded(world_directory)) as postgres:
        assert await ask(postgres.url, "SELECT 1") == 1
    assert stranger.poll() is None


async def test_who_does_not_run_a_database_can_reach_it(world_directory: Path) -> None:
    async with open_postgres(Embedded(world_directory)):
        with reach(Embedded(world_directory)) as url:
            assert await ask(url, "SELECT 1") == 1


async def test_killed_postmaster_is_started_again(world_directory: Path) -> None:
    async with open_postgres(Embedded(world_directory)) as postgres:
        first = postgres.pid
        os.kill(first, signal.SIGKILL)
        with trio.fail_after(20):
            while postgres.pid == first:
                await trio.sleep(0.01)
        assert postgres.restarts >= 1
        assert await ask(postgres.url, "SELECT 1") == 1


async def test_second_server_on_a_directory_is_refused(world_directory: Path) -> None:
    async with open_postgres(Embedded(world_directory)):
        with pytest.raises(
            UnavailableError, match=rf"in use by process {os.getpid()}: .*--data-dir"
        ):
            async with open_postgres(Embedded(world_directory)):
                pass


async def test_path_too_long_for_a_socket_works(world_directory: Path) -> None:
    long = world_directory / ("x" * SOCKET_PATH_SIZE_MAX)
    long.mkdir()
    with elsewhere(world_directory / "postgres", long / "postgres"):
        async with open_postgres(Embedded(long)) as postgres:
            assert await ask(postgres.url, "SELECT 1") == 1


@contextlib.contextmanager
def elsewhere(here: Path, there: Path) -> Iterator[None]:
    here.rename(there)
    try:
        yield
    finally:
        there.rename(here)


async def test_file_in_place_of_the_directory_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match=r"no database can be kept in .*--data-dir"):
        async with open_postgres(Embedded(tmp_path / "file")):
            pass


async def test_database_of_another_version_is_refused(world_directory: Path) -> None:
    version = world_directory / "postgres" / "PG_VERSION"
    version.write_text("9\n")
    try:
        with pytest.raises(UnavailableError, match=r"of PostgreSQL 9, this is 18: .*--data-dir"):
            async with open_postgres(Embedded(world_directory)):
                pass
    finally:
        version.write_text("18\n")


async def test_database_that_does_not_start_says_why(world_directory: Path, tmp_path: Path) -> None:
    with (
        elsewhere(world_directory / "postgres" / "global" / "pg_control", tmp_path / "pg_control"),
        pytest.raises(UnavailableError, match=r"did not start: it ended: .*pg_control"),
    ):
        async with open_postgres(Embedded(world_directory)):
            pass


# -- run by root -----------------------------------------------------------------------------


@pytest.fixture
def private_directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sidereal-test-") as path:
        assert Path(path).stat().st_mode & 0o777 == 0o700
        yield Path(path)


@needs_root
async def test_root_runs_it_as_another_account_in_a_private_directory(
    world_directory: Path,
) -> None:
    private = world_directory.parents[1]
    assert mode_of(private) == 0o700
    async with open_postgres(Embedded(world_directory)) as postgres:
        status = status_of(postgres.pid)
        assert "0" not in status["Uid"].split()
        assert int(status["CapEff"], 16) == 0
    assert mode_of(private) == 0o700


@needs_root
def test_programs_in_a_private_directory_are_published_not_opened(
    private_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    user = choose_user(private_directory / "none")
    programs = find_programs()
    site = private_directory / "site-packages"
    (site / installation.PACKAGE).mkdir(parents=True)
    for name in (f"{installation.PACKAGE}/pginstall18", f"{installation.PACKAGE}.libs"):
        source = programs.parents[2] / name
        subprocess.run(["cp", "-al", str(source), str(site / name)], check=True)
    copied = site / programs.relative_to(programs.parents[2])
    modes = {path: path.stat().st_mode for path in private_directory.rglob("*")}

    with tempfile.TemporaryDirectory(prefix="sidereal-test-") as name:
        public = Path(name)
        public.chmod(0o755)
        found = installation.reachable_programs(copied, user, [name])
        assert found.is_relative_to(public)
        run_as(user, [str(found / "postgres"), "--version"])
        run_as(user, [str(found / "initdb"), "--version"])
        again = installation.reachable_programs(copied, user, [name])
        assert again == found
        (found / "initdb").unlink()
        assert installation.reachable_programs(copied, user, [name]) == found
        run_as(user, [str(found / "initdb"), "--version"])
        assert len(list(public.iterdir())) == 1, "nothing half-made is left"

    assert modes == {path: path.stat().st_mode for path in private_directory.rglob("*")}
    assert private_directory.stat().st_mode & 0o777 == 0o700


@needs_root
def test_no_place_for_the_programs_is_told_in_words(private_directory: Path) -> None:
    programs = private_directory / "pginstall18" / "bin"
    programs.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (programs / name).touch(mode=0o700)
    user = SystemUser("postgres", 1, 1, switch=True)
    with pytest.raises(UnavailableError, match=r"user postgres can't reach .*--database"):
        installation.reachable_programs(programs, user, [str(private_directory)])


def run_as(user: SystemUser, command: list[str]) -> None:
    subprocess.run(
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        cwd="/",
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("postgres", "file"),
        ("postgres", "dangling link"),
        ("postgres.new", "file"),
        ("postgres.lock", "directory"),
        ("postgres.log", "directory"),
    ],
)
async def test_what_is_in_the_way_is_named(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if kind == "directory":
        path.mkdir()
    elif kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UnavailableError, match="--data-dir") as caught:
        async with open_postgres(Embedded(tmp_path)):
            pass
    assert str(caught.value).startswith(f"{path} is in the way: ")
    assert [path.name] == os.listdir(tmp_path), "nothing was touched"


async def test_a_directory_without_a_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    if os.geteuid() == 0:
        user = choose_user(tmp_path / "nowhere")
        os.chown(tmp_path / "postgres", user.uid, user.gid)
    with pytest.raises(UnavailableError, match="postgres holds no database"):
        async with open_postgres(Embedded(tmp_path)):
            pass


async def test_variables_about_other_servers_say_nothing_about_the_embedded_one(
    world_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGHOST": "nowhere.invalid",
        "PGPORT": "none",
        "PGUSER": "nobody",
        "PGDATABASE": "none",
        "PGPASSFILE": "/nonexistent",
        "PGSSLMODE": "verify-full",
        "PGSSLNEGOTIATION": "none",
        "PGTARGETSESSIONATTRS": "standby",
        "PGGSSLIB": "none",
    }.items():
        monkeypatch.setenv(name, value)
    async with open_postgres(Embedded(world_directory)) as postgres:
        assert await ask(postgres.url, "SELECT 1") == 1
