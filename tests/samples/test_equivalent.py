"""The list of equivalent mutants speaks of code that is there."""

from __future__ import annotations

import pytest
from cores import ROOT
from equivalent import read_listed


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize("entry", read_listed(), ids=lambda entry: entry["before"])
def test_an_equivalent_mutant_is_one_of_code_that_is_there(entry: dict[str, str]) -> None:
    source = "\n".join(lines((ROOT / entry["file"]).read_text()))
    assert entry["before"] in source
    assert entry["after"] != entry["before"]
    assert entry["reason"]
