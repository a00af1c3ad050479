"""A client that comes back: one session after another, and one picture over all of them.

Theory of operation. A `Client` has one session, with one connect token. When it ends, this core
waits (`comeback` says how long), wants a token from its shell, and goes on with another `Client`.
It does no HTTP: the shell takes the wish (`take_token_wish`), asks, and says what came of it
(`admit`, `turn_away`). Every session has a socket of its own, since the server may still hold the
one before under its address.

What the face has chosen outlives a session: what is held, where an observer looks, calls that have
no receipt. So does the picture: the last session's replica is shown until the next one's window is
whole, for `picture_s` at most; the world in it stands still when there was no news for `coast_s`.
Counts are those of all sessions. Of these only the last, and where an observer looks, outlive the
world: what a server has instead of it is played in the next session (`worlds`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from sidereal.client import events
from sidereal.client.calls import Calls
from sidereal.client.client import Client
from sidereal.client.comeback import FINAL, Comeback
from sidereal.client.events import ClientEvent, EventQueue
from sidereal.client.happenings import Happened
from sidereal.client.leases import LEASE
from sidereal.client.limits import LIMITS, Limits
from sidereal.client.statistics import ClientStatistics, SessionState, no_statistics
from sidereal.client.view import View, empty_view
from sidereal.client.worlds import Worlds
from sidereal.game.bits import layout_of_all
from sidereal.game.declarations import Declarations
from sidereal.game.described import Described
from sidereal.game.record import Record
from sidereal.protocol.channel.turns import Turns
from sidereal.protocol.errors import CloseReason, LocalProtocolError, WireError
from sidereal.protocol.ids import Address
from sidereal.protocol.rules import Rules

R = TypeVar("R", bound=Record)

_TOTALS: Final = (
    "snapshots",
    "bytes_in",
    "bytes_out",
    "malformed",
    "entities_dropped",
    "inputs",
    "inputs_skipped",
    "corrections",
)


class Absence(NamedTuple):
    """Why the client is not in the world, and when it tries to be.

    Attributes:
        reason: in a word or two.
        text: in a line, for people; may be empty.
        failures: attempts that failed in a row.
        again_at: when the next one begins, monotonic seconds; in the past while it is under way.
    """

    reason: str
    text: str
    failures: int
    again_at: float


class ReturningClient(Turns):
    """Packet-driven core of a client that is in the world whenever that is possible.

    Attributes:
        client: of the newest session, None before the first; to be looked at, not driven.
        game: of the newest session; before there was one, of the first.
        sessions: how many there have been.
        absence: None while it is in the world, and before the first attempt has failed.
    """

    def __init__(
        self,
        *,
        game: Declarations | None,
        entropy: Callable[[int], bytes],
        now: float,
        software: str,
        mirror: bool = True,
        predict: bool = True,
        phase: float = 0.0,
        any_world: bool = False,
        limits: Limits = LIMITS,
    ) -> None:
        """Want a token at once; the other arguments are those of `Client`.

        Args:
            game: which it plays; None reads whatever world there is.
            any_world: whether a world of another game is read as the server describes it.
        """
        self.client: Client | None = None
        self.sessions = 0
        self.absence: Absence | None = None
        self._worlds, self._any_world = Worlds(game), any_world or game is None
        self.game = self._worlds.game
        self._entropy, self._software = entropy, software
        self._mirror, self._predict, self._phase = mirror, predict, phase
        self._limits = limits
        self._comeback = Comeback(entropy, now, limits)
        self._events = EventQueue(limits.events)
        self._calls = Calls(self.game.actions, entropy, limits)
        self._now = now
        self._over = self._asking = False
        self._joined_at = math.inf
        self._former: Client | None = None
        # Its picture is shown until the newest session has one.
        self._totals = dict.fromkeys(_TOTALS, 0)
        self._layout = layout_of_all(self.game.controls)
        self._held = 0
        self._look: tuple[float, float] | None = None

    @property
    def state(self) -> SessionState:
        """How far the newest session has come; WAITING between two, ENDED after the last."""
        if self._over:
            return SessionState.ENDED
        if self.client is None or self.client.state is SessionState.ENDED:
            return SessionState.WAITING
        return self.client.state

    # -- tokens -------------------------------------------------------------------------------

    def take_token_wish(self, now: float) -> bool:
        """Tell, once, that a connect token is wanted; `admit` or `turn_away` must follow."""
        if self.state is not SessionState.WAITING or self._asking or now < self._comeback.at:
            return False
        self._asking = True
        return True

    def admit(self, connect_token: bytes, now: float) -> None:
        """Begin a session with a token."""
        self._asking = False
        if self._over:
            return
        self._now = now
        if self.client is not None:
            self._retire(self.client)
        self._take_world()
        self.sessions += 1
        self._joined_at = math.inf
        self.client = Client(
            connect_token,
            game=self.game,
            entropy=self._entropy,
            now=now,
            software=self._software,
            mirror=self._mirror,
            predict=self._predict,
            phase=self._phase,
            calls=self._calls,
            limits=self._limits,
        )
        self.client.hold(self._held)
        if self._look is not None:
            self.client.look_at(*self._look)
        self._take_events(now)

    def turn_away(self, reason: str, text: str, now: float, *, final: bool) -> None:
        """Note that there is no token, or no socket for the session that it was for.

        Args:
            reason: in a word or two.
            text: in a line.
            now: monotonic seconds.
            final: whether it is no use to ask again.
        """
        self._asking = False
        if self.client is not None and self.client.state is not SessionState.ENDED:
            self.client.leave(now)
            while self.client.next_event() is not None:
                pass
        if not self._over:
            self._now = now
            if final:
                self._end(CloseReason.DENIED, text)
            else:
                self._lose(reason, text, now)

    # -- packets and time ---------------------------------------------------------------------

    @property
    def server_address(self) -> Address | None:
        """Server of the newest session."""
        return None if self.client is None else self.client.server_address

    def receive_datagram(self, datagram: bytes, address: Address, now: float) -> None:
        """Take one datagram; bad ones are dropped and counted."""
        if self.client is not None:
            self._now = now
            self.client.receive_datagram(datagram, address, now)
            self._take_events(now)

    def next_timer(self) -> float | None:
        """When `turn` or `take_token_wish` is to be called at the latest; None: nobody knows."""
        due_at = None if self.client is None else self.client.next_timer()
        if due_at is None and self.state is SessionState.WAITING and not self._asking:
            return self._comeback.at
        return due_at

    def advance(self, now: float) -> bool:
        """Do what is due in the newest session; returns whether something was."""
        self._now = now
        due = self.client is not None and self.client.advance(now)
        self._take_events(now)
        return due

    def collect(self, now: float) -> list[tuple[bytes, Address]]:
        """Collect what leaves at `now`."""
        datagrams = [] if self.client is None else self.client.collect(now)
        self._take_events(now)
        return datagrams

    def leave(self, now: float) -> list[tuple[bytes, Address]]:
        """End for good; returns the goodbye to send."""
        datagrams = [] if self.client is None else self.client.leave(now)
        self._take_events(now)
        if not self._over:
            self._end(CloseReason.CLOSED_LOCALLY, "left")
        return datagrams

    # -- the face -----------------------------------------------------------------------------

    @property
    def rules(self) -> Rules | None:
        """The world's rules, None until joined."""
        shown = self._shown()
        return None if shown is None else shown.rules

    @property
    def leases(self) -> np.ndarray:
        """Which shard simulates which sector around the client, `LEASE`[n]; replaced by changes."""
        shown = self._shown()
        return _NO_LEASES if shown is None else shown.leases

    @property
    def session(self) -> int:
        """Number of the session that is shown: from one to another nothing is continuous."""
        return self.sessions - (self._shown() is not self.client)

    def hold(self, record: int) -> None:
        """Hold a record of controls from now on, in whatever session; presses count in this one."""
        self._held = record & self._layout.states
        if self.client is not None:
            self.client.hold(record)

    def look_at(self, x: float, y: float) -> None:
        """Move the centre of an observer's interest, in whatever session."""
        self._look = x, y
        if self.client is not None:
            self.client.look_at(x, y)

    def of_account(self, record: type[R]) -> R | None:
        """What the own account has of a component, one value each; None before it is known."""
        shown = self._shown()
        return None if shown is None else shown.placeless.get(record, shared=False)

    def of_world(self, record: type[R]) -> R | None:
        """What the world has of a component, likewise."""
        shown = self._shown()
        return None if shown is None else shown.placeless.get(record, shared=True)

    def call(self, action: str, **arguments: Any) -> bytes:
        """Ask for an action of the game, now or in the next session; its receipt is an event.

        What has no receipt when a session ends is asked again in the next one, and done once.

        Returns:
            the key of the call, which its receipt has.

        Raises:
            LocalProtocolError: there is no such action, it takes other arguments, or too many wait;
                or all is over.
        """
        if self._over:
            raise LocalProtocolError("nothing can be asked for after the end")
        if self.client is None:
            return self._calls.add(action, arguments).key
        return self.client.call(action, **arguments)

    @property
    def calls_waiting(self) -> int:
        """Calls that have no receipt yet."""
        return len(self._calls)

    def next_event(self) -> ClientEvent | None:
        """Oldest event not yet taken; when a face takes none, the oldest are lost."""
        return self._events.next()

    def view(self, now: float) -> View:
        """What to draw at `now`: nothing when all that is known is stale."""
        self._now = max(self._now, now)
        shown = self._shown()
        if shown is None or now - shown.snapshot_at > self._limits.picture_s:
            return empty_view()
        return shown.view(now)

    def take_happened(self, tick: float) -> list[Happened]:
        """Give up the events of the game that happened up to a tick: that of the view."""
        shown = self._shown()
        replica = None if shown is None else shown.replica
        return [] if replica is None else replica.happenings.due(tick)

    def statistics(self) -> ClientStatistics:
        """How it is going, over all sessions, as of the newest call with a time."""
        shown = self._shown()
        if self.client is None or shown is None:
            return no_statistics(self.state)
        newest = self.client.statistics()
        age_s = max(0.0, self._now - shown.snapshot_at)
        return dataclasses.replace(
            newest,
            state=self.state,
            newest_tick=shown.statistics().newest_tick,
            data_age_s=age_s,
            events_dropped=newest.events_dropped + self._events.dropped,
            **{name: total + getattr(newest, name) for name, total in self._totals.items()},
        )

    # -- from one session to the next -----------------------------------------------------------

    def _shown(self) -> Client | None:
        """The session whose picture is shown: the newest one, as soon as it has one."""
        if self._former is None or self.client is None:
            return self.client
        if self.client.is_whole or self._now - self._joined_at >= self._limits.whole_within_s:
            self._former = None
            return self.client
        return self._former

    def _retire(self, client: Client) -> None:
        """Count what a session that is over has counted, and keep its picture if it has one."""
        statistics = client.statistics()
        for name in _TOTALS:
            self._totals[name] += getattr(statistics, name)
        if statistics.newest_tick >= 0:
            self._former = client

    def _take_events(self, now: float) -> None:
        while self.client is not None and (event := self.client.next_event()) is not None:
            if isinstance(event, events.Ended):
                self._take_end(event, now)
                continue
            if isinstance(event, events.Joined):
                self._comeback.joined(now)
                self._joined_at = now
                self.absence = None
            self._events.add(event)

    def _take_end(self, ended: events.Ended, now: float) -> None:
        if ended.reason is CloseReason.SCHEMA_MISMATCH and self._any_world:
            self._follow(ended, now)
        elif ended.reason in FINAL:
            self._end(ended.reason, ended.text)
        else:
            self._lose(ended.reason.name.lower().replace("_", " "), ended.text, now)

    def _follow(self, refused: events.Ended, now: float) -> None:
        """Read the world that the server has described, or end for good if that can't be done."""
        try:
            self._worlds.follow_untrusted(refused.description)
        except WireError as error:
            self._end(refused.reason, f"the server's world can't be read: {error}")
            return
        if isinstance(self._worlds.game, Described):
            self._events.add(events.WorldDescribed(self._worlds.difference))
        if not self._comeback.hurry(now):
            self._lose("another world", refused.text, now)

    def _take_world(self) -> None:
        """Begin with the next world; what was held, shown and asked for was about the last one."""
        if self.game is not self._worlds.game:
            self.game, self._held, self._former = self._worlds.game, 0, None
            self._layout = layout_of_all(self.game.controls)
            self._calls = Calls(self.game.actions, self._entropy, self._limits)

    def _lose(self, reason: str, text: str, now: float) -> None:
        self._comeback.lost(now)
        self.absence = Absence(reason, text, self._comeback.failures, self._comeback.at)
        self._events.add(events.Lost(reason, text))

    def _end(self, reason: CloseReason, text: str) -> None:
        self._over = True
        self.absence = None
        self._events.add(events.Ended(reason, text))


_NO_LEASES: Final = np.zeros(0, LEASE)
