"""What a process writes to its log."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.runtime.process import fields, start_logging


@pytest.fixture
def loggers() -> Iterator[None]:
    """Puts logging back as it was."""
    root, ours = logging.getLogger(), logging.getLogger("sidereal")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


@pytest.mark.usefixtures("loggers")
@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("debug", ["debug of ours", "info of ours", "warning of ours", "warning of a library"]),
        ("", ["info of ours", "warning of ours", "warning of a library"]),
        ("Warning", ["warning of ours", "warning of a library"]),
        ("error", []),
    ],
)
def test_the_level_is_for_our_own_log_and_libraries_only_warn(
    level: str,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SIDEREAL_LOG", level)
    start_logging("test")
    for whose, name in (("ours", "sidereal.world"), ("a library", "pymunk.space")):
        for severity in (logging.DEBUG, logging.INFO, logging.WARNING):
            word = logging.getLevelName(severity).lower()
            logging.getLogger(name).log(severity, f"{word} of {whose}")
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" test ")[2] for line in lines] == said


@pytest.mark.usefixtures("loggers")
def test_a_level_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIDEREAL_LOG", "loud")
    with pytest.raises(ConfigError, match="SIDEREAL_LOG is 'loud'; it must be one of: debug, info"):
        start_logging("test")


def test_a_value_cannot_begin_another_field_or_line() -> None:
    assert fields(name="ada", tick=3, lag=0.5) == "name=ada tick=3 lag=0.500"
    assert fields(name="a b", empty="") == 'name="a b" empty=""'
    for value in ("a\nlevel=ERROR", "\x1b[2J", "a\rb", "a=b", 'a"b', "\u202egnp", "a\u2028b"):
        written = fields(name=value, tick=3)
        assert written.isprintable()
        assert written.startswith('name="')
        assert written.endswith('" tick=3')
