from __future__ import annotations

import numpy as np

from sidereal.client.departures import Departures

HERE, THERE = (3, -4), (3, -5)


def left_at(
    departures: Departures, net_id: int, cell: tuple[int, int], tick: int
) -> tuple[bool, int]:
    gone, left = departures.left_at(
        np.array([net_id]), np.array([cell[0]]), np.array([cell[1]]), tick
    )
    return bool(gone[0]), int(left[0])


def test_who_has_left_a_cell_may_have_been_in_another_one() -> None:
    departures = Departures(10)
    departures.note(7, HERE, 20)
    departures.note(7, HERE, 18)
    assert left_at(departures, 7, HERE, 19) == (False, 20)
    assert left_at(departures, 7, HERE, 20) == (False, -1)
    assert left_at(departures, 7, THERE, 19) == (False, -1)
    assert left_at(departures, 8, HERE, 19) == (False, -1)


def test_who_is_gone_is_gone_from_everywhere() -> None:
    departures = Departures(10)
    departures.note(7, None, 20)
    assert left_at(departures, 7, THERE, 19) == (True, -1)
    assert departures.among(np.array([6, 7], np.uint32)).tolist() == [False, True]


def test_departures_are_forgotten_when_all_is_known_and_the_oldest_when_there_are_too_many() -> (
    None
):
    departures = Departures(2)
    for net_id in range(1, 6):
        departures.note(net_id, HERE, net_id)
    departures.forget(2)
    assert len(departures) == 2
    assert departures.among(np.arange(1, 6)).tolist() == [False, False, False, True, True]
    departures.forget(5)
    assert (len(departures), departures.newest_tick) == (0, -1)
