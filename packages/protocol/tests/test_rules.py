"""Rules: what cannot work is refused, whatever numbers a peer sends."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.rules import Rules, check_rules


@pytest.mark.parametrize("cells", [1, 4, 15])
def test_sectors_of_1_to_15_cells_along_an_edge_work(cells: int) -> None:
    check_rules(Rules(sector_size=cells * 64.0, cell_size=64.0))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"sector_size": 16 * 64.0, "cell_size": 64.0}, "1 to 15 cells"),
        ({"cell_size": 5e-324}, "1 to 15 cells"),
        ({"cell_size": 0.0}, "whole multiple"),
        ({"cell_size": -250.0}, "whole multiple"),
        ({"cell_size": 300.0}, "whole multiple"),
        ({"sector_size": -1000.0}, "1 to 15 cells"),
        ({"sector_size": math.inf}, "sector_size must be finite"),
        ({"ship_turn": math.nan}, "ship_turn must be finite"),
        ({"view_radius_cells": 8}, "view_radius_cells"),
        ({"tick_hz": 0}, "tick_hz"),
        ({"ship_speed_max": 251.0}, "ship_speed_max"),
    ],
)
def test_rules_that_cannot_work_are_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        check_rules(Rules(**values))
