"""How long a shard may leave a pilot without an answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sidereal.replication.ownership.answers import Answers

WITHIN_TICKS = 40
TICKS = 3 * WITHIN_TICKS


class Columns(dict[str, np.ndarray]):
    """The one ship."""

    def rows_of(self, ids: np.ndarray) -> np.ndarray:
        return ids - 1


class Link:
    """In the place of the links to shards: one shard."""

    def __init__(self) -> None:
        self.shard = SimpleNamespace(
            peer=5, shard=1, heard_at=0.0, waits_until=-1, has_answered=False
        )
        self.fenced = False

    @property
    def shards(self) -> Link:
        return self

    def get(self, shard: int) -> Any:
        return self.shard

    def __iter__(self) -> Iterator[Any]:
        return iter([self.shard])

    def fence(self, *_: object) -> None:
        self.fenced = True


def fenced_at(silent: Iterable[int], answers: Iterable[int] = ()) -> int | None:
    """The tick at which a shard is fenced; its pilot sends an input in each.

    Args:
        silent: ticks in which nothing comes from the shard.
        answers: ticks in which it answers the newest input.
    """
    link, pilot = Link(), SimpleNamespace(net_id=1, newest_seq=0, name="ada")
    columns = Columns(shard=np.ones(1, np.uint16), input_seq=np.zeros(1, np.int64))
    rules = SimpleNamespace(tick_s=0.05)
    world: Any = SimpleNamespace(columns=columns, rules=rules)
    clients: Any = SimpleNamespace(players=[pilot])
    judge = Answers(world, link, clients)  # type: ignore[arg-type]
    for tick in range(TICKS):
        pilot.newest_seq += 1
        if tick not in silent:
            link.shard.heard_at = tick * 0.05
        if tick in answers:
            columns["input_seq"][0] = pilot.newest_seq
        judge.fence_idle(tick, tick * 0.05)
        if link.fenced:
            return tick
    return None


@pytest.mark.parametrize(
    ("silent", "tick"),
    [
        (range(0), WITHIN_TICKS),
        (range(3, 18), WITHIN_TICKS + 15),
        (range(1, TICKS), 2 * WITHIN_TICKS),
        (range(1, TICKS, 2), 2 * WITHIN_TICKS),
    ],
)
def test_ticks_in_which_nothing_came_from_it_do_not_count_but_only_twice_as_long(
    silent: range, tick: int
) -> None:
    assert fenced_at(silent) == tick


def test_who_answers_now_and_then_is_left_alone() -> None:
    assert fenced_at(range(0), answers=range(0, TICKS, WITHIN_TICKS - 1)) is None
