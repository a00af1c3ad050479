"""What on this machine would stop a command of Sidereal, and the remedy.

Each check looks at one thing and says in a row what it found. What `sidereal up` cannot do without
fails; what only a face or comfort needs warns.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from sidereal.client.front import preflight
from sidereal.protocol import limits
from sidereal.protocol.errors import UnavailableError
from sidereal.protocol.ids import Address
from sidereal.protocol.runtime.config import STOP_IT, format_endpoint, say_in_use
from sidereal.replication.keeping.postgres.directory import check_files
from sidereal.replication.keeping.postgres.installation import (
    REMEDY,
    SystemUser,
    choose_user,
    find_programs,
    reachable_programs,
)

PYTHON_FROM: Final = (3, 11)
PYTHON_BELOW: Final = (3, 14)
TERMINAL_SIZE_MIN: Final = (84, 24)
DISK_FREE_MIN: Final = 500_000_000
DISK_FREE_NEEDED: Final = 100_000_000
"""A new database takes about half of it."""
PROGRAM_S_MAX: Final = 10.0


class State(enum.Enum):
    """What a check found."""

    OK = "ok"
    WARN = "warn"
    """A face, or comfort, is missing."""
    FAIL = "fail"
    """`sidereal up` cannot run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row.

    Attributes:
        name: what was looked at.
        detail: what was found.
        remedy: what to do about it, empty where nothing is wrong.
    """

    name: str
    state: State
    detail: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Give the row for scripts."""
        return {
            "name": self.name,
            "state": self.state.value,
            "detail": self.detail,
            "remedy": self.remedy,
        }


@dataclass(frozen=True, slots=True)
class Plan:
    """What `sidereal up` would be started with."""

    data_dir: Path
    http: Address
    clients: Address
    shards: Address


def examine(plan: Plan) -> Iterator[Finding]:
    """Look at everything, one row after the other."""
    yield check_python(sys.version_info[:3])
    yield check_uv(shutil.which("uv"))
    yield check_postgres(plan.data_dir / "postgres")
    yield check_data_dir(plan.data_dir)
    yield check_tcp_port("HTTP port", plan.http, "--http 127.0.0.1:0")
    yield check_udp_port("client port", plan.clients, "--client-port 0")
    yield check_udp_port("shard port", plan.shards, "--shard-port 0")
    yield check_udp_buffer()
    yield check_graphics("OpenGL", headless=True)
    yield check_graphics("window", headless=False)
    size = shutil.get_terminal_size()
    yield check_terminal(sys.stdout, os.environ, (size.columns, size.lines))


def check_python(version: tuple[int, ...]) -> Finding:
    """Is this a Python that Sidereal is tested on?"""
    shown = f"{'.'.join(map(str, version))} on {platform.system()} {platform.machine()}"
    if PYTHON_FROM <= version[:2] < PYTHON_BELOW:
        return Finding("Python", State.OK, shown)
    return Finding(
        "Python", State.FAIL, f"{shown}; 3.11 to 3.13 is needed", "uv python install 3.13"
    )


def check_uv(path: str | None) -> Finding:
    """Is uv here?"""
    if path is not None:
        return Finding("uv", State.OK, path)
    remedy = "https://docs.astral.sh/uv/getting-started/installation/"
    return Finding("uv", State.WARN, "not found; `uv run sidereal` needs it", remedy)


def check_postgres(
    data: Path,
    find: Callable[[], Path] = find_programs,
    choose: Callable[[Path], SystemUser] = choose_user,
) -> Finding:
    """Are PostgreSQL's programs here, and a user that may run them?

    Args:
        data: the database directory, which need not exist.
        find: finds the programs.
        choose: finds the user.
    """
    try:
        user = choose(data)
        programs = reachable_programs(find(), user)
    except (UnavailableError, OSError) as error:
        text, _, remedy = str(error).rpartition(": ")
        return Finding("PostgreSQL", State.FAIL, text or remedy, remedy if text else REMEDY)
    switch: dict[str, Any] = (
        {"user": user.uid, "group": user.gid, "extra_groups": []} if user.switch else {}
    )
    try:
        ran = subprocess.run(
            [programs / "postgres", "--version"],
            cwd="/",
            env={},
            capture_output=True,
            text=True,
            timeout=PROGRAM_S_MAX,
            check=False,
            **switch,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("PostgreSQL", State.FAIL, f"does not start: {error}", REMEDY)
    if ran.returncode:
        said = (ran.stderr.strip().splitlines() or [f"status {ran.returncode}"])[-1]
        return Finding("PostgreSQL", State.FAIL, f"does not start: {said}", REMEDY)
    version = ran.stdout.strip().rpartition(" ")[2]
    return Finding("PostgreSQL", State.OK, f"{version}, embedded, run by {user.name}")


def check_data_dir(directory: Path) -> Finding:
    """Can the world be kept there?"""
    name, shown = "data directory", f"{directory}"
    otherwise = "choose another with --data-dir"
    try:
        existing = next(p for p in (directory, *directory.absolute().parents) if p.exists())
        # Only trying tells: root may "write" in /proc, and a full disk has no flag.
        with tempfile.TemporaryDirectory(prefix=".sidereal-doctor-", dir=existing):
            free = shutil.disk_usage(existing).free
        check_files(directory)
    except OSError as error:
        return Finding(name, State.FAIL, f"{shown} can't be used: {error.strerror}", otherwise)
    except UnavailableError as error:
        text, _, remedy = str(error).partition("; ")
        return Finding(name, State.FAIL, text, remedy)
    if free < DISK_FREE_MIN:
        state = State.WARN if free >= DISK_FREE_NEEDED else State.FAIL
        return Finding(
            name, state, f"{shown}, {free / 1e6:.0f} MB free", f"make room, or {otherwise}"
        )
    return Finding(name, State.OK, f"{shown}, {free / 1e9:.0f} GB free")


def check_tcp_port(name: str, address: Address, otherwise: str) -> Finding:
    """Is that TCP port free?"""
    return _check_port(name, address, socket.SOCK_STREAM, otherwise)


def check_udp_port(name: str, address: Address, otherwise: str) -> Finding:
    """Is that UDP port free?"""
    return _check_port(name, address, socket.SOCK_DGRAM, otherwise)


def _check_port(name: str, address: Address, kind: socket.SocketKind, otherwise: str) -> Finding:
    protocol = "TCP" if kind is socket.SOCK_STREAM else "UDP"
    shown = f"{protocol} {format_endpoint(address)}"
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, kind) as probe:
            if kind is socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
            if kind is socket.SOCK_STREAM:
                probe.listen(1)
    except OSError as error:
        remedy = f"choose another port with up {otherwise}"
        if error.errno == errno.EADDRINUSE:
            remedy = f"{STOP_IT}, or {remedy}"
            return Finding(name, State.FAIL, say_in_use(protocol, address), remedy)
        reason = (error.strerror or str(error)).lower()
        return Finding(name, State.FAIL, f"{shown}: {reason}", remedy)
    return Finding(name, State.OK, f"{shown} is free")


def check_udp_buffer() -> Finding:
    """Does the system grant a receive buffer that holds a burst of datagrams?"""
    wanted = limits.SOCKET_BUFFER_SIZE
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        if hasattr(os, "geteuid") and os.geteuid() == 0 and sys.platform == "linux":
            with contextlib.suppress(PermissionError):
                probe.setsockopt(socket.SOL_SOCKET, 33, wanted)  # SO_RCVBUFFORCE
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
        granted = probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    if granted >= wanted:
        return Finding("UDP buffer", State.OK, f"{granted // 1024} KiB")
    return Finding(
        "UDP buffer",
        State.WARN,
        f"{granted // 1024} KiB of {wanted // 1024}; bursts of many clients lose datagrams",
        f"sudo sysctl net.core.rmem_max={wanted} net.core.wmem_max={wanted}",
    )


def check_graphics(
    name: str, *, headless: bool, check: Callable[[bool], None] = preflight.check
) -> Finding:
    """Can the debug client draw, off screen or in a window?"""
    command = "sidereal view --headless" if headless else "sidereal view"
    try:
        check(headless)
    except UnavailableError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        remedy = lines[1] if len(lines) > 1 else ""
        return Finding(name, State.WARN, lines[0], remedy)
    return Finding(name, State.OK, f"`{command}` can draw")


def check_terminal(stream: TextIO, environ: Mapping[str, str], size: tuple[int, int]) -> Finding:
    """Can the monitor draw here?

    Args:
        stream: standard output.
        environ: as `os.environ`.
        size: columns and lines.
    """
    name, kind = "terminal", environ.get("TERM", "")
    if not stream.isatty():
        return Finding(
            name,
            State.WARN,
            "standard output is not a terminal; the monitor prints one plain frame",
            "run `sidereal monitor` in a terminal",
        )
    if kind in ("", "dumb"):
        remedy = "export TERM=xterm-256color"
        return Finding(name, State.WARN, f"TERM is {kind!r}: no colours, no cursor", remedy)
    if "utf" not in (stream.encoding or "").lower():
        remedy = "export LANG=C.UTF-8"
        return Finding(name, State.WARN, f"{stream.encoding} has no box characters", remedy)
    shown = f"{kind}, {size[0]}×{size[1]}"
    if size[0] < TERMINAL_SIZE_MIN[0] or size[1] < TERMINAL_SIZE_MIN[1]:
        least = "×".join(map(str, TERMINAL_SIZE_MIN))
        return Finding(name, State.WARN, shown, f"make it {least} or larger for the monitor")
    depth = environ.get("COLORTERM", "")
    if depth not in ("truecolor", "24bit"):
        return Finding(name, State.OK, f"{shown}, colours of TERM")
    return Finding(name, State.OK, f"{shown}, {depth}")


def describe(findings: Iterable[Finding]) -> dict[str, Any]:
    """Give everything as JSON; `ok` says whether `sidereal up` can run."""
    rows = list(findings)
    return {
        "ok": all(finding.state is not State.FAIL for finding in rows),
        "checks": [finding.as_json() for finding in rows],
    }
