"""What must be true after every tick, whatever goes wrong.

Each checker compares the authority's world with what the processes really do; none of them asks the
code under test for its opinion. How long something may take follows from the plan: nothing but the
way and a few ticks in a calm run, retransmissions when links lose, silences when a process is cut
off or dies.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from sidereal.client.statistics import SessionState
from sidereal.replication.replicator import Replicator
from sidereal.replication.validate import DISPLACEMENT_SLACK
from sidereal.replication.world import ACCOUNT_NONE, UUID
from sidereal.tools.simulate.authority import TOKEN_TIMEOUT_S
from sidereal.tools.simulate.checks import physics
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Kind, Plan
from sidereal.tools.simulate.flights import Flight
from sidereal.tools.simulate.lies import LIAR_ACCOUNT
from sidereal.tools.simulate.passing import SPARK
from sidereal.tools.simulate.saving import SAVE_S

LOSS_S: Final = 1.5
"""What retransmissions over a bad link may add to a reliable message's way."""


def reach_s(plan: Plan) -> float:
    """Seconds from a decision of the authority until a process has acted on it."""
    way_s = plan.link.delay_s + plan.link.jitter_s
    return way_s + 3.0 / plan.tick_hz + (LOSS_S if plan.lossy else 0.0) + plan.upset_s


class NothingDoubled:
    """Nobody is in the world twice, and no account flies two entities."""

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look for names that two have."""
        world = core.world
        rows = world.columns.rows()
        if len(np.unique(world.uuid[rows])) != len(rows):
            yield "an entity is in the world twice"
        if len(np.unique(world.columns.net_id[rows])) != len(rows):
            yield "a network id is in the world twice"
        flown = world.account[rows][world.account[rows] > ACCOUNT_NONE]
        if len(np.unique(flown)) != len(flown):
            yield "an account flies two entities"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())


class NothingLostOrDoubled(NothingDoubled):
    """The world holds what it began with, one ship for every account, and what shards spawn."""

    def __init__(self) -> None:
        self._ships: dict[int, bytes] = {}
        self._incarnation = 0
        self._seen: dict[str, float] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare the uuids of the world with the expected ones."""
        world = core.world
        rows = world.columns.rows()
        account = world.account[rows]
        uuid = world.uuid[rows]
        lasts = world.columns["kind"][rows] < SPARK
        kept = np.sort(uuid[lasts & (account == ACCOUNT_NONE)])
        expected = np.setdiff1d(cluster.uuids, self._removed(cluster))
        if not np.array_equal(kept, expected):
            gone = np.setdiff1d(expected, kept)
            yield f"{len(gone)} of {len(expected)} lost, {len(kept)} there"
        yield from super().look(cluster, core)
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            self._ships = cluster.authority.store.ships()
        # Two or three ships.
        flown = np.flatnonzero(account > ACCOUNT_NONE)
        for at in flown.tolist():
            owner, key = int(account[at]), uuid[at].tobytes()
            if self._ships.setdefault(owner, key) != key:
                yield f"account {owner} flies another ship than before"
        yield from self._look_for_ghost_ships(cluster, account)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Every pilot has its ship, and there are no others."""
        ships = int((~np.isin(core.world.account, (ACCOUNT_NONE, LIAR_ACCOUNT))).sum())
        if ships != cluster.plan.pilots:
            yield f"{ships} ships for {cluster.plan.pilots} pilots"
        for client in cluster.clients:
            ship = client.core.net_id if client.core is not None else 0
            if ship and core.world.columns.rows_of(np.array([ship]))[0] < 0:
                yield f"{client.name} flies {ship}, which is not in the world"

    def _removed(self, cluster: Cluster) -> np.ndarray:
        """Give those that are to be gone: one whose removal was lost in a crash is there again."""
        authority = cluster.authority
        kept = {uuid.tobytes() for uuid in authority.recovered.uuid}
        gone = [
            uuid
            for uuid, at in cluster.removed.items()
            if at > authority.started_at or uuid not in kept
        ]
        return np.array(gone, UUID)

    def _look_for_ghost_ships(self, cluster: Cluster, account: np.ndarray) -> Iterator[str]:
        """No ship outlasts the session of its pilot."""
        for client in cluster.clients:
            if client.core is not None and client.core.state is not SessionState.ENDED:
                self._seen[client.name] = cluster.now
            away_s = cluster.now - self._seen.get(client.name, -math.inf)
            there = client.account > ACCOUNT_NONE and client.account in account
            if there and away_s > TOKEN_TIMEOUT_S + reach_s(cluster.plan):
                yield f"{client.name} left {away_s:.1f} s ago, its ship did not"


class OnlyNewer:
    """References only get newer, epochs only rise, and no input is taken again."""

    def __init__(self) -> None:
        self._incarnation = 0
        self._before: dict[str, Any] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare with the tick before."""
        before, now = self._before, _versions(core)
        self._before = now
        if cluster.authority.incarnation != self._incarnation:
            # Ticks, epochs and inputs start over.
            self._incarnation = cluster.authority.incarnation
        elif before:
            yield from _older(core, before, now)
        columns, rows = core.world.columns, core.world.columns.rows()
        ahead = rows[columns.tick[rows] > core.tick + core.limits.proposals.future_ticks]
        if len(ahead):
            yield f"{columns.net_id[ahead].tolist()} are ahead of time"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())


def _versions(core: Replicator) -> dict[str, Any]:
    """Copy what tells one state of an entity from another, by row."""
    columns = core.world.columns
    return {
        "id": columns.net_id.copy(),
        "epoch": columns.epoch.astype(np.int64),
        "tick": columns.tick.copy(),
        "control_epoch": columns["control_epoch"].copy(),
        "input_seq": columns["input_seq"].copy(),
    }


def _older(core: Replicator, before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Say what has gone back."""
    columns, rows = core.world.columns, core.world.columns.rows()
    rows = rows[rows < len(before["id"])]
    same = rows[before["id"][rows] == now["id"][rows]]
    for name in ("epoch", "tick"):
        back = same[now[name][same] < before[name][same]]
        if len(back):
            yield f"the {name} of {columns.net_id[back].tolist()} went back"
    flown = same[before["control_epoch"][same] == now["control_epoch"][same]]
    again = flown[now["input_seq"][flown] < before["input_seq"][flown]]
    if len(again):
        yield f"{columns.net_id[again].tolist()} take inputs again"


class Continuity(OnlyNewer):
    """References only get newer, epochs only rise, and nothing jumps.

    Between two ticks an entity may go as far as it flies, be corrected by what it did while its
    newest reference was on its way, and be pushed out of another that had got into it. Whether one
    had is asked of what shards flew: the other may have flown on since. A ship that nobody
    simulated for a while may go where its pilot's inputs have taken it since. Sparks stay on their
    lines (`Lives`).
    """

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._lag_s = plan.link.delay_s + plan.link.jitter_s + 3.0 / plan.tick_hz
        self._lag_s += 0.5 if plan.lossy else 0.0
        self._lag_s += plan.limits.shards.silence_s if plan.silences else 0.0
        self._lag_s += plan.upset_s
        down_s = sum(f.seconds for f in plan.faults if f.kind.value.startswith("store"))
        # What a restart may lose while the store takes what it is given.
        self._lost_s = plan.writes * SAVE_S[1] + (plan.writes - 2) / plan.tick_hz + down_s
        self._looked_at = 0.0
        self._flown_for = 0
        self._places: dict[str, Any] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare with the tick before."""
        yield from super().look(cluster, core)
        columns = core.world.columns
        present = core.world.present(core.tick)
        rows = present.rows
        now: dict[str, Any] = {name: np.zeros(columns.capacity) for name in ("x", "y", "vx", "vy")}
        now["x"][rows], now["y"][rows] = present.x, present.y
        now["vx"][rows], now["vy"][rows] = columns["vx"][rows], columns["vy"][rows]
        now |= {
            "uuid": core.world.uuid.copy(),
            "id": columns.net_id.copy(),
            "flown_as": columns.net_id.copy(),
            "tick": columns.tick.copy(),
        }
        before, self._places = self._places, now
        looked_at, self._looked_at = self._looked_at, cluster.now
        least_s, welcomed_from = self._lag_s, cluster.authority.started_at
        if cluster.authority.incarnation != self._flown_for:
            self._flown_for = cluster.authority.incarnation
            if not before:
                return
            before = _renumbered(before, now)
            # What was flown, was flown for the authority before.
            least_s, welcomed_from = least_s + self._lost_s, -math.inf
        same = rows[before["id"][rows] == now["id"][rows]]
        same = same[columns["kind"][same] != SPARK]
        speed = np.hypot(before["vx"][same], before["vy"][same])
        speed += np.hypot(now["vx"][same], now["vy"][same])
        piloted = core.world.account[core.world.families.root[same]] != 0
        unseen_s = (now["tick"][same] - before["tick"][same]) * core.rules.tick_s
        lag_s = np.where(piloted, np.maximum(unseen_s, least_s), least_s)
        push = 0.5 * cluster.laws.thrust * lag_s**2 * piloted
        jump = np.hypot(now["x"][same] - before["x"][same], now["y"][same] - before["y"][same])
        excess = jump - speed * lag_s - push - DISPLACEMENT_SLACK
        far = np.flatnonzero(excess > 0)
        flights = _flights_since(cluster, looked_at - least_s, welcomed_from)
        far = far[excess[far] > _pushes(flights, before["flown_as"][same[far]], core)]
        if len(far):
            yield f"{columns.net_id[same[far]].tolist()} jumped by {jump[far].round(1).tolist()}"


def _renumbered(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Bring what was before a restart into the rows of now; ticks start over.

    `flown_as` says by which id shards knew it.
    """
    row_of = {key: row for row, key in enumerate(before["uuid"].tolist()) if before["id"][row]}
    rows = np.array([row_of.get(key, -1) for key in now["uuid"].tolist()])
    moved = {name: before[name][rows] for name in ("x", "y", "vx", "vy", "flown_as")}
    moved["tick"] = np.full_like(now["tick"], -1)
    return moved | {"id": np.where(rows >= 0, now["id"], 0)}


def _flights_since(cluster: Cluster, at: float, welcomed_from: float) -> Iterator[Flight]:
    """Give the ticks flown since a time by cores that were welcomed after another."""
    for flight in reversed(cluster.flights):
        if flight.at < at:
            return
        if flight.since >= welcomed_from:
            yield flight


def _pushes(flights: Iterator[Flight], net_id: np.ndarray, core: Replicator) -> np.ndarray:
    """Tell how far, at most, each entity was pushed; 0 if it was not.

    Two that overlap when a tick begins are pushed apart in the course of it. Who was simulated
    again is elsewhere.
    """
    push = np.zeros(len(net_id))
    for flight in flights if len(net_id) else ():
        there = np.flatnonzero(np.isin(net_id, flight.net_id))
        at = np.searchsorted(flight.net_id, net_id[there])
        x, y = flight.before[:, 0], flight.before[:, 1]
        reach = flight.radius[at, None] + flight.radius
        overlap = np.hypot(x[at, None] - x, y[at, None] - y) < reach
        overlap[np.arange(len(at)), at] = False
        pushed = np.where(overlap, reach, 0.0).max(axis=1, initial=0.0)
        push[there] = np.maximum(
            push[there], pushed + _put_elsewhere(flight, net_id[there], core.rules.tick_s)
        )
    return push


def _put_elsewhere(flight: Flight, net_id: np.ndarray, tick_s: float) -> np.ndarray:
    """Tell how far bodies were put by ticks that were simulated again before a flight, float64[n].

    Of one that has come to its shard, how far from the straight line of the row that it came with.
    """
    off, straight = np.zeros(len(net_id)), dict[int, np.ndarray]()
    for again in flight.again:
        for at, one in enumerate(again.net_id.tolist()):
            line = straight.get(one, again.before[[at]])
            straight[one] = physics.coast(line, tick_s)
            was = straight[one][0] if np.isnan(again.was[at, 0]) else again.was[at]
            off[net_id == one] = np.hypot(*(again.after[at] - was)[:2])
    return off


class NothingRejected:
    """Honest shards propose nothing wrong, and honest peers send nothing malformed.

    Fenced rows are part of every handover; they are not counted among the rejected.
    """

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look at what the authority counts, of the honest alone where it tells them apart."""
        liars = {shard.name for shard in cluster.shards if not shard.honest}
        rejected = dict(core.ingest.rejected)
        if Kind.AUTHORITY_STALLED in cluster.plan.kinds:
            # Shards went on meanwhile; it does not hold that against them.
            rejected.pop("future_tick", None)
        if rejected and not liars:
            yield f"rows were rejected: {rejected}"
        for shard in core.shards.shards:
            if shard.faults and shard.name not in liars:
                yield f"{shard.name} has {shard.faults:.1f} faults"
        # Observers say hello without a game, and are refused once, with the description.
        links = [] if cluster.strangers else [("clients", core.clients.dropped, _NEVER_DROPPED)]
        of_shards = (*_NEVER_DROPPED, "schema_mismatch")
        links += [] if liars else [("shards", core.shards.dropped, of_shards)]
        for name, dropped, never in links:
            wrong = {key: dropped[key] for key in never if dropped[key]}
            if wrong:
                yield f"of the {name}' messages were dropped: {wrong}"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Look at what everybody else counts."""
        for endpoint in (core.clients.endpoint, core.shards.endpoint):
            malformed = endpoint.statistics().payloads_malformed
            if malformed and not cluster.strangers:
                yield f"{malformed} payloads were malformed"
        for shard in cluster.shards:
            if shard.core is not None and shard.core.statistics().messages_malformed:
                yield f"{shard.name} was sent malformed messages"
            refused = shard.core.bodies.refused if shard.core and shard.core.bodies else 0
            if refused:
                yield f"{shard.name} refused {refused} rows"
        for client in cluster.clients:
            if client.core is not None and client.core.statistics().malformed:
                yield f"{client.name} was sent malformed messages"
        if cluster.plan.calm:
            for process in (*cluster.shards, *cluster.clients):
                if process.fallen:
                    yield f"{process.name} lost its session: {process.fallen}"


_NEVER_DROPPED: Final[tuple[str, ...]] = (
    "malformed",
    "inbox_full",
    "no_hello",
    "hello_again",
    "user_data",
    "look_at_forbidden",
    "controls_too_fast",
)


class FreshNonces:
    """No key ever meets a nonce twice."""

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Ask the network, which sees all that is sealed."""
        yield from cluster.network.nonces_repeated[:1]

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())
