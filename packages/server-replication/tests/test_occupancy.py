"""Sectors are forgotten when nothing was or happened there for long, and no sooner."""

from __future__ import annotations

import numpy as np
import pytest

from sidereal.game import Event, Game, Motion
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.protocol.rules import Rules
from sidereal.protocol.space.sectors import pack_sector
from sidereal.protocol.state.schema import EVENT_FIRST
from sidereal.replication.events import Events
from sidereal.replication.limits import Limits, WorldLimits
from sidereal.replication.world import UUID, World

RULES = Rules()
EMPTY_TICKS = 10
LIMITS = Limits(world=WorldLimits(sector_empty_ticks=EMPTY_TICKS, sectors_checked_every_ticks=1))


class Bang(Event):
    pass


game = Game("occupancy")
game.declare(Bang)
game.kind("stone", Motion())
DECLARED = declare(game)
SCHEMA = schema_of(DECLARED)


class Space:
    """A world whose sectors lie side by side."""

    def __init__(self) -> None:
        self.world = World(SCHEMA, RULES, limits=LIMITS.world)
        self.events = Events(DECLARED, self.world, LIMITS)

    def enter(self, sector: int, tick: int) -> np.ndarray:
        records = np.zeros(1, SCHEMA.full_record)
        records["kind"], records["tick"] = 1, tick
        records["x"] = (sector + 0.5) * RULES.sector_size
        return self.world.enter(records, np.zeros(1, UUID), np.zeros(1, np.int64), tick)

    def flash(self, sector: int, tick: int) -> None:
        """Let something happen to who is gone at the end of the tick."""
        rows = self.enter(sector, tick)
        self.events.commit(EVENT_FIRST, rows, {}, tick)
        self.world.remove(rows, tick)

    def end(self, tick: int) -> list[int]:
        """End a tick: the sectors that are forgotten."""
        self.world.occupancy.note(self.world.present(tick).group, tick)
        empty = self.world.occupancy.forget_empty(tick)
        self.events.log.forget(empty.group)
        self.events.log.publish(tick)
        sectors: list[int] = (empty.sector >> 32).tolist()
        return sectors

    def end_all(self, first: int, last: int) -> list[tuple[int, int]]:
        """End ticks: when which sectors are forgotten."""
        return [(tick, sector) for tick in range(first, last + 1) for sector in self.end(tick)]

    @property
    def happened(self) -> list[int]:
        """At which ticks something has happened that is kept."""
        ticks: list[int] = self.events.log.kept[EVENT_FIRST].tick.tolist()
        return ticks


@pytest.fixture
def space() -> Space:
    space = Space()
    rows = space.enter(0, 1)
    assert space.end(1) == []
    space.world.remove(rows, 1)
    return space


def test_a_sector_is_forgotten_when_it_was_empty_for_long(space: Space) -> None:
    forgotten_at = 1 + EMPTY_TICKS + 1
    assert space.end_all(2, 50) == [(forgotten_at, 0)]
    assert space.world.sectors.keys.tolist() == []


def test_what_happens_in_a_sector_counts_like_what_is_there(space: Space) -> None:
    happens_at = 1 + EMPTY_TICKS + 1
    assert space.end_all(2, happens_at - 1) == []
    space.flash(0, happens_at)
    assert space.end(happens_at) == []
    assert space.happened == [happens_at]
    assert space.end_all(happens_at + 1, 50) == [(happens_at + EMPTY_TICKS + 1, 0)]
    assert space.happened == []


def test_a_sector_that_is_no_more_leaves_its_age_to_none_that_comes(space: Space) -> None:
    happens_at = 30
    space.end_all(2, happens_at - 1)
    space.flash(7, happens_at)
    assert space.world.sectors.row_count == 1
    assert space.end(happens_at) == []
    assert space.happened == [happens_at]
    assert space.end_all(happens_at + 1, 50) == [(happens_at + EMPTY_TICKS + 1, 7)]


def test_what_is_in_no_sector_occupies_none(space: Space) -> None:
    for tick in range(2, 1 + EMPTY_TICKS + 1):
        space.world.occupancy.note(np.array([-1], np.int32), tick)
        assert space.end(tick) == []
    assert space.end(1 + EMPTY_TICKS + 1) == [0]
    assert space.world.sectors.rows_of(pack_sector(0, 0)) == -1
