"""What a shard sees of the others' entities, in whatever order it is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidereal.game import Game, Motion, Part, Step
from sidereal.game.declarations import declare
from sidereal.game.load import DEFAULT_GAME, load
from sidereal.game.schema import schema_of
from sidereal.games import frontier
from sidereal.protocol.message.shard import Adopt, Release
from sidereal.protocol.rules import Rules
from sidereal.shard.asks import Asks
from sidereal.shard.events import Events
from sidereal.shard.queries import Queries
from sidereal.shard.simulation import Simulation
from sidereal.shard.step import ShardStep

FRONTIER = load(DEFAULT_GAME)

RULES = Rules()
SHIP = 7


def rows(epoch: int = 1, tick: int = 100, **values: float) -> np.ndarray:
    row = schema_of(FRONTIER).first[[FRONTIER.kind_number("ship")]]
    row["id"], row["epoch"], row["tick"], row["shard"] = SHIP, epoch, tick, 2
    row["radius"], row["mass"] = 8.0, 10.0
    for name, value in values.items():
        row[name] = value
    return row


class Shard:
    """A simulation that is told things."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, list[float]]] = []
        self.ending = False
        lookout = Part("lookout")
        lookout.system(self._look)
        self.game = game = declare(Game("watched", parts=[frontier.game, lookout]))
        self.simulation = Simulation(game, schema_of(game), RULES, np.random.default_rng(1))

    def _look(self, step: Step) -> None:
        x = step[Motion].x[step.seen(Motion)]
        self.seen.append((step.tick, x.tolist()))
        if self.ending:
            step.despawn(step.rows(Motion))

    def end(self, tick: int) -> None:
        self.ending = True
        self.simulation.step(tick)
        self.ending = False

    def show(self, sent: int, row: np.ndarray) -> None:
        self.simulation.show_ghosts([(sent, row)], sent)

    def release(self, tick: int, epoch: int) -> None:
        pair = np.array([[SHIP, epoch]], "<u4").tobytes()
        self.simulation.apply(Release(tick, pair), tick)

    def adopt(self, tick: int, row: np.ndarray) -> None:
        self.simulation.apply(Adopt(tick, row.tobytes(), b""), tick)

    @property
    def ghost(self) -> float | None:
        """The x of the ghost's reference."""
        row = int(self.simulation.ghosts.rows_of(np.array([SHIP], np.uint32))[0])
        return float(self.simulation.population.reference["x"][row]) if row >= 0 else None

    @property
    def body(self) -> bool:
        return bool(self.simulation.bodies.rows_of([SHIP])[0] >= 0)


@pytest.fixture
def shard() -> Shard:
    return Shard()


def test_systems_see_ghosts_where_they_are_by_now(shard: Shard) -> None:
    shard.show(99, rows(tick=90, x=5.0, vx=20.0))
    shard.simulation.step(100)
    shard.simulation.step(101)
    assert [tick for tick, _ in shard.seen] == [100, 101]
    assert [x for _, [x] in shard.seen] == pytest.approx([15.0, 16.0])


def test_a_system_finds_bodies_and_ghosts_but_writes_bodies(shard: Shard) -> None:
    shard.adopt(100, rows(id=8, shard=1))
    shard.show(100, rows())
    simulation, rng = shard.simulation, np.random.default_rng(1)
    queries = Queries(shard.game, simulation.population)
    events = Events(shard.game, simulation.population)
    step = ShardStep(queries, simulation.lives, 101, RULES.tick_s, rng, Asks((), 1), events)
    assert sorted(step.id[step.seen(frontier.SHIP)].tolist()) == [SHIP, 8]
    assert step.id[step.rows(frontier.SHIP)].tolist() == [8]
    assert step.rows(frontier.ASTEROID).tolist() == []
    with pytest.raises(ValueError, match="read-only"):
        step.rows(Motion)[:] = 0


def test_ghosts_move_nobody(shard: Shard) -> None:
    shard.adopt(100, rows(id=8, shard=1))
    shard.show(100, rows())
    shard.simulation.step(101)
    columns = shard.simulation.bodies.columns
    own = shard.simulation.bodies.rows()
    assert len(own) == 1
    assert columns["x"][own].tolist() == columns["vx"][own].tolist() == [0.0]


def test_the_newest_row_stays_in_whatever_order_they_come(shard: Shard) -> None:
    shard.simulation.show_ghosts([(103, rows(x=3.0)), (102, rows(x=2.0))], 103)
    shard.show(101, rows(x=1.0))
    assert shard.ghost == 3.0
    shard.show(104, rows(epoch=0, x=4.0))
    assert shard.ghost == 3.0
    shard.show(102, rows(epoch=2, x=5.0))
    assert shard.ghost == 5.0


def test_a_release_ends_what_was_told_before_it_and_what_comes_late(shard: Shard) -> None:
    shard.show(100, rows())
    shard.release(102, epoch=2)
    assert shard.ghost is None
    shard.show(101, rows())
    assert shard.ghost is None


def test_a_ghost_that_came_back_before_its_release_arrived_stays(shard: Shard) -> None:
    shard.show(100, rows())
    shard.show(105, rows(x=1.0))
    shard.release(102, epoch=2)
    assert shard.ghost == 1.0


def test_a_body_that_is_handed_over_becomes_a_ghost_at_once(shard: Shard) -> None:
    shard.adopt(100, rows(epoch=3))
    shard.release(110, epoch=4)
    shard.show(110, rows(epoch=4))
    assert (shard.body, shard.ghost) == (False, 0.0)


def test_a_ghost_of_a_newer_epoch_ends_the_body_before_the_release_arrives(shard: Shard) -> None:
    shard.adopt(100, rows(epoch=3))
    shard.show(110, rows(epoch=4))
    assert (shard.body, shard.ghost) == (False, 0.0)
    shard.release(110, epoch=4)
    assert shard.ghost == 0.0


def test_an_adopted_ghost_is_a_body_and_late_rows_do_not_change_that(shard: Shard) -> None:
    shard.show(100, rows(epoch=3))
    shard.adopt(101, rows(epoch=4))
    assert (shard.body, shard.ghost) == (True, None)
    shard.show(100, rows(epoch=3))
    assert (shard.body, shard.ghost) == (True, None)


def test_a_late_row_of_what_ended_here_shows_no_ghost(shard: Shard) -> None:
    shard.adopt(101, rows(epoch=4))
    shard.end(102)
    shard.show(100, rows(epoch=3))
    assert (shard.body, shard.ghost) == (False, None)


def test_an_adoption_that_was_handed_on_already_is_ignored(shard: Shard) -> None:
    shard.show(110, rows(epoch=5))
    shard.adopt(105, rows(epoch=4))
    assert (shard.body, shard.ghost) == (False, 0.0)
    assert shard.simulation.statistics().records_stale == 1


def test_invalid_rows_are_refused_and_counted(shard: Shard) -> None:
    shard.show(100, rows(x=np.nan))
    shard.show(100, rows(id=0))
    assert shard.ghost is None
    assert shard.simulation.statistics().ghosts_refused == 2


def test_rows_of_a_long_ago_message_are_dropped(shard: Shard) -> None:
    shard.show(1000, rows(id=9))
    shard.show(1000 - RULES.streams.reorder_ticks - 1, rows())
    assert shard.ghost is None
    shard.show(1000 - RULES.streams.reorder_ticks, rows())
    assert shard.ghost == 0.0


def test_what_came_together_counts_however_long_ago_the_first_of_it_was(shard: Shard) -> None:
    late = 1000 + RULES.streams.reorder_ticks + 1
    shard.simulation.show_ghosts([(1000, rows()), (late, rows(id=9))], late)
    assert shard.ghost == 0.0
    assert len(shard.simulation.ghosts) == 2


def test_thousands_of_ghosts_come_and_go(shard: Shard) -> None:
    many = np.repeat(rows(), 3000)
    many["id"] = np.arange(1, 3001)
    shard.simulation.show_ghosts([(100, many[:2000]), (100, many[2000:])], 100)
    assert shard.simulation.statistics().ghosts == 3000
    pairs = np.stack([many["id"], many["epoch"] + 1], axis=1).astype("<u4")
    shard.simulation.apply(Release(101, pairs[:2999].tobytes()), 101)
    assert shard.simulation.population.columns.net_id[shard.simulation.ghosts.rows()].tolist() == [
        3000
    ]


Message = tuple[str, int, np.ndarray | int]
AWAY, GHOST, BODY = range(3)


def told_to(history: list[int]) -> tuple[list[Message], list[Message]]:
    """Play an authority: what it sends reliably, and rows, for what an entity is to a shard."""
    reliable: list[Message] = []
    unreliable: list[Message] = []
    epoch, before = 1, AWAY
    for tick, now in enumerate(history, 100):
        if before == BODY != now:
            epoch += 1
            reliable.append(("release", tick, epoch))
        elif now == BODY != before:
            epoch += 1
            reliable.append(("adopt", tick, rows(epoch, tick)))
        elif (before, now) == (GHOST, AWAY):
            reliable.append(("release", tick, epoch + 1))
        if now == GHOST:
            unreliable.append(("show", tick, rows(epoch, tick, x=float(tick))))
        before = now
    return reliable, unreliable


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    history=st.lists(st.sampled_from([AWAY, GHOST, BODY]), min_size=1, max_size=12),
    ends=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_whatever_overtakes_what_the_outcome_is_the_truth(
    history: list[int], ends: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    reliable, unreliable = told_to(history)
    ends &= history[-1] == BODY
    if ends:
        reliable.append(("end", 100 + len(history), 0))
    lost = rng.random(len(unreliable)) < 0.3
    if history[-1] == GHOST:
        lost[-1] = False
    arrivals = [(tick + rng.exponential(4.0), *rest) for rest in unreliable for tick in [rest[1]]]
    arrivals = [arrival for arrival, gone in zip(arrivals, lost, strict=True) if not gone]
    at = 0.0
    for message in reliable:
        at = max(at, message[1] + rng.exponential(4.0))
        arrivals.append((at, *message))
    shard = Shard()
    for _, verb, tick, payload in sorted(arrivals, key=lambda arrival: arrival[0]):
        if verb == "show":
            assert isinstance(payload, np.ndarray)
            shard.show(tick, payload)
        elif verb == "adopt":
            assert isinstance(payload, np.ndarray)
            shard.adopt(tick, payload)
        elif verb == "end":
            shard.end(tick)
        else:
            assert isinstance(payload, int)
            shard.release(tick, payload)
        assert not (shard.body and shard.ghost is not None)
    assert shard.body == (history[-1] == BODY and not ends)
    assert shard.ghost == (99.0 + len(history) if history[-1] == GHOST else None)
