"""The command line itself."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sidereal.client.front import preflight
from sidereal.protocol.errors import UnavailableError
from sidereal.tools.cli import COMMANDS, main
from sidereal.tools.settings import HELP_COLUMNS_MIN


@pytest.mark.parametrize("name", [name for name, _ in COMMANDS])
def test_the_help_of_every_command_has_an_example(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    _, _, example = capsys.readouterr().out.partition("Example: ")
    assert f"sidereal {name}" in example


def test_the_list_of_commands_says_what_each_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out and words.split()[1] in out for name, words in COMMANDS)


@pytest.mark.parametrize("columns", ["", "0", "1", "5", "-3", "wide", "99999999999"])
def test_help_is_printed_at_any_width(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", columns)
    assert main(["up", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert HELP_COLUMNS_MIN <= max(map(len, lines)) <= 200


def test_a_working_directory_that_is_gone_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert main(["status"]) == 69
    assert capsys.readouterr().err.startswith("sidereal status: the working directory is gone")


def test_a_file_that_the_system_refuses_is_named_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/somewhere/up.log")

    monkeypatch.setattr("sidereal.tools.commands.up.Supervisor", refuse)
    assert main(["up"]) == 69
    assert capsys.readouterr().err == "sidereal up: /somewhere/up.log: Permission denied\n"


def test_several_hints_stay_apart_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find_no_display(_: bool) -> None:
        raise UnavailableError(f"There is no display here.\n{preflight.NO_DISPLAY_REMEDIES}")

    monkeypatch.delenv(preflight.HEADLESS, raising=False)
    monkeypatch.setattr(preflight, "check", find_no_display)
    assert main(["view"]) == 69
    assert capsys.readouterr().err == (
        "sidereal view: There is no display here. In a terminal: sidereal monitor; a picture "
        "anyway: sidereal view --headless --shot world.png; on a virtual screen: xvfb-run -a "
        "sidereal view (apt-get install xvfb xauth)\n"
    )
