"""Where results go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.tools.publish import check_target, publish


def test_a_result_goes_to_its_file_and_the_words_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(tmp_path / "result.json")
    check_target(target)
    publish({"answer": 42}, ["forty-two"], target)
    assert json.loads(Path(target).read_text()) == {"answer": 42}
    assert capsys.readouterr().out == "forty-two\n"
    check_target(target)


def test_with_a_hyphen_nothing_but_json_goes_to_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    check_target("-")
    publish({"answer": 42}, ["forty-two"], "-")
    assert json.loads(capsys.readouterr().out) == {"answer": 42}


def test_a_target_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    for target in (tmp_path, tmp_path / "nowhere" / "result.json"):
        with pytest.raises(ConfigError, match=r"--json is .*; it must be a file"):
            check_target(str(target))
