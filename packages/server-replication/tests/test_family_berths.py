"""Families in berths: children come back with what an account flew, each once, or never again."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from sidereal.game import Body, Game, Motion, Parent, Pilot
from sidereal.game.declarations import declare
from sidereal.game.schema import schema_of
from sidereal.game.spawns import Spawns
from sidereal.protocol.rules import Rules
from sidereal.protocol.state.families import DEPTH_MAX
from sidereal.replication.keeping.persist import WriteBehind
from sidereal.replication.keeping.references import enter_saved, saved_alone, to_saved
from sidereal.replication.keeping.stored import Berth
from sidereal.replication.play.berths import Berths
from sidereal.replication.world import UUID, World

game = Game("families")
SHIP = game.kind("ship", Motion(), Body(radius=6), Pilot())
CRATE = game.kind("crate", Motion(), Parent(), Body(radius=2))
GAME = declare(game)
SCHEMA = schema_of(GAME)
SPAWNS = Spawns(GAME, SCHEMA)
ADA = 7
TICK = 100


class Port:
    """A world with the ship of Ada, who has crates: two of the ship, and one of the first."""

    def __init__(self) -> None:
        self.world = World(SCHEMA, Rules())
        self.saving = WriteBehind(self.world)
        self.berths = Berths(self.world, self.saving)
        ship = self.enter(b"ship", 0, ADA)
        first = self.enter(b"first", ship)
        self.enter(b"inside", first)
        self.enter(b"second", ship)

    def enter(self, name: bytes, parent: int, account: int = 0) -> int:
        kind, more = (CRATE, [Parent(of=parent)]) if parent else (SHIP, [])
        record = SPAWNS.make(kind, [Motion(x=1.0), *more])
        uuid = np.frombuffer(name.ljust(16), UUID)
        row = self.world.enter(record, uuid, np.array([account]), TICK)
        return int(self.world.columns.net_id[row[0]])

    def there(self) -> list[bytes]:
        names = self.world.uuid[self.world.columns.rows()]
        return sorted(name.tobytes().strip() for name in names)

    def row(self, name: bytes) -> int:
        named = self.world.uuid == np.frombuffer(name.ljust(16), UUID)[0]
        return int(np.flatnonzero(named & self.world.columns.alive)[0])

    def berth(self) -> Berth:
        """What the database has of the ship and its crates, if it has them as they are now."""
        rows = [self.row(name) for name in (b"ship", b"first", b"inside", b"second")]
        records = self.world.columns.store(np.array(rows), SCHEMA.full_record)
        return Berth(to_saved(self.world, records), self.world.uuid[rows].copy())

    def save(self) -> None:
        batch = self.saving.take_batch(100, TICK)
        assert batch is not None
        self.saving.committed(batch)

    def leave(self) -> None:
        row = self.row(b"ship")
        self.berths.leave(row, TICK)
        self.world.remove(self.world.families.whole(np.array([row])), TICK)

    def come(self, berth: Berth | None = None) -> Berth | None:
        """Let Ada ask for what she left; gives it. The database has what is given."""
        self.berths.fetch(ADA, TICK)
        for request in self.berths.take_requests():
            self.berths.deliver(request, berth)
        ((_, left),) = self.berths.take_arrived(1)
        self.berths.offer(ADA, left)
        return left


@pytest.mark.parametrize("is_saved", [True, False])
@pytest.mark.parametrize("is_read", [True, False])
def test_a_child_that_ends_in_its_berth_does_not_come_back_nor_what_is_below_it(
    is_saved: bool, is_read: bool
) -> None:
    port = Port()
    port.save()
    kept = port.berth()
    port.leave()
    if is_saved:
        port.save()
    if is_read:
        port.come(kept)
    port.berths.end(b"first".ljust(16), TICK)
    if not is_read:
        port.come(kept)
    left = port.berths.offered(ADA)
    assert left is not None
    port.berths.enter(ADA, TICK, left)
    assert port.there() == [b"second", b"ship"]


def test_a_family_waits_as_long_as_the_database_has_not_taken_all_of_it() -> None:
    port = Port()
    port.save()
    port.leave()
    batch = port.saving.take_batch(100, TICK)
    assert batch is not None
    names = [name.tobytes().strip() for name in batch.uuid]
    assert names[0] == b"ship"
    waits = np.array([name == b"second" for name in names])
    port.saving.settle(batch, ~waits, np.zeros(len(batch), np.bool_))
    left = port.come()
    assert left is not None
    assert len(left.uuid) == 4
    port.berths.enter(ADA, TICK, left)
    assert port.there() == [b"first", b"inside", b"second", b"ship"]
    port.save()


def test_a_child_that_waits_to_be_saved_is_in_the_world_once() -> None:
    port = Port()
    port.save()
    kept = port.berth()
    port.leave()
    batch = port.saving.take_batch(100, TICK)
    assert batch is not None
    ship = batch.uuid == np.frombuffer(b"ship".ljust(16), UUID)[0]
    port.saving.settle(batch, np.zeros(len(batch), np.bool_), ship)
    left = port.come(kept)
    assert left is not None
    port.berths.enter(ADA, TICK, left)
    assert port.there() == [b"first", b"inside", b"second", b"ship"]
    port.save()


def test_a_child_whose_end_waits_to_be_saved_does_not_come_back() -> None:
    port = Port()
    port.save()
    kept = port.berth()
    first = port.world.families.whole(np.array([port.row(b"first")]))
    records = port.world.columns.store(first, SCHEMA.full_record)
    for at, row in enumerate(first.tolist()):
        port.saving.depart(records[[at]], row, TICK, removed=True)
    port.world.remove(first, TICK)
    port.leave()
    batch = port.saving.take_batch(100, TICK)
    assert batch is not None
    ship = batch.uuid == np.frombuffer(b"ship".ljust(16), UUID)[0]
    port.saving.settle(batch, np.zeros(len(batch), np.bool_), ship)
    left = port.come(kept)
    assert left is not None
    port.berths.enter(ADA, TICK, left)
    assert port.there() == [b"second", b"ship"]
    batch = port.saving.take_batch(100, TICK)
    assert batch is not None
    ended = {name.tobytes().strip() for name in batch.uuid[batch.removed]}
    assert ended == {b"first", b"inside"}


@pytest.mark.parametrize("length", [1, 2, DEPTH_MAX + 2])
def test_those_whom_the_database_has_as_their_own_ancestors_end_and_stop_nobody(
    length: int,
) -> None:
    world = World(SCHEMA, Rules())
    uuid = np.array([bytes([at + 1]).rjust(16) for at in range(length + 2)], "V16").view(UUID)
    saved = np.repeat(saved_alone(SCHEMA, SPAWNS.make(CRATE, [])), length + 2)
    saved["of"][:length] = np.roll(uuid[:length], 1)
    saved["kind"][-2] = SPAWNS.make(SHIP, [])["kind"][0]
    saved["of"][-1] = uuid[-2]
    rows = enter_saved(world, saved, uuid, np.zeros(length + 2, np.int64), TICK)
    assert len(list(islice(world.families.above(rows), 99))) <= DEPTH_MAX
    assert sorted(world.families.orphans(rows).tolist()) == sorted(rows[:length].tolist())
