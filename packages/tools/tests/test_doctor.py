"""The doctor: each check with what it looks at replaced, and real sockets for ports."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from sidereal.protocol.errors import ConfigError, UnavailableError
from sidereal.protocol.ids import Address
from sidereal.replication.keeping.postgres.installation import SystemUser
from sidereal.tools import doctor
from sidereal.tools.commands.doctor import doctor as command
from sidereal.tools.commands.doctor import row, verdict
from sidereal.tools.doctor import Finding, State

OURSELVES = SystemUser("us", os.geteuid(), os.getegid(), switch=False)


class Screen(io.StringIO):
    """A standard output that is a terminal, or is not."""

    def __init__(self, terminal: bool = True, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal, self._encoding = terminal, encoding

    def isatty(self) -> bool:
        return self._terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


def programs_that(directory: Path, script: str) -> Path:
    """A directory with a `postgres` that runs a shell script."""
    postgres = directory / "postgres"
    postgres.write_text(f"#!/bin/sh\n{script}\n")
    postgres.chmod(postgres.stat().st_mode | stat.S_IXUSR)
    return directory


@pytest.mark.parametrize(
    ("version", "state"),
    [((3, 10, 9), "fail"), ((3, 11, 0), "ok"), ((3, 13, 5), "ok"), ((3, 14, 0), "fail")],
)
def test_python_is_one_that_is_supported(version: tuple[int, ...], state: str) -> None:
    finding = doctor.check_python(version)
    assert finding.state.value == state
    assert bool(finding.remedy) == (state == "fail")


def test_uv_is_comfort() -> None:
    assert doctor.check_uv("/usr/bin/uv").state is State.OK
    assert doctor.check_uv(None).state is State.WARN


def test_postgres_that_runs_is_fine(tmp_path: Path) -> None:
    programs = programs_that(tmp_path, "echo postgres '(PostgreSQL)' 18.4")
    finding = doctor.check_postgres(tmp_path / "data", lambda: programs, lambda _: OURSELVES)
    assert finding.state is State.OK
    assert finding.detail == "18.4, embedded, run by us"


def test_postgres_that_does_not_start_fails_with_its_own_words(tmp_path: Path) -> None:
    programs = programs_that(tmp_path, "echo libicu is missing >&2; exit 127")
    finding = doctor.check_postgres(tmp_path / "data", lambda: programs, lambda _: OURSELVES)
    assert finding.state is State.FAIL
    assert "libicu is missing" in finding.detail
    assert "--database URL" in finding.remedy


def test_no_user_for_postgres_fails_with_the_remedy(tmp_path: Path) -> None:
    def choose(_: Path) -> SystemUser:
        raise UnavailableError("there is no user: start Sidereal as an ordinary user")

    finding = doctor.check_postgres(tmp_path, lambda: tmp_path, choose)
    assert finding.state is State.FAIL
    assert finding.detail == "there is no user"
    assert finding.remedy == "start Sidereal as an ordinary user"


def test_data_directory_need_not_exist_but_must_be_possible(tmp_path: Path) -> None:
    assert doctor.check_data_dir(tmp_path / "a" / "b").state is State.OK
    (tmp_path / "file").write_text("")
    assert doctor.check_data_dir(tmp_path / "file" / "b").state is State.FAIL


def test_data_directory_that_nothing_can_be_written_to_fails() -> None:
    finding = doctor.check_data_dir(Path("/proc/nope"))
    assert finding.state is State.FAIL
    assert finding.detail == "/proc/nope can't be used: No such file or directory"
    assert "--data-dir" in finding.remedy


@pytest.mark.parametrize(
    ("free", "state"), [(0, "fail"), (99_000_000, "fail"), (200_000_000, "warn"), (10**9, "ok")]
)
def test_data_directory_needs_room(
    free: int, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert doctor.check_data_dir(tmp_path / "world").state.value == state
    assert not list(tmp_path.iterdir())


def test_data_directory_with_something_else_in_it_fails_and_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "postgres").write_text("")
    finding = doctor.check_data_dir(tmp_path)
    assert finding.state is State.FAIL
    assert finding.detail.startswith(f"{tmp_path / 'postgres'} is in the way: ")
    assert finding.remedy.startswith("move it away")


async def test_a_port_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--shard-port is .* the port must be 0 to 65535"):
        await command(shard_port=70_000)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_port_that_is_taken_fails_and_names_a_way_out(kind: socket.SocketKind) -> None:
    check = doctor.check_tcp_port if kind is socket.SOCK_STREAM else doctor.check_udp_port
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen(1)
        address = Address(*taken.getsockname())
        finding = check("port", address, "--port 0")
        assert finding.state is State.FAIL
        name = "TCP" if kind is socket.SOCK_STREAM else "UDP"
        assert finding.detail == f"{name} port {address.port} on 127.0.0.1 is in use"
        stop_it = "stop what uses it (perhaps a world that runs already)"
        assert finding.remedy == f"{stop_it}, or choose another port with up --port 0"
    assert check("port", address, "--port 0").state is State.OK


def test_missing_graphics_warn_with_the_packages() -> None:
    def check(headless: bool) -> None:
        raise UnavailableError("this machine lacks libegl1.\n  Debian/Ubuntu:  apt-get x\n  more")

    finding = doctor.check_graphics("OpenGL", headless=True, check=check)
    assert finding.state is State.WARN
    assert finding.remedy == "Debian/Ubuntu:  apt-get x"
    assert doctor.check_graphics("OpenGL", headless=True, check=lambda _: None).state is State.OK


@pytest.mark.parametrize(
    ("stream", "term", "size", "state", "part"),
    [
        (Screen(), "xterm", (130, 34), "ok", "130×34"),
        (Screen(), "xterm", (60, 20), "warn", "60×20"),
        (Screen(), "dumb", (130, 34), "warn", "TERM"),
        (Screen(terminal=False), "xterm", (130, 34), "warn", "not a terminal"),
        (Screen(encoding="latin-1"), "xterm", (130, 34), "warn", "latin-1"),
    ],
)
def test_terminal_is_judged_by_what_the_monitor_needs(
    stream: Screen, term: str, size: tuple[int, int], state: str, part: str
) -> None:
    finding = doctor.check_terminal(stream, {"TERM": term}, size)
    assert finding.state.value == state
    assert part in finding.detail


def test_only_what_up_needs_makes_it_fail() -> None:
    warned = [Finding("a", State.OK, ""), Finding("b", State.WARN, "", "do")]
    assert doctor.describe(warned)["ok"]
    assert verdict(warned).plain == "`sidereal up` can run; less than all: b"
    failed = [*warned, Finding("c", State.FAIL, "is broken", "mend it")]
    assert not doctor.describe(failed)["ok"]
    assert verdict(failed).plain == "`sidereal up` can't run: c"
    assert "→ mend it" in row(failed[-1]).plain


async def test_taken_port_ends_the_command_with_69_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        status = await command(
            data_dir=tmp_path, http="127.0.0.1:0", client_port=port, shard_port=0, json="-"
        )
    result = json.loads(capsys.readouterr().out)
    assert status == 69
    states = {check["name"]: check["state"] for check in result["checks"]}
    assert states["client port"] == "fail"
    assert states["HTTP port"] == states["shard port"] == "ok"
