"""The shards that are connected, and what they have sent since the last tick."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from sidereal.protocol.limits import SHARD_SLOTS_MAX
from sidereal.protocol.message.shard import Load, ShardHello
from sidereal.replication.limits import LIMITS
from sidereal.replication.links.allowance import Allowance
from sidereal.replication.links.limits import ShardLinkLimits
from sidereal.replication.links.numbers import Numbers, Quota
from sidereal.replication.links.states import TRANSITIONS, ShardSignal, ShardState

NUMBERS_MAX: Final = 2 * SHARD_SLOTS_MAX
"""The highest id of a shard."""

AVERAGED_S: Final = 1.0
"""What a tick takes a shard is averaged over so long, seconds."""

Rows = tuple[int, np.ndarray]
"""The number of a component or an event, and rows of it that were proposed."""


@dataclass(slots=True)
class Shard:
    """One connected shard.

    Attributes:
        shard: its id, 1 to `NUMBERS_MAX`.
        peer: its session at the shard endpoint.
        incarnation: of its process.
        session: number of the session among those of its process.
        pid: its process id, for people.
        code: digest of its game's source.
        failed: the model or system that went wrong, if that is why it leaves; else empty.
        failed_why: in its words, for people.
        limits: what is kept of it.
        messages: that it may still send; what it owns bounds them.
        owned: entities that it simulates; after it lost many, what is left of that count.
        outbox: messages that wait until the link has room for them.
        given: records that it was given to adopt, modulo 2^32.
        adopting: of these, those that it has not said to have adopted.
        adopting_since: when it last adopted some, or last had none to adopt, monotonic seconds.
        has_answered: whether an input of a pilot has come back in a record of it.
        spare: whether its hello says that it is one.
        state: how far it has come; see `states`.
        dismissed: whether it was told that it may leave.
        fenced_why: why its session was closed by us, for people.
        known: whether it has had its id under its name before.
        heard_at: when its newest proposal came, monotonic seconds.
        newest_tick: tick of its newest proposal, as far as any clock may be ahead.
        arrived_at: when the first proposal of that tick came; before the first one, its hello.
        proposals: what was proposed since the last tick, oldest first: runs of messages.
        acked: tags of ghost messages that have arrived there since the last tick.
        events: which of its events have come; `quota` is how many more may happen.
        asks: how many actions its systems may still ask for.
        faults: rejected records in its recent past.
        wants_ids: whether it is to be granted ids for what it spawns.
        ids_from: tick from which it may be granted some again.
        lost_at: tick at which it last lost a sector or an entity to others.
        begins: of the newest beats that it was sent, when tick 0 would have begun by them.
        ahead_until: tick up to which records from the future are not its fault: we were late.
        waits_until: tick up to which it waits for us, as we stood still.
        load: what it last said of itself.
        step_us: uint32[n], the durations it reported, newest last.
        step_s: what a tick takes it, averaged over the last second; 0 before it has told.
    """

    shard: int
    peer: int
    name: str
    heard_at: float
    incarnation: bytes = bytes(16)
    session: int = 0
    pid: int = 0
    code: bytes = bytes(16)
    failed: str = ""
    failed_why: str = ""
    limits: ShardLinkLimits = LIMITS.shards
    messages: Allowance = field(default_factory=lambda: Allowance(0.0, 0.0, 0.0))
    owned: float = 0.0
    outbox: deque[bytes] = field(default_factory=deque)
    given: int = 0
    adopting: int = 0
    adopting_since: float = 0.0
    has_answered: bool = False
    spare: bool = False
    state: ShardState = ShardState.JOINING
    dismissed: bool = False
    fenced_why: str = ""
    known: bool = False
    newest_tick: int = -1
    arrived_at: float = 0.0
    proposals: list[list[Rows]] = field(default_factory=list)
    acked: list[int] = field(default_factory=list)
    events: Numbers = field(default_factory=lambda: Numbers(1))
    quota: Quota = field(default_factory=lambda: Quota(0, 0))
    asks: Quota = field(default_factory=lambda: Quota(0, 0))
    faults: float = 0.0
    wants_ids: bool = True
    ids_from: int = 0
    lost_at: int = -1 << 31
    begins: deque[float] = field(default_factory=deque)
    ahead_until: int = -1
    waits_until: int = -1
    load: Load | None = None
    step_us: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint32))
    step_s: float = 0.0

    def apply(self, signal: ShardSignal) -> bool:
        """Let something happen to it.

        Returns:
            whether its state is another one now.
        """
        before = self.state
        self.state = TRANSITIONS.get((before, signal), before)
        return self.state is not before

    def note_beat(self, tick: int, now: float, tick_s: float) -> None:
        """Note that it was told that a tick begins."""
        self.begins.append(now - tick * tick_s)

    def note_late(self, tick: int, now: float, late_s_max: float, tick_s: float) -> None:
        """Note when a tick begins: if we are late, the shard may be as far ahead.

        Ticks that each take too long add up, as much as one does in which we stood still. A shard
        goes by the beats that it has heard, and never counts down.
        """
        late_s = now - tick * tick_s - min(self.begins)
        if late_s > late_s_max:
            self.ahead_until = max(self.ahead_until, tick + math.ceil(late_s / tick_s))
        newest_tick_max = max(tick, self.ahead_until) + round(2 * late_s_max / tick_s)
        self.newest_tick = min(self.newest_tick, newest_tick_max)

    def note_stall(self, tick: int, now: float, stalled_s: float, tick_s: float) -> None:
        """Note that our clock stood still: the shard went on, and waits for us."""
        self.heard_at += stalled_s
        self.adopting_since = max(self.adopting_since, now + stalled_s)
        self.waits_until = tick + math.ceil(stalled_s / tick_s)

    def receive_proposal(self, runs: list[Rows], tick: int, now: float) -> None:
        """Keep a proposal for the next tick, and take it as a sign of life."""
        self.apply(ShardSignal.PROPOSES)
        # After a stall of ours it has time until then, whatever it still sends.
        self.heard_at = max(self.heard_at, now)
        if tick > self.newest_tick:
            self.newest_tick, self.arrived_at = tick, now
        self.proposals.append(runs)

    def take_proposals(self) -> list[Rows]:
        """Give up what has come since the last call."""
        taken, self.proposals = self.proposals, []
        return [run for runs in taken for run in runs]

    def take_acked(self) -> list[int]:
        """Give up the acks that have come since the last call."""
        taken, self.acked = self.acked, []
        return taken

    def serves(self, now: float, within_s: float) -> bool:
        """Tell whether it simulates: it is no spare, proposes, and adopts some if it has to.

        Committed records would prove more, but where nothing changes there are none.

        Args:
            now: monotonic seconds.
            within_s: how long ago that may be.
        """
        if self.state is ShardState.SPARE:
            return False
        adopts = not self.adopting or now - self.adopting_since <= within_s
        return adopts and self.newest_tick >= 0 and now - self.heard_at <= within_s

    def give(self, count: int) -> None:
        """Note that it was given records to adopt."""
        self.given = (self.given + count) & 0xFFFF_FFFF
        self.adopting += count

    def note_adopted(self, records: int, now: float) -> None:
        """Note what it has adopted, modulo 2^32; a count that cannot be is ignored."""
        left = (self.given - records) & 0xFFFF_FFFF
        if left < self.adopting:
            self.adopting, self.adopting_since = left, max(self.adopting_since, now)

    def note_load(self, load: Load, tick_s: float) -> None:
        """Keep what the shard says of itself."""
        self.load = load
        steps = np.frombuffer(load.step_us, "<u4", len(load.step_us) // 4)
        self.step_us = np.concatenate([self.step_us, steps])[-self.limits.steps :]
        if len(steps):
            mean_s = float(steps.mean()) * 1e-6
            share = 1.0 - math.exp(-len(steps) * tick_s / AVERAGED_S) if self.step_s else 1.0
            self.step_s += share * (mean_s - self.step_s)


class Shards:
    """The connected shards, by id and by session."""

    def __init__(self, limits: ShardLinkLimits = LIMITS.shards) -> None:
        self._limits = limits
        self._by_id: dict[int, Shard] = {}
        self._by_peer: dict[int, Shard] = {}
        self._numbers: dict[str, int] = {}
        # What shards run that are connected, in the order in which it came.
        self._codes: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Shard]:
        return iter(list(self._by_id.values()))

    @property
    def newest_code(self) -> bytes:
        """Of the codes that connected shards run, the one that came last."""
        return next(reversed(self._codes), bytes(16))

    @property
    def shadow_impulse(self) -> int:
        """With what shadows have pushed, t unit/s, as those that are there tell it."""
        loads = (shard.load for shard in self)
        return sum(load.shadow_impulse for load in loads if load is not None)

    def get(self, shard: int) -> Shard | None:
        """Find a shard by its id."""
        return self._by_id.get(shard)

    def of_peer(self, peer: int) -> Shard | None:
        """Find a shard by its session."""
        return self._by_peer.get(peer)

    def named(self, name: str) -> Shard | None:
        """Find a shard by its name."""
        found = self._by_id.get(self._numbers.get(name, 0))
        return found if found is not None and found.name == name else None

    def add(self, peer: int, hello: ShardHello, now: float) -> Shard:
        """Take in a shard whose name nobody has who is connected.

        One that comes back under its name gets its former id; `shard-3` gets 3 if that is free.
        """
        known = hello.name in self._numbers
        number = self._numbers.get(hello.name, 0) or self._choose_number(hello.name)
        self._numbers[hello.name] = number
        shard = Shard(
            number,
            peer,
            hello.name,
            known=known,
            heard_at=now,
            arrived_at=now,
            incarnation=hello.incarnation,
            session=hello.session,
            pid=hello.pid,
            code=hello.code,
            spare=hello.spare,
            limits=self._limits,
            begins=deque(maxlen=self._limits.beats),
            events=Numbers(self._limits.events_remembered),
            quota=Quota(self._limits.events_per_tick, self._limits.events_saved_ticks),
            asks=Quota(self._limits.asks_per_tick, self._limits.asks_saved_ticks),
        )
        self._by_id[number] = shard
        self._by_peer[peer] = shard
        self._codes.setdefault(shard.code)
        return shard

    def remove(self, shard: Shard) -> None:
        """Forget a shard that has left, but for its id."""
        del self._by_id[shard.shard]
        del self._by_peer[shard.peer]
        if all(other.code != shard.code for other in self):
            del self._codes[shard.code]

    def _choose_number(self, name: str) -> int:
        if len(self._numbers) >= SHARD_SLOTS_MAX:
            self._numbers = {shard.name: shard.shard for shard in self}
        taken = set(self._numbers.values())
        ending = re.search(r"[0-9]{1,3}$", name, re.ASCII)
        wanted = int(ending[0]) if ending else 0
        if 1 <= wanted <= NUMBERS_MAX and wanted not in taken:
            return wanted
        return min(set(range(1, NUMBERS_MAX + 1)) - taken)
