"""The shard's core against a scripted authority: real endpoints, virtual time, no sockets."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from sidereal.game import Body, Game, Label, Motion, Pilot, Stage, Step
from sidereal.game.bits import pack
from sidereal.game.declarations import Declarations, declare
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.games.frontier import Stick
from sidereal.games.frontier.asteroids import BOUNCE
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.events import PeerClosed, PeerOpened, Received
from sidereal.protocol.errors import CloseReason, GameFailedError
from sidereal.protocol.ids import SHARD_PROTOCOL_ID, Address
from sidereal.protocol.links import SHARD_CHANNELS, derive_shard_key
from sidereal.protocol.message.codec import LEASE_ROW, decode_shard_untrusted, encode_message
from sidereal.protocol.message.inputs import Input, RoutedInput, encode_routed_input
from sidereal.protocol.message.player import Refused
from sidereal.protocol.message.shard import (
    Adopt,
    AuthorityMessage,
    Beat,
    Dismiss,
    Drain,
    Farewell,
    Grant,
    Load,
    Release,
    Revoke,
    ShardChannel,
    ShardHello,
    ShardMessage,
    ShardWelcome,
)
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.arrays import TICK_MAX
from sidereal.protocol.state.proposals import decode_proposal_untrusted
from sidereal.protocol.state.records import RecordSender
from sidereal.protocol.state.schema import Schema
from sidereal.protocol.testing.link import LinkConfig
from sidereal.protocol.testing.pair import Wire
from sidereal.shard.limits import LIMITS
from sidereal.shard.phase import LEAD_S
from sidereal.shard.shard import ShardCore
from sidereal.shard.statistics import SimulationStatistics

THRUST = pack(Stick(thrust=1))
LEFT = pack(Stick(turn=1))
FRONTIER = load(DEFAULT_GAME)
SCHEMA = schema_of(FRONTIER)
HELD = [record for record in range(32) if SCHEMA.controls.accepts([record])]

RULES = Rules()
TICK_S = RULES.tick_s
AUTHORITY = Address("192.0.2.1", 7072)
SHARD = Address("198.51.100.7", 50001)
KEY = derive_shard_key("5e" * 16)
WALL_START = 1_700_000_000.0
SHIP, ROCK = 11, 22
SHIP_KIND = FRONTIER.kind_number("ship")


def full_rows(
    count: int = 1, schema: Schema = SCHEMA, kind: int = SHIP_KIND, **values: float
) -> np.ndarray:
    """Ships at the origin, and whatever is said otherwise."""
    rows = np.repeat(schema.first[[kind]], count)
    rows["id"] = np.arange(SHIP, SHIP + count)
    rows["epoch"], rows["radius"], rows["mass"] = 1, 8.0, 10.0
    rows["control_epoch"] = 1
    for name, value in values.items():
        rows[name] = value
    return rows


def release_rows(net_id: int, epoch: int) -> bytes:
    return np.array([[net_id, epoch]], "<u4").tobytes()


def lease_rows(sector_x: int, sector_y: int, epoch: int) -> bytes:
    return np.array([(sector_x, sector_y, 1, epoch)], LEASE_ROW).tobytes()


class Rig:
    """One authority and one shard.

    Attributes:
        proposed: every proposed row of motion, with the tick of its message and when it came.
        heartbeats: ticks of all proposals, in order of arrival.
        heard_at: when each of them came.
        leads_s: how long before the authority's tick the proposal for it came.
    """

    def __init__(
        self,
        config: LinkConfig | None = None,
        *,
        seed: int = 1,
        key: bytes = KEY,
        welcome: bool = True,
        tick: int = 1000,
        game: Declarations | None = None,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.now = 0.0
        self.wire = Wire(config or LinkConfig(delay_s=0.002), seed)
        entropy = np.random.default_rng([seed, 7]).bytes
        self.endpoint = ServerEndpoint(
            protocol_id=SHARD_PROTOCOL_ID,
            private_key=KEY,
            public_addresses=[AUTHORITY],
            slots_max=4,
            channels=SHARD_CHANNELS,
            entropy=entropy,
            now=0.0,
        )
        self.core = ShardCore(
            key=key,
            server=AUTHORITY,
            name="one",
            incarnation=entropy(16),
            game=game or FRONTIER,
            entropy=entropy,
            now=0.0,
            wall_now=WALL_START,
            seed=seed,
            clock=clock,
        )
        self.tick = tick
        self.next_tick_at = TICK_S
        self.frozen_until = 0.0
        self.peer = 0
        self.welcomes = welcome
        self.heard: list[ShardMessage] = []
        self.closed: list[CloseReason] = []
        self.proposed: list[tuple[int, np.void]] = []
        self.heartbeats: list[int] = []
        self.heard_at: list[float] = []
        self.arrivals: dict[int, float] = {}
        self.leads_s: list[float] = []
        self.simulated: list[int] = []
        self.each_tick: Callable[[int], None] = lambda tick: None

    @property
    def simulation(self) -> SimulationStatistics:
        statistics = self.core.statistics().simulation
        assert statistics is not None
        return statistics

    def tell(self, message: AuthorityMessage, channel: int = ShardChannel.LEASE) -> None:
        self.endpoint.send(self.peer, channel, encode_message(message))

    def adopt(self, rows: np.ndarray) -> None:
        self.tell(Adopt(self.tick, rows.tobytes(), b""))

    def control(self, first_seq: int, *records: int, control_epoch: int = 1) -> None:
        self.route(RoutedInput(SHIP, Input(control_epoch, first_seq, records)))

    def route(self, message: RoutedInput, channel: int = ShardChannel.CONTROLS) -> None:
        self.endpoint.send(self.peer, channel, encode_routed_input(message, SCHEMA.controls))

    def rows_of(self, net_id: int) -> list[np.void]:
        return [row for _, row in self.proposed if row["id"] == net_id]

    def run(self, seconds: float) -> Rig:
        until = self.now + seconds
        self._exchange()
        while (at := self._next_time()) <= until:
            self.now = max(self.now, at)
            wall_now = WALL_START + self.now
            self.endpoint.handle_timer(self.now, wall_now)
            while (arrival := self.wire.take_due(self.now)) is not None:
                end, datagram = arrival
                if end == 0:
                    self.endpoint.receive_datagram(datagram, SHARD, self.now, wall_now)
                else:
                    self.core.receive_datagram(datagram, AUTHORITY, self.now)
            self._listen()
            if self.next_tick_at <= self.now:
                self._tick()
            self._exchange()
        self.now = until
        return self

    def run_until_served(self) -> Rig:
        for _ in range(300):
            if self.core.serving and len(self.heartbeats) > 60:
                return self
            self.run(0.05)
        raise AssertionError("the shard never served")

    def leave(self, failure: GameFailedError | None = None) -> None:
        for datagram, _ in self.core.close(self.now, failure):
            self.wire.send(1, datagram, self.now)

    def _next_time(self) -> float:
        due_at = self.core.next_timer()
        times = [
            self.wire.next_delivery,
            self.endpoint.next_timer(),
            None if due_at is None else max(due_at, self.frozen_until),
            self.next_tick_at,
        ]
        return min(time for time in times if time is not None)

    def _exchange(self) -> None:
        for datagram, _ in self.endpoint.datagrams_to_send(self.now):
            self.wire.send(0, datagram, self.now)
        if self.now < self.frozen_until:
            return
        tick = self.core.tick
        for datagram, _ in self.core.turn(self.now):
            self.wire.send(1, datagram, self.now)
        if self.core.tick != tick:
            self.simulated.append(self.core.tick)

    def _tick(self) -> None:
        self.tick += 1
        self.next_tick_at += TICK_S
        self.each_tick(self.tick)
        if not self.heartbeats:
            return
        newest = max(self.heartbeats)
        lead_s = (newest - self.tick) * TICK_S + self.now - self.arrivals[newest]
        self.leads_s.append(lead_s)
        self.tell(Beat(self.tick, round(lead_s * 1e6)), ShardChannel.BEAT)

    def _listen(self) -> None:
        while (event := self.endpoint.next_event()) is not None:
            if isinstance(event, PeerOpened):
                self.peer = event.peer
            elif isinstance(event, PeerClosed):
                self.closed.append(event.reason)
            elif isinstance(event, Received) and event.channel == ShardChannel.PROPOSAL:
                tick, runs = decode_proposal_untrusted(SCHEMA, event.message)
                self.heartbeats.append(tick)
                self.heard_at.append(self.now)
                self.arrivals.setdefault(tick, self.now)
                for number, rows in runs:
                    if number == SCHEMA.numbers["motion"]:
                        self.proposed += [(tick, row) for row in rows]
            elif isinstance(event, Received):
                message = decode_shard_untrusted(event.channel, event.message)
                self.heard.append(message)
                if isinstance(message, ShardHello) and self.welcomes:
                    self.tell(ShardWelcome(1, RULES, self.tick))


@pytest.fixture
def rig() -> Rig:
    return Rig().run_until_served()


def test_hello_names_the_schema_and_an_incarnation() -> None:
    first, second = (Rig(seed=seed).run_until_served().heard for seed in (1, 2))
    hello, other = first[0], second[0]
    assert isinstance(hello, ShardHello)
    assert isinstance(other, ShardHello)
    assert (hello.schema_hash, hello.name) == (SCHEMA.hash, "one")
    assert hello.incarnation != other.incarnation


def test_every_tick_is_proposed_once_and_in_order(rig: Rig) -> None:
    rig.run(2.0)
    assert rig.simulated == sorted(set(rig.simulated))
    assert rig.heartbeats == list(range(rig.heartbeats[0], rig.heartbeats[-1] + 1))


@pytest.mark.parametrize("delay_s", [0.0, 0.03, 0.1])
def test_proposals_come_just_ahead_of_the_authoritys_tick(delay_s: float) -> None:
    rig = Rig(LinkConfig(delay_s=delay_s)).run_until_served().run(6.0)
    assert np.mean(rig.leads_s[-20:]) == pytest.approx(LEAD_S, abs=2e-3)


@pytest.mark.parametrize("delay_s", [0.0, 0.03, 0.1])
def test_proposals_of_a_new_shard_come_in_time_once_it_has_heard_a_beat(delay_s: float) -> None:
    rig = Rig(LinkConfig(delay_s=delay_s)).run_until_served()
    # A beat is on its way, then a proposal, and both wait for a tick. From then on all is well.
    known = math.ceil(2 * delay_s / TICK_S) + 2
    assert rig.leads_s[0] < 0
    np.testing.assert_allclose(rig.leads_s[known:], LEAD_S, atol=1e-3)


def test_adopted_entity_is_proposed_with_its_epoch_when_it_strays(rig: Rig) -> None:
    rig.adopt(full_rows(epoch=7, tick=rig.tick))
    rig.run(0.2)
    assert rig.rows_of(SHIP) == []
    rig.control(1, THRUST)
    rig.run(0.2)
    row = rig.rows_of(SHIP)[-1]
    assert row["epoch"] == 7
    assert row["vx"] > 0
    assert abs(int(row["tick"]) - rig.tick) < 10


def test_drifting_entity_is_adopted_where_it_is_by_now_and_costs_nothing(rig: Rig) -> None:
    rig.adopt(
        full_rows(
            id=ROCK, kind=FRONTIER.kind_number("asteroid"), tick=rig.tick - 40, vx=30.0, spin=0.3
        )
    )
    rig.run(3.0)
    assert rig.simulation.entities == 1
    assert rig.rows_of(ROCK) == []


def test_entity_adopted_from_a_shard_that_was_ahead_is_proposed_once_that_is_past(
    rig: Rig,
) -> None:
    ahead = rig.core.tick + 9
    rig.adopt(full_rows(tick=ahead))
    rig.control(1, THRUST, THRUST, 0, 0)
    rig.run(2.0)
    assert rig.rows_of(SHIP)[0]["tick"] > ahead
    assert rig.rows_of(SHIP)[-1]["vx"] > 1.0


def test_entity_adopted_from_a_shard_that_was_ahead_goes_on_from_where_it_was(rig: Rig) -> None:
    ahead = rig.core.tick + 9
    rig.adopt(full_rows(tick=ahead, vx=30.0))
    rig.run(0.2)
    assert (rig.core.tick < ahead, rig.simulation.entities) == (True, 0)
    rig.control(1, THRUST, THRUST, THRUST, THRUST)
    rig.run(1.0)
    first = rig.rows_of(SHIP)[0]
    assert (first["tick"], first["input_seq"]) == (ahead + 1, 1)
    assert first["x"] == pytest.approx(30.0 * TICK_S, abs=0.5)
    assert rig.simulation.controls_unclaimed == 0


def test_entity_hit_long_after_its_reference_is_proposed_where_it_is(rig: Rig) -> None:
    rocks = full_rows(2, kind=FRONTIER.kind_number("asteroid"), tick=rig.tick)
    rocks["x"], rocks["vx"] = (0.0, 100.0), (20.0, 0.0)
    rig.adopt(rocks)
    rig.run(8.0)
    struck = rig.rows_of(SHIP + 1)
    assert struck
    # Referenced from the contact on: apart by both radii, and moving away.
    assert struck[-1]["vx"] == pytest.approx(10.0 * (1 + BOUNCE), abs=0.5)
    assert rig.rows_of(SHIP)[-1]["vx"] == pytest.approx(10.0 * (1 - BOUNCE), abs=0.5)


def test_controls_are_applied_one_per_tick_and_never_twice(rig: Rig) -> None:
    rig.adopt(full_rows(tick=rig.tick))
    rig.run(0.1)
    seq = 0

    def send(tick: int) -> None:
        nonlocal seq
        seq += 1
        first = max(1, seq - 9)
        rig.control(first, *([LEFT] * (seq - first + 1)))

    rig.each_tick = send
    rig.run(2.0)
    by_tick = {int(row["tick"]): int(row["input_seq"]) for row in rig.rows_of(SHIP)}
    ticks = sorted(by_tick)
    steps = [by_tick[b] - by_tick[a] for a, b in itertools.pairwise(ticks)]
    assert len(ticks) > 30
    assert set(steps[2:]) == {1}
    assert by_tick[ticks[-1]] <= rig.simulation.controls_accepted <= seq
    assert rig.simulation.controls_skipped == 0


def test_controls_of_an_older_pilot_move_nothing(rig: Rig) -> None:
    rig.adopt(full_rows(tick=rig.tick, control_epoch=5))
    rig.run(0.1)
    rig.control(1, THRUST, control_epoch=4)
    rig.run(0.3)
    assert rig.rows_of(SHIP) == []
    assert rig.simulation.controls_stale == 1


def test_controls_for_a_foreign_ship_are_counted(rig: Rig) -> None:
    rig.control(1, THRUST)
    rig.run(0.2)
    assert rig.simulation.controls_unclaimed == 1


def test_handed_over_ship_goes_on_with_the_inputs_it_has_not_had(rig: Rig) -> None:
    rig.adopt(full_rows(tick=rig.tick, input_seq=3))
    rig.run(0.1)
    rig.control(1, *[THRUST] * 3, LEFT)
    rig.run(0.3)
    row = rig.rows_of(SHIP)[-1]
    assert row["input_seq"] == 4 + LIMITS.guesses
    assert row["vx"] == 0.0
    assert row["heading"] > 0.0


def test_release_removes_the_entity(rig: Rig) -> None:
    rig.adopt(full_rows(epoch=3, tick=rig.tick, vx=1.0))
    rig.run(0.2)
    rig.tell(Release(rig.tick, release_rows(SHIP, 4)))
    rig.run(0.2)
    assert rig.simulation.entities == 0
    rig.control(1, THRUST)
    before = len(rig.proposed)
    rig.run(0.3)
    assert len(rig.proposed) == before


def test_release_of_an_older_epoch_is_ignored(rig: Rig) -> None:
    rig.adopt(full_rows(epoch=3, tick=rig.tick))
    rig.tell(Release(rig.tick, release_rows(SHIP, 3)))
    rig.run(0.2)
    assert rig.simulation.entities == 1
    assert rig.simulation.records_stale == 1


def test_adoption_under_an_older_epoch_is_ignored_and_a_newer_one_replaces(rig: Rig) -> None:
    rig.adopt(full_rows(epoch=3, tick=rig.tick, x=5.0))
    rig.adopt(full_rows(epoch=2, tick=rig.tick, x=6.0))
    rig.run(0.2)
    assert rig.simulation.records_stale == 1
    rig.adopt(full_rows(epoch=4, tick=rig.tick, x=700.0))
    rig.run(0.2)
    rig.control(1, THRUST)
    rig.run(0.2)
    assert rig.simulation.entities == 1
    assert rig.rows_of(SHIP)[-1]["x"] == pytest.approx(700.0, abs=5.0)
    assert rig.rows_of(SHIP)[-1]["epoch"] == 4


@pytest.mark.parametrize(
    ("field", "value"),
    [("x", math.nan), ("vx", math.inf), ("radius", 0.0), ("mass", math.nan), ("id", 0)],
)
def test_rows_that_would_spoil_the_physics_are_refused(rig: Rig, field: str, value: float) -> None:
    rows = full_rows(2, tick=rig.tick)
    rows[field][0] = value
    rig.adopt(rows)
    rig.run(0.2)
    assert rig.simulation.entities == 1
    assert (rig.simulation.records_refused, rig.simulation.records_stale) == (1, 0)
    rows["id"][1] += 100
    rig.adopt(rows)
    rig.run(0.2)
    assert (rig.simulation.records_refused, rig.simulation.records_stale) == (2, 0)


def test_guests_are_bodies_outside_the_leased_sectors(rig: Rig) -> None:
    rows = full_rows(2, tick=rig.tick)
    rows["x"] = (10.0, 1500.0)
    rig.adopt(rows)
    rig.tell(Grant(rig.tick, lease_rows(0, 0, 2)))
    rig.run(0.2)
    assert rig.simulation.guests == 1
    rig.tell(Revoke(rig.tick, lease_rows(0, 0, 1)))
    rig.run(0.2)
    assert rig.simulation.sectors == 1
    rig.tell(Revoke(rig.tick, lease_rows(0, 0, 3)))
    rig.run(0.2)
    assert (rig.simulation.sectors, rig.simulation.guests) == (0, 2)


def test_contact_never_makes_anything_faster_than_the_rules_allow(rig: Rig) -> None:
    rocks = full_rows(2, kind=FRONTIER.kind_number("asteroid"), tick=rig.tick)
    rocks["x"], rocks["vx"], rocks["mass"] = (0.0, 40.0), (249.0, -249.0), (1000.0, 0.1)
    rig.adopt(rocks)
    rig.run(1.0)
    assert rig.simulation.speeds_bounded > 0
    assert max(abs(row["vx"]) for row in rig.rows_of(SHIP + 1)) <= RULES.speed_max


def test_stall_skips_ticks_in_straight_lines_and_never_goes_back(rig: Rig) -> None:
    rig.adopt(full_rows(id=ROCK, kind=FRONTIER.kind_number("asteroid"), tick=rig.tick, vx=50.0))
    rig.run(0.2)
    before = rig.core.tick
    rig.frozen_until = rig.now + 0.9
    rig.run(1.5)
    skipped = rig.core.statistics().ticks_skipped
    assert 0 < skipped <= 0.9 / TICK_S - LIMITS.ticks_catch_up + 1
    assert rig.simulated == sorted(set(rig.simulated))
    assert rig.core.tick > before + 25
    assert rig.rows_of(ROCK) == []


def test_a_shard_that_waits_for_the_authority_s_clock_says_that_it_is_there(rig: Rig) -> None:
    rig.next_tick_at += 3.0
    rig.run(0.8)
    ahead = rig.core.tick - rig.tick
    began, heard = rig.now, len(rig.heard_at)
    rig.run(2.0)
    gaps = np.diff([began, *rig.heard_at[heard:], rig.now])
    assert 3 * TICK_S < gaps.max() <= LIMITS.speak_every_s + 0.01
    assert rig.core.tick - rig.tick == ahead, "it is as far ahead as it goes"
    rig.run(2.0)
    assert rig.core.tick - rig.tick < ahead
    assert rig.core.statistics().ticks_skipped == 0


def test_controls_that_come_while_it_cannot_tick_do_not_end_the_session(rig: Rig) -> None:
    """Two hundred pilots and a clock that slipped by a second."""
    rig.adopt(full_rows(200, tick=rig.tick))
    rig.run(0.2)

    def fly(tick: int) -> None:
        for net_id in range(SHIP, SHIP + 200):
            rig.route(RoutedInput(net_id, Input(1, tick, (0,) * 4)))

    rig.each_tick = fly
    rig.frozen_until = rig.now + 1.3
    rig.run(2.0)
    assert rig.core.closed is None
    assert rig.core.statistics().controls_dropped == 0
    assert rig.rows_of(SHIP + 199)[-1]["input_seq"] > rig.tick - 10


def test_load_tells_of_steps_and_bodies(rig: Rig) -> None:
    rig.adopt(full_rows(3, tick=rig.tick))
    rig.run(0.2)
    rig.core.report_load(123, 1 << 20, [1000, 2000])
    rig.run(0.2)
    load = next(message for message in rig.heard if isinstance(message, Load))
    assert (load.entities, load.guests, load.cpu_permille) == (3, 3, 123)
    assert np.frombuffer(load.step_us, "<u4").tolist() == [1000, 2000]


def test_ghosts_are_seen_counted_and_gone_when_released(rig: Rig) -> None:
    sender = RecordSender(SCHEMA.full_record, RULES.streams.reorder_ticks)
    ones = np.ones(3, np.int64)
    rows = full_rows(3, tick=rig.tick)
    for message, tag in sender.collect(rig.tick, np.arange(3), ones, rows):
        rig.endpoint.send(rig.peer, ShardChannel.GHOST, message, tag)
    rig.endpoint.send(rig.peer, ShardChannel.GHOST, b"\x01" * 50)
    rig.run(0.2)
    rig.core.report_load(0, 0, [])
    rig.run(0.2)
    load = next(message for message in rig.heard if isinstance(message, Load))
    assert (load.entities, load.ghosts) == (0, 3)
    assert rig.core.statistics().messages_malformed == 1
    rig.tell(Release(rig.tick, release_rows(SHIP, 2)))
    rig.run(0.2)
    assert rig.simulation.ghosts == 2


def test_more_ghosts_than_there_were_rows_find_room(rig: Rig) -> None:
    rig.adopt(full_rows(tick=rig.tick))
    rig.run(0.2)
    count = 3000
    assert rig.core.bodies is not None
    assert rig.core.bodies.columns.capacity < count
    sender = RecordSender(SCHEMA.full_record, RULES.streams.reorder_ticks)
    rows = full_rows(count + 1, tick=rig.tick)[1:]
    ones = np.ones(count, np.int64)
    for message, tag in sender.collect(rig.tick, np.arange(count), ones, rows):
        rig.endpoint.send(rig.peer, ShardChannel.GHOST, message, tag)
    rig.run(2.0)
    assert rig.simulation.ghosts > 1024
    rig.control(1, THRUST)
    rig.run(0.2)
    assert rig.rows_of(SHIP)[-1]["vx"] > 0


def test_leaving_says_farewell_first(rig: Rig) -> None:
    rig.leave()
    rig.run(0.2)
    assert isinstance(rig.heard[-1], Farewell)
    assert rig.closed == [CloseReason.CLOSED_BY_PEER]
    assert rig.core.closed is CloseReason.CLOSED_LOCALLY
    assert rig.core.next_tick_at() is None


def test_what_is_not_acked_is_said_once_more_with_the_farewell(rig: Rig) -> None:
    rig.adopt(full_rows(tick=rig.tick))
    rig.run(0.5)
    before = rig.simulation.records_proposed
    rig.control(1, THRUST)
    while rig.simulation.records_proposed == before:
        rig.run(0.001)
    rig.wire.links[0].config = LinkConfig(loss=1.0)  # No ack comes any more.
    while max(rig.heartbeats) < rig.core.tick or rig.core.tick < rig.tick:
        rig.run(0.001)
    rig.proposed.clear()
    rig.leave()
    rig.run(0.01)
    assert [tick for tick, row in rig.proposed if row["id"] == SHIP] == [rig.core.tick]
    assert rig.closed == [CloseReason.CLOSED_BY_PEER]


def test_one_that_is_to_leave_goes_on_until_it_is_dismissed(rig: Rig) -> None:
    rig.adopt(full_rows(tick=rig.tick))
    rig.core.drain(rig.now)
    rig.run(0.5)
    rig.core.drain(rig.now)
    assert [message for message in rig.heard if isinstance(message, Drain)] == [Drain()]
    rig.control(1, THRUST)
    rig.run(0.5)
    assert rig.rows_of(SHIP)[-1]["vx"] > 0
    assert rig.heartbeats[-1] == rig.core.tick
    rig.tell(Dismiss())
    rig.run(0.1)
    assert rig.core.closed is CloseReason.CLOSED_LOCALLY
    assert isinstance(rig.heard[-1], Farewell)
    assert rig.closed == [CloseReason.CLOSED_BY_PEER]
    assert rig.core.next_tick_at() is None


def test_nobody_is_dismissed_who_is_not_to_leave(rig: Rig) -> None:
    rig.tell(Dismiss())
    rig.run(0.5)
    assert rig.core.serving
    rig.core.drain(rig.now)
    rig.run(0.5)
    assert rig.core.serving


def test_one_that_is_to_leave_does_not_wait_for_ever(rig: Rig) -> None:
    rig.core.drain(rig.now)
    rig.run(LIMITS.drain_within_s - 0.1)
    assert rig.core.serving
    rig.run(0.2)
    assert rig.core.closed is CloseReason.CLOSED_LOCALLY
    assert isinstance(rig.heard[-1], Farewell)


def test_nor_for_a_server_that_says_nothing_any_more(rig: Rig) -> None:
    rig.core.drain(rig.now)
    rig.run(2.0)
    assert rig.core.serving
    rig.wire.links[0].config = LinkConfig(loss=1.0)
    rig.run(LIMITS.drain_silence_s + 0.1)
    assert rig.core.closed is CloseReason.CLOSED_LOCALLY


def test_without_a_session_there_is_nothing_to_wait_for() -> None:
    rig = Rig(welcome=False).run(0.5)
    rig.core.drain(rig.now)
    rig.run(0.1)
    assert not any(isinstance(message, Drain) for message in rig.heard)
    assert rig.core.closed is None


def one_kind() -> Game:
    game = Game("one")
    game.kind("ball", Motion(), Body(), Label(), Pilot())
    return game


def test_a_tick_that_game_code_broke_off_is_proposed_to_nobody() -> None:
    game = one_kind()

    @game.system(Stage.TICK)
    def push(step: Step) -> None:
        rows = step.rows()
        if len(rows) and step.tick >= 1080:
            step[Motion].vx[rows] = 50.0
            raise ZeroDivisionError

    declared = declare(game)
    rig = Rig(game=declared).run_until_served()
    rig.adopt(full_rows(schema=schema_of(declared), kind=1, tick=rig.tick))
    with pytest.raises(GameFailedError) as caught:
        rig.run(5.0)
    newest = max(rig.heartbeats)
    rig.leave(caught.value)
    rig.run(0.2)
    assert max(rig.heartbeats) == newest < rig.core.tick
    assert not any(row["vx"] for row in rig.rows_of(SHIP))
    assert rig.heard[-1] == Farewell("system one.push", str(caught.value))
    assert rig.closed == [CloseReason.CLOSED_BY_PEER]


def test_words_of_a_farewell_are_cut_and_can_be_shown(rig: Rig) -> None:
    rig.leave(GameFailedError("system " + "x" * 200, 1, "bell \a, half \ud800, " + "y" * 2000))
    rig.run(0.2)
    farewell = rig.heard[-1]
    assert isinstance(farewell, Farewell)
    assert farewell.what == "system " + "x" * 73
    assert farewell.why.startswith("bell ?, half ?, yyy")
    assert len(farewell.why) == 1000


def test_the_load_names_the_slowest_system_and_fits_into_a_datagram() -> None:
    game, clock = one_kind(), itertools.count(0.0, 0.003)

    def slow(step: Step) -> None:
        """It takes 3 ms by that clock."""

    slow.__name__ = "𝕤" * 300
    game.system(slow)
    rig = Rig(game=declare(game), clock=lambda: next(clock)).run_until_served()
    rig.run(5.0)
    rig.core.report_load(1000, 1 << 40, [0xFFFF_FFFF] * 1000)
    rig.run(0.2)
    load = next(message for message in rig.heard if isinstance(message, Load))
    assert load.slowest == "system one." + "𝕤" * 69
    assert load.slowest_us == pytest.approx(3000, rel=0.02)


def test_who_leaves_before_the_welcome_says_farewell_too() -> None:
    rig = Rig(welcome=False).run(0.5)
    rig.leave()
    rig.run(0.1)
    assert isinstance(rig.heard[-1], Farewell)
    assert rig.closed == [CloseReason.CLOSED_BY_PEER]


def test_refusal_ends_the_session_with_its_words() -> None:
    rig = Rig(welcome=False)
    rig.run(0.5)
    rig.tell(Refused(CloseReason.SCHEMA_MISMATCH, "another schema"))
    rig.run(0.2)
    assert rig.core.closed is CloseReason.SCHEMA_MISMATCH
    assert rig.core.closed_text == "another schema"


@pytest.mark.parametrize("told", ["welcome", "beat"])
def test_a_clock_that_has_run_out_ends_the_session(told: str) -> None:
    if told == "welcome":
        rig = Rig(tick=TICK_MAX - 2).run(1.0)
    else:
        rig = Rig().run_until_served()
        rig.tell(Beat(TICK_MAX, 0), ShardChannel.BEAT)
        rig.run(0.5)
    assert rig.core.closed is CloseReason.PROTOCOL_VIOLATION
    assert "clock" in rig.core.closed_text
    assert max(rig.heartbeats) <= TICK_MAX


def test_wrong_key_is_met_with_silence() -> None:
    rig = Rig(key=derive_shard_key("a1" * 16))
    rig.run(5.0)
    assert rig.peer == 0
    assert rig.core.closed is CloseReason.TIMED_OUT


def test_silent_authority_ends_the_session(rig: Rig) -> None:
    rig.wire.configure(LinkConfig(loss=1.0))
    rig.run(4.0)
    assert rig.core.closed is CloseReason.TIMED_OUT
    assert not rig.core.serving


def test_rows_that_are_no_rows_are_dropped_and_counted(rig: Rig) -> None:
    rig.tell(Adopt(rig.tick, b"x" * 17, b""))
    rig.tell(Release(rig.tick, b"x" * 7))
    rig.tell(Grant(rig.tick, b"x"))
    rig.endpoint.send(rig.peer, ShardChannel.CONTROLS, b"x" * 16)
    rig.endpoint.send(rig.peer, ShardChannel.LEASE, b"\xff\xff")
    rig.run(0.3)
    assert rig.core.statistics().messages_malformed == 5
    assert rig.core.serving


def test_lost_proposals_heal() -> None:
    rig = Rig(LinkConfig(delay_s=0.02, loss=0.3, duplication=0.1, reordering=0.2), seed=5)
    rig.run_until_served()
    rows = full_rows(100, tick=rig.tick)
    rows["x"], rows["y"] = np.arange(100) * 50.0, np.arange(100) * 3.0
    rows["spin"] = 2.0
    rig.adopt(rows)
    rig.run(4.0)
    # A ship without a pilot stops spinning: every one must have been proposed at rest.
    at_rest = {int(row["id"]) for _, row in rig.proposed if row["spin"] == 0.0}
    assert at_rest == set(range(SHIP, SHIP + 100))


def test_row_is_proposed_until_it_is_acked_and_then_no_more(rig: Rig) -> None:
    rig.adopt(full_rows(tick=rig.tick))
    rig.control(1, LEFT)
    rig.run(2.0)
    before = len(rig.rows_of(SHIP))
    assert before > 0
    rig.run(1.0)
    assert len(rig.rows_of(SHIP)) == before


def trace(seed: int) -> tuple[str, str]:
    rig = Rig(LinkConfig(delay_s=0.01, jitter_s=0.02, loss=0.1), seed=seed).run_until_served()
    rng = np.random.default_rng(seed)
    rows = full_rows(40, tick=rig.tick, control_epoch=1)
    rows["x"], rows["y"] = rng.uniform(-100, 100, (2, 40))
    rows["vx"] = rng.uniform(-50, 50, 40)
    rig.adopt(rows)
    rig.each_tick = lambda tick: rig.control(tick, HELD[rng.integers(0, len(HELD))])
    rig.run(2.0)
    rig.tell(Release(rig.tick, release_rows(SHIP + 5, 9)))
    rig.run(1.0)
    states = hashlib.blake2b(b"".join(row.tobytes() for _, row in rig.proposed)).hexdigest()
    return rig.wire.trace, states


def test_same_seed_gives_the_same_bytes() -> None:
    assert trace(3) == trace(3)
    assert trace(3) != trace(4)


def test_what_comes_on_another_channel_than_its_own_is_counted_and_not_heard(rig: Rig) -> None:
    rig.route(RoutedInput(SHIP, Input(1, 1, (THRUST,))), ShardChannel.LEASE)
    rig.tell(Refused(CloseReason.FENCED, "not said"), ShardChannel.BEAT)
    rig.tell(Refused(CloseReason.FENCED, "not said"), ShardChannel.PROPOSAL)
    rig.run(0.3)
    assert rig.core.serving
    assert rig.core.statistics().messages_malformed == 3
