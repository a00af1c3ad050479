from collections.abc import Callable

import numpy as np
import pytest

from sidereal.client.front.camera import Camera
from sidereal.client.front.ownership import (
    Ownership,
    border_rows,
    fill_rows,
    grid_rows,
    interest_bounds,
    outside_rows,
)
from sidereal.client.front.palette import shard_colour
from sidereal.protocol.rules import Rules

LeaseRows = Callable[[dict[tuple[int, int], int]], np.ndarray]


def test_owner_of_a_sector_without_lease_is_nobody(rows_of_leases: LeaseRows) -> None:
    owned = Ownership(rows_of_leases({(0, 0): 1, (1, 0): 2, (-2147483648, 2147483647): 3}))
    owners = owned.owners(np.array([0, 1, 2, -2147483648, -1]), np.array([0, 0, 0, 2147483647, 0]))
    assert owners.tolist() == [1, 2, 0, 3, 0]
    assert Ownership(rows_of_leases({})).owners(np.array([5]), np.array([5])).tolist() == [0]


def test_neighbours_are_left_right_below_above(rows_of_leases: LeaseRows) -> None:
    owned = Ownership(rows_of_leases({(0, 0): 1, (-1, 0): 2, (1, 0): 3, (0, -1): 4, (0, 1): 5}))
    middle = int(np.flatnonzero((owned.sector_x == 0) & (owned.sector_y == 0))[0])
    assert owned.neighbours[middle].tolist() == [2, 3, 4, 5]


def test_shards_are_listed_with_their_sectors_and_nobody_is_none(
    rows_of_leases: LeaseRows,
) -> None:
    owned = Ownership(rows_of_leases({(0, 0): 2, (1, 0): 2, (2, 0): 1, (3, 0): 0}))
    assert owned.shards() == [(1, 1), (2, 2)]
    assert owned.bounds() == (0, 0, 4, 1)


def test_a_moved_lease_is_seen_as_a_change(rows_of_leases: LeaseRows) -> None:
    before = Ownership(rows_of_leases({(0, 0): 1, (1, 0): 1}))
    after = Ownership(rows_of_leases({(0, 0): 1, (1, 0): 2}))
    assert after.changed_since(before) == [(1, 0, 1, 2)]
    assert after.changed_since(after) == []


def test_a_sector_that_comes_into_sight_is_no_change(rows_of_leases: LeaseRows) -> None:
    before = Ownership(rows_of_leases({(0, 0): 1, (1, 0): 1}))
    after = Ownership(rows_of_leases({(1, 0): 1, (2, 0): 2}))
    assert after.changed_since(before) == []


def test_only_sectors_in_the_picture_become_rectangles(rows_of_leases: LeaseRows) -> None:
    owned = Ownership(rows_of_leases({(x, y): 1 for x in range(40) for y in range(40)}))
    camera = Camera(1000, 1000, 10_500.0, 10_500.0, 0.5)
    seen = owned.rows_seen(camera, 1000.0)
    assert len(seen) == 9
    rows = fill_rows(owned, seen, camera, 1000.0)
    # The middle sector's lower left corner is 250 pixels from the window's middle.
    assert [-250.0, -250.0, 500.0, 500.0] in rows["rect"].tolist()


def test_borders_lie_inside_their_owner_and_only_between_owners(
    rows_of_leases: LeaseRows,
) -> None:
    owned = Ownership(rows_of_leases({(x, y): 1 + (x >= 0) for x in (-1, 0) for y in (-1, 0)}))
    camera = Camera(800, 800, 0.0, 0.0, 0.2)
    rows = border_rows(owned, owned.rows_seen(camera, 1000.0), camera, 1000.0)
    strong = rows[rows["start"][:, 3] == 235]
    assert len(strong) == 4
    for row in strong:
        left, _, width, _ = row["rect"].tolist()
        shard = 1 if left < 0 else 2
        assert tuple(row["start"][:3].tolist()) == shard_colour(shard)
        assert left + width <= 0.0 if shard == 1 else left >= 0.0


@pytest.mark.parametrize("zoom", [0.002, 0.05, 0.5, 20.0])
def test_grid_is_bounded_at_every_zoom(zoom: float) -> None:
    camera = Camera(3840, 2160, 123.0, -456.0, zoom)
    assert len(grid_rows(camera, Rules())) <= 1600


def test_interest_is_the_window_of_cells_around_the_place() -> None:
    rules = Rules()
    assert interest_bounds(10.0, 10.0, rules) == (-500.0, -500.0, 750.0, 750.0)
    assert interest_bounds(-10.0, 10.0, rules) == (-750.0, -500.0, 500.0, 750.0)


def test_outside_of_interest_covers_the_rest_of_the_window_exactly_once() -> None:
    camera = Camera(400, 300, 50.0, -20.0, 0.5)
    rows = outside_rows(camera, (-100.0, -200.0, 300.0, 150.0), 99)
    cover = np.zeros((300, 400), dtype=int)
    for left, bottom, width, height in rows["rect"].tolist():
        column, row = round(left + 200), round(bottom + 150)
        cover[row : row + round(height), column : column + round(width)] += 1
    left, bottom = camera.project(-100.0, -200.0)
    right, top = camera.project(300.0, 150.0)
    inside = cover[max(round(bottom), 0) : round(top), max(round(left), 0) : round(right)]
    assert inside.size
    assert not inside.any()
    assert cover.max() == 1
    assert cover.sum() == cover.size - inside.size
