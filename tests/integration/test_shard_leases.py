"""What shards are given, how fast, and who gets what when they come and go."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sidereal.protocol.channel.statistics import ConnectionStatistics
from sidereal.protocol.errors import CloseReason
from sidereal.replication.limits import LIMITS, Limits, OwnershipLimits
from sidereal.replication.ownership.handover import HANDOVER_MARGIN

from .troupe import RULES, SIZE, Troupe, rocks

PER_TICK = int(LIMITS.ownership.adopt_records_per_s * RULES.tick_s)
MANY = 12_000


def test_many_entities_are_given_in_paced_pieces() -> None:
    troupe = Troupe(rocks(MANY))
    shard = troupe.shard("shard-1")
    while len(shard.bodies) < MANY:
        troupe.run(1)
    assert max(rows for _, rows in shard.given) <= PER_TICK
    assert len({tick for tick, _ in shard.given}) == MANY // PER_TICK
    assert shard.closed is None


def test_a_shard_that_adopts_slowly_is_given_no_more_than_it_takes() -> None:
    troupe = Troupe(rocks(MANY))
    shard = troupe.shard("shard-1")
    shard.adopts = False
    troupe.run(40)
    assert len(shard.bodies) <= LIMITS.ownership.adopting_records + 3 * PER_TICK
    assert troupe.core.mesh.waiting == MANY - len(shard.bodies)


def test_a_shard_that_adopts_nothing_is_fenced_and_the_others_get_its_sectors() -> None:
    troupe = Troupe(rocks(MANY, sectors=2))
    shard = troupe.shard("shard-1", ticks=0)
    shard.adopts = False
    troupe.run(round(LIMITS.shards.adopt_within_s / RULES.tick_s) + 8)
    assert shard.closed is not None
    assert "adopts nothing" in shard.words
    assert len(troupe.core.shards.shards) == 0


def test_who_waits_for_a_new_owner_is_simulated_by_the_old_one() -> None:
    troupe = Troupe(rocks(MANY, sectors=2))
    old = troupe.shard("shard-1", ticks=MANY // PER_TICK + 8)
    new = troupe.shard("shard-2", ticks=6)
    beyond = SIZE + HANDOVER_MARGIN
    moving = int((rocks(MANY, sectors=2)["x"] > beyond).sum())
    waiting = [net_id for net_id in old.bodies if old.bodies[net_id]["x"] > beyond]
    assert 0 < len(new.bodies) < moving
    assert len(waiting) + len(new.bodies) == moving
    assert not old.bodies.keys() & new.bodies.keys()
    moved = waiting[-1]
    row = old.bodies[moved].copy()
    row["vx"] = 7.0
    old.propose([row], troupe.core.tick + 1)
    troupe.run(1)
    assert troupe.owner_of(moved) == old.number
    troupe.run(moving // PER_TICK + 8)
    # It was sent as its former owner had left it, not as it was when its sector changed hands.
    assert new.bodies[moved]["vx"] == 7.0
    assert troupe.owners() == {old.number: MANY - moving, new.number: moving}
    assert troupe.core.mesh.handovers == 0
    assert troupe.core.mesh.rebalanced == moving
    assert troupe.core.mesh.waiting == 0


def test_beats_do_not_wait_for_what_is_given() -> None:
    troupe = Troupe(rocks(MANY))
    shard = troupe.shard("shard-1", ticks=30)
    assert [beat.tick for beat in shard.beats[-20:]] == list(
        range(troupe.core.tick - 19, troupe.core.tick + 1)
    )


def test_what_comes_back_gets_back_what_it_had_and_nobody_else_moves() -> None:
    troupe = Troupe(rocks(90, sectors=9))
    shards = [troupe.shard(f"shard-{number}", ticks=8) for number in (1, 2, 3)]
    before = [set(shard.sectors) for shard in shards]
    assert all(before)
    shards[1].silent = True
    troupe.run(round(LIMITS.shards.silence_s / RULES.tick_s) + 4)
    assert set(troupe.owners()) == {1, 3}
    kept = {
        net_id: shard.bodies[net_id]["epoch"]
        for shard in (shards[0], shards[2])
        for net_id in shard.bodies
        if int(shard.bodies[net_id]["x"] // SIZE) not in {x for x, _ in before[1]}
    }
    again = troupe.shard("shard-2", ticks=8)
    assert again.number == 2
    assert [shards[0].sectors, again.sectors, shards[2].sectors] == before
    for shard in (shards[0], shards[2]):
        for net_id in shard.bodies:
            assert shard.bodies[net_id]["epoch"] == kept[net_id]


def ticks_until_silence_ends(troupe: Troupe, number: int) -> int:
    ticks = 0
    while number in troupe.owners():
        troupe.run(1)
        ticks += 1
    return ticks


def test_silence_of_a_shard_that_is_near_is_soon_its_end() -> None:
    troupe = Troupe(rocks(40, sectors=4))
    troupe.shard("shard-1", ticks=8)
    silent = troupe.shard("shard-2", ticks=40)
    silent.silent = True
    ticks = ticks_until_silence_ends(troupe, silent.number)
    assert LIMITS.shards.silence_ticks <= ticks <= LIMITS.shards.silence_ticks + 3


@pytest.mark.parametrize(("jitter_s", "ticks_least", "ticks_most"), [(0.02, 15, 18), (9.0, 20, 22)])
def test_one_that_is_far_away_is_waited_for_longer_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, jitter_s: float, ticks_least: int, ticks_most: int
) -> None:
    troupe = Troupe(rocks(40, sectors=4))
    troupe.shard("shard-1", ticks=8)
    silent = troupe.shard("shard-2", ticks=40)
    endpoint = troupe.core.shards.endpoint
    measured = endpoint.connection_statistics

    def far_away(peer: int) -> ConnectionStatistics | None:
        link = measured(peer)
        return None if link is None else replace(link, rtt_s=0.1, jitter_s=jitter_s)

    monkeypatch.setattr(endpoint, "connection_statistics", far_away)
    silent.silent = True
    assert ticks_least <= ticks_until_silence_ends(troupe, silent.number) <= ticks_most


def test_number_and_name_agree_whoever_comes_first() -> None:
    troupe = Troupe(rocks(10, sectors=3))
    numbers = {name: troupe.shard(name).number for name in ("shard-3", "shard-1", "alpha", "b-2")}
    assert numbers == {"shard-3": 3, "shard-1": 1, "alpha": 2, "b-2": 4}


def test_a_newer_session_takes_the_place_of_the_older_one_at_once() -> None:
    troupe = Troupe(rocks(40, sectors=4))
    other = troupe.shard("shard-1", ticks=8)
    older = troupe.shard("shard-2", ticks=8, incarnation=b"a" * 16, session=1)
    had, others = set(older.sectors), set(other.sectors)
    older.silent = True
    newer = troupe.shard("shard-2", ticks=4, incarnation=b"a" * 16, session=2)
    assert [shard.name for shard in troupe.core.shards.shards] == ["shard-1", "shard-2"]
    assert newer.number == older.number
    assert (newer.sectors, other.sectors) == (had, others)
    assert set(newer.bodies) == set(older.bodies)
    assert all(newer.bodies[i]["epoch"] > older.bodies[i]["epoch"] for i in newer.bodies)


def test_an_older_session_does_not_come_back_over_a_newer_one() -> None:
    troupe = Troupe(rocks(4))
    newer = troupe.shard("shard-1", incarnation=b"a" * 16, session=2)
    older = troupe.shard("shard-1", incarnation=b"a" * 16, session=1)
    assert "newer session" in older.words
    assert newer.closed is None
    troupe.run(30)
    assert older.closed is not None
    assert len(troupe.core.shards.shards) == 1


def test_two_processes_of_one_name_are_never_there_at_a_time() -> None:
    troupe = Troupe(rocks(4))
    first = troupe.shard("shard-1")
    second = troupe.shard("shard-1")
    assert first.closed is not None
    assert "a name of its own" in first.words
    assert second.closed is None
    assert len(troupe.core.shards.shards) == 1
    assert set(troupe.owners()) == {second.number}


def test_the_last_records_of_a_shard_that_says_farewell_count() -> None:
    troupe = Troupe(rocks(3))
    shard = troupe.shard("shard-1", ticks=6)
    net_id, record = next(iter(shard.bodies.items()))
    record = record.copy()
    record["vx"] = 9.0
    shard.act = lambda: None  # type: ignore[method-assign]
    shard.propose([record], troupe.core.tick + 1)
    shard.say_farewell()
    troupe.run(1)
    row = troupe.core.world.columns.rows_of(np.array([net_id]))
    assert troupe.core.world.columns["vx"][row] == 9.0
    assert len(troupe.core.shards.shards) == 0
    assert shard.closed is CloseReason.CLOSED_LOCALLY


def test_any_number_of_entities_leaves_a_shard_at_once() -> None:
    troupe = Troupe(rocks(4))
    shard = troupe.shard("shard-1", ticks=6)
    link = troupe.core.shards
    count = 400_000
    net_id = np.arange(1_000_000, 1_000_000 + count)
    link.send_release(next(iter(link.shards)), net_id, np.ones(count), troupe.core.tick)
    before = shard.heard["Release"]
    troupe.run(20)
    assert shard.heard["Release"] - before == count // 10_000
    assert shard.closed is None


def test_what_a_stall_of_the_authority_made_wrong_is_given_anew_in_paced_pieces() -> None:
    per_tick = 50
    slow = OwnershipLimits(adopt_records_per_s=round(per_tick / RULES.tick_s))
    troupe = Troupe(rocks(600), Limits(ownership=slow))
    shard = troupe.shard("shard-1", ticks=24)
    assert len(shard.bodies) == 600
    troupe.run(1, tick_s=2.0)
    stalled_at = troupe.core.tick
    # It went on meanwhile, and everything has changed.
    shard.propose(list(shard.bodies.values()), stalled_at + LIMITS.proposals.future_ticks + 20)
    troupe.run(24)
    assert troupe.core.ingest.rejected["future_tick"] == 600
    anew = [(tick, rows) for tick, rows in shard.given if tick > stalled_at]
    by_tick: Counter[int] = Counter()
    for tick, rows in anew:
        by_tick[tick] += rows
    assert max(by_tick.values()) == per_tick
    assert sum(by_tick.values()) == 600
    assert shard.closed is None
    columns = troupe.core.world.columns
    rows = columns.rows_of(np.array(list(shard.bodies)))
    assert columns.epoch[rows].tolist() == [row["epoch"] for row in shard.bodies.values()]


def test_a_crossing_counts_as_one_although_others_wait_since_their_sectors_moved() -> None:
    troupe = Troupe(rocks(80, sectors=8))
    old = troupe.shard("shard-1", ticks=8)
    pilots = [troupe.pilot() for _ in range(3)]
    for at, pilot in enumerate(pilots):
        troupe.put(pilot.net_id, 7.5 * SIZE, SIZE / 2 + 100.0 * at)
    troupe.run(20)
    new = troupe.shard("shard-2", ticks=1)
    new.answers = False
    troupe.run(8)
    mesh = troupe.core.mesh
    assert {(6, 0), (7, 0)} <= new.sectors
    assert (mesh.waiting, mesh.handovers) == (2, 0)
    rebalanced = mesh.rebalanced
    traveller = next(iter(old.bodies))
    assert old.bodies[traveller]["x"] < SIZE
    troupe.put(traveller, 6.5 * SIZE)
    troupe.run(2)
    assert troupe.owner_of(traveller) == new.number
    assert (mesh.waiting, mesh.handovers, mesh.rebalanced) == (2, 1, rebalanced)
