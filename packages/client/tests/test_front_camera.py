import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.client.front.camera import ZOOM_MAX, ZOOM_MIN, Camera

places = st.floats(-3e7, 3e7)
zooms = st.floats(ZOOM_MIN, ZOOM_MAX)
pixels = st.floats(-200, 1500)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(places, places, zooms, pixels, pixels)
def test_unproject_undoes_project(
    x: float, y: float, zoom: float, pixel_x: float, pixel_y: float
) -> None:
    camera = Camera(1280, 720, x, y, zoom)
    there = camera.project(*camera.unproject(pixel_x, pixel_y))
    assert there == pytest.approx((pixel_x, pixel_y), abs=1e-4)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(places, places, zooms, pixels, pixels, st.floats(0.01, 100))
def test_zooming_keeps_the_place_under_the_pointer(
    x: float, y: float, zoom: float, pixel_x: float, pixel_y: float, factor: float
) -> None:
    camera = Camera(1280, 720, x, y, zoom)
    before = camera.unproject(pixel_x, pixel_y)
    camera.zoom_at(pixel_x, pixel_y, factor)
    assert camera.project(*before) == pytest.approx((pixel_x, pixel_y), abs=1e-3)
    assert ZOOM_MIN <= camera.zoom <= ZOOM_MAX


def test_relative_positions_are_exact_thirty_thousand_sectors_away() -> None:
    offsets = np.linspace(-600.0, 600.0, 1001)
    near = Camera(1280, 720, 0.25, 0.5, 0.75).relative(offsets, offsets)
    far_x, far_y = 30_000 * 1000.0, -30_000 * 1000.0
    far = Camera(1280, 720, far_x + 0.25, far_y + 0.5, 0.75).relative(
        far_x + offsets, far_y + offsets
    )
    assert np.abs(far - near).max() < 1e-4


def test_dragging_moves_the_world_with_the_hand() -> None:
    camera = Camera(1280, 720, 100.0, 200.0, 2.0)
    before = camera.project(110.0, 190.0)
    camera.pan(30, -12)
    assert camera.project(110.0, 190.0) == pytest.approx((before[0] + 30, before[1] - 12))


def test_fit_shows_the_whole_rectangle_and_its_margin() -> None:
    camera = Camera(1280, 720, 0.0, 0.0, 1.0)
    camera.fit(-4000.0, 0.0, 4000.0, 6000.0, margin=20)
    left, bottom, right, top = camera.bounds()
    assert left <= -4000 - 20 / camera.zoom
    assert right >= 4000 + 20 / camera.zoom
    assert bottom == pytest.approx(0 - 20 / camera.zoom)
    assert top == pytest.approx(6000 + 20 / camera.zoom)


def test_visible_counts_the_margin_in_pixels() -> None:
    camera = Camera(200, 100, 0.0, 0.0, 0.5)
    x = np.array([0.0, 199.0, 201.0, 219.0, 221.0])
    assert camera.visible(x, np.zeros(5)).tolist() == [True, True, False, False, False]
    assert camera.visible(x, np.zeros(5), margin=10).tolist() == [True, True, True, True, False]


def test_following_closes_in_and_jumps_when_far() -> None:
    camera = Camera(1280, 720, 0.0, 0.0, 1.0)
    camera.follow(100.0, 0.0, 0.016)
    assert 0.0 < camera.x < 100.0
    for _ in range(100):
        camera.follow(100.0, 0.0, 0.016)
    assert camera.x == pytest.approx(100.0, abs=0.1)
    camera.follow(1e6, 1e6, 0.001)
    assert (camera.x, camera.y) == (1e6, 1e6)
