"""A world in virtual time for benchmarks: nothing in it depends on how busy the machine is.

The real cores of a replication server, two shards and clients, with a link between every two of
them. There are no sockets, clocks or processes.
"""

from __future__ import annotations

import math
from typing import Final

from sidereal.client.returning import ReturningClient
from sidereal.game.declarations import Declarations
from sidereal.game.schema import schema_of
from sidereal.protocol.links import derive_shard_key
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.protocol.testing.link import Link, LinkConfig
from sidereal.replication.limits import LIMITS
from sidereal.replication.play.worlds import make_world
from sidereal.replication.replicator import Replicator
from sidereal.tools.bots.behaviour import Mind
from sidereal.tools.simulate.authority import SHARDS, Authority
from sidereal.tools.simulate.clients import ClientHost
from sidereal.tools.simulate.exercise.losses import Losses
from sidereal.tools.simulate.ledger import Ledger
from sidereal.tools.simulate.network import Network
from sidereal.tools.simulate.processes import ShardHost
from sidereal.tools.simulate.seeds import random_of
from sidereal.tools.simulate.stage import Stage

SHARD_COUNT: Final = 2
LOOK_S: Final = 0.5
"""An observer says so often where it looks."""


class Guest(ClientHost):
    """A client that flies like a bot, looks somewhere, or is flown by whoever has it.

    Attributes:
        mind: of a bot.
        looks: of an observer: where, and how fast that drifts along x.
    """

    mind: Mind | None = None
    looks: tuple[float, float, float] | None = None
    _decide_at = 0.0

    def _turn(self, client: ReturningClient, now: float, local: float) -> None:
        core = client.client
        if now >= self._decide_at and core is not None:
            hold_s = LOOK_S
            if self.mind is not None:
                record, hold_s = self.mind.decide(core)
                client.hold(record)
            elif self.looks is not None:
                x, y, drift = self.looks
                client.look_at(x + drift * now, y)
            self._decide_at = now + max(hold_s, 0.05)
        super()._turn(client, now, local)

    def _next_due(self) -> float:
        return min(super()._next_due(), math.inf if self.core is None else self._decide_at)


class Wires(Network):
    """A network whose links between the server and shards may be others than those of clients."""

    def __init__(
        self, config: LinkConfig, seed: int, losses: Losses, shards: LinkConfig | None
    ) -> None:
        super().__init__(config, seed, losses)
        self._shards = shards

    def _link(self, source: str, destination: str) -> Link:
        link = super()._link(source, destination)
        if self._shards is not None and not _SHARD_HOSTS.isdisjoint((source, destination)):
            link.config = self._shards  # whatever those of clients are now
        return link


_SHARD_HOSTS: Final = frozenset(f"198.51.100.{1 + number}" for number in range(SHARD_COUNT))


class VirtualWorld:
    """A world, and who is in it.

    Attributes:
        game: that is played.
        rules: of the world.
        network: between all of them.
        authority: the replication server.
        shards: that simulate.
        clients: that were let in.
    """

    def __init__(
        self,
        game: Declarations,
        world: str,
        *,
        link: LinkConfig,
        shard_link: LinkConfig | None = None,
        losses: Losses | None = None,
        clients_max: int,
        seed: int,
        strict: bool = True,
    ) -> None:
        """Make a world, and let its shards come.

        Args:
            game: to play.
            world: name of one that it declares.
            link: between the server and clients, each way.
            shard_link: between the server and shards; None for the same.
            losses: sees all datagrams.
            clients_max: that can come.
            seed: of all that is random.
            strict: whether systems are watched for rows that they may not write, as in tests.
        """
        self.game, self.rules = game, Rules()
        schema = schema_of(game)
        losses = losses or Losses(schema, self.rules)
        self.network = Wires(link, seed, losses, shard_link)
        self._key, self._seed = derive_shard_key("7e" * 16), seed
        self.authority = Authority(
            self.network,
            random_of(seed, "authority"),
            shard_key=self._key,
            game=game,
            rules=self.rules,
            limits=LIMITS,
            ledger=Ledger(),
            clients_max=clients_max,
        )
        self.authority.start(0.0)
        self._stage = Stage(self.network, self.authority)
        self._strict = strict
        self.core.create(make_world(game, schema, world, random_of(seed, "world")))
        self.shards = [self._add_shard(host) for host in sorted(_SHARD_HOSTS)]
        self.clients: list[Guest] = []

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self._stage.now

    @property
    def core(self) -> Replicator:
        assert self.authority.core is not None
        return self.authority.core

    def _add_shard(self, host: str) -> ShardHost:
        number = int(host.rpartition(".")[2]) - 1
        shard = ShardHost(
            f"shard-{number}",
            host,
            self.network,
            random_of(self._seed, f"shard {number}"),
            key=self._key,
            server=SHARDS,
            make_game=lambda: self.game,
            strict=self._strict,
        )
        shard.start(0.0)
        self._stage.add(shard)
        return shard

    def let_in(self, role: Role, at: float) -> Guest:
        """Let somebody come, at a time to come."""
        number = len(self.clients)
        name = f"{role.name.lower()} {number}"
        client = Guest(
            name,
            f"203.0.113.{1 + number}",
            self.network,
            random_of(self._seed, name),
            game=self.game,
            sign_in=lambda now: self.authority.issue_token(1 + number, role, name, now),
        )
        client.come(at)
        self._stage.add(client)
        self.clients.append(client)
        return client

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while (due := self._stage.next()).at <= end:
            self._stage.do(due)
        self._stage.now = end
