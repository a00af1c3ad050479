"""Whatever datagrams come, honest or not, in whatever order: sessions open and end as they should.

The network carries, loses and remembers every datagram, and attacks are made of those. The machine
keeps its own account of what is open, from the events alone, and compares.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidereal.protocol.ids import Address
from sidereal.protocol.limits import REPLAY_WINDOW_SIZE
from sidereal.protocol.session import packet
from sidereal.protocol.session.client import ClientClosed, ClientOpened, SessionClient
from sidereal.protocol.session.server import SessionClosed, SessionOpened
from sidereal.protocol.session.states import TRANSITIONS, ClientState
from sidereal.protocol.testing.sessions import (
    PROTOCOL_ID,
    SERVER,
    ClientPayload,
    Flight,
    SessionNetwork,
)

SLOTS: Final = 2
TIMEOUT_S: Final = 2
CLIENT_IDS: Final = (1, 2, 3)
HOMES: Final = tuple(Address("198.51.100.1", 50000 + number) for number in range(4))
STRANGER: Final = Address("203.0.113.9", 9)
TOKENS_MAX: Final = 16
"""So many a server with two slots remembers."""
FORGED_KEY: Final = ChaCha20Poly1305(bytes(32))
ASSOCIATED: Final = packet.associated_data(PROTOCOL_ID)


class Cut(enum.Flag):
    """Which ways lose everything."""

    TO_SERVER = enum.auto()
    TO_CLIENTS = enum.auto()


homes = st.sampled_from(HOMES)
cuts = st.sampled_from([Cut(0)] * 4 + [Cut.TO_SERVER, Cut.TO_CLIENTS, ~Cut(0)])
sources = st.sampled_from((*HOMES, STRANGER))
picks = st.integers(0, 1 << 16)
"""Choose from a list, whatever its length."""
kinds = st.sampled_from([*range(packet.REQUEST, packet.DISCONNECT + 1), packet.PAYLOAD])
"""Types of packets: most datagrams are keep-alives, so attacks choose by type first."""


class Stay:
    """One client, from its start to its end or until another takes its address."""

    def __init__(self, client: SessionClient, token: bytes, client_id: int, events: int) -> None:
        self.client = client
        self.token = token
        self.client_id = client_id
        self.first_event = events
        self.state = client.state


def states_after(state: ClientState) -> set[ClientState]:
    """Find the states that the table leads to from one, in any number of steps, and itself."""
    found = {state}
    while more := {to for (at, _), to in TRANSITIONS.items() if at in found} - found:
        found |= more
    return found


class Sessions(RuleBasedStateMachine):
    """A server with two slots, clients that come and go at four addresses, and an attacker."""

    def __init__(self) -> None:
        super().__init__()
        self.network = SessionNetwork(slots_max=SLOTS)
        self.network.tamper = self._carry
        self.cut = Cut(0)
        self.arrived: list[Flight] = []
        self.lost: list[Flight] = []
        self.stays: dict[Address, Stay] = {}
        self.open: dict[int, tuple[int, Address]] = {}
        """Client id and address by slot."""
        self.spent: set[bytes] = set()
        """Responses that may not open a session any more."""
        self.used: list[bytes] = []
        """Tokens that have opened a session of this server."""
        self.tokens_issued = 0
        self.said: dict[bytes, Address] = {}
        self.heard: set[bytes] = set()
        self.events_checked = 0
        self.has_chattered = False

    def _carry(self, flight: Flight) -> Iterable[Flight]:
        way = Cut.TO_SERVER if flight.destination == SERVER else Cut.TO_CLIENTS
        (self.lost if way in self.cut else self.arrived).append(flight)
        return () if way in self.cut else (flight,)

    @contextmanager
    def _during(self, cut: Cut) -> Iterator[None]:
        """Lose what goes these ways meanwhile."""
        self.cut = cut
        yield
        self.network.deliver()
        self.cut = Cut(0)

    # -- honest ends ----------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for home, client_id in zip(HOMES, CLIENT_IDS[:SLOTS], strict=False):
            self.connect(home, client_id, Cut(0))
        self.talk(Cut(0))

    @rule(home=homes, client_id=st.sampled_from(CLIENT_IDS), cut=cuts)
    def connect(self, home: Address, client_id: int, cut: Cut) -> None:
        with self._during(cut):
            self._start(home, client_id)

    @rule(homes=st.permutations(HOMES), client_id=st.sampled_from(CLIENT_IDS))
    def connect_at_once(self, homes: list[Address], client_id: int) -> None:
        with self._during(Cut(0)):
            for home, shift in zip(homes, (0, 0, 1, 2), strict=True):
                self._start(home, CLIENT_IDS[(client_id + shift) % len(CLIENT_IDS)])

    def _start(self, home: Address, client_id: int) -> None:
        token = self.network.issue_token(client_id, timeout_s=TIMEOUT_S)
        self.tokens_issued += 1
        events = len(self.network.client_events.get(home, ()))
        client = self.network.start_client(home, token)
        self.stays[home] = Stay(client, token, client_id, events)

    @rule(cut=cuts)
    def talk(self, cut: Cut) -> None:
        """Everybody says something, and is answered."""
        with self._during(cut):
            for home, stay in self.stays.items():
                stay.client.send_payloads([self._text(home)], self.network.now)
            for slot, (_, home) in self.open.items():
                self.network.server.send_payloads(slot, [self._text(home)], self.network.now)

    def _text(self, home: Address) -> bytes:
        """Make a text that is said by or to a client, once."""
        text = str(len(self.said)).encode()
        self.said[text] = home
        return text

    @rule(home=homes, cut=cuts)
    def leave(self, home: Address, cut: Cut) -> None:
        before = self._connected()
        with self._during(cut):
            if home in self.stays:
                self.stays[home].client.close(self.network.now)
        self.server_events_make_sense()
        assert cut or all(at != home for _, at in before & set(self.open.values()))

    @rule(slot=st.integers(0, SLOTS - 1), cut=cuts)
    def dismiss(self, slot: int, cut: Cut) -> None:
        dismissed = self.open.get(slot)
        with self._during(cut):
            self.network.server.close_session(slot, self.network.now)
        assert cut or dismissed not in self._connected()

    def _connected(self) -> set[tuple[int, Address]]:
        """Client ids and addresses of the clients that think they are connected."""
        return {
            (stay.client_id, home)
            for home, stay in self.stays.items()
            if stay.client.state is ClientState.CONNECTED
        }

    @rule(seconds=st.sampled_from([0.05, 0.25, 1.0, TIMEOUT_S + 0.5]), cut=cuts)
    def wait(self, seconds: float, cut: Cut) -> None:
        with self._during(cut):
            self.network.run(seconds)
        if seconds > TIMEOUT_S and not cut:
            self.server_events_make_sense()
            assert set(self.open.values()) == self._connected()

    @rule()
    def restart_server(self) -> None:
        self.network.start_server(SERVER)
        self.open.clear()
        self.used.clear()
        self.tokens_issued = 0

    # -- attacks --------------------------------------------------------------------------------

    @precondition(lambda self: self.lost)
    @rule(pick=picks)
    def deliver_late(self, pick: int) -> None:
        flight = self.lost.pop(pick % len(self.lost))
        self.arrived.append(flight)
        self.network.arrive(flight)
        self.network.deliver()

    @precondition(lambda self: any(flight.source == SERVER for flight in self.lost))
    @rule(source=sources)
    def deliver_late_from_elsewhere(self, source: Address) -> None:
        for flight in [flight for flight in self.lost if flight.source == SERVER][-5:]:
            self._attack(flight._replace(source=source), is_false=True)

    @rule(kind=kinds, pick=picks, source=st.none() | sources)
    def replay(self, kind: int, pick: int, source: Address | None) -> None:
        for flight in self._choose(kind, pick):
            self._attack(flight if source is None else flight._replace(source=source))

    @precondition(lambda self: not self.has_chattered)
    @rule(home=homes)
    def replay_from_behind_the_window(self, home: Address) -> None:
        if (first := len(self.arrived)) and home in {home for _, home in self._connected()}:
            self.has_chattered = True
            for _ in range(REPLAY_WINDOW_SIZE + 4):
                self.stays[home].client.send_payloads([self._text(home)], self.network.now)
                self.network.deliver()
            for flight in self.arrived[first : first + 3]:
                self._attack(flight)

    @rule(home=homes)
    def leave_and_replay_handshakes(self, home: Address) -> None:
        self.leave(home, Cut(0))
        for flight in list(self.arrived):
            is_handshake = flight.datagram[0] & 15 in (packet.REQUEST, packet.RESPONSE)
            if is_handshake and flight.source == home:
                self._attack(flight)

    @rule(kind=kinds, pick=picks, source=st.none() | sources, bit=picks)
    def flip_bits(self, kind: int, pick: int, source: Address | None, bit: int) -> None:
        for flight in self._choose(kind, pick, is_any=True):
            self._flip(flight if source is None else flight._replace(source=source), bit)

    @rule(bit=picks)
    def flip_bits_on_the_way(self, bit: int) -> None:
        first = len(self.lost)
        self.wait(0.15, ~Cut(0))
        for flight in self.lost[first : first + 6]:
            self._flip(flight, bit)

    def _flip(self, flight: Flight, bit: int) -> None:
        """Flip each bit of the first byte, and one more."""
        for at in (*range(8), bit):
            damaged = bytearray(flight.datagram)
            damaged[at // 8 % len(damaged)] ^= 1 << at % 8
            self._attack(flight._replace(datagram=bytes(damaged)), is_false=True)

    @rule(kind=kinds, pick=picks, size=picks, more=st.binary(max_size=20))
    def cut_short_or_extend(self, kind: int, pick: int, size: int, more: bytes) -> None:
        for flight in self._choose(kind, pick, is_any=True):
            kept = flight.datagram if more else flight.datagram[: size % len(flight.datagram)]
            self._attack(flight._replace(datagram=kept + more), is_false=True)

    @rule(
        home=homes,
        packet_type=st.integers(packet.DENIED, packet.DISCONNECT),
        sequence=st.integers(0, (1 << 64) - 1),
        is_to_server=st.booleans(),
    )
    def forge(self, home: Address, packet_type: int, sequence: int, is_to_server: bool) -> None:
        size = {packet.PAYLOAD: 9, packet.KEEP_ALIVE: 8}.get(packet_type, 0)
        body = bytes(308 if packet_type in (packet.CHALLENGE, packet.RESPONSE) else size)
        datagram = packet.encode_packet(packet_type, sequence, body, FORGED_KEY, ASSOCIATED)
        ends = (home, SERVER) if is_to_server else (SERVER, home)
        self._attack(Flight(datagram, *ends), is_false=True)

    @precondition(lambda self: self.used and self.tokens_issued <= TOKENS_MAX)
    @rule(pick=picks)
    def use_a_token_again_elsewhere(self, pick: int) -> None:
        thief = self.network.start_client(STRANGER, self.used[pick % len(self.used)])
        self.network.run(0.5)
        assert thief.state is not ClientState.CONNECTED
        assert all(address != STRANGER for _, address in self.open.values())
        del self.network.clients[STRANGER]

    def _choose(self, kind: int, pick: int, *, is_any: bool = False) -> list[Flight]:
        """Choose a few datagrams of a type that arrived; or any, those first that did not."""
        flights = (self.lost or self.arrived) if is_any else self.arrived
        flights = [flight for flight in flights if flight.datagram[0] & 15 == kind]
        first = pick % max(1, len(flights))
        return flights[first : first + 5]

    def _attack(self, flight: Flight, *, is_false: bool = False) -> None:
        """Hand over a datagram that nobody sends now: nothing may come of it.

        Args:
            flight: its destination is the server or whoever is at an address now.
            is_false: nobody ever sent it, so it must be dropped and not be answered either.
        """
        is_to_server = flight.destination == SERVER
        if not is_to_server and flight.destination not in self.network.clients:
            return
        end = self.network.server if is_to_server else self.network.clients[flight.destination]
        events: Sequence[object] = self.network.server_events
        if not is_to_server:
            events = self.network.client_events[flight.destination]
        before, dropped = len(events), sum(end.statistics().dropped.values())
        self.network.arrive(flight)
        came = list(events[before:])
        if is_false:
            assert end.datagrams_to_send() == []
            assert sum(end.statistics().dropped.values()) == dropped + 1
        if came and isinstance(came[0], SessionOpened) and flight.datagram not in self.spent:
            # A response that came when there was no room: as good now as it would have been then.
            assert flight.datagram[0] & 15 == packet.RESPONSE
            assert not is_false
            came = came[1:]
        assert not came
        self.network.deliver()

    # -- what must hold -------------------------------------------------------------------------

    @invariant()
    def server_events_make_sense(self) -> None:
        for event in self.network.server_events[self.events_checked :]:
            if isinstance(event, SessionOpened):
                self._note_opened(event)
            elif isinstance(event, SessionClosed):
                del self.open[event.slot]
            else:
                self._note_heard(event.payload, self.open[event.slot][1])
        self.events_checked = len(self.network.server_events)
        numbers = self.network.server.statistics()
        assert numbers.open_count == len(self.open) <= SLOTS
        assert numbers.opened - sum(numbers.closed.values()) == len(self.open)
        assert numbers.datagrams_in >= sum(numbers.dropped.values())

    @invariant()
    def clients_follow_the_table(self) -> None:
        for home, stay in self.stays.items():
            state = stay.client.state
            assert state in states_after(stay.state)
            stay.state = state
            events = self.network.client_events[home][stay.first_event :]
            types = [type(event) for event in events]
            assert types.count(ClientOpened) <= 1
            assert types.count(ClientClosed) == (state <= ClientState.DISCONNECTED)
            assert ClientClosed not in types[:-1]
            assert ClientPayload not in types or types[0] is ClientOpened
            is_connected = ClientOpened in types and ClientClosed not in types
            assert (state is ClientState.CONNECTED) == is_connected
            assert (stay.client.close_reason is not None) == (state <= ClientState.DISCONNECTED)
            texts = [event.payload for event in events if isinstance(event, ClientPayload)]
            assert len(texts) == len(set(texts))
            assert all(self.said[text] == home for text in texts)

    def teardown(self) -> None:
        """Left alone both ends agree; when everybody has gone all slots are as good as new."""
        self.wait(TIMEOUT_S + 0.5, Cut(0))
        self.network.clients.clear()
        self.stays.clear()
        self.network.run(TIMEOUT_S + 0.5)
        self.server_events_make_sense()
        numbers = self.network.server.statistics()
        assert (numbers.open_count, numbers.handshake_count) == (0, 0)
        for home, client_id in zip(HOMES, CLIENT_IDS[:SLOTS], strict=False):
            self.connect(home, client_id, Cut(0))
        self.connect(HOMES[SLOTS], CLIENT_IDS[SLOTS], Cut(0))
        self.server_events_make_sense()
        assert sorted(self.open) == list(range(SLOTS))
        states = [stay.client.state for stay in self.stays.values()]
        assert states == [ClientState.CONNECTED] * SLOTS + [ClientState.CONNECTION_DENIED]

    def _note_opened(self, event: SessionOpened) -> None:
        client_id, address = event.client_id, event.address
        assert event.slot not in self.open
        assert all(client_id != other and address != at for other, at in self.open.values())
        self.open[event.slot] = client_id, address
        responses = {
            flight.datagram
            for flight in self.arrived
            if flight.source == address and flight.datagram[0] & 15 == packet.RESPONSE
        }
        assert responses - self.spent
        self.spent |= responses
        if address in self.stays and self.stays[address].client_id == client_id:
            self.used.append(self.stays[address].token)

    def _note_heard(self, text: bytes, address: Address) -> None:
        assert self.said[text] == address
        assert text not in self.heard
        self.heard.add(text)


TestSessions = Sessions.TestCase
TestSessions.settings = settings(
    derandomize=True, deadline=None, max_examples=150, stateful_step_count=40
)
