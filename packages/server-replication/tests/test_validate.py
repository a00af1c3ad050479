"""What a shard proposes is believed only after every check."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sidereal.protocol.limits import INPUT_GUESSES_MAX, INPUT_SEQ_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.component import Component, Field
from sidereal.protocol.state.schema import BASE_COMPONENTS, BASE_SCHEMA, Begin, Schema
from sidereal.replication.limits import LIMITS
from sidereal.replication.repairs import Repairs
from sidereal.replication.validate import (
    DISPLACEMENT_SLACK,
    Proposed,
    Verdict,
    judge_component,
    judge_motion,
)

TICK = 1000
SHARD = 3
ANSWERED = 40


def judge(
    handover_tick: int = 0,
    now: int = TICK,
    speed: float = 0.0,
    speed_y: float = 0.0,
    newest_input: int = -1,
    answered: int = ANSWERED,
    **changed: Any,
) -> Verdict:
    columns = Columns(BASE_SCHEMA, 8)
    committed = np.zeros(1, BASE_SCHEMA.full_record)
    committed["id"], committed["epoch"], committed["tick"] = 7, 5, TICK - 20
    committed["shard"], committed["kind"], committed["vx"] = SHARD, 1, speed
    committed["vy"] = speed_y
    committed["input_seq"] = answered
    row = columns.load(committed)
    proposed = columns.store(row, BASE_SCHEMA.exact_record)
    proposed["tick"], proposed["x"] = TICK, 10.0
    for name, value in changed.items():
        proposed[name] = value
    rows = Proposed(
        proposed,
        columns.rows_of(proposed["id"]),
        columns,
        np.full(columns.capacity, handover_tick),
        departed=np.array([99]),
        shard=SHARD,
        tick=now,
        schema=BASE_SCHEMA,
        repairs=Repairs(Rules()),
    )
    verdicts = judge_motion(rows, np.array([newest_input]), Rules())
    return Verdict(int(verdicts[0]))


def test_a_possible_row_is_accepted() -> None:
    assert judge() is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"id": 8}, Verdict.UNKNOWN_ENTITY),
        ({"epoch": 4}, Verdict.STALE_EPOCH),
        ({"epoch": 6}, Verdict.STALE_EPOCH),
        ({"tick": TICK - 20}, Verdict.REPEATED),
        ({"tick": TICK + LIMITS.proposals.future_ticks + 1}, Verdict.FUTURE_TICK),
        ({"x": np.nan}, Verdict.OUT_OF_RANGE),
        ({"vy": np.inf}, Verdict.OUT_OF_RANGE),
        ({"vx": 200.0, "vy": 200.0}, Verdict.TOO_FAST),
        ({"x": 400.0}, Verdict.TOO_FAR),
        ({"control_epoch": 1}, Verdict.OTHER_PILOT),
    ],
)
def test_an_impossible_row_is_refused_by_name(changed: dict[str, Any], verdict: Verdict) -> None:
    assert judge(**changed) is verdict


def test_a_row_shows_inputs_that_its_pilot_can_have_sent() -> None:
    ahead = 50 + INPUT_GUESSES_MAX
    assert judge(newest_input=50, input_seq=ahead) is Verdict.ACCEPTED
    assert judge(newest_input=50, input_seq=ahead + 1) is Verdict.UNSENT_INPUT
    assert judge(newest_input=50, input_seq=ANSWERED - 1) is Verdict.EARLIER_INPUT
    assert judge(input_seq=ANSWERED + 1) is Verdict.UNSENT_INPUT
    assert judge(answered=0, input_seq=1) is Verdict.UNSENT_INPUT
    last = INPUT_SEQ_MAX
    assert judge(newest_input=last, input_seq=last) is Verdict.ACCEPTED


def test_a_row_of_another_shards_entity_is_refused() -> None:
    columns = Columns(BASE_SCHEMA, 8)
    record = np.zeros(1, BASE_SCHEMA.full_record)
    record["id"], record["epoch"], record["shard"] = 7, 5, SHARD + 1
    rows = columns.load(record)
    proposed = columns.store(rows, BASE_SCHEMA.exact_record)
    proposed["tick"] = 1
    theirs = Proposed(
        proposed,
        rows,
        columns,
        np.zeros(8),
        departed=np.array([99]),
        shard=SHARD,
        tick=1,
        schema=BASE_SCHEMA,
        repairs=Repairs(Rules()),
    )
    verdict = judge_motion(theirs, np.array([-1]), Rules())
    assert verdict.tolist() == [Verdict.NOT_OWNER]


def test_a_row_on_its_way_during_a_handover_is_no_fault() -> None:
    assert judge(handover_tick=TICK - 1, epoch=4) is Verdict.SUPERSEDED
    late = TICK - LIMITS.proposals.superseded_ticks - 1
    assert judge(handover_tick=late, epoch=4) is Verdict.STALE_EPOCH


def test_a_row_of_an_entity_that_has_just_left_is_no_fault() -> None:
    assert judge(id=99) is Verdict.SUPERSEDED
    assert judge(id=98) is Verdict.UNKNOWN_ENTITY


def test_a_row_from_an_epoch_to_come_is_never_excused() -> None:
    assert judge(handover_tick=TICK - 1, epoch=6) is Verdict.STALE_EPOCH


def test_displacement_is_measured_from_the_committed_reference() -> None:
    reach = 20 * Rules().tick_s * Rules().speed_max
    assert judge(x=reach) is Verdict.ACCEPTED
    assert judge(x=reach + 6.0) is Verdict.TOO_FAR


@pytest.mark.parametrize("seconds", [60, 3600])
def test_what_has_rested_for_long_is_not_somewhere_else_at_once(seconds: int) -> None:
    far = TICK + seconds * Rules().tick_hz
    reach = 2 * LIMITS.proposals.unreported_s * Rules().speed_max
    assert judge(now=far, tick=far, x=reach) is Verdict.ACCEPTED
    assert judge(now=far, tick=far, x=reach + 6.0) is Verdict.TOO_FAR


def test_what_has_drifted_for_long_may_turn_where_it_is_by_now() -> None:
    far = TICK + 60 * Rules().tick_hz
    there = 200.0 * 61.0
    assert judge(now=far, speed=200.0, tick=far, x=there, vx=-200.0) is Verdict.ACCEPTED
    assert judge(now=far, speed=200.0, tick=far, x=0.0) is Verdict.TOO_FAR


def test_what_is_just_within_the_limits_is_believed_and_no_more() -> None:
    limits, rules = LIMITS.proposals, Rules()
    assert judge(tick=TICK + limits.future_ticks) is Verdict.ACCEPTED
    assert judge(vx=200.0, vy=150.0) is Verdict.ACCEPTED
    assert judge(vx=200.0, vy=150.01) is Verdict.TOO_FAST
    fenced_at = TICK - limits.superseded_ticks
    assert judge(handover_tick=fenced_at, epoch=4) is Verdict.SUPERSEDED
    reach = 20 * rules.tick_s * rules.speed_max + DISPLACEMENT_SLACK
    for x, y in ((reach, 0.0), (-reach, 0.0), (0.0, reach), (0.0, -reach)):
        assert judge(x=x, y=y) is Verdict.ACCEPTED
        assert judge(x=x * 1.0001, y=y * 1.0001) is Verdict.TOO_FAR


@pytest.mark.parametrize("way", [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)])
def test_what_drifts_is_expected_where_it_drifts_to(way: tuple[float, float]) -> None:
    limits, rules = LIMITS.proposals, Rules()
    far = TICK + 60 * rules.tick_hz
    slack = 2 * rules.speed_max * limits.unreported_s + DISPLACEMENT_SLACK
    vx, vy = 100.0 * way[0], 100.0 * way[1]
    for off in (-slack, slack):
        for x, y, verdict in (
            (vx * 61.0 + off, vy * 61.0, Verdict.ACCEPTED),
            (vx * 61.0, vy * 61.0 + off, Verdict.ACCEPTED),
            (vx * 61.0 + off * 1.0001, vy * 61.0, Verdict.TOO_FAR),
            (vx * 61.0, vy * 61.0 + off * 1.0001, Verdict.TOO_FAR),
        ):
            moved = judge(now=far, tick=far, speed=vx, speed_y=vy, x=x, y=y, vx=vx, vy=vy)
            assert moved is verdict


# -- rows of components -------------------------------------------------------------------------


HULL = Component(
    "hull", (Field("hp", "f4", "hp", 0.0, 100.0, 0.5), Field("shots", "u2")), proposed=True
)
CARGO = Component("cargo", (Field("ore", "u2", "t", 0, 500),))
SHIP, ROCK = 1, 2
COMPONENTS = Schema(
    (*BASE_COMPONENTS, HULL, CARGO),
    [
        Begin("ship", ("motion", "body", "hull", "cargo"), {}),
        Begin("rock", ("motion", "body"), {}),
    ],
)


def judge_hull(
    *,
    component: str = "hull",
    kind: int = SHIP,
    handover_tick: int = 0,
    newest: bool = True,
    late: bool = False,
    owner: int = SHARD,
    **changed: Any,
) -> Verdict:
    columns = Columns(COMPONENTS, 8)
    committed = np.zeros(1, COMPONENTS.full_record)
    committed["id"], committed["epoch"], committed["tick"] = 7, 5, TICK - 20
    committed["shard"], committed["kind"] = owner, kind
    rows = columns.load(committed)
    number = COMPONENTS.numbers[component]
    proposed = columns.store(rows, COMPONENTS.proposed_rows[number])
    proposed["tick"] = TICK
    for name, value in changed.items():
        proposed[name] = value
    theirs = Proposed(
        proposed,
        columns.rows_of(proposed["id"]),
        columns,
        np.full(columns.capacity, handover_tick),
        departed=np.array([99]),
        shard=SHARD,
        tick=TICK,
        schema=COMPONENTS,
        repairs=Repairs(Rules()),
    )
    return Verdict(int(judge_component(theirs, number, np.array([newest]), np.array([late]))[0]))


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, Verdict.ACCEPTED),
        ({"hp": 100.0, "shots": 65535}, Verdict.ACCEPTED),
        ({"id": 8}, Verdict.UNKNOWN_ENTITY),
        ({"id": 99}, Verdict.SUPERSEDED),
        ({"epoch": 4}, Verdict.STALE_EPOCH),
        ({"epoch": 4, "handover_tick": TICK - 1}, Verdict.SUPERSEDED),
        ({"epoch": 6, "handover_tick": TICK - 1}, Verdict.STALE_EPOCH),
        ({"owner": SHARD + 1}, Verdict.NOT_OWNER),
        ({"component": "cargo"}, Verdict.OTHER_WRITER),
        ({"component": "label"}, Verdict.OTHER_WRITER),
        ({"component": "pilot"}, Verdict.OTHER_WRITER),
        ({"component": "owner"}, Verdict.OTHER_WRITER),
        ({"kind": ROCK}, Verdict.MISSING_COMPONENT),
        ({"kind": ROCK, "late": True}, Verdict.SUPERSEDED),
        ({"newest": False}, Verdict.REPEATED),
        ({"tick": TICK + LIMITS.proposals.future_ticks}, Verdict.ACCEPTED),
        ({"tick": TICK + LIMITS.proposals.future_ticks + 1}, Verdict.FUTURE_TICK),
        ({"hp": np.nan}, Verdict.OUT_OF_RANGE),
        ({"hp": 100.1}, Verdict.OUT_OF_RANGE),
        ({"hp": -0.1}, Verdict.OUT_OF_RANGE),
    ],
)
def test_a_row_of_a_component_is_believed_by_its_declaration(
    changed: dict[str, Any], verdict: Verdict
) -> None:
    assert judge_hull(**changed) is verdict


def test_the_first_check_that_fails_says_why() -> None:
    everything: dict[str, Any] = {"component": "cargo", "kind": ROCK, "newest": False}
    everything |= {"tick": TICK + 1000, "ore": 501}
    for fixed, verdict in (
        ({"epoch": 4}, Verdict.STALE_EPOCH),
        ({"owner": SHARD + 1}, Verdict.NOT_OWNER),
        ({}, Verdict.OTHER_WRITER),
    ):
        assert judge_hull(**everything | fixed) is verdict
    of_hull: dict[str, Any] = {"kind": ROCK, "newest": False, "tick": TICK + 1000, "hp": 999.0}
    for name, right, verdict in (
        ("kind", SHIP, Verdict.MISSING_COMPONENT),
        ("newest", True, Verdict.REPEATED),
        ("tick", TICK, Verdict.FUTURE_TICK),
        ("hp", 1.0, Verdict.OUT_OF_RANGE),
    ):
        assert judge_hull(**of_hull) is verdict
        of_hull[name] = right
    assert judge_hull(**of_hull) is Verdict.ACCEPTED


# -- rows of long ago ------------------------------------------------------------------------------

LONG_AGO = TICK + 600 * Rules().tick_hz


def test_a_row_of_long_ago_is_refused_wherever_it_says_that_its_entity_was() -> None:
    """It would be continued up to now: ten minutes at 250 units/s."""
    assert judge(now=LONG_AGO, tick=TICK - 19, x=0.0, vx=250.0) is Verdict.PAST_TICK
    assert judge(now=LONG_AGO, tick=TICK - 19, x=0.0, vx=1.0) is Verdict.PAST_TICK


def test_a_row_may_be_as_old_as_what_can_have_gone_unreported() -> None:
    ticks = round(LIMITS.proposals.unreported_s * Rules().tick_hz)
    assert judge(now=TICK + ticks) is Verdict.ACCEPTED
    assert judge(now=TICK + ticks + 1) is Verdict.PAST_TICK


def test_displacement_is_measured_by_where_a_row_leads_by_now() -> None:
    old = LONG_AGO - Rules().tick_hz
    reach = 2 * LIMITS.proposals.unreported_s * Rules().speed_max
    assert judge(now=LONG_AGO, tick=old, x=reach - 250.0, vx=250.0) is Verdict.ACCEPTED
    assert judge(now=LONG_AGO, tick=old, x=reach - 244.0, vx=250.0) is Verdict.TOO_FAR
    assert judge(now=LONG_AGO, tick=old, x=reach + 250.0, vx=-250.0) is Verdict.ACCEPTED


def test_what_leaves_its_line_late_is_as_far_off_as_it_can_be() -> None:
    assert judge(now=TICK + 5, x=10.0, vx=-250.0) is Verdict.ACCEPTED
