"""A world that nobody simulates stops after two seconds, and goes on when a shard is back."""

from __future__ import annotations

from collections import Counter

from sidereal.client.client import Client
from sidereal.client.events import NoticeLine
from sidereal.client.statistics import SessionState
from sidereal.game.bits import pack
from sidereal.games.frontier import Stick
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, Address
from sidereal.protocol.links import UserData, encode_user_data
from sidereal.protocol.message.player import Role
from sidereal.protocol.session.token import generate_connect_token
from sidereal.replication.limits import LIMITS

from ..flying import FLYING
from .troupe import CLIENTS, RULES, WALL, ScriptedShard, Troupe, rocks

THRUST = pack(Stick(thrust=1))
HOME = Address("203.0.113.9", 5999)
STOP_TICKS = round(LIMITS.standstill_after_s / RULES.tick_s)
SILENCE_TICKS = round(LIMITS.shards.silence_s / RULES.tick_s)
SERVED_TICKS = round(LIMITS.served_within_s / RULES.tick_s)
ADOPT_TICKS = round(LIMITS.shards.adopt_within_s / RULES.tick_s)


class Watched(Troupe):
    """A troupe, and a real client that flies."""

    def __init__(self) -> None:
        rows = rocks(3)
        rows["vx"] = 20.0
        super().__init__(rows)
        self.notices: list[str] = []
        self.present = True
        self.client = self.sign_in()

    def sign_in(self) -> Client:
        token = generate_connect_token(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=bytes(32),
            client_id=7,
            server_addresses=[CLIENTS],
            user_data=encode_user_data(UserData(0, Role.PLAYER, "real", self.entropy(16))),
            expire_s=30,
            timeout_s=3,
            wall_now=WALL,
            entropy=self.entropy,
        )
        return Client(token, game=FLYING, entropy=self.entropy, now=self.now, software="test")

    def run(self, ticks: int, tick_s: float = RULES.tick_s) -> None:
        for _ in range(ticks):
            if self.present:
                self.send(self.client.turn(self.now + tick_s))
            super().run(1, tick_s)

    def send(self, datagrams: list[tuple[bytes, Address]]) -> None:
        sent = [(datagram, HOME) for datagram, _ in datagrams]
        self.core.receive_clients(sent, self.now, WALL)

    def _speak(self, outgoing):  # type: ignore[no-untyped-def]
        for datagram, address in outgoing.clients:
            if address == HOME:
                self.client.receive_datagram(datagram, CLIENTS, self.now)
        others = [entry for entry in outgoing.clients if entry[1] != HOME]
        super()._speak(outgoing._replace(clients=others))
        while (event := self.client.next_event()) is not None:
            if isinstance(event, NoticeLine):
                self.notices.append(event.text)


def flying() -> Watched:
    troupe = Watched()
    troupe.shard("shard-1", ticks=10)
    troupe.client.hold(THRUST)
    troupe.run(30)
    assert troupe.client.state is SessionState.JOINED
    assert troupe.client.net_id
    return troupe


def test_the_clock_stops_two_seconds_after_the_last_shard_has_gone() -> None:
    troupe = flying()
    troupe.peers[0].say_farewell()  # type: ignore[attr-defined]
    troupe.run(1)
    gone_at = troupe.core.tick
    assert len(troupe.core.shards.shards) == 0
    troupe.run(200)
    assert troupe.core.tick == gone_at + STOP_TICKS - 1
    assert "it stands still until" in troupe.notices[-1]


def test_the_picture_stops_with_it() -> None:
    troupe = flying()
    troupe.peers[0].silent = True
    troupe.run(SILENCE_TICKS + STOP_TICKS + 4)
    made = troupe.client.statistics().inputs
    before = troupe.client.view(troupe.now)
    troupe.run(100)
    after = troupe.client.view(troupe.now)
    assert before.own >= 0
    assert (before.x.tolist(), before.y.tolist()) == (after.x.tolist(), after.y.tolist())
    assert troupe.client.statistics().inputs == made
    assert troupe.client.state is SessionState.JOINED


def test_it_goes_on_with_the_next_tick_when_a_shard_is_back() -> None:
    troupe = flying()
    troupe.peers[0].silent = True
    troupe.run(SILENCE_TICKS + STOP_TICKS + 100)
    stopped = troupe.core.tick
    back = troupe.shard("shard-1", ticks=0)
    ticks = 0
    while troupe.core.tick == stopped and ticks < 20:
        troupe.run(1)
        ticks += 1
    assert ticks <= 5
    assert troupe.core.tick == stopped + 1
    troupe.run(20)
    assert back.closed is None
    assert set(troupe.owners()) == {back.number}
    assert troupe.core.tick == stopped + 21
    assert "it goes on" in troupe.notices[-1]
    made = troupe.client.statistics().inputs
    view = troupe.client.view(troupe.now)
    troupe.run(20)
    assert troupe.client.statistics().inputs == made + 20
    assert troupe.client.statistics().inputs_skipped == 0
    assert troupe.client.view(troupe.now).x.tolist() != view.x.tolist()
    # Its clock is the server's again, not late by as long as the world stood still.
    newest = troupe.client.statistics().newest_tick
    assert newest == troupe.core.tick


def test_who_comes_meanwhile_is_told_and_sees_the_world_when_it_goes_on() -> None:
    troupe = Watched()
    troupe.present = False
    troupe.run(STOP_TICKS + 20)
    assert troupe.core.tick == STOP_TICKS
    troupe.present, troupe.client = True, troupe.sign_in()
    troupe.run(20)
    assert "it stands still until" in troupe.notices[-1]
    assert troupe.client.statistics().snapshots == 0
    troupe.shard("shard-1", ticks=20)
    assert troupe.client.statistics().snapshots > 5
    assert troupe.client.net_id


def test_who_leaves_while_it_stands_still_leaves() -> None:
    troupe = flying()
    troupe.peers[0].silent = True
    troupe.run(SILENCE_TICKS + STOP_TICKS + 4)
    entities = len(troupe.core.world.columns)
    troupe.send(troupe.client.leave(troupe.now))
    troupe.run(4)
    assert len(troupe.core.world.columns) == entities - 1
    assert troupe.core.clock.stands_still


def come_and_go(troupe: Troupe, times: int, simulates_ticks: int) -> int:
    """Let a shard come that falls silent after so many proposals, and another one, and so on.

    Returns:
        by how many ticks the world advanced.
    """
    before = troupe.core.tick
    for _ in range(times):
        shard = troupe.shard("shard-1", ticks=0)
        propose, left = shard.act, iter(range(simulates_ticks))

        def act(shard: ScriptedShard = shard, propose=propose, left=left) -> None:  # type: ignore[no-untyped-def]
            if shard.number and next(left, None) is not None:
                propose()

        shard.act = act  # type: ignore[method-assign]
        troupe.run(40)
        assert len(troupe.core.shards.shards) == 0
    return troupe.core.tick - before


def test_a_shard_that_says_hello_again_and_again_does_not_keep_the_world_running() -> None:
    troupe = flying()
    troupe.peers[0].silent = True
    assert come_and_go(troupe, 3, simulates_ticks=0) <= SERVED_TICKS + STOP_TICKS
    assert come_and_go(troupe, 3, simulates_ticks=0) == 0
    assert troupe.core.clock.stands_still


def test_a_shard_that_comes_and_goes_moves_the_world_by_what_it_simulates() -> None:
    troupe = flying()
    troupe.peers[0].silent = True
    come_and_go(troupe, 3, simulates_ticks=8)
    served = 8 + SERVED_TICKS
    assert come_and_go(troupe, 1, simulates_ticks=8) in range(8, served + served // 4 + 1)


def test_a_shard_that_takes_nothing_of_what_it_is_given_simulates_nothing() -> None:
    troupe = Troupe(rocks(3))
    shard = troupe.shard("shard-1", ticks=0)
    shard.adopts = False
    troupe.run(SERVED_TICKS + STOP_TICKS + 20)
    assert troupe.core.clock.stands_still
    assert shard.closed is None
    # It hears no tick twice: it would wait for the next one, and the world for it.
    assert max(Counter(beat.tick for beat in shard.beats).values()) == 1
    troupe.run(ADOPT_TICKS)
    assert "adopts nothing" in shard.words
    troupe.real_shard("shard-2")
    assert not troupe.core.clock.stands_still


def test_a_real_shard_that_comes_while_the_world_stands_still_simulates_it() -> None:
    rows = rocks(3)
    rows["vx"] = 20.0
    troupe = Troupe(rows)
    troupe.run(STOP_TICKS + 100)
    assert troupe.core.clock.stands_still
    shard = troupe.real_shard("shard-1")
    before = troupe.core.tick
    troupe.run(60)
    assert troupe.core.tick == before + 60
    assert set(troupe.owners()) == {1}
    assert shard.closed is None
    assert not troupe.core.ingest.rejected


def test_a_turn_tells_that_it_ran_a_step_although_the_world_stood_still() -> None:
    troupe = Troupe(rocks(3))
    troupe.run(STOP_TICKS + 1)
    assert troupe.core.clock.stands_still
    at = troupe.now + RULES.tick_s
    assert troupe.core.turn(at, WALL).stepped
    assert not troupe.core.turn(at, WALL).stepped
    assert troupe.core.tick == STOP_TICKS
