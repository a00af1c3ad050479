"""Parents and children in whole worlds: at the authority, on shards, at clients, in the database."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from sidereal.game import (
    SHARD,
    U4,
    Body,
    Component,
    Game,
    Motion,
    Parent,
    Part,
    Step,
)
from sidereal.games import frontier
from sidereal.testing.world import World

BAD: Final = {"delay_s": 0.05, "jitter_s": 0.02, "loss": 0.1, "reordering": 0.1}


class Turret(Component):
    shots: U4


class Hull(Component):
    until: U4


part = Part("turrets")
TURRET = part.kind("turret", Motion(), Parent(), Turret(), spawned_by=SHARD)
BARREL = part.kind("barrel", Motion(), Parent(), spawned_by=SHARD, saved=False)
TRAILER = part.kind("trailer", Motion(), Parent(), Body(radius=3), spawned_by=SHARD)
BARGE = part.kind("barge", Motion(), Body(radius=4), Hull(), spawned_by=SHARD)


@part.system
def arm(step: Step) -> None:
    """Give every barge that has none a turret, and the turret a barrel."""
    for holder, kind in ((BARGE, TURRET), (TURRET, BARREL)):
        rows = step.rows(holder)
        lack = rows[~np.isin(step.id[rows], step[Parent].of[step.rows(kind)])]
        step.spawn(kind, Parent(of=step.id[lack]), Motion(x=step[Motion].x[lack] + 5))


@part.system
def sink(step: Step) -> None:
    rows = step.rows(Hull)
    over = (step[Hull].until[rows] > 0) & (step[Hull].until[rows] <= step.tick)
    step.despawn(rows[over])


armed = Game("armed", parts=[frontier.flight, part])


def parents(world: World) -> dict[int, int]:
    """The parent of every child."""
    ids = [*world.ids(TURRET), *world.ids(BARREL), *world.ids(TRAILER)]
    return {int(each): int(world[Parent].of[each]) for each in ids}


@pytest.mark.parametrize("link", [{}, BAD])
def test_a_family_comes_moves_and_ends_as_one(link: dict[str, float]) -> None:
    world = World(armed, link=link, shards=2)
    ann = world.join("ann")
    world.place(ann.entity, x=-100, y=0)
    barge = world.spawn(BARGE, Motion(x=-60, vx=40), Hull(until=world.tick + 80))
    world.run(seconds=1)
    (turret,) = world.ids(TURRET)
    (barrel,) = world.ids(BARREL)
    assert parents(world) == {turret: barge, barrel: turret}
    assert {world.owner(each) for each in (barge, turret, barrel)} == {0}
    assert world[Motion].x[barrel] == world[Motion].x[turret] == world[Motion].x[barge]
    world.run(seconds=1.5)  # over the border at x = 0
    assert {world.owner(each) for each in (barge, turret, barrel)} == {1}
    assert parents(world) == {turret: barge, barrel: turret}
    seen = ann.view
    assert [*seen.ids(BARGE), *seen.ids(TURRET), *seen.ids(BARREL)] == [barge, turret, barrel]
    x = seen[Motion].x
    assert x[barge] == x[turret] == x[barrel]
    world.run(seconds=3)
    assert world.count(BARGE) == world.count(TURRET) == world.count(BARREL) == 0
    assert ann.view.count(BARGE) == ann.view.count(TURRET) == ann.view.count(BARREL) == 0
