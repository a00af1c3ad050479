"""An event comes neither before the spawn of its subject nor after its end, whatever is lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.game import SHARD, U1, Event, Game, Kind, Motion, Parent, Stage, Step
from sidereal.game.declarations import declare
from sidereal.game.schema import name_of, schema_of
from sidereal.protocol.limits import UNRELIABLE_SIZE_MAX
from sidereal.protocol.message.shard import Adopt, GrantIds
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.proposals import decode_proposal_untrusted, encode_proposals
from sidereal.protocol.state.schema import WHOLE
from sidereal.protocol.state.stream import GONE
from sidereal.shard.bundles import bundle
from sidereal.shard.limits import Limits
from sidereal.shard.simulation import Simulation

RESEND = Limits().events_resend_ticks
STONE, FIRST = 7, 5000

Act = Callable[[Step], None]


def rest(step: Step) -> None:
    """What a system does that a test says nothing about."""


class Lit(Event):
    """It was spawned."""


class Spent(Event):
    after: U1


class Shard:
    """A shard with a stone, which spawns shots as it is told; and what it proposes of them."""

    def __init__(self, **limits: Any) -> None:
        game = Game("bundled")
        game.kind("stone", Motion())
        self.shot: Kind = game.kind("shot", Motion(), spawned_by=SHARD)
        self.mast: Kind = game.kind("mast", Motion(), Parent(), spawned_by=SHARD)
        game.declare(Lit, Spent)
        self._acts: dict[Stage, Act] = {}
        for stage in (Stage.TICK, Stage.SETTLE):
            game.system(stage)(self._system(stage))
        declared = declare(game)
        self.schema = schema_of(declared)
        self.lit, self.spent = (self.schema.event_numbers[name_of(e)] for e in (Lit, Spent))
        rng = np.random.default_rng(1)
        self.simulation = Simulation(declared, self.schema, Rules(), rng, Limits(**limits))
        self.tick = 100
        self.simulation.apply(GrantIds(FIRST, 1000), self.tick)
        row = self.schema.first[[1]].copy()
        row["id"], row["epoch"], row["tick"] = STONE, 3, self.tick
        self.simulation.apply(Adopt(self.tick, row.tobytes(), b""), self.tick)
        self.tags: list[int] = []

    def _system(self, stage: Stage) -> Act:
        def act(step: Step) -> None:
            self._acts.pop(stage, rest)(step)

        act.__name__ = f"act_{stage.value}"
        return act

    def run(self, act: Act = rest, then: Act = rest) -> list[Any]:
        """Let a tick pass: of each message what is in it, as sorts and ids."""
        self._acts = {Stage.TICK: act, Stage.SETTLE: then}
        self.tick += 1
        self.simulation.step(self.tick)
        messages = self.simulation.collect_proposals(self.tick)
        self.tags = [tag for _, tag in messages if tag is not None]
        runs = [decode_proposal_untrusted(self.schema, message)[1] for message, _ in messages]
        found = [{what: rows["id"].tolist() for what, rows in of_one} for of_one in runs]
        return [said for said in found if said]

    def ack(self, tags: list[int] | None = None) -> None:
        self.simulation.proposals_acked(self.tags if tags is None else tags)

    def light(self, step: Step, count: int = 1) -> None:
        step.spawn(self.shot, count=count)

    def tell(self, step: Step) -> None:
        step.emit(Lit(), at=step.rows(self.shot))

    def end(self, step: Step) -> None:
        rows = step.rows(self.shot)
        step.emit(Spent(), at=rows)
        step.despawn(rows)


def test_an_event_of_a_newborn_goes_with_its_spawn_and_again_with_it() -> None:
    shard = Shard()
    together = [{WHOLE: [FIRST], shard.lit: [FIRST]}]
    assert shard.run(shard.light, shard.tell) == together
    for _ in range(RESEND - 1):
        assert shard.run() == [{WHOLE: [FIRST]}]
    assert shard.run() == together
    shard.ack()
    assert shard.run() == []


def test_the_event_of_one_that_is_known_by_then_goes_alone() -> None:
    shard = Shard()
    shard.run(shard.light)
    known = shard.tags
    shard.run(shard.tell)
    shard.ack(known)
    said = [[one for one in shard.run() if shard.lit in one] for _ in range(RESEND)]
    assert said[:-1] == [[]] * (RESEND - 1)
    assert [one[shard.lit] for one in said[-1]] == [[FIRST]]
    assert WHOLE not in said[-1][0]


def test_events_of_those_whose_spawn_must_wait_wait_with_it() -> None:
    shard = Shard(wholes_per_tick=2)
    shard.run(partial(shard.light, count=5), shard.tell)
    told: set[int] = set()
    for _ in range(3 * RESEND):
        said = shard.run()
        assert sum(len(one[WHOLE]) for one in said) == 2
        for one in said:
            assert {*one.get(shard.lit, ())} <= {*one[WHOLE]}
            told |= {*one.get(shard.lit, ())}
    assert told == set(range(FIRST, FIRST + 5))


def test_events_that_wait_go_with_the_end_of_their_subject() -> None:
    shard = Shard()
    shard.run(lambda step: step.emit(Lit(), at=step.rows()))

    def end(step: Step) -> None:
        rows = step.rows()
        step.emit(Spent(), at=rows)
        step.despawn(rows)

    together = [{shard.lit: [STONE], shard.spent: [STONE], GONE: [STONE]}]
    assert shard.run(end) == together
    assert shard.run() == together
    shard.ack()
    assert shard.run() == []


def test_who_ends_before_its_spawn_is_acked_is_told_of_from_first_to_last() -> None:
    shard = Shard()
    shard.run(shard.light, shard.tell)
    together = [{WHOLE: [FIRST], shard.lit: [FIRST], shard.spent: [FIRST], GONE: [FIRST]}]
    for said in (shard.run(shard.end), shard.run(), shard.run()):
        assert said == together
    shard.ack()
    assert shard.run() == []


def test_who_comes_and_goes_in_one_tick_is_told_of_too() -> None:
    shard = Shard()
    together = [{WHOLE: [FIRST], shard.spent: [FIRST], GONE: [FIRST]}]
    assert shard.run(shard.light, shard.end) == together
    assert shard.run() == together
    shard.ack()
    assert shard.run() == []


def test_one_of_whom_nothing_is_told_ends_as_before() -> None:
    shard = Shard()
    shard.run(shard.light)
    assert shard.run(lambda step: step.despawn(step.rows(shard.shot))) == [{GONE: [FIRST]}]


def test_many_are_shared_out_over_messages_and_none_is_torn() -> None:
    shard = Shard()
    shard.run(partial(shard.light, count=60), shard.tell)
    said = shard.run(shard.end)
    assert 1 < len(said) < 60
    told: list[int] = []
    for one in said:
        ids = set(one[GONE])
        assert {*one[WHOLE]} == {*one[shard.lit]} == {*one[shard.spent]} == ids
        told += ids
    assert sorted(told) == list(range(FIRST, FIRST + 60))
    shard.ack(shard.tags[:1])
    assert sum(len(one[GONE]) for one in shard.run()) == 60 - len(said[0][GONE])


def test_events_for_which_a_message_has_no_room_are_given_up_and_counted() -> None:
    shard = Shard()
    many = 100

    def tell(step: Step) -> None:
        for _ in range(many):
            shard.tell(step)

    (first,) = shard.run(shard.light, tell)
    dropped = shard.simulation.statistics().events_dropped
    assert 50 < len(first[shard.lit]) == many - dropped < many
    (last,) = shard.run(shard.end)
    assert last[GONE] == last[WHOLE] == [FIRST]
    assert shard.spent not in last, "the end takes the room of one, and there was none for this"
    assert len(last[shard.lit]) == many - dropped - 1
    assert shard.simulation.statistics().events_dropped == dropped + 2


def with_masts(count: int) -> Shard:
    """A shard whose stone has masts, of which the server knows."""
    shard = Shard()

    def rig(step: Step) -> None:
        step.spawn(shard.mast, Parent(of=np.full(count, STONE)))

    shard.run(rig)
    shard.ack()
    return shard


@pytest.mark.parametrize("at_once", [True, False])
def test_what_children_have_to_say_at_last_goes_with_the_end_of_their_parent(
    at_once: bool,
) -> None:
    shard = with_masts(2)

    def fall(step: Step) -> None:
        step.emit(Spent(), at=step.rows(shard.mast)[:1])
        step.despawn(step.rows(shard.mast)[:1])

    def end(step: Step) -> None:
        if at_once:
            step.emit(Spent(), at=step.rows(shard.mast)[:1])
        step.despawn(step.rows()[step.id[step.rows()] == STONE])

    if not at_once:
        assert shard.run(fall) == [{shard.spent: [FIRST], GONE: [FIRST]}]
    (said,) = shard.run(end)
    assert said[shard.spent] == [FIRST]
    assert sorted(said[GONE]) == [STONE, FIRST, FIRST + 1]
    assert shard.run() == [said]
    shard.ack()
    assert shard.run() == []


def test_a_family_that_no_message_holds_is_told_of_one_by_one() -> None:
    shard = with_masts(60)

    def end(step: Step) -> None:
        for _ in range(3):
            step.emit(Spent(), at=step.rows(shard.mast))
        step.despawn(step.rows()[step.id[step.rows()] == STONE])

    said = shard.run(end)
    assert len(said) > 1
    assert sum(len(one.get(shard.spent, ())) for one in said) == 3 * 60
    assert sum(len(one[GONE]) for one in said) == 61
    assert all({*one.get(shard.spent, ())} <= {*one[GONE]} for one in said)


HEAD = [("id", "<u4"), ("epoch", "<u4"), ("tick", "<u4")]
EVENT = [("id", "<u4"), ("epoch", "<u4"), ("nth", "<u4")]


@settings(deadline=None, max_examples=60)
@given(
    wholes=st.sets(st.integers(1, 40), max_size=30),
    ends=st.sets(st.integers(1, 40), max_size=30),
    events=st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=120),
    size=st.integers(1, 1200),
)
def test_all_of_an_entity_is_in_one_message(
    wholes: set[int], ends: set[int], events: list[tuple[int, bool]], size: int
) -> None:
    rows = {
        WHOLE: np.zeros(len(wholes), [*HEAD, ("rest", f"S{size}")]),
        128: np.zeros(sum(wide for _, wide in events), [*EVENT, ("rest", "S50")]),
        129: np.zeros(sum(not wide for _, wide in events), EVENT),
        GONE: np.zeros(len(ends), HEAD),
    }
    rows[WHOLE]["id"], rows[GONE]["id"] = sorted(wholes), sorted(ends)
    for what, wide in ((128, True), (129, False)):
        rows[what]["id"] = [net_id for net_id, is_wide in events if is_wide is wide]
        rows[what]["nth"] = [at for at, (_, is_wide) in enumerate(events) if is_wide is wide]
    rows = {what: some for what, some in rows.items() if len(some)}
    if not rows:
        return
    messages, dropped = bundle(rows, {})
    seen: dict[int, int] = {}
    told: list[int] = []
    for number, message in enumerate(messages):
        mine = [(what, rows[what][at]) for what, at in message.items()]
        assert len(encode_proposals(0, mine, UNRELIABLE_SIZE_MAX)) == 1
        for what, some in mine:
            assert {seen.setdefault(net_id, number) for net_id in some["id"].tolist()} <= {number}
            told += some["nth"].tolist() if what >= 128 else []
    assert sorted([*told, *dropped.tolist()]) == list(range(len(events)))
    if size < 300:
        assert {*wholes} | {*ends} <= seen.keys()
