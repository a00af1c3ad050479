"""What one frame is drawn from, and where it comes from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from sidereal.client.events import ClientEvent
from sidereal.client.front.camera import Camera
from sidereal.client.front.effects import Running
from sidereal.client.front.layers import Layer
from sidereal.client.front.looks import Looks
from sidereal.client.front.ownership import Ownership
from sidereal.client.front.palette import Rgb
from sidereal.client.front.play.compass import Needle
from sidereal.client.front.play.gauges import Reading
from sidereal.client.front.play.line import Line
from sidereal.client.front.play.sounds import Began
from sidereal.client.front.watch import Flash
from sidereal.client.happenings import Happened
from sidereal.client.returning import Absence
from sidereal.client.statistics import ClientStatistics
from sidereal.client.view import View
from sidereal.game.declarations import Declarations
from sidereal.game.record import Record
from sidereal.protocol.rules import Rules

BAR_PX: Final = 46
"""Height of the top bar."""

R = TypeVar("R", bound=Record)


class Feed(Protocol):
    """The part of `sidereal.client.returning.ReturningClient` that a face needs."""

    @property
    def rules(self) -> Rules | None:
        """The world's rules, `None` until joined."""

    @property
    def game(self) -> Declarations:
        """Which is played in the session that is shown."""

    @property
    def leases(self) -> NDArray[np.void]:
        """`LEASE`[n], which shard simulates which sector around the client."""

    @property
    def session(self) -> int:
        """Number of the session that is shown: from one to another nothing is continuous."""

    @property
    def absence(self) -> Absence | None:
        """Why the client is not in the world and when it tries to be; None while it is."""

    def view(self, now: float) -> View:
        """What to draw at `now`."""

    def statistics(self) -> ClientStatistics:
        """How the link is doing."""

    def hold(self, record: int) -> None:
        """Hold a record of controls from now on; its presses count once."""

    def look_at(self, x: float, y: float) -> None:
        """Move the centre of an observer's interest."""

    def of_account(self, record: type[R]) -> R | None:
        """What the own account has of a component, one value each; None before it is known."""

    def of_world(self, record: type[R]) -> R | None:
        """What the world has of a component, likewise."""

    def call(self, action: str, **arguments: Any) -> bytes:
        """Ask for an action of the game; its receipt is an event."""

    def next_event(self) -> ClientEvent | None:
        """Oldest event not yet taken."""

    def take_happened(self, tick: float) -> Iterable[Happened]:
        """Give up the events of the game that happened up to a tick."""


class FeedLine(NamedTuple):
    """One line of the event feed."""

    text: str
    colour: Rgb
    at: float


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """One frame, whole: the scene and the panels are functions of it.

    Attributes:
        now: monotonic seconds.
        view: what the client core says is where.
        looks: how kinds are drawn.
        labels: bytes[n], what is written beside each entity.
        ownership: the leases.
        rules: the world's.
        camera: where the window looks.
        layers: what is switched on.
        statistics: of the client.
        data_age_s: time since the newest snapshot arrived, as of this frame.
        absence: why the client is not in the world, None while it is.
        observing: whether this is an observer's session.
        described: whether the world is shown as the server describes it, without its game.
        selected: row of the selected entity, −1 without one.
        flashes: handovers of the last second.
        effects: of what has happened a short while ago.
        moved_leases: when a sector changed its owner, monotonic seconds by sector.
        feed: the newest lines, oldest first.
        readings: of the game's gauges.
        needles: of the game's compasses.
        sounding: effects that sound and begin with this frame.
        line: what is being typed, if anything.
    """

    now: float
    view: View
    looks: Looks
    labels: NDArray[np.bytes_]
    ownership: Ownership
    rules: Rules
    camera: Camera
    layers: frozenset[Layer]
    statistics: ClientStatistics
    data_age_s: float
    absence: Absence | None
    observing: bool
    described: bool
    selected: int
    flashes: Sequence[Flash]
    effects: Sequence[Running]
    moved_leases: dict[tuple[int, int], float]
    feed: Sequence[FeedLine]
    readings: Sequence[Reading]
    needles: Sequence[Needle]
    sounding: Sequence[Began]
    line: Line | None

    @property
    def place(self) -> tuple[float, float]:
        """Centre of interest: the own entity, or where an observer looks."""
        own = self.view.own
        if own >= 0:
            return float(self.view.x[own]), float(self.view.y[own])
        return self.camera.x, self.camera.y

    def name_of(self, row: int) -> str:
        """Label of an entity, or its id without one."""
        return entity_name(self.view, self.labels, row)

    def sector_at(self, x: float, y: float) -> tuple[int, int]:
        """Sector that contains a position."""
        size = self.rules.sector_size
        return int(x // size), int(y // size)


def entity_name(view: View, labels: NDArray[np.bytes_], row: int) -> str:
    """Label of an entity, or its id without one."""
    label = bytes(labels[row]).decode("utf-8", "replace")
    return label or f"e{int(view.net_id[row])}"
