"""Game code that goes wrong wherever one entity is: no shard after shard is lost to it.

The world is the real authority; shards are scripted. Who simulates the poisoned entity says
farewell a moment later, and comes back as its supervisor would bring it back. What must hold is
said once, in `violations`, which the bugs planted at the end must turn red.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sidereal.replication.http.status import Board, describe_world
from sidereal.replication.limits import LIMITS
from sidereal.replication.ownership.failures import Failures
from sidereal.replication.ownership.leases import LeaseTable
from sidereal.replication.world import World

from .troupe import SIZE, ScriptedShard, Troupe, rocks

WHAT = "system mine.mend"
WHY = "system mine.mend raised ZeroDivisionError at tick 12: division by zero"
OLD, NEW = b"o" * 16, b"n" * 16
ROCKS, SECTORS = 60, 6
POISONED = 17
"""It is in the second sector."""
HOME = (1, 0)
FAILURES = LIMITS.ownership.failures
BACK_AFTER_S = 0.4
LONG = 90
"""Ticks in which all has failed that will."""


class Poisoned:
    """A world with shards of which each fails that simulates the poisoned entity.

    Attributes:
        failed: the tick of every failure.
        withheld: the sectors that were withheld after each.
    """

    def __init__(self, shards: int, **limits: Any) -> None:
        records = rocks(ROCKS, SECTORS)
        records["vx"] = 2.0
        ownership = replace(LIMITS.ownership, **limits)
        self.troupe = Troupe(records, replace(LIMITS, ownership=ownership))
        self.failed: list[int] = []
        self.withheld: list[set[tuple[int, int]]] = []
        self.code = OLD
        self.poison = POISONED
        self._back_at: dict[str, float] = {}
        self.shards: dict[str, ScriptedShard] = {}
        for number in range(1, shards + 1):
            self.connect(f"shard-{number}")
            self.troupe.run(8)

    def connect(self, name: str) -> ScriptedShard:
        shard = self.shards[name] = self.troupe.shard(name, ticks=0, code=self.code)
        return shard

    def run(self, ticks: int) -> None:
        """Let ticks pass, in which shards fail and come back."""
        core = self.troupe.core
        for _ in range(ticks):
            for name, shard in list(self.shards.items()):
                if self.poison in shard.bodies and self.code == OLD:
                    shard.say_farewell(WHAT, WHY)
                    shard.bodies.clear()
                    del self.shards[name]
                    self._back_at[name] = self.troupe.now + BACK_AFTER_S
                    self.failed.append(core.tick)
            for name, at in list(self._back_at.items()):
                if self.troupe.now >= at:
                    del self._back_at[name]
                    self.connect(name)
            self.troupe.run(1)
            if self.failed and len(self.withheld) < len(self.failed):
                self.withheld.append(set(core.mesh.failures.withheld))

    def mend(self) -> None:
        """Bring all shards back with other code."""
        self.code = NEW
        for name, shard in list(self.shards.items()):
            shard.say_farewell()
            self.troupe.run(2)
            self.connect(name)
            self.troupe.run(6)

    def row(self) -> int:
        return int(self.troupe.core.world.columns.rows_of(np.array([self.poison]))[0])

    def place(self) -> tuple[float, float]:
        x, y, _ = self.troupe.core.world.locate(np.array([self.row()]), self.troupe.core.tick)
        return float(x[0]), float(y[0])

    def value(self, name: str) -> float:
        return float(self.troupe.core.world.columns[name][self.row()])

    @property
    def kept(self) -> set[tuple[int, int]]:
        return set(self.troupe.core.mesh.failures.withheld)

    def status(self) -> dict[str, Any]:
        return describe_world(self.troupe.core, Board())


def violations(shards: int) -> Iterator[str]:
    """Say what is wrong with what becomes of a poisoned world."""
    world = Poisoned(shards)
    world.run(LONG)
    if len(world.failed) != FAILURES:
        yield f"{len(world.failed)} shards failed"
    if world.withheld[:-1] != [set()] * (FAILURES - 1) or HOME not in world.kept:
        yield f"withheld were {world.withheld}"
    place = world.place()
    world.run(40)
    if world.place() != place:
        yield "it moves"
    owners = world.troupe.owners()
    elsewhere = {
        net_id for net_id in range(1, ROCKS + 1) if _sector(world, net_id) not in world.kept
    }
    if not all(world.troupe.owner_of(net_id) for net_id in elsewhere):
        yield f"the rest is not simulated: {owners}"
    if len(world.troupe.core.shards.shards) != shards:
        yield "a shard is missing"
    world.mend()
    world.run(20)
    if world.kept or not world.troupe.owner_of(POISONED):
        yield "mended code does not get it back"


def _sector(world: Poisoned, net_id: int) -> tuple[int, int]:
    columns = world.troupe.core.world.columns
    row = columns.rows_of(np.array([net_id]))
    x, y, _ = world.troupe.core.world.locate(row, world.troupe.core.tick)
    return int(x[0] // SIZE), int(y[0] // SIZE)


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_the_third_failure_is_the_last(shards: int) -> None:
    assert list(violations(shards)) == []


def test_the_last_shard_to_fail_is_not_the_only_one_that_is_asked() -> None:
    """With three shards, few sectors were there each time; with one, all of them."""
    alone, three = Poisoned(1), Poisoned(3)
    alone.run(LONG)
    three.run(LONG)
    assert len(alone.kept) == SECTORS
    assert HOME in three.kept
    assert len(three.kept) < SECTORS


def test_the_status_names_what_failed_and_where() -> None:
    world = Poisoned(3)
    world.run(LONG)
    status = world.status()
    (row,) = [row for row in status["withheld"] if (row["x"], row["y"]) == HOME]
    assert (row["what"], row["why"]) == (WHAT, WHY)
    assert row["entities"] == 10
    assert HOME not in {(sector["x"], sector["y"]) for sector in status["sectors"]}
    notes = world.troupe.core.notes.take()
    assert [n.fields["why"] for n in notes if n.event == "shard_left"] == [WHY] * FAILURES
    (withheld,) = [note for note in notes if note.event == "sectors_withheld"]
    assert withheld.fields["what"] == WHAT
    assert withheld.fields["count"] == len(world.kept)


def test_failures_long_ago_do_not_count() -> None:
    world = Poisoned(1, failures_within_s=0.9)
    world.run(2 * LONG)
    assert len(world.failed) > FAILURES
    assert not world.kept


def test_a_shard_that_leaves_in_order_fails_nowhere() -> None:
    world = Poisoned(1)
    world.code = NEW
    for _ in range(2 * FAILURES):
        world.mend()
    assert not world.kept


def test_code_that_failed_is_not_tried_again_while_some_shard_runs_it() -> None:
    world = Poisoned(2)
    world.run(LONG)
    kept = world.kept
    world.code = NEW
    world.connect("shard-3")
    world.run(10)
    assert world.kept == kept
    world.mend()
    world.run(10)
    assert not world.kept
    (note,) = [n for n in world.troupe.core.notes.take() if n.event == "sectors_free_again"]
    assert note.fields["count"] == len(kept)


def test_what_comes_to_a_withheld_sector_without_an_owner_stands_still_there() -> None:
    world = Poisoned(1)
    world.run(LONG)
    core = world.troupe.core
    row = core.world.columns.rows_of(np.array([POISONED]))
    core.world.columns["vx"][row] = 30.0
    core.world.columns.tick[row] = core.tick
    world.run(2)
    place = world.place()
    world.run(20)
    assert world.place() == place
    assert world.value("vx") == 0.0
    assert core.world.dirty[row]


def test_an_owned_guest_flies_through_a_withheld_sector() -> None:
    world = Poisoned(2)
    world.run(LONG)
    core = world.troupe.core
    free = next(i for i in range(1, ROCKS + 1) if world.troupe.owner_of(i))
    owner = world.troupe.owner_of(free)
    row = core.world.columns.rows_of(np.array([free]))
    world.troupe.put(free, (HOME[0] + 0.5) * SIZE)
    core.world.columns["vx"][row] = 30.0
    world.run(10)
    assert world.troupe.owner_of(free) == owner
    assert core.world.columns["vx"][row] == 30.0


def test_a_farewell_that_no_terminal_can_show_is_malformed() -> None:
    world = Poisoned(1, failures=1)
    dropped = world.troupe.core.shards.dropped
    (shard,) = world.shards.values()
    shard.say_farewell("system \x1b[2J", "")
    world.troupe.run(4)
    assert dropped["malformed"] == 1
    assert not world.kept


# -- bugs planted on purpose ----------------------------------------------------------------------


def failures_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Each failure is the first."""
    note = Failures.note

    def forgetful(self: Failures, *arguments: Any) -> Any:
        self._recent = {}
        return note(self, *arguments)

    patch.setattr(Failures, "note", forgetful)


def withheld_sectors_are_leased(patch: pytest.MonkeyPatch) -> None:
    """What is withheld is only taken away once."""
    withhold = LeaseTable.withhold

    def once(self: LeaseTable, sectors: Any) -> Any:
        changes = withhold(self, sectors)
        self._withheld = frozenset()
        return changes

    patch.setattr(LeaseTable, "withhold", once)


def withheld_sectors_drift(patch: pytest.MonkeyPatch) -> None:
    """What nobody simulates goes on in a straight line."""
    patch.setattr(World, "halt", lambda *_: None)


def one_failure_is_enough(patch: pytest.MonkeyPatch) -> None:
    """A shard that fails once takes its sectors with it."""
    create = Failures.__init__
    patch.setattr(
        Failures, "__init__", lambda self, limits: create(self, replace(limits, failures=1))
    )


def code_is_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    """Whoever joins gets the sectors back."""
    free = Failures.free
    patch.setattr(Failures, "free", lambda self, running: free(self, ()))


def nothing_is_freed(patch: pytest.MonkeyPatch) -> None:
    """Mended code is not tried."""
    patch.setattr(Failures, "free", lambda *_: [])


@pytest.mark.parametrize(
    "plant",
    [
        failures_are_forgotten,
        withheld_sectors_are_leased,
        withheld_sectors_drift,
        one_failure_is_enough,
        code_is_not_looked_at,
        nothing_is_freed,
    ],
    ids=lambda plant: plant.__name__,
)
def test_a_mutant_dies(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    assert next(violations(2), "")
