"""A plan that fails shrinks to the simplest one that fails like it, and can be pasted."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable
from typing import Any, Final

import msgspec
import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.replication.links.shardlink import ShardLink
from sidereal.tools.simulate.cluster import Outcome, Violation
from sidereal.tools.simulate.faults import CHAOS_S, HEALED, Fault, Kind, Plan, check_plan
from sidereal.tools.simulate.plans.parts import parts_of
from sidereal.tools.simulate.plans.shrink import shrink
from sidereal.tools.simulate.plans.text import read_plan, replay_command, write_plan
from sidereal.tools.simulate.play import plan_of, play

SEEDS: Final = 50


def outcome_of(plan: Plan, *checkers: str, text: str = "") -> Outcome:
    violations = tuple(Violation(checker, 1, text) for checker in checkers)
    return Outcome(plan, "", violations, 0, 0, 0, 0)


class Bug:
    """Fails by a rule of its own, without a cluster."""

    def __init__(self, shows: Callable[[Plan], bool]) -> None:
        self.shows = shows
        self.plays = 0

    def play(self, plan: Plan) -> Outcome:
        check_plan(plan)
        self.plays += 1
        return outcome_of(plan, "Rule") if self.shows(plan) else outcome_of(plan)

    def smallest_of(self, plan: Plan, plays_max: int = 1000) -> Plan:
        return shrink(self.play(plan), self.play, plays_max).outcome.plan


def crowded() -> Plan:
    """The first plan that is as full as plans get, with no shard that comes later."""
    return next(
        plan
        for plan in map(plan_of, range(SEEDS))
        if len(plan.faults) >= 4 and plan.shards == 3 and plan.observers and plan.pilots > 1
        if not plan.kinds & {Kind.SHARD_JOINS, Kind.SHARD_LIES, Kind.SHARD_IDLES}
    )


def test_a_plan_shrinks_to_what_the_bug_needs() -> None:
    plan = crowded()
    kind = plan.faults[1].kind

    def shows(plan: Plan) -> bool:
        kinds = {fault.kind for fault in plan.faults}
        return kind in kinds and {3, 17} <= set(plan.rocks) and plan.pilots >= 1

    small = Bug(shows).smallest_of(plan)
    assert [fault.kind for fault in small.faults] == [kind]
    assert small.faults[0].seconds == 0.0
    assert small == Plan(seed=plan.seed, pilots=small.pilots, rocks=(3, 17), faults=small.faults)


def test_numbers_shrink_towards_the_simplest_ones() -> None:
    link = dataclasses.replace(HEALED, delay_s=0.04)
    plan = msgspec.structs.replace(crowded(), chaos_s=CHAOS_S, link=link, faults=())
    small = Bug(lambda plan: plan.link.delay_s > 0.015 and plan.chaos_s > 0.4).smallest_of(plan)
    assert 0.015 < small.link.delay_s < 0.04
    assert 0.4 < small.chaos_s < 0.6
    assert small.link == dataclasses.replace(HEALED, delay_s=small.link.delay_s)


def test_limits_shrink_towards_those_that_servers_run_on() -> None:
    plan = crowded()
    tight = plan.limits.edge.leases_every_ticks
    small = Bug(lambda plan: plan.limits.edge.leases_every_ticks == tight).smallest_of(plan)
    limits = Plan().limits
    edge = dataclasses.replace(limits.edge, leases_every_ticks=tight)
    assert small.limits == dataclasses.replace(limits, edge=edge)


def test_a_plan_that_needs_all_it_has_stays_as_it_is() -> None:
    plan = crowded()
    assert Bug(lambda other: other == plan).smallest_of(plan) == plan


def test_shrinking_is_bounded_and_gives_the_same_every_time() -> None:
    plan = crowded()
    for plays_max in (0, 5, 40):
        bugs = [Bug(lambda plan: len(plan.rocks) > 10) for _ in range(2)]
        first, second = (bug.smallest_of(plan, plays_max) for bug in bugs)
        assert first == second
        assert bugs[0].plays <= plays_max + 1
        assert len(first.rocks) > 10


def test_another_checker_is_another_fault() -> None:
    plan = crowded()

    def play(candidate: Plan) -> Outcome:
        return outcome_of(candidate, "Mine" if len(candidate.rocks) > 20 else "Theirs")

    small = shrink(play(plan), play, 1000).outcome
    assert [violation.checker for violation in small.violations] == ["Mine"]


def test_another_error_is_another_crash() -> None:
    plan = crowded()

    def play(candidate: Plan) -> Outcome:
        error = "KeyError" if candidate.faults else "IndexError"
        return outcome_of(candidate, "Crash", text=f"{error}: 7 at shard/shard.py:1")

    assert len(shrink(play(plan), play, 1000).outcome.plan.faults) == 1


def test_a_bug_planted_in_the_code_shrinks_to_a_few_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody is given what one of them is to simulate: two shards and one entity show it."""
    send_adopt = ShardLink.send_adopt

    def send_to_all(self: ShardLink, _: Any, *more: Any) -> None:
        for shard in self.shards:
            send_adopt(self, shard, *more)

    monkeypatch.setattr(ShardLink, "send_adopt", send_to_all)
    small = shrink(play(crowded()), play, 60).outcome
    assert "OneOwner" in {violation.checker for violation in small.violations}
    pilots, rocks = small.plan.pilots, small.plan.rocks
    assert small.plan == Plan(seed=small.plan.seed, shards=2, pilots=pilots, rocks=rocks)
    assert pilots + len(rocks) == 1
    again = play(read_plan(write_plan(small.plan)))
    assert (again.trace, again.violations) == (small.trace, small.violations)


@pytest.mark.parametrize("seed", range(10))
def test_a_plan_survives_being_written(seed: int) -> None:
    plan = plan_of(seed)
    assert read_plan(write_plan(plan)) == plan


def test_a_plan_says_nothing_of_what_is_as_in_the_simplest_one() -> None:
    fault = Fault(1.25, Kind.SHARD_KILLED, 0, 0.5)
    plan = Plan(seed=3, shards=2, rocks=(4,), faults=(fault,))
    assert write_plan(Plan()) == "{}"
    assert write_plan(plan) == (
        '{"seed":3,"shards":2,"rocks":[4],"faults":'
        '[{"at":1.25,"kind":"shard killed","target":0,"seconds":0.5}]}'
    )
    *_, flag, text = shlex.split(replay_command(plan))
    assert (flag, read_plan(text)) == ("--plan", plan)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "not a plan"),
        ('{"rock":[1]}', "rock"),
        ('{"shards":"two"}', "shards"),
        ('{"rocks":[1,1]}', "different places"),
        ('{"shards":0}', "1 or more"),
        ('{"link":{"loss":2}}', "loss is 2"),
        (
            '{"faults":[{"at":1.0,"kind":"shard killed","target":1,"seconds":1.0}]}',
            "there is no number 1",
        ),
    ],
)
def test_what_is_no_plan_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_plan(text)


def test_every_drawn_plan_can_be_played_and_names_its_parts() -> None:
    for plan in map(plan_of, range(SEEDS)):
        check_plan(plan)
    assert {"rocks", "faults", "link", "limits"} <= parts_of(Plan()).keys()
