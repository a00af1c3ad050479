"""The recordings are what the real ends say today: no change of the wire goes unnoticed."""

from __future__ import annotations

import pytest

from .record import RECORDINGS, SIZE_MAX, record

REMEDY = (
    "the real ends no longer say what they said. If that is on purpose, look whether "
    "docs/PROTOCOL.md says so, too, and run `uv run python -m tests.interop.record`"
)


@pytest.fixture(scope="module")
def recorded() -> dict[str, str]:
    return record()


@pytest.mark.parametrize("name", ["client", "shard", "channels"])
def test_recording_is_made_again_byte_for_byte(name: str, recorded: dict[str, str]) -> None:
    before = (RECORDINGS / f"{name}.jsonl").read_text().splitlines()
    now = recorded[name].splitlines()
    pairs = enumerate(zip(before, now, strict=False), 1)
    changed = next((number for number, (old, new) in pairs if old != new), None)
    if changed is None and len(before) != len(now):
        changed = min(len(before), len(now)) + 1
    assert changed is None, f"{name}.jsonl, line {changed}: {REMEDY}"


def test_recordings_are_small(recorded: dict[str, str]) -> None:
    assert recorded.keys() == {path.stem for path in RECORDINGS.iterdir()}
    assert all(len(text.encode()) <= SIZE_MAX for text in recorded.values())
