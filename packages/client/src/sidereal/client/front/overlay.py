"""The panels: top bar, legend, minimap, net graph, inspector, feed, help, banner.

All rectangles of a frame are one draw call and all letters another. Numbers are read eight times
a second: faster they cannot be read, and words that flicker are not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from sidereal.client.front import palette, readout
from sidereal.client.front.batches import Batches
from sidereal.client.front.frame import BAR_PX, Frame
from sidereal.client.front.keys import Binding, mouse_lines
from sidereal.client.front.layers import Layer
from sidereal.client.front.layout import (
    FIELD_GAP_PX,
    GAP,
    HELP_PX_MAX,
    LINE,
    MAP_RIM_PX,
    MARGIN,
    SMALL_LINE,
    STRIP_PX,
    Box,
    Wanted,
    arrange,
    choose_fields,
    clear_of,
    map_aspect,
)
from sidereal.client.front.lettering import Face, Lettering
from sidereal.client.front.meter import FRAMES_MAX, Meter
from sidereal.client.front.palette import Rgb
from sidereal.client.front.play.instruments import draw_line, draw_readings
from sidereal.client.front.rows import LETTER, RECT, Rows, rect_rows, with_alpha

READ_S: Final = 1 / 8
"""Time from one reading of the numbers to the next."""
LAID_OUT_S: Final = 1 / 25
"""Time from one layout of the panels to the next: 2.5 ms of rows, drawn again in between."""
LEGEND_MAX: Final = 10
FEED_S: Final = 9.0
"""How long a line of the feed stays."""
FEED_LINES_MAX: Final = 6
STRIP_MS: Final = 150.0
"""What the strip of frames shows above its zero; half as much below it."""
STRIP_BYTES: Final = (1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
"""Scales of the strip of snapshots."""
PANEL: Final = 236
"""Opacity of a panel; of one that lies on the own entity `PANEL_CLEAR`: with the camera on
something else that may be anywhere."""
PANEL_CLEAR: Final = 90
OWN_PX: Final = 16.0
NOWHERE: Final = (-math.inf, -math.inf)
NET_GRAPH_LEVELS: Final = 3
"""Off, numbers, numbers and strips."""


class Overlay:
    """Draws the panels of a frame.

    Attributes:
        help_shown: whether the list of keys is up.
        net_graph: 0 off, 1 numbers, 2 numbers and strips.
    """

    def __init__(self, batches: Batches, lettering: Lettering, meter: Meter) -> None:
        self._batches = batches
        self._lettering = lettering
        self._meter = meter
        self._rects: list[Rows] = []
        self._panel_rows: Rows = np.empty(0, dtype=RECT)
        self._letter_rows: Rows = np.empty(0, dtype=LETTER)
        self._laid_out_at = self._read_at = -math.inf
        self._shown: object = None
        self._fields: list[readout.Field] = []
        self._link: list[tuple[str, str]] = []
        self._counts: dict[int, int] = {}
        self._keys: list[tuple[str, str]] = []
        self._own_at = NOWHERE
        self.help_shown = False
        self.net_graph = 2

    def restart(self, bindings: Sequence[Binding]) -> None:
        """Forget what was read and laid out: the next frame is of another viewer.

        Args:
            bindings: what its keys do.
        """
        lines = ((binding.shown, binding.does) for binding in bindings)
        self._keys = [*lines, *mouse_lines(bindings)]
        self._read_at = self._laid_out_at = -math.inf

    def draw(self, frame: Frame) -> None:
        """Draw every panel that is up."""
        size = frame.camera.width, frame.camera.height
        if not 0.0 <= frame.now - self._read_at < READ_S:
            self._read_at = frame.now
            self._read(frame)
        typed = None if frame.line is None else frame.line.text
        chosen = (self.help_shown, self.net_graph, frame.selected, frame.layers)
        shown = (*chosen, size, typed, self._lettering.epoch)
        if not 0.0 <= frame.now - self._laid_out_at < LAID_OUT_S or shown != self._shown:
            self._laid_out_at, self._shown = frame.now, shown
            self._lay_out(frame, *size)
        self._batches.rects.draw(self._panel_rows, size, (0.0, 0.0))
        self._lettering.draw(self._letter_rows, size, (0.0, 0.0))

    def _read(self, frame: Frame) -> None:
        self._fields = readout.top_bar(frame, self._meter)
        self._link = readout.link_lines(frame, self._meter)
        shards, counts = np.unique(frame.view.shard, return_counts=True)
        self._counts = dict(zip(shards.tolist(), counts.tolist(), strict=True))

    def _lay_out(self, frame: Frame, width: int, height: int) -> None:
        self._rects = []
        present = frame.view.own >= 0
        self._own_at = frame.camera.project(*frame.place) if present else NOWHERE
        inspected = readout.inspector(frame)
        places = arrange(width, height, self._wanted(frame, len(inspected)))
        self._top_bar(width, height)
        if places.legend is not None:
            self._legend(frame, places.legend)
        if places.minimap is not None:
            self._minimap(frame, places.minimap)
        if places.graph is not None:
            self._net_graph(frame, places.graph, strips=places.graph_level > 1)
        if places.inspector is not None:
            self._inspector(frame, inspected, places.inspector)
        if places.gauges is not None:
            self._panel(places.gauges)
            self._rects.append(draw_readings(frame.readings, places.gauges, self._lettering))
        self._feed(frame, places.feed)
        if places.help is not None:
            self._help(places.help)
        self._banner(frame, width, height, below=places.help)
        self._panel_rows = np.concatenate(self._rects)
        self._letter_rows = self._lettering.take()

    def _wanted(self, frame: Frame, inspector_lines: int) -> Wanted:
        bounds = frame.ownership.bounds() if Layer.MINIMAP in frame.layers else None
        return Wanted(
            shards=min(len(frame.ownership.shards()), LEGEND_MAX),
            map_aspect=0.0 if bounds is None else map_aspect(bounds),
            graph_level=self.net_graph,
            graph_lines=len(self._link),
            inspector_lines=inspector_lines,
            help_lines=-(-len(self._keys) // 2) if self.help_shown else 0,
            gauges=len(frame.readings),
        )

    def _rect(self, left: float, bottom: float, width: float, height: float, rgba: object) -> None:
        self._rects.append(rect_rows(left, bottom, width, height, rgba))

    def _panel(self, box: Box, *, opaque: bool = False) -> None:
        left, bottom, width, height = box
        x, y = NOWHERE if opaque else self._own_at
        beneath = -OWN_PX < x - left < width + OWN_PX and -OWN_PX < y - bottom < height + OWN_PX
        self._rect(left, bottom, width, height, (*palette.EDGE, 50 if beneath else 150))
        ground = (*palette.PANEL, PANEL_CLEAR if beneath else PANEL)
        self._rect(left + 1, bottom + 1, width - 2, height - 2, ground)

    def _top_bar(self, width: int, height: int) -> None:
        """Labels above values, as on an instrument panel; the line below is the data's age."""
        status = self._fields[-1].colour
        self._rect(0, height - BAR_PX, width, BAR_PX, (*palette.PANEL, 240))
        self._rect(0, height - BAR_PX, width, 2, (*status, 255))
        x = float(MARGIN)
        self._lettering.add("SIDEREAL", x, height - 29, palette.WHITE, face=Face.LARGE)
        x += self._lettering.width("SIDEREAL", Face.LARGE) + 26
        letter = self._lettering.advance(Face.BOLD)
        small = self._lettering.advance(Face.SMALL)
        room = width - x - MARGIN
        widths = [max(field.width * letter, len(field.label) * small) for field in self._fields]
        chosen = choose_fields([field.rank for field in self._fields], widths, room)
        free = room - sum(widths[index] for index in chosen)
        gap = min(max(free / max(len(chosen) - 1, 1), FIELD_GAP_PX[0]), FIELD_GAP_PX[1])
        for field, taken in ((self._fields[index], widths[index]) for index in chosen):
            self._lettering.add(field.label, x, height - 16, palette.DIM, face=Face.SMALL)
            self._lettering.add(field.value, x, height - 34, field.colour, face=Face.BOLD)
            x += taken + gap

    def _legend(self, frame: Frame, box: Box) -> None:
        """Which colour is which shard."""
        shards = frame.ownership.shards()[: min(LEGEND_MAX, int((box.height - 30) / LINE))]
        self._panel(box)
        left, y = box.left, box.top - 18
        for head, right in (("shard", 67), ("sectors", 136), ("in view", 206)):
            self._lettering.add(head, left + right, y, palette.DIM, face=Face.SMALL, align=1.0)
        if not shards:
            self._lettering.add("no leases known", left + 32, y - LINE, palette.DIM)
        for shard, sectors in shards:
            y -= LINE
            colour = palette.shard_colour(shard)
            self._rect(left + 11, y - 2, 13, 13, (*colour, 255))
            self._lettering.add(f"S{shard}", left + 32, y, colour, face=Face.BOLD)
            self._lettering.add(f"{sectors}", left + 136, y, palette.TEXT, align=1.0)
            entities = self._counts.get(shard, 0)
            self._lettering.add(f"{entities}", left + 206, y, palette.TEXT, align=1.0)

    def _minimap(self, frame: Frame, box: Box) -> None:
        """The leases around, the window's frame, and where I am."""
        bounds = frame.ownership.bounds()
        assert bounds is not None
        left, bottom, top = box.left, box.bottom, box.top
        left_sector, bottom_sector, right_sector, top_sector = bounds
        columns, lines = right_sector - left_sector, top_sector - bottom_sector
        scale = min((box.width - 2 * MAP_RIM_PX) / columns, (box.height - 2 * MAP_RIM_PX) / lines)
        self._panel(box)
        zero_x = left + (box.width - columns * scale) / 2
        zero_y = bottom + (box.height - lines * scale) / 2
        owned = frame.ownership
        x = zero_x + (owned.sector_x - left_sector) * scale
        y = zero_y + (owned.sector_y - bottom_sector) * scale
        gap = 1.0 if scale > 6 else 0.0
        colours = with_alpha(palette.shard_colours(owned.shard), 150)
        self._rects.append(rect_rows(x, y, scale - gap, scale - gap, colours))
        size = frame.rules.sector_size
        edges = np.array(frame.camera.bounds()) / size
        seen_left, seen_right = np.clip(
            zero_x + (edges[[0, 2]] - left_sector) * scale, left + 1, box.right - 1
        )
        seen_bottom, seen_top = np.clip(
            zero_y + (edges[[1, 3]] - bottom_sector) * scale, bottom + 1, top - 1
        )
        self._frame_rect(seen_left, seen_bottom, seen_right, seen_top, (255, 255, 255, 200))
        here_x = zero_x + (frame.place[0] / size - left_sector) * scale
        here_y = zero_y + (frame.place[1] / size - bottom_sector) * scale
        if left < here_x < box.right and bottom < here_y < top:
            self._rect(here_x - 3, here_y - 3, 6, 6, (0, 0, 0, 255))
            self._rect(here_x - 2, here_y - 2, 4, 4, (255, 255, 255, 255))

    def _frame_rect(
        self, left: float, bottom: float, right: float, top: float, rgba: tuple[int, ...]
    ) -> None:
        self._rect(left, bottom, right - left, 1, rgba)
        self._rect(left, top - 1, right - left, 1, rgba)
        self._rect(left, bottom, 1, top - bottom, rgba)
        self._rect(right - 1, bottom, 1, top - bottom, rgba)

    def _net_graph(self, frame: Frame, box: Box, *, strips: bool) -> None:
        """Numbers, and above them one strip per frame and one per snapshot."""
        self._panel(box)
        left = box.left
        y = box.bottom + SMALL_LINE * (len(self._link) - 1) + 11
        for label, value in self._link:
            self._lettering.add(label, left + 10, y, palette.DIM, face=Face.SMALL)
            self._lettering.add(value, left + 88, y, palette.TEXT, face=Face.SMALL)
            y -= SMALL_LINE
        if strips:
            top = box.top - 8
            self._frame_strip(frame, left + 10, top - STRIP_PX)
            self._snapshot_strip(left + 10, top - 2 * STRIP_PX - 8)

    def _frame_strip(self, frame: Frame, left: float, bottom: float) -> None:
        """Per frame: blue while data is ahead of the picture, yellow while the client guesses."""
        lead = self._meter.lead_ms.values()
        known = np.flatnonzero(~np.isnan(lead))
        lead = lead[known]
        zero = bottom + round(STRIP_PX / 3)
        scale = (bottom + STRIP_PX - zero) / STRIP_MS
        tall = np.clip(
            np.abs(lead) * scale, 1.0, np.where(lead < 0, zero - bottom, STRIP_PX * 2 / 3)
        )
        ahead = (lead >= 0)[:, None]
        colours = np.where(ahead, palette.INTERPOLATED, palette.EXTRAPOLATED)
        base = np.where(lead >= 0, zero, zero - tall)
        self._strip(left, bottom, known, base, tall, colours, 1.0)
        self._rect(left, zero, FRAMES_MAX, 1, (*palette.DIM, 120))
        delay_ms = 1000 * frame.rules.tick_s * (frame.view.server_tick - frame.view.tick)
        rtt_ms = 1000 * frame.statistics.rtt_s
        for value, colour in ((delay_ms, palette.TEXT), (rtt_ms, palette.AUTHORITY)):
            line = zero + round(min(value, STRIP_MS) * scale)
            self._rect(left, line, FRAMES_MAX, 1, (*colour, 190))
        self._strip_legend(
            left,
            bottom,
            (("■ ahead", palette.INTERPOLATED), ("■ guessed", palette.EXTRAPOLATED)),
            (("─delay", palette.TEXT), ("─rtt", palette.AUTHORITY)),
        )

    def _snapshot_strip(self, left: float, bottom: float) -> None:
        """Per snapshot: green as tall as its bytes, a red bar for one that never came."""
        size = self._meter.snapshot_bytes.values()
        known = np.flatnonzero(~np.isnan(size))
        size = size[known]
        largest = float(size.max()) if len(size) else 0.0
        full = next((scale for scale in STRIP_BYTES if scale >= largest), STRIP_BYTES[-1])
        tall = np.where(size == 0, STRIP_PX, np.clip(size / full * STRIP_PX, 1.0, STRIP_PX))
        colours = np.where((size == 0)[:, None], palette.BAD, palette.GOOD)
        step = FRAMES_MAX / len(self._meter.snapshot_bytes.values())
        self._strip(left, bottom, known * step, bottom, tall, colours, step - 1.0)
        self._strip_legend(
            left,
            bottom,
            (("■ snapshot", palette.GOOD), ("■ missed", palette.BAD)),
            ((f"top {full / 1000:.0f} kB", palette.DIM),),
        )

    def _strip(
        self, left: float, bottom: float, at: Any, base: Any, tall: Any, colours: Any, wide: float
    ) -> None:
        self._rect(left, bottom, FRAMES_MAX, STRIP_PX, (0, 0, 0, 130))
        self._rects.append(rect_rows(left + at, base, wide, tall, with_alpha(colours, 215)))

    def _strip_legend(
        self,
        left: float,
        bottom: float,
        lines: tuple[tuple[str, Rgb], ...],
        last: tuple[tuple[str, Rgb], ...],
    ) -> None:
        x, y = left + FRAMES_MAX + 8, bottom + STRIP_PX - 11
        for text, colour in lines:
            self._lettering.add(text, x, y, colour, face=Face.SMALL)
            y -= 13
        for text, colour in last:
            self._lettering.add(text, x, y, colour, face=Face.SMALL)
            x += self._lettering.width(text, Face.SMALL) + 5

    def _inspector(self, frame: Frame, lines: list[tuple[str, str]], box: Box) -> None:
        self._panel(box)
        y = box.top - 18
        colour = palette.shard_colour(int(frame.view.shard[frame.selected]))
        self._rect(box.left, box.bottom, 3, box.height, (*colour, 255))
        for label, value in lines[: int((box.height - 14) / LINE)]:
            self._lettering.add(label, MARGIN + 14, y, palette.DIM, face=Face.SMALL)
            shown = colour if label == "shard" else palette.TEXT
            room = box.right - (MARGIN + 96) - 6
            self._lettering.add(self._lettering.cut(value, room, Face.PLAIN), MARGIN + 96, y, shown)
            y -= LINE

    def _feed(self, frame: Frame, box: Box) -> None:
        y = box.bottom + 6
        if frame.line is not None:
            self._rects.append(draw_line(frame.line, box, self._lettering, frame.now))
        else:
            self._lettering.add("? keys", MARGIN, y, palette.DIM, face=Face.SMALL, halo=True)
        y += LINE
        fresh = [line for line in frame.feed if frame.now - line.at < FEED_S]
        lines = min(FEED_LINES_MAX, int(box.height / LINE) - 1)
        for line in reversed(fresh[-lines:] if lines > 0 else []):
            alpha = min(1.0, (FEED_S - (frame.now - line.at)) / 2.0)
            text = self._lettering.cut(line.text, box.width, Face.PLAIN)
            self._lettering.add(text, box.left, y, line.colour, alpha=alpha, halo=True)
            y += LINE

    def _banner(self, frame: Frame, width: int, height: int, below: Box | None) -> None:
        shown = readout.banner(frame)
        if shown is None:
            return
        text, colour = shown
        face = Face.HUGE if self._lettering.width(text, Face.HUGE) + 60 <= width else Face.LARGE
        taken = self._lettering.width(text, face) + 60
        over = clear_of(width, height).top if below is None else below.top + GAP
        y = max(height * 0.76, over + 20)
        box = Box((width - taken) / 2, y - 20, taken, 62)
        if box.top > height - BAR_PX:
            return  # the bar is in the colour of the trouble, too
        self._panel(box)
        self._rect(box.left, box.bottom, taken, 3, (*colour, 255))
        self._lettering.add(text, width / 2, y, colour, face=face, align=0.5)

    def _help(self, box: Box) -> None:
        """The table of keys, word for word."""
        half = -(-len(self._keys) // 2)
        pitch = (box.width - 12) / 2
        face = Face.PLAIN if box.width == HELP_PX_MAX else Face.SMALL
        self._panel(box, opaque=True)
        self._lettering.add("keys", box.left + 20, box.top - 28, palette.WHITE, face=Face.LARGE)
        for index, (shown, does) in enumerate(self._keys):
            x = box.left + 20 + (index // half) * pitch
            y = box.top - 54 - LINE * (index % half)
            self._lettering.add(shown, x, y, palette.INTERPOLATED, face=Face.BOLD)
            room = pitch - 76 - 12
            self._lettering.add(
                self._lettering.cut(does, room, face), x + 76, y, palette.TEXT, face=face
            )
