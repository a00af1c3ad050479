"""Shards that have the right key and do the wrong thing: nobody else may notice for long."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from sidereal.protocol.errors import CloseReason
from sidereal.protocol.limits import INPUT_GUESSES_MAX, INPUT_SEQ_MAX, INPUTS_UNANSWERED_MAX
from sidereal.protocol.message.inputs import Input
from sidereal.replication.limits import LIMITS

from .troupe import RULES, SIZE, ScriptedPilot, ScriptedShard, Troupe, rocks

ANSWER_TICKS = round(LIMITS.ownership.answer_within_s / RULES.tick_s)


def lone_pilot() -> tuple[Troupe, ScriptedShard]:
    """A world of one shard with one pilot, whose inputs it answers."""
    troupe = Troupe(rocks(4))
    shard = troupe.shard("shard-1", ticks=6)
    troupe.pilot(ticks=12)
    assert shard.answers
    return troupe, shard


def ticks_until_closed(troupe: Troupe, shard: ScriptedShard, most: int) -> int:
    for tick in range(most):
        if shard.closed is not None:
            return tick
        troupe.run(1)
    return most


def newest_answer(troupe: Troupe, pilot: ScriptedPilot) -> int:
    columns = troupe.core.world.columns
    return int(columns["input_seq"][columns.rows_of(np.array([pilot.net_id]))[0]])


def test_a_shard_that_stops_answering_its_pilot_is_fenced_after_two_seconds() -> None:
    troupe, shard = lone_pilot()
    shard.answers = False
    assert ticks_until_closed(troupe, shard, 100) in range(ANSWER_TICKS, ANSWER_TICKS + 3)
    assert "without an answer" in shard.words


def test_answers_to_inputs_that_nobody_sent_are_none_and_harm_no_successor() -> None:
    troupe = Troupe(rocks(4))
    shard = troupe.shard("shard-1", ticks=6)
    pilot = troupe.pilot(ticks=12)
    absurd = itertools.count(10 * INPUTS_UNANSWERED_MAX)

    def lie() -> None:
        rows = [shard.bodies[pilot.net_id].copy()]
        rows[0]["input_seq"] = next(absurd)
        shard._newest.clear()
        shard.propose(rows, troupe.core.tick + 1)

    shard.act = lie  # type: ignore[method-assign]
    assert ticks_until_closed(troupe, shard, 100) < 60
    assert "without an answer" in shard.words
    assert troupe.core.ingest.rejected["unsent_input"] > 0
    successor = troupe.real_shard("shard-2")
    troupe.run(3 * ANSWER_TICKS)
    assert successor.closed is None
    assert newest_answer(troupe, pilot) in range(len(pilot.held) - 4, len(pilot.held) + 1)


def test_an_answer_that_was_given_is_not_taken_back() -> None:
    troupe, shard = lone_pilot()
    pilot = troupe.peers[1]
    assert isinstance(pilot, ScriptedPilot)
    back = itertools.count(newest_answer(troupe, pilot) - 1, -1)

    def go_back() -> None:
        shard._newest[pilot.net_id] = next(back)
        shard.propose([shard.bodies[pilot.net_id]], troupe.core.tick + 1)

    shard.act = go_back  # type: ignore[method-assign]
    before = newest_answer(troupe, pilot)
    troupe.run(5)
    assert newest_answer(troupe, pilot) == before
    assert troupe.core.ingest.rejected["earlier_input"] > 0


@pytest.mark.parametrize(
    ("leaps_from", "pause", "entries"), [(5, 0, 1), (0, 0, 16), (5, 20, 16), (20, 0, 16)]
)
def test_no_number_of_an_input_gets_an_honest_shard_fenced(
    leaps_from: int, pause: int, entries: int
) -> None:
    troupe = Troupe(rocks(4))
    shard = troupe.real_shard("shard-1")
    pilot = troupe.pilot(ticks=0)
    # One by one up to there; while nothing comes the shard guesses on; then beyond the end.
    numbers = [INPUT_SEQ_MAX - leaps_from - before for before in range(30, -1, -1)]
    steps = iter([(number, 1) for number in numbers] + [None] * pause)

    def press() -> None:
        if pilot.net_id and (step := next(steps, (INPUT_SEQ_MAX, entries))) is not None:
            first, more = step
            pilot.press(Input(pilot.control_epoch, first, (0,) * more))

    pilot.act = press  # type: ignore[method-assign]
    troupe.run(40 + pause + 2 * ANSWER_TICKS)
    assert shard.closed is None
    assert newest_answer(troupe, pilot) > INPUT_SEQ_MAX - 30
    assert (troupe.core.clients.dropped["controls_beyond_last"] > 0) == (entries > 1)


def test_an_answer_far_ahead_of_the_pilot_costs_it_few_inputs_with_the_next_owner() -> None:
    troupe, shard = lone_pilot()
    pilot = troupe.peers[1]
    assert isinstance(pilot, ScriptedPilot)

    def run_ahead() -> None:
        shard._newest[pilot.net_id] = len(pilot.held) + INPUTS_UNANSWERED_MAX
        shard.propose([shard.bodies[pilot.net_id]], troupe.core.tick + 1)

    shard.act = run_ahead  # type: ignore[method-assign]
    troupe.run(2)
    assert newest_answer(troupe, pilot) - len(pilot.held) <= INPUT_GUESSES_MAX
    shard.silent = True
    troupe.real_shard("shard-2")
    troupe.run(round(LIMITS.shards.silence_s / RULES.tick_s) + 8)
    assert newest_answer(troupe, pilot) in range(len(pilot.held) - 4, len(pilot.held) + 1)


def test_a_shard_is_not_blamed_for_a_pilot_that_sends_nothing_more() -> None:
    troupe, shard = lone_pilot()
    # The last input before it falls silent never reaches the shard.
    shard.answers = False
    troupe.run(2)
    troupe.peers[1].presses = False  # type: ignore[attr-defined]
    troupe.run(3 * ANSWER_TICKS)
    assert shard.closed is None


def test_a_shard_is_not_blamed_for_a_single_input_however_high_its_number() -> None:
    troupe = Troupe(rocks(4))
    shard = troupe.shard("shard-1", ticks=6, answers=False)
    pilot = troupe.pilot(ticks=0)
    # It has its ship for some ticks before it begins.
    steps = iter([None] * 5 + [INPUT_SEQ_MAX // 2])

    def press() -> None:
        if pilot.net_id and (number := next(steps, None)) is not None:
            pilot.press(Input(pilot.control_epoch, number, (0,)))

    pilot.act = press  # type: ignore[method-assign]
    troupe.run(3 * ANSWER_TICKS)
    assert troupe.core.clients.players.get(1).newest_seq > 0  # type: ignore[union-attr]
    assert shard.closed is None


def test_a_shard_is_not_blamed_for_few_inputs_however_far_apart_their_numbers_are() -> None:
    troupe = Troupe(rocks(4))
    # As if each of them were lost on its way to the shard.
    shard = troupe.shard("shard-1", ticks=6, answers=False)
    pilot = troupe.pilot(ticks=0)
    steps = iter([2, *[None] * 8, 12, *[None] * 20, 40])

    def press() -> None:
        if pilot.net_id and (number := next(steps, None)) is not None:
            pilot.press(Input(pilot.control_epoch, number, (0,)))

    pilot.act = press  # type: ignore[method-assign]
    troupe.run(3 * ANSWER_TICKS)
    assert troupe.core.clients.players.get(1).newest_seq == 40  # type: ignore[union-attr]
    assert shard.closed is None


def test_a_shard_is_not_blamed_for_a_stall_of_the_authority() -> None:
    troupe, shard = lone_pilot()
    troupe.run(1, tick_s=2.5)
    shard.answers = False
    # It waits until the clock has caught up with its own.
    troupe.run(ANSWER_TICKS)
    assert shard.closed is None
    shard.answers = True
    troupe.run(20)
    assert shard.closed is None


def test_a_shard_may_wait_for_a_clock_that_stood_still_although_it_said_something_before() -> None:
    troupe, shard = lone_pilot()
    troupe.run(1, tick_s=2.5)
    troupe.run(1)
    shard.act = lambda: None  # type: ignore[method-assign]
    troupe.run(ANSWER_TICKS)
    assert shard.closed is None
    troupe.run(ANSWER_TICKS)
    assert shard.closed is not None


def test_shards_that_never_simulate_lose_their_sectors_within_five_seconds() -> None:
    troupe = Troupe(rocks(120, sectors=12))
    honest = [troupe.shard(f"shard-{number}", ticks=8) for number in (1, 2)]
    pilots = [troupe.pilot(ticks=2) for _ in range(12)]
    for number, pilot in enumerate(pilots):
        troupe.put(pilot.net_id, (number + 0.5) * SIZE)
    troupe.run(40)
    idle = [troupe.shard(f"idle-{number}", ticks=1, answers=False) for number in range(6)]
    troupe.run(3)
    # Each was given one pilot to prove itself with; it had no answer for it.
    given = [sum(pilot.net_id in shard.bodies for pilot in pilots) for shard in idle]
    assert max(given) == 1
    troupe.run(round(5.0 / RULES.tick_s))
    numbers = {shard.number for shard in honest}
    assert {troupe.owner_of(pilot.net_id) for pilot in pilots} <= numbers
    for shard, count in zip(idle, given, strict=True):
        if count:
            assert shard.closed is not None
            assert not troupe.core.mesh.leases.sectors_of(shard.number)


def test_a_flood_of_own_rows_is_dropped_unread_and_then_fenced() -> None:
    shards = replace(LIMITS.shards, allowed_burst_s=0.1)
    troupe = Troupe(rocks(14, sectors=2), replace(LIMITS, shards=shards))
    honest = troupe.shard("shard-1", ticks=8)
    loud = troupe.shard("shard-2", ticks=8)
    judged = []
    take = troupe.core.shards.take_rows

    def note(shard):  # type: ignore[no-untyped-def]
        judged.append(len(shard.proposals))
        return take(shard)

    troupe.core.shards.take_rows = note  # type: ignore[method-assign]

    def flood() -> None:
        for _ in range(1500):
            loud.propose(list(loud.bodies.values()), troupe.core.tick + 1)

    loud.act = flood  # type: ignore[method-assign]
    assert ticks_until_closed(troupe, loud, 20) <= 5
    assert "more than it can have to say" in loud.words
    assert max(judged) <= 1500
    assert honest.closed is None
    troupe.run(4)
    assert set(troupe.owners()) == {honest.number}


def test_a_shard_that_proposes_what_is_not_its_own_is_told_to_let_go_of_it() -> None:
    troupe = Troupe(rocks(4, sectors=2))
    one, other = (troupe.shard(name, ticks=8) for name in ("shard-1", "shard-2"))
    for net_id in (min(other.bodies), 10**6):
        released = one.heard["Release"]
        row = next(iter(other.bodies.values())).copy()
        row["id"] = net_id
        one.propose([row], troupe.core.tick + 1)
        troupe.run(3)
        assert one.heard["Release"] == released + 1
    assert set(troupe.owners()) == {one.number, other.number}
    assert one.closed is None


def test_an_entity_is_put_elsewhere_once_for_what_its_shard_was_given() -> None:
    records = rocks(2)
    records["x"] = 100.0, 160.0
    troupe = Troupe(records)
    shard = troupe.shard("shard-1", ticks=6)
    columns = troupe.core.world.columns
    net_id = min(shard.bodies)

    def say(x: float) -> float:
        shard.bodies[net_id] = row = shard.bodies[net_id].copy()
        row["x"] = x
        shard.propose([row], troupe.core.tick + 1)
        troupe.run(1)
        return float(columns["x"][columns.rows_of(np.array([net_id]))[0]])

    for _ in range(5):
        assert say(100.0) == 100.0
    assert say(150.0) == 150.0
    assert say(200.0) == 150.0
    assert troupe.core.ingest.rejected == {"too_far": 1}


def test_who_was_fenced_for_what_it_did_stays_out_and_gets_nothing_back() -> None:
    troupe, shard = lone_pilot()
    other = troupe.shard("shard-2", ticks=8)
    shard.answers = False
    ticks_until_closed(troupe, shard, 100)
    again = troupe.shard("shard-1", ticks=4)
    assert again.number == 0
    assert "may come back in" in again.words
    troupe.run(round(LIMITS.shards.barred_s / RULES.tick_s))
    sectors = set(other.sectors)
    later = troupe.shard("shard-1", ticks=4)
    assert later.number == 1
    assert other.sectors == sectors - later.sectors


def test_a_shard_that_was_silent_may_come_back_at_once() -> None:
    troupe = Troupe(rocks(4))
    shard = troupe.shard("shard-1", ticks=6)
    shard.silent = True
    troupe.run(30)
    assert len(troupe.core.shards.shards) == 0
    assert troupe.shard("shard-1", ticks=4).number == 1


def test_messages_before_the_hello_are_few() -> None:
    troupe = Troupe(rocks(4))
    shard = ScriptedShard(troupe, "shard-1")
    shard.act = lambda: None  # type: ignore[method-assign]
    troupe.peers.append(shard)
    shard.endpoint.datagrams_to_send(troupe.now)
    for _ in range(40):
        shard.endpoint.send(0, b"x")
    troupe.run(4)
    assert shard.closed in (None, CloseReason.CLOSED_BY_PEER)
    assert troupe.core.shards.dropped == {"no_hello": 1}


def test_an_unproven_shard_is_given_one_pilot_at_a_time() -> None:
    troupe = Troupe(rocks(40, sectors=4))
    old = troupe.shard("shard-1", ticks=8)
    pilots = [troupe.pilot(ticks=2) for _ in range(6)]
    for number, pilot in enumerate(pilots):
        troupe.put(pilot.net_id, 3.5 * SIZE, 100.0 + 100.0 * number)
    troupe.run(20)
    new = troupe.shard("shard-2", ticks=1)
    new.answers = False
    troupe.run(8)
    assert (3, 0) in new.sectors
    assert sum(troupe.owner_of(pilot.net_id) == new.number for pilot in pilots) == 1
    new.answers = True
    troupe.run(10)
    assert {troupe.owner_of(pilot.net_id) for pilot in pilots} == {new.number}
    assert old.closed is None
