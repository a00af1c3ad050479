"""A client that comes back, against the real authority in virtual time."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.client import events
from sidereal.client.limits import LIMITS
from sidereal.client.returning import ReturningClient
from sidereal.client.statistics import SessionState
from sidereal.game.bits import pack
from sidereal.games.frontier import Stick
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.message.player import Role
from sidereal.replication.limits import EdgeLimits

from .returners import GAME, RULES, STEP_S, TIMEOUT_S, WALL, Rig, flying

LEFT = pack(Stick(turn=1))
FIRE = pack(Stick(fire=1))


def test_a_client_wants_a_token_at_once_and_once() -> None:
    client = ReturningClient(game=GAME, entropy=bytes, now=3.0, software="tests")
    assert client.state is SessionState.WAITING
    assert client.next_timer() == 3.0
    assert client.take_token_wish(3.0)
    assert not client.take_token_wish(99.0)
    assert client.next_timer() is None
    assert len(client.view(3.0)) == len(client.leases) == client.sessions == 0
    assert client.statistics().state is SessionState.WAITING


def test_the_rules_are_those_of_the_session_that_is_shown() -> None:
    rig = Rig()
    pilot = rig.enter()
    assert pilot.client.rules is None
    rig.run(2.0)
    assert pilot.client.rules == RULES
    rig.core = None
    rig.run(15.0)
    assert pilot.client.state is SessionState.WAITING
    assert pilot.client.rules == RULES


def test_after_a_restart_of_the_server_the_client_flies_again() -> None:
    rig = Rig()
    pilot = flying(rig)
    pilot.client.hold(LEFT)
    rig.run(1.0)
    before = pilot.client.statistics()
    rig.core = None
    pictures: list[int] = []
    rig.run(TIMEOUT_S + 5.0, lambda: pictures.append(len(pilot.client.view(rig.now))))
    assert pilot.client.state is SessionState.WAITING
    absence = pilot.client.absence
    assert absence is not None
    assert (absence.reason, absence.text) == ("no answer", "nobody is there")
    # The picture is kept, and its age is said.
    assert min(pictures) >= 2
    assert pilot.client.statistics().data_age_s == pytest.approx(TIMEOUT_S + 5.0, abs=0.1)
    assert pilot.client.statistics().newest_tick == before.newest_tick
    rig.start_server()
    rig.run_until(lambda: pilot.flies, 2 * LIMITS.retry_s[-1])
    rig.run(1.0, lambda: pictures.append(len(pilot.client.view(rig.now))))
    assert min(pictures) >= 2
    assert pilot.client.absence is None
    assert [type(event) for event in pilot.events if not isinstance(event, events.LeasesChanged)][
        :4
    ] == [events.Joined, events.Assigned, events.Lost, events.Lost]
    assert len(pilot.seen(events.Joined)) == pilot.client.sessions == 2
    assert not pilot.seen(events.Ended)
    after = pilot.client.statistics()
    assert after.data_age_s <= EdgeLimits().silence_s
    assert after.snapshots > before.snapshots
    assert after.bytes_in > before.bytes_in
    assert after.inputs > before.inputs


def test_without_news_the_world_stands_still_and_at_last_is_not_shown() -> None:
    rig = Rig()
    pilot = flying(rig)
    rig.is_cut = True
    rig.run(LIMITS.coast_s)
    tick = pilot.client.view(rig.now).server_tick
    rig.run(5.0)
    assert pilot.client.view(rig.now).server_tick == pytest.approx(tick, abs=1.1)
    rig.run(LIMITS.picture_s - LIMITS.coast_s - 5.0 - 0.5)
    assert len(pilot.client.view(rig.now)) >= 2
    rig.run(1.0)
    assert len(pilot.client.view(rig.now)) == 0


@pytest.mark.parametrize("cut_s", [1.0, 5.0, TIMEOUT_S - 0.5, TIMEOUT_S + 0.5, 20.0])
def test_a_link_that_was_cut_leads_back_into_the_world(cut_s: float) -> None:
    rig = Rig()
    pilot = flying(rig)
    rig.is_cut = True
    rig.run(cut_s)
    rig.is_cut = False
    rig.run_until(lambda: pilot.flies and pilot.client.statistics().data_age_s < 0.1, 15.0)
    # What is shorter than the time-out goes on in the same session.
    assert (pilot.client.sessions == 1) is (cut_s < TIMEOUT_S)
    assert not pilot.seen(events.Ended)


def test_a_client_whose_source_port_changes_comes_back_into_a_full_world() -> None:
    rig = Rig(clients_max=1)
    pilot = flying(rig)
    pilot.open_socket()
    took_s = rig.run_until(lambda: pilot.client.sessions == 2 and pilot.flies, TIMEOUT_S + 5.0)
    assert TIMEOUT_S - 0.2 <= took_s <= TIMEOUT_S + 1.0
    assert not pilot.seen(events.Ended)


def test_who_waits_before_a_full_world_comes_in_when_somebody_leaves() -> None:
    rig = Rig(clients_max=1)
    first = flying(rig)
    late = rig.enter(account=2)
    rig.run(8.0)
    assert late.client.absence is not None
    assert late.client.absence.reason == "world full"
    assert "1 seats" in late.client.absence.text
    assert first.flies
    core = rig.core
    assert core is not None
    core.receive_clients(
        [(datagram, first.address) for datagram, _ in first.client.leave(rig.now)], rig.now, WALL
    )
    rig.kill(first)
    rig.run_until(lambda: late.flies, 2 * LIMITS.retry_s[-1])


def test_a_login_elsewhere_ends_it_for_good() -> None:
    rig = Rig()
    older = flying(rig)
    newer = flying(rig)
    rig.run(20.0)
    [ended] = older.seen(events.Ended)
    assert isinstance(ended, events.Ended)
    assert ended.reason is CloseReason.LOGGED_IN_ELSEWHERE
    assert older.client.state is SessionState.ENDED
    assert older.client.next_timer() is None
    assert len(older.asked_at) == 1
    assert newer.flies
    assert newer.client.sessions == 1


def test_attempts_grow_rarer_and_an_attempt_after_a_steady_session_is_soon() -> None:
    rig = Rig()
    pilot = flying(rig)
    rig.run(LIMITS.steady_s)
    rig.core = None
    rig.run(TIMEOUT_S + 40.0)
    waits = np.diff(pilot.asked_at[1:])
    for wait_s, expected_s in zip(
        waits, (*LIMITS.retry_s[1:], *[LIMITS.retry_s[-1]] * 20), strict=False
    ):
        assert 0.5 * expected_s - STEP_S <= wait_s <= 1.5 * expected_s + 2 * STEP_S
    assert len(waits) > len(LIMITS.retry_s)
    assert len(pilot.seen(events.Lost)) == len(pilot.asked_at)
    rig.start_server()
    rig.run(2 * LIMITS.retry_s[-1] + LIMITS.steady_s + 1.0)
    assert pilot.flies
    asked = len(pilot.asked_at)
    rig.core = None
    rig.run(TIMEOUT_S + 1.5 * LIMITS.retry_s[0] + 0.2)
    assert len(pilot.asked_at) == asked + 1


def test_who_is_thrown_out_at_once_every_time_tries_more_and_more_rarely() -> None:
    rig = Rig()
    pilot = rig.enter()

    def throw_out() -> None:
        assert rig.core is not None
        for player in rig.core.clients.players:
            if player.row >= 0:
                rig.core.clients.refuse(player, CloseReason.SHUTTING_DOWN, "not now", rig.now)

    rig.run(60.0, throw_out)
    assert 8 <= len(pilot.asked_at) <= 40
    assert np.diff(pilot.asked_at)[-1] > 0.5 * LIMITS.retry_s[-1]
    assert pilot.client.state is not SessionState.ENDED


def test_a_final_refusal_ends_it_and_a_passing_one_does_not() -> None:
    rig = Rig()
    pilot = rig.enter()
    pilot.refusal = ("the server is busy", False)
    rig.run(10.0)
    assert pilot.client.state is SessionState.WAITING
    assert len(pilot.asked_at) > 3
    pilot.refusal = ("the password is wrong", True)
    rig.run(2 * LIMITS.retry_s[-1])
    assert pilot.client.state is SessionState.ENDED
    assert pilot.seen(events.Ended) == [events.Ended(CloseReason.DENIED, "the password is wrong")]
    asked = len(pilot.asked_at)
    rig.run(10.0)
    assert len(pilot.asked_at) == asked


def test_what_is_held_and_looked_at_outlives_a_session() -> None:
    rig = Rig()
    pilot, observer = flying(rig), rig.enter(role=Role.OBSERVER)
    pilot.client.hold(FIRE)
    observer.client.look_at(77_000.0, -3000.0)
    rig.run(1.0)
    rig.core = None
    rig.run(TIMEOUT_S + 1.0)
    rig.start_server()
    rig.run(2 * LIMITS.retry_s[-1] + 1.0)
    core = rig.core
    assert core is not None
    [looks_at] = [p.looks_at for p in core.clients.players if p.role is Role.OBSERVER]
    assert looks_at == (77_000.0, -3000.0)
    assert pilot.flies
    assert pilot.client.client is not None
    made = pilot.client.client.statistics().inputs
    assert made > 0
    assert len(pilot.client.client.unanswered_input_ages(rig.now)) > 0


def test_a_client_that_leaves_while_it_waits_is_gone() -> None:
    rig = Rig()
    pilot = flying(rig)
    rig.core = None
    rig.run(TIMEOUT_S + 1.0)
    assert pilot.client.leave(rig.now) == []
    assert pilot.client.state is SessionState.ENDED
    rig.start_server()
    asked = len(pilot.asked_at)
    rig.run(10.0)
    assert len(pilot.asked_at) == asked


def test_a_token_that_comes_after_the_client_has_left_is_not_used() -> None:
    rig = Rig()
    client = ReturningClient(game=GAME, entropy=rig.rng.bytes, now=0.0, software="tests")
    assert client.take_token_wish(0.0)
    client.leave(0.1)
    client.admit(rig.issue_token(1, Role.PLAYER), 0.2)
    assert client.state is SessionState.ENDED
    assert client.client is None
