"""Who may be elsewhere than it can have flown, because its shard has simulated ticks again."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest

from sidereal.protocol.limits import REPAIRED_BODIES_MAX, REPAIRED_TICKS_MAX
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.schema import BASE_COMPONENTS, Begin, Schema
from sidereal.replication.limits import LIMITS, ProposalLimits
from sidereal.replication.repairs import GAP, Repairs
from sidereal.replication.validate import (
    DISPLACEMENT_SLACK,
    Proposed,
    Verdict,
    judge_motion,
    judge_whole,
)

RULES = Rules()
SCHEMA = Schema(
    BASE_COMPONENTS, [Begin(name, ("motion", "body"), {}) for name in ("rock", "stone")]
)
STEP = RULES.speed_max * RULES.tick_s
LATELY = LIMITS.proposals.superseded_ticks
TICK = 1000
HEARD = TICK - 2
"""When the newest rows are of that the world has."""
REACH = (TICK - HEARD) * STEP + DISPLACEMENT_SLACK
"""How far something gets from there on its own."""
RADIUS = 6.0
SHARD = 3

STRUCK = 7
GIVEN = 9


class Rig:
    """A world of shard 3 with one body at the origin, and what that shard is given."""

    def __init__(self) -> None:
        self.columns = Columns(SCHEMA, 256)
        self.repairs = Repairs(RULES)
        self.limits = LIMITS.proposals
        self.put(STRUCK, 0.0)

    def put(self, net_id: int, x: float, tick: int = HEARD, shard: int = SHARD) -> None:
        record = SCHEMA.first[[1]].copy()
        record["id"], record["epoch"], record["tick"] = net_id, 5, tick
        record["shard"], record["radius"], record["mass"] = shard, RADIUS, 12.0
        record["x"] = x
        self.columns.load(record)

    def give(self, net_id: int, tick: int, before: int = SHARD + 1) -> None:
        """Give the shard an entity."""
        rows = self.columns.rows_of([net_id])
        former = np.full(1, before, np.uint16)
        self.repairs.note_given(self.columns, rows, former, tick, LATELY)

    def strike(self, x: float, tick: int = TICK - 10) -> None:
        """Give the shard an entity of that tick, which nobody has any more."""
        self.put(GIVEN, x, tick)
        self.give(GIVEN, tick)
        self.columns.free(self.columns.rows_of([GIVEN]))

    def say_all(
        self, places: dict[int, float], *, tick: int = TICK, now: int = TICK, shard: int = SHARD
    ) -> list[Verdict]:
        """Say that bodies are at these places."""
        return _verdicts(judge_motion(*self._said(places, tick, now, shard), RULES))

    def say(self, x: float, *, tick: int = TICK, now: int = TICK, shard: int = SHARD) -> Verdict:
        """Say that the body is at that place."""
        return self.say_all({STRUCK: x}, tick=tick, now=now, shard=shard)[0]

    def say_whole(self, x: float, kind: int = 1, tick: int = TICK) -> Verdict:
        rows = self.columns.rows_of([STRUCK])
        records = self.columns.store(rows, SCHEMA.full_record)
        records["x"], records["tick"], records["kind"] = x, tick, kind
        proposed = self._proposed(records, rows, TICK, SHARD)
        verdicts = judge_whole(proposed, np.array([-1]), np.array([True]), RULES)
        return _verdicts(verdicts)[0]

    def _said(
        self, places: dict[int, float], tick: int, now: int, shard: int
    ) -> tuple[Proposed, np.ndarray]:
        rows = self.columns.rows_of(list(places))
        records = self.columns.store(rows, SCHEMA.exact_record)
        records["x"], records["tick"] = list(places.values()), tick
        return self._proposed(records, rows, now, shard), np.full(len(rows), -1)

    def _proposed(self, records: np.ndarray, rows: np.ndarray, now: int, shard: int) -> Proposed:
        handed = np.zeros(self.columns.capacity, np.int64)
        none = np.zeros(0, np.int64)
        columns, repairs, limits = self.columns, self.repairs, self.limits
        return Proposed(records, rows, columns, handed, none, shard, now, SCHEMA, repairs, limits)


def _verdicts(verdicts: np.ndarray) -> list[Verdict]:
    return [Verdict(int(verdict)) for verdict in verdicts]


def test_who_may_have_been_hit_by_what_was_given_lately_may_be_elsewhere() -> None:
    rig = Rig()
    rig.strike(STEP * 8)
    assert rig.say(REACH + 100.0) is Verdict.ACCEPTED


def test_nobody_is_elsewhere_for_nothing() -> None:
    rig = Rig()
    assert rig.say(REACH) is Verdict.ACCEPTED
    assert rig.say(REACH * 1.0001) is Verdict.TOO_FAR


@pytest.mark.parametrize("ticks", [1, 5, 7])
def test_it_is_off_by_both_ways_since_the_row_that_was_given(ticks: int) -> None:
    off = REACH + 2 * ticks * STEP
    for x, verdict in ((off, Verdict.ACCEPTED), (off * 1.0001, Verdict.TOO_FAR)):
        rig = Rig()
        rig.strike(ticks * STEP, HEARD - ticks)
        assert rig.say(x) is verdict


def test_it_is_off_by_no_more_than_something_flies_in_the_ticks_of_a_repair() -> None:
    off = REACH + REPAIRED_TICKS_MAX * STEP
    for x, verdict in ((off, Verdict.ACCEPTED), (off * 1.0001, Verdict.TOO_FAR)):
        rig = Rig()
        rig.strike(off / 2, TICK - 20)
        assert rig.say(x) is verdict


def test_what_was_said_before_the_row_that_was_given_holds() -> None:
    rig = Rig()
    rig.strike(0.0, HEARD)
    assert rig.say(REACH + 1.0) is Verdict.TOO_FAR


def test_a_row_of_long_ago_tells_where_its_entity_was_before_the_handover() -> None:
    """It has drifted since, and a repair goes back from the handover."""
    rig = Rig()
    record = SCHEMA.first[[1]].copy()
    record["id"], record["epoch"], record["tick"] = GIVEN, 5, TICK - 500
    record["x"], record["vx"], record["radius"] = 200.0 - 100.0 * 25, 100.0, RADIUS
    record["shard"] = SHARD
    rig.columns.load(record)
    rig.give(GIVEN, TICK - 5)
    assert rig.say(REACH + REPAIRED_TICKS_MAX * STEP) is Verdict.ACCEPTED


def test_it_is_as_near_to_what_was_given_as_something_may_have_flown() -> None:
    near = 10 * STEP + RADIUS + 2 * RADIUS + GAP
    x = REACH + 100.0
    for off, verdict in ((near * 0.9999, Verdict.ACCEPTED), (near * 1.0001, Verdict.TOO_FAR)):
        for way in (-1.0, 1.0):
            rig = Rig()
            rig.strike(x + way * off)
            assert rig.say(x) is verdict


def test_others_may_have_passed_it_on() -> None:
    near = 10 * STEP + RADIUS + 2 * RADIUS + GAP
    more = 2 * RADIUS + GAP
    x = REACH + 100.0
    for far, verdict in ((0.9999, Verdict.ACCEPTED), (1.0001, Verdict.TOO_FAR)):
        rig = Rig()
        beside = 10 * STEP + RADIUS
        rig.put(100, -beside)
        rig.put(101, -beside - more)
        rig.put(102, beside + 3 * more)
        # Nobody gets from these three to the others.
        rig.put(200, -beside - 4.1 * more)
        rig.put(201, -beside - 4.2 * more)
        rig.put(202, 0.0, shard=SHARD + 1)
        rig.strike(x + far * (near + 3 * more))
        assert rig.say(x) is verdict


def test_no_more_pass_it_on_than_take_part_in_a_repair() -> None:
    near = 10 * STEP + RADIUS + REPAIRED_BODIES_MAX * (2 * RADIUS + GAP)
    x = REACH + 100.0
    for far, verdict in ((0.9999, Verdict.ACCEPTED), (1.0001, Verdict.TOO_FAR)):
        rig = Rig()
        for nth in range(REPAIRED_BODIES_MAX + 20):
            rig.put(100 + nth, 0.0)
        rig.strike(x + far * near)
        assert rig.say(x) is verdict


def test_it_is_put_elsewhere_once_for_one_handover() -> None:
    rig = Rig()
    rig.strike(STEP * 8)
    x = REACH + 50.0
    assert rig.say(x) is Verdict.ACCEPTED
    assert rig.say(x) is Verdict.TOO_FAR
    rig.put(20, 0.0)
    assert rig.say_all({20: x}) == [Verdict.ACCEPTED]
    rig.strike(STEP * 8, TICK - 9)
    assert rig.say(x) is Verdict.ACCEPTED
    assert rig.say(x) is Verdict.TOO_FAR


def test_of_two_handovers_the_older_one_is_used_up_first() -> None:
    rig = Rig()
    rig.strike(STEP * 8, TICK - 12)
    rig.strike(STEP * 8, TICK - 9)
    assert [rig.say(REACH + 50.0) for _ in range(3)] == [
        Verdict.ACCEPTED,
        Verdict.ACCEPTED,
        Verdict.TOO_FAR,
    ]


def test_another_entity_of_the_same_row_has_used_nothing_up() -> None:
    rig = Rig()
    rig.strike(STEP * 8)
    assert rig.say(REACH + 50.0) is Verdict.ACCEPTED
    rig.columns.free(rig.columns.rows_of([STRUCK]))
    rig.put(8, 0.0)
    assert rig.say_all({8: REACH + 50.0}) == [Verdict.ACCEPTED]


def test_who_is_refused_for_something_else_uses_nothing_up() -> None:
    rig = Rig()
    rig.strike(STEP * 8)
    x = REACH + 50.0
    assert rig.say(x, shard=SHARD + 1) is Verdict.NOT_OWNER
    assert rig.say(x, tick=HEARD) is Verdict.REPEATED
    assert rig.say_whole(x, kind=2) is Verdict.FOREIGN_KIND
    assert rig.say_whole(x, tick=HEARD) is Verdict.ACCEPTED, "its motion is not looked at"
    assert rig.say(x) is Verdict.ACCEPTED


def test_an_entity_as_a_whole_is_put_elsewhere_likewise() -> None:
    rig = Rig()
    rig.strike(STEP * 8)
    assert rig.say_whole(REACH + 50.0) is Verdict.ACCEPTED
    assert rig.say_whole(REACH + 50.0) is Verdict.TOO_FAR


def test_only_what_was_given_lately_counts() -> None:
    x = REACH + 50.0
    for ago, verdict in ((LATELY, Verdict.ACCEPTED), (LATELY + 1, Verdict.TOO_FAR)):
        rig = Rig()
        rig.strike(0.0, TICK - ago)
        assert rig.say(x) is verdict


def test_what_another_shard_was_given_does_not_count() -> None:
    rig = Rig()
    rig.put(GIVEN, STEP * 8, TICK - 10, shard=SHARD + 1)
    rig.give(GIVEN, TICK - 10, before=SHARD)
    assert rig.say(REACH + 50.0) is Verdict.TOO_FAR


def test_what_its_owner_is_given_anew_does_not_count() -> None:
    rig = Rig()
    rig.put(GIVEN, STEP * 8, TICK - 10)
    rig.give(GIVEN, TICK - 10, before=SHARD)
    assert rig.say(REACH + 50.0) is Verdict.TOO_FAR


def test_who_was_given_itself_follows_from_its_row() -> None:
    rig = Rig()
    row = rig.columns.rows_of([STRUCK])
    rig.columns.tick[row] = HEARD - 8
    rig.give(STRUCK, HEARD - 8)
    rig.columns.tick[row] = HEARD
    assert rig.say(REACH + 50.0) is Verdict.TOO_FAR


def test_no_more_are_put_elsewhere_at_once_than_take_part_in_a_repair() -> None:
    rig = Rig()
    rig.strike(STEP * 8)
    more = [100 + nth for nth in range(REPAIRED_BODIES_MAX)]
    for net_id in more:
        rig.put(net_id, 0.0)
    verdicts = rig.say_all(dict.fromkeys([*more, STRUCK], REACH + 50.0))
    assert verdicts == [Verdict.ACCEPTED] * REPAIRED_BODIES_MAX + [Verdict.TOO_FAR]


def test_in_a_tick_no_more_pairs_are_looked_at_than_the_limits_allow() -> None:
    """Each row makes a pair with all eleven of its shard, and with what that was given."""
    rig = Rig()
    rig.limits = ProposalLimits(repair_pairs=3 * 12)
    for net_id in range(100, 110):
        rig.put(net_id, 0.0)
    rig.strike(STEP * 8)
    x = REACH + 50.0
    assert rig.say_all({100: x}) == [Verdict.ACCEPTED]
    assert rig.say_all({101: x, 102: x, 103: x}) == [Verdict.ACCEPTED] * 2 + [Verdict.TOO_FAR]
    assert rig.say_all({103: x}, now=TICK + 1) == [Verdict.ACCEPTED]


def test_what_one_shard_says_leaves_as_much_room_for_another() -> None:
    rig = Rig()
    rig.limits = ProposalLimits(repair_pairs=2)
    rig.put(8, 0.0, shard=SHARD + 1)
    rig.put(GIVEN, 0.0, TICK - 10, shard=SHARD + 1)
    rig.give(GIVEN, TICK - 10, before=SHARD)
    rig.columns.free(rig.columns.rows_of([GIVEN]))
    rig.strike(STEP * 8)
    assert rig.say(REACH + 50.0) is Verdict.ACCEPTED
    assert rig.say_all({8: REACH + 50.0}, shard=SHARD + 1) == [Verdict.ACCEPTED]


@pytest.mark.parametrize("seed", range(12))
def test_who_is_believed_is_the_same_as_if_all_were_compared_with_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, side = 150, float(rng.choice([300.0, 1000.0, 2500.0]))
    columns, repairs = Columns(SCHEMA, 256), Repairs(RULES)
    records = np.repeat(SCHEMA.first[[1]], count)
    records["id"], records["shard"] = np.arange(1, count + 1), rng.choice([SHARD, SHARD + 1], count)
    records["radius"], records["tick"] = rng.exponential(8.0, count) + 1.0, HEARD
    ticks = TICK - rng.integers(4, 20, 20)
    records["tick"][: len(ticks)] = ticks - rng.integers(0, 5, len(ticks))
    for axis in ("x", "y", "vx", "vy"):
        records[axis] = rng.uniform(0.0, side if axis in "xy" else 200.0, count)
    columns.load(records)
    given = columns.rows_of(np.arange(1, len(ticks) + 1))
    for row, tick in zip(given, ticks.tolist(), strict=True):
        repairs.note_given(columns, np.array([row]), np.zeros(1, np.uint16), tick, LATELY)
    rows = columns.rows_of(rng.permutation(np.arange(1, count + 1))[:40])
    rows = rows[columns["shard"][rows] == SHARD]
    said = columns.store(rows, SCHEMA.exact_record)
    said["tick"] = TICK
    said["x"] += rng.uniform(-200.0, 200.0, len(said))
    none = np.zeros(0, np.int64)
    proposed = Proposed(said, rows, columns, none, none, SHARD, TICK, SCHEMA, repairs)
    missing = rng.uniform(0.0, 20.0, len(said))
    believed = repairs.believe(proposed, np.arange(len(said)), missing)
    ways = [
        _Way(
            int(columns.net_id[row]),
            float(columns["radius"][row]),
            begin,
            _place(columns, row, begin),
        )
        for row, begin in zip(
            given, np.maximum(columns.tick[given], ticks - REPAIRED_TICKS_MAX).tolist(), strict=True
        )
        if columns["shard"][row] == SHARD
    ]
    expected = [
        nth
        for nth, (record, lacks) in enumerate(zip(said, missing.tolist(), strict=True))
        if _is_explained(columns, int(rows[nth]), record, lacks, ways)
    ]
    assert believed.tolist() == expected
    assert 0 < len(expected) < len(said)


class _Way(NamedTuple):
    """An entity that was given, and from when on it may have pushed another one."""

    net_id: int
    radius: float
    begin: int
    place: tuple[float, float]

    def explains(self, record: np.void, line: float) -> bool:
        off = math.dist((record["x"], record["y"]), self.place)
        return off <= (TICK - self.begin) * STEP + self.radius + line


def _is_explained(
    columns: Columns, row: int, record: np.void, missing: float, ways: list[_Way]
) -> bool:
    """Tell whether it may have come of what was given, as the rules have it: one by one."""
    since = int(columns.tick[row])
    ways = [
        way
        for way in ways
        if way.net_id != record["id"]
        and missing <= min(2 * (since - way.begin), REPAIRED_TICKS_MAX)
    ]
    flown = max((TICK - way.begin for way in ways), default=0) * STEP
    here, line = _place(columns, row, TICK), 0.0
    apart = sorted(
        (math.dist(here, _place(columns, other, TICK)) - columns["radius"][other] - flown, other)
        for other in np.flatnonzero(columns.alive & (columns["shard"] == SHARD)).tolist()
    )
    for far, other in apart[:REPAIRED_BODIES_MAX]:
        if far > line:
            break
        line += 2.0 * float(columns["radius"][other]) + GAP
    return any(way.explains(record, line) for way in ways)


def _place(columns: Columns, row: int, tick: int) -> tuple[float, float]:
    elapsed_s = (tick - int(columns.tick[row])) * RULES.tick_s
    x, y = (columns[axis][row] + columns[f"v{axis}"][row] * elapsed_s for axis in "xy")
    return float(x), float(y)
