"""Everything the transport promises, checked against what was really sent and what really came.

Theory of operation. The soak tells the checker what it does (a session begins, a message is sent,
an end is about to close), and shows it every event of every endpoint before it looks at it itself.
The checker never asks an endpoint for its opinion. Per session it keeps two ends and, for each
channel and way, a track; a record goes when both ends have closed and all that was expected of them
has come, so what the checker holds follows from the sessions there are, not from how long it runs.

Whoever ends a session says which reasons each end may give for it, and until when. An end that
closes without that, with another reason, twice or too late breaks the guarantee.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from sidereal.protocol.channel.events import (
    Acked,
    ClientEvent,
    Closed,
    Lost,
    Opened,
    PeerClosed,
    PeerOpened,
    Received,
    ServerEvent,
)
from sidereal.protocol.errors import CloseReason, WireError
from sidereal.protocol.ids import Address
from sidereal.tools.soak.body import Label, decode_body_untrusted
from sidereal.tools.soak.config import CHANNELS, TIMEOUT_S, End
from sidereal.tools.soak.tracks import Track

VIOLATIONS_MAX: Final = 100
"""Violations listed one by one; more are only counted."""
SLACK_S: Final = 2.0
"""What deadlines leave for turns, timers and a slow machine."""
SENT_JUDGED_MIN: Final = 100
DELIVERED_SHARE_MIN: Final = 0.1
"""What must come of many messages even of those that may be lost."""
USER_DATA_SIZE: Final = 256
_SESSION_SIZE: Final = 4
_CHANNEL_BITS: Final = 6
_ANY: Final = frozenset(CloseReason)
_NONE: Final[frozenset[CloseReason]] = frozenset()


class Violation(NamedTuple):
    """A guarantee that was broken.

    Attributes:
        at: seconds since the soak began.
        session: in which; 0 if in none.
        text: what happened.
    """

    at: float
    session: int
    text: str


class _EndRecord:
    """One end of a session.

    Attributes:
        tracks: of the messages this end sends, by channel.
        tags: of these, sent and not acked.
        allowed: reasons it may close with.
        due: when it must have closed.
    """

    __slots__ = ("allowed", "due", "is_closed", "is_open", "tags", "tracks")

    def __init__(self) -> None:
        self.tracks = [Track(spec.delivery) for spec in CHANNELS]
        self.tags: set[int] = set()
        self.is_open = False
        self.is_closed = False
        self.allowed = _NONE
        self.due = math.inf


class _SessionRecord:
    """What the checker knows of a session."""

    __slots__ = ("address", "client_id", "ends", "session")

    def __init__(self, session: int, client_id: int, address: Address) -> None:
        self.session = session
        self.client_id = client_id
        self.address = address
        self.ends = (_EndRecord(), _EndRecord())

    @property
    def is_over(self) -> bool:
        return all(end.is_closed for end in self.ends)


def encode_user_data(session: int) -> bytes:
    """Name a session in its connect token."""
    return session.to_bytes(_SESSION_SIZE, "little").ljust(USER_DATA_SIZE, b"\0")


def decode_user_data(user_data: bytes) -> int:
    """Read the name of a session."""
    return int.from_bytes(user_data[:_SESSION_SIZE], "little")


class Checker:
    """Knows what may happen, and notes what should not have.

    Attributes:
        violations: the first `VIOLATIONS_MAX`.
        violation_count: of all.
        sent: messages, by sender and channel.
        delivered: the same of those that came.
        tags_sent: unreliable messages that were tagged.
        tags_acked: of these.
        opened: sessions, by end.
        closed: sessions, by end and reason.
    """

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.violation_count = 0
        self.sent: Counter[tuple[End, int]] = Counter()
        self.delivered: Counter[tuple[End, int]] = Counter()
        self.tags_sent = 0
        self.tags_acked = 0
        self.opened: Counter[End] = Counter()
        self.closed: Counter[tuple[End, CloseReason]] = Counter()
        self._now = 0.0
        self._sessions: dict[int, _SessionRecord] = {}
        self._session_by_peer: dict[int, _SessionRecord] = {}

    # -- what the soak does -------------------------------------------------------------------

    def begin(self, session: int, client_id: int, address: Address, now: float) -> None:
        """Note that a client with a fresh token starts to connect."""
        record = _SessionRecord(session, client_id, address)
        client = record.ends[End.CLIENT]
        client.due = now + 2 * TIMEOUT_S + SLACK_S
        if any(
            (client_id == other.client_id or address == other.address)
            and not other.ends[End.SERVER].is_closed
            for other in self._sessions.values()
        ):
            # The server lets nobody in whose name or address is still taken.
            client.allowed = frozenset({CloseReason.TIMED_OUT})
        self._sessions[session] = record

    def send(self, session: int, sender: End, channel: int) -> Label:
        """Note that a message is sent; returns what is to be in it."""
        self.sent[sender, channel] += 1
        number = self._sessions[session].ends[sender].tracks[channel].send()
        return Label(session, sender, channel, number)

    def tag(self, label: Label) -> int:
        """Note that a message is sent with a tag; returns the tag."""
        tag = label.number << _CHANNEL_BITS | label.channel
        self._sessions[label.session].ends[label.sender].tags.add(tag)
        self.tags_sent += 1
        return tag

    def expect(self, session: int, end: End, reasons: Iterable[CloseReason], by: float) -> None:
        """Note with which reasons an end may close from here on, and until when it must."""
        record = self._sessions[session].ends[end]
        record.allowed = frozenset(reasons)
        record.due = by

    def expect_server_gone(self, now: float) -> None:
        """Note that the server closes all its sessions and lets nobody in any more."""
        for record in self._sessions.values():
            server = record.ends[End.SERVER]
            server.allowed, server.due = frozenset({CloseReason.CLOSED_LOCALLY}), now

    def forget_client(self, session: int) -> None:
        """Note that a client is gone without a word: its end has nothing more to tell."""
        record = self._sessions[session]
        record.ends[End.CLIENT].is_closed = True
        self._drop_if_over(record)

    def owed(self, session: int) -> int:
        """Count the reliable messages that have not come yet."""
        return sum(track.owed for end in self._sessions[session].ends for track in end.tracks)

    def check_drained(self, session: int) -> None:
        """Hold that all reliable messages of a session have come."""
        for sender in End:
            for channel, track in enumerate(self._sessions[session].ends[sender].tracks):
                if track.owed:
                    self._break(
                        session,
                        f"{track.owed} of {track.sent} messages from the {sender.name.lower()} "
                        f"never came on channel {channel}",
                    )

    def check_honest(self, session: int, end: End, nonsense: int) -> None:
        """Hold that an end heard no packet and no ack that makes no sense."""
        if nonsense:
            self._break(session, f"the {end.name.lower()} got {nonsense} packets of nonsense")

    # -- what the endpoints say ---------------------------------------------------------------

    def take_server_event(self, event: ServerEvent, now: float) -> None:
        """Judge an event of the server."""
        self._now = now
        if isinstance(event, PeerOpened):
            self._open_peer(event)
            return
        record = self._session_by_peer.get(event.peer)
        if record is None:
            self._break(0, f"an event of peer {event.peer}, who is not there: {event!r:.200}")
        elif isinstance(event, PeerClosed):
            del self._session_by_peer[event.peer]
            self._close(record, End.SERVER, event.reason)
        else:
            self._take(record, End.SERVER, event)

    def take_client_event(self, session: int, event: ClientEvent, now: float) -> None:
        """Judge an event of a session's client."""
        self._now = now
        record = self._sessions.get(session)
        if record is None or record.ends[End.CLIENT].is_closed:
            self._break(session, f"an event of a client whose session is over: {event!r:.200}")
        elif isinstance(event, Opened):
            if not record.ends[End.SERVER].is_open:
                self._break(session, "the client is connected to nobody")
            self._open(record, End.CLIENT)
        elif isinstance(event, Closed):
            client, server = record.ends
            if not client.is_open and server.due == math.inf:
                # Its last response may have let it in after all, or still do so.
                server.allowed = frozenset({CloseReason.TIMED_OUT})
                server.due = now + TIMEOUT_S + SLACK_S
            self._close(record, End.CLIENT, event.reason)
        else:
            self._take(record, End.CLIENT, event)

    def look(self, now: float) -> None:
        """Hold that what is due by now has happened."""
        self._now = now
        late = [
            (record, end)
            for record in self._sessions.values()
            for end in End
            if record.ends[end].due < now and not record.ends[end].is_closed
        ]
        for record, end in late:
            if end is End.SERVER and not record.ends[end].is_open:
                # It gave up before the server heard of it.
                record.ends[end].is_closed = True
                self._drop_if_over(record)
            else:
                record.ends[end].due = math.inf
                self._break(record.session, f"the {end.name.lower()}'s end is overdue")

    def conclude(self, now: float) -> None:
        """Hold that nothing is left when everybody has gone."""
        self._now = now
        for record in self._sessions.values():
            for end in End:
                if record.ends[end].is_open and not record.ends[end].is_closed:
                    self._break(record.session, f"the {end.name.lower()}'s end never closed")
        for (sender, channel), sent in self.sent.items():
            delivered = self.delivered[sender, channel]
            if sent >= SENT_JUDGED_MIN and delivered < DELIVERED_SHARE_MIN * sent:
                self._break(
                    0,
                    f"channel {channel} from the {sender.name.lower()} is as good as dead: "
                    f"{delivered} of {sent} came",
                )

    # -- rules --------------------------------------------------------------------------------

    def _open_peer(self, event: PeerOpened) -> None:
        session = decode_user_data(event.user_data)
        record = self._sessions.get(session)
        if record is None or event.user_data != encode_user_data(session):
            self._break(session, f"peer {event.peer} has a session nobody began, or an old one")
            return
        if (event.client_id, event.address) != (record.client_id, record.address):
            self._break(session, f"client {event.client_id} at {event.address} in its place")
        self._session_by_peer[event.peer] = record
        self._open(record, End.SERVER)

    def _open(self, record: _SessionRecord, name: End) -> None:
        end = record.ends[name]
        if end.is_open or end.is_closed:
            self._break(record.session, f"the {name.name.lower()}'s end opened again")
        end.is_open = True
        self.opened[name] += 1
        if name is End.CLIENT:
            end.allowed, end.due = _NONE, math.inf

    def _close(self, record: _SessionRecord, name: End, reason: CloseReason) -> None:
        end = record.ends[name]
        self.closed[name, reason] += 1
        if reason not in end.allowed:
            expected = " or ".join(sorted(allowed.name for allowed in end.allowed)) or "none"
            self._break(
                record.session,
                f"the {name.name.lower()}'s end closed with {reason.name}, expected {expected}",
            )
            record.ends[name.other].allowed = _ANY
        end.is_closed = True
        self._drop_if_over(record)

    def _drop_if_over(self, record: _SessionRecord) -> None:
        if record.is_over:
            self._sessions.pop(record.session, None)

    def _take(self, record: _SessionRecord, name: End, event: Received | Acked | Lost) -> None:
        end, other = record.ends[name], record.ends[name.other]
        if not end.is_open:
            self._break(record.session, f"{event!r:.200} before the session opened")
        if isinstance(event, Received):
            self._receive(record, name.other, other, event)
            return
        if isinstance(event, Lost):
            for tag in event.tags:
                if tag not in end.tags:
                    self._break(record.session, f"tag {tag} is lost and was never sent, or acked")
            return
        for tag in event.tags:
            channel, number = tag & ((1 << _CHANNEL_BITS) - 1), tag >> _CHANNEL_BITS
            if tag not in end.tags:
                self._break(record.session, f"tag {tag} was never sent, or was acked before")
                continue
            end.tags.remove(tag)
            self.tags_acked += 1
            if not end.tracks[channel].has_come(number):
                self._break(
                    record.session,
                    f"number {number} on channel {channel} is acked and did not come",
                )

    def _receive(
        self, record: _SessionRecord, sender: End, end: _EndRecord, event: Received
    ) -> None:
        try:
            label = decode_body_untrusted(event.message)
        except WireError as error:
            self._break(record.session, f"channel {event.channel} delivered {error}")
            return
        if label[:3] != (record.session, sender, event.channel):
            self._break(
                record.session,
                f"channel {event.channel} delivered what the {sender.name.lower()} did not send "
                f"there: {label}",
            )
            return
        self.delivered[sender, event.channel] += 1
        wrong = end.tracks[event.channel].receive(label.number)
        if wrong is not None:
            self._break(
                record.session, f"from the {sender.name.lower()}, channel {event.channel}: {wrong}"
            )

    def _break(self, session: int, text: str) -> None:
        self.violation_count += 1
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(Violation(self._now, session, text))
