"""Spares: shards that hold nothing until another one is gone.

Theory of operation. A spare is connected, beats, and has its game loaded. When a shard that may
hold leases leaves or is to leave, one spare *takes over from* it: it gets all its leases, of who is
gone in one step, and what is inside as fast as it adopts it. Nobody else's sectors move. Without a
spare the leases go to the others (`leases`).

The two change roles. Whom a spare has taken over from is a spare when it comes back, whatever it
says. A spare that has taken over is none any more; if it leaves when nobody waits, it gets back
what it had when it comes back first, whatever it says. So there are as many spares as before, and
what a shard says of itself counts when it comes for the first time.

The place of a shard that has died while nobody waited is *vacant* until it comes back. Whoever is
to wait takes over from it instead, and it waits. The place of one that has drained is not.

While a spare is connected somebody serves. If nobody else does, one of them is called at once. It
takes over from the shard that left last. If none has left, because the server has only begun, it
takes over from the next one that comes, which waits in its stead.
"""

from __future__ import annotations

from collections.abc import Mapping

from sidereal.replication.links.shardlink import ShardLink
from sidereal.replication.links.shards import Shard
from sidereal.replication.links.states import ShardSignal, ShardState
from sidereal.replication.notes import Notes
from sidereal.replication.ownership.dividing import count_by_sector
from sidereal.replication.ownership.leases import LeaseChange, LeaseTable
from sidereal.replication.world import World

Loads = Mapping[tuple[int, int], float]
"""Weight of each populated sector."""


class Spares:
    """The spares of one world."""

    def __init__(self, world: World, leases: LeaseTable, shards: ShardLink, notes: Notes) -> None:
        self._world = world
        self._leases = leases
        self._shards = shards
        self._notes = notes
        # Ids of shards from which a spare has taken over: they wait when they come back.
        self._replaced: set[int] = set()
        # Ids of shards that have died while nobody waited.
        self._died: set[int] = set()
        # Spares that were called before there was anybody from whom to take over.
        self._called_early = 0

    def admit(self, shard: Shard, loads: Loads) -> list[LeaseChange]:
        """Let a shard that has come hold leases, unless it is to wait."""
        number = shard.shard
        if number in self._leases.shards:
            return self._leases.renew(number)
        # Its session before was to leave: that knows nothing of this one.
        changes = self._leases.leave(number, loads) if number in self._leases.retiring else []
        if not shard.known:
            # Whoever had its number before has been forgotten.
            self._replaced.discard(number)
            self._leases.forget(number)
        self._died.discard(number)
        if number not in self._leases.left:
            if self._called_early and not shard.spare and number not in self._replaced:
                self._called_early -= 1
                self._replaced.add(number)
            if shard.spare or number in self._replaced:
                vacant = next((n for n in self._leases.left if n in self._died), None)
                if vacant is None:
                    shard.apply(ShardSignal.WAITS)
                    return changes
                self._leases.pass_on(vacant, number)
                self._replaced = (self._replaced - {number}) | {vacant}
        return changes + self._leases.join(number, loads)

    def succeed(self, number: int, loads: Loads, tick: int, *, returns: bool) -> list[LeaseChange]:
        """Give away what a shard holds that is gone.

        Args:
            number: its id.
            loads: of all sectors.
            tick: the current one.
            returns: whether it gets its sectors back if no spare takes over from it.
        """
        if number not in self._leases.shards:
            return self._leases.leave(number, loads, returns=returns)
        spare = self._choose()
        if spare is None:
            self._died.add(number)
            return self._leases.leave(number, loads, returns=returns)
        self._call(spare, number, tick)
        return self._leases.replace(number, spare.shard)

    def retire(self, number: int, loads: Loads, tick: int) -> None:
        """Let a shard that is to go get nothing any more; a spare takes over from it, if any."""
        spare = self._choose()
        if spare is None:
            self._leases.retire(number, loads)
            return
        self._call(spare, number, tick)
        self._leases.retire(number, loads, heir=spare.shard)

    def serve(self, tick: int) -> list[LeaseChange]:
        """Let a spare serve if nobody else does; once per tick."""
        spare = None if self._leases.shards else self._choose()
        if spare is None:
            return []
        loads = count_by_sector(self._world.present(tick).sector)
        if self._leases.left:
            number = self._leases.left[-1]
            self._call(spare, number, tick)
            self._leases.forget(number)
        else:
            self._called_early += 1
            self._call(spare, None, tick)
        return self._leases.join(spare.shard, loads)

    def _choose(self) -> Shard | None:
        """Choose a spare of the newest code that has said something lately, if there is one."""
        shards = self._shards.shards
        waiting = [s for s in shards if s.state is ShardState.SPARE]
        newest = shards.newest_code
        return max(waiting, key=lambda s: (s.code == newest, s.newest_tick, -s.shard), default=None)

    def _call(self, spare: Shard, number: int | None, tick: int) -> None:
        spare.apply(ShardSignal.CALLED)
        self._replaced.discard(spare.shard)
        if number is not None:
            self._replaced.add(number)
        after = "-" if number is None else number
        self._notes.add(
            tick, "spare_called", shard=spare.shard, name=spare.name, takes_over_from=after
        )
