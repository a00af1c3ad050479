"""What it costs to tell everybody everything: `uv run python benchmarks/replication.py`.

Cases: `fanout_1000_all_ms`, `fanout_1000_tenth_ms`: one tick of snapshots for 1,000 clients in a
world of 10,000 entities over 10 × 10 sectors, all or a tenth of which have a new reference; every
datagram is acked two ticks later. The log, the acks and writing every datagram count, not
encryption and sending. `fanout_components_ratio`: the worst of how much longer that takes with 4
further components, of each of which 1 % of the rows change per tick, and with 16, of which none
changes. `ack_delay_ratio`: bytes per client with acks that take 8 ticks, over those with acks that
take one, where a tenth changes and nothing is lost. `client_apply_ms`: one client applies a new
reference of each of 1,000 entities around it.

Medians over ticks of CPU time; all of it is on one core.
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
from sidereal.protocol.state.component import Component, Field, Replication
from sidereal.protocol.state.heads import encode_head
from sidereal.protocol.state.quantize import encode_rows, quantised
from sidereal.protocol.state.schema import BASE_COMPONENTS, BODY, LABEL, MOTION, OWNER, Schema
from sidereal.protocol.state.stream import places_around, unchanged_size
from sidereal.replication.edge.changelog import ChangeLog, State
from sidereal.replication.edge.cutting import cut_datagrams
from sidereal.replication.edge.fanout import Fanout
from sidereal.replication.edge.private import Piloted
from sidereal.replication.edge.sections import Asked, Layout

RULES = Rules()
ACK_TICKS = 2
ACK_DELAYS = 1, 8
WARM_TICKS = 12
TICKS, TICKS_QUICK = 200, 20


def schema_with(further: int) -> Schema:
    """The components of every world, and some of a game."""
    return Schema(
        (
            *BASE_COMPONENTS,
            *(
                Component(
                    f"health_{at}",
                    (Field(f"hp_{at}", "f4", "hp", 0, 100, 0.5),),
                    Replication.ATTRIBUTE,
                )
                for at in range(further)
            ),
        )
    )


class Crowd:
    """A world of drifting entities, each with a client's window around some of them."""

    def __init__(
        self,
        clients: int,
        entities: int,
        share: float,
        *,
        further: int = 0,
        further_share: float = 0.0,
        sectors: int = 10,
        ack_ticks: int = ACK_TICKS,
    ) -> None:
        rng = np.random.default_rng(7)
        side = sectors * RULES.sector_size
        self.rng, self.share, self.tick = rng, share, 1
        self.further, self.further_share = further, further_share
        self.schema = schema = schema_with(further)
        self.x, self.y = rng.uniform(0, side, (2, entities))
        self.vx, self.vy = rng.uniform(-20, 20, (2, entities))
        self.side = side
        self.net_id = np.arange(1, entities + 1, dtype=np.uint32)
        self.group = np.full(entities, -1, np.int32)
        self.entered = np.full(entities, -1, np.int64)
        self.changed = np.zeros((len(schema.components) + 1, entities), np.int64)
        self.rows = {number: np.zeros(entities, dtype) for number, dtype in schema.rows.items()}
        for rows in self.rows.values():
            rows["id"] = self.net_id
        self.rows[0]["kind"], self.rows[0]["mask"] = 2, schema.mask_shown
        self.values = {
            "radius": np.ones(entities, np.float32),
            "mass": np.ones(entities, np.float32),
            "group": np.zeros(entities, np.uint32),
            "name": np.zeros(entities, "S24"),
            "shard": np.zeros(entities, np.uint16),
        }
        self.values |= {f"hp_{at}": rng.uniform(0, 100, entities) for at in range(further)}
        everyone = np.arange(entities)
        for name in (BODY.name, LABEL.name, OWNER.name, *self.further_names()):
            self.encode(schema.numbers[name], everyone)
        self.table = SectorTable(RULES)
        self.changes = ChangeLog(schema, RULES)
        self.fanout = Fanout(schema, RULES, self.changes, clients)
        self.cell = np.stack(absolute_cell_of(self.x, self.y, RULES), axis=1)
        self.allowance = np.full(clients, 1 << 30)
        self.acks: deque[list[tuple[int, list[int]]]] = deque([[] for _ in range(ack_ticks)])
        self.flown = rng.integers(0, entities, clients)
        self.centre = self.cell[self.flown]
        for row, (cell_x, cell_y) in enumerate(self.centre.tolist()):
            self.fanout.join(row)
            self.fanout.move(row, 1, cell_x, cell_y)

    def further_names(self) -> list[str]:
        return [f"health_{at}" for at in range(self.further)]

    def encode(self, number: int, rows: np.ndarray) -> None:
        fields = self.schema.component(number).fields
        values = {field.name: self.values[field.name][rows] for field in fields}
        self.rows[number][rows] = encode_rows(self.schema, number, values, self.net_id[rows], RULES)

    def advance(self) -> np.ndarray:
        """Move everybody by a tick; returns who has left which cell (not measured)."""
        self.tick += 1
        self.x = np.clip(self.x + self.vx * RULES.tick_s, 0, self.side - 1e-6)
        self.y = np.clip(self.y + self.vy * RULES.tick_s, 0, self.side - 1e-6)
        group = self.table.group_of(self.x, self.y)
        self.cell = np.stack(absolute_cell_of(self.x, self.y, RULES), axis=1)
        entered = group != self.group
        left = np.flatnonzero(entered & (self.group >= 0))
        self.entered[entered] = self.changed[0, entered] = self.tick
        motion = self.schema.numbers[MOTION.name]
        new = np.flatnonzero(entered | (self.rng.random(len(self.x)) < self.share))
        self.changed[motion, new] = self.tick
        self.rows[motion][new] = encode_rows(
            self.schema,
            motion,
            {name: array[new] for name, array in self.state().items()},
            self.net_id[new],
            RULES,
            origin_x=self.cell[new, 0] * RULES.cell_size,
            origin_y=self.cell[new, 1] * RULES.cell_size,
            tick=self.tick,
        )
        for at, name in enumerate(self.further_names()):
            hit = np.flatnonzero(self.rng.random(len(self.x)) < self.further_share)
            number = self.schema.numbers[name]
            self.values[f"hp_{at}"][hit] = self.rng.uniform(0, 100, len(hit))
            self.changed[number, hit] = self.tick
            self.encode(number, hit)
        self.latest = self.changed.max(axis=1)
        self.left_group, self.group = self.group[left], group
        return left

    def state(self) -> dict[str, np.ndarray]:
        none = np.zeros(len(self.x))
        motion = {"x": self.x, "y": self.y, "vx": self.vx, "vy": self.vy}
        return {**motion, "heading": none, "spin": none}

    def tell(self, left: np.ndarray) -> list[tuple[int, bytes, int]]:
        """What is measured: one tick of the log and the fan-out."""
        self.changes.note_left(
            self.tick, self.net_id[left], self.left_group, np.ones(len(left), np.bool_)
        )
        self.changes.publish(
            self.tick,
            State(self.net_id, self.group, self.entered, self.changed, self.latest, self.rows),
        )
        self.fanout.refresh(self.table)
        for client, tags in self.acks.popleft():
            self.fanout.acked(client, tags)
        self.fanout.private.publish(self.tick, self.steered())
        return list(self.fanout.collect(self.tick, self.allowance))

    def steered(self) -> Piloted:
        """What clients fly: each of them turns in every tick."""
        count, mask = len(self.flown), self.schema.mask_own
        values = {name: array[self.flown] for name, array in self.state().items()}
        values["heading"] += (self.tick % 31) / 10
        return Piloted(
            np.arange(count),
            self.flown,
            self.net_id[self.flown],
            np.ones(count, np.uint32),
            np.full(count, mask, np.uint64),
            np.full(count, self.tick),
            np.zeros(count, np.int64),
            np.full(count, self.tick),
            self.changed[self.schema.numbers[MOTION.name], self.flown] == self.tick,
            values,
        )

    def deliver(self, messages: list[tuple[int, bytes, int]]) -> None:
        tags: dict[int, list[int]] = {}
        for client, _, tag in messages:
            tags.setdefault(client, []).append(tag)
        self.acks.append(list(tags.items()))

    def messages_of(self, messages: list[tuple[int, bytes, int]]) -> dict[int, list[bytes]]:
        found: dict[int, list[bytes]] = {}
        for client, message, _ in messages:
            found.setdefault(client, []).append(message)
        return found


def check(crowd: Crowd, replicas: dict[int, Replica]) -> None:
    """Replicas of some clients must hold exactly what is in their windows, where all is at rest."""
    schema = crowd.schema
    seen = quantised(
        schema,
        schema.numbers[MOTION.name],
        crowd.state(),
        RULES,
        origin_x=crowd.cell[:, 0] * RULES.cell_size,
        origin_y=crowd.cell[:, 1] * RULES.cell_size,
    )
    for at, name in enumerate(crowd.further_names()):
        field = f"hp_{at}"
        seen |= quantised(schema, schema.numbers[name], {field: crowd.values[field]}, RULES)
    for client, replica in replicas.items():
        off = np.abs(crowd.cell - crowd.centre[client]).max(axis=1)
        inside = np.flatnonzero(off <= RULES.view_radius_cells)
        rows = replica.columns.rows_of(crowd.net_id[inside])
        if len(replica.rows()) != len(inside) or (rows < 0).any():
            raise AssertionError(f"client {client} does not see what is there")
        # What it flies is on the finer grid of private sections.
        others = inside != crowd.flown[client]
        if (replica.columns["x"][rows] != seen["x"][inside])[others].any():
            raise AssertionError(f"client {client} sees something elsewhere")
        for at in range(crowd.further):
            if (replica.columns[f"hp_{at}"][rows] != seen[f"hp_{at}"][inside]).any():
                raise AssertionError(f"client {client} sees another number")


class Tally:
    """What a crowd has cost, and what some of its clients have made of it."""

    def __init__(self, crowd: Crowd) -> None:
        clients = len(crowd.flown)
        watched = range(0, clients, max(1, clients // 5))
        self.crowd = crowd
        self.replicas = {client: Replica(crowd.schema, RULES) for client in watched}
        self.spent: list[float] = []
        self.datagrams = self.size = 0

    def tick(self) -> None:
        crowd = self.crowd
        left = crowd.advance()
        begin = time.process_time()
        messages = crowd.tell(left)
        self.spent.append(time.process_time() - begin)
        crowd.deliver(messages)
        for client, mine in crowd.messages_of(messages).items():
            if client in self.replicas:
                self.replicas[client].apply_untrusted(mine, 0.0)
        if len(self.spent) > WARM_TICKS:
            self.datagrams += len(messages)
            self.size += sum(len(message) for _, message, _ in messages)

    def check(self) -> None:
        """Let everything come to rest, and all acks come; then clients must have it all."""
        crowd = self.crowd
        crowd.vx[:] = crowd.vy[:] = crowd.further_share = 0.0
        for share in (1.0, *(0.0 for _ in range(len(crowd.acks) + 2))):
            crowd.share = share
            self.tick()
        check(crowd, self.replicas)

    def ms(self, percent: float = 50) -> float:
        return float(np.percentile(self.spent[WARM_TICKS:], percent)) * 1e3


def measure_ack_delay(ticks: int) -> float:
    """Bytes per client with slow acks, over those with fast ones."""
    tallies = [Tally(Crowd(200, 10_000, 0.1, ack_ticks=delay)) for delay in ACK_DELAYS]
    sizes = []
    for tally in tallies:
        for _ in range(WARM_TICKS + ticks):
            tally.tick()
        sizes.append(tally.size)
        tally.check()
    return sizes[1] / sizes[0]


def measure_apply(ticks: int) -> float:
    """CPU time of one client that applies a tick of 1,000 entities, ms."""
    crowd = Crowd(1, 1000, 1.0, sectors=2)
    middle = RULES.window_side // 2
    crowd.x, crowd.y = crowd.rng.uniform(0, RULES.window_side * RULES.cell_size, (2, 1000))
    crowd.vx[:] = crowd.vy[:] = 0.0
    crowd.centre[0] = middle, middle
    replica = Replica(crowd.schema, RULES)
    spent = []
    for turn in range(WARM_TICKS + ticks):
        crowd.deliver(crowd.tell(crowd.advance()))
        messages = whole_update(crowd, middle, 1 if turn else 0)
        begin = time.process_time()
        replica.apply_untrusted(messages, 0.0)
        spent.append(time.process_time() - begin)
    check(crowd, {0: replica})
    return float(np.median(spent[WARM_TICKS:])) * 1e3


def whole_update(crowd: Crowd, middle: int, span: int) -> list[bytes]:
    """What is new around a cell, or all that there is: more than a client is sent in a tick."""
    layout = Layout(crowd.schema, RULES)
    cell_x, cell_y = places_around(middle, middle, RULES)
    group = crowd.table.group_of((cell_x + 0.5) * RULES.cell_size, (cell_y + 0.5) * RULES.cell_size)
    place, count = np.arange(len(group)), len(group)
    asked = Asked(group.astype(np.int64), np.full(count, span), place, np.full(count, 99))
    cuts = layout.cut(crowd.changes, asked)
    row = np.zeros(len(cuts.size), np.int64)
    cut = cut_datagrams(row, cuts.size, 1, np.array([layout.room]), layout.room)
    head = encode_head(crowd.tick, middle, middle, unchanged=bytes(unchanged_size(RULES)))
    parts = zip(cut.first.tolist(), cut.end.tolist(), strict=True)
    return [head + b"".join(cuts.data[first:end]) for first, end in parts]


FANOUT = {
    "fanout_1000_all_ms": (1.0, 0, 0.0),
    "fanout_1000_tenth_ms": (0.1, 0, 0.0),
    "all, 4 further, 1 %": (1.0, 4, 0.01),
    "tenth, 4 further, 1 %": (0.1, 4, 0.01),
    "all, 16 further, none": (1.0, 16, 0.0),
    "tenth, 16 further, none": (0.1, 16, 0.0),
}
"""Share of entities that move, further components, and the share of their rows that change."""


def main() -> None:
    flags = parse_flags(__doc__)
    ticks = TICKS_QUICK if flags.quick else TICKS
    tallies = {
        case: Tally(Crowd(1000, 10_000, share, further=further, further_share=further_share))
        for case, (share, further, further_share) in FANOUT.items()
    }
    # Tick by tick, so that all cases have the same machine.
    for _ in range(WARM_TICKS + ticks):
        for tally in tallies.values():
            tally.tick()
    results = {}
    for case, tally in tallies.items():
        if case.endswith("_ms"):
            results[case] = result(tally.ms(), "ms")
        print(
            f"{case:24} {tally.ms():8.2f} ms   p99 {tally.ms(99):8.2f} ms   "
            f"{tally.datagrams / ticks:7.0f} datagrams per tick   "
            f"{tally.size / ticks / 1000:6.0f} bytes per client and tick",
            file=table(flags),
        )
    ratio = max(
        tally.ms() / tallies[f"fanout_1000_{case.partition(',')[0]}_ms"].ms()
        for case, tally in tallies.items()
        if "further" in case
    )
    results["fanout_components_ratio"] = result(ratio, "ratio")
    print(f"fanout_components_ratio  {ratio:8.2f}", file=table(flags))
    for tally in tallies.values():
        tally.check()
    ratio = measure_ack_delay(ticks)
    results["ack_delay_ratio"] = result(ratio, "ratio")
    print(f"ack_delay_ratio          {ratio:8.2f}", file=table(flags))
    apply_ms = measure_apply(ticks)
    results["client_apply_ms"] = result(apply_ms, "ms")
    print(f"client_apply_ms          {apply_ms:8.3f} ms", file=table(flags))
    publish(flags, results)


if __name__ == "__main__":
    main()
