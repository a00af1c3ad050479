"""A world's first day, as the game that is loaded says."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from sidereal.game import Body, Game, Label, Motion, WorldBuilder
from sidereal.game.declarations import declare
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.games.frontier.asteroids import BELT_HIGH, BELT_LOW
from sidereal.games.frontier.homes import PLACE
from sidereal.games.frontier.trade.stations import PLACES
from sidereal.games.frontier.traffic.upkeep import WANTED
from sidereal.games.frontier.worlds import DENSITY, PER_SIDE, RUN_MAX, RUN_MIN, SECTOR
from sidereal.protocol.errors import ConfigError
from sidereal.replication.play.worlds import find_world_problem, make_world

FRONTIER = load(DEFAULT_GAME)
SCHEMA = schema_of(FRONTIER)


def make(name: str | None) -> np.ndarray:
    return make_world(FRONTIER, SCHEMA, name, np.random.default_rng(3))


def test_the_belt_has_a_rock_in_every_box_and_room_between_all_of_them() -> None:
    rocks = make("belt")
    low, high = BELT_LOW, BELT_HIGH
    box = (high - low) / PER_SIDE
    boxes = {(x // box, y // box) for x, y in zip(rocks["x"] - low, rocks["y"] - low, strict=True)}
    assert len(boxes) == len(rocks) == PER_SIDE**2
    assert [FRONTIER.kinds[kind - 1].name for kind in set(rocks["kind"])] == ["asteroid"]
    for axis in ("x", "y"):
        inside = (rocks[axis] - low) % box
        assert (np.minimum(inside, box - inside) - rocks["radius"]).min() >= 2.0 - 1e-3
    assert 6.0 <= rocks["radius"].min() < 6.1
    assert rocks["radius"].max() <= box / 3 + 1e-3
    weight = DENSITY * 4 / 3 * math.pi * rocks["radius"] ** 3
    assert rocks["mass"] == pytest.approx(weight, rel=1e-5)


def test_rocks_of_the_belt_drift_slowly_in_all_directions() -> None:
    rocks = make("belt")
    speed = np.hypot(rocks["vx"], rocks["vy"])
    assert speed.min() < 0.1
    assert 1.0 < speed.mean() < 2.0
    assert speed.max() == pytest.approx(6.0)
    assert abs(rocks["vx"].mean()) < 0.2
    assert abs(rocks["vy"].mean()) < 0.2
    assert 0.1 < np.abs(rocks["spin"]).mean() < 0.25
    assert np.abs(rocks["spin"]).max() <= 1.0
    assert abs(rocks["spin"].mean()) < 0.05
    assert rocks["heading"].min() < -3.0 < 3.0 < rocks["heading"].max()


def test_rocks_of_a_seam_meet_on_borders_and_corners_and_nowhere_before() -> None:
    rocks = make("seam")
    place = rocks["x"] + 1j * rocks["y"].astype(np.float64)
    speed = rocks["vx"] + 1j * rocks["vy"].astype(np.float64)
    corner = SECTOR * (np.round(place.real / SECTOR) + 1j * np.round(place.imag / SECTOR))
    to_corner = corner - place
    is_diagonal = np.abs((to_corner / speed).imag * np.abs(speed)) < 1e-2
    # Whoever does not fly to a corner crosses a border at a right angle.
    crosses_x = ~is_diagonal & (np.abs(speed.imag) < 1e-3)
    away = np.where(crosses_x, to_corner.real, to_corner.imag)
    run = np.where(is_diagonal, np.abs(to_corner), np.abs(away))
    assert run.min() >= RUN_MIN - 1e-2
    assert run.max() <= RUN_MAX + 1e-2
    meeting = np.round(place + speed / np.abs(speed) * run, 1)
    places, counts = np.unique(meeting, return_counts=True)
    on_x, on_y = (
        np.abs(part / SECTOR - np.round(part / SECTOR)) < 1e-3
        for part in (places.real, places.imag)
    )
    assert (counts == np.where(on_x & on_y, 3, 2)).all()
    assert (on_x | on_y).all()
    assert np.bincount(counts).tolist()[2:] == [144, 16]
    # Those that meet do so at the same time, and nobody else is in their way until then.
    arrival = {spot: (run / np.abs(speed))[meeting == spot] for spot in places.tolist()}
    assert max(np.ptp(at) for at in arrival.values()) < 1e-3
    assert max(at.max() for at in arrival.values()) <= RUN_MAX / 5
    nearest = np.abs(place[:, None] - place)[meeting[:, None] != meeting].min()
    assert nearest > 2 * rocks["radius"].max()


def test_an_empty_world_is_empty_and_others_are_unknown() -> None:
    assert {len(make(name)) for name in ("empty", "crowd", "star", None)} == {0}
    with pytest.raises(
        ConfigError, match=r"--world is 'moon'; there are: belt, frontier, empty, star, crowd, seam"
    ):
        make("moon")


def test_a_world_is_made_from_its_seed() -> None:
    assert make("belt").tobytes() == make("belt").tobytes()


def test_a_game_makes_its_worlds_with_the_values_of_its_kinds() -> None:
    ring = Game("ring")
    rock = ring.kind("rock", Motion(), Body(radius=3, mass=7), Label())
    ring.kind("beacon", Motion(), Body())

    @ring.world("pair")
    def pair(make: WorldBuilder) -> None:
        make.spawn(rock, Motion(x=[1.0, 2.0]), Body(radius=[4.0, 5.0]))
        make.spawn(rock, Label(name="third"), count=1)

    game = declare(ring)
    rows = make_world(game, schema_of(game), "pair", np.random.default_rng(1))
    assert rows["kind"].tolist() == [1, 1, 1]
    assert rows["x"].tolist() == [1.0, 2.0, 0.0]
    assert rows["radius"].tolist() == [4.0, 5.0, 3.0]
    assert rows["mass"].tolist() == [7.0, 7.0, 7.0]
    assert rows["name"].tolist() == [b"", b"", b"third"]
    assert find_world_problem(game, None) is None
    assert find_world_problem(declare(broken()), "x") == "--world is 'x'; there are: bad"


def broken() -> Game:
    game = Game("broken")
    rock = game.kind("rock", Motion())

    @game.world("bad")
    def make(make: WorldBuilder) -> None:
        make.spawn(rock, Motion(vx=1e6))

    return game


def test_a_world_whose_code_raises_is_refused_with_its_place() -> None:
    game = declare(broken())
    with pytest.raises(ConfigError) as caught:
        make_world(game, schema_of(game), "bad", np.random.default_rng(1))
    assert re.fullmatch(
        r"world bad of broken: .*test_worlds\.py:\d+: .*GameError: spawn\(rock\): "
        r"motion\.vx = 1000000\.0 is outside -250 to 250",
        str(caught.value),
    )


def test_the_whole_game_has_room_around_all_that_is_in_it_and_company_at_home() -> None:
    rows = make("frontier")
    names = np.array([FRONTIER.kinds[kind - 1].name for kind in rows["kind"]])
    solid = ~np.isin(names, ["home", "gate"])
    ship = np.isin(names, ["trader", "miner", "pirate", "patrol"])
    assert (names == "station").sum() == len(PLACES)
    assert ship.sum() == sum(WANTED.values())
    x, y = rows["x"].astype(np.float64), rows["y"].astype(np.float64)
    gap = np.hypot(x[:, None] - x[solid], y[:, None] - y[solid]) - rows["radius"][solid]
    gap -= rows["radius"][:, None]
    gap[np.flatnonzero(solid), np.arange(solid.sum())] = np.inf
    assert gap[solid].min() > -2.0  # a ship between four rocks at most
    assert gap[names == "station"].min() > 10.0
    to_home = np.maximum(abs(x - PLACE[0]), abs(y - PLACE[1]))
    assert (to_home[ship] < 400).sum() >= 4
    assert to_home[names == "pirate"].min() > 400
