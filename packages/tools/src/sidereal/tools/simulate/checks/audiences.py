"""Who is told of what not all who see it are told of: events to a sector, to a pilot, and to all.

* a client takes nothing that was not for it when it happened, and nothing twice;
* in the end each client has taken all that was for it since it joined, but for what was too much
  for one tick.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.client.happenings import make_happened
from sidereal.client.statistics import SessionState
from sidereal.protocol.message.player import Role
from sidereal.protocol.space.geometry import sector_of
from sidereal.protocol.space.sectors import unpack_sector
from sidereal.protocol.state.component import To
from sidereal.protocol.state.quantize import decode_rows
from sidereal.replication.links.players import Player, PlayerState
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks.happenings import Shown, shown_of
from sidereal.tools.simulate.clients import JudgedClient
from sidereal.tools.simulate.cluster import Cluster

SETTLED_TICKS: Final = 8
"""What happened so lately may still be on its way."""

Sector = tuple[int, int]


class Audiences:
    """Looks at who is told."""

    def __init__(self) -> None:
        self._incarnation = 0
        self._tick = -1
        self._forget()

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Take down for whom it is what has happened."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._forget()
        if core.tick <= self._tick:
            return
        self._tick = core.tick
        players = [p for p in core.clients.players if p.state is PlayerState.JOINED]
        self._pilots |= {p.net_id: p.account for p in players if p.net_id}
        count = Counter[int]()
        for event, sector in _happened_now(core):
            cluster.exercised["private events that happened"] += 1
            here = _place_of(core, event.subject) or sector
            for player in self._hearers(core, players, event, here):
                count[player.peer] += 1
                if count[player.peer] <= core.limits.edge.events_per_tick:
                    self._meant.setdefault(player.peer, Counter())[event] += 1
        yield from ()

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare what clients have taken with what was for them."""
        players = {(p.account, p.role): p for p in core.clients.players}
        given_up = core.events.private.crowded_out + core.events.private.outdated
        for client in cluster.clients:
            client.note_happened()
            session = client.core
            if session is None or session.state is not SessionState.JOINED:
                continue
            assert session.welcome is not None
            player = players.get((session.welcome.account, Role(session.welcome.role)))
            if player is None or player.state is not PlayerState.JOINED:
                continue
            meant, taken = self._meant.get(player.peer, Counter()), _taken_by(client, core)
            cluster.exercised["private events taken"] += taken.total()
            for event in taken - meant:
                yield f"{client.name} is told of {event}, {taken[event]} times"
            due = Counter({e: n for e, n in meant.items() if e.tick <= core.tick - SETTLED_TICKS})
            cluster.exercised["private events that had to come"] += due.total()
            for event in () if given_up else due - taken:
                yield f"{client.name} is not told of {event}"

    def _forget(self) -> None:
        self._tick = -1
        # By session what was for it; and by entity the account that flies it, or flew it last.
        self._meant: dict[int, Counter[Shown]] = {}
        self._pilots: dict[int, int] = {}

    def _hearers(
        self, core: Replicator, players: list[Player], event: Shown, here: Sector
    ) -> Iterator[Player]:
        """Find for whom an event is that has just happened somewhere."""
        to = core.schema.component(event.number).to
        pilot = self._pilots.get(event.subject)
        for player in players:
            if (
                to is To.ALL
                or (to is To.PILOT and player.role is Role.PLAYER and player.account == pilot)
                or (to is To.SECTOR and not player.waits and _sector_of(core, player) == here)
            ):
                yield player


def _happened_now(core: Replicator) -> Iterator[tuple[Shown, Sector]]:
    """What has happened in the newest tick, and where."""
    for what, rows, sector, _ in core.events.private.happened:
        values = decode_rows(core.schema, what, rows, core.rules)
        told = make_happened(what, rows["id"], np.full(len(rows), core.tick), values)
        where = zip(*(each.tolist() for each in unpack_sector(sector)), strict=True)
        yield from zip(shown_of(told), where, strict=True)


def _taken_by(client: JudgedClient, core: Replicator) -> Counter[Shown]:
    alone = [each for each in client.happened if each.number in core.schema.private_events]
    return Counter(event for each in alone for event in shown_of(each))


def _sector_of(core: Replicator, player: Player) -> Sector:
    there = _place_of(core, player.net_id)
    return _sector(core, *player.looks_at) if there is None else there


def _place_of(core: Replicator, net_id: int) -> Sector | None:
    rows = core.world.columns.rows_of(np.array([net_id]))
    if rows[0] < 0:
        return None
    x, y, _ = core.world.locate(rows, core.tick)
    return _sector(core, float(x[0]), float(y[0]))


def _sector(core: Replicator, x: float, y: float) -> Sector:
    sector_x, sector_y = sector_of(np.array([x]), np.array([y]), core.rules)
    return int(sector_x[0]), int(sector_y[0])
