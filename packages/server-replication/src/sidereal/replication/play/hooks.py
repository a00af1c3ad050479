"""The authority as a game's hooks see it.

Theory of operation. A hook is somebody else's code and may raise. Whatever it asked for then did
not happen: what it spawned is taken out of the world again before anybody was told of it, and what
it wanted to be flown, ended or called later is forgotten. If it returns, all of it happens. Ids
are final at once all the same, because a hook puts them into fields of others.

What a player left waits in its berth for as long as its player is here and flies nothing.
`Authority.berth` brings it into the world while a hook runs; if the player does not fly it then, it
leaves again. A player that flies something else gives it up. What lingers is in the world already.
"""

from __future__ import annotations

import heapq
import math
import traceback
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from sidereal.game import Component, Event, Kind, Pilot
from sidereal.game.component import SHARD
from sidereal.game.declarations import Declarations
from sidereal.game.record import outside
from sidereal.game.schema import column_of, name_of
from sidereal.game.spawns import Spawns, check_place
from sidereal.protocol.errors import GameError
from sidereal.protocol.ids import NET_ID_MAX, NET_ID_NONE
from sidereal.replication.events import Events
from sidereal.replication.links.players import ROW_NONE, Player
from sidereal.replication.ownership.amendments import Amendments
from sidereal.replication.parentage import check_parents
from sidereal.replication.play.berths import Berths
from sidereal.replication.play.calls import Call, Due, Flight, Gift, Later
from sidereal.replication.play.entities import Entities
from sidereal.replication.play.lingering import LINGER_S_MAX, Lingering
from sidereal.replication.play.raised import describe_raised
from sidereal.replication.play.spots import find_room, nearest_free_spot
from sidereal.replication.world import World

ROOM: Final = 4.0
"""Times its radius that a body is kept from all others where any place will do."""


class HookPlayer:
    """A player, as a hook sees it.

    Attributes:
        name: what others see.
        account: of whom; empty if anonymous.
        client: whose it is.
        lingers_ticks: for how long what it flies stays in the world when it leaves.
    """

    def __init__(self, client: Player, world: HookWorld) -> None:
        self.client = client
        self.name = client.name
        self.account = client.name if client.account > 0 else ""
        self.lingers_ticks = 0
        self._world = world

    def fly(self, entity: int) -> None:
        """Take an entity's controls; see `sidereal.game.Player.fly`."""
        self._world.let_fly(self, entity)

    def linger(self, seconds: float) -> None:
        """Let what it flies stay for a while; see `sidereal.game.Player.linger`."""
        self._world.let_linger(self, seconds)


class HookFailure(NamedTuple):
    """What a hook ended with that raised.

    Attributes:
        hook: its name, with its module.
        error: what it raised, and where, in a line.
        trace: the same as Python tells it.
    """

    hook: str
    error: str
    trace: str


class HookWorld:
    """What hooks are handed: `Authority`.

    Attributes:
        tick: of the world's clock.
        rng: seeded, the authority's own.
        hooks: of the game, by `join`, `leave` and `lost`.
    """

    def __init__(
        self,
        game: Declarations,
        world: World,
        entities: Entities,
        berths: Berths,
        lingering: Lingering,
        events: Events,
        amendments: Amendments,
        rng: np.random.Generator,
        later_max: int,
    ) -> None:
        self.tick = 0
        self.rng = rng
        self.hooks = game.hooks
        self._game = game
        self._kinds = {kind.name: number for number, kind in enumerate(game.kinds, 1)}
        self._world = world
        self._entities = entities
        self._berths = berths
        self._lingering = lingering
        self._events = events
        self._amendments = amendments
        self._spawns = Spawns(game, world.schema)
        self._timers = [
            (max(1, math.ceil(timer.seconds * world.rules.tick_hz)), timer.function)
            for timer in game.timers
        ]
        self._timed_to = 0
        self._later_max = later_max
        self._later: list[Later] = []
        self._number = 0
        self._call = Call()

    # -- what a hook may do -------------------------------------------------------------------

    def spawn(self, kind: Kind, *components: Component, at: tuple[float, float]) -> int:
        """Make an entity; see `sidereal.game.Authority.spawn`."""
        records = self._spawns.make_one(kind, components, at, self.tick)
        check_parents(self._world, kind, records)
        row = int(self._entities.create(records, self.tick)[0])
        self._call.spawned.append(row)
        return int(self._world.columns.net_id[row])

    def despawn(self, entity: int) -> None:
        """End an entity for good; see `sidereal.game.Authority.despawn`."""
        _check_id(entity)
        self._call.ended.append(int(entity))

    def emit(self, event: Event, *, at: int) -> None:
        """Tell of something that has happened; see `sidereal.game.Authority.emit`."""
        _check_id(at)
        self._events.check(event)
        row = int(self._world.columns.rows_of([at])[0])
        if row < 0:
            raise GameError(f"emit({type(event).__name__}): there is no entity {at}")
        self._call.emitted.append((event, row))

    def give(self, entity: int, component: Component) -> None:
        """Let an entity have a component; see `sidereal.game.Authority.give`."""
        _check_id(entity)
        record = type(component)
        number = self._number_of("give", record)
        if wrong := outside(component):
            at = record.fields[next(iter(wrong))]
            raise GameError(f"give({record.__name__}): {at} is outside {at.range_text()}")
        values = {column_of(record, f): getattr(component, n) for n, f in record.fields.items()}
        if many := [name for name, value in values.items() if value.ndim]:
            raise GameError(f"give({record.__name__}): one value each: {many[0]} is an array")
        self._call.gifts.append(Gift(int(entity), number, values))

    def take(self, entity: int, component: type[Component]) -> None:
        """Take a component from an entity; see `sidereal.game.Authority.take`."""
        _check_id(entity)
        number = self._number_of("take", component)
        self._call.gifts.append(Gift(int(entity), number, None))

    def count(self, kind: Kind) -> int:
        """Count the entities of a kind; see `sidereal.game.Authority.count`."""
        columns = self._world.columns
        return int((columns["kind"][columns.rows()] == self._kinds.get(kind.name, 0)).sum())

    def berth(self, player: HookPlayer) -> int:
        """Bring back what a player left; see `sidereal.game.Authority.berth`."""
        columns, call, account = self._world.columns, self._call, player.client.account
        if (lingers := self._lingering.row_of(account)) >= 0:
            return int(columns.net_id[lingers])
        left = self._berths.offered(account)
        if left is not None and player not in call.berthed:
            call.berthed[player] = self._berths.enter(account, self.tick, left)
        if player in call.berthed:
            return int(columns.net_id[call.berthed[player]])
        flown = player.client.net_id
        return flown if columns.rows_of([flown])[0] >= 0 else NET_ID_NONE

    def free_spot(
        self, *, radius: float, near: tuple[float, float] | None = None
    ) -> tuple[float, float]:
        """Find a place where a body touches nobody; see `sidereal.game.Authority.free_spot`."""
        if not 0 < radius < math.inf:
            raise GameError(f"free_spot: radius is {radius}; it must be above 0")
        others = self._berths.others(self.tick)
        if near is None:
            near = find_room(others, ROOM * radius, self._world.rules, self.rng)
        check_place(near)
        return nearest_free_spot(*near, radius, others)

    def after(self, seconds: float, call: Any, *arguments: Any) -> None:
        """Call something later; see `sidereal.game.Authority.after`."""
        if not 0 <= seconds < math.inf:
            raise GameError(f"after: seconds is {seconds}; it must be 0 or more")
        if len(self._later) + len(self._call.later) >= self._later_max:
            raise GameError(f"after: {self._later_max} calls wait already")
        ticks = max(1, math.ceil(seconds * self._world.rules.tick_hz))
        self._number += 1
        self._call.later.append(Later(self.tick + ticks, self._number, call, arguments))

    def let_fly(self, player: HookPlayer, entity: int) -> None:
        """Let a player fly an entity, once the hook has returned.

        Raises:
            GameError: it can't.
        """
        _check_id(entity)
        columns, call = self._world.columns, self._call
        row = int(columns.rows_of([entity])[0])
        if player.client.row == ROW_NONE:
            raise GameError(f"fly({entity}): {player.name} has left")
        if player in call.flights or columns.rows_of([player.client.net_id])[0] >= 0:
            raise GameError(f"fly({entity}): {player.name} flies something already")
        own = call.berthed.get(player), self._lingering.row_of(player.client.account)
        if row < 0 or (row not in call.spawned and row not in own):
            raise GameError(
                f"fly({entity}): a player flies what this call has spawned, or its own berth"
            )
        if row in call.flights.values():
            raise GameError(f"fly({entity}): somebody flies it already")
        kind = self._game.kinds[int(columns["kind"][row]) - 1]
        if Pilot not in map(type, kind.components):
            raise GameError(f"fly({entity}): kind {kind} has no Pilot, so nobody can fly it")
        call.flights[player] = row

    def let_linger(self, player: HookPlayer, seconds: float) -> None:
        """Let what a player flies stay in the world for a while when it leaves.

        Raises:
            GameError: not for so long.
        """
        if not 0 <= seconds <= LINGER_S_MAX:
            raise GameError(f"linger({seconds}): it must be from 0 to {LINGER_S_MAX:g} seconds")
        self._call.lingers[player] = math.ceil(seconds * self._world.rules.tick_hz)

    # -- how hooks are called -----------------------------------------------------------------

    def run(
        self, call: Callable[..., Any], *arguments: Any, name: str, tick: int
    ) -> list[Flight] | HookFailure:
        """Call a function of the game with this world, and let happen what it asks for.

        Args:
            call: the function.
            arguments: it is given besides this world.
            name: what it is, for people.
            tick: the current one.

        Returns:
            who flies what from now on; or what it raised.
        """
        self.tick, self._call = tick, Call()
        try:
            call(self, *arguments)
        except Exception as error:  # noqa: BLE001  # the game's code is somebody else's
            self._undo()
            where = f"{name} {getattr(call, '__module__', '')}.{getattr(call, '__name__', call)}"
            trace = "".join(traceback.format_exception(error))
            return HookFailure(where, describe_raised(error), trace)
        return self._settle()

    def take_due(self, tick: int) -> list[Due]:
        """Give up the calls that are due, without those of players that have gone.

        Args:
            tick: the current one; the same again while the world stands still.
        """
        due = []
        if tick > self._timed_to:
            due = [Due("every", call, ()) for ticks, call in self._timers if tick % ticks == 0]
            self._timed_to = tick
        while self._later and self._later[0].tick <= tick:
            later = heapq.heappop(self._later)
            players = (each for each in later.arguments if isinstance(each, HookPlayer))
            if all(player.client.row != ROW_NONE for player in players):
                due.append(Due("after", later.call, later.arguments))
        return due

    def _undo(self) -> None:
        call = self._call
        if call.spawned:
            self._entities.undo(np.array(call.spawned), self.tick)
        for row in call.berthed.values():
            self._return(row)

    def _settle(self) -> list[Flight]:
        call, world = self._call, self._world
        for later in call.later:
            heapq.heappush(self._later, later)
        for player, ticks in call.lingers.items():
            player.lingers_ticks = ticks
        for player, row in call.flights.items():
            account = player.client.account
            if row == self._lingering.row_of(account):
                self._lingering.take_over(account, self.tick)
            world.account[row] = account
            world.dirty[world.families.whole(np.array([row]))] &= account >= 0
            world.columns["control_epoch"][row] = world.columns.epoch[row]
            world.columns["input_seq"][row] = 0
        # Whoever flies its subject from now on is told, too.
        for event, row in call.emitted:
            self._events.emit(event, row, self.tick)
        for player, row in call.flights.items():
            self._give_up_other(player, row)
            self._berths.offer(player.client.account, None)
        self._give_and_take()
        ended = world.columns.rows_of(np.unique(np.array(call.ended, np.int64)))
        ended = ended[ended >= 0]
        for player, row in call.berthed.items():
            if row in ended:
                self._berths.offer(player.client.account, None)
            elif player not in call.flights:
                self._return(row)
        if len(ended):
            self._entities.end(ended, self.tick)
        return [Flight(*flight) for flight in call.flights.items() if flight[1] not in ended]

    def _give_and_take(self) -> None:
        for entity, number, values in self._call.gifts:
            rows = self._world.columns.rows_of([entity])
            if rows[0] >= 0 and values is not None:
                self._amendments.give(rows, number, values, self.tick)
            elif rows[0] >= 0:
                self._amendments.take(rows, number, self.tick)

    def _number_of(self, what: str, component: type[Component]) -> int:
        """Find the number of a component that the authority may give and take."""
        name = component.__name__
        if component not in self._game.components:
            raise GameError(f"{what}({name}): it is not declared: say part.declare({name})")
        number = self._world.schema.numbers[name_of(component)]
        if component.writer is SHARD:
            raise GameError(f"{what}({name}): its writer is the shard: systems give and take it")
        if not self._amendments.mask_given >> number & 1:
            raise GameError(f"{what}({name}): an entity has it or has it not for all its life")
        return number

    def _give_up_other(self, player: HookPlayer, row: int) -> None:
        """End what a player left, when it flies something else: an account has one berth."""
        account, was = player.client.account, self._call.berthed.get(player)
        if (lingers := self._lingering.row_of(account)) >= 0:
            self._entities.end(np.array([lingers]), self.tick)
        left = self._berths.offered(account)
        if left is None or was == row:
            return
        if was is None:
            was = self._berths.enter(account, self.tick, left)
        self._entities.end(np.array([was]), self.tick)

    def _return(self, row: int) -> None:
        """Let what came from a berth leave again."""
        self._berths.leave(row, self.tick)
        self._entities.withdraw(np.array([row]), self.tick)


def _check_id(entity: int) -> None:
    if not 0 <= entity <= NET_ID_MAX:
        raise GameError(f"{entity} is no entity's id")
