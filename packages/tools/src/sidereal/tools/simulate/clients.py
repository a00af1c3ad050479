"""What the shell of a client does around its core, and somebody, or something, at its controls."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np

from sidereal.client.client import Client
from sidereal.client.events import ClientEvent, Ended, Lost, ReceiptCame
from sidereal.client.happenings import Happened
from sidereal.client.limits import LIMITS
from sidereal.client.limits import Limits as ClientLimits
from sidereal.client.returning import ReturningClient
from sidereal.client.statistics import ClientStatistics, SessionState
from sidereal.game.declarations import Declarations
from sidereal.protocol.errors import LocalProtocolError
from sidereal.protocol.message.player import Role
from sidereal.tools.simulate.bookings import STOW, Asked, Bookings, choose_action
from sidereal.tools.simulate.game import (
    HOLDS,
    PRESSES_AT,
    PRESSES_MAX,
    TRIMS,
    Button,
    Laws,
    make_game,
)
from sidereal.tools.simulate.ledger import Ledger, Mark
from sidereal.tools.simulate.network import Network
from sidereal.tools.simulate.processes import Arrival, Process
from sidereal.tools.simulate.scene import choose_record, choose_view

AWAY: Final = "no answer"
"""Why a client gets no token while there is no authority."""

HEARD_MAX: Final = 1024
"""Events of a client that are kept."""


class ClientHost(Process):
    """A client that is in the world, and comes back when its session ends, until it leaves.

    Attributes:
        returning: it, over all its sessions; None while it is away.
        asked_at: when it asked for its newest session, virtual seconds.
        heard: the newest events of its sessions.
    """

    def __init__(
        self,
        name: str,
        host: str,
        network: Network,
        rng: np.random.Generator,
        *,
        game: Declarations | None,
        sign_in: Callable[[float], bytes | None],
        limits: ClientLimits = LIMITS,
        mirror: bool = True,
        predict: bool = True,
    ) -> None:
        super().__init__(name, host, network, rng)
        self.returning: ReturningClient | None = None
        self.asked_at = math.inf
        self.heard: deque[ClientEvent] = deque(maxlen=HEARD_MAX)
        self._game = game
        self._sign_in = sign_in
        self._limits = limits
        self._mirror, self._predict = mirror, predict
        self._come_at = math.inf

    @property
    def core(self) -> Client | None:
        """Its newest session, None while it is away or between two."""
        client = None if self.returning is None else self.returning.client
        return None if client is None or client.state is SessionState.ENDED else client

    @property
    def back_at(self) -> float:
        """When it came back into the world last, or began to; infinity between two sessions."""
        return math.inf if self.core is None else self.asked_at

    @property
    def calls_waiting(self) -> int:
        """How many of its calls have no answer yet."""
        return 0 if self.returning is None else self.returning.calls_waiting

    def come(self, at: float) -> None:
        """Come into the world, at a time to come."""
        self._come_at = at
        self._note_due()

    def leave(self, now: float) -> None:
        """Say goodbye and go."""
        if self.returning is not None and self.address is not None:
            self._send(self.returning.leave(self.local(now)), now)
        self.vanish()

    def vanish(self) -> None:
        """Go without a word."""
        self.returning, self.address = None, None
        self._come_at = math.inf
        self._waiting.clear()
        self._note_due()

    def _take_in(self, arrivals: list[Arrival], local: float) -> None:
        if self.returning is not None:
            for datagram, source in arrivals:
                self.returning.receive_datagram(datagram, source, local)

    def _work(self, now: float, local: float) -> None:
        client = self.returning
        if client is None:
            if now >= self._come_at:
                self._begin(now, local)
            return
        while (event := client.next_event()) is not None:
            if isinstance(event, Lost) and event.reason != AWAY:
                self.fallen.append(event.reason)
            elif isinstance(event, Ended):
                self.fallen.append(event.reason.name)
            self._hear(event)
        if client.take_token_wish(local):
            self._ask(client, now, local)
        if self.address is not None:
            self._turn(client, now, local)

    def _hear(self, event: ClientEvent) -> None:
        self.heard.append(event)

    def _turn(self, client: ReturningClient, now: float, local: float) -> None:
        self._send(client.turn(local), now)

    def _begin(self, now: float, local: float) -> None:
        self._come_at = math.inf
        self.returning = ReturningClient(
            game=self._game,
            entropy=self.rng.bytes,
            now=local,
            software="simulated",
            mirror=self._mirror,
            predict=self._predict,
            phase=float(self.rng.random()),
            limits=self._limits,
        )

    def _ask(self, client: ReturningClient, now: float, local: float) -> None:
        token = self._sign_in(now)
        if token is None:
            client.turn_away(AWAY, "the authority is down", local, final=False)
        else:
            client.admit(token, local)
            self.asked_at = now
            self._open_port()

    def _next_due(self) -> float:
        if self.returning is None:
            return self._come_at
        timer = self.returning.next_timer()
        return math.inf if timer is None else self._virtual(timer)


class Seat(NamedTuple):
    """Whose a client is.

    Attributes:
        name: of the client.
        host: its address.
        network: that it is on.
        rng: its generator.
        account: 0 for an anonymous player.
        role: observers read the world as described.
    """

    name: str
    host: str
    network: Network
    rng: np.random.Generator
    account: int
    role: Role


class JudgedClient(ClientHost):
    """A client that checkers look at.

    Attributes:
        account: 0 for an anonymous player.
        looks_at: where an observer looks, world units.
        happened: events that its session has taken, in their order.
    """

    def __init__(
        self,
        seat: Seat,
        *,
        game: Declarations,
        limits: ClientLimits,
        sign_in: Callable[[JudgedClient, float], bytes | None],
    ) -> None:
        super().__init__(
            seat.name,
            seat.host,
            seat.network,
            seat.rng,
            game=game if seat.role is Role.PLAYER else None,
            sign_in=partial(sign_in, self),
            limits=limits,
        )
        self.account = seat.account
        self.role = seat.role
        self.looks_at = (0.0, 0.0)
        self.happened: list[Happened] = []
        self._seen_by: Client | None = None
        self._decide_at = math.inf
        self._resting = False

    def vanish(self) -> None:
        """Go without a word."""
        self._decide_at = math.inf
        super().vanish()

    def rest(self, now: float) -> None:
        """Come to rest, and decide nothing from now on."""
        self._resting = True
        self._decide(now)
        self._note_due()

    def ask_at_last(self) -> None:
        """Ask for what only who is about to leave asks for."""

    def note_happened(self) -> None:
        """Take all that has happened, also what is not to be shown yet."""
        client = None if self.returning is None else self.returning.client
        if client is not self._seen_by:
            self._seen_by, self.happened = client, []
        if client is not None and client.replica is not None:
            self.happened += client.replica.happenings.due(math.inf)

    def _work(self, now: float, local: float) -> None:
        if now >= self._decide_at:
            self._decide(now)
        super()._work(now, local)

    def _begin(self, now: float, local: float) -> None:
        super()._begin(now, local)
        self._decide(now)

    def _decide(self, now: float) -> None:
        """Decide what to hold, or where to look, and when to decide anew."""
        raise NotImplementedError

    def _next_due(self) -> float:
        due = super()._next_due()
        return due if self.returning is None else min(self._decide_at, due)


class ClientProcess(JudgedClient):
    """A client with somebody, or something, at its controls, in the game of the simulator."""

    def __init__(
        self,
        seat: Seat,
        *,
        laws: Laws,
        ledger: Ledger,
        bookings: Bookings,
        limits: ClientLimits,
        sectors_per_side: int,
        sign_in: Callable[[JudgedClient, float], bytes | None],
    ) -> None:
        super().__init__(seat, game=make_game(laws), limits=limits, sign_in=sign_in)
        self._ledger = ledger
        self._bookings = bookings
        self._asks = seat.rng.spawn(1)[0]
        self._held = self._tapped = self._pressed = self._flies_by = self._last_record = 0
        self._sectors_per_side = sectors_per_side

    def ask_at_last(self) -> None:
        """Ask for what is written to the ship, if one is flown."""
        if self.returning is not None and self.role is Role.PLAYER:
            self._call(self.returning, STOW, {"amount": 1})

    def _take_in(self, arrivals: list[Arrival], local: float) -> None:
        super()._take_in(arrivals, local)
        client = None if self.returning is None else self.returning.client
        if client is not None and client.control_epoch != self._flies_by:
            # What was tapped before there was a ship is not for it.
            self._flies_by, self._tapped, self._pressed = client.control_epoch, 0, 0

    def _turn(self, client: ReturningClient, now: float, local: float) -> None:
        before = client.client
        statistics = None if before is None else before.statistics()
        datagrams = client.turn(local)
        self.note_happened()
        mark = None
        if before is not None and statistics is not None and client.client is before:
            mark = self._note_inputs(before, statistics)
        self._send(datagrams, now, mark)

    def _note_inputs(self, client: Client, before: ClientStatistics) -> Mark:
        """Write down the inputs that a client has just made."""
        now = client.statistics()
        made, newest = now.inputs - before.inputs, before.inputs + before.inputs_skipped
        mark = Mark(client.net_id, client.control_epoch, now.inputs + now.inputs_skipped)
        records = [self._first_record(), *[self._held] * (made - 1)] if made else []
        self._ledger.note_held(mark, newest, self._last_record, records)
        if made:
            self._tapped = self._pressed = 0
            self._last_record = records[-1] & (HOLDS | TRIMS)
        return mark

    def _begin(self, now: float, local: float) -> None:
        self._held = self._tapped = self._pressed = self._flies_by = self._last_record = 0
        super()._begin(now, local)

    def _decide(self, now: float) -> None:
        client = self.returning
        if client is None:
            return
        if self.role is Role.PLAYER:
            record, seconds = choose_record(self.rng)
            record = int(Button.BRAKE) if self._resting else record
            self._note_touched(record)
            client.hold(record)
            self._ask_for_something(client)
        else:
            x, y, seconds = choose_view(self._sectors_per_side, self.rng)
            self.looks_at = x, y
            client.look_at(x, y)
        self._decide_at = math.inf if self._resting else now + seconds

    def _note_touched(self, record: int) -> None:
        """Note what is held from now on, and what is to be in the next input besides."""
        self._tapped |= record & HOLDS & ~self._held
        if record & TRIMS and (record ^ self._held) & TRIMS:
            self._tapped = self._tapped & HOLDS | record & TRIMS
        self._pressed += record >> PRESSES_AT & PRESSES_MAX
        self._held = record & (HOLDS | TRIMS)

    def _first_record(self) -> int:
        """Tell what is in the next input."""
        trim = self._held & TRIMS or self._tapped & TRIMS
        pressed = min(self._pressed, PRESSES_MAX) << PRESSES_AT
        return (self._held | self._tapped) & HOLDS | trim | pressed

    def _ask_for_something(self, client: ReturningClient) -> None:
        """Ask for an action, now and then more often than may be."""
        for _ in range(0 if self._resting else int(self._asks.integers(3))):
            self._call(client, *choose_action(self._asks))

    def _call(self, client: ReturningClient, action: str, arguments: dict[str, Any]) -> None:
        with suppress(LocalProtocolError):  # too many wait already
            key = client.call(action, **arguments)
            amount = arguments.get("amount", 0)
            self._bookings.asked[key] = Asked(self.account, action, amount, self.name)

    def _hear(self, event: ClientEvent) -> None:
        super()._hear(event)
        if isinstance(event, ReceiptCame):
            self._bookings.note_heard(event)
