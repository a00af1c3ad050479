"""Where ships are, against where their inputs alone would have brought them.

A second world, on one shard and without a network: every ship that has touched nothing so far is
flown in it from where it came into the world, by every input that was flown, once, for one tick.
Rows, epochs and owners have no part in that but to say which of two owners' ticks count. Where a
new owner flew a ship on at its handover, and for lack of inputs by those that had come, it is flown
on likewise.

What a shard did not simulate while it was stalled it lets pass in straight lines, and so it does
here: a world on one shard that stalls does the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks import physics
from sidereal.tools.simulate.checks.physics import State
from sidereal.tools.simulate.checks.reference import Reference
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.flights import Flight
from sidereal.tools.simulate.game import Laws

OFF_MAX: Final = 1e-3
"""World units or radians that a ship may be off in the end of its way so far: what references of
shards may be off the truth."""


class _Way(NamedTuple):
    """The way of a ship under its newest owner.

    Attributes:
        epoch: of that owner.
        states: where it was after each tick, under earlier owners too.
        void_to: up to this tick it was flown twice, since a new owner began before it: which of the
            two is in a row that is handed over, only the row says.
    """

    epoch: int
    states: dict[int, State]
    void_to: int = -1


class Voyages:
    """Flies all ships a second time."""

    def __init__(self, reference: Reference) -> None:
        """Begin with no ships.

        Args:
            reference: knows who has touched something, and with which rows ships are handed over;
                asked before this one.
        """
        self._reference = reference
        self._seen = 0
        self._incarnation = 0
        self._ways: dict[int, _Way] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Fly on by what was flown since the tick before."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._ways.clear()
        fresh, self._seen = cluster.flights[self._seen :], len(cluster.flights)
        for flight in fresh:
            if flight.since < cluster.authority.started_at:
                continue
            for row in np.flatnonzero(flight.control_epoch > 0).tolist():
                if self._reference.can_follow(int(flight.net_id[row])):
                    yield from self._fly(cluster, flight, row)
                else:
                    self._ways.pop(int(flight.net_id[row]), None)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    def _fly(self, cluster: Cluster, flight: Flight, row: int) -> Iterator[str]:
        net_id, epoch = int(flight.net_id[row]), int(flight.epoch[row])
        way = self._ways.get(net_id)
        if way is not None and epoch < way.epoch:
            return
        if way is None or epoch > way.epoch:
            way = self._begin(flight, row, way, cluster.laws)
            if way is None:
                return
        self._ways[net_id] = way
        newest = max(way.states)
        seconds = (flight.tick - 1 - newest) * cluster.laws.tick_s
        x, y, vx, vy, heading, spin = way.states[newest]
        begun = x + vx * seconds, y + vy * seconds, vx, vy, heading + spin * seconds, spin
        state = physics.fly(begun, int(flight.buttons[row]), cluster.laws)
        way.states[flight.tick] = state
        cluster.exercised["ticks of whole flights judged"] += 1
        off = physics.distance(np.array([state]), flight.after[[row]])[0]
        if off > OFF_MAX:
            yield f"{net_id} is {off:.3f} off where its inputs have brought it"

    def _begin(self, flight: Flight, row: int, way: _Way | None, laws: Laws) -> _Way | None:
        """Fly a ship on from the row with which it was handed over, to where its owner begins."""
        net_id, epoch = int(flight.net_id[row]), int(flight.epoch[row])
        given = self._reference.given(net_id, epoch)
        if given is None:
            return None
        states = {} if way is None else {t: s for t, s in way.states.items() if t <= given.tick}
        if way is not None and given.tick <= way.void_to:
            states.pop(given.tick, None)
        begun = states.setdefault(given.tick, physics.state_of(given.state))
        ticks = flight.tick - 1 - given.tick
        given = given._replace(state=np.array(begun))
        ways = self._reference.replays(net_id, given, ticks, flight.at, laws)
        ends = [state for state, _ in ways]
        off = physics.distance(np.array(ends), flight.before[[row]])
        # Back from a tick that is still to come, or forth: what was there then is void.
        void_to = max((tick for tick in states if tick >= flight.tick), default=-1)
        states = {tick: state for tick, state in states.items() if tick < flight.tick}
        states[flight.tick - 1] = ends[int(np.argmin(off))]
        return _Way(epoch, states, max(void_to, -1 if way is None else way.void_to))
