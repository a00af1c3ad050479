"""Bodies of what others simulate, beyond the cut of an island."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest

from sidereal.game import (
    F4,
    I1,
    Body,
    Component,
    Controls,
    Game,
    Motion,
    Pilot,
    Rows,
    Stage,
    Step,
    axis,
    field,
)
from sidereal.game.bits import pack
from sidereal.game.declarations import declare
from sidereal.game.schema import column_of, schema_of
from sidereal.protocol.errors import WireError
from sidereal.protocol.limits import SHADOWS_MAX
from sidereal.protocol.message.codec import SHADOW_ROW
from sidereal.protocol.message.inputs import Input, RoutedInput
from sidereal.protocol.message.shard import Adopt, Release, Shadows
from sidereal.protocol.rules import Rules
from sidereal.shard.load import make_load
from sidereal.shard.simulation import Simulation

RULES = Rules()
START = 100
MOTION = ("x", "y", "vx", "vy", "heading", "spin")
BALL, CRAFT = 1, 2
PUSH = 60.0


class Stick(Controls):
    to: I1 = axis("A", "D")


class Fuel(Component):
    left: F4 = field(100)


def thrust(own: Rows) -> None:
    """Thrust along the x axis; it costs fuel."""
    own[Motion].vx += PUSH * own[Stick].to * own.dt
    own[Fuel].left -= np.abs(own[Stick].to)


FUEL = column_of(Fuel, Fuel.fields["left"])


class Ball(NamedTuple):
    """What there is at the start."""

    net_id: int
    x: float
    vx: float = 0.0
    y: float = 0.0
    mass: float = 10.0
    radius: float = 8.0
    kind: int = BALL


class Shard:
    """One simulation, and the pairs of which its game was told."""

    def __init__(self, balls: Sequence[Ball]) -> None:
        self.met: list[tuple[int, int]] = []
        game = Game("balls")
        game.kind("ball", Motion(), Body())
        game.kind("craft", Motion(), Body(), Pilot(), Fuel())
        game.model(Motion, Fuel, reads=(Stick,))(thrust)
        game.system(Stage.CONTACT)(self._note)
        declared = declare(game)
        self.schema = schema_of(declared)
        self.simulation = Simulation(
            declared, self.schema, RULES, np.random.default_rng(1), strict=True
        )
        self.tick = START
        self.simulation.apply(Adopt(START, self.rows(balls).tobytes(), b""), START)

    def _note(self, step: Step) -> None:
        touches = step.contacts(Motion, Motion)
        pairs = zip(step.id[touches.a].tolist(), step.id[touches.b].tolist(), strict=True)
        self.met += [(a, b) for a, b in pairs if a < b]

    def rows(self, balls: Sequence[Ball], epoch: int = 1) -> np.ndarray:
        rows = np.zeros(len(balls), self.schema.full_record)
        rows["epoch"], rows["tick"] = epoch, START
        for at, ball in enumerate(balls):
            rows["id"][at] = ball.net_id
            rows[FUEL][at], rows["control_epoch"][at] = 100, ball.kind == CRAFT
            for name in ("x", "y", "vx", "mass", "radius", "kind"):
                rows[name][at] = getattr(ball, name)
        return rows

    def told(self, *net_ids: int) -> np.ndarray:
        """What its owner has of bodies by now, as others are shown it."""
        columns = self.simulation.bodies.columns
        rows = columns.store(columns.rows_of(list(net_ids)), self.schema.full_record)
        rows["tick"] = self.tick
        return rows

    def show(self, rows: np.ndarray) -> None:
        self.simulation.show_ghosts([(self.tick, rows)], self.tick)

    def cast(self, *net_ids: int) -> None:
        self.hold(dict.fromkeys(net_ids, 0))

    def hold(self, held: dict[int, int]) -> None:
        rows = np.array([*held.items()], SHADOW_ROW).tobytes()
        self.simulation.apply(Shadows(self.tick, rows), self.tick)

    def step(self) -> None:
        self.tick += 1
        self.simulation.step(self.tick)

    def state(self, net_id: int) -> list[float]:
        columns = self.simulation.population.columns
        row = columns.rows_of([net_id])[0]
        return [float(columns[name][row]) for name in MOTION]

    def fuel(self, net_id: int) -> float:
        columns = self.simulation.population.columns
        return float(columns[FUEL][columns.rows_of([net_id])[0]])

    @property
    def shadows(self) -> list[int]:
        return sorted(
            self.simulation.population.columns.net_id[self.simulation.shadows.rows].tolist()
        )


def show_each_other(one: Shard, other: Shard, ones: list[int], others: list[int]) -> None:
    """Tell both where the other one's bodies are."""
    mine, theirs = one.told(*ones), other.told(*others)
    one.show(theirs)
    other.show(mine)


LEFT, RIGHT = Ball(1, -20.0, vx=40.0), Ball(2, 20.0, vx=-40.0, y=3.0, mass=30.0)


def test_two_shards_resolve_a_contact_over_a_cut_as_one_does_each_for_its_own() -> None:
    one, other, judge = Shard([LEFT]), Shard([RIGHT]), Shard([LEFT, RIGHT])
    one.cast(2)
    other.cast(1)
    for _ in range(20):
        show_each_other(one, other, [1], [2])
        for shard in (one, other, judge):
            shard.step()
    assert judge.state(1)[2] < 0.0
    assert one.state(1) == pytest.approx(judge.state(1), abs=1e-6)
    assert other.state(2) == pytest.approx(judge.state(2), abs=1e-6)
    assert judge.met
    assert one.met == other.met == []
    pushed = LEFT.mass * np.hypot(one.state(1)[2] - LEFT.vx, one.state(1)[3])
    for shard in (one, other):
        assert shard.simulation.shadows.impulse == pytest.approx(pushed, rel=1e-6)


def test_who_touched_a_shadow_is_not_simulated_again_with_it() -> None:
    shard = Shard([Ball(1, 0.0, vx=-5.0), Ball(2, 15.0)])
    shard.show(shard.rows([Ball(3, -15.0)]))
    shard.cast(3)
    shard.step()
    rows = shard.simulation.bodies.rows_of([1, 2])
    assert shard.simulation.shadows.impulse > 0.0
    assert shard.simulation.bodies.ring.touched(shard.tick, rows[:1]).tolist() == [rows[1]]


@pytest.mark.parametrize("comes", [False, True])
def test_a_shadow_forgets_how_far_it_was_to_be_pushed_by_who_goes_another_way(comes: bool) -> None:
    # The first one pushes the shadow out of itself.
    shard = Shard([Ball(1, 0.0, mass=1e4)])
    shard.show(shard.rows([Ball(2, 0.0, y=2.0)]))
    shard.cast(2)
    for _ in range(6):
        shard.step()
    # One passes close by; one has hit the first before, and driven it away.
    rows = shard.rows([Ball(3, 9.0, vx=-250.0, y=18.1), Ball(4, -26.0, vx=200.0, mass=1e6)])
    rows["tick"][0] = shard.tick
    rows = rows[: 1 + comes]
    shard.simulation.apply(Adopt(shard.tick, rows.tobytes(), b""), shard.tick)
    shard.step()
    assert (shard.state(1)[0] > 10.0) is comes
    assert (shard.state(3)[2:4] == [-250.0, 0.0]) is comes


def test_a_shard_tells_how_many_shadows_it_has_and_with_what_they_push() -> None:
    shard = Shard([Ball(1, 0.0)])
    shard.show(shard.rows([Ball(2, 12.0, vx=-50.0), Ball(3, 500.0)]))
    shard.cast(2, 3)
    shard.step()
    load = make_load(shard.simulation, shard.tick, 0, 0, [])
    assert load.shadows == 2
    assert load.shadow_impulse == round(shard.simulation.shadows.impulse) > 0


def test_what_a_tick_does_to_a_shadow_is_forgotten() -> None:
    shard = Shard([Ball(1, 0.0, mass=1000.0)])
    shard.show(shard.rows([Ball(2, 17.0, vx=-60.0)]))
    shard.cast(2)
    shard.step()
    assert shard.simulation.shadows.impulse > 0.0
    x = 17.0 - 60.0 * RULES.tick_s
    assert shard.state(2) == pytest.approx([x, 0.0, -60.0, 0.0, 0.0, 0.0])


def test_shadows_hold_what_is_pushed_between_them() -> None:
    shard = Shard([Ball(1, 0.0, vx=30.0)])
    # Alone the first of them would be pushed away.
    shard.show(shard.rows([Ball(2, 16.0), Ball(3, 32.0, mass=1e6)]))
    shard.cast(2, 3)
    for _ in range(10):
        shard.step()
    assert shard.state(1)[0] < 2.0
    assert shard.met == []


def test_a_ghost_has_a_body_only_while_it_is_said_to_be_a_shadow() -> None:
    shard = Shard([Ball(1, 0.0)])
    shard.cast(2, 3)
    shard.step()
    assert shard.shadows == []
    shard.show(shard.rows([Ball(2, 100.0), Ball(3, 200.0), Ball(4, 1.0)]))
    shard.step()
    assert shard.shadows == [2, 3]
    assert shard.state(1)[:2] == [0.0, 0.0]
    shard.cast(3, 4)
    shard.step()
    assert shard.shadows == [3, 4]
    assert shard.state(1)[0] < 0.0
    shard.cast()
    shard.step()
    assert shard.shadows == []


def test_a_shadow_that_is_released_leaves_its_row_to_others() -> None:
    shard = Shard([Ball(1, 0.0)])
    shard.show(shard.rows([Ball(2, 50.0)]))
    shard.cast(2)
    shard.step()
    row = shard.simulation.shadows.rows.tolist()
    released = np.array([[2, 2]], "<u4").tobytes()
    shard.simulation.apply(Release(shard.tick, released), shard.tick)
    shard.simulation.apply(Adopt(START, shard.rows([Ball(5, 80.0)]).tobytes(), b""), shard.tick)
    assert shard.simulation.bodies.rows_of([5]).tolist() == row
    shard.step()
    assert shard.shadows == []


def test_a_shadow_that_is_adopted_is_a_body_like_any_other() -> None:
    shard = Shard([Ball(1, 0.0)])
    shard.show(shard.rows([Ball(2, 14.0)]))
    shard.cast(2)
    shard.step()
    adopted = shard.rows([Ball(2, 14.0)], epoch=2)
    shard.simulation.apply(Adopt(START, adopted.tobytes(), b""), shard.tick)
    shard.step()
    assert shard.shadows == []
    assert shard.state(2)[0] > 14.0
    assert shard.met[-1:] == [(1, 2)]


def test_a_shadow_that_grows_touches_sooner() -> None:
    shard = Shard([Ball(1, 0.0)])
    shard.show(shard.rows([Ball(2, 30.0)]))
    shard.cast(2)
    shard.step()
    assert shard.state(1)[0] == 0.0
    shard.show(shard.rows([Ball(2, 30.0, radius=25.0)]))
    shard.step()
    assert shard.state(1)[0] < 0.0


def test_models_fly_a_shadow_by_what_its_pilot_holds_and_nothing_comes_of_it() -> None:
    """Two craft press against each other, each on a shard of its own, and stay where they are."""
    left, right = Ball(1, -8.0, kind=CRAFT), Ball(2, 8.0, kind=CRAFT)
    one, other = Shard([left]), Shard([right])
    one.hold({2: int(pack(Stick(to=-1)))})
    other.hold({1: int(pack(Stick(to=1)))})
    for _ in range(20):
        for shard, net_id, to in ((one, 1, 1), (other, 2, -1)):
            held = Input(1, shard.tick - START + 1, (int(pack(Stick(to=to))),))
            shard.simulation.take_input(RoutedInput(net_id, held))
        show_each_other(one, other, [1], [2])
        one.step()
        other.step()
        assert abs(one.state(1)[2]) < 0.5
    assert abs(one.state(1)[0] + 8.0) < 0.2
    assert one.fuel(1) == other.fuel(2) == pytest.approx(100.0 - 20 * RULES.substeps)
    # What it was told last.
    assert one.fuel(2) == 100.0 - 19 * RULES.substeps


@pytest.mark.parametrize(
    "rows",
    [
        bytes(SHADOW_ROW.itemsize - 1),
        bytes(SHADOW_ROW.itemsize * (SHADOWS_MAX + 1)),
        np.array([(1, 1 << 60)], SHADOW_ROW).tobytes(),
    ],
)
def test_rows_of_shadows_that_cannot_be_are_malformed(rows: bytes) -> None:
    shard = Shard([])
    with pytest.raises(WireError):
        shard.simulation.apply(Shadows(START, rows), START)
