"""What a process writes to its log."""

from __future__ import annotations

from sidereal.protocol.runtime.process import fields


def test_a_value_cannot_begin_another_field_or_line() -> None:
    assert fields(name="ada", tick=3, lag=0.5) == "name=ada tick=3 lag=0.500"
    assert fields(name="a b", empty="") == 'name="a b" empty=""'
    for value in ("a\nlevel=ERROR", "\x1b[2J", "a\rb", "a=b", 'a"b', "\u202egnp", "a\u2028b"):
        written = fields(name=value, tick=3)
        assert written.isprintable()
        assert written.startswith('name="')
        assert written.endswith('" tick=3')
