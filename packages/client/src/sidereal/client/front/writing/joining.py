"""Letters of Arabic as they join, where nothing else knows how: by characters that are such forms.

Source: Unicode Standard, 9.2, Arabic cursive joining; the forms are its compatibility characters.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Final

_FORMS: Final = (range(0xFB50, 0xFE00), range(0xFE70, 0xFEFD))
_NAMES: Final = ("<isolated>", "<final>", "<initial>", "<medial>")


def joined(parts: Sequence[str], has: Callable[[str], bool]) -> list[str]:
    """Put the forms of a word's letters in their places.

    Args:
        parts: letters with their marks, in the order in which they are spoken.
        has: whether the font has a form.
    """
    forms = _forms()
    letters = [forms.get(part[0], {}) for part in parts]
    made = []
    for at, part in enumerate(parts):
        before = at > 0 and "<initial>" in letters[at - 1] and "<final>" in letters[at]
        after = at + 1 < len(parts) and "<initial>" in letters[at]
        after = after and "<final>" in letters[at + 1]
        form = letters[at].get(_NAMES[before + 2 * after], part[0])
        made.append((form if has(form) else part[0]) + part[1:])
    return made


@functools.cache
def _forms() -> Mapping[str, Mapping[str, str]]:
    """Each letter's forms by their names."""
    found: dict[str, dict[str, str]] = {}
    for code in (code for block in _FORMS for code in block):
        name, *letters = unicodedata.decomposition(chr(code)).split() or [""]
        if name in _NAMES and len(letters) == 1:
            found.setdefault(chr(int(letters[0], 16)), {})[name] = chr(code)
    return found
