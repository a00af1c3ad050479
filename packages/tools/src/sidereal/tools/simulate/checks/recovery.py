"""What is there after a restart, against what was there before the crash.

The checker keeps a history of every row that the world has had, by uuid. What a new authority
begins with must be in that history, field by field, and not too far back: whatever was so for
longer than saving takes before the crash is kept.

What only the authority gives and takes is kept in ledgers, and comes there by postings, at a pace
of its own: an entity may be recovered as it flew in one tick, with the brand of another one. Each
must have been so, and lately.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from sidereal.game.schema import column_of, name_of
from sidereal.protocol.state.families import NOBODY
from sidereal.replication.replicator import Replicator
from sidereal.replication.world import ACCOUNT_NONE
from sidereal.tools.simulate.checks import physics
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Fault, Plan
from sidereal.tools.simulate.faults import Kind as FaultKind
from sidereal.tools.simulate.flights import SAVED, STATE
from sidereal.tools.simulate.game import SHIP
from sidereal.tools.simulate.passing import Brand
from sidereal.tools.simulate.saving import SAVE_S, SLOW_S

ROUNDING: Final = 1e-6
"""World units or radians a ship that left may be off its line."""

BACK_OFF_MAX: Final = 60.0
"""World units a ship may come back from where it was left: something may be there by now."""

POSTINGS_MAX: Final = 3
"""What the authority gives is in the store after so many: one is under way, and the next one, which
it travels with, does not count if the store knows a call of it already."""

BRAND: Final = name_of(Brand)
NUMBER: Final = column_of(Brand, Brand.fields["number"])


class Recovery:
    """Compares what was recovered with the history of the world."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._incarnation = 1
        self._started_at = 0.0
        self._history: dict[bytes, list[tuple[float, np.void]]] = {}
        self._accounts: dict[bytes, int] = {}
        self._there: dict[bytes, int] = {}
        self._ticked_at: dict[int, float] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Write the world's rows down, and after a restart compare."""
        if cluster.authority.incarnation != self._incarnation:
            self._incarnation = cluster.authority.incarnation
            cluster.exercised["recoveries judged"] += 1
            yield from self._judge_store(cluster, np.uint64(1 << core.schema.numbers[BRAND]))
            yield from self._judge_world(cluster, core)
            # What was not kept has never been.
            self._started_at = cluster.authority.started_at
            self._history.clear()
            self._there.clear()
            self._ticked_at.clear()
        self._ticked_at[core.tick] = cluster.now
        yield from self._write_down(cluster, core)

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    def _write_down(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Note every row that is new; a ship that comes back is where it was left, at rest."""
        world = core.world
        rows = world.columns.rows()
        # Without a restart only ships leave and come back.
        least = ACCOUNT_NONE if self._plan.restarts else ACCOUNT_NONE + 1
        rows = rows[world.is_kept(rows) & (world.account[rows] >= least)]
        rows = rows[world.families.up[rows] == NOBODY]  # `Families` looks at children
        records = world.columns.store(rows, core.schema.full_record)
        for row, record in zip(rows.tolist(), records, strict=True):
            uuid = world.uuid[row].tobytes()
            history = self._history.setdefault(uuid, [])
            left_at = self._there.get(uuid, core.tick - 1) + 1
            self._there[uuid] = core.tick
            if history and left_at < core.tick:
                cluster.exercised["ships that came back judged"] += 1
                if not self._comes_back(cluster, history[-1][1], record, left_at):
                    yield f"{uuid.hex()} does not come back as it was left"
            if not history or history[-1][1].tobytes() != record.tobytes():
                history.append((cluster.now, record))
            self._accounts[uuid] = int(world.account[row])

    def _judge_store(self, cluster: Cluster, brand: np.uint64) -> Iterator[str]:
        """What was recovered has been so, and lately.

        Args:
            cluster: in which it was.
            brand: the bit of who has a brand.
        """
        _, records, uuids, accounts, active = cluster.authority.recovered
        kept_from = self._kept_from(cluster.authority.stopped_at, self._plan.writes)
        found = dict(zip((key.tobytes() for key in uuids), range(len(uuids)), strict=True))
        for uuid, history in self._history.items():
            due = sum(at <= kept_from for at, _ in history)
            removed = uuid in cluster.removed
            if uuid not in found:
                if due and not removed:
                    yield f"{uuid.hex()} was not kept"
                continue
            if removed and cluster.removed[uuid] <= kept_from:
                yield f"{uuid.hex()} was removed, and is back"
            at = found[uuid]
            if accounts[at] != self._accounts[uuid]:
                yield f"{uuid.hex()} is another account's"
            kept = records[at : at + 1][0]
            left = kept["kind"] == SHIP and not active[at]
            same = [
                self._was_left(cluster, record, kept)
                if left
                else not _differences(record, kept, but=brand)
                for _, record in history
            ]
            if not any(same[max(0, due - 1) :]):
                what = "as it was too long ago" if any(same) else "as it never was"
                yield f"{uuid.hex()} was kept {what}: {_differences(history[-1][1], kept)}"
            if not self._was_branded(cluster, history, kept, brand):
                yield f"{uuid.hex()} was kept with another brand than it had lately"
        for uuid in found.keys() - self._history.keys() - cluster.rocks.keys():
            if accounts[found[uuid]] == ACCOUNT_NONE:
                yield f"{uuid.hex()} is back"

    def _judge_world(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """The world holds what was recovered and is nobody's ship; nothing else has come."""
        _, records, uuids, accounts, active = cluster.authority.recovered
        wanted = {
            uuids[at].tobytes(): records[at]
            for at in np.flatnonzero(active & (accounts == ACCOUNT_NONE)).tolist()
        }
        world = core.world
        rows = world.columns.rows()
        found = {
            world.uuid[row].tobytes(): record
            for row, record in zip(
                rows.tolist(), world.columns.store(rows, core.schema.full_record), strict=True
            )
        }
        for uuid in wanted.keys() - found.keys():
            yield f"{uuid.hex()} was kept, and is not in the world"
        for uuid in found.keys() - wanted.keys():
            yield f"{uuid.hex()} is in the world, and was not kept as a part of it"
        for uuid in wanted.keys() & found.keys():
            wrong = _differences(wanted[uuid], found[uuid])
            if wrong:
                yield f"{uuid.hex()} did not come back as it was kept: {wrong}"

    def _was_branded(
        self,
        cluster: Cluster,
        history: list[tuple[float, np.void]],
        kept: np.void,
        brand: np.uint64,
    ) -> bool:
        """Tell whether an entity was kept with a brand that it had lately, or without one."""
        cluster.exercised["brands after a crash judged"] += 1
        kept_from = self._kept_from(cluster.authority.stopped_at, POSTINGS_MAX)
        due = sum(at <= kept_from for at, _ in history)
        brands = {_brand_of(record, brand) for _, record in history[max(0, due - 1) :]}
        return _brand_of(kept, brand) in brands

    def _kept_from(self, stopped_at: float, writes: int) -> float:
        """When something must have been so, at the latest, to be kept after a crash.

        Args:
            stopped_at: when that was, virtual seconds.
            writes: after so many it is in the store.
        """
        takes_s = writes * SAVE_S[1] + (writes + 1) / self._plan.tick_hz
        kept_from = stopped_at - takes_s
        for fault in sorted(self._plan.faults, key=_begins_at, reverse=True):
            down = fault.kind in _STORE_DOWN and fault.at < stopped_at
            lasts_s = fault.seconds + _STORE_DOWN.get(fault.kind, 0.0)
            if down and kept_from < fault.at + lasts_s + takes_s:
                kept_from = min(kept_from, fault.at - takes_s)
        return kept_from

    def _was_left(self, cluster: Cluster, was: np.void, kept: np.void) -> bool:
        """Tell whether a ship was kept where its line had brought it when its pilot left."""
        if not _is_at_rest(was, kept):
            return False
        for end in self._ends(cluster, was, int(kept["tick"]), cluster.authority.stopped_at):
            off = np.array([end[0] - kept["x"], end[1] - kept["y"], end[4] - kept["heading"]])
            off[2] = physics.wrap(off[2])
            if np.abs(off).max() <= ROUNDING:
                return True
        return False

    def _comes_back(self, cluster: Cluster, was: np.void, now: np.void, left_at: int) -> bool:
        """Tell whether a ship is at rest near where its line had brought it when it left."""
        ends = self._ends(cluster, was, left_at, self._ticked_at[left_at])
        near = (np.hypot(end[0] - now["x"], end[1] - now["y"]) <= BACK_OFF_MAX for end in ends)
        return _is_at_rest(was, now) and any(near)

    def _ends(
        self, cluster: Cluster, was: np.void, left_at: int, until: float
    ) -> Iterator[np.ndarray]:
        """Tell where a ship may have been when its pilot left.

        It is on the line of the last row that was seen of it, or of a newer one: what comes for the
        tick in which its pilot leaves is taken in before the pilot leaves, and is never seen.

        Args:
            cluster: in which it was.
            was: the last row that was seen.
            left_at: the tick in which its pilot left.
            until: when that tick was, virtual seconds; what was flown later counts for nothing.

        Returns:
            states, float64[6].
        """
        last = np.array([[was[name] for name in STATE]]), int(was["tick"])
        for states, tick in (last, *self._flown_after(cluster, was, until)):
            yield physics.coast(states, (left_at - tick) / self._plan.tick_hz)[0]

    def _flown_after(
        self, cluster: Cluster, was: np.void, until: float
    ) -> Iterator[tuple[np.ndarray, int]]:
        """Give the states, float64[1, 6], and ticks in which shards flew a ship after a row."""
        for flight in cluster.flights:
            in_time = self._started_at <= flight.since and flight.at <= until
            if in_time and flight.tick > was["tick"]:
                mine = (flight.net_id == was["id"]) & (flight.epoch == was["epoch"])
                if mine.any():
                    yield flight.after[mine], flight.tick


def _is_at_rest(was: np.void, now: np.void) -> bool:
    """Tell whether a ship stands still, and is the same but for that and for its last charge."""
    still = now["vx"] == now["vy"] == now["spin"] == 0.0
    return bool(still) and not _differences(was, now).keys() - {*STATE, "tick", "differs", *SAVED}


_NOTHING: Final = np.uint64(0)

_KEPT: Final = (*STATE, "kind", "radius", "mass", "name", "tick", "differs", *SAVED)
"""What a restart must not change."""


def _differences(was: np.void, kept: np.void, but: np.uint64 = _NOTHING) -> dict[str, Any]:
    """Give what was kept otherwise, but for whether components were there, as bits."""
    wrong = {name: kept[name].item() for name in _KEPT if was[name] != kept[name]}
    if (was["differs"] | but) == (kept["differs"] | but):
        wrong.pop("differs", None)
    return wrong


def _brand_of(record: np.void, brand: np.uint64) -> int:
    """Give the number of its brand; 0 for none."""
    return int(record[NUMBER]) if record["differs"] & brand else 0


_STORE_DOWN: Final = {
    FaultKind.STORE_FAILS: 0.0,
    FaultKind.STORE_UNSURE: 0.0,
    FaultKind.STORE_SLOW: SLOW_S[1],
}
"""For how much longer than they last what is written is not in the store in time."""


def _begins_at(fault: Fault) -> float:
    return fault.at
