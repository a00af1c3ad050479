"""Spares hold nothing while all others are there, and take over from one that is gone, alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from sidereal.replication.links.shards import NUMBERS_MAX
from sidereal.replication.links.states import ShardState
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks.borders import Sector, leases_of
from sidereal.tools.simulate.cluster import Cluster


class Spares:
    """Watches who waits, and who takes over.

    Who waits is worked out from what happens. That is who has come as a spare, and from whom one
    has taken over, until it takes over itself. Who waits holds nothing and owns nothing. When one
    is gone that held sectors, all are held by one that waited. When one is to leave, one that
    waited is called, and gets all that it loses from then on. If nobody waited it gets them back,
    or whoever comes first to wait does, if it has died.

    Where that can't be worked out nothing is judged any more: when several are gone at once, or one
    comes in the same tick; when a liar is gone, or one that held nothing; when several come of whom
    one may take over; or when nobody else is there, so that one that waited serves.
    """

    def __init__(self) -> None:
        self._incarnation = -1
        self._forget()

    def _forget(self) -> None:
        self._judges = True
        self._peers: dict[int, int] = {}
        self._held: dict[int, set[Sector]] = {}
        self._serving: set[int] = set()
        self._waiting: set[int] = set()
        self._replaced: set[int] = set()
        self._returning: set[int] = set()
        self._died: set[int] = set()
        self._liars: set[int] = set()
        self._retiring: set[int] = set()
        # Who takes over from those that are to leave.
        self._heirs: dict[int, int] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare who is there, and who holds what, with the tick before."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._forget()
        if not self._judges:
            return
        shards = list(core.shards.shards)
        peers = {shard.shard: shard.peer for shard in shards}
        came = {number for number, peer in peers.items() if self._peers.get(number) != peer}
        held: defaultdict[int, set[Sector]] = defaultdict(set)
        for sector, holder in leases_of(core).items():
            held[holder].add(sector)
        draining = _draining(cluster)
        waited = {n for n in self._waiting if n in peers and n not in came | draining}
        retired = self._serving & set(core.mesh.leases.retiring)
        dead = self._serving - peers.keys()
        gone = retired | dead
        honest = {process.name for process in cluster.shards if process.honest}
        liars = self._liars
        self._liars = {shard.shard for shard in shards if shard.name not in honest}
        if gone and (came or gone & liars or len(gone) > 1):
            self._judges = False
            return
        yield from self._judge_heirs(cluster, core, held)
        yield from self._judge_retired(cluster, core, retired, waited)
        yield from self._judge_gone(cluster, dead, waited, held)
        self._retiring = set(core.mesh.leases.retiring)
        self._waiting &= peers.keys() - draining
        names = {process.name for process in cluster.shards if process.spare}
        spares = {shard.shard for shard in shards if shard.name in names}
        self._admit(spares, came - self._serving - self._waiting)
        self._peers, self._held = peers, held
        yield from self._judge_waiting(cluster, core, held)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    def _judge_retired(
        self, cluster: Cluster, core: Replicator, retired: set[int], waited: set[int]
    ) -> Iterator[str]:
        """Judge who is called when one is to leave, and note who changes roles."""
        spare = {s.shard for s in core.shards.shards if s.state is ShardState.SPARE}
        for number in retired:
            self._serving.discard(number)
            called = (self._waiting & set(core.mesh.leases.shards)) - spare
            if len(called) == 1:
                cluster.exercised["spares that took over judged"] += 1
                self._serving |= called
                self._waiting -= called
                self._replaced = (self._replaced - called) | {number}
                self._heirs[number] = next(iter(called))
            elif not self._waiting:
                self._returning.add(number)
            elif waited:
                yield f"{number} is to leave, {waited} waited, and {called} are called"
            else:
                self._judges = False

    def _judge_gone(
        self,
        cluster: Cluster,
        dead: set[int],
        waited: set[int],
        held: dict[int, set[Sector]],
    ) -> Iterator[str]:
        """Judge who has what those had that are gone, and note who changes roles."""
        for number in dead:
            self._serving.discard(number)
            lost = self._held.get(number, set())
            holders = {holder for holder, sectors in held.items() if sectors & lost}
            if not lost:
                self._judges = False
            elif len(holders) == 1 and holders <= self._waiting:
                cluster.exercised["spares that took over judged"] += 1
                self._serving |= holders
                self._waiting -= holders
                self._replaced = (self._replaced - holders) | {number}
            elif not self._waiting:
                self._returning.add(number)
                self._died.add(number)
            elif waited and holders:
                yield f"shards {holders} have what {number} had, and {waited} waited"
            else:
                self._judges = False

    def _judge_heirs(
        self, cluster: Cluster, core: Replicator, held: dict[int, set[Sector]]
    ) -> Iterator[str]:
        """Judge who gets what those give up that are to leave, and of which some is another's."""
        leases = core.mesh.leases
        heirs = self._heirs.items()
        self._heirs = {
            n: heir for n, heir in heirs if n in self._retiring and heir in leases.shards
        }
        for number, heir in self._heirs.items():
            lost = self._lost(number, held)
            cluster.exercised["sectors of heirs judged"] += len(lost)
            if not lost <= held[heir]:
                yield f"{lost} of {number} are not with {heir}, which has taken over from it"

    def _lost(self, number: int, held: dict[int, set[Sector]]) -> set[Sector]:
        """Tell what others have got of a shard since the tick before."""
        others = (sectors for other, sectors in held.items() if other != number)
        return self._held.get(number, set()) & set[Sector]().union(*others)

    def _admit(self, spares: set[int], came: set[int]) -> None:
        """Note who waits of those that have come, and who takes over from one that has died."""
        if self._died and came and (len(self._died) > 1 or len(came) > 1):
            self._judges = False
        for number in came:
            waits = number in self._replaced | spares and number not in self._returning
            self._returning.discard(number)
            self._died.discard(number)
            if waits and self._died:
                self._replaced = (self._replaced - {number}) | self._died
                self._returning -= self._died
                self._died.clear()
                waits = False
            (self._waiting if waits else self._serving).add(number)

    def _judge_waiting(
        self, cluster: Cluster, core: Replicator, held: dict[int, set[Sector]]
    ) -> Iterator[str]:
        """Judge what those have that wait."""
        self._judges &= bool(self._serving) or not self._waiting
        if not self._judges:
            return
        columns = core.world.columns
        owned = np.bincount(columns["shard"][columns.rows()], minlength=NUMBERS_MAX + 1)
        for number in self._waiting:
            cluster.exercised["spares that waited judged"] += 1
            if held[number] or owned[number]:
                sectors = sorted(held[number])
                yield f"shard {number} waits, and has {sectors} and {owned[number]} entities"


def _draining(cluster: Cluster) -> set[int]:
    """Tell which shards are to leave, by their ids."""
    return {
        process.core.shard
        for process in cluster.shards
        if process.core is not None and process.drains_since < np.inf
    }
