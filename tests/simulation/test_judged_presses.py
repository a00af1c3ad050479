"""What the checker of presses expects of counts that come with motion, and of a flood of motion."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
import pytest

from sidereal.tools.simulate.checks.presses import COUNTED, TRIMMED, Presses
from sidereal.tools.simulate.game import PRESSES_AT, SHIP
from sidereal.tools.simulate.lies import Lies

ID: Final = 7
ROW: Final = np.zeros(1, np.int64)


class Columns(dict[str, np.ndarray]):
    """The columns of a world of one ship."""

    net_id = np.array([ID])

    def rows(self) -> np.ndarray:
        return ROW


def authority_with(input_seq: int, tally: tuple[int, int]) -> Any:
    """Make one that has a ship, as flown by an input, and with a tally."""
    values = {"kind": SHIP, "control_epoch": 1, "input_seq": input_seq}
    values |= {COUNTED: tally[0], TRIMMED: tally[1]}
    columns = Columns({name: np.array([value]) for name, value in values.items()})
    return SimpleNamespace(world=SimpleNamespace(columns=columns, account=np.array([1])))


def flight(input_seq: int, tally: tuple[int, int]) -> Any:
    """Make one of the ship, in which a shard had counted so much."""
    pilot = {"control_epoch": np.array([1]), "input_seq": np.array([input_seq])}
    return SimpleNamespace(net_id=np.array([ID]), tallied=np.array([tally]), since=0.0, **pilot)


@pytest.mark.parametrize(
    ("tally", "repeated", "is_right"),
    [
        ((4, -3), 0, True),
        ((3, 1), 0, False),
        # What the shard said of input 31 was lost, and its motion came again, alone.
        ((3, 1), 31, True),
        ((3, 1), 30, False),
        # So it was never counted, or not yet.
        ((3, -3), 31, False),
        ((4, 2), 31, False),
    ],
)
def test_with_motion_that_a_flood_repeats_counts_may_be_of_an_earlier_input(
    tally: tuple[int, int], repeated: int, is_right: bool
) -> None:
    lies, presses = Lies(), Presses()
    rows = np.array([(ID, 1, repeated)], [(n, "u4") for n in ("id", "control_epoch", "input_seq")])
    lies.note_repeated(rows)
    flights = [flight(30, (3, 1)), flight(31, (4, -3)), flight(32, (4, 2))]
    made = [(ID, 1 << PRESSES_AT)] * 4
    cluster: Any = SimpleNamespace(
        authority=SimpleNamespace(incarnation=1, started_at=0.0),
        ledger=SimpleNamespace(made=made),
        exercised=Counter(),
        lies=lies,
        flights=flights,
    )
    assert not list(presses.look(cluster, authority_with(0, (0, 0))))
    complaints = list(presses.look(cluster, authority_with(31, tally)))
    assert not complaints if is_right else len(complaints) == 1
