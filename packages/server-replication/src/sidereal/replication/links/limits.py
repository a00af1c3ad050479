"""The numbers of the two links that only tuning decides: of players, and of shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sidereal.protocol.limits import (
    ASKED_PER_TICK_MAX,
    CLIENT_SLOTS_MAX,
    EVENTS_PER_TICK_MAX,
    MESSAGE_OVERHEAD_SIZE,
    MESSAGE_SIZE_MAX,
    check_limits,
)
from sidereal.protocol.links import SHARD_CHANNELS
from sidereal.protocol.message.codec import LEASE_ROW
from sidereal.protocol.message.player import Role
from sidereal.protocol.message.shard import ShardChannel

ADOPT_ROWS_MAX: Final = 400
"""Entities per `Adopt`: with all inputs of their pilots they fit into a reliable message, however
much their game keeps of each."""

ROWS_PER_MESSAGE_MAX: Final = MESSAGE_SIZE_MAX // LEASE_ROW.itemsize - 2
"""Rows of leases that fit into a reliable message."""

QUEUED_SIZE_MAX: Final = (
    SHARD_CHANNELS[ShardChannel.LEASE].memory_max - MESSAGE_SIZE_MAX - MESSAGE_OVERHEAD_SIZE
)
"""With so many bytes on their way to a shard, its channel has memory for one more message."""


@dataclass(frozen=True, slots=True)
class PlayerLinkLimits:
    """What clients may do, and how many of them at a time.

    Attributes:
        hello_within_s: a session that has not said hello by then is closed.
        goodbye_s: how long a refused session has to read why.
        sessions_spare: sessions that may be open beyond those that have a seat in the world: to be
            told that it is full, or to take the seat of an older session of the same account.
        joins_per_tick: clients taken in by one tick, and of those that waited for their berths let
            in by it; the others by the next: among 18,000 entities each takes 6 ms.
        inbox: messages of one client that wait for a tick, or for its turn to join; one that sends
            more is closed.
        messages_per_s: messages of one client that are listened to, whatever they say; ours send
            about 30.
        messages_burst: those that may come at once, after a stall; one that sends twice as many is
            closed.
        controls_burst_ticks: how far a client's input clock may run ahead of ours.
        controls_rate: how much faster than ours a client's clock may run.
        player_rate: bytes of state per second that a player is sent at most; `observer_rate`: an
            observer or operator.
        heard_per_s: lines of others that a client is sent, however many speak around it.
        heard_burst: those that it may be sent at once after all were silent.
        kept_share: one in so many seats is kept for accounts.
        anonymous_here_share: players of one address without an account get at most one in so many
            seats.
        anonymous_here: so many of them get in from one address, however small the world is.
        reservations: accounts kept for sessions that are on their way; beyond that none is kept.
    """

    hello_within_s: float = 5.0
    goodbye_s: float = 1.0
    sessions_spare: int = 256
    joins_per_tick: int = 4
    inbox: int = 1024
    messages_per_s: float = 200.0
    messages_burst: int = 400
    controls_burst_ticks: int = 20
    controls_rate: float = 1.05
    player_rate: float = 4e6
    observer_rate: float = 1e6
    heard_per_s: float = 4.0
    heard_burst: int = 20
    kept_share: int = 4
    anonymous_here_share: int = 4
    anonymous_here: int = 4
    reservations: int = 65_536

    def __post_init__(self) -> None:
        """Check them."""
        problems = []
        if self.sessions_spare >= CLIENT_SLOTS_MAX:
            problems.append(f"sessions_spare must be below {CLIENT_SLOTS_MAX}")
        if self.inbox < 2 * self.messages_burst:
            problems.append("inbox must be at least twice messages_burst")
        if self.controls_rate < 1.0:
            problems.append("controls_rate must be at least 1")
        check_limits(self, problems)

    def rate(self, role: Role) -> float:
        """Bytes of state per second that somebody is sent at most."""
        return self.player_rate if role is Role.PLAYER else self.observer_rate

    def sessions(self, clients_max: int) -> int:
        """How many sessions there may be for so many seats in the world."""
        return clients_max + min(clients_max, self.sessions_spare)


@dataclass(frozen=True, slots=True)
class ShardLinkLimits:
    """What shards may do, how long they may be silent, and in which pieces they are sent things.

    Attributes:
        silence_s: a shard that proposes nothing for so long has lost its leases (an empty proposal
            is enough), however far away it is.
        silence_ticks: one that is near has lost them after so many ticks, and what its link may
            have held up.
        hello_within_s: a session that has not said hello by then is closed.
        hello_messages: messages of a session that has not said hello; one more closes it.
        goodbye_s: how long a refused session has to read why.
        faults: rejected rows that a shard may have in its recent past before it is fenced.
        faults_kept_per_tick: what remains of the count of faults after a tick: half is forgotten in
            7 s at 20 ticks/s.
        adopt_within_s: a shard that was given entities and adopts none for so long is fenced.
        allowed_share: how many more messages than it needs a shard may send.
        allowed_burst_s: messages of so long may come at once; as many again, and it is fenced.
        owned_kept_per_tick: how fast the allowance of a shard shrinks that owns less: its last rows
            are on their way.
        barred_s: how long a shard stays out that was fenced for what it did.
        barred_names: names of those; the oldest is forgotten first.
        inbox: messages of one session between two ticks, beside proposals and asks; one that sends
            more is closed.
        wholes_per_tick: entities that a shard may propose as a whole in a tick, those that it sends
            again included.
        proposals: messages of one shard kept for one tick; who sends more is fenced, for it has an
            ack of each by then.
        events_per_tick: of a shard that happen; more is dropped and counted.
        events_saved_ticks: what came late may come at once, so many ticks of it.
        events_remembered: by their numbers, so that none happens twice; one that comes so far
            behind the newest does not happen.
        asks_per_tick: actions that the systems of a shard may ask for; more is dropped and counted.
        asks_saved_ticks: what came late may come at once, so many ticks of it: each runs in the
            tick in which it comes.
        steps: durations of ticks kept per shard, for percentiles.
        stall_s: a gap between two of our own ticks from which on silence is not the shards' fault.
        beats: a shard may go by the earliest of so many beats that it was sent last.
        late_s: a shard's newest proposal is called no later than this.
        adopt_rows: entities per `Adopt`.
        rows_per_message: rows per `Grant`, `Revoke` and `Release`.
        queued_size: bytes of reliable messages on their way to a shard with which its outbox waits.
        outbox_size: bytes of an outbox; a shard that would need more is fenced: it takes nothing.
    """

    silence_s: float = 1.0
    silence_ticks: int = 12
    hello_within_s: float = 5.0
    hello_messages: int = 16
    goodbye_s: float = 1.0
    faults: float = 500.0
    faults_kept_per_tick: float = 0.995
    adopt_within_s: float = 5.0
    allowed_share: float = 1.5
    allowed_burst_s: float = 2.0
    owned_kept_per_tick: float = 0.98
    barred_s: float = 10.0
    barred_names: int = 256
    inbox: int = 256
    wholes_per_tick: int = 500
    proposals: int = 16_384
    events_per_tick: int = EVENTS_PER_TICK_MAX
    events_saved_ticks: int = 20
    events_remembered: int = 1 << 16
    asks_per_tick: int = ASKED_PER_TICK_MAX
    asks_saved_ticks: int = 5
    steps: int = 4096
    stall_s: float = 0.25
    beats: int = 20
    late_s: float = 1.0
    adopt_rows: int = 400
    rows_per_message: int = 10_000
    queued_size: int = 2 << 20
    outbox_size: int = 64 << 20

    def __post_init__(self) -> None:
        """Check them."""
        problems = [
            f"{name} must be below 1"
            for name in ("faults_kept_per_tick", "owned_kept_per_tick")
            if getattr(self, name) >= 1.0
        ]
        if self.hello_messages < 2:
            problems.append("hello_messages must be at least 2: who leaves at once says so, too")
        if self.allowed_share < 1.0:
            problems.append("allowed_share must be at least 1")
        if not max(self.stall_s, self.late_s) <= self.silence_s:
            problems.append("stall_s and late_s must be at most silence_s")
        if self.adopt_rows > ADOPT_ROWS_MAX:
            problems.append(f"adopt_rows must be at most {ADOPT_ROWS_MAX}")
        if self.rows_per_message > ROWS_PER_MESSAGE_MAX:
            problems.append(f"rows_per_message must be at most {ROWS_PER_MESSAGE_MAX}")
        if self.queued_size > QUEUED_SIZE_MAX:
            problems.append(f"queued_size must be at most {QUEUED_SIZE_MAX}")
        check_limits(self, problems)
