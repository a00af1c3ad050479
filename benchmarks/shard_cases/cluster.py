"""An authority, shards and pilots in one process, on virtual time."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from sidereal.client.client import Client
from sidereal.game.declarations import Declarations
from sidereal.game.schema import schema_of
from sidereal.protocol.links import derive_shard_key
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import sector_of
from sidereal.protocol.testing.link import LinkConfig
from sidereal.replication.limits import LIMITS, Limits
from sidereal.replication.replicator import Outgoing, Replicator
from sidereal.shard.shard import ShardCore
from sidereal.tools.bots.behaviour import Behaviour, Mind
from sidereal.tools.simulate.authority import SHARDS, Authority
from sidereal.tools.simulate.exercise.losses import Losses
from sidereal.tools.simulate.ledger import Ledger
from sidereal.tools.simulate.network import Network
from sidereal.tools.simulate.processes import LOAD_EVERY_S, Arrival, Process, ShardHost
from sidereal.tools.simulate.seeds import random_of
from sidereal.tools.simulate.stage import Stage

READY_S: Final = 10.0
"""Virtual seconds after which shards that do not serve never will."""

Layout = Callable[[int, int], int]
"""Gives which shard simulates a sector, from 0."""


class Unread(Losses):
    """Does not look into datagrams: nobody asks what was lost."""

    def see(self, source: object, destination: object, datagram: bytes) -> None:
        """See nothing."""


class Bot(Process):
    """A client that flies as a behaviour says, and presses a button now and then.

    Attributes:
        core: its session; None before it comes.
        press: the button, as a record of controls; 0 for none.
        pressed: how often it has pressed that.
    """

    press = 0
    pressed = 0

    def __init__(
        self,
        number: int,
        cluster: Cluster,
        behaviour: Behaviour,
        *,
        mirror: bool,
    ) -> None:
        name = f"bot {number}"
        host = f"203.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        super().__init__(name, host, cluster.network, random_of(cluster.seed, name))
        self.core: Client | None = None
        self._mirror = mirror
        self._number = number
        self._cluster = cluster
        self._mind = Mind(cluster.game, behaviour, random_of(cluster.seed, f"mind {number}"))
        self._come_at = math.inf
        self._decide_at = math.inf

    def come(self, at: float) -> None:
        """Come into the world, at a time to come."""
        self._come_at = at
        self._note_due()

    def _take_in(self, arrivals: list[Arrival], local: float) -> None:
        if self.core is not None:
            for datagram, source in arrivals:
                self.core.receive_datagram(datagram, source, local)

    def _work(self, now: float, local: float) -> None:
        if self.core is None:
            if now >= self._come_at:
                self._begin(now, local)
            return
        if now >= self._decide_at:
            record, hold_s = self._mind.decide(self.core)
            if self.core.own_state is not None:
                record |= self.press
                self.pressed += bool(self.press)
            self.core.hold(record)
            self._decide_at = now + max(hold_s, self._cluster.rules.tick_s)
        self._send(self.core.turn(local), now)

    def _begin(self, now: float, local: float) -> None:
        token = self._cluster.authority.issue_token(self._number, Role.PLAYER, self.name, now)
        assert token is not None
        self._open_port()
        self._decide_at = now
        self.core = Client(
            token,
            game=self._cluster.game,
            entropy=self.rng.bytes,
            now=local,
            software="benchmark",
            mirror=self._mirror,
            predict=False,
            phase=float(self.rng.random()),
        )

    def _next_due(self) -> float:
        if self.core is None:
            return self._come_at
        timer = self.core.next_timer()
        due = math.inf if timer is None else self._virtual(timer)
        return min(due, self._decide_at)


class Shard(ShardHost):
    """A shard that notes from which tick on it has simulated what it was given.

    Attributes:
        flown: that tick, by id and epoch.
        step_s: processor time of each tick, and of all that comes with it; seconds.
    """

    def __init__(self, *arguments: Any, tells_time: bool, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.flown: dict[tuple[int, int], int] = {}
        self.step_s: list[float] = []
        self._tells_time = tells_time
        self._told_s = 0.0
        self._told = 0
        self._known = np.empty(0, np.int64)

    def _report(self, core: ShardCore, local: float) -> None:
        if not self._tells_time:
            super()._report(core, local)
        elif core.bodies is not None and local >= self._told_s + LOAD_EVERY_S:
            self._told_s = local
            core.report_load(0, 0, [round(1e6 * took) for took in self.step_s[self._told :]])
            self._told = len(self.step_s)

    def _turn(self, core: ShardCore, now: float, local: float) -> None:
        before, began_s = core.tick, time.process_time()
        super()._turn(core, now, local)
        if core.tick != before and core.bodies is not None:
            self.step_s.append(time.process_time() - began_s)
            columns, rows = core.bodies.columns, core.bodies.rows()
            keys = (columns.net_id[rows].astype(np.int64) << 32) | columns.epoch[rows]
            for key in np.setdiff1d(keys, self._known).tolist():  # those that came: a few
                self.flown[key >> 32, key & 0xFFFF_FFFF] = core.tick
            self._known = keys


class Clocked(Authority):
    """An authority of which it is known what its ticks cost.

    Attributes:
        tick_s: processor time of each step and what is sent after it, without sockets; seconds.
            Nor does it pay for the garbage of the shards and pilots in its process.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.tick_s: list[float] = []

    def _turn_core(self, core: Replicator, now: float) -> Outgoing:
        gc.disable()
        began_s = time.process_time()
        outgoing = super()._turn_core(core, now)
        if outgoing.stepped:
            self.tick_s.append(time.process_time() - began_s)
        gc.enable()
        return outgoing


class Cluster:
    """A world, and all who take part in it.

    Attributes:
        game: that is played.
        seed: of all that is random.
        network: between everybody.
        authority: the replication server.
        shards: processes, in the order of the layout.
        bots: those that have been told to come.
        follow: called after every tick of the authority.
    """

    def __init__(
        self,
        game: Declarations,
        layout: Layout | None,
        *,
        shards: int,
        seed: int,
        link: LinkConfig | None = None,
        rules: Rules | None = None,
        limits: Limits = LIMITS,
        bots_max: int = 1,
    ) -> None:
        """Make a world without anything in it, and run it until all shards serve.

        Args:
            game: that is played.
            layout: which shard has which sector; None if shards tell what their ticks take, and
                the authority shares sectors out.
            shards: how many.
            seed: of all that is random.
            link: between everybody; without delay unless told.
            rules: of the world.
            limits: of the authority.
            bots_max: how many there may be.
        """
        self.game, self.seed = game, seed
        self.rules = rules or Rules()
        self.schema = schema_of(game)
        self.follow: list[Callable[[Cluster], None]] = []
        self.network = Network(link or LinkConfig(), seed, Unread(self.schema, self.rules))
        self._layout = layout
        self._shared: tuple[int, tuple[int, ...]] = (0, ())
        key = derive_shard_key("7e" * 16)
        self.authority = Clocked(
            self.network,
            random_of(seed, "authority"),
            shard_key=key,
            game=game,
            rules=self.rules,
            limits=limits,
            ledger=Ledger(),
            clients_max=bots_max,
        )
        self.authority.start(0.0)
        self._stage = Stage(self.network, self.authority)
        self.bots: list[Bot] = []
        self.shards = [self._add_shard(number, key) for number in range(shards)]
        self.run_until(lambda: all(shard.serves for shard in self.shards), READY_S)

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self._stage.now

    @property
    def core(self) -> Replicator:
        """Of the authority."""
        assert self.authority.core is not None
        return self.authority.core

    @property
    def tick(self) -> int:
        """The world's clock."""
        return self.core.tick

    def create(self, records: np.ndarray) -> None:
        """Put entities into the world, `Schema.full_record[n]`, where shards are to have them."""
        records["tick"], records["epoch"] = self.tick, 1
        self.lease(records)
        self.core.create(records)

    def lease(self, records: np.ndarray) -> None:
        """Lease the sectors that entities are in, `Schema.full_record[n]`, as the layout says."""
        if self._layout is None:
            return
        sector_x, sector_y = sector_of(records["x"], records["y"], self.rules)
        sectors = zip(sector_x.tolist(), sector_y.tolist(), strict=True)
        ids = self._ids()
        wanted = {sector: ids[self._layout(*sector) % len(ids)] for sector in sectors}
        self.core.mesh.assign(wanted, self.tick)

    def add_bot(self, behaviour: Behaviour, *, mirror: bool = False) -> Bot:
        """Let a bot take part; it has yet to come."""
        bot = Bot(1 + len(self.bots), self, behaviour, mirror=mirror)
        self.bots.append(bot)
        self._stage.add(bot)
        return bot

    def run_ticks(self, ticks: int) -> None:
        """Let ticks of the world pass."""
        until = self.tick + ticks
        self.run_until(lambda: self.tick >= until, 1.0 + 2 * ticks * self.rules.tick_s)

    def run_until(self, done: Callable[[], bool], within_s: float) -> None:
        """Let time pass until something is so.

        Raises:
            TimeoutError: it was not, within so many virtual seconds.
        """
        end = self.now + within_s
        while not done():
            due = self._stage.next()
            if due.at > end:
                raise TimeoutError(f"not within {within_s:g} virtual seconds")
            if self._stage.do(due):
                self._share()
                for follow in self.follow:
                    follow(self)

    def _share(self) -> None:
        """Give shards the sectors that they should have, however the authority decides it."""
        leases = self.core.mesh.leases
        if self._layout is None or self._shared == (leases.epoch, leases.shards):
            return
        ids, wanted = self._ids(), {}
        for x, y, holder in leases.rows()[["sector_x", "sector_y", "shard"]].tolist():
            shard = ids[self._layout(x, y) % len(ids)]
            if shard != holder and shard in leases.shards:
                wanted[x, y] = shard
        self.core.mesh.assign(wanted, self.tick)
        self._shared = leases.epoch, leases.shards

    def _ids(self) -> list[int]:
        """The ids by which the authority knows the shards."""
        return [0 if shard.core is None else shard.core.shard for shard in self.shards]

    def _add_shard(self, number: int, key: bytes) -> Shard:
        shard = Shard(
            f"shard-{number}",
            f"198.51.100.{1 + number}",
            self.network,
            random_of(self.seed, f"shard {number}"),
            key=key,
            server=SHARDS,
            make_game=lambda: self.game,
            tells_time=self._layout is None,
        )
        shard.start(0.0)
        self._stage.add(shard)
        return shard
