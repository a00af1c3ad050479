"""What shards that lie may say: tables of lies, each of which is wrong in one thing.

A lie is made of what an honest shard would say: it changes one row, and nothing else about it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from sidereal.game.schema import column_of
from sidereal.protocol.limits import REPAIRED_TICKS_MAX
from sidereal.protocol.state.reckoning import Motion
from sidereal.tools.simulate.flights import COLUMNS
from sidereal.tools.simulate.game import ASTEROID, Turn

Lie = Callable[[np.ndarray, np.random.Generator], None]
"""Changes a row; goes by drawn numbers."""

LEVEL: Final = COLUMNS[0]
AT, TURN_LEVEL = (column_of(Turn, field) for field in Turn.fields.values())

FOREIGN_FROM: Final = 0x7000_0000
"""Ids that no block which was granted has begin here."""


def _not_a_number(row: np.ndarray, dice: np.random.Generator) -> None:
    name = Motion._fields[int(dice.integers(len(Motion._fields)))]
    row[name] = (math.nan, math.inf, -1e300)[int(dice.integers(3))]


def _out_of_range(row: np.ndarray, dice: np.random.Generator) -> None:
    row["spin"] = dice.uniform(1e3, 1e6)


def _too_fast(row: np.ndarray, dice: np.random.Generator) -> None:
    row["vx"], row["vy"] = dice.uniform(200.0, 249.0, 2)


def _too_far(row: np.ndarray, dice: np.random.Generator) -> None:
    row["x"] += dice.uniform(3e3, 1e5)


def put_elsewhere(row: np.ndarray, ticks: int, step: float, dice: np.random.Generator) -> None:
    """Say that ticks simulated again have put an entity where it cannot have flown.

    Args:
        row: where it was.
        ticks: how long ago that was.
        step: world units that anything flies in a tick.
        dice: to draw with.
    """
    row["x"] += step * (ticks + dice.uniform(1.0, REPAIRED_TICKS_MAX - 1.0))
    row["tick"] += ticks


def _of_the_future(row: np.ndarray, dice: np.random.Generator) -> None:
    row["tick"] += int(dice.integers(40, 10_000))


def _of_another_pilot(row: np.ndarray, dice: np.random.Generator) -> None:
    row["control_epoch"] += int(dice.integers(1, 100))


def _of_an_unsent_input(row: np.ndarray, dice: np.random.Generator) -> None:
    row["input_seq"] += int(dice.integers(200, 1 << 31))


def _of_a_past_epoch(row: np.ndarray, dice: np.random.Generator) -> None:
    row["epoch"] -= 1
    row["x"] += 1.0


def _of_an_epoch_to_come(row: np.ndarray, dice: np.random.Generator) -> None:
    row["epoch"] += int(dice.integers(1, 1000))
    row["x"] += 1.0


OWN_LIES: Final[tuple[Lie, ...]] = (
    _not_a_number,
    _out_of_range,
    _too_fast,
    _too_far,
    _of_the_future,
    _of_another_pilot,
    _of_an_unsent_input,
    _of_a_past_epoch,
    _of_an_epoch_to_come,
)
"""What may be said of an entity of its own; each is wrong in one thing."""


def _too_charged(row: np.ndarray, dice: np.random.Generator) -> None:
    row[LEVEL] = (math.nan, dice.uniform(60.0, 1e6))[int(dice.integers(2))]


def charged_as_it_likes(row: np.ndarray, dice: np.random.Generator) -> None:
    """Say what may be, of somebody else's."""
    row[LEVEL] = dice.uniform(0.0, 50.0)


def _charged_in_a_past_epoch(row: np.ndarray, dice: np.random.Generator) -> None:
    row["epoch"] -= 1
    row[LEVEL] = dice.uniform(0.0, 50.0)


def _charged_in_the_future(row: np.ndarray, dice: np.random.Generator) -> None:
    row["tick"] += int(dice.integers(40, 10_000))
    row[LEVEL] = dice.uniform(0.0, 50.0)


CHARGE_LIES: Final[tuple[Lie, ...]] = (
    _too_charged,
    _charged_in_a_past_epoch,
    _charged_in_the_future,
)
"""What may be said of the charge of an entity of its own."""


def that_never_was(row: np.ndarray, dice: np.random.Generator) -> None:
    """Say that a turn was over at a tick which never comes."""
    row[AT] = int(dice.integers(1 << 30, 1 << 31))


def _of_a_past_owner(row: np.ndarray, dice: np.random.Generator) -> None:
    row["epoch"] -= 1


def _of_no_such_level(row: np.ndarray, dice: np.random.Generator) -> None:
    row[TURN_LEVEL] = (math.nan, dice.uniform(60.0, 1e6))[int(dice.integers(2))]


EVENT_LIES: Final[tuple[Lie, ...]] = (
    _of_a_past_owner,
    _of_no_such_level,
)
"""What may be said to have happened to an entity of its own."""


def _of_a_foreign_id(row: np.ndarray, dice: np.random.Generator) -> None:
    row["id"] = FOREIGN_FROM + int(dice.integers(1 << 20))


def _of_a_foreign_kind(row: np.ndarray, dice: np.random.Generator) -> None:
    row["kind"] = ASTEROID


def _at_a_foreign_place(row: np.ndarray, dice: np.random.Generator) -> None:
    row["x"] += dice.uniform(1e5, 1e6)


def _born_in_the_future(row: np.ndarray, dice: np.random.Generator) -> None:
    row["tick"] += int(dice.integers(40, 10_000))


def _born_handed_over(row: np.ndarray, dice: np.random.Generator) -> None:
    row["epoch"] += int(dice.integers(1, 1000))


BIRTH_LIES: Final[tuple[Lie, ...]] = (
    _of_a_foreign_id,
    _of_a_foreign_kind,
    _at_a_foreign_place,
    _born_in_the_future,
    _born_handed_over,
    _not_a_number,
    _out_of_range,
)
"""What may be said of a spark; each is wrong in one thing."""
