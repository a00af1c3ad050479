"""Ghosts between the real replication server and two real shards, over a bad link."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sidereal.game import Game, Motion, Part, Stage, Step
from sidereal.game.declarations import declare
from sidereal.games import frontier
from sidereal.protocol.state.schema import BASE_SCHEMA as SCHEMA
from sidereal.protocol.testing.link import LinkConfig
from sidereal.replication.ownership.handover import HANDOVER_MARGIN
from sidereal.shard.shard import ShardCore

from ..flying import FLYING
from .neighbours import Neighbours
from .troupe import RULES, SIZE

GHOST_RANGE = FLYING.ghost_range

FEW_TICKS = 4

GOOD = LinkConfig(delay_s=0.002)
BAD = LinkConfig(delay_s=0.01, jitter_s=0.03, loss=0.2, duplication=0.05, reordering=0.2)


def ships(x: list[float], vx: list[float], tick: int = 0) -> np.ndarray:
    """Ships side by side, far enough apart along y."""
    rows = np.zeros(len(x), SCHEMA.full_record)
    rows["kind"], rows["radius"], rows["mass"] = FLYING.kind_number("ship"), 8.0, 10.0
    rows["x"], rows["vx"], rows["tick"] = x, vx, tick
    rows["y"] = 40.0 + 30.0 * np.arange(len(x))
    return rows


class Restless:
    """A part of the game by which ships change their velocity now and then."""

    def __init__(self) -> None:
        self.share = 0.0
        part = Part("restless")
        part.system(Stage.TICK)(self._stir)
        self.game = declare(Game("restless_ships", parts=[frontier.flight, frontier.rocks, part]))

    def _stir(self, step: Step) -> None:
        motion, rows = step[Motion], step.rows()
        rows = rows[step.rng.random(len(rows)) < self.share]
        motion.vx[rows] = np.sign(SIZE - motion.x[rows]) * step.rng.uniform(20, 90, len(rows))


class Rig(Neighbours):
    """Two shards that see each other's entities near the border."""

    def __init__(self, config: LinkConfig, seed: int) -> None:
        self.restless = Restless()
        self.looks: Callable[[], None] = lambda: None
        super().__init__(
            ships([SIZE / 2, 1.5 * SIZE], [0.0, 0.0]), self.restless.game, config, seed
        )

    def watch(self, core: ShardCore) -> None:
        assert not seen_by(core).keys() & owned_by(core)

    def each_tick(self) -> None:
        self.looks()

    def heal(self) -> None:
        for wire in self.wires:
            wire.configure(GOOD)

    def launch(self, x: float, vx: float) -> int:
        self.authority.create(ships([x], [vx], self.authority.tick))
        return int(self.authority.world.columns.net_id.max())

    def x_of(self, net_id: int) -> float:
        """The committed truth."""
        present = self.authority.world.present(self.authority.tick)
        row = self.authority.world.columns.rows_of(np.array([net_id]))[0]
        return float(present.x[present.rows == row][0])

    def errors_of(self, core: ShardCore) -> float:
        """How far along x the worst ghost is from the committed truth at the shard's tick."""
        seen, world = seen_by(core), self.authority.world
        present = world.present(core.tick)
        net_id = world.columns.net_id[present.rows].tolist()
        truth = dict(zip(net_id, present.x.tolist(), strict=True))
        return max((abs(x - truth[ghost]) for ghost, x in seen.items()), default=0.0)

    def near(self, core: ShardCore) -> set[int]:
        """The others' entities within range of a shard's sectors, by the committed truth."""
        world = self.authority.world
        present = world.present(self.authority.tick)
        near = np.zeros(len(present.rows), np.bool_)
        for sector_x, sector_y in self.authority.mesh.leases.sectors_of(core.shard):
            off_x = np.abs(present.x - (sector_x + 0.5) * SIZE)
            off_y = np.abs(present.y - (sector_y + 0.5) * SIZE)
            near |= np.maximum(off_x, off_y) <= SIZE / 2 + GHOST_RANGE
        near &= world.columns["shard"][present.rows] != core.shard
        return set(world.columns.net_id[present.rows[near]].tolist())


def seen_by(core: ShardCore) -> dict[int, float]:
    """Ghosts, and where the shard thinks they are along x."""
    ghosts = core.ghosts
    if ghosts is None:
        return {}
    columns, rows = ghosts.columns, ghosts.rows()
    return dict(zip(columns.net_id[rows].tolist(), columns["x"][rows].tolist(), strict=True))


def owned_by(core: ShardCore) -> set[int]:
    bodies = core.bodies
    return set() if bodies is None else set(bodies.columns.net_id[bodies.rows()].tolist())


def assert_between(places: list[float], first: float, last: float) -> None:
    """Check that a ship at 100 units/s was seen all the way, but for a few ticks at its ends."""
    step = 100.0 * RULES.tick_s
    assert first <= places[0] <= first + FEW_TICKS * step
    assert last - FEW_TICKS * step <= places[-1] <= last + FEW_TICKS * step
    assert np.diff(places) == pytest.approx(step, abs=0.1)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_ship_that_crosses_the_border_is_followed_by_both_sides(seed: int) -> None:
    rig = Rig(GOOD, seed)
    ship = rig.launch(SIZE - 2.0 * GHOST_RANGE, vx=100.0)
    seen: dict[str, list[float]] = {"left": [], "right": []}

    def look() -> None:
        for side, core in (("left", rig.left), ("right", rig.right)):
            if ship in seen_by(core):
                seen[side].append(rig.x_of(ship))
            assert rig.errors_of(core) < 1e-6

    rig.looks = look
    rig.run(5.0)
    assert rig.x_of(ship) > SIZE + 2.0 * GHOST_RANGE
    assert_between(seen["right"], SIZE - GHOST_RANGE, SIZE + HANDOVER_MARGIN)
    assert_between(seen["left"], SIZE + HANDOVER_MARGIN, SIZE + GHOST_RANGE)
    assert ship in owned_by(rig.right)
    assert ship not in owned_by(rig.left)


def test_a_ship_that_leaves_the_world_is_nobodys_ghost() -> None:
    rig = Rig(GOOD, 1)
    ship = rig.launch(SIZE - 50.0, vx=0.0)
    rig.run(0.5)
    assert ship in seen_by(rig.right)
    rig.authority.world.remove(
        rig.authority.world.columns.rows_of(np.array([ship])), rig.authority.tick
    )
    rig.run(0.5)
    assert ship not in seen_by(rig.right)


def test_ghosts_at_rest_are_told_once() -> None:
    rig = Rig(GOOD, 1)
    rig.launch(SIZE - 50.0, vx=0.0)
    rig.run(0.5)
    sent = rig.authority.ghosts.records_sent
    assert sent > 0
    rig.run(2.0)
    assert rig.authority.ghosts.records_sent == sent


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_over_a_bad_link_everybody_ends_up_with_the_right_ghosts(seed: int) -> None:
    rig = Rig(BAD, seed)
    rng = np.random.default_rng(seed)
    places, speeds = rng.uniform(SIZE - 200.0, SIZE + 200.0, 30), rng.uniform(-90.0, 90.0, 30)
    rig.authority.create(ships(places.tolist(), speeds.tolist(), rig.authority.tick))
    rig.restless.share = 0.02
    rig.run(8.0)
    assert rig.authority.mesh.handovers > 30
    rig.restless.share = 0.0
    rig.heal()
    rig.run(3.0)
    # They drift on: what came near or changed hands in the last few ticks may still be on its way.
    lately: list[list[set[int]]] = []
    rig.looks = lambda: lately.append([rig.near(core) for core in (rig.left, rig.right)])
    rig.run(FEW_TICKS * RULES.tick_s)
    for core, near in zip((rig.left, rig.right), zip(*lately, strict=True), strict=True):
        assert set.intersection(*near) <= seen_by(core).keys() <= set.union(*near)
        assert rig.errors_of(core) == pytest.approx(0.0, abs=0.01)
