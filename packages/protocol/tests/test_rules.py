"""Rules: what cannot work is refused, whatever numbers a peer sends."""

from __future__ import annotations

import math

import msgspec
import pytest

from sidereal.protocol.errors import ConfigError
from sidereal.protocol.rules import Rules, StreamLimits, check_rules


@pytest.mark.parametrize("cells", [1, 4, 15])
def test_sectors_of_1_to_15_cells_along_an_edge_work(cells: int) -> None:
    check_rules(Rules(sector_size=cells * 64.0, cell_size=64.0))


def test_the_default_rules_can_work() -> None:
    check_rules(Rules())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("tick_hz", [0, 121]),
        ("substeps", [0, 17]),
        ("cell_size", [0.0, -250.0, 300.0, math.nan]),
        ("sector_size", [260.0, math.inf]),
        ("view_radius_cells", [0, 8]),
        ("speed_max", [0.0, 251.0]),
    ],
)
def test_rules_that_cannot_work_are_refused_by_name(name: str, values: list[float]) -> None:
    for value in values:
        with pytest.raises(ConfigError, match=name):
            check_rules(msgspec.structs.replace(Rules(), **{name: value}))


@pytest.mark.parametrize(
    ("sector", "cell"), [(0.0, 1.0), (4000.0, 250.0), (1e308, 5e-324), (-1000.0, 250.0)]
)
def test_a_sector_without_cells_or_with_too_many_is_refused(sector: float, cell: float) -> None:
    with pytest.raises(ConfigError, match="1 to 15 cells along an edge"):
        check_rules(Rules(sector_size=sector, cell_size=cell))


@pytest.mark.parametrize(
    ("name", "streams"),
    [
        ("reorder_ticks", StreamLimits(reorder_ticks=0)),
        ("reorder_ticks", StreamLimits(reorder_ticks=20, tombstone_ticks=20)),
        ("tombstone_ticks", StreamLimits(tombstone_ticks=257)),
        ("record_age_ticks", StreamLimits(record_age_ticks=256)),
        ("record_age_ticks", StreamLimits(record_age_ticks=(1 << 15) + 1)),
    ],
)
def test_limits_of_streams_that_do_not_fit_each_other_or_the_wire_are_refused(
    name: str, streams: StreamLimits
) -> None:
    with pytest.raises(ConfigError, match=name):
        check_rules(Rules(streams=streams))


@pytest.mark.parametrize(
    "streams", [StreamLimits(1, 2, 3), StreamLimits(255, 256, 257), StreamLimits(1, 256, 1 << 15)]
)
def test_limits_of_streams_at_their_edges_are_allowed(streams: StreamLimits) -> None:
    check_rules(Rules(streams=streams))


def test_the_age_of_a_section_fits_the_eight_bits_in_which_it_travels() -> None:
    assert StreamLimits(tombstone_ticks=256).section_age_max == 255


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        check_rules(Rules(tick_hz=0, speed_max=-1.0, view_radius_cells=0))
    for name in ("tick_hz", "speed_max", "view_radius_cells"):
        assert name in str(caught.value)
