"""Which sections go when not all can."""

from __future__ import annotations

import numpy as np

from sidereal.replication.edge.cutting import fit

ROOM = 100


def goes(*sections: tuple[int, ...], room: int = ROOM, usual: int = ROOM) -> list[bool]:
    """Tell which sections of one client go; each is written as the sizes of its parts."""
    size = np.array([part for parts in sections for part in parts])
    is_last = np.array([at == len(parts) - 1 for parts in sections for at in range(len(parts))])
    row = np.zeros(len(size), np.int64)
    chosen = fit(row, size, is_last, np.array([room]), np.array([usual]))
    whole = np.split(chosen, np.flatnonzero(is_last)[:-1] + 1)
    assert all(parts.all() or not parts.any() for parts in whole), "all parts of one, or none"
    return [bool(parts[0]) for parts in whole]


def test_sections_go_in_their_order_while_there_is_room() -> None:
    assert goes((40,), (30, 20), (20,), (5,)) == [True, True, False, True]


def test_a_section_that_does_not_fit_holds_up_no_smaller_one() -> None:
    assert goes((60,), (50, 50), (30,), (10,)) == [True, False, True, True]
    assert goes((90,), (20,), (30,), room=80) == [False, True, True]


def test_a_first_one_that_never_fits_goes_alone() -> None:
    assert goes((90, 90), (10,)) == [True, False]
    assert goes((10,), (90, 90), (20,)) == [True, False, True]
    assert goes((90, 90), (10,), room=0) == [False, False]


def test_each_client_has_room_of_its_own() -> None:
    row, size = np.array([0, 0, 2, 2]), np.array([80, 30, 30, 30])
    room = np.array([100, 0, 50])
    assert fit(row, size, np.ones(4, np.bool_), room, room).tolist() == [True, False, True, False]
