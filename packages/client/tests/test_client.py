"""The client core against a scripted server on a real endpoint, in virtual time."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.client import events
from sidereal.client.client import Client
from sidereal.client.comeback import FINAL
from sidereal.client.interpolation import RING
from sidereal.client.limits import LIMITS, Limits
from sidereal.client.statistics import SessionState, no_statistics
from sidereal.game import Body, Game, Label, Motion
from sidereal.game.bits import pack
from sidereal.game.declarations import declare
from sidereal.game.models import FreeFlight
from sidereal.game.record import as_columns
from sidereal.game.schema import schema_of
from sidereal.games.frontier import Stick, flight, rocks, talk
from sidereal.protocol.channel.endpoint import ServerEndpoint
from sidereal.protocol.channel.events import PeerClosed, PeerOpened, Received
from sidereal.protocol.errors import CloseReason
from sidereal.protocol.ids import CLIENT_PROTOCOL_ID, Address
from sidereal.protocol.limits import INPUT_GUESSES_MAX
from sidereal.protocol.links import PLAYER_CHANNELS
from sidereal.protocol.message.codec import HOLDER_ROW, decode_client_untrusted, encode_message
from sidereal.protocol.message.inputs import Input, decode_input_untrusted
from sidereal.protocol.message.player import (
    Assigned,
    Call,
    Hello,
    Leases,
    LookAt,
    Notice,
    Outcome,
    PlayerChannel,
    Receipt,
    Refused,
    Role,
    ServerMessage,
    Told,
    Welcome,
)
from sidereal.protocol.rules import Rules
from sidereal.protocol.session.token import generate_connect_token
from sidereal.protocol.space.geometry import absolute_cell_of
from sidereal.protocol.state import reckoning
from sidereal.protocol.state.heads import encode_head, encode_section
from sidereal.protocol.state.private import (
    ANSWERS,
    FLOWN,
    INPUTS_ROW,
    MOVES,
    encode_own_motion,
)
from sidereal.protocol.state.private import FLIGHT as OWN_FLIGHT
from sidereal.protocol.state.private import REPLACE as OWN_REPLACE
from sidereal.protocol.state.quantize import encode_rows
from sidereal.protocol.state.schema import PARENT, PREDICTED, mask_of
from sidereal.protocol.state.stream import (
    PRESENCE,
    REPLACE,
    places_around,
)
from sidereal.protocol.testing.link import LinkConfig
from sidereal.protocol.testing.pair import Wire

THRUST = pack(Stick(thrust=1))
LEFT = pack(Stick(turn=1))
RIGHT = pack(Stick(turn=-1))
BRAKE = pack(Stick(brake=1))
FIRE = pack(Stick(fire=1))
SERVER = Address("192.0.2.1", 7071)
CLIENT = Address("198.51.100.1", 50000)
KEY = bytes(range(32))
WALL = 1_700_000_000.0
RULES = Rules()
GAME = declare(Game("flying", parts=[flight, rocks, talk]))
SCHEMA = schema_of(GAME)
SHOWN = tuple(n for n in SCHEMA.shown if SCHEMA.component(n) not in (PREDICTED, PARENT))
FLIGHT = FreeFlight(GAME, RULES)
TICK_S = RULES.tick_s
SHIP, ROCK, NEWCOMER = 7, 8, 3
SHIPS, ROCKS = 1, 2
"""Numbers of their kinds."""
EPOCH = 3
CLEAN = LinkConfig(delay_s=0.01)
ROUGH = LinkConfig(delay_s=0.03, jitter_s=0.03, loss=0.05, duplication=0.02, reordering=0.1)


def lease(dx: int, dy: int, shard: int) -> bytes:
    return np.array([(dx, dy, shard)], HOLDER_ROW).tobytes()


class World:
    """One ship under the client's controls, one drifting rock, a server that tells of both."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.endpoint = ServerEndpoint(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=KEY,
            public_addresses=[SERVER],
            slots_max=4,
            channels=PLAYER_CHANNELS,
            entropy=rng.bytes,
            now=0.0,
        )
        self.rng = rng
        self.tick = 100
        self.peer: int | None = None
        self.received: list[object] = []
        self.closed: list[CloseReason] = []
        self.greeting: Callable[[], list[ServerMessage]] = self.welcome
        self.snapshots_on = True
        self.newcomer_there = False
        self.epoch = EPOCH
        self.own_epoch = EPOCH
        self.input_seq = 0
        self.absurd = 0.0
        self.waiting: dict[int, int] = {}
        self.guesses = self.missed = self.held = 0
        self.ship = np.array([[480.0], [510.0], [0.0], [0.0], [0.5], [0.0]])
        self.path: dict[int, tuple[float, ...]] = {}

    def welcome(self) -> list[ServerMessage]:
        return [
            Welcome(SCHEMA.hash, RULES, self.tick, 1, Role.PLAYER, "ada"),
            Assigned(SHIP, self.epoch, self.tick),
            Leases(self.tick, 2, 0, 4, lease(-2, 0, 1)),
        ]

    def say(self, *messages: ServerMessage) -> None:
        assert self.peer is not None
        for message in messages:
            is_lease = isinstance(message, Leases)
            channel = PlayerChannel.LEASES if is_lease else PlayerChannel.COMMAND
            self.endpoint.send(self.peer, channel, encode_message(message))

    def rock_at(self, tick: float) -> tuple[float, float]:
        return 700.0 + 12.0 * tick * TICK_S, 300.0 - 5.0 * tick * TICK_S

    def take(self) -> None:
        while (event := self.endpoint.next_event()) is not None:
            if isinstance(event, PeerOpened):
                self.peer = event.peer
            elif isinstance(event, PeerClosed):
                self.peer = None
                self.closed.append(event.reason)
            elif isinstance(event, Received):
                self.hear(event)

    def hear(self, event: Received) -> None:
        if event.channel == PlayerChannel.CONTROLS:
            pressed = decode_input_untrusted(event.message, SCHEMA.controls)
            self.received.append(pressed)
            if pressed.control_epoch == self.epoch:
                for seq, record in enumerate(pressed.records, pressed.first_seq):
                    if seq > self.input_seq:
                        self.waiting[seq] = record
                        self.guesses = 0
            return
        message = decode_client_untrusted(event.channel, event.message)
        self.received.append(message)
        if isinstance(message, Hello):
            self.say(*self.greeting())

    def step(self) -> None:
        """One tick: one input, or a guess, then a snapshot of everything."""
        self.tick += 1
        record = 0
        if self.waiting:
            due = min(self.input_seq + 1 + self.missed, max(self.waiting))
            self.waiting = {seq: held for seq, held in self.waiting.items() if seq >= due}
            self.input_seq, self.missed = min(self.waiting), 0
            record = self.held = self.waiting.pop(self.input_seq)
        elif self.input_seq and self.guesses < INPUT_GUESSES_MAX:
            self.input_seq, record = self.input_seq + 1, self.held
            self.guesses += 1
        elif self.input_seq:
            self.missed += 1
        moving = as_columns(Motion, dict(zip(Motion.fields, self.ship, strict=True)))
        held = FLIGHT.hold(np.array([record], np.uint64))
        FLIGHT.fly({Motion: moving, **held}, np.array([SHIP], np.uint32), 0)
        self.path[self.tick] = tuple(self.ship[:, 0].tolist())
        if self.peer is not None and self.snapshots_on:
            self.endpoint.send(self.peer, PlayerChannel.SNAPSHOT, self.snapshot(), tag=self.tick)

    def snapshot(self) -> bytes:
        """All cells of the window, each whole."""
        rock = (*self.rock_at(self.tick), 12.0, -5.0, 0.25, 0.0)
        there = [(SHIP, SHIPS, 4.0, b"ada", self.path[self.tick])]
        there.append((ROCK, ROCKS, 9.0, b"", rock))
        if self.newcomer_there:
            there.append((NEWCOMER, ROCKS, 2.0, b"", (400.0, 400.0, 0.0, 0.0, 0.0, 0.0)))
        net_ids, kinds, radii, names, motions = zip(*there, strict=True)
        columns = np.array(motions).T
        motion = dict(zip(("x", "y", "vx", "vy", "heading", "spin"), columns, strict=True))
        cell_x, cell_y = absolute_cell_of(columns[0], columns[1], RULES)
        size, ids = RULES.cell_size, np.array(net_ids, np.uint32)
        values = motion | {
            "radius": np.array(radii),
            "mass": np.ones(len(ids)),
            "group": np.zeros(len(ids)),
            "name": np.array(names),
            "shard": np.ones(len(ids)),
        }
        presence = np.zeros(len(ids), SCHEMA.rows[PRESENCE])
        presence["id"], presence["kind"], presence["mask"] = ids, kinds, mask_of(SHOWN)
        rows = {PRESENCE: presence} | {
            number: encode_rows(
                SCHEMA,
                number,
                values,
                ids,
                RULES,
                origin_x=cell_x * size,
                origin_y=cell_y * size,
                tick=self.tick,
            )
            for number in SHOWN
        }
        around_x, around_y = places_around(int(cell_x[0]), int(cell_y[0]), RULES)
        sections = b""
        for place in range(len(around_x)):
            here = (cell_x == around_x[place]) & (cell_y == around_y[place])
            runs = [(what, int(here.sum())) for what in rows] if here.any() else []
            sections += encode_section(place, REPLACE, 0, runs)
            sections += b"".join(array[here].tobytes() for array in rows.values())
        head = encode_head(self.tick, int(cell_x[0]), int(cell_y[0]), own=True)
        return head + self.private(cell_x[:1], cell_y[:1]) + sections

    def private(self, cell_x: np.ndarray, cell_y: np.ndarray) -> bytes:
        """All that the pilot is told of the ship."""
        motion = reckoning.Motion(*np.array(self.path[self.tick]).reshape(6, 1))
        motion = motion._replace(vx=motion.vx + self.absurd)
        flown = (SHIP, self.own_epoch, SCHEMA.mask_own)
        rows = [
            np.array([flown], SCHEMA.own_rows[PRESENCE]),
            encode_own_motion(SCHEMA, motion, cell_x, cell_y, RULES),
            np.array([(0, self.input_seq % 65536)], INPUTS_ROW),
        ]
        lead = bytes((OWN_REPLACE | FLOWN | MOVES | ANSWERS | OWN_FLIGHT, self.own_epoch % 256))
        return b"".join((lead, *(array.tobytes() for array in rows)))


class Rig:
    """A client and a world over a seeded link."""

    def __init__(
        self,
        config: LinkConfig = CLEAN,
        seed: int = 1,
        *,
        mirror: bool = True,
        predict: bool = True,
        limits: Limits = LIMITS,
    ) -> None:
        self.now = 0.0
        self.limits = limits
        self.rng = np.random.default_rng([seed, 9])
        self.world = World(self.rng)
        self.wire = Wire(config, seed)
        self.client = self.make_client(self.token(), mirror=mirror, predict=predict)
        self.events: list[events.ClientEvent] = []
        self.takes_events = True
        self.stalled_until = 0.0
        self._came: list[tuple[float, bytes]] = []
        self._tick_at = TICK_S

    def token(self) -> bytes:
        return generate_connect_token(
            protocol_id=CLIENT_PROTOCOL_ID,
            private_key=KEY,
            client_id=1,
            server_addresses=[SERVER],
            user_data=bytes(256),
            expire_s=30,
            timeout_s=5,
            wall_now=WALL + self.now,
            entropy=self.rng.bytes,
        )

    def make_client(self, token: bytes, *, mirror: bool = True, predict: bool = True) -> Client:
        return Client(
            token,
            game=GAME,
            entropy=self.rng.bytes,
            now=self.now,
            software="tests",
            mirror=mirror,
            predict=predict,
            limits=self.limits,
        )

    def run(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            due = [self.wire.next_delivery, self.world.endpoint.next_timer()]
            client_at = self.client.next_timer()
            due += [self._tick_at]
            due += [] if client_at is None else [max(client_at, self.stalled_until)]
            self.now = max(self.now, min(at for at in due if at is not None))
            if self.now > until:
                self.now = until
                return
            self._turn()

    def _turn(self) -> None:
        now = self.now
        while (arrival := self.wire.take_due(now)) is not None:
            end, datagram = arrival
            if end == 0:
                self.world.endpoint.receive_datagram(datagram, CLIENT, now, WALL + now)
            else:
                self._came.append((now, datagram))
        self.world.endpoint.handle_timer(now, WALL + now)
        self.world.take()
        if now >= self._tick_at:
            self._tick_at += TICK_S
            self.world.step()
        for datagram, _ in self.world.endpoint.datagrams_to_send(now):
            self.wire.send(0, datagram, now)
        if now >= self.stalled_until:
            self._turn_client()

    def _turn_client(self) -> None:
        came, self._came = self._came, []
        for at, datagram in came:
            self.client.receive_datagram(datagram, SERVER, at)
        for datagram, _ in self.client.turn(self.now):
            self.wire.send(1, datagram, self.now)
        while self.takes_events and (event := self.client.next_event()) is not None:
            self.events.append(event)

    def heard(self, kind: type) -> list[object]:
        return [message for message in self.world.received if isinstance(message, kind)]


def ended(rig: Rig) -> events.Ended:
    last = rig.events[-1]
    assert isinstance(last, events.Ended)
    return last


def test_a_client_joins_and_is_given_a_ship() -> None:
    rig = Rig()
    rig.run(1.0)
    kinds = [type(event) for event in rig.events]
    assert kinds == [events.Joined, events.Assigned, events.LeasesChanged]
    assert rig.client.state is SessionState.JOINED
    assert (rig.client.net_id, rig.client.control_epoch) == (SHIP, EPOCH)
    assert rig.client.rules == RULES
    assert rig.client.leases.tolist() == [(0, 0, 1)]
    assert len(rig.client.view(rig.now)) == 2


def test_others_are_drawn_where_they_were_at_the_views_tick() -> None:
    rig = Rig(ROUGH, seed=4)
    rig.run(3.0)
    for _ in range(40):
        rig.run(0.017)
        view = rig.client.view(rig.now)
        row = view.net_id.tolist().index(ROCK)
        x, y = rig.world.rock_at(view.tick)
        assert math.hypot(view.x[row] - x, view.y[row] - y) < 0.05
        assert view.kind[row] == ROCKS
        assert view.radius[row] == 9.0
        assert view.age_s[row] < 0.5
        assert 1.0 <= view.server_tick - view.tick <= RING - 1


def test_the_own_ship_is_drawn_ahead_of_the_authority() -> None:
    rig = Rig(LinkConfig(delay_s=0.06))
    rig.run(1.0)
    rig.client.hold(THRUST)
    rig.run(2.0)
    view = rig.client.view(rig.now)
    assert view.net_id[view.own] == SHIP
    assert view.name[view.own] == b"ada"
    speed = math.hypot(view.vx[view.own], view.vy[view.own])
    ahead = math.hypot(
        view.x[view.own] - view.authority_x[view.own], view.y[view.own] - view.authority_y[view.own]
    )
    assert 0.05 * speed < ahead < 0.3 * speed
    seq = rig.client.statistics().inputs
    rig.run(0.5)
    truth = np.array([rig.world.path[tick][:2] for tick in sorted(rig.world.path)])
    shown = np.array([view.x[view.own], view.y[view.own]])
    # The ship really goes where it was drawn before the server had even heard of the inputs.
    assert seq > 0
    assert np.hypot(*(truth - shown).T).min() < 0.5 * speed * TICK_S


@pytest.mark.parametrize("later_s", [0.0, 0.011, 0.027, 0.043])
@pytest.mark.parametrize("record", [THRUST, LEFT])
def test_the_own_ship_answers_in_the_next_picture(record: int, later_s: float) -> None:
    rig = Rig(ROUGH)
    rig.run(2.0 + later_s)
    before = rig.client.view(rig.now)
    rig.client.hold(record)
    made = rig.client.statistics().inputs
    after = rig.client.view(rig.now + 1 / 60)
    assert rig.client.statistics().inputs == made  # it is not even in an input
    own = before.own
    if record == THRUST:
        assert after.vx[after.own] > before.vx[own]
    else:
        assert after.heading[after.own] > before.heading[own]


def test_on_a_clean_link_nothing_is_corrected() -> None:
    rig = Rig()
    for record in (THRUST, THRUST | LEFT, 0, BRAKE):
        rig.client.hold(record)
        rig.run(1.0)
    statistics = rig.client.statistics()
    assert statistics.corrections <= 1
    errors = rig.client.take_position_errors()
    assert len(errors) > 60
    assert max(errors[5:]) < 0.01


@pytest.mark.parametrize(("seconds", "most"), [(0.1, 0), (0.2, 0), (0.5, 2), (2.0, 2)])
def test_a_client_that_stood_still_is_corrected_only_for_what_nobody_guessed(
    seconds: float, most: int
) -> None:
    rig = Rig()
    rig.client.hold(THRUST | LEFT)
    rig.run(1.0)
    before = rig.client.statistics().corrections
    rig.stalled_until = rig.now + seconds
    rig.run(seconds + 1.0)
    assert rig.client.statistics().corrections <= before + most


def test_a_tap_before_a_client_stood_still_comes() -> None:
    rig = Rig()
    rig.run(1.0)
    rig.client.hold(FIRE)
    rig.client.hold(0)
    rig.stalled_until = rig.now + 0.2
    rig.run(0.5)
    inputs = [message for message in rig.heard(Input) if isinstance(message, Input)]
    assert any(FIRE in message.records for message in inputs)


def test_a_rough_link_loses_no_input_and_ends_in_agreement() -> None:
    rig = Rig(ROUGH, seed=11)
    for index in range(12):
        rig.client.hold([THRUST, THRUST | RIGHT, 0][index % 3])
        rig.run(0.5)
    statistics = rig.client.statistics()
    assert statistics.inputs - rig.world.input_seq < 10
    latencies = rig.client.take_input_latencies()
    assert statistics.inputs - len(latencies) < 10
    assert 0.05 < float(np.median(latencies)) < 0.25
    rig.client.hold(0)
    rig.world.ship[2:4] = 0.0
    rig.run(1.5)
    view = rig.client.view(rig.now)
    assert view.x[view.own] == pytest.approx(rig.world.ship[0, 0], abs=0.05)
    assert view.y[view.own] == pytest.approx(rig.world.ship[1, 0], abs=0.05)


def test_without_prediction_latency_is_still_measured() -> None:
    rig = Rig(predict=False)
    rig.client.hold(THRUST)
    rig.run(2.0)
    assert len(rig.client.take_input_latencies()) > 20
    assert rig.client.take_position_errors() == []
    view = rig.client.view(rig.now)
    assert view.net_id[view.own] == SHIP


def test_without_a_mirror_the_own_ship_is_flown_all_the_same() -> None:
    rig = Rig(ROUGH, mirror=False)
    rig.client.hold(THRUST)
    rig.run(3.0)
    statistics = rig.client.statistics()
    assert statistics.snapshot_hz == pytest.approx(20.0, abs=2.0)
    assert statistics.malformed == 0
    assert statistics.visible_entities == 0
    assert len(rig.client.take_input_latencies()) > 40
    assert len(rig.client.take_position_errors()) > 40
    assert len(rig.client.view(rig.now)) == 0


def test_inputs_leave_once_per_tick_in_order() -> None:
    rig = Rig()
    rig.run(2.0)
    inputs = [message for message in rig.heard(Input) if isinstance(message, Input)]
    newest = [message.newest_seq for message in inputs]
    assert newest == list(range(1, len(newest) + 1))
    assert 36 <= len(newest) <= 40
    assert {message.control_epoch for message in inputs} == {EPOCH}


def test_another_ship_gets_its_own_control_epoch() -> None:
    rig = Rig()
    rig.run(1.0)
    rig.world.epoch = rig.world.own_epoch = EPOCH + 1
    rig.world.waiting.clear()
    rig.world.say(Assigned(SHIP, EPOCH + 1, rig.world.tick))
    rig.world.received.clear()
    rig.run(0.6)
    inputs = [message for message in rig.heard(Input) if isinstance(message, Input)]
    fresh = [message for message in inputs if message.control_epoch == EPOCH + 1]
    stale = [message for message in inputs if message.control_epoch == EPOCH]
    assert len(fresh) > 8
    assert len(stale) <= 2
    # What was meant for the old ship is not said again to the new one.
    assert len(fresh[0].records) == 1
    assert rig.client.control_epoch == EPOCH + 1
    assert rig.world.input_seq > 20


def test_word_of_the_ship_before_answers_nothing() -> None:
    rig = Rig()
    rig.run(1.0)
    rig.world.say(Assigned(SHIP, EPOCH + 1, rig.world.tick))
    rig.run(0.2)
    rig.client.take_input_latencies()
    rig.client.take_position_errors()
    rig.world.input_seq = 1
    rig.run(0.5)
    assert rig.client.take_input_latencies() == []
    assert rig.client.take_position_errors() == []


def test_a_state_that_came_before_the_word_that_it_is_flown_counts() -> None:
    rig = Rig()
    rig.world.greeting = lambda: rig.world.welcome()[:1]
    rig.run(0.5)
    rig.world.snapshots_on = False
    rig.run(0.1)
    assert rig.client.own_state is None
    rig.world.say(Assigned(SHIP, EPOCH, rig.world.tick))
    rig.run(0.1)
    assert rig.client.own_state is not None
    assert rig.client.own_state.x == pytest.approx(rig.world.ship[0, 0], abs=1e-4)


def test_rows_are_ordered_by_id_whoever_came_first() -> None:
    rig = Rig()
    rig.run(1.0)
    assert rig.client.view(rig.now).net_id.tolist() == [SHIP, ROCK]
    rig.world.newcomer_there = True
    rig.run(0.5)
    view = rig.client.view(rig.now)
    assert view.net_id.tolist() == [NEWCOMER, SHIP, ROCK]
    assert view.radius.tolist() == [2.0, 4.0, 9.0]
    assert view.own == 1


def test_a_view_gives_what_is_sent_of_a_component_row_by_row() -> None:
    rig = Rig()
    assert rig.client.view(rig.now)[Label].name.tolist() == []
    rig.run(1.0)
    view = rig.client.view(rig.now)
    assert view[Label].name.tolist() == [b"ada", b""]
    assert view[Body].radius.tolist() == view.radius.tolist() == [4.0, 9.0]


def test_snapshots_that_overtake_the_welcome_are_not_lost() -> None:
    rig = Rig()
    held_back = rig.world.greeting
    rig.world.greeting = list
    rig.run(0.5)
    assert rig.client.state is SessionState.GREETING
    assert len(rig.client.view(rig.now)) == 0
    rig.world.snapshots_on = False
    rig.run(0.2)
    rig.world.say(*held_back())
    rig.run(0.2)
    assert len(rig.client.view(rig.now)) == 2


def test_snapshots_without_a_welcome_end_the_session_at_the_limit_and_another_may_follow() -> None:
    rig = Rig()
    rig.world.greeting = list
    rig.run((LIMITS.snapshots_waiting + 5) * TICK_S)
    assert ended(rig).reason is CloseReason.CHANNEL_OVERFLOW
    assert CloseReason.CHANNEL_OVERFLOW not in FINAL


def test_snapshots_for_which_no_turn_comes_are_applied_at_the_limit() -> None:
    rig = Rig(limits=dataclasses.replace(LIMITS, snapshots_waiting=8))
    rig.run(1.0)
    before = rig.client.statistics().snapshots
    for _ in range(12):
        rig.now += TICK_S
        rig.world.step()
        for datagram, _ in rig.world.endpoint.datagrams_to_send(rig.now):
            rig.client.receive_datagram(datagram, SERVER, rig.now)
    assert rig.client.statistics().snapshots - before == 9
    rig.client.turn(rig.now)
    assert rig.client.statistics().snapshots - before == 12
    assert rig.client.state is SessionState.JOINED


def test_a_refused_client_learns_why() -> None:
    rig = Rig()
    rig.world.greeting = lambda: [Refused(CloseReason.WORLD_FULL, "no room")]
    rig.run(1.0)
    assert ended(rig) == events.Ended(CloseReason.WORLD_FULL, "no room")
    assert rig.client.state is SessionState.ENDED
    assert rig.client.next_timer() is None


def test_an_unknown_reason_is_unknown() -> None:
    rig = Rig()
    rig.world.greeting = lambda: [Refused(60_000, "because")]
    rig.run(1.0)
    assert ended(rig) == events.Ended(CloseReason.UNKNOWN, "because")


def test_another_schema_is_refused_by_the_client() -> None:
    rig = Rig()
    rig.world.greeting = lambda: [Welcome(bytes(16), RULES, 1, 1, Role.PLAYER, "ada")]
    rig.run(1.0)
    assert ended(rig).reason is CloseReason.SCHEMA_MISMATCH


@pytest.mark.parametrize(
    "greeting",
    [
        [Assigned(SHIP, EPOCH, 1)],
        [Welcome(SCHEMA.hash, Rules(tick_hz=0), 1, 1, Role.PLAYER, "ada")],
        [Welcome(SCHEMA.hash, Rules(cell_size=math.inf), 1, 1, Role.PLAYER, "ada")],
        [Welcome(SCHEMA.hash, RULES, 1, 1, Role.PLAYER, "ada")] * 2,
    ],
)
def test_a_server_that_breaks_the_protocol_ends_the_session(greeting: list[ServerMessage]) -> None:
    rig = Rig()
    rig.world.greeting = lambda: greeting
    rig.run(1.0)
    assert ended(rig).reason is CloseReason.PROTOCOL_VIOLATION


def test_a_silent_server_ends_the_session_and_the_picture_ages_before() -> None:
    rig = Rig()
    rig.run(2.0)
    rig.wire.configure(LinkConfig(loss=1.0))
    rig.run(2.0)
    assert rig.client.state is SessionState.JOINED
    assert rig.client.statistics().data_age_s == pytest.approx(2.0, abs=0.1)
    assert rig.client.view(rig.now).age_s.min() == pytest.approx(2.0, abs=0.1)
    rig.run(6.0)
    assert ended(rig).reason is CloseReason.TIMED_OUT


def test_ticks_the_server_never_answers_count_at_their_age() -> None:
    rig = Rig()
    rig.run(2.0)
    rig.client.take_input_latencies()
    rig.wire.configure(LinkConfig(loss=1.0))
    rig.run(1.0)
    ages = rig.client.unanswered_input_ages(rig.now)
    assert 20 <= len(ages) <= 23
    assert max(ages) == pytest.approx(1.0, abs=0.11)


def test_a_bad_token_ends_at_once() -> None:
    rig = Rig()
    rig.client = rig.make_client(bytes(2048))
    rig.run(0.1)
    assert ended(rig).reason is CloseReason.TOKEN_INVALID


def test_leaving_tells_the_server() -> None:
    rig = Rig()
    rig.run(1.0)
    for datagram, _ in rig.client.leave(rig.now):
        rig.wire.send(1, datagram, rig.now)
    rig.run(0.2)
    assert rig.world.closed == [CloseReason.CLOSED_BY_PEER]
    assert ended(rig).reason is CloseReason.CLOSED_LOCALLY
    rig.client.leave(rig.now)
    assert rig.client.next_event() is None


def test_lines_notices_and_leases_reach_the_face() -> None:
    rig = Rig()
    rig.run(0.5)
    rig.events.clear()
    rig.world.say(Told("bob: hello"), Notice("mind the gap"))
    rig.world.say(Leases(9, 5, 0, 4, b""))
    rig.run(0.5)
    assert rig.events == [
        events.ToldLine("bob: hello"),
        events.NoticeLine("mind the gap"),
        events.LeasesChanged(9),
    ]
    assert len(rig.client.leases) == 0


def test_a_call_and_its_receipt() -> None:
    rig = Rig()
    key = rig.client.call("talk.say", text="too early, so it waits")
    rig.run(0.5)
    assert rig.heard(Call) == [Call(key, "talk.say", b"\x91\xb6too early, so it waits")]
    rig.events.clear()
    rig.world.say(Receipt(bytes(16), Outcome.DONE, ""), Receipt(key, Outcome.REFUSED, "hush"))
    rig.world.say(Receipt(key, Outcome.DONE, ""))
    rig.run(0.5)
    assert rig.events == [events.ReceiptCame(key, "talk.say", Outcome.REFUSED, "hush")]


def test_a_server_that_talks_too_much_is_not_kept_in_memory() -> None:
    rig = Rig()
    rig.run(0.5)
    before = len(rig.events)
    rig.world.say(Notice("x" * 100_000), Told("x" * 100_000), Notice("x" * 1000))
    rig.run(1.0)
    assert [type(event) for event in rig.events[before:]] == [events.NoticeLine]
    assert rig.client.statistics().malformed == 2


def test_a_restless_observer_does_not_flood_the_server() -> None:
    rig = Rig()
    rig.run(0.5)
    for step in range(100):
        rig.client.look_at(float(step), 0.0)
        rig.run(0.01)
    rig.run(0.3)
    looks = [message for message in rig.heard(LookAt) if isinstance(message, LookAt)]
    assert 8 <= len(looks) <= 12
    assert looks[-1].x == 99.0


def test_rates_and_totals_are_counted() -> None:
    rig = Rig()
    rig.run(4.0)
    statistics = rig.client.statistics()
    assert statistics.state is SessionState.JOINED
    assert statistics.snapshot_hz == pytest.approx(20.0, abs=1.0)
    assert statistics.snapshots == pytest.approx(4.0 * 20, abs=5)
    assert statistics.rtt_s == pytest.approx(0.02, abs=0.005)
    assert statistics.visible_entities == 2
    assert statistics.bytes_in_per_s > 1000
    assert statistics.newest_tick == pytest.approx(rig.world.tick, abs=1)
    assert statistics.malformed == 0


@settings(derandomize=True, deadline=None, max_examples=12)
@given(
    messages=st.lists(
        st.tuples(st.sampled_from(PlayerChannel), st.binary(max_size=200)), max_size=20
    ),
    mirror=st.booleans(),
)
def test_no_bytes_of_the_server_hurt_the_client(
    messages: list[tuple[PlayerChannel, bytes]], mirror: bool
) -> None:
    rig = Rig(mirror=mirror)
    rig.run(0.3)
    assert rig.world.peer is not None
    for channel, body in messages:
        rig.world.endpoint.send(rig.world.peer, channel, body)
    rig.run(0.3)
    rig.client.view(rig.now)
    statistics = rig.client.statistics()
    assert statistics.malformed >= len(messages) or rig.client.state is SessionState.ENDED


def test_a_snapshot_of_an_input_never_made_is_dropped() -> None:
    rig = Rig()
    rig.run(0.5)
    rig.world.input_seq = 10**6
    rig.run(0.2)
    assert rig.client.statistics().malformed > 0
    assert rig.client.state is SessionState.JOINED


def test_an_input_that_the_shard_guessed_ahead_is_no_fault() -> None:
    rig = Rig()
    rig.run(0.5)
    rig.world.input_seq = rig.client.statistics().inputs + 8
    rig.run(0.2)
    assert rig.client.statistics().malformed == 0
    assert rig.client.state is SessionState.JOINED
    rig.run(0.5)
    assert rig.client.statistics().malformed == 0
    assert len(rig.client.unanswered_input_ages(rig.now)) <= 8


def test_what_comes_on_another_channel_than_its_own_is_counted_and_not_heard() -> None:
    rig = Rig()
    rig.run(0.5)
    assert rig.world.peer is not None
    refused = encode_message(Refused(CloseReason.FENCED, "not said"))
    rig.world.endpoint.send(rig.world.peer, PlayerChannel.CONTROLS, refused)
    rig.world.endpoint.send(rig.world.peer, PlayerChannel.SNAPSHOT, refused, tag=1)
    rig.run(0.2)
    assert rig.client.state is SessionState.JOINED
    assert rig.client.statistics().malformed == 2


def test_a_key_tapped_between_two_inputs_is_in_the_next_one_and_in_no_other() -> None:
    rig = Rig()
    rig.run(0.5)
    rig.client.hold(LEFT)
    rig.run(0.2)
    made = rig.client.statistics().inputs
    rig.client.hold(LEFT | FIRE)
    rig.client.hold(LEFT)
    rig.client.hold(LEFT | BRAKE)
    rig.client.hold(0)
    assert rig.client.statistics().inputs == made
    rig.run(0.3)
    sent = {
        seq: record
        for message in rig.heard(Input)
        if isinstance(message, Input)
        for seq, record in enumerate(message.records, message.first_seq)
    }
    assert [sent[made + n] for n in (0, 1, 2)] == [LEFT, FIRE | BRAKE, 0]


def test_what_was_pressed_before_there_was_a_ship_is_not_for_it() -> None:
    rig = Rig()
    rig.client.hold(FIRE)
    rig.client.hold(0)
    rig.run(0.5)
    inputs = [message for message in rig.heard(Input) if isinstance(message, Input)]
    assert inputs
    assert not any(any(message.records) for message in inputs)


@pytest.mark.parametrize("mirror", [True, False])
@pytest.mark.parametrize("speed", [-255.0, 255.0])
def test_an_own_ship_that_cannot_be_is_not_flown(speed: float, mirror: bool) -> None:
    rig = Rig(mirror=mirror)
    rig.run(0.5)
    rig.world.absurd = speed
    rig.run(0.1)
    before = rig.client.statistics()
    rig.run(0.5)
    after = rig.client.statistics()
    assert after.malformed > before.malformed
    assert after.snapshots == before.snapshots
    assert math.isfinite(after.position_error_units)


def test_an_observer_s_look_is_due_at_once_and_the_next_one_an_interval_later() -> None:
    rig = Rig()
    rig.world.snapshots_on = False
    rig.world.greeting = lambda: rig.world.welcome()[:1]
    rig.run(1.0)
    due = rig.client.next_timer()
    assert due is not None
    assert due > rig.now
    rig.client.look_at(1.0, 2.0)
    due = rig.client.next_timer()
    assert due is not None
    assert due <= rig.now
    assert rig.client.turn(rig.now)
    rig.client.look_at(3.0, 4.0)
    due = rig.client.next_timer()
    assert due is not None
    assert rig.now < due <= rig.now + LIMITS.look_every_s


def test_events_that_no_face_takes_are_dropped_and_counted() -> None:
    rig = Rig()
    rig.run(0.5)
    rig.takes_events = False
    over = 7
    rig.world.say(*[Notice(f"{n}") for n in range(LIMITS.events + over)])
    rig.run(2.0)
    assert rig.client.statistics().events_dropped == over
    oldest = rig.client.next_event()
    assert oldest == events.NoticeLine(f"{over}")


def test_before_the_first_session_nothing_has_been_counted() -> None:
    counts = dataclasses.asdict(no_statistics(SessionState.WAITING))
    assert counts.pop("state") is SessionState.WAITING
    assert counts.pop("newest_tick") == -1
    assert set(counts.values()) == {0}
