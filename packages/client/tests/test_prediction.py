"""The own ship, ahead of the authority."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.client.inputs import Entry, Inputs, Keys
from sidereal.client.limits import LIMITS
from sidereal.client.own import OwnEntity
from sidereal.client.prediction import (
    SNAP_UNITS,
    OwnState,
    Prediction,
)
from sidereal.client.private import OwnAnswer
from sidereal.game import Motion
from sidereal.game.bits import layout_of, pack
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.models import FreeFlight
from sidereal.game.record import as_columns
from sidereal.games.frontier import Stick
from sidereal.protocol.limits import (
    CONTROLS_PER_MESSAGE_MAX,
)
from sidereal.protocol.message.inputs import Input
from sidereal.protocol.message.player import Assigned
from sidereal.protocol.rules import Rules

THRUST = pack(Stick(thrust=1))
LEFT = pack(Stick(turn=1))
RIGHT = pack(Stick(turn=-1))
BRAKE = pack(Stick(brake=1))
FIRE = pack(Stick(fire=1))
LAYOUT = layout_of(Stick)
HELD = [
    pack(Stick(thrust=thrust, turn=turn, strafe=strafe, brake=brake))
    for thrust, turn, strafe, brake in itertools.product((-1, 0, 1), (-1, 0, 1), (-1, 0, 1), (0, 1))
]
RULES = Rules()
TICK_S = RULES.tick_s
GAME = load(DEFAULT_GAME)
FLIGHT = FreeFlight(GAME, RULES)
REST = OwnState(100.0, 200.0, 0.0, 0.0, 0.0, 0.0)


def fly(state: OwnState, record: int) -> OwnState:
    columns = [np.array([value]) for value in state]
    moving = as_columns(Motion, dict(zip(Motion.fields, columns, strict=True)))
    held = FLIGHT.hold(np.array([record], np.uint64))
    FLIGHT.fly({Motion: moving, **held}, np.array([7], np.uint32), 0)
    return OwnState(*(float(column[0]) for column in columns))


def holding(record: int) -> Keys:
    keys = Keys(LAYOUT)
    keys.hold(record)
    return keys


def distance(a: OwnState, b: OwnState) -> float:
    return math.hypot(a.x - b.x, a.y - b.y)


def agree(a: OwnState, b: OwnState) -> bool:
    return a == pytest.approx(b, abs=1e-6)


def show(prediction: Prediction, held: int, now: float) -> OwnState:
    """Where the ship is in a picture, while so much is held."""
    prediction.foresee(held, now)
    pose = prediction.pose(now)
    assert pose is not None
    return pose


def begun(count: int = 1) -> Prediction:
    """A ship at rest that has made so many inputs, in which nothing is held."""
    prediction = Prediction(GAME, RULES)
    prediction.reconcile(10, 0, REST, 0.0)
    for seq in range(1, count + 1):
        prediction.press(Entry(seq, 0, seq * TICK_S, TICK_S))
    return prediction


def test_what_is_held_shows_in_the_next_picture() -> None:
    prediction = begun()
    assert show(prediction, 0, 1.2 * TICK_S) == REST
    pushed = show(prediction, THRUST, 1.5 * TICK_S)
    ahead = fly(REST, THRUST)
    assert pushed.vx == pytest.approx(ahead.vx / 2)
    assert pushed.x == pytest.approx((REST.x + ahead.x) / 2)
    assert prediction.tick(1.5 * TICK_S) == pytest.approx(11.5)
    assert show(prediction, 0, 1.6 * TICK_S) == REST
    assert show(prediction, LEFT, 1.7 * TICK_S).heading > 0.0


def test_the_input_that_follows_says_what_was_shown() -> None:
    prediction = begun()
    shown = [show(prediction, THRUST, at * TICK_S) for at in (1.25, 1.5, 1.75, 2.0 - 1e-9)]
    prediction.press(Entry(2, THRUST, 2 * TICK_S, TICK_S))
    assert agree(show(prediction, THRUST, 2 * TICK_S), fly(REST, THRUST))
    assert agree(show(prediction, THRUST, 2 * TICK_S), shown[-1])
    assert [pose.x for pose in shown] == sorted({pose.x for pose in shown})
    assert show(prediction, THRUST, 2.5 * TICK_S).x > shown[-1].x


def test_what_is_foreseen_is_not_compared() -> None:
    prediction = begun()
    show(prediction, THRUST, 1.9 * TICK_S)
    prediction.press(Entry(2, BRAKE, 2 * TICK_S, TICK_S))
    prediction.reconcile(11, 1, REST, 2 * TICK_S)
    prediction.reconcile(12, 2, REST, 2 * TICK_S)
    assert prediction.take_errors() == [0.0] * 3
    assert prediction.corrections == 0


@pytest.mark.parametrize("tick", [11, 12])
@pytest.mark.parametrize("moved", [0.0, 5.0])
def test_an_answer_does_not_move_what_is_shown_between_two_inputs(tick: int, moved: float) -> None:
    prediction = begun(3)
    now = 3.7 * TICK_S
    before = show(prediction, THRUST, now)
    assert before.x > REST.x
    prediction.reconcile(tick, 1, REST._replace(y=REST.y + moved), now)
    assert agree(show(prediction, THRUST, now), before)
    assert show(prediction, THRUST, now + 1.0).y == pytest.approx(REST.y + moved)


def test_a_ship_whose_inputs_come_late_is_drawn_where_guesses_have_brought_it() -> None:
    prediction = begun(2)
    pushed = REST._replace(x=REST.x + SNAP_UNITS + 1.0)
    prediction.reconcile(14, 4, pushed, 2.1 * TICK_S)
    assert agree(show(prediction, 0, 2.1 * TICK_S), pushed)
    for seq in (3, 4):  # flown by a guess, and not once more
        prediction.press(Entry(seq, THRUST, seq * TICK_S, TICK_S))
        assert agree(show(prediction, 0, seq * TICK_S), pushed)
    prediction.press(Entry(5, THRUST, 5 * TICK_S, TICK_S))
    assert agree(show(prediction, THRUST, 5 * TICK_S), fly(pushed, THRUST))


def test_an_answer_to_an_input_that_is_still_to_be_made_moves_the_ship() -> None:
    own = OwnEntity(GAME, predict=True, phase=0.0)
    own.join(RULES)
    own.assign(Assigned(7, 1, 10), 0.0)
    own.press(0.0)
    moved = REST._replace(x=REST.x + SNAP_UNITS + 1.0)
    for tick, seq, state in ((10, 1, REST), (12, 3, moved)):
        answer = OwnAnswer(7, 1, seq, tick, 0, tick, state)
        own.answer_untrusted(answer, 0.1 * TICK_S)
        own.reconcile(lambda _: None)
    pose = own.pose(0.1 * TICK_S)
    assert pose is not None
    assert agree(pose, moved)


def test_beyond_the_limit_nothing_is_foreseen_and_nothing_jumps() -> None:
    prediction = begun(LIMITS.predict_ticks)
    now = (LIMITS.predict_ticks + 0.6) * TICK_S
    assert show(prediction, THRUST, now) == REST
    prediction.reconcile(11, 1, REST, now)
    assert distance(show(prediction, THRUST, now), REST) < 1e-9
    assert show(prediction, THRUST, now + TICK_S).x > REST.x


def test_while_nobody_simulates_the_world_nothing_answers() -> None:
    own = OwnEntity(GAME, predict=True, phase=0.0)
    own.join(RULES)
    own.assign(Assigned(7, 1, 10), 0.0)
    own.press(0.0)
    assert own.prediction is not None
    own.prediction.reconcile(10, 1, REST, 0.0)
    own.stand_still(0.5 * TICK_S)
    own.keys.hold(THRUST)
    own.foresee(0.6 * TICK_S)
    assert own.pose(0.6 * TICK_S) == REST
    own.go_on(0.7 * TICK_S)
    own.press(0.7 * TICK_S)
    own.foresee(0.9 * TICK_S)
    pose = own.pose(0.9 * TICK_S)
    assert pose is not None
    assert pose.vx > 0.0


def test_of_another_ship_nothing_is_foreseen_before_its_first_input() -> None:
    prediction = begun()
    show(prediction, THRUST, 1.5 * TICK_S)
    prediction.restart(8, 1)
    prediction.reconcile(4, 1, REST, 2 * TICK_S)
    assert show(prediction, THRUST, 2 * TICK_S) == REST


def test_a_ship_the_authority_says_nothing_of_waits() -> None:
    prediction = Prediction(GAME, RULES)
    prediction.reconcile(0, 0, REST, 0.0)
    truth = REST
    for seq in range(1, LIMITS.inputs + 10):
        prediction.press(Entry(seq, THRUST, seq * TICK_S, TICK_S))
        truth = fly(truth, THRUST) if seq <= LIMITS.predict_ticks else truth
    pose = prediction.pose((LIMITS.inputs + 10) * TICK_S)
    assert pose is not None
    assert agree(pose, truth)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(
    buttons=st.lists(st.sampled_from(HELD), min_size=4, max_size=40),
    delay=st.integers(1, 6),
)
def test_an_authority_with_the_same_model_is_never_a_correction(
    buttons: list[int], delay: int
) -> None:
    prediction = Prediction(GAME, RULES)
    prediction.reconcile(0, 0, REST, 0.0)
    truth = [REST]
    for index, held in enumerate(buttons):
        seq = index + 1
        now = seq * TICK_S
        truth.append(fly(truth[-1], held))
        prediction.press(Entry(seq, held, now, TICK_S))
        if seq > delay:
            told = seq - delay
            prediction.reconcile(told, told, truth[told], now)
    assert set(prediction.take_errors()) <= {0.0}
    assert prediction.corrections == 0
    pose = prediction.pose((len(buttons) + 1) * TICK_S)
    assert pose is not None
    assert agree(pose, truth[-1])


def test_a_different_truth_is_rebased_and_newer_inputs_flown_again() -> None:
    prediction = Prediction(GAME, RULES)
    prediction.reconcile(0, 0, REST, 0.0)
    held = [THRUST, LEFT | THRUST, BRAKE, RIGHT]
    for seq, buttons in enumerate(held, start=1):
        prediction.press(Entry(seq, buttons, seq * TICK_S, TICK_S))
    bumped = fly(REST, held[0])._replace(vx=-30.0, vy=12.0)
    prediction.reconcile(1, 1, bumped._replace(x=bumped.x + 3.0), 4 * TICK_S)
    assert prediction.take_errors() == pytest.approx([0.0, 3.0])
    assert prediction.position_error_units == pytest.approx(3.0)
    assert prediction.corrections == 1
    truth = bumped._replace(x=bumped.x + 3.0)
    for buttons in held[1:]:
        truth = fly(truth, buttons)
    settled = prediction.pose(5 * TICK_S)
    assert settled is not None
    prediction.reconcile(1, 1, bumped, 5 * TICK_S)
    assert prediction.take_errors() == []
    assert settled.vx == pytest.approx(truth.vx)
    later = prediction.pose(4 * TICK_S + 0.9)
    assert later is not None
    # Long after, only what was flown since the newest input lies between the two.
    assert later.heading == pytest.approx(
        math.remainder(truth.heading + truth.spin * 0.25, math.tau), abs=1e-3
    )


def test_a_correction_does_not_make_the_ship_jump() -> None:
    prediction = Prediction(GAME, RULES)
    prediction.reconcile(0, 0, REST._replace(vx=20.0), 0.0)
    state = REST._replace(vx=20.0)
    for seq in range(1, 5):
        prediction.press(Entry(seq, 0, seq * TICK_S, TICK_S))
        state = fly(state, 0)
    now = 4 * TICK_S + 0.01
    before = prediction.pose(now)
    moved = REST._replace(vx=20.0, x=REST.x + 20.0 * TICK_S, y=REST.y + 5.0)
    prediction.reconcile(1, 1, moved, now)
    after = prediction.pose(now)
    assert before is not None
    assert after is not None
    assert distance(before, after) < 1e-9
    shown = [prediction.pose(now + t) for t in (0.02, 0.05, 0.1, 0.2)]
    errors = [abs(pose.y - (REST.y + 5.0)) for pose in shown if pose is not None]
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 0.06 * 5.0


def test_a_teleport_is_shown_at_once() -> None:
    prediction = Prediction(GAME, RULES)
    prediction.reconcile(0, 0, REST, 0.0)
    far = REST._replace(x=REST.x + SNAP_UNITS + 1.0)
    prediction.reconcile(1, 0, far, 0.1)
    pose = prediction.pose(0.1)
    assert pose is not None
    assert pose.x == far.x


def test_a_correction_of_the_heading_does_not_make_the_ship_jump() -> None:
    for turned in (0.4, -0.4, math.pi - 0.1):
        prediction = Prediction(GAME, RULES)
        prediction.reconcile(0, 0, REST._replace(heading=3.0), 0.0)
        prediction.press(Entry(1, 0, 0.0, TICK_S))
        before = prediction.pose(0.0)
        heading = math.remainder(3.0 + turned, math.tau)
        prediction.reconcile(1, 0, REST._replace(heading=heading), 0.0)
        after = prediction.pose(0.0)
        assert before is not None
        assert after is not None
        assert math.remainder(after.heading - before.heading, math.tau) == pytest.approx(0.0)
        settled = prediction.pose(1.0)
        assert settled is not None
        assert math.remainder(settled.heading - heading, math.tau) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("answered_after", [0.2, 0.5, 0.9])
def test_an_answer_before_the_next_input_does_not_make_the_ship_jump(
    answered_after: float,
) -> None:
    prediction = Prediction(GAME, RULES)
    moving = REST._replace(vx=100.0)
    prediction.reconcile(0, 0, moving, 0.0)
    prediction.press(Entry(1, 0, 0.0, TICK_S))
    now = answered_after * TICK_S
    before = prediction.pose(now)
    prediction.reconcile(1, 1, fly(moving, 0), now)
    after = prediction.pose(now)
    assert before is not None
    assert after is not None
    assert distance(before, after) < 1e-9


def far_ahead(count: int) -> tuple[Prediction, list[OwnState]]:
    """A ship with so many inputs that nobody has answered, and what each would lead to."""
    prediction = Prediction(GAME, RULES)
    prediction.reconcile(0, 0, REST, 0.0)
    truth = [REST]
    for seq in range(1, count + 1):
        prediction.press(Entry(seq, THRUST, seq * TICK_S, TICK_S))
        truth.append(fly(truth[-1], THRUST))
    return prediction, truth


def come_to(prediction: Prediction, seq: int) -> OwnState:
    """Where the ship is once all errors have been smoothed out."""
    pose = prediction.pose(seq * TICK_S + 10.0)
    assert pose is not None
    # It is drawn a bit beyond the newest input when no more come.
    return pose._replace(x=pose.x - pose.vx * 0.25, y=pose.y - pose.vy * 0.25)


@pytest.mark.parametrize("count", [31, 60, 64, 70])
def test_a_correction_flies_no_more_inputs_than_the_limit(count: int) -> None:
    prediction, _ = far_ahead(count)
    moved = REST._replace(y=REST.y + 5.0)
    prediction.reconcile(1, 0, moved, count * TICK_S)
    truth = moved
    for _ in range(LIMITS.predict_ticks):
        truth = fly(truth, THRUST)
    assert prediction.corrections == 1
    assert agree(come_to(prediction, count), truth)


@pytest.mark.parametrize("count", [60, 70])
@pytest.mark.parametrize("answered", [1, 10, 30])
def test_inputs_beyond_the_limit_are_flown_as_the_authority_s_word_comes_nearer(
    answered: int, count: int
) -> None:
    prediction, truth = far_ahead(count)
    prediction.reconcile(1, answered, truth[answered], count * TICK_S)
    assert prediction.corrections == 0
    assert agree(come_to(prediction, count), truth[answered + LIMITS.predict_ticks])


def test_inputs_that_waited_for_the_first_word_are_flown_once() -> None:
    prediction = Prediction(GAME, RULES)
    for seq in range(1, 4):
        prediction.press(Entry(seq, THRUST, seq * TICK_S, TICK_S))
    prediction.reconcile(1, 0, REST, 3 * TICK_S)
    bumped = fly(REST, THRUST)._replace(vy=20.0)
    prediction.reconcile(2, 1, bumped, 3 * TICK_S)
    truth = fly(fly(bumped, THRUST), THRUST)
    assert agree(come_to(prediction, 3), truth)


def test_an_older_word_of_the_authority_is_ignored() -> None:
    prediction = Prediction(GAME, RULES)
    prediction.reconcile(10, 0, REST, 0.0)
    prediction.reconcile(9, 0, REST._replace(x=0.0), 0.1)
    pose = prediction.pose(0.1)
    assert pose is not None
    assert pose.x == REST.x


def test_inputs_before_the_first_word_are_flown_once_it_comes() -> None:
    prediction = Prediction(GAME, RULES)
    assert prediction.pose(0.0) is None
    for seq in range(1, 4):
        prediction.press(Entry(seq, THRUST, seq * TICK_S, TICK_S))
    first = fly(REST, THRUST)
    prediction.reconcile(7, 1, first, 3 * TICK_S)
    pose = prediction.pose(4 * TICK_S)
    assert pose is not None
    assert agree(pose, fly(fly(first, THRUST), THRUST))
    assert prediction.corrections == 0


def test_another_ship_starts_from_its_own_first_word() -> None:
    prediction = Prediction(GAME, RULES)
    prediction.reconcile(10, 0, REST, 0.0)
    prediction.press(Entry(1, THRUST, 0.0, TICK_S))
    prediction.restart(7, 1)
    assert prediction.pose(0.1) is None
    prediction.reconcile(4, 1, REST._replace(x=0.0), 0.1)
    pose = prediction.pose(0.1)
    assert pose is not None
    assert pose.x == 0.0


def test_nothing_of_the_ship_before_is_left_in_another_one() -> None:
    for told_before in (True, False):
        prediction = Prediction(GAME, RULES)
        if told_before:
            prediction.reconcile(10, 0, REST, 0.0)
        for seq in (1, 2, 3):
            prediction.press(Entry(seq, THRUST, seq * TICK_S, TICK_S))
        now = 3 * TICK_S
        if told_before:
            prediction.reconcile(11, 1, REST._replace(y=REST.y + 9.0, heading=1.0), now)
        prediction.restart(7, 1)
        another = OwnState(-40.0, 7.0, 30.0, -10.0, 2.0, 0.5)
        prediction.reconcile(1, 0, another, now)
        assert prediction.pose(now) == pytest.approx(another)
        assert prediction.pose(now + 1.0) == pytest.approx(another)


def test_inputs_come_at_the_tick_rate_whatever_the_timer_does() -> None:
    inputs = Inputs(TICK_S, first_at=1.0)
    assert inputs.press(holding(0), 0.99) == []
    made = []
    for now in (1.0, 1.02, 1.07, 1.16, 1.2):
        made += inputs.press(holding(1), now)
    assert [entry.seq for entry in made] == [1, 2, 3, 4, 5]
    assert [entry.at for entry in made] == pytest.approx([1.0, 1.05, 1.1, 1.15, 1.2])
    assert inputs.next_at == pytest.approx(1.25)


def test_after_a_stall_the_lost_ticks_are_skipped_and_counted() -> None:
    inputs = Inputs(TICK_S, first_at=0.0)
    made = inputs.press(holding(0), 1.0)
    assert len(made) == LIMITS.ticks_catch_up
    assert inputs.skipped == 21 - LIMITS.ticks_catch_up
    assert made[-1].at == pytest.approx(1.0)
    assert [entry.seq for entry in made] == list(range(22 - LIMITS.ticks_catch_up, 22))
    message = inputs.message(1)
    assert message is not None
    assert (message.first_seq, message.newest_seq) == (made[0].seq, 21)


def test_what_was_tapped_is_in_the_first_input_made_and_in_no_other() -> None:
    inputs = Inputs(TICK_S, first_at=0.0)
    keys = holding(THRUST)
    keys.hold(THRUST | FIRE)
    keys.hold(THRUST)
    made = inputs.press(keys, 3 * TICK_S)
    assert [entry.record for entry in made] == [
        THRUST | FIRE,
        *[THRUST] * 3,
    ]


def test_unanswered_inputs_are_repeated_until_the_authority_shows_them() -> None:
    inputs = Inputs(TICK_S, first_at=0.0)
    for index in range(5):
        inputs.press(holding(index), index * TICK_S)
        inputs.message(9)
    inputs.answer(2, 0.3)
    message = inputs.message(9)
    assert message is not None
    assert message.first_seq == 3
    assert message.control_epoch == 9
    assert message.records == (2, 3, 4)
    inputs.answer(5, 0.4)
    assert inputs.message(9) is None


def test_an_input_that_was_guessed_before_it_was_sent_is_sent_all_the_same() -> None:
    inputs = Inputs(TICK_S, first_at=0.0)
    inputs.press(holding(FIRE), 0.0)
    inputs.answer(1, 0.01)
    assert inputs.take_latencies() == []
    assert inputs.message(1) == Input(1, 1, (FIRE,))
    inputs.answer(2, 0.1)
    assert inputs.message(1) is None
    assert inputs.take_latencies() == pytest.approx([0.1])


def test_no_more_inputs_are_repeated_than_fit_a_message() -> None:
    inputs = Inputs(TICK_S, first_at=0.0)
    for index in range(40):
        inputs.press(holding(index), index * TICK_S)
    message = inputs.message(1)
    assert message is not None
    assert len(message.records) == CONTROLS_PER_MESSAGE_MAX
    assert message.first_seq == 41 - CONTROLS_PER_MESSAGE_MAX


def test_latency_counts_from_the_scheduled_moment() -> None:
    inputs = Inputs(TICK_S, first_at=0.0)
    inputs.press(holding(0), 0.04)
    inputs.press(holding(0), 0.09)
    inputs.message(1)
    inputs.answer(1, 0.1)
    assert inputs.take_latencies() == pytest.approx([0.1])
    assert inputs.take_latencies() == []
    assert inputs.unanswered_ages(0.2) == pytest.approx([0.15])


def test_ticks_slept_through_are_answered_with_the_next_input() -> None:
    inputs = Inputs(TICK_S, first_at=0.0)
    inputs.press(holding(0), 0.5)
    inputs.message(1)
    assert len(inputs.unanswered_ages(0.5)) == 11
    skipped = 11 - LIMITS.ticks_catch_up
    inputs.answer(skipped + 1, 0.6)
    assert inputs.take_latencies() == pytest.approx(
        [0.6 - index * TICK_S for index in range(skipped + 1)]
    )
    assert inputs.take_lateness()[0] == pytest.approx(0.5)


def test_an_input_nobody_answers_counts_at_its_age() -> None:
    inputs = Inputs(TICK_S, first_at=0.0)
    for index in range(LIMITS.inputs + 1):
        inputs.press(holding(0), index * TICK_S)
    assert inputs.take_latencies() == pytest.approx([LIMITS.inputs * TICK_S])
    assert len(inputs.unanswered_ages(10.0)) == LIMITS.inputs
