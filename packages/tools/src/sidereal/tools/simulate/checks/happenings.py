"""What has happened: events to viewers, from who emits them to who sees them.

* an event happens once, and only if who has said so simulated its subject in that tick;
* it happens if who said so simulates its subject to this day;
* a client takes nothing that has not happened, and nothing twice;
* in the end each client has taken all that happened in the cells that it knows, since it knows
  them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from sidereal.client.client import Client
from sidereal.client.happenings import Happened, make_happened
from sidereal.client.statistics import SessionState
from sidereal.game.schema import column_of, name_of
from sidereal.protocol.space.sectors import unpack_sector
from sidereal.protocol.state.quantize import decode_rows
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks.charges import ACTIVE_TICKS, turn_of
from sidereal.tools.simulate.clients import JudgedClient
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.game import Turn

SETTLED_TICKS: Final = 8
"""What happened so lately may still be on its way to the authority."""

AT: Final = column_of(Turn, Turn.fields["at"])


class Shown(NamedTuple):
    """An event as a client shows it."""

    number: int
    tick: int
    subject: int
    values: tuple[tuple[str, float], ...]


class _Told(NamedTuple):
    """An event, and the absolute cell in which it happened."""

    event: Shown
    x: int
    y: int


class Happenings:
    """Looks at events everywhere."""

    def __init__(self) -> None:
        self._incarnation = self._seen = 0
        self._tick = -1
        self._forget()

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Take down what shards have said, and judge what has happened."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._forget()
        fresh, self._seen = cluster.flights[self._seen :], len(cluster.flights)
        for flight in fresh:
            if flight.tick % ACTIVE_TICKS == 0 and flight.since >= cluster.authority.started_at:
                over = turn_of(flight.net_id, flight.tick) == 1
                pairs = zip(flight.net_id[over].tolist(), flight.epoch[over].tolist(), strict=True)
                for net_id, epoch in pairs:
                    self._said[net_id, flight.tick][flight.core, epoch] += 1
        if core.tick <= self._tick:
            return
        self._tick = core.tick
        turn = core.schema.event_numbers.get(name_of(Turn))
        for told in _happened_now(core):
            self._told.append(told)
            cluster.exercised["events that happened"] += 1
            if told.event.number == turn:
                yield from self._judge(told.event)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare what everybody has."""
        yield from self._judge_shards(cluster, core)
        for client in cluster.clients:
            client.note_happened()
            session = client.core
            if session is not None and session.state is SessionState.JOINED:
                yield from self._judge_client(cluster, core, client, session)

    def _forget(self) -> None:
        self._tick = -1
        self._told: list[_Told] = []
        # By entity and tick: who said it then under which epoch; and how often it has happened.
        self._said: _Sayings = _Sayings()
        self._counts: Counter[tuple[int, int]] = Counter()

    def _judge(self, event: Shown) -> Iterator[str]:
        key = event.subject, int(dict(event.values)[AT])
        self._counts[key] += 1
        if self._counts[key] > len(self._said[key]):
            yield f"what {key[0]} did at tick {key[1]} has happened {self._counts[key]} times"

    def _judge_shards(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        columns = core.world.columns
        honest = {shard.core_name for shard in cluster.shards if shard.honest and shard.core}
        for (net_id, tick), sayings in self._said.items():
            row = int(columns.rows_of([net_id])[0])
            for name, epoch in sayings:
                if name not in honest or row < 0 or columns.epoch[row] != epoch:
                    continue
                if tick <= core.tick - SETTLED_TICKS:
                    cluster.exercised["events of who simulates"] += 1
                    if not self._counts[net_id, tick]:
                        yield f"what {net_id} did at tick {tick} has not happened"

    def _judge_client(
        self, cluster: Cluster, core: Replicator, client: JudgedClient, session: Client
    ) -> Iterator[str]:
        assert session.replica is not None
        coverage = session.replica.coverage
        places = {
            cell: (int(since), int(have))
            for *cell_xy, since, have in zip(
                coverage.cell_x.tolist(),
                coverage.cell_y.tolist(),
                coverage.since,
                coverage.have,
                strict=True,
            )
            for cell in [tuple(cell_xy)]
        }
        happened = Counter(told.event for told in self._told)
        seen = [each for each in client.happened if each.number in core.schema.rows]
        taken = Counter(event for each in seen for event in shown_of(each))
        for event in taken - happened:
            yield f"{client.name} shows {event}, {taken[event]} times"
        wanted = Counter(
            told.event
            for told in self._told
            for since, have in [places.get((told.x, told.y), (0, -1))]
            if since < told.event.tick <= have
        )
        cluster.exercised["events taken"] += taken.total()
        cluster.exercised["events that had to be seen"] += wanted.total()
        for event in wanted - taken:
            yield f"{client.name} has not seen {event}"


class _Sayings(dict[tuple[int, int], Counter[tuple[str, int]]]):
    def __missing__(self, key: tuple[int, int]) -> Counter[tuple[str, int]]:
        self[key] = Counter()
        return self[key]


def _happened_now(core: Replicator) -> Iterator[_Told]:
    """What has happened in the newest tick."""
    sectors, side = core.world.sectors, core.rules.cells_per_side
    keys = sectors.keys
    place = {int(row): key for row, key in zip(sectors.rows_of(keys), keys.tolist(), strict=True)}
    for number, kept in core.edge.changes.events.kept.items():
        news = kept.take(kept.tick == core.tick)
        values = decode_rows(core.schema, number, news.row, core.rules)
        events = shown_of(make_happened(number, news.row["id"], news.tick, values))
        for event, group in zip(events, news.group.tolist(), strict=True):
            row, cell = divmod(group, sectors.cells_per_sector)
            x, y = (int(each[0]) for each in unpack_sector(np.array([place[row]])))
            yield _Told(event, x * side + cell % side, y * side + cell // side)


def shown_of(happened: Happened) -> list[Shown]:
    """Give events one by one."""
    names = sorted(happened.values)
    values = [happened.values[name].tolist() for name in names]
    rows = zip(*values, strict=True) if values else ((),) * len(happened.tick)
    return [
        Shown(happened.number, tick, subject, tuple(zip(names, row, strict=True)))
        for tick, subject, row in zip(
            happened.tick.tolist(), happened.subject.tolist(), rows, strict=True
        )
    ]
