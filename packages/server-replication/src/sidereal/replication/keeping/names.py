"""Names of accounts: what they are made of, which two are one name, and which two look alike.

A name is of any script, and shows what it has. Joiners are drawn as nothing, but Persian, Sinhala
and others are not written without them: so they may stand where they join or part something, and
nowhere else.

Two questions, two answers. `name_key` says which account is meant by what somebody typed: case and
compatibility forms do not matter. `lookalikes` says which names people take for another one: a new
name must share none of its skeletons with the name of an account.

A skeleton is that of UTS 39, section 4: every character is replaced by the one it is confused with.
The table is the Unicode consortium's, from the package `confusable-homoglyphs`. UTS 39 compares
names as they are written. Ours are the same in every case, so there are three skeletons: of the
name as written, of the name in lower case, and of the name in lower case after foreign letters have
become those they look like (Cyrillic capital М is taken for M, small м for neither).
"""

from __future__ import annotations

import json
import unicodedata
from importlib import resources
from importlib.metadata import version
from typing import Final

from sidereal.game.words import JOINERS

DISTRIBUTION: Final = "confusable-homoglyphs"

IGNORABLE_RANGES: Final = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
"""What is drawn as nothing: Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties, and
the Braille pattern without a dot."""

CATEGORIES: Final = ("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "So")
"""What a name may have beside printable ASCII and joiners: letters, marks and digits of any script,
and symbols (emoji are some)."""


def is_readable(name: str) -> bool:
    """Tell whether a text has nothing in it but what is printable, and joiners."""
    return all(letter.isprintable() or letter in JOINERS for letter in name)


def is_name_letter(letter: str) -> bool:
    """Tell whether a character other than a joiner may stand in a name."""
    if letter.isascii():
        return letter.isprintable()
    return unicodedata.category(letter) in CATEGORIES and not is_ignorable(letter)


def shows(name: str) -> bool:
    """Tell whether a name has something in it that is drawn by itself."""
    return any(unicodedata.category(letter)[0] in "LNPS" for letter in name)


def joins(name: str) -> bool:
    """Tell whether each joiner of a name stands alone between two characters that it may join.

    It never does between ASCII's, which are written without joiners.
    """
    # At both ends of a name there is nothing to join.
    trios = zip(["", *name], name, [*name[1:], ""], strict=False)
    return all(
        _may_be_joined(before) and _may_be_joined(after)
        for before, letter, after in trios
        if letter in JOINERS
    )


def _may_be_joined(letter: str) -> bool:
    return bool(letter) and not letter.isascii() and is_name_letter(letter)


def is_ignorable(letter: str) -> bool:
    """Tell whether a character is drawn as nothing."""
    return any(first <= ord(letter) <= last for first, last in IGNORABLE_RANGES)


def name_key(name: str) -> str:
    """Fold a name so that spellings of the same name are the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def lookalikes(name: str) -> frozenset[str]:
    """Give the skeletons of a name; two names that share one look alike."""
    written = unicodedata.normalize("NFKC", name)
    latin = "".join(
        letter if letter.isascii() else _PROTOTYPES.get(letter, letter) for letter in written
    )
    return frozenset(
        skeleton(text) for text in (skeleton(written).casefold(), name_key(name), name_key(latin))
    )


def skeleton(text: str) -> str:
    """Give the skeleton of a text; blanks in a row count as one.

    Source: UTS 39, section 4, "Confusable Detection".
    """
    shown = "".join(c for c in unicodedata.normalize("NFD", text) if not is_ignorable(c))
    confused = "".join(_PROTOTYPES.get(letter, letter) for letter in shown)
    return unicodedata.normalize("NFD", " ".join(confused.split()))


def _read_prototypes() -> dict[str, str]:
    """Read what each character is confused with; the package tells both directions of each pair."""
    file = resources.files("confusable_homoglyphs").joinpath("confusables.json")
    pairs: dict[str, list[dict[str, str]]] = json.loads(file.read_text("utf-8"))
    alike = {
        # Letters written from right to left stand between two ignorable marks there.
        _bare(text): {_bare(other["c"]) for other in others}
        for text, others in pairs.items()
    }
    prototypes = {}
    for text, others in alike.items():
        longer = [other for other in others if len(other) > 1]
        if len(text) > 1:
            continue
        if longer:  # a sequence is always what a character is replaced by
            prototypes[text] = min(longer)
        elif len(others) == 1:
            # Whoever has one partner is replaced by it, unless it is that one's only partner too.
            (other,) = others
            prototypes[text] = other if len(alike[other]) > 1 else min(text, other)
    return prototypes


def _bare(text: str) -> str:
    return "".join(c for c in text if not is_ignorable(c)) or text


_PROTOTYPES: Final = _read_prototypes()

LOOKALIKE_RULES: Final = f"1, {DISTRIBUTION} {version(DISTRIBUTION)}, {unicodedata.unidata_version}"
"""What skeletons depend on; those that were made by other rules are made again."""
