"""The test kit: what a game's author can say and ask of a world in a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sidereal.game import (
    ALL,
    F4,
    F8,
    I1,
    PILOT,
    SECTOR,
    Authority,
    Body,
    BotView,
    Component,
    Controls,
    Event,
    Game,
    Label,
    Motion,
    Part,
    Pilot,
    Player,
    Press,
    Rows,
    Stage,
    Step,
    WorldBuilder,
    axis,
    field,
    press,
)
from sidereal.protocol.errors import ConfigError, GameError, GameFailedError
from sidereal.testing.world import World

PUSH = 30.0
"""Acceleration, units/s²."""
KICK = 5.0
"""Change of speed by one press, units/s."""


class Stick(Controls):
    ahead: I1 = axis("W", "S")
    kick: Press = press("SPACE")


class Drag(Component):
    share: F4 = field(0.0, low=0, high=1, quantum=0.01, unit="1/s")


part = Part("probing")
PROBE = part.kind("probe", Motion(), Body(radius=5, mass=1), Label(), Pilot(), accel_max=PUSH)


@part.model(Motion, reads=(Stick,))
def fly(own: Rows) -> None:
    motion, stick = own[Motion], own[Stick]
    motion.vx += PUSH * own.dt * stick.ahead


@part.model(Motion, reads=(Stick,), stage=Stage.TICK)
def kick(own: Rows) -> None:
    own[Motion].vx += KICK * own[Stick].kick


@part.on_join
def arrive(world: Authority, player: Player) -> None:
    player.fly(world.spawn(PROBE, Label(name=player.name), at=world.free_spot(radius=5)))


@part.world("row")
def row(make: WorldBuilder) -> None:
    make.spawn(PROBE, Motion(x=np.arange(-400.0, 500.0, 100.0), y=np.full(9, 300.0)))


probes = Game("probes", parts=[part])
LINK = {"delay_s": 0.1, "loss": 0.05, "jitter_s": 0.01}


def test_what_is_spawned_moves_as_the_physics_says() -> None:
    world = World(probes, shards=1)
    probe = world.spawn(PROBE, Motion(x=10.0, vx=20.0))
    began = world.tick
    world.run(seconds=2)
    flown_s = (world.tick - began) / 20
    assert world[Motion].x[probe] == pytest.approx(10.0 + 20.0 * flown_s, abs=0.05)
    assert world.count(PROBE) == 1


def test_a_declared_world_is_simulated_by_all_shards_before_the_test_begins() -> None:
    world = World(probes, world="row", shards=2)
    assert world.count() == world.count("probe") == 9
    with pytest.raises(ConfigError, match="probes has no kind prob; it has probe"):
        world.count("prob")
    assert {world.owner(int(probe)) for probe in world.ids(PROBE)} == {0, 1}


def test_a_bot_of_the_game_holds_the_controls_of_who_is_one() -> None:
    game = Game("piloted", parts=[part])

    @game.bot("straight")
    def straight(bot: BotView) -> tuple[Stick, float]:
        asked.append(bot.tick)
        return Stick(ahead=1), 0.5

    @game.bot("dreamer")
    def dream(bot: BotView) -> Stick:
        raise ZeroDivisionError

    asked: list[int] = []
    world = World(game, link=LINK)
    ann, bob = world.join("ann", bot="straight"), world.join("bob")
    world.run(seconds=2)
    assert world[Motion].vx[ann.entity] > PUSH
    assert world[Motion].vx[bob.entity] == 0
    assert set(np.diff(asked)) <= {10, 11}
    with pytest.raises(ConfigError, match="there are: straight, dreamer"):
        world.join("eve", bot="straigt")
    world.join("eve", bot="dreamer")
    with pytest.raises(GameFailedError, match=r"bot dreamer raised: .*\.py:\d+: ZeroDivisionError"):
        world.run(seconds=1)


def test_a_pilot_sees_what_it_does_before_an_answer_can_be_there() -> None:
    ann = World(probes, link=LINK).join("ann")
    ann.world.run(seconds=1)
    ann.hold(ahead=1)
    ann.world.run(ticks=2)
    assert ann.view[Motion].vx[ann.entity] > 0
    assert ann.world[Motion].vx[ann.entity] == 0
    ann.world.run(seconds=1)
    assert ann.world[Motion].vx[ann.entity] > PUSH / 2


@pytest.mark.parametrize("link", [{}, {**LINK, "loss": 0.3}])
def test_every_press_counts_and_counts_once(link: dict[str, float]) -> None:
    world = World(probes, link=link, seed=3)
    ann = world.join("ann")
    world.run(seconds=1)
    ann.press("kick")
    ann.press("kick")
    world.run(ticks=1)
    ann.hold(kick=1)
    world.run(seconds=3)
    assert world[Motion].vx[ann.entity] == pytest.approx(3 * KICK)


def test_controls_are_held_until_they_are_let_go() -> None:
    world = World(probes)
    ann = world.join("ann")
    ann.hold(ahead=1)
    world.run(ticks=20)
    ann.hold(ahead=0)
    world.run(ticks=10)
    speed = world[Motion].vx[ann.entity]
    world.run(ticks=10)
    assert world[Motion].vx[ann.entity] == speed == pytest.approx(PUSH, rel=0.3)


def test_two_players_see_each_other_and_one_that_left_is_gone() -> None:
    world = World(probes, link=LINK)
    ann, bob = world.join("ann"), world.join("bob")
    world.run(seconds=2)
    assert ann.view.count("probe") == bob.view.count(PROBE) == 2
    assert bob.view[Label].name[ann.entity] == b"ann"
    bob.leave()
    world.run(seconds=2)
    assert ann.view.count("probe") == world.count() == 1


def test_what_a_dead_shard_simulated_goes_on() -> None:
    world = World(probes, shards=2)
    probe = world.spawn(PROBE, Motion(vx=10.0))
    world.run(seconds=1)
    first = world.owner(probe)
    world.kill(first)
    world.run(seconds=3)
    assert world.owner(probe) == 1 - first
    before = world[Motion].x[probe]
    world.run(seconds=1)
    assert world[Motion].x[probe] == pytest.approx(before + 10.0, abs=1.0)


def test_what_is_despawned_is_gone_everywhere() -> None:
    world = World(probes)
    ann = world.join("ann")
    other = world.spawn(PROBE, Motion(x=float(world[Motion].x[ann.entity]) + 50))
    world.run(seconds=1)
    assert ann.view.count(PROBE) == 2
    world.despawn(other)
    world.run(seconds=1)
    assert ann.view.count(PROBE) == 1
    with pytest.raises(KeyError, match="not there, or not any more"):
        world[Motion].x[other]


def test_the_same_seed_gives_the_same_world() -> None:
    def play(seed: int) -> list[float]:
        world = World(probes, world="row", shards=2, seed=seed, link=LINK)
        ann = world.join("ann")
        ann.hold(ahead=1)
        world.run(seconds=2)
        return [world.now, *world[Motion].x[world.ids()].tolist()]

    assert play(1) == play(1)
    assert play(1) != play(2)


def game_with(*parts: Part) -> Game:
    return Game("tried", parts=[part, *parts])


class Bounce(Event):
    x: F8
    speed: F4 = field(0, low=0, high=250, quantum=1)


class Near(Event, to=SECTOR):
    """For those in the sector."""


class Gong(Event, to=ALL):
    """For all."""


class Alone(Event, to=PILOT):
    """For one player only."""


bouncing = Part("bouncing")
bouncing.effect(Bounce, kind="burst", size=10)


@bouncing.system(Stage.TICK)
def bounce(step: Step) -> None:
    """Turn probes that fly away, and tell of it."""
    motion, rows = step[Motion], step.rows(PROBE)
    rows = rows[(np.abs(motion.x[rows]) > 100) & (motion.x[rows] * motion.vx[rows] > 0)]
    motion.vx[rows] *= -1
    step.emit(Bounce(x=motion.x[rows], speed=np.abs(motion.vx[rows])), at=rows)


signalling = Part("signalling")
signalling.declare(Alone, Near, Gong)


@signalling.system(Stage.TICK)
def signal(step: Step) -> None:
    """Let every probe signal now and then."""
    rows = step.rows(PROBE)
    rows = rows[(step.id[rows] + step.tick) % 7 == 0]
    for event in (Alone(), Near(), Gong()):
        step.emit(event, at=rows)


def test_each_event_happens_once_and_every_player_near_sees_it_once() -> None:
    world = World(game_with(bouncing), shards=2, seed=5, link={"delay_s": 0.05, "loss": 0.2})
    ann, bob = world.join("ann"), world.join("bob")
    world.run(seconds=1)
    began = world.tick
    speeds = {60.0: 200.0, -60.0: -120.0}
    probes = [world.spawn(PROBE, Motion(y=y, vx=vx)) for y, vx in speeds.items()]
    world.run(seconds=20)
    happened = world.events(Bounce)
    assert set(happened.subject.tolist()) == set(probes)
    assert len(happened.tick) > 20
    assert set(happened.speed.tolist()) == {200.0, 120.0}
    assert (np.abs(happened.x) > 100).all()
    assert (happened.tick > began).all()
    every = list(zip(happened.tick.tolist(), happened.subject.tolist(), strict=True))
    assert len(set(every)) == len(every)
    for player in (ann, bob):
        shown = player.events(Bounce)
        seen = list(zip(shown.tick.tolist(), shown.subject.tolist(), strict=True))
        assert len(set(seen)) == len(seen)
        assert {event for event in every if event[0] <= world.tick - 20} <= set(seen) <= set(every)


def test_each_player_is_told_what_is_for_them_once_and_at_its_tick() -> None:
    world = World(game_with(signalling), link={**LINK, "loss": 0.2}, seed=4)
    ann, bob = world.join("ann"), world.join("bob")
    away = world.spawn(PROBE, Motion(x=2500.0, y=2500.0))
    world.run(seconds=4)
    began = world.tick
    world.run(seconds=4)
    alone, near, gong = (world.events(event) for event in (Alone, Near, Gong))
    assert {ann.entity, bob.entity, away} <= {*alone.subject.tolist()} & {*gong.subject.tolist()}
    sectors = {e: np.floor([world[Motion].x[e], world[Motion].y[e]]) // 1000 for e in world.ids()}
    for player in (ann, bob):
        home = sectors[player.entity]
        beside = [e for e in near.subject.tolist() if (sectors[e] == home).all()]
        for event, meant in ((Alone, {player.entity}), (Near, {*beside}), (Gong, None)):
            every, shown = world.events(event), player.events(event)
            pairs = list(zip(every.tick.tolist(), every.subject.tolist(), strict=True))
            pairs = [pair for pair in pairs if meant is None or pair[1] in meant]
            seen = list(zip(shown.tick.tolist(), shown.subject.tolist(), strict=True))
            assert len(set(seen)) == len(seen)
            assert set(seen) <= set(pairs)
            due = {pair for pair in pairs if began <= pair[0] <= world.tick - 40}
            assert due
            assert due <= set(seen)


def test_an_event_that_a_game_does_not_declare_is_told_in_words() -> None:
    with pytest.raises(KeyError, match="does not declare Bounce"):
        World(probes).events(Bounce)


def test_a_system_that_writes_rows_of_another_shard_fails_the_test() -> None:
    wrong = Part("wrong")

    @wrong.system(Stage.TICK)
    def slow_down(step: Step) -> None:
        step[Motion].vx[step.seen(PROBE)] = 5.0

    with pytest.raises(GameFailedError, match=r"wrong.slow_down wrote Motion.vx of \d+ rows"):
        World(game_with(wrong), world="row", shards=2)


def test_a_system_that_leaves_no_number_fails_the_test() -> None:
    wrong = Part("wrong")

    @wrong.system(Stage.TICK)
    def divide(step: Step) -> None:
        step[Motion].vx[step.rows(PROBE)] = np.nan

    world = World(game_with(wrong))
    world.spawn(PROBE, Motion())
    with pytest.raises(GameFailedError, match=r"wrong\.divide left NaN in Motion\.vx"):
        world.run(seconds=1)


def test_what_a_test_says_wrongly_is_told_in_words() -> None:
    world = World(probes)
    ann = world.join("ann")
    with pytest.raises(TypeError, match="aheda"):
        ann.hold(aheda=1)
    with pytest.raises(TypeError, match=r"^ahead is an axis: say hold\(ahead=...\)$"):
        ann.press("kick", "ahead")
    with pytest.raises(GameError, match="has no Drag; it has Motion, Body, Label, Pilot"):
        world.spawn(PROBE, Drag())
    with pytest.raises(KeyError, match="there is no kind prob; there are probe"):
        ann.view.count("prob")
    with pytest.raises(TypeError, match=r"seconds=…\) or run"):
        world.run()
    with pytest.raises(ConfigError, match="there are: row"):
        World(probes, world="rows")
    with pytest.raises(ConfigError, match="delay_s"):
        World(probes, link={"delay_s": -1.0})


A_TEST = """
from sidereal.games import frontier
from sidereal.game import Motion

def test_a_ship_drifts(sidereal_world):
    world = sidereal_world(frontier.game, shards=2, seed=7)
    ship = world.spawn(frontier.SHIP, Motion(x=380, vx=10))
    world.run(seconds=1)
    assert abs(world[Motion].x[ship] - 390) < 1
"""


def test_the_fixture_is_there_in_anybody_s_project(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(A_TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_mine.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


class Battery(Component, audience=PILOT):
    charge: F4 = field(100, low=0, high=100, quantum=0.5)


armed = Part("armed")
armed.extend(PROBE, Battery(), Drag(share=0.5))


@armed.model(Battery, reads=(Stick, Drag), stage=Stage.TICK)
def discharge(own: Rows) -> None:
    own[Battery].charge -= own[Stick].kick * 2 * own[Drag].share


def test_all_that_a_model_writes_is_ahead_of_the_authority() -> None:
    game = Game("charged", parts=[part, armed])
    ann = World(game, link=LINK, seed=4).join("ann")
    ann.world.run(seconds=1)
    bob = ann.world.join("bob")
    ann.world.run(seconds=1)
    ann.press("kick")
    ann.world.run(ticks=2)
    assert ann.view[Battery].charge[ann.entity] == 99.0
    assert ann.world[Battery].charge[ann.entity] == 100.0
    ann.world.run(seconds=2)
    assert ann.view[Battery].charge[ann.entity] == ann.world[Battery].charge[ann.entity] == 99.0
    # What only its pilot may know nobody else is sent.
    assert bob.view[Battery].charge[ann.entity] == 0.0
