"""Parents and children in whole worlds: from their spawn to the database, and back."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from sidereal.game import (
    SHARD,
    U4,
    Authority,
    Body,
    Component,
    Game,
    Motion,
    Parent,
    Part,
    Player,
    Step,
    Transaction,
    WorldBuilder,
)
from sidereal.games import frontier
from sidereal.protocol.errors import ConfigError, GameError, GameFailedError
from sidereal.protocol.message.player import Outcome
from sidereal.protocol.state.families import DEPTH_MAX, FAMILY_MAX
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


class Banner(Component):
    worn: U4


fleet = Game("fleet", parts=[frontier.flight, part])
BANNER = fleet.kind("banner", Motion(), Parent(), Banner(worn=7))
STRING = fleet.kind("string", Motion(), Parent())


@fleet.on_join
def decorate(world: Authority, player: Player) -> None:
    """Give who comes for the first time a banner with a string."""
    ship = world.berth(player)
    if not ship:
        return
    banner = world.spawn(BANNER, Parent(of=ship), at=(0, 0))
    world.spawn(STRING, Parent(of=banner), at=(0, 0))


def family_of(world: World, ship: int) -> list[int]:
    """The banner of a ship, and its string: whatever ids they have by now."""
    banners = [each for each in world.ids(BANNER) if world[Parent].of[each] == ship]
    strings = [each for each in world.ids(STRING) if world[Parent].of[each] in banners]
    return [*banners, *strings]


@pytest.mark.parametrize("restarts", [False, True])
def test_children_of_what_a_player_flies_leave_and_come_back_with_it(restarts: bool) -> None:
    world = World(fleet, shards=2, seed=3)
    ann, bob = world.join("ann"), world.join("bob")
    world.run(seconds=1)
    assert len(family_of(world, ann.entity)) == len(family_of(world, bob.entity)) == 2
    ann.leave()
    world.run(seconds=2)
    assert world.count(BANNER) == world.count(STRING) == 1
    if restarts:
        world.restart()
        world.run(seconds=6)
    ann = world.join("ann")
    world.run(seconds=1)
    # The hook of the game has given it one more of each.
    family = family_of(world, ann.entity)
    assert len(family) == 4
    assert (world[Banner].worn[world.ids(BANNER)] == 7).all()
    assert len({world.owner(each) for each in (ann.entity, *family)}) == 1
    world.despawn(ann.entity)
    world.run(seconds=2)
    world.restart()
    world.run(seconds=6)
    assert len(family_of(world, ann.entity)) == 2  # of a new ship
    assert world.count(BANNER) == world.count(STRING) == len(family_of(world, bob.entity)) / 2 + 1


def test_who_is_saved_finds_its_parent_again() -> None:
    world = World(armed, shards=2)
    barge = world.spawn(BARGE, Motion(x=300, vx=-20))
    trailer = world.spawn(TRAILER, Parent(of=barge), Motion(x=900))
    world.run(seconds=2)
    assert world.owner(trailer) == world.owner(barge) == 1
    world.restart()
    world.run(seconds=5)
    (barge,), (trailer,), (turret,) = world.ids(BARGE), world.ids(TRAILER), world.ids(TURRET)
    assert world[Parent].of[trailer] == world[Parent].of[turret] == barge
    assert world.count(BARREL) == 1  # which is not saved: the turret has got another one
    assert abs(world[Motion].x[trailer] - 900) < 1
    world.run(seconds=20)  # it stays far behind, and its shard changes all the same
    assert world[Motion].x[barge] < 0
    assert abs(world[Motion].x[trailer] - 900) < 1
    assert world.owner(trailer) == world.owner(barge) == 0


def test_what_ends_by_the_authority_ends_on_its_shard_with_all_its_children() -> None:
    world = World(armed, link=BAD)
    barge = world.spawn(BARGE, Motion(x=300))
    world.run(seconds=2)
    assert world.count(BARREL) == 1
    world.despawn(barge)
    assert world.count() == 0
    world.run(seconds=2)
    assert world.count() == 0


spreading = Part("spreading")
POD = spreading.kind("pod", Motion(), Parent(), spawned_by=SHARD)
SEED = spreading.kind("seed", Motion(), spawned_by=SHARD)
COUNT = 2 * FAMILY_MAX


@spreading.system
def spread(step: Step) -> None:
    """Spawn far too many children, and children of what is no more."""
    seeds, pods = step.rows(SEED), step.rows(POD)
    if len(seeds) and not len(pods):
        ids = step.spawn(POD, Parent(of=np.full(COUNT, step.id[seeds[0]])))
        assert (ids[:FAMILY_MAX] > 0).all()
        assert (ids[FAMILY_MAX:] == 0).all()
    assert (step.spawn(POD, Parent(of=[0, 1 << 30])) == 0).all()


def test_a_family_has_so_many_children_and_no_more() -> None:
    world = World(Game("spread", parts=[frontier.flight, spreading]))
    seed = world.spawn(SEED)
    world.run(seconds=3)
    assert world.count(POD) == FAMILY_MAX
    with pytest.raises(GameError, match=r"spawn\(pod\): 4242 is not there, and can't be a parent"):
        world.spawn(POD, Parent(of=4242))
    above = world.spawn(SEED)
    for _ in range(DEPTH_MAX):
        above = world.spawn(POD, Parent(of=above))
    with pytest.raises(GameError, match="has too many children, or ancestors"):
        world.spawn(POD, Parent(of=above))
    world.despawn(seed)
    assert world.count(POD) == DEPTH_MAX


def test_a_system_that_gives_somebody_another_parent_is_told_so() -> None:
    game = Game("stealing", parts=[frontier.flight])
    base = game.kind("base", Motion())
    crate = game.kind("crate", Motion(), Parent())

    @game.system
    def steal(step: Step) -> None:
        step[Parent].of[step.rows(crate)] = step.id[step.rows(base)[-1:]]

    world = World(game)
    first = world.spawn(base)
    world.spawn(crate, Parent(of=first))
    world.spawn(base)
    with pytest.raises(GameFailedError, match=r"wrote Parent.of at tick \d+: an entity has one"):
        world.run(seconds=1)


def test_a_child_that_the_authority_spawns_later_goes_to_the_shard_of_its_parent() -> None:
    world = World(armed, shards=2)
    barge = world.spawn(BARGE, Motion(x=-300))
    world.run(seconds=1)
    trailer = world.spawn(TRAILER, Parent(of=barge), Motion(x=300, vx=10))
    world.run(seconds=1)
    assert world.owner(trailer) == world.owner(barge) == 0
    assert abs(world[Motion].x[trailer] - 310) < 1


yard = Game("yard", parts=[frontier.flight, part])


@yard.action(rate_hz=10)
def wreck(tx: Transaction, barge: int, trailer: int) -> None:
    tx.despawn(barge)
    tx.despawn(trailer)


@yard.action(rate_hz=10)
def scrap(tx: Transaction, entity: int) -> None:
    tx.despawn(entity)


def test_whose_parent_ends_by_an_action_is_not_there_for_what_comes_after_it() -> None:
    world = World(yard)
    ann = world.join("ann")
    barge = world.spawn(BARGE, Motion(x=300))
    trailer = world.spawn(TRAILER, Parent(of=barge), Motion(x=350))
    world.run(seconds=1)
    assert world.call(ann, wreck, barge=barge, trailer=trailer).outcome is Outcome.REFUSED
    assert {barge, trailer} <= set(world.ids())
    keys = [ann.call(scrap, entity=each) for each in (barge, trailer)]
    world.run(seconds=2)
    said = [receipt.outcome for key in keys if (receipt := ann.receipt(key)) is not None]
    assert said == [Outcome.DONE, Outcome.REFUSED]
    assert world.count(BARGE) == world.count(TRAILER) == 0


def test_a_world_begins_without_children() -> None:
    game = Game("begun", parts=[frontier.flight, part])

    @game.world("lot")
    def lot(make: WorldBuilder) -> None:
        make.spawn(TRAILER, Motion(x=350))

    with pytest.raises(ConfigError, match=r"spawn\(trailer\): a world begins without children"):
        World(game, world="lot")
