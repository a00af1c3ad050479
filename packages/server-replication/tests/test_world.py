"""What clients are sent of where things are."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.protocol.rules import Rules
from sidereal.protocol.state.quantize import decode_wire_untrusted
from sidereal.protocol.state.schema import BASE_SCHEMA
from sidereal.replication.world import UUID, World

RULES = Rules()


@pytest.mark.parametrize("place", [(0.0, 0.0), (999.5, -0.5), (-123_456.75, 654_321.25)])
def test_what_is_sent_lies_where_the_entity_is_however_far_out(place: tuple[float, float]) -> None:
    world = World(BASE_SCHEMA, RULES)
    record = np.zeros(1, BASE_SCHEMA.full_record)
    record["x"], record["y"], record["radius"], record["mass"] = *place, 5.0, 10.0
    rows = world.enter(record, np.zeros(1, UUID), np.zeros(1, np.int64), 1)
    world.refresh(world.present(1))
    size = RULES.cell_size
    left, lower = (axis // size * size for axis in place)
    values, ticks = decode_wire_untrusted(BASE_SCHEMA, world.wire[rows], left, lower, 1, RULES)
    assert ticks.tolist() == [1]
    assert (values["x"][0], values["y"][0]) == pytest.approx(place, abs=size / 65536)
