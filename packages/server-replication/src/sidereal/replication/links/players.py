"""The clients that are connected, what they may do, and the seats in the world they have."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from sidereal.protocol.ids import NET_ID_NONE
from sidereal.protocol.limits import INPUT_SEQ_MAX
from sidereal.protocol.message.inputs import Input
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.replication.limits import LIMITS
from sidereal.replication.links.allowance import Allowance
from sidereal.replication.links.limits import PlayerLinkLimits

ROW_NONE: Final = -1


class PlayerState(enum.Enum):
    """How far a client has come."""

    CONNECTED = enum.auto()
    JOINED = enum.auto()
    LEAVING = enum.auto()


class InputVerdict(enum.IntEnum):
    """What becomes of a player's input."""

    ROUTED = 0
    REPEATED = 1
    NOT_FLYING = 2
    OLD_EPOCH = 3
    TOO_FAST = 4
    BEYOND_LAST = 5


@dataclass(slots=True)
class Player:
    """One connected client, whatever its role.

    Attributes:
        peer: its session at the client endpoint.
        account: 0 until it has joined; below 0 for anonymous players, what they fly is not kept.
        net_id: of what it flies, `NET_ID_NONE` for nothing.
        control_epoch: that its controls must carry.
        flying_since: when it was given that, monotonic seconds.
        row: its seat in the world, as a row of the fan-out; `ROW_NONE` for none.
        centre: absolute cell its window is around; None before the first window.
        looks_at: where it looks while it flies nothing, world units.
        deadline: when it is dropped if it is still in this state, monotonic seconds.
        network: its address, as far as seats are shared out by it.
        limits: what it may do.
        waits: whether its berth is being read.
        unread: messages of it that wait for the next tick.
        messages: of any kind that it may still send.
    """

    peer: int
    account: int
    role: Role
    name: str
    since: float
    deadline: float
    network: str = ""
    limits: PlayerLinkLimits = LIMITS.players
    state: PlayerState = PlayerState.CONNECTED
    waits: bool = False
    unread: int = 0
    row: int = ROW_NONE
    net_id: int = NET_ID_NONE
    control_epoch: int = 0
    flying_since: float = 0.0
    newest_seq: int = -1
    first_seq: int = 0
    centre: tuple[int, int] | None = None
    looks_at: tuple[float, float] = (0.0, 0.0)
    messages: Allowance = field(init=False)

    def __post_init__(self) -> None:
        """Let it say as much as after a time of silence."""
        limits = self.limits
        burst = limits.messages_burst
        self.messages = Allowance(limits.messages_per_s, burst, burst)

    def fly(self, net_id: int, control_epoch: int, now: float) -> None:
        """Let it fly something; its controls start over."""
        self.net_id, self.control_epoch = net_id, control_epoch
        self.newest_seq, self.flying_since = -1, now

    def judge_input(self, message: Input, rules: Rules, now: float) -> InputVerdict:
        """Check an input for epoch, rate and sequence; one that is accepted counts as the newest.

        The first input of a control epoch sets the client's input clock; from then on it may
        be at most `controls_burst_ticks` ahead of the time since it was given what it flies. That
        time counts, not the one since they came: if they are late, by a stall here or on their way,
        the next ones follow at once.
        """
        if self.net_id == NET_ID_NONE:
            return InputVerdict.NOT_FLYING
        if message.control_epoch != self.control_epoch:
            return InputVerdict.OLD_EPOCH
        newest = message.newest_seq
        if newest > INPUT_SEQ_MAX:
            return InputVerdict.BEYOND_LAST
        if newest <= self.newest_seq:
            return InputVerdict.REPEATED
        if self.newest_seq < 0:
            self.first_seq = newest
        limits = self.limits
        elapsed_ticks = (now - self.flying_since) * rules.tick_hz * limits.controls_rate
        if newest - self.first_seq > elapsed_ticks + limits.controls_burst_ticks:
            return InputVerdict.TOO_FAST
        self.newest_seq = newest
        return InputVerdict.ROUTED


class Players:
    """The connected clients by session, and the seats in the world they have.

    Attributes:
        seats: how many clients there may be in the world.
    """

    def __init__(self, clients_max: int, limits: PlayerLinkLimits = LIMITS.players) -> None:
        self.seats = clients_max
        self._limits = limits
        self._by_peer: dict[int, Player] = {}
        self._free_rows = list(range(clients_max - 1, -1, -1))

    def __len__(self) -> int:
        return len(self._by_peer)

    def __iter__(self) -> Iterator[Player]:
        return iter(list(self._by_peer.values()))

    def get(self, peer: int) -> Player | None:
        """Find a client by its session."""
        return self._by_peer.get(peer)

    def of_account(self, account: int, role: Role) -> Player | None:
        """Find an account's joined client of a role (a walk over all: logins are rare)."""
        for player in self._by_peer.values():
            if (
                player.account == account
                and player.role is role
                and player.state is PlayerState.JOINED
            ):
                return player
        return None

    def add(self, player: Player) -> None:
        """Take in a client; it has no seat in the world yet."""
        self._by_peer[player.peer] = player

    def remove(self, peer: int) -> Player | None:
        """Forget a client."""
        return self._by_peer.pop(peer, None)

    def seat(self, player: Player) -> str | None:
        """Give a client a seat in the world.

        Anonymous players leave seats for accounts, and those of one address for those of others.

        Returns:
            None, or why there is none, in words.
        """
        if not self._free_rows:
            return f"the world is full: all {self.seats} seats are taken"
        if player.account <= 0:
            anonymous = [p for p in self if p.row != ROW_NONE and p.account <= 0]
            if len(anonymous) >= self.seats - self.seats // self._limits.kept_share:
                return "all seats without an account are taken: log in with an account"
            here = sum(other.network == player.network for other in anonymous)
            share = self.seats // self._limits.anonymous_here_share
            if here >= max(self._limits.anonymous_here, share):
                return f"{here} play from this address without an account: log in with an account"
        player.row = self._free_rows.pop()
        return None

    def unseat(self, player: Player) -> None:
        """Take a client's seat, which is free for another one."""
        self._free_rows.append(player.row)
        player.row, player.centre = ROW_NONE, None
