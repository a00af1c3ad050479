"""A shard whose supervisor has seen it die is not waited for."""

from __future__ import annotations

import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.replication.deaths import Death, read_death

from .troupe import Troupe, rocks

PID = 4711
"""Of every scripted shard."""


def test_others_have_its_sectors_with_the_next_tick() -> None:
    troupe = Troupe(rocks(40, sectors=4))
    other = troupe.shard("shard-1", ticks=8)
    dead = troupe.shard("shard-2", ticks=8)
    dead.silent = True
    troupe.core.note_death("shard-2", PID, troupe.now)
    troupe.run(2)
    assert troupe.owners() == {other.number: 40}
    notes = [note for note in troupe.core.notes.take() if note.event == "shard_left"]
    assert [note.fields["why"] for note in notes] == ["its process has ended"]


def test_one_that_is_started_again_is_let_in_and_gets_back_what_it_had() -> None:
    troupe = Troupe(rocks(40, sectors=4))
    troupe.shard("shard-1", ticks=8)
    dead = troupe.shard("shard-2", ticks=8)
    had = set(dead.sectors)
    dead.silent = True
    troupe.core.note_death("shard-2", PID, troupe.now)
    troupe.run(2)
    assert troupe.shard("shard-2", ticks=8).sectors == had


@pytest.mark.parametrize(("name", "pid"), [("shard-1", PID + 1), ("shard-7", PID)])
def test_the_death_of_another_process_means_nothing(name: str, pid: int) -> None:
    troupe = Troupe(rocks(4))
    shard = troupe.shard("shard-1", ticks=8)
    troupe.core.note_death(name, pid, troupe.now)
    troupe.run(4)
    assert shard.closed is None
    assert troupe.owners() == {shard.number: 4}


def test_a_supervisor_is_understood_or_told_in_words() -> None:
    assert read_death('{"name": "shard-1", "pid": 4711}') == Death("shard-1", 4711)
    for line in ("", "shard-1", '{"name": "shard-1"}', '{"name": 1, "pid": 2}'):
        with pytest.raises(ConfigError, match="a supervisor says"):
            read_death(line)
