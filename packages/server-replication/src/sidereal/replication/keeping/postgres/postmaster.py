"""An embedded PostgreSQL: a real server whose postmaster is our own child process.

Theory of operation. A world's directory holds `postgres/` (the database), `postgres.log` and
`postgres.lock`. The lock says who runs the database, so two servers never share one. Whoever holds
it may end a postmaster that a killed predecessor left behind.

The postmaster runs in the database directory and knows it as `/proc/self/cwd`, which needs no
permission on the directories above: so the world may lie where the unprivileged user that runs
PostgreSQL for root cannot go, and those directories stay as private as they were. Its socket lies
in there too, and admits only the user of the operating system that we are.

The postmaster ends with us in any case: by an orderly fast shutdown when the context closes, by a
death signal when we are killed. When it ends by itself it is started again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import urllib.parse
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trio

from sidereal.protocol.errors import UnavailableError
from sidereal.replication.ending import (
    POSTMASTER_FAST_S_MAX,
    POSTMASTER_IMMEDIATE_S_MAX,
    POSTMASTER_KILLED_S_MAX,
)
from sidereal.replication.keeping.postgres import launch
from sidereal.replication.keeping.postgres.directory import check_files, locked, usable
from sidereal.replication.keeping.postgres.installation import (
    VERSION,
    SystemUser,
    choose_user,
    current_user_name,
    find_programs,
    reachable_programs,
)

ROLE: Final = "sidereal"
SOCKET_NAME: Final = ".s.PGSQL.5432"
SOCKET_PATH_SIZE_MAX: Final = 107
START_S_MAX: Final = 60.0
"""How long recovery from the log may take before a start counts as failed."""
RESTART_S: Final = (0.1, 0.5, 2.0, 5.0)
"""Pauses before the postmaster is started again; the last one repeats."""
STOP_STEPS: Final = (
    (signal.SIGINT, POSTMASTER_FAST_S_MAX),
    (signal.SIGQUIT, POSTMASTER_IMMEDIATE_S_MAX),
    (signal.SIGKILL, POSTMASTER_KILLED_S_MAX),
)
POLL_S: Final = 0.01
LOG_SIZE_MAX: Final = 1 << 22
"""A start begins a new log when the old one is larger."""

_DATA_BY_PROC: Final = "/proc/self/cwd"
_ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_SETTINGS: Final = (
    "listen_addresses=",
    "unix_socket_directories=.",
    "fsync=on",
    "jit=off",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_checkpoints=off",
    # Each connection keeps what its batches ever needed at once, up to this.
    "temp_buffers=1MB",
    "client_connection_check_interval=500ms",
)

_OPTIONS: Final = {
    "port": SOCKET_NAME.rpartition(".")[2],
    "sslmode": "disable",
    "sslnegotiation": "postgres",
    "target_session_attrs": "any",
    "gsslib": "gssapi",
}
"""All that clients would read of PGPORT, PGSSLMODE and so on: those are about other servers."""

_log = logging.getLogger("sidereal.postgres")


@dataclass(frozen=True, slots=True)
class Embedded:
    """Where an embedded database lives; the directory is made when it does not exist."""

    directory: Path


class Postgres:
    """A running embedded database.

    Attributes:
        url: for clients in this process, of the same user of the operating system.
        pid: of the postmaster; another one after a restart.
        restarts: how often it ended by itself and was started again.
    """

    def __init__(self, data: Path, url: str, user: SystemUser, programs: Path) -> None:
        self.url = url
        self.pid = 0
        self.restarts = 0
        self._data = data
        self._user = user
        self._programs = programs
        self._log_start = 0

    async def _supervise(self, task_status: trio.TaskStatus[None]) -> None:
        # The postmaster's death signal is tied to the thread that started it, so it is started
        # from this one: Trio's own open_process would use a thread that ends when idle.
        while True:
            process = self._spawn()
            try:
                await self._wait_ready(process)
                self.pid = process.pid
                if self.restarts == 0:
                    task_status.started()
                await _wait_exit(process)
            except UnavailableError as error:
                if self.restarts == 0:
                    raise
                _log.warning("postgres not_restarted restarts=%d why=%r", self.restarts, str(error))
            finally:
                with trio.CancelScope(shield=True):
                    await _stop_child(process)
            pause = RESTART_S[min(self.restarts, len(RESTART_S) - 1)]
            self.restarts += 1
            _log.warning("postgres ended status=%s restart_in_s=%s", process.returncode, pause)
            await trio.sleep(pause)

    def _spawn(self) -> subprocess.Popen[bytes]:
        for stale in ("postmaster.pid", SOCKET_NAME, f"{SOCKET_NAME}.lock"):
            (self._data / stale).unlink(missing_ok=True)
        switch = self._user.switch
        command = [sys.executable, "-I", "-S", launch.__file__]
        command += [str(self._user.uid if switch else launch.UNCHANGED), str(self._user.gid)]
        command += [str(os.getpid()), str(self._programs / "postgres"), "-D", _own_name(self._data)]
        for setting in (*_SETTINGS, _signature(self._data)):
            command += ["-c", setting]
        with _open_log(self._data) as log:
            self._log_start = os.fstat(log).st_size
            # A session of its own: Ctrl-C at the terminal is for us, we say when the database ends.
            return subprocess.Popen(
                command,
                cwd=self._data,
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        with trio.move_on_after(START_S_MAX):
            await _wait_until(lambda: process.poll() is not None or self._is_ready(process.pid))
            if process.poll() is None:
                return
        why = "it is not ready" if process.poll() is None else "it ended"
        words = _last_words(self._data, self._log_start)
        raise UnavailableError(
            f"the embedded PostgreSQL did not start: {why}: {words} (see {_log_path(self._data)})"
        )

    def _is_ready(self, pid: int) -> bool:
        lines = _read_lines(self._data / "postmaster.pid")
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


@contextmanager
def reach(embedded: Embedded) -> Iterator[str]:
    """Give the URL of an embedded database, whichever process of this user runs it.

    Raises:
        UnavailableError: its path is too long.
    """
    with _socket_host(embedded.directory.resolve() / "postgres") as host:
        options = urllib.parse.urlencode({"host": host, **_OPTIONS})
        yield f"postgresql://{ROLE}@/postgres?{options}"


@asynccontextmanager
async def open_postgres(embedded: Embedded) -> AsyncIterator[Postgres]:
    """Run PostgreSQL on a directory while the context is open.

    Raises:
        UnavailableError: it cannot be run there; the message says why and what to do.
    """
    directory = embedded.directory.resolve()
    data = directory / "postgres"
    check_files(directory)
    with usable(directory), locked(directory):
        user = choose_user(data)
        programs = reachable_programs(find_programs(), user)
        await _end_stale(data)
        if not data.exists():
            await _initialise(data, user, programs)
        _check_version(data)
        with reach(embedded) as url:
            postgres = Postgres(data, url, user, programs)
            with bare_errors():
                async with trio.open_nursery() as nursery:
                    await nursery.start(postgres._supervise)
                    _log.info("postgres ready pid=%d user=%s", postgres.pid, user.name)
                    yield postgres
                    nursery.cancel_scope.cancel()


@contextmanager
def bare_errors() -> Iterator[None]:
    """Unpack an error that a nursery has wrapped in groups although it is the only one."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        raise error from error.__cause__


async def _end_stale(data: Path) -> None:
    lines = _read_lines(data / "postmaster.pid")
    if not lines or not lines[0].strip().isdigit():
        return
    pid = int(lines[0])
    for number, patience_s in STOP_STEPS:
        if not _is_postmaster(pid, data):
            return
        _log.warning("postgres stale pid=%d signal=%s", pid, number.name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        with trio.move_on_after(patience_s):
            await _wait_until(lambda: not _is_postmaster(pid, data))
    if _is_postmaster(pid, data):
        raise UnavailableError(
            f"a PostgreSQL of an earlier run (process {pid}) does not end: kill it, then try again"
        )


def _is_postmaster(pid: int, data: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        if sys.platform == "linux":
            return False
        listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True)
        command = listed.stdout
    return _signature(data).encode() in command


def _signature(data: Path) -> str:
    # A placeholder setting: on the command line it tells whose postmaster this is.
    return f"sidereal.database={data}"


async def _initialise(data: Path, user: SystemUser, programs: Path) -> None:
    staging = data.with_name("postgres.new")
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(mode=0o700)
    command = [str(programs / "initdb"), "-D", _own_name(staging), "-U", ROLE, "--auth=peer"]
    command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
    command += ["--builtin-locale=C.UTF-8", "--no-instructions"]
    if user.switch:
        os.chown(staging, user.uid, user.gid)
    done = await trio.run_process(
        command,
        cwd=staging,
        env=_ENVIRONMENT,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        user=user.uid if user.switch else None,
        group=user.gid if user.switch else None,
        extra_groups=[] if user.switch else None,
    )
    if done.returncode != 0:
        words = (done.stderr.decode(errors="replace").strip().splitlines() or ["no words"])[-1]
        raise UnavailableError(f"the embedded PostgreSQL could not be made in {data}: {words}")
    _write(staging / "pg_hba.conf", f"local all {ROLE} peer map=sidereal\n")
    _admit(staging)
    staging.rename(data)


def _admit(data: Path) -> None:
    name = current_user_name().replace('"', '""')
    _write(data / "pg_ident.conf", f'sidereal "{name}" {ROLE}\n')


def _write(path: Path, text: str) -> None:
    # The directory belongs to another user: its links are not followed.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "w") as file:
        file.write(text)


def _check_version(data: Path) -> None:
    found = "".join(_read_lines(data / "PG_VERSION"))
    if found != str(VERSION):
        what = f"a database of PostgreSQL {found}, this is {VERSION}" if found else "no database"
        raise UnavailableError(
            f"{data} holds {what}: move it away, or choose another directory with --data-dir"
        )
    _admit(data)


@contextmanager
def _socket_host(data: Path) -> Iterator[str]:
    if len(os.fsencode(data / SOCKET_NAME)) <= SOCKET_PATH_SIZE_MAX:
        yield str(data)
        return
    if sys.platform != "linux":
        raise UnavailableError(f"{data} is too long a path: choose a shorter one with --data-dir")
    descriptor = os.open(data, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


async def _stop_child(process: subprocess.Popen[bytes]) -> None:
    for number, patience_s in STOP_STEPS:
        if process.poll() is not None:
            return
        process.send_signal(number)
        with trio.move_on_after(patience_s):
            await _wait_exit(process)


async def _wait_exit(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "linux":
        descriptor = os.pidfd_open(process.pid)
        try:
            await trio.lowlevel.wait_readable(descriptor)
        finally:
            os.close(descriptor)
    await _wait_until(lambda: process.poll() is not None)


async def _wait_until(reached: Callable[[], bool]) -> None:
    # Another process's file or life: there is nothing to be woken by.
    while not reached():
        await trio.sleep(POLL_S)


def _own_name(data: Path) -> str:
    return _DATA_BY_PROC if sys.platform == "linux" else str(data)


def _log_path(data: Path) -> Path:
    return data.with_name("postgres.log")


@contextmanager
def _open_log(data: Path) -> Iterator[int]:
    path = _log_path(data)
    if path.exists() and path.stat().st_size > LOG_SIZE_MAX:
        path.rename(path.with_suffix(".log.1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _last_words(data: Path, start: int) -> str:
    """Give the most telling line that was logged since a start, which began at this byte."""
    with contextlib.suppress(OSError), _log_path(data).open("rb") as log:
        log.seek(max(start, os.fstat(log.fileno()).st_size - (1 << 14)))
        lines = log.read().decode(errors="replace").splitlines()
        telling = [line for line in lines if "FATAL" in line or "PANIC" in line] or lines
        if telling:
            return telling[-1].strip()
    return "no words"


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
