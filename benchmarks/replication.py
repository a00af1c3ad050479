"""What it costs to tell everybody everything: `uv run python benchmarks/replication.py`.

Cases: `fanout_1000_all_ms`, `fanout_1000_tenth_ms`: one tick of snapshots for 1,000 clients in a
world of 10,000 entities over 10 × 10 sectors, all or a tenth of which have a new reference; every
datagram is acked two ticks later. Sorting the records, the acks and writing every datagram
count, not encryption and sending. Median over ticks of CPU time; all of it is on one core.
"""

from __future__ import annotations

import time
from collections import deque

import numpy as np
from results import parse_flags, publish, result, table

from sidereal.client.replica import Replica
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.geometry import absolute_cell_of
from sidereal.protocol.space.sectors import SectorTable
from sidereal.protocol.state.quantize import encode_wire, quantised
from sidereal.protocol.state.schema import BASE_SCHEMA as SCHEMA
from sidereal.protocol.state.stream import OWN_BLOCK, CellStream
from sidereal.replication.edge.fanout import Fanout

RULES = Rules()
SECTORS_PER_SIDE = 10
ACK_TICKS = 2
WARM_TICKS = 12


class Crowd:
    """A world of drifting entities, each with a client's window around some of them."""

    def __init__(self, clients: int, entities: int, share: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        side = SECTORS_PER_SIDE * RULES.sector_size
        self.rng, self.share, self.tick = rng, share, 1
        self.x, self.y = rng.uniform(0, side, (2, entities))
        self.vx, self.vy = rng.uniform(-20, 20, (2, entities))
        self.side = side
        self.net_id = np.arange(1, entities + 1, dtype=np.uint32)
        self.changed = np.zeros(entities, np.int64)
        self.attributes_changed = np.zeros(entities, np.int64)
        self.attributes = np.zeros(entities, SCHEMA.attribute_record)
        self.attributes["id"], self.attributes["kind"] = self.net_id, 2
        self.attributes["radius"] = self.attributes["mass"] = 1.0
        self.wire = np.zeros(entities, SCHEMA.wire_record)
        self.group = np.full(entities, -1, np.int32)
        self.table = SectorTable(RULES)
        self.stream = CellStream(SCHEMA, RULES)
        self.fanout = Fanout(SCHEMA, RULES, self.stream, clients)
        self.clients = clients
        self.cell = np.stack(absolute_cell_of(self.x, self.y, RULES), axis=1)
        own = np.zeros(clients, OWN_BLOCK)
        self.own = {row: own[row] for row in range(clients)}
        self.acks: deque[list[tuple[int, list[int]]]] = deque([[] for _ in range(ACK_TICKS)])
        self.centre = self.cell[rng.integers(0, entities, clients)]
        for row, (cell_x, cell_y) in enumerate(self.centre.tolist()):
            self.fanout.join(row)
            self.fanout.move(row, 1, cell_x, cell_y)

    def advance(self) -> np.ndarray:
        """Move everybody by a tick; returns who has left which cell (not measured)."""
        self.tick += 1
        self.x = np.clip(self.x + self.vx * RULES.tick_s, 0, self.side - 1e-6)
        self.y = np.clip(self.y + self.vy * RULES.tick_s, 0, self.side - 1e-6)
        group = self.table.group_of(self.x, self.y)
        self.cell = np.stack(absolute_cell_of(self.x, self.y, RULES), axis=1)
        entered = group != self.group
        left = np.flatnonzero(entered & (self.group >= 0))
        new = entered | (self.rng.random(len(self.x)) < self.share)
        self.changed[new] = self.tick
        self.attributes_changed[entered] = self.tick
        self.wire[new] = encode_wire(
            SCHEMA,
            {name: array[new] for name, array in self.state().items()},
            self.cell[new, 0] * RULES.cell_size,
            self.cell[new, 1] * RULES.cell_size,
            self.net_id[new],
            np.full(new.sum(), self.tick),
            RULES,
        )
        self.left_group, self.group = self.group[left], group
        return left

    def state(self) -> dict[str, np.ndarray]:
        none = np.zeros(len(self.x))
        motion = {"x": self.x, "y": self.y, "vx": self.vx, "vy": self.vy}
        return {**motion, "heading": none, "spin": none}

    def tell(self, left: np.ndarray) -> list[tuple[int, bytes, int]]:
        """What is measured: one tick of the stream and the fan-out."""
        self.stream.note_left(
            self.tick, self.net_id[left], self.left_group, np.ones(len(left), np.bool_)
        )
        self.stream.publish(
            self.tick,
            self.net_id,
            self.group,
            self.changed,
            self.attributes_changed,
            self.wire,
            self.attributes,
        )
        self.fanout.refresh(self.table)
        for client, tags in self.acks.popleft():
            self.fanout.acked(client, tags)
        return list(self.fanout.collect(self.tick, self.own))

    def deliver(self, messages: list[tuple[int, bytes, int]]) -> None:
        tags: dict[int, list[int]] = {}
        for client, _, tag in messages:
            tags.setdefault(client, []).append(tag)
        self.acks.append(list(tags.items()))


def check(crowd: Crowd, replicas: dict[int, Replica]) -> None:
    """Replicas of some clients must hold exactly what is in their windows."""
    seen = quantised(
        SCHEMA,
        crowd.state(),
        crowd.cell[:, 0] * RULES.cell_size,
        crowd.cell[:, 1] * RULES.cell_size,
        RULES,
    )
    for client, replica in replicas.items():
        off = np.abs(crowd.cell - crowd.centre[client]).max(axis=1)
        inside = np.flatnonzero(off <= RULES.view_radius_cells)
        rows = replica.columns.rows_of(crowd.net_id[inside])
        if len(replica.rows()) != len(inside) or (rows < 0).any():
            raise AssertionError(f"client {client} does not see what is there")
        fresh = crowd.changed[inside] == crowd.tick
        if (replica.columns["x"][rows[fresh]] != seen["x"][inside[fresh]]).any():
            raise AssertionError(f"client {client} sees something elsewhere")


def measure(clients: int, entities: int, share: float, ticks: int) -> dict[str, float]:
    crowd = Crowd(clients, entities, share, seed=7)
    watched = range(0, clients, max(1, clients // 5))
    replicas = {client: Replica(SCHEMA, RULES) for client in watched}
    spent, datagrams, size = [], 0, 0
    for turn in range(WARM_TICKS + ticks):
        left = crowd.advance()
        begin = time.process_time()
        messages = crowd.tell(left)
        spent.append(time.process_time() - begin)
        crowd.deliver(messages)
        for client, message, _ in messages:
            if client in replicas:
                replicas[client].apply_untrusted(message, 0.0)
        if turn >= WARM_TICKS:
            datagrams += len(messages)
            size += sum(len(message) for _, message, _ in messages)
    check(crowd, replicas)
    return {
        "ms": float(np.median(spent[WARM_TICKS:])) * 1e3,
        "ms_p99": float(np.percentile(spent[WARM_TICKS:], 99)) * 1e3,
        "datagrams": datagrams / ticks,
        "bytes": size / ticks / clients,
    }


def main() -> None:
    flags = parse_flags(__doc__)
    ticks = 20 if flags.quick else 200
    results = {}
    for case, share in (("fanout_1000_all_ms", 1.0), ("fanout_1000_tenth_ms", 0.1)):
        found = measure(1000, 10_000, share, ticks)
        results[case] = result(found["ms"], "ms")
        print(
            f"{case:24} {found['ms']:8.2f} ms   p99 {found['ms_p99']:8.2f} ms   "
            f"{found['datagrams']:7.0f} datagrams per tick   "
            f"{found['bytes']:6.0f} bytes per client and tick",
            file=table(flags),
        )
    publish(flags, results)


if __name__ == "__main__":
    main()
