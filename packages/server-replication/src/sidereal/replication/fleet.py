"""Ships of accounts: in the world while their pilot is, in the hangar while not."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sidereal.replication.genesis import find_room, make_ship
from sidereal.replication.spots import nearest_free_spot
from sidereal.replication.world import UUID, World


class Berth(NamedTuple):
    """A ship that is not in the world, as it was when it left.

    Attributes:
        record: `Schema.full_record[1]`.
        uuid: `UUID[1]`.
    """

    record: np.ndarray
    uuid: np.ndarray


class Fleet:
    """The ships of accounts, one each."""

    def __init__(
        self, world: World, entropy: Callable[[int], bytes], rng: np.random.Generator
    ) -> None:
        self._world = world
        self._entropy = entropy
        self._rng = rng
        self._hangar: dict[int, Berth] = {}

    def __len__(self) -> int:
        return len(self._hangar)

    def shelter(self, account: int, record: np.ndarray, uuid: np.ndarray) -> None:
        """Keep an account's ship until its pilot comes.

        Args:
            account: whose it is.
            record: `Schema.full_record[1]`.
            uuid: `UUID[1]`.
        """
        self._hangar[account] = Berth(record, uuid)

    def launch(self, account: int, name: str, tick: int) -> int:
        """Put an account's ship into the world: near where it was, or new in a free spot.

        What has drifted to where it was meanwhile stays; the ship gets the nearest spot beside it.

        Returns:
            its slot; its `control_epoch` is new and its `input_seq` 0.
        """
        present = self._world.present(tick)
        radius = self._world.columns["radius"][present.slots]
        others = present.x, present.y, radius
        berth = self._hangar.pop(account, None) or self._build(name, others, tick)
        record = berth.record.copy()
        x, y, size = (float(record[name][0]) for name in ("x", "y", "radius"))
        record["x"], record["y"] = nearest_free_spot(x, y, size, others)
        record["tick"] = tick
        record["epoch"] += np.uint32(1)
        record["control_epoch"], record["input_seq"] = record["epoch"], 0
        return int(self._world.enter(record, berth.uuid, np.array([account]), tick)[0])

    def at_rest(self, slot: int, tick: int) -> Berth:
        """Give a ship of the world as it is now, and standing still."""
        slots = np.array([slot])
        record = self._world.columns.store(slots, self._world.schema.full_record)
        record["x"], record["y"], record["heading"] = self._world.locate(slots, tick)
        record["vx"] = record["vy"] = record["spin"] = 0.0
        record["tick"] = tick
        return Berth(record, self._world.uuid[slots])

    def _build(
        self, name: str, others: tuple[np.ndarray, np.ndarray, np.ndarray], tick: int
    ) -> Berth:
        x, y = find_room(*others, self._world.rules, self._rng)
        heading = float(self._rng.uniform(-np.pi, np.pi))
        record = make_ship(self._world.schema, name, x, y, heading, tick)
        return Berth(record, np.frombuffer(self._entropy(16), UUID, 1))
