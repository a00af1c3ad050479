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
from sidereal.tools.simulate.cluster import Cluster

GRID: Final = (1e-4, 1e-4, 1e-6, 1e-6, 1e-5, 1e-6)
"""How far each number of a motion may be off the authority's: it travels in 32 bits."""


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
            if process.role is Role.PLAYER:
                for text in self._compare(client, core):
                    yield f"{process.name} {text}"
                cluster.exercised["private states judged"] += 1
            elif client.replica is not None and client.replica.private.have >= 0:
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
        mask = int(core.world.mask[row]) & schema.mask_own
        if known.flown.mask != mask:
            yield f"has a ship of the components {known.flown.mask:b}, not {mask:b}"
        motion = Motion(*(columns[name][rows] for name in Motion._fields))
        x, y, heading = extrapolate(*motion, columns.tick[rows], answer.tick, core.rules.tick_s)
        truth = np.concatenate([x, y, motion.vx, motion.vy, heading, motion.spin])
        off = np.abs(np.array(answer.state) - truth)
        off[4] = min(off[4], abs(off[4] - 2 * np.pi))
        if (off > GRID).any():
            yield f"has its ship off by {off.tolist()}"
        for number in schema.own:
            for field in schema.component(number).fields:
                if field.name not in Motion._fields and mask >> number & 1:
                    value, true = known.values.get(field.name), columns[field.name][row]
                    if value != true:
                        yield f"has {field.name} {value}, not {true}"
