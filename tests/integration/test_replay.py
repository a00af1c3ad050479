"""A ship that changes hands over a slow link: every input is flown once, by one of its shards."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.models import FreeFlight
from sidereal.protocol.message.player import Button, Controls
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.protocol.testing.link import LinkConfig
from sidereal.replication.world import UUID

from .neighbours import Neighbours
from .troupe import RULES, SIZE

GAME = load(DEFAULT_GAME)
FLIGHT = FreeFlight(GAME, RULES)
PHASE_S = 0.013
"""When in a tick of the authority the pilot's inputs come."""
HELD = (
    Button.THRUST,
    Button.THRUST | Button.LEFT,
    Button.THRUST | Button.RIGHT,
    Button.BRAKE | Button.RIGHT,
    Button.THRUST | Button.LEFT,
    Button(0),
)


class Crossing(Neighbours):
    """A ship that thrusts and turns across the border between two shards.

    Attributes:
        flown: by input, what the ship's committed row said when that was the newest in it.
        owners: by input, the shard that the row was of.
    """

    def __init__(self, config: LinkConfig, seed: int = 1) -> None:
        self.buttons: list[int] = []
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

    def expected(self) -> dict[int, tuple[float, float, float]]:
        """Where the flight model takes the ship: x, y and heading by input."""
        names = ("x", "y", "vx", "vy", "heading", "spin")
        x, y, vx, vy, heading, spin = (np.array([float(self.start[name])]) for name in names)
        states = {}
        for seq, buttons in enumerate(self.buttons, 1):
            FLIGHT.fly((x, y, vx, vy, heading, spin), np.array([buttons], np.uint16), 0)
            states[seq] = (float(x[0]), float(y[0]), float(heading[0]))
        return states

    def act(self) -> None:
        if self.presses:
            self._press()
        self.acts_at += RULES.tick_s

    def _press(self) -> None:
        seq = len(self.buttons) + 1
        self.buttons.append(int(HELD[seq // 9 % len(HELD)]))
        newest = self.buttons[-16:]
        body = np.array(newest, "<u2").tobytes()
        self.authority.mesh.route(self.ship, Controls(1, seq - len(newest) + 1, body))

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
    # Killed: its leases go to the other after a second.
    crossing.wires[owner].configure(LinkConfig(loss=1.0))
    crossing.run(4.0)
    newest = max(crossing.flown)
    assert crossing.owners[newest] == 2 - owner
    expected = crossing.expected()
    row = crossing.flown[newest]
    assert newest > 100
    assert (row["x"], row["y"], row["heading"]) == pytest.approx(expected[newest], abs=1e-6)
    first = min(seq for seq, number in crossing.owners.items() if number == 2 - owner)
    assert first - max(s for s, n in crossing.owners.items() if n == owner + 1) > 20 - 3
