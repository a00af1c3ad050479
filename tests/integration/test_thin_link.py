"""By a link that carries next to nothing a pilot still flies, and sees, its own ship."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import pytest

from sidereal.client.view import View
from sidereal.game import (
    F4,
    I1,
    Authority,
    Body,
    Component,
    Controls,
    Game,
    Label,
    Motion,
    Part,
    Pilot,
    Player,
    Rows,
    WorldBuilder,
    axis,
    field,
)
from sidereal.game.bits import pack
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.protocol.links import derive_shard_key
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.protocol.testing.link import LinkConfig
from sidereal.replication.limits import LIMITS
from sidereal.replication.play.worlds import make_world
from sidereal.tools.simulate.authority import SHARDS
from sidereal.tools.simulate.authority import Authority as Server
from sidereal.tools.simulate.clients import ClientHost
from sidereal.tools.simulate.exercise.losses import Losses
from sidereal.tools.simulate.ledger import Ledger
from sidereal.tools.simulate.network import Network
from sidereal.tools.simulate.processes import ShardHost
from sidereal.tools.simulate.seeds import random_of
from sidereal.tools.simulate.stage import Stage

RULES: Final = Rules()
BYTES_PER_S: Final = 2e3
LINK: Final = LinkConfig(delay_s=0.05)
SHIPS: Final = 300
MIDDLE: Final = 625.0
SPREAD: Final = 600.0
"""Ships are so far from the middle at most, along each axis: the pilot's window is no wider."""
SEED: Final = 5
FLIES_S: Final = 30.0
PICTURE_S: Final = 0.1
AHEAD_S_MAX: Final = 0.5
"""How far ahead of the authority a ship may be drawn: what is held now is there by then."""
OFF_MAX: Final = 0.01
"""World units beside the way that the authority has it on."""


class Stick(Controls):
    ahead: I1 = axis("W", "S")
    turn: I1 = axis("A", "D")


class Orbit(Component):
    rate: F4 = field(0.0, low=-4, high=4, quantum=0.01, unit="rad/s")


crowded = Part("crowded")
SHIP = crowded.kind(
    "ship", Motion(), Body(radius=5, mass=1, group=1), Label(), Pilot(), accel_max=60
)
DRONE = crowded.kind(
    "drone", Motion(), Body(radius=5, mass=1, group=1), Label(), Orbit(), accel_max=60
)


@crowded.model(Motion, reads=(Stick,))
def fly(own: Rows) -> None:
    motion, stick = own[Motion], own[Stick]
    motion.spin[:] = 1.5 * stick.turn
    push = 20.0 * own.dt * stick.ahead
    motion.vx += push * np.cos(motion.heading)
    motion.vy += push * np.sin(motion.heading)


@crowded.model(Motion, reads=(Orbit,))
def circle(own: Rows) -> None:
    motion, angle = own[Motion], own[Orbit].rate * own.dt
    along, across = np.cos(angle), np.sin(angle)
    vx = motion.vx.copy()
    motion.vx[:] = along * vx - across * motion.vy
    motion.vy[:] = across * vx + along * motion.vy


@crowded.on_join
def arrive(world: Authority, player: Player) -> None:
    player.fly(world.spawn(SHIP, Label(name=player.name), at=(MIDDLE, MIDDLE)))


@crowded.world("crowd")
def crowd(make: WorldBuilder) -> None:
    rng = np.random.default_rng(SEED)
    x, y = rng.uniform(MIDDLE - SPREAD, MIDDLE + SPREAD, (2, SHIPS))
    angle = rng.uniform(-3.0, 3.0, SHIPS)
    motion = Motion(x=x, y=y, vx=20 * np.cos(angle), vy=20 * np.sin(angle))
    make.spawn(DRONE, motion, Orbit(rate=rng.choice([-1.0, 1.0], SHIPS)))


class Flight:
    """A pilot among all these, who is sent two kilobytes a second, and what it is shown."""

    def __init__(self) -> None:
        game = declare(Game("thin", parts=[crowded]))
        schema, key = schema_of(game), derive_shard_key("7e" * 16)
        network = Network(LINK, SEED, Losses(schema, RULES))
        self.server = Server(
            network,
            random_of(SEED, "authority"),
            shard_key=key,
            game=game,
            rules=RULES,
            limits=replace(LIMITS, players=replace(LIMITS.players, player_rate=BYTES_PER_S)),
            ledger=Ledger(),
        )
        self.server.start(0.0)
        self.core = self.server.core
        assert self.core is not None
        self.core.create(make_world(game, schema, "crowd", random_of(SEED, "world")))
        self.stage = Stage(network, self.server)
        shard = ShardHost(
            "shard",
            "198.51.100.1",
            network,
            random_of(SEED, "shard"),
            key=key,
            server=SHARDS,
            make_game=lambda: game,
        )
        shard.start(0.0)
        self.pilot = ClientHost(
            "ann",
            "203.0.113.1",
            network,
            random_of(SEED, "ann"),
            game=game,
            sign_in=lambda now: self.server.issue_token(1, Role.PLAYER, "ann", now),
        )
        self.pilot.come(1.0)
        for process in (shard, self.pilot):
            self.stage.add(process)
        self.way: list[tuple[float, float]] = []
        """Where the authority had the ship, by its tick, from the first one on."""
        self.first_tick = -1

    @property
    def net_id(self) -> int:
        return 0 if self.pilot.core is None else self.pilot.core.net_id

    def run(self, until: float) -> None:
        while (due := self.stage.next()).at <= until:
            self.stage.do(due)
            self._note_way()
        self.stage.now = until

    def _note_way(self) -> None:
        assert self.core is not None
        row = self.core.world.columns.rows_of(np.array([self.net_id]))
        tick = self.core.tick
        if row[0] < 0 or (self.way and tick < self.first_tick + len(self.way)):
            return
        self.first_tick = self.first_tick if self.way else tick
        x, y, _ = self.core.world.locate(row, tick)
        self.way.append((float(x[0]), float(y[0])))

    def view(self) -> View:
        assert self.pilot.returning is not None
        return self.pilot.returning.view(self.pilot.local(self.stage.now))


def off_the_way(way: np.ndarray, x: float, y: float) -> float:
    """How far a place is from a way of straight lines, float64[n, 2]."""
    begin, step = way[:-1], np.diff(way, axis=0)
    along = ((x, y) - begin) * step
    share = np.clip(along.sum(axis=1) / np.maximum((step**2).sum(axis=1), 1e-12), 0.0, 1.0)
    return float(np.hypot(*((x, y) - begin - share[:, None] * step).T).min())


@pytest.fixture(scope="module")
def flight() -> Flight:
    flight = Flight()
    while not flight.net_id:
        flight.run(flight.stage.now + RULES.tick_s)
        assert flight.stage.now < 5.0
    return flight


def test_the_own_ship_is_in_every_picture_where_the_authority_has_it(flight: Flight) -> None:
    assert flight.pilot.returning is not None
    flight.pilot.returning.hold(pack(Stick(ahead=1, turn=1)))
    began = flight.stage.now
    shown = []
    while flight.stage.now < began + FLIES_S:
        flight.run(flight.stage.now + PICTURE_S)
        view, now = flight.view(), flight.core.tick
        assert view.own >= 0, f"{flight.stage.now - began:.2f} s after it was given its ship"
        assert view.net_id[view.own] == flight.net_id
        assert view.name[view.own] == b"ann"
        shown.append((now - flight.first_tick, float(view.x[view.own]), float(view.y[view.own])))
    way, ahead = np.array(flight.way), round(AHEAD_S_MAX * RULES.tick_hz)
    judged = [(at, x, y) for at, x, y in shown if at + ahead < len(way)]
    assert len(judged) > 0.9 * FLIES_S / PICTURE_S
    assert max(off_the_way(way[at : at + ahead], x, y) for at, x, y in judged) < OFF_MAX
    assert np.ptp(way, axis=0).max() > RULES.cell_size, "it has come from one cell into another"
    statistics = flight.pilot.returning.statistics()
    assert statistics.bytes_in < BYTES_PER_S * (flight.stage.now + 1.0)
    assert statistics.corrections == 0
    assert len(view) > SHIPS / 4, "of the others there are more and more in it"
