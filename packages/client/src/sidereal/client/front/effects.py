"""Effects: what is shown for a while when an event happens, as the game declares it.

An effect stays at the event's own `x` and `y` if it has such fields. Else it goes along with its
subject, and stays where that was last when it is known no more. What says who the subject is
may have been lost, and come later than the event; so an effect waits for a moment for a subject
that is not known. Then there is nothing to show.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sidereal.client.front.camera import Camera
from sidereal.client.front.play.sounds import Began
from sidereal.client.front.rows import MARK, Rows, Shape, join_rows, mark_rows, with_alpha
from sidereal.client.front.writing.clusters import wrap
from sidereal.client.happenings import Happened
from sidereal.client.view import View
from sidereal.game.column import Field
from sidereal.game.component import VIEWERS, Event
from sidereal.game.declarations import Declarations
from sidereal.game.look import Effect
from sidereal.game.schema import gather
from sidereal.protocol.state.schema import EVENT_FIRST

RUNNING_MAX: Final = 256
"""Of effects that began together; of more the oldest end."""
WORDS_MAX: Final = 30
SPOKEN_PX: Final = 26.0
"""At least so far above whoever says it are words drawn."""
SPOKEN_LETTERS: Final = 36
"""Of a line, as wide as Latin ones; longer words go on in the next one, for `SPOKEN_LINES`."""
SPOKEN_LINES: Final = 4
SPOKEN_LINE_PX: Final = 16.0
FADE_S: Final = 0.5
"""So long before their end words begin to fade."""
WAITS_S: Final = 1.0
"""For so long an effect waits for a subject that is not known."""

Floats = NDArray[np.float64]


class Running(NamedTuple):
    """Effects of one sort that began together.

    Attributes:
        effect: as declared.
        began_at: monotonic seconds.
        x: float64[n], world units; likewise `y`.
        size: float64[n], world units.
        text: what each of them says.
        subject: uint32[n], along with whom they go; None where they stay where they began.
    """

    effect: Effect
    began_at: float
    x: Floats
    y: Floats
    size: Floats
    text: Sequence[str]
    subject: NDArray[np.uint32] | None = None

    def spent(self, now: float) -> float:
        """Share of its time that is over, from 0 on; 1 and more at its end."""
        return max(0.0, (now - self.began_at) / self.effect.seconds)


class Effects:
    """The effects of one game that are shown.

    Attributes:
        running: those that have begun and not ended.
        began: those that sound, of the newest frame.
    """

    def __init__(self, game: Declarations) -> None:
        self.running: collections.deque[Running] = collections.deque(maxlen=RUNNING_MAX)
        self.began: list[Began] = []
        # Events without a place, and until when they wait for one.
        self._waiting: collections.deque[tuple[Happened, float]] = collections.deque()
        self._game = game
        self._of: dict[type[Event], list[Effect]] = {event: [] for event in game.events}
        for effect in game.effects:
            self._of[effect.event].append(effect)

    def begin(self, happened: Iterable[Happened], view: View, now: float) -> None:
        """Begin the effects of what has happened, and end those whose time is over.

        Args:
            happened: since the last frame.
            view: of this frame, in which subjects are looked for.
            now: monotonic seconds.
        """
        self.began = []
        going_on = [_moved(each, view) for each in self.running if each.spent(now) < 1.0]
        self.running.clear()
        self.running.extend(going_on)
        waiting = [*self._waiting, *((one, now + WAITS_S) for one in happened)]
        self._waiting = collections.deque(maxlen=RUNNING_MAX)
        for one, until in waiting:
            event = self._game.events[one.number - EVENT_FIRST]
            if self._of[event] and now <= until:
                values = gather(event, one.values.__getitem__)
                seen = self._begin(values, one, view, now)
                if not seen.all():
                    self._waiting.append((one.take(~seen), until))

    def headlines(self, happened: Iterable[Happened]) -> Iterator[str]:
        """Say in words what not all viewers are told of: it may be far away, or without effect."""
        for one in happened:
            event = self._game.events[one.number - EVENT_FIRST]
            if event.to is not VIEWERS:
                count = len(one.subject)
                whom = f"e{one.subject[0]}" if count == 1 else f"{count} times"
                name = event.record_name.rpartition(".")[2].replace("_", " ")
                yield f"{name}, {whom}"

    def _begin(
        self, values: Event, happened: Happened, view: View, now: float
    ) -> NDArray[np.bool_]:
        """Begin the effects of events as far as it is known where they are; tells of which."""
        x, y, seen = _places(values, happened, view)
        subject = None if {"x", "y"} <= values.fields.keys() else happened.subject[seen]
        for effect in self._of[type(values)] if seen.any() else ():
            size = _numbers(values, effect.size, len(x))
            text = _texts(values, len(x))
            shown = [text[row] for row in np.flatnonzero(seen).tolist()]
            if effect.kind == "text" and subject is not None:
                self._silence(effect, subject)
            begun = Running(effect, now, x[seen], y[seen], size[seen], shown, subject)
            self.running.append(begun)
            if effect.sound is not None:
                places = zip(begun.x.tolist(), begun.y.tolist(), strict=True)
                self.began += [Began(effect.sound, *place) for place in places]
        return seen

    def _silence(self, effect: Effect, subject: NDArray[np.uint32]) -> None:
        """End what these have said before: who speaks again has one thing to say."""
        for at, each in enumerate(self.running):
            if each.effect is effect and each.subject is not None:
                left = ~np.isin(each.subject, subject)
                text = [each.text[row] for row in np.flatnonzero(left).tolist()]
                self.running[at] = each._replace(
                    x=each.x[left],
                    y=each.y[left],
                    size=each.size[left],
                    text=text,
                    subject=each.subject[left],
                )


def effect_rows(running: Iterable[Running], camera: Camera, now: float) -> Rows:
    """Rows of marks of all effects that are no text."""
    parts = []
    for each in running:
        at, reach = camera.relative(each.x, each.y), each.size * camera.zoom
        spent = min(each.spent(now), 1.0)
        fade = 1.0 - spent
        colour, clear = each.effect.rgb, (0, 0, 0, 0)
        if each.effect.kind == "burst":
            grown = reach * (0.35 + 0.65 * spent**0.5)
            fill, line = with_alpha(colour, 200 * fade**2), with_alpha(colour, 255 * fade)
            parts.append(mark_rows(at, spent, grown, Shape.STAR, fill))
            parts.append(mark_rows(at, 0.0, grown, Shape.CIRCLE, clear, line, 2.5))
        elif each.effect.kind == "flash":
            fill = with_alpha(colour, 255 * fade**2)
            parts.append(mark_rows(at, 0.0, reach, Shape.CIRCLE, fill))
        elif each.effect.kind == "ring":
            line = with_alpha(colour, 255 * fade)
            parts.append(mark_rows(at, 0.0, reach * spent**0.5, Shape.CIRCLE, clear, line, 3.0))
    return join_rows(parts, MARK)


class Word(NamedTuple):
    """A word on the picture: where, in pixels, and how."""

    text: str
    x: float
    y: float
    colour: tuple[int, int, int]
    alpha: float


def effect_words(running: Iterable[Running], camera: Camera, now: float) -> list[Word]:
    """The effects that are text: above whom it happened to, or rising by their size, and fading."""
    words: list[Word] = []
    for each in running:
        if each.effect.kind == "text":
            spent = min(each.spent(now), 1.0)
            at, rise = camera.relative(each.x, each.y), each.size * camera.zoom * spent
            if each.subject is not None:  # it stays above whoever says it
                rise = np.maximum(each.size * camera.zoom, SPOKEN_PX)
            alpha = min(1.0, (each.effect.seconds - (now - each.began_at)) / FADE_S)
            for (x, y), up, text in zip(at, rise, each.text, strict=True):
                lines = wrap(text, SPOKEN_LETTERS, SPOKEN_LINES)
                for row, line in enumerate(reversed(lines)):
                    above = float(y + up) + SPOKEN_LINE_PX * row
                    words.append(Word(line, float(x), above, each.effect.rgb, alpha))
    return words[:WORDS_MAX]


def _moved(running: Running, view: View) -> Running:
    """Take effects along with those to whom they happened."""
    if running.subject is None or not len(view):
        return running
    x, y = running.x.copy(), running.y.copy()
    rows, drawn = _drawn(running.subject, view)
    x[drawn], y[drawn] = view.x[rows[drawn]], view.y[rows[drawn]]
    return running._replace(x=x, y=y)


def _drawn(subject: NDArray[np.uint32], view: View) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Rows of some in a view that has any, and which of these they are."""
    rows = np.minimum(np.searchsorted(view.net_id, subject), len(view) - 1)
    return rows, view.net_id[rows] == subject


def _places(
    values: Event, happened: Happened, view: View
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Where it happened, and whether that is known."""
    if {"x", "y"} <= values.fields.keys():
        x, y = (np.asarray(getattr(values, axis), np.float64) for axis in "xy")
        return x, y, np.ones(len(x), np.bool_)
    x, y = happened.places.copy()
    if len(view):
        rows, drawn = _drawn(happened.subject, view)
        x[drawn], y[drawn] = view.x[rows[drawn]], view.y[rows[drawn]]
    return x, y, ~np.isnan(x)


def _numbers(values: Event, said: float | Field, count: int) -> Floats:
    if isinstance(said, Field):
        return np.asarray(getattr(values, said.name), np.float64)
    return np.full(count, float(said))


def _texts(values: Event, count: int) -> list[str]:
    """What an effect says: the event's first text, or else what it is called."""
    for name, field in values.fields.items():
        if field.storage.dtype == "S":
            column: list[Any] = getattr(values, name).tolist()
            return [text.decode("utf-8", "replace") for text in column]
    return [values.record_name.rpartition(".")[2].replace("_", " ")] * count
