"""A whole world in one process: a replication server, shards and clients, on virtual time.

All cores are the real ones. Between them is a network that is as bad as one asks; there are no
sockets, clocks or processes. What happens follows from the seed, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from sidereal.client.events import ReceiptCame
from sidereal.game import Component, Event, Game, Kind
from sidereal.game.declarations import Declarations, declare
from sidereal.game.record import Record
from sidereal.game.schema import schema_of
from sidereal.game.spawns import Spawns
from sidereal.protocol.links import derive_shard_key
from sidereal.protocol.message.player import Role
from sidereal.protocol.rules import Rules
from sidereal.protocol.testing.link import LinkConfig
from sidereal.replication.actions.effects import SHARED
from sidereal.replication.limits import LIMITS
from sidereal.replication.notes import Note
from sidereal.replication.play.worlds import make_world
from sidereal.replication.replicator import Replicator
from sidereal.testing.checks import check_world
from sidereal.testing.happenings import Refused, check_game_code, refused_calls
from sidereal.testing.pilots import PilotHost
from sidereal.testing.places import Strips, children_of, ids_of, is_settled, let_in, put
from sidereal.testing.player import Player, name_of_action
from sidereal.tools.simulate.authority import SHARDS, Authority
from sidereal.tools.simulate.exercise.losses import Losses
from sidereal.tools.simulate.given.chronicle import Chronicle, published
from sidereal.tools.simulate.given.truth import all_of, placeless
from sidereal.tools.simulate.ledger import Ledger
from sidereal.tools.simulate.network import Network
from sidereal.tools.simulate.processes import ShardHost
from sidereal.tools.simulate.seeds import random_of
from sidereal.tools.simulate.stage import Due, Stage

R = TypeVar("R", bound=Record)
E = TypeVar("E", bound=Event)

PLAYERS_MAX: Final = 64
"""Who may be in a world under test at a time."""

READY_S: Final = 30.0
"""Virtual seconds after which a world that is not ready never will be."""


class World:
    """A world under test.

    Attributes:
        game: that is played.
    """

    def __init__(
        self,
        game: Game,
        *,
        world: str | None = None,
        shards: int | tuple[int, int] = 1,
        seed: int = 0,
        link: Mapping[str, float] | None = None,
        rules: Rules | None = None,
    ) -> None:
        """Make a world, and run it until its shards simulate all that is in it.

        Args:
            game: to play.
            world: name of one that it declares; None for one with nothing in it.
            shards: how many simulate it: the first what is west of x = 0, the next the column of
                sectors from there to x = 1000, and so on, and the last all the rest. Or how many
                columns and how many rows of them: four of (2, 2) meet at the origin.
            seed: of all that is random.
            link: fields of `LinkConfig`, of every link in both directions.
            rules: of the world.

        Raises:
            ConfigError: the game, the world's name or the link can't be.
        """
        self.game: Declarations = declare(game)
        self._schema = schema_of(self.game)
        self._spawns = Spawns(self.game, self._schema)
        self._chronicle = Chronicle(self._schema)
        self._told_to = 0
        self._news: list[Note] = []
        columns, rows = (shards, 1) if isinstance(shards, int) else shards
        self._strips = Strips(columns, rows)
        self._seed = seed
        self._rules = rules or Rules()
        self._key = derive_shard_key("7e" * 16)
        losses = Losses(self._schema, self._rules)
        network = Network(LinkConfig(**(link or {})), seed, losses)
        self._authority = Authority(
            network,
            random_of(seed, "authority"),
            shard_key=self._key,
            game=self.game,
            rules=self._rules,
            limits=LIMITS,
            ledger=Ledger(),
            clients_max=PLAYERS_MAX,
        )
        self._stage = Stage(network, self._authority)
        self._authority.start(0.0)
        self._core.create(make_world(self.game, self._schema, world, random_of(seed, "world")))
        self._shards: list[ShardHost] = []
        self._clients: list[PilotHost] = []
        self._accounts: dict[str, int] = {}
        for _ in range(columns * rows):
            self._start_shard()
        if self._shards:
            self._run_until(self._is_ready, "the shards simulate all that is in the world")

    # -- time ---------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self._stage.now

    @property
    def tick(self) -> int:
        """The world's clock."""
        return self._core.tick

    def run(self, *, seconds: float | None = None, ticks: int | None = None) -> None:
        """Let time pass, then look whether the world is as it must be.

        Args:
            seconds: of virtual time.
            ticks: of the world's clock; one of the two is to be given.

        Raises:
            BrokenWorldError: the engine's checkers found something.
            GameFailedError: code of the game raised; or a model or a system left what is no
                number, or wrote what it may only read.
        """
        if (seconds is None) == (ticks is None):
            raise TypeError("write run(seconds=…) or run(ticks=…)")
        if ticks is not None:
            until = self.tick + ticks
            within_s = READY_S + 2 * ticks * self._rules.tick_s
            self._run_until(lambda: self.tick >= until, f"{ticks} ticks have passed", within_s)
        else:
            end = self.now + float(seconds or 0.0)
            while (due := self._stage.next()).at <= end:
                self._turn(due)
            self._stage.now = end
        check_world(self._core, [s.core for s in self._shards if s.core is not None])

    # -- what there is ------------------------------------------------------------------------

    def __getitem__(self, record: type[R], /) -> R:
        """Columns of a component by entity: the authority's truth, as of the world's clock."""
        return all_of(self._core, record)

    def ids(self, kind: str | Kind | None = None) -> NDArray[np.uint32]:
        """Give the ids of all entities, or of those of a kind: uint32[n], ascending.

        Raises:
            ConfigError: the game has no such kind.
        """
        return ids_of(self._core, None if kind is None else self.game.kind_number(str(kind)))

    def count(self, kind: str | Kind | None = None) -> int:
        """Count the entities, or those of a kind."""
        return len(self.ids(kind))

    def children(self, entity: int) -> NDArray[np.uint32]:
        """Give the ids of the children of an entity, without theirs: uint32[n], ascending."""
        return children_of(self._core, entity)

    def owner(self, entity: int) -> int:
        """Tell which shard simulates an entity: its number from 0, -1 for none."""
        columns = self._core.world.columns
        shard = int(columns["shard"][columns.rows_of(np.array([entity]))[0]])
        known = self._numbers()
        return known.index(shard) if shard and shard in known else -1

    def of_account(self, player: Player, record: type[R]) -> R:
        """Give what the account of a player has of a component: one value for each field."""
        return placeless(self._core, -player.account, record)

    def of_world(self, record: type[R]) -> R:
        """Give what the world has of a component that all share: one value for each field."""
        return placeless(self._core, SHARED, record)

    def spawn(self, kind: Kind, *components: Component) -> int:
        """Put an entity into the world, between two ticks.

        Args:
            kind: what it is.
            components: values that differ from the kind's.

        Returns:
            its id.

        Raises:
            GameError: the values do not fit.
        """
        records = self._spawns.make(kind, components, 1)
        return let_in(self._core, kind, records)

    def place(self, entity: int, *, x: float, y: float) -> None:
        """Put an entity somewhere else, at rest.

        Raises:
            LookupError: there is none of this id.
        """
        put(self._core, entity, x, y)

    def despawn(self, entity: int) -> None:
        """Take an entity out of the world for good."""
        self._core.remove(self._core.world.columns.rows_of(np.array([entity])))

    def call(self, player: Player, action: Callable[..., None], **arguments: Any) -> ReceiptCame:
        """Let a player ask for an action, and run until its receipt has come.

        Raises:
            LookupError: they have left, or the game has no such action.
            LocalProtocolError: it takes other arguments, or too many calls wait.
        """
        key = player.call(action, **arguments)
        name = getattr(action, "__name__", "")
        self._run_until(
            lambda: player.receipt(key) is not None, f"{player.name} has the receipt of {name}"
        )
        check_world(self._core, [s.core for s in self._shards if s.core is not None])
        receipt = player.receipt(key)
        assert receipt is not None
        return receipt

    def refused(self, action: Callable[..., None]) -> list[Refused]:
        """Tell which calls of systems for an action were refused so far, and why.

        Raises:
            LookupError: the game has no such action.
        """
        return refused_calls(self._news, name_of_action(self.game, action))

    def events(self, event: type[E]) -> E:
        """Give all events of a sort that have happened, each with its `subject` and `tick`.

        Raises:
            KeyError: the game has no such event.
        """
        return self._chronicle.of(event)

    # -- who takes part -----------------------------------------------------------------------

    def join(self, name: str, *, bot: str | None = None, mirror: bool = True) -> Player:
        """Let a player in, by the account of that name, and run until they are in the world.

        Args:
            name: of the player.
            bot: behaviour of the game that holds the controls; None leaves them to the test.
            mirror: whether their client keeps a picture of the world: without one there is nothing
                to view, and a bot sees nobody.
        """
        number = len(self._clients) + 1
        account = self._accounts.setdefault(name, len(self._accounts) + 1)

        def sign_in(now: float) -> bytes | None:
            return self._authority.issue_token(account, Role.PLAYER, name, now)

        host = PilotHost(
            name,
            f"203.0.113.{number}",
            self._stage.network,
            random_of(self._seed, f"client {number}"),
            game=self.game,
            bot=bot,
            mirror=mirror,
            sign_in=sign_in,
        )
        self._clients.append(host)
        self._stage.add(host)
        host.come(self.now)
        self._run_until(host.is_in, f"{name} is in the world")
        return Player(name, self, host)

    def add_shard(self) -> int:
        """Let one more shard take part; from now on only the server decides who simulates what.

        Returns:
            its number, from 0.
        """
        self._strips.shares = False
        return self._start_shard()

    def kill(self, shard: int) -> None:
        """End a shard without a word."""
        self._shards[shard].kill()

    def restart(self) -> None:
        """End the server without a word, and start it again with what has been saved."""
        self._authority.kill(self.now)
        self._authority.start(self.now)

    # -- inside -------------------------------------------------------------------------------

    def _start_shard(self) -> int:
        number = len(self._shards)
        rng = random_of(self._seed, f"shard {number}")
        shard = ShardHost(
            f"shard-{number}",
            f"198.51.100.{1 + number}",
            self._stage.network,
            rng,
            key=self._key,
            server=SHARDS,
            make_game=lambda: self.game,
            seed=int(rng.integers(1 << 31)),
        )
        self._shards.append(shard)
        self._stage.add(shard)
        shard.start(self.now)
        return number

    @property
    def _core(self) -> Replicator:
        core = self._authority.core
        assert core is not None
        return core

    def _is_ready(self) -> bool:
        world = self._core.world
        serving = all(host.core is not None and host.core.serving for host in self._shards)
        simulated = sum(
            len(host.core.bodies)
            for host in self._shards
            if host.core is not None and host.core.bodies is not None
        )
        return serving and simulated >= len(world.columns.rows()) and is_settled(self._core)

    def _numbers(self) -> list[int]:
        """The numbers by which the authority knows shards; 0 of one that is not running."""
        return [host.core.shard if host.core is not None else 0 for host in self._shards]

    def _run_until(self, done: Callable[[], bool], what: str, within_s: float = READY_S) -> None:
        end = self.now + within_s
        while not done():
            if (due := self._stage.next()).at > end:
                raise TimeoutError(f"not within {within_s:g} virtual seconds: {what}")
            self._turn(due)

    def _turn(self, due: Due) -> None:
        self._stage.do(due)
        self._look()

    def _look(self) -> None:
        """Take note of what the authority has done."""
        news, self._authority.news = self._authority.news, []
        self._news += news
        self._strips.share(self._core, self._numbers())
        if self.tick > self._told_to:
            self._told_to = self.tick
            self._chronicle.tell(published(self._core, self._rules))
        check_game_code(news)
