"""What must be true once the faults have stopped: everybody agrees with the authority."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from sidereal.client.client import Client
from sidereal.client.replica import Replica
from sidereal.client.statistics import SessionState
from sidereal.protocol.message.player import Role
from sidereal.protocol.space.geometry import absolute_cell_of
from sidereal.protocol.state.quantize import decode_rows_untrusted, quantised, restore_tick
from sidereal.protocol.state.reckoning import Motion, extrapolate
from sidereal.protocol.state.schema import Schema, mask_of
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.checks.private import agree, flies_nothing
from sidereal.tools.simulate.checks.service import silence_ticks_of
from sidereal.tools.simulate.clients import JudgedClient
from sidereal.tools.simulate.cluster import Cluster
from sidereal.tools.simulate.faults import Plan
from sidereal.tools.simulate.saving import SAVE_S

SETTLED_TICKS: Final = 4
"""References replaced so lately may still be on their way."""

BODY_OFF_MAX: Final = 0.01
"""World units a body may be off what the authority reckons."""

POSE_OFF_MAX: Final = 0.1
"""World units the predicted ship may be off the authority's, when at rest."""

PUSH_MAX: Final = 2.0
"""World units more, of one that touches another: it is pushed out of it without any speed."""

TOUCHING_SLACK: Final = 1.0
"""World units that two may be apart which touched a moment ago."""

LEAD_S: Final = 0.5
"""How far ahead of the authority a prediction may be."""


class ReplicasConverge:
    """Every client has, in its window, exactly what the authority tells: nothing more or less.

    A client may have heard nothing of the last ticks if nothing in its window was new in them. What
    it has is compared with the last tick all the same.
    """

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing before the end."""
        return iter(())

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare every replica with the world on the quantised grid."""
        for process in cluster.clients:
            client = process.core
            if client is None or client.state is not SessionState.JOINED:
                stage = "away" if client is None else client.state.value
                yield f"{process.name} is not in the world, but {stage}"
            else:
                for text in self._compare(cluster, process, client, core):
                    yield f"{process.name}: {text}"

    def _compare(
        self, cluster: Cluster, process: JudgedClient, client: Client, core: Replicator
    ) -> Iterator[str]:
        replica, world = client.replica, core.world
        assert replica is not None
        coverage, newest = replica.coverage, replica.newest_tick
        silent_ticks = core.tick - newest
        if coverage.known_to != newest or not 0 <= silent_ticks < silence_ticks_of(core):
            yield f"knows {coverage.known_to} of {newest} of {core.tick}"
            return
        yield from _look_at_window(process, client, core)
        present = world.present(core.tick)
        cell_x, cell_y = absolute_cell_of(present.x, present.y, core.rules)
        off_x, off_y = np.abs(cell_x - coverage.centre_x), np.abs(cell_y - coverage.centre_y)
        inside = np.maximum(off_x, off_y) <= core.rules.view_radius_cells
        rows = present.rows[inside]
        order = np.argsort(world.columns.net_id[rows])
        rows, cell_x, cell_y = rows[order], cell_x[inside][order], cell_y[inside][order]
        held = replica.rows()
        held = held[np.argsort(replica.columns.net_id[held])]
        wanted, found = world.columns.net_id[rows], replica.columns.net_id[held]
        if not np.array_equal(wanted, found):
            missing, extra = np.setdiff1d(wanted, found), np.setdiff1d(found, wanted)
            yield f"lacks {missing.tolist()}, has {extra.tolist()} besides"
            return
        if replica.columns.count != len(held):
            yield f"holds {replica.columns.count - len(held)} entities of which it knows half"
        if not np.array_equal(world.columns["kind"][rows], replica.columns["kind"][held]):
            yield "has entities of other kinds"
        numbers = core.schema.shown_to(process.role.name.lower())
        changed = np.maximum(world.entered[rows], world.changed[[*numbers]][:, rows].max(axis=0))
        if (changed > newest).any():
            yield f"has not heard, since {newest}, that {wanted[changed > newest].tolist()} changed"
            return
        shown = world.columns.mask[rows] & np.uint64(mask_of(numbers))
        known = replica.components(held)
        if not np.array_equal(shown, known):
            yield f"components of {found[shown != known].tolist()} are others"
            return
        own = _are_told_apart(core, rows, replica, held)
        cluster.exercised["own motions judged"] += int(own.sum())
        for number in numbers:
            has = (shown >> np.uint64(number)) & np.uint64(1) != 0
            has &= ~own | (not core.schema.component(number).is_reckoned)
            cells = cell_x[has], cell_y[has]
            yield from _compare_component(core, number, rows[has], replica, held[has], cells)


def _are_told_apart(
    core: Replicator, rows: np.ndarray, replica: Replica, held: np.ndarray
) -> np.ndarray:
    """Tell of which entities a client knows the motion exactly, from its private section: its own.

    Cells need not say it then.
    """
    told, columns = replica.newer(held), core.world.columns
    x, y, heading = extrapolate(*Motion(*told[1:]), told.tick, core.tick, core.rules.tick_s)
    known = np.stack([x, y, told.vx, told.vy, heading, told.spin], axis=1)
    x, y, heading = core.world.locate(rows, core.tick)
    vx, vy, spin = (columns[name][rows] for name in ("vx", "vy", "spin"))
    truth = np.stack([x, y, vx, vy, heading, spin], axis=1)
    own = replica.columns.net_id[held] == replica.private.flown.net_id
    for at in np.flatnonzero(own).tolist():
        own[at] = agree(known[at], truth[at])
    return np.asarray(own)


def _compare_component(
    core: Replicator,
    number: int,
    rows: np.ndarray,
    replica: Replica,
    held: np.ndarray,
    cells: tuple[np.ndarray, np.ndarray],
) -> Iterator[str]:
    """A replica has a component as the authority's, on the grid of the wire."""
    world, schema, size = core.world, core.schema, core.rules.cell_size
    component = schema.component(number)
    if component.is_reckoned:
        sent = world.rows[number][rows]
        values = decode_rows_untrusted(
            schema, number, sent, core.rules, origin_x=cells[0] * size, origin_y=cells[1] * size
        )
        if not np.array_equal(replica.columns.tick[held], restore_tick(sent["tick"], core.tick)):
            yield "has other references"
    else:
        truth = {field.name: world.columns[field.name][rows] for field in component.fields}
        values = quantised(schema, number, truth, core.rules)
    for name, value in values.items():
        wrong = replica.columns.net_id[held][replica.columns[name][held] != value]
        if len(wrong):
            yield f"{name} of {wrong.tolist()} is another"


def _look_at_window(process: JudgedClient, client: Client, core: Replicator) -> Iterator[str]:
    """The window is where the ship is, or where the observer looks."""
    assert client.replica is not None
    x, y = process.looks_at
    if flies_nothing(process, core):
        return
    if process.role is Role.PLAYER:
        present = core.world.present(core.tick)
        row = core.world.columns.rows_of(np.array([client.net_id]))
        if row[0] < 0:
            yield "flies nothing"
            return
        at = int(np.searchsorted(present.rows, row[0]))
        x, y = float(present.x[at]), float(present.y[at])
    cell_x, cell_y = absolute_cell_of(np.array([x]), np.array([y]), core.rules)
    coverage = client.replica.coverage
    off = max(abs(int(cell_x[0]) - coverage.centre_x), abs(int(cell_y[0]) - coverage.centre_y))
    if off > 1:
        yield f"its window is {off} cells away"


class PredictionConverges:
    """Every pilot sees its own ship where the authority has it."""

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing before the end."""
        return iter(())

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare what is drawn with the world."""
        present = core.world.present(core.tick)
        for process in cluster.clients:
            client = process.core
            if process.role is not Role.PLAYER or client is None or not client.net_id:
                continue
            if flies_nothing(process, core):
                continue
            row = core.world.columns.rows_of(np.array([client.net_id]))
            view = client.view(process.local(cluster.now))
            if row[0] < 0 or view.own < 0:
                yield f"{process.name} does not see its ship"
                continue
            at = int(np.searchsorted(present.rows, row[0]))
            off = np.hypot(view.x[view.own] - present.x[at], view.y[view.own] - present.y[at])
            columns = core.world.columns
            speed = float(np.hypot(columns["vx"][row], columns["vy"][row])[0])
            apart = np.hypot(present.x - present.x[at], present.y - present.y[at])
            radius = columns["radius"][present.rows]
            pushed = int((apart <= radius + radius[at] + TOUCHING_SLACK).sum()) > 1
            if off > POSE_OFF_MAX + speed * LEAD_S + pushed * PUSH_MAX:
                yield f"{process.name} sees its ship {off:.2f} off, which flies at {speed:.2f}"


class ShardsConverge:
    """The authority has every body where its shard has it."""

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing before the end."""
        return iter(())

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare all bodies that were not pushed just now."""
        columns = core.world.columns
        for shard in cluster.shards:
            if shard.core is None or shard.core.bodies is None:
                continue
            bodies, tick = shard.core.bodies, shard.core.tick
            held = bodies.rows()
            assert shard.core.population is not None
            proposed_at = shard.core.population.reference["tick"][held]
            held = held[proposed_at < tick - SETTLED_TICKS]
            rows = columns.rows_of(bodies.columns.net_id[held])
            held, rows = held[rows >= 0], rows[rows >= 0]
            motion = Motion(*(columns[name][rows] for name in Motion._fields))
            x, y, _ = extrapolate(*motion, columns.tick[rows], tick, core.rules.tick_s)
            off = np.hypot(bodies.columns["x"][held] - x, bodies.columns["y"][held] - y)
            wrong = np.flatnonzero(off > BODY_OFF_MAX)
            if len(wrong):
                ids = bodies.columns.net_id[held[wrong]].tolist()
                yield f"{shard.name} has {ids} elsewhere, by {off[wrong].round(3).tolist()}"


def _saved(schema: Schema) -> list[str]:
    """Give the fields that the store must have as the world does: of what shards write."""
    written = [schema.component(number) for number in schema.proposed]
    fields = [f for component in written if component.persisted for f in component.fields]
    return ["tick", "kind", "name", "differs", *(f.name for f in fields if not f.reference)]


class _Same(NamedTuple):
    """A record as it has been since a look, and since when that was, virtual seconds."""

    record: tuple[Any, ...]
    look: int
    at: float


class StoreConverges:
    """What has not changed since it was saved is in the store as it is in the world.

    The checker remembers since when every row has been as it is. One that has been so for as long
    as the writes take up to its own, one of which was under way, must have been saved by then.
    """

    def __init__(self, plan: Plan) -> None:
        write_ticks = math.ceil(SAVE_S[1] * plan.tick_hz) + 1
        self._saved_within_ticks = plan.writes * write_ticks
        self._saved_within_s = self._saved_within_ticks / plan.tick_hz
        self._same: dict[bytes, _Same] = {}
        self._absent: set[bytes] = set()
        self._looks = 0
        self._looked_at = self._stalled_at = -math.inf
        self._stalled_s = 2.0 / plan.tick_hz
        self._works_since = 0
        self._incarnation = 0

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare what has long been as it is."""
        self._looks += 1
        authority = cluster.authority
        if cluster.now < authority.weather.bad_until:
            self._works_since = self._looks
        # Ticks that are made up for follow each other at once: no write ends between them.
        if cluster.now - self._looked_at > self._stalled_s:
            self._stalled_at = cluster.now
        self._looked_at = cluster.now
        if authority.incarnation != self._incarnation:
            self._incarnation = authority.incarnation
            self._same.clear()
        self._write_down(cluster, core)
        from_look = self._looks - self._saved_within_ticks
        from_s = cluster.now - self._saved_within_s
        bad_until = max(authority.weather.bad_until, self._stalled_at)
        if self._works_since > from_look or bad_until > from_s:
            return
        due = [key for key, s in self._same.items() if s.look <= from_look and s.at <= from_s]
        cluster.exercised["records long at peace judged"] += len(due)
        _, records, uuid, _, active = authority.store.load_world(berths=True)
        known = set(map(bytes, uuid))
        for key, removed_at in cluster.removed.items():
            if key in known and authority.started_at < removed_at <= from_s:
                yield f"{key.hex()} was removed long ago, and is in the store"
        records = records[active][_saved(core.schema)]
        saved = dict(zip(uuid[active].tolist(), records.tolist(), strict=True))
        # What an action ends is gone from the store a tick before it is from the world.
        before, self._absent = self._absent, {key for key in due if key not in saved}
        for key in due:
            wrong = key in before if key in self._absent else saved[key] != self._same[key].record
            if wrong:
                yield f"{key.hex()} is not in the store as it has been for long"

    def _write_down(self, cluster: Cluster, core: Replicator) -> None:
        """Note since when every record is as it is; who has left is forgotten."""
        world = core.world
        rows = world.columns.rows()
        rows = rows[world.is_kept(rows)]
        records = world.columns.store(rows, core.schema.full_record)[_saved(core.schema)].tolist()
        before, self._same = self._same, {}
        for key, record in zip(world.uuid[rows].tolist(), records, strict=True):
            fresh = _Same(record, self._looks, cluster.now)
            same = before.get(key, fresh)
            self._same[key] = same if same.record == record else fresh

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare the records of everything at peace."""
        world = core.world
        _, saved, uuid, account, active = cluster.authority.store.load_world(berths=True)
        known = {key: at for at, key in enumerate(uuid.tolist())}
        rows = world.columns.rows()
        for row in rows[world.is_kept(rows)].tolist():
            at = known.get(world.uuid[row].tobytes())
            if at is None:
                if not world.dirty[row] and not core.saving.depth:
                    yield f"{world.columns.net_id[row]} was never saved"
                continue
            if account[at] != world.accounts_of(np.array([row]))[0]:
                yield f"{world.columns.net_id[row]} was saved as another account's"
            if world.dirty[row] or core.saving.depth:
                continue
            record = world.columns.store(np.array([row]), core.schema.full_record)[0]
            if not active[at] or any(saved[at][name] != record[name] for name in Motion._fields):
                yield f"{world.columns.net_id[row]} was saved otherwise"
