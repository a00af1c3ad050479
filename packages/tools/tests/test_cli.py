"""The command line itself."""

from __future__ import annotations

import pytest

from sidereal.tools.cli import COMMANDS, main


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
