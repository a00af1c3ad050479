"""What a client knows of who simulates the sectors around it."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.client.leases import LeaseMap
from sidereal.protocol.errors import WireError
from sidereal.protocol.message.codec import HOLDER_ROW
from sidereal.protocol.message.player import Leases


def leases(tick: int, x: int, y: int, *rows: tuple[int, int, int], radius: int = 4) -> Leases:
    return Leases(tick, x, y, radius, np.array([*rows], HOLDER_ROW).tobytes())


def known(held: LeaseMap) -> set[tuple[int, ...]]:
    return {(x, y, shard) for x, y, shard in held.rows.tolist()}


def test_messages_add_to_what_is_known() -> None:
    held = LeaseMap()
    held.apply_untrusted(leases(1, 10, -10, (0, 0, 1), (4, -4, 2)))
    held.apply_untrusted(leases(2, 10, -10, (0, 0, 3)))
    assert known(held) == {(10, -10, 3), (14, -14, 2)}


def test_a_sector_that_nobody_simulates_any_more_is_not_listed() -> None:
    held = LeaseMap()
    held.apply_untrusted(leases(1, 0, 0, (0, 0, 1), (1, 0, 1)))
    held.apply_untrusted(leases(2, 0, 0, (1, 0, 0)))
    assert known(held) == {(0, 0, 1)}


def test_what_leaves_the_square_is_forgotten_even_if_it_comes_back() -> None:
    held = LeaseMap()
    held.apply_untrusted(leases(1, 0, 0, (-4, 0, 1), (2, 0, 1)))
    held.apply_untrusted(leases(2, 1, 0))
    assert known(held) == {(2, 0, 1)}
    held.apply_untrusted(leases(3, 0, 0, (-4, 0, 2)))
    assert known(held) == {(2, 0, 1), (-4, 0, 2)}


def test_a_square_of_another_size_begins_anew() -> None:
    held = LeaseMap()
    held.apply_untrusted(leases(1, 0, 0, (0, 0, 1)))
    held.apply_untrusted(leases(2, 0, 0, (1, 1, 2), radius=2))
    assert known(held) == {(1, 1, 2)}


@pytest.mark.parametrize(
    "message",
    [
        leases(2, 0, 0, (5, 0, 1)),
        leases(2, 0, 0, (0, -1, 1), radius=0),
        leases(2, (1 << 31) - 1, 0, (1, 0, 1)),
        leases(2, 0, -(1 << 31), (0, -1, 1)),
        leases(2, 0, 0, (0, 0, 1), (0, 0, 1), radius=0),
        Leases(2, 0, 0, 4, b"abc"),
    ],
    ids=["outside", "outside a point", "beyond x", "below y", "too many", "half a row"],
)
def test_a_message_that_makes_no_sense_changes_nothing(message: Leases) -> None:
    held = LeaseMap()
    held.apply_untrusted(leases(1, 3, 3, (0, 0, 1)))
    with pytest.raises(WireError):
        held.apply_untrusted(message)
    assert known(held) == {(3, 3, 1)}
