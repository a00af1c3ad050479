"""Names: whose are written in the picture, so that it can be read however many there are.

Of what nobody flies the nearest few have their names; likewise of what somebody may fly, and only
near the middle of the picture. Who has just spoken has one, and so have the own entity and the
selection, always. A name that would lie on another one is left out: of two, the one that matters
more stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.client.front.effects import Running
from sidereal.client.front.frame import Frame
from sidereal.client.front.watch import row_of
from sidereal.client.view import View

ZOOM_MIN: Final = 0.2
"""Farther away only those are named that always are; pixels for a world unit."""
PLACES_MAX: Final = 16
"""Of what nobody flies."""
CRAFT_MAX: Final = 8
"""Of what somebody may fly."""
NEAR_SHARE: Final = 0.35
"""How far from the middle these may be, share of the window's lesser side."""
SPEAKERS_MAX: Final = 8
HIGH_PX: Final = 13.0
"""Of a line."""
ASIDE_PX: Final = 6.0
"""Between two names beside each other."""


def choose_names(frame: Frame, at: NDArray[np.float32]) -> NDArray[np.intp]:
    """Choose whose names are written, those first that matter most.

    Args:
        frame: to be drawn.
        at: float32[n, 2], pixels from the middle of the window, by row.

    Returns:
        intp[k], rows, each once.
    """
    view, camera = frame.view, frame.camera
    flown = frame.looks.flown[view.kind]
    named = (frame.labels != b"") | flown
    named &= camera.visible(view.x, view.y)
    if camera.zoom < ZOOM_MIN:
        named[:] = False
    always = [row for row in (view.own, frame.selected) if row >= 0]
    speakers = [row for row in _speakers(frame.effects, view) if named[row]]
    away = np.hypot(at[:, 0], at[:, 1])
    near = away <= NEAR_SHARE * min(camera.width, camera.height)
    places = _nearest(np.flatnonzero(named & ~flown), away, PLACES_MAX)
    craft = _nearest(np.flatnonzero(named & flown & near), away, CRAFT_MAX)
    chosen = np.array([*always, *speakers, *places, *craft], np.intp)
    _, first = np.unique(chosen, return_index=True)
    return chosen[np.sort(first)]


def find_room(left: float, right: float, y: float, taken: list[tuple[float, float, float]]) -> bool:
    """Tell whether a line of text would lie on no other one.

    Args:
        left: where it begins, pixels; it ends at `right`.
        right: likewise.
        y: of its baseline, pixels.
        taken: left, right and y of those that are written.

    Mutates:
        taken: by it, if there is room.
    """
    for other_left, other_right, other_y in taken:  # at most a few dozen
        beside = right + ASIDE_PX <= other_left or left >= other_right + ASIDE_PX
        if not beside and abs(y - other_y) < HIGH_PX:
            return False
    taken.append((left, right, y))
    return True


def _nearest(rows: NDArray[np.intp], away: NDArray[np.floating], most: int) -> NDArray[np.intp]:
    return rows[np.argsort(away[rows], kind="stable")[:most]]


def _speakers(effects: Sequence[Running], view: View) -> list[int]:
    """Find who has words above it, the newest first."""
    spoken = [
        int(net_id)
        for running in reversed(effects)
        if running.effect.kind == "text" and running.subject is not None
        for net_id in running.subject
    ]
    rows = [row_of(view.net_id, net_id) for net_id in spoken[:SPEAKERS_MAX]]
    return [row for row in rows if row >= 0]
