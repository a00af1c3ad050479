"""What models spawn, from the press to the other players, over links as they are."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from sidereal.game import SHARD, U4, Component, Game, Motion, Part, Rows, Stage, Step
from sidereal.games import frontier
from sidereal.protocol.ids import NET_ID_MAX
from sidereal.testing.player import Player
from sidereal.testing.world import World

SPEED, LIFE, RELOAD = 120.0, 40, 6
FRAME_S: Final = 1 / 60
FAR: Final = {"delay_s": 0.1, "jitter_s": 0.03, "loss": 0.05}


class Launcher(Component):
    ready: U4


class Dart(Component):
    until: U4


part = Part("darts")
DART = part.kind("dart", Motion(), Dart(), spawned_by=SHARD, saved=False)
part.extend(frontier.SHIP, Launcher())


@part.model(Launcher, reads=(Motion, frontier.Stick), stage=Stage.TICK)
def fire(own: Rows) -> None:
    m, gun = own[Motion], own[Launcher]
    shot = (own[frontier.Stick].fire > 0) & (gun.ready <= own.tick)
    gun.ready[shot] = own.tick + RELOAD
    cos, sin = np.cos(m.heading), np.sin(m.heading)
    own.spawn(
        DART,
        shot,
        Dart(until=own.tick + LIFE),
        Motion(x=m.x + 8 * cos, y=m.y + 8 * sin, vx=m.vx + SPEED * cos, vy=m.vy + SPEED * sin),
    )


@part.system
def expire(step: Step) -> None:
    rows = step.rows(Dart)
    step.despawn(rows[step[Dart].until[rows] <= step.tick])


armed = Game("armed", parts=[frontier.flight, part])


@pytest.mark.parametrize("seed", range(4))
def test_a_shot_is_shown_from_the_press_on_once_and_without_a_jump(seed: int) -> None:
    world = World(armed, link=FAR, seed=seed)
    ann = world.join("ann")
    world.run(seconds=1)
    ann.hold(thrust=1)
    ann.press("fire")
    world.run(seconds=0.05)
    ids, way, speeds = [], [], []
    for _ in range(round(LIFE * 0.05 / FRAME_S) - 10):
        view = ann.view
        (net_id,), motion = view.ids(DART), view[Motion]
        ids.append(int(net_id))
        way.append([motion.x[net_id], motion.y[net_id]])
        speeds.append(np.hypot(motion.vx[net_id], motion.vy[net_id]))
        world.run(seconds=FRAME_S)
    assert ids[0] > NET_ID_MAX
    assert ids[-1] <= NET_ID_MAX
    assert len(set(ids)) == 2
    steps = np.hypot(*np.diff(np.array(way), axis=0).T)
    assert steps.max() <= 1.5 * max(speeds) * FRAME_S
    assert steps.min() > 0
    world.run(seconds=2)
    assert ann.view.count(DART) == world.count(DART) == 0


def test_others_see_the_shot_where_and_when_they_see_everything() -> None:
    world = World(armed, link={"delay_s": 0.05})
    ann, bob = world.join("ann"), world.join("bob")
    world.run(seconds=1)
    ann.press("fire")
    world.run(seconds=0.05)
    assert (ann.view.count(DART), bob.view.count(DART)) == (1, 0)
    world.run(seconds=0.3)
    ids = world.ids(DART).tolist()
    assert ann.view.ids(DART).tolist() == bob.view.ids(DART).tolist() == ids
    (dart,) = ids
    assert _ahead(ann, dart) > _ahead(bob, dart) + 0.1 * SPEED


def _ahead(player: Player, net_id: int) -> float:
    motion = player.view[Motion]
    vx, vy = motion.vx[net_id], motion.vy[net_id]
    return float((motion.x[net_id] * vx + motion.y[net_id] * vy) / np.hypot(vx, vy))
