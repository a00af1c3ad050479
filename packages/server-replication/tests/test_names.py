"""Which spellings are one name, and which names look alike."""

from __future__ import annotations

import pytest

from sidereal.replication.keeping.names import lookalikes, name_key


def test_folding_a_name_twice_changes_nothing() -> None:
    for name in ("ﬀ", "İ", "Ǆ", "ᾈ", "①", "ß"):
        assert name_key(name_key(name)) == name_key(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("admin", "\u0430dmin"),  # Cyrillic а
        ("admin", "\u0410dmin"),  # Cyrillic А
        ("admin", "\u0410D\u041cIN"),  # Cyrillic А and М, among capitals
        ("admin", "ad\u034fmin"),  # combining grapheme joiner
        ("admin", "admin\u115f"),  # Hangul filler
        ("admin", "admin\u2800"),  # Braille without a dot
        ("admin", "adrnin"),
        ("Ian", "lan"),
        ("lan", "\u0627an"),  # Arabic alef, written from right to left
        ("o-o", "o\u2010o"),
        ("O'Neil", "O\u2019Neil"),
        ("zo\u00eb", "zoe\u0308"),
        ("a b", "a  b"),
        ("می\u200cخواهم", "میخواهم"),
        ("ශ්\u200dරී", "ශ්රී"),
    ],
)
def test_names_that_look_alike_share_a_skeleton(one: str, other: str) -> None:
    assert lookalikes(one) & lookalikes(other)


@pytest.mark.parametrize(
    ("one", "other"), [("admin", "admins"), ("mail", "mall"), ("ab", "a b"), ("bot-1", "bot-2")]
)
def test_names_that_differ_share_no_skeleton(one: str, other: str) -> None:
    assert not lookalikes(one) & lookalikes(other)
