"""A replication server that stood still for a while must not blame its shards for it."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.game import Game, Motion, Part, Stage, Step
from sidereal.game.declarations import declare
from sidereal.games import frontier
from sidereal.protocol.ids import Address
from sidereal.protocol.links import derive_shard_key
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.replication.replicator import Keys, Replicator
from sidereal.shard.shard import ShardCore

from ..flying import FLYING

RULES = Rules()
KEY = derive_shard_key("a secret")
AUTHORITY, SHARD = Address("192.0.2.1", 7072), Address("198.51.100.7", 50001)
WALL = 1_700_000_000.0
STEP_S = 0.005
RESTLESS = 600


wobble = Part("wobble")


@wobble.system(Stage.TICK)
def turn(step: Step) -> None:
    """Everything changes its velocity in every tick."""
    step[Motion].vx[step.rows()] = 20.0 if step.tick % 2 else -20.0


GAME = declare(Game("wobbling", parts=[frontier.flight, frontier.rocks, frontier.talk, wobble]))


class Rig:
    """One world, one shard, a network without delay, and a server that can be made late.

    Attributes:
        frozen: whether the server stands still.
        tick_takes_s: how long each of its ticks takes, beside a tenth more in which none begins.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(3)
        self.now, self.frozen, self.tick_takes_s = 0.0, False, 0.0
        self.authority = Replicator(
            game=GAME,
            rules=RULES,
            keys=Keys(bytes(32), KEY),
            client_addresses=[Address("192.0.2.1", 7071)],
            shard_addresses=[AUTHORITY],
            clients_max=1,
            entropy=rng.bytes,
            rng=rng,
            now=0.0,
        )
        rows = np.zeros(RESTLESS, BASE_SCHEMA.full_record)
        rows["kind"], rows["radius"], rows["mass"] = FLYING.kind_number("asteroid"), 4.0, 1.0
        rows["x"], rows["y"] = np.divmod(np.arange(RESTLESS), 30)
        rows["x"] = 30.0 * rows["x"] + 20.0
        rows["y"] = 30.0 * rows["y"] + 20.0
        self.authority.create(rows)
        self.shard = ShardCore(
            key=KEY,
            server=AUTHORITY,
            name="one",
            incarnation=bytes(16),
            game=GAME,
            entropy=rng.bytes,
            now=0.0,
            wall_now=WALL,
            seed=1,
        )
        self.waiting: list[tuple[float, bytes]] = []
        self.busy_until = 0.0

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            self.waiting += [(self.now, datagram) for datagram, _ in self.shard.turn(self.now)]
            if not self.frozen and self.now > self.busy_until - STEP_S / 2:
                self._run_authority()

    def _run_authority(self) -> None:
        if self.busy_until:
            self._send(stepped=True)
            self.busy_until = 0.0
        while True:
            self._take_in()
            stepped = self.authority.advance(self.now)
            if stepped and self.tick_takes_s:
                self.busy_until = self.now + self.tick_takes_s
                self.authority.ticks.hold(self.now + 1.1 * self.tick_takes_s)
                return
            self._send(stepped=stepped)
            if self.authority.next_timer() > self.now:
                return

    def _take_in(self) -> None:
        waiting, self.waiting = self.waiting, []
        for at, datagram in waiting:
            self.authority.receive_shards([(datagram, SHARD)], at, WALL + at)

    def _send(self, *, stepped: bool) -> None:
        self._take_in()
        outgoing = self.authority.collect(self.now, WALL + self.now, stepped=stepped)
        for datagram, _ in outgoing.shards:
            self.shard.receive_datagram(datagram, AUTHORITY, self.now)


@pytest.mark.parametrize("seconds", [0.5, 1.5, 2.5])
def test_a_shard_outlives_a_server_that_stood_still(seconds: float) -> None:
    rig = Rig()
    rig.run(1.5)
    columns = rig.authority.world.columns
    assert set(columns["shard"][columns.rows()]) == {1}
    rig.frozen = True
    rig.run(seconds)
    rig.frozen = False
    rig.run(3.0)
    left = [note for note in rig.authority.notes.take() if note.event == "shard_left"]
    assert left == []
    assert rig.shard.closed is None
    assert columns.tick[columns.rows()].min() >= rig.authority.tick - 2
    assert rig.authority.ingest.rejected == {}, "it has not simulated what nobody would believe"


@pytest.mark.parametrize("tick_takes_s", [0.1, 0.225, 0.5])
def test_a_shard_outlives_a_server_whose_ticks_take_too_long(tick_takes_s: float) -> None:
    """Each of them is shorter than what is taken for a stall, or longer."""
    rig = Rig()
    rig.run(1.5)
    columns = rig.authority.world.columns
    rig.tick_takes_s = tick_takes_s
    rig.run(5.0)
    rig.tick_takes_s = 0.0
    rig.run(2.0)
    left = [note for note in rig.authority.notes.take() if note.event == "shard_left"]
    assert left == []
    assert rig.shard.closed is None
    assert columns.tick[columns.rows()].min() >= rig.authority.tick - 2
    assert rig.authority.ingest.rejected == {}, "it has not simulated what nobody would believe"
