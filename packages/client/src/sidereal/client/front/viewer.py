"""What the person at the window has chosen, and the next frame of it; no arcade here.

The window tells the viewer about keys and the mouse; once per frame `advance` takes the client's
events and view, moves the camera and returns a `Frame`.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidereal.client import events
from sidereal.client.front import palette
from sidereal.client.front.camera import Camera
from sidereal.client.front.choosing import Walk, choices
from sidereal.client.front.effects import Effects
from sidereal.client.front.frame import BAR_PX, Feed, Frame, entity_name
from sidereal.client.front.grip import Grip
from sidereal.client.front.keys import Ask, Pan, Steer, make_bindings
from sidereal.client.front.layers import Layer
from sidereal.client.front.looks import Looks
from sidereal.client.front.meter import Meter
from sidereal.client.front.news import News
from sidereal.client.front.ownership import Ownership
from sidereal.client.front.palette import shard_name
from sidereal.client.front.play.compass import Compasses
from sidereal.client.front.play.gauges import Gauges
from sidereal.client.front.play.line import Line
from sidereal.client.front.watch import FLASH_S, OwnerWatch, row_of
from sidereal.client.statistics import ClientStatistics
from sidereal.client.view import View
from sidereal.game.described import Described
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.rules import Rules

CLICK_PX: Final = 10.0
"""How far beside a symbol a click still selects it."""
NEAR: Final = 0.6
"""Share of what a player is sent around the own entity that is in the picture, at first."""
NAMED_MAX: Final = 12
"""Where more than so many are around, handovers of others are shown, but not told by name."""
PAN_PX_PER_S: Final = 700.0
WHEEL_FACTOR: Final = 1.15
LOOK_UNITS: Final = 1.0
"""An observer's centre that moved less is not worth a message."""


class Viewer:
    """State of one window over one feed.

    Attributes:
        bindings: what keys do.
        camera: where the window looks.
        layers: what is switched on.
        following: whether the camera follows the own entity, or, of who flies none, the selection.
        selected_id: net id of the selection, 0 without one.
        frame: the newest frame, `None` before the first.
        line: what is being typed, None if nothing is.
    """

    def __init__(
        self,
        feed: Feed,
        meter: Meter,
        *,
        size: tuple[int, int],
        observing: bool,
        layers: frozenset[Layer],
        at: tuple[int, int] | None,
    ) -> None:
        """Look at a feed.

        Args:
            feed: the client.
            meter: takes what the frames show of the link.
            size: of the window, pixels.
            observing: an observer pans, a player flies.
            layers: what to show.
            at: sector to look at first.
        """
        self._feed = feed
        self._meter = meter
        self._observing = observing
        self.line: Line | None = None
        self._take_game()
        self._rules = feed.rules or Rules()
        sector = self._rules.sector_size
        x, y = ((at[0] + 0.5) * sector, (at[1] + 0.5) * sector) if at else (0.0, 0.0)
        # Below the bar; an observer sees the square of interest and a bit, a player what is near.
        share = 1.0 if observing else NEAR
        side = share * (self._rules.window_side + 0.5) * self._rules.cell_size
        self.camera = Camera(*size, x, y, (size[1] - BAR_PX) / side)
        self.layers = layers
        self.following = at is None and not observing
        self.selected_id = 0
        self.frame: Frame | None = None
        self._placed = at is not None
        self._looked_at: tuple[float, float] | None = None
        self._pointer: tuple[float, float] | None = None
        self._panning: set[Pan] = set()
        self._newest_tick = -1
        self._newest_seen_at = 0.0
        self._leases = feed.leases
        self._ownership = Ownership(self._leases)
        self._moved_leases: dict[tuple[int, int], float] = {}
        self._watch = OwnerWatch()
        self._session = feed.session
        self._news = News()
        self._walk = Walk()

    @property
    def ended(self) -> events.Ended | None:
        """How the session ended, None while it goes on."""
        return self._news.ended

    @property
    def settled(self) -> bool:
        """Whether there is a world in the picture, and, for a pilot, the own entity."""
        if self.frame is None or self.frame.statistics.newest_tick < 0:
            return False
        present = self._observing or self.frame.view.own >= 0
        return present and len(self._ownership) > 0

    # -- one frame ------------------------------------------------------------------------------

    def advance(self, now: float, elapsed_s: float) -> Frame:
        """Take what is new and compose the next frame.

        Args:
            now: monotonic seconds on the client's clock.
            elapsed_s: since the last frame.
        """
        self._news.take(self._feed, now)
        self._rules = self._feed.rules or self._rules
        view = self._feed.view(now)
        statistics = self._feed.statistics()
        self._follow_session()
        happened = list(self._feed.take_happened(view.tick))
        for line in self._effects.headlines(happened):
            self.note(line, now)
        self._effects.begin(happened, view, now)
        self._take_leases(now)
        labels = self._looks.labels(view)
        self._take_handovers(view, labels, now)
        self._note_link(view, statistics)
        selected = row_of(view.net_id, self.selected_id)
        self._move_camera(view, selected, elapsed_s)
        self._aim(view)
        self.frame = Frame(
            now=now,
            view=view,
            looks=self._looks,
            labels=labels,
            ownership=self._ownership,
            rules=self._rules,
            camera=self.camera,
            layers=self.layers,
            statistics=statistics,
            data_age_s=self._data_age(statistics, now),
            absence=self._feed.absence,
            observing=self._observing,
            described=isinstance(self._game, Described),
            selected=selected,
            flashes=tuple(self._watch.flashes),
            effects=tuple(self._effects.running),
            moved_leases=self._moved_leases,
            feed=tuple(self._news.lines),
            readings=self._gauges.read(view, self._feed, now),
            needles=self._compasses.point(view, self._ownership, self._rules),
            sounding=tuple(self._effects.began),
            line=self.line,
        )
        return self.frame

    def note(self, text: str, now: float, colour: palette.Rgb = palette.TEXT) -> None:
        """Put a line on the event feed."""
        self._news.note(text, now, colour)

    def _take_game(self) -> None:
        """Draw and steer as the game says that is shown."""
        game = self._game = self._feed.game
        self._looks, self._effects = Looks(game), Effects(game)
        self.bindings = make_bindings(game, observing=self._observing)
        self._grip = Grip(() if self._observing else game.controls)
        self._gauges, self._compasses = Gauges(game), Compasses(game, self._looks)
        self.line = None

    def _follow_session(self) -> None:
        """Another session is another world to look at: what was selected or owned is no more."""
        if self._feed.game is not self._game:
            self._take_game()
        if self._feed.session != self._session:
            self._session = self._feed.session
            self._watch = OwnerWatch()
            self._leases = self._feed.leases
            self._ownership = Ownership(self._leases)
            self._moved_leases = {}
            self.selected_id, self._walk = 0, Walk()
            self._compasses.forget()

    def _take_leases(self, now: float) -> None:
        leases = self._feed.leases
        if leases is self._leases:
            return
        before, self._leases = self._ownership, leases
        self._ownership = Ownership(leases)
        self._moved_leases = {
            sector: at for sector, at in self._moved_leases.items() if now - at < FLASH_S
        }
        if len(before) == 0:
            return
        for x, y, owner_before, owner in self._ownership.changed_since(before):
            self._moved_leases[x, y] = now
            text = f"sector {x},{y} {shard_name(owner_before)} ► {shard_name(owner)}"
            self.note(text, now, palette.shard_colour(owner))

    def _take_handovers(self, view: View, labels: NDArray[np.bytes_], now: float) -> None:
        crowd = np.count_nonzero(~self._looks.scenery[view.kind]) > NAMED_MAX
        for flash in self._watch.look(view.net_id, view.shard, now):
            row = row_of(view.net_id, flash.net_id)
            special = row == view.own or flash.net_id == self.selected_id
            named = bool(labels[row]) or self._looks.flown[view.kind[row]]
            if self._looks.scenery[view.kind[row]] or not (special or (named and not crowd)):
                continue  # many, or of no interest by name
            who = "you" if row == view.own else entity_name(view, labels, row)
            text = f"{who} handed over S{flash.before} ► S{flash.after}"
            self.note(text, now, palette.shard_colour(flash.after))

    def _note_link(self, view: View, statistics: ClientStatistics) -> None:
        said = statistics
        self._meter.data_seen(
            view.tick, said.newest_tick, said.snapshots, said.bytes_in, self._rules.tick_s
        )

    def _data_age(self, statistics: ClientStatistics, now: float) -> float:
        """Age of the newest snapshot; the core's own word is as old as its newest datagram."""
        if statistics.newest_tick != self._newest_tick:
            self._newest_tick, self._newest_seen_at = statistics.newest_tick, now
        return max(statistics.data_age_s, now - self._newest_seen_at)

    def _move_camera(self, view: View, selected: int, elapsed_s: float) -> None:
        if not self._placed:
            self._place_first(view)
        target = view.own if view.own >= 0 else selected
        if self.following and target >= 0:
            self.camera.follow(float(view.x[target]), float(view.y[target]), elapsed_s)
        if not self._observing:
            return
        step = PAN_PX_PER_S * elapsed_s
        self._pan(
            -step * sum(pan.value[0] for pan in self._panning),
            -step * sum(pan.value[1] for pan in self._panning),
        )
        here = self.camera.x, self.camera.y
        last = self._looked_at
        if last is None or max(abs(here[0] - last[0]), abs(here[1] - last[1])) > LOOK_UNITS:
            self._feed.look_at(*here)
            self._looked_at = here

    def _place_first(self, view: View) -> None:
        """Start on the own entity, or in the middle of the leases that are known."""
        bounds = self._ownership.bounds()
        size = self._rules.sector_size
        if view.own >= 0:
            self.camera.x, self.camera.y = float(view.x[view.own]), float(view.y[view.own])
        elif self._observing and bounds is not None:
            self.camera.x = (bounds[0] + bounds[2]) / 2 * size
            self.camera.y = (bounds[1] + bounds[3]) / 2 * size
        else:
            return
        self._placed = True

    # -- the person ----------------------------------------------------------------------------

    def press(self, target: Steer | Pan) -> None:
        """A key that is held went down."""
        if isinstance(target, Pan):
            self._panning.add(target)
        else:
            self._hold(self._grip.press(target))

    def release(self, target: Steer | Pan) -> None:
        """A key that was held came up."""
        if isinstance(target, Pan):
            self._panning.discard(target)
        else:
            self._hold(self._grip.release(target))

    def release_all(self) -> None:
        """The window lost the keyboard: nothing is held any more."""
        self._panning.clear()
        self._hold(self._grip.release_all())

    def point(self, x: float, y: float) -> None:
        """The pointer is over this pixel."""
        self._pointer = x, y

    def _aim(self, view: View) -> None:
        """Say where the pointer is, seen from the own entity, if the game asks for it."""
        if self._pointer is not None and self._grip.points and view.own >= 0:
            x, y = self.camera.unproject(*self._pointer)
            angle = math.atan2(y - view.y[view.own], x - view.x[view.own])
            self._hold(self._grip.point(angle))

    def ask(self, what: Ask) -> None:
        """Ask for an action, or begin to type what it is asked for with."""
        if what.typed is None:
            self._call(what.action, {})
        else:
            self.release_all()
            self.line = Line(what.action, what.typed)

    def send_line(self) -> None:
        """Ask for the action with what was typed; without a word, for nothing."""
        line, self.line = self.line, None
        if line is not None and line.text.strip():
            self._call(line.action, line.arguments)

    def _call(self, action: str, arguments: dict[str, str]) -> None:
        try:
            self._feed.call(action, **arguments)
        except LocalProtocolError as error:
            self.note(str(error), self.frame.now if self.frame else 0.0, palette.WARN)

    def _hold(self, record: int | None) -> None:
        if record is not None:
            self._feed.hold(record)

    def toggle(self, layer: Layer) -> None:
        """Switch a layer."""
        self.layers ^= {layer}

    def drag(self, pixels_x: float, pixels_y: float) -> None:
        """Pan by hand, which ends following."""
        self._pan(pixels_x, pixels_y)

    def _pan(self, pixels_x: float, pixels_y: float) -> None:
        if pixels_x or pixels_y:
            self.following = False
            self._placed = True
            self.camera.pan(pixels_x, pixels_y)

    def wheel(self, pixel_x: float, pixel_y: float, notches: float) -> None:
        """Zoom at the pointer; while following, at the middle."""
        if self.following:
            pixel_x, pixel_y = self.camera.width / 2, self.camera.height / 2
        self.camera.zoom_at(pixel_x, pixel_y, WHEEL_FACTOR**notches)

    def fit(self) -> None:
        """Show all leases that are known."""
        bounds = self._ownership.bounds()
        if bounds is not None:
            self.following = False
            self._placed = True
            left, bottom, right, top = (edge * self._rules.sector_size for edge in bounds)
            self.camera.fit(left, bottom, right, top, BAR_PX + 14)

    def follow(self) -> None:
        """Follow, or stop following."""
        self.following = not self.following

    def deselect(self) -> bool:
        """Drop the selection; whether there was one."""
        selected, self.selected_id = self.selected_id, 0
        return selected != 0

    def select_step(self, step: int) -> None:
        """Select the next (1) or previous (−1) in the picture; see `choosing`."""
        if self.frame is None:
            return
        there = choices(self.frame.view, self._looks, self.camera)
        self.selected_id = self._walk.step(step > 0, there, self.selected_id)

    def click(self, pixel_x: float, pixel_y: float) -> None:
        """Select what is under the pointer, or nothing."""
        if self.frame is None:
            return
        view = self.frame.view
        at = self.camera.relative(view.x, view.y)
        middle = np.array([self.camera.width / 2, self.camera.height / 2])
        away = np.hypot(*(at + middle - (pixel_x, pixel_y)).T) - self._looks.reach_px(
            view, self.camera.zoom
        )
        self.selected_id = 0
        if len(away) and away.min() <= CLICK_PX:
            self.selected_id = int(view.net_id[int(away.argmin())])
