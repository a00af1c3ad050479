"""Parents and children: at the authority, on shards, at clients, and in the store.

* every child has its parent, the same for all its life, and is simulated by the same shard;
* a follower is where its parent is: always at the authority and in pictures, and on its shard as
  soon as both are there; no picture has one without the other;
* what a shard simulates for long has its parent there;
* a ship has one pennant from its first day to its last, of one colour, also when it comes back from
  its berth or after a crash;
* the store has pennants by the names of their ships, and of no others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.client.view import View
from sidereal.game.builtin import Parent
from sidereal.protocol.state.columns import Columns
from sidereal.protocol.state.schema import BODY, MOTION, PARENT
from sidereal.replication.keeping.references import NOBODY
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.families import COLOUR, COLOURS, FLAG, MAST, PENNANT
from sidereal.tools.simulate.game import SHIP
from sidereal.tools.simulate.lies import LIAR_ACCOUNT
from sidereal.tools.simulate.shards import ShardProcess

NEVER: Final = 1 << 32
"""No epoch is above it."""

ALONE_S_MAX: Final = 3.0
"""A child whose parent has not come, or has left, may be on a shard for so long."""


class Families:
    """Looks at parents and children everywhere."""

    def __init__(self) -> None:
        self._parents: dict[bytes, bytes] = {}
        self._colours: dict[bytes, int] = {}
        self._alone: dict[tuple[str, int], float] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look after a tick."""
        if not cluster.plan.families:
            return
        yield from self._judge_world(cluster, core)
        for shard in cluster.shards:
            if shard.honest and shard.core is not None and shard.core.population is not None:
                yield from self._judge_shard(cluster, shard)
        for process in cluster.clients:
            if process.core is not None:
                view = process.core.view(process.local(cluster.now))
                yield from _judge_view(cluster, process.name, view)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look into the store."""
        if cluster.plan.families:
            yield from self._judge_store(cluster, core)

    def _judge_world(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        world, columns = core.world, core.world.columns
        rows = columns.rows()
        children = rows[_has(columns, rows, PARENT.name)]
        up = columns.rows_of(columns["of"][children])
        if (up < 0).any():
            yield f"{columns.net_id[children[up < 0]].tolist()} have no parent"
            children, up = children[up >= 0], up[up >= 0]
        cluster.exercised["children judged"] += len(children)
        apart = columns["shard"][children] != columns["shard"][up]
        if apart.any():
            yield f"{columns.net_id[children[apart]].tolist()} are not their parents' shard's"
        yield from _judge_followers("the world", columns, children, up)
        yield from self._judge_lies(cluster, core, children, up)
        names, colours = world.uuid[children].tolist(), columns[COLOUR][children].tolist()
        for name, parent, colour in zip(names, world.uuid[up].tolist(), colours, strict=True):
            if self._parents.setdefault(name, parent) != parent:
                yield f"{name.hex()} has another parent than before"
            if self._colours.setdefault(name, colour) != colour:
                yield f"{name.hex()} has another colour than before"
        ships = rows[(columns["kind"][rows] == SHIP) & (world.account[rows] != LIAR_ACCOUNT)]
        pennants = columns["of"][children[columns["kind"][children] == PENNANT]]
        counts = np.array([(pennants == net_id).sum() for net_id in columns.net_id[ships]])
        wrong = ships[counts != 1] if len(ships) else ships
        for row in wrong.tolist():
            yield f"ship {columns.net_id[row]} has not one pennant"

    def _judge_lies(
        self, cluster: Cluster, core: Replicator, children: np.ndarray, up: np.ndarray
    ) -> Iterator[str]:
        """What a liar has hung up is there only if it was given the parent meanwhile."""
        world, columns = core.world, core.world.columns
        made_up = columns[COLOUR][children] >= COLOURS
        for row, parent in zip(children[made_up].tolist(), up[made_up].tolist(), strict=True):
            name, told = world.uuid[row].tobytes(), cluster.lies.children
            since = told.get(int(columns.net_id[row]), NEVER)
            its_own = columns["shard"][row] == columns["shard"][parent]
            if name not in self._parents and not (its_own and columns.epoch[parent] > since):
                yield f"{name.hex()} was hung up by a liar"

    def _judge_shard(self, cluster: Cluster, shard: ShardProcess) -> Iterator[str]:
        """A shard has the parents of its own, and its followers are where these are."""
        assert shard.core is not None
        assert shard.core.population is not None
        population = shard.core.population
        columns, own = population.columns, population.own_rows()
        children = own[_has(columns, own, PARENT.name)]
        up = columns.rows_of(columns["of"][children])
        alone, self._alone = (
            self._alone,
            {key: at for key, at in self._alone.items() if key[0] != shard.name},
        )
        for net_id in columns.net_id[children[up < 0]].tolist():
            key = shard.name, net_id
            self._alone[key] = alone.get(key, cluster.now)
            if cluster.now - self._alone[key] > ALONE_S_MAX:
                yield f"{shard.name} simulates {net_id} without its parent"
        yield from _judge_followers(shard.name, columns, children[up >= 0], up[up >= 0])

    def _judge_store(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """The store has the pennants of what it has, by name; nothing is on its way there."""
        if core.saving.depth or cluster.now < cluster.authority.weather.bad_until:
            return
        _, records, uuids, accounts, _ = cluster.authority.store.load_world(berths=True)
        names = {uuid.tobytes(): at for at, uuid in enumerate(uuids)}
        for at in np.flatnonzero(records["kind"] == PENNANT).tolist():
            name, parent = uuids[at].tobytes(), records["of"][at].tobytes()
            cluster.exercised["saved children judged"] += 1
            if self._parents.get(name, parent) != parent:
                yield f"{name.hex()} is in the store with another parent than it has"
            elif parent == NOBODY or parent not in names:
                yield f"{name.hex()} is in the store without its parent"
            elif accounts[at] != -accounts[names[parent]]:
                yield f"{name.hex()} is in the store for account {accounts[at]}"


def _has(columns: Columns, rows: np.ndarray, component: str) -> np.ndarray:
    return columns.has(rows, columns.schema.numbers[component])


def _judge_followers(
    where: str, columns: Columns, children: np.ndarray, up: np.ndarray
) -> Iterator[str]:
    """Who has no body is where its parent is."""
    follows = ~_has(columns, children, BODY.name)
    children, up = children[follows], up[follows]
    for field in MOTION.fields:
        off = columns[field.name][children] != columns[field.name][up]
        if off.any():
            yield f"{field.name} of {columns.net_id[children[off]].tolist()} is another in {where}"
            return


def _judge_view(cluster: Cluster, name: str, view: View) -> Iterator[str]:
    """No picture has a follower without its parent, or elsewhere."""
    net_id = view.net_id
    followers = np.flatnonzero(np.isin(view.kind, (MAST, FLAG, PENNANT)))
    of = view[Parent].of[followers]
    at = np.minimum(np.searchsorted(net_id, of), max(0, len(net_id) - 1))
    cluster.exercised["children in pictures judged"] += len(followers)
    if (net_id[at] != of).any():
        yield f"{name} shows {net_id[followers[net_id[at] != of]].tolist()} without their parents"
    elif (view.x[at] != view.x[followers]).any() or (view.y[at] != view.y[followers]).any():
        yield f"{name} shows {net_id[followers].tolist()} elsewhere than their parents"
