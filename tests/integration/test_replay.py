"""A ship that changes hands over a slow link: every input is flown once, by one of its shards."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.game import Motion
from sidereal.game.bits import pack
from sidereal.game.models import FreeFlight
from sidereal.game.record import as_columns
from sidereal.games.frontier import Stick
from sidereal.protocol.message.inputs import Input
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.protocol.testing.link import LinkConfig
from sidereal.replication.limits import LIMITS
from sidereal.replication.world import UUID

from ..flying import FLYING
from .neighbours import Neighbours
from .troupe import RULES, SIZE

THRUST = pack(Stick(thrust=1))
LEFT = pack(Stick(turn=1))
RIGHT = pack(Stick(turn=-1))
BRAKE = pack(Stick(brake=1))
GAME = FLYING
FLIGHT = FreeFlight(GAME, RULES)
PHASE_S = 0.013
"""When in a tick of the authority the pilot's inputs come."""
HELD = (
    THRUST,
    THRUST | LEFT,
    THRUST | RIGHT,
    BRAKE | RIGHT,
    THRUST | LEFT,
    0,
)


class Crossing(Neighbours):
    """A ship that thrusts and turns across the border between two shards.

    Attributes:
        flown: by input, what the ship's committed row said when that was the newest in it.
        owners: by input, the shard that the row was of.
    """

    def __init__(self, config: LinkConfig, seed: int = 1) -> None:
        self.records: list[int] = []
        self.presses = False
        self.flown: dict[int, np.void] = {}
        self.owners: dict[int, int] = {}
        self.ship = 0
        rows = np.zeros(2, BASE_SCHEMA.full_record)
        rows["kind"], rows["radius"], rows["mass"] = GAME.kind_number("asteroid"), 4.0, 10.0
        rows["x"], rows["y"] = (100.0, 1.5 * SIZE), 900.0
        super().__init__(rows, GAME, config, seed)
        self.acts_at = self.now + PHASE_S

    def launch(self, x: float) -> None:
        """Put the ship there, heading along x."""
        records = np.zeros(1, BASE_SCHEMA.full_record)
        records["kind"], records["radius"], records["mass"] = (
            GAME.kind_number("ship"),
            8.0,
            10.0,
        )
        records["x"], records["y"], records["tick"] = x, 300.0, self.authority.tick
        records["control_epoch"] = 1
        rows = self.authority.world.enter(
            records, np.zeros(1, UUID), np.ones(1, np.int64), self.authority.tick
        )
        self.ship = int(self.authority.world.columns.net_id[rows[0]])
        self.start = records[0]

    def expected(self) -> dict[int, tuple[float, ...]]:
        """Where the flight model takes the ship: x, y and heading by input."""
        columns = {name: np.array([float(self.start[name])]) for name in Motion.fields}
        moving = as_columns(Motion, columns)
        states = {}
        for seq, record in enumerate(self.records, 1):
            held = FLIGHT.hold(np.array([record], np.uint64))
            FLIGHT.fly({Motion: moving, **held}, np.array([self.ship], np.uint32), 0)
            states[seq] = tuple(float(columns[name][0]) for name in ("x", "y", "heading"))
        return states

    def act(self) -> None:
        if self.presses:
            self._press()
        self.acts_at += RULES.tick_s

    def _press(self) -> None:
        seq = len(self.records) + 1
        self.records.append(HELD[seq // 9 % len(HELD)])
        newest = self.records[-16:]
        self.authority.mesh.route(self.ship, Input(1, seq - len(newest) + 1, tuple(newest)))

    def each_tick(self) -> None:
        columns = self.authority.world.columns
        rows = columns.rows_of(np.array([self.ship]))
        if rows[0] >= 0:
            record = columns.store(rows, BASE_SCHEMA.full_record)[0]
            self.flown.setdefault(int(record["input_seq"]), record)
            self.owners.setdefault(int(record["input_seq"]), int(record["shard"]))


@pytest.mark.parametrize("way_s", [0.006, 0.02, 0.04])
def test_a_ship_that_changes_hands_misses_no_input_and_no_tick(way_s: float) -> None:
    crossing = Crossing(LinkConfig(delay_s=way_s))
    crossing.launch(SIZE - 60.0)
    crossing.run(1.0)
    crossing.presses = True
    crossing.run(12.0)
    owners = list(dict.fromkeys(crossing.owners.values()))
    assert len(owners) == 2
    newest = max(crossing.flown)
    assert newest > 220
    crossed = min(seq for seq, owner in crossing.owners.items() if owner == owners[1])
    assert newest - crossed > 100
    # Of the ticks that passed while the decision travelled there is no row of its own.
    assert set(range(newest + 1)) - crossing.flown.keys() <= {crossed + 1, crossed + 2}
    expected = crossing.expected()
    for seq, row in crossing.flown.items():
        if seq:
            assert (row["x"], row["y"], row["heading"]) == pytest.approx(expected[seq], abs=1e-6)
    assert len({int(row["tick"]) - seq for seq, row in crossing.flown.items() if seq}) == 1
    counts = [core.statistics().simulation for core in crossing.cores]
    assert [count.controls_skipped for count in counts if count is not None] == [0, 0]


def test_what_the_pilot_held_while_nobody_simulated_is_flown_by_the_next_owner() -> None:
    crossing = Crossing(LinkConfig(delay_s=0.02))
    crossing.launch(SIZE - 400.0)
    crossing.run(1.0)
    crossing.presses = True
    crossing.run(2.0)
    owner = crossing.owners[max(crossing.owners)] - 1
    # Killed: its leases go to the other when it has been silent for long enough.
    crossing.wires[owner].configure(LinkConfig(loss=1.0))
    crossing.run(4.0)
    newest = max(crossing.flown)
    assert crossing.owners[newest] == 2 - owner
    expected = crossing.expected()
    row = crossing.flown[newest]
    assert newest > 100
    assert (row["x"], row["y"], row["heading"]) == pytest.approx(expected[newest], abs=1e-6)
    first = min(seq for seq, number in crossing.owners.items() if number == 2 - owner)
    assert (
        first - max(s for s, n in crossing.owners.items() if n == owner + 1)
        > LIMITS.shards.silence_ticks - 3
    )
