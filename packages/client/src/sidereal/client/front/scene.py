"""The world: from a `Frame` to rows, bottom layer first, five draw calls in all.

Grammar: filled is where the client draws a thing, hollow red is where the authority last said it
is, dim is data older than a quarter of a second. Colour is the owner's; a kind with a colour of its
own has that, and an edge in the owner's.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.client.front import ownership, palette
from sidereal.client.front.batches import Batches
from sidereal.client.front.effects import effect_rows, effect_words
from sidereal.client.front.frame import BAR_PX, Frame
from sidereal.client.front.layers import Layer
from sidereal.client.front.layout import COLUMN_PX, MARGIN
from sidereal.client.front.lettering import Face, Lettering
from sidereal.client.front.names import choose_names, find_room
from sidereal.client.front.palette import shard_name
from sidereal.client.front.play.instruments import draw_needles
from sidereal.client.front.rows import (
    MARK,
    RECT,
    STROKE,
    Rows,
    Shape,
    join_rows,
    mark_rows,
    rect_rows,
    stroke_rows,
    with_alpha,
)
from sidereal.client.front.watch import FLASH_S, row_of

STALE_S: Final = 0.5
"""Data older than this is drawn dim: a server with nothing new is silent for 0.2 s, and what it
says then is as long under way."""
SPECK_PX: Final = 2.5
"""Scenery that is smaller has no edge."""
SECTOR_LABELS_MAX: Final = 150
_DIM: Final = 0.3


class Scene:
    """Draws the world of a frame."""

    def __init__(self, batches: Batches, lettering: Lettering) -> None:
        self._batches = batches
        self._lettering = lettering

    def draw(self, frame: Frame) -> None:
        """Draw everything but the panels."""
        size = frame.camera.width, frame.camera.height
        middle = size[0] / 2, size[1] / 2
        at = frame.camera.relative(frame.view.x, frame.view.y)
        reach = frame.looks.reach_px(frame.view, frame.camera.zoom)
        self._batches.rects.draw(_ground(frame), size, middle)
        self._batches.strokes.draw(_strokes(frame, at, reach), size, middle)
        marks = [_marks(frame, at, reach)]
        if Layer.COMPASS in frame.layers and frame.view.own >= 0:
            marks.append(draw_needles(frame.needles, frame.place, frame.camera, self._lettering))
        self._batches.marks.draw(join_rows(marks, MARK), size, middle)
        self._words(frame, at, reach)
        self._lettering.draw(self._lettering.take(), size, middle)

    def _words(self, frame: Frame, at: NDArray[np.float32], reach: NDArray[np.float32]) -> None:
        if Layer.OWNERS in frame.layers:
            _label_sectors(frame, self._lettering)
        if Layer.INTEREST in frame.layers:
            _label_interest(frame, self._lettering)
        if Layer.NAMES in frame.layers:
            _label_entities(frame, at, reach, self._lettering)
        if Layer.HANDOVERS in frame.layers:
            _label_flashes(frame, at, reach, self._lettering)
        if Layer.EFFECTS in frame.layers:
            for text, x, y, colour, alpha in effect_words(frame.effects, frame.camera, frame.now):
                self._lettering.add(
                    text, x, y, colour, face=Face.BOLD, align=0.5, alpha=alpha, halo=True
                )


def _ground(frame: Frame) -> Rows:
    """Fills, grid, borders and the dark outside of interest."""
    camera, owned = frame.camera, frame.ownership
    sector_size = frame.rules.sector_size
    parts = []
    seen = owned.rows_seen(camera, sector_size)
    if Layer.OWNERS in frame.layers:
        parts.append(ownership.fill_rows(owned, seen, camera, sector_size))
        parts.append(_moved_lease_rows(frame))
    if Layer.GRID in frame.layers:
        parts.append(ownership.grid_rows(camera, frame.rules))
    if Layer.INTEREST in frame.layers:
        bounds = ownership.interest_bounds(*frame.place, frame.rules)
        parts.append(ownership.outside_rows(camera, bounds, 96))
    if Layer.OWNERS in frame.layers:
        parts.append(ownership.border_rows(owned, seen, camera, sector_size))
    return join_rows(parts, RECT)


def _moved_lease_rows(frame: Frame) -> Rows:
    """Sectors that changed hands light up and fade."""
    size = frame.rules.sector_size
    # A loop over sectors whose lease moved in the last second: a handful.
    rows = [
        (x, y, round(150 * max(0.0, 1.0 - (frame.now - at) / FLASH_S)))
        for (x, y), at in frame.moved_leases.items()
        if frame.now - at < FLASH_S
    ]
    x, y, alpha = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    corners = frame.camera.relative(x * float(size), y * float(size))
    colours = with_alpha(palette.shard_colours(frame.ownership.owners(x, y)), alpha)
    side = size * frame.camera.zoom
    return rect_rows(corners[:, 0], corners[:, 1], side, side, colours)


def _strokes(frame: Frame, at: NDArray[np.float32], reach: NDArray[np.float32]) -> Rows:
    parts = []
    if Layer.INTEREST in frame.layers:
        parts.append(_interest_outline(frame))
    if Layer.VECTORS in frame.layers:
        parts.append(_velocity_rows(frame, at, reach))
    if Layer.AUTHORITY in frame.layers:
        parts.append(_error_rows(frame, at))
    return join_rows(parts, STROKE)


def _interest_outline(frame: Frame) -> Rows:
    left, bottom, right, top = ownership.interest_bounds(*frame.place, frame.rules)
    corners = frame.camera.relative(
        np.array([left, right, right, left]), np.array([bottom, bottom, top, top])
    )
    return stroke_rows(corners, np.roll(corners, -1, axis=0), 1.0, (255, 255, 255, 120), dash=6.0)


def _velocity_rows(frame: Frame, at: NDArray[np.float32], reach: NDArray[np.float32]) -> Rows:
    """Where each thing that is no dot will be in a second, from the edge of its symbol."""
    view = frame.view
    run = np.stack([view.vx, view.vy], axis=1) * frame.camera.zoom
    far = np.hypot(run[:, 0], run[:, 1])
    seen = frame.camera.visible(view.x, view.y, margin=200.0)
    seen &= ~frame.looks.speck[view.kind]
    rows = np.flatnonzero(seen & (far > reach + 3.0))
    start = at[rows] + run[rows] * (reach[rows] / far[rows])[:, None]
    bright = (palette.shard_colours(view.shard[rows]).astype(np.int32) + 255) // 2
    alpha = np.where(frame.looks.scenery[view.kind[rows]], 100, 200)
    return stroke_rows(start, at[rows] + run[rows], 1.0, with_alpha(bright, alpha))


def _confirmed_rows(frame: Frame) -> NDArray[np.intp]:
    """Rows whose authoritative state is shown: the own entity and the selection."""
    return np.unique([row for row in (frame.view.own, frame.selected) if row >= 0]).astype(np.intp)


def _error_rows(frame: Frame, at: NDArray[np.float32]) -> Rows:
    """From what the authority said to what is drawn."""
    rows = _confirmed_rows(frame)
    said = frame.camera.relative(frame.view.authority_x[rows], frame.view.authority_y[rows])
    return stroke_rows(said, at[rows], 1.5, (*palette.AUTHORITY, 200))


def _marks(frame: Frame, at: NDArray[np.float32], reach: NDArray[np.float32]) -> Rows:
    parts = [_entity_rows(frame, at, reach)]
    if Layer.SHAPES in frame.layers:
        parts.append(_shape_rows(frame, at))
    if Layer.AUTHORITY in frame.layers:
        parts.append(_authority_rows(frame, reach))
    parts.append(_own_rows(frame, at, reach))
    parts.append(_selection_rows(frame, at, reach))
    if Layer.HANDOVERS in frame.layers:
        parts.append(_flash_rows(frame, at, reach))
    if Layer.EFFECTS in frame.layers:
        parts.append(effect_rows(frame.effects, frame.camera, frame.now))
    return join_rows(parts, MARK)


def _entity_rows(frame: Frame, at: NDArray[np.float32], reach: NDArray[np.float32]) -> Rows:
    """Everything that is seen, scenery below."""
    view, looks = frame.view, frame.looks
    seen = np.flatnonzero(frame.camera.visible(view.x, view.y, margin=60.0))
    seen = seen[np.argsort(~looks.scenery[view.kind[seen]], kind="stable")]
    kind, shown = view.kind[seen], reach[seen]
    owner = palette.shard_colours(view.shard[seen])
    coloured, hollow = looks.coloured[kind][:, None], looks.hollow[kind][:, None]
    colour = np.where(coloured, looks.colour[kind], owner)
    dark = np.where(
        coloured | looks.bright[kind][:, None], owner, np.array(palette.BACKGROUND, np.uint8)
    )
    fresh = np.where(view.age_s[seen] > STALE_S, _DIM, 1.0)
    return mark_rows(
        at[seen],
        view.heading[seen],
        shown,
        looks.shape[kind],
        with_alpha(np.where(hollow, owner, colour), looks.fill[kind] * fresh),
        line=with_alpha(np.where(hollow, colour, dark), looks.line[kind] * fresh),
        outline=np.where(looks.scenery[kind] & (shown <= SPECK_PX), 0.0, looks.outline[kind]),
    )


def _shape_rows(frame: Frame, at: NDArray[np.float32]) -> Rows:
    """What the physics collides: circles, to scale."""
    view = frame.view
    seen = np.flatnonzero(frame.camera.visible(view.x, view.y, margin=60.0))
    return mark_rows(
        at[seen],
        0.0,
        view.radius[seen] * np.float32(frame.camera.zoom),
        Shape.CIRCLE,
        (0, 0, 0, 0),
        line=(255, 255, 255, 130),
        outline=1.0,
    )


def _authority_rows(frame: Frame, reach: NDArray[np.float32]) -> Rows:
    """Under the own entity, so that red shows exactly where the two differ."""
    rows = _confirmed_rows(frame)
    view = frame.view
    return mark_rows(
        frame.camera.relative(view.authority_x[rows], view.authority_y[rows]),
        view.authority_heading[rows],
        reach[rows] + 1.5,
        frame.looks.shape[view.kind[rows]],
        (0, 0, 0, 0),
        line=(*palette.AUTHORITY, 235),
        outline=1.5,
    )


def _own_rows(frame: Frame, at: NDArray[np.float32], reach: NDArray[np.float32]) -> Rows:
    """The own entity: white outline, as predicted, in a faint ring."""
    rows = np.array([frame.view.own] if frame.view.own >= 0 else [], dtype=np.intp)
    owner = palette.shard_colours(frame.view.shard[rows])
    clear, white = (0, 0, 0, 0), (255, 255, 255, 255)
    return np.concatenate(
        [
            mark_rows(
                at[rows], 0.0, reach[rows] + 14, Shape.CIRCLE, clear, (255, 255, 255, 96), 1.5
            ),
            mark_rows(
                at[rows],
                frame.view.heading[rows],
                reach[rows] + 3,
                frame.looks.shape[frame.view.kind[rows]],
                with_alpha(owner, 255),
                white,
                2.0,
            ),
        ]
    )


def _selection_rows(frame: Frame, at: NDArray[np.float32], reach: NDArray[np.float32]) -> Rows:
    rows = np.array([frame.selected] if frame.selected >= 0 else [], dtype=np.intp)
    turned = frame.now * 0.6 % math.tau
    return mark_rows(
        at[rows],
        turned,
        (reach[rows] + 8) / 0.8,
        Shape.SQUARE,
        (0, 0, 0, 0),
        line=(255, 255, 255, 220),
        outline=1.5,
    )


def _flash_rows(frame: Frame, at: NDArray[np.float32], reach: NDArray[np.float32]) -> Rows:
    """A ring in the new owner's colour that grows and fades."""
    rows, spent = _flashing(frame)
    after = np.array([flash.after for flash in frame.flashes], dtype=np.int64)[spent >= 0]
    spent = spent[spent >= 0]
    alpha = (255 * (1.0 - spent)).astype(np.uint8)
    return mark_rows(
        at[rows],
        0.0,
        reach[rows] + 6 + 34 * np.sqrt(spent),
        Shape.CIRCLE,
        (0, 0, 0, 0),
        line=with_alpha(palette.shard_colours(after), alpha),
        outline=3.0,
    )


def _flashing(frame: Frame) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Rows of the flashes in the view; share of its time spent by flash, −1 for those outside."""
    found = [row_of(frame.view.net_id, flash.net_id) for flash in frame.flashes]
    spent = np.array(
        [
            min(max((frame.now - flash.at) / FLASH_S, 0.0), 1.0) if row >= 0 else -1.0
            for flash, row in zip(frame.flashes, found, strict=True)
        ],
        dtype=np.float64,
    )
    return np.array([row for row in found if row >= 0], dtype=np.intp), spent


def _label_sectors(frame: Frame, lettering: Lettering) -> None:
    """Owner and coordinates in the upper left corner of what is seen of each sector."""
    size, camera, owned = frame.rules.sector_size, frame.camera, frame.ownership
    side = size * camera.zoom
    if side < 64:
        return
    rows = owned.rows_seen(camera, size)[:SECTOR_LABELS_MAX]
    corners = camera.relative(owned.sector_x[rows] * size, (owned.sector_y[rows] + 1) * size)
    left, top = -camera.width / 2, camera.height / 2 - BAR_PX
    # A loop over the sectors in the picture: 25 µs each, rarely more than twenty.
    for row, (corner_x, corner_y) in zip(rows, corners, strict=True):
        x, y = max(corner_x, left), min(corner_y, top)
        if corner_x + side - x < 64 or y - (corner_y - side) < 40:
            continue
        shard = int(owned.shard[row])
        owner = shard_name(shard)
        colour = palette.shard_colour(shard)
        lettering.add(owner, x + 10, y - 26, colour, face=Face.LARGE, halo=True)
        if side > 130:
            place = f"{owned.sector_x[row]},{owned.sector_y[row]}"
            beside = x + lettering.width(owner, Face.LARGE) + 18
            lettering.add(place, beside, y - 25, palette.DIM, face=Face.SMALL, halo=True)


def _label_interest(frame: Frame, lettering: Lettering) -> None:
    """In the upper right corner of what is seen of it, beside the panels and below the sectors'."""
    camera = frame.camera
    left, _, right, top = ownership.interest_bounds(*frame.place, frame.rules)
    if (right - left) * camera.zoom < 260:
        return
    x, y = camera.relative(np.array([right]), np.array([top]))[0].tolist()
    cells = frame.rules.window_side
    lettering.add(
        f"interest {cells}×{cells} cells · {frame.rules.tick_hz} Hz",
        min(x, camera.width / 2 - COLUMN_PX - 2 * MARGIN) - 8,
        min(y, camera.height / 2 - BAR_PX) - 46,
        palette.TEXT,
        face=Face.SMALL,
        alpha=0.7,
        align=1.0,
        halo=True,
    )


def _label_entities(
    frame: Frame, at: NDArray[np.float32], reach: NDArray[np.float32], lettering: Lettering
) -> None:
    """Names of those who are chosen, below what they name, where they lie on no other name."""
    taken: list[tuple[float, float, float]] = []
    # A loop over at most a few dozen names: 10 µs each.
    for row in choose_names(frame, at).tolist():
        x, y = at[row].tolist()
        own, special = row == frame.view.own, row in (frame.view.own, frame.selected)
        below = y - float(reach[row]) - (31 if own else 17)
        text, face = frame.name_of(row), Face.SMALL
        if own:
            text, face = f"you · {shard_name(int(frame.view.shard[row]))}", Face.BOLD
        half = lettering.width(text, face) / 2
        if find_room(x - half, x + half, below, taken) or special:
            colour = palette.WHITE if special else palette.DIM
            lettering.add(text, x, below, colour, face=face, align=0.5, halo=True)


def _label_flashes(
    frame: Frame, at: NDArray[np.float32], reach: NDArray[np.float32], lettering: Lettering
) -> None:
    rows, spent = _flashing(frame)
    known = [
        (flash, share) for flash, share in zip(frame.flashes, spent, strict=True) if share >= 0
    ]
    for row, (flash, share) in zip(rows, known, strict=True):
        x, y = at[row]
        lettering.add(
            f"{shard_name(flash.before)} ► {shard_name(flash.after)}",
            x,
            y + reach[row] + 12 + 18 * share,
            palette.shard_colour(flash.after),
            face=Face.BOLD,
            align=0.5,
            alpha=min(1.0, 2.0 * (1.0 - share)),
            halo=True,
        )
