"""What models spawn: shown in the frame of the press, and known again when it comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pytest

from sidereal.client.inputs import Entry
from sidereal.client.interpolation import Poses
from sidereal.client.limits import Limits
from sidereal.client.prediction import OwnState, Prediction
from sidereal.client.smoothing import Path, Smoothing
from sidereal.client.spawns import EASE, LOSSES, Ahead
from sidereal.client.timeline import SLEW, Lead
from sidereal.game import (
    SHARD,
    U4,
    Body,
    Component,
    Controls,
    Game,
    Motion,
    Pilot,
    Press,
    Rows,
    Stage,
    press,
)
from sidereal.game.bits import pack
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.protocol.ids import NET_ID_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.spawnkeys import KEY_FIELDS

RULES: Final = Rules()
TICK_S: Final = RULES.tick_s
LIMITS: Final = Limits(spawns=4)
RELOAD, SPEED = 3, 100.0
EPOCH = 5
SHIP = 7


class Trigger(Controls):
    fire: Press = press("SPACE")


class Gun(Component):
    ready: U4


class Fuse(Component):
    until: U4


game = Game("armed")
game.kind("craft", Motion(), Body(), Pilot(), Gun())
SHOT = game.kind("shot", Motion(), Body(radius=2), Fuse(), spawned_by=SHARD)


@game.model(Gun, reads=(Motion, Trigger), stage=Stage.TICK)
def fire(own: Rows) -> None:
    motion, gun, fired = own[Motion], own[Gun], own[Trigger].fire
    ready = gun.ready <= own.tick
    gun.ready[ready & (fired > 0)] = own.tick + RELOAD
    for nth in range(2):
        place = Motion(x=motion.x + 10 * nth, y=motion.y, vx=motion.vx + SPEED)
        own.spawn(SHOT, ready & (fired > nth), place, Fuse(until=own.tick + 20))


GAME = declare(game)
SCHEMA = schema_of(GAME)
READY = "test_spawns_gun_ready"
FIRE, TWICE = pack(Trigger(fire=1)), pack(Trigger(fire=2))
REST = OwnState(10.0, 20.0, 40.0, 0.0, 0.0, 0.0)


def along(ticks: int) -> OwnState:
    """Where the craft is after so many ticks without a correction."""
    return REST._replace(x=REST.x + REST.vx * ticks * TICK_S)


class Somebody:
    """Somebody who flies, and what their client knows of the world."""

    def __init__(self) -> None:
        self.prediction = Prediction(GAME, RULES, LIMITS)
        self.prediction.restart(SHIP, EPOCH)
        self.columns = Columns(SCHEMA)
        self.seq = 0
        self.now = 0.0
        self.answer(0)

    def hold(self, *records: int) -> None:
        """Make inputs, one in each tick."""
        for record in records:
            self.seq += 1
            self.now = self.seq * TICK_S
            self.prediction.press(Entry(self.seq, record, self.now, RULES.tick_s))

    def answer(self, seq: int, state: OwnState | None = None, ready: int = 0) -> None:
        """Let the authority answer: the state after an input, by default as it was foreseen."""
        told = along(seq) if state is None else state
        more: Mapping[str, Any] = {READY: ready}
        self.prediction.reconcile(100 + seq, seq, told, self.now, more)

    def come(self, net_id: int, low: int, nth: int, **values: float) -> None:
        """Let an entity come from the authority that an input has spawned."""
        record = SCHEMA.first[[2]].copy()
        key = {"id": net_id, "by_id": SHIP, "by_epoch": EPOCH, "by_input": low, "by_nth": nth}
        for name, value in {**key, **values}.items():
            record[name] = value
        self.columns.load(record)

    def go(self, net_id: int) -> None:
        """Let it go."""
        self.columns.free(self.columns.rows_of([net_id]))

    def look(self, later_s: float = 0.0, held: int = 0) -> Ahead:
        """See what there is to be drawn ahead, while so much is held."""
        now = self.now + later_s
        self.prediction.foresee(held, now)
        self.prediction.spawns.expire(now)
        tick = self.prediction.tick(now)
        assert tick is not None
        return self.prediction.spawns.ahead(tick, self.columns, self.columns.rows())


@pytest.fixture
def pilot() -> Somebody:
    return Somebody()


def places(ahead: Ahead) -> list[float]:
    x: list[float] = ahead.records["x"].tolist()
    return x


def test_a_shot_is_there_in_the_frame_of_the_press(pilot: Somebody) -> None:
    pilot.hold(0, FIRE)
    ahead = pilot.look()
    (shot,) = ahead.records
    assert shot["id"] > NET_ID_MAX
    assert (shot["kind"], shot["radius"], shot["vx"]) == (2, 2.0, REST.vx + SPEED)
    assert shot["x"] == pytest.approx(along(1).x)
    assert (shot["tick"], ahead.tick) == (102, 102.0)
    assert [shot[name] for name in KEY_FIELDS] == [SHIP, EPOCH, 2, 0]


def test_each_input_counts_what_it_spawns(pilot: Somebody) -> None:
    pilot.hold(TWICE, 0, 0, FIRE)
    records = pilot.look().records
    assert records[["by_input", "by_nth"]].tolist() == [(1, 0), (1, 1), (4, 0)]
    assert len(set(records["id"].tolist())) == 3


def test_an_input_that_is_flown_again_spawns_the_same_again(pilot: Somebody) -> None:
    pilot.hold(0, FIRE, 0)
    before = pilot.look()
    pilot.answer(1, along(1)._replace(y=50.0))
    after = pilot.look()
    assert after.records["id"].tolist() == before.records["id"].tolist()
    assert after.records["y"].tolist() == [50.0]
    assert after.version[0] > before.version[0]


def test_a_correction_by_which_nothing_was_spawned_ends_it(pilot: Somebody) -> None:
    pilot.hold(0, FIRE, 0)
    pilot.answer(1, ready=200)
    assert len(pilot.look().records) == 0
    assert pilot.prediction.spawns.unmatched == 1


def test_what_comes_takes_the_place_of_what_was_foreseen(pilot: Somebody) -> None:
    pilot.hold(TWICE, 0)
    first, second = pilot.look().records["id"].tolist()
    pilot.come(41, 1, 1)
    ahead = pilot.look()
    assert ahead.names == {second: 41}
    assert ahead.records["id"].tolist() == [first]
    assert ahead.mine(pilot.columns, pilot.columns.rows()).tolist() == [True]
    pilot.come(40, 1, 0)
    assert pilot.look().names == {first: 40}
    assert pilot.look().names == {}
    assert pilot.prediction.spawns.matched == 2


def test_what_has_come_is_not_foreseen_again_though_it_has_gone(pilot: Somebody) -> None:
    pilot.hold(0, FIRE, 0)
    pilot.look()
    pilot.come(40, 2, 0)
    pilot.look()
    pilot.go(40)
    pilot.answer(1, along(1)._replace(y=50.0))
    assert len(pilot.look().records) == 0


@pytest.mark.parametrize(
    "values", [{"by_id": SHIP + 1}, {"by_epoch": EPOCH + 1}, {"by_input": 3}, {"by_nth": 1}]
)
def test_what_another_input_has_spawned_takes_no_place(
    pilot: Somebody, values: dict[str, float]
) -> None:
    pilot.hold(0, FIRE)
    pilot.come(40, 2, 0, **values)
    assert pilot.look().names == {}
    assert len(pilot.look().records) == 1


def test_numbers_of_inputs_are_compared_by_their_low_bits() -> None:
    pilot = Somebody()
    pilot.seq = (1 << 16) + 8
    pilot.hold(FIRE)
    pilot.come(40, 9, 0)
    assert list(pilot.look().names.values()) == [40]


def test_what_does_not_come_ends_a_while_after_its_answer(pilot: Somebody) -> None:
    pilot.hold(FIRE, 0)
    pilot.answer(1, ready=101 + RELOAD)
    late_s = LIMITS.spawn_late_s + LOSSES * TICK_S
    assert len(pilot.look(late_s - 0.01).records) == 1
    pilot.answer(2, ready=101 + RELOAD)
    assert len(pilot.look(late_s + 0.01).records) == 0
    assert pilot.prediction.spawns.unmatched == 1


def test_on_a_long_way_it_may_be_lost_twice_before_it_ends(pilot: Somebody) -> None:
    pilot.hold(FIRE, *[0] * 8)
    pilot.answer(1, ready=101 + RELOAD)
    way_s = 8 * TICK_S
    (shot,) = pilot.look(LIMITS.spawn_late_s + LOSSES * way_s - 0.01).records
    pilot.come(40, 1, 0)
    assert pilot.look().names == {shot["id"]: 40}
    assert pilot.prediction.spawns.unmatched == 0


def test_a_press_that_came_late_is_known_again_by_the_input_that_it_counted_with(
    pilot: Somebody,
) -> None:
    pilot.hold(FIRE, 0, 0)
    (foreseen,) = pilot.look().records["id"].tolist()
    pilot.come(40, 3, 0)
    assert pilot.look().names == {}  # the authority may still say that the first one came
    pilot.answer(2, ready=102 + RELOAD)
    assert pilot.look().names == {foreseen: 40}
    assert pilot.look().names == {}


@pytest.mark.parametrize("values", [{"kind": 1}, {"by_nth": 1}, {"by_input": 8}, {"by_input": 1}])
def test_what_another_press_has_spawned_is_not_taken_for_a_late_one(
    pilot: Somebody, values: dict[str, float]
) -> None:
    pilot.hold(0, FIRE, 0, 0)
    pilot.answer(2, ready=103 + RELOAD)
    pilot.come(40, 3, 0, **values)
    assert pilot.look().names == {}


def test_one_that_has_taken_its_place_takes_no_other(pilot: Somebody) -> None:
    pilot.hold(FIRE, 0, 0, FIRE)
    pilot.come(40, 4, 0)
    assert len(pilot.look().names) == 1
    pilot.answer(2, ready=101 + RELOAD)
    assert pilot.look().names == {}


def test_without_an_answer_it_ends_too(pilot: Somebody) -> None:
    pilot.hold(FIRE)
    assert len(pilot.look(LIMITS.spawn_unanswered_s - 0.01).records) == 1
    assert len(pilot.look(LIMITS.spawn_unanswered_s).records) == 0


def test_of_too_many_the_oldest_end(pilot: Somebody) -> None:
    pilot.hold(*[TWICE, 0, 0] * 3)
    ahead = pilot.look()
    assert ahead.records["by_input"].tolist() == [4, 4, 7, 7]
    assert pilot.prediction.spawns.unmatched == 2


def test_who_flies_another_entity_foresees_nothing(pilot: Somebody) -> None:
    pilot.hold(FIRE)
    pilot.prediction.restart(SHIP + 1, EPOCH)
    pilot.answer(0)
    assert len(pilot.look().records) == 0


def test_the_own_time_goes_on_between_inputs_and_after_an_answer(pilot: Somebody) -> None:
    pilot.hold(0, 0, 0)
    assert pilot.look().tick == 103.0
    assert pilot.look(0.6 * TICK_S).tick == pytest.approx(103.6)
    pilot.answer(2)
    assert pilot.look(0.6 * TICK_S).tick == pytest.approx(103.6)
    pilot.answer(3)
    assert pilot.look(0.6 * TICK_S).tick == pytest.approx(103.6)
    assert pilot.look(1.5 * TICK_S).tick == pytest.approx(104.5)


def test_a_press_shows_before_it_is_in_an_input_and_is_the_same_in_it(pilot: Somebody) -> None:
    pilot.hold(0)
    assert len(pilot.look(0.2 * TICK_S).records) == 0
    (shot,) = pilot.look(0.4 * TICK_S, FIRE).records
    assert (shot["tick"], shot["by_input"]) == (102, 2)
    assert pilot.look(0.6 * TICK_S, FIRE).records["id"].tolist() == [shot["id"]]
    pilot.hold(FIRE)
    (made,) = pilot.look().records
    assert made["id"] == shot["id"]
    assert made["x"] == shot["x"]
    pilot.answer(1)
    assert pilot.look().records["id"].tolist() == [shot["id"]]
    assert pilot.prediction.spawns.unmatched == 0


def test_what_a_press_costs_shows_with_it(pilot: Somebody) -> None:
    pilot.hold(0)
    pilot.look(0.2 * TICK_S)
    assert pilot.prediction.columns()[READY].tolist() == [0]
    pilot.look(0.4 * TICK_S, FIRE)
    assert pilot.prediction.columns()[READY].tolist() == [102 + RELOAD]


def test_what_is_not_held_any_more_when_the_input_is_made_was_not_there(pilot: Somebody) -> None:
    pilot.hold(0)
    pilot.look(0.4 * TICK_S, FIRE)
    assert len(pilot.look(0.6 * TICK_S).records) == 0


def test_the_lead_of_what_is_drawn_does_not_jump() -> None:
    lead = Lead(TICK_S)
    assert lead.follow(4.0, 10.0, idle=True) == 4.0
    # A shard that has waited a tick takes an input for a later one.
    assert lead.follow(5.0, 10.0 + TICK_S / 2, idle=False) == pytest.approx(4.0 + SLEW / 2)
    assert lead.follow(5.0, 10.0 + TICK_S, idle=False) == pytest.approx(4.0 + SLEW)
    assert lead.follow(3.0, 10.0 + 2 * TICK_S, idle=False) == pytest.approx(4.0)
    assert lead.follow(3.0, 10.0 + 9 * TICK_S, idle=False) == 3.0


def test_a_picture_goes_on_under_another_id_from_where_it_was() -> None:
    def at(x: float) -> Path:
        values = x, 0.0, 0.0, 0.0, 0.0
        return lambda tick, some: Poses(*(np.full(len(some), value) for value in values))

    smoothing, one = Smoothing(), np.array([NET_ID_MAX + 1], np.uint32)
    now = np.array([100.0])
    smoothing.smooth(one, np.array([9]), now, TICK_S, at(10.0))
    smoothing.rename({NET_ID_MAX + 1: 40})
    poses = smoothing.smooth(np.array([40], np.uint32), np.array([1]), now, TICK_S, at(12.0))
    assert poses.x.tolist() == [10.0]
    poses = smoothing.smooth(np.array([40], np.uint32), np.array([1]), now + 20.0, TICK_S, at(12.0))
    assert poses.x.tolist() == pytest.approx([12.0], abs=0.01)


def times(pilot: Somebody, ids: list[int], drawn_tick: float, later_s: float = 0.0) -> list[float]:
    at: list[float] = pilot.look(later_s).times(np.array(ids, np.uint32), drawn_tick).tolist()
    return at


def test_what_was_foreseen_begins_at_the_own_time_and_ends_at_that_of_others(
    pilot: Somebody,
) -> None:
    pilot.hold(0, FIRE)
    (shot,) = pilot.look().records["id"].tolist()
    assert times(pilot, [3, shot], 96.0) == [96.0, 102.0]
    assert times(pilot, [3, shot], 97.0, TICK_S) == [97.0, pytest.approx(103.0 - EASE)]
    pilot.come(40, 2, 0)
    # The same goes on where it has come.
    assert times(pilot, [3, 40], 97.0, TICK_S) == [97.0, pytest.approx(103.0 - EASE)]
    drawn = [97.0]
    for tick in range(4, 40):
        pilot.hold(0)
        pilot.answer(tick - 2)
        drawn += times(pilot, [3, 40], 94.0 + tick)[1:]
    assert np.diff(drawn).min() >= 1.0 - EASE - 1e-9
    assert drawn[-1] == 94.0 + 39
    assert drawn[5] > 94.0 + 8


def test_what_has_gone_is_not_drawn_at_any_time(pilot: Somebody) -> None:
    pilot.hold(FIRE)
    pilot.come(40, 1, 0)
    assert dict(pilot.look().born) == {40: 101}
    assert not pilot.look().is_idle
    pilot.go(40)
    assert dict(pilot.look().born) == {}
    assert pilot.look().is_idle


def test_what_nobody_foresaw_is_drawn_when_all_others_are(pilot: Somebody) -> None:
    pilot.hold(0, 0)
    pilot.come(40, 1, 0)
    assert times(pilot, [40], 96.0) == [96.0]


def test_each_is_compared_with_its_path_at_the_tick_at_which_it_was_drawn() -> None:
    def path(at: np.ndarray, some: np.ndarray) -> Poses:
        return Poses(at, *[np.zeros(len(some))] * 4)

    smoothing = Smoothing()
    first = np.array([5, NET_ID_MAX + 1], np.uint32)
    smoothing.smooth(first, np.array([1, 1]), np.array([100.0, 106.0]), TICK_S, path)
    smoothing.rename({NET_ID_MAX + 1: 3})
    then = np.array([106.2, 100.3])
    poses = smoothing.smooth(np.array([3, 5], np.uint32), np.array([2, 2]), then, TICK_S, path)
    assert poses.x.tolist() == [106.2, 100.3]
