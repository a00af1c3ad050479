"""A client that comes back, against the real authority in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from drifters import drifter

from sidereal.client import events
from sidereal.client.limits import LIMITS
from sidereal.client.returning import ReturningClient
from sidereal.client.statistics import SessionState
from sidereal.game.bits import pack
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.games.frontier import Stick
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, Address
from sidereal.protocol.links import UserData, encode_user_data
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.protocol.session.token import generate_connect_token
from sidereal.replication.limits import EdgeLimits, Limits
from sidereal.replication.replicator import Keys, Replicator

LEFT = pack(Stick(turn=1))
FIRE = pack(Stick(fire=1))
WALL = 1_700_000_000.0
SERVER = Address("192.0.2.1", 4000)
SHARDS = Address("192.0.2.1", 4001)
RULES = Rules()
GAME = load(DEFAULT_GAME)
STEP_S = 0.01
TIMEOUT_S = 10


class Pilot:
    """A returning client with a shell that has no network: it asks the rig for tokens.

    Attributes:
        address: of the socket it has; every session gets another one.
        refusal: what it is told instead of getting a token, and whether that is final.
        asked_at: when it asked.
    """

    def __init__(self, rig: Rig, account: int, role: Role) -> None:
        self.rig, self.account, self.role = rig, account, role
        self.client = ReturningClient(
            game=GAME, entropy=rig.rng.bytes, now=rig.now, software="tests"
        )
        self.address = Address("198.51.100.1", 0)
        self.refusal: tuple[str, bool] | None = None
        self.asked_at: list[float] = []
        self.events: list[events.ClientEvent] = []

    def open_socket(self) -> None:
        self.address = self.rig.new_address()

    def turn(self) -> None:
        now, core, client = self.rig.now, self.rig.core, self.client
        if client.take_token_wish(now):
            self.asked_at.append(now)
            if self.refusal is not None:
                text, final = self.refusal
                client.turn_away("turned away", text, now, final=final)
            elif core is None:
                client.turn_away("no answer", "nobody is there", now, final=False)
            else:
                client.admit(self.rig.issue_token(self.account, self.role), now)
                self.open_socket()
        datagrams = client.turn(now)
        if core is not None and not self.rig.is_cut:
            sent = [(datagram, self.address) for datagram, _ in datagrams]
            core.receive_clients(sent, now, WALL + now)
        while (event := client.next_event()) is not None:
            self.events.append(event)

    def seen(self, kind: type) -> list[events.ClientEvent]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def flies(self) -> bool:
        view = self.client.view(self.rig.now)
        return self.client.state is SessionState.JOINED and view.own >= 0


class Rig:
    """A server that can go down, and a link that can be cut."""

    def __init__(self, clients_max: int = 4) -> None:
        self.now = 0.0
        self.rng = np.random.default_rng(1)
        self.is_cut = False
        self.core: Replicator | None = None
        self._clients_max = clients_max
        self._port = 5000
        self._pilots: list[Pilot] = []
        self._key = b""
        self.start_server()

    def start_server(self) -> None:
        self._key = self.rng.bytes(32)
        self.core = Replicator(
            game=GAME,
            rules=RULES,
            keys=Keys(self._key, bytes(32)),
            client_addresses=[SERVER],
            shard_addresses=[SHARDS],
            clients_max=self._clients_max,
            entropy=self.rng.bytes,
            rng=self.rng,
            now=self.now,
            # Nobody simulates this world: it is about sessions.
            limits=Limits(standstill_after_s=1e9),
        )
        self.core.create(drifter("wreck", 500.0, 500.0))

    def enter(self, account: int = 1, role: Role = Role.PLAYER) -> Pilot:
        pilot = Pilot(self, account, role)
        self._pilots.append(pilot)
        return pilot

    def kill(self, pilot: Pilot) -> None:
        self._pilots.remove(pilot)

    def new_address(self) -> Address:
        self._port += 1
        return Address("198.51.100.1", self._port)

    def issue_token(self, account: int, role: Role) -> bytes:
        user = UserData(account, role, f"pilot {account}", self.rng.bytes(16))
        return generate_connect_token(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=self._key,
            client_id=int.from_bytes(self.rng.bytes(8), "little"),
            server_addresses=[SERVER],
            user_data=encode_user_data(user),
            expire_s=45,
            timeout_s=TIMEOUT_S,
            wall_now=WALL + self.now,
            entropy=self.rng.bytes,
        )

    def run(self, seconds: float, look: Callable[[], None] = lambda: None) -> None:
        for _ in range(round(seconds / STEP_S)):
            self.now += STEP_S
            for pilot in list(self._pilots):
                pilot.turn()
            if self.core is not None:
                for request in self.core.berths.take_requests():
                    self.core.berths.deliver(request, None)
                for datagram, address in self.core.turn(self.now, WALL + self.now).clients:
                    self._deliver(datagram, address)
            look()

    def run_until(self, is_so: Callable[[], bool], seconds: float) -> float:
        """Run until something is so; returns how long it took."""
        began = self.now
        while not is_so():
            assert self.now - began < seconds
            self.run(STEP_S)
        return self.now - began

    def _deliver(self, datagram: bytes, address: Address) -> None:
        for pilot in self._pilots:
            if pilot.address == address and not self.is_cut:
                pilot.client.receive_datagram(datagram, SERVER, self.now)


def flying(rig: Rig) -> Pilot:
    pilot = rig.enter()
    rig.run(2.0)
    assert pilot.flies
    return pilot


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
