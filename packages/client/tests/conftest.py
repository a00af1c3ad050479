"""Fixtures of the viewer: a made-up world to look at, and one off-screen window for all tests."""

from __future__ import annotations

import dataclasses
import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

# arcade decides between a window and off-screen drawing when it is imported.
os.environ["ARCADE_HEADLESS"] = "1"

from sidereal.client.events import ClientEvent
from sidereal.client.front.preflight import check
from sidereal.client.happenings import Happened
from sidereal.client.leases import LEASE
from sidereal.client.returning import Absence
from sidereal.client.statistics import ClientStatistics, SessionState
from sidereal.client.view import View
from sidereal.game import (
    F4,
    F8,
    I1,
    PILOT,
    Body,
    Component,
    Controls,
    Event,
    Game,
    Held,
    Label,
    Motion,
    Pilot,
    Press,
    Text,
    angle,
    axis,
    field,
    hold,
    press,
)
from sidereal.game.declarations import declare
from sidereal.game.record import as_columns
from sidereal.protocol.errors import UnavailableError
from sidereal.protocol.rules import Rules

RULES = Rules()


class Reach(Component, name="tests.reach"):
    units: F4 = field(60, low=1, high=500, unit="unit")


class Stick(Controls, name="tests.stick"):
    push: I1 = axis("W", "S")
    yaw: I1 = axis("A", "D")
    slow_down: Held = hold("X")
    shout: Press = press("SPACE")
    aim: F4 = angle(pointer=True, bits=8)


class Burst(Event, name="tests.burst"):
    x: F8
    y: F8


class Flash(Event, name="tests.flash"):
    size: F4 = field(20, low=1, high=100)


class RedAlert(Event, to=PILOT, name="tests.red_alert"):
    """For one client only."""


class Gate(Event, name="tests.gate"):
    """It has no fields."""


class Cry(Event, name="tests.cry"):
    says: Text = field(b"", size=16)


def make_game() -> Game:
    """Kinds with looks of several sorts, in this order."""
    game = Game("faces")
    craft = game.kind("craft", Motion(), Body(radius=6), Label(), Pilot())
    rock = game.kind("rock", Motion(), Body(), Label())
    depot = game.kind("depot", Motion(), Body(), Label())
    beacon = game.kind("beacon", Motion(), Reach())
    game.kind("bare", Motion(), Body(), Label())
    game.look(craft, symbol="arrow", label=Label.name)
    game.look(rock, symbol="rock")
    game.look(depot, symbol="square", label=Label.name, size=9)
    game.look(beacon, symbol="ring", colour="#0f0", size=Reach.units)
    game.declare(Stick)
    game.effect(Burst, kind="burst", size=40, colour="#fc0")
    game.effect(Flash, kind="flash", size=Flash.size)
    game.effect(Gate, kind="ring", size=30, seconds=1.0)
    game.effect(Cry, kind="text", size=20, seconds=1.0)
    game.effect(RedAlert, kind="flash", size=20)
    return game


GAME = declare(make_game())


def lease_rows(owners: dict[tuple[int, int], int]) -> np.ndarray:
    rows = np.zeros(len(owners), dtype=LEASE)
    for row, ((x, y), shard) in zip(rows, owners.items(), strict=True):
        row["sector_x"], row["sector_y"], row["shard"] = x, y, shard
    return rows


class SyntheticFeed:
    """A client that has always been connected: things fly straight, sectors own them."""

    def __init__(self, owners: dict[tuple[int, int], int]) -> None:
        self.game = GAME
        self.rules: Rules | None = RULES
        self.owners = owners
        self.leases = lease_rows(owners)
        self.session = 1
        self.absence: Absence | None = None
        self.own_id = 0
        self.age_s = 0.03
        self.state = SessionState.JOINED
        self.rtt_s = 0.024
        self.lost_ticks: frozenset[int] = frozenset()
        self.held: list[int] = []
        self.looked_at: list[tuple[float, float]] = []
        self.events: deque[ClientEvent] = deque()
        self.happened: list[Happened] = []
        self.snapshot_bytes = 2400
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.account: dict[type[Any], Any] = {}
        self.world: dict[type[Any], Any] = {}
        self._entities: list[tuple[int, int, float, float, float, float, float, str, float]] = []
        self._now = 0.0

    def place(
        self,
        net_id: int,
        kind: str,
        x: float,
        y: float,
        *,
        radius: float = 6.0,
        vx: float = 0.0,
        vy: float = 0.0,
        name: str = "",
        reach: float = 60.0,
    ) -> None:
        number = [each.name for each in self.game.kinds].index(kind) + 1
        self._entities.append((net_id, number, radius, x, y, vx, vy, name, reach))
        self._entities.sort()

    def clear(self) -> None:
        self._entities.clear()

    def view(self, now: float) -> View:
        self._now = now
        net_id, kind, radius, x, y, vx, vy, name, reach = (
            zip(*self._entities, strict=True) if self._entities else ((),) * 9
        )
        names = np.array([text.encode() for text in name], dtype="S24")
        known = {
            Body: {
                "radius": np.array(radius, np.float32),
                "mass": np.ones(len(radius), np.float32),
                "group": np.zeros(len(radius), np.uint32),
            },
            Label: {"name": names},
            Reach: {"units": np.array(reach, np.float32)},
        }
        speed_x, speed_y = np.array(vx, dtype=np.float64), np.array(vy, dtype=np.float64)
        at_x = np.array(x, dtype=np.float64) + speed_x * now
        at_y = np.array(y, dtype=np.float64) + speed_y * now
        ids = np.array(net_id, dtype=np.uint32)
        own = int(np.flatnonzero(ids == self.own_id)[0]) if self.own_id in ids else -1
        heading = np.arctan2(speed_y, speed_x)
        size = RULES.sector_size
        sectors = zip((at_x // size).tolist(), (at_y // size).tolist(), strict=True)
        return View(
            tick=now * RULES.tick_hz - 2.0,
            server_tick=now * RULES.tick_hz,
            net_id=ids,
            kind=np.array(kind, dtype=np.uint8),
            radius=np.array(radius, dtype=np.float32),
            shard=np.array([self.owners.get(sector, 0) for sector in sectors], dtype=np.uint16),
            x=at_x,
            y=at_y,
            vx=speed_x,
            vy=speed_y,
            heading=heading,
            age_s=np.full(len(ids), self.age_s),
            name=names,
            own=own,
            authority_x=at_x - 0.12 * speed_x,
            authority_y=at_y - 0.12 * speed_y,
            authority_heading=heading,
            columns=lambda record: as_columns(record, known[record]),  # type: ignore[index]
        )

    def statistics(self) -> ClientStatistics:
        newest = int((self._now - self.age_s) * RULES.tick_hz)
        while newest in self.lost_ticks:
            newest -= 1
        snapshots = newest - sum(tick < newest for tick in self.lost_ticks)
        return ClientStatistics(
            state=self.state,
            rtt_s=self.rtt_s,
            jitter_s=0.002,
            loss=0.004,
            snapshot_hz=20.0,
            bytes_in_per_s=self.snapshot_bytes * 20.0,
            bytes_out_per_s=1900.0,
            newest_tick=newest,
            data_age_s=self.age_s,
            visible_entities=len(self._entities),
            snapshots=snapshots,
            bytes_in=snapshots * self.snapshot_bytes + 700 * (snapshots % 3),
            bytes_out=0,
            malformed=0,
            events_dropped=0,
            entities_dropped=0,
            inputs=0,
            inputs_skipped=0,
            corrections=2,
            position_error_units=0.04,
            spawns_matched=0,
            spawns_unmatched=0,
        )

    def hold(self, record: int) -> None:
        self.held.append(record)

    def look_at(self, x: float, y: float) -> None:
        self.looked_at.append((x, y))

    def of_account(self, record: type[Any]) -> Any:
        return self.account.get(record)

    def of_world(self, record: type[Any]) -> Any:
        return self.world.get(record)

    def call(self, action: str, **arguments: Any) -> bytes:
        self.calls.append((action, arguments))
        return bytes(16)

    def next_event(self) -> ClientEvent | None:
        return self.events.popleft() if self.events else None

    def take_happened(self, tick: float) -> list[Happened]:
        due, self.happened = self.happened, []
        return due


@pytest.fixture
def make_feed() -> Callable[[dict[tuple[int, int], int]], SyntheticFeed]:
    return SyntheticFeed


@pytest.fixture
def rows_of_leases() -> Callable[[dict[tuple[int, int], int]], np.ndarray]:
    return lease_rows


@dataclasses.dataclass
class Screen:
    """The window all drawing tests share, and what is on it."""

    window: Any
    loop: Any

    def show(self, viewer: Any, now: float) -> np.ndarray:
        """Draw one frame of a viewer at a moment; uint8[height, width, 3], lower row first."""
        self.window.attach(viewer, lambda: now)
        self.window.switch_to()
        self.window.on_draw()
        return np.asarray(self.window.grab())[::-1]


@pytest.fixture(scope="session")
def screen() -> Iterator[Screen]:
    try:
        check(headless=True)
    except UnavailableError as error:
        if os.environ.get("SIDEREAL_REQUIRE_GL") == "1":
            pytest.fail(f"SIDEREAL_REQUIRE_GL=1 and yet: {error}")
        pytest.skip(str(error))
    from sidereal.client.front.window import open_window

    loop, window = open_window((800, 600), "tests")
    yield Screen(window, loop)
    window.close()
