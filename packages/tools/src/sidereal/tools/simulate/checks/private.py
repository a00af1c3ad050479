"""What each pilot alone is told, once the faults have stopped; and that nobody else is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from sidereal.client.client import Client
from sidereal.client.statistics import SessionState
from sidereal.protocol.message.player import Role
from sidereal.protocol.state.reckoning import Motion, extrapolate
from sidereal.replication.replicator import Replicator
from sidereal.tools.simulate.clients import JudgedClient
from sidereal.tools.simulate.cluster import Cluster

GRID: Final = (1e-4, 1e-4, 1e-6, 1e-6, 1e-5, 1e-6)
"""How far each number of a motion may be off the authority's: it travels in 32 bits."""


REMEMBERED_TICKS: Final = 200
"""States that the authority had so long ago are told to nobody any more."""

Pilot = tuple[int, int, int, int]
"""An entity, whose inputs count, the tick of its state, and the low bits of its newest input."""


class PrivateIsTrue:
    """What a pilot is told that its entity did at a tick is what the authority had of that tick.

    That is its motion, and what else models write of it.
    """

    def __init__(self) -> None:
        self._had: dict[Pilot, tuple[int, list[np.ndarray]]] = {}
        self._told: dict[Client, Pilot] = {}

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Judge the newest state of every pilot, once."""
        self._remember(core)
        for process in cluster.clients:
            replica = None if process.core is None else process.core.replica
            answer = None if replica is None else replica.private.answer()
            if process.core is None or answer is None:
                continue
            pilot = answer.net_id, answer.control_epoch, answer.tick, answer.input
            had = self._had.get(pilot)
            if had is None or self._told.get(process.core) == pilot:
                continue
            self._told[process.core] = pilot
            cluster.exercised["states of pilots judged"] += 1
            assert replica is not None
            written = [replica.private.values.get(name, 0) for name in _written(core)]
            told = np.array([*answer.state, *written], np.float64)
            if not any(agree(told, state) for state in had[1]):
                yield f"{process.name} is told {answer} and {written}, when it was {had[1]}"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nothing more in the end."""
        return iter(())

    def _remember(self, core: Replicator) -> None:
        columns = core.world.columns
        rows = columns.rows()
        rows = rows[columns["control_epoch"][rows] > 0]
        names = [*Motion._fields, *_written(core)]
        states = np.stack([columns[name][rows] for name in names], axis=1)
        pilots = zip(
            columns.net_id[rows].tolist(),
            columns["control_epoch"][rows].tolist(),
            columns.tick[rows].tolist(),
            (columns["input_seq"][rows] % (1 << 16)).tolist(),
            strict=True,
        )
        for pilot, state in zip(pilots, states, strict=True):
            self._had.setdefault(pilot, (core.tick, []))[1].append(state)
        oldest = core.tick - REMEMBERED_TICKS
        self._had = {pilot: had for pilot, had in self._had.items() if had[0] >= oldest}


class PrivateConverges:
    """Every pilot has exactly what the authority has of its entity; others have nothing of it."""

    def look(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Nobody has in its picture what only pilots, or clients of another role, may know."""
        schema = core.schema
        for process in cluster.clients:
            seen = schema.shown_to(process.role.name.lower())
            hidden = [number for number in (*schema.own, *schema.sent) if number not in seen]
            names = [f.name for number in hidden for f in schema.component(number).fields]
            replica = None if process.core is None else process.core.replica
            if replica is not None and any(replica.columns[name].any() for name in names):
                yield f"{process.name} knows what is hidden from it"

    def conclude(self, cluster: Cluster, core: Replicator) -> Iterator[str]:
        """Compare what pilots know with the world."""
        for process in cluster.clients:
            client = process.core
            if client is None or client.state is not SessionState.JOINED:
                continue
            if flies_nothing(process, core):
                cluster.exercised["pilots without a ship"] += 1
            elif process.role is Role.PLAYER:
                for text in self._compare(client, core):
                    yield f"{process.name} {text}"
                cluster.exercised["private states judged"] += 1
            elif client.replica is not None and client.replica.private.flown.net_id:
                yield f"{process.name} flies nothing, and is told of something that it flies"

    def _compare(self, client: Client, core: Replicator) -> Iterator[str]:
        assert client.replica is not None
        known, columns, schema = client.replica.private, core.world.columns, core.schema
        rows = columns.rows_of(np.array([client.net_id]))
        answer = known.answer()
        if rows[0] < 0 or answer is None:
            yield "knows nothing of its ship"
            return
        row, rows = int(rows[0]), rows[:1]
        says = known.flown.net_id, known.flown.control_epoch, answer.input
        pilot = int(columns["control_epoch"][row]), int(columns["input_seq"][row]) % (1 << 16)
        if says != (client.net_id, *pilot):
            yield f"flies {client.net_id} by {pilot}, and takes it for {says}"
        mask = int(core.world.columns.mask[row]) & schema.mask_own
        if known.flown.mask != mask:
            yield f"has a ship of the components {known.flown.mask:b}, not {mask:b}"
        motion = Motion(*(columns[name][rows] for name in Motion._fields))
        x, y, heading = extrapolate(*motion, columns.tick[rows], answer.tick, core.rules.tick_s)
        truth = np.concatenate([x, y, motion.vx, motion.vy, heading, motion.spin])
        if not agree(np.array(answer.state), truth):
            yield f"has its ship as {answer.state}, not {truth.tolist()}"
        for number in schema.own:
            for field in schema.component(number).fields:
                if field.name not in Motion._fields and mask >> number & 1:
                    value, true = known.values.get(field.name), columns[field.name][row]
                    if value != true:
                        yield f"has {field.name} {value}, not {true}"


def flies_nothing(process: JudgedClient, core: Replicator) -> bool:
    """Whether a pilot has lost what it flew, and the authority has not given it anything since."""
    flown = [player.net_id for player in core.clients.players if player.name == process.name]
    return process.role is Role.PLAYER and len(flown) > 0 and not any(flown)


def _written(core: Replicator) -> list[str]:
    """Give the fields that models write beside motion, of what pilots are sent."""
    own = map(core.schema.component, core.schema.own)
    fields = (f.name for component in own if component.predicted for f in component.fields)
    return [name for name in fields if name not in Motion._fields]


def agree(told: np.ndarray, truth: np.ndarray) -> bool:
    """Whether two states are the same: motions on the grid of private sections, others exactly."""
    off = np.abs(told - truth)
    off[4] = min(off[4], abs(off[4] - 2 * np.pi))
    motion = len(GRID)
    return bool((off[:motion] <= GRID).all() and not off[motion:].any())
